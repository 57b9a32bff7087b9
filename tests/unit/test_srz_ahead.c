/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading ahead: what is read, and what is refused, is what one thread reads, however often and from wherever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

#include "formats/srz.h"
#include "formats/srz_internal.h"

#define EVENTS 20000

static struct sr_error err;
static char path[] = "/tmp/schedrec-ahead.XXXXXX";
static struct sr_event all[EVENTS + EVENTS / 4];
static size_t nall;

static void ok(int ret)
{
	if (ret)
		fail_msg("%s", err.text);
}

/* Two streams; of the first every 50th event comes late, so that chunks overlap. */
static int make_file(void **state)
{
	int fd = mkstemp(path);
	struct srz_writer *w;
	struct srz_reader *r;

	if (fd < 0)
		return -1;
	close(fd);
	w = srz_create(path, 100, &err);
	for (unsigned i = 0; w && i < EVENTS; i++) {
		struct sr_event ev = { .time_ns = 1000 + i * 10u - (i % 50 == 49 ? 700 : 0),
				       .cpu = (uint16_t)(i % 50 == 49 ? 3 : i % 3),
				       .kind = SR_EV_WAKING,
				       .ctx = (int32_t)(i % 7),
				       .u.wake = { .tid = (int32_t)(i % 11), .prio = 120 } };

		ok(srz_put_events(w, SRZ_STREAM_KERNEL, &ev, 1, &err));
		if (i % 4)
			continue;
		ev = (struct sr_event){ .time_ns = 1005 + i * 10u, .kind = SR_EV_BIND, .u.bind = { .tid = 5 } };
		ok(srz_put_events(w, SRZ_STREAM_ENGINE, &ev, 1, &err));
	}
	if (!w || srz_close(w, &err))
		return -1;
	r = srz_open(path, &err);
	while (r && srz_next(r, &all[nall], &err) == 1)
		nall++;
	srz_reader_free(r);
	return nall == EVENTS + EVENTS / 4 ? 0 : -1;
}

static int remove_file(void **state)
{
	return unlink(path);
}

/* From all[from] on, as many as n (SIZE_MAX: to the end), in runs and one by one in turns. */
static void assert_reads(struct srz_reader *r, size_t from, size_t n)
{
	const struct sr_event *run;
	struct sr_event ev;
	size_t at = from;
	long got;

	while (n == SIZE_MAX || at - from < n) {
		if (at % 2) {
			got = srz_next(r, &ev, &err);
			run = &ev;
		} else {
			got = srz_next_run(r, &run, &err);
		}
		assert_true(got >= 0);
		if (!got)
			break;
		assert_in_range(at + (size_t)got, 1, nall);
		for (long i = 0; i < got; i++)
			assert_memory_equal(&run[i], &all[at + (size_t)i], sizeof(ev));
		at += (size_t)got;
	}
	if (n == SIZE_MAX)
		assert_int_equal(at, nall);
}

static struct srz_reader *open_ahead(void)
{
	struct srz_reader *r = srz_open(path, &err);

	ok(!r);
	srz_read_ahead(r);
	return r;
}

static void the_same_is_read(void **state)
{
	struct srz_reader *r = open_ahead();

	for (unsigned pass = 0; pass < 3; pass++) {
		ok(srz_rewind(r, &err));
		assert_reads(r, 0, SIZE_MAX);
	}
	srz_reader_free(r);
}

static void a_pass_that_was_left_changes_nothing(void **state)
{
	struct srz_reader *r = open_ahead();

	for (size_t n = 1; n < 2000; n = n * 3 + 1) {
		ok(srz_rewind(r, &err));
		assert_reads(r, 0, n);
	}
	for (size_t at = nall - 1; at > 100; at = at * 2 / 3) {
		while (at && all[at - 1].time_ns == all[at].time_ns)
			at--;
		ok(srz_seek(r, all[at].time_ns, &err));
		assert_reads(r, at, 300);
	}
	ok(srz_rewind(r, &err));
	assert_reads(r, 0, SIZE_MAX);
	srz_reader_free(r);
}

/* The last time through, held chunks go; once more, there they are all the same. */
static void what_is_read_once_is_read_again(void **state)
{
	struct srz_reader *r = open_ahead();

	assert_reads(r, 0, nall / 2);
	srz_read_once(r);
	for (unsigned pass = 0; pass < 2; pass++) {
		ok(srz_rewind(r, &err));
		assert_reads(r, 0, SIZE_MAX);
		for (size_t i = 0; i < r->nchunks; i++)
			assert_null(r->held[i].ev);
	}
	srz_read_ahead(r);
	ok(srz_rewind(r, &err));
	assert_reads(r, 0, SIZE_MAX);
	assert_non_null(r->held[0].ev);
	srz_reader_free(r);
}

static void new_memory_is_as_long_as_asked(void **state)
{
	static const size_t lens[] = { 1, 4096, (2u << 20) - 1, 2u << 20, (4u << 20) + 5 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		uint8_t *p = srz_new_populated(lens[i]);

		assert_non_null(p);
		memset(p, 0x5a, lens[i]);
		free(p);
	}
}

static void without_held_chunks_the_same_is_read(void **state)
{
	struct srz_reader *r = open_ahead();

	srz_release_held(r);
	for (unsigned pass = 0; pass < 2; pass++) {
		ok(srz_rewind(r, &err));
		assert_reads(r, 0, SIZE_MAX);
	}
	srz_reader_free(r);
}

static size_t count_selected(struct srz_reader *r, unsigned cpu)
{
	struct sr_cpumask one = { 0 };
	struct sr_event ev;
	size_t n = 0;

	sr_cpumask_set(&one, cpu);
	ok(srz_select_cpus(r, &one, &err));
	while (srz_next(r, &ev, &err) == 1)
		n += ev.cpu == cpu;
	return n;
}

static void cpus_may_be_selected_afterwards(void **state)
{
	struct srz_reader *r = open_ahead();

	assert_reads(r, 0, 1000);
	assert_int_equal(count_selected(r, 3), EVENTS / 50);
	assert_int_equal(count_selected(r, 3), EVENTS / 50);
	ok(srz_select_cpus(r, NULL, &err));
	assert_reads(r, 0, SIZE_MAX);
	srz_reader_free(r);
}

/* The events before the damage, and then the same words. */
static void damage_is_told_in_its_place(void **state)
{
	struct srz_reader *r = open_ahead();
	uint64_t at = r->chunk[r->nchunks / 2].offset + SRZ_SECTION_HEADER + 5;
	int fd = open(path, O_RDWR);
	struct sr_event ev, plain;
	struct sr_error told;
	size_t n[2] = { 0 };
	uint8_t byte;
	int ret;

	assert_true(fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	while ((ret = srz_next(r, &ev, &err)) == 1)
		n[0]++;
	assert_int_equal(ret, -1);
	told = err;
	srz_reader_free(r);
	r = srz_open(path, &err);
	ok(!r);
	while ((ret = srz_next(r, &plain, &err)) == 1)
		n[1]++;
	assert_int_equal(ret, -1);
	assert_int_equal(n[0], n[1]);
	assert_string_equal(told.text, err.text);
	assert_int_equal(told.status, err.status);
	srz_reader_free(r);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_read),
		cmocka_unit_test(a_pass_that_was_left_changes_nothing),
		cmocka_unit_test(without_held_chunks_the_same_is_read),
		cmocka_unit_test(what_is_read_once_is_read_again),
		cmocka_unit_test(new_memory_is_as_long_as_asked),
		cmocka_unit_test(cpus_may_be_selected_afterwards),
		cmocka_unit_test(damage_is_told_in_its_place),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
