/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * turns PAIRS TURNS US: pairs of processes that pass a byte to and fro, each using US microseconds of CPU time before it
 * passes it on. On one CPU a woken process waits for the bursts of those before it: makespan and wakeup latency both go
 * with the work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void use(long ns)
{
	struct timespec from, now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < ns);
}

static void side(int in, int out, int turns, long ns, int begins)
{
	char c = 0;

	for (int i = 0; i < turns; i++) {
		if ((i || !begins) && read(in, &c, 1) != 1)
			_exit(1);
		use(ns);
		if (write(out, &c, 1) != 1)
			_exit(1);
	}
	if (begins && read(in, &c, 1) != 1)
		_exit(1);
	_exit(0);
}

int main(int argc, char **argv)
{
	int pairs = argc > 1 ? atoi(argv[1]) : 4, turns = argc > 2 ? atoi(argv[2]) : 100, status, bad = 0;
	long ns = (argc > 3 ? atol(argv[3]) : 300) * 1000;

	for (int p = 0; p < pairs; p++) {
		int to[2], fro[2];

		if (pipe(to) || pipe(fro))
			return 1;
		if (!fork())
			side(fro[0], to[1], turns, ns, 1);
		if (!fork())
			side(to[0], fro[1], turns, ns, 0);
		close(to[0]);
		close(to[1]);
		close(fro[0]);
		close(fro[1]);
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad ? 1 : 0;
}
