/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_XML_BYTES (16u << 20)

static const struct sr_machine_preset presets[] = {
	{ .name = "core-4", .help = "one package, 4 cores under one L3", .synthetic = "pack:1 l3:1 core:4 pu:1" },
	{ .name = "core-8", .help = "one package, 8 cores under one L3", .synthetic = "pack:1 l3:1 core:8 pu:1" },
	{ .name = "smp-4", .help = "4 packages of one core, nothing shared", .synthetic = "pack:4 l2:1 core:1 pu:1" },
	{ .name = "smt-2x2",
	  .help = "2 packages of one core with 2 threads: two hyper-threading Xeons of 2004",
	  .synthetic = "pack:2 l2:1 core:1 pu:2" },
	{ .name = "smt-8x2",
	  .help = "one package, 8 cores of 2 threads under one L3: a desktop",
	  .synthetic = "pack:1 l3:1 l2:8 core:1 pu:2" },
	{ .name = "ccx-2x4x2",
	  .help = "one package, two L3s with 4 cores of 2 threads each",
	  .synthetic = "pack:1 l3:2 l2:4 core:1 pu:2" },
	{ .name = "numa-2x8x2",
	  .help = "2 nodes of 8 cores of 2 threads, distance 21",
	  .synthetic = "pack:2 [numa] l3:1 l2:8 core:1 pu:2",
	  .distance = "10,21,21,10" },
	{ .name = "numa-4x4",
	  .help = "4 nodes of 4 cores in a ring: distances 16 and 22",
	  .synthetic = "pack:4 [numa] l3:1 l2:4 core:1 pu:1",
	  .distance = "10,16,22,16, 16,10,16,22, 22,16,10,16, 16,22,16,10" },
	{ .name = "biglittle-4+4",
	  .help = "two clusters under an L2 each: 4 little cores (capacity 446), 4 big ones",
	  .synthetic = "pack:1 l2:2 core:4 pu:1",
	  .capacity = "446x4,1024x4" },
	{ .name = "hybrid-4x2+4",
	  .help = "4 fast cores of 2 threads, 4 slow ones (capacity 640)",
	  .synthetic = "pack:1 l3:1 core:8 pu:2(indexes=0,1,2,3,4,5,6,7,8,12,9,13,10,14,11,15)",
	  .capacity = "1024x8,640x4",
	  .cpus = 12 },
	{ .name = NULL },
};

const struct sr_machine_preset *sr_machine_presets(void)
{
	return presets;
}

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

int sr_machine_summarize(struct sr_machine *m, struct sr_error *err)
{
	unsigned cpus = 0, online = 0, slowest = 1024;
	char usable[32] = "", capacities[48] = "";

	for (unsigned i = 0; i < m->ncpus; i++) {
		if (m->v[i].core == SR_NO_CORE)
			continue;
		cpus++;
		online += m->v[i].online;
		if (m->v[i].capacity < slowest)
			slowest = m->v[i].capacity;
	}
	if (online < cpus)
		snprintf(usable, sizeof(usable), " (%u usable)", online);
	if (slowest < 1024)
		snprintf(capacities, sizeof(capacities), ", capacities %u to 1024", slowest);
	free(m->summary);
	if (asprintf(&m->summary, "%u core%s, %u CPU%s%s, %u package%s, %u node%s%s", m->ncores,
		     m->ncores == 1 ? "" : "s", cpus, cpus == 1 ? "" : "s", usable, m->npackages,
		     m->npackages == 1 ? "" : "s", m->nnodes, m->nnodes == 1 ? "" : "s", capacities) < 0) {
		m->summary = NULL;
		return sr_fail(err, SR_ENVIRONMENT, "out of memory for the machine description");
	}
	return 0;
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

static struct sr_machine *load_this(struct sr_error *err)
{
	unsigned long mask[SR_MAX_CPUS * 2 / (8 * sizeof(long))] = { 0 };
	hwloc_topology_t t = topology_new(HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED, err);
	struct sr_machine *m;
	unsigned online = 0;

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
	m = machine_of(t, err);
	if (!m)
		return NULL;
	if (sched_getaffinity(0, sizeof(mask), (cpu_set_t *)mask)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "the process's CPU affinity");
		sr_machine_free(m);
		return NULL;
	}
	for (unsigned i = 0; i < m->ncpus; i++) {
		if (!CPU_ISSET_S(i, sizeof(mask), (cpu_set_t *)mask))
			m->v[i].online = 0;
		online += m->v[i].online;
	}
	if (!online)
		sr_fail(err, SR_ENVIRONMENT, "hwloc finds none of the CPUs that this process may use");
	if (!online || sr_machine_summarize(m, err)) {
		sr_machine_free(m);
		return NULL;
	}
	return m;
}

