/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames PERIOD_US NUMBER WORK_US EVERY LONG_US: works WORK_US of CPU time at the start of each period, and LONG_US in
 * each EVERY-th, sleeping until absolute times. Periods that come while it works are left out. Says what it saw itself:
 * frames, those whose work ended after their period, periods left out, frames that were so near to their period's end
 * that another observer may judge otherwise, and the latest of its wake-ups in microseconds.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void sleep_until(int64_t at)
{
	struct timespec ts = { .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void work(int64_t ns)
{
	int64_t until = now_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (now_ns(CLOCK_THREAD_CPUTIME_ID) < until)
		;
}

int main(int argc, char **argv)
{
	int64_t v[5], due, took, latest = 0;
	int late = 0, missed = 0, close = 0;

	if (argc != 6)
		return 2;
	for (int i = 0; i < 5; i++)
		v[i] = strtoll(argv[i + 1], NULL, 10);
	v[0] *= 1000;
	due = now_ns(CLOCK_MONOTONIC) + v[0];
	for (int64_t k = 1; k <= v[1]; k++) {
		sleep_until(due);
		took = now_ns(CLOCK_MONOTONIC) - due;
		latest = took > latest ? took : latest;
		work((k % v[3] ? v[2] : v[4]) * 1000);
		took = now_ns(CLOCK_MONOTONIC) - due;
		late += took > v[0];
		missed += (int)(took / v[0]);
		close += took % v[0] < v[0] / 20 || took % v[0] > v[0] - v[0] / 20;
		due += v[0] * (1 + took / v[0]);
	}
	sleep_until(due);
	printf("%d %d %d %d %d\n", (int)v[1], late, missed, close, (int)(latest / 1000));
	return 0;
}
