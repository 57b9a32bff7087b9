/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One program as one thread. No allocation, no lock but the policy's, no I/O from the gate to the end. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <sys/prctl.h>

#include "replay/engine_internal.h"
#include "replay/program.h"

/* A wait that only keeps the recorded order: how long it may spin while its target runs elsewhere, and how long it may
 * last at all. */
#define ORDER_SPIN_NS 30000u
#define ORDER_LIMIT_NS 20000000u

struct log_entry *rpl_log_slot(struct rthread *t)
{
	struct log *l = &t->log;
	size_t i;

	if (l->n < l->cap)
		return &l->v[l->n++];
	i = t->worker ? atomic_fetch_add(&t->run->spare_n, 1) : SIZE_MAX;
	if (i < t->run->spare_cap)
		return &t->run->spare[i];
	t->counts.events_dropped++;
	return NULL;
}

void rpl_log(struct rthread *t, enum log_kind kind, uint64_t time_ns, uint32_t arg, unsigned cause)
{
	struct log_entry *slot;

	if (kind < LOG_BIND && !t->run->cfg.self_record)
		return;
	slot = rpl_log_slot(t);
	if (!slot)
		return;
	*slot = (struct log_entry){ .time_ns = time_ns ? time_ns : mono_ns(),
				    .arg = arg,
				    .task = t->index,
				    .cpu = sched_getcpu(),
				    .kind = kind,
				    .cause = cause,
				    .from = -1,
				    .to = -1 };
}

/* Does who comes to this wait sleep in the thread's pipe? */
static bool is_sync(const struct rthread *t, const struct sr_wait *w)
{
	return w->sync && t->pipe[0] >= 0;
}

void rpl_wake_up(struct rthread *by, struct rthread *t, _Atomic uint32_t *word, bool sync)
{
	uint64_t from = rpl_before_wake(by, t);

	rpl_log(by, LOG_WAKING, 0, t->index, 0);
	atomic_store_explicit(&t->woken_by, by->index, memory_order_relaxed);
	atomic_store_explicit(&t->woken_from, sched_getcpu(), memory_order_relaxed);
	atomic_store_explicit(&t->woken_ns, mono_ns(), memory_order_relaxed);
	rpl_let_go(t);
	by->counts.wakes_sync += sync;
	if (sync)
		rpl_sync_wake(t);
	else
		rpl_futex_wake(by->run, word, 1, BIT_OWNER);
	rpl_after_wake(by, from);
}

/* One of the things that a wait needs has come; the last one ends it. */
void rpl_release_wait(struct rthread *by, uint32_t task, uint64_t wait)
{
	struct rthread *t = &by->run->threads[task];
	struct rthread *sleeper = t;
	bool locked = false, ends;
	uint64_t from = 0;
	_Atomic uint32_t *word;
	uint32_t v;

	if (wait >= t->p->nwaits)
		return;
	if ((t->worker || t->dispatcher) && rpl_pool_wakes(&by->run->pools, by->index, task, t->p, (uint32_t)wait))
		return;
	word = &t->words[wait];
	v = atomic_load(word);
	do {
		if (!(v & W_COUNT))
			break;
		ends = (v & W_COUNT) == 1 && v & W_SLEEPER;
		/* A sleeper may see its word and go on before it is woken: by its next look at the policy's run
		 * queues it must stand in one. */
		if (ends && !locked) {
			sleeper = rpl_who_waits(t, (uint32_t)wait);
			from = rpl_lock_wake(by->run, sleeper);
			locked = true;
		}
	} while (!atomic_compare_exchange_weak(word, &v, ends ? (v - 1) & ~W_SLEEPER : v - 1));
	ends = (v & W_COUNT) == 1 && v & W_SLEEPER;
	if (!ends) {
		if (locked)
			rpl_unlock_wake(by->run);
		if (t->loop && (v & W_COUNT) == 1)
			rpl_loop_released(by, t, (uint32_t)wait);
		else if (t->worker && t->p->waits[wait].job)
			rpl_ring(by, t);
		return;
	}
	rpl_place_wake(by, sleeper, t->p->waits[wait].sync, from);
	rpl_wake_up(by, sleeper, word, is_sync(sleeper, &t->p->waits[wait]));
}

