/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others used of a replay's CPUs: /proc/stat, own time from events, and their difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/foreign.h"

#define MS 1000000u
#define TICK (10 * MS)
#define SELF 100 /* this process */

#define ALMOST(a, b) assert_true((a) - (b) < 1e-9 && (b) - (a) < 1e-9)

static bool parse(const char *text, struct rpl_stat *s)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	bool ok;

	assert_non_null(f);
	ok = rpl_stat_parse(f, s);
	fclose(f);
	return ok;
}

static void each_cpu_has_its_busy_idle_and_stolen_ticks(void **state)
{
	struct rpl_stat s;

	assert_true(parse("cpu  99 99 99 99 99 99 99 99 0 0\n"
			  "cpu0 1 20 300 4000 50000 600000 7000000 8 1 1\n"
			  "cpu1 0 0 0 5 0 0 0 0 0 0\n"
			  "intr 1 2 3\n"
			  "cpu2 1 1 1 1 1 1 1 1 1 1\n",
			  &s));
	assert_int_equal(s.n, 2);
	assert_true(s.v[0].known && s.v[1].known);
	assert_int_equal(s.v[0].busy, 7600321);
	assert_int_equal(s.v[0].idle, 54000);
	assert_int_equal(s.v[0].steal, 8);
	assert_int_equal(s.v[1].busy, 0);
	assert_int_equal(s.v[1].idle, 5);
	rpl_stat_release(&s);
}

static void an_offline_cpu_has_no_line_and_is_not_known(void **state)
{
	struct rpl_stat s;

	assert_true(parse("cpu 1 1 1 1 1 1 1 1\ncpu0 1 1 1 1 1 1 1 1\ncpu3 1 1 1 1 1 1 1 1\n", &s));
	assert_int_equal(s.n, 4);
	assert_true(s.v[0].known && !s.v[1].known && !s.v[2].known && s.v[3].known);
	rpl_stat_release(&s);
}

static void a_line_without_steal_is_an_old_kernels(void **state)
{
	struct rpl_stat s;

	assert_true(parse("cpu0 1 1 1 1 1 1 1\n", &s));
	assert_int_equal(s.v[0].busy, 5);
	assert_int_equal(s.v[0].steal, 0);
	rpl_stat_release(&s);
}

static void lines_that_make_no_sense_are_passed_over(void **state)
{
	static const char *const bad[] = {
		"cpu0 1 1 1 1 1 1\n",                           /* too short */
		"cpu0 1 1 1 1 1 1 1 1",                         /* cut: the last number may be longer */
		"cpu0 1 1 1 1 1 1 1 12",                        /* the same */
		"cpu0 1 -1 1 1 1 1 1 1\n",                      /* a sign */
		"cpu0 1 1 1 x 1 1 1 1\n",                       /* no number */
		"cpu0 1 1 1 1x 1 1 1 1\n",                      /* the same */
		"cpu0 99999999999999999999999 1 1 1 1 1 1 1\n", /* beyond 64 bits */
		"cpu0 1 1 1 18446744073709551615 1 1 1 1\n",    /* its sum would be */
		"cpu4096 1 1 1 1 1 1 1 1\n",                    /* beyond the most */
		"cpu99999999999999999999999 1 1 1 1 1 1 1 1\n", /* the same */
		"cpu0\n",
		"cpux 1 1 1 1 1 1 1 1\n",
		"",
		"\n",
		"intr 1 2\n",
	};
	char text[256];
	struct rpl_stat s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (*bad[i]) /* fmemopen has no empty files */
			assert_false(parse(bad[i], &s));
		assert_null(s.v);
		snprintf(text, sizeof(text), "cpu1 1 1 1 1 1 1 1 1\n%s", bad[i]);
		assert_true(parse(text, &s));
		assert_int_equal(s.n, 2);
		assert_true(!s.v[0].known && s.v[1].known);
		rpl_stat_release(&s);
	}
}

static void a_cpu_that_comes_twice_spoils_the_whole(void **state)
{
	struct rpl_stat s;

	assert_false(parse("cpu0 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1\ncpu0 2 2 2 2 2 2 2 2\n", &s));
	assert_null(s.v);
}

