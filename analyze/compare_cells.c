/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two arms' metrics over their rounds: cells, verdicts, and what holds over all traces. */
#include "analyze/compare_internal.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which way is better; the first match counts. What a balancer does is neither good nor bad of itself: more migrations
 * may well be the reason of shorter waits. What is not listed is worse when there is more of it. */
static const struct {
	const char *glob;
	enum ana_better better;
} directions[] = {
	{ "migrations.*", ANA_NEITHER },      { "migrations_by_cause.*", ANA_NEITHER },
	{ "switches_*", ANA_NEITHER },        { "frames", ANA_NEITHER },
	{ "slice_ns.*", ANA_NEITHER }, /* shorter stretches: more switches, and less waiting */
	{ "sleep_ns.*", ANA_NEITHER },        { "wakeups", ANA_NEITHER },
	{ "busiest_cpu_share", ANA_NEITHER }, /* gathering on few CPUs is what some policies are for */
	{ "periodic_tasks", ANA_NEITHER },    { "interactive_tasks", ANA_NEITHER },
	{ "recording_*", ANA_NEITHER },       { "foreign_cpu_share", ANA_NEITHER }, /* under what it was measured */
	{ "*_per_s", ANA_MORE_IS_BETTER },    { "*throughput*", ANA_MORE_IS_BETTER },
	{ "*", ANA_LESS_IS_BETTER },
};

/* What is compared by default; `compare`'s help and COMPARE.md list them. The last ones are what a person feels, and
 * energy: of them there is a cell where at least half of the rounds have the metric on both sides. A load that is
 * periodic now and then, or has one task that is just about interactive, would else have a cell that stays unknown. */
static const char *const usual[] = {
	"makespan_ns",
	"cpu_time_ns",
	"wakeup_latency_ns.mean",
	"wakeup_latency_ns.p50",
	"wakeup_latency_ns.p95",
	"wakeup_latency_ns.p99",
	"switches_voluntary",
	"switches_involuntary",
	"migrations.total",
	"frames_late_share",
	"missed_periods",
	"longest_stall_ns",
	"energy_j",
};
#define USUAL (sizeof(usual) / sizeof(usual[0]))
#define USUAL_FELT 9 /* the first of them */

/* Rare events come and go by chance, and between few of them a relative difference says nothing: from one late frame to
 * two is +100 %. So a round shows no difference where that is less than one frame in a hundred, or of stalls less than
 * a tick of 250 Hz: whether a preemption comes at this tick or at the next is chance, and a quarter of a frame at 60 Hz
 * is not seen. */
#define STEP_FRAMES 0.01
#define STEP_STALL_NS 4e6

const char *ana_verdict_name(enum ana_verdict v)
{
	static const char *const names[] = { "same", "improved", "regressed", "unknown", "identical", "changed" };

	return v < ANA_VERDICTS ? names[v] : "?";
}

enum ana_better ana_better(const char *metric)
{
	for (size_t i = 0;; i++)
		if (!fnmatch(directions[i].glob, metric, 0))
			return directions[i].better;
}

bool ana_wants_metric(const char *metric, const struct ana_compare_options *o)
{
	if (!strncmp(metric, "fidelity.", 9))
		return false;
	for (size_t i = 0; i < o->nmetrics; i++)
		if (!fnmatch(o->metrics[i], metric, 0))
			return true;
	for (size_t i = 0; o->nmetrics == 0 && i < USUAL; i++)
		if (!strcmp(usual[i], metric))
			return true;
	return false;
}

static bool is_felt(const char *metric)
{
	for (size_t i = USUAL_FELT; i < USUAL; i++)
		if (!strcmp(usual[i], metric))
			return true;
	return false;
}

/* The rounds in which both arms have a metric; those of one group as one, with the median of each side. */
struct values {
	double *base, *cand;
	size_t n;
};

static void take_rounds(const struct ana_rounds *r, const char *metric, struct values *v)
{
	for (size_t i = 0; i < r->n; i++)
		if (ana_get(r->base[i], metric, &v->base[v->n]) && ana_get(r->cand[i], metric, &v->cand[v->n]))
			v->n++;
}

/* work: room for 2 * r->n. */
static void take_groups(const struct ana_rounds *r, const char *metric, struct values *v, double *work)
{
	for (size_t g = 0; g < r->ngroups; g++) {
		size_t n = 0;

		for (size_t i = 0; i < r->n; i++)
			if (r->group[i] == g && ana_get(r->base[i], metric, &work[n]) &&
			    ana_get(r->cand[i], metric, &work[r->n + n]))
				n++;
		if (!n)
			continue;
		v->base[v->n] = ana_median(work, n);
		v->cand[v->n++] = ana_median(work + r->n, n);
	}
}

