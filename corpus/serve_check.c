/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's thread            the helper                       one check
 *
 *   row, fd of the file, pipe ->  fork  ----------------------->  limits, filter of system calls, decodes
 *   reads the pipe <--------------------------------------------  verdict, exits
 *   (its end without a verdict: killed)
 *                                 kills what takes too long
 *
 * The helper has nothing open but its socket; it ends when the server's end closes.
 */
#include "corpus/serve_check.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "corpus/scrub.h"
#include "corpus/store.h"
#include "formats/srz.h"

#define MAX_AT_ONCE 64
#define NOBODY 65534
#define TICK_MS 200

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCH AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCH AUDIT_ARCH_S390X
#endif

struct verdict {
	int32_t status; /* enum sr_status */
	char text[252];
	struct crp_row row; /* what the trace says of itself */
};

struct crp_checker {
	struct crp_check_limits limits;
	pthread_mutex_t lock;
	pthread_cond_t free_place;
	unsigned running;
	bool ended;
	int socket;
	pid_t helper;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* One check */

#ifdef ARCH
#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARG_LOW(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#else
#define ARG_LOW(n) (offsetof(struct seccomp_data, args) + 8 * (n) + 4)
#endif

/* Memory, reading what is open, writing the verdict, the clock, the end: everything else is refused. */
static int forbid(int out)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read),
		ALLOW(SYS_pread64),
		ALLOW(SYS_lseek),
		ALLOW(SYS_fstat),
		ALLOW(SYS_close),
		ALLOW(SYS_brk),
		ALLOW(SYS_munmap),
		ALLOW(SYS_mremap),
		ALLOW(SYS_madvise),
		ALLOW(SYS_clock_gettime),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit),
		ALLOW(SYS_exit_group),
#ifdef SYS_newfstatat
		ALLOW(SYS_newfstatat),
#endif
#ifdef SYS_futex
		ALLOW(SYS_futex),
#endif
#ifdef SYS_mmap2
		ALLOW(SYS_mmap2),
#endif
		/* Memory that cannot be executed. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG_LOW(2)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG_LOW(0)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)out, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ? -1 : 0;
}
#else
/* No filter for this architecture: nothing is decoded without one. */
static int forbid(int out)
{
	errno = ENOSYS;
	return -1;
}
#endif

static int limit(int what, uint64_t to)
{
	struct rlimit r = { to, to };

	return setrlimit(what, &r);
}

static int confine(const struct crp_check_limits *l, int out)
{
	uint64_t cpu_s = (l->time_ns + 999999999) / 1000000000;

	if (limit(RLIMIT_CORE, 0) || limit(RLIMIT_FSIZE, 0) || limit(RLIMIT_CPU, cpu_s) || limit(RLIMIT_NOFILE, 0))
		return -1;
		/* The address sanitizer reserves terabytes. */
#if !defined(__SANITIZE_ADDRESS__)
	if (limit(RLIMIT_AS, l->memory_bytes))
		return -1;
#endif
	return forbid(out);
}

/* What would stay on the contributor's machine when it is scrubbed must not come here. */
static int is_scrubbed(const struct srz_reader *r, struct sr_error *err)
{
	const char *key, *value;
	char out[4096];

	if (!srz_get_meta(r, "scrub.version"))
		return sr_fail(err, SR_DAMAGED, "it was not scrubbed: push it with schedrec corpus push");
	for (size_t i = 0; i < srz_meta_count(r); i++) {
		srz_meta_at(r, i, &key, &value);
		/* Scrubbing writes these two anew by itself. */
		if (!strcmp(key, "scrub.version") || !strcmp(key, "cpus.changes"))
			continue;
		if (!crp_scrub_meta(key, value, out, sizeof(out)) || strcmp(out, value) != 0)
			return sr_fail(err, SR_DAMAGED, "it was not scrubbed: it still has a value of %.60s", key);
	}
	return 0;
}

static int decode(const struct crp_check_limits *l, int fd, const struct crp_row *row, struct crp_row *found,
		  struct sr_error *err)
{
	struct srz_reader *r = srz_open_fd(fd, "the trace", err);
	int ret;

	if (!r)
		return -1;
	ret = is_scrubbed(r, err);
	if (!ret)
		ret = crp_check_reader(r, row, err);
	*found = *row;
	if (!ret && l->describe) {
		memset(found, 0, sizeof(*found));
		memcpy(found->sha256, row->sha256, sizeof(found->sha256));
		ret = l->describe(r, found, err);
	}
	srz_reader_free(r);
	return ret;
}

static void one_check(const struct crp_check_limits *l, const struct crp_row *row, int fd, int out)
{
	struct verdict v = { .status = SR_OK };
	struct sr_error err = { .status = SR_BUG };

	if (confine(l, out)) {
		v.status = SR_BUG;
		snprintf(v.text, sizeof(v.text), "this system has no sandbox for it (errno %d)", errno);
	} else if (decode(l, fd, row, &v.row, &err)) {
		v.status = err.status == SR_OK ? SR_BUG : err.status;
		snprintf(v.text, sizeof(v.text), "%.*s", (int)sizeof(v.text) - 1, err.text);
	}
	_exit(write(out, &v, sizeof(v)) == (ssize_t)sizeof(v) ? 0 : 1);
}