void rpl_do_wake(struct rthread *t, const struct sr_op *op)
{
	t->counts.wakes += !(op->flags & SR_WAKE_HIDDEN);
	rpl_settle_wake_of(t, op);
	rpl_release_wait(t, op->arg, op->value);
}

bool rpl_sleep_on(struct rthread *t, _Atomic uint32_t *word, uint32_t v, uint32_t bits, uint64_t until, bool sync)
{
	bool slept = false;

	atomic_store(&t->at, word);
	atomic_store_explicit(&t->slept_on, sched_getcpu(), memory_order_relaxed);
	atomic_store_explicit(&t->on_cpu, -1, memory_order_relaxed);
	if (!atomic_load(&t->run->stopping))
		slept = sync ? rpl_sync_wait(t, word, v, until) :
			       rpl_futex_wait(t->run, word, v, bits, until) != -EAGAIN;
	atomic_store_explicit(&t->on_cpu, sched_getcpu(), memory_order_relaxed);
	atomic_store(&t->at, NULL);
	rpl_slept(t);
	return slept;
}

/* Does a task run on another CPU, or is it on its way to one? Else it waits for this CPU, or for a wake. */
static bool runs_elsewhere(struct rthread *t)
{
	int cpu = atomic_load_explicit(&t->on_cpu, memory_order_relaxed);
	_Atomic uint32_t *at = atomic_load(&t->at);

	if (cpu >= 0)
		return cpu != sched_getcpu();
	/* A bell counts what has come, a wait what has not. */
	return at && !(atomic_load(at) & (at == &t->bell ? W_SLEEPER : W_COUNT));
}

/* Of a wait of t's program. */
static bool sleeps_in(struct rthread *t, uint32_t wait)
{
	_Atomic uint32_t *word = &t->words[wait];

	if (t->loop)
		return atomic_load(&t->at) && atomic_load(word) & W_ARRIVED;
	return atomic_load(&rpl_who_waits(t, wait)->at) == word;
}

static void yield_cpu(struct rthread *t)
{
	t->counts.order_yields++;
	sched_yield();
	rpl_slept(t);
}

static void spin_for(struct rthread *t, struct rthread *target, uint32_t wait)
{
	uint64_t from = mono_ns();

	if (sleeps_in(target, wait) || !runs_elsewhere(rpl_who_waits(target, wait)))
		return;
	t->counts.order_spins++;
	while (!sleeps_in(target, wait) && mono_ns() - from < ORDER_SPIN_NS)
		;
	/* It says so before the kernel has put it to sleep: woken in between, it would not sleep at all. */
	from = mono_ns();
	while (sleeps_in(target, wait) && mono_ns() - from < t->run->costs.queue_ns)
		;
}

/*
 * A wake must not come before its target has reached the wait that it ended. Waits for that, and not for ever: gives the
 * CPU away where the recording shows that the waker was preempted meanwhile, spins while the target runs on another CPU
 * (for the time that a wake-up there takes; it counts as the burst's own), and only then sleeps, which is a switch the
 * recording did not have.
 */
