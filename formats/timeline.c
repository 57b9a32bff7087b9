/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/timeline.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "formats/srz.h"
#include "formats/tidmap.h"

#define PRIO_UNKNOWN 120
#define STOPPER_PRIO 0

#define WAKES_KEPT 4

#define BIN_NS 128
#define BINS 512
#define ENOUGH 5
#define LOOK_AT 65536

#define LOG_MOST (1u << 18)
/* In a log, until the delays are known: flags of a switch that they put forward. */
#define GUESSED 64
#define GUESSED_HERE 128

/* How long after the last word of it a cpu leaves idle. */
struct delays {
	uint32_t bin[BINS]; /* of BIN_NS; the last has all that were longer */
	uint32_t n, next;   /* the median is looked for again at next */
	uint64_t median_ns;
};

/* A task put on the run queue of an idle cpu. */
struct idle_wake {
	int32_t tid;
	bool here;        /* that cpu's own event says so */
	uint64_t time_ns; /* the last at which the cpu idled */
};

/* What is known of a tid. */
struct tid_state {
	uint16_t on_cpu; /* cpu + 1 whose known cur it is; 0: none, and always of the idle task */
	uint16_t woken;  /* cpu + 1 that had it last in its wake[], and may have it still */
	uint8_t marks;
};
#define INSIDE 1 /* filtered: it is proved to be in the kernel's filter */
#define BOUND 2  /* a replay's thread */

struct cpu_state {
	int32_t cur;
	uint32_t slot; /* cur's, when it is known */
	int16_t prio;  /* cur's, as far as known */
	bool known;    /* cur is established */
	bool exiting;  /* cur's exit was seen */
	bool stopper;  /* cur woke the stopper, here or elsewhere */
	/* While it idles: the tasks put on its run queue since, any of which it may have switched to. */
	uint8_t wakes;
	struct idle_wake wake[WAKES_KEPT];
};

struct sr_repair {
	bool filtered;
	uint64_t count, timed;
	struct sr_tidmap slots; /* tid -> index into v; an event looks up each of its tids once */
	struct tid_state *v;    /* [0] is nobody's */
	uint32_t n, cap;
	bool unlearnt;             /* a missing switch was timed by what nothing had told yet */
	struct delays delays[2];   /* by idle_wake.here */
	struct sr_repair_log *log; /* of what is put in; NULL: none is kept */
	struct cpu_state *cpu;
	unsigned ncpus; /* those seen so far lie below */
};

void sr_repair_free(struct sr_repair *r)
{
	if (!r)
		return;
	sr_tidmap_release(&r->slots);
	free(r->v);
	free(r->cpu);
	free(r);
}

uint64_t sr_repair_count(const struct sr_repair *r)
{
	return r->count;
}

static uint32_t new_slot(struct sr_repair *r, int32_t tid)
{
	if (r->n == r->cap) {
		uint32_t cap = r->cap * 2;
		struct tid_state *v = realloc(r->v, cap * sizeof(*v));

		if (!v)
			return 0;
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n] = (struct tid_state){ 0 };
	return sr_tidmap_put(&r->slots, tid, r->n) ? 0 : r->n++;
}

/* 0: out of memory. */
static inline uint32_t slot_of(struct sr_repair *r, int32_t tid)
{
	uint32_t slot = sr_tidmap_get(&r->slots, tid);

	return slot ? slot : new_slot(r, tid);
}

static int room_for_cpu(struct sr_repair *r, unsigned cpu)
{
	unsigned n = r->ncpus ? r->ncpus : 8;
	struct cpu_state *c;

	while (n <= cpu)
		n *= 2;
	c = realloc(r->cpu, n * sizeof(*c));
	if (!c)
		return -1;
	memset(c + r->ncpus, 0, (n - r->ncpus) * sizeof(*c));
	r->cpu = c;
	r->ncpus = n;
	return 0;
}

/* [0] is there from the beginning. */
static bool make_slots(struct sr_repair *r)
{
	r->v = calloc(64, sizeof(*r->v));
	if (!r->v)
		return false;
	r->cap = 64;
	r->n = 1;
	return true;
}

