/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/machine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_file(const char *root, const char *path)
{
	char name[4096];

	return (size_t)snprintf(name, sizeof(name), "%s%s", root, path) < sizeof(name) ? fopen(name, "re") : NULL;
}

/* A list that is missing, empty or none is no cpu. */
static void read_list(const char *root, const char *path, struct sr_cpumask *m)
{
	FILE *f = open_file(root, path);
	char list[SR_CPU_LIST_LEN];
	struct sr_error ignored;

	memset(m, 0, sizeof(*m));
	if (!f)
		return;
	if (!fgets(list, sizeof(list), f) || sr_cpumask_parse(m, list, &ignored))
		memset(m, 0, sizeof(*m));
	fclose(f);
}

static uint32_t highest_perf(const char *root, unsigned cpu)
{
	char path[96];
	unsigned v;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/acpi_cppc/highest_perf", cpu);
	f = open_file(root, path);
	if (!f)
		return 0;
	if (fscanf(f, "%u", &v) != 1 || v > UINT16_MAX)
		v = 0;
	fclose(f);
	return v;
}

/* As the kernel's own for such machines: the highest performance relative to the best one's. */
static void read_capacities(const char *root, struct sr_sysfs *s)
{
	uint32_t perf[SR_MAX_CPUS] = { 0 }, best = 0;

	for (unsigned i = 0; i < SR_MAX_CPUS; i++) {
		if (!sr_cpumask_isset(&s->intel_core, i) && !sr_cpumask_isset(&s->intel_atom, i))
			continue;
		perf[i] = highest_perf(root, i);
		if (!perf[i])
			return;
		best = perf[i] > best ? perf[i] : best;
	}
	for (unsigned i = 0; best && i < SR_MAX_CPUS; i++)
		s->capacity[i] = (uint16_t)(perf[i] * 1024 / best);
}

void sr_sysfs_read(const char *root, struct sr_sysfs *s)
{
	memset(s, 0, sizeof(*s));
	read_list(root, "/sys/devices/system/cpu/isolated", &s->isolated);
	/* Only on a hybrid machine is there a PMU for each kind of core. */
	read_list(root, "/sys/devices/cpu_core/cpus", &s->intel_core);
	read_list(root, "/sys/devices/cpu_atom/cpus", &s->intel_atom);
	if (sr_cpumask_count(&s->intel_core) && sr_cpumask_count(&s->intel_atom))
		read_capacities(root, s);
}
