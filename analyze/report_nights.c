/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Series over nights: what the nights' runs say, night by night, and where a level changed. */
#include "analyze/report_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct night {
	char at[40];
	double value, lo, hi, expected_lo, expected_hi, before, after;
	double lost, fidelity; /* events of all rounds; the median of fidelity.makespan_error */
	unsigned rounds, noisy;
	bool change;
};

static const char *const kinds[] = {
	"options", "engine", "machine", "sched_ext", "arm", "work", "timing", "machine_key"
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* A trace's metric under a policy, of runs that are alike in all of kinds. */
struct series {
	struct ana_json *j;
	int64_t number; /* of the one that is read; 0: none */
	char *trace, *policy;
	char *is[KINDS]; /* what else tells it from others */
	char metric[64], unit[16];
	struct night nights[ANA_REPORT_NIGHTS];
	size_t n;
	int64_t night; /* its id */
	double *rounds, *fidelities;
	size_t nrounds, rounds_cap, nfidelities, fidelities_cap;
	int64_t shown; /* series so far */
};

static int count_tables(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	*(int64_t *)arg = ana_db_row_int(row, 0);
	return 0;
}

static void end_night(struct series *s)
{
	struct night *n;

	if (s->nrounds == 0)
		return;
	n = &s->nights[s->n - 1];
	/* They come in ascending order. */
	n->value = ana_median(s->rounds, s->nrounds);
	n->lo = s->rounds[0];
	n->hi = s->rounds[s->nrounds - 1];
	n->fidelity = s->nfidelities ? ana_median(s->fidelities, s->nfidelities) : NAN;
	s->nrounds = s->nfidelities = 0;
}

/* The band of each level. Of fewer than four nights nothing is expected. */
static void find_bands(struct series *s)
{
	double v[ANA_REPORT_NIGHTS], q1, q3;

	for (size_t first = 0, end; first < s->n; first = end) {
		for (end = first + 1; end < s->n && !s->nights[end].change; end++)
			;
		for (size_t i = first; i < end; i++)
			v[i - first] = s->nights[i].value;
		q1 = q3 = NAN;
		if (end - first >= 4)
			ana_quartiles(v, end - first, &q1, &q3);
		for (size_t i = first; i < end; i++) {
			s->nights[i].expected_lo = q1 - 1.5 * (q3 - q1);
			s->nights[i].expected_hi = q3 + 1.5 * (q3 - q1);
		}
	}
}

static void put_night(struct ana_json *j, const struct night *n)
{
	ana_json_open(j, NULL, '[');
	ana_json_text(j, NULL, n->at);
	ana_json_real(j, NULL, n->value);
	ana_json_real(j, NULL, n->lo);
	ana_json_real(j, NULL, n->hi);
	ana_json_real(j, NULL, n->expected_lo);
	ana_json_real(j, NULL, n->expected_hi);
	ana_json_int(j, NULL, n->change);
	ana_json_real(j, NULL, n->change ? n->before : NAN);
	ana_json_real(j, NULL, n->change ? n->after : NAN);
	ana_json_int(j, NULL, n->rounds);
	ana_json_int(j, NULL, n->noisy);
	ana_json_real(j, NULL, n->lost);
	ana_json_real(j, NULL, n->fidelity);
	ana_json_close(j, ']');
}

static void end_series(struct series *s)
{
	if (s->number == 0)
		return;
	end_night(s);
	find_bands(s);
	ana_json_open(s->j, NULL, '{');
	ana_json_text(s->j, "trace", s->trace);
	ana_json_text(s->j, "metric", s->metric);
	ana_json_text(s->j, "unit", s->unit);
	ana_json_text(s->j, "policy", s->policy);
	for (size_t i = 0; i < KINDS; i++)
		ana_json_text(s->j, kinds[i], s->is[i]);
	ana_json_open(s->j, "points", '[');
	for (size_t i = 0; i < s->n; i++)
		put_night(s->j, &s->nights[i]);
	ana_json_close(s->j, ']');
	ana_json_close(s->j, '}');
	s->shown++;
}

static int keep(char **to, const struct ana_db_row *row, int column, struct sr_error *err)
{
	const char *text = ana_db_row_text(row, column);

	free(*to);
	*to = strdup(text ? text : "");
	return *to ? 0 : ana_no_memory(err);
}

static void keep_short(char *to, size_t len, const struct ana_db_row *row, int column)
{
	const char *text = ana_db_row_text(row, column);

	snprintf(to, len, "%s", text ? text : "");
}

/* What stands behind the night's value. */
static int add_evidence(struct series *s, const struct ana_db_row *row, struct sr_error *err)
{
	struct night *n = &s->nights[s->n - 1];
	double lost = ana_db_row_real(row, 11), fidelity = ana_db_row_real(row, 13);

	n->rounds++;
	n->noisy += ana_db_row_int(row, 12) != 0;
	n->lost += lost > 0 ? lost : 0;
	if (!isfinite(fidelity))
		return 0;
	if (ana_reserve(&s->fidelities, &s->fidelities_cap, s->nfidelities + 1, sizeof(*s->fidelities), err) < 0)
		return -1;
	s->fidelities[s->nfidelities++] = fidelity;
	return 0;
}

/* number, night id, when, change, before, after, value, trace, policy, metric, unit, lost, noisy, fidelity, kinds */
static int add_round(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct series *s = arg;
	int64_t number = ana_db_row_int(row, 0), night = ana_db_row_int(row, 1);
	double value = ana_db_row_real(row, 6);

	if (number != s->number) {
		end_series(s);
		s->number = number;
		s->n = 0;
		keep_short(s->metric, sizeof(s->metric), row, 9);
		keep_short(s->unit, sizeof(s->unit), row, 10);
		if (keep(&s->trace, row, 7, err) < 0 || keep(&s->policy, row, 8, err) < 0)
			return -1;
		for (size_t i = 0; i < KINDS; i++)
			if (keep(&s->is[i], row, 14 + (int)i, err) < 0)
				return -1;
	}
	if (!isfinite(value))
		return 0;
	if (s->n == 0 || night != s->night) {
		end_night(s);
		if (s->n == ANA_REPORT_NIGHTS)
			return 0; /* the query gives no more */
		s->night = night;
		s->nights[s->n] = (struct night){ .change = ana_db_row_int(row, 3) && s->n > 0,
						  .before = ana_db_row_real(row, 4),
						  .after = ana_db_row_real(row, 5) };
		keep_short(s->nights[s->n++].at, sizeof(s->nights[0].at), row, 2);
	}
	if (ana_reserve(&s->rounds, &s->rounds_cap, s->nrounds + 1, sizeof(*s->rounds), err) < 0)
		return -1;
	s->rounds[s->nrounds++] = value;
	return add_evidence(s, row, err);
}

/* The metrics that the nights have. Which of them are drawn is for add_metric. */
static const char list_metrics[] =
	"CREATE TEMP TABLE report_metric AS SELECT name, 0 AS wanted FROM metric"
	" WHERE run_id IN (SELECT run FROM night_run) AND name NOT LIKE 'fidelity.%' GROUP BY name";

/* clang-format off: it would cut each line of these queries in two. */
/* A run's kinds, as they are called in report_series. */
#define KINDS_OF_RUN                                                                                         \
	"coalesce(r.policy_options, '') AS options, r.engine AS engine, coalesce(r.machine, '') AS machine," \
	" coalesce(r.sched_ext, '') AS sched_ext, coalesce(r.arm, '') AS arm, coalesce(r.work, '') AS work," \
	" coalesce(r.timing, '') AS timing, coalesce(h.machine_key, '') AS machine_key"

/* Of a metric that is not wanted only what changed is drawn. Series with a change come first, the newest change before
 * others; then by the number of nights. */
static const char choose[] =
	"CREATE TEMP TABLE report_series AS"
	" SELECT row_number() OVER (ORDER BY c.last IS NULL, c.last DESC, count(DISTINCT nr.night_id) DESC,"
	" max(r.trace_name), m.name, r.policy) AS number, nr.sha256 AS sha256, m.name AS metric,"
	" coalesce(r.policy, '') AS policy, " KINDS_OF_RUN ","
	" max(r.trace_name) AS trace, max(m.unit) AS unit"
	" FROM night_run nr JOIN run r ON r.id = nr.run JOIN metric m ON m.run_id = r.id"
	" JOIN report_metric w ON w.name = m.name LEFT JOIN host h ON h.run_id = r.id"
	" LEFT JOIN (SELECT trace_sha256, metric, engine, policy, policy_options, machine, sched_ext, max(night) AS "
	"last"
	" FROM change_point GROUP BY 1, 2, 3, 4, 5, 6, 7) c ON c.trace_sha256 = nr.sha256 AND c.metric = m.name"
	" AND c.engine = r.engine AND c.policy = coalesce(r.policy, '')"
	" AND c.policy_options = coalesce(r.policy_options, '') AND c.machine = coalesce(r.machine, '')"
	" AND c.sched_ext = coalesce(r.sched_ext, '')"
	" WHERE w.wanted OR c.last IS NOT NULL GROUP BY 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12";

static const char rounds[] =
	"WITH n AS (SELECT id, label, started_at FROM night ORDER BY started_at DESC, id DESC"
	" LIMIT " TO_TEXT(
		ANA_REPORT_NIGHTS) ")"
				   " SELECT s.number, n.id, n.started_at, c.night IS NOT NULL, c.before, c.after, "
				   "m.value, s.trace, s.policy,"
				   " s.metric, s.unit, r.lost_events, x.noise IS NOT NULL, f.value,"
				   " s.options, s.engine, s.machine, s.sched_ext, s.arm, s.work, s.timing, "
				   "s.machine_key"
				   " FROM report_series s JOIN night_run nr ON nr.sha256 = s.sha256 JOIN n ON n.id = "
				   "nr.night_id"
				   " JOIN run r ON r.id = nr.run AND r.engine = s.engine AND coalesce(r.policy, '') = "
				   "s.policy"
				   " AND coalesce(r.policy_options, '') = s.options AND coalesce(r.machine, '') = "
				   "s.machine"
				   " AND coalesce(r.sched_ext, '') = s.sched_ext AND coalesce(r.arm, '') = s.arm"
				   " AND coalesce(r.work, '') = s.work AND coalesce(r.timing, '') = s.timing"
				   " JOIN metric m ON m.run_id = r.id AND m.name = s.metric"
				   " LEFT JOIN host h ON h.run_id = r.id"
				   " LEFT JOIN night_round x ON x.night_id = nr.night_id AND x.sha256 = nr.sha256 AND "
				   "x.round = nr.round"
				   " LEFT JOIN metric f ON f.run_id = r.id AND f.name = 'fidelity.makespan_error'"
				   " LEFT JOIN change_point c ON c.trace_sha256 = s.sha256 AND c.metric = s.metric AND "
				   "c.engine = s.engine"
				   " AND c.policy = s.policy AND c.policy_options = s.options AND c.machine = s.machine"
				   " AND c.sched_ext = s.sched_ext AND c.night = n.label"
				   " WHERE s.number <= " TO_TEXT(
					   ANA_REPORT_SERIES) " AND coalesce(h.machine_key, '') = s.machine_key"
							      " ORDER BY s.number, n.started_at, n.id, m.value";
/* clang-format on */

/* The rows of report_metric that are wanted. */
struct wanted {
	const struct ana_report *r;
	int64_t *v;
	size_t n, cap;
};

static int add_metric(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct wanted *w = arg;
	const char *name = ana_db_row_text(row, 1);

	/* Beside the usual ones how long tasks waited, which tells most. */
	if (!name || !(ana_report_wants(w->r, name) || (!w->r->o->nmetrics && !strcmp(name, "run_delay_ns.mean"))))
		return 0;
	if (ana_reserve(&w->v, &w->cap, w->n + 1, sizeof(*w->v), err) < 0)
		return -1;
	w->v[w->n++] = ana_db_row_int(row, 0);
	return 0;
}

/* What compare would compare, and whatever changed: what a night judged by other metrics has found. */
static int choose_series(const struct ana_report *r, struct sr_error *err)
{
	struct wanted w = { .r = r };
	char sql[96];
	int ret = -1;

	if (ana_db_each(r->db, list_metrics, NULL, NULL, err) == 0 &&
	    ana_db_each(r->db, "SELECT rowid, name FROM report_metric", add_metric, &w, err) == 0)
		ret = 0;
	for (size_t i = 0; ret == 0 && i < w.n; i++) {
		snprintf(sql, sizeof(sql), "UPDATE report_metric SET wanted = 1 WHERE rowid = %" PRId64, w.v[i]);
		ret = ana_db_each(r->db, sql, NULL, NULL, err);
	}
	free(w.v);
	return ret < 0 ? -1 : ana_db_each(r->db, choose, NULL, NULL, err);
}

static int put_name(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	ana_json_text(arg, NULL, ana_db_row_text(row, 0));
	return 0;
}

/* What of the nights is not drawn. */
static int put_left(const struct ana_report *r, const struct series *s, struct ana_json *j, struct sr_error *err)
{
	int64_t series = 0, metrics = 0;
	int ret;

	if (ana_db_each(r->db, "SELECT count(*) FROM report_series", count_tables, &series, err) < 0 ||
	    ana_db_each(r->db,
			"SELECT count(*) FROM report_metric WHERE name NOT IN (SELECT metric FROM report_series)",
			count_tables, &metrics, err) < 0)
		return -1;
	ana_json_open(j, "nightly_left", '{');
	ana_json_int(j, "series", series > s->shown ? series - s->shown : 0);
	ana_json_int(j, "metrics_all", metrics);
	ana_json_open(j, "metrics", '[');
	ret = ana_db_each(r->db,
			  "SELECT name FROM report_metric WHERE name NOT IN (SELECT metric FROM report_series)"
			  " ORDER BY 1 LIMIT " TO_TEXT(ANA_REPORT_LEFT),
			  put_name, j, err);
	ana_json_close(j, ']');
	ana_json_close(j, '}');
	return ret;
}

int ana_report_nightly(struct ana_report *rep, struct ana_json *j, struct sr_error *err)
{
	struct series *s;
	int64_t tables = 0, nights = 0;
	int ret = -1;

	if (ana_db_each(rep->db,
			"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('night', 'night_run',"
			" 'night_round', 'change_point')",
			count_tables, &tables, err) < 0)
		return -1;
	if (tables < 4)
		return 0;
	if (ana_db_each(rep->db, "SELECT count(*) FROM night", count_tables, &nights, err) < 0)
		return -1;
	if (nights == 0)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return ana_no_memory(err);
	s->j = j;
	ana_json_open(j, "nightly", '[');
	if (choose_series(rep, err) == 0 && ana_db_each(rep->db, rounds, add_round, s, err) == 0)
		ret = 0;
	end_series(s);
	ana_json_close(j, ']');
	if (ret == 0)
		ret = put_left(rep, s, j, err);
	free(s->trace);
	free(s->policy);
	for (size_t i = 0; i < KINDS; i++)
		free(s->is[i]);
	free(s->rounds);
	free(s->fidelities);
	free(s);
	return ret;
}