double ana_step(const char *metric, double frames)
{
	if (!strcmp(metric, "frames_late_share"))
		return STEP_FRAMES;
	if (!strcmp(metric, "longest_stall_ns"))
		return STEP_STALL_NS;
	return strcmp(metric, "missed_periods") ? 0 : STEP_FRAMES * frames;
}

static double step_of(const struct ana_rounds *r, const char *metric)
{
	double sum = 0, frames;
	size_t n = 0;

	if (strcmp(metric, "missed_periods") != 0)
		return ana_step(metric, 0);
	for (size_t i = 0; i < r->n; i++) {
		const struct ana_result *const side[2] = { r->base[i], r->cand[i] };

		for (size_t k = 0; k < 2; k++)
			if (ana_get(side[k], "frames", &frames)) {
				sum += frames;
				n++;
			}
	}
	return n ? ana_step(metric, sum / (double)n) : 0;
}

/* The margin is the widest of what was asked for, the noise among the base's rounds, and the arms' noise floor. The
 * longest stall of a run is one event of it, the greatest: its noise falls with no number of events, and a lone one
 * makes a round stand out. Of it the noise is that of a single round, not of their mean. */
static int margin_of(const struct ana_rounds *r, const char *metric, const struct values *v, double asked,
		     double *margin, enum ana_margin *from, struct sr_error *err)
{
	double noise = ana_noise(v->base, v->n), least = 0;

	if (!strcmp(metric, "longest_stall_ns"))
		noise *= sqrt((double)v->n);
	*margin = asked;
	*from = ANA_MARGIN_ASKED;
	if (noise > *margin) {
		*margin = noise;
		*from = ANA_MARGIN_ROUNDS;
	}
	if (r->floor && r->floor(r->floor_arg, metric, &least, err) < 0)
		return -1;
	if (least > *margin) {
		*margin = least;
		*from = ANA_MARGIN_FLOOR;
	}
	return 0;
}

/* Rounds that are no evidence get no verdict, however clear they look: only equal bytes are what they are. Of two
 * machines no number of rounds would be; in blocked order so many that are run by turns. */
static void doubt_evidence(struct ana_cell *c)
{
	if (c->evidence <= ANA_ORDER_UNKNOWN || c->s.verdict == ANA_IDENTICAL)
		return;
	c->s.verdict = ANA_UNKNOWN;
	c->s.p = c->s.p_adjusted = 1;
	c->s.needs_more = c->evidence == ANA_FEW_BOOTS     ? ANA_MIN_ROUNDS - c->s.rounds :
			  c->evidence == ANA_OTHER_MACHINE ? 0 :
							     ANA_MIN_ROUNDS;
	if (c->evidence == ANA_FEW_BOOTS)
		c->s.lo = c->s.hi = NAN;
}

static int fill_cell(const struct ana_rounds *r, const struct ana_metric *m, const struct values *v, double asked,
		     struct ana_cell *cell, struct sr_error *err)
{
	double margin;

	cell->step = step_of(r, m->name);
	if (margin_of(r, m->name, v, asked, &margin, &cell->margin_from, err) < 0 ||
	    ana_compare_steps(v->base, v->cand, v->n, margin, cell->step, ana_better(m->name), r->looks, &cell->s,
			      err) < 0)
		return -1;
	cell->base = ana_median(v->base, v->n);
	cell->cand = ana_median(v->cand, v->n);
	cell->evidence = r->evidence;
	cell->by_boot = r->by_boot;
	memcpy(cell->metric, m->name, sizeof(cell->metric));
	memcpy(cell->unit, m->unit, sizeof(cell->unit));
	doubt_evidence(cell);
	cell->trace = strdup(r->trace);
	return cell->trace ? 0 : ana_no_memory(err);
}

/* One metric into a new cell; rounds in which an arm lacks it do not count. */
static int add_cell(const struct ana_rounds *r, const struct ana_metric *m, const struct ana_compare_options *o,
		    struct ana_comparison *out, struct sr_error *err)
{
	size_t rounds = r->group ? r->ngroups : r->n;
	double *room = malloc((4 * r->n + 4) * sizeof(*room));
	struct values v = { 0 };
	int ret = -1;

	if (!room || ana_reserve(&out->cells, &out->cells_cap, out->ncells + 1, sizeof(*out->cells), err) < 0) {
		free(room);
		return ana_no_memory(err);
	}
	v.base = room;
	v.cand = room + r->n + 1;
	if (r->group)
		take_groups(r, m->name, &v, room + 2 * r->n + 2);
	else
		take_rounds(r, m->name, &v);
	if (v.n == 0 || (!o->nmetrics && is_felt(m->name) && 2 * v.n < rounds)) {
		ret = 0;
	} else if (fill_cell(r, m, &v, o->margin, &out->cells[out->ncells], err) == 0) {
		out->ncells++;
		ret = 0;
	}
	free(room);
	return ret;
}

