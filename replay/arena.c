/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared: pieces of shared mappings, of which a fork copies no page tables. Private: each piece is its own allocation, so
 * that the sanitizers see its end.
 */
#include "replay/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ALIGN 64u
#define CHUNK_BYTES (1u << 20)

/* Before each allocation (private) or chunk (shared). */
struct rpl_block {
	struct rpl_block *next;
	size_t bytes;
} __attribute__((aligned(ALIGN)));

static void *shared_piece(struct rpl_arena *a, size_t bytes)
{
	struct rpl_block *b;
	size_t chunk = bytes + sizeof(*b) > CHUNK_BYTES ? bytes + sizeof(*b) : CHUNK_BYTES;
	char *piece;

	if (bytes <= a->left) {
		piece = a->at;
		a->at += bytes;
		a->left -= bytes;
		return piece;
	}
	b = mmap(NULL, chunk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b == MAP_FAILED)
		return NULL;
	*b = (struct rpl_block){ .next = a->blocks, .bytes = chunk };
	a->blocks = b;
	piece = (char *)(b + 1);
	/* What is left of a chunk made for one large piece is nothing; the chunk begun before it goes on. */
	if (chunk == CHUNK_BYTES) {
		a->at = piece + bytes;
		a->left = chunk - sizeof(*b) - bytes;
	}
	return piece;
}

static void *private_piece(struct rpl_arena *a, size_t bytes)
{
	struct rpl_block *b;
	char *raw = calloc(1, sizeof(*b) + ALIGN + bytes);

	if (!raw)
		return NULL;
	/* The link is in front of the memory, and what calloc returned in front of the link. */
	b = (struct rpl_block *)(raw + ALIGN - (uintptr_t)raw % ALIGN);
	((void **)b)[-1] = raw;
	b->next = a->blocks;
	a->blocks = b;
	return b + 1;
}

void *rpl_alloc(struct rpl_arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	return a->shared ? shared_piece(a, bytes) : private_piece(a, bytes);
}

void rpl_arena_release(struct rpl_arena *a)
{
	while (a->blocks) {
		struct rpl_block *b = a->blocks;

		a->blocks = b->next;
		if (a->shared)
			munmap(b, b->bytes);
		else
			free(((void **)b)[-1]);
	}
	*a = (struct rpl_arena){ 0 };
}
