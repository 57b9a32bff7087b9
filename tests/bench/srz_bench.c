/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the .srz format costs: bytes an event by column, and events a second of CPU time of one core, encoding and
 * decoding, of the codec alone and of the whole way (srz_put_events to srz_close, srz_open to srz_next). Medians.
 *
 *	srz_bench [--json] [--rounds N] FILE...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "formats/srz.h"
#include "formats/srz_codec.h"

#define MAX_ROUNDS 99

static const char *const column_name[SRZ_COLS] = {
	[SRZ_COL_OPS] = "ops",     [SRZ_COL_TIMES] = "times", [SRZ_COL_BITS] = "bits",   [SRZ_COL_NEXT] = "next",
	[SRZ_COL_WAKEE] = "wakee", [SRZ_COL_TASK] = "task",   [SRZ_COL_FAR] = "far",     [SRZ_COL_TIDS] = "tids",
	[SRZ_COL_PRIO] = "prio",   [SRZ_COL_CPU] = "cpu",     [SRZ_COL_STATE] = "state", [SRZ_COL_MISC] = "misc",
	[SRZ_COL_EXT] = "ext",     [SRZ_COL_POWER] = "power", [SRZ_COL_AFTER] = "after", [SRZ_COL_IRQ] = "irq",
	[SRZ_COL_WOKEN] = "woken",
};

struct result {
	const char *path;
	size_t events, bytes;
	uint64_t column[SRZ_COLS];
	double codec_encode, codec_decode, encode, decode; /* ns an event */
};

static struct sr_error err;

