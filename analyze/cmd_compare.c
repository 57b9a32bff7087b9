/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <string.h>

#include "analyze/cmd_analyze.h"

struct options {
	const char *db;
	struct sr_strings metrics;
	double margin;
	bool json, strict;
};

static const struct sr_option rows[] = {
	{ .name = "db",
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct options, db),
	  .arg = "DB",
	  .help = "the database that `replay --db` or `analyze --db` wrote" },
	{ .name = "metric",
	  .letter = 'm',
	  .type = SR_OPT_LIST,
	  .offset = offsetof(struct options, metrics),
	  .arg = "GLOB",
	  .help = "compare the metrics that match, in place of the usual ones" },
	{ .name = "margin",
	  .type = SR_OPT_REAL,
	  .offset = offsetof(struct options, margin),
	  .arg = "PERCENT",
	  .min = 0.01,
	  .max = 1000,
	  .deflt = "5",
	  .help = "a change up to this many per cent does not matter; the noise between the base's own rounds is used"
		  " where it is larger" },
	{ .name = "strict",
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct options, strict),
	  .help = "unknown verdicts end with status 1 too" },
	{ .name = "json",
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct options, json),
	  .help = "write JSON: an array with one object a trace and metric" },
	{ 0 },
};

static const char *const examples[] = {
	"schedrec compare --db runs.db policy=kernel policy=bld",
	"is bld worse than the kernel's own placement?",
	"schedrec compare --db runs.db policy=kernel,label=v6.11 policy=kernel,label=v6.12",
	"two kernels",
	"schedrec compare --db runs.db -m 'wakeup_latency_ns.*' run=3 run=4",
	"two single runs",
	NULL,
};

static void print_json(const struct ana_comparison *c)
{
	struct cmd_json j;

	cmd_json_init(&j, stdout);
	cmd_json_open(&j, NULL, '[');
	for (size_t i = 0; i < c->ncells; i++) {
		const struct ana_cell *cell = &c->cells[i];

		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "trace", cell->trace);
		cmd_json_str(&j, "metric", cell->metric);
		cmd_json_str(&j, "unit", cell->unit);
		cmd_json_str(&j, "verdict", ana_verdict_name(cell->s.verdict));
		cmd_json_real(&j, "shift", cell->s.shift);
		cmd_json_real(&j, "lo", cell->s.lo);
		cmd_json_real(&j, "hi", cell->s.hi);
		cmd_json_u64(&j, "rounds", cell->s.rounds);
		cmd_json_real(&j, "base", cell->base);
		cmd_json_real(&j, "candidate", cell->cand);
		cmd_json_real(&j, "p", cell->s.p);
		cmd_json_real(&j, "p_adjusted", cell->s.p_adjusted);
		cmd_json_real(&j, "margin", cell->s.margin);
		cmd_json_u64(&j, "needs", cell->s.needs_more);
		cmd_json_close(&j, '}');
	}
	cmd_json_close(&j, ']');
}

static const char *per_cent(char *buf, size_t len, double v)
{
	if (isnan(v))
		return "-";
	if (!isfinite(v))
		return "inf";
	snprintf(buf, len, fabs(v) < 1 ? "%+.1f" : "%+.0f", v * 100);
	return buf;
}

static void print_cell(const struct ana_cell *c)
{
	char base[48], cand[48], shift[32], lo[32], hi[32], interval[72], verdict[48];

	if (isnan(c->s.lo) || isnan(c->s.hi))
		snprintf(interval, sizeof(interval), "-");
	else
		snprintf(interval, sizeof(interval), "%s..%s", per_cent(lo, sizeof(lo), c->s.lo),
			 per_cent(hi, sizeof(hi), c->s.hi));
	snprintf(verdict, sizeof(verdict), "%s", ana_verdict_name(c->s.verdict));
	if (c->s.verdict == ANA_UNKNOWN)
		snprintf(verdict, sizeof(verdict), "unknown, +%zu", c->s.needs_more);
	printf("%-25s %9s %9s %8s %17s %6.3f %3zu  %s\n", c->metric,
	       format_metric(base, sizeof(base), c->metric, c->unit, c->base),
	       format_metric(cand, sizeof(cand), c->metric, c->unit, c->cand),
	       per_cent(shift, sizeof(shift), c->s.shift), interval, c->s.p_adjusted, c->s.rounds, verdict);
}

