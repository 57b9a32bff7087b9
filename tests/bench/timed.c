/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timed FILE CMD [ARG...]: runs CMD and writes what it took to FILE, in one line:
 * wall ns, CPU ns, voluntary and involuntary switches; the last three are the kernel's own count of CMD and of all
 * its descendants that were waited for. Ends with CMD's status.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t timeval_ns(struct timeval tv)
{
	return ((int64_t)tv.tv_sec * 1000000 + tv.tv_usec) * 1000;
}

int main(int argc, char **argv)
{
	struct rusage use;
	int64_t start_ns, wall_ns;
	int status;
	pid_t pid;
	FILE *f;

	if (argc < 3) {
		fprintf(stderr, "usage: timed FILE CMD [ARG...]\n");
		return 2;
	}
	start_ns = now_ns();
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		fprintf(stderr, "timed: %s: %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	while (pid < 0 || waitpid(pid, &status, 0) < 0) {
		if (pid > 0 && errno == EINTR)
			continue;
		fprintf(stderr, "timed: %s\n", strerror(errno));
		return 3;
	}
	wall_ns = now_ns() - start_ns;
	getrusage(RUSAGE_CHILDREN, &use);
	f = fopen(argv[1], "we");
	if (f)
		fprintf(f, "%lld %lld %ld %ld\n", (long long)wall_ns,
			(long long)(timeval_ns(use.ru_utime) + timeval_ns(use.ru_stime)), use.ru_nvcsw, use.ru_nivcsw);
	if (!f || fclose(f)) {
		fprintf(stderr, "timed: %s: %s\n", argv[1], strerror(errno));
		return 3;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
