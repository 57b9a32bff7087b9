/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/internal.h"

#include <stdlib.h>
#include <string.h>

static struct ana_pair *slot_of(const struct ana_pairs *p, uint32_t from, uint32_t to)
{
	uint64_t hash = ((uint64_t)from << 32 | to) * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(hash ^ hash >> 32) & (p->cap - 1);

	while (p->v[i].count && (p->v[i].from != from || p->v[i].to != to))
		i = (i + 1) & (p->cap - 1);
	return &p->v[i];
}

static int grow(struct ana_pairs *p, struct sr_error *err)
{
	struct ana_pairs bigger = { .cap = p->cap ? p->cap * 2 : 64, .n = p->n };

	bigger.v = calloc(bigger.cap, sizeof(*bigger.v));
	if (!bigger.v)
		return ana_no_memory(err);
	for (size_t i = 0; i < p->cap; i++)
		if (p->v[i].count)
			*slot_of(&bigger, p->v[i].from, p->v[i].to) = p->v[i];
	free(p->v);
	*p = bigger;
	return 0;
}

int ana_pairs_add(struct ana_pairs *p, uint32_t from, uint32_t to, uint64_t count, struct sr_error *err)
{
	struct ana_pair *s;

	if (count == 0)
		return 0;
	if ((p->n + 1) * 2 > p->cap && grow(p, err) < 0)
		return -1;
	s = slot_of(p, from, to);
	if (!s->count)
		p->n++;
	s->from = from;
	s->to = to;
	s->count += count;
	return 0;
}

uint64_t ana_pairs_count(const struct ana_pairs *p, uint32_t from, uint32_t to)
{
	return p->cap ? slot_of(p, from, to)->count : 0;
}

void ana_pairs_release(struct ana_pairs *p)
{
	free(p->v);
	memset(p, 0, sizeof(*p));
}
