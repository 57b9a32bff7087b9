/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a replay is from its recording. Signed errors are relative to the recording: 0.1 is 10% more than recorded;
 * distances are 0 for equal and 1 for as far apart as can be, concurrency_distance may exceed 1.
 */
#include "analyze/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_ROW UINT32_MAX

struct side {
	struct srz_reader *reader;
	struct ana_result result;
	struct ana_pass *pass;
};

static int side_open(struct side *s, const char *path, struct sr_error *err)
{
	s->reader = srz_open(path, err);
	return s->reader ? 0 : -1;
}

static int side_read(struct side *s, enum ana_scope scope, const uint8_t *members, size_t nmembers,
		     struct sr_error *err)
{
	struct ana_pass_config cfg = { .scope = scope, .members = members, .nmembers = nmembers, .pairs = true };

	return ana_read(s->reader, &cfg, &s->result, &s->pass, err);
}

static void side_release(struct side *s)
{
	ana_pass_free(s->pass);
	ana_result_release(&s->result);
	srz_reader_free(s->reader);
}

/* Sets fidelity.NAME to the relative error; absent where either is, or where nothing was recorded. */
static int relative(struct ana_result *out, const char *name, const struct side *rec, const struct side *rep,
		    const char *metric, struct sr_error *err)
{
	char full[sizeof(out->metrics->name)];
	double a, b;

	if (!ana_get(&rec->result, metric, &a) || !ana_get(&rep->result, metric, &b) || (a == 0 && b != 0))
		return 0;
	snprintf(full, sizeof(full), "fidelity.%s", name);
	return ana_set(out, full, "ratio", a == 0 ? 0 : (b - a) / a, err);
}

/* Wasserstein distance of the two distributions of the number of runnable tasks over time (how many tasks, on
 * average, would have to be moved), in parts of the recording's mean number. */
static int concurrency(struct ana_result *out, const struct side *rec, const struct side *rep, struct sr_error *err)
{
	size_t na, nb;
	const uint64_t *a = ana_pass_runnable(rec->pass, &na), *b = ana_pass_runnable(rep->pass, &nb);
	double ta = 0, tb = 0, mean = 0, fa = 0, fb = 0, distance = 0;

	for (size_t i = 0; i < na; i++) {
		ta += (double)a[i];
		mean += (double)a[i] * (double)i;
	}
	for (size_t i = 0; i < nb; i++)
		tb += (double)b[i];
	if (ta == 0 || tb == 0 || mean == 0)
		return 0;
	for (size_t i = 0; i < na || i < nb; i++) {
		fa += i < na ? (double)a[i] / ta : 0;
		fb += i < nb ? (double)b[i] / tb : 0;
		distance += fabs(fa - fb);
	}
	return ana_set(out, "fidelity.concurrency_distance", "ratio", distance / (mean / ta), err);
}

/* Kolmogorov-Smirnov: the largest vertical distance between the two distribution functions. */
double ana_ks_distance(const struct ana_hist *a, const struct ana_hist *b)
{
	double fa = 0, fb = 0, most = 0;

	for (unsigned i = 0; i < ANA_HIST_BUCKETS; i++) {
		fa += (double)a->bucket[i] / (double)a->n;
		fb += (double)b->bucket[i] / (double)b->n;
		most = fmax(most, fabs(fa - fb));
	}
	return most;
}

/* recorded_row[i]: the recording's row that row i of the replay replays; NO_ROW: none. */
static int cpu_time_by_task(struct ana_result *out, const struct side *rec, const struct side *rep,
			    const uint32_t *recorded_row, struct sr_error *err)
{
	double *replayed = calloc(rec->result.ntasks + 1, sizeof(*replayed)), off = 0, sum = 0;

	if (!replayed)
		return ana_no_memory(err);
	for (size_t i = 0; i < rep->result.ntasks; i++)
		if (recorded_row[i] != NO_ROW)
			replayed[recorded_row[i]] += (double)rep->result.tasks[i].cpu_ns;
	for (size_t i = 0; i < rec->result.ntasks; i++) {
		off += fabs(replayed[i] - (double)rec->result.tasks[i].cpu_ns);
		sum += (double)rec->result.tasks[i].cpu_ns;
	}
	free(replayed);
	return sum > 0 ? ana_set(out, "fidelity.cpu_time_error_tasks", "ratio", off / sum, err) : 0;
}

