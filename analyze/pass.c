/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pass, event by event. What it follows stands in pass_internal.h. */
#include "analyze/pass_internal.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "formats/softirq.h"

struct ana_pass *ana_pass_new(const struct ana_pass_config *cfg, struct sr_error *err)
{
	struct ana_pass *p = calloc(1, sizeof(*p));

	if (!p)
		goto no_memory;
	p->cfg = *cfg;
	p->brief = (cfg->omit & ANA_OMIT_ALL) == ANA_OMIT_ALL && !self(p) && !is_part(p) && !cfg->shown_cpus &&
		   !cfg->pairs;
	if (cfg->slice && !self(p))
		p->kinds = cfg->slice_kinds ? cfg->slice_kinds : ANA_SLICE_RUN;
	p->has_root = sr_task_starts_have_root(cfg->starts);
	for (unsigned i = 0; i < HISTS && !(cfg->omit & ANA_OMIT_METRICS); i++) {
		p->hist[i] = calloc(1, sizeof(*p->hist[i]));
		if (!p->hist[i])
			goto no_memory;
	}
	p->repair = sr_repair_new(!cfg->whole_system, cfg->starts, err);
	if (!p->repair || sr_task_table_init(&p->table, cfg->starts, err) < 0 ||
	    ana_reserve(&p->subjects, &p->subjects_cap, 1, sizeof(*p->subjects), err) < 0)
		goto fail;
	p->nsubjects = 1;
	sr_repair_expect(p->repair, &cfg->idle);
	p->next_nth = cfg->log && cfg->log->n ? cfg->log->v[0].nth : UINT64_MAX;
	return p;
no_memory:
	ana_no_memory(err);
fail:
	ana_pass_free(p);
	return NULL;
}

void ana_pass_free(struct ana_pass *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->nsubjects; i++)
		free(p->subjects[i].watch);
	sr_repair_free(p->repair);
	sr_task_table_release(&p->table);
	ana_load_free(p->load);
	ana_pairs_release(&p->pairs);
	ana_pairs_release(&p->soft_pairs);
	free(p->subjects);
	free(p->subject_of);
	free(p->cpus);
	for (unsigned i = 0; i < HISTS; i++)
		free(p->hist[i]);
	free(p->runnable_ns);
	free(p);
}

static bool in_scope(const struct ana_pass *p, size_t index, uint32_t source)
{
	const struct sr_task *t = &p->table.v[index];

	if (index == 0 || (p->cfg.shown && (index >= p->cfg.nshown || !p->cfg.shown[index])))
		return false;
	if (p->cfg.members)
		return index < p->cfg.nmembers && p->cfg.members[index];
	if (p->cfg.scope == ANA_BOUND)
		return source != NO_SOURCE;
	if (t->flags & SR_TASK_RECORDER || (p->cfg.task_glob && fnmatch(p->cfg.task_glob, t->comm, 0)))
		return false;
	if (p->cfg.scope == ANA_REPLAYABLE && t->flags & SR_TASK_KTHREAD)
		return false;
	if (p->cfg.scope == ANA_TREE || (p->cfg.scope == ANA_REPLAYABLE && !p->cfg.whole_system))
		return p->has_root ? t->in_tree : !(t->flags & SR_TASK_KTHREAD);
	return true;
}

static int mask_of(const struct ana_pass *p, const struct sr_task *t)
{
	uint32_t allowed;

	if (t->start) {
		allowed = p->cfg.starts->v[t->start - 1].allowed;
		return allowed < p->cfg.starts->nmasks && allowed <= INT32_MAX ? (int)allowed : ANA_MASK_ALL;
	}
	if (t->flags & SR_TASK_KTHREAD)
		return ANA_MASK_UNKNOWN;
	if (t->parent && t->parent < p->subject_of_cap && p->subject_of[t->parent])
		return p->subjects[p->subject_of[t->parent]].mask;
	return ANA_MASK_ALL;
}

static uint32_t new_subject(struct ana_pass *p, uint32_t index, struct sr_error *err)
{
	struct subject *s;
	uint32_t n;

	if (ana_reserve(&p->subject_of, &p->subject_of_cap, (size_t)index + 1, sizeof(*p->subject_of), err) < 0 ||
	    ana_reserve(&p->subjects, &p->subjects_cap, p->nsubjects + 1, sizeof(*p->subjects), err) < 0)
		return UINT32_MAX;
	n = (uint32_t)p->nsubjects++;
	s = &p->subjects[n];
	s->row.index = index;
	s->row.source = NO_SOURCE;
	s->in_scope = in_scope(p, index, NO_SOURCE);
	s->cpu = s->home = s->placed = s->queue = s->from_cpu = s->waker_cpu = -1;
	s->mask = mask_of(p, &p->table.v[index]);
	s->slept_ns = s->delay_ns = s->waking_ns = s->queued_ns = s->early_ns = s->latency_ns = NOT_KNOWN;
	p->subject_of[index] = n;
	return n;
}