/* The idle task never is. */
static int mark(struct sr_repair *r, int32_t tid, uint8_t as)
{
	uint32_t slot = tid ? slot_of(r, tid) : 0;

	if (slot)
		r->v[slot].marks |= as;
	return tid && !slot ? -1 : 0;
}

/* Filtered: what this event proves about who is inside. */
static int learn(struct sr_repair *r, const struct sr_event *ev)
{
	switch ((enum sr_event_kind)ev->kind) {
	case SR_EV_SWITCH:
		if (ev->u.sw.prev == 0 && mark(r, ev->u.sw.next, INSIDE))
			return -1;
		return ev->u.sw.next == 0 ? mark(r, ev->u.sw.prev, INSIDE) : 0;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		return ev->ctx == 0 ? mark(r, ev->u.wake.tid, INSIDE) : 0;
	case SR_EV_FORK:
		return mark(r, ev->ctx, INSIDE) || mark(r, ev->u.fork.child, INSIDE) ? -1 : 0;
	default:
		return mark(r, ev->ctx, INSIDE);
	}
}

struct sr_repair *sr_repair_new(unsigned filtered, const struct sr_task_starts *starts, struct sr_error *err)
{
	struct sr_repair *r = calloc(1, sizeof(*r));
	bool full = !r || !make_slots(r);

	if (!full)
		r->filtered = filtered != 0;
	for (size_t i = 0; !full && filtered && starts && i < starts->n; i++)
		full = starts->v[i].flags & SR_TASK_ROOT && mark(r, starts->v[i].tid, INSIDE);
	if (full) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		sr_repair_free(r);
		return NULL;
	}
	return r;
}

static bool must_be_seen(const struct sr_repair *r, uint32_t slot)
{
	return !r->filtered || r->v[slot].marks & INSIDE;
}

static const struct idle_wake *wake_of(const struct cpu_state *c, int32_t tid)
{
	for (unsigned i = 0; i < c->wakes; i++)
		if (c->wake[i].tid == tid)
			return &c->wake[i];
	return NULL;
}

/* A switch from idle that is there: it tells how long those take that are not. */
static __attribute__((noinline)) void learn_delay(struct sr_repair *r, const struct cpu_state *c,
						  const struct sr_event *ev)
{
	const struct idle_wake *w = wake_of(c, ev->u.sw.next);
	struct delays *d;
	uint64_t bin;
	uint32_t sum = 0;

	if (!w || ev->time_ns < w->time_ns)
		return;
	d = &r->delays[w->here];
	bin = (ev->time_ns - w->time_ns) / BIN_NS;
	if (d->n == UINT32_MAX)
		return;
	d->bin[bin < BINS ? bin : BINS - 1]++;
	if (++d->n < (d->next ? d->next : ENOUGH))
		return;
	for (bin = 0; (sum += d->bin[bin]) <= d->n / 2; bin++)
		;
	d->median_ns = bin * BIN_NS + BIN_NS / 2;
	d->next = d->n + d->n / 8 + 1;
}

static void put_in(struct sr_repair *r, const struct sr_event *proof, unsigned cpu, int32_t next, int16_t next_prio,
		   struct sr_event *out)
{
	struct cpu_state *c = &r->cpu[cpu];
	const struct idle_wake *w = wake_of(c, next);
	uint64_t time_ns = proof->time_ns;

	if (w && w->time_ns + r->delays[w->here].median_ns < time_ns)
		time_ns = w->time_ns + r->delays[w->here].median_ns;
	r->timed += w != NULL;
	r->unlearnt |= w && r->delays[w->here].n < ENOUGH;
	*out = (struct sr_event){
		.time_ns = time_ns,
		.ctx = c->cur,
		.cpu = (uint16_t)cpu,
		.kind = SR_EV_SWITCH,
		.flags = w ? SR_EV_REPAIRED | SR_EV_TIMED : SR_EV_REPAIRED,
		.u.sw = { .prev = c->cur,
			  .next = next,
			  .prev_prio = c->prio,
			  .next_prio = next_prio,
			  .prev_state = c->exiting ? SR_STATE_DEAD : SR_STATE_PREEMPTED },
	};
	if (r->log && w && r->delays[w->here].n < ENOUGH)
		out->flags |= w->here ? GUESSED_HERE : GUESSED;
	if (c->exiting)
		r->v[c->slot].marks &= (uint8_t)~INSIDE;
	r->count++;
}

