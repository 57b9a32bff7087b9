/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulation as a file: what is read is what was simulated.
 *
 *   test_sim_file --update     writes tests/golden/load.srz, the load of tests/cli/simulate.sh, if it is missing, and
 *                              tests/golden/simulated.sha256 anew
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/event_digest.h"
#include "formats/model.h"
#include "formats/srz.h"
#include "tests/unit/sim_run.h"

#define GOLDEN "tests/golden/load.srz"
#define DIGESTS "tests/golden/simulated.sha256" /* of the same load, a policy a line */

static char *names[] = { "child", "renamed" };

static void pairs(struct sr_model *m)
{
	uint32_t a, k;

	for (a = 0; a < 8; a += 2) {
		add_task(m, NONE)->first_cpu = (int)a % 4;
		add_task(m, NONE)->first_cpu = (int)a % 4;
		for (k = 0; k < 60; k++) {
			add_op(m, a, SR_OP_RUN, 0, 50000 + (a * 7919 + k * 104729) % 400000);
			add_wake(m, a, a + 1);
			add_op(m, a + 1, SR_OP_RUN, 0, 30000 + (a * 104729 + k * 7919) % 300000);
			add_wake(m, a + 1, a);
		}
	}
}

static void sleepers(struct sr_model *m)
{
	uint32_t i, k;

	for (k = 0; k < 3; k++) {
		i = (uint32_t)m->ntasks;
		add_task(m, NONE);
		for (uint32_t n = 1; n <= 30; n++) {
			struct sr_op *op = add_sleep(m, i, (k + 2) * MS, SR_SLEEP_PERIODIC);
			struct sr_wait *w = &m->tasks[i].waits[op->arg];

			w->deadline_ns = w->wake_ns = n * (k + 2) * MS;
			w->anchor = n == 1;
			add_op(m, i, SR_OP_RUN, 0, 100000 + n * 1000);
		}
	}
}

/* A process that makes others, one after the other, as a build does. */
static void forks(struct sr_model *m)
{
	uint32_t parent = (uint32_t)m->ntasks, k;

	add_task(m, NONE);
	for (k = 0; k < 8; k++) {
		uint32_t child = (uint32_t)m->ntasks;

		add_op(m, parent, SR_OP_RUN, 0, 200000);
		add_op(m, parent, SR_OP_FORK, child, 0)->flags = k % 2 ? SR_FORK_VM | SR_FORK_THREAD : 0;
		add_task(m, parent)->nice = k % 2 ? 5 : 0;
		add_op(m, child, SR_OP_NAME, k % 2, 0);
		if (!(k % 2))
			add_op(m, child, SR_OP_EXEC, 0, 0);
		add_op(m, child, SR_OP_RUN, 0, (2 + k) * MS);
		if (k % 3 == 0)
			add_wake(m, child, parent);
		add_op(m, child, SR_OP_END, 0, 0)->flags = 1;
	}
}

static void build(struct sr_model *m)
{
	uint32_t i;

	pairs(m);
	sleepers(m);
	forks(m);
	m->names = names;
	m->nnames = 2;
	for (i = 0; i < m->ntasks; i++) {
		m->tasks[i].source = i + 1;
		m->tasks[i].tgid = m->tasks[i].tid;
		if (!m->tasks[i].nops || m->tasks[i].ops[m->tasks[i].nops - 1].kind != SR_OP_END)
			add_op(m, i, SR_OP_END, 0, 0)->flags = 1;
	}
}

static int put(void *arg, enum srz_stream stream, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	return srz_put_events(arg, stream, ev, n, err);
}

static uint32_t put_name(void *arg, const char *name, struct sr_error *err)
{
	return srz_put_name(arg, name, err);
}

/* recording: without what only a run of schedrec's has. */
static void write_file(const char *path, const char *policy, char sha[SR_SHA256_TEXT], bool recording)
{
	struct sr_error err = { 0 };
	struct sr_model m = { 0 };
	struct sr_task_starts starts = { 0 };
	struct sim_params params;
	struct srz_writer *w = srz_create(path, 0, &err);
	const struct sim_sink sink = { .arg = w, .events = put, .name = put_name };
	struct sim_config cfg = { .time_scale_ppm = 1000000, .seed = 1, .params = &params, .sink = &sink };
	struct sr_machine *mach = sr_machine_load("smt-2x2", &err);
	struct sim *s;

	sim_params_default(&params);
	build(&m);
	cfg.machine = mach;
	cfg.policy = rpl_policy_find(policy, &cfg.policy_options, &err);
	if (sr_model_wake_bound(&m, &cfg.wake_bound, &err) < 0)
		fail_msg("%s", err.text);
	s = w && mach && cfg.policy ? sim_prepare(&m, &cfg, &err) : NULL;
	if (!s || sim_task_starts(s, &starts, &err) < 0 || srz_put_tasks(w, &starts, &err) < 0 ||
	    sim_execute(s, &err) < 0 || srz_put_meta(w, "scope", "system", &err) < 0 ||
	    srz_put_meta(w, "engine", recording ? "recorded" : "simulated", &err) < 0 ||
	    srz_put_section(w, SRZ_SEC_MACHINE, mach->xml, strlen(mach->xml), &err) < 0 || srz_close(w, &err) < 0)
		fail_msg("%s", err.text);
	memcpy(sha, sim_get_stats(s)->events_sha256, SR_SHA256_TEXT);
	sim_free(s);
	sr_machine_free(mach);
	sr_task_starts_release(&starts);
	free_model(&m);
}

