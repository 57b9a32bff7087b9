/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "replay/energy.h"
#include "tests/unit/energy_file.h"

#define MS 1000000ull

static struct rpl_energy *table_of(const char *text, size_t len, struct sr_error *err)
{
	struct sr_machine *m = documented_machine(err);
	struct rpl_energy *t;
	char path[64];

	assert_non_null(m);
	assert_non_null(write_energy(path, sizeof(path), text, len));
	t = rpl_energy_new(path, m, err);
	unlink(path);
	sr_machine_free(m);
	return t;
}

static struct rpl_energy *documented(void)
{
	struct sr_error err;
	struct rpl_energy *t = table_of(DOCUMENTED, strlen(DOCUMENTED), &err);

	if (!t)
		fail_msg("%s", err.text);
	return t;
}

/* P is 200 of CPU 0's 400; the others have 100, 600 and 500. */
static void the_documentations_example_has_its_exact_numbers(void **state)
{
	static const struct {
		unsigned util[4];
		uint64_t energy;
	} cases[] = {
		{ { 200, 300, 600, 500 }, 1364 }, /* P to CPU 1 */
		{ { 200, 100, 600, 700 }, 1485 }, /* to CPU 3 */
		{ { 400, 100, 600, 500 }, 1437 }, /* stays */
	};
	struct rpl_energy *t = documented();

	for (size_t i = 0; i < 3; i++) {
		const unsigned *u = cases[i].util;
		uint64_t energy = rpl_energy_mw(&t->pd[0], u[0] > u[1] ? u[0] : u[1], u[0] + u[1], 0) +
				  rpl_energy_mw(&t->pd[1], u[2] > u[3] ? u[2] : u[3], u[2] + u[3], 0);

		assert_int_equal(energy, cases[i].energy);
	}
	rpl_energy_free(t);
}

static void the_point_has_room_for_the_utilisation_and_headroom(void **state)
{
	static const struct {
		unsigned util, headroom, capacity;
	} cases[] = { { 0, 0, 170 },    { 170, 0, 170 },  { 171, 0, 341 },  { 341, 0, 341 },  { 512, 0, 512 },
		      { 9999, 0, 512 }, { 136, 25, 170 }, { 137, 25, 341 }, { 273, 25, 341 }, { 274, 25, 512 } };
	struct rpl_energy *t = documented();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(rpl_energy_point(&t->pd[0], cases[i].util, cases[i].headroom)->capacity,
				 cases[i].capacity);
	rpl_energy_free(t);
}

static void blanks_comments_and_line_ends_are_free(void **state)
{
	static const char text[] =
		"\r\n  cpus\t0,1 # little\n\topp 512   300\t\n\n#\ncpus 2-3\nopp 1024 1700 # no newline";
	struct sr_error err;
	struct rpl_energy *t = table_of(text, strlen(text), &err);

	if (!t)
		fail_msg("%s", err.text);
	assert_int_equal(t->npds, 2);
	assert_int_equal(t->pd[0].n, 2);
	assert_int_equal(t->pd[1].cpu[1], 3);
	assert_int_equal(t->pd[1].opp[0].power_mw, 1700);
	assert_int_equal(t->pd_of[2], 1);
	assert_non_null(t->source);
	rpl_energy_free(t);
}

