/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * held FILE: how much of the time a host keeps the CPUs from this machine. On each CPU a SCHED_FIFO thread, which nothing
 * of the tests goes before, wants to wake every PERIOD and looks how late it is. A wake-up that falls into a hold is late,
 * so that their share is the share of time that is held. FILE has a line of fixed width for each CPU, rewritten as it goes:
 * wake-ups, and those LATE or more too late. Runs until it is killed; ends with status 77 where it may not be SCHED_FIFO.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 4000000
/* Longer than the kernel's own stretches that nothing preempts take as a rule. */
#define LATE_NS 500000
#define WIDTH 42

static int file;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *watch(void *arg)
{
	intptr_t cpu = (intptr_t)arg;
	uint64_t n = 0, late = 0;
	char line[WIDTH + 1];
	/* The CPUs' wake-ups are not all at one time. */
	int64_t due = now_ns() + cpu * (PERIOD_NS / 8 + 1);

	for (;;) {
		int64_t by;

		due += PERIOD_NS;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
				       &(struct timespec){ .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 },
				       NULL) == EINTR)
			;
		by = now_ns() - due;
		n++;
		late += by >= LATE_NS;
		snprintf(line, sizeof(line), "%20llu %20llu\n", (unsigned long long)n, (unsigned long long)late);
		if (n % 8 == 0 && pwrite(file, line, WIDTH, (off_t)cpu * WIDTH) < 0)
			return NULL;
		/* What it missed in a hold it does not make up for: each hold counts as long as it was. */
		while (by >= PERIOD_NS) {
			due += PERIOD_NS;
			by -= PERIOD_NS;
			n++;
			late++;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_attr_t attr;

	if (argc != 2 || cpus < 1)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (file < 0)
		return 2;
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &(struct sched_param){ .sched_priority = 60 });
	for (long i = 0; i < cpus; i++) {
		pthread_t thread;
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(i, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
		if (pthread_create(&thread, &attr, watch, (void *)(intptr_t)i))
			return 77;
	}
	pause();
	return 0;
}