/* By task index. A subject is named by number, as the array moves when it grows. 0: the idle task; UINT32_MAX: out of
 * memory. */
static inline uint32_t subject_at(struct ana_pass *p, uint32_t index, struct sr_error *err)
{
	if (index == 0)
		return 0;
	return index < p->subject_of_cap && p->subject_of[index] ? p->subject_of[index] : new_subject(p, index, err);
}

/* The same by tid. Those of the most frequent events are at hand in table.fed. */
static uint32_t subject_of(struct ana_pass *p, int32_t tid, struct sr_error *err)
{
	size_t index = sr_task_of(&p->table, tid);

	if (index != SIZE_MAX)
		return subject_at(p, (uint32_t)index, err);
	ana_no_memory(err);
	return UINT32_MAX;
}

struct pass_cpu *ana_pass_new_cpu(struct ana_pass *p, unsigned cpu, struct sr_error *err)
{
	if (ana_reserve(&p->cpus, &p->cpus_cap, (size_t)cpu + 1, sizeof(*p->cpus), err) < 0)
		return NULL;
	for (; p->ncpus <= cpu; p->ncpus++) {
		p->cpus[p->ncpus].row.cpu = (unsigned)p->ncpus;
		p->cpus[p->ncpus].idle_since = NOT_KNOWN;
	}
	return &p->cpus[cpu];
}

static bool runnable(unsigned state)
{
	return state == WAITING || state == RUNNING;
}

/* The number of runnable tasks of the scope changes. Time before the first and behind the last of them is left out. */
int ana_pass_count_runnable(struct ana_pass *p, int by, uint64_t now, struct sr_error *err)
{
	uint64_t n = p->nrunnable;

	if (!p->cfg.pairs)
		return 0;
	if (ana_reserve(&p->runnable_ns, &p->runnable_cap, (size_t)n + 1, sizeof(*p->runnable_ns), err) < 0)
		return -1;
	if (p->runnable_begun && now > p->runnable_since)
		p->runnable_ns[n] += now - p->runnable_since;
	if (n >= p->runnable_n)
		p->runnable_n = (size_t)n + 1;
	p->runnable_begun = true;
	p->runnable_since = now;
	p->nrunnable = (uint64_t)((int64_t)n + by);
	return 0;
}

static void unqueue(struct ana_pass *p, struct subject *s, uint64_t now)
{
	if (p->load && s->queue >= 0)
		ana_load_unqueue(p->load, (unsigned)s->queue, s->mask, now);
	s->queue = -1;
}

static void queue_on(struct ana_pass *p, struct subject *s, int cpu, uint64_t now)
{
	unqueue(p, s, now);
	if (p->load && cpu >= 0) {
		ana_load_queue(p->load, (unsigned)cpu, s->mask, now);
		s->queue = cpu;
	}
}

/* What is brief is compiled a second time, for a pass of which only that is wanted (pass_internal.h). */
#define BRIEFLY static inline __attribute__((always_inline))

BRIEFLY int set_state(struct ana_pass *p, struct subject *s, enum state state, uint64_t now, bool brief,
		      struct sr_error *err)
{
	int by = (int)runnable(state) - (int)runnable(s->state);

	if (!brief && s->state == WAITING && state != WAITING)
		unqueue(p, s, now);
	s->state = state;
	s->since_ns = now;
	s->cut = false;
	if (brief)
		return 0;
	return s->in_scope && by ? ana_pass_count_runnable(p, by, now, err) : 0;
}

/* The subject is found on a cpu, not switched to it: it has run there since from, at least. */
BRIEFLY int now_runs(struct ana_pass *p, struct subject *s, unsigned cpu, uint64_t from, bool brief,
		     struct sr_error *err)
{
	if (set_state(p, s, RUNNING, from, brief, err) < 0)
		return -1;
	s->cut = true;
	s->estimated = false;
	s->cpu = (int)cpu;
	if (brief) {
		s->ran |= s->in_scope;
	} else if (ana_pass_counts(p, s, s->cpu)) {
		s->ran = true;
		if (!p->ran || from < p->first_run)
			p->first_run = from;
		p->ran = true;
	}
	return 0;
}

static int found_running(struct ana_pass *p, struct subject *s, unsigned cpu, uint64_t from, struct sr_error *err)
{
	return now_runs(p, s, cpu, from, false, err);
}

/* The time on the cpu up to now, into the sums. */
BRIEFLY void account_run(struct ana_pass *p, struct subject *s, uint64_t now, bool brief)
{
	if (!brief)
		ana_pass_account_run(p, s, now);
	else if (s->in_scope)
		s->row.cpu_ns += after(now, s->since_ns);
}

BRIEFLY bool shows_cpu(const struct ana_pass *p, int cpu, bool brief)
{
	return brief || ana_pass_shows_cpu(p, cpu);
}

