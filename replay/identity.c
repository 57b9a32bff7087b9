/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a thread is to the scheduler beside its work: class, nice value, CPUs, name, and the kernel's choice of a CPU at
 * exec. What may not be set is counted by kind; nothing here ends a replay.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/engine_internal.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif
#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

/* The kernel's struct sched_attr in its first size; its own header cannot stand beside the C library's. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
#define ATTR_RESET_ON_FORK 1u

enum { REFUSED_RT = 1, REFUSED_DEADLINE = 2, REFUSED_CLASS = 4 }; /* rthread.refused: each task counts once */

bool rpl_is_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE;
}

static void pin_self(struct rthread *t)
{
	int cpu = t->cpu;
	cpu_set_t one;

	if (cpu < 0 || atomic_load(&t->pinned) == cpu)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) == 0)
		atomic_store(&t->pinned, cpu);
}

static void set_affinity(struct rthread *t, const struct sr_cpumask *mask)
{
	cpu_set_t allowed;
	unsigned i, n = 0;

	CPU_ZERO(&allowed);
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &t->run->cpus) && (!mask || sr_cpumask_isset(mask, i))) {
			CPU_SET(i, &allowed);
			n++;
		}
	if (n == t->run->ncpus && !t->masked)
		return;
	t->masked = true;
	if (!n || sched_setaffinity(0, sizeof(allowed), &allowed) < 0)
		t->counts.affinity_dropped++;
}

static void set_up_affinity(struct rthread *t)
{
	const struct sr_program *p = t->p;
	const struct rpl_run *run = t->run;
	bool own = p->allowed && (p->parent == UINT32_MAX || t->own_mask);

	if (own && !run->cfg.keep_affinity && sr_cpumask_count(p->allowed) < run->m->cpus)
		t->counts.affinity_dropped++;
	if (run->cfg.policy->pins)
		pin_self(t);
	else if (own && run->cfg.keep_affinity)
		set_affinity(t, p->allowed);
}

void rpl_inherit_mask(const struct rthread *parent, struct rthread *child)
{
	const struct sr_cpumask *mask = child->p->allowed, *had = parent->allowed;

	child->masked = parent->masked;
	child->own_mask = mask && mask != had && (!had || memcmp(mask, had, sizeof(*mask)) != 0);
}

/* A policy that pins asks for the mask from here on. */
void rpl_change_mask(struct rthread *t, const struct sr_cpumask *mask)
{
	bool some = sr_cpumask_count(mask) > 0;

	if (some)
		t->allowed = mask;
	if (!t->run->cfg.keep_affinity || !some) {
		t->counts.affinity_dropped++;
		return;
	}
	if (!t->run->cfg.policy->pins) {
		t->masked = true;
		set_affinity(t, mask);
	}
}

static void refuse(struct rthread *t, int policy)
{
	unsigned kind = policy == SCHED_DEADLINE ? REFUSED_DEADLINE : rpl_is_rt(policy) ? REFUSED_RT : REFUSED_CLASS;

	if (t->refused & kind)
		return;
	t->refused |= kind;
	if (kind == REFUSED_DEADLINE)
		t->counts.deadline_refused++;
	else if (kind == REFUSED_RT)
		t->counts.rt_refused++;
	else
		t->counts.policy_refused++;
}

static int set_attr(const struct rthread *t, int policy, int rt_prio)
{
	const struct sr_program *p = t->p;
	struct attr a = { .size = sizeof(a), .policy = (uint32_t)policy };

	if (policy == SCHED_DEADLINE) {
		/* Without the flag it could not fork; what it forks is normal, as in the recording. */
		a.flags = ATTR_RESET_ON_FORK;
		a.runtime = p->dl_runtime_ns;
		a.deadline = p->dl_deadline_ns;
		a.period = p->dl_period_ns;
	} else if (rpl_is_rt(policy)) {
		a.priority = (uint32_t)rt_prio;
	} else {
		a.nice = (int)t->nice; /* NOLINT(bugprone-signed-char-misuse): it is a number */
		a.runtime = t->slice_ns;
	}
	return (int)syscall(SYS_sched_setattr, 0, &a, 0);
}

static int prio_of(const struct rthread *t)
{
	if (t->policy == SCHED_DEADLINE)
		return -1;
	return rpl_is_rt(t->policy) ? 99 - t->rt_prio : 120 + t->nice;
}