static int wake_edges(struct ana_result *out, const struct side *rec, const struct side *rep,
		      const uint32_t *recorded_row, const bool *is_replayed, struct sr_error *err)
{
	const struct ana_pairs *a = ana_pass_pairs(rec->pass), *b = ana_pass_pairs(rep->pass);
	struct ana_pairs replayed = { 0 };
	double recorded = 0, found = 0, both = 0;
	int ret = -1;

	for (size_t i = 0; i < b->cap; i++) {
		const struct ana_pair *e = &b->v[i];

		if (!e->count || recorded_row[e->from] == NO_ROW || recorded_row[e->to] == NO_ROW)
			continue;
		found += (double)e->count;
		if (ana_pairs_add(&replayed, recorded_row[e->from], recorded_row[e->to], e->count, err) < 0)
			goto out;
	}
	for (size_t i = 0; i < a->cap; i++) {
		const struct ana_pair *e = &a->v[i];
		uint64_t n;

		if (!e->count || !is_replayed[e->from] || !is_replayed[e->to])
			continue;
		n = ana_pairs_count(&replayed, e->from, e->to);
		recorded += (double)e->count;
		both += (double)(n < e->count ? n : e->count);
	}
	if ((recorded == 0 || ana_set(out, "fidelity.wake_edges_recall", "ratio", both / recorded, err) == 0) &&
	    (found == 0 || ana_set(out, "fidelity.wake_edges_precision", "ratio", both / found, err) == 0))
		ret = 0;
out:
	ana_pairs_release(&replayed);
	return ret;
}

/* Which tasks of the recording the replay's tasks replay; ends when the memory does. */
/* No recording has more tasks; a hostile replay may name any number. */
#define MOST_SOURCES (1u << 24)

static uint8_t *bound_sources(const struct side *rep, size_t *n)
{
	uint8_t *members;
	size_t most = 0;

	for (size_t i = 0; i < rep->result.ntasks; i++)
		if (rep->result.tasks[i].source < MOST_SOURCES && rep->result.tasks[i].source >= most)
			most = (size_t)rep->result.tasks[i].source + 1;
	members = calloc(most + 1, 1);
	for (size_t i = 0; members && i < rep->result.ntasks; i++)
		if (rep->result.tasks[i].source < MOST_SOURCES)
			members[rep->result.tasks[i].source] = 1;
	*n = most;
	return members;
}

static int join_by_source(const struct side *rec, const struct side *rep, uint32_t *recorded_row, size_t nsources,
			  struct sr_error *err)
{
	uint32_t *row_of = calloc(nsources + 1, sizeof(*row_of)); /* by source, + 1; 0: none */

	if (!row_of)
		return ana_no_memory(err);
	for (size_t i = 0; i < rec->result.ntasks; i++)
		if (rec->result.tasks[i].index < nsources)
			row_of[rec->result.tasks[i].index] = (uint32_t)i + 1;
	for (size_t i = 0; i < rep->result.ntasks; i++) {
		uint32_t source = rep->result.tasks[i].source;

		recorded_row[i] = source < nsources && row_of[source] ? row_of[source] - 1 : NO_ROW;
	}
	free(row_of);
	return 0;
}

static int by_comm(const void *x, const void *y, void *tasks)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	const struct ana_task_row *t = tasks;
	int c = strcmp(t[a].comm, t[b].comm);

	return c ? c : a < b ? -1 : a > b;
}

static uint32_t *order_by_comm(const struct ana_result *r)
{
	uint32_t *v = calloc(r->ntasks + 1, sizeof(*v));

	for (size_t i = 0; v && i < r->ntasks; i++)
		v[i] = (uint32_t)i;
	if (v)
		qsort_r(v, r->ntasks, sizeof(*v), by_comm, r->tasks);
	return v;
}

/* The n-th task of a name is the n-th of that name: for a second run of the application itself. */
static int join_by_comm(const struct side *rec, const struct side *rep, uint32_t *recorded_row, struct sr_error *err)
{
	uint32_t *a = order_by_comm(&rec->result), *b = order_by_comm(&rep->result);
	size_t i = 0, k = 0;

	if (!a || !b) {
		free(a);
		free(b);
		return ana_no_memory(err);
	}
	for (; k < rep->result.ntasks; k++) {
		const char *comm = rep->result.tasks[b[k]].comm;

		while (i < rec->result.ntasks && strcmp(rec->result.tasks[a[i]].comm, comm) < 0)
			i++;
		recorded_row[b[k]] = NO_ROW;
		if (i < rec->result.ntasks && !strcmp(rec->result.tasks[a[i]].comm, comm))
			recorded_row[b[k]] = a[i++];
	}
	free(a);
	free(b);
	return 0;
}