/* s is behind its last work of an activation: it sleeps, or is no more. */
static void deactivate(struct subject *s, uint64_t now, bool dead)
{
	ana_pass_stall(s, s->stalled_ns);
	s->active = false;
	ana_period_sleep(s, now);
	if (dead)
		ana_period_end(s);
}

BRIEFLY int leave(struct ana_pass *p, uint32_t n, const struct sr_event *ev, bool brief, struct sr_error *err)
{
	struct subject *s = &p->subjects[n];
	uint64_t now = ev->time_ns;
	uint8_t left = ev->u.sw.prev_state;
	bool guessed = ev->flags & SR_EV_REPAIRED, dead = left == SR_STATE_DEAD || left == SR_STATE_ZOMBIE;

	if (s->state != RUNNING || ((brief || !self(p)) && s->cpu != ev->cpu)) {
		/* Nothing told that it ran here. */
		if (s->state == RUNNING)
			account_run(p, s, now, brief);
		if (now_runs(p, s, ev->cpu, now, brief, err) < 0)
			return -1;
	}
	account_run(p, s, now, brief);
	if (ana_pass_hand_out(p, s, now, left, s->cut || guessed, err) < 0)
		return -1;
	if (s->cut || guessed) {
		censor(p, s, s->cpu);
		s->active = false;
		if (!brief)
			ana_period_cut(s);
	} else if (!brief) {
		ana_pass_count_slice(p, s, now);
	}
	if (!brief && (dead || sr_state_sleeps(left)))
		deactivate(s, now, dead);
	s->waking_ns = s->queued_ns = NOT_KNOWN;
	s->losses = p->losses;
	s->placed = -1;
	if (dead)
		return set_state(p, s, DEAD, now, brief, err);
	if (sr_state_sleeps(left)) {
		s->row.voluntary += shows_cpu(p, s->cpu, brief);
		return set_state(p, s, SLEEPING, now, brief, err);
	}
	if (ev->flags & SR_EV_MOVED) /* where it was decided to go when it did not run yet, as a new thread */
		s->decided = s->decided_cause != SR_CAUSE_NONE;
	else
		s->row.involuntary += shows_cpu(p, s->cpu, brief);
	s->wait = guessed ? WAIT_GUESSED : WAIT_PREEMPT;
	if (set_state(p, s, WAITING, now, brief, err) < 0)
		return -1;
	s->slept_ns = 0;
	s->early_ns = NOT_KNOWN;
	/* Of a switch that is not in the stream nobody knows whether the task slept. */
	if (!brief && !guessed)
		queue_on(p, s, s->cpu, now);
	return 0;
}

static int count_pair(struct ana_pass *p, const struct subject *s, uint32_t waker, bool soft, struct sr_error *err)
{
	if (!p->cfg.pairs || !waker || !s->in_scope || !p->subjects[waker].in_scope)
		return 0;
	return ana_pairs_add(soft ? &p->soft_pairs : &p->pairs, waker, (uint32_t)(s - p->subjects), 1, err);
}

/* How a task is woken. */
struct waker {
	uint32_t subject; /* 0 where it was not a task's doing */
	int cpu;          /* -1: not known */
	bool soft, hard;  /* in a soft, in a hard interrupt */
};

static void activate(struct subject *s, uint64_t now, bool known)
{
	s->active = known;
	s->active_ns = now;
	s->stalled_ns = 0;
}

/* from_ns: NOT_KNOWN where its moment is not. */
BRIEFLY int wake(struct ana_pass *p, struct subject *s, uint64_t from_ns, uint64_t now, const struct waker *w,
		 bool brief, struct sr_error *err)
{
	bool known = s->state == SLEEPING && !s->cut && s->losses == p->losses, shown = shows_cpu(p, s->cpu, brief);
	uint64_t slept = after(now, s->since_ns);

	s->slept_ns = known ? slept : NOT_KNOWN;
	if (!brief && known && shown) {
		s->row.sleep_ns += slept;
		if (s->in_scope)
			ana_pass_note(p, HIST_SLEEP, slept);
	}
	s->row.wakeups += shown;
	s->wait = WAIT_WAKE;
	s->early_ns = NOT_KNOWN;
	if (!brief && (!known || from_ns == NOT_KNOWN))
		ana_period_cut(s);
	s->losses = p->losses;
	if (set_state(p, s, WAITING, now, brief, err) < 0)
		return -1;
	s->waking_ns = from_ns;
	s->cut = from_ns == NOT_KNOWN;
	s->waker = w->subject ? p->subjects[w->subject].row.index : 0;
	s->waker_cpu = w->cpu;
	if (brief)
		return ana_pass_hand_out_wakeup(p, s, now, err);
	if (w->cpu >= 0)
		p->cpus[w->cpu].stats.wakeups++;
	activate(s, from_ns, !s->cut);
	if ((!s->cut && ana_period_wake(p, s, now, w->hard, err) < 0) || ana_pass_hand_out_wakeup(p, s, now, err) < 0)
		return -1;
	return count_pair(p, s, w->subject, w->soft, err);
}

