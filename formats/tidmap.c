/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/tidmap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 64

static size_t home(const struct sr_tidmap *m, int32_t tid)
{
	return (size_t)(((uint64_t)(uint32_t)tid + 1) * m->mult >> m->shift);
}

static void insert(struct sr_tidmap *m, int32_t tid, uint32_t value)
{
	size_t i = home(m, tid);

	while (m->slots[i].value)
		i = (i + 1) & m->mask;
	m->slots[i] = (struct sr_tid_slot){ tid, value };
}

static int grow(struct sr_tidmap *m)
{
	struct sr_tidmap bigger = *m;
	size_t n = m->slots ? (m->mask + 1) * 2 : FIRST_SLOTS;

	bigger.slots = calloc(n, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -1;
	if (!m->slots) {
		/* Where there is no randomness yet, the heap's address must do. */
		if (getrandom(&bigger.mult, sizeof(bigger.mult), GRND_NONBLOCK) != sizeof(bigger.mult))
			bigger.mult = (uint64_t)(uintptr_t)bigger.slots * 0x9e3779b97f4a7c15u;
		bigger.mult |= 1;
	}
	bigger.mask = n - 1;
	bigger.shift = 64 - (unsigned)__builtin_ctzll(n);
	for (size_t i = 0; m->slots && i <= m->mask; i++)
		if (m->slots[i].value)
			insert(&bigger, m->slots[i].tid, m->slots[i].value);
	free(m->slots);
	m->slots = bigger.slots;
	m->mask = bigger.mask;
	m->mult = bigger.mult;
	m->shift = bigger.shift;
	return 0;
}

uint32_t sr_tidmap_get_other(const struct sr_tidmap *m, int32_t tid)
{
	if (!m->slots)
		return 0;
	for (size_t i = home(m, tid);; i = (i + 1) & m->mask)
		if (m->slots[i].value == 0 || m->slots[i].tid == tid)
			return m->slots[i].value;
}

static int put_in_page(struct sr_tidmap *m, uint32_t tid, uint32_t value)
{
	uint32_t **page;

	if (!m->page)
		m->page = calloc(SR_TIDMAP_TIDS / SR_TIDMAP_PAGE, sizeof(*m->page));
	if (!m->page)
		return -1;
	page = &m->page[tid / SR_TIDMAP_PAGE];
	if (!*page)
		*page = calloc(SR_TIDMAP_PAGE, sizeof(**page));
	if (!*page)
		return -1;
	m->n += !(*page)[tid % SR_TIDMAP_PAGE];
	(*page)[tid % SR_TIDMAP_PAGE] = value;
	return 0;
}

int sr_tidmap_put(struct sr_tidmap *m, int32_t tid, uint32_t value)
{
	if ((uint32_t)tid < SR_TIDMAP_TIDS)
		return put_in_page(m, (uint32_t)tid, value);
	if (m->slots) {
		for (size_t i = home(m, tid); m->slots[i].value; i = (i + 1) & m->mask) {
			if (m->slots[i].tid == tid) {
				m->slots[i].value = value;
				return 0;
			}
		}
	}
	if ((!m->slots || (m->used + 1) * 2 > m->mask + 1) && grow(m))
		return -1;
	insert(m, tid, value);
	m->used++;
	m->n++;
	return 0;
}

void sr_tidmap_del(struct sr_tidmap *m, int32_t tid)
{
	size_t hole, i;

	if ((uint32_t)tid < SR_TIDMAP_TIDS && sr_tidmap_get(m, tid)) {
		m->page[(uint32_t)tid / SR_TIDMAP_PAGE][(uint32_t)tid % SR_TIDMAP_PAGE] = 0;
		m->n--;
	}
	if ((uint32_t)tid < SR_TIDMAP_TIDS || !m->slots)
		return;
	hole = home(m, tid);
	while (m->slots[hole].value && m->slots[hole].tid != tid)
		hole = (hole + 1) & m->mask;
	if (!m->slots[hole].value)
		return;
	m->used--;
	m->n--;
	/* Those behind the hole move up, unless the hole lies before the place where their search begins. */
	for (i = (hole + 1) & m->mask; m->slots[i].value; i = (i + 1) & m->mask) {
		size_t first = home(m, m->slots[i].tid);

		if (((i - first) & m->mask) < ((i - hole) & m->mask))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole].value = 0;
}

void sr_tidmap_release(struct sr_tidmap *m)
{
	for (size_t i = 0; m->page && i < SR_TIDMAP_TIDS / SR_TIDMAP_PAGE; i++)
		free(m->page[i]);
	free(m->page);
	free(m->slots);
	memset(m, 0, sizeof(*m));
}
