/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thin IN.srz OUT.srz PERMILLE SEED: a copy that lacks so many of each 1,000 events, chosen at random; the start state is
 * kept. For the tests of damaged recordings.
 */
#include <stdio.h>
#include <stdlib.h>

#include "formats/srz.h"

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Names have indices of their own in each file. */
static int keep(struct srz_reader *r, struct srz_writer *w, struct sr_event *ev, struct sr_error *err)
{
	if (ev->kind == SR_EV_EXEC)
		ev->u.exec.name = srz_put_name(w, srz_name_at(r, ev->u.exec.name), err);
	else if (ev->kind == SR_EV_RENAME || ev->kind == SR_EV_COMM)
		ev->u.rename.name = srz_put_name(w, srz_name_at(r, ev->u.rename.name), err);
	return srz_put_events(w, srz_stream_of_last(r), ev, 1, err);
}

static int thin(struct srz_reader *r, struct srz_writer *w, unsigned permille, uint64_t seed, struct sr_error *err)
{
	struct sr_event ev;
	size_t i;
	int got;

	for (i = 0; i < srz_meta_count(r); i++) {
		const char *key, *value;

		srz_meta_at(r, i, &key, &value);
		if (srz_put_meta(w, key, value, err) < 0)
			return -1;
	}
	if (srz_put_tasks(w, srz_get_tasks(r), err) < 0)
		return -1;
	while ((got = srz_next(r, &ev, err)) > 0)
		if (next_random(&seed) % 1000 >= permille && keep(r, w, &ev, err) < 0)
			return -1;
	return got;
}

int main(int argc, char **argv)
{
	struct sr_error err = { 0 };
	struct srz_reader *r = argc == 5 ? srz_open(argv[1], &err) : NULL;
	struct srz_writer *w = r ? srz_create(argv[2], 0, &err) : NULL;

	if (!w || thin(r, w, (unsigned)atoi(argv[3]), strtoull(argv[4], NULL, 10), &err) < 0) {
		fprintf(stderr, "thin: %s\n", argc == 5 ? err.text : "IN.srz OUT.srz PERMILLE SEED");
		srz_abort(w);
		srz_reader_free(r);
		return 1;
	}
	srz_reader_free(r);
	if (srz_close(w, &err) < 0) {
		fprintf(stderr, "thin: %s\n", err.text);
		return 1;
	}
	return 0;
}
