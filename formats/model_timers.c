/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kind of timer ended a sleep? A trace has no arguments of system calls, but it has times.
 *
 *   absolute   |--run--|....sleep....|-run-|......sleep......|---run---|...sleep...|     wakes keep to a grid
 *   relative   |--run--|....sleep....|-run-|....sleep....|---run---|....sleep....|       sleeps are equally long
 *
 * For one task after the other: the most frequent distance of wakes (also over one or two wakes between) is a period to
 * try. Wakes that follow each other at multiples of it make a chain; a line through a chain's wakes is its grid. Where the
 * wakes scatter about the grid less than their sleeps do in length, the chain is an absolute timer.
 * One-off timers, and those that cannot be told from a device's interrupt, stay what they were.
 */
#include "formats/model_internal.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_PERIOD_NS 200000u
#define MOST_PERIOD_NS 10000000000u
#define LAGS 3         /* wakes between which distances are taken */
#define WINDOW 0.04    /* width of the distances that are one period, in parts of it */
#define TOLERANCE 0.04 /* of a wake from its grid point, in parts of the period; twice as much of short ones */
#define TOLERANCE_NS 50000.0
#define MOST_MISSED 16 /* periods without a wake in a chain: longer ones end it */
#define MOST_LOOKS 64  /* wakes without a place in a chain before it ends */
#define LEAST_WAKES 6  /* of a chain */
#define LEAST_HITS 0.5 /* of the grid's points that have a wake */
#define SURE_WAKES 16  /* a shorter chain must be twice as good */
#define MOST_TRIES 12  /* periods tried for one task */
#define LEAST_ALIKE 4  /* sleeps of one length that are a relative timer */
#define LEAST_ALIKE_NS 500000u

struct sleep {
	uint64_t block_ns, wake_ns;
	struct sr_op *op;
	struct sr_wait *wait;
	int64_t point; /* of the grid */
	uint8_t tried; /* it was in a chain of this try that was none, + 1 */
	bool settled;
};

struct finder {
	struct sleep *v; /* of one task, in order of time */
	size_t n;
	size_t *open; /* indices of those not settled yet */
	size_t nopen;
	double *dist, *scratch;
	size_t ndist;
	size_t *chain;
	size_t nchain;
	double tried[MOST_TRIES];
	size_t ntried;
};

static void list_open(struct finder *f)
{
	size_t i, k;

	f->nopen = f->ndist = 0;
	for (i = 0; i < f->n; i++)
		if (!f->v[i].settled)
			f->open[f->nopen++] = i;
	for (i = 0; i < f->nopen; i++)
		for (k = i + 1; k < f->nopen && k <= i + LAGS; k++) {
			uint64_t d = f->v[f->open[k]].wake_ns - f->v[f->open[i]].wake_ns;

			if (d >= LEAST_PERIOD_NS && d <= MOST_PERIOD_NS)
				f->dist[f->ndist++] = (double)d;
		}
	qsort(f->dist, f->ndist, sizeof(*f->dist), sr_by_double);
}

static bool was_tried(const struct finder *f, double period)
{
	size_t i;

	for (i = 0; i < f->ntried; i++)
		if (fabs(f->tried[i] - period) < period * WINDOW / 2)
			return true;
	return false;
}

/* The mean of the most frequent distances that were not tried yet; 0: none is frequent. */
static double next_period(struct finder *f)
{
	size_t i, end = 0, most = LEAST_WAKES - 2;
	double sum = 0, best = 0;

	for (i = 0; i < f->ndist; i++) {
		while (end < f->ndist && f->dist[end] <= f->dist[i] * (1 + WINDOW))
			sum += f->dist[end++];
		if (end - i > most && !was_tried(f, sum / (double)(end - i))) {
			most = end - i;
			best = sum / (double)(end - i);
		}
		sum -= f->dist[i];
	}
	return best;
}

static bool is_taken(const struct finder *f, const struct sleep *s)
{
	return s->settled || s->tried == f->ntried;
}

/* How far off its grid point a wake of a chain may be. */
static double tolerance_of(double period)
{
	return fmax(period * TOLERANCE, fmin(TOLERANCE_NS, period * TOLERANCE * 2));
}

