/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two arms out of the database, paired by round. */
#include "analyze/db_internal.h"
#include "analyze/fidelity.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TERMS 12

/* Which way is worse; the first match counts. What is not listed is worse when there is more of it. */
static const struct {
	const char *glob;
	bool lower_is_better;
} directions[] = {
	{ "slice_ns.*", false }, /* shorter stretches: more switches for the same work */
	{ "*", true },
};

static const char *const default_metrics[] = {
	"makespan_ns",           "cpu_time_ns",           "wakeup_latency_ns.mean",
	"wakeup_latency_ns.p50", "wakeup_latency_ns.p95", "wakeup_latency_ns.p99",
	"switches_voluntary",    "switches_involuntary",  "migrations.total",
};

/* The words of a selector, and the columns that they mean. */
static const struct {
	const char *word, *column;
} keys[] = {
	{ "policy", "policy" }, { "options", "policy_options" }, { "label", "label" },     { "run", "id" },
	{ "trace", "trace" },   { "engine", "engine" },          { "machine", "machine" }, { "kernel", "kernel" },
	{ "work", "work" },     { "timing", "timing" },
};
#define NKEYS (sizeof(keys) / sizeof(keys[0]))

struct arm {
	const char *what; /* "base", "candidate" */
	const char *selector;
	char *text; /* the terms point into it */
	struct ana_db_term terms[MAX_TERMS];
	size_t nterms;
	bool by_engine_or_run;
	struct ana_db_runs runs;
	struct ana_result *metrics; /* by run */
};

const char *ana_verdict_name(enum ana_verdict v)
{
	static const char *const names[] = { "same", "improved", "regressed", "unknown", "identical" };

	return v <= ANA_IDENTICAL ? names[v] : "?";
}

/* Cuts *text at its first comma that no backslash protects; NULL at the end. */
static char *next_part(char **text)
{
	char *part = *text, *to = part;

	if (!part)
		return NULL;
	for (char *from = part;; from++) {
		if (from[0] == '\\' && from[1] == ',')
			from++;
		else if (*from == ',' || *from == '\0') {
			*text = *from ? from + 1 : NULL;
			*to = '\0';
			return part;
		}
		*to++ = *from;
	}
}

static int parse_selector(struct arm *a, struct sr_error *err)
{
	char *rest, *part;

	a->text = strdup(a->selector);
	if (!a->text)
		return ana_no_memory(err);
	rest = a->text;
	while ((part = next_part(&rest))) {
		char *value = strchr(part, '='), *end;
		struct ana_db_term *t = &a->terms[a->nterms];
		size_t k = 0;

		if (value)
			*value++ = '\0';
		while (k < NKEYS && strcmp(keys[k].word, part))
			k++;
		if (!value || k == NKEYS)
			return sr_fail(err, SR_USAGE,
				       "%s selector '%s': '%s' is not KEY=VALUE with policy, options, label,"
				       " run, trace, engine, machine, kernel, work or timing as KEY",
				       a->what, a->selector, part);
		if (a->nterms == MAX_TERMS)
			return sr_fail(err, SR_USAGE, "%s selector '%s' has too many parts", a->what, a->selector);
		*t = (struct ana_db_term){ .column = keys[k].column, .value = value };
		if (!strcmp(t->column, "id")) {
			t->number = strtoll(value, &end, 10);
			if (end == value || *end || t->number <= 0)
				return sr_fail(err, SR_USAGE, "%s selector: run=%s is not a run's number", a->what,
					       value);
		}
		if (!strcmp(t->column, "id") || !strcmp(t->column, "engine"))
			a->by_engine_or_run = true;
		a->nterms++;
	}
	return 0;
}

static bool is_recorded(const struct ana_db_run *r)
{
	const char *engine = r->identity[ANA_ID_ENGINE];

	return engine && !strcmp(engine, "recorded");
}

static void free_run(struct ana_db_run *r)
{
	free(r->trace_sha256);
	free(r->trace_name);
	for (size_t k = 0; k < ANA_IDENTITIES; k++)
		free(r->identity[k]);
}