static void wrong_files_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{ "", "CPU 0 of this machine is in none" },
		{ "opp 512 300\n", ":1: an operating point before the first" },
		{ "cpus 0-1\n", ":1: the domain before has no operating point" },
		{ "cpus 0-1\n\ncpus 2-3\nopp 1024 1\n", ":3: the domain before has no operating point" },
		{ "cpus 0-1\nopp 512 300\ncpus 2\nopp 1024 1\n", "CPU 3 of this machine is in none" },
		{ "cpus 0-1\nopp 512 300\ncpus 1-3\nopp 1024 1\n", ":3: CPU 1 is in two domains" },
		{ "cpus 0-4\n", ":1: this machine has no CPU 4" },
		{ "cpus 0-4095\n", ":1: this machine has no CPU 4" },
		{ "cpus 0-99999\n", ":1: '0-99999' is not a list of CPUs" },
		{ "cpus\n", ":1: '' is not a list of CPUs" },
		{ "cpus 0-1\nopp 511 300\ncpus 2-3\nopp 1024 1\n",
		  ":3: the highest capacity of the domain before is 511" },
		{ "cpus 0-3\nopp 512 300\n", "but CPU 2 of this machine has 1024" },
		{ "cpus 0-1\nopp 512 300\nopp 512 400\n", ":3: operating points ascend" },
		{ "cpus 0-1\nopp 100 300\nopp 512 299\n", ":3: operating points ascend" },
		{ "cpus 0-1\nopp 0 300\n", ":2: an operating point is" },
		{ "cpus 0-1\nopp 1025 300\n", ":2: an operating point is" },
		{ "cpus 0-1\nopp 512 0\n", ":2: an operating point is" },
		{ "cpus 0-1\nopp 512 1000001\n", ":2: an operating point is" },
		{ "cpus 0-1\nopp 512 99999999999999999999\n", ":2: an operating point is" },
		{ "cpus 0-1\nopp 512\n", ":2: an operating point is" },
		{ "cpus 0-1\nopp 512 300 1\n", ":2: an operating point is" },
		{ "cpus 0-1\nopp 512 -300\n", ":2: an operating point is" },
		{ "cpus 0-1\nopp 512 3.5\n", ":2: an operating point is" },
		{ "cpus 0-1\npower 512 300\n", ":2: a line is" },
		{ "cpus0-1\n", ":1: a line is" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sr_error err = { 0 };

		assert_null(table_of(wrong[i].text, strlen(wrong[i].text), &err));
		assert_int_equal(err.status, SR_DAMAGED);
		if (!strstr(err.text, wrong[i].says))
			fail_msg("'%s' says '%s', not '%s'", wrong[i].text, err.text, wrong[i].says);
	}
}

static void what_is_no_table_is_refused(void **state)
{
	static char big[(1 << 20) + 1];
	struct sr_error err = { 0 };
	struct sr_machine *m = documented_machine(&err);
	char path[64];

	assert_null(table_of("cpus 0-1\nopp\0 512", 17, &err));
	assert_int_equal(err.status, SR_DAMAGED);
	memset(big, '\n', sizeof(big));
	assert_null(table_of(big, sizeof(big), &err));
	assert_int_equal(err.status, SR_DAMAGED);
	assert_null(rpl_energy_new("/nonexistent/table", m, &err));
	assert_int_equal(err.status, SR_ENVIRONMENT);
	assert_null(rpl_energy_new("/tmp", m, &err));
	assert_int_equal(err.status, SR_ENVIRONMENT);
	/* A pipe nobody writes to: not waited for. */
	assert_non_null(write_energy(path, sizeof(path), "", 0));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(rpl_energy_new(path, m, &err));
	assert_int_equal(err.status, SR_ENVIRONMENT);
	unlink(path);
	sr_machine_free(m);
}

static void more_points_than_64_are_refused(void **state)
{
	char text[2048] = "cpus 0-1\n";
	struct sr_error err = { 0 };

	for (int i = 1; i <= 65; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "opp %d 7\n", i);
	assert_null(table_of(text, strlen(text), &err));
	assert_non_null(strstr(err.text, ":66: more than 64"));
}

/* 1000 mW * (C / 1024)^2.5 * (c / C)^2. */
static void the_estimate_follows_its_formula(void **state)
{
	struct sr_error err;
	struct sr_machine *m = sr_machine_load("biglittle-4+4", &err);
	struct rpl_energy *t = rpl_energy_new(NULL, m, &err);

	assert_non_null(t);
	assert_null(t->source);
	assert_int_equal(t->npds, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct rpl_pd *d = &t->pd[i];
		double c = m->v[d->cpu[0]].capacity;

		assert_int_equal(d->n, 4);
		assert_int_equal(d->nopps, 4);
		assert_int_equal(d->opp[3].capacity, c);
		for (unsigned k = 0; k < 4; k++)
			assert_int_equal(d->opp[k].power_mw, lround(1000 * pow(c / 1024, 2.5) * pow((k + 1) / 4.0, 2)));
	}
	assert_int_equal(t->pd[1].opp[3].power_mw, 1000);
	assert_int_equal(t->pd[0].opp[3].power_mw, 125);
	rpl_energy_free(t);
	sr_machine_free(m);
}