/* The chain that begins at open[first], following slow drifts of phase and period. Returns the points of its grid. */
static int64_t follow(struct finder *f, size_t first, double period)
{
	double at = (double)f->v[f->open[first]].wake_ns, p = period;
	double tolerance = tolerance_of(period);
	int64_t point = 0;
	size_t k, looks = 0;

	f->nchain = 0;
	f->chain[f->nchain++] = f->open[first];
	f->v[f->open[first]].point = 0;
	for (k = first + 1; k < f->nopen && looks < MOST_LOOKS; k++) {
		struct sleep *s = &f->v[f->open[k]];
		double steps = round(((double)s->wake_ns - at) / p), off;

		if (is_taken(f, s))
			continue;
		if (steps > MOST_MISSED)
			break;
		off = (double)s->wake_ns - at - steps * p;
		if (steps < 1 || fabs(off) > tolerance) {
			looks++;
			continue;
		}
		looks = 0;
		point += (int64_t)steps;
		s->point = point;
		at += steps * p + off * fmax(0.2, 1.0 / (double)(f->nchain + 1));
		p = fmin(fmax(p + off * 0.02 / steps, period * (1 - WINDOW / 2)), period * (1 + WINDOW / 2));
		f->chain[f->nchain++] = f->open[k];
	}
	return point + 1;
}

/* The line through the chain's wakes: wake = phase + point * period, times relative to the chain's first wake. */
static void fit(const struct finder *f, double *phase, double *period)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0, n = (double)f->nchain, x, y;
	uint64_t zero = f->v[f->chain[0]].wake_ns;
	size_t i;

	for (i = 0; i < f->nchain; i++) {
		const struct sleep *s = &f->v[f->chain[i]];

		x = (double)s->point;
		y = (double)(s->wake_ns - zero);
		sx += x;
		sy += y;
		sxx += x * x;
		sxy += x * y;
	}
	*period = (n * sxy - sx * sy) / (n * sxx - sx * sx);
	*phase = (sy - *period * sx) / n;
}

static double off_grid(const struct finder *f, size_t i, double phase, double period)
{
	const struct sleep *s = &f->v[f->chain[i]];

	return (double)(s->wake_ns - f->v[f->chain[0]].wake_ns) - phase - (double)s->point * period;
}

static double at_part(const struct finder *f, double part)
{
	return f->scratch[(size_t)(part * (double)(f->nchain - 1) + 0.5)];
}

/* A periodic timer's deadlines are the grid, without the lateness of single wakes; but where they scatter more than
 * timers do, they were rounded (a frame's time to whole ms), and are kept. */
static void set_deadlines(struct finder *f, unsigned timer, double phase, double period)
{
	double lo = at_part(f, 0.1), hi = at_part(f, 0.9), zero = (double)f->v[f->chain[0]].wake_ns;
	size_t i;

	if (hi - lo < fmax(100000, period / 200))
		lo = hi = at_part(f, 0.5);
	for (i = 0; i < f->nchain; i++) {
		struct sleep *s = &f->v[f->chain[i]];
		double off = fmin(fmax(off_grid(f, i, phase, period), lo), hi);

		s->op->flags = SR_SLEEP_PERIODIC;
		s->wait->timer = (uint8_t)timer;
		s->wait->anchor = i == 0;
		s->wait->deadline_ns = (uint64_t)fmax(0, zero + phase + (double)s->point * period + off);
	}
}

/* Is the chain an absolute timer? Leaves the sorted distances from the grid in scratch. */
static bool is_absolute(struct finder *f, double phase, double period)
{
	double lengths, wakes;
	size_t i;

	for (i = 0; i < f->nchain; i++)
		f->scratch[i] = (double)(f->v[f->chain[i]].wake_ns - f->v[f->chain[i]].block_ns);
	qsort(f->scratch, f->nchain, sizeof(*f->scratch), sr_by_double);
	lengths = at_part(f, 0.9) - at_part(f, 0.1);
	for (i = 0; i < f->nchain; i++)
		f->scratch[i] = off_grid(f, i, phase, period);
	qsort(f->scratch, f->nchain, sizeof(*f->scratch), sr_by_double);
	wakes = at_part(f, 0.9) - at_part(f, 0.1);
	/* Random wakes that were taken because they are near scatter evenly over 1.6 tolerances. */
	if (wakes > tolerance_of(period))
		return false;
	return f->nchain < SURE_WAKES ? wakes * 2 < lengths : wakes < lengths;
}

/* All chains of one period. Returns how many sleeps belong to an absolute timer. */
static size_t take_chains(struct finder *f, double tried, unsigned timer, struct sr_model_counts *counts)
{
	size_t i, k, taken = 0;

	for (i = 0; i < f->nopen; i++) {
		double phase, period;
		int64_t points;

		if (is_taken(f, &f->v[f->open[i]]))
			continue;
		points = follow(f, i, tried);
		if (f->nchain < LEAST_WAKES)
			continue;
		fit(f, &phase, &period);
		if ((double)f->nchain < LEAST_HITS * (double)points || !is_absolute(f, phase, period)) {
			for (k = 0; k < f->nchain; k++)
				f->v[f->chain[k]].tried = (uint8_t)f->ntried;
			continue;
		}
		set_deadlines(f, timer, phase, period);
		for (k = 0; k < f->nchain; k++)
			f->v[f->chain[k]].settled = true;
		taken += f->nchain;
		counts->timers_periodic++;
	}
	return taken;
}