static void this_machines_own_can_be_read(void **state)
{
	struct rpl_stat s;

	assert_true(rpl_stat_read(&s));
	assert_true(s.n > 0 && s.at_ns > 0);
	rpl_stat_release(&s);
}

/* Own time from events. */

static struct sr_event run_on(uint64_t ms, uint16_t cpu, int32_t prev, int32_t next)
{
	return (struct sr_event){
		.time_ns = ms * MS, .cpu = cpu, .kind = SR_EV_SWITCH, .u.sw = { .prev = prev, .next = next }
	};
}

static struct sr_event fork_of(uint64_t ms, int32_t parent, int32_t child)
{
	return (struct sr_event){ .time_ns = ms * MS,
				  .kind = SR_EV_FORK,
				  .u.fork = { .parent = parent, .child = child } };
}

static void start(struct rpl_own *o, bool with_self)
{
	struct sr_task_start v[] = {
		{ .tid = 302, .tgid = 302, .ppid = 301 }, /* listed before its parent */
		{ .tid = 301, .tgid = 301, .ppid = SELF },
		{ .tid = SELF, .tgid = SELF, .ppid = 1 },
		{ .tid = 101, .tgid = SELF, .ppid = 1 },
		{ .tid = 200, .tgid = 200, .ppid = 1 },
		{ .tid = 400, .tgid = 400, .ppid = 1, .flags = SR_TASK_RECORDER },
	};
	struct sr_task_starts starts = { .v = v, .n = with_self ? 6 : 0 };

	rpl_own_start(o, &starts, SELF);
}

static void own_are_the_process_its_descendants_and_the_recorder(void **state)
{
	static const int32_t own[] = { SELF, 101, 301, 302, 400, 500 };
	struct rpl_own o;
	struct sr_event ev;

	start(&o, true);
	rpl_own_open(&o, 0);
	ev = fork_of(0, 301, 500);
	rpl_own_events(&o, &ev, 1);
	ev = fork_of(0, 200, 501);
	rpl_own_events(&o, &ev, 1);
	for (uint16_t i = 0; i < 6; i++) {
		struct sr_event two[] = { run_on(10, i, 0, own[i]), run_on(15, i, own[i], 0) };

		rpl_own_events(&o, two, 2);
		assert_int_equal(o.v[i].ns, 5 * MS);
	}
	for (int32_t tid = 200; tid <= 501; tid += 301) { /* 200 and its child 501 */
		struct sr_event two[] = { run_on(20, 0, 0, tid), run_on(25, 0, tid, 0) };

		rpl_own_events(&o, two, 2);
		assert_int_equal(o.v[0].ns, 5 * MS);
	}
	assert_true(o.known);
	rpl_own_release(&o);
}

static void only_what_lies_in_the_window_counts(void **state)
{
	struct sr_event before[] = { run_on(1, 0, 101, 0), run_on(5, 0, 0, 101) };
	struct sr_event within[] = { run_on(12, 0, 101, 200), run_on(14, 0, 200, 101), run_on(18, 1, 101, 0) };
	struct rpl_own o;

	start(&o, true);
	rpl_own_events(&o, before, 2);
	rpl_own_open(&o, 10 * MS);
	rpl_own_events(&o, within, 3);
	rpl_own_close(&o, 20 * MS);
	rpl_own_end(&o);
	assert_int_equal(o.v[0].ns, 2 * MS + 6 * MS); /* 10 to 12, and 14 to the window's end */
	assert_int_equal(o.v[1].ns, 8 * MS);          /* its first switch: from the window's beginning */
	rpl_own_release(&o);
}

static void a_number_that_another_is_given_is_not_own_any_more(void **state)
{
	struct sr_event ev[] = { fork_of(1, 200, 302), run_on(2, 0, 0, 302), run_on(9, 0, 302, 0) };
	struct rpl_own o;

	start(&o, true);
	rpl_own_open(&o, 0);
	rpl_own_events(&o, ev, 3);
	assert_int_equal(o.v[0].ns, 0);
	rpl_own_release(&o);
}

