/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine beside hwloc's own view of the same XML: for each preset, synthetic strings, and this machine. */
#include <hwloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "formats/machine_internal.h"

static hwloc_topology_t load_hwloc(const char *xml)
{
	hwloc_topology_t t;

	assert_int_equal(hwloc_topology_init(&t), 0);
	assert_int_equal(hwloc_topology_set_flags(t, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED), 0);
	assert_int_equal(hwloc_topology_set_xmlbuffer(t, xml, (int)strlen(xml) + 1), 0);
	assert_int_equal(hwloc_topology_load(t), 0);
	return t;
}

static bool together(hwloc_obj_t x, hwloc_obj_t y, hwloc_obj_type_t type, hwloc_topology_t t)
{
	hwloc_obj_t a = hwloc_get_ancestor_obj_by_type(t, type, x), b = hwloc_get_ancestor_obj_by_type(t, type, y);

	return a && a == b;
}

/* The last cache above a cpu, NULL: none. */
static hwloc_obj_t last_cache(hwloc_obj_t o)
{
	hwloc_obj_t last = NULL;

	for (; o; o = o->parent)
		if (hwloc_obj_type_is_dcache(o->type))
			last = o;
	return last;
}

static void check_pair(hwloc_topology_t t, const struct sr_machine *m, unsigned a, unsigned b)
{
	hwloc_obj_t x = hwloc_get_pu_obj_by_os_index(t, a), y = hwloc_get_pu_obj_by_os_index(t, b);
	const struct sr_cpu *c = &m->v[a], *d = &m->v[b];
	static const hwloc_obj_type_t cache[] = { HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE,
						  HWLOC_OBJ_L5CACHE };

	assert_non_null(x);
	assert_non_null(y);
	assert_int_equal(c->core == d->core, a == b || together(x, y, HWLOC_OBJ_CORE, t));
	if (hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_PACKAGE) > 0)
		assert_int_equal(c->package == d->package, together(x, y, HWLOC_OBJ_PACKAGE, t));
	if (last_cache(x) && last_cache(y))
		assert_int_equal(c->llc == d->llc, last_cache(x) == last_cache(y));
	for (unsigned l = 0; l < SR_CACHE_LEVELS; l++)
		assert_int_equal(c->cache[l] != SR_NO_CORE && c->cache[l] == d->cache[l], together(x, y, cache[l], t));
}

static void check_caches(hwloc_topology_t t, const struct sr_machine *m)
{
	for (unsigned i = 0; i < m->ncpus; i++) {
		if (m->v[i].core == SR_NO_CORE)
			continue;
		for (hwloc_obj_t o = hwloc_get_pu_obj_by_os_index(t, i); o; o = o->parent) {
			const struct sr_cache *c;

			if (!hwloc_obj_type_is_dcache(o->type) || o->attr->cache.depth < 2)
				continue;
			assert_int_not_equal(m->v[i].cache[o->attr->cache.depth - 2], SR_NO_CORE);
			c = &m->caches[m->v[i].cache[o->attr->cache.depth - 2]];
			assert_int_equal(c->kib, o->attr->cache.size >> 10);
			assert_int_equal(c->ncpus, hwloc_bitmap_weight(o->cpuset));
		}
	}
}

static void check_nodes(hwloc_topology_t t, const struct sr_machine *m)
{
	struct hwloc_distances_s *d;
	unsigned with_cpus = 0, n = 1;

	for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_NUMANODE, o));) {
		hwloc_obj_t twin = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_NUMANODE, NULL);
		int first = hwloc_bitmap_first(o->cpuset), cpu;

		/* Of several memories of the same CPUs the first one is their node. */
		while (twin != o && !hwloc_bitmap_isequal(twin->cpuset, o->cpuset))
			twin = hwloc_get_next_obj_by_type(t, HWLOC_OBJ_NUMANODE, twin);
		with_cpus += first >= 0 && twin == o;
		for (cpu = first; cpu >= 0; cpu = hwloc_bitmap_next(o->cpuset, cpu))
			assert_int_equal(m->v[cpu].node, m->v[first].node);
	}
	assert_int_equal(m->nnodes, with_cpus);
	assert_int_equal(
		hwloc_distances_get_by_type(t, HWLOC_OBJ_NUMANODE, &n, &d, HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0), 0);
	if (!n)
		return;
	for (unsigned i = 0; i < d->nbobjs; i++)
		for (unsigned k = 0; k < d->nbobjs; k++) {
			int a = hwloc_bitmap_first(d->objs[i]->cpuset), b = hwloc_bitmap_first(d->objs[k]->cpuset);

			if (a >= 0 && b >= 0)
				assert_int_equal(m->distance[m->v[a].node * m->nnodes + m->v[b].node],
						 d->values[i * d->nbobjs + k]);
		}
	hwloc_distances_release(t, d);
}

