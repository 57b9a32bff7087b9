/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A night's results for people: a terminal, Markdown, a page. */
#include "analyze/cmd_analyze.h"
#include "analyze/cmd_nightly.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/markup.h"

bool nightly_is_mine(const struct nightly_report *r, const char *sha256)
{
	return nightly_shard_of(sha256, r->shards) == r->shard;
}

void nightly_count(struct nightly_report *r)
{
	for (size_t i = 0; i < r->traces.n; i++) {
		const struct ana_night_trace *t = &r->traces.v[i];

		if (!nightly_is_mine(r, t->sha256))
			continue;
		r->ntraces++;
		r->rounds += r->night->rounds;
		r->rounds_done += t->done;
		r->rounds_noisy += t->noisy;
		r->failed += t->failure != NULL;
		r->picks += t->weight > 0;
		r->stand_for += t->weight > 0 ? t->traces : 0;
		r->stand_for_failed += t->weight > 0 && t->failure ? t->traces : 0;
	}
	for (size_t i = 0; i < r->v.ncells; i++) {
		r->verdicts[r->v.cells[i].c.s.verdict]++;
		r->noisy += r->v.cells[i].noisy;
	}
	for (size_t i = 0; i < r->v.nchanges; i++) {
		r->changes += r->v.changes[i].is_new;
		r->changes_counted += r->v.changes[i].counts;
	}
	for (size_t i = 0; i < r->v.noverall; i++)
		r->overall_regressed += r->v.overall[i].o.verdict == ANA_REGRESSED;
	if (r->verdicts[ANA_REGRESSED] || r->overall_regressed || r->changes_counted)
		r->status = SR_ANSWER_NO;
	if (r->o->strict && (r->verdicts[ANA_UNKNOWN] || r->failed || r->v.without_base))
		r->status = SR_ANSWER_NO;
}

const char *nightly_per_cent(char *buf, size_t len, double v)
{
	if (isnan(v))
		return "-";
	if (!isfinite(v))
		return "inf";
	snprintf(buf, len, "%+.1f%%", v * 100);
	return buf;
}

const char *nightly_needs(char *buf, size_t len, const struct ana_cell *c)
{
	if (c->s.verdict != ANA_UNKNOWN || !c->s.needs_more || c->evidence == ANA_BLOCKED)
		return "";
	snprintf(buf, len, ", +%zu %s%s", c->s.needs_more, c->by_boot ? "boot" : "round",
		 c->s.needs_more == 1 ? "" : "s");
	return buf;
}

/* The same over the traces. */
static const char *needs_traces(char *buf, size_t len, const struct ana_overall *o)
{
	if (o->verdict != ANA_UNKNOWN || !o->needs_more)
		return "";
	snprintf(buf, len, ", +%zu trace%s", o->needs_more, o->needs_more == 1 ? "" : "s");
	return buf;
}

const char *nightly_cell_policy(const struct nightly_report *r, size_t arm)
{
	return arm < r->night->narms ? r->night->arms[arm] : "?";
}

const char *nightly_trace_name(const struct nightly_report *r, const char *sha256)
{
	for (size_t i = 0; i < r->traces.n; i++)
		if (!strcmp(r->traces.v[i].sha256, sha256))
			return r->traces.v[i].name;
	return sha256;
}

/* What everything begins with, in one line. */
static void headline(const struct nightly_report *r, FILE *f)
{
	const char *sep = "";

	if (r->verdicts[ANA_REGRESSED] || r->overall_regressed || r->changes_counted)
		fprintf(f, "REGRESSED: ");
	else
		fprintf(f, "no regression: ");
	for (int v = 0; v < NIGHTLY_VERDICTS; v++)
		if (r->verdicts[v]) {
			fprintf(f, "%s%zu %s", sep, r->verdicts[v], ana_verdict_name(v));
			sep = ", ";
		}
	if (!*sep)
		fprintf(f, "nothing was compared");
	if (r->overall_regressed)
		fprintf(f, "; %zu regressed over all traces", r->overall_regressed);
	if (r->changes)
		fprintf(f, "; %zu new over the nights", r->changes);
	if (r->failed)
		fprintf(f, "; %zu of %zu traces failed", r->failed, r->ntraces);
}

