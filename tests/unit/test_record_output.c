/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bounded files, slices and the ring: nothing lost, nothing twice, never above the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "formats/srz.h"
#include "record/output.h"
#include "record/ring.h"
#include "tests/unit/record_load.h"

#define START 1000000000ull
#define MS 1000000ull

struct fixture {
	char dir[64], path[128];
	struct rec_output *o;
	struct load load;
	struct sr_task_starts starts;
	unsigned heads, tails;
	struct rec_part last; /* of the last tail */
	uint64_t most_bytes;  /* seen in the directory */
	struct sr_error err;
};

static int head(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err)
{
	struct fixture *x = arg;

	x->heads++;
	return srz_put_meta_u64(w, "slice.number", part->number, err) ||
			       srz_put_meta_u64(w, "slice.first_ns", part->first_ns, err) ||
			       srz_put_meta_u64(w, "slice.removed", part->removed, err) ?
		       -1 :
		       0;
}

static int tail(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err)
{
	struct fixture *x = arg;

	x->tails++;
	x->last = *part;
	return srz_put_meta_u64(w, "last_ns", part->last_ns, err) ||
			       srz_put_meta(w, "record.end", part->last ? "end" : "slice", err) ?
		       -1 :
		       0;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	if (!x)
		return -1;
	snprintf(x->dir, sizeof(x->dir), "/tmp/schedrec-out.XXXXXX");
	*state = x;
	if (!mkdtemp(x->dir))
		return -1;
	snprintf(x->path, sizeof(x->path), "%s/x.srz", x->dir);
	load_init(&x->load, START, 30000);
	for (int i = -1; i < LOAD_TASKS; i++) {
		struct sr_task_start t = { .tid = i < 0 ? 1 : x->load.tid[i], .state = 'S' };

		t.tgid = t.tid;
		snprintf(t.comm, sizeof(t.comm), "start-%d", i);
		if (sr_task_starts_add(&x->starts, &t, NULL, &x->err))
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	char command[128];
	int rc;

	rec_output_free(x->o);
	sr_task_starts_release(&x->starts);
	snprintf(command, sizeof(command), "rm -rf '%s'", x->dir);
	rc = system(command);
	free(x);
	return rc;
}

static void begin(struct fixture *x, struct rec_output_config cfg)
{
	cfg.path = x->path;
	cfg.arg = x;
	cfg.head = head;
	cfg.tail = tail;
	x->o = rec_output_new(&cfg, &x->err);
	assert_non_null(x->o);
	assert_int_equal(rec_output_begin(x->o, &x->starts, START, &x->err), 0);
}

static uint64_t bytes_in(struct fixture *x)
{
	DIR *dir = opendir(x->dir);
	uint64_t sum = 0;
	struct dirent *d;

	while ((d = readdir(dir))) {
		struct stat st;

		if (d->d_name[0] != '.' && !fstatat(dirfd(dir), d->d_name, &st, 0))
			sum += (uint64_t)st.st_size;
	}
	closedir(dir);
	if (sum > x->most_bytes)
		x->most_bytes = sum;
	return sum;
}

static int feed(struct fixture *x, uint64_t events)
{
	struct sr_event ev[1000];
	char name[64];

	while (events) {
		size_t n = events < 1000 ? events : 1000;

		for (size_t i = 0; i < n; i++)
			if (load_next(&x->load, &ev[i])) {
				load_name(&x->load, name, sizeof(name));
				ev[i].u.exec.name = rec_output_name(x->o, name, &x->err);
			}
		events -= n;
		if (rec_output_events(x->o, ev, n, &x->err) || rec_output_tick(x->o, ev[n - 1].time_ns - MS, &x->err))
			return -1;
		bytes_in(x);
	}
	return 0;
}

static void end(struct fixture *x)
{
	if (rec_output_end(x->o, x->load.time_ns + 1, &x->err))
		fail_msg("%s", x->err.text);
	bytes_in(x);
}

static struct srz_reader *open_number(struct fixture *x, unsigned number)
{
	char path[256];
	struct srz_reader *r;

	rec_output_path(x->o, number, path, sizeof(path));
	r = srz_open(path, &x->err);
	if (!r)
		fail_msg("%s", x->err.text);
	assert_int_equal(srz_get_info(r)->complete, 1);
	return r;
}

/* The load's events one after the other, as they were fed. */
struct expected {
	struct load load;
	uint64_t read;
};

/* All events of the file are the next ones of the load; their number. */
static uint64_t compare(struct fixture *x, struct srz_reader *r, struct expected *want)
{
	struct sr_event ev, other;
	uint64_t n = 0;
	char name[64];

	while (srz_next(r, &ev, &x->err) == 1) {
		bool named = load_next(&want->load, &other);

		n++;
		want->read++;
		if (named) {
			load_name(&want->load, name, sizeof(name));
			assert_string_equal(srz_name_at(r, ev.u.exec.name), name);
			other.u.exec.name = ev.u.exec.name;
		}
		if (ev.time_ns != other.time_ns || ev.kind != other.kind || memcmp(&ev.u, &other.u, 12) != 0)
			fail_msg("event %llu (%llu ns, kind %u) is not the one at %llu ns, kind %u",
				 (unsigned long long)want->read, (unsigned long long)ev.time_ns, ev.kind,
				 (unsigned long long)other.time_ns, other.kind);
	}
	assert_int_equal(n, srz_get_info(r)->events);
	return n;
}

static uint64_t meta(struct srz_reader *r, const char *key)
{
	const char *text = srz_get_meta(r, key);

	assert_non_null(text);
	return strtoull(text, NULL, 10);
}

/* Which of the load's tasks the start state knows. */
static void assert_start(struct srz_reader *r, const struct load *at)
{
	const struct sr_task_starts *s = srz_get_tasks(r);

	for (int i = 0; i < LOAD_TASKS; i++) {
		size_t k;

		for (k = 0; k < s->n && s->v[k].tid != at->tid[i]; k++)
			;
		/* The last one may be between its predecessor's exit and its own fork. */
		if (k == s->n && at->tid[i] != at->last_tid)
			fail_msg("task %d is not in the start state of %zu", at->tid[i], s->n);
	}
}

static void a_bounded_file_ends_before_its_bound(void **state)
{
	struct fixture *x = *state;
	static const unsigned kb[] = { 1024, 1025, 1300, 2047, 3000 };

	for (size_t i = 0; i < sizeof(kb) / sizeof(*kb); i++) {
		struct expected want = { 0 };
		struct srz_reader *r;

		load_init(&x->load, START, 30000);
		want.load = x->load;
		begin(x, (struct rec_output_config){ .max_bytes = kb[i] * 1024ull });
		assert_int_equal(feed(x, 5000000), -1);
		assert_true(rec_output_get_stats(x->o)->full);
		assert_int_equal(feed(x, 1000), -1); /* and stays so */
		end(x);
		r = open_number(x, 0);
		assert_in_range(srz_get_info(r)->bytes, kb[i] * 1024ull * 9 / 10, kb[i] * 1024ull);
		assert_int_equal(compare(x, r, &want), rec_output_get_stats(x->o)->events);
		assert_true(x->last.last_ns >= srz_get_info(r)->last_ns);
		assert_true(x->last.last_ns < srz_get_info(r)->last_ns + 100000);
		srz_reader_free(r);
		rec_output_free(x->o);
		x->o = NULL;
		unlink(x->path);
	}
	assert_true(x->most_bytes <= 3000 * 1024);
}

static void slices_have_every_event_once_and_stand_alone(void **state)
{
	struct fixture *x = *state;
	struct expected want = { .load = x->load };
	uint64_t sum = 0;
	unsigned n;

	begin(x, (struct rec_output_config){ .slice_ns = 500 * MS });
	assert_int_equal(feed(x, 200000), 0); /* 6 s */
	end(x);
	n = rec_output_get_stats(x->o)->last_number;
	assert_in_range(n, 12, 13);
	for (unsigned i = 1; i <= n; i++) {
		struct srz_reader *r = open_number(x, i);

		assert_int_equal(meta(r, "slice.number"), i);
		assert_int_equal(meta(r, "slice.first_ns"), START + (i - 1) * 500 * MS);
		assert_true(srz_get_info(r)->first_ns >= START + (i - 1) * 500 * MS);
		assert_true(srz_get_info(r)->last_ns < START + i * 500 * MS);
		assert_string_equal(srz_get_meta(r, "record.end"), i == n ? "end" : "slice");
		assert_start(r, &want.load);
		sum += compare(x, r, &want);
		srz_reader_free(r);
	}
	assert_int_equal(sum, 200000);
	assert_int_equal(rec_output_get_stats(x->o)->files, n);
}

static void a_slice_ends_on_time_without_a_next_event(void **state)
{
	struct fixture *x = *state;
	char path[256];

	begin(x, (struct rec_output_config){ .slice_ns = 500 * MS });
	assert_int_equal(feed(x, 10), 0);
	assert_int_equal(rec_output_tick(x->o, START + 600 * MS, &x->err), 0);
	rec_output_path(x->o, 1, path, sizeof(path));
	for (int i = 0; access(path, F_OK) && i < 500; i++)
		usleep(10000);
	assert_int_equal(access(path, F_OK), 0);
	/* One without events does not end: no empty files. */
	assert_int_equal(rec_output_tick(x->o, START + 5000 * MS, &x->err), 0);
	x->load.time_ns = START + 5400 * MS;
	assert_int_equal(feed(x, 10), 0);
	end(x);
	assert_int_equal(rec_output_get_stats(x->o)->last_number, 2);
	assert_int_equal(x->last.first_ns, START + 500 * MS);
}

/* The merge puts it behind what it handed on last, which may be long before the time that ended the slice. */
static void an_event_that_is_late_for_its_slice_begins_the_next(void **state)
{
	struct fixture *x = *state;
	struct sr_event late = { .kind = SR_EV_EXIT };
	struct srz_reader *r;
	struct sr_event ev;

	begin(x, (struct rec_output_config){ .slice_ns = 100 * MS });
	assert_int_equal(feed(x, 1000), 0); /* 33 ms */
	assert_int_equal(rec_output_tick(x->o, START + 140 * MS, &x->err), 0);
	late.time_ns = START + 90 * MS;
	late.u.exit.tid = x->load.tid[0];
	assert_int_equal(rec_output_events(x->o, &late, 1, &x->err), 0);
	end(x);
	r = open_number(x, 2);
	assert_int_equal(srz_next(r, &ev, &x->err), 1);
	assert_int_equal(ev.time_ns, START + 100 * MS);
	srz_reader_free(r);
}

static void bounded_slices_lose_the_oldest_only(void **state)
{
	struct fixture *x = *state;
	struct expected want = { .load = x->load };
	const struct rec_output_stats *st;
	struct sr_event skipped;
	struct srz_reader *r;
	uint64_t sum = 0;

	begin(x, (struct rec_output_config){ .slice_ns = 1000 * MS, .max_bytes = 1 << 20 });
	assert_int_equal(feed(x, 400000), 0);
	end(x);
	st = rec_output_get_stats(x->o);
	assert_true(st->removed > 0);
	assert_int_equal(st->files, st->last_number - st->removed);
	assert_in_range(x->most_bytes, 1 << 19, 1 << 20);
	assert_int_equal(st->bytes, bytes_in(x));
	r = open_number(x, (unsigned)st->removed + 1);
	while (want.load.time_ns + 1 < srz_get_info(r)->first_ns) {
		struct load next = want.load;

		load_next(&next, &skipped);
		if (skipped.time_ns >= srz_get_info(r)->first_ns)
			break;
		want.load = next;
		sum++;
	}
	srz_reader_free(r);
	for (unsigned i = (unsigned)st->removed + 1; i <= st->last_number; i++) {
		r = open_number(x, i);
		assert_start(r, &want.load);
		sum += compare(x, r, &want);
		if (i == st->last_number)
			assert_true(meta(r, "slice.removed") > 0);
		srz_reader_free(r);
	}
	assert_int_equal(sum, 400000);
}

/* A slice that would take all there is ends early. */
static void a_long_slice_is_cut_where_it_has_no_room(void **state)
{
	struct fixture *x = *state;
	const struct rec_output_stats *st;

	begin(x, (struct rec_output_config){ .slice_ns = 3600000 * MS, .max_bytes = 1 << 20 });
	assert_int_equal(feed(x, 400000), 0);
	end(x);
	st = rec_output_get_stats(x->o);
	assert_true(st->removed > 0 && st->files >= 1);
	assert_in_range(x->most_bytes, 1 << 19, 1 << 20);
}

static void a_start_state_without_room_is_refused(void **state)
{
	struct fixture *x = *state;
	struct rec_output_config cfg = { .path = x->path, .max_bytes = 8192, .arg = x, .head = head, .tail = tail };

	x->o = rec_output_new(&cfg, &x->err);
	assert_non_null(x->o);
	assert_int_equal(rec_output_begin(x->o, &x->starts, START, &x->err), -1);
	assert_int_equal(x->err.status, SR_USAGE);
}

static void the_ring_has_the_last_span_only(void **state)
{
	struct fixture *x = *state;
	struct expected want = { .load = x->load };
	struct sr_event skipped;
	struct srz_reader *r;
	uint64_t end_ns;

	begin(x, (struct rec_output_config){ .ring_ns = 1000 * MS });
	assert_int_equal(access(x->path, F_OK), -1);
	assert_int_equal(feed(x, 200000), 0);
	end(x);
	end_ns = x->load.time_ns + 1;
	r = open_number(x, 0);
	assert_int_equal(meta(r, "last_ns"), end_ns);
	/* A second and a sixteenth at most, and not less than the second. */
	assert_in_range(end_ns - meta(r, "slice.first_ns"), 1000 * MS, 1070 * MS);
	assert_false(rec_output_get_stats(x->o)->squeezed);
	assert_in_range(rec_output_get_stats(x->o)->kept_ns, 1000 * MS, 1070 * MS);
	while (want.load.time_ns < meta(r, "slice.first_ns"))
		load_next(&want.load, &skipped);
	assert_start(r, &want.load);
	compare(x, r, &want);
	assert_int_equal(want.load.time_ns, x->load.time_ns);
	srz_reader_free(r);
}

static void a_dump_is_written_while_events_go_on(void **state)
{
	struct fixture *x = *state;
	struct sr_error why;

	begin(x, (struct rec_output_config){ .ring_ns = 2000 * MS });
	assert_int_equal(feed(x, 100000), 0);
	rec_output_dump(x->o);
	rec_output_dump(x->o); /* again, before the first is written */
	assert_int_equal(feed(x, 100000), 0);
	end(x);
	assert_int_equal(rec_output_dump_result(x->o, &why), 0);
	assert_int_equal(rec_output_get_stats(x->o)->files, 3);
	for (unsigned number = 0; number < 3; number++) {
		struct srz_reader *r = open_number(x, number);
		struct expected want = { 0 };
		struct sr_event skipped;

		load_init(&want.load, START, 30000);
		while (want.load.time_ns < meta(r, "slice.first_ns"))
			load_next(&want.load, &skipped);
		assert_true(compare(x, r, &want) > 60000);
		assert_true(want.load.time_ns <= meta(r, "last_ns"));
		assert_true(want.load.time_ns + 100000 > meta(r, "last_ns"));
		srz_reader_free(r);
	}
}

static void a_ring_without_room_keeps_less_and_says_so(void **state)
{
	struct fixture *x = *state;
	struct srz_reader *r;

	begin(x, (struct rec_output_config){ .ring_ns = 3600000 * MS, .max_bytes = 1 << 20 });
	assert_int_equal(feed(x, 500000), 0);
	end(x);
	r = open_number(x, 0);
	assert_true(rec_output_get_stats(x->o)->squeezed);
	assert_in_range(srz_get_info(r)->bytes, 200000, 400000); /* a quarter of a size that is so small */
	srz_reader_free(r);
}

static void a_ring_that_is_quiet_forgets_too(void **state)
{
	struct fixture *x = *state;
	struct srz_reader *r;

	begin(x, (struct rec_output_config){ .ring_ns = 1000 * MS });
	assert_int_equal(feed(x, 20000), 0);
	x->load.time_ns += 10000 * MS;
	end(x);
	r = open_number(x, 0);
	assert_int_equal(srz_get_info(r)->events, 0);
	assert_start(r, &x->load);
	srz_reader_free(r);
}

static void a_dump_that_fails_does_not_end_the_recording(void **state)
{
	struct fixture *x = *state;
	char path[256];

	begin(x, (struct rec_output_config){ .ring_ns = 1000 * MS });
	assert_int_equal(feed(x, 20000), 0);
	rec_output_path(x->o, 1, path, sizeof(path));
	assert_int_equal(mkdir(path, 0700), 0);
	rec_output_dump(x->o);
	assert_int_equal(rec_output_dump_result(x->o, &x->err), -1);
	assert_non_null(strstr(x->err.text, "is a directory"));
	assert_int_equal(rec_output_dump_result(x->o, &x->err), 0);
	assert_int_equal(feed(x, 20000), 0);
	rec_output_dump(x->o);
	assert_int_equal(feed(x, 20000), 0);
	end(x);
	srz_reader_free(open_number(x, 2));
	srz_reader_free(open_number(x, 0));
}

static void what_is_not_ended_is_removed(void **state)
{
	struct fixture *x = *state;

	begin(x, (struct rec_output_config){ .slice_ns = 10000 * MS });
	assert_int_equal(feed(x, 20000), 0);
	rec_output_free(x->o);
	x->o = NULL;
	assert_int_equal(bytes_in(x), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_bounded_file_ends_before_its_bound),
		T(slices_have_every_event_once_and_stand_alone),
		T(a_slice_ends_on_time_without_a_next_event),
		T(an_event_that_is_late_for_its_slice_begins_the_next),
		T(bounded_slices_lose_the_oldest_only),
		T(a_long_slice_is_cut_where_it_has_no_room),
		T(a_start_state_without_room_is_refused),
		T(the_ring_has_the_last_span_only),
		T(a_dump_is_written_while_events_go_on),
		T(a_ring_without_room_keeps_less_and_says_so),
		T(a_ring_that_is_quiet_forgets_too),
		T(a_dump_that_fails_does_not_end_the_recording),
		T(what_is_not_ended_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