/* A repaired switch took the task for preempted; its wake proves that it slept. */
static int it_slept(struct ana_pass *p, struct subject *s, struct sr_error *err)
{
	uint64_t since = s->since_ns;

	if (ana_pass_shows_cpu(p, s->cpu)) {
		if (s->row.involuntary) /* counted before it was bound, else */
			s->row.involuntary--;
		s->row.voluntary++;
	}
	if (set_state(p, s, SLEEPING, since, false, err) < 0)
		return -1;
	s->cut = true;
	return 0;
}

BRIEFLY int on_waking(struct ana_pass *p, const struct sr_event *ev, bool brief, struct sr_error *err)
{
	uint32_t n = subject_at(p, p->table.fed[1], err), waker = 0;
	bool soft = sr_is_softirq(ev), hard = ev->flags & SR_EV_HARDIRQ;
	struct subject *s;

	p->saw_waking = true;
	if (!(ev->flags & SR_EV_INTERRUPT) || soft)
		waker = subject_at(p, p->table.fed[0], err);
	if (n == UINT32_MAX || waker == UINT32_MAX)
		return -1;
	if (soft && waker && (n == waker || p->subjects[waker].state != RUNNING))
		waker = 0;
	if (n == 0 || n == waker)
		return 0;
	s = &p->subjects[n];
	if (s->state == WAITING && s->wait == WAIT_GUESSED && it_slept(p, s, err) < 0)
		return -1;
	switch ((enum state)s->state) {
	case RUNNING:
		/* It is on its way to sleep on another cpu, or gives up sleeping: its next events tell. On its own cpu
		 * it is the latter. */
		if (ev->ctx != ev->u.wake.tid) {
			s->early_ns = ev->time_ns;
			s->early_waker = waker;
			s->early_soft = soft;
			s->early_hard = hard;
			s->early_cpu = ev->cpu;
		}
		return 0;
	case SLEEPING:
	case UNKNOWN:
		return wake(p, s, ev->time_ns, ev->time_ns, &(struct waker){ waker, ev->cpu, soft, hard }, brief, err);
	default:
		return 0;
	}
}

/* The early wake was the one that ended this sleep: it was short, and the wait began with the switch-out. */
static int wake_by_early(struct ana_pass *p, struct subject *s, bool brief, struct sr_error *err)
{
	struct waker w = { s->early_waker, s->early_cpu, s->early_soft, s->early_hard };

	return wake(p, s, s->since_ns, s->since_ns, &w, brief, err);
}

BRIEFLY int on_wakeup(struct ana_pass *p, const struct sr_event *ev, bool brief, struct sr_error *err)
{
	uint32_t n = subject_at(p, p->table.fed[1], err);
	struct subject *s;

	if (n == UINT32_MAX)
		return -1;
	if (n == 0)
		return 0;
	s = &p->subjects[n];
	if (ev->kind == SR_EV_WAKEUP_NEW) {
		if (s->state != NEW && s->state != UNKNOWN)
			return 0;
		s->wait = WAIT_NEW;
		s->losses = p->losses;
		if (set_state(p, s, WAITING, ev->time_ns, brief, err) < 0)
			return -1;
		activate(s, ev->time_ns, true);
		s->waker = 0;
		s->placed = ev->u.wake.target_cpu;
		p->cpus[ev->cpu].stats.fresh++;
		if (!brief)
			queue_on(p, s, s->placed, ev->time_ns);
		return 0;
	}
	p->saw_wakeup = true;
	if (s->state == WAITING && s->wait == WAIT_GUESSED && it_slept(p, s, err) < 0)
		return -1;
	if (s->state == RUNNING) {
		s->early_ns = NOT_KNOWN; /* it never slept */
		return 0;
	}
	if (s->state == SLEEPING && s->early_ns != NOT_KNOWN) {
		if (wake_by_early(p, s, brief, err) < 0)
			return -1;
	} else if (s->state == SLEEPING || s->state == UNKNOWN) {
		/* Its sched_waking is not in the file; in a source that has none, the wakeup is all that is known. */
		struct waker unknown = { .cpu = p->saw_waking ? -1 : ev->cpu, .hard = ev->flags & SR_EV_HARDIRQ };

		if (wake(p, s, p->saw_waking ? NOT_KNOWN : ev->time_ns, ev->time_ns, &unknown, brief, err) < 0)
			return -1;
	}
	if (s->state != WAITING || s->wait != WAIT_WAKE || s->queued_ns != NOT_KNOWN)
		return 0;
	s->queued_ns = ev->time_ns;
	s->placed = ev->u.wake.target_cpu;
	if (brief)
		return 0;
	queue_on(p, s, s->placed, ev->time_ns);
	return ana_stats_wakeup(p, s, err);
}

