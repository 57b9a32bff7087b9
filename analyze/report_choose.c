/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a report is of: runs, arms, traces, and which arms are compared. */
#include "analyze/nightly_internal.h"
#include "analyze/report_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE "coalesce(trace_sha256, trace_name, '')"

/* side: 0, or 1 and 2 where selectors name a base and a candidate. Arms: a recording is the last; of several labels (of
 * nights, of kernels) the newest comes first, and under a label the kernel's own placement. */
static char *statements(bool fill)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (!fill) {
		fputs("CREATE TEMP TABLE report_chosen (run INTEGER PRIMARY KEY, side INTEGER NOT NULL);"
		      "CREATE TEMP TABLE report_trace (trace INTEGER PRIMARY KEY, key TEXT UNIQUE, name TEXT, runs);"
		      "CREATE TEMP TABLE report_run (run INTEGER PRIMARY KEY, arm INTEGER, trace INTEGER, nth INTEGER);"
		      "CREATE TEMP TABLE report_arm (n INTEGER PRIMARY KEY, side, runs, traces, lost, repaired, "
		      "censored,"
		      " first, last",
		      f);
		for (int k = 0; k < ANA_IDENTITIES; k++)
			fprintf(f, ", %s", ana_identity_columns[k]);
		fputs(");", f);
		return fclose(f) ? NULL : text;
	}
	fputs("INSERT INTO report_trace (key, name, runs)"
	      " SELECT " TRACE ", coalesce(max(trace_name), max(trace_sha256), '?'), count(*) FROM run"
	      " JOIN report_chosen ON report_chosen.run = id GROUP BY 1 ORDER BY count(*) DESC, min(id);"
	      "INSERT INTO report_arm (side, runs, traces, lost, repaired, censored, first, last",
	      f);
	for (int k = 0; k < ANA_IDENTITIES; k++)
		fprintf(f, ", %s", ana_identity_columns[k]);
	fputs(") SELECT side, count(*), count(DISTINCT " TRACE "), CAST(total(lost_events) AS INTEGER),"
	      " CAST(total(repaired) AS INTEGER), CAST(total(censored) AS INTEGER), min(started_at), max(started_at)",
	      f);
	for (int k = 0; k < ANA_IDENTITIES; k++)
		fprintf(f, ", coalesce(%s, '')", ana_identity_columns[k]);
	fputs(" FROM run JOIN report_chosen ON report_chosen.run = id GROUP BY side", f);
	for (int k = 0; k < ANA_IDENTITIES; k++)
		fprintf(f, ", coalesce(%s, '')", ana_identity_columns[k]);
	fputs(" ORDER BY engine = 'recorded' AND side = 0, side, max(max(id)) OVER (PARTITION BY coalesce(label, '')) "
	      "DESC,"
	      " policy <> 'kernel', count(*) DESC, min(id);"
	      "INSERT INTO report_run"
	      " SELECT id, a.n, t.trace, row_number() OVER (PARTITION BY a.n, t.trace ORDER BY id DESC)"
	      " FROM run JOIN report_chosen c ON c.run = id JOIN report_trace t ON t.key = " TRACE
	      " JOIN report_arm a ON a.side = c.side",
	      f);
	for (int k = 0; k < ANA_IDENTITIES; k++)
		fprintf(f, " AND a.%s = coalesce(run.%s, '')", ana_identity_columns[k], ana_identity_columns[k]);
	fputs(";", f);
	return fclose(f) ? NULL : text;
}

/* Each of them is run for its effect. */
static int run_all(struct ana_db *db, char *all, struct sr_error *err)
{
	int ret = 0;

	if (!all)
		return ana_no_memory(err);
	for (char *s = all, *end; ret == 0 && *s; s = end + 1) {
		end = strchr(s, ';');
		*end = '\0';
		ret = ana_db_each(db, s, NULL, NULL, err);
	}
	free(all);
	return ret;
}

void ana_report_drop(struct ana_report *r)
{
	struct sr_error unused;

	ana_db_each(r->db, "ROLLBACK TO report", NULL, NULL, &unused);
	ana_db_each(r->db, "RELEASE report", NULL, NULL, &unused);
}

