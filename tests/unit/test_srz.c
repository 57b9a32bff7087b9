/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The .srz format: what is put in comes out, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/srz.h"
#include "formats/srz_internal.h"
#include "tests/unit/srz_events.h"

static struct sr_error err;
static char dir[64], path[96];

static int make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/schedrec-srz.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x.srz", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

#define ok(call) assert_ok((call), __LINE__)

static void assert_ok(int ret, int line)
{
	if (ret)
		fail_msg("line %d: %s", line, err.text);
}

static struct srz_writer *create(unsigned chunk_events)
{
	struct srz_writer *w = srz_create(path, chunk_events, &err);

	ok(!w);
	return w;
}

static struct srz_reader *open_it(void)
{
	struct srz_reader *r = srz_open(path, &err);

	ok(!r);
	return r;
}

static void assert_events(struct srz_reader *r, const struct sr_event *ev, size_t n)
{
	struct sr_event got;
	size_t i;

	for (i = 0; i < n; i++) {
		int ret = srz_next(r, &got, &err);

		if (ret != 1)
			fail_msg("event %zu of %zu: %s", i, n, ret ? err.text : "the end");
		if (memcmp(&got, &ev[i], sizeof(got)) != 0)
			fail_msg("event %zu of %zu differs: kind %u, not %u; time %llu, not %llu", i, n, got.kind,
				 ev[i].kind, (unsigned long long)got.time_ns, (unsigned long long)ev[i].time_ns);
	}
	assert_int_equal(srz_next(r, &got, &err), 0);
}

static int order(const struct sr_event *x, const struct sr_event *y)
{
	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return (int)x->cpu - (int)y->cpu;
}

/* Insertion is enough: the streams here are nearly in order. Stable. */
static void sort_stably(struct sr_event *ev, size_t n)
{
	size_t i, j;

	for (i = 1; i < n; i++) {
		struct sr_event e = ev[i];

		for (j = i; j && order(&e, &ev[j - 1]) < 0; j--)
			ev[j] = ev[j - 1];
		ev[j] = e;
	}
}

static void round_trip(uint64_t seed, const struct shape *s, unsigned chunk_events, int level)
{
	struct sr_event *ev;
	struct srz_writer *w;
	struct srz_reader *r;
	size_t done, n;

	rnd_state = seed;
	ev = rnd_stream(s);
	rnd_delay(s, ev);
	w = create(chunk_events);
	srz_writer_set_level(w, level);
	for (done = 0; done < s->events; done += n) {
		n = 1 + rnd_below(s->events / 3 + 1);
		if (n > s->events - done)
			n = s->events - done;
		ok(srz_put_events(w, SRZ_STREAM_KERNEL, ev + done, n, &err));
	}
	assert_int_equal(srz_events_written(w), s->events);
	ok(srz_close(w, &err));
	sort_stably(ev, s->events);
	r = open_it();
	assert_int_equal(srz_get_info(r)->complete, 1);
	assert_int_equal(srz_get_info(r)->events, s->events);
	assert_events(r, ev, s->events);
	ok(srz_rewind(r, &err));
	assert_events(r, ev, s->events);
	srz_reader_free(r);
	free(ev);
}

static void random_streams_come_back_bit_by_bit(void **state)
{
	uint64_t seed;

	for (seed = 1; seed <= 150; seed++) {
		struct shape s = { .events = 1 + seed * 7,
				   .cpus = 1 + (unsigned)(seed % 9),
				   .tasks = 1 + (unsigned)(seed * 3),
				   .stay = (unsigned)(seed % 4) * 25,
				   .strange = (unsigned)(seed % 5) * 5 };

		round_trip(seed, &s, 1 + (unsigned)(seed * 5 % 97), seed % 3 ? 6 : 0);
	}
}