static void print_table(const struct ana_comparison *c, const char *base, const char *cand)
{
	size_t counts[ANA_IDENTICAL + 1] = { 0 }, more = 0;
	char name[80];

	printf("base %s (%zu runs), candidate %s (%zu runs)", base, c->base_runs, cand, c->cand_runs);
	if (c->unpaired)
		printf("; %zu runs have no counterpart and were left out", c->unpaired);
	putchar('\n');
	for (size_t i = 0; i < c->ncells; i++) {
		if (i == 0 || strcmp(c->cells[i].trace, c->cells[i - 1].trace)) {
			printf("\n%s\n", printable(name, sizeof(name), c->cells[i].trace));
			printf("%-25s %9s %9s %8s %17s %6s %3s  %s\n", "metric", "base", "cand.", "shift %", "95 %",
			       "p", "n", "verdict");
		}
		print_cell(&c->cells[i]);
		counts[c->cells[i].s.verdict]++;
		if (c->cells[i].s.needs_more > more)
			more = c->cells[i].s.needs_more;
	}
	putchar('\n');
	for (int v = 0; v <= ANA_IDENTICAL; v++)
		if (counts[v])
			printf("%zu %s  ", counts[v], ana_verdict_name(v));
	printf("\n");
	if (counts[ANA_UNKNOWN])
		printf("unknown, +N: about N more rounds would tell (%zu for all)\n", more);
}

/* A note for each run that is to be used with care. */
static void print_doubts(const struct ana_comparison *c)
{
	for (size_t i = 0; i < c->ndoubts; i++) {
		const struct ana_doubt *d = &c->doubts[i];
		char lost[48] = "", taken[64] = "";

		if (d->lost_share > SR_COST_LOST_SHARE)
			snprintf(lost, sizeof(lost), "%.1f%% of its events were lost", 100 * d->lost_share);
		if (d->disturbance > SR_COST_DISTURBANCE)
			snprintf(taken, sizeof(taken), "recording it took about %.0f%% of the machine",
				 100 * d->disturbance);
		cmd_warn("run %lld: %s%s%s", (long long)d->run, lost, *lost && *taken ? "; " : "", taken);
	}
}

static void print_poor(const struct ana_comparison *c)
{
	for (size_t i = 0; i < c->npoor; i++) {
		const struct ana_poor *p = &c->poor[i];
		char trace[80], value[48];

		cmd_warn("%s, %s: %s is %s (median of %zu): a comparison that rests on these replays is doubtful",
			 p->arm, printable(trace, sizeof(trace), p->trace), p->measure,
			 format_metric(value, sizeof(value), p->measure, "ratio", p->value), p->runs);
	}
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct options *o = options;
	struct ana_compare_options how = { .margin = o->margin / 100,
					   .metrics = o->metrics.v,
					   .nmetrics = o->metrics.n };
	struct ana_comparison c;
	struct ana_db *db;
	int ret;

	if (!o->db)
		return sr_fail(err, SR_USAGE, "--db is missing: name the database");
	if (nargs != 2)
		return sr_fail(err, SR_USAGE, "name two selectors: the base's and the candidate's");
	db = ana_db_open(o->db, false, err);
	if (!db)
		return -1;
	ret = ana_compare(db, args[0], args[1], &how, &c, err);
	ana_db_close(db);
	if (ret < 0)
		return -1;
	if (o->json)
		print_json(&c);
	else
		print_table(&c, args[0], args[1]);
	print_doubts(&c);
	print_poor(&c);
	for (size_t i = 0; i < c.ncells; i++)
		if (c.cells[i].s.verdict == ANA_REGRESSED || (o->strict && c.cells[i].s.verdict == ANA_UNKNOWN))
			ret = SR_ANSWER_NO;
	ana_comparison_release(&c);
	return ret;
}

const struct cmd cmd_compare = {
	.name = "compare",
	.summary = "say whether one arm of stored runs is worse than another",
	.operands = "BASE CANDIDATE",
	.description =
		"BASE and CANDIDATE are selectors: KEY=VALUE[,KEY=VALUE...] with policy, options, label, run, trace (a "
		"name or the "
		"beginning of its sha256), engine, machine, kernel, work or timing as KEY; a comma within a value is "
		"written "
		"as \\,.\n\n"
		"Runs of both arms are paired by trace and round. For each trace and metric the shift is the "
		"Hodges-Lehmann "
		"estimate of the relative differences, with its exact 95 % signed-rank interval; p is adjusted for the "
		"number of "
		"comparisons (Benjamini-Hochberg).\n\n"
		"Verdicts: regressed and improved are significant and beyond the margin; same: the whole interval is "
		"within the "
		"margin; identical: equal in every round; unknown: the rounds do not tell, and about how many more "
		"would. Fewer "
		"than 6 rounds never tell.\n\n"
		"The status is 1 when something regressed (with --strict also when something is unknown), else 0.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct options),
	.run = run,
};
