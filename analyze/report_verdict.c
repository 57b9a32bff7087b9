/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a report says first, as HTML that needs no script; and the comparisons as data. */
#include "analyze/report_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAMED 6 /* cells that a verdict names */

/* Worst first: what regressed, then what improved, what changed, what is unknown, the rest; the larger shift first. */
static int urgency(const struct ana_cell *c)
{
	switch (c->s.verdict) {
	case ANA_REGRESSED:
		return 0;
	case ANA_IMPROVED:
		return 1;
	case ANA_CHANGED:
		return 2;
	case ANA_UNKNOWN:
		return 3;
	default:
		return 4;
	}
}

static double size_of(const struct ana_cell *c)
{
	return isnan(c->s.shift) ? 0 : fabs(c->s.shift);
}

static int by_urgency(const void *x, const void *y)
{
	const struct ana_cell *a = *(const struct ana_cell *const *)x, *b = *(const struct ana_cell *const *)y;

	if (urgency(a) != urgency(b))
		return urgency(a) - urgency(b);
	if (size_of(a) != size_of(b))
		return size_of(a) < size_of(b) ? 1 : -1;
	return a < b ? -1 : a > b;
}

/* The cells in that order; NULL: out of memory. */
static const struct ana_cell **sorted(const struct ana_comparison *c)
{
	const struct ana_cell **v = malloc((c->ncells + 1) * sizeof(struct ana_cell *));

	for (size_t i = 0; v && i < c->ncells; i++)
		v[i] = &c->cells[i];
	if (v)
		qsort(v, c->ncells, sizeof(*v), by_urgency);
	return v;
}

static void per_cent(FILE *f, double v)
{
	if (isnan(v))
		putc('?', f);
	else
		fprintf(f, fabs(v) < 1 ? "%+.1f" : "%+.0f", v * 100);
}

static void name_cell(FILE *f, const struct ana_cell *c)
{
	fputs("<li><strong>", f);
	ana_html_text(f, c->metric);
	fputs("</strong> on ", f);
	ana_html_text(f, c->trace);
	fprintf(f, " %s: ", ana_verdict_name(c->s.verdict));
	if (isinf(c->s.shift)) {
		fprintf(f, "from 0 to %.4g", c->cand);
		if (strcmp(c->unit, "count")) {
			putc(' ', f);
			ana_html_text(f, c->unit);
		}
		fprintf(f, ", %zu rounds</li>", c->s.rounds);
		return;
	}
	per_cent(f, c->s.shift);
	fputs(" %", f);
	if (isfinite(c->s.lo) && isfinite(c->s.hi)) {
		fputs(" (95 % interval ", f);
		per_cent(f, c->s.lo);
		fputs(" to ", f);
		per_cent(f, c->s.hi);
		fputs(" %)", f);
	}
	fprintf(f, ", %zu rounds</li>", c->s.rounds);
}