static size_t count_blocked(const struct nightly_report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->v.ncells; i++)
		n += r->v.cells[i].c.evidence > ANA_ORDER_UNKNOWN;
	return n;
}

/* What several comparisons have in common is told once. */
static void doubt_remarks(const struct nightly_report *r, void (*put)(FILE *f, const char *text), FILE *f)
{
	const struct ana_night_doubt *v = r->v.doubts;
	size_t shown = 0, more = 0;
	char text[1600], others[48];

	for (size_t i = 0; i < r->v.ndoubts; i++) {
		size_t same = 0, earlier = 0;

		if (!nightly_is_mine(r, v[i].sha256))
			continue;
		for (size_t k = 0; k < r->v.ndoubts && !earlier; k++)
			if (!strcmp(v[k].text, v[i].text) && nightly_is_mine(r, v[k].sha256)) {
				earlier = k < i;
				same += k > i;
			}
		if (earlier)
			continue;
		if (shown == NIGHTLY_DOUBTS) {
			more++;
			continue;
		}
		shown++;
		snprintf(others, sizeof(others), " and %zu more", same);
		snprintf(text, sizeof(text), "%.300s, %.300s%s: %s", v[i].trace, nightly_cell_policy(r, v[i].arm),
			 same ? others : "", v[i].text);
		put(f, text);
	}
	if (more) {
		snprintf(text, sizeof(text), "%zu more doubts are in nightly.json", more);
		put(f, text);
	}
}

/* What is to be kept in mind, one line each; each one goes through put. */
static void remarks(const struct nightly_report *r, void (*put)(FILE *f, const char *text), FILE *f)
{
	char text[1600];

	if (r->shards > 1) {
		snprintf(text, sizeof(text), "shard %u of %u: %zu of %zu traces", r->shard, r->shards, r->ntraces,
			 r->traces.n);
		put(f, text);
	}
	if (r->picks) {
		snprintf(text, sizeof(text),
			 "%zu %s for %" PRIu64 " of the corpus; results over the traces are weighted so", r->picks,
			 r->picks == 1 ? "trace stands" : "traces stand", r->stand_for);
		put(f, text);
		put(f, "no random sample (k-medoids): the 95 % over the traces is that of the picks as they are");
	}
	if (r->stand_for_failed) {
		snprintf(text, sizeof(text),
			 "for %" PRIu64 " of the %" PRIu64 " nothing speaks here: their picks failed",
			 r->stand_for_failed, r->stand_for);
		put(f, text);
	}
	if (r->rounds_done < r->rounds) {
		snprintf(text, sizeof(text), "%zu of %zu rounds are done", r->rounds_done, r->rounds);
		put(f, text);
	}
	if (r->v.without_base) {
		snprintf(text, sizeof(text),
			 "%zu times a policy of a trace had no run of the baseline %s%s to be compared with",
			 r->v.without_base, r->o->baseline,
			 strncmp(r->o->baseline, "last", 4) ? "" : ", under the same conditions,");
		put(f, text);
	}
	for (size_t i = 0; i < r->traces.n; i++) {
		const struct ana_night_trace *t = &r->traces.v[i];

		if (!nightly_is_mine(r, t->sha256) || !t->failure)
			continue;
		snprintf(text, sizeof(text), "%s failed: %s", t->name, t->failure);
		put(f, text);
	}
	for (size_t i = 0; i < r->traces.n; i++) {
		const struct ana_night_trace *t = &r->traces.v[i];

		if (!t->noisy || !nightly_is_mine(r, t->sha256))
			continue;
		snprintf(text, sizeof(text), "%s: %zu of %zu rounds are noisy: %s", t->name, t->noisy, t->done,
			 t->noise ? t->noise : "");
		put(f, text);
	}
	doubt_remarks(r, put, f);
	if (count_blocked(r)) {
		snprintf(text, sizeof(text),
			 "%zu comparisons are unknown: their rounds were not run side by side; the change points tell",
			 count_blocked(r));
		put(f, text);
	}
	if (r->noisy) {
		snprintf(text, sizeof(text),
			 "%zu of %zu comparisons have more noise between their rounds than the A/A floor", r->noisy,
			 r->v.ncells);
		put(f, text);
	}
}

