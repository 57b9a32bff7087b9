/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A map from tid to a 32-bit number, small and fast: pages of numbers, by tid, for all that Linux gives (up to 4 million);
 * for other numbers, which only a strange file has, open addressing, linear probing, at most half full.
 *
 * Any int32 may be a tid; the value 0 means "not there" and is never stored. A zeroed struct is an empty map; memory
 * grows with the number of tids in it, to 16 MB and what the strange ones need. Their hash is seeded for each map, so that
 * a hostile file cannot choose tids that collide. One thread at a time.
 */
#ifndef SCHEDREC_FORMATS_TIDMAP_H
#define SCHEDREC_FORMATS_TIDMAP_H

#include <stddef.h>
#include <stdint.h>

struct sr_tid_slot {
	int32_t tid;
	uint32_t value;
};

#define SR_TIDMAP_TIDS (1u << 22)
#define SR_TIDMAP_PAGE 1024u

struct sr_tidmap {
	size_t n;        /* tids in it */
	uint32_t **page; /* SR_TIDMAP_TIDS / SR_TIDMAP_PAGE of them, NULL: no tid of it is there */
	/* the others' */
	struct sr_tid_slot *slots;
	size_t mask;   /* slots - 1, a power of two less one */
	size_t used;   /* of them */
	uint64_t mult; /* odd, random */
	unsigned shift;
};

uint32_t sr_tidmap_get_other(const struct sr_tidmap *m, int32_t tid);

/* The value stored for tid, 0: none. */
static inline uint32_t sr_tidmap_get(const struct sr_tidmap *m, int32_t tid)
{
	const uint32_t *page;

	if ((uint32_t)tid >= SR_TIDMAP_TIDS)
		return sr_tidmap_get_other(m, tid);
	page = m->page ? m->page[(uint32_t)tid / SR_TIDMAP_PAGE] : NULL;
	return page ? page[(uint32_t)tid % SR_TIDMAP_PAGE] : 0;
}

/* Stores or replaces; value is not 0. -1: out of memory, and the map is as it was. */
int sr_tidmap_put(struct sr_tidmap *m, int32_t tid, uint32_t value);
void sr_tidmap_del(struct sr_tidmap *m, int32_t tid);
void sr_tidmap_release(struct sr_tidmap *m);

#endif
