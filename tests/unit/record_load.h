/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A load for the recorder's output without a kernel: tasks on two cpus that wake each other, fork, exec and exit. Every
 * event differs from all others by its time, so that what comes out can be compared with what went in.
 */
#ifndef SCHEDREC_TESTS_RECORD_LOAD_H
#define SCHEDREC_TESTS_RECORD_LOAD_H

#include <stdio.h>

#include "formats/event.h"

#define LOAD_TASKS 64

struct load {
	uint64_t time_ns, step_ns, count;
	int32_t tid[LOAD_TASKS], last_tid, max_tid;
	int32_t running[2];
	unsigned phase, cpu, forks, names; /* names: so many different ones are exec'd */
	uint64_t rnd;
};

static inline unsigned load_random(struct load *l, unsigned below)
{
	l->rnd = l->rnd * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(l->rnd >> 33) % below;
}

static inline void load_init(struct load *l, uint64_t start_ns, uint64_t step_ns)
{
	*l = (struct load){ .time_ns = start_ns, .step_ns = step_ns, .max_tid = 32768, .names = 50, .rnd = 1 };
	for (int i = 0; i < LOAD_TASKS; i++)
		l->tid[i] = 100 + i;
	l->last_tid = 100 + LOAD_TASKS;
}

static inline void load_name(const struct load *l, char *buf, size_t size)
{
	snprintf(buf, size, "/usr/bin/prog-%u", l->forks % l->names);
}

/* The next event; true: its name is to be what load_name gives. */
static inline bool load_next(struct load *l, struct sr_event *ev)
{
	unsigned i = load_random(l, LOAD_TASKS);

	l->time_ns += l->step_ns / 2 + load_random(l, (unsigned)l->step_ns);
	l->count++;
	*ev = (struct sr_event){ .time_ns = l->time_ns, .cpu = (uint16_t)l->cpu, .ctx = l->running[l->cpu] };
	switch (l->phase++) {
	default: /* a waking, or now and then a new task in the place of an old one */
		l->phase = 1;
		l->cpu = load_random(l, 2);
		ev->cpu = (uint16_t)l->cpu;
		ev->ctx = l->running[l->cpu];
		if (l->running[l->cpu] && load_random(l, 64) == 0) {
			ev->kind = SR_EV_EXIT;
			ev->u.exit.tid = l->running[l->cpu];
			ev->u.exit.prio = 120;
			ev->u.exit.group_dead = 1;
			l->phase = 9;
			return false;
		}
		ev->kind = SR_EV_WAKING;
		ev->u.wake.tid = l->tid[i];
		ev->u.wake.prio = 120;
		ev->u.wake.target_cpu = (uint16_t)l->cpu;
		return false;
	case 1:
		ev->kind = SR_EV_SWITCH;
		ev->u.sw.prev = l->running[l->cpu];
		ev->u.sw.next = l->tid[i] != l->running[!l->cpu] ? l->tid[i] : 0;
		ev->u.sw.prev_prio = ev->u.sw.next_prio = 120;
		ev->u.sw.prev_state = SR_STATE_SLEEPING;
		l->running[l->cpu] = ev->u.sw.next;
		return false;
	case 9:
		ev->kind = SR_EV_SWITCH;
		ev->u.sw.prev = l->running[l->cpu];
		ev->u.sw.prev_prio = 120;
		ev->u.sw.prev_state = SR_STATE_ZOMBIE;
		for (i = 0; l->tid[i] != ev->u.sw.prev; i++)
			;
		l->tid[i] = l->last_tid = l->last_tid + 1 < l->max_tid ? l->last_tid + 1 : 300;
		l->running[l->cpu] = 0;
		return false;
	case 10:
		ev->kind = SR_EV_FORK;
		ev->u.fork.parent = 1;
		ev->ctx = 1;
		ev->u.fork.child = l->last_tid;
		return false;
	case 11:
		l->phase = 0;
		l->forks++;
		ev->kind = SR_EV_EXEC;
		ev->ctx = ev->u.exec.tid = ev->u.exec.old_tid = l->last_tid;
		return true;
	}
}

#endif
