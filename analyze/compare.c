/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two arms out of the database, paired by round. */
#include "analyze/compare_internal.h"
#include "analyze/fidelity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TERMS 12

/* The words of a selector, and the columns that they mean. */
static const struct {
	const char *word, *column;
} keys[] = {
	{ "policy", "policy" }, { "options", "policy_options" }, { "label", "label" },     { "run", "id" },
	{ "trace", "trace" },   { "engine", "engine" },          { "machine", "machine" }, { "kernel", "kernel" },
	{ "work", "work" },     { "timing", "timing" },          { "arm", "arm" },         { "sched_ext", "sched_ext" },
};
#define NKEYS (sizeof(keys) / sizeof(keys[0]))

struct arm {
	const char *what; /* "base", "candidate" */
	const char *selector;
	char *text; /* the terms point into it */
	struct ana_db_term terms[MAX_TERMS];
	size_t nterms;
	bool by_engine_or_run, by_arm;
	struct ana_db_runs runs;
	struct ana_result *metrics; /* by run */
};

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
				       " arm, run, trace, engine, machine, kernel, sched_ext, work or timing as KEY",
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
		if (!strcmp(t->column, "id") || !strcmp(t->column, "arm"))
			a->by_arm = true;
		a->nterms++;
	}
	return 0;
}

static bool is_recorded(const struct ana_db_run *r)
{
	const char *engine = r->identity[ANA_ID_ENGINE];

	return engine && !strcmp(engine, "recorded");
}

static bool is_aa(const struct ana_db_run *r)
{
	return ana_arm_is_aa(r->identity[ANA_ID_ARM]);
}