/* The task has come to a cpu: no other's wakes tell of it any more. */
static __attribute__((noinline)) void forget_wake(struct sr_repair *r, int32_t tid, uint32_t slot, unsigned cpu)
{
	unsigned had = r->v[slot].woken;
	struct cpu_state *c = &r->cpu[had - 1];

	r->v[slot].woken = 0;
	for (unsigned i = 0; had - 1 != cpu && i < c->wakes; i++)
		if (c->wake[i].tid == tid)
			c->wake[i--] = c->wake[--c->wakes];
}

/* From now on tid is this cpu's task. */
static inline void set_current(struct sr_repair *r, unsigned cpu, int32_t tid, uint32_t slot, int16_t prio)
{
	struct cpu_state *c = &r->cpu[cpu];

	if (c->known)
		r->v[c->slot].on_cpu = 0;
	c->cur = tid;
	c->slot = slot;
	c->prio = prio;
	c->known = true;
	c->exiting = false;
	c->stopper = false;
	c->wakes = 0;
	if (!tid)
		return;
	if (r->v[slot].woken)
		forget_wake(r, tid, slot, cpu);
	r->v[slot].on_cpu = (uint16_t)(cpu + 1);
}

/* The task turns up on this cpu: wherever else it was believed to run, it no longer does. Returns the events put in. */
static int evict(struct sr_repair *r, const struct sr_event *proof, uint32_t slot, struct sr_event *out)
{
	unsigned on = r->v[slot].on_cpu;

	if (on == 0 || on - 1 == proof->cpu)
		return 0;
	if (!must_be_seen(r, slot)) {
		r->v[slot].on_cpu = 0;
		r->cpu[on - 1].known = false;
		return 0;
	}
	put_in(r, proof, on - 1, 0, PRIO_UNKNOWN, out);
	set_current(r, on - 1, 0, 0, PRIO_UNKNOWN);
	return 1;
}

/* The event shows that tid runs on its cpu, which is not what was believed. Returns the events put in, -1. */
static int correct(struct sr_repair *r, const struct sr_event *ev, int32_t tid, struct sr_event *out)
{
	const struct cpu_state *c = &r->cpu[ev->cpu];
	int16_t prio = ev->kind == SR_EV_SWITCH ? ev->u.sw.prev_prio : PRIO_UNKNOWN;
	bool renamed = ev->kind == SR_EV_EXEC && ev->u.exec.tid == tid && ev->u.exec.old_tid == c->cur;
	uint32_t slot = slot_of(r, tid);
	int n;

	if (!slot)
		return -1;
	n = evict(r, ev, slot, out);
	if (c->known && !renamed && (must_be_seen(r, c->slot) || must_be_seen(r, slot)))
		put_in(r, ev, ev->cpu, tid, prio, &out[n++]);
	set_current(r, ev->cpu, tid, slot, renamed ? c->prio : prio);
	return n;
}

/* A task comes to the run queue of an idle cpu. */
static int note_wake(struct sr_repair *r, const struct sr_event *ev)
{
	bool moved = ev->kind == SR_EV_MIGRATE;
	unsigned cpu = moved ? ev->u.migrate.to : ev->u.wake.target_cpu;
	int32_t tid = moved ? ev->u.migrate.tid : ev->u.wake.tid;
	struct cpu_state *c;
	uint32_t slot;

	if (cpu >= r->ncpus)
		return 0;
	c = &r->cpu[cpu];
	if (!c->known || c->cur != 0)
		return 0;
	slot = slot_of(r, tid);
	if (!slot)
		return -1;
	if (r->v[slot].on_cpu)
		return 0;
	if (r->v[slot].woken)
		forget_wake(r, tid, slot, cpu);
	if (c->wakes < WAKES_KEPT)
		c->wake[c->wakes++] = (struct idle_wake){ tid, ev->cpu == cpu, ev->time_ns };
	r->v[slot].woken = (uint16_t)(cpu + 1);
	return 0;
}

