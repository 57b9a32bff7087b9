/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Perfetto's protobuf. Each CPU's events are gathered into a bundle, which becomes a packet when it is large enough,
 * when many events are held, or when a loss begins another. The whole form of events is written: the compact one has no
 * room for the task before the first switch.
 *
 * Times are the recording's, of CLOCK_MONOTONIC, and stand as those of the trace's own clock (which is BOOTTIME
 * where nothing else is said); the clock snapshot says that both agree, so that nothing is converted, and which
 * real time that was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/copy.h"
#include "formats/export_internal.h"
#include "formats/perfetto.h"
#include "formats/protobuf.h"

#define BUNDLE_BYTES (60u << 10)
#define HELD_BYTES (16u << 20) /* of all cpus */
#define SEQUENCE 1
#define TRACK 0x5c4ed4ec /* any number: the decisions' track */

struct bundle {
	struct sr_pb events;
	bool lost;
};

struct perfetto {
	struct bundle *cpu;
	unsigned ncpus;
	size_t held;                       /* bytes of all bundles */
	struct sr_pb event, inner, packet; /* scratch */
	bool track;                        /* it was described */
};

static int put_packet(struct sr_export *x, struct sr_error *err)
{
	struct perfetto *p = x->own;
	uint8_t head[16];
	struct sr_pb length = { .p = head, .cap = sizeof(head) };

	if (p->packet.failed || p->event.failed || p->inner.failed)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	sr_pb_number(&length, PF_TRACE_PACKET << 3 | 2);
	sr_pb_number(&length, p->packet.n);
	sr_out_bytes(x->out, head, length.n);
	sr_out_bytes(x->out, p->packet.p, p->packet.n);
	p->packet.n = 0;
	return 0;
}

/* Begins a packet: its time, and whose it is. */
static struct sr_pb *packet(struct sr_export *x, uint64_t time_ns)
{
	struct perfetto *p = x->own;

	p->packet.n = 0;
	if (time_ns)
		sr_pb_u64(&p->packet, PF_PACKET_TIMESTAMP, time_ns);
	sr_pb_u64(&p->packet, PF_PACKET_SEQUENCE, SEQUENCE);
	return &p->packet;
}

static int flush_bundle(struct sr_export *x, unsigned cpu, struct sr_error *err)
{
	struct perfetto *p = x->own;
	struct bundle *b = &p->cpu[cpu];

	if (!b->events.n)
		return 0;
	if (b->events.failed)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	p->inner.n = 0;
	sr_pb_u64(&p->inner, PF_BUNDLE_CPU, cpu);
	if (b->lost)
		sr_pb_u64(&p->inner, PF_BUNDLE_LOST, 1);
	sr_pb_raw(&p->inner, b->events.p, b->events.n);
	sr_pb_message(packet(x, 0), PF_PACKET_FTRACE, &p->inner);
	p->held -= b->events.n;
	b->events.n = 0;
	b->lost = false;
	return put_packet(x, err);
}

static int flush_all(struct sr_export *x, struct sr_error *err)
{
	struct perfetto *p = x->own;

	for (unsigned i = 0; i < p->ncpus; i++)
		if (flush_bundle(x, i, err))
			return -1;
	return 0;
}

/* ---- what stands in front ---- */

static void put_clock(struct sr_pb *clocks, unsigned id, uint64_t time_ns)
{
	uint8_t bytes[32];
	struct sr_pb clock = { .p = bytes, .cap = sizeof(bytes) };

	sr_pb_u64(&clock, 1, id);
	sr_pb_u64(&clock, 2, time_ns);
	sr_pb_message(clocks, 1, &clock);
}

