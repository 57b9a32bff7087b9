/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live engine's processes make sessions like those of the model. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replay/engine_internal.h"
#include "tests/unit/engine_model.h"

#define SESSIONS 4

static struct sr_machine *machine;
static int8_t no_nice[SESSIONS];

static struct sr_model some_model(void)
{
	return (struct sr_model){ .session_nice = no_nice, .nsessions = SESSIONS };
}

/* A process of the start, or a forked one, which does nothing. */
static void add(struct sr_model *m, uint32_t parent, int ppid, uint32_t session)
{
	struct sr_program *p = add_task(m, parent);

	p->ppid = ppid;
	p->tgid = p->tid;
	p->session = session;
}

static struct rpl_run *prepared(const struct sr_model *m, bool sessions)
{
	struct rpl_config cfg = { .policy = &rpl_policy_kernel,
				  .machine = machine,
				  .time_scale = 1,
				  .processes = true,
				  .sessions = sessions };
	struct sr_error err;
	struct rpl_run *run = rpl_prepare(m, &cfg, &err);

	if (!run)
		fail_msg("%s", err.text);
	return run;
}

static pid_t session_of(const struct rpl_run *run, uint32_t task)
{
	pid_t pid = atomic_load(&run->procs[task].pid);

	assert_true(pid > 0);
	return getsid(pid);
}

static struct rpl_counts executed(struct rpl_run *run)
{
	struct rpl_counts counts;
	struct sr_error err;

	if (rpl_execute(run, &err) < 0)
		fail_msg("%s", err.text);
	counts = *rpl_get_counts(run);
	rpl_free(run);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	return counts;
}

static void end_all(struct sr_model *m)
{
	for (uint32_t i = 0; i < m->ntasks; i++)
		add_op(m, i, SR_OP_END, 0, 0);
}

/*
 * 0 (own) - 1 (session 1) - 2 (not known)
 *         - 3 (session 2)
 *           4 (session 2), whose parent is not there
 *           5 (session 3) - 6 (session 3)
 */
static void processes_of_the_start_are_in_sessions_as_they_were(void **state)
{
	struct sr_model m = some_model();
	struct rpl_counts c;
	struct rpl_run *run;
	pid_t own = getsid(0);

	add(&m, NONE, 0, 0);
	add(&m, NONE, 101, 1);
	add(&m, NONE, 102, 0);
	add(&m, NONE, 101, 2);
	add(&m, NONE, 0, 2);
	add(&m, NONE, 0, 3);
	add(&m, NONE, 106, 3);
	end_all(&m);
	run = prepared(&m, true);
	assert_int_equal(session_of(run, 0), own);
	assert_int_not_equal(session_of(run, 1), own);
	assert_int_equal(session_of(run, 2), session_of(run, 1));
	assert_int_not_equal(session_of(run, 3), own);
	assert_int_not_equal(session_of(run, 3), session_of(run, 1));
	assert_int_equal(session_of(run, 4), session_of(run, 3));
	assert_int_not_equal(session_of(run, 5), own);
	assert_int_not_equal(session_of(run, 5), session_of(run, 3));
	assert_int_equal(session_of(run, 6), session_of(run, 5));
	c = executed(run);
	assert_int_equal(c.sessions_made, 3);
	assert_int_equal(c.sessions_refused, 0);
	assert_int_equal(c.sessions_split, 0);
	assert_int_equal(c.processes, 7);
	assert_int_equal(c.orphans, 4); /* 3 too, to be with 4 */
	free_model(&m);
}

static void without_sessions_all_stay_in_one(void **state)
{
	struct sr_model m = some_model();
	struct rpl_run *run;

	add(&m, NONE, 0, 1);
	add(&m, NONE, 101, 2);
	add_op(&m, 0, SR_OP_SESSION, 3, 0);
	end_all(&m);
	run = prepared(&m, false);
	assert_int_equal(session_of(run, 0), getsid(0));
	assert_int_equal(session_of(run, 1), getsid(0));
	assert_int_equal(executed(run).sessions_made, 0);
	free_model(&m);
}

/* What the processes said of themselves, task by task. */
static pid_t *said;

static void say(struct rpl_engine *e, void *policy, unsigned cpu, int task)
{
	said[task] = getsid(0);
}

static const struct rpl_policy sayer = {
	.version = RPL_POLICY_VERSION,
	.name = "sayer",
	.pins = true,
	.place = place_apart,
	.enqueue = see_enqueue,
	.dequeue = say,
};