static void keep_order(struct rthread *t, const struct sr_op *op)
{
	struct rthread *target = &t->run->threads[op->arg];
	uint32_t wait = (uint32_t)op->value, v;
	_Atomic uint32_t *word;
	uint64_t from;

	if (op->value >= target->p->nwaits)
		return;
	word = &target->words[wait];
	v = atomic_load(word);
	if (sleeps_in(target, wait) || !(v & W_COUNT))
		return;
	t->counts.order_waits++;
	from = mono_ns();
	if ((op->flags & SR_ORDER_MASK) == SR_ORDER_PREEMPTED && !runs_elsewhere(rpl_who_waits(target, wait)))
		yield_cpu(t);
	spin_for(t, target, wait);
	v = atomic_load(word);
	if (!(v & W_ARRIVED) && !atomic_load(&t->run->stopping)) {
		uint64_t until = mono_ns() + ORDER_LIMIT_NS;

		t->counts.order_blocks++;
		rpl_log(t, LOG_OUT, 0, 0, SR_STATE_SLEEPING);
		rpl_went_to_sleep(t);
		while (!((v = atomic_load(word)) & W_ARRIVED) && !atomic_load(&t->run->stopping)) {
			if (mono_ns() >= until) {
				t->counts.order_expired++;
				break;
			}
			if (!(v & W_WATCHED) && !atomic_compare_exchange_strong(word, &v, v | W_WATCHED))
				continue;
			rpl_sleep_on(t, word, v | W_WATCHED, BIT_WATCHER, until, false);
		}
		rpl_stayed_awake(t);
		rpl_settle_own_sleep(t);
		rpl_log(t, LOG_IN, 0, 0, 0);
	}
	/* It has arrived, but may have been preempted (by this very thread) before it slept. */
	if (v & W_ARRIVED && !sleeps_in(target, wait)) {
		if (!runs_elsewhere(rpl_who_waits(target, wait)))
			yield_cpu(t);
		spin_for(t, target, wait);
	}
	t->counts.order_wait_ns += mono_ns() - from;
}

static void timed_sleep(struct rthread *t, _Atomic uint32_t *word, uint64_t until)
{
	atomic_fetch_add(&t->run->timed, 1);
	while (mono_ns() < until && !atomic_load(&t->run->stopping))
		rpl_sleep_on(t, word, atomic_load(word), BIT_OWNER, until, false);
	atomic_fetch_sub(&t->run->timed, 1);
}

void rpl_arrive(struct rthread *t, const struct sr_op *op)
{
	const struct sr_wait *w = &t->role->p->waits[op->arg];
	struct rthread *watcher = w->waker == UINT32_MAX ? NULL : &t->run->threads[w->waker];
	_Atomic uint32_t *word = &t->role->words[op->arg];

	if (t->worker)
		rpl_pool_waits(&t->run->pools, t->index, t->role->index, op->arg);

	if (!(atomic_fetch_or(word, W_ARRIVED) & W_WATCHED))
		return;
	if (watcher && watcher->loop)
		rpl_ring(t, watcher);
	rpl_futex_wake(t->run, word, INT_MAX, BIT_WATCHER);
}

void rpl_count_wait(struct rthread *t, const struct sr_op *op, bool slept)
{
	bool hidden = op->flags & SR_WAIT_HIDDEN;

	if (t->dispatcher)
		rpl_pool_hears(&t->run->pools, t->index, t->p->waits[op->arg].waker, op->arg);
	rpl_settle_wake(t, hidden ? NULL : op, slept);
	*(hidden ? slept ? &t->counts.hidden_slept : &t->counts.hidden_passed :
	  slept  ? &t->counts.waits_slept :
		   &t->counts.waits_passed) += 1;
}

/* Is it a message that the recording does not have, and that this order does not heed? */
static bool is_left_out(const struct rthread *t, const struct sr_op *op)
{
	return t->run->cfg.order != RPL_ORDER_CAUSAL && sr_op_hidden(op);
}