static void late_events_are_put_in_order(void **state)
{
	uint64_t seed;

	for (seed = 1; seed <= 100; seed++) {
		struct shape s = { .events = 500 + seed,
				   .cpus = 2 + (unsigned)(seed % 9),
				   .tasks = 40,
				   .stay = (unsigned)(seed % 4) * 25,
				   .late = 2 + (unsigned)(seed % 15) };

		round_trip(seed, &s, 2 * s.late + (unsigned)(seed % 40), 6);
	}
}

static void a_stream_on_4096_cpus_comes_back(void **state)
{
	struct shape s = { .events = 20000, .cpus = SR_MAX_CPUS, .tasks = 9000, .stay = 30, .strange = 1 };

	round_trip(4096, &s, 8192, 6);
}

static void many_events_at_one_time_come_back_in_order(void **state)
{
	struct shape s = { .events = 3000, .cpus = 64, .tasks = 100, .stay = 100 };

	round_trip(7, &s, 100, 6);
}

static void a_chunk_of_the_biggest_size_comes_back(void **state)
{
	struct shape s = { .events = SRZ_MAX_CHUNK_EVENTS + 5, .cpus = 4, .tasks = 100000, .stay = 10 };

	round_trip(9, &s, SRZ_MAX_CHUNK_EVENTS, 6);
}

/* Stream 1 goes between stream 0's events by time; at one time stream 0 comes first. */
static void two_streams_are_merged(void **state)
{
	struct shape s = { .events = 2000, .cpus = 3, .tasks = 30, .stay = 60 };
	struct sr_event *a, *b, *all = calloc(2 * s.events, sizeof(*all));
	struct srz_writer *w = create(64);
	struct srz_reader *r;
	size_t i = 0, j = 0, n = 0;

	rnd_state = 11;
	a = rnd_stream(&s);
	b = rnd_stream(&s);
	for (i = 0; i < s.events; i++)
		b[i].time_ns = a[i].time_ns; /* many ties across the streams */
	for (i = 1; i < s.events; i++)
		if (b[i].time_ns == b[i - 1].time_ns && b[i].cpu < b[i - 1].cpu)
			b[i].cpu = b[i - 1].cpu;
	ok(srz_put_events(w, SRZ_STREAM_KERNEL, a, s.events, &err));
	ok(srz_put_events(w, SRZ_STREAM_ENGINE, b, s.events, &err));
	ok(srz_close(w, &err));
	for (i = 0; n < 2 * s.events;)
		all[n++] = j == s.events || (i < s.events && a[i].time_ns <= b[j].time_ns) ? a[i++] : b[j++];
	r = open_it();
	assert_events(r, all, n);
	srz_reader_free(r);
	free(a);
	free(b);
	free(all);
}

/* A late event makes a chunk begin before its predecessor; the other stream's events must wait for it. */
static void a_late_event_comes_before_the_other_stream(void **state)
{
	static const struct {
		uint64_t time_ns;
		enum srz_stream stream;
		uint16_t cpu;
	} put[] = { { 100, 0, 0 }, { 160, 0, 0 }, { 1000, 0, 0 }, { 150, 1, 0 }, { 700, 1, 0 }, { 500, 0, 1 } };
	static const uint64_t order[] = { 100, 150, 160, 500, 700, 1000 };
	struct srz_writer *w = create(0);
	struct sr_event ev;
	struct srz_reader *r;
	size_t i;

	for (i = 0; i < 6; i++) {
		ev = (struct sr_event){ .time_ns = put[i].time_ns, .cpu = put[i].cpu, .kind = SR_EV_WAKING };
		ok(srz_put_events(w, put[i].stream, &ev, 1, &err));
		if (ev.time_ns != 100 && ev.time_ns != 150)
			ok(srz_flush(w, &err));
	}
	ok(srz_close(w, &err));
	r = open_it();
	for (i = 0; i < 6; i++) {
		assert_int_equal(srz_next(r, &ev, &err), 1);
		assert_int_equal(ev.time_ns, order[i]);
	}
	srz_reader_free(r);
}

