/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong most in replays: the tasks that are farthest off, and the wakes that are missing or too many. */
#include "analyze/fidelity_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A recorded task's sums over all replays. */
struct sums {
	double v[ANA_WORSTS]; /* of latency: the sum of the latencies */
	double latencies;
};

static void add(struct sums *s, const struct ana_task_row *t)
{
	s->v[ANA_WORST_CPU] += (double)t->cpu_ns;
	s->v[ANA_WORST_VOLUNTARY] += (double)t->voluntary;
	s->v[ANA_WORST_INVOLUNTARY] += (double)t->involuntary;
	s->v[ANA_WORST_LATENCY] += (double)t->latency_ns;
	s->latencies += (double)t->latencies;
}

/* The two values, and how far they are apart; false: not known. */
static bool off(enum ana_worst which, const struct ana_task_row *recorded, const struct sums *replayed, size_t n,
		double *a, double *b, double *weight)
{
	struct sums r = { 0 };

	add(&r, recorded);
	*a = r.v[which];
	*b = replayed->v[which] / (double)n;
	*weight = fabs(*b - *a);
	if (which != ANA_WORST_LATENCY)
		return true;
	if (r.latencies == 0 || replayed->latencies == 0)
		return false;
	*a = r.v[which] / r.latencies;
	*b = replayed->v[which] / replayed->latencies;
	*weight = fabs(*b - *a) * r.latencies;
	return true;
}

static void worst_of(enum ana_worst which, const struct ana_fidelity *f, const struct sums *sums, size_t n,
		     struct ana_fidelity_report *out)
{
	struct ana_worst_task *top = out->worst[which];
	double weights[ANA_WORST_SHOWN], a, b, weight;
	size_t k, have = 0;

	for (size_t i = 0; i < f->recorded->ntasks; i++) {
		const struct ana_task_row *t = &f->tasks[i].recorded;

		if (!off(which, t, &sums[i], n, &a, &b, &weight) || weight == 0)
			continue;
		for (k = have; k > 0 && weight > weights[k - 1]; k--)
			;
		if (k == ANA_WORST_SHOWN)
			continue;
		if (have < ANA_WORST_SHOWN)
			have++;
		memmove(&weights[k + 1], &weights[k], (have - k - 1) * sizeof(*weights));
		memmove(&top[k + 1], &top[k], (have - k - 1) * sizeof(*top));
		weights[k] = weight;
		top[k] = (struct ana_worst_task){ .tid = t->tid, .recorded = a, .replayed = b };
		memcpy(top[k].comm, t->comm, sizeof(top[k].comm));
	}
	out->nworst[which] = have;
}

/* The replays' tasks, joined by their index in the recording's task table. */
static int sum_up(const struct ana_fidelity *replays, size_t n, struct sums *sums, struct sr_error *err)
{
	uint32_t *row_of, most = 0; /* by index, + 1; 0: none */

	for (size_t i = 0; i < replays[0].recorded->ntasks; i++)
		if (replays[0].tasks[i].recorded.index > most)
			most = replays[0].tasks[i].recorded.index;
	row_of = calloc((size_t)most + 1, sizeof(*row_of));
	if (!row_of)
		return ana_no_memory(err);
	for (size_t i = 0; i < replays[0].recorded->ntasks; i++)
		row_of[replays[0].tasks[i].recorded.index] = (uint32_t)i + 1;
	for (size_t r = 0; r < n; r++)
		for (size_t i = 0; i < replays[r].recorded->ntasks; i++) {
			const struct ana_task_pair *t = &replays[r].tasks[i];

			if (t->recorded.index <= most && row_of[t->recorded.index])
				add(&sums[row_of[t->recorded.index] - 1], &t->replayed);
		}
	free(row_of);
	return 0;
}

int ana_fidelity_worst(const struct ana_fidelity *replays, size_t n, struct ana_fidelity_report *out,
		       struct sr_error *err)
{
	struct sums *sums = calloc(replays[0].recorded->ntasks + 1, sizeof(*sums));
	bool self = replays[0].recorded->self;
	int ret = -1;