void rpl_wait(struct rthread *t, const struct sr_op *op)
{
	const struct sr_wait *w = &t->role->p->waits[op->arg];
	_Atomic uint32_t *word = &t->role->words[op->arg];
	uint64_t until = op->kind == SR_OP_SLEEP ? rpl_sleep_until(t, op) : 0;
	bool left = false, placed = false, timed = false, slept = false;
	uint32_t v;

	rpl_arrive(t, op);
	if (w->watch_task != UINT32_MAX && t->run->cfg.order != RPL_ORDER_CAUSAL)
		rpl_release_wait(t, w->watch_task, w->watch_wait);
	if (until) {
		t->counts.sleeps++;
		if (mono_ns() >= until) {
			t->counts.sleeps_late++;
		} else {
			rpl_log(t, LOG_OUT, 0, 0, SR_STATE_SLEEPING);
			rpl_went_to_sleep(t);
			left = timed = true;
			timed_sleep(t, word, until);
		}
	}
	for (;;) {
		v = atomic_load(word);
		if (!(v & W_COUNT) || atomic_load(&t->run->stopping))
			break;
		if (!left) {
			rpl_log(t, LOG_OUT, 0, 0, SR_STATE_SLEEPING);
			rpl_went_to_sleep(t);
			left = true;
		}
		if (!(v & W_SLEEPER) && !atomic_compare_exchange_strong(word, &v, v | W_SLEEPER))
			continue;
		placed = true;
		slept |= rpl_sleep_on(t, word, v | W_SLEEPER, BIT_OWNER, 0, is_sync(t, w));
	}
	rpl_let_go(t);
	if (atomic_load_explicit(&t->in_vfork, memory_order_relaxed))
		atomic_store(&t->in_vfork, false);
	if (op->kind == SR_OP_WAIT)
		rpl_count_wait(t, op, slept);
	if (!left)
		return;
	if (!placed && timed)
		rpl_place_self(t);
	else if (!placed)
		rpl_stayed_awake(t);
	rpl_log(t, LOG_IN, 0, 0, 0);
}

void rpl_simple_op(struct rthread *t, const struct sr_op *op)
{
	switch (op->kind) {
	case SR_OP_RUN:
		rpl_burn(t, rpl_burst_ns(t->role, op));
		break;
	case SR_OP_FORK:
		rpl_fork(t, op);
		break;
	case SR_OP_EXEC:
		rpl_exec(t);
		break;
	case SR_OP_NAME:
		if (op->arg != SR_NAME_KEPT)
			prctl(PR_SET_NAME, t->run->m->names[op->arg]);
		break;
	case SR_OP_NICE:
		rpl_change_nice(t, (int)op->arg - 20);
		break;
	case SR_OP_CLASS:
		rpl_change_class(t, op);
		break;
	case SR_OP_SESSION:
		rpl_change_session(t, op->arg);
		break;
	case SR_OP_GROUP:
		rpl_change_group(t, op->arg);
		break;
	case SR_OP_MASK:
		rpl_change_mask(t, &t->run->m->attrs.masks[op->arg]);
		break;
	default:
		break;
	}
}

/*
 * A wake that is part of a call, an exec or an exit: the kernel goes on with the waker until that is over, and only then gives
 * the CPU to whom it woke, where it would. A thread is back from its own call at once. Where the recording shows that the
 * target was given the CPU, the waker is held until then. Else the wake is done when the call is over: so the kernel has
 * the same to decide as it had, while who was held comes back to the fair class without its slice. Who slept on another CPU
 * is woken at once.
 */
static bool comes_late(struct rthread *t, const struct sr_op *op, bool *held)
{
	const struct rthread *target = &t->run->threads[op->arg];

	if (!rpl_wakes_within_call(op) ||
	    atomic_load_explicit(&target->slept_on, memory_order_relaxed) != sched_getcpu())
		return false;
	*held = op->flags & SR_WAKE_GIVES && rpl_hold(t);
	*(*held ? &t->counts.wakes_held : &t->counts.wakes_late) += 1;
	return !*held;
}

