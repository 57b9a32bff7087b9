/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How tasks come to be: as threads of one process, or (--processes) in processes like the recorded ones.
 *
 *   schedrec -+- its own threads (recorder, balancer)
 *             +- root            waits until all others are gone
 *                 +- (founder)   of each session of the start: makes it, forks these processes, and ends
 *                 +- sh          processes of the recording's start, below their recorded parents
 *                 |   +- make    recorded forks fork
 *                 +- ...         whose parent is not replayed
 *
 * A founder's children become the root's when it ends. So no process of the recording leads a process group, and each
 * may make a session (session.c) when its original did.
 *
 * All that tasks write lies in shared memory (arena.c), so do the programs; the root drops its copy of the model, and each
 * fork copies the page tables of a small process.
 *
 * Nobody reaps: SIGCHLD is ignored, so that a process is gone when it ends, and the recorded waits are the waits. Who dies
 * is noticed otherwise: the run looks several times a second whether each process with live tasks is there. When this
 * process ends in whatever way, the kernel kills the process groups of all but the root, which ends when they are gone
 * (the leash, session.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/engine_internal.h"
#include "replay/program.h"

#define NOBODY UINT32_MAX
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

/* Whose session is not known is in its parent's. done: all 0. */
static void inherit_sessions(struct rpl_run *run, uint32_t *done)
{
	uint32_t i, top, at, session;

	for (i = 0; i < run->m->ntasks; i++) {
		for (top = i; !run->procs[top].session && !done[top] && run->procs[top].parent != NOBODY;)
			top = run->procs[top].parent;
		session = run->procs[top].session;
		for (at = i; at != top; at = run->procs[at].parent) {
			run->procs[at].session = session;
			done[at] = 1;
		}
		done[top] = 1;
	}
}

/* Is it the first of its session, as seen from the root? */
static bool leads(const struct rpl_run *run, uint32_t i)
{
	const struct rproc *pr = &run->procs[i];

	return pr->first != NOBODY && (pr->parent == NOBODY || run->procs[pr->parent].session != pr->session);
}

/*
 * One of a session stands above all others of it, and makes it. Where several do, who made it has ended or is not replayed:
 * they become children of the root, whose founder makes it for all.
 */
static void unite_sessions(struct rpl_run *run, uint32_t *leaders)
{
	uint32_t i;

	for (i = 0; i < run->m->ntasks; i++)
		leaders[run->procs[i].session] += leads(run, i);
	for (i = 0; i < run->m->ntasks; i++)
		if (leads(run, i) && leaders[run->procs[i].session] > 1)
			run->procs[i].parent = NOBODY;
}

static int settle_sessions(struct rpl_run *run)
{
	const struct sr_model *m = run->m;
	uint32_t *done = rpl_alloc(&run->arena, m->ntasks, sizeof(*done)),
		 *leaders = rpl_alloc(&run->arena, m->nsessions + 1, sizeof(*leaders));
	size_t i;

	run->trees = rpl_alloc(&run->arena, m->nsessions + 1, sizeof(*run->trees));
	run->session_made = rpl_alloc(&run->arena, m->nsessions + 1, sizeof(*run->session_made));
	if (!done || !leaders || !run->trees || !run->session_made)
		return -1;
	for (i = 0; i <= m->nsessions; i++)
		run->trees[i] = NOBODY;
	inherit_sessions(run, done);
	unite_sessions(run, leaders);
	return 0;
}

/* The processes of the start, their tasks, parents and sessions. */
int rpl_tree_set_up(struct rpl_run *run, const struct sr_tidmap *process_of)
{
	const struct sr_model *m = run->m;
	uint32_t i, *seen = rpl_alloc(&run->arena, m->ntasks, sizeof(*seen));

	run->procs = rpl_alloc(&run->arena, m->ntasks, sizeof(*run->procs));
	if (!run->procs || !seen)
		return -1;
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
		if (run->cfg.sessions && p->session)
			pr->session = p->session;
		if (p->tid == p->tgid || p->tgid <= 0)
			pr->leader = i;
		if (parent && parent - 1 != run->threads[i].group)
			pr->parent = parent - 1;
	}
	cut_circles(run, seen);
	if (settle_sessions(run) < 0)
		return -1;
	for (i = m->ntasks; i-- > 0;) {
		struct rproc *pr = &run->procs[i];
		uint32_t *list = pr->parent == NOBODY ? &run->trees[pr->session] : &run->procs[pr->parent].child;

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

/* What it is in when it is forked. */
static void join_parent(struct rproc *pr, struct rproc *parent)
{
	atomic_store(&pr->session, atomic_load(&parent->session));
	atomic_store(&pr->leash, atomic_load(&parent->leash));
}

/* Forks the processes of the start from `next` on, below `above`. Returns in each of them with its index, in who called it
 * with NOBODY. */
static uint32_t plant(struct rpl_run *run, uint32_t next, struct rproc *above)
{
	uint32_t self = NOBODY;

	while (next != NOBODY && !atomic_load(&run->stopping)) {
		struct rproc *pr = &run->procs[next];
		uint32_t session = atomic_load(&pr->session);
		int pid;

		join_parent(pr, above);
		pid = fork();
		if (pid < 0) {
			failed(run, errno);
			break;
		}
		atomic_store(&pr->pid, pid ? pid : getpid());
		if (!pid) {
			self = next;
			above = pr;
			if (session != atomic_load(&pr->session) && rpl_make_session(run, pr, session) < 0)
				atomic_fetch_add(&run->sessions_refused, 1);
		}
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

static int int_cmp(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* What is open in schedrec ends when schedrec closes it: nothing but what processes use stays open in them. */
static void close_others(const struct rpl_run *run)
{
	const struct rpl_groups *g = run->cfg.groups;
	size_t groups = g ? g->n : 0, n = 0, i;
	int *keep = malloc((groups + 3 + 2 * run->m->ntasks) * sizeof(*keep)), from = STDERR_FILENO + 1;

	if (!keep) {
		close(run->leash);
		return;
	}
	keep[n++] = run->leash_end;
	keep[n++] = run->exec_fd;
	for (i = 0; i < groups; i++)
		keep[n++] = g->move[i];
	if (g)
		keep[n++] = g->home;
	for (i = 0; i < run->m->ntasks; i++)
		for (int end = 0; end < 2; end++)
			if (run->threads[i].pipe[end] >= 0)
				keep[n++] = run->threads[i].pipe[end];
	qsort(keep, n, sizeof(*keep), int_cmp);
	for (i = 0; i < n; i++) {
		if (keep[i] > from)
			close_range(from, keep[i] - 1, 0);
		if (keep[i] >= from)
			from = keep[i] + 1;
	}
	close_range(from, ~0u, 0);
	free(keep);
}

static void set_up_root(struct rpl_run *run)
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
	close_others(run);
	forget_model(run->original);
	signal(SIGCHLD, SIG_DFL);
	rpl_measure_processes(run);
	signal(SIGCHLD, SIG_IGN);
	rpl_find_cuts(run);
}

/* The processes of the start that are the root's children, of one session. */
static void be_founder(struct rpl_run *run, uint32_t session)
{
	struct rproc founder = { .leash = run->leash_end };
	uint32_t self;

	if ((session ? rpl_make_session(run, &founder, session) : rpl_leash_hold(run)) < 0) {
		failed(run, errno);
		_exit(1);
	}
	self = plant(run, run->trees[session], &founder);
	if (self != NOBODY)
		be_process(run, &run->procs[self]);
	_exit(0);
}

static void be_root(struct rpl_run *run)
{
	uint32_t i;
	int pid;

	set_up_root(run);
	for (i = 0; i <= run->m->nsessions && !atomic_load(&run->stopping); i++) {
		pid = run->trees[i] == NOBODY ? 1 : fork();
		if (!pid)
			be_founder(run, i);
		if (pid < 0)
			failed(run, errno);
	}
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
	int pid;

	atomic_store(&run->alive, made);
	pid = fork();
	if (!pid)
		be_root(run);
	if (pid < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot create a process");
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
		rpl_leash_cut(run);
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
		rpl_leash_cut(run);
		if (!wait_for_root(run, GONE_NS))
			kill(-run->root, SIGKILL); /* and who never came to be in a group of the leash */
	}
	while (waitpid(run->root, NULL, 0) < 0 && errno == EINTR)
		;
	/* The lock may be that of a killed process: nobody but the balancer is left to take it, and it leaves. */
	atomic_store(&run->lock, 0);
	rpl_futex_wake(run, &run->lock, INT_MAX, BIT_OWNER);
	ret = run->broken && err ? say_failed(run, err) : 0;
	run->root = 0;
	return ret;
}

/* ---- during the run ---- */

/* 0, or -1 with errno; in the new process 1. */
static int make_process(struct rthread *t, struct rthread *child)
{
	struct rproc *pr = &t->run->procs[child->group];
	int pid;

	pr->leader = child->index;
	atomic_store(&pr->live, 1);
	join_parent(pr, &t->run->procs[t->group]);
	pid = fork();
	if (pid < 0)
		return -1;
	atomic_store(&pr->pid, pid ? pid : getpid());
	if (!pid) {
		rpl_change_session(child, child->p->session);
		return 1;
	}
	t->counts.processes++;
	return 0;
}

/*
 * The parent of a vfork sleeps within the call, where nothing can take its CPU, and be its slice over. Here it comes back
 * from the call before it sleeps; where that is when it loses the CPU, it does not sleep until all others have had their
 * turn, and is never woken behind them as it was (of a compile job on one CPU: 67 of 339 vforks, and with them the longest
 * waits). So the child gives the CPU back when it begins, where this process may use SCHED_FIFO. Other parents stay as they
 * are: FIFO adds nothing to a CPU's load, by which the kernel chooses the child's, and who sleeps in that class does not stay
 * in the queue until it has served its lag.
 */
void rpl_hold_parent(struct rthread *t)
{
	struct rthread *parent = t->vforked_by;

	if (!parent || atomic_load_explicit(&parent->on_cpu, memory_order_relaxed) != sched_getcpu() ||
	    !atomic_exchange(&parent->in_vfork, false))
		return;
	if (rpl_hold(parent))
		t->counts.vforks_held++;
	else
		t->counts.vforks_open++;
}

void rpl_fork(struct rthread *t, const struct sr_op *op)
{
	struct rpl_run *run = t->run;
	struct rthread *child = &run->threads[op->arg];
	bool thread = !run->procs || op->flags & SR_FORK_THREAD;
	int ret;

	rpl_log(t, LOG_BIND, 0, op->arg, 0);
	child->nice = t->nice;
	child->control = t->control;
	rpl_inherit_mask(t, child);
	rpl_place_fork(t, child, op->flags & SR_FORK_VM);
	atomic_fetch_add(&run->alive, 1);
	if (!t->loop && rpl_sleeps_in_fork(t->p, op)) {
		child->vforked_by = t;
		atomic_store(&t->in_vfork, true);
	}
	if (thread) {
		if (run->procs)
			atomic_fetch_add(&run->procs[child->group].live, 1);
		ret = rpl_create_thread(run, child);
	} else {
		ret = make_process(t, child);
		if (ret > 0) {
			t->home->task = child;
			longjmp(t->home->begin, 1);
		}
		ret = ret ? errno : 0;
	}
	if (ret) {
		atomic_store(&t->in_vfork, false);
		if (run->procs)
			atomic_fetch_sub(&run->procs[child->group].live, 1);
		failed(run, ret);
		atomic_fetch_sub(&run->alive, 1);
		return;
	}
	rpl_forked(t, op);
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
