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
	  .deflt = "2",
	  .help = "a change up to this many per cent does not matter; the noise between the base's own rounds and the "
		  "noise floor that `replay --aa` stored are used where they are larger" },
	{ .name = "strict",
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct options, strict),
	  .help = "unknown verdicts end with status 1 too, and those over all traces where there are enough traces "
		  "for an interval" },
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
	"two kernels, each booted at least 6 times, by turns",
	"schedrec compare --db runs.db 'arm=aa 1' 'arm=aa 2' --margin 0.1",
	"an arm against itself, measured by `replay --aa`: nothing should be found",
	"schedrec compare --db runs.db -m 'wakeup_latency_ns.*' run=3 run=4",
	"two single runs",
	NULL,
};

/* What would tell an unknown verdict; NULL: it is known. */
static const char *needs_what(const struct ana_cell *c)
{
	if (c->s.verdict != ANA_UNKNOWN)
		return NULL;
	return c->evidence == ANA_OTHER_MACHINE ? "both arms on one machine" :
	       c->by_boot                       ? "boots of each" :
	       c->evidence == ANA_BLOCKED       ? "rounds by turns" :
						  "rounds";
}

static void json_cell(struct cmd_json *j, const struct ana_comparison *c, const struct ana_cell *cell)
{
	static const char *const from[] = { "option", "rounds", "floor" };

	cmd_json_open(j, NULL, '{');
	cmd_json_str(j, "trace", cell->trace);
	cmd_json_str(j, "metric", cell->metric);
	cmd_json_str(j, "unit", cell->unit);
	cmd_json_str(j, "verdict", ana_verdict_name(cell->s.verdict));
	cmd_json_real(j, "shift", cell->s.shift);
	cmd_json_real(j, "lo", cell->s.lo);
	cmd_json_real(j, "hi", cell->s.hi);
	cmd_json_u64(j, "rounds", cell->s.rounds);
	cmd_json_real(j, "base", cell->base);
	cmd_json_real(j, "candidate", cell->cand);
	cmd_json_real(j, "p", cell->s.p);
	cmd_json_real(j, "p_adjusted", cell->s.p_adjusted);
	cmd_json_real(j, "margin", cell->s.margin);
	cmd_json_str(j, "margin_from", from[cell->margin_from]);
	cmd_json_real(j, "step", cell->step);
	cmd_json_u64(j, "needs", cell->s.needs_more);
	cmd_json_str(j, "needs_what", needs_what(cell));
	cmd_json_str(j, "evidence", ana_evidence_name(cell->evidence));
	cmd_json_bool(j, "rounds_are_boots", cell->by_boot);
	cmd_json_u64(j, "looks", cell->s.looks);
	cmd_json_str(j, "base_sched_ext", *c->base_sched_ext ? c->base_sched_ext : NULL);
	cmd_json_str(j, "candidate_sched_ext", *c->cand_sched_ext ? c->cand_sched_ext : NULL);
	cmd_json_close(j, '}');
}

static void json_overall(struct cmd_json *j, const struct ana_overall *all)
{
	cmd_json_open(j, NULL, '{');
	cmd_json_str(j, "trace", NULL);
	cmd_json_u64(j, "traces", all->traces);
	cmd_json_str(j, "metric", all->metric);
	cmd_json_str(j, "verdict", ana_verdict_name(all->verdict));
	cmd_json_real(j, "shift", all->shift);
	cmd_json_real(j, "lo", all->lo);
	cmd_json_real(j, "hi", all->hi);
	cmd_json_u64(j, "rounds", all->rounds);
	cmd_json_real(j, "margin", all->margin);
	cmd_json_u64(j, "needs_traces", all->needs_more);
	cmd_json_close(j, '}');
}

