/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/tidmap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 256

static void insert(struct sr_tidmap *m, int32_t tid, uint32_t value)
{
	size_t i = sr_tidmap_home(m, tid);

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
	*m = bigger;
	return 0;
}

int sr_tidmap_put(struct sr_tidmap *m, int32_t tid, uint32_t value)
{
	if (m->slots) {
		for (size_t i = sr_tidmap_home(m, tid); m->slots[i].value; i = (i + 1) & m->mask) {
			if (m->slots[i].tid == tid) {
				m->slots[i].value = value;
				return 0;
			}
		}
	}
	if ((!m->slots || (m->n + 1) * 4 > m->mask + 1) && grow(m))
		return -1;
	insert(m, tid, value);
	m->n++;
	return 0;
}

void sr_tidmap_del(struct sr_tidmap *m, int32_t tid)
{
	size_t hole, i;

	if (!m->slots)
		return;
	hole = sr_tidmap_home(m, tid);
	while (m->slots[hole].value && m->slots[hole].tid != tid)
		hole = (hole + 1) & m->mask;
	if (!m->slots[hole].value)
		return;
	m->n--;
	/* Those behind the hole move up, unless the hole lies before the place where their search begins. */
	for (i = (hole + 1) & m->mask; m->slots[i].value; i = (i + 1) & m->mask) {
		size_t home = sr_tidmap_home(m, m->slots[i].tid);

		if (((i - home) & m->mask) < ((i - hole) & m->mask))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole].value = 0;
}

void sr_tidmap_release(struct sr_tidmap *m)
{
	free(m->slots);
	memset(m, 0, sizeof(*m));
}
