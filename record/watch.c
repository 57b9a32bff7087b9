/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The class in which a pass of draining runs, and the watch over it.
 *
 * Between passes the draining thread has nice -20, so that it comes on time; a pass is in the idle class. Where all
 * cpus are busy it may not get on at all, and nice -20 is worth little beside other sessions' tasks, for autogroups and
 * cpu cgroups share by group. So the watch is a real-time thread. When a ring is half full, or a pass has waited long
 * enough, it makes the draining thread one until the end of that pass.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "record/internal.h"

#define MOST_TICK_NS 100000000u
#define PATIENCE_NS 500000000u
#define HURRY_SHARE 2
/* Half of a smaller ring is full before a thread that waits in the idle class is back: 256 KiB lost a tenth of the
 * events of 800 tasks on two busy cpus, and nothing without the class. */
#define LEAST_IDLE_BYTES (1ull << 20)

void rec_timed_wait(pthread_cond_t *wake, pthread_mutex_t *lock, uint64_t ns)
{
	uint64_t at = rec_now_ns() + ns;
	struct timespec t = { (time_t)(at / 1000000000u), (long)(at % 1000000000u) };

	pthread_cond_timedwait(wake, lock, &t);
}

int rec_thread_create(pthread_t *thread, void *(*run)(void *), void *arg, struct sr_error *err)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return error ? sr_fail_errno(err, SR_ENVIRONMENT, "a thread") : 0;
}

static int set_class(pid_t tid, int policy)
{
	struct sched_param p = { .sched_priority = policy == SCHED_RR };

	return sched_setscheduler(tid, policy, &p);
}

/* To the normal class. Out of the idle class that needs a privilege: it was given up unless root itself is the user. */
static bool come_back(struct rec_session *s, pid_t tid)
{
	return !set_class(tid, SCHED_OTHER) || rec_janitor_raise(&s->janitor, tid, false);
}

bool rec_raise_priority(struct rec_session *s)
{
	return rec_janitor_raise(&s->janitor, gettid(), false);
}

void rec_pass_begins(struct rec_session *s, uint64_t now)
{
	atomic_store(&s->pass_tid, gettid());
	if (!s->may_idle || s->buffer_bytes < LEAST_IDLE_BYTES || atomic_load(&s->hurry) || atomic_load(&s->urgent))
		return;
	atomic_store(&s->pass_since_ns, now); /* first: from here on the watch looks */
	set_class(0, SCHED_IDLE);
}

void rec_pass_ends(struct rec_session *s)
{
	bool urgent = atomic_exchange(&s->urgent, false);

	if (!urgent && !atomic_load(&s->pass_since_ns))
		return;
	s->may_idle = come_back(s, gettid());
	atomic_store(&s->pass_since_ns, 0);
}

void rec_hurry(struct rec_session *s, bool on)
{
	atomic_store(&s->hurry, on);
	if (on && atomic_load(&s->pass_since_ns))
		come_back(s, atomic_load(&s->pass_tid));
}

static void urge(struct rec_session *s)
{
	pid_t tid = atomic_load(&s->pass_tid);

	if (!tid || atomic_exchange(&s->urgent, true))
		return;
	if (set_class(tid, SCHED_RR) && !rec_janitor_raise(&s->janitor, tid, true))
		come_back(s, tid); /* real-time may not be */
}

static bool filling(const struct rec_session *s)
{
	static const char *const unread[] = { "\nbytes: " };
	uint64_t bytes;

	for (size_t i = 0; i < s->ncpus; i++)
		if (!rec_cpu_stats(&s->cpus[i], unread, 1, &bytes) && bytes > s->buffer_bytes / HURRY_SHARE)
			return true;
	return false;
}

/* In half the time in which a burst fills half a ring. */
static uint64_t tick_ns(const struct rec_session *s)
{
	uint64_t tick = s->buffer_bytes / 4 * 1000000u / REC_BURST_BYTES_PER_MS;

	return tick < MOST_TICK_NS ? tick : MOST_TICK_NS;
}

static void *watch_main(void *arg)
{
	struct rec_session *s = arg;
	uint64_t since;

	prctl(PR_SET_NAME, "schedrec-watch");
	s->may_idle = rec_raise_priority(s);
	if (set_class(0, SCHED_RR))
		rec_janitor_raise(&s->janitor, gettid(), true);
	pthread_mutex_lock(&s->watch_lock);
	s->watch_tid = gettid();
	pthread_cond_broadcast(&s->watch_wake);
	while (!s->watch_quit) {
		rec_timed_wait(&s->watch_wake, &s->watch_lock, tick_ns(s));
		since = atomic_load(&s->pass_since_ns);
		if ((since && rec_now_ns() - since > PATIENCE_NS) || filling(s))
			urge(s);
	}
	pthread_mutex_unlock(&s->watch_lock);
	return NULL;
}

int rec_watch_start(struct rec_session *s, struct sr_error *err)
{
	if (s->watch_alive)
		return 0;
	s->watch_quit = false;
	s->watch_tid = 0;
	if (rec_thread_create(&s->watch, watch_main, s, err))
		return -1;
	s->watch_alive = true;
	pthread_mutex_lock(&s->watch_lock);
	while (!s->watch_tid)
		pthread_cond_wait(&s->watch_wake, &s->watch_lock);
	pthread_mutex_unlock(&s->watch_lock);
	return 0;
}

void rec_watch_stop(struct rec_session *s)
{
	if (!s->watch_alive)
		return;
	pthread_mutex_lock(&s->watch_lock);
	s->watch_quit = true;
	pthread_cond_broadcast(&s->watch_wake);
	pthread_mutex_unlock(&s->watch_lock);
	pthread_join(s->watch, NULL);
	s->watch_alive = s->may_idle = false;
}
