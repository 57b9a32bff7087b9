/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a night's results say beside those of the nights before. */
#include "analyze/change.h"
#include "analyze/nightly_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY 200    /* nights that are looked back at */
#define FLOOR_NIGHTS 3 /* earlier nights that make a noise floor */
#define ALPHA 0.01     /* of a change point */
#define PERMUTATIONS 499
#define SEED 1

/* One metric of an arm of a trace. */
struct history {
	size_t n;
	double median[HISTORY], noise[HISTORY];
	char *label[HISTORY];
	char metric[56], unit[8];
	double frames; /* that its runs have, by a median of "frames", which stands before what is counted in them */
	bool keep;     /* the points that are stored: a later night's */
};

static void release_history(struct history *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->label[i]);
	h->n = 0;
}

/* A series is an arm of a trace under the same conditions: nights that are like this one, and of them the runs that are
 * like the arm's. */
#define SERIES_RUNS                                                                                          \
	"night_run q JOIN run r ON r.id = q.run LEFT JOIN host h ON h.run_id = r.id WHERE q.sha256 = ?1 AND" \
	" r.policy = ?2 AND coalesce(r.policy_options, '') = ?3 AND " ANA_NIGHT_LIKE
#define SERIES_NIGHTS "temp.night_kin n WHERE n.as_machine AND n.id IN (SELECT q.night_id FROM " SERIES_RUNS ")"

/* Of the nights that have all their rounds of the trace, tonight's (whole or not) the last. */
static sqlite3_stmt *history_rows(const struct ana_judge *j, const struct ana_night_arm *a, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(j->db,
					  "WITH nights AS (SELECT n.id, n.label, n.started_at FROM " SERIES_NIGHTS
					  " AND n.turn <= 0 AND " ANA_NIGHT_WHOLE
					  " ORDER BY n.started_at DESC, n.id DESC LIMIT " ANA_NIGHT_NEXT ")"
					  " SELECT m.name, m.unit, n.label, m.value FROM nights n JOIN metric m JOIN"
					  " " SERIES_RUNS " AND q.night_id = n.id AND m.run_id = r.id AND"
					  " m.name NOT LIKE 'fidelity.%' ORDER BY m.name, n.started_at, n.id, q.round",
					  err);

	if (st) {
		ana_night_bind(st, a);
		sqlite3_bind_int64(st, ANA_NIGHT_BOUND + 1, HISTORY);
	}
	return st;
}

/* The name of the night that told the point first, where one did that lies about there; else tonight's. */
static int first_told(const struct ana_judge *j, const struct ana_night_arm *a, const struct history *h, size_t at,
		      char **found, struct sr_error *err)
{
	sqlite3_stmt *st =
		ana_db_prepare(j->db,
			       "SELECT night, found FROM change_point WHERE trace_sha256 = ? AND metric = ? AND"
			       " engine = ? AND policy = ? AND policy_options = ? AND machine = ? AND sched_ext = ?",
			       err);
	*found = NULL;
	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, a->sha256, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, h->metric, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, a->engine, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 4, a->policy, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 5, a->options, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 6, a->machine, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 7, a->sched_ext, -1, SQLITE_STATIC);
	while (!*found && sqlite3_step(st) == SQLITE_ROW) {
		const char *night = (const char *)sqlite3_column_text(st, 0);
		size_t k = 0;

		while (k < h->n && strcmp(h->label[k], night))
			k++;
		if (k < h->n && (k > at ? k - at : at - k) < j->o->min_segment)
			*found = strdup((const char *)sqlite3_column_text(st, 1)); /* NOT NULL */
	}
	sqlite3_finalize(st);
	if (!*found)
		*found = strdup(j->night->label);
	return *found ? 0 : ana_no_memory(err);
}