/* 0 forks 1 (session 1), makes session 2, and forks 2 (in it), 3 (session 3), and a thread of its own. */
static void forks_and_tasks_that_run_make_sessions_when_they_did(void **state)
{
	struct sr_model m = some_model();
	struct rpl_config cfg = {
		.policy = &sayer, .machine = machine, .time_scale = 1, .processes = true, .sessions = true
	};
	static const uint32_t session[] = { 0, 1, 2, 3, 2 };
	struct sr_error err;
	struct rpl_counts c;
	struct rpl_run *run;

	for (uint32_t i = 0; i < 5; i++)
		add(&m, i ? 0 : NONE, 0, session[i]);
	add_op(&m, 0, SR_OP_FORK, 1, 0);
	add_op(&m, 0, SR_OP_SESSION, 2, 0);
	add_op(&m, 0, SR_OP_FORK, 2, 0);
	add_op(&m, 0, SR_OP_FORK, 3, 0);
	add_op(&m, 0, SR_OP_FORK, 4, 0)->flags = SR_FORK_THREAD;
	end_all(&m);
	run = rpl_prepare(&m, &cfg, &err);
	assert_non_null(run);
	c = executed(run);
	assert_int_equal(c.sessions_made, 3);
	assert_int_equal(c.sessions_split, 0);
	assert_int_not_equal(said[0], getsid(0));
	assert_int_not_equal(said[1], getsid(0));
	assert_int_not_equal(said[1], said[0]);
	assert_int_equal(said[2], said[0]);
	assert_int_not_equal(said[3], said[0]);
	assert_int_not_equal(said[3], getsid(0));
	assert_int_equal(said[4], said[0]);
	free_model(&m);
}

static void one_session_made_by_two_is_counted_and_a_leader_makes_no_other(void **state)
{
	struct sr_model m = some_model();
	struct rpl_counts c;

	add(&m, NONE, 0, 0);
	add(&m, 0, 0, 1);
	add(&m, 0, 0, 1);
	add_op(&m, 0, SR_OP_FORK, 1, 0);
	add_op(&m, 0, SR_OP_FORK, 2, 0);
	add_op(&m, 2, SR_OP_SESSION, 2, 0); /* only a damaged file says so */
	end_all(&m);
	c = executed(prepared(&m, true));
	assert_int_equal(c.sessions_made, 2);
	assert_int_equal(c.sessions_split, 1);
	assert_int_equal(c.sessions_refused, 1);
	free_model(&m);
}

/* A zombie is not: it is init's, who reaps it when it likes. */
static bool is_alive(pid_t pid)
{
	char path[32], state = 'Z';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(f);
	return state != 'Z' && state != 'X';
}

/* Who dies does so without a word: the kernel alone ends all sessions. */
static void who_is_killed_leaves_no_process_of_any_session(void **state)
{
	struct sr_model m = some_model();
	pid_t victim, pid[3] = { 0 };
	int ends[2], i, tries, left = 0;

	add(&m, NONE, 0, 0);
	add(&m, NONE, 101, 1);
	add(&m, NONE, 0, 2);
	for (uint32_t k = 0; k < 3; k++)
		add_op(&m, k, SR_OP_RUN, 0, 3600000 * MS);
	end_all(&m);
	assert_int_equal(pipe(ends), 0);
	victim = fork();
	if (!victim) {
		struct rpl_run *run = prepared(&m, true);

		for (i = 0; i < 3; i++)
			pid[i] = atomic_load(&run->procs[i].pid);
		if (write(ends[1], pid, sizeof(pid)) == sizeof(pid))
			rpl_execute(run, &(struct sr_error){ 0 });
		_exit(0);
	}
	assert_int_equal(read(ends[0], pid, sizeof(pid)), sizeof(pid));
	kill(victim, SIGKILL);
	assert_int_equal(waitpid(victim, NULL, 0), victim);
	for (i = 0; i < 3; i++) {
		for (tries = 0; tries < 200 && is_alive(pid[i]); tries++)
			usleep(10000);
		if (tries == 200) {
			left++;
			kill(pid[i], SIGKILL);
		}
	}
	assert_int_equal(left, 0);
	close(ends[0]);
	close(ends[1]);
	free_model(&m);
}

static int set_up(void **state)
{
	struct sr_error err;

	machine = sr_machine_load("this", &err);
	said = rpl_alloc(&(struct rpl_arena){ .shared = true }, 16, sizeof(*said));
	return machine && said ? 0 : -1;
}

static int tear_down(void **state)
{
	sr_machine_free(machine);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_of_the_start_are_in_sessions_as_they_were),
		cmocka_unit_test(without_sessions_all_stay_in_one),
		cmocka_unit_test(forks_and_tasks_that_run_make_sessions_when_they_did),
		cmocka_unit_test(one_session_made_by_two_is_counted_and_a_leader_makes_no_other),
		cmocka_unit_test(who_is_killed_leaves_no_process_of_any_session),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
