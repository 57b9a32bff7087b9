/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of the replay's processes, and the leash that holds them.
 *
 *   schedrec --writing end== pipe ==reading end, opened anew-- each process group
 *
 * A session is a process group of its own, so the leash has an end for each: an open file whose owner is the group and
 * whose signal is SIGKILL. When this process closes the writing end, by will or by whatever death, the kernel kills all
 * groups. The members of a group inherit its end, so that it lasts as long as any of them.
 *
 * Who makes a session sets up the end for the group that it will be before it leaves its old one, and looks afterwards
 * whether the leash has ended meanwhile: at any moment it is in a group that gets killed, or sees it itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/cgroup.h"
#include "replay/engine_internal.h"

/* Of version 1 the root group has a weight too. */
static bool has_weight(int version, const char *path)
{
	char text[32];

	return version == 1 ? strcmp(path, "/") != 0 : sr_cgroup_read(2, path, "cpu.weight", text, sizeof(text));
}

/* Is this process in a control group that competes as one, here or above? */
static bool in_group(void)
{
	char text[8192], path[4096];
	const char *at = NULL;
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC), version;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *slash;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	version = sr_cgroup_parse(text, &at);
	if (!version || snprintf(path, sizeof(path), "%s", at) >= (int)sizeof(path))
		return false;
	for (;;) {
		if (has_weight(version, path))
			return true;
		slash = strrchr(path, '/');
		if (!slash || !path[1])
			return false;
		slash[slash == path] = '\0';
	}
}

const char *rpl_no_sessions(void)
{
	int fd = open("/proc/sys/kernel/sched_autogroup_enabled", O_RDONLY | O_CLOEXEC);
	char on = '0';
	bool known = fd >= 0 && read(fd, &on, 1) == 1;

	if (fd >= 0)
		close(fd);
	if (!known)
		return "this kernel has no autogroups";
	if (on != '1')
		return "autogroups are off here (kernel.sched_autogroup_enabled)";
	return in_group() ? "this control group has a weight, and autogroups do not count in it" : NULL;
}

static int open_end(const struct rpl_run *run)
{
	return open(run->leash_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* A group of this process' number will be killed by this end. */
static int own(int end)
{
	return fcntl(end, F_SETOWN, -getpid()) < 0 || fcntl(end, F_SETSIG, SIGKILL) < 0 ||
			       fcntl(end, F_SETFL, O_ASYNC) < 0 ?
		       -1 :
		       0;
}

/* The leash may have ended before the kernel knew whom to kill. */
static void die_if_ended(int end)
{
	struct pollfd look = { .fd = end };

	if (poll(&look, 1, 0) != 0)
		kill(0, SIGKILL);
}

int rpl_leash_start(struct rpl_run *run)
{
	int ends[2], end;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	run->leash_end = ends[0];
	run->leash = ends[1];
	snprintf(run->leash_path, sizeof(run->leash_path), "/proc/self/fd/%d", ends[0]);
	end = open_end(run);
	if (end >= 0) {
		close(end);
	} else if (run->cfg.sessions) { /* no /proc: it cannot be opened anew */
		run->cfg.sessions = false;
		atomic_store(&run->sessions_refused, (uint32_t)run->m->nsessions);
	}
	return 0;
}

int rpl_leash_hold(struct rpl_run *run)
{
	if (own(run->leash_end) < 0 || setpgid(0, 0) < 0)
		return -1;
	die_if_ended(run->leash_end);
	return 0;
}

void rpl_leash_cut(struct rpl_run *run)
{
	if (run->leash >= 0)
		close(run->leash);
	if (run->leash_end >= 0)
		close(run->leash_end);
	run->leash = run->leash_end = -1;
}

/* Without a privilege it may be set ten times a second, by all together. */
static bool set_nice(int nice)
{
	char text[8];
	int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC), len = snprintf(text, sizeof(text), "%d", nice);
	bool set = fd >= 0 && write(fd, text, (size_t)len) == len;

	if (fd >= 0)
		close(fd);
	return set;
}

int rpl_make_session(struct rpl_run *run, struct rproc *pr, uint32_t session)
{
	int end = open_end(run), old;

	if (end < 0)
		return -1;
	if (own(end) < 0 || setsid() < 0) {
		close(end);
		return -1;
	}
	die_if_ended(end);
	old = atomic_exchange(&pr->leash, end);
	if (old >= 0 && old != run->leash_end)
		close(old);
	atomic_store(&pr->session, session);
	atomic_fetch_add(&run->sessions_made, 1);
	if (atomic_exchange(&run->session_made[session], 1))
		atomic_fetch_add(&run->sessions_split, 1);
	if (run->m->session_nice[session - 1] && !set_nice(run->m->session_nice[session - 1]))
		atomic_fetch_add(&run->session_nice_refused, 1);
	return 0;
}

void rpl_change_session(struct rthread *t, uint32_t session)
{
	struct rpl_run *run = t->run;
	struct rproc *pr;
	uint64_t from;

	if (!run->cfg.sessions || !session)
		return;
	pr = &run->procs[t->group];
	if (atomic_load(&pr->session) == session)
		return;
	from = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	if (rpl_make_session(run, pr, session) < 0)
		atomic_fetch_add(&run->sessions_refused, 1);
	rpl_not_work(t, clock_ns(CLOCK_THREAD_CPUTIME_ID) - from);
}
