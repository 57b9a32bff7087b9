/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fidelity.*, as fidelity.h defines them. */
#include "analyze/fidelity_internal.h"

#include <math.h>
#include <stdio.h>

static int set(struct ana_fidelity *f, const char *name, double v, struct sr_error *err)
{
	char full[sizeof(f->replayed.metrics->name)];

	snprintf(full, sizeof(full), "fidelity.%s", name);
	return ana_set(&f->replayed, full, "ratio", v, err);
}

static int error(struct ana_fidelity *f, const char *name, const char *metric, struct sr_error *err)
{
	double a, b;

	if (!ana_get(f->recorded, metric, &a) || !ana_get(&f->replayed, metric, &b) || (a == 0 && b != 0))
		return 0;
	return set(f, name, a == 0 ? 0 : (b - a) / a, err);
}

static int errors(struct ana_fidelity *f, struct sr_error *err)
{
	static const char *const names[][2] = {
		{ "cpu_time_error", "cpu_time_ns" },
		{ "makespan_error", "makespan_ns" },
		{ "voluntary_switch_error", "switches_voluntary" },
		{ "involuntary_switch_error", "switches_involuntary" },
		{ "wakeup_error", "wakeups" },
		{ "wakeup_latency_p50_error", "wakeup_latency_ns.p50" },
		{ "wakeup_latency_p95_error", "wakeup_latency_ns.p95" },
		{ "wakeup_latency_p99_error", "wakeup_latency_ns.p99" },
		{ "run_delay_error", "run_delay_ns.mean" },
		{ "slice_error", "slice_ns.mean" },
		{ "sleep_error", "sleep_ns.mean" },
		{ "concurrency_error", "runnable_tasks.mean" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (error(f, names[i][0], names[i][1], err) < 0)
			return -1;
	return 0;
}

static double cpu_time(const struct ana_task_row *t)
{
	return (double)t->cpu_ns;
}

static double voluntary(const struct ana_task_row *t)
{
	return (double)t->voluntary;
}

static double involuntary(const struct ana_task_row *t)
{
	return (double)t->involuntary;
}

static int error_of_tasks(struct ana_fidelity *f, const char *name, double (*value)(const struct ana_task_row *),
			  struct sr_error *err)
{
	double off = 0, sum = 0;

	for (size_t i = 0; i < f->recorded->ntasks; i++) {
		off += fabs(value(&f->tasks[i].replayed) - value(&f->tasks[i].recorded));
		sum += value(&f->tasks[i].recorded);
	}
	return sum > 0 ? set(f, name, off / sum, err) : 0;
}

static int errors_of_tasks(struct ana_fidelity *f, struct sr_error *err)
{
	if (error_of_tasks(f, "voluntary_switch_error_tasks", voluntary, err) < 0)
		return -1;
	if (f->recorded->self || f->replayed.self)
		return 0;
	if (error_of_tasks(f, "cpu_time_error_tasks", cpu_time, err) < 0)
		return -1;
	return error_of_tasks(f, "involuntary_switch_error_tasks", involuntary, err);
}

/* Kolmogorov-Smirnov: the largest vertical distance between the two distribution functions; neither is empty. */
static double ks_distance(const struct ana_hist *a, const struct ana_hist *b)
{
	double fa = 0, fb = 0, most = 0;

	for (unsigned i = 0; i < ANA_HIST_BUCKETS; i++) {
		fa += (double)a->bucket[i] / (double)a->n;
		fb += (double)b->bucket[i] / (double)b->n;
		most = fmax(most, fabs(fa - fb));
	}
	return most;
}

static int distances(struct ana_fidelity *f, struct sr_error *err)
{
	const struct ana_result *a = f->recorded, *b = &f->replayed;
	const struct {
		const char *name;
		const struct ana_hist *a, *b;
	} hists[] = {
		{ "wakeup_latency_distance", a->wakeup_latency, b->wakeup_latency },
		{ "run_delay_distance", a->run_delay, b->run_delay },
		{ "slice_distance", a->slice, b->slice },
		{ "sleep_distance", a->sleep, b->sleep },
	};

	for (size_t i = 0; i < sizeof(hists) / sizeof(hists[0]); i++)
		if (hists[i].a && hists[i].b && set(f, hists[i].name, ks_distance(hists[i].a, hists[i].b), err) < 0)
			return -1;
	return 0;
}

/* How many tasks, on average, would have to be moved to make one distribution the other. */
static int concurrency(struct ana_fidelity *f, struct sr_error *err)
{
	const struct ana_result *a = f->recorded, *b = &f->replayed;
	double ta = 0, tb = 0, fa = 0, fb = 0, distance = 0, mean;

	for (size_t i = 0; i < a->nrunnable; i++)
		ta += (double)a->runnable_ns[i];
	for (size_t i = 0; i < b->nrunnable; i++)
		tb += (double)b->runnable_ns[i];
	if (ta == 0 || tb == 0 || !ana_get(a, "runnable_tasks.mean", &mean) || mean == 0)
		return 0;
	for (size_t i = 0; i < a->nrunnable || i < b->nrunnable; i++) {
		fa += i < a->nrunnable ? (double)a->runnable_ns[i] / ta : 0;
		fb += i < b->nrunnable ? (double)b->runnable_ns[i] / tb : 0;
		distance += fabs(fa - fb);
	}
	return set(f, "concurrency_distance", distance / mean, err);
}

static int wake_edges(struct ana_fidelity *f, struct sr_error *err)
{
	double recorded = 0, replayed = 0, both = 0;

	for (size_t i = 0; i < f->nedges; i++) {
		const struct ana_edge_pair *e = &f->edges[i];

		recorded += (double)e->recorded;
		replayed += (double)e->replayed;
		both += (double)(e->recorded < e->replayed ? e->recorded : e->replayed);
	}
	if (recorded > 0 && set(f, "wake_edges_recall", both / recorded, err) < 0)
		return -1;
	return replayed > 0 ? set(f, "wake_edges_precision", both / replayed, err) : 0;
}

/* The waits that the engine added to keep the recorded order, by its own count. */
static int order_waits(struct ana_fidelity *f, const struct srz_reader *r, struct sr_error *err)
{
	static const char *const counts[][3] = {
		{ "replay.count.order_waits", "fidelity.order_waits", "count" },
		{ "replay.count.order_wait_ns", "fidelity.order_waits_ns", "ns" },
		{ "replay.count.order_blocks", "fidelity.order_waits_blocked", "count" },
		{ "replay.count.order_expired", "fidelity.order_waits_expired", "count" },
	};
	double v, switches;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (ana_meta_number(r, counts[i][0], &v) &&
		    ana_set(&f->replayed, counts[i][1], counts[i][2], v, err) < 0)
			return -1;
	if (ana_meta_number(r, "replay.count.order_blocks", &v) &&
	    ana_get(&f->replayed, "switches_voluntary", &switches) && switches > 0)
		return set(f, "order_blocks_share", v / switches, err);
	return 0;
}

int ana_fidelity_measure(struct ana_fidelity *f, const struct srz_reader *r, struct sr_error *err)
{
	if (errors(f, err) < 0 || errors_of_tasks(f, err) < 0 || distances(f, err) < 0 || concurrency(f, err) < 0 ||
	    wake_edges(f, err) < 0)
		return -1;
	return order_waits(f, r, err);
}