static int put_clocks(struct sr_export *x, struct sr_error *err)
{
	struct perfetto *p = x->own;
	uint64_t mono, real;
	const char *clock = srz_get_meta(x->r, "clock");

	if (!sr_meta_u64(x->r, "start.mono_ns", &mono))
		return 0;
	p->inner.n = 0;
	put_clock(&p->inner, PF_CLOCK_BOOTTIME, mono);
	if (clock && !strcmp(clock, "mono"))
		put_clock(&p->inner, PF_CLOCK_MONOTONIC, mono);
	if (sr_meta_u64(x->r, "start.realtime_ns", &real))
		put_clock(&p->inner, PF_CLOCK_REALTIME, real);
	sr_pb_message(packet(x, mono), PF_PACKET_CLOCKS, &p->inner);
	return put_packet(x, err);
}

/* The states are written as Linux 4.14 and later have them, and are read by the release that stands here. */
static int put_system(struct sr_export *x, struct sr_error *err)
{
	static const char *const keys[] = { "kernel.version", "kernel.release", "kernel.machine" };
	struct perfetto *p = x->own;
	unsigned major, minor;

	p->event.n = p->inner.n = 0;
	sr_pb_text(&p->event, 1, "Linux");
	for (unsigned i = 0; i < 3; i++) {
		const char *value = srz_get_meta(x->r, keys[i]);

		if (i == 1 &&
		    (!value || sscanf(value, "%u.%u", &major, &minor) != 2 || major < 4 || (major == 4 && minor < 14)))
			value = "4.14";
		if (value)
			sr_pb_text(&p->event, 2 + i, value);
	}
	sr_pb_message(&p->inner, 1, &p->event);
	sr_pb_message(packet(x, 0), PF_PACKET_SYSTEM_INFO, &p->inner);
	return put_packet(x, err);
}

/* The format has no place for whose events these are: for import it stands in the packet that is for tests of Perfetto's
 * own, which its UI and trace_processor pass over. */
static int put_own(struct sr_export *x, const char *key, const char *value, struct sr_error *err)
{
	struct perfetto *p = x->own;
	char text[64];

	snprintf(text, sizeof(text), "%s%s", key, value);
	p->inner.n = 0;
	sr_pb_text(&p->inner, 1, text);
	sr_pb_message(packet(x, 0), PF_PACKET_FOR_TESTING, &p->inner);
	return put_packet(x, err);
}

static int put_scope(struct sr_export *x, struct sr_error *err)
{
	const struct sr_task_starts *tasks = srz_get_tasks(x->r);
	const char *scope = srz_get_meta(x->r, "scope");
	char tid[16];

	if (scope && put_own(x, PF_SCOPE, scope, err) < 0)
		return -1;
	for (size_t i = 0; i < tasks->n; i++) {
		if (!(tasks->v[i].flags & SR_TASK_ROOT))
			continue;
		snprintf(tid, sizeof(tid), "%d", (int)tasks->v[i].tid);
		if (put_own(x, PF_ROOT, tid, err) < 0)
			return -1;
	}
	return 0;
}

static int put_processes(struct sr_export *x, struct sr_error *err)
{
	const struct sr_task_starts *s = srz_get_tasks(x->r);
	struct perfetto *p = x->own;
	uint64_t mono = 0;

	p->inner.n = 0;
	sr_meta_u64(x->r, "start.mono_ns", &mono);
	for (size_t i = 0; i < s->n; i++) {
		const struct sr_task_start *t = &s->v[i];

		p->event.n = 0;
		if (t->tid == t->tgid || !t->tgid) {
			sr_pb_i64(&p->event, 1, t->tid);
			sr_pb_i64(&p->event, 2, t->ppid);
			sr_pb_text(&p->event, 3, t->comm);
			if (t->flags & SR_TASK_KTHREAD)
				sr_pb_u64(&p->event, 8, 1);
			sr_pb_message(&p->inner, 1, &p->event);
			p->event.n = 0;
		}
		sr_pb_i64(&p->event, 1, t->tid);
		sr_pb_text(&p->event, 2, t->comm);
		sr_pb_i64(&p->event, 3, t->tgid ? t->tgid : t->tid);
		sr_pb_message(&p->inner, 2, &p->event);
		if (p->inner.n < BUNDLE_BYTES && i + 1 < s->n)
			continue;
		sr_pb_message(packet(x, mono), PF_PACKET_PROCESS_TREE, &p->inner);
		if (put_packet(x, err))
			return -1;
		p->inner.n = 0;
	}
	return 0;
}