static int store_change(const struct ana_judge *j, const struct ana_night_arm *a, const struct ana_night_change *c,
			struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(j->db,
					  "INSERT OR REPLACE INTO change_point (trace_sha256, metric, engine, policy,"
					  " policy_options, machine, sched_ext, night, found, p, before, after,"
					  " magnitude) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
					  err);
	const char *texts[] = { a->sha256,  c->metric,    a->engine, a->policy, a->options,
				a->machine, a->sched_ext, c->night,  c->found };
	const int n = sizeof(texts) / sizeof(texts[0]);
	int ret;

	if (!st)
		return -1;
	for (int i = 0; i < n; i++)
		sqlite3_bind_text(st, i + 1, texts[i], -1, SQLITE_STATIC);
	sqlite3_bind_double(st, n + 1, c->p);
	sqlite3_bind_double(st, n + 2, c->before);
	sqlite3_bind_double(st, n + 3, c->after);
	if (isfinite(c->magnitude))
		sqlite3_bind_double(st, n + 4, c->magnitude);
	ret = sqlite3_step(st) == SQLITE_DONE ? 0 : ana_db_failed(j->db, "store a change point", err);
	sqlite3_finalize(st);
	return ret;
}

/* Of this series: another one of the same policy and topology, on another machine, keeps its own. */
static int forget_changes(const struct ana_judge *j, const struct ana_night_arm *a, const char *metric,
			  struct sr_error *err)
{
	sqlite3_stmt *st =
		ana_db_prepare(j->db,
			       "DELETE FROM change_point WHERE trace_sha256 = ?1 AND policy = ?2 AND policy_options = "
			       "?3 AND machine = ?4 AND sched_ext = ?9"
			       " AND metric = " ANA_NIGHT_NEXT " AND engine = " ANA_NIGHT_NEXT_2
			       " AND (night NOT IN (SELECT label FROM night) OR"
			       " night IN (SELECT n.label FROM " SERIES_NIGHTS "))",
			       err);
	int ret;

	if (!st)
		return -1;
	ana_night_bind(st, a);
	sqlite3_bind_text(st, ANA_NIGHT_BOUND + 1, metric, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, ANA_NIGHT_BOUND + 2, a->engine, -1, SQLITE_STATIC);
	ret = sqlite3_step(st) == SQLITE_DONE ? 0 : ana_db_failed(j->db, "store a change point", err);
	sqlite3_finalize(st);
	return ret;
}

/* Has a later night looked back at these runs? Then the points that are stored are that one's, which knows more. */
static int is_superseded(const struct ana_judge *j, const struct ana_night_arm *a, bool *yes, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(j->db,
					  "SELECT EXISTS (SELECT 1 FROM " SERIES_NIGHTS " AND n.turn > 0 AND"
					  " " ANA_NIGHT_WHOLE ")",
					  err);
	int rc;

	if (!st)
		return -1;
	ana_night_bind(st, a);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*yes = sqlite3_column_int(st, 0) != 0;
	else
		ana_db_failed(j->db, "read its nights", err);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : -1;
}

static int add_change(struct ana_judge *j, const struct ana_night_arm *a, const struct history *h,
		      const struct ana_change *c, struct sr_error *err)
{
	struct ana_night_verdicts *out = j->out;
	enum ana_better better = ana_better(h->metric);
	struct ana_night_change *n;

	if (ana_reserve(&out->changes, &j->changes_cap, out->nchanges + 1, sizeof(*out->changes), err) < 0)
		return -1;
	n = &out->changes[out->nchanges++];
	*n = (struct ana_night_change){ .arm = a->index,
					.p = c->p,
					.before = c->before,
					.after = c->after,
					.magnitude = c->magnitude,
					.nights = h->n };
	memcpy(n->sha256, a->sha256, strlen(a->sha256) + 1);
	memcpy(n->metric, h->metric, sizeof(n->metric));
	memcpy(n->unit, h->unit, sizeof(n->unit));
	n->trace = strdup(a->trace);
	n->night = strdup(h->label[c->at]);
	if (!n->trace || !n->night)
		return ana_no_memory(err);
	if (first_told(j, a, h, c->at, &n->found, err) < 0)
		return -1;
	n->is_new = !strcmp(n->found, j->night->label);
	n->worse = better == ANA_LESS_IS_BETTER ? c->magnitude > 0 : better == ANA_MORE_IS_BETTER && c->magnitude < 0;
	n->counts = n->is_new && n->worse && fabs(c->magnitude) > j->o->margin &&
		    fabs(c->after - c->before) > ana_step(h->metric, h->frames);
	return 0;
}