static void print_json(const struct ana_comparison *c)
{
	struct cmd_json j;

	cmd_json_init(&j, stdout);
	cmd_json_open(&j, NULL, '[');
	for (size_t i = 0; i < c->ncells; i++)
		json_cell(&j, c, &c->cells[i]);
	for (size_t i = 0; i < c->noverall; i++)
		json_overall(&j, &c->overall[i]);
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

static const char *interval_text(char *buf, size_t len, double low, double high)
{
	char lo[32], hi[32];

	if (isnan(low) || isnan(high))
		return "-";
	snprintf(buf, len, "%s..%s", per_cent(lo, sizeof(lo), low), per_cent(hi, sizeof(hi), high));
	return buf;
}

#define NAME_WIDTH 25

/* A longer name has a line of its own. */
static void print_name(const char *metric)
{
	if (strlen(metric) > NAME_WIDTH)
		printf("%s\n%-*s", metric, NAME_WIDTH, "");
	else
		printf("%-*s", NAME_WIDTH, metric);
}

static void print_cell(const struct ana_cell *c)
{
	char base[48], cand[48], shift[32], interval[72], verdict[80], step[48];

	snprintf(verdict, sizeof(verdict), "%s", ana_verdict_name(c->s.verdict));
	if (c->s.verdict == ANA_UNKNOWN && c->s.needs_more)
		snprintf(verdict, sizeof(verdict), "unknown, +%zu", c->s.needs_more);
	/* What the medians show is not what was tested. */
	if (c->s.equal && c->step > 0 && c->base != c->cand)
		snprintf(verdict + strlen(verdict), sizeof(verdict) - strlen(verdict), " (each within %s)",
			 format_metric(step, sizeof(step), c->metric, c->unit, c->step));
	print_name(c->metric);
	printf(" %9s %9s %8s %17s %6.3f %3zu  %s\n", format_metric(base, sizeof(base), c->metric, c->unit, c->base),
	       format_metric(cand, sizeof(cand), c->metric, c->unit, c->cand),
	       per_cent(shift, sizeof(shift), c->s.shift), interval_text(interval, sizeof(interval), c->s.lo, c->s.hi),
	       c->s.p_adjusted, c->s.rounds, verdict);
}

static void print_overall(const struct ana_comparison *c)
{
	char shift[32], interval[72], verdict[48];
	bool unknown = false;

	if (!c->noverall)
		return;
	printf("\nover all traces\n%-*s %9s %9s %8s %17s  %s\n", NAME_WIDTH, "metric", "traces", "rounds", "shift %",
	       "95 %", "verdict");
	for (size_t i = 0; i < c->noverall; i++) {
		const struct ana_overall *all = &c->overall[i];

		snprintf(verdict, sizeof(verdict), "%s", ana_verdict_name(all->verdict));
		if (all->needs_more)
			snprintf(verdict, sizeof(verdict), "unknown, +%zu traces", all->needs_more);
		unknown |= all->verdict == ANA_UNKNOWN;
		print_name(all->metric);
		printf(" %9zu %9zu %8s %17s  %s\n", all->traces, all->rounds,
		       per_cent(shift, sizeof(shift), all->shift),
		       interval_text(interval, sizeof(interval), all->lo, all->hi), verdict);
	}
	if (unknown)
		printf("unknown, +N traces: about N more would tell\n");
}

/* What would tell the cells of which it is not known. */
static void print_needs(const struct ana_comparison *c)
{
	const struct ana_needs n = ana_needs_of(c);
	char text[200];

	if (n.more) {
		snprintf(text, sizeof(text), "unknown, +N: about N more %s would tell (%zu for all)%s",
			 n.boots ? "boots of each" : "rounds", n.more,
			 !n.blocked                         ? "" :
			 n.blocked + n.machines < n.unknown ? "; where the arms were not interleaved, rounds by turns" :
							      ", if the arms take turns in them");
		cmd_print_wrapped(stdout, text, 0, 2);
	}
	if (n.machines)
		cmd_print_wrapped(stdout,
				  "unknown without a number: no more rounds would tell; run both arms on one machine, "
				  "as the policies or arms of one replay",
				  0, 2);
}

/* The stock scheduler is not worth a line. */
static void print_sched_ext(const struct ana_comparison *c)
{
	char base[64], cand[64], text[200];

	if (!*c->base_sched_ext && !*c->cand_sched_ext)
		return;
	snprintf(text, sizeof(text), "sched_ext: base %s, candidate %s",
		 *c->base_sched_ext ? printable(base, sizeof(base), c->base_sched_ext) : "none",
		 *c->cand_sched_ext ? printable(cand, sizeof(cand), c->cand_sched_ext) : "none");
	cmd_print_wrapped(stdout, text, 0, 2);
}

static void print_table(const struct ana_comparison *c, const char *base, const char *cand)
{
	size_t counts[ANA_VERDICTS] = { 0 };
	char name[80], head[1024];

	snprintf(head, sizeof(head), "base %s (%zu runs), candidate %s (%zu runs)", base, c->base_runs, cand,
		 c->cand_runs);
	cmd_print_wrapped(stdout, head, 0, 2);
	print_sched_ext(c);
	if (c->unpaired)
		printf("%zu runs have no counterpart and were left out\n", c->unpaired);
	for (size_t i = 0; i < c->ncells; i++) {
		if (i == 0 || strcmp(c->cells[i].trace, c->cells[i - 1].trace)) {
			printf("\n%s\n", printable(name, sizeof(name), c->cells[i].trace));
			printf("%-25s %9s %9s %8s %17s %6s %3s  %s\n", "metric", "base", "cand.", "shift %", "95 %",
			       "p", "n", "verdict");
		}
		print_cell(&c->cells[i]);
		counts[c->cells[i].s.verdict]++;
	}
	print_overall(c);
	putchar('\n');
	for (int v = 0; v < ANA_VERDICTS; v++)
		if (counts[v])
			printf("%zu %s  ", counts[v], ana_verdict_name(v));
	printf("\n");
	print_needs(c);
}

static void print_evidence(const struct ana_comparison *c)
{
	static const char *const texts[] = {
		[ANA_ORDER_UNKNOWN] = "in which order the runs were made is not known: the verdicts hold if the arms "
				      "were interleaved",
		[ANA_BLOCKED] =
			"the arms were not interleaved, so that what changed on the machine meanwhile looks "
			"like a difference between them: no verdict. Run them as the policies, or with --arm as "
			"the arms, of one `schedrec replay --repeat N`",
		[ANA_OTHER_MACHINE] = "the arms ran on different machines, which differ in more than the arms do: no "
				      "verdict, however many rounds; run both on one machine",
		[ANA_FEW_BOOTS] = "the arms ran in different boots, each of which is one round: no verdict below 6 "
				  "boots of each, by turns",
	};
	char name[80];

	for (size_t i = 0; i < c->ncells; i++) {
		const struct ana_cell *cell = &c->cells[i];

		if (cell->evidence != ANA_PAIRED && (i == 0 || strcmp(cell->trace, c->cells[i - 1].trace)))
			cmd_warn("%s: %s", printable(name, sizeof(name), cell->trace), texts[cell->evidence]);
	}
	if (c->mixed)
		cmd_warn("%zu pairs of runs that were not interleaved were left out: there are others", c->mixed);
	if (c->conditions_differ)
		cmd_warn("not all runs were made under the same conditions: %s", c->conditions);
	if (c->foreign_runs)
		cmd_warn("in %zu of %zu runs other programs had more than %.0f%% of the CPUs, up to %.0f%%",
			 c->foreign_runs, c->base_runs + c->cand_runs, 100 * ANA_FOREIGN, 100 * c->foreign_most);
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

static bool is_no(enum ana_verdict v, bool strict)
{
	return v == ANA_REGRESSED || (strict && v == ANA_UNKNOWN);
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
	print_evidence(&c);
	print_doubts(&c);
	print_poor(&c);
	for (size_t i = 0; i < c.ncells; i++)
		ret = is_no(c.cells[i].s.verdict, o->strict) ? SR_ANSWER_NO : ret;
	for (size_t i = 0; i < c.noverall; i++)
		ret = is_no(c.overall[i].verdict, o->strict && !isnan(c.overall[i].lo)) ? SR_ANSWER_NO : ret;
	ana_comparison_release(&c);
	return ret;
}

const struct cmd cmd_compare = {
	.name = "compare",
	.summary = "say whether one arm of stored runs is worse than another",
	.operands = "BASE CANDIDATE",
	.description =
		"BASE and CANDIDATE are selectors: KEY=VALUE[,KEY=VALUE...] with policy, options, label, arm, run, "
		"trace (a name or the beginning of its sha256), engine, machine, kernel, sched_ext (the BPF scheduler "
		"that was loaded), work or timing as KEY; a comma within a value is written as \\,.\n\n"
		"Without --metric the usual ones are compared: makespan_ns, cpu_time_ns, wakeup_latency_ns.mean, "
		"wakeup_latency_ns.p50, wakeup_latency_ns.p95, wakeup_latency_ns.p99, switches_voluntary, "
		"switches_involuntary and migrations.total; and, where at least half of the rounds have them in "
		"both arms, what a person feels: frames_late_share and missed_periods of periodic tasks, "
		"longest_stall_ns of interactive ones, and energy_j. A difference of less than one frame in a "
		"hundred, or 4 ms of the longest stall, counts as none.\n\n"
		"Runs of both arms are paired by trace and round. For each trace and metric the shift is the "
		"Hodges-Lehmann estimate of the relative differences, with its exact 95 % signed-rank interval; p is "
		"adjusted for the number of comparisons (Benjamini-Hochberg), and both for the looks of a series that "
		"`replay --repeat auto` could have ended earlier. Ties and zeros make no verdict easier. Where "
		"there are several traces, a last table has the mean shift over them, with an interval by a bootstrap "
		"over traces.\n\n"
		"Verdicts: regressed and improved are significant and beyond the margin; changed is the same of a "
		"metric of which neither more nor less is better (switches, migrations, slices); same: the whole "
		"interval is within the margin; identical: equal in every round; unknown: the rounds do not tell, and "
		"about how many more would, if any. Fewer than 6 rounds never tell.\n\n"
		"The margin is the greatest of --margin, of what the base's own rounds differ by, and of the noise "
		"floor of the trace, metric, machine and arm, if `replay --aa` measured one; of longest_stall_ns, of "
		"what single rounds differ by.\n\n"
		"Live runs are evidence when those of a round were made one after the other, first one arm's and then "
		"the other's by turns, as the policies and arms of one `replay` are. All of one arm before all of the "
		"other, runs of two machines, and fewer than 6 boots of each where the arms were never run in one boot "
		"(two kernels) are told, and the verdict is unknown.\n\n"
		"The status is 1 when something regressed (with --strict also when something is unknown), else 0.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct options),
	.run = run,
};