static void extreme_values_come_back(void **state)
{
	struct sr_event ev[8];
	struct srz_writer *w = create(0);
	struct srz_reader *r;

	memset(ev, 0, sizeof(ev));
	ev[0] = (struct sr_event){ .kind = SR_EV_SWITCH, .ctx = INT32_MAX, .flags = SR_EV_FILE_FLAGS };
	ev[0].u.sw.prev_prio = INT16_MIN;
	ev[0].u.sw.next_prio = INT16_MAX;
	ev[1] = (struct sr_event){ .time_ns = 1ull << 63, .cpu = SR_MAX_CPUS - 1, .kind = SR_EV_MIGRATE };
	ev[1].u.migrate.to = SR_MAX_CPUS - 1;
	ev[2] = (struct sr_event){ .time_ns = UINT64_MAX, .cpu = 1, .kind = SR_EV_NEWTASK };
	ev[2].u.newtask.clone_flags = UINT64_MAX;
	ev[3] = (struct sr_event){ .time_ns = UINT64_MAX, .cpu = 2, .kind = SR_EV_LOST };
	ev[3].u.lost.count = UINT64_MAX;
	ev[3].u.lost.span_us = UINT32_MAX;
	ev[4] = (struct sr_event){ .time_ns = UINT64_MAX, .cpu = 2, .kind = SR_EV_LOST };
	ev[4].u.lost.count = UINT64_MAX;
	ev[5] = (struct sr_event){ .time_ns = UINT64_MAX, .cpu = 3, .kind = SR_EV_DECISION };
	ev[5].u.decision.from = -1;
	ev[5].u.decision.to = SR_MAX_CPUS - 1;
	ev[5].u.decision.cost_ns = UINT32_MAX;
	ev[6] = (struct sr_event){ .time_ns = UINT64_MAX, .cpu = 4, .kind = SR_EV_BIND };
	ev[6].u.bind.source = UINT32_MAX;
	ev[7] = (struct sr_event){ .time_ns = UINT64_MAX, .cpu = 5, .kind = SR_EV_RENAME };
	ev[7].u.rename.name = UINT32_MAX;
	ok(srz_put_events(w, SRZ_STREAM_KERNEL, ev, 8, &err));
	ok(srz_close(w, &err));
	r = open_it();
	assert_int_equal(srz_get_info(r)->lost, UINT64_MAX); /* saturates */
	assert_int_equal(srz_get_info(r)->lost_places, 2);
	assert_int_equal(srz_get_info(r)->first_ns, 0);
	assert_int_equal(srz_get_info(r)->last_ns, UINT64_MAX);
	assert_int_equal(srz_get_info(r)->cpus, SR_MAX_CPUS);
	assert_events(r, ev, 8);
	srz_reader_free(r);
}

/* Every kind with every flag, ctx and prev coded and not: more ops than a chunk may have. */
static void a_chunk_of_more_ops_than_there_may_be_comes_back(void **state)
{
	struct sr_event *ev = calloc(1024, sizeof(*ev));
	struct srz_writer *w = create(1024);
	struct srz_reader *r;
	size_t n = 0;

	for (unsigned i = 0; i < (SR_EV_KINDS - 1) * 8 * 4; i++) {
		unsigned kind = 1 + i / 32, ctx = i & 8 ? 6 : 5;
		struct sr_event e = { .time_ns = 2 * i, .kind = SR_EV_SWITCH, .ctx = 5 };

		if (kind != SR_EV_SWITCH && i & 16)
			continue;
		e.u.sw.prev = e.u.sw.next = 5; /* the cpu's task is known to be 5 */
		ev[n++] = e;
		e = (struct sr_event){
			.time_ns = 2 * i + 1, .kind = (uint8_t)kind, .flags = i & 7, .ctx = (int32_t)ctx
		};
		if (kind == SR_EV_SWITCH) {
			e.u.sw.prev = i & 16 ? 7 : (int32_t)ctx;
			e.u.sw.next = 5;
		}
		ev[n++] = e;
	}
	ok(srz_put_events(w, SRZ_STREAM_KERNEL, ev, n, &err));
	ok(srz_close(w, &err));
	r = open_it();
	assert_int_equal(srz_get_info(r)->chunks, 1);
	assert_events(r, ev, n);
	srz_reader_free(r);
	free(ev);
}