/* The helper */

struct child {
	pid_t pid;
	uint64_t deadline_ns;
};

static void close_others(int keep)
{
	if (keep > 3)
		syscall(SYS_close_range, 3, keep - 1, 0);
	syscall(SYS_close_range, keep + 1, ~0u, 0);
}

/* No way back to any privilege; a network of its own where that is allowed. */
static int drop_privilege(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -1;
	if (geteuid())
		return 0;
	(void)unshare(CLONE_NEWNET | CLONE_NEWIPC);
	return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY);
}

/* A row with the file and the pipe: 1, 0 the server is gone, -1 something else came. */
static int receive(int socket, struct crp_row *row, int fds[2])
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec io = { row, sizeof(*row) };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c;
	ssize_t got;

	do
		got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return 0;
	c = CMSG_FIRSTHDR(&m);
	if (got != (ssize_t)sizeof(*row) || !c || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return -1;
	memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return 1;
}

static void reap(struct child *children)
{
	uint64_t now = now_ns();
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (unsigned i = 0; i < MAX_AT_ONCE; i++)
			if (children[i].pid == pid)
				children[i].pid = 0;
	for (unsigned i = 0; i < MAX_AT_ONCE; i++)
		if (children[i].pid && now > children[i].deadline_ns)
			kill(children[i].pid, SIGKILL);
}

static void start_check(const struct crp_check_limits *l, int socket, struct child *children, const struct crp_row *row,
			int fds[2])
{
	unsigned i = 0;
	pid_t pid;

	while (i < MAX_AT_ONCE && children[i].pid)
		i++;
	if (i == MAX_AT_ONCE)
		return;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(socket);
		one_check(l, row, fds[0], fds[1]);
	}
	if (pid < 0) {
		struct verdict v = { .status = SR_BUG, .text = "no process for it" };

		(void)!write(fds[1], &v, sizeof(v));
	}
	if (pid > 0)
		children[i] = (struct child){ pid, now_ns() + 3 * l->time_ns + 5000000000 };
}

static void helper(const struct crp_check_limits *l, int socket)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct child children[MAX_AT_ONCE] = { { 0 } };
	struct crp_row row;
	int fds[2], got;
	bool busy;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	close_others(socket);
	if (drop_privilege())
		_exit(1);
	if (send(socket, "r", 1, MSG_NOSIGNAL) != 1)
		_exit(1);
	for (;;) {
		struct pollfd p = { .fd = socket, .events = POLLIN };

		reap(children);
		busy = false;
		for (unsigned i = 0; i < MAX_AT_ONCE; i++)
			busy |= children[i].pid != 0;
		if (poll(&p, 1, busy ? TICK_MS : -1) <= 0)
			continue;
		got = receive(socket, &row, fds);
		if (!got)
			break;
		if (got < 0)
			continue;
		reap(children);
		start_check(l, socket, children, &row, fds);
		close(fds[0]);
		close(fds[1]);
	}
	for (unsigned i = 0; i < MAX_AT_ONCE; i++)
		if (children[i].pid)
			kill(children[i].pid, SIGKILL);
	_exit(0);
}

/* The server's side */

static int wait_ready(struct crp_checker *c, struct sr_error *err)
{
	char ready;
	ssize_t got;

	do
		got = recv(c->socket, &ready, 1, 0);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		return 0;
	return sr_fail(
		err, SR_ENVIRONMENT,
		"the helper that decodes uploads cannot give up its privileges; run the server as an ordinary user");
}

struct crp_checker *crp_checker_start(const struct crp_check_limits *limits, struct sr_error *err)
{
	struct crp_checker *c = calloc(1, sizeof(*c));
	pthread_condattr_t clock;
	int pair[2];

	if (!c || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "cannot start the helper that decodes uploads");
		free(c);
		return NULL;
	}
	c->limits = *limits;
	if (c->limits.at_once > MAX_AT_ONCE)
		c->limits.at_once = MAX_AT_ONCE;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&c->free_place, &clock);
	pthread_condattr_destroy(&clock);
	c->socket = pair[0];
	c->helper = fork();
	if (!c->helper)
		helper(&c->limits, pair[1]);
	close(pair[1]);
	if (c->helper < 0)
		sr_fail_errno(err, SR_ENVIRONMENT, "cannot start the helper that decodes uploads");
	if (c->helper < 0 || wait_ready(c, err)) {
		crp_checker_free(c);
		return NULL;
	}
	return c;
}