static void die(const char *path)
{
	fprintf(stderr, "srz_bench: %s: %s\n", path, err.text);
	exit(1);
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

/* All events of the file, as one stream. */
static struct sr_event *load(const char *path, size_t *n)
{
	struct srz_reader *r = srz_open(path, &err);
	struct sr_event *ev;
	int ret = 1;

	if (!r)
		die(path);
	ev = malloc((srz_get_info(r)->events + 1) * sizeof(*ev));
	for (*n = 0; ev && *n < srz_get_info(r)->events && (ret = srz_next(r, &ev[*n], &err)) == 1; ++*n)
		;
	if (!ev || ret < 0 || !*n) {
		if (ret >= 0)
			sr_fail(&err, SR_ENVIRONMENT, "no events, or no memory for them");
		die(path);
	}
	srz_reader_free(r);
	return ev;
}

static void measure_codec(struct result *res, const struct sr_event *ev, int round, double *encode, double *decode)
{
	static struct sr_event out[SRZ_DEFAULT_CHUNK_EVENTS];
	struct srz_codec *e = srz_codec_new(SRZ_ENCODE, &err), *d = srz_codec_new(SRZ_DECODE, &err);
	struct srz_buf b = { 0 };
	size_t i, n, got;
	int c;

	*encode = *decode = 0;
	if (!e || !d)
		die(res->path);
	for (i = 0; i < res->events; i += n) {
		struct srz_chunk chunk = { .unit = 1 };
		struct srz_totals totals = { 0 };
		uint32_t stored[SRZ_COLS];
		double start = cpu_ns(), middle;
		const char *bad;

		n = res->events - i < SRZ_DEFAULT_CHUNK_EVENTS ? res->events - i : SRZ_DEFAULT_CHUNK_EVENTS;
		b.n = 0;
		if (srz_chunk_encode(e, 0, ev + i, n, &b, &chunk, &totals, &err))
			die(res->path);
		middle = cpu_ns();
		bad = srz_chunk_decode(d, b.p, b.n, &chunk, out, &got, &totals);
		*decode += cpu_ns() - middle;
		*encode += middle - start;
		if (bad || got != n || memcmp(out, ev + i, n * sizeof(*ev)) != 0) {
			sr_fail(&err, SR_BUG, "events differ after coding: %s", bad ? bad : "");
			die(res->path);
		}
		if (!round && !srz_chunk_columns(b.p, b.n, stored))
			for (c = 0; c < SRZ_COLS; c++)
				res->column[c] += stored[c];
	}
	srz_buf_release(&b);
	srz_codec_free(e);
	srz_codec_free(d);
}

static void measure_file(struct result *res, const struct sr_event *ev, double *encode, double *decode)
{
	char path[64];
	struct srz_writer *w;
	struct srz_reader *r;
	struct sr_event one;
	double start = cpu_ns(), middle;
	size_t i, n, seen = 0;

	snprintf(path, sizeof(path), "/tmp/srz_bench-%d.srz", (int)getpid());
	w = srz_create(path, 0, &err);
	if (!w)
		die(path);
	for (i = 0; i < res->events; i += n) {
		n = res->events - i < 1000 ? res->events - i : 1000;
		if (srz_put_events(w, SRZ_STREAM_KERNEL, ev + i, n, &err))
			die(path);
	}
	if (srz_close(w, &err))
		die(path);
	middle = cpu_ns();
	*encode = middle - start;
	r = srz_open(path, &err);
	if (!r)
		die(path);
	while (srz_next(r, &one, &err) == 1)
		seen += one.time_ns == ev[seen].time_ns;
	res->bytes = srz_get_info(r)->bytes;
	srz_reader_free(r);
	*decode = cpu_ns() - middle;
	unlink(path);
	if (seen != res->events) {
		sr_fail(&err, SR_BUG, "only %zu of %zu events came back", seen, res->events);
		die(res->path);
	}
}

static void measure(struct result *res, int rounds)
{
	double t[4][MAX_ROUNDS];
	struct sr_event *ev = load(res->path, &res->events);
	double n = (double)res->events;
	int i;

	for (i = 0; i < rounds; i++) {
		measure_codec(res, ev, i, &t[0][i], &t[1][i]);
		measure_file(res, ev, &t[2][i], &t[3][i]);
	}
	res->codec_encode = median(t[0], rounds) / n;
	res->codec_decode = median(t[1], rounds) / n;
	res->encode = median(t[2], rounds) / n;
	res->decode = median(t[3], rounds) / n;
	free(ev);
}

static void print_text(const struct result *r)
{
	double n = (double)r->events;
	int c;

	printf("%s: %zu events, %.3f bytes each, without meta, names, tasks and machine\n", r->path, r->events,
	       (double)r->bytes / n);
	printf("  million events/s: encode %.1f, decode %.1f; the codec alone: encode %.1f, decode %.1f\n",
	       1e3 / r->encode, 1e3 / r->decode, 1e3 / r->codec_encode, 1e3 / r->codec_decode);
	printf("  bytes an event by column:");
	for (c = 0; c < SRZ_COLS; c++)
		if (r->column[c])
			printf(" %s %.3f", column_name[c], (double)r->column[c] / n);
	putchar('\n');
}

static void print_json(const struct result *r)
{
	const char *comma = "";
	int c;

	printf("{\"events\": %zu, \"bytes\": %zu, \"encode_ns\": %.2f, \"decode_ns\": %.2f, \"codec_encode_ns\": %.2f, "
	       "\"codec_decode_ns\": %.2f, \"columns\": {",
	       r->events, r->bytes, r->encode, r->decode, r->codec_encode, r->codec_decode);
	for (c = 0; c < SRZ_COLS; c++) {
		if (!r->column[c])
			continue;
		printf("%s\"%s\": %llu", comma, column_name[c], (unsigned long long)r->column[c]);
		comma = ", ";
	}
	printf("}}\n");
}

int main(int argc, char **argv)
{
	int i, rounds = 9;
	bool json = false;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (!strcmp(argv[i], "--rounds") && i + 1 < argc) {
			rounds = atoi(argv[++i]);
		} else {
			i = argc;
			break;
		}
	}
	if (i >= argc || rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: srz_bench [--json] [--rounds N] FILE...\n");
		return 2;
	}
	for (; i < argc; i++) {
		struct result r = { .path = argv[i] };

		measure(&r, rounds);
		if (json)
			print_json(&r);
		else
			print_text(&r);
	}
	return 0;
}
