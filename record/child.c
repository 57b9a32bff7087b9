/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command to record: forked, held back at a pipe, let go when the filter stands. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/internal.h"

/* Caught signals back to their defaults; ignored ones (nohup) stay ignored, as exec would have it. */
static void default_signals(void)
{
	struct sigaction now, plain = { .sa_handler = SIG_DFL };

	for (int sig = 1; sig < NSIG; sig++)
		if (!sigaction(sig, NULL, &now) && now.sa_handler != SIG_IGN && now.sa_handler != SIG_DFL)
			sigaction(sig, &plain, NULL);
}

#define MARKER "schedrec child"

static void __attribute__((noreturn))
held_child(const struct rec_session *s, char *const argv[], int go_fd, int fail_fd)
{
	ssize_t n;
	int error;
	char go;

	default_signals();
	rec_restore_limits(s);
	if (s->foreign_ns && (rec_write_text(s->marker_fd, MARKER) || write(fail_fd, MARKER, 1) != 1))
		_exit(127);
	/* One byte: go. The end of the pipe: the recorder is gone or gave up. */
	while ((n = read(go_fd, &go, 1)) < 0 && errno == EINTR)
		;
	if (n != 1)
		_exit(127);
	execvp(argv[0], argv);
	error = errno;
	if (write(fail_fd, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(error == ENOENT ? 127 : 126);
}

struct marker_search {
	const struct rec_formats *formats;
	pid_t found;
};

static void find_marker(void *arg, const uint8_t *data, size_t len)
{
	struct marker_search *m = arg;
	int32_t pid;

	if (rec_record_id(m->formats, data, len) == m->formats->print_id && memmem(data, len, MARKER, strlen(MARKER)) &&
	    !rec_record_ctx(m->formats, data, len, &pid))
		m->found = pid;
}

/* In a pid namespace events have other numbers than ours: the child writes a mark, and its event tells. */
static int find_global_tid(struct rec_child *c, struct rec_session *s, struct sr_error *err)
{
	struct marker_search m = { &s->formats, 0 };
	ssize_t n;
	char mark;

	while ((n = read(c->fail_fd, &mark, 1)) < 0 && errno == EINTR)
		;
	if (rec_write_text(s->on_fd, "0"))
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: tracing_on");
	if (rec_discard(s, find_marker, &m, err))
		return -1;
	if (n != 1 || !m.found)
		return sr_fail(err, SR_ENVIRONMENT,
			       "the command's number outside of this pid namespace cannot be found");
	c->global_tid = m.found;
	return 0;
}

int rec_child_launch(struct rec_child *c, struct rec_session *s, char *const argv[], struct sr_error *err)
{
	int go[2], fail[2];

	*c = (struct rec_child){ .go_fd = -1, .fail_fd = -1 };
	if (s->foreign_ns && rec_write_text(s->on_fd, "1"))
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: tracing_on");
	if (pipe2(go, O_CLOEXEC))
		return sr_fail_errno(err, SR_ENVIRONMENT, "a pipe");
	if (pipe2(fail, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return sr_fail_errno(err, SR_ENVIRONMENT, "a pipe");
	}
	c->pid = fork();
	if (!c->pid) {
		close(go[1]); /* or it would never see the recorder's end */
		held_child(s, argv, go[0], fail[1]);
	}
	close(go[0]);
	close(fail[1]);
	c->go_fd = go[1];
	c->fail_fd = fail[0];
	if (c->pid < 0) {
		sr_fail_errno(err, SR_ENVIRONMENT, "fork");
		c->pid = 0;
		rec_child_abandon(c);
		return -1;
	}
	c->global_tid = c->pid;
	if (s->foreign_ns && find_global_tid(c, s, err)) {
		rec_child_abandon(c);
		return -1;
	}
	return 0;
}

static void close_pipes(struct rec_child *c)
{
	if (c->go_fd >= 0)
		close(c->go_fd);
	if (c->fail_fd >= 0)
		close(c->fail_fd);
	c->go_fd = c->fail_fd = -1;
}

int rec_child_go(struct rec_child *c, const char *name, int *status, struct sr_error *err)
{
	int error = 0;

	/* EPIPE: a signal has ended it already, which its wait status will tell. */
	if (write(c->go_fd, "g", 1) != 1 && errno != EPIPE)
		error = errno;
	while (!error && read(c->fail_fd, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	close_pipes(c);
	if (!error)
		return 0;
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
	*status = error == ENOENT ? 127 : 126;
	errno = error;
	return sr_fail_errno(err, SR_USAGE, "cannot run %s", name);
}

void rec_child_abandon(struct rec_child *c)
{
	close_pipes(c);
	while (c->pid && waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
}