static int choose_side(struct ana_report *r, int side, const char *what, const char *selector, struct sr_error *err)
{
	struct ana_db_runs runs;
	int ret = ana_select_arm(r->db, what, selector, &runs, err);
	char sql[96];

	for (size_t i = 0; ret == 0 && i < runs.n; i++) {
		snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO report_chosen VALUES (%" PRId64 ", %d)", runs.v[i].id,
			 side);
		ret = ana_db_each(r->db, sql, NULL, NULL, err);
	}
	if (ret == 0)
		ana_db_runs_release(&runs);
	return ret;
}

/* What a night has not taken over stands under a tag of its own (nightly.h): such a night is running, or was ended. */
#define PENDING                                                                                                   \
	"instr(coalesce(label, ''), '" ANA_TAG_MARK "') > 0 AND id NOT IN (SELECT run FROM night_run) AND EXISTS" \
	" (SELECT 1 FROM night n WHERE substr(run.label, 1, length(n.label)) = n.label AND"                       \
	" substr(run.label, length(n.label) + 1) GLOB '" ANA_TAG_MARK "[0-9]*.[0-9]*" ANA_TAG_MARK "*')"

static int add_pending(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct ana_report *r = arg;

	r->pending = ana_db_row_int(row, 0);
	return 0;
}

static int choose_runs(struct ana_report *r, struct sr_error *err)
{
	if (!r->o->base) {
		if (ana_db_each(r->db, "INSERT INTO report_chosen SELECT id, 0 FROM run WHERE NOT (" PENDING ")", NULL,
				NULL, err) < 0)
			return -1;
		return ana_db_each(r->db, "SELECT count(*) FROM run WHERE " PENDING, add_pending, r, err);
	}
	if (choose_side(r, 1, "base", r->o->base, err) < 0 || choose_side(r, 2, "candidate", r->o->candidate, err) < 0)
		return -1;
	/* And what they are replays of, to look at beside them. */
	return ana_db_each(
		r->db,
		"INSERT OR IGNORE INTO report_chosen SELECT id, 0 FROM run WHERE engine = 'recorded' AND " TRACE
		" IN (SELECT " TRACE " FROM run JOIN report_chosen c ON c.run = id)",
		NULL, NULL, err);
}

static char *copy(const struct ana_db_row *row, int column)
{
	const char *text = ana_db_row_text(row, column);

	return text ? strdup(text) : strdup("");
}

static int add_arm(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct ana_report *r = arg;
	struct ana_report_arm *a;
	bool whole = true;

	if (ana_reserve(&r->arms, &r->arms_cap, r->narms + 1, sizeof(*r->arms), err) < 0)
		return -1;
	a = &r->arms[r->narms++];
	/* The columns of report_arm as they stand. */
	a->runs = ana_db_row_int(row, 2);
	a->traces = ana_db_row_int(row, 3);
	a->lost = ana_db_row_int(row, 4);
	a->repaired = ana_db_row_int(row, 5);
	a->censored = ana_db_row_int(row, 6);
	a->first = copy(row, 7);
	a->last = copy(row, 8);
	for (int k = 0; k < ANA_IDENTITIES; k++)
		whole = (a->identity[k] = copy(row, 9 + k)) && whole;
	return whole && a->first && a->last ? 0 : ana_no_memory(err);
}

static int add_totals(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct ana_report *r = arg;

	r->narms_all = (size_t)ana_db_row_int(row, 0);
	r->runs = ana_db_row_int(row, 1);
	r->traces = ana_db_row_int(row, 2);
	return 0;
}

static bool is_recorded(const struct ana_report_arm *a)
{
	return !strcmp(a->identity[ANA_ID_ENGINE], "recorded");
}

static bool is_aa(const struct ana_report_arm *a)
{
	return ana_arm_is_aa(a->identity[ANA_ID_ARM]);
}

