/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Draining: on a timer, never woken by an event, and in the idle scheduling class, so that the recorder disturbs little: it
 * runs where a cpu has nothing else to do. The watch looks at a pass that takes long, and when a ring is half full
 * (or patience ends), gives it a class in which it gets through. Each pass reads what there is; what is older
 * than HOLD_NS is complete on all cpus (a cpu may stand still between taking an event's time and writing it, but
 * hardly for so long), and goes on in order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "record/internal.h"

#define LEAST_INTERVAL_NS 5000000u
#define MOST_INTERVAL_NS 100000000u
#define HOLD_NS 25000000u
#define FILL_SHARE 4      /* a pass should come when the fullest ring is a quarter full */
#define ROUND_EVENTS 8192 /* of each cpu, then they are merged while they are in the cache */

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int rec_cpu_stats(const struct rec_cpu *c, const char *const *lines, size_t n, uint64_t *sum)
{
	char text[1024];
	ssize_t len = pread(c->stats_fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return -1;
	text[len] = '\0';
	*sum = 0;
	for (size_t i = 0; i < n; i++) {
		const char *at = strstr(text, lines[i]);

		if (at)
			*sum += strtoull(at + strlen(lines[i]), NULL, 10);
	}
	return 0;
}

int rec_cpu_lost(const struct rec_cpu *c, uint64_t *lost)
{
	static const char *const counted[] = { "\noverrun: ", "\ncommit overrun: ", "\ndropped events: " };

	return rec_cpu_stats(c, counted, 3, lost);
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

/* In one pass, for events may come faster than they are read. */
static uint64_t most_pages(const struct rec_session *s)
{
	return 2 * s->buffer_bytes / s->page_size + 16;
}

int rec_discard(struct rec_session *s, void (*found)(void *arg, const uint8_t *data, size_t len), void *arg,
		struct sr_error *err)
{
	for (size_t i = 0; i < s->ncpus; i++) {
		uint64_t pages = most_pages(s);
		ssize_t n = 0;

		while (pages-- && (n = read_page(s, &s->cpus[i], err)) > 0) {
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

/* A full sub-buffer has no room for the number of events lost before it: then it is what the kernel's count has grown by,
 * for the kernel counts at a cpu's every loss and this is the first event after the last. */
static int tell_loss(struct rec_session *s, struct rec_cpu *c, const struct rec_page *page, struct sr_error *err)
{
	uint64_t count = page->missed_n, lost;

	if (!count && !rec_cpu_lost(c, &lost) && lost - c->base_lost > c->told_lost)
		count = lost - c->base_lost - c->told_lost;
	c->told_lost += count;
	return rec_merge_lost(&s->merge, c->cpu, page->time_ns, count, err);
}

static int take_page(struct rec_session *s, struct rec_cpu *c, size_t bytes, struct sr_error *err)
{
	struct rec_merge *m = &s->merge;
	struct rec_item *item;
	struct rec_page page;
	const uint8_t *data;
	uint64_t time;
	size_t len;
	int r;

	if (rec_page_init(&page, s->page, bytes, s->formats.commit_size))
		return rec_merge_lost(m, c->cpu, m->q[c->cpu].last_ns, 0, err);
	c->read_ns = page.time_ns;
	c->pass_bytes += (uint64_t)(page.end - page.at);
	if (page.missed && tell_loss(s, c, &page, err))
		return -1;
	while ((r = rec_page_next(&page, &data, &len, &time)) == 1) {
		item = rec_merge_slot(m, c->cpu, err);
		if (!item)
			return -1;
		r = rec_decode(&s->formats, &m->names, data, len, time, c->cpu, item);
		if (r > 0)
			rec_merge_push(m, c->cpu);
		else if (r < 0 && rec_merge_lost(m, c->cpu, time, 1, err))
			return -1;
	}
	return r < 0 ? rec_merge_lost(m, c->cpu, page.time_ns, 0, err) : 0;
}

/* Reads one cpu until it is empty, its events are newer than until_ns, or a round is full. */
static int drain_cpu(struct rec_session *s, struct rec_cpu *c, uint64_t until_ns, struct sr_error *err)
{
	const struct rec_queue *q = &s->merge.q[c->cpu];
	size_t full = q->n + ROUND_EVENTS;

	while (q->n < full) {
		ssize_t n = read_page(s, c, err);

		if (n < 0 || (n && take_page(s, c, (size_t)n, err)))
			return -1;
		if (!n || c->read_ns > until_ns || !c->pages_left--) {
			c->pass_over = true;
			break;
		}
	}
	return 0;
}

static bool is_ahead(const struct rec_session *s, const struct rec_cpu *c, uint64_t handed_ns, uint64_t before_ns)
{
	const struct rec_queue *q = &s->merge.q[c->cpu];

	return handed_ns < before_ns && q->n >= ROUND_EVENTS && q->last_ns > handed_ns;
}

/* Reads all cpus up to until_ns, round by round, and hands on what is older than before_ns; *most: bytes of the fullest. */
static int drain_all(struct rec_session *s, uint64_t until_ns, uint64_t before_ns, uint64_t *most, struct sr_error *err)
{
	uint64_t complete_ns, handed_ns = 0;
	bool over;

	for (size_t i = 0; i < s->ncpus; i++) {
		struct rec_cpu *c = &s->cpus[i];

		c->pass_over = false;
		c->pages_left = most_pages(s);
		c->pass_bytes = c->read_ns = 0;
	}
	do {
		complete_ns = before_ns;
		over = true;
		for (size_t i = 0; i < s->ncpus; i++) {
			struct rec_cpu *c = &s->cpus[i];

			/* One that is ahead of the others waits for them in the ring, not in memory. */
			if (!c->pass_over && !is_ahead(s, c, handed_ns, before_ns) && drain_cpu(s, c, until_ns, err))
				return -1;
			if (!c->pass_over && s->merge.q[c->cpu].last_ns < complete_ns)
				complete_ns = s->merge.q[c->cpu].last_ns;
			over &= c->pass_over;
		}
		if (rec_merge_emit(&s->merge, complete_ns, err))
			return -1;
		handed_ns = complete_ns;
	} while (!over);
	*most = 0;
	for (size_t i = 0; i < s->ncpus; i++) {
		s->stats.bytes_read += s->cpus[i].pass_bytes;
		if (s->cpus[i].pass_bytes > *most)
			*most = s->cpus[i].pass_bytes;
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

/* Rings are read when a quarter is full, at their last pace or a sudden burst's. */
static uint64_t next_interval(const struct rec_session *s, uint64_t elapsed_ns, uint64_t most)
{
	uint64_t interval = s->buffer_bytes / 2 * 1000000u / REC_BURST_BYTES_PER_MS;

	if (most && elapsed_ns * (s->buffer_bytes / FILL_SHARE) / most < interval)
		interval = elapsed_ns * (s->buffer_bytes / FILL_SHARE) / most;
	return interval < LEAST_INTERVAL_NS ? LEAST_INTERVAL_NS :
	       interval > MOST_INTERVAL_NS  ? MOST_INTERVAL_NS :
					      interval;
}

int rec_drain(struct rec_session *s, struct sr_error *err)
{
	uint64_t cpu_before, now = rec_now_ns(), most = 0;
	int rc;

	if (!s->running || s->failed)
		return 0;
	cpu_before = thread_cpu_ns();
	rec_pass_begins(s, now);
	rc = drain_all(s, now, now - HOLD_NS, &most, err);
	rec_pass_ends(s);
	s->interval_ns = next_interval(s, now - s->drained_ns, most);
	s->drained_ns = now;
	if (now - HOLD_NS > s->handed_ns)
		s->handed_ns = now - HOLD_NS;
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
	rc = drain_all(s, UINT64_MAX, UINT64_MAX, &most, err) || settle_losses(s, err) ||
			     rec_merge_emit(&s->merge, UINT64_MAX, err) ?
		     -1 :
		     0;
	s->failed = rc != 0;
	note_stats(s, cpu_before);
	return rc;
}

/* ---- the draining thread ---- */

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
		rec_timed_wait(&s->wake, &s->lock, s->interval_ns);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int rec_thread_prepare(struct rec_session *s, struct sr_error *err)
{
	if (s->thread_alive)
		return 0;
	s->thread_quit = s->thread_drain = false;
	s->thread_tid = 0;
	if (rec_thread_create(&s->thread, thread_main, s, err))
		return -1;
	s->thread_alive = true;
	pthread_mutex_lock(&s->lock);
	while (!s->thread_tid)
		pthread_cond_wait(&s->wake, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void thread_set(struct rec_session *s, bool *what, bool value)
{
	rec_hurry(s, !value || what == &s->thread_quit); /* to end it needs the lock */
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