/* The switch itself, of running. Returns n, with the events put in; -1. */
static int note_switch(struct sr_repair *r, const struct sr_event *ev, struct sr_event *out, int n)
{
	uint8_t left = ev->u.sw.prev_state;
	uint32_t next = slot_of(r, ev->u.sw.next);

	if (!next)
		return -1;
	if (left == SR_STATE_DEAD || left == SR_STATE_ZOMBIE)
		r->v[r->cpu[ev->cpu].slot].marks &= (uint8_t)~INSIDE;
	n += evict(r, ev, next, &out[n]);
	set_current(r, ev->cpu, ev->u.sw.next, next, ev->u.sw.next_prio);
	return n;
}

/* Nearly all events: of a task whose cpu is as it was believed, and a switch to one that is on no other and was not woken for
 * an idle one. True: that is it, and r has taken it in. */
static inline __attribute__((always_inline)) bool take_plain(struct sr_repair *r, struct cpu_state *c,
							     const struct sr_event *ev)
{
	const struct cpu_state *target;
	uint32_t next;

	if (r->filtered || !c->known || c->stopper)
		return false;
	if (ev->kind == SR_EV_SWITCH) {
		next = c->cur == ev->u.sw.prev ? sr_tidmap_get(&r->slots, ev->u.sw.next) : 0;
		if (!next || (r->v[next].on_cpu && r->v[next].on_cpu - 1 != ev->cpu) || r->v[next].woken || c->wakes)
			return false;
		set_current(r, ev->cpu, ev->u.sw.next, next, ev->u.sw.next_prio);
		return true;
	}
	if (c->cur != ev->ctx || c->cur == 0 || (ev->kind != SR_EV_WAKEUP && ev->kind != SR_EV_WAKING) ||
	    ev->u.wake.target_cpu >= r->ncpus)
		return false;
	target = &r->cpu[ev->u.wake.target_cpu];
	return ev->kind == SR_EV_WAKING ? ev->u.wake.prio != STOPPER_PRIO : !target->known || target->cur != 0;
}

/* Apart, so that what nearly all events need saves no registers for it. */
static __attribute__((noinline)) int step(struct sr_repair *r, const struct sr_event *ev, struct sr_event out[5],
					  struct sr_error *err)
{
	struct cpu_state *c;
	bool moved = false;
	int32_t running;
	int n = 0;