static void seek_finds_the_first_event_at_or_after_a_time(void **state)
{
	struct shape s = { .events = 1000, .cpus = 4, .tasks = 30, .stay = 40, .late = 6 };
	struct srz_writer *w = create(32);
	struct sr_event *ev, got;
	struct srz_reader *r;
	size_t i, k;

	rnd_state = 5;
	ev = rnd_stream(&s);
	rnd_delay(&s, ev);
	ok(srz_put_events(w, SRZ_STREAM_KERNEL, ev, s.events, &err));
	ok(srz_close(w, &err));
	sort_stably(ev, s.events);
	r = open_it();
	for (i = 0; i < s.events; i += 13) {
		uint64_t t = ev[i].time_ns - (i % 2);

		for (k = 0; ev[k].time_ns < t; k++)
			;
		ok(srz_seek(r, t, &err));
		assert_events(r, ev + k, s.events - k);
	}
	ok(srz_seek(r, ev[s.events - 1].time_ns + 1, &err));
	assert_int_equal(srz_next(r, &got, &err), 0);
	srz_reader_free(r);
	free(ev);
}

/* Rounding makes ties, which a reader gives in order of cpu. */
static void times_are_multiples_of_the_unit(void **state)
{
	static const uint32_t units[] = { 2, 1000, 999983, SRZ_MAX_TIME_UNIT };
	struct shape s = { .events = 3000, .cpus = 5, .tasks = 30, .stay = 20 };
	struct sr_event *ev;
	struct srz_writer *w;
	struct srz_reader *r;
	size_t i, u;

	for (u = 0; u < sizeof(units) / sizeof(*units); u++) {
		rnd_state = 70 + u;
		ev = rnd_stream(&s);
		w = create(500);
		ok(srz_set_time_unit(w, units[u], &err));
		ok(srz_put_events(w, SRZ_STREAM_KERNEL, ev, s.events, &err));
		assert_int_equal(srz_set_time_unit(w, 1, &err), -1);
		ok(srz_close(w, &err));
		for (i = 0; i < s.events; i++)
			ev[i].time_ns -= ev[i].time_ns % units[u];
		sort_stably(ev, s.events);
		r = open_it();
		assert_int_equal(srz_get_info(r)->time_unit_ns, units[u]);
		assert_int_equal(strtoul(srz_get_meta(r, "time.resolution_ns"), NULL, 10), units[u]);
		assert_events(r, ev, s.events);
		srz_reader_free(r);
		free(ev);
	}
}

static void a_time_unit_out_of_range_is_refused(void **state)
{
	struct srz_writer *w = create(0);

	assert_int_equal(srz_set_time_unit(w, 0, &err), -1);
	assert_int_equal(srz_set_time_unit(w, SRZ_MAX_TIME_UNIT + 1, &err), -1);
	assert_int_equal(err.status, SR_BUG);
	srz_abort(w);
}