static void run_program(struct rthread *t)
{
	const struct sr_program *p = t->p;
	const struct sr_op *op = p->ops, *late = NULL;
	bool held = false;

	for (; !atomic_load_explicit(&t->run->stopping, memory_order_relaxed); op++) {
		rpl_at(t, op);
		if (is_left_out(t, op))
			continue;
		if ((late || held) && op->kind != SR_OP_RUN && op->kind != SR_OP_NOP) {
			if (late) {
				rpl_at(t, late);
				rpl_do_wake(t, late);
				rpl_at(t, op);
			} else {
				rpl_let_go(t);
			}
			late = NULL;
			held = false;
		}
		switch (op->kind) {
		case SR_OP_WAKE:
			if (rpl_keeps_order(t->run->cfg.order, op))
				keep_order(t, op);
			if (comes_late(t, op, &held))
				late = op;
			else
				rpl_do_wake(t, op);
			break;
		case SR_OP_WAIT:
		case SR_OP_SLEEP:
			if (!t->worker || !rpl_begins_job(t->role->p, op))
				rpl_wait(t, op);
			else if (!(op = rpl_next_job(t)))
				return;
			break;
		case SR_OP_END:
			if (!t->worker || !rpl_pool_stays(&t->run->pools, t->index) || !(op = rpl_next_job(t)))
				return;
			break;
		default:
			rpl_simple_op(t, op);
			break;
		}
	}
}

/* It was there from the start to the end, and asleep: it is in no event, and ends before the start. */
static bool does_nothing(const struct sr_program *p)
{
	return p->parent == UINT32_MAX && p->ops->kind == SR_OP_END;
}

void *rpl_thread_main(void *arg)
{
	struct rpl_home home = { .task = arg };
	struct rthread *t;
	struct rpl_run *run;
	bool processes, idle;

	setjmp(home.begin);
	t = home.task;
	t->home = &home;
	run = t->run;
	processes = run->cfg.processes;
	idle = does_nothing(t->p);
	rpl_hold_parent(t);
	rpl_set_up_identity(t);
	if (t->p->parent == UINT32_MAX) {
		atomic_fetch_add(&run->ready, 1);
		rpl_futex_wake(run, &run->ready, 1, BIT_OWNER);
		while (!atomic_load(&run->gate))
			rpl_futex_wait(run, &run->gate, 0, BIT_OWNER, 0);
		if (!idle)
			rpl_log(t, LOG_BIND, run->start_ns, t->index, 0);
		/* Who was asleep at the start goes to that wait at once, who did nothing ends; the others wait. */
		if (!sr_op_rested(t->p->ops) && !idle)
			while (mono_ns() < run->start_ns && !atomic_load(&run->stopping))
				rpl_futex_wait(run, &run->gate, 1, BIT_OWNER, run->start_ns);
		t->base_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	}
	rpl_started(t);
	if (t->loop)
		rpl_loop_main(t);
	else
		run_program(t);
	t->counts.owed_ns = t->owed_ns > 0 ? (uint64_t)t->owed_ns : 0;
	t->counts.paid_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t->base_cpu_ns;
	if (!idle)
		rpl_log(t, LOG_EXIT, 0, 0, SR_STATE_DEAD);
	rpl_ended(t);
	atomic_store(&t->rt, false); /* the watchdog does not look for it any more: its tid may become another's */
	/* From here on a run of threads may be freed. */
	if (atomic_fetch_sub(&run->alive, 1) == 1)
		rpl_futex_wake_after(processes, &run->alive);
	if (processes)
		rpl_leave_process(t);
	return NULL;
}

void rpl_wake_all(struct rthread *t, _Atomic uint32_t *word)
{
	rpl_futex_wake(t->run, word, INT_MAX, BIT_OWNER | BIT_WATCHER);
	if (t->pipe[1] >= 0)
		rpl_sync_wake(t);
}

void rpl_release_all(struct rpl_run *run)
{
	size_t i;

	atomic_store(&run->stopping, 1);
	for (i = 0; i < run->m->ntasks; i++) {
		_Atomic uint32_t *word = atomic_load(&run->threads[i].at);

		if (word)
			rpl_wake_all(&run->threads[i], word);
	}
}