	if (!sums)
		return ana_no_memory(err);
	for (size_t r = 0; r < n; r++)
		self |= replays[r].replayed.self;
	if (sum_up(replays, n, sums, err) < 0)
		goto out;
	for (unsigned w = 0; w < ANA_WORSTS; w++)
		if (!self || w == ANA_WORST_VOLUNTARY || w == ANA_WORST_LATENCY)
			worst_of((enum ana_worst)w, &replays[0], sums, n, out);
	ret = 0;
out:
	free(sums);
	return ret;
}

static int by_names(const void *x, const void *y)
{
	const struct ana_wrong_edge *a = x, *b = y;
	int c = strcmp(a->from, b->from);

	return c ? c : strcmp(a->to, b->to);
}

static int by_missing(const void *x, const void *y)
{
	const struct ana_wrong_edge *a = x, *b = y;

	return a->missing != b->missing ? a->missing < b->missing ? 1 : -1 : by_names(x, y);
}

static int by_extra(const void *x, const void *y)
{
	const struct ana_wrong_edge *a = x, *b = y;

	return a->extra != b->extra ? a->extra < b->extra ? 1 : -1 : by_names(x, y);
}

/* Those of the same names become one. */
static size_t merge(struct ana_wrong_edge *v, size_t n)
{
	size_t to = 0;

	if (n)
		qsort(v, n, sizeof(*v), by_names);
	for (size_t i = 0; i < n; i++) {
		if (to && !by_names(&v[to - 1], &v[i])) {
			v[to - 1].recorded += v[i].recorded;
			v[to - 1].replayed += v[i].replayed;
			v[to - 1].missing += v[i].missing;
			v[to - 1].extra += v[i].extra;
		} else {
			v[to++] = v[i];
		}
	}
	return to;
}

/* Adds a replay's edges, the counts divided by the number of replays. */
static int add_edges(const struct ana_fidelity *f, double replays, struct ana_wrong_edge **v, size_t *n, size_t *cap,
		     struct sr_error *err)
{
	if (ana_reserve(v, cap, *n + f->nedges, sizeof(**v), err) < 0)
		return -1;
	for (size_t i = 0; i < f->nedges; i++) {
		const struct ana_edge_pair *e = &f->edges[i];
		struct ana_wrong_edge *w = &(*v)[(*n)++];
		double more = (double)e->replayed - (double)e->recorded;

		*w = (struct ana_wrong_edge){ .recorded = (double)e->recorded / replays,
					      .replayed = (double)e->replayed / replays,
					      .missing = fmax(-more, 0) / replays,
					      .extra = fmax(more, 0) / replays };
		memcpy(w->from, f->tasks[e->from].recorded.comm, sizeof(w->from));
		memcpy(w->to, f->tasks[e->to].recorded.comm, sizeof(w->to));
	}
	*n = merge(*v, *n);
	return 0;
}

int ana_fidelity_wrong_edges(const struct ana_fidelity *replays, size_t n, struct ana_fidelity_report *out,
			     struct sr_error *err)
{
	struct ana_wrong_edge *v = NULL;
	size_t have = 0, cap = 0;

	for (size_t r = 0; r < n; r++)
		if (add_edges(&replays[r], (double)n, &v, &have, &cap, err) < 0) {
			free(v);
			return -1;
		}
	if (have)
		qsort(v, have, sizeof(*v), by_missing);
	while (out->nmissing < ANA_EDGES_SHOWN && out->nmissing < have && v[out->nmissing].missing > 0) {
		out->missing[out->nmissing] = v[out->nmissing];
		out->nmissing++;
	}
	if (have)
		qsort(v, have, sizeof(*v), by_extra);
	while (out->nextra < ANA_EDGES_SHOWN && out->nextra < have && v[out->nextra].extra > 0) {
		out->extra[out->nextra] = v[out->nextra];
		out->nextra++;
	}
	free(v);
	return 0;
}