/* The events of some cpus, alone and behind a time; each tenth chunk has cpu 70 only. */
static void only_the_selected_cpus_are_read(void **state)
{
	struct shape s = { .events = 2000, .cpus = 4, .tasks = 30, .late = 5 };
	struct sr_cpumask mask = { { 0 } };
	struct srz_writer *w = create(50);
	struct sr_event *ev, *want;
	struct srz_reader *r;
	uint64_t from_ns;
	size_t i, n;

	rnd_state = 11;
	ev = rnd_stream(&s);
	for (i = 0; i < s.events; i++)
		if (i / 50 % 10 == 9)
			ev[i].cpu = 70;
	rnd_delay(&s, ev);
	ok(srz_put_events(w, SRZ_STREAM_KERNEL, ev, s.events, &err));
	ok(srz_close(w, &err));
	sort_stably(ev, s.events);
	want = calloc(s.events, sizeof(*want));
	mask.w[0] = 5;
	mask.w[1] = 1 << 6;
	r = open_it();
	for (from_ns = 0; from_ns <= ev[s.events / 2].time_ns; from_ns += ev[s.events / 2].time_ns) {
		for (i = n = 0; i < s.events; i++)
			if (ev[i].time_ns >= from_ns && sr_cpumask_isset(&mask, ev[i].cpu))
				want[n++] = ev[i];
		ok(srz_seek(r, from_ns, &err));
		ok(srz_select_cpus(r, &mask, &err));
		assert_events(r, want, n);
	}
	ok(srz_select_cpus(r, NULL, &err));
	ok(srz_rewind(r, &err));
	assert_events(r, ev, s.events);
	srz_reader_free(r);
	free(want);
	free(ev);
}

/* A chunk that is damaged is not seen by who has no need of it. */
static void chunks_without_need_are_not_read(void **state)
{
	struct sr_cpumask mask = { { 2 } };
	struct srz_writer *w = create(10);
	struct sr_event ev = { .kind = SR_EV_WAKING }, got;
	struct srz_reader *r;
	FILE *f;
	int i;

	for (i = 0; i < 40; i++) {
		ev.time_ns = 1000 + (uint64_t)i;
		ev.cpu = i / 10 == 2;
		ok(srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err));
	}
	ok(srz_close(w, &err));
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, SRZ_HEADER_SIZE + SRZ_SECTION_HEADER + 3, SEEK_SET); /* in the first chunk */
	putc(0xff, f);
	assert_int_equal(fclose(f), 0);
	r = open_it();
	assert_int_equal(srz_next(r, &got, &err), -1);
	ok(srz_seek(r, 1010, &err));
	for (i = 10; i < 40; i++)
		assert_int_equal(srz_next(r, &got, &err), 1);
	assert_int_equal(srz_next(r, &got, &err), 0);
	ok(srz_rewind(r, &err));
	ok(srz_select_cpus(r, &mask, &err));
	for (i = 20; i < 30; i++) {
		assert_int_equal(srz_next(r, &got, &err), 1);
		assert_int_equal(got.time_ns, 1000 + i);
	}
	assert_int_equal(srz_next(r, &got, &err), 0);
	srz_reader_free(r);
}

static void counts_are_those_of_the_events(void **state)
{
	struct shape s = { .events = 5000, .cpus = 4, .tasks = 30 };
	struct srz_writer *w = create(100);
	uint64_t kinds[SR_EV_KINDS] = { 0 }, lost = 0;
	struct sr_event *ev;
	struct srz_reader *r;
	size_t i;

	rnd_state = 6;
	ev = rnd_stream(&s);
	for (i = 0; i < s.events; i++) {
		kinds[ev[i].kind]++;
		lost += ev[i].kind == SR_EV_LOST ? ev[i].u.lost.count : 0;
	}
	ok(srz_put_events(w, SRZ_STREAM_KERNEL, ev, s.events, &err));
	ok(srz_close(w, &err));
	r = open_it();
	assert_memory_equal(srz_get_info(r)->events_by_kind, kinds, sizeof(kinds));
	assert_int_equal(srz_get_info(r)->lost, lost);
	assert_int_equal(srz_get_info(r)->lost_places, kinds[SR_EV_LOST]);
	assert_int_equal(srz_get_info(r)->chunks, 50);
	assert_int_equal(srz_get_info(r)->first_ns, ev[0].time_ns);
	assert_int_equal(srz_get_info(r)->last_ns, ev[s.events - 1].time_ns);
	srz_reader_free(r);
	free(ev);
}