static void without_this_process_or_with_losses_own_is_not_known(void **state)
{
	struct sr_event lost = { .time_ns = MS, .kind = SR_EV_LOST };
	struct rpl_own o;

	start(&o, false);
	assert_false(o.known);
	rpl_own_release(&o);
	start(&o, true);
	assert_true(o.known);
	rpl_own_events(&o, &lost, 1);
	assert_false(o.known);
	rpl_own_release(&o);
}

/* The difference, over one second of two CPUs. */

struct second {
	struct rpl_stat_cpu a[3], b[3];
	struct rpl_own_cpu own[2];
	struct sr_cpumask used;
	uint64_t length_ns, own_ns;
	bool by_cpu;
	struct rpl_foreign f;
};

static void begin(struct second *s)
{
	*s = (struct second){ .length_ns = 1000 * MS, .own_ns = UINT64_MAX, .by_cpu = true };
	for (unsigned i = 0; i < 3; i++) {
		s->a[i] = (struct rpl_stat_cpu){ .known = true, .busy = 1000, .idle = 5000, .steal = 7 };
		s->b[i] = (struct rpl_stat_cpu){ .known = true, .busy = 1000, .idle = 5100, .steal = 7 };
	}
	sr_cpumask_set(&s->used, 0);
	sr_cpumask_set(&s->used, 1);
}

/* So many ticks of the 100. */
static void busy(struct second *s, unsigned cpu, unsigned ticks, unsigned stolen)
{
	s->b[cpu].busy += ticks;
	s->b[cpu].steal += stolen;
	s->b[cpu].idle -= ticks + stolen;
}

static void find(struct second *s)
{
	struct rpl_stat a = { .at_ns = 5, .v = s->a, .n = 3 }, b = { .at_ns = 5 + s->length_ns, .v = s->b, .n = 3 };
	struct rpl_own own = { .v = s->own, .n = 2, .known = s->by_cpu };

	assert_int_equal(rpl_foreign_find(&a, &b, &s->used, &own, s->own_ns, TICK, &s->f), 0);
}

static void what_is_busy_and_not_own_is_foreign(void **state)
{
	struct second s;

	begin(&s);
	busy(&s, 0, 30, 0);
	busy(&s, 1, 81, 5);
	busy(&s, 2, 90, 0); /* not used */
	s.own[0].ns = 300 * MS;
	s.own[1].ns = 500 * MS;
	find(&s);
	assert_true(s.f.known);
	assert_int_equal(s.f.n, 2);
	assert_int_equal(s.f.cpu[1].cpu, 1);
	ALMOST(s.f.cpu[0].foreign, 0);
	ALMOST(s.f.cpu[1].foreign, 0.31);
	ALMOST(s.f.cpu[0].stolen, 0);
	ALMOST(s.f.cpu[1].stolen, 0.05);
	ALMOST(s.f.share, 0.155);
	rpl_foreign_release(&s.f);
}

static void two_ticks_are_told_and_less_is_nothing(void **state)
{
	struct second s;

	begin(&s);
	busy(&s, 0, 52, 0);
	busy(&s, 1, 52, 0);
	s.own[0].ns = 500 * MS;
	s.own[1].ns = 500 * MS + 1;
	find(&s);
	ALMOST(s.f.cpu[0].foreign, 0.02);
	ALMOST(s.f.cpu[1].foreign, 0);
	rpl_foreign_release(&s.f);
}

static void more_own_than_busy_is_nothing(void **state)
{
	struct second s;

	begin(&s);
	busy(&s, 0, 10, 0);
	s.own[0].ns = 900 * MS;
	find(&s);
	ALMOST(s.f.cpu[0].foreign, 0);
	ALMOST(s.f.share, 0);
	rpl_foreign_release(&s.f);
}

/* Who is busy always when the timer looks is counted for whole ticks; the idle time is exact. */
static void a_cpu_was_not_busy_while_it_was_idle(void **state)
{
	struct second s;

	begin(&s);
	s.b[0].busy += 60;
	s.b[0].idle -= 10;
	find(&s);
	ALMOST(s.f.cpu[0].foreign, 0.10);
	rpl_foreign_release(&s.f);
}

