/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A corpus's index with a million rows: how long listing, searching, counting and sampling take. corpus_bench [ROWS]
 * [DIR]; the index stays in DIR when it is named, and is used again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "corpus/index.h"
#include "corpus/sample.h"

static struct sr_error err;
static struct crp_index *ix;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int ret)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "corpus_bench: %s\n", err.text);
	exit(1);
}

static uint64_t state = 88172645463325252ull;

static double draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) / 9007199254740992.0;
}

/* Forty kinds of loads, a long tail of contributors, thirty features as a trace has them. */
static void make_row(uint64_t n, struct crp_row *row)
{
	static const char *const features[] = { "burst_p50",         "burst_p90",
						"burst_p99",         "busy_share",
						"concurrency_max",   "concurrency_mean",
						"concurrency_p95",   "exec_rate",
						"fork_rate",         "involuntary_share",
						"kernel_share",      "migrate_rate",
						"nice_share",        "period",
						"periodic_share",    "rt_share",
						"sleep_p50",         "sleep_p90",
						"sleep_p99",         "switch_rate",
						"tasks_active",      "tasks_effective",
						"top_task_share",    "wait_p50",
						"wait_p99",          "wake_degree",
						"wake_hub_share",    "wake_irq_share",
						"wake_mutual_share", "wake_rate" };
	unsigned kind = (unsigned)(draw() * draw() * 40), who = (unsigned)(draw() * draw() * draw() * 5000);

	memset(row, 0, sizeof(*row));
	for (int i = 0; i < 4; i++)
		sprintf(row->sha256 + 16 * i, "%016llx",
			(unsigned long long)((n + 1) * 0x9e3779b97f4a7c15u ^ (uint64_t)i * 0xbf58476d1ce4e5b9u));
	memset(row->token_sha256, '0' + (int)(n % 10), 64);
	sprintf(row->contributor, "%08x", who);
	strcpy(row->licence, "CC-BY-4.0");
	strcpy(row->program, crp_programs[kind % 14]);
	row->cpus = 1u << (unsigned)(draw() * 8);
	sprintf(row->machine, "%u cores, %u CPUs, 1 package, 1 node", row->cpus / 2, row->cpus);
	sprintf(row->kernel, "%u.%u.%u-amd64", 5 + who % 2, who % 20, who % 7);
	sprintf(row->cpu_model, "Model %u", who % 97);
	strcpy(row->arch, "x86_64");
	strcpy(row->scope, "tree");
	row->consent = 1;
	row->bytes = (uint64_t)(draw() * 1e7);
	row->added_s = 1700000000 + n;
	row->duration_ns = (uint64_t)(draw() * 6e10);
	row->events = row->bytes / 2;
	row->tasks = (uint64_t)(draw() * 500);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		double at = (double)((kind * 2654435761u + (unsigned)i * 40503u) % 1000) / 1000;
		double v = at + 0.1 * (draw() + draw() - 1);

		crp_row_feature(row, features[i], strstr(features[i], "_share") ? v : v > 0 ? 1e5 * v * v : 0);
	}
}

static int count(void *arg, const struct crp_row *row, struct sr_error *e)
{
	++*(uint64_t *)arg;
	return 0;
}

static int picked(void *arg, const struct crp_pick *p, struct sr_error *e)
{
	*(double *)arg += (double)p->traces;
	return 0;
}

static void list(const char *what, const char *query, uint64_t limit, const char *after)
{
	struct crp_query q;
	uint64_t n = 0;
	double t = now();

	check(crp_query_parse(&q, query, &err));
	q.limit = limit;
	strcpy(q.after, after);
	check(crp_index_list(ix, &q, count, &n, &err));
	printf("%-44s %9llu rows %8.3f s\n", what, (unsigned long long)n, now() - t);
}

static void counted(const char *what, const char *query)
{
	struct crp_query q;
	uint64_t n;
	double t = now();

	check(crp_query_parse(&q, query, &err));
	check(crp_index_count(ix, &q, &n, &err));
	printf("%-44s %9llu rows %8.3f s\n", what, (unsigned long long)n, now() - t);
}

static void sample(unsigned k, const char *query)
{
	struct crp_query q;
	struct rusage use;
	double traces = 0, t = now();
	char what[64];

	check(crp_query_parse(&q, query, &err));
	check(crp_sample_index(ix, &q, k, picked, &traces, &err));
	getrusage(RUSAGE_SELF, &use);
	snprintf(what, sizeof(what), "sample of %u%s%s", k, *query ? ", " : "", query);
	printf("%-44s %9.0f rows %8.3f s, %ld MB\n", what, traces, now() - t, use.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
	uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, have = 0;
	char made[] = "/tmp/corpus_bench.XXXXXX", *dir = argc > 2 ? argv[2] : mkdtemp(made), cmd[64];
	struct crp_query all = { 0 };
	struct crp_row row = { 0 }, found;
	double t = now();

	mkdir(dir, 0777);
	ix = crp_index_open(dir, CRP_WRITE, &err);
	check(ix ? 0 : -1);
	check(crp_index_count(ix, &all, &have, &err));
	crp_index_begin(ix);
	for (uint64_t i = 0; i < rows; i++) {
		make_row(i, &row);
		if (i < have)
			continue;
		check(crp_index_add(ix, &row, &err));
		if (i % 20000 == 19999) {
			check(crp_index_commit(ix, &err));
			crp_index_begin(ix);
		}
	}
	check(crp_index_commit(ix, &err));
	if (rows > have)
		printf("%-44s %9llu rows %8.3f s\n", "made", (unsigned long long)(rows - have), now() - t);
	found = row;
	t = now();
	memset(row.sha256 + 32, 'f', 32);
	check(crp_index_add(ix, &row, &err));
	check(crp_index_remove(ix, row.sha256, &err));
	printf("%-44s %24.3f s\n", "one added and removed, durably", now() - t);
	row = found;
	t = now();
	for (int i = 0; i < 1000; i++)
		check(crp_index_find(ix, row.sha256, &found, &err));
	printf("%-44s %24.6f s\n", "one found by name", (now() - t) / 1000);
	list("first page", "", 50, "");
	list("a page in the middle", "", 50, "8000000000000000000000000000000000000000000000000000000000000000");
	list("first 50 of a search", "kernel=6.1,cpus=8,program=web", 50, "");
	counted("counted: all", "");
	counted("counted: kernel=6.1", "kernel=6.1");
	counted("counted: cpus=8,duration=1s..2s", "cpus=8,duration=1s..2s");
	counted("counted: switch_rate=100..200", "switch_rate=100..200");
	list("all of a search", "kernel=6.1,cpus=8,switch_rate=100..20000", 0, "");
	sample(20, "");
	sample(20, "");
	sample(100, "");
	sample(20, "program=web");
	crp_index_close(ix);
	if (argc <= 2) {
		snprintf(cmd, sizeof(cmd), "rm -rf %s", made);
		return system(cmd) != 0;
	}
	return 0;
}
