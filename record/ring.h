/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flight recorder's memory: the last events, packed in blocks, and the state of the tasks before the first of them.
 *
 *   snapshot | block block block ... block | filling
 *            ^ front, dropped as time or room runs out
 *
 * Whoever reads takes blocks by their number, which grow by one; a block that is still to be read is held (rec_ring.hold).
 */
#ifndef SCHEDREC_RECORD_RING_H
#define SCHEDREC_RECORD_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/snapshot.h"
#include "formats/srz_pack.h"
#include "formats/task.h"

#define REC_BLOCK_EVENTS 16384

struct rec_block {
	void *bytes;
	size_t len, n;
	uint64_t last_ns;
};

struct rec_ring {
	uint64_t span_ns, max_bytes;
	struct srz_packer *packer;
	struct sr_snapshot *snapshot; /* before the front block */
	sr_name_fn name;
	void *name_arg;
	struct rec_block *v; /* a ring of blocks */
	size_t head, n, cap; /* cap is a power of two */
	uint64_t front;      /* number of the front block */
	uint64_t hold;       /* this block and later ones are not dropped; UINT64_MAX: none is held */
	uint64_t bytes, events;
	uint64_t gone_ns;                 /* the last event dropped; 0: none was */
	struct sr_event *filling, *spare; /* REC_BLOCK_EVENTS each */
	size_t nfilling;
};

/* starts: the state at the beginning. max_bytes: of the packed events. */
int rec_ring_init(struct rec_ring *r, const struct sr_task_starts *starts, uint64_t span_ns, uint64_t max_bytes,
		  sr_name_fn name, void *name_arg, struct sr_error *err);
void rec_ring_release(struct rec_ring *r);

int rec_ring_put(struct rec_ring *r, const struct sr_event *ev, size_t n, struct sr_error *err);
int rec_ring_seal(struct rec_ring *r, struct sr_error *err); /* what is filling becomes a block */
/* Drops what is older than the span at this time, or has no room; a block that is held stays. */
int rec_ring_trim(struct rec_ring *r, uint64_t now_ns, struct sr_error *err);
/* The events of the block with this number, valid until the next call; the number must be there. */
int rec_ring_read(struct rec_ring *r, uint64_t number, const struct sr_event **ev, size_t *n, struct sr_error *err);
static inline uint64_t rec_ring_end(const struct rec_ring *r) /* the number of the block that comes next */
{
	return r->front + r->n;
}

#endif