static void a_later_meta_value_wins(void **state)
{
	struct srz_writer *w = create(0);
	struct srz_reader *r;
	const char *key, *value;

	ok(srz_put_meta(w, "label", "first", &err));
	ok(srz_put_meta(w, "command", "", &err));
	ok(srz_flush(w, &err));
	ok(srz_put_meta_u64(w, "n", UINT64_MAX, &err));
	ok(srz_put_meta(w, "label", "second", &err));
	ok(srz_close(w, &err));
	r = open_it();
	assert_int_equal(srz_meta_count(r), 3);
	srz_meta_at(r, 0, &key, &value);
	assert_string_equal(key, "label");
	assert_string_equal(value, "second");
	assert_string_equal(srz_get_meta(r, "command"), "");
	assert_string_equal(srz_get_meta(r, "n"), "18446744073709551615");
	assert_null(srz_get_meta(r, "lab"));
	srz_reader_free(r);
}

static void a_long_meta_value_is_cut_between_characters(void **state)
{
	struct srz_writer *w = create(0);
	char *value = malloc(100001);
	struct srz_reader *r;
	size_t i;

	for (i = 0; i < 100000; i += 2)
		memcpy(value + i, "\xc3\xa4", 2);
	value[100000] = 0;
	ok(srz_put_meta(w, "k", value, &err));
	ok(srz_close(w, &err));
	r = open_it();
	assert_int_equal(strlen(srz_get_meta(r, "k")), SRZ_MAX_META_VALUE - 1);
	srz_reader_free(r);
	free(value);
}

static void equal_names_share_an_index(void **state)
{
	struct srz_writer *w = create(0);
	struct srz_reader *r;
	char name[32];
	uint32_t i;

	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "name %u", i % 2500);
		assert_int_equal(srz_put_name(w, name, &err), i % 2500);
		if (i % 700 == 0)
			ok(srz_flush(w, &err));
	}
	assert_int_equal(srz_put_name(w, "", &err), 2500);
	assert_int_equal(srz_put_name(w, "name", &err), 2501);
	ok(srz_close(w, &err));
	r = open_it();
	assert_string_equal(srz_name_at(r, 0), "name 0");
	assert_string_equal(srz_name_at(r, 2499), "name 2499");
	assert_string_equal(srz_name_at(r, 2500), "");
	assert_string_equal(srz_name_at(r, 2501), "name");
	assert_string_equal(srz_name_at(r, 2502), "?");
	assert_string_equal(srz_name_at(r, UINT32_MAX), "?");
	srz_reader_free(r);
}

static void the_start_state_comes_back(void **state)
{
	struct sr_task_starts starts = { 0 };
	const struct sr_task_starts *got;
	struct sr_cpumask mask[3] = { 0 };
	struct srz_writer *w = create(0);
	struct srz_reader *r;
	int i;

	memset(&mask[0], 0xff, sizeof(mask[0]));
	for (i = 0; i < SR_MAX_CPUS; i += 2)
		sr_cpumask_set(&mask[1], (unsigned)i);
	for (i = 1; i < 1000; i++) {
		struct sr_task_start t = { .tid = i * 7 % 1001,
					   .tgid = i % 3 ? i * 7 % 1001 : 1,
					   .ppid = i % 5,
					   .policy = (uint8_t)(i % 8),
					   .nice = (int8_t)(i % 40 - 20),
					   .rt_prio = (uint8_t)(i % 100),
					   .flags = (uint8_t)(i % 8),
					   .state = "RSDTtXZPI"[i % 9],
					   .last_cpu = (uint16_t)(i % SR_MAX_CPUS) };

		if (!t.tid)
			continue;
		snprintf(t.comm, sizeof(t.comm), "%.*s", i % 16, "fifteen letters");
		ok(sr_task_starts_add(&starts, &t, &mask[i % 3], &err));
	}
	ok(srz_put_tasks(w, &starts, &err));
	ok(srz_close(w, &err));
	r = open_it();
	got = srz_get_tasks(r);
	assert_int_equal(got->n, starts.n);
	assert_int_equal(got->nmasks, 3);
	assert_memory_equal(got->v, starts.v, starts.n * sizeof(*starts.v));
	assert_memory_equal(got->masks, starts.masks, 3 * sizeof(*starts.masks));
	srz_reader_free(r);
	sr_task_starts_release(&starts);
}

