/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How tasks come to be: as threads of one process, or (--processes) in processes like the recorded ones.
 *
 *   schedrec -+- its own threads (recorder, balancer)
 *             +- root            waits until all others are gone
 *                 +- sh          processes of the recording's start, below their recorded parents
 *                 |   +- make    recorded forks fork
 *                 +- ...         whose parent is not replayed
 *
 * All that tasks write lies in shared memory (arena.c), so do the programs; the root drops its copy of the model, and each
 * fork copies the page tables of a small process.
 *
 * Nobody reaps: SIGCHLD is ignored, so that a process is gone when it ends, and the recorded waits are the waits. Who dies
 * is noticed otherwise: the run looks several times a second whether each process with live tasks is there. When this
 * process ends in whatever way, the kernel kills the process group of all but the root, which ends when they are gone:
 * that is what the pipe's signal is set to.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/engine_internal.h"

#define NOBODY UINT32_MAX
#define LOOK_NS 200000000u /* between two looks at a tree that grows */
#define NAP_NS 500000u
#define END_NS 10000000000u /* for processes whose tasks have all ended, to be gone */
#define GONE_NS 2000000000u /* for those that were killed */

static void failed(struct rpl_run *run, int error)
{
	atomic_store(&run->failed, error);
	atomic_store(&run->stopping, 1);
}

/* ---- set up, before any process is made ---- */