/* Is the moment of a switch-in known? */
static bool is_timed(const struct sr_event *ev)
{
	return !(ev->flags & SR_EV_REPAIRED) || ev->flags & SR_EV_TIMED;
}

/* What the end of a wait says of the task that waited. */
BRIEFLY void count_wait(struct ana_pass *p, struct subject *s, int cpu, uint64_t now, bool brief)
{
	struct ana_task_row *row = &s->row;

	if (!shows_cpu(p, cpu, brief))
		return;
	row->wait_ns += s->delay_ns;
	row->waits++;
	if (s->delay_ns >= row->max_wait_ns) {
		row->max_wait_ns = s->delay_ns;
		row->max_wait_at = now;
	}
	if (!s->in_scope)
		return;
	if (!brief)
		ana_pass_note(p, HIST_DELAY, s->delay_ns);
	if (!brief && s->wait == WAIT_PREEMPT)
		ana_pass_note(p, HIST_PREEMPT, s->delay_ns);
	if (s->wait != WAIT_WAKE)
		return;
	if (!brief)
		ana_pass_note(p, HIST_LATENCY, s->latency_ns);
	row->latency_ns += s->latency_ns;
	row->latencies++;
	if (s->latency_ns >= row->max_latency_ns) {
		row->max_latency_ns = s->latency_ns;
		row->max_latency_at = now;
	}
}

/* A wait on a run queue ends with a switch-in. */
BRIEFLY void waited(struct ana_pass *p, struct subject *s, const struct sr_event *ev, bool brief)
{
	uint64_t now = ev->time_ns, from = s->since_ns, stalled;
	bool known = !s->cut && s->losses == p->losses && is_timed(ev);

	s->delay_ns = s->latency_ns = NOT_KNOWN;
	if (s->wait == WAIT_GUESSED || !known) {
		censor(p, s, ev->cpu);
		s->active = false;
		if (!brief)
			ana_period_cut(s);
		return;
	}
	if (s->wait == WAIT_WAKE && s->queued_ns != NOT_KNOWN)
		from = s->queued_ns;
	s->delay_ns = after(now, from);
	if (s->wait == WAIT_WAKE)
		s->latency_ns = after(now, s->waking_ns);
	if (brief) {
		count_wait(p, s, ev->cpu, now, brief);
		return;
	}
	stalled = s->wait == WAIT_WAKE ? s->latency_ns : s->delay_ns;
	s->stalled_ns += stalled;
	ana_period_waited(s, stalled);
	p->cpus[ev->cpu].stats.delay_ns += s->delay_ns;
	count_wait(p, s, ev->cpu, now, brief);
}

BRIEFLY int enter(struct ana_pass *p, uint32_t n, const struct sr_event *ev, bool brief, struct sr_error *err)
{
	struct subject *s = &p->subjects[n];
	uint64_t now = ev->time_ns;

	if (s->state == SLEEPING && s->early_ns != NOT_KNOWN && wake_by_early(p, s, brief, err) < 0)
		return -1;
	if (s->state == WAITING) {
		waited(p, s, ev, brief);
	} else {
		if (s->state == RUNNING)
			account_run(p, s, now, brief);
		/* How it came here is not in the file. */
		s->slept_ns = s->delay_ns = s->latency_ns = NOT_KNOWN;
		s->active = false;
		if (!brief)
			ana_period_cut(s);
		censor(p, s, ev->cpu);
	}
	s->from_cpu = s->cpu;
	s->prio = ev->flags & SR_EV_REPAIRED ? 0 : ev->u.sw.next_prio;
	if (!brief && s->in_scope && !self(p)) {
		if (s->cpu >= 0 && s->cpu != ev->cpu)
			ana_pass_count_migration(p, s, (unsigned)s->cpu, ev->cpu);
		else if (s->cpu < 0 && s->home >= 0 && s->home != ev->cpu && ana_pass_shows_cpu(p, ev->cpu))
			ana_pass_count_cause(p, SR_CAUSE_FORK);
		p->cpus[ev->cpu].row.switches++;
	}
	s->decided = false;
	s->early_ns = NOT_KNOWN;
	if (now_runs(p, s, ev->cpu, now, brief, err) < 0)
		return -1;
	s->cut = !is_timed(ev);
	s->estimated = ev->flags & SR_EV_REPAIRED;
	return 0;
}

/* Of a cpu that goes idle, or has lost events: nobody is known to be queued there. Who was believed to be left it unseen,
 * or may have. */
static void empty_queue(struct ana_pass *p, unsigned cpu, uint64_t now)
{
	if (!p->load || !ana_load_queued(p->load, cpu))
		return;
	for (size_t i = 1; i < p->nsubjects; i++)
		if (p->subjects[i].queue == (int)cpu)
			unqueue(p, &p->subjects[i], now);
}

/* Another one leaves the cpu than was believed to be on it: that one has left unseen, as tasks do that a recording of one
 * command does not follow. Known is that it ran there up to the cpu's latest event. */