/* Leaves out those for which fn is true, where there are others. */
static void drop(struct ana_db_runs *runs, bool (*fn)(const struct ana_db_run *))
{
	size_t n = 0, dropped = 0;

	for (size_t i = 0; i < runs->n; i++)
		dropped += fn(&runs->v[i]);
	if (dropped == runs->n)
		return;
	for (size_t i = 0; i < runs->n; i++) {
		if (fn(&runs->v[i]))
			ana_db_run_release(&runs->v[i]);
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
	static const char *const words[ANA_IDENTITIES] = { "policy", "options",   "label", "engine", "machine",
							   "kernel", "sched_ext", "work",  "timing", "arm" };

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

static int choose_runs(struct ana_db *db, struct arm *a, struct sr_error *err)
{
	if (parse_selector(a, err) < 0 || ana_db_select(db, a->terms, a->nterms, &a->runs, err) < 0)
		return -1;
	if (a->runs.n == 0)
		return nothing_matches(db, a, err);
	/* A recording is no run under a policy, and an arm against itself no arm, unless somebody asks for them. */
	if (!a->by_engine_or_run)
		drop(&a->runs, is_recorded);
	if (!a->by_arm)
		drop(&a->runs, is_aa);
	return check_unmixed(a, err);
}

static int load_arm(struct ana_db *db, struct arm *a, struct sr_error *err)
{
	if (choose_runs(db, a, err) < 0)
		return -1;
	a->metrics = calloc(a->runs.n, sizeof(*a->metrics));
	if (!a->metrics)
		return ana_no_memory(err);
	return ana_db_metrics_of(db, &a->runs, a->metrics, err);
}

static void release_arm(struct arm *a)
{
	for (size_t i = 0; a->metrics && i < a->runs.n; i++)
		ana_result_release(&a->metrics[i]);
	free(a->metrics);
	ana_db_runs_release(&a->runs);
	free(a->text);
}

/* The runs whose recordings lost much, or were much disturbed by being recorded, or by others. */
static int note_doubts(const struct arm *a, struct ana_comparison *out, size_t *cap, struct sr_error *err)
{
	for (size_t i = 0; i < a->runs.n; i++) {
		struct ana_doubt d = { .run = a->runs.v[i].id, .lost_share = -1, .disturbance = -1 };
		double foreign;

		ana_get(&a->metrics[i], "recording_lost_share", &d.lost_share);
		ana_get(&a->metrics[i], "recording_disturbance_share", &d.disturbance);
		if (ana_get(&a->metrics[i], "foreign_cpu_share", &foreign) && foreign > ANA_FOREIGN) {
			out->foreign_runs++;
			if (foreign > out->foreign_most)
				out->foreign_most = foreign;
		}
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

/* A run of an arm by its trace. */
struct of_trace {
	const char *trace;
	size_t run;
};

static int by_trace_and_run(const void *x, const void *y)
{
	const struct of_trace *a = x, *b = y;
	int c = strcmp(a->trace, b->trace);

	if (c)
		return c;
	return a->run < b->run ? -1 : a->run > b->run;
}

/* A measure over the arm's n runs of one trace. */
static int note_poor_measure(const struct arm *a, const struct of_trace *runs, size_t n, const struct ana_metric *m,
			     double *v, struct ana_comparison *out, size_t *cap, struct sr_error *err)
{
	const struct ana_db_run *run = &a->runs.v[runs->run];
	struct ana_poor *p;
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += ana_get(&a->metrics[runs[i].run], m->name, &v[found]);
	if (!ana_fidelity_is_poor(m->name, ana_median(v, found), identity_is(run, ANA_ID_WORK, "time")))
		return 0;
	if (ana_reserve(&out->poor, cap, out->npoor + 1, sizeof(*out->poor), err) < 0)
		return -1;
	p = &out->poor[out->npoor];
	*p = (struct ana_poor){ .arm = a->what, .value = ana_median(v, found), .runs = found };
	memcpy(p->measure, m->name, sizeof(p->measure));
	p->trace = strdup(run->trace_name ? run->trace_name : ana_trace_of(run));
	if (!p->trace)
		return ana_no_memory(err);
	out->npoor++;
	return 0;
}

/* Another policy may well change what was recorded; only the kernel's own placement should resemble it. */
static int note_poor(const struct arm *a, struct ana_comparison *out, size_t *cap, struct sr_error *err)
{
	struct of_trace *runs = calloc(a->runs.n + 1, sizeof(*runs));
	size_t *starts = calloc(a->runs.n + 1, sizeof(*starts)); /* by a trace's first run: where its runs begin + 1 */
	double *v = calloc(a->runs.n + 1, sizeof(*v));
	int ret = 0;
	size_t n = 0;

	if (!v || !runs || !starts) {
		free(runs);
		free(starts);
		free(v);
		return ana_no_memory(err);
	}
	for (size_t i = 0; i < a->runs.n; i++)
		if (identity_is(&a->runs.v[i], ANA_ID_POLICY, "kernel") && !is_recorded(&a->runs.v[i]))
			runs[n++] = (struct of_trace){ ana_trace_of(&a->runs.v[i]), i };
	if (n)
		qsort(runs, n, sizeof(*runs), by_trace_and_run);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(runs[i].trace, runs[i - 1].trace) != 0)
			starts[runs[i].run] = i + 1;
	for (size_t i = 0; ret == 0 && i < a->runs.n; i++) {
		const struct ana_result *first = &a->metrics[i];
		size_t start = starts[i] - 1, end = starts[i];

		if (!starts[i])
			continue;
		while (end < n && !strcmp(runs[end].trace, runs[start].trace))
			end++;
		for (size_t k = 0; ret == 0 && k < first->nmetrics; k++)
			ret = note_poor_measure(a, runs + start, end - start, &first->metrics[k], v, out, cap, err);
	}
	free(runs);
	free(starts);
	free(v);
	return ret;
}

/* The floor of a metric is the greater of the two arms'. */
struct floor_source {
	struct ana_db *db;
	const struct ana_db_run *base, *cand;
};

static int floor_of(void *arg, const char *metric, double *least, struct sr_error *err)
{
	const struct floor_source *f = arg;
	double of_cand;

	if (ana_db_floor(f->db, f->base, metric, least, err) < 0 ||
	    ana_db_floor(f->db, f->cand, metric, &of_cand, err) < 0)
		return -1;
	if (of_cand > *least)
		*least = of_cand;
	return 0;
}

static int compare_trace(struct ana_db *db, const struct arm *base, const struct arm *cand,
			 const struct ana_round_pair *pairs, size_t n, const struct ana_compare_options *o,
			 struct ana_comparison *out, struct sr_error *err)
{
	const struct ana_db_run *run = &base->runs.v[pairs[0].base];
	struct floor_source floor = { db, run, &cand->runs.v[pairs[0].cand] };
	const struct ana_result **side = calloc(2 * n + 1, sizeof(*side));
	size_t *group = calloc(n + 1, sizeof(*group));
	struct ana_trace_pairs p = { 0 };
	int ret = -1;

	if (!side || !group)
		ana_no_memory(err);
	else
		ret = ana_weigh_pairs(&base->runs, &cand->runs, pairs, n, &p, err);
	if (ret == 0 && side && group) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): where there is a pair there are runs. */
		const struct ana_rounds rounds = { .trace = run->trace_name ? run->trace_name : ana_trace_of(run),
						   .base = side,
						   .cand = side + n,
						   .group = p.by_boot ? group : NULL,
						   .n = p.n,
						   .ngroups = p.groups,
						   .evidence = p.evidence,
						   .by_boot = p.by_boot,
						   .looks = p.looks,
						   .floor = floor_of,
						   .floor_arg = &floor };

		for (size_t i = 0; i < p.n; i++) {
			side[i] = &base->metrics[p.v[i].base];
			side[n + i] = &cand->metrics[p.v[i].cand];
			group[i] = p.v[i].group;
		}
		out->mixed += p.left_out;
		ret = ana_compare_cells(&rounds, o, out, err);
	}
	free(side);
	free(group);
	free(p.v);
	return ret;
}

/* What the arms' live runs were made under and does not belong to what is compared. */
static void note_conditions(const struct arm *base, const struct arm *cand, struct ana_comparison *out)
{
	static const char *const words[ANA_HOSTS] = { [ANA_HOST_CMDLINE] = "the kernel's command line",
						      [ANA_HOST_MICROCODE] = "microcode",
						      [ANA_HOST_GOVERNOR] = "governor",
						      [ANA_HOST_TURBO] = "turbo",
						      [ANA_HOST_SMT] = "SMT",
						      [ANA_HOST_ASLR] = "ASLR" };
	const struct arm *arms[2] = { base, cand };
	char text[64];
	size_t used = 0;

	for (size_t k = 0; k < ANA_HOSTS; k++) {
		const char *first = NULL, *other = NULL;

		for (size_t a = 0; words[k] && a < 2; a++)
			for (size_t i = 0; i < arms[a]->runs.n && !other; i++) {
				const char *v = arms[a]->runs.v[i].host[k];

				if (v && first && strcmp(v, first) != 0)
					other = v;
				else if (v)
					first = v;
			}
		if (!other)
			continue;
		out->conditions_differ = true;
		snprintf(text, sizeof(text), " (%.20s, %.20s)", first, other);
		if (used < sizeof(out->conditions))
			used += (size_t)snprintf(out->conditions + used, sizeof(out->conditions) - used, "%s%s%s",
						 used ? ", " : "", words[k], strlen(first) > 20 ? "" : text);
	}
}

/* All runs of an arm have the same. */
static void note_sched_ext(const struct arm *a, char *to, size_t len)
{
	const char *ops = a->runs.v[0].identity[ANA_ID_SCHED_EXT];

	snprintf(to, len, "%s", ops ? ops : "");
}

static int compare_arms(struct ana_db *db, const struct arm *base, const struct arm *cand,
			const struct ana_compare_options *o, struct ana_comparison *out, struct sr_error *err)
{
	struct ana_round_pair *pairs = NULL;
	size_t n, doubts_cap = 0, poor_cap = 0;
	int ret = -1;

	for (size_t i = 0; i < base->runs.n; i++)
		for (size_t k = 0; k < cand->runs.n; k++)
			if (base->runs.v[i].id == cand->runs.v[k].id)
				return sr_fail(err, SR_USAGE, "base '%s' and candidate '%s' both match run %lld",
					       base->selector, cand->selector, (long long)base->runs.v[i].id);
	if (ana_pair_rounds(&base->runs, &cand->runs, &pairs, &n, err) < 0 ||
	    note_doubts(base, out, &doubts_cap, err) < 0 || note_doubts(cand, out, &doubts_cap, err) < 0 ||
	    note_poor(base, out, &poor_cap, err) < 0 || note_poor(cand, out, &poor_cap, err) < 0)
		goto out;
	note_conditions(base, cand, out);
	note_sched_ext(base, out->base_sched_ext, sizeof(out->base_sched_ext));
	note_sched_ext(cand, out->cand_sched_ext, sizeof(out->cand_sched_ext));
	out->base_runs = base->runs.n;
	out->cand_runs = cand->runs.n;
	out->unpaired = base->runs.n + cand->runs.n - 2 * n;
	if (n == 0) {
		sr_fail(err, SR_USAGE, "base '%s' and candidate '%s' have no trace and round in common", base->selector,
			cand->selector);
		goto out;
	}
	for (size_t i = 0, end; i < n; i = end) {
		const char *trace = ana_trace_of(&base->runs.v[pairs[i].base]);

		for (end = i + 1; end < n && !strcmp(trace, ana_trace_of(&base->runs.v[pairs[end].base])); end++)
			;
		if (compare_trace(db, base, cand, pairs + i, end - i, o, out, err) < 0)
			goto out;
	}
	if (out->ncells == 0 && !o->may_be_none)
		sr_fail(err, SR_USAGE, "no metric that was asked for is in the runs of both '%s' and '%s'",
			base->selector, cand->selector);
	else
		ret = ana_compare_judge(out, o->margin, err);
out:
	free(pairs);
	return ret;
}

int ana_compare(struct ana_db *db, const char *base, const char *cand, const struct ana_compare_options *o,
		struct ana_comparison *out, struct sr_error *err)
{
	struct arm b = { .what = "base", .selector = base }, c = { .what = "candidate", .selector = cand };
	int ret = -1;

	memset(out, 0, sizeof(*out));
	if (load_arm(db, &b, err) == 0 && load_arm(db, &c, err) == 0)
		ret = compare_arms(db, &b, &c, o, out, err);
	release_arm(&b);
	release_arm(&c);
	if (ret < 0)
		ana_comparison_release(out);
	return ret;
}

int ana_select_arm(struct ana_db *db, const char *what, const char *selector, struct ana_db_runs *out,
		   struct sr_error *err)
{
	struct arm a = { .what = what, .selector = selector };
	int ret = choose_runs(db, &a, err);

	memset(out, 0, sizeof(*out));
	if (ret == 0) {
		*out = a.runs;
		memset(&a.runs, 0, sizeof(a.runs));
	}
	release_arm(&a);
	return ret;
}