/* A recording is no run under a policy: it stays out where there are such runs and nobody asked for it. */
static void drop_recorded(struct ana_db_runs *runs)
{
	size_t n = 0, recorded = 0;

	for (size_t i = 0; i < runs->n; i++)
		recorded += is_recorded(&runs->v[i]);
	if (recorded == runs->n)
		return;
	for (size_t i = 0; i < runs->n; i++) {
		if (is_recorded(&runs->v[i]))
			free_run(&runs->v[i]);
		else
			runs->v[n++] = runs->v[i];
	}
	runs->n = n;
}

static int nothing_matches(struct ana_db *db, const struct arm *a, struct sr_error *err)
{
	char policies[200], labels[200], engines[80], traces[200];

	if (ana_db_values(db, "policy", policies, sizeof(policies), err) < 0 ||
	    ana_db_values(db, "label", labels, sizeof(labels), err) < 0 ||
	    ana_db_values(db, "engine", engines, sizeof(engines), err) < 0 ||
	    ana_db_values(db, "trace_name", traces, sizeof(traces), err) < 0)
		return -1;
	if (!*policies)
		return sr_fail(err, SR_USAGE, "no run matches the %s '%s': the database has no runs", a->what,
			       a->selector);
	return sr_fail(err, SR_USAGE,
		       "no run matches the %s '%s'; there are policies: %s; labels: %s; engines: %s; traces: %s",
		       a->what, a->selector, policies, *labels ? labels : "(none)", engines,
		       *traces ? traces : "(none)");
}

static const char *or_none(const char *text)
{
	return text && *text ? text : "(none)";
}

/* An arm is one thing: one policy, one label, ... */
static int check_unmixed(const struct arm *a, struct sr_error *err)
{
	static const char *const words[ANA_IDENTITIES] = { "policy",  "options", "label", "engine",
							   "machine", "kernel",  "work",  "timing" };

	for (size_t k = 0; k < ANA_IDENTITIES; k++) {
		const char *first = or_none(a->runs.v[0].identity[k]);

		for (size_t i = 1; i < a->runs.n; i++) {
			const char *other = or_none(a->runs.v[i].identity[k]);

			if (strcmp(first, other))
				return sr_fail(err, SR_USAGE,
					       "the %s '%s' matches runs that differ: %s=%s and %s=%s; add one of"
					       " them",
					       a->what, a->selector, words[k], first, words[k], other);
		}
	}
	return 0;
}

static int load_arm(struct ana_db *db, struct arm *a, struct sr_error *err)
{
	if (parse_selector(a, err) < 0 || ana_db_select(db, a->terms, a->nterms, &a->runs, err) < 0)
		return -1;
	if (a->runs.n == 0)
		return nothing_matches(db, a, err);
	if (!a->by_engine_or_run)
		drop_recorded(&a->runs);
	if (check_unmixed(a, err) < 0)
		return -1;
	a->metrics = calloc(a->runs.n, sizeof(*a->metrics));
	if (!a->metrics)
		return ana_no_memory(err);
	for (size_t i = 0; i < a->runs.n; i++)
		if (ana_db_metrics(db, a->runs.v[i].id, &a->metrics[i], err) < 0)
			return -1;
	return 0;
}

static void release_arm(struct arm *a)
{
	for (size_t i = 0; a->metrics && i < a->runs.n; i++)
		ana_result_release(&a->metrics[i]);
	free(a->metrics);
	ana_db_runs_release(&a->runs);
	free(a->text);
}

static const char *trace_of(const struct ana_db_run *r)
{
	return r->trace_sha256 ? r->trace_sha256 : r->trace_name ? r->trace_name : "";
}

/* One round of one trace in both arms: indices into their runs. */
struct round {
	size_t base, cand;
};

struct run_key {
	const struct ana_db_run *run;
	size_t index;
};

