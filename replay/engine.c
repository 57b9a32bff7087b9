/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/engine_internal.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "formats/tidmap.h"
#include "replay/program.h"

#define BALANCER_LOG (1u << 18)
#define STUCK_NS 3000000000u /* everybody blocked, nobody timed, nothing done for so long: the watchdog steps in */

static uint64_t read_number(const char *path)
{
	unsigned long long n = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return UINT64_MAX;
	if (fscanf(f, "%llu", &n) != 1)
		n = UINT64_MAX;
	fclose(f);
	return n;
}

/* Which limit would the replay hit? Threads of others count too, so this is a floor, not a promise. */
static int check_limits(const struct sr_model *m, struct sr_error *err)
{
	uint64_t need = m->max_alive + 8;
	struct rlimit nproc;
	size_t i;
	static const struct {
		const char *path, *name;
	} limit[] = {
		{ "/proc/sys/kernel/pid_max", "kernel.pid_max" },
		{ "/proc/sys/kernel/threads-max", "kernel.threads-max" },
		{ "/proc/sys/vm/max_map_count", "vm.max_map_count" },
		{ "/sys/fs/cgroup/pids.max", "pids.max of the control group" },
	};

	for (i = 0; i < sizeof(limit) / sizeof(*limit); i++) {
		uint64_t have = read_number(limit[i].path);

		if (have < need)
			return sr_fail(err, SR_ENVIRONMENT,
				       "the recording has %zu tasks alive at a time, but %s is %llu: raise it",
				       m->max_alive, limit[i].name, (unsigned long long)have);
	}
	if (!getrlimit(RLIMIT_NPROC, &nproc) && nproc.rlim_cur != RLIM_INFINITY && nproc.rlim_cur < need && geteuid())
		return sr_fail(err, SR_ENVIRONMENT,
			       "the recording has %zu tasks alive at a time, but `ulimit -u` is %llu: raise it",
			       m->max_alive, (unsigned long long)nproc.rlim_cur);
	return 0;
}

static void count_ops(const struct rpl_run *run, const struct sr_program *p, size_t *room)
{
	bool self = run->cfg.self_record, pins = run->cfg.policy->pins;
	size_t i, n = 4;

	for (i = 0; i < p->nops; i++) {
		switch (p->ops[i].kind) {
		case SR_OP_WAKE:
			n += (self ? 3 : 0) + (pins ? 1 : 0); /* waking, and out and in of an order wait */
			break;
		case SR_OP_WAIT:
		case SR_OP_SLEEP:
			n += (self ? 3 : 0) + (pins ? 2 : 0);
			break;
		case SR_OP_FORK:
			n += 2 + (pins ? 1 : 0);
			break;
		case SR_OP_EXEC:
			n += pins;
			break;
		default:
			break;
		}
	}
	*room = n;
}

static int set_up_threads(struct rpl_run *run)
{
	const struct sr_model *m = run->m;
	size_t i, words = 0, logs = 0, *room = calloc(m->ntasks, sizeof(*room));
	struct log_entry *log;
	_Atomic uint32_t *word;

	if (!room)
		return -1;
	for (i = 0; i < m->ntasks; i++) {
		count_ops(run, &m->tasks[i], &room[i]);
		words += m->tasks[i].nwaits;
		logs += room[i];
		run->spare_cap += m->tasks[i].dispatcher ? room[i] : 0;
	}
	run->threads = rpl_alloc(&run->arena, m->ntasks, sizeof(*run->threads));
	word = rpl_alloc(&run->arena, words + 1, sizeof(*word));
	log = rpl_alloc(&run->arena, logs + BALANCER_LOG, sizeof(*log));
	run->spare = rpl_alloc(&run->arena, run->spare_cap + 1, sizeof(*run->spare));
	run->groups = rpl_alloc(&run->arena, m->ntasks, sizeof(*run->groups));
	if (!run->threads || !word || !log || !run->spare || !run->groups) {
		free(room);
		return -1;
	}
	run->balancer_log.v = log;
	run->balancer_log.cap = BALANCER_LOG;
	log += BALANCER_LOG;
	for (i = 0; i < m->ntasks; i++) {
		struct rthread *t = &run->threads[i];
		const struct sr_program *p = &m->tasks[i];
		size_t w;

		t->run = run;
		t->p = p;
		t->role = t;
		atomic_store(&t->op, p->ops);
		t->allowed = p->allowed;
		t->control = SR_ATTR_NONE;
		t->index = i;
		t->words = word;
		for (w = 0; w < p->nwaits; w++)
			atomic_store_explicit(&word[w], rpl_needs_of(run->cfg.order, &p->waits[w]) & W_COUNT,
					      memory_order_relaxed);
		word += p->nwaits;
		t->log.v = log;
		t->log.cap = room[i];
		log += room[i];
		atomic_store(&t->pinned, -1);
		atomic_store(&t->on_cpu, -1);
		atomic_store(&t->slept_on, -1);
		t->cpu = -1;
		t->pipe[0] = t->pipe[1] = -1;
		t->recorded_cpu = -1;
		t->next = t->prev = t->mate = UINT32_MAX;
		t->prio = 120 + p->nice; /* until it has been given another class */
		t->weight = 1024;
	}
	free(room);
	return 0;
}