static int left_unseen(struct ana_pass *p, const struct pass_cpu *c, unsigned cpu, uint64_t now, bool brief,
		       struct sr_error *err)
{
	struct subject *s = &p->subjects[c->current];

	if (s->state != RUNNING || s->cpu != (int)cpu)
		return 0;
	account_run(p, s, c->last_ns, brief);
	censor(p, s, s->cpu);
	s->active = false;
	if (!brief)
		ana_period_cut(s);
	s->waking_ns = s->queued_ns = s->early_ns = NOT_KNOWN;
	s->losses = p->losses;
	s->placed = -1;
	s->wait = WAIT_GUESSED;
	return set_state(p, s, WAITING, now, brief, err);
}

BRIEFLY int on_switch(struct ana_pass *p, const struct sr_event *ev, bool brief, struct sr_error *err)
{
	uint32_t prev = subject_at(p, p->table.fed[0], err), next = subject_at(p, p->table.fed[1], err);
	struct pass_cpu *c = &p->cpus[ev->cpu];

	if (prev == UINT32_MAX || next == UINT32_MAX)
		return -1;
	if (!brief)
		ana_stats_switch(p, ev);
	if (!prev && ana_pass_hand_out_idle(p, ev->cpu, ev->time_ns, ev->flags & SR_EV_REPAIRED, err) < 0)
		return -1;
	c->idle_since = next ? NOT_KNOWN : ev->time_ns;
	c->idle_cut = ev->flags & SR_EV_REPAIRED;
	if (c->current && c->current != prev && left_unseen(p, c, ev->cpu, ev->time_ns, brief, err) < 0)
		return -1;
	if (prev && leave(p, prev, ev, brief, err) < 0)
		return -1;
	if (next && enter(p, next, ev, brief, err) < 0)
		return -1;
	c->current = next;
	if (brief)
		return 0;
	if (p->load)
		ana_load_run(p->load, ev->cpu, next != 0, ev->time_ns);
	if (!next && !(ev->flags & SR_EV_REPAIRED))
		empty_queue(p, ev->cpu, ev->time_ns);
	return 0;
}

static int on_fork(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err)
{
	uint32_t n = subject_of(p, ev->u.fork.child, err);
	struct subject *s;

	if (n == UINT32_MAX)
		return -1;
	s = &p->subjects[n];
	if (n == 0 || s->state != UNKNOWN)
		return 0;
	s->home = ev->cpu;
	return set_state(p, s, NEW, ev->time_ns, false, err);
}

static int on_migrate(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err)
{
	uint32_t n = subject_of(p, ev->u.migrate.tid, err);

	if (n == UINT32_MAX)
		return -1;
	if (!n)
		return 0;
	if (p->subjects[n].state == WAITING && p->subjects[n].queue >= 0)
		queue_on(p, &p->subjects[n], ev->u.migrate.to, ev->time_ns);
	return ana_stats_migrate(p, &p->subjects[n], ev, err) < 0 ?
		       -1 :
		       ana_pass_hand_out_migration(p, &p->subjects[n], ev, err);
}

/* Events are missing on a cpu: who ran there up to its latest event is known, and nothing that waits is certain. */
static void on_lost(struct ana_pass *p, const struct sr_event *ev)
{
	struct pass_cpu *c = &p->cpus[ev->cpu];
	struct subject *s = &p->subjects[c->current];

	p->losses++;
	if (__builtin_add_overflow(p->lost, ev->u.lost.count ? ev->u.lost.count : 1, &p->lost))
		p->lost = UINT64_MAX;
	c->idle_since = NOT_KNOWN;
	c->lost = true;
	if (p->load) {
		ana_load_lost(p->load, ev->cpu, c->last_ns, ev->time_ns);
		empty_queue(p, ev->cpu, ev->time_ns);
	}
	if (!c->current || s->state != RUNNING || s->cpu != ev->cpu)
		return;
	ana_pass_account_run(p, s, c->last_ns);
	if (s->since_ns < ev->time_ns)
		s->since_ns = ev->time_ns;
	s->cut = true;
}

static int on_decision(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err)
{
	uint32_t n = subject_of(p, ev->u.decision.tid, err);
	uint8_t cause = ev->u.decision.cause;
	struct subject *s;

	if (n == UINT32_MAX)
		return -1;
	p->saw_decision = true;
	ana_pass_note(p, HIST_DECISION, ev->u.decision.cost_ns);
	if (cause == SR_CAUSE_TICK || cause == SR_CAUSE_NEWIDLE || cause == SR_CAUSE_ACTIVE)
		p->balancer_ns += ev->u.decision.cost_ns;
	if (n == 0 || ev->u.decision.to < 0)
		return 0;
	s = &p->subjects[n];
	if (self(p)) {
		if (s->in_scope && ev->u.decision.from >= 0 && ev->u.decision.from != ev->u.decision.to)
			ana_pass_count_cause(p, cause);
		return 0;
	}
	s->decided = true;
	s->decided_to = ev->u.decision.to;
	s->decided_cause = cause;
	return 0;
}

