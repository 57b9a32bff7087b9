/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Made-up event streams for the tests of the .srz format: random, seeded, valid, and rich in corners. The golden files
 * hold such streams, so nothing here may depend on the compiler: at most one call of rnd() between two sequence points.
 */
#ifndef SCHEDREC_TESTS_SRZ_EVENTS_H
#define SCHEDREC_TESTS_SRZ_EVENTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/event.h"

static uint64_t rnd_state;

static inline uint64_t rnd(void)
{
	uint64_t z = rnd_state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline uint64_t rnd_below(uint64_t n)
{
	return rnd() % n;
}

/* How a stream looks. */
struct shape {
	size_t events;
	unsigned cpus, tasks;
	unsigned stay;    /* of 100 events, that have the same time as the one before */
	unsigned strange; /* of 100 values, that are extreme */
	unsigned late;    /* how many places an event may come late; 0: the stream is in order */
};

static inline int32_t rnd_tid(const struct shape *s)
{
	if (rnd_below(100) < s->strange)
		return rnd() & 1 ? INT32_MAX : (int32_t)(rnd() & INT32_MAX);
	return (int32_t)rnd_below(s->tasks);
}

static inline int16_t rnd_prio(const struct shape *s)
{
	static const int16_t odd[] = { INT16_MIN, INT16_MAX, -1, 0, 99, 139 };

	return rnd_below(100) < s->strange ? odd[rnd_below(6)] : 120;
}

static inline uint16_t rnd_cpu(const struct shape *s)
{
	return (uint16_t)(rnd_below(100) < s->strange ? SR_MAX_CPUS - 1 : rnd_below(s->cpus));
}

static inline uint64_t rnd_any(void)
{
	unsigned shift = (unsigned)rnd_below(64);

	return rnd() >> shift;
}

/* An event of any kind with the fields that the kind has; the rest is zero. running[cpu] is kept. */
static inline struct sr_event rnd_event(const struct shape *s, uint64_t time_ns, uint16_t cpu, int32_t *running)
{
	static const uint8_t common[] = { SR_EV_SWITCH, SR_EV_SWITCH, SR_EV_SWITCH, SR_EV_WAKING, SR_EV_WAKEUP };
	struct sr_event e;

	memset(&e, 0, sizeof(e));
	e.time_ns = time_ns;
	e.cpu = cpu;
	e.kind = rnd_below(100) < 20 ? (uint8_t)(1 + rnd_below(SR_EV_KINDS - 1)) : common[rnd_below(5)];
	e.flags = rnd_below(10) ? 0 : (uint8_t)(rnd() & SR_EV_FILE_FLAGS);
	e.ctx = rnd_below(20) ? running[cpu] : rnd_tid(s);
	switch (e.kind) {
	case SR_EV_SWITCH:
		e.u.sw.prev = rnd_below(50) ? e.ctx : rnd_tid(s);
		e.u.sw.next = running[cpu] = rnd_tid(s);
		e.u.sw.prev_prio = rnd_prio(s);
		e.u.sw.next_prio = rnd_prio(s);
		e.u.sw.prev_state = (uint8_t)rnd_below(SR_STATES);
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		e.u.wake.tid = rnd_tid(s);
		e.u.wake.prio = rnd_prio(s);
		e.u.wake.target_cpu = rnd_cpu(s);
		break;
	case SR_EV_MIGRATE:
		e.u.migrate.tid = rnd_tid(s);
		e.u.migrate.prio = rnd_prio(s);
		e.u.migrate.from = rnd_cpu(s);
		e.u.migrate.to = rnd_cpu(s);
		break;
	case SR_EV_FORK:
		e.u.fork.parent = rnd_tid(s);
		e.u.fork.child = rnd_tid(s);
		break;
	case SR_EV_EXEC:
		e.u.exec.tid = rnd_tid(s);
		e.u.exec.old_tid = rnd_tid(s);
		e.u.exec.name = (uint32_t)rnd_any();
		break;
	case SR_EV_EXIT:
		e.u.exit.tid = rnd_tid(s);
		e.u.exit.prio = rnd_prio(s);
		e.u.exit.group_dead = (uint8_t)rnd_below(3);
		break;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		e.u.rename.tid = rnd_tid(s);
		e.u.rename.name = (uint32_t)rnd_any();
		break;
	case SR_EV_NEWTASK:
		e.u.newtask.tid = rnd_tid(s);
		e.u.newtask.clone_flags = rnd_any();
		break;
	case SR_EV_LOST:
		e.u.lost.count = rnd_any() >> 8; /* so that a sum stays within 64 bits */
		e.u.lost.span_us = (uint32_t)rnd_any();
		break;
	case SR_EV_DECISION:
		e.u.decision.tid = rnd_tid(s);
		e.u.decision.from = rnd_below(4) ? (int16_t)rnd_cpu(s) : -1;
		e.u.decision.to = rnd_below(4) ? (int16_t)rnd_cpu(s) : -1;
		e.u.decision.cause = (uint8_t)rnd_below(SR_CAUSES);
		e.u.decision.cost_ns = (uint32_t)rnd_any();
		break;
	case SR_EV_BIND:
		e.u.bind.tid = rnd_tid(s);
		e.u.bind.source = (uint32_t)rnd_any();
		break;
	case SR_EV_FREQUENCY:
		e.u.frequency.khz = (uint32_t)rnd_any();
		e.u.frequency.target_cpu = rnd_below(4) ? cpu : rnd_cpu(s);
		break;
	case SR_EV_IDLE:
		e.u.idle.state = rnd_below(3) ? (uint32_t)rnd_below(4) :
				 rnd_below(4) ? SR_IDLE_LEFT :
						(uint32_t)rnd_any();
		e.u.idle.target_cpu = rnd_below(4) ? cpu : rnd_cpu(s);
		break;
	}
	return e;
}

/* A whole stream in order (time, cpu), the caller's to free. */
static inline struct sr_event *rnd_stream(const struct shape *s)
{
	struct sr_event *ev = calloc(s->events, sizeof(*ev));
	int32_t *running = calloc(SR_MAX_CPUS, sizeof(*running));
	uint64_t t = rnd_below(4) ? rnd() >> 20 : 0;
	uint16_t cpu = 0;
	size_t i;

	for (i = 0; i < s->events; i++) {
		if (i && rnd_below(100) < s->stay) {
			/* the same time: on the same cpu or one behind it */
			cpu = (uint16_t)(cpu + rnd_below(s->cpus - (cpu < s->cpus ? cpu : s->cpus - 1)));
		} else {
			unsigned shift = rnd_below(100) < s->strange ? 20 : 40 + (unsigned)rnd_below(20);

			t += 1 + (rnd() >> shift);
			cpu = (uint16_t)rnd_below(s->cpus);
		}
		ev[i] = rnd_event(s, t, cpu, running);
	}
	free(running);
	return ev;
}

/* Makes events come late, each cpu's order kept: what a recorder that merges may do. */
static inline void rnd_delay(const struct shape *s, struct sr_event *ev)
{
	size_t i, j, n;

	for (i = 0; s->late && i + s->late < s->events; i += s->late) {
		n = rnd_below(s->late);
		for (j = 0; j < n && ev[i + j].cpu != ev[i + j + 1].cpu; j++) {
			struct sr_event moved = ev[i + j];

			ev[i + j] = ev[i + j + 1];
			ev[i + j + 1] = moved;
		}
	}
}

#endif