static int send_work(struct crp_checker *c, int fd, int out, const struct crp_row *row)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct crp_row copy = *row;
	struct iovec io = { &copy, sizeof(copy) };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	int fds[2] = { fd, out };
	ssize_t sent;

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(head), fds, sizeof(fds));
	do
		sent = sendmsg(c->socket, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)sizeof(copy) ? 0 : -1;
}

static int take_place(struct crp_checker *c, struct sr_error *err)
{
	uint64_t until = now_ns() + c->limits.wait_ns;
	struct timespec t = { (time_t)(until / 1000000000), (long)(until % 1000000000) };
	int ret = 0;

	pthread_mutex_lock(&c->lock);
	while (!c->ended && c->running >= c->limits.at_once && !ret)
		ret = pthread_cond_timedwait(&c->free_place, &c->lock, &t);
	if (c->ended)
		ret = sr_fail(err, SR_ENVIRONMENT, "the server is ending");
	else if (c->running >= c->limits.at_once)
		ret = sr_fail(err, SR_ENVIRONMENT, "too many uploads wait to be looked at");
	else
		ret = 0;
	if (!ret)
		c->running++;
	pthread_mutex_unlock(&c->lock);
	return ret;
}

static void give_place(struct crp_checker *c)
{
	pthread_mutex_lock(&c->lock);
	c->running--;
	pthread_cond_signal(&c->free_place);
	pthread_mutex_unlock(&c->lock);
}

/* The text came from a process that a stranger's bytes may have taken over. */
static void clean(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* The trace's own words instead of the client's; who gives it, and under which terms, stays. */
static int take_row(struct crp_row *row, struct crp_row *found, struct sr_error *err)
{
	if (crp_row_check(found, err) || strcmp(found->sha256, row->sha256) != 0 || found->bytes != row->bytes)
		return sr_fail(err, SR_DAMAGED, "what it says of itself makes no row");
	memcpy(found->token_sha256, row->token_sha256, sizeof(row->token_sha256));
	memcpy(found->contributor, row->contributor, sizeof(row->contributor));
	memcpy(found->licence, row->licence, sizeof(row->licence));
	memcpy(found->program, row->program, sizeof(row->program));
	found->consent = row->consent;
	*row = *found;
	return 0;
}

static int read_verdict(struct crp_checker *c, int in, struct crp_row *row, struct sr_error *err)
{
	struct verdict v = { .status = SR_BUG };
	size_t n = 0;
	ssize_t got = 1;

	while (n < sizeof(v) && got) {
		got = read(in, (char *)&v + n, sizeof(v) - n);
		if (got < 0 && errno != EINTR)
			break;
		if (got > 0)
			n += (size_t)got;
	}
	if (n < sizeof(v)) {
		if (!crp_checker_alive(c))
			return sr_fail(err, SR_ENVIRONMENT, "the helper that decodes uploads has ended");
		return sr_fail(err, SR_DAMAGED, "it cannot be decoded within %llu MB and %llu s",
			       (unsigned long long)(c->limits.memory_bytes >> 20),
			       (unsigned long long)(c->limits.time_ns / 1000000000));
	}
	clean(v.text, sizeof(v.text));
	if (v.status == SR_OK)
		return take_row(row, &v.row, err);
	/* Where it ran out of memory it had its share of it. */
	if (v.status == SR_BUG)
		return sr_fail(err, SR_ENVIRONMENT, "the upload cannot be looked at: %s", v.text);
	return sr_fail(err, SR_DAMAGED, "%s", v.text);
}

int crp_checker_run(struct crp_checker *c, int fd, struct crp_row *row, struct sr_error *err)
{
	int pipes[2], ret;

	if (take_place(c, err))
		return -1;
	if (pipe2(pipes, O_CLOEXEC)) {
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "no pipe");
	} else {
		ret = send_work(c, fd, pipes[1], row);
		close(pipes[1]);
		if (ret)
			sr_fail(err, SR_ENVIRONMENT, "the helper that decodes uploads has ended");
		else
			ret = read_verdict(c, pipes[0], row, err);
		close(pipes[0]);
	}
	give_place(c);
	return ret;
}

int crp_checker_alive(struct crp_checker *c)
{
	struct pollfd p = { .fd = c->socket };
	int alive;

	pthread_mutex_lock(&c->lock);
	alive = !c->ended && poll(&p, 1, 0) == 0;
	pthread_mutex_unlock(&c->lock);
	return alive;
}

void crp_checker_end(struct crp_checker *c)
{
	pthread_mutex_lock(&c->lock);
	if (!c->ended)
		shutdown(c->socket, SHUT_RDWR);
	c->ended = true;
	pthread_cond_broadcast(&c->free_place);
	pthread_mutex_unlock(&c->lock);
}

void crp_checker_free(struct crp_checker *c)
{
	if (!c)
		return;
	crp_checker_end(c);
	close(c->socket);
	if (c->helper > 0)
		while (waitpid(c->helper, NULL, 0) < 0 && errno == EINTR)
			;
	pthread_cond_destroy(&c->free_place);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
