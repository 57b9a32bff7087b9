/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chunks before their time comes. A second thread decodes those that the reader will want next; the reader takes them
 * in its own order, decodes itself what nobody has begun, and helps while it waits for one. So what is read, errors
 * too, does not depend on which thread was faster. The threads share nothing but the jobs: the second one has hands of
 * its own, a reader that knows the file and has the memory to decode a chunk.
 */
#include "formats/srz_internal.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#define JOBS 3
#define HOLD_EVENTS (1u << 21) /* 64 MB */
#define HOLD_CHUNKS 4096

struct job {
	enum { FREE, WAITING, AT_WORK, DONE } state;
	size_t chunk;
	struct srz_decoded d;
	int ret;
	struct sr_error err;
};

struct srz_ahead {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted, done;
	bool started, alone; /* alone: there is no second cpu, or no thread to be had */
	bool end;
	const struct srz_chunk *chunk; /* the reader's */
	struct srz_reader *hands;
	struct job job[JOBS];
};

static int decode_chunk(struct srz_reader *r, const struct srz_chunk *c, struct srz_decoded *d, struct sr_error *err)
{
	struct srz_section s = { .id = SRZ_SEC_EVENTS | SRZ_MUST, .stored = c->stored };
	const uint8_t *p;
	const char *bad;
	size_t len;

	d->n = 0;
	d->totals = (struct srz_totals){ 0 };
	if (srz_read_section(r, c->offset, &s, &p, &len, err))
		return -1;
	if (c->events > d->cap) {
		free(d->ev);
		d->cap = 0;
		d->ev = srz_new_populated(c->events * sizeof(*d->ev));
		if (!d->ev)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		d->cap = c->events;
	}
	bad = srz_chunk_decode(r->codec, p, len, c, d->ev, &d->n, &d->totals);
	return bad ? srz_damaged(r, err, c->offset, s.id, bad) : 0;
}

static bool has_second_cpu(void)
{
	cpu_set_t set;

	/* It fails where there are more cpus than such a set has room for. */
	return sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) > 1;
}

/* The job that was asked for first. */
static struct job *find_waiting(struct srz_ahead *a)
{
	struct job *first = NULL;

	for (unsigned i = 0; i < JOBS; i++)
		if (a->job[i].state == WAITING && (!first || a->job[i].chunk < first->chunk))
			first = &a->job[i];
	return first;
}

/* a is locked. */
static void work(struct srz_ahead *a, struct job *j, struct srz_reader *hands)
{
	j->state = AT_WORK;
	pthread_mutex_unlock(&a->lock);
	j->ret = decode_chunk(hands, &a->chunk[j->chunk], &j->d, &j->err);
	pthread_mutex_lock(&a->lock);
	j->state = DONE;
	pthread_cond_signal(&a->done);
}

static void *run(void *arg)
{
	struct srz_ahead *a = arg;
	struct job *j;

	pthread_mutex_lock(&a->lock);
	while (!a->end) {
		j = find_waiting(a);
		if (j)
			work(a, j, a->hands);
		else
			pthread_cond_wait(&a->wanted, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* Signals are for the threads that were there before. */
static bool start(struct srz_ahead *a, const struct srz_reader *r)
{
	struct sr_error ignored;
	sigset_t all, old;

	if (a->started || a->alone)
		return a->started;
	a->alone = true;
	if (!has_second_cpu())
		return false;
	a->hands = srz_reader_hands(r, &ignored);
	if (!a->hands)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	a->started = !pthread_create(&a->thread, NULL, run, a);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return a->started;
}

static struct job *find(struct srz_ahead *a, size_t chunk)
{
	for (unsigned i = 0; i < JOBS; i++)
		if (a->job[i].state != FREE && a->job[i].chunk == chunk)
			return &a->job[i];
	return NULL;
}

/* A job for each chunk of the stream that comes soon, as far as there is room. a is locked. */
static void ask_for_next(struct srz_ahead *a, const struct srz_reader *r, size_t taken)
{
	unsigned stream = r->chunk[taken].stream;
	size_t chunk = taken;

	for (unsigned i = 0; i < JOBS; i++) {
		struct job *j = &a->job[i];

		/* What was done for a place that the reader has left since, too. */
		if (j->state != FREE && (j->state != DONE || r->chunk[j->chunk].stream != stream || j->chunk > taken))
			continue;
		do
			chunk = srz_next_chunk(r, stream, chunk + 1);
		while (chunk < r->nchunks && (find(a, chunk) || (r->held && r->held[chunk].ev)));
		if (chunk == r->nchunks || !start(a, r))
			return;
		j->chunk = chunk;
		j->state = WAITING;
		pthread_cond_signal(&a->wanted);
	}
}

static void swap(struct srz_decoded *a, struct srz_decoded *b)
{
	struct srz_decoded t = *a;

	*a = *b;
	*b = t;
}

static int take(struct srz_reader *r, size_t chunk, struct srz_decoded *d, struct sr_error *err)
{
	struct srz_ahead *a = r->ahead;
	struct job *j, *other;
	int ret;

	pthread_mutex_lock(&a->lock);
	j = find(a, chunk);
	if (!j || j->state == WAITING) {
		if (j)
			j->state = FREE;
		ask_for_next(a, r, chunk);
		pthread_mutex_unlock(&a->lock);
		return decode_chunk(r, &r->chunk[chunk], d, err);
	}
	while (j->state == AT_WORK) {
		other = find_waiting(a);
		if (other)
			work(a, other, r);
		else
			pthread_cond_wait(&a->done, &a->lock);
	}
	swap(d, &j->d);
	ret = j->ret;
	if (ret)
		*err = j->err;
	j->state = FREE;
	ask_for_next(a, r, chunk);
	pthread_mutex_unlock(&a->lock);
	return ret;
}

int srz_get_chunk(struct srz_reader *r, size_t chunk, struct srz_decoded *d, struct sr_error *err)
{
	int ret = r->ahead ? take(r, chunk, d, err) : decode_chunk(r, &r->chunk[chunk], d, err);

	if (ret) {
		free(d->ev);
		*d = (struct srz_decoded){ 0 };
	}
	return ret;
}

void srz_read_ahead(struct srz_reader *r)
{
	struct srz_ahead *a;
	uint64_t events = 0;

	for (size_t i = 0; i < r->nchunks; i++)
		events += r->chunk[i].events;
	r->once = false;
	if (!r->held && !r->cpus && events <= HOLD_EVENTS && r->nchunks <= HOLD_CHUNKS)
		r->held = calloc(r->nchunks + 1, sizeof(*r->held));
	if (r->ahead || r->nchunks < 2)
		return;
	a = calloc(1, sizeof(*a));
	if (!a)
		return;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wanted, NULL);
	pthread_cond_init(&a->done, NULL);
	a->chunk = r->chunk;
	r->ahead = a;
}

void srz_read_once(struct srz_reader *r)
{
	r->once = true;
}

void srz_release_held(struct srz_reader *r)
{
	for (size_t i = 0; r->held && i < r->nchunks; i++)
		free(r->held[i].ev);
	free(r->held);
	r->held = NULL;
}

void srz_ahead_free(struct srz_ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->end = true;
	pthread_cond_signal(&a->wanted);
	pthread_mutex_unlock(&a->lock);
	if (a->started)
		pthread_join(a->thread, NULL);
	for (unsigned i = 0; i < JOBS; i++)
		free(a->job[i].d.ev);
	pthread_cond_destroy(&a->wanted);
	pthread_cond_destroy(&a->done);
	pthread_mutex_destroy(&a->lock);
	srz_reader_free(a->hands);
	free(a);
}