int ana_compare_cells(const struct ana_rounds *r, const struct ana_compare_options *o, struct ana_comparison *out,
		      struct sr_error *err)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; k < r->base[i]->nmetrics; k++) {
			const struct ana_metric *m = &r->base[i]->metrics[k];
			bool earlier = false;
			double unused;

			/* A metric that an earlier round had is done already. */
			for (size_t e = 0; e < i && !earlier; e++)
				earlier = ana_get(r->base[e], m->name, &unused);
			if (!earlier && ana_wants_metric(m->name, o) && add_cell(r, m, o, out, err) < 0)
				return -1;
		}
	return 0;
}

static int judge_cells(struct ana_comparison *out, struct sr_error *err)
{
	struct ana_shift **cells = malloc((out->ncells + 1) * sizeof(struct ana_shift *));
	size_t n = 0;
	int ret;

	if (!cells)
		return ana_no_memory(err);
	for (size_t i = 0; i < out->ncells; i++)
		if (out->cells[i].evidence <= ANA_ORDER_UNKNOWN)
			cells[n++] = &out->cells[i].s;
	ret = ana_judge_all(cells, n, err);
	free(cells);
	return ret;
}

static bool counts_overall(const struct ana_cell *c, const char *metric)
{
	return !strcmp(c->metric, metric) && c->evidence <= ANA_ORDER_UNKNOWN && !isnan(c->s.shift);
}

struct ana_needs ana_needs_of(const struct ana_comparison *c)
{
	struct ana_needs n = { 0 };

	for (size_t i = 0; i < c->ncells; i++) {
		const struct ana_cell *cell = &c->cells[i];

		n.boots |= cell->by_boot;
		if (cell->s.verdict != ANA_UNKNOWN)
			continue;
		n.unknown++;
		n.machines += cell->evidence == ANA_OTHER_MACHINE;
		n.blocked += cell->evidence == ANA_BLOCKED;
		if (cell->s.needs_more > n.more)
			n.more = cell->s.needs_more;
	}
	return n;
}

static bool has_overall(const struct ana_comparison *out, const char *metric)
{
	size_t n = 0;

	for (size_t i = 0; i < out->ncells && n < 2; i++)
		n += counts_overall(&out->cells[i], metric);
	return n == 2;
}

static int add_overall(struct ana_comparison *out, const char *metric, double *shifts, unsigned family, double margin,
		       struct sr_error *err)
{
	struct ana_overall *all = &out->overall[out->noverall];
	size_t n = 0, rounds = 0;

	for (size_t i = 0; i < out->ncells; i++)
		if (counts_overall(&out->cells[i], metric)) {
			shifts[n++] = out->cells[i].s.shift;
			rounds += out->cells[i].s.rounds;
		}
	if (n < 2)
		return 0;
	if (ana_over_traces(shifts, NULL, n, margin, ana_better(metric), family, all, err) < 0)
		return -1;
	memcpy(all->metric, metric, strlen(metric) + 1);
	all->rounds = rounds;
	out->noverall++;
	return 0;
}

int ana_compare_judge(struct ana_comparison *out, double margin, struct sr_error *err)
{
	double *shifts = calloc(out->ncells + 1, sizeof(*shifts));
	unsigned family = 0;
	int ret;

	out->overall = calloc(out->ncells + 1, sizeof(*out->overall));
	if (!shifts || !out->overall) {
		free(shifts);
		return ana_no_memory(err);
	}
	ret = judge_cells(out, err);
	/* The first pass counts the metrics that have a line, the second judges them together. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; ret == 0 && i < out->ncells; i++) {
			bool earlier = false;

			for (size_t k = 0; k < i && !earlier; k++)
				earlier = !strcmp(out->cells[k].metric, out->cells[i].metric);
			if (earlier)
				continue;
			if (pass == 0)
				family += has_overall(out, out->cells[i].metric);
			else
				ret = add_overall(out, out->cells[i].metric, shifts, family, margin, err);
		}
	free(shifts);
	return ret;
}

int ana_compare_results(const char *trace, const struct ana_result *const *base, const struct ana_result *const *cand,
			size_t n, const struct ana_compare_options *o, struct ana_comparison *out, struct sr_error *err)
{
	const struct ana_rounds r = { .trace = trace, .base = base, .cand = cand, .n = n, .looks = o->looks };

	memset(out, 0, sizeof(*out));
	out->base_runs = out->cand_runs = n;
	if (ana_compare_cells(&r, o, out, err) == 0 && ana_compare_judge(out, o->margin, err) == 0)
		return 0;
	ana_comparison_release(out);
	return -1;
}

void ana_comparison_release(struct ana_comparison *c)
{
	for (size_t i = 0; i < c->ncells; i++)
		free(c->cells[i].trace);
	free(c->cells);
	free(c->overall);
	free(c->doubts);
	for (size_t i = 0; i < c->npoor; i++)
		free(c->poor[i].trace);
	free(c->poor);
	memset(c, 0, sizeof(*c));
}