	if (ev->cpu >= SR_MAX_CPUS)
		return sr_fail(err, SR_DAMAGED, "an event of CPU %u: there are at most %d", ev->cpu, SR_MAX_CPUS);
	if (ev->cpu >= r->ncpus && room_for_cpu(r, ev->cpu))
		goto no_memory;
	c = &r->cpu[ev->cpu];
	if (ev->kind == SR_EV_BIND && mark(r, ev->u.bind.tid, BOUND))
		goto no_memory;
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
	if (running == 0 && ev->kind == SR_EV_SWITCH)
		learn_delay(r, c, ev);
	/* It still idles: whatever was woken there did not run before now. */
	for (unsigned i = 0; running == 0 && i < c->wakes; i++) {
		c->wake[i].time_ns = ev->time_ns;
		c->wake[i].here = true;
	}
	if (ev->kind == SR_EV_WAKEUP || ev->kind == SR_EV_WAKEUP_NEW || ev->kind == SR_EV_MIGRATE)
		if (note_wake(r, ev))
			goto no_memory;
	if (ev->kind == SR_EV_WAKING && ev->u.wake.prio == STOPPER_PRIO && !(ev->flags & SR_EV_INTERRUPT))
		c->stopper = true;
	if (ev->kind == SR_EV_EXIT && ev->u.exit.tid == running) {
		c->exiting = true;
	} else if (ev->kind == SR_EV_SWITCH) {
		moved = c->stopper && ev->u.sw.prev_state == SR_STATE_DISK && r->v[c->slot].marks & BOUND;
		n = note_switch(r, ev, out, n);
		if (n < 0)
			goto no_memory;
	}
done:
	if (!n && !moved)
		return 0;
	out[n] = *ev;
	if (moved) {
		out[n].u.sw.prev_state = SR_STATE_PREEMPTED;
		out[n].flags |= SR_EV_MOVED;
	}
	return n + 1;
no_memory:
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

int sr_repair_step(struct sr_repair *r, const struct sr_event *ev, struct sr_event out[5], struct sr_error *err)
{
	return ev->cpu < r->ncpus && take_plain(r, &r->cpu[ev->cpu], ev) ? 0 : step(r, ev, out, err);
}

int sr_repair_push(struct sr_repair *r, const struct sr_event *ev, struct sr_event out[5], struct sr_error *err)
{
	int n = sr_repair_step(r, ev, out, err);

	if (n)
		return n;
	out[0] = *ev;
	return 1;
}

void sr_repair_expect(struct sr_repair *r, const struct sr_idle_delays *d)
{
	for (unsigned i = 0; i < 2; i++)
		if (r->delays[i].n < ENOUGH)
			r->delays[i].median_ns = d->ns[i];
}

/* What is still to come cannot matter: switches from idle were timed, if any, by what had been learnt by then. */
static bool needs_no_telling(const struct sr_repair *r)
{
	return !r->unlearnt && r->delays[0].n >= ENOUGH && r->delays[1].n >= ENOUGH;
}

void sr_repair_log_release(struct sr_repair_log *log)
{
	free(log->v);
	*log = (struct sr_repair_log){ 0 };
}

/* Where there is no room, the log says nothing from then on. */
static void note(struct sr_repair *r, uint64_t nth, const struct sr_event *ev, int n)
{
	struct sr_repair_log *log = r->log;
	size_t cap = log->cap ? log->cap * 2 : 64;
	void *v;

	if (log->n + (size_t)n > log->cap) {
		v = cap <= LOG_MOST ? realloc(log->v, cap * sizeof(*log->v)) : NULL;
		if (!v) {
			sr_repair_log_release(log);
			r->log = NULL;
			return;
		}
		log->v = v;
		log->cap = cap;
	}
	for (int i = 0; i < n; i++)
		log->v[log->n++] = (struct sr_repair_note){ nth, ev[i] };
}

/* The delays are known: what was put in now gets the time that it gets from who expects them. */
static void time_guessed(struct sr_repair_log *log, const struct sr_idle_delays *d)
{
	uint64_t proof_ns = 0;

	for (size_t i = log->n; i--;) {
		struct sr_event *ev = &log->v[i].ev;

		if (i + 1 == log->n || log->v[i + 1].nth != log->v[i].nth)
			proof_ns = ev->time_ns;
		if (!(ev->flags & (GUESSED | GUESSED_HERE)))
			continue;
		ev->time_ns += d->ns[!!(ev->flags & GUESSED_HERE)];
		if (ev->time_ns > proof_ns)
			ev->time_ns = proof_ns;
		ev->flags &= (uint8_t) ~(GUESSED | GUESSED_HERE);
	}
}

int sr_idle_delays_read(struct srz_reader *r, unsigned filtered, struct sr_idle_delays *d, struct sr_repair_log *log,
			struct sr_error *err)
{
	struct sr_repair *repair = sr_repair_new(filtered, srz_get_tasks(r), err);
	const struct sr_event *ev, *end;
	struct sr_event out[5];
	uint64_t n = 0;
	long got = -1;
	int put;

	*d = (struct sr_idle_delays){ 0 };
	if (!repair || srz_rewind(r, err) < 0)
		goto out;
	repair->log = log;
	while (n < LOOK_AT && !needs_no_telling(repair) && (got = srz_next_run(r, &ev, err)) > 0) {
		for (end = ev + got; ev < end && n < LOOK_AT; ev++, n++) {
			if (ev->cpu < repair->ncpus && take_plain(repair, &repair->cpu[ev->cpu], ev))
				continue;
			if (needs_no_telling(repair))
				break;
			put = step(repair, ev, out, err);
			if (put < 0) {
				got = -1;
				goto out;
			}
			if (put && repair->log)
				note(repair, n, out, put);
		}
	}
	for (unsigned i = 0; i < 2; i++)
		d->ns[i] = repair->delays[i].median_ns;
	if (repair->log && got == 0) {
		repair->log->whole = true;
		time_guessed(repair->log, d);
	}
	if (got >= 0)
		got = srz_rewind(r, err);
out:
	sr_repair_free(repair);
	return got < 0 ? -1 : 0;
}
