/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small loads of which it is known what they do, for replay-truth.sh:
 *
 *	truth timer COUNT PERIOD_US WORK_US    works WORK_US of CPU time at the beginning of each period
 *	truth busy MS                          two threads that use MS of CPU time each, and nothing else
 *	truth reuse                            two children with the same pid, one after the other (status 77: not allowed)
 *	truth forks COUNT PERIOD_US WORK_US    forks a child in each period, which works
 *	truth nice MS                          a thread at nice 0 and one at nice 19, MS each
 *	truth ring PROCESSES ROUNDS WORK_US    a byte goes round through pipes; each process works when it has it
 *	truth cond ROUNDS WORK_US              two threads take turns with a condition variable
 *	truth disk FILE COUNT                  writes a block and waits until the disk has it
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void work(uint64_t us)
{
	uint64_t end = cpu_ns() + us * 1000;

	while (us && cpu_ns() < end)
		for (volatile int i = 0; i < 200; i++)
			;
}

static void die(const char *what)
{
	fprintf(stderr, "truth: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The beginnings of periods, by the clock and not by when the last one ended. */
static void next_period(struct timespec *at, uint64_t us)
{
	at->tv_nsec += (long)us * 1000;
	at->tv_sec += at->tv_nsec / 1000000000;
	at->tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, at, NULL))
		;
}

static int timer(const uint64_t *arg)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	for (uint64_t i = 0; i < arg[0]; i++) {
		next_period(&at, arg[1]);
		work(arg[2]);
	}
	return 0;
}

static void in_two_threads(void *(*first)(void *), void *(*second)(void *), const uint64_t *arg)
{
	pthread_t id[2];

	if (pthread_create(&id[0], NULL, first, (void *)arg) || pthread_create(&id[1], NULL, second, (void *)arg))
		die("no thread");
	pthread_join(id[0], NULL);
	pthread_join(id[1], NULL);
}

static void *busy_thread(void *arg)
{
	prctl(PR_SET_NAME, "truth-busy");
	work(*(uint64_t *)arg * 1000);
	return NULL;
}

static int busy(const uint64_t *arg)
{
	in_two_threads(busy_thread, busy_thread, arg);
	return 0;
}

/* Returns the pid; 0: it was refused. */
static pid_t child_with_pid(pid_t want, const char *name, uint64_t us)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = want ? (uintptr_t)&want : 0,
				   .set_tid_size = want ? 1 : 0 };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return 0;
	if (!pid) {
		prctl(PR_SET_NAME, name);
		work(us);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

static int reuse(const uint64_t *arg)
{
	pid_t pid = child_with_pid(0, "truth-first", 20000);

	/* Between the two another process may get the pid. */
	if (!pid || !child_with_pid(pid, "truth-second", 60000))
		return 77;
	return 0;
}

static int forks(const uint64_t *arg)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	for (uint64_t i = 0; i < arg[0]; i++) {
		pid_t pid;

		next_period(&at, arg[1]);
		pid = fork();
		if (pid < 0)
			die("no child");
		if (!pid) {
			prctl(PR_SET_NAME, "truth-child");
			work(arg[2]);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}

static void *nice_0(void *arg)
{
	prctl(PR_SET_NAME, "truth-nice0");
	work(*(uint64_t *)arg * 1000);
	return NULL;
}

static void *nice_19(void *arg)
{
	prctl(PR_SET_NAME, "truth-nice19");
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
	work(*(uint64_t *)arg * 1000);
	return NULL;
}

static int two_nices(const uint64_t *arg)
{
	in_two_threads(nice_19, nice_0, arg);
	return 0;
}

static void ring_member(int from, int to, uint64_t rounds, uint64_t us)
{
	char byte = 0;

	for (uint64_t i = 0; i < rounds; i++) {
		if (read(from, &byte, 1) != 1)
			die("read");
		work(us);
		if (write(to, &byte, 1) != 1)
			die("write");
	}
}

static int ring(const uint64_t *arg)
{
	uint64_t n = arg[0] < 2 || arg[0] > 64 ? 8 : arg[0];
	int ends[64][2];

	for (uint64_t i = 0; i < n; i++)
		if (pipe(ends[i]))
			die("no pipe");
	for (uint64_t i = 1; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("no child");
		if (!pid) {
			char name[16];

			snprintf(name, sizeof(name), "truth-ring%d", (int)i);
			prctl(PR_SET_NAME, name);
			ring_member(ends[i - 1][0], ends[i][1], arg[1], arg[2]);
			_exit(0);
		}
	}
	prctl(PR_SET_NAME, "truth-ring0");
	if (write(ends[n - 1][1], "", 1) != 1)
		die("write");
	ring_member(ends[n - 1][0], ends[0][1], arg[1], arg[2]);
	while (wait(NULL) > 0)
		;
	return 0;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;

static void take_turns(const uint64_t *arg, int mine)
{
	for (uint64_t i = 0; i < arg[0]; i++) {
		pthread_mutex_lock(&lock);
		while (turn != mine)
			pthread_cond_wait(&turned, &lock);
		pthread_mutex_unlock(&lock);
		work(arg[1]);
		pthread_mutex_lock(&lock);
		turn = !mine;
		pthread_mutex_unlock(&lock);
		pthread_cond_signal(&turned);
	}
}

static void *ping(void *arg)
{
	prctl(PR_SET_NAME, "truth-ping");
	take_turns(arg, 0);
	return NULL;
}

static void *pong(void *arg)
{
	prctl(PR_SET_NAME, "truth-pong");
	take_turns(arg, 1);
	return NULL;
}

static int cond(const uint64_t *arg)
{
	in_two_threads(ping, pong, arg);
	return 0;
}

static int disk(const char *path, uint64_t count)
{
	static char block[16384];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (uint64_t i = 0; fd >= 0 && i < count; i++) {
		memset(block, (int)i, sizeof(block));
		if (write(fd, block, sizeof(block)) != sizeof(block) || fsync(fd))
			die(path);
	}
	if (fd < 0 || close(fd) || unlink(path))
		die(path);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int nargs;
		int (*run)(const uint64_t *arg);
	} load[] = { { "timer", 3, timer },    { "busy", 1, busy }, { "reuse", 0, reuse }, { "forks", 3, forks },
		     { "nice", 1, two_nices }, { "ring", 3, ring }, { "cond", 2, cond } };
	uint64_t arg[3] = { 0 };

	if (argc == 4 && !strcmp(argv[1], "disk"))
		return disk(argv[2], strtoull(argv[3], NULL, 10));
	for (size_t i = 0; argc > 1 && i < sizeof(load) / sizeof(*load); i++) {
		if (strcmp(argv[1], load[i].name) || argc != 2 + load[i].nargs)
			continue;
		for (int k = 0; k < load[i].nargs; k++)
			arg[k] = strtoull(argv[2 + k], NULL, 10);
		return load[i].run(arg);
	}
	fprintf(stderr, "usage: truth timer|busy|reuse|forks|nice|ring|cond|disk ARG...\n");
	return 2;
}