/* ---- a terminal ---- */

#define LONGEST_WORD 80 /* a longer one, such as a path, is cut in pieces */

static void plain(FILE *f, const char *text)
{
	char line[1700] = "note: ", shown[1600];
	size_t n = strlen(line), word = 0;

	for (const char *p = printable(shown, sizeof(shown), text); *p && n + 2 < sizeof(line); p++) {
		if (*p == ' ')
			word = 0;
		else if (word++ == LONGEST_WORD) {
			line[n++] = ' ';
			word = 1;
		}
		line[n++] = *p;
	}
	line[n] = '\0';
	cmd_print_wrapped(f, line, 0, 2);
}

static void text_cell(const struct nightly_report *r, const struct ana_night_cell *c, FILE *f)
{
	char base[48], cand[48], shift[32], lo[32], hi[32], trace[29], policy[21];

	fprintf(f, "  %-28s %-20s %s\n", printable(trace, sizeof(trace), c->c.trace),
		printable(policy, sizeof(policy), nightly_cell_policy(r, c->arm)), c->c.metric);
	fprintf(f, "    %s -> %s, %s (%s to %s), %zu rounds%s\n",
		format_metric(base, sizeof(base), c->c.metric, c->c.unit, c->c.base),
		format_metric(cand, sizeof(cand), c->c.metric, c->c.unit, c->c.cand),
		nightly_per_cent(shift, sizeof(shift), c->c.s.shift), nightly_per_cent(lo, sizeof(lo), c->c.s.lo),
		nightly_per_cent(hi, sizeof(hi), c->c.s.hi), c->c.s.rounds, c->noisy ? ", noisy" : "");
}

static void text_change(const struct nightly_report *r, const struct ana_night_change *c, FILE *f)
{
	char before[48], after[48], by[32], trace[29], policy[21], night[33];

	fprintf(f, "  %-28s %-20s %s\n", printable(trace, sizeof(trace), c->trace),
		printable(policy, sizeof(policy), nightly_cell_policy(r, c->arm)), c->metric);
	fprintf(f, "    %s -> %s, %s, since the night %s (p %.3f)\n",
		format_metric(before, sizeof(before), c->metric, c->unit, c->before),
		format_metric(after, sizeof(after), c->metric, c->unit, c->after),
		nightly_per_cent(by, sizeof(by), c->magnitude), printable(night, sizeof(night), c->night), c->p);
}

/* What it is a night of, and the headline, in as many lines as they take. */
static void text_head(const struct nightly_report *r, FILE *f)
{
	char *text = NULL, label[101], baseline[201], what[400];
	size_t len;
	FILE *t;

	snprintf(what, sizeof(what), "night %s (%s), baseline %s", printable(label, sizeof(label), r->night->label),
		 r->night->engine, printable(baseline, sizeof(baseline), r->o->baseline));
	cmd_print_wrapped(f, what, 0, 2);
	t = open_memstream(&text, &len);
	if (!t)
		return;
	headline(r, t);
	if (fclose(t) == 0)
		cmd_print_wrapped(f, text, 0, 2);
	free(text);
}

void nightly_text(const struct nightly_report *r, FILE *f)
{
	bool any = false;

	text_head(r, f);
	for (size_t i = 0; i < r->v.ncells; i++)
		if (r->v.cells[i].c.s.verdict == ANA_REGRESSED) {
			if (!any)
				fprintf(f, "\nregressed:\n");
			any = true;
			text_cell(r, &r->v.cells[i], f);
		}
	any = false;
	for (size_t i = 0; i < r->v.nchanges; i++)
		if (r->v.changes[i].is_new) {
			if (!any)
				fprintf(f, "\nchanged over the nights, seen first now:\n");
			any = true;
			text_change(r, &r->v.changes[i], f);
		}
	putc('\n', f);
	remarks(r, plain, f);
	fprintf(f, "nightly.html, nightly.md, nightly.json, junit.xml and kcidb.json are in\n%s\n", r->o->out);
}

/* ---- Markdown ---- */