static int perfetto_begin(struct sr_export *x, struct sr_error *err)
{
	struct perfetto *p = calloc(1, sizeof(*p));

	x->own = p;
	if (p)
		p->cpu = calloc(SR_MAX_CPUS, sizeof(*p->cpu));
	if (!p || !p->cpu)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	p->ncpus = SR_MAX_CPUS;
	return put_clocks(x, err) || put_system(x, err) || put_scope(x, err) || put_processes(x, err) ? -1 : 0;
}

/* ---- events ---- */

static int64_t state_bits(unsigned state)
{
	static const int16_t bits[SR_STATES] = {
		[SR_STATE_RUNNING] = 0,
		[SR_STATE_PREEMPTED] = PF_STATE_PREEMPTED,
		[SR_STATE_SLEEPING] = 1,
		[SR_STATE_DISK] = 2,
		[SR_STATE_STOPPED] = 4,
		[SR_STATE_TRACED] = 8,
		[SR_STATE_DEAD] = 0x10,
		[SR_STATE_ZOMBIE] = 0x20,
		[SR_STATE_PARKED] = 0x40,
		[SR_STATE_IDLE] = 0x80,
		[SR_STATE_OTHER] = PF_STATE_OTHER,
	};

	return bits[state < SR_STATES ? state : SR_STATE_OTHER];
}

static void put_comm(struct sr_export *x, unsigned field, int32_t tid, unsigned cpu)
{
	struct perfetto *p = x->own;
	char buf[SR_COMM_LEN];

	sr_pb_text(&p->inner, field, sr_export_kernel_comm(x, tid, cpu, buf));
}