static void a_section_comes_back(void **state)
{
	struct srz_writer *w = create(0);
	char *big = malloc(1 << 20);
	struct srz_reader *r;
	size_t len;

	memset(big, 'x', 1 << 20);
	ok(srz_put_section(w, SRZ_SEC_MACHINE, "<old/>", 6, &err));
	ok(srz_put_section(w, SRZ_SEC_MACHINE, big, 1 << 20, &err));
	ok(srz_put_section(w, SRZ_SEC_WORK, "", 0, &err));
	ok(srz_close(w, &err));
	r = open_it();
	assert_memory_equal(srz_get_section(r, SRZ_SEC_MACHINE, &len), big, 1 << 20);
	assert_int_equal(len, 1 << 20);
	assert_true(srz_get_info(r)->bytes < 5000);
	assert_non_null(srz_get_section(r, SRZ_SEC_WORK, &len));
	assert_int_equal(len, 0);
	assert_null(srz_get_section(r, 77, &len));
	srz_reader_free(r);
	free(big);
}

static void an_optional_section_that_is_not_known_is_skipped(void **state)
{
	struct srz_writer *w = create(0);

	ok(srz_put_section(w, 77, "what is this", 12, &err));
	ok(srz_put_meta(w, "k", "v", &err));
	ok(srz_close(w, &err));
	struct srz_reader *r = open_it();
	assert_string_equal(srz_get_meta(r, "k"), "v");
	srz_reader_free(r);
}

static void a_necessary_section_that_is_not_known_is_refused(void **state)
{
	struct srz_writer *w = create(0);

	ok(srz_put_section(w, 77 | SRZ_MUST, "what is this", 12, &err));
	ok(srz_close(w, &err));
	assert_null(srz_open(path, &err));
	assert_int_equal(err.status, SR_DAMAGED);
	assert_non_null(strstr(err.text, "section 77 at offset 20 must be understood"));
}

/* What a recorder could get wrong; each is refused and says what it is. */
static void wrong_events_are_refused(void **state)
{
	const struct sr_event good = { .time_ns = 100, .kind = SR_EV_WAKING, .ctx = 1, .u.wake = { .tid = 2 } };
	const struct {
		const char *text;
		struct sr_event ev;
	} bad[] = {
		{ "back in time on cpu 0", { .time_ns = 99, .kind = SR_EV_WAKING } },
		{ "the cpu out of range", { .time_ns = 100, .cpu = SR_MAX_CPUS, .kind = SR_EV_WAKING } },
		{ "the kind out of range", { .time_ns = 100, .kind = SR_EV_KINDS } },
		{ "the kind out of range", { .time_ns = 100, .kind = 0 } },
		{ "the flags out of range", { .time_ns = 100, .kind = SR_EV_WAKING, .flags = SR_EV_REPAIRED } },
		{ "a tid out of range", { .time_ns = 100, .kind = SR_EV_WAKING, .ctx = -1 } },
		{ "a tid out of range", { .time_ns = 100, .kind = SR_EV_SWITCH, .u.sw = { .next = -2 } } },
		{ "a task state out", { .time_ns = 100, .kind = SR_EV_SWITCH, .u.sw = { .prev_state = SR_STATES } } },
		{ "a cpu of the event",
		  { .time_ns = 100, .kind = SR_EV_WAKEUP, .u.wake = { .target_cpu = SR_MAX_CPUS } } },
		{ "a cpu of the event", { .time_ns = 100, .kind = SR_EV_MIGRATE, .u.migrate = { .to = SR_MAX_CPUS } } },
		{ "a cpu of the event", { .time_ns = 100, .kind = SR_EV_DECISION, .u.decision = { .to = -2 } } },
		{ "a cause out of range",
		  { .time_ns = 100, .kind = SR_EV_DECISION, .u.decision = { .cause = SR_CAUSES } } },
		{ "group_dead out of", { .time_ns = 100, .kind = SR_EV_EXIT, .u.exit = { .group_dead = 3 } } },
	};
	struct srz_writer *w = create(0);
	size_t i;

	ok(srz_put_events(w, SRZ_STREAM_KERNEL, &good, 1, &err));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(srz_put_events(w, SRZ_STREAM_KERNEL, &bad[i].ev, 1, &err), -1);
		assert_int_equal(err.status, SR_BUG);
		if (!strstr(err.text, bad[i].text))
			fail_msg("'%s' is not in '%s'", bad[i].text, err.text);
	}
	/* another stream has times of its own */
	ok(srz_put_events(w, SRZ_STREAM_ENGINE, &bad[0].ev, 1, &err));
	srz_abort(w);
}