/* Tasks of one process share a group: those of the start with the same tgid, and a thread its parent's. */
static int set_up_groups(struct rpl_run *run)
{
	const struct sr_model *m = run->m;
	struct sr_tidmap first = { 0 }; /* tgid -> its first task + 1 */
	size_t i, k;
	int ret = 0;

	for (i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];
		uint32_t of = p->parent == UINT32_MAX && p->tgid > 0 ? sr_tidmap_get(&first, p->tgid) : 0;

		run->threads[i].group = of ? of - 1 : i;
		if (p->parent == UINT32_MAX && p->tgid > 0 && !of && sr_tidmap_put(&first, p->tgid, i + 1) < 0) {
			sr_tidmap_release(&first);
			return -1;
		}
	}
	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];

			if (op->kind == SR_OP_FORK && op->flags & SR_FORK_THREAD)
				run->threads[op->arg].group = run->threads[i].group;
		}
	if (run->cfg.processes)
		ret = rpl_tree_set_up(run, &first);
	sr_tidmap_release(&first);
	return ret;
}

static int set_up_cpus(struct rpl_run *run, struct sr_error *err)
{
	const struct sr_machine *m = run->cfg.machine;
	unsigned i;

	if (sched_getaffinity(0, sizeof(run->old_mask), &run->old_mask) < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read this process's CPUs");
	run->machine = *m;
	run->machine.v = rpl_alloc(&run->arena, m->ncpus, sizeof(*m->v));
	run->cpu = rpl_alloc(&run->arena, m->ncpus, sizeof(*run->cpu));
	if (!run->machine.v || !run->cpu)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory for the replay");
	memcpy(run->machine.v, m->v, m->ncpus * sizeof(*m->v));
	CPU_ZERO(&run->cpus);
	for (i = 0; i < m->ncpus; i++) {
		if (i >= CPU_SETSIZE || !CPU_ISSET(i, &run->old_mask) ||
		    (run->cfg.cpus && !sr_cpumask_isset(run->cfg.cpus, i)))
			run->machine.v[i].online = 0;
		if (run->machine.v[i].online) {
			CPU_SET(i, &run->cpus);
			run->ncpus++;
		}
	}
	if (!run->ncpus)
		return sr_fail(err, SR_USAGE, "none of the CPUs asked for may be used by this process");
	if (!CPU_EQUAL(&run->cpus, &run->old_mask) && sched_setaffinity(0, sizeof(run->cpus), &run->cpus) < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot restrict this process to the CPUs asked for");
	return 0;
}

static int create_first(struct rpl_run *run, struct sr_error *err)
{
	size_t i;
	uint32_t made = 0;

	for (i = 0; i < run->m->ntasks; i++) {
		int ret;

		if (run->m->tasks[i].parent != UINT32_MAX)
			continue;
		atomic_fetch_add(&run->alive, 1);
		ret = rpl_create_thread(run, &run->threads[i]);
		if (ret) {
			atomic_fetch_sub(&run->alive, 1);
			errno = ret;
			return sr_fail_errno(err, SR_ENVIRONMENT, "cannot create thread %u of %zu of the replay",
					     made + 1, run->m->max_alive);
		}
		made++;
	}
	for (;;) {
		uint32_t ready = atomic_load(&run->ready);

		if (ready == made)
			return 0;
		rpl_futex_wait(run, &run->ready, ready, BIT_OWNER, 0);
	}
}

struct rpl_run *rpl_prepare(const struct sr_model *m, const struct rpl_config *cfg, struct sr_error *err)
{
	struct rpl_arena arena = { .shared = cfg->processes };
	struct rpl_run *run = rpl_alloc(&arena, 1, sizeof(*run));

	if (!run) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory for the replay");
		return NULL;
	}
	run->arena = arena;
	run->m = m;
	run->cfg = *cfg;
	run->exec_fd = run->leash = run->leash_end = -1;
	/* Inherited by every thread created from here on. */
	prctl(PR_SET_TIMERSLACK, 1);
	if (check_limits(m, err) < 0 || set_up_cpus(run, err) < 0)
		goto fail;
	rpl_calibrate(run);
	run->costs.then = cfg->recorded_wake.local_ns > 0 ? cfg->recorded_wake : run->costs.wake;
	sr_wake_bound_apply(&cfg->wake_bound, &run->costs.then);
	rpl_exec_start(run);
	if (cfg->processes && rpl_leash_start(run) < 0) {
		sr_fail_errno(err, SR_ENVIRONMENT, "cannot make a pipe");
		goto fail;
	}
	if ((cfg->processes && rpl_share_model(run) < 0) || set_up_threads(run) < 0 || set_up_groups(run) < 0 ||
	    rpl_loops_start(run) < 0 || rpl_workers_start(run) < 0 || rpl_cuts_start(run) < 0) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory for a replay of %zu tasks", m->ntasks);
		goto fail;
	}
	rpl_sync_start(run);
	rpl_stacks_start(run);
	rpl_measure_threads(run);
	if (!cfg->processes) /* else their root does, which has to measure them first */
		rpl_find_cuts(run);
	rpl_guard_start(run);
	if (rpl_policy_start(run, err) < 0 || (cfg->processes ? rpl_tree_start : create_first)(run, err) < 0)
		goto fail;
	run->counts.tasks = m->ntasks;
	/* Whom this thread makes now, the recorder's threads, is none of the load: on other CPUs it disturbs nobody. */
	sched_setaffinity(0, sizeof(run->old_mask), &run->old_mask);
	return run;
fail:
	rpl_free(run);
	return NULL;
}

