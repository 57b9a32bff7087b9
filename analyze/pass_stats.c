/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pass: what /proc/schedstat counts, out of events, for each cpu and each distance between cpus. */
#include "analyze/pass_internal.h"

#include <stdlib.h>
#include <string.h>

const char *ana_move_name(unsigned move)
{
	static const char *const names[ANA_MOVES] = { "wake", "newidle", "idle", "busy", "stopper", "other" };

	return move < ANA_MOVES ? names[move] : "?";
}

const char *ana_level_name(unsigned level)
{
	static const char *const names[ANA_LEVELS] = { "smt", "llc", "package", "node" };

	return level < ANA_LEVELS ? names[level] : "?";
}

/* -1: the same cpu, or the file does not describe the machine. */
static int level_of(const struct ana_pass *p, unsigned a, unsigned b)
{
	const struct sr_machine *m = p->cfg.machine;

	if (a == b || !m || a >= m->ncpus || b >= m->ncpus || !m->v[a].online || !m->v[b].online)
		return -1;
	return (int)sr_machine_level(m, a, b) - SR_LEVEL_SMT;
}

void ana_stats_switch(struct ana_pass *p, const struct sr_event *ev)
{
	struct ana_cpu_stats *s = &p->cpus[ev->cpu].stats;

	s->switches++;
	s->to_idle += ev->u.sw.next == 0;
	s->slices += ev->u.sw.next != 0;
	s->preempted += ev->u.sw.prev != 0 && !sr_state_sleeps(ev->u.sw.prev_state);
}

static int moved(struct ana_pass *p, unsigned from, unsigned to, enum ana_move how, struct sr_error *err)
{
	int level = level_of(p, from, to);

	if (level < 0 || to >= SR_MAX_CPUS)
		return 0;
	if (!ana_pass_cpu(p, to, err))
		return -1;
	p->cpus[to].stats.level[level].moves[how]++;
	return 0;
}

/* s was woken from waker_cpu and put on s->placed. */
int ana_stats_wakeup(struct ana_pass *p, const struct subject *s, struct sr_error *err)
{
	unsigned placed = (unsigned)s->placed;
	int level;

	if (s->waker_cpu < 0)
		return 0;
	level = level_of(p, (unsigned)s->waker_cpu, placed);
	if ((unsigned)s->waker_cpu == placed)
		p->cpus[s->waker_cpu].stats.local++;
	else if (level >= 0)
		p->cpus[s->waker_cpu].stats.level[level].wakeups++;
	return s->cpu >= 0 && (unsigned)s->cpu != placed ? moved(p, (unsigned)s->cpu, placed, ANA_MOVE_WAKE, err) : 0;
}

/* A move of a task on a run queue; one that is part of a wake-up is told by that. */
int ana_stats_migrate(struct ana_pass *p, const struct subject *s, const struct sr_event *ev, struct sr_error *err)
{
	unsigned from = ev->u.migrate.from, to = ev->u.migrate.to;
	size_t ctx = sr_task_of(&p->table, ev->ctx);
	enum ana_move how = ANA_MOVE_OTHER;

	if (s->state == SLEEPING || s->state == UNKNOWN || s->state == NEW ||
	    (s->state == WAITING && s->wait == WAIT_WAKE && s->queued_ns == NOT_KNOWN))
		return 0;
	if (ctx == SIZE_MAX)
		return ana_no_memory(err);
	if (!strncmp(p->table.v[ctx].comm, "migration/", 10))
		how = ANA_MOVE_STOPPER;
	else if (ev->flags & SR_EV_SOFTIRQ)
		how = to < p->ncpus && p->cpus[to].known && p->cpus[to].current ? ANA_MOVE_BUSY : ANA_MOVE_IDLE;
	else if (!(ev->flags & SR_EV_INTERRUPT) && ev->cpu == to && ev->ctx != ev->u.migrate.tid)
		how = ANA_MOVE_NEWIDLE;
	return moved(p, from, to, how, err);
}

/* Did a task come to a cpu that has written nothing itself? */
static bool was_given(const struct ana_cpu_stats *s)
{
	for (unsigned l = 0; l < ANA_LEVELS; l++)
		for (unsigned m = 0; m < ANA_MOVES; m++)
			if (s->level[l].moves[m])
				return true;
	return false;
}

int ana_stats_rows(struct ana_pass *p, struct ana_result *out, struct sr_error *err)
{
	if (self(p))
		return 0;
	out->levels_known = p->cfg.machine != NULL;
	out->placements_known = p->saw_wakeup;
	out->cpu_stats = calloc(p->ncpus + 1, sizeof(*out->cpu_stats));
	if (!out->cpu_stats)
		return ana_no_memory(err);
	for (size_t i = 0; i < p->ncpus; i++) {
		struct ana_cpu_stats *row = &out->cpu_stats[out->ncpu_stats];

		if (!ana_pass_shows_cpu(p, (int)i) || (!p->cpus[i].known && !was_given(&p->cpus[i].stats)))
			continue;
		*row = p->cpus[i].stats;
		row->cpu = (unsigned)i;
		out->ncpu_stats++;
	}
	return 0;
}
