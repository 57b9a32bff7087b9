/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events, in the order of the stream: (time, stream, cpu). What comes later in the simulation must also stand later in the
 * file, so an event of a lower rank than the last one's at the same time is a nanosecond later. The written clock is
 * ahead of the simulation's only while things happen at one time, and by as many ns as there are of them.
 */
#include "replay/sim_internal.h"

#define BUFFER 4096
#define CLONE_VM_FLAG 0x100u
#define CLONE_VFORK_FLAG 0x4000u
#define CLONE_THREAD_FLAG 0x10000u

int sim_emit_start(struct sim *s)
{
	size_t i;

	for (i = 0; i < SRZ_STREAMS; i++) {
		s->buf[i] = rpl_alloc(&s->arena, BUFFER, sizeof(*s->buf[i]));
		if (!s->buf[i])
			return -1;
	}
	return sr_event_digest_init(&s->digest);
}

void sim_emit_flush(struct sim *s)
{
	const struct sim_sink *sink = s->cfg.sink;
	size_t i;

	for (i = 0; i < SRZ_STREAMS; i++) {
		if (s->nbuf[i] && sink && !s->failed &&
		    sink->events(sink->arg, (enum srz_stream)i, s->buf[i], s->nbuf[i], s->err) < 0)
			s->failed = true;
		s->nbuf[i] = 0;
	}
}

static void emit(struct sim *s, enum srz_stream stream, unsigned cpu, struct sr_event ev, const char *name)
{
	uint32_t rank = (uint32_t)stream << 16 | cpu;

	if (s->now > s->emit_ns)
		s->emit_ns = s->now;
	else if (rank < s->emit_rank)
		s->emit_ns++;
	s->emit_rank = rank;
	ev.time_ns = s->emit_ns;
	ev.cpu = (uint16_t)cpu;
	sr_event_digest_add(&s->digest, stream, &ev, name);
	s->buf[stream][s->nbuf[stream]++] = ev;
	s->stats.events++;
	if (s->nbuf[stream] == BUFFER)
		sim_emit_flush(s);
}

int32_t sim_ctx(const struct sim *s, unsigned cpu)
{
	uint32_t i = s->cpu[cpu].curr != NOBODY ? s->cpu[cpu].curr : s->cpu[cpu].leaving;

	return i == NOBODY ? 0 : s->tasks[i].tid;
}

void sim_emit_switch(struct sim *s, unsigned cpu, const struct sim_task *prev, const struct sim_task *next,
		     unsigned state)
{
	struct sr_event ev = { .kind = SR_EV_SWITCH, .ctx = prev ? prev->tid : 0 };

	ev.u.sw.prev = prev ? prev->tid : 0;
	ev.u.sw.next = next ? next->tid : 0;
	ev.u.sw.prev_prio = prev ? prev->prio : 120;
	ev.u.sw.next_prio = next ? next->prio : 120;
	ev.u.sw.prev_state = prev ? (uint8_t)state : SR_STATE_RUNNING;
	emit(s, SRZ_STREAM_KERNEL, cpu, ev, NULL);
}

void sim_emit_wake(struct sim *s, unsigned kind, unsigned cpu, int32_t ctx, unsigned flags, const struct sim_task *t,
		   unsigned target)
{
	struct sr_event ev = { .kind = (uint8_t)kind, .ctx = ctx, .flags = (uint8_t)flags };

	ev.u.wake.tid = t->tid;
	ev.u.wake.prio = t->prio;
	ev.u.wake.target_cpu = (uint16_t)target;
	emit(s, SRZ_STREAM_KERNEL, cpu, ev, NULL);
}

void sim_emit_migrate(struct sim *s, unsigned cpu, const struct sim_task *t, unsigned from, unsigned to)
{
	struct sr_event ev = { .kind = SR_EV_MIGRATE, .ctx = sim_ctx(s, cpu) };

	ev.u.migrate.tid = t->tid;
	ev.u.migrate.prio = t->prio;
	ev.u.migrate.from = (uint16_t)from;
	ev.u.migrate.to = (uint16_t)to;
	emit(s, SRZ_STREAM_KERNEL, cpu, ev, NULL);
}

