/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "formats/cgroup.h"

#define PREFIX "schedrec-group-"
#define MARK "on-" /* behind it: of who has turned the controller on */
#define TRIES 1000 /* 10 ms apart: whoever was killed in a group takes its time to leave it */
#define MAX_SHARES 262144u
#define MAX_WEIGHT 10000u

/* What the helper is asked for: a group, or (version 0) a way back. It answers with an errno and, where that is 0, the
 * descriptor. */
struct ask {
	uint32_t version, idle, weight;
	uint64_t quota_us, period_us;
};

/* ---- the helper ---- */

struct helper {
	char dir[PATH_MAX]; /* of its own group */
	int version;        /* of the hierarchy, 0: none */
	int lock[RPL_MAX_GROUPS];
	size_t n;
	bool on; /* it turns the controller on, and so off */
};

static int open_in(const struct helper *h, const char *group, const char *name, int flags)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s/%s", h->dir, group, name);
	return open(path, flags | O_CLOEXEC);
}

static int put(const struct helper *h, const char *group, const char *name, const char *text)
{
	int fd = open_in(h, group, name, O_WRONLY), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

static int put_number(const struct helper *h, const char *group, const char *name, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return put(h, group, name, text);
}

/* Is a word among those of a file of the own group? */
static bool has_word(const struct helper *h, const char *name, const char *word)
{
	char text[512], *save = NULL, *w;
	int fd = open_in(h, ".", name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	for (w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		if (!strcmp(w, word))
			return true;
	return false;
}

static void find_own(struct helper *h)
{
	char text[8192];
	const char *path = NULL;
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	h->version = sr_cgroup_parse(text, &path);
	if (!h->version || !sr_cgroup_dir(h->version, path, h->dir, sizeof(h->dir)) ||
	    (h->version == 2 && !has_word(h, "cgroup.controllers", "cpu")))
		h->version = 0;
}

/* Groups that helpers which were killed have left: nobody has their locks. Also what these had turned on is inherited. */
static void sweep(struct helper *h)
{
	DIR *dir = opendir(h->dir);
	struct dirent *d;
	int fd;

	while (dir && (d = readdir(dir))) {
		if (strncmp(d->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB) && !unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR) &&
		    !strncmp(d->d_name, PREFIX MARK, strlen(PREFIX MARK)))
			h->on = true;
		if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
}

/* Are there groups in the own one? Others may use the controller too. */
static bool has_groups(const struct helper *h)
{
	DIR *dir = opendir(h->dir);
	struct dirent *d;
	bool has = false;

	while (dir && !has && (d = readdir(dir)))
		has = d->d_type == DT_DIR && d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return has;
}

/* Shares of version 1 are to 1024 what weights of version 2 are to 100. */
static uint64_t weight_here(const struct helper *h, const struct ask *ask)
{
	uint64_t w = ask->weight;

	if (ask->version == 2 && h->version == 1)
		w = w * 1024 / 100;
	else if (ask->version == 1 && h->version == 2)
		w = w * 100 / 1024;
	if (h->version == 1)
		return w < 2 ? 2 : w > MAX_SHARES ? MAX_SHARES : w;
	return w < 1 ? 1 : w > MAX_WEIGHT ? MAX_WEIGHT : w;
}

static int set_limit(const struct helper *h, const char *group, const struct ask *ask)
{
	char text[64];
	int error;

	if (!ask->quota_us || !ask->period_us)
		return 0;
	if (h->version == 2) {
		snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)ask->quota_us,
			 (unsigned long long)ask->period_us);
		return put(h, group, "cpu.max", text);
	}
	error = put_number(h, group, "cpu.cfs_period_us", ask->period_us);
	return error ? error : put_number(h, group, "cpu.cfs_quota_us", ask->quota_us);
}

static int set_up(struct helper *h, const char *group, const struct ask *ask)
{
	int error = 0;

	if (h->version == 2) {
		/* Threads of one process are to be in different groups. */
		error = put(h, group, "cgroup.type", "threaded");
		if (!error && h->on)
			error = put(h, ".", "cgroup.subtree_control", "+cpu");
	}
	if (!error && ask->idle)
		error = put(h, group, "cpu.idle", "1");
	else if (!error)
		error = put_number(h, group, h->version == 1 ? "cpu.shares" : "cpu.weight", weight_here(h, ask));
	return error ? error : set_limit(h, group, ask);
}

static const char *name_of(const struct helper *h, size_t i, char *buf, size_t len)
{
	snprintf(buf, len, PREFIX "%s%d-%zu", h->on ? MARK : "", (int)getpid(), i);
	return buf;
}

static int remove_group(const struct helper *h, size_t i)
{
	char path[PATH_MAX + 64], name[48];

	snprintf(path, sizeof(path), "%s/%s", h->dir, name_of(h, i, name, sizeof(name)));
	return rmdir(path);
}

/* An errno, or 0 and the descriptor. */
static int make(struct helper *h, const struct ask *ask, int *fd)
{
	char path[PATH_MAX + 64], name[48];
	int error;

	if (!h->n) {
		sweep(h);
		h->on |= h->version == 2 && !has_word(h, "cgroup.subtree_control", "cpu");
	}
	if (h->n == RPL_MAX_GROUPS)
		return ENOSPC;
	snprintf(path, sizeof(path), "%s/%s", h->dir, name_of(h, h->n, name, sizeof(name)));
	if (mkdir(path, 0755) < 0)
		return errno;
	h->lock[h->n++] = open_in(h, name, ".", O_RDONLY | O_DIRECTORY);
	flock(h->lock[h->n - 1], LOCK_EX | LOCK_NB);
	error = set_up(h, name, ask);
	if (error)
		return error;
	*fd = open_in(h, name, h->version == 1 ? "tasks" : "cgroup.threads", O_WRONLY);
	return *fd < 0 ? errno : 0;
}

static int serve(struct helper *h, const struct ask *ask, int *fd)
{
	if (!h->version)
		return ENOTSUP;
	if (ask->version)
		return make(h, ask, fd);
	*fd = open_in(h, ".", h->version == 1 ? "tasks" : "cgroup.threads", O_WRONLY);
	return *fd < 0 ? errno : 0;
}

static bool answer(int to, int error, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec data = { &error, sizeof(error) };
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1 };

	if (!error) {
		struct cmsghdr *c;

		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL) == sizeof(error);
}