/* An arm's name: its policy, and what else differs between the arms. */
static int name_arm(struct ana_report *r, struct ana_report_arm *a, struct sr_error *err)
{
	static const unsigned char order[] = { ANA_ID_ARM,       ANA_ID_OPTIONS, ANA_ID_LABEL,
					       ANA_ID_ENGINE,    ANA_ID_MACHINE, ANA_ID_KERNEL,
					       ANA_ID_SCHED_EXT, ANA_ID_TIMING,  ANA_ID_WORK };
	size_t len = 0, size = 0;
	FILE *f = open_memstream(&a->name, &size);

	if (!f)
		return ana_no_memory(err);
	fputs(is_recorded(a) ? "recording" : a->identity[ANA_ID_POLICY], f);
	for (size_t i = 0; i < sizeof(order) && len < 80; i++) {
		const char *mine = a->identity[order[i]];
		bool differs = false;

		for (size_t k = 0; k < r->narms && !differs; k++)
			differs = !is_recorded(&r->arms[k]) == !is_recorded(a) &&
				  strcmp(mine, r->arms[k].identity[order[i]]);
		if (!differs || !*mine)
			continue;
		fputs(len ? " " : " (", f);
		/* Options are JSON text: blanks and line ends in it are one blank at most. */
		for (size_t n = 0; n < 60 && mine[n]; n++)
			if (!strchr(" \n\t", mine[n]))
				putc(mine[n], f);
			else if (n == 0 || !strchr(" \n\t", mine[n - 1]))
				putc(' ', f);
		len += strlen(mine) + 1;
	}
	if (len)
		putc(')', f);
	return fclose(f) ? ana_no_memory(err) : 0;
}

int ana_report_choose(struct ana_report *r, struct sr_error *err)
{
	if (ana_db_each(r->db, "SAVEPOINT report", NULL, NULL, err) < 0)
		return -1;
	if (run_all(r->db, statements(false), err) < 0 || choose_runs(r, err) < 0 ||
	    run_all(r->db, statements(true), err) < 0 ||
	    ana_db_each(r->db, "SELECT * FROM report_arm WHERE n <= " TO_TEXT(ANA_REPORT_ARMS) " ORDER BY n", add_arm,
			r, err) < 0 ||
	    ana_db_each(r->db,
			"SELECT (SELECT count(*) FROM report_arm), (SELECT count(*) FROM report_run),"
			" (SELECT count(*) FROM report_trace)",
			add_totals, r, err) < 0)
		return -1;
	for (size_t i = 0; i < r->narms; i++)
		if (name_arm(r, &r->arms[i], err) < 0)
			return -1;
	return 0;
}

/* All that an arm is, as a selector: the words are the columns' names, but for one. */
static char *selector_of(const struct ana_report_arm *a)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (int k = 0; k < ANA_IDENTITIES; k++) {
		fprintf(f, "%s%s=", k ? "," : "", k == ANA_ID_OPTIONS ? "options" : ana_identity_columns[k]);
		for (const char *c = a->identity[k]; *c; c++)
			fprintf(f, *c == ',' ? "\\%c" : "%c", *c);
	}
	return fclose(f) ? NULL : text;
}

static int compare(struct ana_report *r, size_t base, size_t cand, const char *base_selector, const char *cand_selector,
		   struct sr_error *err)
{
	struct ana_compare_options how = { .margin = r->o->margin > 0 ? r->o->margin : 0.02,
					   .metrics = r->o->metrics,
					   .nmetrics = r->o->nmetrics,
					   .may_be_none = !r->o->base };
	struct ana_report_comparison *c;

	if (ana_reserve(&r->comparisons, &r->comparisons_cap, r->ncomparisons + 1, sizeof(*c), err) < 0)
		return -1;
	c = &r->comparisons[r->ncomparisons];
	*c = (struct ana_report_comparison){ .base = base, .cand = cand };
	if (ana_compare(r->db, base_selector, cand_selector, &how, &c->c, err) < 0)
		return -1;
	if (c->c.ncells == 0) {
		ana_comparison_release(&c->c);
		r->without_metric++;
		return 0;
	}
	for (size_t i = 0; i < c->c.ncells; i++)
		c->counts[c->c.cells[i].s.verdict]++;
	r->ncomparisons++;
	return 0;
}