static int by_round(const void *x, const void *y)
{
	const struct run_key *a = x, *b = y;
	int c = strcmp(trace_of(a->run), trace_of(b->run));

	if (c)
		return c;
	if (a->run->repeat != b->run->repeat)
		return a->run->repeat < b->run->repeat ? -1 : 1;
	return a->run->id < b->run->id ? -1 : a->run->id > b->run->id;
}

static struct run_key *sort_runs(const struct ana_db_runs *runs)
{
	struct run_key *v = calloc(runs->n + 1, sizeof(*v));

	for (size_t i = 0; v && i < runs->n; i++)
		v[i] = (struct run_key){ &runs->v[i], i };
	if (v)
		qsort(v, runs->n, sizeof(*v), by_round);
	return v;
}

/* Pairs the runs by trace and round; where a round is there several times (the replay was repeated as a whole), the
 * first with the first. Rounds come out in the order of their trace. */
static int pair_rounds(const struct arm *base, const struct arm *cand, struct round **out, size_t *n,
		       struct sr_error *err)
{
	struct run_key *a = sort_runs(&base->runs), *b = sort_runs(&cand->runs);
	struct round *v = calloc(base->runs.n + 1, sizeof(*v));
	size_t i = 0, k = 0;

	*out = v;
	*n = 0;
	if (!a || !b || !v) {
		free(a);
		free(b);
		return ana_no_memory(err);
	}
	while (i < base->runs.n && k < cand->runs.n) {
		int c = strcmp(trace_of(a[i].run), trace_of(b[k].run));

		if (c == 0 && a[i].run->repeat != b[k].run->repeat)
			c = a[i].run->repeat < b[k].run->repeat ? -1 : 1;
		if (c == 0)
			v[(*n)++] = (struct round){ a[i].index, b[k].index };
		i += c <= 0;
		k += c >= 0;
	}
	free(a);
	free(b);
	return 0;
}

static bool wanted(const char *metric, const struct ana_compare_options *o)
{
	if (!strncmp(metric, "fidelity.", 9))
		return false;
	for (size_t i = 0; i < o->nmetrics; i++)
		if (!fnmatch(o->metrics[i], metric, 0))
			return true;
	for (size_t i = 0; o->nmetrics == 0 && i < sizeof(default_metrics) / sizeof(default_metrics[0]); i++)
		if (!strcmp(default_metrics[i], metric))
			return true;
	return false;
}

static bool lower_is_better(const char *metric)
{
	for (size_t i = 0;; i++)
		if (!fnmatch(directions[i].glob, metric, 0))
			return directions[i].lower_is_better;
}

/* One metric over the rounds of one trace, into a new cell; rounds in which an arm lacks it do not count. */
static int add_cell(struct ana_comparison *out, size_t *cap, const struct arm *base, const struct arm *cand,
		    const struct round *rounds, size_t n, const struct ana_metric *m, double margin,
		    struct sr_error *err)
{
	const struct ana_db_run *run = &base->runs.v[rounds[0].base];
	double *b = malloc(2 * n * sizeof(*b)), *c = b ? b + n : NULL, noise;
	struct ana_cell *cell;
	size_t pairs = 0;
	int ret = -1;

