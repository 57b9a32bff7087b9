/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model for other CPUs than those of its recording. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "formats/model.h"

/* "3" or "3-7" */
static bool take_range(const char **text, unsigned *first, unsigned *last)
{
	const char *p = *text;
	unsigned *end[2] = { first, last };
	int i;

	for (i = 0; i < 2; i++) {
		unsigned v = 0;

		if (!isdigit((unsigned char)*p))
			return false;
		for (; isdigit((unsigned char)*p); p++) {
			v = v * 10 + (unsigned)(*p - '0');
			if (v >= SR_MAX_CPUS)
				return false;
		}
		*end[i] = v;
		if (i || *p != '-')
			break;
		p++;
	}
	if (!i)
		*last = *first;
	*text = p;
	return *first <= *last;
}

int sr_cpu_map_parse(struct sr_cpu_map *map, const char *text, struct sr_error *err)
{
	const char *p = text;
	unsigned i, from[2], to[2];

	for (i = 0; i < SR_MAX_CPUS; i++)
		map->to[i] = -1;
	for (;; p++) {
		if (!take_range(&p, &from[0], &from[1]) || *p++ != '=' || !take_range(&p, &to[0], &to[1]) ||
		    (*p && *p != ','))
			return sr_fail(err, SR_USAGE, "'%s' is no CPU map: write R=L[,R=L...], such as 0-3=4-7,8=1",
				       text);
		if (to[0] != to[1] && to[1] - to[0] != from[1] - from[0])
			return sr_fail(
				err, SR_USAGE,
				"CPU map '%s': %u-%u and %u-%u are not of the same length (one CPU may stand for all)",
				text, from[0], from[1], to[0], to[1]);
		for (i = from[0]; i <= from[1]; i++) {
			if (map->to[i] >= 0)
				return sr_fail(err, SR_USAGE, "CPU map '%s': recorded CPU %u is there twice", text, i);
			map->to[i] = (int16_t)(to[0] == to[1] ? to[0] : to[0] + (i - from[0]));
		}
		if (!*p)
			return 0;
	}
}

/* True where some CPU is left. */
static bool map_mask(struct sr_cpumask *mask, const struct sr_cpu_map *map, unsigned cpus)
{
	struct sr_cpumask out = { { 0 } };
	bool all = true, any = false;
	unsigned i;

	for (i = 0; i < SR_MAX_CPUS; i++) {
		bool set = sr_cpumask_isset(mask, i);

		all &= set || i >= cpus;
		if (set && map->to[i] >= 0) {
			sr_cpumask_set(&out, (unsigned)map->to[i]);
			any = true;
		}
	}
	if (all) { /* it was allowed everywhere, and is: also where this machine has more CPUs, or other numbers */
		memset(mask, 0xff, sizeof(*mask));
		return true;
	}
	*mask = out;
	return any;
}

void sr_model_map_cpus(struct sr_model *m, const struct sr_cpu_map *map)
{
	size_t i, k;

	for (i = 0; i < m->starts.nmasks; i++)
		if (!map_mask(&m->starts.masks[i], map, m->cpus))
			memset(&m->starts.masks[i], 0, sizeof(m->starts.masks[i]));
	for (i = 0; i < m->attrs.nmasks; i++)
		if (!map_mask(&m->attrs.masks[i], map, m->cpus))
			memset(&m->attrs.masks[i], 0, sizeof(m->attrs.masks[i]));
	for (i = 0; i < m->ntasks; i++) {
		struct sr_program *p = &m->tasks[i];

		if (p->allowed && !sr_cpumask_count(p->allowed)) {
			p->allowed = NULL;
			m->counts.masks_unmapped++;
		}
		if (p->first_cpu >= 0)
			p->first_cpu = map->to[p->first_cpu];
		for (k = 0; k < p->nops; k++)
			if (sr_op_rests(&p->ops[k]))
				p->ops[k].cpu = (uint16_t)map->to[p->ops[k].cpu];
	}
}