/* Nothing in a name is markup. */
static void md(FILE *f, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f)
			putc('?', f);
		else if (*p == '<')
			fputs("&lt;", f);
		else if (*p == '&')
			fputs("&amp;", f);
		else
			fprintf(f, "%s%c", strchr("\\`*_{}[]()#+!|>~", *p) ? "\\" : "", *p);
	}
}

static void md_item(FILE *f, const char *text)
{
	fputs("- ", f);
	md(f, text);
	putc('\n', f);
}

static void md_cell(const struct nightly_report *r, const struct ana_night_cell *c, FILE *f)
{
	char base[48], cand[48], shift[32], lo[32], hi[32], needs[48];

	fputs("| ", f);
	md(f, c->c.trace);
	fputs(" | ", f);
	md(f, nightly_cell_policy(r, c->arm));
	fputs(" | ", f);
	md(f, c->c.metric);
	fprintf(f, " | %s%s%s | %s | %s | %s | %s to %s | %.3f | %zu |\n", ana_verdict_name(c->c.s.verdict),
		nightly_needs(needs, sizeof(needs), &c->c), c->noisy ? ", noisy" : "",
		format_metric(base, sizeof(base), c->c.metric, c->c.unit, c->c.base),
		format_metric(cand, sizeof(cand), c->c.metric, c->c.unit, c->c.cand),
		nightly_per_cent(shift, sizeof(shift), c->c.s.shift), nightly_per_cent(lo, sizeof(lo), c->c.s.lo),
		nightly_per_cent(hi, sizeof(hi), c->c.s.hi), c->c.s.p_adjusted, c->c.s.rounds);
}

static bool is_quiet(enum ana_verdict v)
{
	return v == ANA_SAME || v == ANA_IDENTICAL;
}

static void md_overall(const struct nightly_report *r, FILE *f)
{
	char shift[32], lo[32], hi[32], needs[48];

	if (!r->v.noverall)
		return;
	fputs("\n## Over the traces\n\n| policy | metric | verdict | shift | 95 % | traces "
	      "|\n|---|---|---|---|---|---|\n",
	      f);
	for (size_t i = 0; i < r->v.noverall; i++) {
		const struct ana_overall *o = &r->v.overall[i].o;

		fputs("| ", f);
		md(f, nightly_cell_policy(r, r->v.overall[i].arm));
		fputs(" | ", f);
		md(f, o->metric);
		fprintf(f, " | %s%s | %s | %s to %s | %zu |\n", ana_verdict_name(o->verdict),
			needs_traces(needs, sizeof(needs), o), nightly_per_cent(shift, sizeof(shift), o->shift),
			nightly_per_cent(lo, sizeof(lo), o->lo), nightly_per_cent(hi, sizeof(hi), o->hi), o->traces);
	}
}

static void md_changes(const struct nightly_report *r, FILE *f)
{
	char before[48], after[48], by[32];

	if (!r->v.nchanges)
		return;
	fputs("\n## Over the nights\n\n| trace | policy | metric | before | after | change | since | told first | p |\n"
	      "|---|---|---|---|---|---|---|---|---|\n",
	      f);
	for (size_t i = 0; i < r->v.nchanges; i++) {
		const struct ana_night_change *c = &r->v.changes[i];

		fputs("| ", f);
		md(f, c->trace);
		fputs(" | ", f);
		md(f, nightly_cell_policy(r, c->arm));
		fputs(" | ", f);
		md(f, c->metric);
		fprintf(f, " | %s | %s | %s | ", format_metric(before, sizeof(before), c->metric, c->unit, c->before),
			format_metric(after, sizeof(after), c->metric, c->unit, c->after),
			nightly_per_cent(by, sizeof(by), c->magnitude));
		md(f, c->night);
		fputs(" | ", f);
		md(f, c->is_new ? "now" : c->found);
		fprintf(f, " | %.3f |\n", c->p);
	}
}

