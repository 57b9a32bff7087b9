/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The janitor: the one process that keeps the privilege. It is forked before the recorder drops its own, holds
 * nothing but a socket, and waits. It empties the instance's pid filter and raises the priority of the recorder's own
 * threads when it is told to, and removes the instance when it is told to or the recorder's end of the socket closes,
 * however the recorder ends.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "record/internal.h"

enum { ASK_CLEAR = 'c', ASK_RAISE = 'p', ASK_REAL_TIME = 't', ASK_REMOVE = 'r' };
/* That of ASK_REMOVE is told apart from one that came too late to be waited for. */
enum { ANSWER_OK = 'k', ANSWER_FAILED = 'f', ANSWER_REMOVED = 'g', ANSWER_STAYS = 's' };

struct ask {
	int32_t what, tid; /* tid: for ASK_RAISE and ASK_REAL_TIME */
};

#define ANSWER_S 2       /* a janitor that someone has stopped is not waited for */
#define REMOVED_S 10     /* more than REMOVE_TRIES take */
#define REMOVE_TRIES 500 /* 10 ms apart: a killed recorder's descriptors close one after the other */

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static int truncate_file(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		rec_write_text(fd, text);
		close(fd);
	}
}

static int remove_instance(const char *dir)
{
	write_file(dir, "tracing_on", "0");
	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (!rmdir(dir) || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -1;
		pause_ms(10);
	}
	return -1;
}

/* The recorder's terminal, pipes and files are none of the janitor's business. */
static void close_others(unsigned keep)
{
	long max = sysconf(_SC_OPEN_MAX);

#ifdef SYS_close_range
	if ((!keep || !syscall(SYS_close_range, 0, keep - 1, 0)) && !syscall(SYS_close_range, keep + 1, ~0u, 0))
		return;
#endif
	for (unsigned fd = 0; fd < (max > 0 ? (unsigned)max : 65536); fd++)
		if (fd != keep)
			close((int)fd);
}

static int make_real_time(pid_t tid)
{
	struct sched_param least = { .sched_priority = 1 };

	return sched_setscheduler(tid, SCHED_RR, &least);
}

static int raise_priority(pid_t recorder, const struct ask *ask)
{
	struct sched_param none = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)recorder, (int)ask->tid);
	if (access(path, F_OK))
		return -1;
	if (ask->what == ASK_REAL_TIME)
		return make_real_time(ask->tid);
	return sched_setscheduler(ask->tid, SCHED_OTHER, &none) || setpriority(PRIO_PROCESS, (id_t)ask->tid, -20) ? -1 :
														    0;
}

static void __attribute__((noreturn)) janitor(const char *dir, pid_t recorder, int fd)
{
	static const int ignored[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP,
				       SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM };
	struct ask ask;
	sigset_t none;
	char answer;
	ssize_t n;
	int rc;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	prctl(PR_SET_NAME, "schedrec-janit");
	if (make_real_time(0)) /* the recorder waits for its answers, also on a full machine */
		setpriority(PRIO_PROCESS, 0, -20);
	close_others((unsigned)fd);
	if (chdir("/"))
		_exit(1);
	for (;;) {
		n = recv(fd, &ask, sizeof(ask), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(ask) || ask.what == ASK_REMOVE)
			break;
		rc = ask.what == ASK_CLEAR ? truncate_file(dir, "set_event_pid") : raise_priority(recorder, &ask);
		answer = rc ? ANSWER_FAILED : ANSWER_OK;
		if (send(fd, &answer, 1, MSG_NOSIGNAL) != 1)
			break;
	}
	answer = remove_instance(dir) ? ANSWER_STAYS : ANSWER_REMOVED;
	n = send(fd, &answer, 1, MSG_NOSIGNAL);
	_exit(n == 1 && answer == ANSWER_REMOVED ? 0 : 1);
}

static void wait_at_most(const struct rec_janitor *j, int seconds)
{
	struct timeval t = { .tv_sec = seconds };

	setsockopt(j->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
}

int rec_janitor_start(struct rec_janitor *j, const char *dir, struct sr_error *err)
{
	pid_t self = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return sr_fail_errno(err, SR_ENVIRONMENT, "a socket pair");
	j->pid = fork();
	if (!j->pid)
		janitor(dir, self, pair[1]);
	close(pair[1]);
	if (j->pid < 0) {
		j->pid = 0;
		close(pair[0]);
		return sr_fail_errno(err, SR_ENVIRONMENT, "fork");
	}
	j->fd = pair[0];
	j->finishing = j->silent = false;
	wait_at_most(j, ANSWER_S);
	pthread_mutex_init(&j->lock, NULL);
	return 0;
}

static bool ask(const struct rec_janitor *j, int what, pid_t tid)
{
	struct ask ask = { what, tid };

	return send(j->fd, &ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask);
}

static char answer_of(struct rec_janitor *j)
{
	char answer = 0;
	ssize_t n;

	while ((n = recv(j->fd, &answer, 1, 0)) < 0 && errno == EINTR)
		;
	if (n < 0)
		j->silent = true;
	return answer;
}

static char ask_and_wait(struct rec_janitor *j, int what, pid_t tid)
{
	char answer;

	pthread_mutex_lock(&j->lock);
	answer = !j->silent && ask(j, what, tid) ? answer_of(j) : 0;
	pthread_mutex_unlock(&j->lock);
	return answer;
}

int rec_janitor_clear_filter(struct rec_janitor *j, struct sr_error *err)
{
	if (ask_and_wait(j, ASK_CLEAR, 0) != ANSWER_OK)
		return sr_fail(err, SR_ENVIRONMENT, "the tracing filter cannot be emptied");
	return 0;
}

bool rec_janitor_raise(struct rec_janitor *j, pid_t tid, bool real_time)
{
	return ask_and_wait(j, real_time ? ASK_REAL_TIME : ASK_RAISE, tid) == ANSWER_OK;
}

void rec_janitor_begin_finish(struct rec_janitor *j)
{
	if (j->pid && !j->finishing)
		j->finishing = ask(j, ASK_REMOVE, 0);
}

int rec_janitor_finish(struct rec_janitor *j, struct sr_error *err)
{
	char answer;

	if (!j->pid)
		return 0;
	rec_janitor_begin_finish(j);
	wait_at_most(j, REMOVED_S);
	j->silent = false;
	do
		answer = j->finishing ? answer_of(j) : 0;
	while (answer == ANSWER_OK || answer == ANSWER_FAILED);
	close(j->fd);
	/* One that is silent removes the instance when it goes on. */
	while (waitpid(j->pid, NULL, j->silent ? WNOHANG : 0) < 0 && errno == EINTR)
		;
	pthread_mutex_destroy(&j->lock);
	j->pid = 0;
	if (answer != ANSWER_REMOVED)
		return sr_fail(err, SR_ENVIRONMENT,
			       "the tracing instance could not be removed; the next recording will try again");
	return 0;
}

void rec_janitor_abandon(struct rec_janitor *j)
{
	if (!j->pid)
		return;
	kill(j->pid, SIGKILL);
	close(j->fd);
	while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
		;
	pthread_mutex_destroy(&j->lock);
	j->pid = 0;
}

void rec_janitor_sweep(const char *instances_dir)
{
	DIR *dir = opendir(instances_dir);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		unsigned long long start;
		int pid;

		if (sscanf(d->d_name, "schedrec-%d-%llu", &pid, &start) != 2 || pid <= 0)
			continue;
		/* One that is in use elsewhere (another pid namespace) has open files and is busy. */
		if (rec_proc_start_ticks(pid) != start)
			unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
}
