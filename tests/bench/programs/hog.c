/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hog FILE: computes until SIGTERM, then writes to FILE how long it was there and the CPU time that it got, in ns.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static volatile sig_atomic_t ended;

static void end(int sig)
{
	ended = 1;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	int64_t start_ns = clock_ns(CLOCK_MONOTONIC), wall_ns;
	volatile uint64_t x = 1;
	FILE *f;

	if (argc != 2) {
		fprintf(stderr, "usage: hog FILE\n");
		return 2;
	}
	signal(SIGTERM, end);
	while (!ended)
		x = x * 6364136223846793005u + 1;
	wall_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
	f = fopen(argv[1], "we");
	if (f)
		fprintf(f, "%lld %lld\n", (long long)wall_ns, (long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	if (!f || fclose(f)) {
		fprintf(stderr, "hog: cannot write %s\n", argv[1]);
		return 3;
	}
	return 0;
}