static void remove_all(struct helper *h)
{
	static const struct timespec pause = { 0, 10000000 };
	size_t i;
	int tries = 0;

	for (i = h->n; i-- > 0;)
		while (remove_group(h, i) < 0 && errno == EBUSY && tries++ < TRIES)
			nanosleep(&pause, NULL);
	if (h->on && !has_groups(h))
		put(h, ".", "cgroup.subtree_control", "-cpu");
}

static void __attribute__((noreturn)) help(int socket)
{
	struct helper h = { .version = 0 };
	struct ask ask;
	sigset_t all;

	/* What ends schedrec is no reason to end before it. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "schedrec-groups");
	if (dup2(socket, 0) < 0 || close_range(1, ~0u, 0) < 0 || chdir("/"))
		_exit(1);
	find_own(&h);
	while (recv(0, &ask, sizeof(ask), 0) == sizeof(ask)) {
		int fd = -1, error = serve(&h, &ask, &fd);
		bool sent = answer(0, error, fd);

		if (fd >= 0)
			close(fd);
		if (!sent)
			break;
	}
	remove_all(&h);
	_exit(0);
}

/* ---- who asks it ---- */

void rpl_groups_start(struct rpl_groups *g)
{
	int pair[2];

	*g = (struct rpl_groups){ .fd = -1, .home = -1, .error = EPERM };
	if (getauxval(AT_SECURE))
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		g->error = errno;
		return;
	}
	g->pid = fork();
	if (!g->pid)
		help(pair[1]);
	close(pair[1]);
	if (g->pid < 0) {
		g->error = errno;
		g->pid = 0;
		close(pair[0]);
		return;
	}
	g->fd = pair[0];
}

/* The descriptor, or -1 with errno. */
static int ask_for(const struct rpl_groups *g, const struct ask *ask)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	int error = EPIPE, fd = -1;
	struct iovec data = { &error, sizeof(error) };
	struct msghdr m = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)
	};
	struct cmsghdr *c;
	ssize_t n;

	if (send(g->fd, ask, sizeof(*ask), MSG_NOSIGNAL) != sizeof(*ask))
		return -1;
	while ((n = recvmsg(g->fd, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	c = n == sizeof(error) && !error ? CMSG_FIRSTHDR(&m) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	else
		errno = error ? error : EPROTO;
	return fd;
}

bool rpl_groups_make(struct rpl_groups *g, const struct sr_group *groups, const bool *used, size_t n)
{
	bool all = true;
	size_t i;

	g->move = malloc((n + 1) * sizeof(*g->move));
	if (!g->move) {
		g->error = ENOMEM;
		return false;
	}
	g->n = n;
	for (i = 0; i < n; i++)
		g->move[i] = -1;
	if (g->fd < 0)
		return false;
	g->home = ask_for(g, &(struct ask){ 0 });
	for (i = 0; i < n && g->home >= 0; i++) {
		const struct sr_group *want = &groups[i];
		const struct ask ask = { want->version, want->idle, want->weight, want->quota_us, want->period_us };

		if (!used[i])
			continue;
		g->move[i] = ask_for(g, &ask);
		if (g->move[i] >= 0) {
			g->made++;
		} else {
			if (all)
				g->error = errno;
			all = false;
		}
	}
	if (g->home < 0)
		g->error = errno;
	return all && g->home >= 0;
}

void rpl_groups_stop(struct rpl_groups *g)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		if (g->move[i] >= 0)
			close(g->move[i]);
	free(g->move);
	g->move = NULL;
	if (g->n && g->home >= 0)
		close(g->home);
	g->n = 0;
	if (!g->pid)
		return;
	close(g->fd);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g->pid = 0;
}