/* Sets class and, of a real-time one, priority. */
static void set_class(struct rthread *t, int policy, int rt_prio)
{
	struct rpl_run *run = t->run;
	bool rt = rpl_is_rt(policy);

	if (policy == SCHED_OTHER)
		policy = run->cfg.normal_class;
	if (policy == t->policy && (!rt || policy == SCHED_DEADLINE || rt_prio == t->rt_prio))
		return;
	if (rt && atomic_load(&run->rt_ended))
		policy = SCHED_OTHER;
	else if (rt && (!run->cfg.allow_rt || (policy == SCHED_DEADLINE && !t->p->dl_runtime_ns)))
		goto refused;
	if (set_attr(t, policy, rt_prio) < 0)
		goto refused;
	t->policy = (uint8_t)policy;
	t->rt_prio = (uint8_t)rt_prio;
	atomic_store(&t->rt, rpl_is_rt(policy));
	t->counts.rt_set += rpl_is_rt(policy);
	/* The watchdog ended real time between the look at it and now. */
	if (rpl_is_rt(policy) && atomic_load(&run->rt_ended))
		rpl_end_real_time(t);
	rpl_set_prio(t, prio_of(t));
	return;
refused:
	refuse(t, policy);
	/* What it had before is over all the same. */
	if (rpl_is_rt(t->policy) && set_attr(t, SCHED_OTHER, 0) == 0) {
		t->policy = SCHED_OTHER;
		atomic_store(&t->rt, false);
		rpl_set_prio(t, prio_of(t));
	}
}

void rpl_end_real_time(struct rthread *t)
{
	struct sched_param none = { 0 };
	int tid = atomic_load(&t->tid);

	if (tid > 0 && atomic_exchange(&t->rt, false))
		sched_setscheduler(tid, SCHED_OTHER, &none);
}

void rpl_change_nice(struct rthread *t, int nice)
{
	nice += t->run->cfg.nice_offset;
	if (nice > 19)
		nice = 19;
	if (nice == t->nice)
		return;
	if (setpriority(PRIO_PROCESS, (id_t)t->tid, nice) < 0)
		t->counts.nice_refused++;
	else
		rpl_set_nice(t, nice);
}

/* Its place in the fair class is that of when it left it: asleep it comes back there as if it had slept in that class. */
bool rpl_hold(struct rthread *t)
{
	bool may = t->policy == SCHED_OTHER && t->nice >= 0 && !t->slice_ns && !atomic_load(&t->run->rt_ended);

	if (!may ||
	    sched_setscheduler(atomic_load(&t->tid), SCHED_FIFO | SCHED_RESET_ON_FORK, &(struct sched_param){ 1 }))
		return false;
	atomic_store(&t->held, true);
	return true;
}