	if (!b || ana_reserve(&out->cells, cap, out->ncells + 1, sizeof(*out->cells), err) < 0) {
		ana_no_memory(err);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		if (ana_get(&base->metrics[rounds[i].base], m->name, &b[pairs]) &&
		    ana_get(&cand->metrics[rounds[i].cand], m->name, &c[pairs]))
			pairs++;
	if (pairs == 0) {
		ret = 0;
		goto out;
	}
	cell = &out->cells[out->ncells];
	noise = ana_noise(b, pairs);
	if (ana_compare_paired(b, c, pairs, noise > margin ? noise : margin, lower_is_better(m->name), &cell->s, err) <
	    0)
		goto out;
	cell->base = ana_median(b, pairs);
	cell->cand = ana_median(c, pairs);
	memcpy(cell->metric, m->name, sizeof(cell->metric));
	memcpy(cell->unit, m->unit, sizeof(cell->unit));
	cell->trace = strdup(run->trace_name ? run->trace_name : trace_of(run));
	if (!cell->trace) {
		ana_no_memory(err);
		goto out;
	}
	out->ncells++;
	ret = 0;
out:
	free(b);
	return ret;
}

/* The metrics of one trace: those that its first round has, as they stand in the database, by name. */
static int add_trace(struct ana_comparison *out, size_t *cap, const struct arm *base, const struct arm *cand,
		     const struct round *rounds, size_t n, const struct ana_compare_options *o, struct sr_error *err)
{
	for (size_t r = 0; r < n; r++) {
		const struct ana_result *metrics = &base->metrics[rounds[r].base];

		for (size_t i = 0; i < metrics->nmetrics; i++) {
			const struct ana_metric *m = &metrics->metrics[i];
			bool earlier = false;
			double unused;

			/* A metric that an earlier round had is done already. */
			for (size_t k = 0; k < r && !earlier; k++)
				earlier = ana_get(&base->metrics[rounds[k].base], m->name, &unused);
			if (!earlier && wanted(m->name, o) &&
			    add_cell(out, cap, base, cand, rounds, n, m, o->margin, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int judge_cells(struct ana_comparison *out, struct sr_error *err)
{
	struct ana_shift **cells = malloc((out->ncells + 1) * sizeof(struct ana_shift *));
	int ret;

	if (!cells)
		return ana_no_memory(err);
	for (size_t i = 0; i < out->ncells; i++)
		cells[i] = &out->cells[i].s;
	ret = ana_judge_all(cells, out->ncells, err);
	free(cells);
	return ret;
}

/* The runs whose recordings lost much, or were much disturbed by being recorded. */
static int note_doubts(const struct arm *a, struct ana_comparison *out, size_t *cap, struct sr_error *err)
{
	for (size_t i = 0; i < a->runs.n; i++) {
		struct ana_doubt d = { .run = a->runs.v[i].id, .lost_share = -1, .disturbance = -1 };

		ana_get(&a->metrics[i], "recording_lost_share", &d.lost_share);
		ana_get(&a->metrics[i], "recording_disturbance_share", &d.disturbance);
		if (d.lost_share <= SR_COST_LOST_SHARE && d.disturbance <= SR_COST_DISTURBANCE)
			continue;
		if (ana_reserve(&out->doubts, cap, out->ndoubts + 1, sizeof(*out->doubts), err) < 0)
			return -1;
		out->doubts[out->ndoubts++] = d;
	}
	return 0;
}

static bool identity_is(const struct ana_db_run *r, unsigned which, const char *value)
{
	return r->identity[which] && !strcmp(r->identity[which], value);
}

/* A measure over the arm's runs of one trace, which begin at first. */
static int note_poor_measure(const struct arm *a, size_t first, const struct ana_metric *m, double *v,
			     struct ana_comparison *out, size_t *cap, struct sr_error *err)
{
	const struct ana_db_run *run = &a->runs.v[first];
	struct ana_poor *p;
	size_t n = 0;

	for (size_t i = first; i < a->runs.n; i++)
		if (!strcmp(trace_of(&a->runs.v[i]), trace_of(run)))
			n += ana_get(&a->metrics[i], m->name, &v[n]);
	if (!ana_fidelity_is_poor(m->name, ana_median(v, n), identity_is(run, ANA_ID_WORK, "time")))
		return 0;
	if (ana_reserve(&out->poor, cap, out->npoor + 1, sizeof(*out->poor), err) < 0)
		return -1;
	p = &out->poor[out->npoor];
	*p = (struct ana_poor){ .arm = a->what, .value = ana_median(v, n), .runs = n };
	memcpy(p->measure, m->name, sizeof(p->measure));
	p->trace = strdup(run->trace_name ? run->trace_name : trace_of(run));
	if (!p->trace)
		return ana_no_memory(err);
	out->npoor++;
	return 0;
}

/* Another policy may well change what was recorded; only the kernel's own placement should resemble it. */
static int note_poor(const struct arm *a, struct ana_comparison *out, size_t *cap, struct sr_error *err)
{
	double *v = calloc(a->runs.n, sizeof(*v));
	int ret = v ? 0 : ana_no_memory(err);

	for (size_t i = 0; ret == 0 && i < a->runs.n; i++) {
		bool seen = !identity_is(&a->runs.v[i], ANA_ID_POLICY, "kernel") || is_recorded(&a->runs.v[i]);

		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcmp(trace_of(&a->runs.v[i]), trace_of(&a->runs.v[k]));
		for (size_t k = 0; ret == 0 && !seen && k < a->metrics[i].nmetrics; k++)
			ret = note_poor_measure(a, i, &a->metrics[i].metrics[k], v, out, cap, err);
	}
	free(v);
	return ret;
}

static int compare_arms(const struct arm *base, const struct arm *cand, const struct ana_compare_options *o,
			struct ana_comparison *out, struct sr_error *err)
{
	struct round *rounds = NULL;
	size_t n, cap = 0, doubts_cap = 0, poor_cap = 0;
	int ret = -1;

	for (size_t i = 0; i < base->runs.n; i++)
		for (size_t k = 0; k < cand->runs.n; k++)
			if (base->runs.v[i].id == cand->runs.v[k].id)
				return sr_fail(err, SR_USAGE, "base '%s' and candidate '%s' both match run %lld",
					       base->selector, cand->selector, (long long)base->runs.v[i].id);
	if (pair_rounds(base, cand, &rounds, &n, err) < 0 || note_doubts(base, out, &doubts_cap, err) < 0 ||
	    note_doubts(cand, out, &doubts_cap, err) < 0 || note_poor(base, out, &poor_cap, err) < 0 ||
	    note_poor(cand, out, &poor_cap, err) < 0)
		goto out;
	out->base_runs = base->runs.n;
	out->cand_runs = cand->runs.n;
	out->unpaired = base->runs.n + cand->runs.n - 2 * n;
	if (n == 0) {
		sr_fail(err, SR_USAGE, "base '%s' and candidate '%s' have no trace and round in common", base->selector,
			cand->selector);
		goto out;
	}
	for (size_t i = 0, end; i < n; i = end) {
		const char *trace = trace_of(&base->runs.v[rounds[i].base]);

		for (end = i + 1; end < n && !strcmp(trace, trace_of(&base->runs.v[rounds[end].base])); end++)
			;
		if (add_trace(out, &cap, base, cand, rounds + i, end - i, o, err) < 0)
			goto out;
	}
	if (out->ncells == 0)
		sr_fail(err, SR_USAGE, "no metric that was asked for is in the runs of both '%s' and '%s'",
			base->selector, cand->selector);
	else
		ret = judge_cells(out, err);
out:
	free(rounds);
	return ret;
}

int ana_compare(struct ana_db *db, const char *base, const char *cand, const struct ana_compare_options *o,
		struct ana_comparison *out, struct sr_error *err)
{
	struct arm b = { .what = "base", .selector = base }, c = { .what = "candidate", .selector = cand };
	int ret = -1;

	memset(out, 0, sizeof(*out));
	if (load_arm(db, &b, err) == 0 && load_arm(db, &c, err) == 0)
		ret = compare_arms(&b, &c, o, out, err);
	release_arm(&b);
	release_arm(&c);
	if (ret < 0)
		ana_comparison_release(out);
	return ret;
}

void ana_comparison_release(struct ana_comparison *c)
{
	for (size_t i = 0; i < c->ncells; i++)
		free(c->cells[i].trace);
	free(c->cells);
	free(c->doubts);
	for (size_t i = 0; i < c->npoor; i++)
		free(c->poor[i].trace);
	free(c->poor);
	memset(c, 0, sizeof(*c));
}