static int on_bind(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err)
{
	uint32_t n = subject_of(p, ev->u.bind.tid, err), to = n;
	uint64_t now = ev->time_ns;
	struct subject *old, *s;
	bool was;

	if (n == UINT32_MAX)
		return -1;
	if (n == 0 || p->subjects[n].row.source == ev->u.bind.source)
		return 0;
	if (p->subjects[n].state == RUNNING) {
		ana_pass_account_run(p, &p->subjects[n], now);
		p->subjects[n].since_ns = now;
		p->subjects[n].cut = true;
	}
	was = p->subjects[n].in_scope;
	if (p->subjects[n].row.source != NO_SOURCE || (!was && p->cfg.scope == ANA_BOUND)) {
		/* What it did until now was for another task, or for none. */
		if (ana_reserve(&p->subjects, &p->subjects_cap, p->nsubjects + 1, sizeof(*p->subjects), err) < 0)
			return -1;
		to = (uint32_t)p->nsubjects++;
		old = &p->subjects[n];
		s = &p->subjects[to];
		*s = *old;
		memset(&s->row, 0, sizeof(s->row));
		s->row.index = old->row.index;
		s->ran = s->active = false;
		s->watch = NULL;
		ana_period_end(old);
		old->state = DEAD;
		old->queue = -1;
		p->subject_of[s->row.index] = to;
		for (size_t c = 0; c < p->ncpus; c++)
			if (p->cpus[c].current == n)
				p->cpus[c].current = to;
	}
	s = &p->subjects[to];
	s->row.source = ev->u.bind.source;
	s->in_scope = in_scope(p, s->row.index, s->row.source);
	if (runnable(s->state) && s->in_scope != was && ana_pass_count_runnable(p, s->in_scope ? 1 : -1, now, err) < 0)
		return -1;
	return s->state == RUNNING ? found_running(p, s, (unsigned)s->cpu, now, err) : 0;
}

/* The first event of a cpu tells who has been running there since the start. */
static int first_on_cpu(struct ana_pass *p, struct pass_cpu *c, const struct sr_event *ev, struct sr_error *err)
{
	uint32_t n = subject_of(p, ev->kind == SR_EV_SWITCH ? ev->u.sw.prev : ev->ctx, err);
	uint64_t since;

	if (n == UINT32_MAX)
		return -1;
	since = p->subjects[n].state == UNKNOWN ? p->first_ns : ev->time_ns;
	c->known = true;
	c->current = n;
	c->idle_since = n ? NOT_KNOWN : p->first_ns;
	c->idle_cut = true;
	if (p->load)
		ana_load_found(p->load, ev->cpu, n != 0, since, ev->time_ns);
	if (n == 0 || p->subjects[n].state == RUNNING)
		return 0;
	return found_running(p, &p->subjects[n], ev->cpu, since, err);
}

/* The first event of a cpu behind a loss tells who runs there now. */
static void first_after_loss(struct ana_pass *p, struct pass_cpu *c, const struct sr_event *ev)
{
	int32_t tid = ev->kind == SR_EV_SWITCH ? ev->u.sw.prev : ev->ctx;

	c->lost = false;
	if (p->load)
		ana_load_found(p->load, ev->cpu, tid != 0, ev->time_ns, ev->time_ns);
}

/* A replay that records itself does not tell a new thread's first run; that it acts does. */
static int self_running(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err)
{
	uint32_t n = ev->kind == SR_EV_SWITCH ? 0 : subject_of(p, ev->ctx, err);

	if (n == UINT32_MAX)
		return -1;
	if (n == 0 || (p->subjects[n].state != UNKNOWN && p->subjects[n].state != NEW))
		return 0;
	return found_running(p, &p->subjects[n], ev->cpu, ev->time_ns, err);
}

/* In a replay's own record there is no last switch-out. */
static int on_self_exit(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err)
{
	uint32_t n = subject_of(p, ev->u.exit.tid, err);

	if (n == UINT32_MAX)
		return -1;
	if (n && p->subjects[n].state == RUNNING)
		ana_pass_account_run(p, &p->subjects[n], ev->time_ns);
	if (n)
		deactivate(&p->subjects[n], ev->time_ns, true);
	return n ? set_state(p, &p->subjects[n], DEAD, ev->time_ns, false, err) : 0;
}

static int begin(struct ana_pass *p, uint64_t now, struct sr_error *err)
{
	p->begun = true;
	p->first_ns = p->last_ns = now;
	if (!whole_system(p) || p->cfg.omit & ANA_OMIT_LOAD)
		return 0;
	p->load = ana_load_new(p->cfg.starts, p->cfg.machine, p->cfg.cpus, now, err);
	return p->load ? 0 : -1;
}