static void an_event_behind_two_written_chunks_is_refused(void **state)
{
	struct sr_event ev = { .kind = SR_EV_WAKING, .cpu = 1 };
	struct srz_writer *w = create(10);
	int i;

	for (i = 0; i < 20; i++) {
		ev.time_ns = 1000 + (uint64_t)i;
		ok(srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err));
	}
	ev.cpu = 0;
	ev.time_ns = 1008; /* the first chunk ends at 1009 */
	assert_int_equal(srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err), -1);
	assert_int_equal(err.status, SR_BUG);
	ev.time_ns = 1010;
	ok(srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err));
	srz_abort(w);
}

static void a_small_file_costs_little(void **state)
{
	struct srz_writer *w = create(0);
	struct srz_reader *r;

	ok(srz_put_meta(w, "command", "true", &err));
	ok(srz_close(w, &err));
	r = open_it();
	assert_in_range(srz_get_info(r)->bytes, 100, 200);
	srz_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_streams_come_back_bit_by_bit),
		cmocka_unit_test(late_events_are_put_in_order),
		cmocka_unit_test(a_stream_on_4096_cpus_comes_back),
		cmocka_unit_test(many_events_at_one_time_come_back_in_order),
		cmocka_unit_test(a_chunk_of_the_biggest_size_comes_back),
		cmocka_unit_test(two_streams_are_merged),
		cmocka_unit_test(a_late_event_comes_before_the_other_stream),
		cmocka_unit_test(extreme_values_come_back),
		cmocka_unit_test(a_chunk_of_more_ops_than_there_may_be_comes_back),
		cmocka_unit_test(seek_finds_the_first_event_at_or_after_a_time),
		cmocka_unit_test(times_are_multiples_of_the_unit),
		cmocka_unit_test(a_time_unit_out_of_range_is_refused),
		cmocka_unit_test(only_the_selected_cpus_are_read),
		cmocka_unit_test(chunks_without_need_are_not_read),
		cmocka_unit_test(counts_are_those_of_the_events),
		cmocka_unit_test(a_later_meta_value_wins),
		cmocka_unit_test(a_long_meta_value_is_cut_between_characters),
		cmocka_unit_test(equal_names_share_an_index),
		cmocka_unit_test(the_start_state_comes_back),
		cmocka_unit_test(a_section_comes_back),
		cmocka_unit_test(an_optional_section_that_is_not_known_is_skipped),
		cmocka_unit_test(a_necessary_section_that_is_not_known_is_refused),
		cmocka_unit_test(wrong_events_are_refused),
		cmocka_unit_test(an_event_behind_two_written_chunks_is_refused),
		cmocka_unit_test(a_small_file_costs_little),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
