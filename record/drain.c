/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Draining: on a timer, never woken by an event, so that the recorder disturbs little. Each pass reads every cpu's
 * ring until it is empty. What is older than the beginning of the pass before is complete on all cpus (a cpu may stand
 * still between taking an event's time and writing it, but hardly for a whole interval) and is handed on in order.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "record/internal.h"

#define LEAST_INTERVAL_NS 5000000u
#define MOST_INTERVAL_NS 100000000u
#define FILL_SHARE 4 /* a pass should come when the fullest ring is a quarter full */
#define BURST_BYTES_PER_MS \
	40000u /* and before a quiet cpu that begins to switch 600,000 times a second has filled half */

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int rec_cpu_lost(const struct rec_cpu *c, uint64_t *lost)
{
	static const char *const counted[] = { "\noverrun: ", "\ncommit overrun: ", "\ndropped events: " };
	char text[1024];
	ssize_t n = pread(c->stats_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return -1;
	text[n] = '\0';
	*lost = 0;
	for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++) {
		const char *at = strstr(text, counted[i]);

		if (at)
			*lost += strtoull(at + strlen(counted[i]), NULL, 10);
	}
	return 0;
}

/* One sub-buffer into s->page: its length, 0 when the ring is empty, -1. */
static ssize_t read_page(struct rec_session *s, const struct rec_cpu *c, struct sr_error *err)
{
	for (;;) {
		ssize_t n = read(c->raw_fd, s->page, s->page_size);

		if (n >= 0)
			return n;
		/* ENODEV: a cpu that has not been online since the instance was made; it gets a buffer when it comes. */
		if (errno == EAGAIN || errno == ENODEV)
			return 0;
		if (errno != EINTR)
			return sr_fail_errno(err, SR_ENVIRONMENT, "reading the trace buffer of CPU %u", c->cpu);
	}
}

int rec_discard(struct rec_session *s, void (*found)(void *arg, const uint8_t *data, size_t len), void *arg,
		struct sr_error *err)
{
	for (size_t i = 0; i < s->ncpus; i++) {
		ssize_t n;

		while ((n = read_page(s, &s->cpus[i], err)) > 0) {
			struct rec_page page;
			const uint8_t *data;
			uint64_t time;
			size_t len;

			if (!found || rec_page_init(&page, s->page, (size_t)n, s->formats.commit_size))
				continue;
			while (rec_page_next(&page, &data, &len, &time) == 1)
				found(arg, data, len);
		}
		if (n < 0)
			return -1;
	}
	return 0;
}

static int take_page(struct rec_session *s, struct rec_cpu *c, size_t bytes, uint64_t *first_ns, uint64_t *data_bytes,
		     struct sr_error *err)
{
	struct rec_merge *m = &s->merge;
	struct rec_item item;
	struct rec_page page;
	const uint8_t *data;
	uint64_t time;
	size_t len;
	int r;

	if (rec_page_init(&page, s->page, bytes, s->formats.commit_size))
		return rec_merge_lost(m, c->cpu, m->q[c->cpu].last_ns, 0, err);
	*first_ns = page.time_ns;
	*data_bytes += (uint64_t)(page.end - page.at);
	if (page.missed) {
		c->told_lost += page.missed_n;
		if (rec_merge_lost(m, c->cpu, page.time_ns, page.missed_n, err))
			return -1;
		if (!page.missed_n)
			c->untold = m->q[c->cpu].n;
	}
	while ((r = rec_page_next(&page, &data, &len, &time)) == 1) {
		r = rec_decode(&s->formats, &m->names, data, len, time, c->cpu, &item);
		if (r > 0 ? rec_merge_queue(m, c->cpu, &item, err) : r < 0 && rec_merge_lost(m, c->cpu, time, 1, err))
			return -1;
	}
	return r < 0 ? rec_merge_lost(m, c->cpu, page.time_ns, 0, err) : 0;
}

/* A full sub-buffer has no room for the number of events lost before it. The ring is empty now, so the kernel's count
 * has grown by just that since the last one told (with several such places in a pass, by their sum: it goes to the
 * last, and the others stay unknown). */
static void tell_loss(struct rec_session *s, struct rec_cpu *c)
{
	struct rec_queue *q = &s->merge.q[c->cpu];
	uint64_t lost;

	if (rec_cpu_lost(c, &lost) || lost - c->base_lost <= c->told_lost)
		return;
	q->v[(q->head + c->untold - 1) & (q->cap - 1)].ev.u.lost.count = lost - c->base_lost - c->told_lost;
	c->told_lost = lost - c->base_lost;
}

/* Reads one cpu until it is empty, or up to events that are newer than until_ns. */
static int drain_cpu(struct rec_session *s, struct rec_cpu *c, uint64_t until_ns, uint64_t *bytes, struct sr_error *err)
{
	uint64_t pages = 2 * s->buffer_bytes / s->page_size + 16, first_ns = 0;
	ssize_t n = 0;

	*bytes = 0;
	c->untold = 0;
	while (pages-- && first_ns <= until_ns && (n = read_page(s, c, err)) > 0)
		if (take_page(s, c, (size_t)n, &first_ns, bytes, err))
			return -1;
	if (n == 0 && c->untold)
		tell_loss(s, c);
	s->stats.bytes_read += *bytes;
	return n < 0 ? -1 : 0;
}

static int drain_all(struct rec_session *s, uint64_t until_ns, uint64_t *most, struct sr_error *err)
{
	uint64_t bytes;

	*most = 0;
	for (size_t i = 0; i < s->ncpus; i++) {
		if (drain_cpu(s, &s->cpus[i], until_ns, &bytes, err))
			return -1;
		if (bytes > *most)
			*most = bytes;
	}
	return 0;
}

static void note_stats(struct rec_session *s, uint64_t cpu_before_ns)
{
	const struct rec_merge *m = &s->merge;

	s->stats.events = m->events;
	s->stats.lost = m->lost;
	s->stats.lost_places = m->lost_places;
	s->stats.late = m->late;
	s->stats.first_ns = m->first_ns;
	s->stats.last_ns = m->released_ns;
	s->stats.cpu_ns += thread_cpu_ns() - cpu_before_ns;
}

int rec_drain(struct rec_session *s, struct sr_error *err)
{
	uint64_t cpu_before = thread_cpu_ns(), now = rec_now_ns(), most, elapsed, interval;
	int rc;

	if (!s->running || s->failed)
		return 0;
	rc = drain_all(s, now, &most, err);
	if (!rc)
		rc = rec_merge_emit(&s->merge, s->horizon_ns, err);
	elapsed = now - s->drained_ns;
	interval = s->buffer_bytes / 2 * 1000000u / BURST_BYTES_PER_MS;
	if (most && elapsed * (s->buffer_bytes / FILL_SHARE) / most < interval)
		interval = elapsed * (s->buffer_bytes / FILL_SHARE) / most;
	s->interval_ns = interval < LEAST_INTERVAL_NS ? LEAST_INTERVAL_NS :
			 interval > MOST_INTERVAL_NS  ? MOST_INTERVAL_NS :
							interval;
	s->horizon_ns = s->drained_ns = now;
	s->failed = rc != 0;
	note_stats(s, cpu_before);
	return rc;
}

/* What the kernel counted as lost and no sub-buffer told. */
static int settle_losses(struct rec_session *s, struct sr_error *err)
{
	uint64_t now = rec_now_ns(), lost;

	for (size_t i = 0; i < s->ncpus; i++) {
		struct rec_cpu *c = &s->cpus[i];

		if (rec_cpu_lost(c, &lost) || lost - c->base_lost <= c->told_lost)
			continue;
		if (rec_merge_lost(&s->merge, c->cpu, now, lost - c->base_lost - c->told_lost, err))
			return -1;
	}
	return 0;
}

int rec_end(struct rec_session *s, struct sr_error *err)
{
	uint64_t cpu_before = thread_cpu_ns(), most;
	int rc;

	if (!s->running)
		return 0;
	s->running = false;
	if (rec_write_text(s->on_fd, "0"))
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: tracing_on");
	if (s->failed)
		return 0;
	rc = drain_all(s, UINT64_MAX, &most, err) || settle_losses(s, err) ||
			     rec_merge_emit(&s->merge, UINT64_MAX, err) ?
		     -1 :
		     0;
	s->failed = rc != 0;
	note_stats(s, cpu_before);
	return rc;
}

void rec_raise_priority(struct rec_session *s)
{
	rec_janitor_raise(&s->janitor, gettid());
}

/* ---- the draining thread ---- */

static void wait_interval(struct rec_session *s)
{
	struct timespec t;
	uint64_t at = s->interval_ns;

	clock_gettime(CLOCK_MONOTONIC, &t); /* the condition's clock */
	at += (uint64_t)t.tv_nsec;
	t.tv_sec += (time_t)(at / 1000000000u);
	t.tv_nsec = (long)(at % 1000000000u);
	pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

static void *thread_main(void *arg)
{
	struct rec_session *s = arg;

	prctl(PR_SET_NAME, "schedrec-drain");
	rec_raise_priority(s);
	pthread_mutex_lock(&s->lock);
	s->thread_tid = gettid();
	pthread_cond_broadcast(&s->wake);
	while (!s->thread_quit) {
		if (!s->thread_drain) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		if (!s->thread_status)
			s->thread_status = rec_drain(s, &s->thread_error);
		wait_interval(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int rec_thread_prepare(struct rec_session *s, struct sr_error *err)
{
	sigset_t all, old;
	int rc;

	if (s->thread_alive)
		return 0;
	s->thread_quit = s->thread_drain = false;
	s->thread_tid = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for the caller's threads */
	rc = pthread_create(&s->thread, NULL, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		errno = rc;
		return sr_fail_errno(err, SR_ENVIRONMENT, "a thread");
	}
	s->thread_alive = true;
	pthread_mutex_lock(&s->lock);
	while (!s->thread_tid)
		pthread_cond_wait(&s->wake, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void thread_set(struct rec_session *s, bool *what, bool value)
{
	pthread_mutex_lock(&s->lock);
	*what = value;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

int rec_thread_start(struct rec_session *s, struct sr_error *err)
{
	if (rec_thread_prepare(s, err))
		return -1;
	s->thread_status = 0;
	thread_set(s, &s->thread_drain, true);
	return 0;
}

int rec_thread_stop(struct rec_session *s, struct sr_error *err)
{
	if (!s->thread_alive || !s->thread_drain)
		return 0;
	thread_set(s, &s->thread_drain, false);
	if (!s->thread_status)
		return 0;
	s->thread_status = 0;
	*err = s->thread_error;
	return -1;
}

int rec_thread_finish(struct rec_session *s, struct sr_error *err)
{
	int rc = rec_thread_stop(s, err);

	if (!s->thread_alive)
		return rc;
	thread_set(s, &s->thread_quit, true);
	pthread_join(s->thread, NULL);
	s->thread_alive = false;
	return rc;
}
