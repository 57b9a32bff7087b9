/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of one run: zeroed pieces of any size, freed all at once. A zeroed struct is an empty one. */
#ifndef SCHEDREC_REPLAY_ARENA_H
#define SCHEDREC_REPLAY_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct rpl_block;

struct rpl_arena {
	struct rpl_block *blocks;
	bool shared; /* with all processes forked from this one after the allocation */
	char *at;    /* what is left of the shared chunk begun last */
	size_t left;
};

/* Aligned to a cache line; NULL: no memory. */
void *rpl_alloc(struct rpl_arena *a, size_t n, size_t size);
void rpl_arena_release(struct rpl_arena *a);

#endif
