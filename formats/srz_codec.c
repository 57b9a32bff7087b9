/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What encoding and decoding a chunk have in common. */
#include "formats/srz_codec.h"

#include <stdlib.h>

const char SRZ_NO_MEMORY[] = "out of memory";

struct srz_codec *srz_codec_new(enum srz_direction direction, struct sr_error *err)
{
	struct srz_codec *c = calloc(1, sizeof(*c));

	if (c && direction == SRZ_ENCODE)
		c->def_open = deflateInit2(&c->def, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	else if (c)
		c->inf_open = inflateInit2(&c->inf, -15) == Z_OK;
	if (c)
		c->ans = srz_ans_new();
	if (!c || !c->ans || (!c->def_open && !c->inf_open)) {
		srz_codec_free(c);
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	c->level = SRZ_LEVEL;
	return c;
}

void srz_codec_set_level(struct srz_codec *c, int level)
{
	c->level = level;
}

void srz_codec_free(struct srz_codec *c)
{
	int i;

	if (!c)
		return;
	if (c->def_open)
		deflateEnd(&c->def);
	if (c->inf_open)
		inflateEnd(&c->inf);
	for (i = 0; i < SRZ_COLS; i++)
		if (c->model.col[i].cap)
			free(c->model.col[i].p);
	free(c->model.slot);
	free(c->model.hash);
	free(c->time);
	free(c->op);
	srz_ans_free(c->ans);
	srz_buf_release(&c->columns);
	free(c);
}

/* Exactly one allocation each, so that a reader's memory is what its chunks need. */
bool srz_codec_room(struct srz_codec *c, uint32_t events)
{
	if (events <= c->room)
		return true;
	free(c->time);
	free(c->op);
	free(c->model.slot);
	c->room = 0;
	c->time = malloc(events * sizeof(*c->time));
	c->op = malloc(events);
	/* an event names at most three tasks, and the idle task is there from the start */
	c->model.slot = malloc((events * (size_t)3 + 1) * sizeof(*c->model.slot));
	if (!c->time || !c->op || !c->model.slot)
		return false;
	srz_populate(c->time, events * sizeof(*c->time));
	srz_populate(c->op, events);
	srz_populate(&c->model.cpu, sizeof(c->model.cpu)); /* the first chunk's */
	c->room = events;
	return true;
}

void srz_model_start(struct srz_model *m)
{
	size_t i;

	m->bad = NULL;
	m->nslots = m->nrecent = m->name = m->source = 0;
	m->last_tid = 0;
	memset(m->cpu, 0, sizeof(m->cpu));
	for (i = 0; i < SR_MAX_CPUS; i++)
		m->cpu[i].cur = SRZ_NO_SLOT;
	for (i = 0; i < SRZ_COLS; i++)
		m->col[i].at = m->col[i].p;
	srz_model_appear(m, srz_model_new_slot(m, 0, 0));
}

uint64_t srz_head_cpus(const struct srz_head *h)
{
	uint64_t cpus = 0;
	unsigned i;

	for (i = 0; i < h->nruns; i++)
		cpus |= 1ull << h->run[i].cpu % 64;
	return cpus;
}

void srz_head_totals(const struct srz_head *h, struct srz_totals *t)
{
	unsigned i;

	for (i = 0; i < h->nops; i++)
		if (h->op[i].kind)
			t->by_kind[h->op[i].kind] += h->op[i].count;
	t->lost = t->lost + h->lost < t->lost ? UINT64_MAX : t->lost + h->lost;
	if (h->run[h->nruns - 1].cpu + 1u > t->cpus)
		t->cpus = h->run[h->nruns - 1].cpu + 1u;
}