/* Everybody blocked for good: ends those waits. A defect if it ever happens, but not a hang. */
static void force(struct rpl_run *run)
{
	size_t i;

	for (i = 0; i < run->m->ntasks; i++) {
		_Atomic uint32_t *word = atomic_load(&run->threads[i].at);

		if (!word)
			continue;
		atomic_store(word, W_ARRIVED);
		rpl_wake_all(&run->threads[i], word);
		run->counts.forced++;
	}
}

static bool all_blocked(const struct rpl_run *run)
{
	uint32_t blocked = 0;
	size_t i;

	for (i = 0; i < run->m->ntasks; i++)
		blocked += atomic_load(&((struct rthread *)run->threads)[i].at) != NULL;
	return blocked == atomic_load(&((struct rpl_run *)run)->alive);
}

static void watch(struct rpl_run *run)
{
	uint64_t last = 0, since = mono_ns();
	double work = (double)run->m->run_ns * (run->cfg.work_scale > 0 ? run->cfg.work_scale : 1);
	uint32_t alive;

	while ((alive = atomic_load(&run->alive))) {
		uint64_t done;

		rpl_futex_wait(run, &run->alive, alive, BIT_OWNER, mono_ns() + LOOK_NS);
		if ((run->cfg.stop && *run->cfg.stop) || atomic_load(&run->stopping))
			rpl_release_all(run);
		if (rpl_tree_broken(run))
			return;
		done = atomic_load(&run->progress_ns);
		atomic_store(&run->looked_ns, mono_ns());
		if (done != last || atomic_load(&run->timed) || !all_blocked(run)) {
			last = done;
			since = mono_ns();
		} else if (mono_ns() - since > STUCK_NS) {
			force(run);
			since = mono_ns();
		}
		if (run->cfg.progress)
			run->cfg.progress(run->cfg.progress_arg, work > 0 ? (double)done / work : 1);
	}
}

