/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one traced event costs here: two threads on one cpu wake each other by futex (two switches, two wakings, two
 * wakeups a round), with the three events switched off and on in turn, and the difference is divided by the events that
 * were really written. What is compared is the time that an eighth of the plays stay below: other programs disturb the
 * rest. About 20 ms on an idle machine.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record/internal.h"

enum { ROUNDS = 20, PLAYS = 16, BLOCKS = 8, SAMPLES = PLAYS * BLOCKS / 2, QUIET = SAMPLES / 8 };
#define OUR_COMM "schedrec-cost"

struct pair {
	_Atomic uint32_t ball; /* 0: mine, 1: the other's, 2: the end */
	int cpu;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void pin(int cpu)
{
	cpu_set_t *set = CPU_ALLOC(SR_MAX_CPUS);
	size_t size = CPU_ALLOC_SIZE(SR_MAX_CPUS);

	if (!set)
		return;
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	sched_setaffinity(0, size, set);
	CPU_FREE(set);
}

static void *other_main(void *arg)
{
	struct pair *p = arg;
	uint32_t ball;

	prctl(PR_SET_NAME, OUR_COMM);
	pin(p->cpu);
	while ((ball = atomic_load(&p->ball)) != 2) {
		if (ball == 1) {
			atomic_store(&p->ball, 0);
			futex_wake(&p->ball);
		} else {
			futex_wait(&p->ball, 0);
		}
	}
	return NULL;
}

static uint64_t play(struct pair *p)
{
	uint64_t start = rec_now_ns();

	for (int i = 0; i < ROUNDS; i++) {
		atomic_store(&p->ball, 1);
		futex_wake(&p->ball);
		while (atomic_load(&p->ball) == 1)
			futex_wait(&p->ball, 1);
	}
	return rec_now_ns() - start;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

struct measure {
	struct rec_session *s;
	struct pair pair;
	uint64_t with[SAMPLES], without[SAMPLES], events;
	size_t nwith, nwithout;
	int rc;
	struct sr_error *err;
};

static int switch_events(struct rec_session *s, const char *on)
{
	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++)
		if (s->enable_fd[kind] >= 0 && rec_write_text(s->enable_fd[kind], on))
			return -1;
	return rec_write_text(s->on_fd, on);
}

/* Other tasks' events are not counted: their time is not in the measure. */
static void count_event(void *arg, const uint8_t *data, size_t len)
{
	struct measure *m = arg;
	struct rec_names *names = &m->s->merge.names;
	uint32_t ours = rec_names_put(names, OUR_COMM, strlen(OUR_COMM));
	struct rec_item item;

	if (rec_decode(&m->s->formats, names, data, len, 0, 0, &item) == 1)
		m->events += item.comm_a == ours || item.comm_b == ours;
}

/* A thread of its own, so that the caller's affinity stays what it is. */
static void *measure_main(void *arg)
{
	struct measure *m = arg;
	pthread_t other;

	prctl(PR_SET_NAME, OUR_COMM);
	m->pair.cpu = sched_getcpu();
	pin(m->pair.cpu);
	m->rc = pthread_create(&other, NULL, other_main, &m->pair);
	if (m->rc) {
		errno = m->rc;
		m->rc = sr_fail_errno(m->err, SR_ENVIRONMENT, "a thread");
		return NULL;
	}
	play(&m->pair);
	for (int block = 0; block < BLOCKS; block++) {
		bool on = ((block + 1) / 2) & 1; /* off on on off off on on off: switching on takes long */

		if ((block == 0 || block & 1) && switch_events(m->s, on ? "1" : "0")) {
			m->rc = sr_fail_errno(m->err, SR_ENVIRONMENT, "tracefs: events cannot be switched");
			break;
		}
		for (int i = 0; i < PLAYS; i++)
			*(on ? &m->with[m->nwith++] : &m->without[m->nwithout++]) = play(&m->pair);
		if (on && rec_discard(m->s, count_event, m, m->err)) {
			m->rc = -1;
			break;
		}
	}
	atomic_store(&m->pair.ball, 2);
	futex_wake(&m->pair.ball);
	pthread_join(other, NULL);
	return NULL;
}

int rec_calibrate(struct rec_session *s, uint64_t *tracepoint_ns, struct sr_error *err)
{
	struct measure m = { .s = s, .err = err };
	uint64_t with, without;
	pthread_t thread;

	*tracepoint_ns = 0;
	if (s->running)
		return sr_fail(err, SR_BUG, "rec_calibrate: a recording is running");
	if (s->filtered && rec_janitor_clear_filter(&s->janitor, err))
		return -1;
	errno = pthread_create(&thread, NULL, measure_main, &m);
	if (errno)
		return sr_fail_errno(err, SR_ENVIRONMENT, "a thread");
	pthread_join(thread, NULL);
	if (switch_events(s, "1") || rec_write_text(s->on_fd, "0"))
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: events cannot be switched");
	if (m.rc || rec_discard(s, NULL, NULL, err))
		return -1;
	qsort(m.with, SAMPLES, sizeof(*m.with), by_value);
	qsort(m.without, SAMPLES, sizeof(*m.without), by_value);
	with = m.with[QUIET];
	without = m.without[QUIET];
	if (m.events && with > without)
		*tracepoint_ns = (with - without) * SAMPLES / m.events;
	return 0;
}