static void a_share_is_never_more_than_all(void **state)
{
	struct second s;

	begin(&s);
	s.b[0] = (struct rpl_stat_cpu){ .known = true, .busy = 1000000, .idle = 0, .steal = 1000000 };
	s.b[1] = (struct rpl_stat_cpu){ .known = true, .busy = UINT64_C(1) << 58, .idle = 5000, .steal = 7 };
	find(&s);
	ALMOST(s.f.cpu[0].stolen, 1);
	ALMOST(s.f.cpu[0].foreign, 0);
	ALMOST(s.f.cpu[1].foreign, 1);
	rpl_foreign_release(&s.f);
}

static void a_cpu_that_was_offline_or_began_anew_is_left_out(void **state)
{
	struct second s;

	begin(&s);
	busy(&s, 0, 40, 0);
	s.b[1].known = false;
	find(&s);
	assert_int_equal(s.f.n, 1);
	ALMOST(s.f.share, 0.40);
	rpl_foreign_release(&s.f);
	s.b[1] = (struct rpl_stat_cpu){ .known = true, .busy = 3, .idle = 6000 };
	find(&s);
	assert_int_equal(s.f.n, 1);
	rpl_foreign_release(&s.f);
	s.b[0].known = false;
	find(&s);
	assert_false(s.f.known);
	rpl_foreign_release(&s.f);
}

static void without_events_only_the_share_of_all_is_known(void **state)
{
	struct second s;

	begin(&s);
	busy(&s, 0, 50, 0);
	busy(&s, 1, 90, 0);
	s.by_cpu = false;
	s.own_ns = 1000 * MS;
	find(&s);
	assert_true(s.f.known);
	ALMOST(s.f.share, 0.20);
	assert_true(s.f.cpu[0].foreign < 0 && s.f.cpu[1].foreign < 0);
	rpl_foreign_release(&s.f);
	s.own_ns = 1361 * MS; /* less than two ticks a CPU are left */
	find(&s);
	ALMOST(s.f.share, 0);
	rpl_foreign_release(&s.f);
	s.own_ns = UINT64_MAX;
	find(&s);
	assert_false(s.f.known);
	rpl_foreign_release(&s.f);
}

static void a_run_of_less_than_two_ticks_tells_nothing(void **state)
{
	struct second s;

	begin(&s);
	s.length_ns = 2 * TICK - 1;
	find(&s);
	assert_false(s.f.known);
	rpl_foreign_release(&s.f);
	s.length_ns++;
	find(&s);
	assert_true(s.f.known);
	rpl_foreign_release(&s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cpu_has_its_busy_idle_and_stolen_ticks),
		cmocka_unit_test(an_offline_cpu_has_no_line_and_is_not_known),
		cmocka_unit_test(a_line_without_steal_is_an_old_kernels),
		cmocka_unit_test(lines_that_make_no_sense_are_passed_over),
		cmocka_unit_test(a_cpu_that_comes_twice_spoils_the_whole),
		cmocka_unit_test(this_machines_own_can_be_read),
		cmocka_unit_test(own_are_the_process_its_descendants_and_the_recorder),
		cmocka_unit_test(only_what_lies_in_the_window_counts),
		cmocka_unit_test(a_number_that_another_is_given_is_not_own_any_more),
		cmocka_unit_test(without_this_process_or_with_losses_own_is_not_known),
		cmocka_unit_test(what_is_busy_and_not_own_is_foreign),
		cmocka_unit_test(two_ticks_are_told_and_less_is_nothing),
		cmocka_unit_test(more_own_than_busy_is_nothing),
		cmocka_unit_test(a_cpu_was_not_busy_while_it_was_idle),
		cmocka_unit_test(a_share_is_never_more_than_all),
		cmocka_unit_test(a_cpu_that_was_offline_or_began_anew_is_left_out),
		cmocka_unit_test(without_events_only_the_share_of_all_is_known),
		cmocka_unit_test(a_run_of_less_than_two_ticks_tells_nothing),
	};

	return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