/* The event's own message into inner; returns its field. */
static unsigned own_fields(struct sr_export *x, const struct sr_event *ev)
{
	struct sr_pb *m = &((struct perfetto *)x->own)->inner;

	switch (ev->kind) {
	case SR_EV_SWITCH:
		put_comm(x, 1, ev->u.sw.prev, ev->cpu);
		sr_pb_i64(m, 2, ev->u.sw.prev);
		sr_pb_i64(m, 3, ev->u.sw.prev_prio);
		sr_pb_i64(m, 4, state_bits(ev->u.sw.prev_state));
		put_comm(x, 5, ev->u.sw.next, ev->cpu);
		sr_pb_i64(m, 6, ev->u.sw.next);
		sr_pb_i64(m, 7, ev->u.sw.next_prio);
		return PF_EVENT_SWITCH;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		put_comm(x, 1, ev->u.wake.tid, ev->u.wake.target_cpu);
		sr_pb_i64(m, 2, ev->u.wake.tid);
		sr_pb_i64(m, 3, ev->u.wake.prio);
		sr_pb_i64(m, 4, 1);
		sr_pb_i64(m, 5, ev->u.wake.target_cpu);
		return ev->kind == SR_EV_WAKING ? PF_EVENT_WAKING :
		       ev->kind == SR_EV_WAKEUP ? PF_EVENT_WAKEUP :
						  PF_EVENT_WAKEUP_NEW;
	case SR_EV_MIGRATE:
		put_comm(x, 1, ev->u.migrate.tid, ev->u.migrate.from);
		sr_pb_i64(m, 2, ev->u.migrate.tid);
		sr_pb_i64(m, 3, ev->u.migrate.prio);
		sr_pb_i64(m, 4, ev->u.migrate.from);
		sr_pb_i64(m, 5, ev->u.migrate.to);
		return PF_EVENT_MIGRATE;
	case SR_EV_FORK:
		put_comm(x, 1, ev->u.fork.parent, ev->cpu);
		sr_pb_i64(m, 2, ev->u.fork.parent);
		put_comm(x, 3, ev->u.fork.child, ev->cpu);
		sr_pb_i64(m, 4, ev->u.fork.child);
		return PF_EVENT_FORK;
	case SR_EV_EXEC:
		sr_pb_text(m, 1, srz_name_at(x->r, ev->u.exec.name));
		sr_pb_i64(m, 2, ev->u.exec.tid);
		sr_pb_i64(m, 3, ev->u.exec.old_tid);
		return PF_EVENT_EXEC;
	case SR_EV_EXIT:
		put_comm(x, 1, ev->u.exit.tid, ev->cpu);
		sr_pb_i64(m, 2, ev->u.exit.tid);
		if (sr_export_task(x, ev->u.exit.tid)->tgid)
			sr_pb_i64(m, 3, sr_export_task(x, ev->u.exit.tid)->tgid);
		sr_pb_i64(m, 4, ev->u.exit.prio);
		return PF_EVENT_EXIT;
	case SR_EV_RENAME:
		sr_pb_i64(m, 1, ev->u.rename.tid);
		sr_pb_text(m, 2, x->old_comm);
		sr_pb_text(m, 3, srz_name_at(x->r, ev->u.rename.name));
		sr_pb_i64(m, 4, 0);
		return PF_EVENT_RENAME;
	case SR_EV_NEWTASK:
		sr_pb_i64(m, 1, ev->u.newtask.tid);
		put_comm(x, 2, ev->u.newtask.tid, ev->cpu);
		sr_pb_u64(m, 3, ev->u.newtask.clone_flags);
		sr_pb_i64(m, 4, 0);
		return PF_EVENT_NEWTASK;
	case SR_EV_FREQUENCY:
		sr_pb_u64(m, 1, ev->u.frequency.khz);
		sr_pb_u64(m, 2, ev->u.frequency.target_cpu);
		return PF_EVENT_CPU_FREQUENCY;
	default: /* SR_EV_IDLE */
		sr_pb_u64(m, 1, ev->u.idle.state);
		sr_pb_u64(m, 2, ev->u.idle.target_cpu);
		return PF_EVENT_CPU_IDLE;
	}
}

static int put_event(struct sr_export *x, const struct sr_event *ev, struct sr_error *err)
{
	struct perfetto *p = x->own;
	struct bundle *b = &p->cpu[ev->cpu];
	unsigned field, flags = (ev->flags & SR_EV_HARDIRQ ? PF_FLAG_HARDIRQ : 0) |
				(ev->flags & SR_EV_SOFTIRQ ? PF_FLAG_SOFTIRQ : 0) |
				(ev->flags & SR_EV_NMI ? PF_FLAG_NMI : 0);
	size_t before = b->events.n;

	p->event.n = p->inner.n = 0;
	sr_pb_u64(&p->event, PF_EVENT_TIMESTAMP, ev->time_ns);
	sr_pb_i64(&p->event, PF_EVENT_PID, ev->ctx);
	if (flags)
		sr_pb_u64(&p->event, PF_EVENT_FLAGS, flags);
	field = own_fields(x, ev);
	sr_pb_message(&p->event, field, &p->inner);
	sr_pb_message(&b->events, PF_BUNDLE_EVENT, &p->event);
	p->held += b->events.n - before;
	if (b->events.n >= BUNDLE_BYTES)
		return flush_bundle(x, ev->cpu, err);
	return p->held >= HELD_BYTES ? flush_all(x, err) : 0;
}

/* ---- decisions ---- */

