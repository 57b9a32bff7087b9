/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a recorded CPU's time was worth. A slower CPU did less work in it, and so did a thread of a core whose other threads
 * were busy: how much of each CPU's busy time that was, the events tell. It is one factor for each CPU, not for each
 * burst.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/sim.h"

#define WAYS 4 /* alone, with one other busy thread, with two, with more */

struct watched {
	uint16_t next; /* of its core's CPUs, in a ring */
	bool busy, known;
	uint64_t ns[WAYS];
};

static void set_factors(const struct sr_machine *m, const struct sim_params *p, const struct watched *w,
			uint32_t *per_mille)
{
	unsigned i, k;

	for (i = 0; i < m->ncpus; i++) {
		uint64_t all = 0, worth = 0;

		for (k = 0; k < WAYS; k++) {
			uint64_t us = w[i].ns[k] / 1000;

			all += us;
			worth += us * (k ? p->v[SIM_SMT_SPEED_2 + k - 1] : 1000);
		}
		per_mille[i] = all ? (uint32_t)(worth / all) : 1000;
	}
}

static void link_cores(const struct sr_machine *m, struct watched *w, uint32_t *last)
{
	unsigned i;

	for (i = 0; i < m->ncpus; i++) {
		unsigned core = m->v[i].core;

		w[i].next = (uint16_t)i;
		if (core >= m->ncores)
			continue;
		if (last[core]) {
			w[i].next = w[last[core] - 1].next;
			w[last[core] - 1].next = (uint16_t)i;
		}
		last[core] = i + 1;
	}
}

/* The time since the core's last change, to those of its threads that were busy. */
static void pass_time(struct watched *w, unsigned cpu, uint64_t ns, unsigned busy)
{
	unsigned i = cpu, way = busy > WAYS ? WAYS - 1 : busy - 1;

	do {
		if (w[i].busy)
			w[i].ns[way] += ns;
		i = w[i].next;
	} while (i != cpu);
}

int sim_recorded_speed(struct srz_reader *r, const struct sr_machine *m, const struct sim_params *p,
		       uint32_t *per_mille, struct sr_error *err)
{
	struct watched *w = calloc(m->ncpus, sizeof(*w));
	uint64_t *since = calloc(m->ncores + 1u, sizeof(*since));
	uint32_t *busy = calloc(m->ncores + 1u, sizeof(*busy));
	unsigned core;
	struct sr_event ev;
	int ret = -1;

	if (!w || !since || !busy) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto out;
	}
	link_cores(m, w, busy);
	memset(busy, 0, m->ncores * sizeof(*busy));
	ret = m->ncores < m->ncpus ? srz_rewind(r, err) : 0;
	while (m->ncores < m->ncpus && ret == 0 && (ret = srz_next(r, &ev, err)) > 0) {
		bool now = ev.kind == SR_EV_SWITCH && ev.u.sw.next != 0;

		ret = 0;
		if (ev.kind != SR_EV_SWITCH || ev.cpu >= m->ncpus || m->v[ev.cpu].core >= m->ncores ||
		    (w[ev.cpu].known && w[ev.cpu].busy == now))
			continue;
		core = m->v[ev.cpu].core;
		if (busy[core])
			pass_time(w, ev.cpu, ev.time_ns - since[core], busy[core]);
		since[core] = ev.time_ns;
		busy[core] += now;
		busy[core] -= w[ev.cpu].busy;
		w[ev.cpu].busy = now;
		w[ev.cpu].known = true;
	}
	if (ret == 0)
		set_factors(m, p, w, per_mille);
out:
	free(w);
	free(since);
	free(busy);
	return ret;
}

void sim_scale_work(struct sr_model *m, const struct sr_machine *recorded, const uint32_t *per_mille)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++) {
			struct sr_op *op = &m->tasks[i].ops[k];
			uint64_t speed;

			if (op->kind != SR_OP_RUN || op->cpu >= recorded->ncpus)
				continue;
			speed = (uint64_t)recorded->v[op->cpu].capacity * (per_mille ? per_mille[op->cpu] : 1000);
			op->value = op->value / 1024000 * speed + op->value % 1024000 * speed / 1024000;
		}
}