/* The waits that the engine added to keep the recorded order, by its own count. */
static int order_waits(struct ana_result *out, const struct srz_reader *r, struct sr_error *err)
{
	static const char *const counts[][3] = {
		{ "replay.count.order_waits", "fidelity.order_waits", "count" },
		{ "replay.count.order_wait_ns", "fidelity.order_waits_ns", "ns" },
		{ "replay.count.order_blocks", "fidelity.order_waits_blocked", "count" },
		{ "replay.count.order_expired", "fidelity.order_waits_expired", "count" },
	};
	double v;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (ana_meta_number(r, counts[i][0], &v) && ana_set(out, counts[i][1], counts[i][2], v, err) < 0)
			return -1;
	return 0;
}

static int compare_sides(struct ana_result *out, const struct side *rec, const struct side *rep, bool by_source,
			 size_t nsources, struct sr_error *err)
{
	static const char *const errors[][2] = {
		{ "cpu_time_error", "cpu_time_ns" },
		{ "makespan_error", "makespan_ns" },
		{ "voluntary_switch_error", "switches_voluntary" },
		{ "involuntary_switch_error", "switches_involuntary" },
		{ "wakeup_error", "wakeups" },
		{ "wakeup_latency_p50_error", "wakeup_latency_ns.p50" },
		{ "wakeup_latency_p95_error", "wakeup_latency_ns.p95" },
		{ "wakeup_latency_p99_error", "wakeup_latency_ns.p99" },
	};
	const struct ana_hist *la = rec->result.wakeup_latency, *lb = rep->result.wakeup_latency;
	uint32_t *recorded_row = calloc(rep->result.ntasks + 1, sizeof(*recorded_row));
	bool *is_replayed = calloc(rec->result.ntasks + 1, sizeof(*is_replayed));
	int ret = -1;

	if (!recorded_row || !is_replayed) {
		ana_no_memory(err);
		goto out;
	}
	if (by_source ? join_by_source(rec, rep, recorded_row, nsources, err) < 0 :
			join_by_comm(rec, rep, recorded_row, err) < 0)
		goto out;
	for (size_t i = 0; i < rep->result.ntasks; i++)
		if (recorded_row[i] != NO_ROW)
			is_replayed[recorded_row[i]] = true;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (relative(out, errors[i][0], rec, rep, errors[i][1], err) < 0)
			goto out;
	if (!rec->result.self && !rep->result.self && cpu_time_by_task(out, rec, rep, recorded_row, err) < 0)
		goto out;
	if (concurrency(out, rec, rep, err) < 0)
		goto out;
	if (la && lb && ana_set(out, "fidelity.wakeup_latency_distance", "ratio", ana_ks_distance(la, lb), err) < 0)
		goto out;
	ret = wake_edges(out, rec, rep, recorded_row, is_replayed, err);
out:
	free(recorded_row);
	free(is_replayed);
	return ret;
}

int ana_fidelity_sides(const char *recording, const char *replay, struct ana_result *out, struct ana_result *recorded,
		       struct ana_result *replayed, struct sr_error *err)
{
	struct side rec = { 0 }, rep = { 0 };
	uint8_t *members = NULL;
	size_t nmembers = 0;
	bool by_source;
	int ret = -1;

	memset(recorded, 0, sizeof(*recorded));
	memset(replayed, 0, sizeof(*replayed));
	if (side_open(&rec, recording, err) < 0 || side_open(&rep, replay, err) < 0)
		goto out;
	by_source = srz_get_info(rep.reader)->events_by_kind[SR_EV_BIND] != 0;
	if (side_read(&rep, by_source ? ANA_BOUND : ANA_TREE, NULL, 0, err) < 0) {
		sr_fail_prefix(err, "%s", replay);
		goto out;
	}
	if (by_source) {
		members = bound_sources(&rep, &nmembers);
		if (!members) {
			ana_no_memory(err);
			goto out;
		}
	}
	if (side_read(&rec, ANA_TREE, members, nmembers, err) < 0) {
		sr_fail_prefix(err, "%s", recording);
		goto out;
	}
	if (compare_sides(out, &rec, &rep, by_source, nmembers, err) == 0)
		ret = order_waits(out, rep.reader, err);
	*recorded = rec.result;
	*replayed = rep.result;
	memset(&rec.result, 0, sizeof(rec.result));
	memset(&rep.result, 0, sizeof(rep.result));
	if (ret < 0) {
		ana_result_release(recorded);
		ana_result_release(replayed);
	}
out:
	free(members);
	side_release(&rec);
	side_release(&rep);
	return ret;
}

int ana_fidelity(const char *recording, const char *replay, struct ana_result *out, struct sr_error *err)
{
	struct ana_result recorded, replayed;

	if (ana_fidelity_sides(recording, replay, out, &recorded, &replayed, err) < 0)
		return -1;
	ana_result_release(&recorded);
	ana_result_release(&replayed);
	return 0;
}