/* The event kinds that are not most of a stream. */
static __attribute__((noinline)) int on_other(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err)
{
	switch ((enum sr_event_kind)ev->kind) {
	case SR_EV_FORK:
		return on_fork(p, ev, err);
	case SR_EV_MIGRATE:
		return on_migrate(p, ev, err);
	case SR_EV_EXIT:
		return self(p) ? on_self_exit(p, ev, err) : 0;
	default:
		return 0;
	}
}

BRIEFLY int handle(struct ana_pass *p, const struct sr_event *ev, bool brief, struct sr_error *err)
{
	struct pass_cpu *c;
	int ret;

	if (sr_task_table_feed(&p->table, ev, p->cfg.name, p->cfg.name_arg, err) < 0)
		return -1;
	if (!brief && p->cfg.from_ns && !p->part_open && ev->time_ns >= p->cfg.from_ns)
		ana_pass_open_part(p, p->cfg.from_ns);
	if (ev->kind > SR_EV_WAKEUP_NEW) {
		if (ev->kind == SR_EV_DECISION)
			return on_decision(p, ev, err);
		if (ev->kind == SR_EV_BIND)
			return on_bind(p, ev, err);
		if (ev->kind == SR_EV_COMM || sr_event_is_power(ev->kind))
			return 0;
	}
	if (!p->begun && begin(p, ev->time_ns, err) < 0)
		return -1;
	if (ev->time_ns > p->last_ns)
		p->last_ns = ev->time_ns;
	c = ana_pass_cpu(p, ev->cpu, err);
	if (!c)
		return -1;
	if (ev->kind == SR_EV_LOST) {
		on_lost(p, ev);
		c->known = true; /* what ran here before is not known */
	} else if (!brief && self(p) ? self_running(p, ev, err) < 0 : !c->known && first_on_cpu(p, c, ev, err) < 0) {
		return -1;
	} else if (c->lost) {
		first_after_loss(p, c, ev);
	}
	if (ev->kind == SR_EV_SWITCH)
		ret = on_switch(p, ev, brief, err);
	else if (ev->kind == SR_EV_WAKING)
		ret = on_waking(p, ev, brief, err);
	else if (ev->kind == SR_EV_WAKEUP || ev->kind == SR_EV_WAKEUP_NEW)
		ret = on_wakeup(p, ev, brief, err);
	else
		ret = on_other(p, ev, err);
	p->cpus[ev->cpu].last_ns = ev->time_ns;
	if (!brief && p->load)
		ana_load_seen(p->load, ev->cpu, ev->time_ns);
	return ret;
}

/* In the place of an event: what was put in, and the event itself. */
static __attribute__((noinline)) int feed_several(struct ana_pass *p, const struct sr_event *ev, int n,
						  struct sr_error *err)
{
	if (n > 0)
		p->repaired += (uint64_t)n - 1;
	for (int i = 0; i < n; i++)
		if (handle(p, &ev[i], p->brief, err) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static __attribute__((noinline)) int feed_logged(struct ana_pass *p, struct sr_error *err)
{
	const struct sr_repair_log *log = p->cfg.log;
	struct sr_event ev[5];
	int n = 0;

	while (n < 5 && p->log_at < log->n && log->v[p->log_at].nth == p->next_nth)
		ev[n++] = log->v[p->log_at++].ev;
	p->next_nth = p->log_at < log->n ? log->v[p->log_at].nth : UINT64_MAX;
	return feed_several(p, ev, n, err);
}

BRIEFLY int feed(struct ana_pass *p, const struct sr_event *ev, bool brief, struct sr_error *err)
{
	struct sr_event out[5];
	int n;

	if (ev->cpu >= SR_MAX_CPUS)
		return sr_fail(err, SR_DAMAGED, "an event of cpu %u (at most %d)", ev->cpu, SR_MAX_CPUS - 1);
	if (p->cfg.log) {
		if (p->nth++ == p->next_nth)
			return feed_logged(p, err);
	} else if (brief || !self(p)) {
		/* Engine events have no cpu's order, and a replay's own have next 0 at every block: nothing to repair. */
		n = sr_repair_step(p->repair, ev, out, err);
		if (n)
			return feed_several(p, out, n, err);
	}
	return handle(p, ev, brief, err);
}

int ana_pass_feed_run(struct ana_pass *p, const struct sr_event *ev, size_t n, struct sr_cost_count *count,
		      struct sr_error *err)
{
	const struct sr_event *end = ev + n;

	for (; p->brief && ev < end; ev++) {
		sr_cost_count_event(count, ev);
		if (feed(p, ev, true, err) < 0)
			return -1;
	}
	for (; ev < end && !p->part_over; ev++) {
		sr_cost_count_event(count, ev);
		if (ana_pass_feed(p, ev, err) < 0)
			return -1;
	}
	return 0;
}

int ana_pass_feed(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err)
{
	if (p->cfg.to_ns && ev->time_ns >= p->cfg.to_ns) {
		p->part_over = true;
		return 0;
	}
	return feed(p, ev, false, err);
}