static bool alike(const double *v, size_t i, size_t k)
{
	return v[k] - v[i] <= fmax(v[i] * 0.01, 80000);
}

/* Sleeps by interrupt of which several have one length: relative timers. */
static void find_relative(struct finder *f)
{
	size_t i, k, n = 0;

	for (i = 0; i < f->n; i++)
		if (!f->v[i].settled && f->v[i].op->flags == SR_SLEEP_INTERRUPT)
			f->scratch[n++] = (double)f->v[i].op->value;
	qsort(f->scratch, n, sizeof(*f->scratch), sr_by_double);
	for (i = 0; i < f->n; i++) {
		struct sr_op *op = f->v[i].op;
		size_t lo = 0, hi = n;

		if (f->v[i].settled || op->flags != SR_SLEEP_INTERRUPT || op->value < LEAST_ALIKE_NS)
			continue;
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (f->scratch[mid] < (double)op->value)
				lo = mid + 1;
			else
				hi = mid;
		}
		k = lo;
		while (k < n && k < lo + LEAST_ALIKE && alike(f->scratch, lo, k))
			k++;
		while (lo > 0 && k - lo < LEAST_ALIKE && alike(f->scratch, lo - 1, k - 1))
			lo--;
		if (k - lo >= LEAST_ALIKE)
			f->v[i].settled = true;
	}
	for (i = 0; i < f->n; i++)
		if (f->v[i].settled && f->v[i].op->flags == SR_SLEEP_INTERRUPT)
			f->v[i].op->flags = SR_SLEEP_RELATIVE;
}

static void collect(struct finder *f, struct sr_program *p)
{
	size_t i;

	f->n = f->ntried = 0;
	for (i = 0; i < p->nops; i++) {
		struct sr_op *op = &p->ops[i];
		struct sr_wait *w;

		if (op->kind != SR_OP_SLEEP || (op->flags != SR_SLEEP_INTERRUPT && op->flags != SR_SLEEP_OUTSIDE))
			continue;
		w = &p->waits[op->arg];
		if (!w->block_ns || w->wake_ns < w->block_ns || (f->n && w->wake_ns < f->v[f->n - 1].wake_ns))
			continue;
		f->v[f->n++] = (struct sleep){ .block_ns = w->block_ns, .wake_ns = w->wake_ns, .op = op, .wait = w };
	}
}

static void find_periodic(struct finder *f, struct sr_model_counts *counts)
{
	unsigned timer = 0;

	while (timer < SR_TIMERS && f->ntried < MOST_TRIES && f->n >= LEAST_WAKES) {
		double period;

		list_open(f);
		period = next_period(f);
		if (period == 0)
			return;
		f->tried[f->ntried++] = period;
		if (take_chains(f, period, timer, counts))
			timer++;
	}
}

static void count_kinds(struct sr_model *m)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++)
			if (m->tasks[i].ops[k].kind == SR_OP_SLEEP)
				m->counts.sleeps[m->tasks[i].ops[k].flags]++;
}

int sr_model_find_timers(struct sr_model *m, struct sr_error *err)
{
	struct finder f = { 0 };
	size_t i, most = 0;
	int ret = -1;

	for (i = 0; i < m->ntasks; i++)
		if (m->tasks[i].nwaits > most)
			most = m->tasks[i].nwaits;
	f.v = calloc(most + 1, sizeof(*f.v));
	f.open = calloc(most + 1, sizeof(*f.open));
	f.chain = calloc(most + 1, sizeof(*f.chain));
	f.dist = calloc(most * LAGS + 1, sizeof(*f.dist));
	f.scratch = calloc(most + 1, sizeof(*f.scratch));
	if (!f.v || !f.open || !f.chain || !f.dist || !f.scratch)
		goto out;
	for (i = 0; i < m->ntasks; i++) {
		collect(&f, &m->tasks[i]);
		find_periodic(&f, &m->counts);
		find_relative(&f);
	}
	count_kinds(m);
	ret = 0;
out:
	free(f.v);
	free(f.open);
	free(f.chain);
	free(f.dist);
	free(f.scratch);
	return ret < 0 ? sr_fail(err, SR_ENVIRONMENT, "out of memory for the model's timers") : 0;
}