static void add_counts(struct rpl_counts *sum, const struct rpl_counts *one)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)one;
	size_t i;

	_Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "struct rpl_counts is counters only");
	for (i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += from[i];
}

int rpl_execute(struct rpl_run *run, struct sr_error *err)
{
	const struct rpl_policy *p = run->cfg.policy;
	size_t i;
	int ret;

	/* Late enough that the tasks which are asleep at the start are so by then. */
	run->start_ns = mono_ns() + 2000000 + 30000 * (uint64_t)atomic_load(&run->alive);
	if (p->util)
		rpl_usage_start(run);
	atomic_store(&run->gate, 1);
	rpl_futex_wake(run, &run->gate, INT_MAX, BIT_OWNER);
	if (p->ticks && p->tick) {
		ret = pthread_create(&run->balancer, NULL, rpl_balancer_main, run);
		if (ret) {
			errno = ret;
			rpl_release_all(run);
			sr_fail_errno(err, SR_ENVIRONMENT, "cannot create the balancer's thread");
		}
		run->balancer_runs = !ret;
	}
	watch(run);
	run->end_ns = mono_ns();
	atomic_store(&run->over, 1);
	rpl_futex_wake(run, &run->over, 1, BIT_OWNER);
	ret = rpl_tree_stop(run, false, err);
	if (run->balancer_runs)
		pthread_join(run->balancer, NULL);
	if (p->ticks && p->tick && !run->balancer_runs)
		return -1;
	run->balancer_runs = false;
	if (ret < 0)
		return -1;
	for (i = 0; i < run->m->ntasks; i++)
		add_counts(&run->counts, &run->threads[i].counts);
	run->counts.wake_local_ns = rpl_wake_mean(run, false, 1);
	run->counts.wake_remote_ns = rpl_wake_mean(run, true, 1);
	run->counts.rt_demoted = atomic_load(&run->rt_demoted);
	run->counts.sessions_made = atomic_load(&run->sessions_made);
	run->counts.sessions_refused = atomic_load(&run->sessions_refused);
	run->counts.sessions_split = atomic_load(&run->sessions_split);
	run->counts.session_nice_refused = atomic_load(&run->session_nice_refused);
	errno = atomic_load(&run->failed);
	if (errno)
		return sr_fail_errno(err, SR_ENVIRONMENT,
				     "cannot create a task of the replay (%zu alive at a time in the recording)",
				     run->m->max_alive);
	return 0;
}

const struct rpl_counts *rpl_get_counts(const struct rpl_run *run)
{
	return &run->counts;
}

void rpl_cpus(const struct rpl_run *run, struct sr_cpumask *cpus)
{
	memset(cpus, 0, sizeof(*cpus));
	for (unsigned i = 0; i < CPU_SETSIZE && i < SR_MAX_CPUS; i++)
		if (CPU_ISSET(i, &run->cpus))
			sr_cpumask_set(cpus, i);
}

void rpl_span(const struct rpl_run *run, uint64_t *start_ns, uint64_t *end_ns)
{
	*start_ns = run->start_ns;
	*end_ns = run->end_ns;
}

