/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/timeline.h"

#include <stdbool.h>
#include <stdlib.h>

#include "formats/tidmap.h"

#define PRIO_UNKNOWN 120

#define WAKES_KEPT 4

struct cpu_state {
	int32_t cur;
	/* While it idles: the tasks put on its run queue since, any of which it may have switched to. */
	struct {
		int32_t tid;
		uint64_t time_ns;
	} wake[WAKES_KEPT];
	uint8_t wakes;
	int16_t prio; /* cur's, as far as known */
	bool known;   /* cur is established */
	bool exiting; /* cur's exit was seen */
};

struct sr_repair {
	bool filtered;
	uint64_t count;
	struct sr_tidmap on_cpu; /* tid -> cpu + 1, for each known cur but the idle task */
	struct sr_tidmap inside; /* filtered: tids proved to be in the kernel's filter */
	struct cpu_state cpu[SR_MAX_CPUS];
};

struct sr_repair *sr_repair_new(unsigned filtered, struct sr_error *err)
{
	struct sr_repair *r = calloc(1, sizeof(*r));

	if (!r) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	r->filtered = filtered != 0;
	return r;
}

void sr_repair_free(struct sr_repair *r)
{
	if (!r)
		return;
	sr_tidmap_release(&r->on_cpu);
	sr_tidmap_release(&r->inside);
	free(r);
}

uint64_t sr_repair_count(const struct sr_repair *r)
{
	return r->count;
}

static int mark_inside(struct sr_repair *r, int32_t tid)
{
	if (tid == 0 || sr_tidmap_get(&r->inside, tid))
		return 0;
	return sr_tidmap_put(&r->inside, tid, 1);
}

/* Filtered: what this event proves about who is inside. */
static int learn(struct sr_repair *r, const struct sr_event *ev)
{
	switch ((enum sr_event_kind)ev->kind) {
	case SR_EV_SWITCH:
		if (ev->u.sw.prev == 0 && mark_inside(r, ev->u.sw.next))
			return -1;
		return ev->u.sw.next == 0 ? mark_inside(r, ev->u.sw.prev) : 0;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		return ev->ctx == 0 ? mark_inside(r, ev->u.wake.tid) : 0;
	case SR_EV_FORK:
		return mark_inside(r, ev->ctx) || mark_inside(r, ev->u.fork.child) ? -1 : 0;
	default:
		return mark_inside(r, ev->ctx);
	}
}

static bool must_be_seen(const struct sr_repair *r, int32_t tid)
{
	return !r->filtered || sr_tidmap_get(&r->inside, tid) != 0;
}

static void put_in(struct sr_repair *r, const struct sr_event *proof, unsigned cpu, int32_t next, int16_t next_prio,
		   struct sr_event *out)
{
	struct cpu_state *c = &r->cpu[cpu];
	uint64_t time_ns = proof->time_ns;

	for (unsigned i = 0; i < c->wakes; i++)
		if (c->wake[i].tid == next)
			time_ns = c->wake[i].time_ns;
	*out = (struct sr_event){
		.time_ns = time_ns,
		.ctx = c->cur,
		.cpu = (uint16_t)cpu,
		.kind = SR_EV_SWITCH,
		.flags = SR_EV_REPAIRED,
		.u.sw = { .prev = c->cur,
			  .next = next,
			  .prev_prio = c->prio,
			  .next_prio = next_prio,
			  .prev_state = c->exiting ? SR_STATE_DEAD : SR_STATE_PREEMPTED },
	};
	if (c->exiting)
		sr_tidmap_del(&r->inside, c->cur);
	r->count++;
}

/* tid turns up on this cpu: wherever else it was believed to run, it does not any more. Returns the events put in. */
static int evict(struct sr_repair *r, const struct sr_event *proof, int32_t tid, struct sr_event *out)
{
	uint32_t on = tid ? sr_tidmap_get(&r->on_cpu, tid) : 0;
	struct cpu_state *c;

	if (on == 0 || on - 1 == proof->cpu)
		return 0;
	c = &r->cpu[on - 1];
	sr_tidmap_del(&r->on_cpu, tid);
	if (!must_be_seen(r, tid)) {
		c->known = false;
		return 0;
	}
	put_in(r, proof, on - 1, 0, PRIO_UNKNOWN, out);
	c->cur = 0;
	c->prio = PRIO_UNKNOWN;
	c->exiting = false;
	c->wakes = 0;
	return 1;
}

