/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * periodic TIME_MS [PRIORITY]: threads that each begin a piece of work at every multiple of their period, for TIME_MS; with
 * PRIORITY as SCHED_FIFO. A piece is a fixed number of steps, so every run does the same work.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct loop {
	int64_t period_ns;
	uint64_t steps;
	pthread_t thread;
};

static struct loop loops[] = {
	{ .period_ns = 2000000, .steps = 150000 },
	{ .period_ns = 5000000, .steps = 700000 },
	{ .period_ns = 16666667, .steps = 3000000 },
	{ .period_ns = 50000000, .steps = 6000000 },
};

static struct timespec start;
static int64_t time_ns;

static struct timespec later(struct timespec t, int64_t ns)
{
	ns += t.tv_nsec;
	t.tv_sec += ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	return t;
}

static void *run(void *arg)
{
	const struct loop *l = arg;
	volatile uint64_t x = 1;

	for (int64_t at_ns = 0; at_ns < time_ns; at_ns += l->period_ns) {
		struct timespec when = later(start, at_ns);

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL))
			;
		for (uint64_t i = 0; i < l->steps; i++)
			x = x * 6364136223846793005u + 1;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t i, n = sizeof(loops) / sizeof(*loops);
	struct sched_param param = { 0 };
	pthread_attr_t attr;
	int ret;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: periodic TIME_MS [PRIORITY]\n");
		return 2;
	}
	time_ns = strtoll(argv[1], NULL, 10) * 1000000;
	pthread_attr_init(&attr);
	if (argc == 3) {
		param.sched_priority = (int)strtol(argv[2], NULL, 10);
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
		pthread_attr_setschedparam(&attr, &param);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	start = later(start, 20000000);
	for (i = 0; i < n; i++) {
		ret = pthread_create(&loops[i].thread, &attr, run, &loops[i]);
		if (ret) {
			fprintf(stderr, "periodic: %s\n", strerror(ret));
			return 3;
		}
	}
	for (i = 0; i < n; i++)
		pthread_join(loops[i].thread, NULL);
	return 0;
}
