/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pass: what happened, handed out one by one. */
#include "analyze/pass_internal.h"

static int give(const struct ana_pass *p, struct ana_slice *slice, const struct subject *s, struct sr_error *err)
{
	const struct sr_task *t = &p->table.v[s->row.index];

	slice->index = s->row.index;
	slice->tid = t->tid;
	slice->comm = s->row.index ? t->comm : "<idle>";
	if (!slice->prio)
		slice->prio = t->prio;
	return p->cfg.slice(p->cfg.slice_arg, slice, err);
}

static void set_waker(const struct ana_pass *p, struct ana_slice *slice, const struct subject *s)
{
	if (!s->waker)
		return;
	slice->other_tid = p->table.v[s->waker].tid;
	slice->other_comm = p->table.v[s->waker].comm;
}

int ana_pass_give_run(struct ana_pass *p, const struct subject *s, uint64_t end, uint8_t left, bool cut,
		      struct sr_error *err)
{
	struct ana_slice slice = {
		.start_ns = s->since_ns,
		.end_ns = end,
		.slept_ns = s->slept_ns,
		.delay_ns = s->delay_ns,
		.latency_ns = s->latency_ns,
		.cpu = (unsigned)s->cpu,
		.from_cpu = s->from_cpu,
		.prio = s->prio,
		.kind = ANA_SLICE_RUN,
		.left = left,
		.cut = cut || s->estimated,
	};

	set_waker(p, &slice, s);
	return give(p, &slice, s, err);
}

int ana_pass_give_idle(struct ana_pass *p, unsigned cpu, uint64_t end, bool cut, struct sr_error *err)
{
	const struct pass_cpu *c = &p->cpus[cpu];
	struct ana_slice slice = {
		.start_ns = c->idle_since,
		.end_ns = end,
		.slept_ns = NOT_KNOWN,
		.delay_ns = NOT_KNOWN,
		.latency_ns = NOT_KNOWN,
		.cpu = cpu,
		.from_cpu = -1,
		.prio = 140, /* behind every other: the kernel itself says 120 */
		.kind = ANA_SLICE_IDLE,
		.cut = cut || c->idle_cut,
	};

	if (!p->cfg.whole_system || c->idle_since == NOT_KNOWN || end <= c->idle_since)
		return 0;
	return give(p, &slice, &p->subjects[0], err);
}

int ana_pass_give_wakeup(struct ana_pass *p, const struct subject *s, uint64_t now, struct sr_error *err)
{
	struct ana_slice slice = {
		.start_ns = now,
		.end_ns = now,
		.slept_ns = s->slept_ns,
		.delay_ns = NOT_KNOWN,
		.latency_ns = NOT_KNOWN,
		.from_cpu = s->cpu,
		.kind = ANA_SLICE_WAKEUP,
	};

	slice.cpu = (unsigned)s->waker_cpu;
	set_waker(p, &slice, s);
	return give(p, &slice, s, err);
}

int ana_pass_give_migration(struct ana_pass *p, const struct subject *s, const struct sr_event *ev,
			    struct sr_error *err)
{
	struct ana_slice slice = {
		.start_ns = ev->time_ns,
		.end_ns = ev->time_ns,
		.slept_ns = NOT_KNOWN,
		.delay_ns = NOT_KNOWN,
		.latency_ns = NOT_KNOWN,
		.cpu = ev->u.migrate.to,
		.from_cpu = ev->u.migrate.from,
		.prio = ev->u.migrate.prio,
		.kind = ANA_SLICE_MIGRATE,
	};

	return give(p, &slice, s, err);
}