/* From now on tid is this cpu's task. */
static int set_current(struct sr_repair *r, unsigned cpu, int32_t tid, int16_t prio)
{
	struct cpu_state *c = &r->cpu[cpu];

	if (c->known && c->cur != 0)
		sr_tidmap_del(&r->on_cpu, c->cur);
	c->cur = tid;
	c->prio = prio;
	c->known = true;
	c->exiting = false;
	c->wakes = 0;
	return tid ? sr_tidmap_put(&r->on_cpu, tid, cpu + 1) : 0;
}

/* The event shows that tid runs on its cpu, which is not what was believed. Returns the events put in, -1. */
static int correct(struct sr_repair *r, const struct sr_event *ev, int32_t tid, struct sr_event *out)
{
	const struct cpu_state *c = &r->cpu[ev->cpu];
	int16_t prio = ev->kind == SR_EV_SWITCH ? ev->u.sw.prev_prio : PRIO_UNKNOWN;
	int n = evict(r, ev, tid, out);
	bool renamed = ev->kind == SR_EV_EXEC && ev->u.exec.tid == tid && ev->u.exec.old_tid == c->cur;

	if (c->known && !renamed && (must_be_seen(r, c->cur) || must_be_seen(r, tid)))
		put_in(r, ev, ev->cpu, tid, prio, &out[n++]);
	return set_current(r, ev->cpu, tid, renamed ? c->prio : prio) ? -1 : n;
}

/* A task comes to the run queue of an idle cpu. */
static void note_wake(struct sr_repair *r, const struct sr_event *ev)
{
	bool moved = ev->kind == SR_EV_MIGRATE;
	unsigned cpu = moved ? ev->u.migrate.to : ev->u.wake.target_cpu;
	struct cpu_state *c = &r->cpu[cpu % SR_MAX_CPUS];

	if (cpu >= SR_MAX_CPUS || !c->known || c->cur != 0 || c->wakes == WAKES_KEPT)
		return;
	c->wake[c->wakes].tid = moved ? ev->u.migrate.tid : ev->u.wake.tid;
	c->wake[c->wakes++].time_ns = ev->time_ns;
}

int sr_repair_push(struct sr_repair *r, const struct sr_event *ev, struct sr_event out[5], struct sr_error *err)
{
	struct cpu_state *c = &r->cpu[ev->cpu % SR_MAX_CPUS];
	int32_t running;
	int n = 0;

	if (ev->cpu >= SR_MAX_CPUS)
		return sr_fail(err, SR_DAMAGED, "an event of CPU %u: there are at most %d", ev->cpu, SR_MAX_CPUS);
	if (ev->kind == SR_EV_COMM || ev->kind == SR_EV_LOST || ev->kind == SR_EV_DECISION || ev->kind == SR_EV_BIND ||
	    sr_event_is_power(ev->kind))
		goto done;
	if (r->filtered && learn(r, ev))
		goto no_memory;
	running = ev->kind == SR_EV_SWITCH ? ev->u.sw.prev : ev->ctx;
	if (!c->known || c->cur != running) {
		n = correct(r, ev, running, out);
		if (n < 0)
			goto no_memory;
	}
	/* It still idles: whatever was woken there did not run before now. */
	for (unsigned i = 0; running == 0 && i < c->wakes; i++)
		c->wake[i].time_ns = ev->time_ns;
	if (ev->kind == SR_EV_WAKEUP || ev->kind == SR_EV_WAKEUP_NEW || ev->kind == SR_EV_MIGRATE)
		note_wake(r, ev);
	if (ev->kind == SR_EV_EXIT && ev->u.exit.tid == running) {
		c->exiting = true;
	} else if (ev->kind == SR_EV_SWITCH) {
		if (r->filtered && (ev->u.sw.prev_state == SR_STATE_DEAD || ev->u.sw.prev_state == SR_STATE_ZOMBIE))
			sr_tidmap_del(&r->inside, running);
		n += evict(r, ev, ev->u.sw.next, &out[n]);
		if (set_current(r, ev->cpu, ev->u.sw.next, ev->u.sw.next_prio))
			goto no_memory;
	}
done:
	out[n++] = *ev;
	return n;
no_memory:
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}
