/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A night's results for other programs: JSON with all samples, JUnit XML, KCIDB JSON. */
#include "analyze/cmd_nightly.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "formats/markup.h"

#define LONGEST_EXCERPT 16000 /* KCIDB takes 16384 characters */

/* ---- JSON ---- */

static void json_night(const struct nightly_report *r, struct cmd_json *j)
{
	const struct ana_night *n = r->night;

	cmd_json_open(j, "night", '{');
	cmd_json_str(j, "label", n->label);
	cmd_json_str(j, "engine", n->engine);
	cmd_json_str(j, "kernel", n->kernel);
	cmd_json_str(j, "started_at", n->started_at);
	cmd_json_str(j, "finished_at", n->finished_at);
	cmd_json_u64(j, "rounds", n->rounds);
	cmd_json_raw(j, "spec", n->spec);
	cmd_json_open(j, "policies", '[');
	for (size_t i = 0; i < n->narms; i++)
		cmd_json_str(j, NULL, n->arms[i]);
	cmd_json_close(j, ']');
	cmd_json_u64(j, "shard", r->shard);
	cmd_json_u64(j, "shards", r->shards);
	cmd_json_close(j, '}');
}

static void json_sample(const struct nightly_report *r, struct cmd_json *j)
{
	if (!r->picks)
		return;
	cmd_json_open(j, "sample", '{');
	cmd_json_u64(j, "traces", r->picks);
	cmd_json_u64(j, "stand_for", r->stand_for);
	cmd_json_u64(j, "stand_for_failed", r->stand_for_failed);
	cmd_json_str(j, "method", "k-medoids");
	cmd_json_bool(j, "random", false);
	cmd_json_close(j, '}');
}

static void json_counts(const struct nightly_report *r, struct cmd_json *j)
{
	cmd_json_open(j, "counts", '{');
	for (int v = 0; v < ANA_VERDICTS; v++)
		cmd_json_u64(j, ana_verdict_name(v), r->verdicts[v]);
	cmd_json_u64(j, "traces", r->ntraces);
	cmd_json_u64(j, "traces_failed", r->failed);
	cmd_json_u64(j, "rounds", r->rounds);
	cmd_json_u64(j, "rounds_done", r->rounds_done);
	cmd_json_u64(j, "rounds_noisy", r->rounds_noisy);
	cmd_json_u64(j, "comparisons_noisy", r->noisy);
	cmd_json_u64(j, "without_baseline", r->v.without_base);
	cmd_json_u64(j, "doubts", r->v.ndoubts);
	cmd_json_u64(j, "new_change_points", r->changes);
	cmd_json_u64(j, "new_change_points_that_count", r->changes_counted);
	cmd_json_close(j, '}');
}