int nightly_markdown(const struct nightly_report *r, FILE *f, struct sr_error *err)
{
	size_t quiet = 0;

	fputs("# schedrec: night ", f);
	md(f, r->night->label);
	fputs("\n\n**", f);
	headline(r, f);
	fputs("**\n\n", f);
	fprintf(f, "Engine %s, kernel ", r->night->engine);
	md(f, r->night->kernel);
	fprintf(f, ", %zu traces, %zu rounds, policies", r->ntraces, r->night->rounds);
	for (size_t i = 0; i < r->night->narms; i++) {
		putc(i ? ',' : ' ', f);
		fputs(i ? " " : "", f);
		md(f, r->night->arms[i]);
	}
	fputs("; baseline ", f);
	md(f, r->o->baseline);
	fputs(".\n\n", f);
	remarks(r, md_item, f);
	fputs("\n## Beside the baseline\n\n"
	      "| trace | policy | metric | verdict | base | candidate | shift | 95 % | p | rounds |\n"
	      "|---|---|---|---|---|---|---|---|---|---|\n",
	      f);
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < r->v.ncells; i++) {
			enum ana_verdict v = r->v.cells[i].c.s.verdict;

			if (is_quiet(v))
				quiet += pass;
			else if ((v == ANA_REGRESSED) == (pass == 0))
				md_cell(r, &r->v.cells[i], f);
		}
	fprintf(f, "\n%zu more are the same or identical; all are in nightly.json. Unknown, +N: about N more would tell.\n",
		quiet);
	md_overall(r, f);
	md_changes(r, f);
	return 0;
}

/* ---- a page ---- */

static void html(FILE *f, const char *text)
{
	sr_markup(f, text, SIZE_MAX);
}

static void html_item(FILE *f, const char *text)
{
	fputs("<li>", f);
	html(f, text);
	fputs("</li>\n", f);
}

static void html_td(FILE *f, const char *text)
{
	fputs("<td>", f);
	html(f, text);
	fputs("</td>", f);
}

static void html_cell(const struct nightly_report *r, const struct ana_night_cell *c, FILE *f)
{
	char buf[48], lo[32], hi[32];

	fprintf(f, "<tr class=\"%s\">", ana_verdict_name(c->c.s.verdict));
	html_td(f, c->c.trace);
	html_td(f, nightly_cell_policy(r, c->arm));
	html_td(f, c->c.metric);
	fprintf(f, "<td>%s%s%s</td>", ana_verdict_name(c->c.s.verdict), nightly_needs(buf, sizeof(buf), &c->c),
		c->noisy ? ", noisy" : "");
	html_td(f, format_metric(buf, sizeof(buf), c->c.metric, c->c.unit, c->c.base));
	html_td(f, format_metric(buf, sizeof(buf), c->c.metric, c->c.unit, c->c.cand));
	html_td(f, nightly_per_cent(buf, sizeof(buf), c->c.s.shift));
	fprintf(f, "<td>%s to %s</td><td>%.3f</td><td>%zu</td>", nightly_per_cent(lo, sizeof(lo), c->c.s.lo),
		nightly_per_cent(hi, sizeof(hi), c->c.s.hi), c->c.s.p_adjusted, c->c.s.rounds);
	html_td(f, c->base_text);
	fputs("</tr>\n", f);
}

static void html_overall(const struct nightly_report *r, FILE *f)
{
	char shift[32], lo[32], hi[32], verdict[64], needs[48];

	if (!r->v.noverall)
		return;
	fputs("<h2>Over the traces</h2>\n"
	      "<table><tr><th>policy<th>metric<th>verdict<th>shift<th>95 %<th>traces</tr>\n",
	      f);
	for (size_t i = 0; i < r->v.noverall; i++) {
		const struct ana_overall *o = &r->v.overall[i].o;

		fprintf(f, "<tr class=\"%s\">", ana_verdict_name(o->verdict));
		html_td(f, nightly_cell_policy(r, r->v.overall[i].arm));
		html_td(f, o->metric);
		snprintf(verdict, sizeof(verdict), "%s%s", ana_verdict_name(o->verdict),
			 needs_traces(needs, sizeof(needs), o));
		html_td(f, verdict);
		html_td(f, nightly_per_cent(shift, sizeof(shift), o->shift));
		fprintf(f, "<td>%s to %s</td><td>%zu</td></tr>\n", nightly_per_cent(lo, sizeof(lo), o->lo),
			nightly_per_cent(hi, sizeof(hi), o->hi), o->traces);
	}
	fputs("</table>\n", f);
}