/* The points of one metric take the place of those that an earlier night found. */
static int judge_history(struct ana_judge *j, const struct ana_night_arm *a, const struct history *h,
			 struct sr_error *err)
{
	const struct ana_change_options how = {
		.min_segment = j->o->min_segment, .permutations = PERMUTATIONS, .alpha = ALPHA, .seed = SEED
	};
	size_t n, first = j->out->nchanges;
	struct ana_change *c;
	int ret;

	if (ana_changes(h->median, h->n, &how, &c, &n, err) < 0)
		return -1;
	ret = 0;
	for (size_t i = 0; ret == 0 && i < n; i++)
		ret = add_change(j, a, h, &c[i], err);
	free(c);
	if (ret == 0 && h->keep)
		return 0;
	if (ret == 0)
		ret = forget_changes(j, a, h->metric, err);
	for (size_t i = first; ret == 0 && i < j->out->nchanges; i++)
		ret = store_change(j, a, &j->out->changes[i], err);
	return ret;
}

/* Where no A/A measurement tells what a cell's noise usually is, earlier nights do. */
static void set_floor(struct ana_judge *j, const struct ana_night_arm *a, const struct history *h)
{
	size_t n = h->n;

	if (n && !strcmp(h->label[n - 1], j->night->label))
		n--;
	for (size_t i = 0; n >= FLOOR_NIGHTS && i < j->out->ncells; i++) {
		struct ana_night_cell *c = &j->out->cells[i];

		if (c->arm == a->index && !strcmp(c->sha256, a->sha256) && !strcmp(c->c.metric, h->metric) &&
		    !c->floor_measured)
			c->floor = ana_median(h->noise, n);
	}
}

/* The rounds of one night are complete: their median is the night's value. */
static int end_night(struct history *h, char *label, double *v, size_t n, struct sr_error *err)
{
	if (!n || h->n == HISTORY)
		return 0;
	h->label[h->n] = strdup(label);
	if (!h->label[h->n])
		return ana_no_memory(err);
	h->median[h->n] = ana_median(v, n);
	h->noise[h->n++] = ana_noise(v, n);
	return 0;
}

static int end_metric(struct ana_judge *j, const struct ana_night_arm *a, struct history *h, struct sr_error *err)
{
	int ret = 0;

	if (h->n && !strcmp(h->metric, "frames"))
		h->frames = ana_median(h->median, h->n);
	if (h->n && ana_wants_metric(h->metric, &j->how)) {
		set_floor(j, a, h);
		ret = judge_history(j, a, h, err);
	}
	release_history(h);
	return ret;
}

static int look_back(struct ana_judge *j, const struct ana_night_arm *a, struct sr_error *err)
{
	sqlite3_stmt *st = history_rows(j, a, err);
	struct history *h = calloc(1, sizeof(*h));
	char *label = strdup("");
	double *v = NULL;
	size_t n = 0, cap = 0;
	int rc = SQLITE_DONE, ret = -1;

	if (st && (!h || !label))
		ana_no_memory(err);
	if (!st || !h || !label)
		goto out;
	ret = is_superseded(j, a, &h->keep, err);
	while (ret == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *metric = (const char *)sqlite3_column_text(st, 0);
		const char *unit = (const char *)sqlite3_column_text(st, 1);
		const char *night = (const char *)sqlite3_column_text(st, 2);
		bool other = strcmp(metric, h->metric) != 0;

		if (strlen(metric) >= sizeof(h->metric) || strlen(unit) >= sizeof(h->unit))
			continue; /* of another version */
		if (other || strcmp(night, label)) {
			ret = end_night(h, label, v, n, err);
			n = 0;
			free(label);
			label = strdup(night);
			if (!label) {
				ana_no_memory(err);
				ret = -1;
				break;
			}
		}
		if (ret == 0 && other) {
			ret = end_metric(j, a, h, err);
			strcpy(h->metric, metric);
			strcpy(h->unit, unit);
		}
		if (ret == 0)
			ret = ana_reserve(&v, &cap, n + 1, sizeof(*v), err);
		if (ret == 0)
			v[n++] = sqlite3_column_double(st, 3);
	}
	if (ret == 0 && rc != SQLITE_DONE)
		ret = ana_db_failed(j->db, "read its nights", err);
	if (ret == 0)
		ret = end_night(h, label, v, n, err);
	if (ret == 0)
		ret = end_metric(j, a, h, err);
out:
	if (h)
		release_history(h);
	sqlite3_finalize(st);
	free(label);
	free(h);
	free(v);
	return ret;
}

