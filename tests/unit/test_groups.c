/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups for a replay, on this machine's own: skipped where they may not be made. */
#include <errno.h>
#include <fcntl.h>
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

#include "formats/cgroup.h"
#include "replay/groups.h"

static const struct sr_group wanted[] = {
	{ .version = 2, .weight = 200 },
	{ .version = 1, .weight = 512 },
	{ .version = 1, .weight = 1024, .idle = 1 },
	{ .version = 2, .weight = 100, .quota_us = 30000, .period_us = 60000 },
};
#define WANTED 4
static const bool all[WANTED] = { true, true, true, true };

/* The path of the group that the calling thread is in; its version. */
static int where(char *path, size_t len)
{
	char text[8192];
	const char *at = "";
	int fd = open("/proc/thread-self/cgroup", O_RDONLY | O_CLOEXEC), version;
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	version = sr_cgroup_parse(text, &at);
	snprintf(path, len, "%s", at);
	return version;
}

static void enter(int fd)
{
	assert_int_equal(write(fd, "0", 1), 1);
}

static bool is_there(int version, const char *path)
{
	char dir[4096];

	return sr_cgroup_dir(version, path, dir, sizeof(dir));
}

/* False where there is nothing to be tested. */
static bool made(struct rpl_groups *g, const bool *used)
{
	rpl_groups_start(g);
	if (rpl_groups_make(g, wanted, used, WANTED))
		return true;
	print_message("no control groups: %s\n", strerror(g->error));
	rpl_groups_stop(g);
	if (g->error != ENOTSUP && g->error != EACCES && g->error != EPERM && g->error != EROFS)
		fail_msg("and this is no reason");
	return false;
}

static void check_file(int version, const char *path, const char *name, const char *want)
{
	char text[64] = "";

	assert_true(sr_cgroup_read(version, path, name, text, sizeof(text)));
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, want);
}

static void a_thread_moves_into_each_and_back(void **state)
{
	char home[4096], path[4096];
	struct rpl_groups g;
	int version, i;

	if (!made(&g, all))
		skip();
	version = where(home, sizeof(home));
	assert_int_equal(g.made, WANTED);
	for (i = 0; i < WANTED; i++) {
		enter(g.move[i]);
		where(path, sizeof(path));
		assert_string_not_equal(path, home);
		assert_non_null(strstr(path, "schedrec-group-"));
	}
	enter(g.home);
	where(path, sizeof(path));
	assert_string_equal(path, home);
	rpl_groups_stop(&g);
	assert_int_equal(version, where(path, sizeof(path)));
}

static void they_have_the_recorded_weights_and_limits_in_this_versions_words(void **state)
{
	static const char *const weight[3][2] = { { "", "" }, { "2048", "512" }, { "200", "50" } };
	char path[4096];
	struct rpl_groups g;
	int version, i;

	if (!made(&g, all))
		skip();
	for (i = 0; i < 2; i++) {
		enter(g.move[i]);
		version = where(path, sizeof(path));
		check_file(version, path, version == 1 ? "cpu.shares" : "cpu.weight", weight[version][i]);
	}
	enter(g.move[2]);
	version = where(path, sizeof(path));
	check_file(version, path, "cpu.idle", "1");
	enter(g.move[3]);
	version = where(path, sizeof(path));
	if (version == 2) {
		check_file(version, path, "cpu.max", "30000 60000");
	} else {
		check_file(version, path, "cpu.cfs_quota_us", "30000");
		check_file(version, path, "cpu.cfs_period_us", "60000");
	}
	enter(g.home);
	rpl_groups_stop(&g);
}

static void only_those_that_are_used_are_made_and_all_are_gone_at_the_end(void **state)
{
	static const bool second[WANTED] = { false, true };
	char path[4096];
	struct rpl_groups g;
	int version;

	if (!made(&g, second))
		skip();
	assert_int_equal(g.made, 1);
	assert_int_equal(g.move[0], -1);
	enter(g.move[1]);
	version = where(path, sizeof(path));
	enter(g.home);
	assert_true(is_there(version, path));
	rpl_groups_stop(&g);
	assert_false(is_there(version, path));
}

struct told {
	char path[4096];
	int version;
	pid_t helper;
};

/* A process that is in a group, and says in which; it does not end. */
static pid_t start_member(struct told *told)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		struct rpl_groups g;

		memset(told, 0, sizeof(*told));
		if (made(&g, all) && write(g.move[0], "0", 1) == 1) {
			told->version = where(told->path, sizeof(told->path));
			told->helper = g.pid;
		}
		if (write(ends[1], told, sizeof(*told)) == sizeof(*told))
			pause();
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], told, sizeof(*told)), sizeof(*told));
	close(ends[0]);
	return pid;
}

static void end_member(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool gone_soon(const struct told *told)
{
	int tries;

	for (tries = 0; tries < 500 && is_there(told->version, told->path); tries++)
		usleep(10000);
	return tries < 500;
}

static void they_are_gone_when_their_maker_was_killed(void **state)
{
	static struct told told;
	pid_t pid = start_member(&told);

	if (told.version)
		assert_true(is_there(told.version, told.path));
	end_member(pid);
	if (!told.version)
		skip();
	assert_true(gone_soon(&told));
}

/* A killed one still has its locks until it is a zombie at least. */
static void wait_for_end_of(pid_t pid)
{
	char path[32], state;
	int tries;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (tries = 0; tries < 500; tries++) {
		f = fopen(path, "re");
		state = 'X';
		if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 'X';
		if (f)
			fclose(f);
		if (state == 'Z' || state == 'X')
			return;
		usleep(10000);
	}
	fail_msg("process %d does not end", pid);
}

static void what_a_killed_helper_leaves_the_next_one_removes(void **state)
{
	static struct told told;
	pid_t pid = start_member(&told);
	struct rpl_groups g;

	if (told.version) {
		kill(told.helper, SIGKILL);
		wait_for_end_of(told.helper);
	}
	end_member(pid);
	if (!told.version)
		skip();
	assert_true(is_there(told.version, told.path));
	assert_true(made(&g, all));
	assert_true(gone_soon(&told));
	rpl_groups_stop(&g);
}

static void without_a_helper_none_is_made(void **state)
{
	struct rpl_groups g;

	rpl_groups_start(&g);
	assert_true(g.pid > 0);
	kill(g.pid, SIGKILL);
	assert_false(rpl_groups_make(&g, wanted, all, WANTED));
	assert_int_equal(g.made, 0);
	assert_int_equal(g.move[0], -1);
	rpl_groups_stop(&g);
	rpl_groups_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_moves_into_each_and_back),
		cmocka_unit_test(they_have_the_recorded_weights_and_limits_in_this_versions_words),
		cmocka_unit_test(only_those_that_are_used_are_made_and_all_are_gone_at_the_end),
		cmocka_unit_test(they_are_gone_when_their_maker_was_killed),
		cmocka_unit_test(what_a_killed_helper_leaves_the_next_one_removes),
		cmocka_unit_test(without_a_helper_none_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
