/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens next: a heap of four children a node, in which every id (a CPU's step, its ticks, a task's timer) stands at
 * most once, and knows where. What happens at one time is done in an order that the seed decides, by a generator that is
 * used for nothing else; the rest of a tie is the id's.
 *
 * A node holds all that is compared, and the four children of one lie in one cache line. What is popped leaves a hole at
 * the top, which the next id that is put in mostly fills: a CPU's step is followed by its next one.
 */
#include "replay/sim_internal.h"

#define ARITY 4
#define LINE (ARITY * sizeof(struct sim_node))

int sim_heap_init(struct sim *s, size_t ids, uint64_t seed)
{
	struct sim_heap *h = &s->heap;
	char *room = rpl_alloc(&s->arena, ids + 2u * ARITY, sizeof(*h->at));

	h->pos = rpl_alloc(&s->arena, ids, sizeof(*h->pos));
	h->prng = seed * 2 + 1;
	if (!room || !h->pos)
		return -1;
	/* The first child begins a line. */
	h->at = (struct sim_node *)(room + (LINE - (uintptr_t)room % LINE) % LINE) + ARITY - 1;
	return 0;
}

static bool before(struct sim_node a, struct sim_node b)
{
	return ((unsigned __int128)a.time << 64 | a.tie_id) < ((unsigned __int128)b.time << 64 | b.tie_id);
}

static void settle(struct sim_heap *h, size_t i, struct sim_node v)
{
	h->at[i] = v;
	h->pos[(uint32_t)v.tie_id] = (uint32_t)i + 1;
}

static void sift_up(struct sim_heap *h, size_t i, struct sim_node v)
{
	while (i) {
		size_t parent = (i - 1) / ARITY;

		if (!before(v, h->at[parent]))
			break;
		settle(h, i, h->at[parent]);
		i = parent;
	}
	settle(h, i, v);
}

static void sift_down(struct sim_heap *h, size_t i, struct sim_node v)
{
	for (;;) {
		size_t child = i * ARITY + 1, end = child + ARITY, best = child, k;

		if (child >= h->n)
			break;
		if (end > h->n)
			end = h->n;
		for (k = child + 1; k < end; k++)
			if (before(h->at[k], h->at[best]))
				best = k;
		if (!before(h->at[best], v))
			break;
		settle(h, i, h->at[best]);
		i = best;
	}
	settle(h, i, v);
}

static void put_at(struct sim_heap *h, size_t i, struct sim_node v)
{
	if (i && before(v, h->at[(i - 1) / ARITY]))
		sift_up(h, i, v);
	else
		sift_down(h, i, v);
}

static void take_out(struct sim_heap *h, uint32_t id)
{
	size_t i = h->pos[id] - 1u;
	struct sim_node last = h->at[--h->n];

	h->pos[id] = 0;
	if (i < h->n)
		put_at(h, i, last);
}

void sim_heap_set(struct sim_heap *h, uint32_t id, uint64_t time)
{
	size_t i = h->pos[id];
	struct sim_node v = { .time = time };

	if (time == NEVER) {
		if (i)
			take_out(h, id);
		return;
	}
	if (i && h->at[i - 1].time == time)
		return;
	v.tie_id = (uint64_t)sim_random(&h->prng) << 32 | id;
	if (i) {
		put_at(h, i - 1, v);
	} else if (h->hole) {
		h->hole = false;
		sift_down(h, 0, v);
	} else {
		sift_up(h, h->n++, v);
	}
}

uint32_t sim_heap_pop(struct sim_heap *h, uint64_t *time)
{
	uint32_t id;

	if (h->hole) {
		h->hole = false;
		h->n--;
		sift_down(h, 0, h->at[h->n]);
	}
	id = (uint32_t)h->at[0].tie_id;
	*time = h->at[0].time;
	h->pos[id] = 0;
	/* Before all others, so that nobody comes to stand there. */
	h->at[0] = (struct sim_node){ 0, 0 };
	h->hole = true;
	return id;
}

uint32_t sim_heap_second(const struct sim_heap *h)
{
	size_t best = 1, k;

	for (k = 2; k <= ARITY && k < h->n; k++)
		if (before(h->at[k], h->at[best]))
			best = k;
	return h->n > 1 ? (uint32_t)h->at[best].tie_id : 0;
}