#define POLICIES 3
static const char *const policies[POLICIES] = { "kernel", "bld", "random" };

static void digests(char sha[POLICIES][SR_SHA256_TEXT])
{
	char path[] = "/tmp/schedrec-sim-XXXXXX";
	int fd = mkstemp(path), i;

	assert_true(fd >= 0);
	close(fd);
	for (i = 0; i < POLICIES; i++)
		write_file(path, policies[i], sha[i], false);
	unlink(path);
}

/* A change of the simulator changes them, and is told by it; another build or machine must not. */
static void every_build_simulates_the_same_events(void **state)
{
	char sha[POLICIES][SR_SHA256_TEXT], line[256], want[256];
	FILE *f = fopen(DIGESTS, "re");
	int i;

	assert_non_null(f);
	digests(sha);
	for (i = 0; i < POLICIES; i++) {
		snprintf(want, sizeof(want), "%s  %s\n", sha[i], policies[i]);
		assert_non_null(fgets(line, sizeof(line), f));
		assert_string_equal(line, want);
	}
	fclose(f);
}

static void update(void)
{
	char sha[POLICIES][SR_SHA256_TEXT];
	FILE *f = fopen(DIGESTS, "we");
	int i;

	if (access(GOLDEN, F_OK))
		write_file(GOLDEN, "kernel", sha[0], true);
	digests(sha);
	for (i = 0; f && i < POLICIES; i++)
		fprintf(f, "%s  %s\n", sha[i], policies[i]);
	if (!f || fclose(f))
		perror(DIGESTS);
}

static void what_is_read_is_what_was_simulated(void **state)
{
	char path[] = "/tmp/schedrec-sim-XXXXXX", sha[SR_SHA256_TEXT], read[SR_SHA256_TEXT];
	struct sr_error err = { 0 };
	struct srz_reader *r;
	size_t i;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	for (i = 0; i < POLICIES; i++) {
		write_file(path, policies[i], sha, false);
		r = srz_open(path, &err);
		if (!r || sr_event_digest_file(r, read, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(sha, read);
		srz_reader_free(r);
	}
	unlink(path);
}

/* A model of what was simulated is the model that was: nothing is lost on the way. */
static void its_file_tells_the_whole_load(void **state)
{
	struct sr_model_options options = { 0 };
	struct sr_error err = { 0 };
	struct srz_reader *r = srz_open(GOLDEN, &err);
	struct sr_model *m = r ? sr_model_build(r, &options, &err) : NULL;
	struct sr_model built = { 0 };

	if (!m)
		fail_msg("%s (is it missing: test_sim_file --update)", err.text);
	build(&built);
	assert_int_equal(m->ntasks, built.ntasks);
	assert_int_equal(m->counts.repaired, 0);
	assert_int_equal(m->counts.wakes_missing, 0);
	assert_int_equal(m->counts.timers_periodic, 3);
	/* Not all of the 480 + 3 waits slept: some wakes came first. */
	assert_true(m->counts.waits_task > 400 && m->counts.waits_task <= 483);
	assert_true(m->run_ns > built.run_ns);
	sr_model_free(m);
	srz_reader_free(r);
	free_model(&built);
}

/* The golden load was simulated with threads at 625 thousandths beside each other: its CPUs are worth that to 1000. */
static void recorded_threads_of_busy_cores_were_slower(void **state)
{
	struct sr_error err = { 0 };
	struct srz_reader *r = srz_open(GOLDEN, &err);
	struct sr_machine *mach = sr_machine_load("smt-2x2", &err);
	struct sim_params params;
	uint32_t per_mille[16], i;

	assert_non_null(r);
	assert_non_null(mach);
	sim_params_default(&params);
	assert_int_equal(sim_recorded_speed(r, mach, &params, per_mille, &err), 0);
	for (i = 0; i < mach->ncpus; i++)
		assert_true(per_mille[i] > 625 && per_mille[i] < 900);
	params.v[SIM_SMT_SPEED_2] = 1000;
	assert_int_equal(sim_recorded_speed(r, mach, &params, per_mille, &err), 0);
	for (i = 0; i < mach->ncpus; i++)
		assert_int_equal(per_mille[i], 1000);
	sr_machine_free(mach);
	srz_reader_free(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_build_simulates_the_same_events),
		cmocka_unit_test(what_is_read_is_what_was_simulated),
		cmocka_unit_test(its_file_tells_the_whole_load),
		cmocka_unit_test(recorded_threads_of_busy_cores_were_slower),
	};

	if (argc == 2 && !strcmp(argv[1], "--update")) {
		update();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