void rpl_let_go(struct rthread *t)
{
	const struct sched_param none = { 0 };
	int tid = atomic_load(&t->tid);

	if (!atomic_load_explicit(&t->held, memory_order_relaxed) || !atomic_exchange(&t->held, false))
		return;
	/* Who has RLIMIT_RTPRIO and no privilege may not take the flag back. */
	if (sched_setscheduler(tid, SCHED_OTHER, &none) < 0)
		sched_setscheduler(tid, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
}

void rpl_change_class(struct rthread *t, const struct sr_op *op)
{
	if (rpl_is_rt(op->flags)) {
		set_class(t, op->flags, (int)op->arg);
	} else {
		set_class(t, op->flags, 0);
		rpl_change_nice(t, (int)op->arg - 20);
	}
}

/* A fork hands the class on, or resets it; the first threads have schedrec's. */
static void take_inherited_class(struct rthread *t)
{
	struct sched_param has = { 0 };
	int policy = sched_getscheduler(0);

	t->policy = (uint8_t)(policy < 0 ? SCHED_OTHER : policy & ~SCHED_RESET_ON_FORK);
	if (!rpl_is_rt(t->policy))
		return;
	if (!sched_getparam(0, &has))
		t->rt_prio = (uint8_t)has.sched_priority;
	atomic_store(&t->rt, true);
	if (atomic_load(&t->run->rt_ended)) {
		rpl_end_real_time(t);
		t->policy = SCHED_OTHER;
	}
}

/* A slice other than the kernel gives here was asked for, where the recording is of this machine. */
static void find_slice(struct rthread *t)
{
	struct attr now = { 0 };

	if (t->p->slice_ns && t->run->cfg.keep_affinity && !rpl_is_rt(t->policy) &&
	    !syscall(SYS_sched_getattr, 0, &now, sizeof(now), 0) && now.runtime && now.runtime != t->p->slice_ns)
		t->slice_ns = t->p->slice_ns;
}

void rpl_change_group(struct rthread *t, uint32_t group)
{
	const struct rpl_groups *g = t->run->cfg.groups;
	uint64_t from;
	int fd;

	if (!g)
		return;
	if (group >= g->n)
		group = SR_ATTR_NONE;
	if (group == t->control)
		return;
	from = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	fd = group == SR_ATTR_NONE ? g->home : g->move[group];
	if (fd >= 0 && write(fd, "0", 1) == 1) {
		t->control = group;
		t->counts.groups_entered++;
	} else {
		t->counts.groups_refused++;
	}
	rpl_not_work(t, clock_ns(CLOCK_THREAD_CPUTIME_ID) - from);
}

void rpl_set_up_identity(struct rthread *t)
{
	const struct sr_program *p = t->p;

	atomic_store(&t->tid, (int)syscall(SYS_gettid));
	if (p->parent == UINT32_MAX) {
		prctl(PR_SET_NAME, p->comm);
		t->nice = (int8_t)getpriority(PRIO_PROCESS, 0);
	}
	rpl_change_group(t, p->group); /* before its class: a group may have no real time */
	take_inherited_class(t);
	set_up_affinity(t);
	find_slice(t);
	set_class(t, p->policy, p->rt_prio);
	if (t->slice_ns && !rpl_is_rt(t->policy) && set_attr(t, t->policy, 0) < 0)
		refuse(t, t->policy);
	rpl_change_nice(t, p->nice);
}

/* ---- the kernel's exec balancing ---- */

static const char no_program[] = "schedrec: this is no program\n";
static const char no_program_name[] = "no-program";
static const char *const no_program_args[] = { no_program_name,
					       NULL }; /* the kernel's log tells of programs without any */

static int try_exec(int fd)
{
	syscall(SYS_execveat, fd, "", no_program_args, NULL, AT_EMPTY_PATH);
	return errno;
}

/* A file that the kernel will not execute. */
static int open_no_program(void)
{
	char path[64];
	int fd = memfd_create(no_program_name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC), ro = -1;

	if (fd < 0 && errno == EINVAL) /* a kernel that does not know MFD_EXEC */
		fd = memfd_create(no_program_name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, no_program, sizeof(no_program) - 1) == sizeof(no_program) - 1 &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		ro = open(path, O_RDONLY | O_CLOEXEC); /* what is open for writing is not executed */
	close(fd);
	return ro;
}

/* Tried in a child first: a machine on which it is a program after all must not lose the replay. */
static bool is_refused_as_program(int fd)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(try_exec(fd) == ENOEXEC ? 0 : 1);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return pid > 0 && status == 0;
}

static bool has_exec(const struct sr_model *m)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++)
			if (m->tasks[i].ops[k].kind == SR_OP_EXEC)
				return true;
	return false;
}

#define EXEC_TRIES 15
#define EXEC_MEDIAN 7

void rpl_exec_start(struct rpl_run *run)
{
	uint64_t cost[EXEC_TRIES];
	int i, k;

	run->exec_fd = -1;
	if (run->cfg.policy->pins || !has_exec(run->m))
		return;
	run->exec_fd = open_no_program();
	if (run->exec_fd < 0)
		return;
	if (!is_refused_as_program(run->exec_fd)) {
		rpl_exec_stop(run);
		return;
	}
	for (i = 0; i < EXEC_TRIES; i++) {
		uint64_t from = clock_ns(CLOCK_THREAD_CPUTIME_ID), ns;

		try_exec(run->exec_fd);
		ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from;
		for (k = i; k > 0 && cost[k - 1] > ns; k--)
			cost[k] = cost[k - 1];
		cost[k] = ns;
	}
	run->costs.exec_ns = (double)cost[EXEC_MEDIAN];
}

void rpl_exec_stop(struct rpl_run *run)
{
	if (run->exec_fd >= 0)
		close(run->exec_fd);
	run->exec_fd = -1;
}

/*
 * An exec is where the kernel looks for the idlest CPU, for its memory is about to be new. It does so before it looks
 * at the program, so that one which it refuses (ENOEXEC) moves the thread and changes nothing else.
 */
void rpl_exec(struct rthread *t)
{
	struct rpl_run *run = t->run;

	rpl_place_exec(t);
	if (run->cfg.policy->pins)
		return;
	/* While threads share their fs_struct, none of them can be created as long as one is at this. */
	if (run->exec_fd < 0 || unshare(CLONE_FS) < 0 || try_exec(run->exec_fd) != ENOEXEC) {
		t->counts.exec_unbalanced++;
		return;
	}
	t->counts.exec_balanced++;
	if (run->cfg.work == RPL_WORK_INSTRUCTIONS)
		t->owed_loops -= run->costs.exec_ns * run->costs.loops_per_ns;
	rpl_slept(t);
}