static struct sr_machine *load_file(const char *path, struct sr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct sr_machine *m = NULL;
	char *buf = NULL;
	size_t len = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "machine %s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		sr_fail(err, SR_USAGE, "machine %s: not a regular file", path);
		goto out;
	}
	if (st.st_size > MAX_XML_BYTES) {
		sr_fail(err, SR_DAMAGED, "machine %s: larger than %u MB", path, MAX_XML_BYTES >> 20);
		goto out;
	}
	buf = malloc((size_t)st.st_size + 1);
	if (!buf) {
		sr_fail(err, SR_ENVIRONMENT, "machine %s: out of memory", path);
		goto out;
	}
	while (len < (size_t)st.st_size && (n = read(fd, buf + len, (size_t)st.st_size - len)) != 0) {
		if (n > 0) {
			len += (size_t)n;
		} else if (errno != EINTR) {
			sr_fail_errno(err, SR_ENVIRONMENT, "machine %s", path);
			goto out;
		}
	}
	m = sr_machine_from_xml(buf, len, err);
	if (!m)
		sr_fail_prefix(err, "machine %s", path);
out:
	free(buf);
	if (fd >= 0)
		close(fd);
	return m;
}

/* The string asks for how many CPUs? Outside brackets and parentheses each ":N" multiplies. */
static uint64_t synthetic_cpus(const char *s)
{
	uint64_t product = 1;
	int depth = 0;

	for (; *s; s++) {
		if (*s == '(' || *s == '[')
			depth++;
		else if (*s == ')' || *s == ']')
			depth--;
		else if (*s == ':' && !depth)
			product *= strtoul(s + 1, NULL, 10);
		if (product > SR_MAX_CPUS)
			break;
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

/* "446x4,1024x4": that many CPUs of that capacity, in order of their numbers. */
static int set_capacities(hwloc_topology_t t, const char *list)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	unsigned capacity, count, first = 0;
	int used, rc = set ? 0 : -1;

	while (!rc && *list && sscanf(list, "%ux%u%n", &capacity, &count, &used) == 2) {
		char value[16];
		struct hwloc_info_s info = { .name = (char *)"LinuxCapacity", .value = value };

		snprintf(value, sizeof(value), "%u", capacity);
		hwloc_bitmap_zero(set);
		hwloc_bitmap_set_range(set, first, (int)(first + count) - 1);
		rc = hwloc_cpukinds_register(t, set, (int)capacity, 1, &info, 0);
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

static struct sr_machine *load_preset(const struct sr_machine_preset *p, struct sr_error *err)
{
	hwloc_topology_t t = load_synthetic(p->synthetic, err);

	if (!t)
		return NULL;
	if ((p->cpus && keep_cpus(t, p->cpus)) || (p->capacity && set_capacities(t, p->capacity)) ||
	    (p->distance && set_distances(t, p->distance))) {
		sr_fail(err, SR_BUG, "machine %s: hwloc refuses the preset", p->name);
		hwloc_topology_destroy(t);
		return NULL;
	}
	return machine_of(t, err);
}

struct sr_machine *sr_machine_load(const char *spec, struct sr_error *err)
{
	char names[256] = "";
	struct stat st;

	if (!spec || !strcmp(spec, "this"))
		return load_this(err);
	for (const struct sr_machine_preset *p = presets; p->name; p++) {
		if (!strcmp(spec, p->name))
			return load_preset(p, err);
		strncat(names, " ", sizeof(names) - strlen(names) - 1);
		strncat(names, p->name, sizeof(names) - strlen(names) - 1);
	}
	if (!stat(spec, &st) || strchr(spec, '/') || (strlen(spec) > 4 && !strcmp(spec + strlen(spec) - 4, ".xml")))
		return load_file(spec, err);
	if (strchr(spec, ':')) {
		hwloc_topology_t t = load_synthetic(spec, err);

		return t ? machine_of(t, err) : NULL;
	}
	sr_fail(err, SR_USAGE,
		"no machine '%s': give 'this', a file of hwloc XML, an hwloc synthetic string such as "
		"'pack:2 core:4 pu:2', or one of:%s",
		spec, names);
	return NULL;
}

bool sr_machine_same(const struct sr_machine *a, const struct sr_machine *b)
{
	unsigned i;

	if (a->ncpus != b->ncpus)
		return false;
	for (i = 0; i < a->ncpus; i++) {
		const struct sr_cpu *x = &a->v[i], *y = &b->v[i];

		if (x->core != y->core || x->llc != y->llc || x->cluster != y->cluster || x->package != y->package ||
		    x->node != y->node || x->capacity != y->capacity)
			return false;
	}
	return true;
}

enum sr_level sr_machine_level(const struct sr_machine *m, unsigned cpu_a, unsigned cpu_b)
{
	const struct sr_cpu *a, *b;

	if (cpu_a == cpu_b)
		return SR_LEVEL_SELF;
	if (cpu_a >= m->ncpus || cpu_b >= m->ncpus)
		return SR_LEVEL_NODE;
	a = &m->v[cpu_a];
	b = &m->v[cpu_b];
	if (a->core == SR_NO_CORE || b->core == SR_NO_CORE)
		return SR_LEVEL_NODE;
	if (a->core == b->core)
		return SR_LEVEL_SMT;
	if (a->llc == b->llc)
		return SR_LEVEL_LLC;
	return a->node == b->node ? SR_LEVEL_PACKAGE : SR_LEVEL_NODE;
}

void sr_machine_free(struct sr_machine *m)
{
	if (!m)
		return;
	free(m->v);
	free(m->distance);
	free(m->summary);
	free(m->xml);
	free(m);
}