static void to_event(const struct rpl_run *run, const struct log_entry *l, struct sr_event *ev)
{
	int32_t self = atomic_load(&run->threads[l->task].tid), other = atomic_load(&run->threads[l->arg].tid);

	*ev = (struct sr_event){ .time_ns = l->time_ns, .ctx = self, .cpu = l->cpu };
	switch (l->kind) {
	case LOG_WAKING:
		ev->kind = SR_EV_WAKING;
		ev->u.wake.tid = other;
		ev->u.wake.prio = run->threads[l->arg].prio;
		ev->u.wake.target_cpu = l->cpu;
		break;
	case LOG_IN:
		ev->kind = SR_EV_SWITCH;
		ev->ctx = 0;
		ev->u.sw.next = self;
		ev->u.sw.next_prio = run->threads[l->task].prio;
		ev->u.sw.prev_prio = 120;
		break;
	case LOG_OUT:
		ev->kind = SR_EV_SWITCH;
		ev->u.sw.prev = self;
		ev->u.sw.prev_prio = run->threads[l->task].prio;
		ev->u.sw.next_prio = 120;
		ev->u.sw.prev_state = l->cause;
		break;
	case LOG_EXIT:
		ev->kind = SR_EV_EXIT;
		ev->u.exit.tid = self;
		ev->u.exit.prio = run->threads[l->task].prio;
		ev->u.exit.group_dead = 2;
		break;
	case LOG_FORK:
		ev->kind = SR_EV_FORK;
		ev->u.fork.parent = self;
		ev->u.fork.child = other;
		break;
	case LOG_BIND:
		ev->kind = SR_EV_BIND;
		ev->u.bind.tid = other;
		ev->u.bind.source = run->m->tasks[l->arg].source;
		break;
	default:
		ev->kind = SR_EV_DECISION;
		ev->u.decision.tid = other;
		ev->u.decision.from = l->from;
		ev->u.decision.to = l->to;
		ev->u.decision.cause = l->cause;
		ev->u.decision.cost_ns = l->cost_ns;
		break;
	}
}

static int event_cmp(const void *x, const void *y)
{
	const struct sr_event *a = x, *b = y;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->cpu < b->cpu ? -1 : a->cpu > b->cpu;
}

int rpl_collect(struct rpl_run *run, const struct sr_event **events, size_t *n, struct sr_error *err)
{
	size_t spare = atomic_load(&run->spare_n), total = run->balancer_log.n, i, k;

	for (i = 0; i < run->m->ntasks; i++)
		total += run->threads[i].log.n;
	spare = spare < run->spare_cap ? spare : run->spare_cap;
	total += spare;
	free(run->events);
	run->nevents = 0;
	run->events = malloc((total + 1) * sizeof(*run->events));
	if (!run->events)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory for the replay's events");
	for (k = 0; k < run->balancer_log.n; k++)
		to_event(run, &run->balancer_log.v[k], &run->events[run->nevents++]);
	for (i = 0; i < run->m->ntasks; i++)
		for (k = 0; k < run->threads[i].log.n; k++)
			to_event(run, &run->threads[i].log.v[k], &run->events[run->nevents++]);
	for (k = 0; k < spare; k++)
		to_event(run, &run->spare[k], &run->events[run->nevents++]);
	qsort(run->events, run->nevents, sizeof(*run->events), event_cmp);
	*events = run->events;
	*n = run->nevents;
	return 0;
}

void rpl_free(struct rpl_run *run)
{
	struct rpl_arena arena;

	if (!run)
		return;
	if (run->procs) {
		rpl_tree_stop(run, true, NULL);
	} else if (atomic_load(&run->alive)) { /* never executed: from the gate to the end without a step */
		atomic_store(&run->stopping, 1);
		atomic_store(&run->gate, 1);
		rpl_futex_wake(run, &run->gate, INT_MAX, BIT_OWNER);
		watch(run);
	}
	rpl_leash_cut(run);
	if (CPU_COUNT(&run->old_mask))
		sched_setaffinity(0, sizeof(run->old_mask), &run->old_mask);
	rpl_guard_stop(run);
	rpl_policy_stop(run);
	rpl_exec_stop(run);
	rpl_stacks_stop(run);
	rpl_sync_stop(run);
	free(run->events);
	arena = run->arena;
	rpl_arena_release(&arena);
}
