/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run over time, from a .srz file: how busy each cpu was and with whom, and how many tasks ran and waited, in equal
 * steps. */
#include "analyze/report_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS ANA_REPORT_STEPS
#define LANES 64 /* more cpus share lanes */
#define TASKS 25
#define LOST_PART 0.05 /* of a step on one cpu: where more was lost the rest does not speak for it */

struct timeline {
	struct ana_report_cpus c;
	double waiting[STEPS]; /* ns, of all tasks */
	int64_t runs;          /* of the database that the file may be; with the fidelity that they agree in */
	double makespan_error, latency_distance;
};

static int add_slice(void *arg, const struct ana_slice *s, struct sr_error *err)
{
	struct timeline *t = arg;

	if (s->delay_ns != UINT64_MAX && s->delay_ns <= s->start_ns)
		ana_report_spread(t->waiting, &t->c, s->start_ns - s->delay_ns, s->start_ns);
	return 0;
}

/* The part of a step that is before the file's end, ns. */
static double length_of(const struct ana_report_cpus *c, size_t step)
{
	uint64_t span = c->last_ns - c->first_ns, from = step * c->step_ns;

	return from >= span ? 0 : (double)(span - from < c->step_ns ? span - from : c->step_ns);
}

static unsigned cpus_of(const struct ana_report_cpus *c, unsigned lane)
{
	unsigned left = c->cpus - lane * c->per_lane;

	return left < c->per_lane ? left : c->per_lane;
}

/* The share of a lane's known time; NAN: too much of it was lost. */
static double share_of(const struct ana_report_cpus *c, const double *lanes, unsigned lane, size_t step)
{
	size_t at = (size_t)lane * STEPS + step;
	double length = length_of(c, step), all = length * cpus_of(c, lane);

	return length > 0 && c->lost[at] <= LOST_PART * length ? fmin(1, lanes[at] / (all - c->lost[at])) : NAN;
}

static double thousandths(double v)
{
	return round(v * 1000) / 1000;
}

static void put_lanes(struct ana_json *j, const char *key, const struct ana_report_cpus *c, const double *lanes)
{
	ana_json_open(j, key, '[');
	for (unsigned l = 0; l < c->lanes; l++) {
		ana_json_open(j, NULL, '[');
		for (size_t i = 0; i < STEPS; i++)
			ana_json_real(j, NULL, thousandths(share_of(c, lanes, l, i)));
		ana_json_close(j, ']');
	}
	ana_json_close(j, ']');
}

/* How many cpus have such tasks, which is how many tasks run; where one of them is not known the sum is not. */
static void put_running(struct ana_json *j, const char *key, const struct ana_report_cpus *c, const double *lanes)
{
	ana_json_open(j, key, '[');
	for (size_t i = 0; i < STEPS; i++) {
		double sum = 0;

		for (unsigned l = 0; l < c->lanes; l++)
			sum += share_of(c, lanes, l, i) * cpus_of(c, l);
		ana_json_real(j, NULL, thousandths(sum));
	}
	ana_json_close(j, ']');
}

static void put_waiting(struct ana_json *j, const struct timeline *t)
{
	ana_json_open(j, "waiting", '[');
	for (size_t i = 0; i < STEPS; i++) {
		double known = 0;

		for (unsigned l = 0; l < t->c.lanes; l++)
			known += share_of(&t->c, t->c.own, l, i);
		ana_json_real(j, NULL, isnan(known) ? NAN : thousandths(t->waiting[i] / length_of(&t->c, i)));
	}
	ana_json_close(j, ']');
}

/* Steps of lanes that are not known. */
static size_t count_gaps(const struct ana_report_cpus *c)
{
	size_t gaps = 0;

	for (unsigned l = 0; l < c->lanes; l++)
		for (size_t i = 0; i < STEPS; i++)
			gaps += length_of(c, i) > 0 && isnan(share_of(c, c->own, l, i));
	return gaps;
}

