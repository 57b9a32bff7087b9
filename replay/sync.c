/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wakes by which the waker says that it is about to sleep (WF_SYNC): the kernel's pipes and sockets, and an exit towards its
 * parent, wake in this way. Where no CPU is idle the woken task then comes to the waker's CPU, not back to its own (Linux 6.18,
 * wake_affine_idle() in kernel/sched/fair.c). A futex does not, so whose wakes come from other processes sleeps in a pipe here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "replay/engine_internal.h"

#define OTHERS 64 /* descriptors that schedrec needs beside those */

/* Who does less from one sleep to the next: a pipe here, which takes longer than a futex, would be more than all its work. */
#define LEAST_BURST_NS 14000u

static bool needs_pipe(const struct sr_program *p)
{
	uint64_t slept = 0;
	bool sync = false;

	for (size_t i = 0; i < p->nwaits; i++)
		sync |= p->waits[i].sync;
	for (size_t i = 0; sync && i < p->nops; i++)
		slept += sr_op_rested(&p->ops[i]);
	return sync && p->cpu_ns >= slept * LEAST_BURST_NS;
}

/* A loop or worker sleeps in one place, whoever may ring. */
static bool mostly_sync(const struct sr_program *p)
{
	size_t sync = 0, all = 0;

	for (size_t i = 0; i < p->nwaits; i++) {
		all += p->waits[i].waker != UINT32_MAX;
		sync += p->waits[i].sync;
	}
	return sync * 2 > all;
}

/* The soft limit is mostly 1,024. tasks: that may need a pipe. */
static void raise_limit(size_t tasks)
{
	struct rlimit l;
	rlim_t need = 2 * tasks + OTHERS;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= need)
		return;
	l.rlim_cur = l.rlim_max < need ? l.rlim_max : need;
	setrlimit(RLIMIT_NOFILE, &l);
}

void rpl_sync_start(struct rpl_run *run)
{
	run->has_pipes = true;
	for (size_t i = 0, n = 0; i < run->m->ntasks; i++) {
		struct rthread *t = &run->threads[i];

		if (!needs_pipe(t->p))
			continue;
		if (!n++)
			raise_limit(run->m->ntasks);
		if (pipe2(t->pipe, O_CLOEXEC) < 0) {
			t->pipe[0] = t->pipe[1] = -1;
			run->counts.sync_refused++;
		} else {
			/* More bytes than one are of no use to anybody: who writes never waits. */
			fcntl(t->pipe[1], F_SETFL, O_NONBLOCK);
			t->bell_sync = mostly_sync(t->p);
		}
	}
}

void rpl_sync_stop(struct rpl_run *run)
{
	for (size_t i = 0; run->has_pipes && i < run->m->ntasks; i++)
		for (int end = 0; end < 2; end++)
			if (run->threads[i].pipe[end] >= 0)
				close(run->threads[i].pipe[end]);
}

void rpl_sync_wake(struct rthread *t)
{
	ssize_t n = write(t->pipe[1], "", 1);

	(void)n;
}

/* Also when a signal came, or a byte that was left: who sleeps looks at its word. */
bool rpl_sync_wait(struct rthread *t, _Atomic uint32_t *word, uint32_t v, uint64_t until_ns)
{
	bool slept = atomic_load(word) == v;
	struct pollfd in = { .fd = t->pipe[0], .events = POLLIN };
	uint64_t now = until_ns ? mono_ns() : 0, left = until_ns > now ? until_ns - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u) };
	char byte;

	if ((!until_ns || ppoll(&in, 1, &ts, NULL) > 0) && read(t->pipe[0], &byte, 1) < 0 && errno != EINTR)
		rpl_futex_wait(t->run, word, v, BIT_OWNER, mono_ns() + LOOK_NS);
	return slept;
}