static int describe_track(struct sr_export *x, struct sr_error *err)
{
	struct perfetto *p = x->own;
	const char *policy = srz_get_meta(x->r, "replay.policy");
	char name[128];

	snprintf(name, sizeof(name), "policy %s: decisions", policy ? policy : "");
	p->track = true;
	p->inner.n = 0;
	sr_pb_u64(&p->inner, 1, TRACK);
	sr_pb_text(&p->inner, 2, name);
	packet(x, 0);
	sr_pb_u64(&p->packet, PF_PACKET_SEQUENCE_FLAGS, 1);
	sr_pb_message(&p->packet, PF_PACKET_TRACK_DESCRIPTOR, &p->inner);
	return put_packet(x, err);
}

static void annotate(struct perfetto *p, const char *name, const char *text, int64_t v)
{
	p->event.n = 0;
	sr_pb_text(&p->event, 10, name);
	if (text)
		sr_pb_text(&p->event, 6, text);
	else
		sr_pb_i64(&p->event, 4, v);
	sr_pb_message(&p->inner, 4, &p->event);
}

static int put_decision(struct sr_export *x, const struct sr_event *ev, struct sr_error *err)
{
	struct perfetto *p = x->own;

	if (!p->track && describe_track(x, err))
		return -1;
	p->inner.n = 0;
	sr_pb_u64(&p->inner, 9, 3); /* an instant */
	sr_pb_u64(&p->inner, 11, TRACK);
	sr_pb_text(&p->inner, 22, "policy");
	sr_pb_text(&p->inner, 23, sr_cause_name(ev->u.decision.cause));
	annotate(p, "task", sr_export_comm(x, ev->u.decision.tid), 0);
	annotate(p, "tid", NULL, ev->u.decision.tid);
	annotate(p, "cpu", NULL, ev->cpu);
	annotate(p, "from", NULL, ev->u.decision.from);
	annotate(p, "to", NULL, ev->u.decision.to);
	annotate(p, "cost_ns", NULL, ev->u.decision.cost_ns);
	sr_pb_message(packet(x, ev->time_ns), PF_PACKET_TRACK_EVENT, &p->inner);
	return put_packet(x, err);
}

static int perfetto_event(struct sr_export *x, const struct sr_event *ev, struct sr_error *err)
{
	struct perfetto *p = x->own;

	switch (ev->kind) {
	case SR_EV_COMM:
		x->counts.carried++;
		return 0;
	case SR_EV_BIND:
		x->counts.dropped[ev->kind]++;
		return 0;
	case SR_EV_DECISION:
		return put_decision(x, ev, err);
	case SR_EV_LOST:
		if (flush_bundle(x, ev->cpu, err))
			return -1;
		p->cpu[ev->cpu].lost = true;
		return 0;
	default:
		return put_event(x, ev, err);
	}
}

/* What was lost behind a CPU's last event is a bundle without one. */
static int perfetto_end(struct sr_export *x, struct sr_error *err)
{
	struct perfetto *p = x->own;

	if (flush_all(x, err))
		return -1;
	for (unsigned i = 0; i < p->ncpus; i++) {
		if (!p->cpu[i].lost)
			continue;
		p->inner.n = 0;
		sr_pb_u64(&p->inner, PF_BUNDLE_CPU, i);
		sr_pb_u64(&p->inner, PF_BUNDLE_LOST, 1);
		sr_pb_message(packet(x, 0), PF_PACKET_FTRACE, &p->inner);
		if (put_packet(x, err))
			return -1;
	}
	return 0;
}

static void perfetto_release(struct sr_export *x)
{
	struct perfetto *p = x->own;

	if (!p)
		return;
	for (unsigned i = 0; i < p->ncpus; i++)
		sr_pb_release(&p->cpu[i].events);
	free(p->cpu);
	sr_pb_release(&p->event);
	sr_pb_release(&p->inner);
	sr_pb_release(&p->packet);
	free(p);
}

const struct sr_export_format sr_export_perfetto = { .name = "perfetto",
						     .begin = perfetto_begin,
						     .event = perfetto_event,
						     .end = perfetto_end,
						     .release = perfetto_release };
