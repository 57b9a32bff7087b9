/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * speed: how long a fixed piece of work takes now, in ns: the mean of all CPUs, which do it at the same time. It keeps
 * several of a core's units busy, so that it shows also what shares the core outside of a virtual machine.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *work(void *arg)
{
	uint64_t x = 1, y = 2, z = 3, w = 4, u = 5, v = 6;
	int64_t start_ns;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((intptr_t)arg, &one);
	sched_setaffinity(0, sizeof(one), &one);
	start_ns = cpu_ns();
	for (uint64_t i = 0; i < 20000000; i++) {
		x += y ^ i;
		y += z >> 3;
		z ^= w + i;
		w += u;
		u ^= x + 3;
		v += z;
		__asm__ volatile("" : "+r"(x), "+r"(y), "+r"(z), "+r"(w), "+r"(u), "+r"(v));
	}
	return (void *)(intptr_t)(cpu_ns() - start_ns);
}

int main(void)
{
	long i, n = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t *threads = calloc(n, sizeof(*threads));
	int64_t sum_ns = 0;
	void *ns;

	for (i = 0; i < n; i++) {
		if (!threads || pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i)) {
			fprintf(stderr, "speed: cannot make a thread for each CPU\n");
			return 3;
		}
	}
	for (i = 0; i < n; i++) {
		pthread_join(threads[i], &ns);
		sum_ns += (intptr_t)ns;
	}
	printf("%lld\n", (long long)(sum_ns / n));
	free(threads);
	return 0;
}
