/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader's events: chunks are decoded as their time comes, and merged into the order of event.h. */
#include "formats/srz_internal.h"

#include <stdlib.h>

/* The order across streams. */
static bool before(struct srz_key a, unsigned stream_a, struct srz_key b, unsigned stream_b)
{
	if (a.time_ns != b.time_ns)
		return a.time_ns < b.time_ns;
	return stream_a != stream_b ? stream_a < stream_b : a.cpu < b.cpu;
}

size_t srz_next_chunk(const struct srz_reader *r, unsigned stream, size_t from)
{
	while (from < r->nchunks && (r->chunk[from].stream != stream || !(r->chunk[from].cpus & r->cpu_bits)))
		from++;
	return from;
}

/* Takes out the events of other cpus. */
static void keep_selected(const struct srz_reader *r, struct srz_loaded *l)
{
	size_t i, n = 0;

	for (i = 0; i < l->n; i++)
		if (sr_cpumask_isset(r->cpus, l->ev[i].cpu))
			l->ev[n++] = l->ev[i];
	l->n = n;
}

static void add_totals(struct srz_totals *to, const struct srz_totals *t)
{
	for (size_t i = 0; i < SR_EV_KINDS; i++)
		to->by_kind[i] += t->by_kind[i];
	to->lost = to->lost + t->lost < to->lost ? UINT64_MAX : to->lost + t->lost;
	if (t->cpus > to->cpus)
		to->cpus = t->cpus;
}

static int load(struct srz_reader *r, unsigned stream, struct sr_error *err)
{
	struct srz_cursor *cur = &r->cursor[stream];
	const struct srz_chunk *c = &r->chunk[cur->next];
	struct srz_loaded *l = &cur->slot[cur->slot[0].pos < cur->slot[0].n];
	struct srz_decoded *d = r->held && !r->once ? &r->held[cur->next] : &l->own;
	bool held = r->held && r->held[cur->next].ev;

	if (l->pos < l->n) /* cannot be: srz_open has checked the chunks' order */
		return srz_damaged(r, err, c->offset, SRZ_SEC_EVENTS | SRZ_MUST, "overlaps more than one chunk");
	l->n = l->pos = 0;
	if (!held && srz_get_chunk(r, cur->next, d, err))
		return -1;
	if (held && r->once) {
		free(d->ev);
		*d = r->held[cur->next];
		r->held[cur->next] = (struct srz_decoded){ 0 };
	}
	add_totals(&r->seen, &d->totals);
	l->ev = d->ev;
	l->n = d->n;
	if (r->cpus)
		keep_selected(r, l);
	l->chunk = cur->next;
	cur->next = srz_next_chunk(r, stream, cur->next + 1);
	return 0;
}

static struct srz_key key_at(const struct srz_loaded *l)
{
	return srz_key_of(&l->ev[l->pos]);
}

/* The slot with the next event, among those loaded; NULL: none. */
static struct srz_loaded *first_loaded(struct srz_reader *r, unsigned *stream)
{
	struct srz_loaded *best = NULL;
	unsigned s, i;

	for (s = 0; s < SRZ_STREAMS; s++) {
		for (i = 0; i < 2; i++) {
			struct srz_loaded *l = &r->cursor[s].slot[i];

			if (l->pos == l->n)
				continue;
			if (!best || before(key_at(l), s, key_at(best), *stream) ||
			    (s == *stream && l->chunk < best->chunk && !srz_key_less(key_at(best), key_at(l)))) {
				best = l;
				*stream = s;
			}
		}
	}
	return best;
}

/* No other slot and no chunk to come has an event before this time. */
static uint64_t others_from(const struct srz_reader *r, const struct srz_loaded *but)
{
	uint64_t t = UINT64_MAX;
	unsigned s, i;

	for (s = 0; s < SRZ_STREAMS; s++) {
		const struct srz_cursor *cur = &r->cursor[s];

		for (i = 0; i < 2; i++) {
			const struct srz_loaded *l = &cur->slot[i];

			if (l != but && l->pos < l->n && l->ev[l->pos].time_ns < t)
				t = l->ev[l->pos].time_ns;
		}
		if (cur->next < r->nchunks && r->chunk[cur->next].from.time_ns < t)
			t = r->chunk[cur->next].from.time_ns;
	}
	return t;
}

/* The slot's next events, up to the first that another may precede; at least one. Those before the time sought are left
 * out, and so there may be none. */
