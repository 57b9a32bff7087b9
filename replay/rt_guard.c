/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog over real-time threads, also those of a replay's processes: a replay must not lock the machine up. It
 * runs above them all (FIFO 99), looks ten times a second, and makes all of them normal for the rest of the run when
 *   - one has used the CPU for rt_limit_ns without a pause, or
 *   - the replay's own normal thread, which looks every LOOK_NS, is late by so long.
 * Should even the watchdog not run, RLIMIT_RTTIME ends the process after twice that time: processes inherit it. The
 * kernel's own limit (kernel.sched_rt_runtime_us) stays as it is, and DEADLINE threads are kept within it by the kernel's
 * admission.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "replay/engine_internal.h"

#define PERIOD_NS 100000000u
/* Of a period's time: the kernel stops real time for 50 ms in each second. */
#define BUSY_SHARE 0.4

/* Linux: the CPU clock of a thread of this process, or of all threads of any process; 0: it is gone. */
static uint64_t clock_of(int id, bool process)
{
	struct timespec ts;

	if (clock_gettime((clockid_t)(~(unsigned)id << 3 | (process ? 2 : 6)), &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The CPU time of a thread of another process, which has no clock that could be read here. 0: it cannot be seen. */
static uint64_t cpu_time_of(int tid)
{
	char path[40], text[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

/* Was it on a CPU since the look that left this reading (0: there was none)? Reads anew. */
static bool was_busy(uint64_t *last_ns, uint64_t now_ns, uint64_t period_ns)
{
	bool busy = now_ns && *last_ns && (double)(now_ns - *last_ns) > BUSY_SHARE * (double)period_ns;

	*last_ns = now_ns;
	return busy;
}

static bool is_busy(struct rthread *t, uint64_t period_ns)
{
	const struct rpl_run *run = t->run;
	uint64_t thread_ns;

	if (!run->procs)
		return was_busy(&t->guard_cpu_ns, clock_of(atomic_load(&t->tid), false), period_ns);
	/* Where its process is not busy it is not either: that costs less than a look at /proc. */
	if (!was_busy(&t->guard_process_ns, clock_of(atomic_load(&run->procs[t->group].pid), true), period_ns)) {
		t->guard_cpu_ns = 0;
		return false;
	}
	thread_ns = cpu_time_of(atomic_load(&t->tid));
	return !thread_ns || was_busy(&t->guard_cpu_ns, thread_ns, period_ns);
}

static bool busy_too_long(struct rthread *t, uint64_t period_ns, uint64_t limit_ns)
{
	t->guard_busy_ns = is_busy(t, period_ns) ? t->guard_busy_ns + period_ns : 0;
	return t->guard_busy_ns > limit_ns;
}

static void end_all(struct rpl_run *run)
{
	size_t i;

	atomic_store(&run->rt_ended, true);
	for (i = 0; i < run->m->ntasks; i++)
		if (atomic_load(&run->threads[i].rt)) {
			rpl_end_real_time(&run->threads[i]);
			atomic_fetch_add(&run->rt_demoted, 1);
		}
}

static bool too_long(struct rpl_run *run, uint64_t now_ns, uint64_t period_ns)
{
	uint64_t limit_ns = run->cfg.rt_limit_ns, looked_ns = atomic_load(&run->looked_ns);
	bool any = false, bad = false;
	size_t i;

	for (i = 0; i < run->m->ntasks; i++) {
		if (!atomic_load(&run->threads[i].rt))
			continue;
		any = true;
		bad |= busy_too_long(&run->threads[i], period_ns, limit_ns);
	}
	return bad || (any && looked_ns && now_ns > looked_ns + LOOK_NS + limit_ns);
}

static void *guard_main(void *arg)
{
	struct rpl_run *run = arg;
	uint64_t last_ns = mono_ns();

	while (!atomic_load(&run->guard_over) && !atomic_load(&run->rt_ended)) {
		uint64_t now_ns;

		rpl_futex_wait(run, &run->guard_over, 0, BIT_OWNER, mono_ns() + PERIOD_NS);
		now_ns = mono_ns();
		/* The process was stopped and goes on: nobody could look. */
		if (now_ns - last_ns > 3 * (uint64_t)PERIOD_NS)
			atomic_store(&run->looked_ns, 0);
		else if (too_long(run, now_ns, now_ns - last_ns))
			end_all(run);
		last_ns = now_ns;
	}
	return NULL;
}

static bool has_real_time(const struct sr_model *m)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++) {
		if (rpl_is_rt(m->tasks[i].policy))
			return true;
		for (k = 0; k < m->tasks[i].nops; k++)
			if (m->tasks[i].ops[k].kind == SR_OP_CLASS && rpl_is_rt(m->tasks[i].ops[k].flags))
				return true;
	}
	return false;
}

static void limit_rt_time(struct rpl_run *run)
{
	uint64_t us = run->cfg.rt_limit_ns / 500 + 1000000;
	struct rlimit r;

	if (getrlimit(RLIMIT_RTTIME, &run->old_rttime) < 0)
		return;
	r = run->old_rttime;
	if (us < r.rlim_cur) {
		r.rlim_cur = us;
		run->rttime_set = !setrlimit(RLIMIT_RTTIME, &r);
	}
}

void rpl_guard_start(struct rpl_run *run)
{
	struct sched_param above = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };
	pthread_attr_t attr;

	if (!run->cfg.allow_rt)
		return;
	/* Without a watchdog there is no real time: it is refused to each task, and counted. */
	run->cfg.allow_rt = false;
	if (!has_real_time(run->m) || pthread_attr_init(&attr))
		return;
	if (!pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED) &&
	    !pthread_attr_setschedpolicy(&attr, SCHED_FIFO) && !pthread_attr_setschedparam(&attr, &above))
		run->guard_runs = !pthread_create(&run->guard, &attr, guard_main, run);
	pthread_attr_destroy(&attr);
	run->cfg.allow_rt = run->guard_runs;
	if (run->guard_runs)
		limit_rt_time(run);
}

void rpl_guard_stop(struct rpl_run *run)
{
	if (!run->guard_runs)
		return;
	atomic_store(&run->guard_over, 1);
	rpl_futex_wake(run, &run->guard_over, 1, BIT_OWNER);
	pthread_join(run->guard, NULL);
	run->guard_runs = false;
	if (run->rttime_set)
		setrlimit(RLIMIT_RTTIME, &run->old_rttime);
}
