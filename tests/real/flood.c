/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests/real/record-*.sh: many events at a known rate.
 *
 *   flood PAIRS RATE SECONDS|ROUNDSr [TRACING]
 *
 * Pairs of threads pass a byte back and forth, together RATE times a second there and back (0: as fast as they can), each
 * of which is two switches, two wakings and two wake-ups. Prints "rounds N".
 * With TRACING, the directory of tracefs, its parent is schedrec, and it prints what the kernel counted in schedrec's
 * instance between its two renames to mark-a and mark-b: "written W lost L".
 */
#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 1000000u

struct pair {
	pthread_t ping, pong;
	int there[2], back[2];
	double per_tick;
	uint64_t end_ns;
	long rounds, left; /* left: rounds to do, 0: until end_ns */
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *ping(void *arg)
{
	struct pair *p = arg;
	uint64_t tick = now();
	double owed = 0;
	char ball = 'b';

	while (p->left ? p->rounds < p->left : now() < p->end_ns) {
		for (owed += p->per_tick ? p->per_tick : 100; owed >= 1; owed--) {
			if (write(p->there[1], &ball, 1) != 1 || read(p->back[0], &ball, 1) != 1)
				exit(1);
			p->rounds++;
		}
		tick += TICK_NS; /* what was missed is made up for */
		if (p->per_tick && tick > now()) {
			struct timespec t = { (time_t)(tick / 1000000000u), (long)(tick % 1000000000u) };

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		}
	}
	close(p->there[1]);
	return NULL;
}

static void *pong(void *arg)
{
	struct pair *p = arg;
	char ball;

	while (read(p->there[0], &ball, 1) == 1)
		if (write(p->back[1], &ball, 1) != 1)
			exit(1);
	return NULL;
}

struct counts {
	long long written, lost;
};

/* The kernel's own counters of schedrec's instance, over all cpus. */
static struct counts counts(const glob_t *files)
{
	static const struct {
		const char *key;
		int lost;
	} keys[] = { { "entries: ", 0 },
		     { "\noverrun: ", 1 },
		     { "commit overrun: ", 1 },
		     { "dropped events: ", 1 },
		     { "read events: ", 0 } };
	struct counts c = { 0, 0 };

	for (size_t i = 0; i < files->gl_pathc; i++) {
		FILE *f = fopen(files->gl_pathv[i], "r");
		char text[1024] = "";
		size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

		if (f)
			fclose(f);
		text[n] = '\0';
		for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
			const char *at = strstr(text, keys[k].key);
			long long v = at ? atoll(at + strlen(keys[k].key)) : 0;

			c.written += v;
			c.lost += keys[k].lost ? v : 0;
		}
	}
	return c;
}

/* The counts at the moment of a rename, which is one event: again until nothing else came between. */
static struct counts mark(const glob_t *files, const char *name)
{
	struct counts before, after;

	do {
		before = counts(files);
		prctl(PR_SET_NAME, name);
		after = counts(files);
	} while (after.written != before.written + 1);
	return after;
}

int main(int argc, char **argv)
{
	unsigned pairs = argc > 3 ? (unsigned)atoi(argv[1]) : 0;
	struct pair *p = calloc(pairs ? pairs : 1, sizeof(*p));
	struct counts first = { 0, 0 }, last;
	uint64_t end_ns;
	glob_t files;
	long rounds = 0;
	int by_rounds;

	if (!pairs || !p) {
		fprintf(stderr, "usage: flood PAIRS RATE SECONDS|ROUNDSr [TRACING]\n");
		return 2;
	}
	if (argc > 4) {
		char pattern[512];

		snprintf(pattern, sizeof(pattern), "%s/instances/schedrec-%d-*/per_cpu/cpu*/stats", argv[4],
			 (int)getppid());
		if (glob(pattern, 0, NULL, &files)) {
			fprintf(stderr, "flood: no %s\n", pattern);
			exit(1);
		}
		first = mark(&files, "mark-a");
		usleep(200000); /* the mark itself is drained */
	}
	by_rounds = strchr(argv[3], 'r') != NULL;
	end_ns = now() + (uint64_t)(atof(argv[3]) * 1e9);
	for (unsigned i = 0; i < pairs; i++) {
		p[i].end_ns = end_ns;
		p[i].left = by_rounds ? atol(argv[3]) / pairs + 1 : 0;
		p[i].per_tick = atof(argv[2]) / pairs * TICK_NS / 1e9;
		if (pipe(p[i].there) || pipe(p[i].back) || pthread_create(&p[i].pong, NULL, pong, &p[i]) ||
		    pthread_create(&p[i].ping, NULL, ping, &p[i]))
			exit(1);
	}
	for (unsigned i = 0; i < pairs; i++) {
		pthread_join(p[i].ping, NULL);
		pthread_join(p[i].pong, NULL);
		rounds += p[i].rounds;
	}
	printf("rounds %ld\n", rounds);
	if (argc > 4) {
		usleep(500000); /* all is drained, and nothing is lost any more */
		last = mark(&files, "mark-b");
		printf("written %lld lost %lld\n", last.written - first.written, last.lost - first.lost);
	}
	free(p);
	return 0;
}