static void hand_out(struct srz_reader *r, struct srz_loaded *l)
{
	uint64_t until_ns = others_from(r, l);
	size_t n = l->pos + 1;

	if (l->ev[l->n - 1].time_ns < until_ns)
		n = l->n;
	while (n < l->n && l->ev[n].time_ns < until_ns)
		n++;
	while (l->pos < n && l->ev[l->pos].time_ns < r->from_ns)
		l->pos++;
	r->next = l->ev + l->pos;
	r->next_end = l->ev + n;
	r->stream = r->chunk[l->chunk].stream;
	l->pos = n;
}

/* Loads what the next events need and finds them: 1, 0 at the end, -1. */
static int pick(struct srz_reader *r, struct sr_error *err)
{
	struct srz_loaded *l;
	unsigned stream = 0, s;
	bool loaded;

	r->next = r->next_end = NULL;
	do {
		l = first_loaded(r, &stream);
		loaded = false;
		for (s = 0; s < SRZ_STREAMS; s++) {
			const struct srz_cursor *cur = &r->cursor[s];

			if (cur->next == r->nchunks)
				continue;
			if (l && !before(r->chunk[cur->next].from, s, key_at(l), stream))
				continue;
			if (load(r, s, err))
				return -1;
			loaded = true;
			break;
		}
	} while (loaded);
	if (l) {
		hand_out(r, l);
		return 1;
	}
	/* after a whole pass, the index must have told the truth */
	if (r->index && !r->from_ns && !r->cpus && memcmp(&r->seen, &r->totals, sizeof(r->seen)) != 0)
		return srz_damaged(r, err, r->index, SRZ_SEC_INDEX, "counts its events wrongly");
	return 0;
}

int srz_next(struct srz_reader *r, struct sr_event *ev, struct sr_error *err)
{
	while (r->next == r->next_end) {
		int ret = pick(r, err);

		if (ret <= 0)
			return ret;
	}
	*ev = *r->next++;
	return 1;
}

long srz_next_run(struct srz_reader *r, const struct sr_event **ev, struct sr_error *err)
{
	long n;

	while (r->next == r->next_end) {
		int ret = pick(r, err);

		if (ret <= 0)
			return ret;
	}
	*ev = r->next;
	n = r->next_end - r->next;
	r->next = r->next_end;
	return n;
}

enum srz_stream srz_stream_of_last(const struct srz_reader *r)
{
	return (enum srz_stream)r->stream;
}

int srz_seek(struct srz_reader *r, uint64_t time_ns, struct sr_error *err)
{
	uint64_t earliest = UINT64_MAX;
	unsigned s;

	r->next = r->next_end = NULL;
	r->seen = (struct srz_totals){ 0 };
	for (s = 0; s < SRZ_STREAMS; s++) {
		struct srz_cursor *cur = &r->cursor[s];

		cur->slot[0].n = cur->slot[0].pos = cur->slot[1].n = cur->slot[1].pos = 0;
		cur->next = srz_next_chunk(r, s, 0);
		if (cur->next < r->nchunks && r->chunk[cur->next].from.time_ns < earliest)
			earliest = r->chunk[cur->next].from.time_ns;
		while (cur->next < r->nchunks && r->chunk[cur->next].last.time_ns < time_ns)
			cur->next = srz_next_chunk(r, s, cur->next + 1);
	}
	r->from_ns = time_ns > earliest ? time_ns : 0; /* 0: a whole pass, after which the counts must be right */
	return 0;
}

int srz_select_cpus(struct srz_reader *r, const struct sr_cpumask *cpus, struct sr_error *err)
{
	unsigned cpu;

	free(r->cpus);
	r->cpus = NULL;
	r->cpu_bits = UINT64_MAX;
	if (cpus) {
		r->cpus = malloc(sizeof(*r->cpus));
		if (!r->cpus)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		*r->cpus = *cpus;
		r->cpu_bits = 0;
		for (cpu = 0; cpu < SR_MAX_CPUS; cpu++)
			if (sr_cpumask_isset(cpus, cpu))
				r->cpu_bits |= 1ull << cpu % 64;
	}
	srz_release_held(r); /* of a chunk that is loaded only the selected events are left */
	return srz_seek(r, r->from_ns, err);
}

int srz_rewind(struct srz_reader *r, struct sr_error *err)
{
	return srz_seek(r, 0, err);
}
