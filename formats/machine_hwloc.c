/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/machine_internal.h"

#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hwloc_topology_t topology_new(unsigned long flags, struct sr_error *err)
{
	hwloc_topology_t t;

	setenv("HWLOC_HIDE_ERRORS", "2", 0);
	if (hwloc_topology_init(&t)) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory for the machine description");
		return NULL;
	}
	/* The first-level caches decide nothing here and are a third of the XML. */
	if (hwloc_topology_set_flags(t, flags | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS) ||
	    hwloc_topology_set_io_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE) ||
	    hwloc_topology_set_icache_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE) ||
	    hwloc_topology_set_type_filter(t, HWLOC_OBJ_L1CACHE, HWLOC_TYPE_FILTER_KEEP_NONE) ||
	    hwloc_topology_set_type_filter(t, HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_NONE)) {
		hwloc_topology_destroy(t);
		sr_fail(err, SR_BUG, "hwloc refuses its own flags");
		return NULL;
	}
	return t;
}

static int add_distances(hwloc_topology_t t, unsigned n, hwloc_obj_t *nodes, hwloc_uint64_t *values)
{
	hwloc_distances_add_handle_t h = hwloc_distances_add_create(
		t, "NUMALatency", HWLOC_DISTANCES_KIND_FROM_USER | HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0);

	if (!h || hwloc_distances_add_values(t, h, n, nodes, values, 0))
		return -1;
	return hwloc_distances_add_commit(t, h, 0);
}

/* The topology's machine, by way of the XML that trace files keep as well: one reader for all. Destroys it. */
static struct sr_machine *machine_of(hwloc_topology_t t, struct sr_error *err)
{
	struct sr_machine *m = NULL;
	char *buf;
	int len;

	if (hwloc_topology_export_xmlbuffer(t, &buf, &len, 0)) {
		sr_fail(err, SR_ENVIRONMENT, "hwloc cannot write the machine as XML");
	} else {
		m = sr_machine_from_xml(buf, strnlen(buf, (size_t)len), err);
		hwloc_free_xmlbuffer(t, buf);
	}
	hwloc_topology_destroy(t);
	return m;
}

/* What hwloc does not read, into the topology, so that its XML tells it too. */
static int add_sysfs(hwloc_topology_t t, const struct sr_sysfs *s)
{
	const struct {
		const struct sr_cpumask *cpus;
		const char *type;
	} kind[] = { { &s->intel_core, "IntelCore" }, { &s->intel_atom, "IntelAtom" } };
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	char list[SR_CPU_LIST_LEN];
	int rc = set ? 0 : -1;

	for (size_t k = 0; !rc && k < 2; k++) {
		struct hwloc_info_s info = { .name = (char *)"CoreType", .value = (char *)kind[k].type };

		hwloc_bitmap_zero(set);
		for (unsigned i = 0; i < SR_MAX_CPUS; i++)
			if (sr_cpumask_isset(kind[k].cpus, i))
				hwloc_bitmap_set(set, i);
		hwloc_bitmap_and(set, set, hwloc_topology_get_topology_cpuset(t));
		if (!hwloc_bitmap_iszero(set))
			rc = hwloc_cpukinds_register(t, set, -1, 1, &info, 0);
	}
	for (unsigned i = 0; !rc && i < SR_MAX_CPUS; i++) {
		char value[16];
		struct hwloc_info_s info = { .name = (char *)"LinuxCapacity", .value = value };

		if (!s->capacity[i] || !hwloc_bitmap_isset(hwloc_topology_get_topology_cpuset(t), i))
			continue;
		snprintf(value, sizeof(value), "%u", s->capacity[i]);
		hwloc_bitmap_only(set, i);
		rc = hwloc_cpukinds_register(t, set, s->capacity[i], 1, &info, 0);
	}
	hwloc_bitmap_free(set);
	sr_cpumask_format(&s->isolated, list, sizeof(list));
	if (!rc && *list)
		rc = hwloc_obj_add_info(hwloc_get_root_obj(t), "IsolatedCPUs", list);
	return rc;
}

struct sr_machine *sr_machine_from_this(struct sr_error *err)
{
	hwloc_topology_t t = topology_new(HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED, err);
	struct sr_sysfs *s;
	int rc;

