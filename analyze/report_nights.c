/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Series over nights: what the nights' runs say, night by night, and where a level changed. */
#include "analyze/report_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TO_TEXT(x) TEXT_OF(x)
#define TEXT_OF(x) #x

struct night {
	char at[40];
	double value, lo, hi, expected_lo, expected_hi, before, after;
	bool change;
};

struct series {
	struct ana_json *j;
	int64_t number; /* of the one that is read; 0: none */
	char *trace, *policy, *options;
	char metric[64], unit[16];
	struct night nights[ANA_REPORT_NIGHTS];
	size_t n;
	int64_t night; /* its id */
	double *rounds;
	size_t nrounds, rounds_cap;
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
	s->nrounds = 0;
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
	ana_json_text(s->j, "options", s->options);
	ana_json_open(s->j, "points", '[');
	for (size_t i = 0; i < s->n; i++)
		put_night(s->j, &s->nights[i]);
	ana_json_close(s->j, ']');
	ana_json_close(s->j, '}');
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

/* number, night id, when, change, before, after, value, trace, policy, options, metric, unit */
static int add_round(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct series *s = arg;
	int64_t number = ana_db_row_int(row, 0), night = ana_db_row_int(row, 1);
	double value = ana_db_row_real(row, 6);

	if (number != s->number) {
		end_series(s);
		s->number = number;
		s->n = 0;
		keep_short(s->metric, sizeof(s->metric), row, 10);
		keep_short(s->unit, sizeof(s->unit), row, 11);
		if (keep(&s->trace, row, 7, err) < 0 || keep(&s->policy, row, 8, err) < 0 ||
		    keep(&s->options, row, 9, err) < 0)
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
	return 0;
}

#define METRICS                                                                                                      \
	"('makespan_ns', 'cpu_time_ns', 'wakeup_latency_ns.mean', 'wakeup_latency_ns.p50', 'wakeup_latency_ns.p99'," \
	" 'run_delay_ns.mean', 'switches_involuntary', 'migrations.total')"

/* Series with a change come first, the newest change before others; then by the number of nights. */
static const char choose[] =
	"CREATE TEMP TABLE report_series AS"
	" SELECT row_number() OVER (ORDER BY c.last IS NULL, c.last DESC, count(DISTINCT nr.night_id) DESC, "
	"max(r.trace_name),"
	" m.name, r.policy) AS number, nr.sha256 AS sha256, m.name AS metric, coalesce(r.policy, '') AS policy,"
	" coalesce(r.policy_options, '') AS options, r.engine AS engine, coalesce(r.machine, '') AS machine,"
	" max(r.trace_name) AS trace, max(m.unit) AS unit"
	" FROM night_run nr JOIN run r ON r.id = nr.run JOIN metric m ON m.run_id = r.id"
	" LEFT JOIN (SELECT trace_sha256, metric, engine, policy, policy_options, machine, max(night) AS last"
	" FROM change_point GROUP BY 1, 2, 3, 4, 5, 6) c ON c.trace_sha256 = nr.sha256 AND c.metric = m.name"
	" AND c.engine = r.engine AND c.policy = coalesce(r.policy, '') AND c.policy_options = "
	"coalesce(r.policy_options, '')"
	" AND c.machine = coalesce(r.machine, '')"
	" WHERE m.name IN " METRICS " GROUP BY 2, 3, 4, 5, 6, 7";

static const char rounds[] =
	"WITH n AS (SELECT id, label, started_at FROM night ORDER BY started_at DESC, id DESC"
	" LIMIT " TO_TEXT(
		ANA_REPORT_NIGHTS) ")"
				   " SELECT s.number, n.id, n.started_at, c.night IS NOT NULL, c.before, c.after, "
				   "m.value, s.trace, s.policy, s.options,"
				   " s.metric, s.unit"
				   " FROM report_series s JOIN night_run nr ON nr.sha256 = s.sha256 JOIN n ON n.id = "
				   "nr.night_id"
				   " JOIN run r ON r.id = nr.run AND r.engine = s.engine AND coalesce(r.policy, '') "
				   "= s.policy"
				   " AND coalesce(r.policy_options, '') = s.options AND coalesce(r.machine, '') = "
				   "s.machine"
				   " JOIN metric m ON m.run_id = r.id AND m.name = s.metric"
				   " LEFT JOIN change_point c ON c.trace_sha256 = s.sha256 AND c.metric = s.metric AND "
				   "c.engine = s.engine"
				   " AND c.policy = s.policy AND c.policy_options = s.options AND c.machine = "
				   "s.machine AND c.night = n.label"
				   " WHERE s.number <= " TO_TEXT(
					   ANA_REPORT_SERIES) " ORDER BY s.number, n.started_at, n.id, m.value";

int ana_report_nightly(struct ana_report *rep, struct ana_json *j, struct sr_error *err)
{
	struct series *s;
	int64_t tables = 0, nights = 0;
	int ret = -1;

	if (ana_db_each(rep->db,
			"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('night', 'night_run',"
			" 'change_point')",
			count_tables, &tables, err) < 0)
		return -1;
	if (tables < 3)
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
	if (ana_db_each(rep->db, choose, NULL, NULL, err) == 0 && ana_db_each(rep->db, rounds, add_round, s, err) == 0)
		ret = 0;
	end_series(s);
	ana_json_close(j, ']');
	free(s->trace);
	free(s->policy);
	free(s->options);
	free(s->rounds);
	free(s);
	return ret;
}