/* What a live run was made under and is not judged; "": not known. */
static const char *const host_words[] = { "governor", "turbo", "SMT", "ASLR", "microcode", "the kernel's command line" };
#define HOST_WORDS (sizeof(host_words) / sizeof(host_words[0]))
#define SHOWN_WORDS 5 /* a digest is nothing to show */
struct host {
	char label[128], v[HOST_WORDS][72];
};

/* Of the last run of the last earlier night, or the first one of this night. 1: there is one. */
static int host_of(const struct ana_judge *j, const struct ana_night_arm *a, bool earlier, struct host *out,
		   struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(j->db,
					  "WITH night AS (SELECT n.id, n.label FROM " SERIES_NIGHTS
					  " AND n.turn = " ANA_NIGHT_NEXT " AND " ANA_NIGHT_WHOLE
					  " ORDER BY n.started_at DESC, n.id DESC LIMIT 1)"
					  " SELECT night.label, h.governor, h.turbo, h.smt, h.aslr, h.microcode,"
					  " h.cmdline_sha256 FROM night JOIN " SERIES_RUNS " AND q.night_id = night.id"
					  " ORDER BY q.round * (2 * " ANA_NIGHT_NEXT " + 1) LIMIT 1",
					  err);
	int rc;

	if (!st)
		return -1;
	ana_night_bind(st, a);
	sqlite3_bind_int(st, ANA_NIGHT_BOUND + 1, earlier ? -1 : 0);
	rc = sqlite3_step(st);
	for (size_t i = 0; rc == SQLITE_ROW && i <= HOST_WORDS; i++) {
		const char *text = (const char *)sqlite3_column_text(st, (int)i);

		snprintf(i ? out->v[i - 1] : out->label, i ? sizeof(out->v[0]) : sizeof(out->label), "%s",
			 text ? text : "");
	}
	sqlite3_finalize(st);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return rc == SQLITE_ROW;
	return ana_db_failed(j->db, "read its nights", err);
}

/* A level that changes with the machine's settings is theirs. The baseline `last` is told of by its comparison. */
static int doubt_host(struct ana_judge *j, const struct ana_night_arm *a, struct sr_error *err)
{
	struct host was = { 0 }, is = { 0 };
	char text[400];
	size_t used = 0;
	int ret;

	if (j->base.last || strcmp(a->engine, "live") != 0)
		return 0;
	ret = host_of(j, a, true, &was, err);
	if (ret == 1)
		ret = host_of(j, a, false, &is, err);
	if (ret != 1)
		return ret;
	for (size_t i = 0; i < HOST_WORDS; i++) {
		if (!*was.v[i] || !*is.v[i] || !strcmp(was.v[i], is.v[i]))
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "", host_words[i]);
		if (i < SHOWN_WORDS)
			used += (size_t)snprintf(text + used, sizeof(text) - used, " (%.20s, then %.20s)", was.v[i],
						 is.v[i]);
	}
	if (!used)
		return 0;
	return ana_night_doubt(j, a, "conditions", err, "since the night %s the conditions have changed: %s", was.label,
			       text);
}

/* In a transaction: what is known of the change points is read, and written anew. */
int ana_night_look_back(struct ana_judge *j, const struct ana_night_arm *a, struct sr_error *err)
{
	if (ana_db_run(j->db, "judge a night", "BEGIN IMMEDIATE", err) < 0)
		return -1;
	if (look_back(j, a, err) == 0 && doubt_host(j, a, err) == 0 &&
	    ana_db_run(j->db, "judge a night", "COMMIT", err) == 0)
		return 0;
	ana_db_roll_back(j->db);
	return -1;
}