static int compare_arms(struct ana_report *r, size_t base, size_t cand, struct sr_error *err)
{
	char *b = selector_of(&r->arms[base]), *c = selector_of(&r->arms[cand]);
	int ret = b && c ? compare(r, base, cand, b, c, err) : ana_no_memory(err);

	free(b);
	free(c);
	/* They have no trace and round in common, or their names cannot be written as a selector. */
	if (ret < 0 && err->status == SR_USAGE) {
		r->impossible++;
		return 0;
	}
	return ret;
}

static bool same(const struct ana_report_arm *a, const struct ana_report_arm *b, unsigned which)
{
	return !strcmp(a->identity[which], b->identity[which]);
}

/* The first of the arms from one to before another that is like a in all of n; to: none is. */
static size_t first_alike(const struct ana_report *r, const struct ana_report_arm *a, size_t from, size_t to,
			  const unsigned *which, size_t n)
{
	for (; from < to; from++) {
		size_t k = 0;

		while (k < n && same(&r->arms[from], a, which[k]))
			k++;
		if (k == n)
			break;
	}
	return from;
}

/* What arm i is to be compared with: under the same label the first, which is the kernel's own placement where there
 * is one; the first of the newest label with the same policy under the label before. narms: nothing. */
static size_t base_of(const struct ana_report *r, size_t i)
{
	/* Under the same BPF scheduler where there is one. */
	static const unsigned label[] = { ANA_ID_ENGINE, ANA_ID_MACHINE, ANA_ID_LABEL, ANA_ID_SCHED_EXT },
			      policy[] = { ANA_ID_ENGINE, ANA_ID_MACHINE, ANA_ID_POLICY, ANA_ID_OPTIONS,
					   ANA_ID_SCHED_EXT };
	const struct ana_report_arm *a = &r->arms[i];
	size_t first = first_alike(r, a, 0, i, label, 4), other = i + 1;

	if (first == i)
		first = first_alike(r, a, 0, i, label, 3);
	if (first < i)
		return first;
	if (!same(&r->arms[0], a, ANA_ID_LABEL))
		return r->narms; /* of earlier labels only what was run under each */
	while (other < r->narms && same(&r->arms[other], a, ANA_ID_LABEL))
		other++;
	first = first_alike(r, a, other, r->narms, policy, 5);
	return first < r->narms ? first : first_alike(r, a, other, r->narms, policy, 4);
}

int ana_report_compare(struct ana_report *r, struct sr_error *err)
{
	if (r->o->base)
		return compare(r, 0, 1, r->o->base, r->o->candidate, err);
	for (size_t i = 0; i < r->narms; i++) {
		size_t base = base_of(r, i);

		/* What a recording or an A/A measurement says is no arm's. */
		if (base == r->narms || is_recorded(&r->arms[i]) || is_aa(&r->arms[i]) || is_aa(&r->arms[base]))
			continue;
		if (r->ncomparisons == ANA_REPORT_COMPARISONS)
			r->left_comparisons++;
		else if (compare_arms(r, base, i, err) < 0)
			return -1;
	}
	if (r->o->nmetrics && r->without_metric && !r->ncomparisons)
		return sr_fail(err, SR_USAGE, "no metric that was asked for is in the runs that can be compared");
	return 0;
}

bool ana_report_wants(const struct ana_report *r, const char *metric)
{
	const struct ana_compare_options how = { .metrics = r->o->metrics, .nmetrics = r->o->nmetrics };

	return ana_wants_metric(metric, &how);
}

void ana_report_release(struct ana_report *r)
{
	for (size_t i = 0; i < r->narms; i++) {
		for (size_t k = 0; k < ANA_IDENTITIES; k++)
			free(r->arms[i].identity[k]);
		free(r->arms[i].name);
		free(r->arms[i].first);
		free(r->arms[i].last);
	}
	free(r->arms);
	for (size_t i = 0; i < r->ncomparisons; i++)
		ana_comparison_release(&r->comparisons[i].c);
	free(r->comparisons);
}
