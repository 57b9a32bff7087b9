/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/loads.h"

#define BLOCK RPL_LOADS_BLOCK
typedef int32_t four __attribute__((vector_size(16)));

int rpl_loads_init(struct rpl_loads *l, struct rpl_engine *e)
{
	unsigned n = (e->ncpus + BLOCK - 1) / BLOCK * BLOCK;
	int32_t *v = e->alloc(e, n + 3u, sizeof(*v));

	l->least = e->alloc(e, n / BLOCK, sizeof(*l->least));
	if (!v || !l->least)
		return -1;
	l->v = v + (16 - (uintptr_t)v % 16) % 16 / sizeof(*v);
	for (unsigned i = 0; i < n / BLOCK; i++)
		l->least[i] = -1;
	for (unsigned i = 0; i < n; i++)
		l->v[i] = i < e->ncpus && e->machine->v[i].online ? 0 : RPL_MUCH;
	return 0;
}

static four lesser(four a, four b)
{
	four is = a < b;

	return (a & is) | (b & ~is);
}

static int32_t least_of_block(const int32_t *load)
{
	const four *v = (const four *)load;
	four a = v[0], b = v[1];
	int32_t least = RPL_MUCH;

	for (unsigned i = 2; i < BLOCK / 4; i += 2) {
		a = lesser(a, v[i]);
		b = lesser(b, v[i + 1]);
	}
	a = lesser(a, b);
	for (unsigned i = 0; i < 4; i++)
		least = a[i] < least ? a[i] : least;
	return least;
}

static uint64_t word_of(const struct sr_cpumask *a, const struct sr_cpumask *b, unsigned i)
{
	return (a ? a->w[i] : UINT64_MAX) & (b ? b->w[i] : UINT64_MAX);
}

int rpl_loads_least(struct rpl_loads *l, const struct rpl_engine *e, const struct sr_cpumask *a,
		    const struct sr_cpumask *b)
{
	int32_t best = RPL_MUCH;
	unsigned at = 0;

	for (unsigned c = 0; c < e->ncpus; c += BLOCK) {
		uint64_t word = word_of(a, b, c / BLOCK);
		int32_t least = RPL_MUCH;

		if (word == UINT64_MAX) {
			if (l->least[c / BLOCK] < 0)
				l->least[c / BLOCK] = least_of_block(l->v + c);
			least = l->least[c / BLOCK];
		}
		for (; word != UINT64_MAX && word; word &= word - 1) {
			int32_t load = l->v[c + (unsigned)__builtin_ctzll(word)];

			least = load < least ? load : least;
		}
		if (least < best) {
			best = least;
			at = c;
		}
	}
	if (best == RPL_MUCH)
		return -1;
	while (l->v[at] != best || !(word_of(a, b, at / BLOCK) >> (at % BLOCK) & 1))
		at++;
	return (int)at;
}
