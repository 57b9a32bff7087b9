/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A map from tid to a 32-bit number, small and fast: open addressing, linear probing, at most a quarter full.
 *
 * Any int32 may be a tid; the value 0 means "not there" and is never stored. A zeroed struct is an empty map; memory
 * grows with the number of tids in it. The hash is seeded for each map, so that a hostile file cannot choose tids
 * that collide. One thread at a time.
 */
#ifndef SCHEDREC_FORMATS_TIDMAP_H
#define SCHEDREC_FORMATS_TIDMAP_H

#include <stddef.h>
#include <stdint.h>

struct sr_tid_slot {
	int32_t tid;
	uint32_t value;
};

struct sr_tidmap {
	struct sr_tid_slot *slots;
	size_t mask;   /* slots - 1, a power of two less one */
	size_t n;      /* tids in it */
	uint64_t mult; /* odd, random */
	unsigned shift;
};

static inline size_t sr_tidmap_home(const struct sr_tidmap *m, int32_t tid)
{
	uint64_t h = ((uint64_t)(uint32_t)tid + 1) * m->mult;

	/* One multiplication alone may put neighbours, as tids mostly are, next to each other. */
	h ^= h >> 32;
	return (size_t)(h * 0x9e3779b97f4a7c15u >> m->shift);
}

/* The value stored for tid, 0: none. */
static inline uint32_t sr_tidmap_get(const struct sr_tidmap *m, int32_t tid)
{
	if (!m->slots)
		return 0;
	for (size_t i = sr_tidmap_home(m, tid);; i = (i + 1) & m->mask)
		if (m->slots[i].value == 0 || m->slots[i].tid == tid)
			return m->slots[i].value;
}

/* Stores or replaces; value is not 0. -1: out of memory, and the map is as it was. */
int sr_tidmap_put(struct sr_tidmap *m, int32_t tid, uint32_t value);
void sr_tidmap_del(struct sr_tidmap *m, int32_t tid);
void sr_tidmap_release(struct sr_tidmap *m);

#endif