static void *copy(struct rpl_run *run, const void *from, size_t n, size_t size)
{
	void *to = rpl_alloc(&run->arena, n + 1, size);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

int rpl_share_model(struct rpl_run *run)
{
	struct sr_model *m = copy(run, run->m, 1, sizeof(*m));
	size_t i;

	if (!m)
		return -1;
	m->tasks = copy(run, m->tasks, m->ntasks, sizeof(*m->tasks));
	if (!m->tasks)
		return -1;
	for (i = 0; i < m->ntasks; i++) {
		struct sr_program *p = &m->tasks[i];

		p->ops = copy(run, p->ops, p->nops, sizeof(*p->ops));
		p->waits = copy(run, p->waits, p->nwaits, sizeof(*p->waits));
		if (!p->ops || !p->waits)
			return -1;
	}
	run->original = run->m;
	run->m = m;
	return 0;
}

/* In this process only: the whole pages of it that nobody will read again. */
static void forget(const void *v, size_t bytes)
{
	uintptr_t page = sysconf(_SC_PAGESIZE), from = ((uintptr_t)v + page - 1) & ~(page - 1);
	uintptr_t to = ((uintptr_t)v + bytes) & ~(page - 1);

	if (to > from)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

static void forget_model(const struct sr_model *m)
{
	size_t i;

	for (i = 0; i < m->ntasks; i++) {
		forget(m->tasks[i].ops, m->tasks[i].ops_cap * sizeof(*m->tasks[i].ops));
		forget(m->tasks[i].waits, m->tasks[i].waits_cap * sizeof(*m->tasks[i].waits));
	}
	forget(m->tasks, m->tasks_cap * sizeof(*m->tasks));
}

/* Parents that go round in a circle (a file may say so): one of them becomes a child of the root. */
static void cut_circles(struct rpl_run *run, uint32_t *seen)
{
	uint32_t i, at;

	for (i = 0; i < run->m->ntasks; i++) {
		for (at = i; at != NOBODY && !seen[at]; at = run->procs[at].parent)
			seen[at] = i + 1;
		if (at != NOBODY && seen[at] == i + 1)
			run->procs[at].parent = NOBODY;
	}
}

/* The processes of the start, their tasks and their parents. */
int rpl_tree_set_up(struct rpl_run *run, const struct sr_tidmap *process_of)
{
	const struct sr_model *m = run->m;
	uint32_t i, *seen = rpl_alloc(&run->arena, m->ntasks, sizeof(*seen));

	run->procs = rpl_alloc(&run->arena, m->ntasks, sizeof(*run->procs));
	if (!run->procs || !seen)
		return -1;
	run->tree = NOBODY;
	for (i = 0; i < m->ntasks; i++)
		run->procs[i] = (struct rproc){
			.leader = NOBODY, .first = NOBODY, .parent = NOBODY, .child = NOBODY, .sibling = NOBODY
		};
	for (i = m->ntasks; i-- > 0;) {
		struct rproc *pr = &run->procs[run->threads[i].group];
		const struct sr_program *p = &m->tasks[i];
		uint32_t parent = p->ppid > 0 ? sr_tidmap_get(process_of, p->ppid) : 0;

		if (p->parent != NOBODY)
			continue;
		run->threads[i].mate = pr->first;
		pr->first = i;
		pr->live++;
		if (p->tid == p->tgid || p->tgid <= 0)
			pr->leader = i;
		if (parent && parent - 1 != run->threads[i].group)
			pr->parent = parent - 1;
	}
	cut_circles(run, seen);
	for (i = m->ntasks; i-- > 0;) {
		struct rproc *pr = &run->procs[i];
		uint32_t *list = pr->parent == NOBODY ? &run->tree : &run->procs[pr->parent].child;

		if (pr->first == NOBODY)
			continue;
		pr->sibling = *list;
		*list = i;
		run->counts.processes++;
		run->counts.orphans += pr->parent == NOBODY;
	}
	return 0;
}

/* ---- the tree of the start ---- */

#define COST_ROUNDS 9

static int u64_cmp(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* CPU time of a fork in its parent, and of an exit: their medians. */
static void measure_processes(struct rpl_run *run)
{
	uint64_t made[COST_ROUNDS], ended[COST_ROUNDS];
	size_t i;

	signal(SIGCHLD, SIG_DFL);
	for (i = 0; i < COST_ROUNDS; i++) {
		uint64_t from = clock_ns(CLOCK_THREAD_CPUTIME_ID), all;
		struct rusage used;
		int pid = fork();

		if (!pid) {
			run->child_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
			_exit(0);
		}
		made[i] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from;
		if (pid < 0 || wait4(pid, NULL, 0, &used) != pid)
			break;
		all = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000u +
		      (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000u;
		ended[i] = all > run->child_ns ? all - run->child_ns : 0;
	}
	signal(SIGCHLD, SIG_IGN);
	if (i < COST_ROUNDS)
		return;
	qsort(made, COST_ROUNDS, sizeof(*made), u64_cmp);
	qsort(ended, COST_ROUNDS, sizeof(*ended), u64_cmp);
	run->costs.fork_ns = made[COST_ROUNDS / 2];
	run->costs.exit_ns = ended[COST_ROUNDS / 2];
}

/* Takes up to ns out of the last bursts before an op, back to where the task slept or forked: what was taken. */
static uint64_t take_out(struct sr_op *ops, size_t at, uint64_t ns)
{
	uint64_t left = ns;

	while (left && at-- > 0) {
		struct sr_op *op = &ops[at];

		if (sr_op_rests(op) || op->kind == SR_OP_FORK)
			break;
		if (op->kind == SR_OP_RUN) {
			uint64_t cut = op->value < left ? op->value : left;

			op->value -= cut;
			left -= cut;
		}
	}
	return ns - left;
}

/*
 * The burst before a recorded fork or exit held the kernel's work for it, which the replay's own fork and exit now do.
 * What a fork takes out is owed again when it has been made: a task that forks faster than it did goes on paying.
 */
static void take_out_costs(struct rpl_run *run)
{
	size_t i, k;

	for (i = 0; i < run->m->ntasks; i++) {
		const struct sr_program *p = &run->m->tasks[i];

		for (k = 0; k < p->nops; k++) {
			struct sr_op *op = &p->ops[k];

			if (op->kind == SR_OP_FORK && !(op->flags & SR_FORK_THREAD))
				op->value = take_out(p->ops, k, run->costs.fork_ns);
			else if (op->kind == SR_OP_END && op->flags & 1 && run->threads[i].group == i)
				take_out(p->ops, k, run->costs.exit_ns);
		}
	}
}

/* From now on the kernel kills the group when schedrec closes its end of the pipe. */
static void hold(struct rpl_run *run, int leash, int group)
{
	struct pollfd end = { .fd = leash };

	setpgid(group, group);
	atomic_store(&run->group, group);
	/* The last is for an end that came before the signal was set. */
	if (fcntl(leash, F_SETOWN, -group) < 0 || fcntl(leash, F_SETSIG, SIGKILL) < 0 ||
	    fcntl(leash, F_SETFL, O_ASYNC) < 0 || poll(&end, 1, 0) != 0) {
		failed(run, errno ? errno : ESRCH);
		kill(-group, SIGKILL);
	}
}

/* Forks the processes of the start. Returns in each of them with its index, in the root with NOBODY. */
static uint32_t plant(struct rpl_run *run, int leash)
{
	uint32_t self = NOBODY, next = run->tree;

	while (next != NOBODY && !atomic_load(&run->stopping)) {
		struct rproc *pr = &run->procs[next];
		int pid = fork();

		if (pid < 0) {
			failed(run, errno);
			break;
		}
		atomic_store(&pr->pid, pid ? pid : getpid());
		if (pid && self == NOBODY && !atomic_load(&run->group))
			hold(run, leash, pid);
		if (!pid && self == NOBODY)
			setpgid(0, next == run->tree ? 0 : atomic_load(&run->group));
		if (!pid)
			self = next;
		next = pid ? pr->sibling : pr->child;
	}
	return self;
}

/* A process of the start: its main thread makes the others. */
static void be_process(struct rpl_run *run, const struct rproc *pr)
{
	uint32_t i;

	for (i = pr->first; i != NOBODY; i = run->threads[i].mate) {
		int ret = i == pr->leader ? 0 : rpl_create_thread(run, &run->threads[i]);

		if (ret)
			failed(run, ret);
	}
	if (pr->leader != NOBODY)
		rpl_thread_main(&run->threads[pr->leader]);
	/* Not replayed, or it has ended: the process is that of the other threads. */
	syscall(SYS_exit, 0);
}

/* What is open in schedrec ends when schedrec closes it. */
static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a, from = STDERR_FILENO + 1;

	if (low > from)
		close_range(from, low - 1, 0);
	if (low >= from)
		from = low + 1;
	if (high > from)
		close_range(from, high - 1, 0);
	close_range(high + 1, ~0u, 0);
}

static void set_up_root(struct rpl_run *run, int leash)
{
	sigset_t none;
	int sig;

	setpgid(0, 0);
	prctl(PR_SET_NAME, "replay-root");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, sig == SIGCHLD ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_others(leash, run->exec_fd);
	forget_model(run->original);
	measure_processes(run);
	take_out_costs(run);
}

/* run is shared with schedrec already: what is this process' own is passed. */
static void be_root(struct rpl_run *run, int leash)
{
	uint32_t self;

	set_up_root(run, leash);
	self = plant(run, leash);
	if (self != NOBODY)
		be_process(run, &run->procs[self]);
	while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR)
		;
	_exit(0);
}

static uint32_t count_first(const struct sr_model *m)
{
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < m->ntasks; i++)
		n += m->tasks[i].parent == NOBODY;
	return n;
}

static int say_failed(struct rpl_run *run, struct sr_error *err)
{
	uint32_t who = run->broken;

	if (who == NOBODY)
		return sr_fail(err, SR_ENVIRONMENT, "the root of the replay's processes (pid %d) was killed",
			       run->root);
	if (who)
		return sr_fail(err, SR_ENVIRONMENT,
			       "process %d of the replay (%s) was killed before its end: by someone, or for want of "
			       "memory?",
			       atomic_load(&run->procs[who - 1].pid), run->m->tasks[who - 1].comm);
	errno = atomic_load(&run->failed);
	return sr_fail_errno(err, SR_ENVIRONMENT, "cannot create a task of the replay (%zu alive at a time)",
			     run->m->max_alive);
}

int rpl_tree_start(struct rpl_run *run, struct sr_error *err)
{
	uint32_t made = count_first(run->m), ready;
	int pid, leash[2];

	if (pipe2(leash, O_CLOEXEC) < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot make a pipe");
	run->leash = leash[1];
	atomic_store(&run->alive, made);
	pid = fork();
	if (!pid)
		be_root(run, leash[0]);
	close(leash[0]);
	if (pid < 0) {
		close(leash[1]);
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot create a process");
	}
	run->root = pid;
	while ((ready = atomic_load(&run->ready)) != made) {
		if (atomic_load(&run->failed) || rpl_tree_broken(run))
			return say_failed(run, err);
		rpl_futex_wait(run, &run->ready, ready, BIT_OWNER, mono_ns() + LOOK_NS);
	}
	return 0;
}

/* ---- its end ---- */

static bool root_ended(const struct rpl_run *run)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, run->root, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

static void kill_all(struct rpl_run *run)
{
	int group = atomic_load(&run->group);

	if (group > 0)
		kill(-group, SIGKILL);
}

bool rpl_tree_broken(struct rpl_run *run)
{
	uint32_t i;

	if (!run->root)
		return false;
	for (i = 0; i < run->m->ntasks && !run->broken; i++) {
		struct rproc *pr = &run->procs[i];
		int pid = atomic_load(&pr->pid);

		/* Whose last task ends says so before the process is gone. */
		if (pid > 0 && atomic_load(&pr->live) && kill(pid, 0) < 0 && errno == ESRCH && atomic_load(&pr->live))
			run->broken = i + 1;
	}
	if (!run->broken && root_ended(run) && atomic_load(&run->alive))
		run->broken = NOBODY;
	if (run->broken)
		kill_all(run);
	return run->broken;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
}

/* The root ends when all others are gone. */
static bool wait_for_root(struct rpl_run *run, uint64_t ns)
{
	uint64_t until = mono_ns() + ns;

	while (!root_ended(run)) {
		if (mono_ns() > until)
			return false;
		nap();
	}
	return true;
}

/* now: with violence, as with those who do not end by themselves. */
int rpl_tree_stop(struct rpl_run *run, bool now, struct sr_error *err)
{
	int ret;

	if (!run->root)
		return 0;
	if (now || run->broken || !wait_for_root(run, END_NS)) {
		atomic_store(&run->stopping, 1);
		kill_all(run);
		if (!wait_for_root(run, GONE_NS))
			kill(-run->root, SIGKILL); /* and who never came to be in the group */
	}
	while (waitpid(run->root, NULL, 0) < 0 && errno == EINTR)
		;
	close(run->leash);
	/* The lock may be that of a killed process: nobody but the balancer is left to take it, and it leaves. */
	atomic_store(&run->lock, 0);
	rpl_futex_wake(run, &run->lock, INT_MAX, BIT_OWNER);
	ret = run->broken && err ? say_failed(run, err) : 0;
	run->root = 0;
	return ret;
}

/* ---- during the run ---- */

/* With work in instructions, CPU time that coming to be took is no work of the program: that was in its first burst. */
static void not_work(struct rthread *t, uint64_t ns)
{
	if (t->run->cfg.work == RPL_WORK_INSTRUCTIONS)
		t->owed_loops -= ns * t->run->costs.loops_per_ns;
}

/* 0, or -1 with errno; in the new process 1. */
static int make_process(struct rthread *t, struct rthread *child)
{
	struct rproc *pr = &t->run->procs[child->group];
	int pid;

	pr->leader = child->index;
	atomic_store(&pr->live, 1);
	pid = fork();
	if (pid < 0)
		return -1;
	atomic_store(&pr->pid, pid ? pid : getpid());
	if (!pid) {
		not_work(child, clock_ns(CLOCK_THREAD_CPUTIME_ID));
		return 1;
	}
	t->counts.processes++;
	return 0;
}

void rpl_fork(struct rthread *t, const struct sr_op *op)
{
	struct rpl_run *run = t->run;
	struct rthread *child = &run->threads[op->arg];
	bool thread = !run->procs || op->flags & SR_FORK_THREAD;
	int ret;

	rpl_log(t, LOG_BIND, 0, op->arg, 0);
	child->nice = t->nice;
	rpl_place_fork(t, child, op->flags & SR_FORK_VM);
	atomic_fetch_add(&run->alive, 1);
	if (thread) {
		if (run->procs)
			atomic_fetch_add(&run->procs[child->group].live, 1);
		ret = rpl_create_thread(run, child);
	} else {
		ret = make_process(t, child);
		t->owed_ns += ret ? 0 : (int64_t)op->value;
		if (ret > 0) {
			t->home->task = child;
			longjmp(t->home->begin, 1);
		}
		ret = ret ? errno : 0;
	}
	if (ret) {
		if (run->procs)
			atomic_fetch_sub(&run->procs[child->group].live, 1);
		failed(run, ret);
		atomic_fetch_sub(&run->alive, 1);
		return;
	}
	rpl_created(t);
	rpl_log(t, LOG_FORK, 0, op->arg, 0);
}

void rpl_leave_process(struct rthread *t)
{
	if (atomic_fetch_sub(&t->run->procs[t->group].live, 1) == 1)
		_exit(0);
	/* A main thread that returned would end the process. */
	if (syscall(SYS_gettid) == getpid())
		syscall(SYS_exit, 0);
}