	if (!t)
		return NULL;
	if (hwloc_topology_load(t)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "hwloc cannot read this machine");
		hwloc_topology_destroy(t);
		return NULL;
	}
	if (!hwloc_topology_is_thissystem(t)) {
		sr_fail(err, SR_ENVIRONMENT,
			"the environment tells hwloc of another machine (HWLOC_XMLFILE, "
			"HWLOC_SYNTHETIC, HWLOC_FSROOT): unset it, or name the machine with --machine");
		hwloc_topology_destroy(t);
		return NULL;
	}
	s = malloc(sizeof(*s));
	if (s)
		sr_sysfs_read("", s);
	rc = s ? add_sysfs(t, s) : -1;
	free(s);
	if (rc) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory for the machine description");
		hwloc_topology_destroy(t);
		return NULL;
	}
	return machine_of(t, err);
}

/* The string asks for how many CPUs? Outside brackets and parentheses each ":N" multiplies. */
static uint64_t synthetic_cpus(const char *s)
{
	uint64_t product = 1;
	int depth = 0;

	for (; *s; s++) {
		if (*s == '(' || *s == '[') {
			depth++;
		} else if (*s == ')' || *s == ']') {
			depth--;
		} else if (*s == ':' && !depth) {
			unsigned long n = strtoul(s + 1, NULL, 10);

			if (n > SR_MAX_CPUS || (product *= n) > SR_MAX_CPUS)
				return SR_MAX_CPUS + 1;
		}
	}
	return product;
}

static hwloc_topology_t load_synthetic(const char *string, struct sr_error *err)
{
	hwloc_topology_t t;

	if (synthetic_cpus(string) > SR_MAX_CPUS) {
		sr_fail(err, SR_USAGE, "machine '%s': more than %u CPUs", string, SR_MAX_CPUS);
		return NULL;
	}
	t = topology_new(0, err);
	if (t && (hwloc_topology_set_synthetic(t, string) || hwloc_topology_load(t))) {
		sr_fail(err, SR_USAGE,
			"machine '%s': not a synthetic string that hwloc understands, such as "
			"'pack:2 core:4 pu:2'",
			string);
		hwloc_topology_destroy(t);
		t = NULL;
	}
	return t;
}

/* "446x4:little,1024x4:big": that many CPUs of that capacity and kind, in order of their numbers. */
static int set_kinds(hwloc_topology_t t, const char *list)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	unsigned capacity, count, first = 0;
	int used, rc = set ? 0 : -1;
	char type[24];

	while (!rc && *list) {
		char value[16];
		struct hwloc_info_s info[] = { { .name = (char *)"LinuxCapacity", .value = value },
					       { .name = (char *)"CoreType", .value = type } };

		if (sscanf(list, "%ux%u:%23[^,]%n", &capacity, &count, type, &used) != 3) {
			rc = -1;
			break;
		}
		snprintf(value, sizeof(value), "%u", capacity);
		hwloc_bitmap_zero(set);
		hwloc_bitmap_set_range(set, first, (int)(first + count) - 1);
		rc = hwloc_cpukinds_register(t, set, (int)capacity, 2, info, 0);
		first += count;
		list += used;
		list += *list == ',';
	}
	hwloc_bitmap_free(set);
	return rc;
}

static int set_distances(hwloc_topology_t t, const char *list)
{
	hwloc_uint64_t values[64];
	hwloc_obj_t nodes[8];
	int n = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE), used;

	if (n > 8)
		return -1;
	for (int i = 0; i < n; i++)
		nodes[i] = hwloc_get_obj_by_type(t, HWLOC_OBJ_NUMANODE, (unsigned)i);
	for (int i = 0; i < n * n; i++) {
		unsigned v;

		if (sscanf(list, " %u%n", &v, &used) != 1)
			return -1;
		values[i] = v;
		list += used;
		list += *list == ',';
	}
	return add_distances(t, (unsigned)n, nodes, values);
}

static int keep_cpus(hwloc_topology_t t, unsigned n)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	int rc;

	if (!set)
		return -1;
	hwloc_bitmap_set_range(set, 0, (int)n - 1);
	rc = hwloc_topology_restrict(t, set, 0);
	hwloc_bitmap_free(set);
	return rc;
}

struct sr_machine *sr_machine_from_synthetic(const char *string, struct sr_error *err)
{
	hwloc_topology_t t = load_synthetic(string, err);

	return t ? machine_of(t, err) : NULL;
}

struct sr_machine *sr_machine_from_preset(const struct sr_machine_preset *p, struct sr_error *err)
{
	hwloc_topology_t t = load_synthetic(p->synthetic, err);

	if (!t)
		return NULL;
	if ((p->cpus && keep_cpus(t, p->cpus)) || (p->kinds && set_kinds(t, p->kinds)) ||
	    (p->distance && set_distances(t, p->distance))) {
		sr_fail(err, SR_BUG, "machine %s: hwloc refuses the preset", p->name);
		hwloc_topology_destroy(t);
		return NULL;
	}
	return machine_of(t, err);
}