static int by_cpu_time(const void *x, const void *y)
{
	const struct ana_task_row *a = x, *b = y;

	if (a->cpu_ns != b->cpu_ns)
		return a->cpu_ns < b->cpu_ns ? 1 : -1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static void put_tasks(struct ana_json *j, struct ana_result *r)
{
	if (r->ntasks)
		qsort(r->tasks, r->ntasks, sizeof(*r->tasks), by_cpu_time);
	ana_json_int(j, "tasks_all", (int64_t)r->ntasks);
	ana_json_open(j, "tasks", '[');
	for (size_t i = 0; i < r->ntasks && i < TASKS; i++) {
		const struct ana_task_row *t = &r->tasks[i];

		ana_json_open(j, NULL, '[');
		ana_json_text(j, NULL, t->comm);
		ana_json_int(j, NULL, t->tid);
		ana_json_real(j, NULL, r->self ? NAN : (double)t->cpu_ns);
		ana_json_real(j, NULL, r->self ? NAN : (double)t->wait_ns);
		ana_json_real(j, NULL, t->latencies ? (double)t->max_latency_ns : NAN);
		ana_json_real(j, NULL, (double)t->wakeups);
		ana_json_real(j, NULL, r->self ? NAN : (double)t->migrations);
		ana_json_close(j, ']');
	}
	ana_json_close(j, ']');
}

static void put_meta(struct ana_json *j, const struct srz_reader *r)
{
	static const char *const keys[] = { "command", "engine",         "replay.policy",  "label",
					    "scope",   "kernel.release", "host.cpu_model", "record.end" };

	ana_json_open(j, "meta", '{');
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (srz_get_meta(r, keys[i]))
			ana_json_text(j, keys[i], srz_get_meta(r, keys[i]));
	ana_json_close(j, '}');
}

/* Whose time the cpus' own time is. */
static const char *owner_of(const struct srz_reader *r, bool replay)
{
	if (replay)
		return "the replayed tasks";
	if (!sr_task_starts_have_root(srz_get_tasks(r)))
		return "user tasks";
	return srz_get_meta(r, "command") ? "tasks of the recorded command" : "the recorded tasks";
}

static void put(struct ana_json *j, const char *path, const struct srz_reader *reader, const struct timeline *t,
		struct ana_result *r)
{
	const struct srz_info *info = srz_get_info(reader);
	const struct ana_report_cpus *c = &t->c;
	const char *slash = strrchr(path, '/');

	ana_json_open(j, NULL, '{');
	ana_json_text(j, "name", slash ? slash + 1 : path);
	put_meta(j, reader);
	ana_json_real(j, "span_ns", (double)(info->last_ns - info->first_ns));
	ana_json_real(j, "step_ns", (double)c->step_ns);
	ana_json_int(j, "cpus", c->cpus);
	ana_json_int(j, "per_lane", c->per_lane);
	ana_json_int(j, "lost", (int64_t)r->lost);
	ana_json_int(j, "repaired", (int64_t)r->repaired);
	ana_json_int(j, "censored", (int64_t)r->censored);
	ana_json_bool(j, "complete", info->complete);
	ana_json_bool(j, "whole_system", r->whole_system);
	ana_json_bool(j, "self", r->self);
	ana_json_text(j, "own", owner_of(reader, c->bound));
	ana_json_int(j, "gaps", (int64_t)count_gaps(c));
	if (c->bound) {
		ana_json_open(j, "fidelity", '[');
		ana_json_int(j, NULL, t->runs);
		ana_json_real(j, NULL, t->makespan_error);
		ana_json_real(j, NULL, t->latency_distance);
		ana_json_close(j, ']');
	}
	put_running(j, "running", c, c->own);
	put_waiting(j, t);
	put_lanes(j, "lanes", c, c->own);
	if (c->whole_system) {
		put_running(j, "others_running", c, c->others);
		put_lanes(j, "others", c, c->others);
	}
	put_tasks(j, r);
	ana_json_close(j, '}');
}

/* What the database has of this replay: its run is the one that the file's meta values tell. */
static int find_fidelity(struct ana_db *db, const struct srz_reader *r, const struct ana_result *result,
			 struct timeline *t, struct sr_error *err)
{
	static const char *const keys[] = { "replay.source_sha256",  "engine", "replay.policy",
					    "replay.policy_options", "label",  "replay.arm" };
	static const char *const numbers[] = { "replay.repeat", "replay.slot" };
	const int nkeys = sizeof(keys) / sizeof(keys[0]);
	sqlite3_stmt *st = ana_db_prepare(
		db,
		"SELECT count(*), min(m.value), max(m.value), min(d.value), max(d.value) FROM run"
		" LEFT JOIN metric m ON m.run_id = id AND m.name = 'fidelity.makespan_error'"
		" LEFT JOIN metric d ON d.run_id = id AND d.name = 'fidelity.wakeup_latency_distance'"
		" WHERE coalesce(trace_sha256, '') = ? AND engine = ? AND policy = ? AND"
		" coalesce(policy_options, '') = ? AND coalesce(label, '') = ? AND coalesce(arm, '') = ? AND"
		" repeat = ? AND order_slot = ? AND lost_events = ?",
		err);
	const struct ana_db_row *row = (const struct ana_db_row *)st;
	double v;
	int ret;

	if (!st)
		return -1;
	for (int i = 0; i < nkeys; i++) {
		const char *text = srz_get_meta(r, keys[i]);

		sqlite3_bind_text(st, i + 1, text ? text : "", -1, SQLITE_STATIC);
	}
	for (int i = 0; i < 2; i++)
		sqlite3_bind_int64(st, nkeys + 1 + i,
				   ana_meta_number(r, numbers[i], &v) && v < INT32_MAX ? (int64_t)v : -1);
	sqlite3_bind_int64(st, nkeys + 3, result->lost > INT64_MAX ? INT64_MAX : (int64_t)result->lost);
	t->makespan_error = t->latency_distance = NAN;
	ret = sqlite3_step(st) == SQLITE_ROW ? 0 : ana_db_failed(db, "read its runs", err);
	if (ret == 0) {
		t->runs = ana_db_row_int(row, 0);
		if (ana_db_row_real(row, 1) == ana_db_row_real(row, 2))
			t->makespan_error = ana_db_row_real(row, 1);
		if (ana_db_row_real(row, 3) == ana_db_row_real(row, 4))
			t->latency_distance = ana_db_row_real(row, 3);
	}
	sqlite3_finalize(st);
	return ret;
}

static int make_lanes(struct ana_report_cpus *c, const struct srz_info *info, struct sr_error *err)
{
	c->first_ns = info->first_ns;
	c->last_ns = info->last_ns;
	c->step_ns = (info->last_ns - info->first_ns) / STEPS + 1;
	c->cpus = info->cpus ? info->cpus : 1;
	c->per_lane = (c->cpus + LANES - 1) / LANES;
	c->lanes = (c->cpus + c->per_lane - 1) / c->per_lane;
	c->own = calloc((size_t)c->lanes * STEPS * 3, sizeof(*c->own));
	if (!c->own)
		return ana_no_memory(err);
	c->others = c->own + (size_t)c->lanes * STEPS;
	c->lost = c->others + (size_t)c->lanes * STEPS;
	return 0;
}

int ana_report_timeline(struct ana_db *db, const char *path, struct ana_json *j, struct sr_error *err)
{
	struct srz_reader *reader = srz_open(path, err);
	struct timeline *t = calloc(1, sizeof(*t));
	struct ana_request how = { .scope = ANA_AUTO, .slice = add_slice, .slice_arg = t };
	struct ana_result result = { 0 };
	int ret = -1;

	if (!reader)
		goto out;
	if (!t) {
		ana_no_memory(err);
		goto out;
	}
	if (make_lanes(&t->c, srz_get_info(reader), err) < 0 || ana_reader_request(reader, &how, &result, err) < 0)
		goto out;
	t->c.whole_system = result.whole_system;
	t->c.bound = ana_is_replay(reader);
	if (!result.self && ana_report_read_cpus(reader, &result, &t->c, err) < 0)
		goto out;
	ret = t->c.bound && db ? find_fidelity(db, reader, &result, t, err) : 0;
	if (ret == 0)
		put(j, path, reader, t, &result);
out:
	ana_result_release(&result);
	srz_reader_free(reader);
	if (t)
		free(t->c.own);
	free(t);
	return ret;
}