static void html_changes(const struct nightly_report *r, FILE *f)
{
	char buf[48];

	fputs("<h2>Over the nights</h2>\n", f);
	if (!r->v.nchanges) {
		fputs("<p>No change points.</p>\n", f);
		return;
	}
	fputs("<table><tr><th>trace<th>policy<th>metric<th>before<th>after<th>change<th>since<th>told "
	      "first<th>p</tr>\n",
	      f);
	for (size_t i = 0; i < r->v.nchanges; i++) {
		const struct ana_night_change *c = &r->v.changes[i];

		fprintf(f, "<tr class=\"%s\">", c->counts ? "regressed" : "changed");
		html_td(f, c->trace);
		html_td(f, nightly_cell_policy(r, c->arm));
		html_td(f, c->metric);
		html_td(f, format_metric(buf, sizeof(buf), c->metric, c->unit, c->before));
		html_td(f, format_metric(buf, sizeof(buf), c->metric, c->unit, c->after));
		html_td(f, nightly_per_cent(buf, sizeof(buf), c->magnitude));
		html_td(f, c->night);
		html_td(f, c->is_new ? "now" : c->found);
		fprintf(f, "<td>%.3f</td></tr>\n", c->p);
	}
	fputs("</table>\n", f);
}

static void html_traces(const struct nightly_report *r, FILE *f)
{
	fputs("<h2>Traces</h2>\n<table><tr><th>trace<th>rounds<th>noisy<th>SHA-256<th></tr>\n", f);
	for (size_t i = 0; i < r->traces.n; i++) {
		const struct ana_night_trace *t = &r->traces.v[i];

		if (!nightly_is_mine(r, t->sha256))
			continue;
		fprintf(f, "<tr class=\"%s\">", t->failure ? "regressed" : "same");
		html_td(f, t->name);
		fprintf(f, "<td>%zu</td><td>%zu</td><td>%.16s</td>", t->done, t->noisy, t->sha256);
		html_td(f, t->failure ? t->failure : t->noise ? t->noise : "");
		fputs("</tr>\n", f);
	}
	fputs("</table>\n", f);
}

int nightly_html(const struct nightly_report *r, FILE *f, struct sr_error *err)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	      "'unsafe-inline'\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>schedrec: night ",
	      f);
	html(f, r->night->label);
	fputs("</title>\n<style>\n"
	      "body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 90em; padding: 0 1em }\n"
	      "table { border-collapse: collapse } td, th { padding: .2em .7em; text-align: left }\n"
	      "tr + tr { border-top: 1px solid #8884 } td:nth-child(n+4) { font-variant-numeric: tabular-nums }\n"
	      ".regressed { background: #d332 } .improved { background: #3a32 } .unknown { color: #888 }\n"
	      ":root { color-scheme: light dark }\n</style></head><body>\n<h1>Night ",
	      f);
	html(f, r->night->label);
	fputs("</h1>\n<p><strong>", f);
	headline(r, f);
	fprintf(f, "</strong></p>\n<p>Engine %s, kernel ", r->night->engine);
	html(f, r->night->kernel);
	fprintf(f, ", %zu traces, %zu rounds, began ", r->ntraces, r->night->rounds);
	html(f, r->night->started_at);
	fputs(", baseline ", f);
	html(f, r->o->baseline);
	fputs(".</p>\n<ul>\n", f);
	remarks(r, html_item, f);
	fputs("</ul>\n<h2>Beside the baseline</h2>\n"
	      "<table><tr><th>trace<th>policy<th>metric<th>verdict<th>base<th>candidate<th>shift<th>95 %<th>p<th>rounds"
	      "<th>base is</tr>\n",
	      f);
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < r->v.ncells; i++)
			if ((r->v.cells[i].c.s.verdict == ANA_REGRESSED) == (pass == 0))
				html_cell(r, &r->v.cells[i], f);
	fputs("</table>\n<p>Unknown, +N: about N more would tell.</p>\n", f);
	html_overall(r, f);
	html_changes(r, f);
	html_traces(r, f);
	fputs("</body></html>\n", f);
	return 0;
}