/* What would settle what is unknown. */
static void put_needs(const struct ana_comparison *c, FILE *f)
{
	const struct ana_needs n = ana_needs_of(c);

	if (n.more)
		fprintf(f, "<p>About %zu more %s%s would settle %s is unknown.</p>", n.more,
			n.boots ? "boots of each" : "rounds", n.blocked ? ", in which the arms take turns," : "",
			n.machines ? "part of what" : "all that");
	if (n.machines)
		fputs("<p>What ran on different machines stays unknown, however many rounds: run both arms on one"
		      " machine.</p>",
		      f);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* Metrics with this verdict over all traces: no trace alone may show it. */
static size_t over_traces(const struct ana_report_comparison *c, enum ana_verdict v)
{
	size_t n = 0;

	for (size_t i = 0; i < c->c.noverall; i++)
		n += c->c.overall[i].verdict == v;
	return n;
}

static void headline(FILE *f, const struct ana_report_comparison *c)
{
	const size_t *n = c->counts, all = c->c.ncells;
	size_t worse = over_traces(c, ANA_REGRESSED), better = over_traces(c, ANA_IMPROVED);

	if (n[ANA_REGRESSED])
		fprintf(f, "<span class=\"word\">Worse</span>: %zu of %zu measurement%s regressed", n[ANA_REGRESSED],
			all, plural(all));
	else if (worse)
		fprintf(f,
			"<span class=\"word\">Worse</span>: %zu metric%s regressed over all traces, though none of %zu"
			" measurement%s alone shows it",
			worse, plural(worse), all, plural(all));
	else if (n[ANA_IMPROVED])
		fprintf(f, "<span class=\"word\">Better</span>: %zu of %zu measurement%s improved, none regressed",
			n[ANA_IMPROVED], all, plural(all));
	else if (better)
		fprintf(f,
			"<span class=\"word\">Better</span>: %zu metric%s improved over all traces, though none of %zu"
			" measurement%s alone shows it",
			better, plural(better), all, plural(all));
	else if (n[ANA_CHANGED])
		fprintf(f,
			"<span class=\"word\">Different</span>: %zu of %zu measurement%s changed, none of them for "
			"better or"
			" worse",
			n[ANA_CHANGED], all, plural(all));
	else if (n[ANA_UNKNOWN])
		fprintf(f, "<span class=\"word\">Unknown</span>: %zu of %zu measurement%s cannot be told yet",
			n[ANA_UNKNOWN], all, plural(all));
	else
		fprintf(f, "<span class=\"word\">No difference</span> that matters in %zu measurement%s", all,
			plural(all));
}

static const char *kind(const struct ana_report_comparison *c)
{
	return c->counts[ANA_REGRESSED] || over_traces(c, ANA_REGRESSED) ? "regressed" :
	       c->counts[ANA_IMPROVED] || over_traces(c, ANA_IMPROVED)   ? "improved" :
	       c->counts[ANA_CHANGED]                                    ? "changed" :
	       c->counts[ANA_UNKNOWN]                                    ? "unknown" :
									   "same";
}

/* Why the rounds of some traces are no evidence, or less than they could be. */
static void put_evidence(const struct ana_comparison *c, FILE *f)
{
	size_t traces[ANA_FEW_BOOTS + 1] = { 0 };

	for (size_t i = 0; i < c->ncells; i++)
		if (i == 0 || strcmp(c->cells[i].trace, c->cells[i - 1].trace))
			traces[c->cells[i].evidence]++;
	for (int e = ANA_ORDER_UNKNOWN; e <= ANA_FEW_BOOTS; e++)
		if (traces[e])
			fprintf(f, "<p class=\"doubt\">Evidence of %zu trace%s: %s.</p>", traces[e], plural(traces[e]),
				ana_evidence_name((enum ana_evidence)e));
	if (c->mixed)
		fprintf(f, "<p class=\"counts\">%zu pairs were left out: others are better evidence.</p>", c->mixed);
	if (c->conditions_differ) {
		fputs("<p class=\"doubt\">Not all runs were made under the same conditions: ", f);
		ana_html_text(f, c->conditions);
		fputs(".</p>", f);
	}
}

/* What holds over all traces. */
static void put_overall(const struct ana_comparison *c, FILE *f)
{
	size_t named = 0;

	for (size_t i = 0; i < c->noverall; i++) {
		const struct ana_overall *all = &c->overall[i];

		if (all->verdict != ANA_REGRESSED && all->verdict != ANA_IMPROVED)
			continue;
		fputs(named++ ? ", " : "<p>Over all traces: ", f);
		ana_html_text(f, all->metric);
		fprintf(f, " %s, ", ana_verdict_name(all->verdict));
		per_cent(f, all->shift);
		fputs(" %", f);
	}
	if (named)
		fputs(".</p>", f);
}

static void one_verdict(const struct ana_report *r, const struct ana_report_comparison *c, FILE *f)
{
	const struct ana_cell **cells = sorted(&c->c);
	size_t named = 0;

	fprintf(f, "<article class=\"verdict %s\"><h3>", kind(c));
	ana_html_text(f, r->arms[c->cand].name);
	fputs(" <span class=\"against\">against</span> ", f);
	ana_html_text(f, r->arms[c->base].name);
	fputs("</h3><p class=\"headline\">", f);
	headline(f, c);
	fputs(".</p>", f);
	put_overall(&c->c, f);
	for (size_t i = 0; cells && i < c->c.ncells && urgency(cells[i]) < 3 && named < NAMED; i++) {
		fputs(named++ ? "" : "<ul>", f);
		name_cell(f, cells[i]);
	}
	if (named) {
		size_t told = c->counts[ANA_REGRESSED] + c->counts[ANA_IMPROVED] + c->counts[ANA_CHANGED];

		if (told > named)
			fprintf(f, "<li>and %zu more, below</li>", told - named);
		fputs("</ul>", f);
	}
	fputs("<p class=\"counts\">", f);
	for (int v = 0; v < ANA_VERDICTS; v++)
		if (c->counts[v])
			fprintf(f, "<span class=\"chip %s\">%zu %s</span> ", ana_verdict_name((enum ana_verdict)v),
				c->counts[v], ana_verdict_name((enum ana_verdict)v));
	fprintf(f, "from %zu and %zu runs (base, candidate)", c->c.base_runs, c->c.cand_runs);
	if (c->c.unpaired)
		fprintf(f, "; %zu without a counterpart were left out", c->c.unpaired);
	fputs(".</p>", f);
	if (c->counts[ANA_UNKNOWN])
		put_needs(&c->c, f);
	put_evidence(&c->c, f);
	if (c->c.foreign_runs)
		fprintf(f,
			"<p class=\"doubt\">In %zu of %zu runs other programs had more than %.0f %% of the CPUs, up to "
			"%.0f %%.</p>\n",
			c->c.foreign_runs, c->c.base_runs + c->c.cand_runs, 100 * ANA_FOREIGN, 100 * c->c.foreign_most);
	if (c->c.ndoubts)
		fprintf(f, "<p class=\"doubt\">%zu run%s lost many events or %s disturbed by being recorded.</p>",
			c->c.ndoubts, plural(c->c.ndoubts), c->c.ndoubts == 1 ? "was" : "were");
	if (c->c.npoor)
		fprintf(f,
			"<p class=\"doubt\">Doubtful: in %zu measure%s of fidelity the replays are far from their"
			" recording.</p>",
			c->c.npoor, plural(c->c.npoor));
	fputs("</article>\n", f);
	free(cells);
}

void ana_report_verdict(const struct ana_report *r, FILE *f)
{
	for (int pass = 0; pass < 3; pass++) /* what regressed comes first */
		for (size_t i = 0; i < r->ncomparisons; i++) {
			const struct ana_report_comparison *c = &r->comparisons[i];
			const char *is = kind(c);
			int rank = !strcmp(is, "regressed") ? 0 : !strcmp(is, "improved") ? 1 : 2;

			if (rank == pass)
				one_verdict(r, c, f);
		}
	if (r->ncomparisons == 0) {
		fputs("<article class=\"verdict none\"><p class=\"headline\"><span class=\"word\">No verdict</span>: ",
		      f);
		if (r->runs == 0)
			fputs("the database has no runs yet", f);
		else if (r->without_metric)
			fputs("no two kinds of runs have one of the compared metrics in common", f);
		else if (r->narms < 2 || !r->impossible)
			fputs("all runs are of one kind; a second policy, label or kernel to compare them with is"
			      " missing",
			      f);
		else
			fputs("no two kinds of runs have a trace and a round in common", f);
		fputs(".</p></article>\n", f);
	}
	if (r->ncomparisons && r->without_metric)
		fprintf(f, "<p>%zu more kind%s of runs had none of the compared metrics in common with another.</p>\n",
			r->without_metric, plural(r->without_metric));
	if (r->pending)
		fprintf(f,
			"<p class=\"doubt\">%lld run%s of a night that is running, or was ended in the middle, %s left"
			" out.</p>\n",
			(long long)r->pending, plural((size_t)r->pending), r->pending == 1 ? "was" : "were");
	if (r->left_comparisons)
		fprintf(f, "<p>%zu more kinds of runs were not compared here: name a base and a candidate.</p>\n",
			r->left_comparisons);
}

static void put_cell(struct ana_json *j, const struct ana_cell *c)
{
	ana_json_open(j, NULL, '[');
	ana_json_text(j, NULL, c->trace);
	ana_json_text(j, NULL, c->metric);
	ana_json_text(j, NULL, c->unit);
	ana_json_real(j, NULL, c->base);
	ana_json_real(j, NULL, c->cand);
	ana_json_real(j, NULL, c->s.shift);
	ana_json_real(j, NULL, c->s.lo);
	ana_json_real(j, NULL, c->s.hi);
	ana_json_real(j, NULL, c->s.p_adjusted);
	ana_json_real(j, NULL, c->s.margin);
	ana_json_int(j, NULL, (int64_t)c->s.rounds);
	ana_json_int(j, NULL, (int64_t)c->s.needs_more);
	ana_json_text(j, NULL, ana_verdict_name(c->s.verdict));
	ana_json_text(j, NULL, c->evidence == ANA_PAIRED ? NULL : ana_evidence_name(c->evidence));
	ana_json_int(j, NULL, c->margin_from);
	ana_json_close(j, ']');
}

static void put_overalls(struct ana_json *j, const struct ana_comparison *c)
{
	ana_json_open(j, "overall", '[');
	for (size_t i = 0; i < c->noverall; i++) {
		const struct ana_overall *all = &c->overall[i];

		ana_json_open(j, NULL, '[');
		ana_json_text(j, NULL, all->metric);
		ana_json_real(j, NULL, all->shift);
		ana_json_real(j, NULL, all->lo);
		ana_json_real(j, NULL, all->hi);
		ana_json_real(j, NULL, all->margin);
		ana_json_int(j, NULL, (int64_t)all->traces);
		ana_json_int(j, NULL, (int64_t)all->rounds);
		ana_json_text(j, NULL, ana_verdict_name(all->verdict));
		ana_json_close(j, ']');
	}
	ana_json_close(j, ']');
}

/* Of one metric, over the traces: the median and the quartiles of the shifts, and how many of each verdict. */
static void put_sum(struct ana_json *j, const struct ana_cell *const *cells, size_t n, double *shifts)
{
	size_t counts[ANA_VERDICTS] = { 0 }, known = 0;
	double q1 = NAN, q3 = NAN;

	for (size_t i = 0; i < n; i++) {
		counts[cells[i]->s.verdict]++;
		if (isfinite(cells[i]->s.shift))
			shifts[known++] = cells[i]->s.shift;
	}
	if (known)
		ana_quartiles(shifts, known, &q1, &q3);
	ana_json_open(j, NULL, '[');
	ana_json_text(j, NULL, cells[0]->metric);
	ana_json_real(j, NULL, known ? ana_median(shifts, known) : NAN);
	ana_json_real(j, NULL, q1);
	ana_json_real(j, NULL, q3);
	for (int v = 0; v < ANA_VERDICTS; v++)
		ana_json_int(j, NULL, (int64_t)counts[v]);
	ana_json_close(j, ']');
}

static int by_metric(const void *x, const void *y)
{
	const struct ana_cell *a = *(const struct ana_cell *const *)x, *b = *(const struct ana_cell *const *)y;
	int c = strcmp(a->metric, b->metric);

	return c ? c : a < b ? -1 : a > b;
}

static void put_sums(struct ana_json *j, const struct ana_comparison *c)
{
	const struct ana_cell **v = sorted(c);
	double *shifts = malloc((c->ncells + 1) * sizeof(*shifts));

	ana_json_open(j, "metrics", '[');
	if (v && shifts) {
		qsort(v, c->ncells, sizeof(*v), by_metric);
		for (size_t i = 0, end; i < c->ncells; i = end) {
			for (end = i + 1; end < c->ncells && !strcmp(v[i]->metric, v[end]->metric); end++)
				;
			put_sum(j, v + i, end - i, shifts);
		}
	}
	ana_json_close(j, ']');
	free(v);
	free(shifts);
}

void ana_report_comparisons(const struct ana_report *r, struct ana_json *j)
{
	size_t each = ANA_REPORT_CELLS / (r->ncomparisons ? r->ncomparisons : 1);

	ana_json_open(j, "comparisons", '[');
	for (size_t i = 0; i < r->ncomparisons; i++) {
		const struct ana_report_comparison *c = &r->comparisons[i];
		const struct ana_cell **cells = sorted(&c->c);

		ana_json_open(j, NULL, '{');
		ana_json_int(j, "base", (int64_t)c->base);
		ana_json_int(j, "candidate", (int64_t)c->cand);
		ana_json_int(j, "cells_all", (int64_t)c->c.ncells);
		ana_json_open(j, "cells", '[');
		for (size_t k = 0; cells && k < c->c.ncells && k < each; k++)
			put_cell(j, cells[k]);
		ana_json_close(j, ']');
		put_sums(j, &c->c);
		put_overalls(j, &c->c);
		ana_json_open(j, "doubts", '[');
		for (size_t k = 0; k < c->c.ndoubts && k < ANA_REPORT_RUNS; k++) {
			ana_json_open(j, NULL, '[');
			ana_json_int(j, NULL, c->c.doubts[k].run);
			ana_json_real(j, NULL, c->c.doubts[k].lost_share);
			ana_json_real(j, NULL, c->c.doubts[k].disturbance);
			ana_json_close(j, ']');
		}
		ana_json_close(j, ']');
		ana_json_open(j, "poor", '[');
		for (size_t k = 0; k < c->c.npoor && k < ANA_REPORT_CELLS; k++) {
			ana_json_open(j, NULL, '[');
			ana_json_text(j, NULL, c->c.poor[k].arm);
			ana_json_text(j, NULL, c->c.poor[k].trace);
			ana_json_text(j, NULL, c->c.poor[k].measure);
			ana_json_real(j, NULL, c->c.poor[k].value);
			ana_json_int(j, NULL, (int64_t)c->c.poor[k].runs);
			ana_json_close(j, ']');
		}
		ana_json_close(j, ']');
		ana_json_close(j, '}');
		free(cells);
	}
	ana_json_close(j, ']');
}
