/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests/real/record-counts.sh: tasks that switch a lot, and know how often by the kernel's own count.
 *
 *   switcher THREADS ROUNDS    prints "TID SWITCHES" a thread: its switches between its renames to mark-a and to mark-b
 *
 * Neighbouring threads pass a byte back and forth ROUNDS times, so that they sleep, wake each other, and are preempted.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct player {
	pthread_t thread;
	int in, out, first, rounds;
	int tid;
	long switches;
};

static long switches(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nvcsw + u.ru_nivcsw;
}

/* The count at the moment of a rename: again until nothing switched around it. */
static long mark(const char *name)
{
	long before, after;

	do {
		before = switches();
		prctl(PR_SET_NAME, name);
		after = switches();
	} while (before != after);
	return after;
}

static void *play(void *arg)
{
	struct player *p = arg;
	char ball = 'b';
	long start;

	p->tid = gettid();
	start = mark("mark-a");
	for (int i = 0; i < p->rounds; i++) {
		if (p->first && write(p->out, &ball, 1) != 1)
			abort();
		if (read(p->in, &ball, 1) != 1)
			abort();
		if (!p->first && write(p->out, &ball, 1) != 1)
			abort();
	}
	p->switches = mark("mark-b") - start;
	return NULL;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) & ~1 : 2, rounds = argc > 2 ? atoi(argv[2]) : 1000;
	struct player *p = calloc((size_t)n, sizeof(*p));

	for (int i = 0; i < n; i += 2) {
		int there[2], back[2];

		if (pipe(there) || pipe(back))
			return 1;
		p[i] = (struct player){ .in = back[0], .out = there[1], .first = 1, .rounds = rounds };
		p[i + 1] = (struct player){ .in = there[0], .out = back[1], .rounds = rounds };
	}
	for (int i = 0; i < n; i++)
		if (pthread_create(&p[i].thread, NULL, play, &p[i]))
			return 1;
	for (int i = 0; i < n; i++)
		pthread_join(p[i].thread, NULL);
	for (int i = 0; i < n; i++)
		printf("%d %ld\n", p[i].tid, p[i].switches);
	free(p);
	return 0;
}
