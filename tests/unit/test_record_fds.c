/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the recorder's descriptors may answer: a cpu's buffer, and the held command's pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "record/internal.h"

#define OFFLINE_FD 100

/* From now on, read() of OFFLINE_FD answers as trace_pipe_raw does for a cpu that was never online. */
static void no_device(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OFFLINE_FD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(99);
}

/* rec_discard's result where reading the only cpu's buffer fails with error: 0, 1 for -1. */
static int discard_with(int error)
{
	uint8_t page[4096];
	struct rec_cpu cpu = { .cpu = 1, .raw_fd = OFFLINE_FD, .stats_fd = -1 };
	struct rec_session s = { .cpus = &cpu, .ncpus = 1, .page = page, .page_size = sizeof(page) };
	struct sr_error err;
	int status;
	pid_t pid = fork();

	if (!pid) {
		no_device(error);
		_exit(rec_discard(&s, NULL, NULL, &err) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_cpu_that_was_never_online_has_nothing(void **state)
{
	assert_int_equal(discard_with(ENODEV), 0);
}

static void another_failure_of_a_cpu_is_one(void **state)
{
	assert_int_equal(discard_with(EIO), 1);
}

static void a_held_command_that_a_signal_ended_is_the_callers_to_reap(void **state)
{
	struct rec_child c = { .pid = fork() };
	int go[2], fail[2], status = 0;
	struct sr_error err;

	if (!c.pid)
		for (;;)
			pause();
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(fail), 0);
	close(go[0]);
	close(fail[1]);
	c.go_fd = go[1];
	c.fail_fd = fail[0];
	kill(c.pid, SIGINT);
	assert_int_equal(rec_child_go(&c, "command", &status, &err), 0);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpu_that_was_never_online_has_nothing),
		cmocka_unit_test(another_failure_of_a_cpu_is_one),
		cmocka_unit_test(a_held_command_that_a_signal_ended_is_the_callers_to_reap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
