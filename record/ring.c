/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/ring.h"

#include <stdlib.h>
#include <string.h>

#define PIECES 16 /* a block holds no more than this part of the span, so that little more than the span is kept */

int rec_ring_init(struct rec_ring *r, const struct sr_task_starts *starts, uint64_t span_ns, uint64_t max_bytes,
		  sr_name_fn name, void *name_arg, struct sr_error *err)
{
	*r = (struct rec_ring){
		.span_ns = span_ns, .max_bytes = max_bytes, .name = name, .name_arg = name_arg, .hold = UINT64_MAX
	};
	r->packer = srz_packer_new(err);
	r->snapshot = r->packer ? sr_snapshot_new(starts, err) : NULL;
	r->filling = malloc(REC_BLOCK_EVENTS * sizeof(*r->filling));
	r->spare = malloc(REC_BLOCK_EVENTS * sizeof(*r->spare));
	if (r->snapshot && r->filling && r->spare)
		return 0;
	rec_ring_release(r);
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

void rec_ring_release(struct rec_ring *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[(r->head + i) & (r->cap - 1)].bytes);
	free(r->v);
	free(r->filling);
	free(r->spare);
	sr_snapshot_free(r->snapshot);
	srz_packer_free(r->packer);
	*r = (struct rec_ring){ 0 };
}

static struct rec_block *block_of(const struct rec_ring *r, uint64_t number)
{
	return &r->v[(r->head + (size_t)(number - r->front)) & (r->cap - 1)];
}

int rec_ring_read(struct rec_ring *r, uint64_t number, const struct sr_event **ev, size_t *n, struct sr_error *err)
{
	const struct rec_block *b = block_of(r, number);

	*ev = r->spare;
	*n = b->n;
	return srz_unpack(r->packer, b->bytes, b->len, r->spare, b->n, err);
}

static int drop_front(struct rec_ring *r, struct sr_error *err)
{
	struct rec_block *b = block_of(r, r->front);
	const struct sr_event *ev;
	size_t n;

	if (rec_ring_read(r, r->front, &ev, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (sr_snapshot_feed(r->snapshot, &ev[i], r->name, r->name_arg, err))
			return -1;
	r->gone_ns = b->last_ns;
	r->bytes -= b->len;
	r->events -= b->n;
	free(b->bytes);
	r->head = (r->head + 1) & (r->cap - 1);
	r->n--;
	r->front++;
	return 0;
}

int rec_ring_trim(struct rec_ring *r, uint64_t now_ns, struct sr_error *err)
{
	while (r->n && r->front < r->hold) {
		bool old = block_of(r, r->front)->last_ns + r->span_ns < now_ns;

		if (!old && r->bytes <= r->max_bytes)
			break;
		if (drop_front(r, err))
			return -1;
	}
	return 0;
}

static int grow(struct rec_ring *r, struct sr_error *err)
{
	size_t cap = r->cap ? r->cap * 2 : 64;
	struct rec_block *v = malloc(cap * sizeof(*v));

	if (!v)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < r->n; i++)
		v[i] = r->v[(r->head + i) & (r->cap - 1)];
	free(r->v);
	r->v = v;
	r->cap = cap;
	r->head = 0;
	return 0;
}

int rec_ring_seal(struct rec_ring *r, struct sr_error *err)
{
	struct rec_block *b;

	if (!r->nfilling)
		return 0;
	if (r->n == r->cap && grow(r, err))
		return -1;
	b = block_of(r, rec_ring_end(r));
	*b = (struct rec_block){ .n = r->nfilling, .last_ns = r->filling[r->nfilling - 1].time_ns };
	if (srz_pack(r->packer, r->filling, r->nfilling, &b->bytes, &b->len, err))
		return -1;
	r->n++;
	r->bytes += b->len;
	r->events += b->n;
	r->nfilling = 0;
	return rec_ring_trim(r, b->last_ns, err);
}

int rec_ring_put(struct rec_ring *r, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (r->nfilling == REC_BLOCK_EVENTS ||
		    (r->nfilling && ev[i].time_ns - r->filling[0].time_ns > r->span_ns / PIECES))
			if (rec_ring_seal(r, err))
				return -1;
		r->filling[r->nfilling++] = ev[i];
	}
	return 0;
}