static double joules(const struct rpl_energy *t, uint64_t span, const uint64_t (*busy)[3], size_t n)
{
	struct sr_error err;
	struct rpl_meter *m = rpl_meter_new(t, 1000 * MS, 1000 * MS + span, &err);
	double j;

	assert_non_null(m);
	for (size_t i = 0; i < n; i++)
		rpl_meter_add(m, (unsigned)busy[i][0], 1000 * MS + busy[i][1], 1000 * MS + busy[i][2]);
	j = rpl_meter_joules(m);
	rpl_meter_free(m);
	return j;
}

static void joules_are_power_times_busy_time_at_the_point_needed(void **state)
{
	struct rpl_energy *t = documented();

	/* All of a window: the highest point. */
	assert_true(fabs(joules(t, 32 * MS, (const uint64_t[][3]){ { 2, 0, 32 * MS } }, 1) - 1.7 * 0.032) < 1e-6);
	/* A quarter of each window: 256 + 25% = 320 of 1024, so at 512, where it takes half of the time. */
	assert_true(fabs(joules(t, 64 * MS, (const uint64_t[][3]){ { 2, 0, 8 * MS }, { 2, 40 * MS, 48 * MS } }, 2) -
			 0.4 * 0.032) < 1e-6);
	/* The busier cpu sets the point for its domain's other; the little ones have their own. */
	assert_true(fabs(joules(t, 32 * MS, (const uint64_t[][3]){ { 2, 0, 8 * MS }, { 3, 0, 32 * MS } }, 2) -
			 1.7 * 0.032 * 1.25) < 1e-6);
	assert_true(fabs(joules(t, 32 * MS, (const uint64_t[][3]){ { 0, 0, 32 * MS }, { 3, 0, 32 * MS } }, 2) -
			 (1.7 + 0.3) * 0.032) < 1e-6);
	assert_true(joules(t, 32 * MS, NULL, 0) == 0);
	rpl_energy_free(t);
}

static void a_stretch_over_many_windows_counts_in_each(void **state)
{
	struct rpl_energy *t = documented();

	assert_true(fabs(joules(t, 320 * MS, (const uint64_t[][3]){ { 2, 0, 320 * MS } }, 1) - 1.7 * 0.32) < 1e-6);
	/* Out of step with the windows, and beyond the end. */
	assert_true(fabs(joules(t, 320 * MS, (const uint64_t[][3]){ { 2, 0, 16 * MS }, { 2, 16 * MS, 900 * MS } }, 2) -
			 1.7 * 0.32) < 1e-6);
	/* Of no cpu of the table. */
	assert_true(joules(t, 320 * MS, (const uint64_t[][3]){ { 4, 0, 320 * MS }, { 4095, 0, 320 * MS } }, 2) == 0);
	rpl_energy_free(t);
}

/* A hostile file's times: memory stays bounded, and all of the time counts. */
static void a_run_of_centuries_has_longer_windows(void **state)
{
	struct rpl_energy *t = documented();
	struct sr_error err;
	struct rpl_meter *m = rpl_meter_new(t, 0, UINT64_MAX, &err);
	double j;

	assert_non_null(m);
	rpl_meter_add(m, 3, 0, UINT64_MAX);
	j = rpl_meter_joules(m);
	assert_true(fabs(j / (1.7 * (double)UINT64_MAX / 1e9) - 1) < 0.001);
	rpl_meter_free(m);
	rpl_energy_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_documentations_example_has_its_exact_numbers),
		cmocka_unit_test(the_point_has_room_for_the_utilisation_and_headroom),
		cmocka_unit_test(blanks_comments_and_line_ends_are_free),
		cmocka_unit_test(wrong_files_are_refused_with_their_line),
		cmocka_unit_test(what_is_no_table_is_refused),
		cmocka_unit_test(more_points_than_64_are_refused),
		cmocka_unit_test(the_estimate_follows_its_formula),
		cmocka_unit_test(joules_are_power_times_busy_time_at_the_point_needed),
		cmocka_unit_test(a_stretch_over_many_windows_counts_in_each),
		cmocka_unit_test(a_run_of_centuries_has_longer_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