void sim_emit_fork(struct sim *s, const struct sim_task *parent, const struct sim_task *child, unsigned flags)
{
	struct sr_event ev = { .kind = SR_EV_FORK, .ctx = parent->tid };
	struct sr_event new = { .kind = SR_EV_NEWTASK, .ctx = parent->tid };

	ev.u.fork.parent = parent->tid;
	ev.u.fork.child = child->tid;
	emit(s, SRZ_STREAM_KERNEL, (unsigned)parent->cpu, ev, NULL);
	new.u.newtask.tid = child->tid;
	new.u.newtask.clone_flags = (flags & SR_FORK_VM ? CLONE_VM_FLAG : 0) |
				    (flags & SR_FORK_VFORK ? CLONE_VFORK_FLAG : 0) |
				    (flags & SR_FORK_THREAD ? CLONE_THREAD_FLAG : 0);
	emit(s, SRZ_STREAM_KERNEL, (unsigned)parent->cpu, new, NULL);
}

/* The file that it executes is not in a model; the name that comes with it is a rename of its own. */
void sim_emit_exec(struct sim *s, const struct sim_task *t)
{
	struct sr_event ev = { .kind = SR_EV_EXEC, .ctx = t->tid };

	ev.u.exec.tid = ev.u.exec.old_tid = t->tid;
	ev.u.exec.name = UINT32_MAX;
	emit(s, SRZ_STREAM_KERNEL, (unsigned)t->cpu, ev, "?");
}

void sim_emit_exit(struct sim *s, const struct sim_task *t, bool last)
{
	struct sr_event ev = { .kind = SR_EV_EXIT, .ctx = t->tid };

	ev.u.exit.tid = t->tid;
	ev.u.exit.prio = t->prio;
	ev.u.exit.group_dead = last;
	emit(s, SRZ_STREAM_KERNEL, (unsigned)t->cpu, ev, NULL);
}

void sim_emit_name(struct sim *s, const struct sim_task *t, uint32_t name)
{
	struct sr_event ev = { .kind = SR_EV_RENAME, .ctx = t->tid };
	const struct sim_sink *sink = s->cfg.sink;
	const char *text = s->m->names[name];

	if (s->name_id[name] == UINT32_MAX && sink && !s->failed) {
		s->name_id[name] = sink->name(sink->arg, text, s->err);
		if (s->name_id[name] == UINT32_MAX)
			s->failed = true;
	}
	ev.u.rename.tid = t->tid;
	ev.u.rename.name = s->name_id[name];
	emit(s, SRZ_STREAM_KERNEL, (unsigned)t->cpu, ev, text);
}

void sim_emit_bind(struct sim *s, unsigned cpu, int32_t ctx, const struct sim_task *t)
{
	struct sr_event ev = { .kind = SR_EV_BIND, .ctx = ctx };

	ev.u.bind.tid = t->tid;
	ev.u.bind.source = t->p->source;
	emit(s, SRZ_STREAM_ENGINE, cpu, ev, NULL);
}

void sim_emit_decision(struct sim *s, unsigned cpu, const struct sim_task *t, int from, int to, enum sr_cause cause,
		       uint64_t cost_ns)
{
	struct sr_event ev = { .kind = SR_EV_DECISION, .ctx = sim_ctx(s, cpu) };

	ev.u.decision.tid = t->tid;
	ev.u.decision.from = (int16_t)from;
	ev.u.decision.to = (int16_t)to;
	ev.u.decision.cause = (uint8_t)cause;
	ev.u.decision.cost_ns = cost_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)cost_ns;
	s->counts.decisions++;
	emit(s, SRZ_STREAM_ENGINE, cpu, ev, NULL);
}