static void check_kinds(hwloc_topology_t t, const struct sr_machine *m)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	int n = hwloc_cpukinds_get_nr(t, 0);

	assert_int_equal(m->nkinds, n > 0 ? n : 0);
	for (unsigned i = 0; n > 0 && i < m->ncpus; i++) {
		unsigned ninfos;
		struct hwloc_info_s *infos;
		int kind;

		if (m->v[i].core == SR_NO_CORE)
			continue;
		hwloc_bitmap_only(set, i);
		kind = hwloc_cpukinds_get_by_cpuset(t, set, 0);
		assert_true(kind >= 0);
		assert_int_equal(hwloc_cpukinds_get_info(t, (unsigned)kind, NULL, NULL, &ninfos, &infos, 0), 0);
		for (unsigned k = 0; k < ninfos; k++) {
			if (!strcmp(infos[k].name, "CoreType"))
				assert_string_equal(m->kinds[m->v[i].kind].name, infos[k].value);
			if (!strcmp(infos[k].name, "FrequencyMaxMHz"))
				assert_int_equal(m->kinds[m->v[i].kind].max_mhz, atoi(infos[k].value));
			if (!strcmp(infos[k].name, "LinuxCapacity") && n > 1)
				assert_int_equal(m->v[i].capacity, atoi(infos[k].value));
		}
	}
	hwloc_bitmap_free(set);
}

static void compare(const char *spec)
{
	struct sr_error err = { 0 };
	struct sr_machine *m = sr_machine_load(spec, &err);
	hwloc_topology_t t;
	unsigned cpus = 0, last = 0;

	if (!m)
		fail_msg("%s: %s", spec, err.text);
	t = load_hwloc(m->xml);
	for (unsigned i = 0; i < m->ncpus; i++) {
		if (m->v[i].core == SR_NO_CORE)
			continue;
		check_pair(t, m, i, last);
		check_pair(t, m, i, 0);
		check_pair(t, m, i, (i * 7 + 3) % m->ncpus);
		last = i;
		cpus++;
	}
	assert_int_equal(cpus, hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_PU));
	assert_int_equal(m->ncores, hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_CORE));
	check_caches(t, m);
	check_nodes(t, m);
	check_kinds(t, m);
	hwloc_topology_destroy(t);
	sr_machine_free(m);
}

static void presets_are_what_hwloc_sees(void **state)
{
	for (const struct sr_machine_preset *p = sr_machine_presets(); p->name; p++)
		compare(p->name);
}

static void synthetic_machines_are_what_hwloc_sees(void **state)
{
	static const char *const specs[] = { "pack:2 [numa] l3:2 l2:2 core:2 pu:2", "numa:3 core:2 pu:4",
					     "pack:4 [numa] [numa] core:8 pu:1", "pack:2 numa:2 l3:2 core:2 pu:1",
					     "core:6 pu:1" };

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		compare(specs[i]);
}

static void this_machine_is_what_hwloc_sees(void **state)
{
	compare("this");
}

/* ---- what hwloc 2.9 does not read ---- */

static void put(const char *root, const char *path, const char *text)
{
	char name[512];
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", root, path);
	for (char *p = name + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(name, 0755);
	}
	f = fopen(name, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void sysfs_tells_isolated_cpus_and_hybrid_cores(void **state)
{
	char root[] = "/tmp/schedrec-sysfs-XXXXXX", command[64];
	struct sr_sysfs *s = malloc(sizeof(*s));

	assert_non_null(mkdtemp(root));
	sr_sysfs_read(root, s); /* nothing there */
	assert_int_equal(sr_cpumask_count(&s->isolated), 0);
	put(root, "/sys/devices/system/cpu/isolated", "2-3\n");
	put(root, "/sys/devices/cpu_core/cpus", "0-1\n");
	sr_sysfs_read(root, s);
	assert_int_equal(sr_cpumask_count(&s->isolated), 2);
	assert_true(sr_cpumask_isset(&s->isolated, 3));
	assert_int_equal(s->capacity[0], 0); /* one kind only */
	put(root, "/sys/devices/cpu_atom/cpus", "2-3\n");
	put(root, "/sys/devices/system/cpu/cpu0/acpi_cppc/highest_perf", "64\n");
	put(root, "/sys/devices/system/cpu/cpu1/acpi_cppc/highest_perf", "62\n");
	put(root, "/sys/devices/system/cpu/cpu2/acpi_cppc/highest_perf", "40\n");
	sr_sysfs_read(root, s);
	assert_int_equal(s->capacity[0], 0); /* of a part they say nothing */
	put(root, "/sys/devices/system/cpu/cpu3/acpi_cppc/highest_perf", "40\n");
	sr_sysfs_read(root, s);
	assert_int_equal(s->capacity[0], 1024);
	assert_int_equal(s->capacity[1], 992);
	assert_int_equal(s->capacity[3], 640);
	put(root, "/sys/devices/system/cpu/isolated", "nonsense\n");
	sr_sysfs_read(root, s);
	assert_int_equal(sr_cpumask_count(&s->isolated), 0);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert_int_equal(system(command), 0);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presets_are_what_hwloc_sees),
		cmocka_unit_test(synthetic_machines_are_what_hwloc_sees),
		cmocka_unit_test(this_machine_is_what_hwloc_sees),
		cmocka_unit_test(sysfs_tells_isolated_cpus_and_hybrid_cores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