static void json_traces(const struct nightly_report *r, struct cmd_json *j)
{
	cmd_json_open(j, "traces", '[');
	for (size_t i = 0; i < r->traces.n; i++) {
		const struct ana_night_trace *t = &r->traces.v[i];

		if (!nightly_is_mine(r, t->sha256))
			continue;
		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "trace", t->name);
		cmd_json_str(j, "sha256", t->sha256);
		cmd_json_u64(j, "rounds_done", t->done);
		cmd_json_u64(j, "rounds_noisy", t->noisy);
		cmd_json_str(j, "noise", t->noise);
		cmd_json_str(j, "failure", t->failure);
		if (t->weight > 0) {
			cmd_json_real(j, "weight", t->weight);
			cmd_json_u64(j, "stands_for", t->traces);
		}
		if (t->host)
			cmd_json_raw(j, "host", t->host);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

static void json_samples(struct cmd_json *j, const char *key, const double *v, size_t n)
{
	cmd_json_open(j, key, '[');
	for (size_t i = 0; i < n; i++)
		cmd_json_real(j, NULL, v[i]);
	cmd_json_close(j, ']');
}

static void json_verdicts(const struct nightly_report *r, struct cmd_json *j)
{
	cmd_json_open(j, "verdicts", '[');
	for (size_t i = 0; i < r->v.ncells; i++) {
		const struct ana_night_cell *c = &r->v.cells[i];

		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "trace", c->c.trace);
		cmd_json_str(j, "sha256", c->sha256);
		cmd_json_str(j, "policy", nightly_cell_policy(r, c->arm));
		cmd_json_str(j, "metric", c->c.metric);
		cmd_json_str(j, "unit", c->c.unit);
		cmd_json_str(j, "verdict", ana_verdict_name(c->c.s.verdict));
		cmd_json_str(j, "evidence", ana_evidence_name(c->c.evidence));
		cmd_json_str(j, "baseline", c->base_text);
		cmd_json_real(j, "shift", c->c.s.shift);
		cmd_json_real(j, "lo", c->c.s.lo);
		cmd_json_real(j, "hi", c->c.s.hi);
		cmd_json_real(j, "p", c->c.s.p);
		cmd_json_real(j, "p_adjusted", c->c.s.p_adjusted);
		cmd_json_real(j, "margin", c->c.s.margin);
		cmd_json_u64(j, "rounds", c->c.s.rounds);
		cmd_json_u64(j, "needs", c->c.s.needs_more);
		cmd_json_real(j, "base", c->c.base);
		cmd_json_real(j, "candidate", c->c.cand);
		cmd_json_real(j, "noise", c->noise);
		cmd_json_real(j, "noise_floor", c->floor);
		cmd_json_str(j, "noise_floor_from",
			     c->floor_measured ? "measured" :
			     isnan(c->floor)   ? NULL :
						 "earlier nights");
		cmd_json_bool(j, "noisy", c->noisy);
		json_samples(j, "base_samples", c->base, c->nbase);
		json_samples(j, "candidate_samples", c->cand, c->ncand);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

static void json_doubts(const struct nightly_report *r, struct cmd_json *j)
{
	cmd_json_open(j, "doubts", '[');
	for (size_t i = 0; i < r->v.ndoubts; i++) {
		const struct ana_night_doubt *d = &r->v.doubts[i];

		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "trace", d->trace);
		cmd_json_str(j, "sha256", d->sha256);
		cmd_json_str(j, "policy", nightly_cell_policy(r, d->arm));
		cmd_json_str(j, "kind", d->kind);
		cmd_json_str(j, "text", d->text);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

static void json_overall(const struct nightly_report *r, struct cmd_json *j)
{
	cmd_json_open(j, "over_traces", '[');
	for (size_t i = 0; i < r->v.noverall; i++) {
		const struct ana_overall *o = &r->v.overall[i].o;

		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "policy", nightly_cell_policy(r, r->v.overall[i].arm));
		cmd_json_str(j, "metric", o->metric);
		cmd_json_str(j, "verdict", ana_verdict_name(o->verdict));
		cmd_json_real(j, "shift", o->shift);
		cmd_json_real(j, "lo", o->lo);
		cmd_json_real(j, "hi", o->hi);
		cmd_json_u64(j, "traces", o->traces);
		cmd_json_real(j, "traces_in_effect", o->effective);
		cmd_json_u64(j, "needs", o->needs_more);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

static void json_changes(const struct nightly_report *r, struct cmd_json *j)
{
	cmd_json_open(j, "change_points", '[');
	for (size_t i = 0; i < r->v.nchanges; i++) {
		const struct ana_night_change *c = &r->v.changes[i];

		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "trace", c->trace);
		cmd_json_str(j, "sha256", c->sha256);
		cmd_json_str(j, "policy", nightly_cell_policy(r, c->arm));
		cmd_json_str(j, "metric", c->metric);
		cmd_json_str(j, "unit", c->unit);
		cmd_json_str(j, "since", c->night);
		cmd_json_str(j, "found", c->found);
		cmd_json_real(j, "before", c->before);
		cmd_json_real(j, "after", c->after);
		cmd_json_real(j, "magnitude", c->magnitude);
		cmd_json_real(j, "p", c->p);
		cmd_json_u64(j, "nights", c->nights);
		cmd_json_bool(j, "new", c->is_new);
		cmd_json_bool(j, "worse", c->worse);
		cmd_json_bool(j, "counts", c->counts);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

struct run_writer {
	const struct nightly_report *r;
	struct cmd_json *j;
};

static int json_run(void *arg, const struct ana_night_run *run, struct sr_error *err)
{
	const struct run_writer *w = arg;

	if (!nightly_is_mine(w->r, run->sha256))
		return 0;
	cmd_json_open(w->j, NULL, '{');
	cmd_json_u64(w->j, "run", (uint64_t)run->id);
	cmd_json_str(w->j, "trace", nightly_trace_name(w->r, run->sha256));
	cmd_json_str(w->j, "sha256", run->sha256);
	cmd_json_str(w->j, "policy", nightly_cell_policy(w->r, run->arm));
	cmd_json_u64(w->j, "round", run->round);
	cmd_json_str(w->j, "started_at", run->started_at);
	cmd_json_open(w->j, "metrics", '{');
	for (size_t i = 0; i < run->metrics->nmetrics; i++)
		cmd_json_real(w->j, run->metrics->metrics[i].name, run->metrics->metrics[i].value);
	cmd_json_close(w->j, '}');
	cmd_json_close(w->j, '}');
	return 0;
}

int nightly_json(const struct nightly_report *r, FILE *f, struct sr_error *err)
{
	struct cmd_json j;
	struct run_writer w = { .r = r, .j = &j };
	int ret;

	cmd_json_init(&j, f);
	cmd_json_open(&j, NULL, '{');
	cmd_json_str(&j, "schedrec", SCHEDREC_VERSION);
	json_night(r, &j);
	cmd_json_str(&j, "baseline", r->o->baseline);
	cmd_json_real(&j, "margin", r->o->margin / 100);
	cmd_json_u64(&j, "status", (uint64_t)r->status);
	cmd_json_u64(&j, "regressed_over_traces", r->overall_regressed);
	json_counts(r, &j);
	json_sample(r, &j);
	json_traces(r, &j);
	json_verdicts(r, &j);
	json_doubts(r, &j);
	json_overall(r, &j);
	json_changes(r, &j);
	cmd_json_open(&j, "runs", '[');
	ret = ana_night_each_run(r->db, r->night, json_run, &w, err);
	cmd_json_close(&j, ']');
	cmd_json_close(&j, '}');
	return ret;
}

/* ---- JUnit XML ---- */

static void xml(FILE *f, const char *text)
{
	sr_markup(f, text, SIZE_MAX);
}

static void xml_attribute(FILE *f, const char *name, const char *value)
{
	fprintf(f, " %s=\"", name);
	xml(f, value);
	putc('"', f);
}

static void xml_property(FILE *f, const char *name, const char *value)
{
	fputs("      <property", f);
	xml_attribute(f, "name", name);
	xml_attribute(f, "value", value);
	fputs("/>\n", f);
}

static void describe_cell(const struct ana_night_cell *c, char *text, size_t len)
{
	char shift[32], lo[32], hi[32], needs[48];

	snprintf(text, len, "%s %s%s%s%s: %.6g -> %.6g %s, %s (95%%: %s to %s), p %.4f, %zu rounds, baseline %.200s%s",
		 c->c.metric, ana_verdict_name(c->c.s.verdict), c->c.evidence > ANA_ORDER_UNKNOWN ? ", " : "",
		 c->c.evidence > ANA_ORDER_UNKNOWN ? ana_evidence_name(c->c.evidence) : "",
		 nightly_needs(needs, sizeof(needs), &c->c), c->c.base, c->c.cand, c->c.unit,
		 nightly_per_cent(shift, sizeof(shift), c->c.s.shift), nightly_per_cent(lo, sizeof(lo), c->c.s.lo),
		 nightly_per_cent(hi, sizeof(hi), c->c.s.hi), c->c.s.p_adjusted, c->c.s.rounds, c->base_text,
		 c->noisy ? ", noisy" : "");
}

static void describe_change(const struct ana_night_change *c, char *text, size_t len)
{
	char by[32];

	snprintf(text, len, "%s: %.6g -> %.6g %s, %s since the night %.100s (p %.4f, %zu nights)", c->metric, c->before,
		 c->after, c->unit, nightly_per_cent(by, sizeof(by), c->magnitude), c->night, c->p, c->nights);
}

/* No trace alone, but all of them together: a regression of those may be none of any. */
#define ALL_TRACES "all-traces"

static void describe_overall(const struct ana_overall *o, char *text, size_t len)
{
	char shift[32], lo[32], hi[32];

	snprintf(text, len, "%s regressed over %zu traces: %s (95%%: %s to %s)", o->metric, o->traces,
		 nightly_per_cent(shift, sizeof(shift), o->shift), nightly_per_cent(lo, sizeof(lo), o->lo),
		 nightly_per_cent(hi, sizeof(hi), o->hi));
}

static void open_case(FILE *f, const char *trace, const char *policy, const char *metric, const char *more)
{
	char class[1400], name[240];

	snprintf(class, sizeof(class), "%.300s.%.1000s", trace, policy);
	snprintf(name, sizeof(name), "%s%s", metric, more);
	fputs("    <testcase", f);
	xml_attribute(f, "classname", class);
	xml_attribute(f, "name", name);
	fputs(" time=\"0\"", f);
}

static void child_of_case(FILE *f, const char *element, const char *type, const char *message)
{
	fprintf(f, "><%s", element);
	if (type)
		xml_attribute(f, "type", type);
	xml_attribute(f, "message", message);
	fputs("/></testcase>\n", f);
}

static void junit_cell(const struct nightly_report *r, const struct ana_night_cell *c, FILE *f)
{
	char text[800];

	describe_cell(c, text, sizeof(text));
	open_case(f, c->c.trace, nightly_cell_policy(r, c->arm), c->c.metric, "");
	if (c->c.s.verdict == ANA_REGRESSED) {
		child_of_case(f, "failure", "regression", text);
	} else if (c->c.s.verdict == ANA_UNKNOWN) {
		child_of_case(f, "skipped", NULL, text);
	} else {
		fputs("><system-out>", f);
		xml(f, text);
		fputs("</system-out></testcase>\n", f);
	}
}

static void junit_change(const struct nightly_report *r, const struct ana_night_change *c, FILE *f)
{
	char text[400], more[140];

	describe_change(c, text, sizeof(text));
	snprintf(more, sizeof(more), " over the nights, since %.100s", c->night); /* a series may have changed twice */
	open_case(f, c->trace, nightly_cell_policy(r, c->arm), c->metric, more);
	child_of_case(f, "failure", "change point", text);
}

/* A line each, below the cases that they are about. */
static void junit_doubts(const struct nightly_report *r, const struct ana_night_trace *t, FILE *f)
{
	size_t n = 0;

	for (size_t i = 0; i < r->v.ndoubts; i++) {
		const struct ana_night_doubt *d = &r->v.doubts[i];

		if (strcmp(d->sha256, t->sha256) != 0)
			continue;
		if (n++ < NIGHTLY_DOUBTS) {
			fputs(n == 1 ? "    <system-out>" : "", f);
			xml(f, nightly_cell_policy(r, d->arm));
			fputs(": ", f);
			xml(f, d->text);
			putc('\n', f);
		}
	}
	if (n > NIGHTLY_DOUBTS)
		fprintf(f, "%zu more are in nightly.json\n", n - NIGHTLY_DOUBTS);
	fputs(n ? "</system-out>\n" : "", f);
}

struct suite {
	size_t tests, failures, errors, skipped;
};

static void add_suite(const struct nightly_report *r, const struct ana_night_trace *t, struct suite *s)
{
	for (size_t i = 0; i < r->v.ncells; i++) {
		const struct ana_night_cell *c = &r->v.cells[i];

		if (strcmp(c->sha256, t->sha256))
			continue;
		s->tests++;
		s->failures += c->c.s.verdict == ANA_REGRESSED;
		s->skipped += c->c.s.verdict == ANA_UNKNOWN;
	}
	for (size_t i = 0; i < r->v.nchanges; i++)
		if (r->v.changes[i].counts && !strcmp(r->v.changes[i].sha256, t->sha256)) {
			s->tests++;
			s->failures++;
		}
	s->tests += t->failure != NULL;
	s->errors += t->failure != NULL;
}

static void suite_counts(FILE *f, const struct suite *s)
{
	fprintf(f, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\"", s->tests, s->failures, s->errors,
		s->skipped);
}

static void junit_suite(const struct nightly_report *r, const struct ana_night_trace *t, FILE *f)
{
	struct suite s = { 0 };
	char number[32];

	add_suite(r, t, &s);
	fputs("  <testsuite", f);
	xml_attribute(f, "name", t->name);
	suite_counts(f, &s);
	fprintf(f, " time=\"%.0f\"", t->seconds > 0 ? t->seconds : 0);
	if (t->started_at) {
		snprintf(number, sizeof(number), "%.19s", t->started_at); /* JUnit's has no zone */
		xml_attribute(f, "timestamp", number);
	}
	fputs(">\n    <properties>\n", f);
	xml_property(f, "sha256", t->sha256);
	xml_property(f, "night", r->night->label);
	xml_property(f, "kernel", r->night->kernel);
	xml_property(f, "engine", r->night->engine);
	xml_property(f, "baseline", r->o->baseline);
	snprintf(number, sizeof(number), "%zu", t->done);
	xml_property(f, "rounds", number);
	snprintf(number, sizeof(number), "%zu", t->noisy);
	xml_property(f, "noisy_rounds", number);
	if (t->noise)
		xml_property(f, "noise", t->noise);
	fputs("    </properties>\n", f);
	for (size_t i = 0; i < r->v.ncells; i++)
		if (!strcmp(r->v.cells[i].sha256, t->sha256))
			junit_cell(r, &r->v.cells[i], f);
	for (size_t i = 0; i < r->v.nchanges; i++)
		if (r->v.changes[i].counts && !strcmp(r->v.changes[i].sha256, t->sha256))
			junit_change(r, &r->v.changes[i], f);
	if (t->failure) {
		open_case(f, t->name, "all", "runs", "");
		child_of_case(f, "error", "failed", t->failure);
	}
	junit_doubts(r, t, f);
	fputs("  </testsuite>\n", f);
}

static void junit_overall(const struct nightly_report *r, FILE *f)
{
	struct suite s = { .tests = r->overall_regressed, .failures = r->overall_regressed };
	char text[300];

	if (!s.tests)
		return;
	fputs("  <testsuite", f);
	xml_attribute(f, "name", ALL_TRACES);
	suite_counts(f, &s);
	fputs(" time=\"0\">\n", f);
	for (size_t i = 0; i < r->v.noverall; i++) {
		const struct ana_overall *o = &r->v.overall[i].o;

		if (o->verdict != ANA_REGRESSED)
			continue;
		describe_overall(o, text, sizeof(text));
		open_case(f, ALL_TRACES, nightly_cell_policy(r, r->v.overall[i].arm), o->metric, "");
		child_of_case(f, "failure", "regression", text);
	}
	fputs("  </testsuite>\n", f);
}

int nightly_junit(const struct nightly_report *r, FILE *f, struct sr_error *err)
{
	struct suite all = { .tests = r->overall_regressed, .failures = r->overall_regressed };

	for (size_t i = 0; i < r->traces.n; i++)
		if (nightly_is_mine(r, r->traces.v[i].sha256))
			add_suite(r, &r->traces.v[i], &all);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites", f);
	xml_attribute(f, "name", "schedrec nightly");
	suite_counts(f, &all);
	fputs(">\n", f);
	for (size_t i = 0; i < r->traces.n; i++)
		if (nightly_is_mine(r, r->traces.v[i].sha256))
			junit_suite(r, &r->traces.v[i], f);
	junit_overall(r, f);
	fputs("</testsuites>\n", f);
	return 0;
}

/* ---- KCIDB ---- */

/* One step of a test's path: letters, digits, _ and -; a dot would be a step. */
static const char *step(char *buf, size_t len, const char *text)
{
	size_t n = 0;

	for (; text[n] && n + 1 < len; n++)
		buf[n] = (char)(isalnum((unsigned char)text[n]) && (unsigned char)text[n] < 0x80 ? text[n] : '_');
	buf[n] = '\0';
	return n ? buf : "_";
}

/* "ORIGIN:..." */
static void kcidb_id(const struct nightly_report *r, struct cmd_json *j, const char *key, const char *a, const char *b)
{
	char id[2000];

	snprintf(id, sizeof(id), "%.100s:%.300s%s%.1500s", r->o->kcidb_origin, a, *b ? ":" : "", b);
	cmd_json_str(j, key, id);
}

static void build_name(const struct nightly_report *r, char *buf, size_t len)
{
	snprintf(buf, len, "%.8s:%.100s:%.100s", r->machine_key, r->night->kernel,
		 strcmp(r->night->engine, "live") ? "simulated" : r->kernel_build);
}

/* The kernel that ran, as far as it is known here: its release and build, but no commit. */
static void kcidb_kernel(const struct nightly_report *r, struct cmd_json *j)
{
	bool live = !strcmp(r->night->engine, "live");
	char name[256];

	build_name(r, name, sizeof(name));
	cmd_json_open(j, "checkouts", '[');
	cmd_json_open(j, NULL, '{');
	kcidb_id(r, j, "id", "kernel", name);
	cmd_json_str(j, "origin", r->o->kcidb_origin);
	cmd_json_str(j, "comment", live ? r->night->kernel : "schedrec's model of the kernel's placement");
	cmd_json_bool(j, "valid", true);
	cmd_json_close(j, '}');
	cmd_json_close(j, ']');
	cmd_json_open(j, "builds", '[');
	cmd_json_open(j, NULL, '{');
	kcidb_id(r, j, "checkout_id", "kernel", name);
	kcidb_id(r, j, "id", "kernel", name);
	cmd_json_str(j, "origin", r->o->kcidb_origin);
	if (live) {
		char arch[66];

		snprintf(arch, sizeof(arch), "%.65s", r->machine);
		for (char *p = arch; *p; p++)
			*p = (char)(isalnum((unsigned char)*p) ? tolower((unsigned char)*p) : '_');
		cmd_json_str(j, "architecture", arch);
		cmd_json_str(j, "comment", r->kernel_build);
	}
	cmd_json_str(j, "status", "PASS");
	cmd_json_close(j, '}');
	cmd_json_close(j, ']');
}

/* Opens a test, with all that they have in common. No two have the same id, so nothing of it is left out; since: of a
 * series that may have changed twice. */
static void kcidb_test(const struct nightly_report *r, struct cmd_json *j, const struct ana_night_trace *t,
		       const char *policy, const char *metric, const char *since, const char *status)
{
	char id[1400], path[400], a[100], b[100], c[80], build[256], where[200];

	snprintf(where, sizeof(where), "%.8s:%.100s:%.20s", r->machine_key, r->night->label, r->night->started_at);
	snprintf(id, sizeof(id), "%.64s:%.1000s:%.80s%s%.100s", t->sha256, policy, metric, *since ? ":" : "", since);
	snprintf(path, sizeof(path), "schedrec.%s.%s.%s", step(a, sizeof(a), t->name), step(b, sizeof(b), policy),
		 step(c, sizeof(c), metric));
	cmd_json_open(j, NULL, '{');
	if (r->o->kcidb_build) {
		cmd_json_str(j, "build_id", r->o->kcidb_build);
	} else {
		build_name(r, build, sizeof(build));
		kcidb_id(r, j, "build_id", "kernel", build);
	}
	kcidb_id(r, j, "id", where, id);
	cmd_json_str(j, "origin", r->o->kcidb_origin);
	cmd_json_str(j, "path", path);
	cmd_json_str(j, "status", status);
	if (t->started_at)
		cmd_json_str(j, "start_time", t->started_at);
	if (t->seconds > 0)
		cmd_json_real(j, "duration", t->seconds);
	if (t->host) {
		cmd_json_open(j, "environment", '{');
		cmd_json_open(j, "misc", '{');
		cmd_json_raw(j, "host", t->host);
		cmd_json_close(j, '}');
		cmd_json_close(j, '}');
	}
}

/* Seconds, not nanoseconds: KCIDB scales them for people by itself. */
static void kcidb_number(struct cmd_json *j, const char *unit, double v)
{
	bool ns = !strcmp(unit, "ns");

	if (!isfinite(v))
		return;
	cmd_json_open(j, "number", '{');
	cmd_json_real(j, "value", ns ? v / 1e9 : v);
	if (ns || !strcmp(unit, "J")) {
		cmd_json_str(j, "unit", ns ? "s" : "J");
		cmd_json_str(j, "prefix", "metric");
	}
	cmd_json_close(j, '}');
}

/* KCIDB knows no null. */
static void known(struct cmd_json *j, const char *key, double v)
{
	if (isfinite(v))
		cmd_json_real(j, key, v);
}

static void kcidb_doubts(const struct nightly_report *r, struct cmd_json *j, const struct ana_night_cell *c)
{
	size_t n = 0;

	for (size_t i = 0; i < r->v.ndoubts && n < NIGHTLY_DOUBTS; i++) {
		const struct ana_night_doubt *d = &r->v.doubts[i];

		if (d->arm != c->arm || strcmp(d->sha256, c->sha256) != 0)
			continue;
		if (n++ == 0)
			cmd_json_open(j, "doubts", '[');
		cmd_json_str(j, NULL, d->text);
	}
	if (n)
		cmd_json_close(j, ']');
}

static void kcidb_cell(const struct nightly_report *r, struct cmd_json *j, const struct ana_night_trace *t,
		       const struct ana_night_cell *c)
{
	enum ana_verdict v = c->c.s.verdict;
	char text[800];

	kcidb_test(r, j, t, nightly_cell_policy(r, c->arm), c->c.metric, "",
		   v == ANA_REGRESSED ? "FAIL" :
		   v == ANA_UNKNOWN   ? "DONE" :
					"PASS");
	kcidb_number(j, c->c.unit, c->c.cand);
	describe_cell(c, text, sizeof(text));
	cmd_json_str(j, "comment", text);
	cmd_json_open(j, "misc", '{');
	cmd_json_str(j, "verdict", ana_verdict_name(v));
	cmd_json_str(j, "baseline", c->base_text);
	known(j, "base", c->c.base);
	known(j, "shift", c->c.s.shift);
	known(j, "lo", c->c.s.lo);
	known(j, "hi", c->c.s.hi);
	known(j, "p_adjusted", c->c.s.p_adjusted);
	cmd_json_u64(j, "rounds", c->c.s.rounds);
	cmd_json_u64(j, "needs", c->c.s.needs_more);
	cmd_json_bool(j, "noisy", c->noisy);
	kcidb_doubts(r, j, c);
	cmd_json_close(j, '}');
	cmd_json_close(j, '}');
}

static void kcidb_change(const struct nightly_report *r, struct cmd_json *j, const struct ana_night_trace *t,
			 const struct ana_night_change *c)
{
	char metric[80], text[400];

	snprintf(metric, sizeof(metric), "%s-over-nights", c->metric);
	kcidb_test(r, j, t, nightly_cell_policy(r, c->arm), metric, c->night, "FAIL");
	kcidb_number(j, c->unit, c->after);
	describe_change(c, text, sizeof(text));
	cmd_json_str(j, "comment", text);
	cmd_json_close(j, '}');
}

static void kcidb_trace(const struct nightly_report *r, struct cmd_json *j, const struct ana_night_trace *t)
{
	char text[LONGEST_EXCERPT];

	for (size_t i = 0; i < r->v.ncells; i++)
		if (!strcmp(r->v.cells[i].sha256, t->sha256))
			kcidb_cell(r, j, t, &r->v.cells[i]);
	for (size_t i = 0; i < r->v.nchanges; i++)
		if (r->v.changes[i].counts && !strcmp(r->v.changes[i].sha256, t->sha256))
			kcidb_change(r, j, t, &r->v.changes[i]);
	if (!t->failure)
		return;
	kcidb_test(r, j, t, "all", "runs", "", "ERROR");
	snprintf(text, sizeof(text), "%s", t->failure);
	cmd_json_str(j, "log_excerpt", text);
	cmd_json_close(j, '}');
}

static void kcidb_overall(const struct nightly_report *r, struct cmd_json *j, const struct ana_night_overall *v)
{
	char all[] = ALL_TRACES, text[300];
	struct ana_night_trace t = { .name = all };

	snprintf(t.sha256, sizeof(t.sha256), "%s", all);

	kcidb_test(r, j, &t, nightly_cell_policy(r, v->arm), v->o.metric, "", "FAIL");
	describe_overall(&v->o, text, sizeof(text));
	cmd_json_str(j, "comment", text);
	cmd_json_close(j, '}');
}

int nightly_kcidb(const struct nightly_report *r, FILE *f, struct sr_error *err)
{
	struct cmd_json j;

	cmd_json_init(&j, f);
	cmd_json_open(&j, NULL, '{');
	cmd_json_open(&j, "version", '{');
	cmd_json_u64(&j, "major", 5);
	cmd_json_u64(&j, "minor", 3);
	cmd_json_close(&j, '}');
	if (!r->o->kcidb_build)
		kcidb_kernel(r, &j);
	cmd_json_open(&j, "tests", '[');
	for (size_t i = 0; i < r->traces.n; i++)
		if (nightly_is_mine(r, r->traces.v[i].sha256))
			kcidb_trace(r, &j, &r->traces.v[i]);
	for (size_t i = 0; i < r->v.noverall; i++)
		if (r->v.overall[i].o.verdict == ANA_REGRESSED)
			kcidb_overall(r, &j, &r->v.overall[i]);
	cmd_json_close(&j, ']');
	cmd_json_close(&j, '}');
	return 0;
}
