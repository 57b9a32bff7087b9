/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * traces DIR N EVENTS SEED: writes DIR/0.srz to DIR/N-1.srz, small recordings that are all different, and prints of each
 * "SHA256 BYTES EVENTS PATH".
 * traces --long FILE EVENTS: one recording of so many events that takes few bytes.
 * traces --names FILE N: one with so many long names, which takes few bytes and much memory to read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/digest.h"
#include "formats/srz.h"

static uint64_t rng;

static uint64_t next_random(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static void die(const struct sr_error *err)
{
	fprintf(stderr, "traces: %s\n", err->text);
	exit(1);
}

static struct srz_writer *begin(const char *path, struct sr_error *err)
{
	struct srz_writer *w = srz_create(path, 0, err);

	if (!w || srz_put_meta(w, "scope", "system", err) || srz_put_meta(w, "scrub.version", "1", err))
		die(err);
	return w;
}

static void put(struct srz_writer *w, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	if (srz_put_events(w, SRZ_STREAM_KERNEL, ev, n, err))
		die(err);
}

static void end(struct srz_writer *w, const char *path, struct sr_error *err)
{
	char sha256[SR_SHA256_TEXT];
	uint64_t events = srz_events_written(w);
	struct srz_reader *r;

	if (srz_close(w, err) || sr_sha256_file(path, sha256, err))
		die(err);
	r = srz_open(path, err);
	if (!r)
		die(err);
	if (srz_get_info(r)->events != events)
		exit(1);
	printf("%s %" PRIu64 " %" PRIu64 " %s\n", sha256, srz_get_info(r)->bytes, events, path);
	srz_reader_free(r);
}

static struct sr_event switch_at(uint64_t ns, unsigned cpu, int32_t prev, int32_t next)
{
	return (struct sr_event){ .time_ns = ns,
				  .cpu = cpu,
				  .kind = SR_EV_SWITCH,
				  .ctx = prev,
				  .u.sw = { .prev = prev, .next = next, .prev_prio = 120, .next_prio = 120 } };
}

static void small(const char *path, uint64_t events, struct sr_error *err)
{
	struct srz_writer *w = begin(path, err);
	uint64_t at = 1000000000;
	int32_t on[2] = { 0, 0 };

	for (uint64_t i = 0; i < events; i++) {
		unsigned cpu = next_random() & 1;
		int32_t next = on[cpu] ? 0 : 2 + (int32_t)(cpu + 2 * (next_random() % 50));
		struct sr_event ev;

		at += 1 + next_random() % 100000;
		ev = switch_at(at, cpu, on[cpu], next);
		put(w, &ev, 1, err);
		on[cpu] = next;
	}
	end(w, path, err);
}

static void lengthy(const char *path, uint64_t events, struct sr_error *err)
{
	struct srz_writer *w = begin(path, err);
	struct sr_event ev[1024];

	for (uint64_t i = 0; i < events; i += 1024) {
		for (unsigned k = 0; k < 1024; k++)
			ev[k] = switch_at(1000000000 + (i + k) * 1000, 0, k & 1 ? 2 : 0, k & 1 ? 0 : 2);
		put(w, ev, 1024, err);
	}
	end(w, path, err);
}

static void names(const char *path, uint64_t n, struct sr_error *err)
{
	struct srz_writer *w = begin(path, err);
	struct sr_event ev = switch_at(1000000000, 0, 0, 2);
	char name[4096];

	for (uint64_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%04000" PRIu64, i);
		if (srz_put_name(w, name, err) == UINT32_MAX)
			die(err);
	}
	put(w, &ev, 1, err);
	end(w, path, err);
}

int main(int argc, char **argv)
{
	struct sr_error err;
	char path[4096];

	if (argc == 4 && !strcmp(argv[1], "--long")) {
		lengthy(argv[2], strtoull(argv[3], NULL, 10), &err);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "--names")) {
		names(argv[2], strtoull(argv[3], NULL, 10), &err);
		return 0;
	}
	if (argc != 5)
		return 2;
	rng = 88172645463325252ull + strtoull(argv[4], NULL, 10);
	for (int i = 0; i < atoi(argv[2]); i++) {
		snprintf(path, sizeof(path), "%s/%d.srz", argv[1], i);
		small(path, strtoull(argv[3], NULL, 10), &err);
	}
	return 0;
}
