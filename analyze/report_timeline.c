/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run over time, from a .srz file: how busy each cpu was, and how many tasks ran and waited, in equal steps. */
#include "analyze/report_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 400
#define LANES 64 /* more cpus share lanes */
#define TASKS 25

struct timeline {
	uint64_t first_ns, step_ns;
	unsigned cpus, per_lane, lanes;
	double *busy;                          /* [lane * STEPS + step], ns */
	double running[STEPS], waiting[STEPS]; /* ns, of all tasks */
};

/* Spreads start..end over the steps. */
static void add(double *steps, const struct timeline *t, uint64_t start, uint64_t end)
{
	uint64_t at = start > t->first_ns ? start - t->first_ns : 0;

	end = end > t->first_ns ? end - t->first_ns : 0;
	while (at < end) {
		uint64_t step = at / t->step_ns, until = (step + 1) * t->step_ns;

		if (step >= STEPS)
			return;
		if (until > end)
			until = end;
		steps[step] += (double)(until - at);
		at = until;
	}
}

static int add_slice(void *arg, const struct ana_slice *s, struct sr_error *err)
{
	struct timeline *t = arg;

	add(t->running, t, s->start_ns, s->end_ns);
	if (s->cpu < t->cpus)
		add(t->busy + (size_t)(s->cpu / t->per_lane) * STEPS, t, s->start_ns, s->end_ns);
	if (s->delay_ns != UINT64_MAX && s->delay_ns <= s->start_ns)
		add(t->waiting, t, s->start_ns - s->delay_ns, s->start_ns);
	return 0;
}

static void put_steps(struct ana_json *j, const char *key, const double *steps, double of)
{
	ana_json_open(j, key, '[');
	for (size_t i = 0; i < STEPS; i++)
		ana_json_real(j, NULL, round(steps[i] / of * 1000) / 1000);
	ana_json_close(j, ']');
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

static void put(struct ana_json *j, const char *path, const struct srz_reader *reader, const struct timeline *t,
		struct ana_result *r)
{
	const struct srz_info *info = srz_get_info(reader);
	const char *slash = strrchr(path, '/');

	ana_json_open(j, NULL, '{');
	ana_json_text(j, "name", slash ? slash + 1 : path);
	put_meta(j, reader);
	ana_json_real(j, "span_ns", (double)(info->last_ns - info->first_ns));
	ana_json_real(j, "step_ns", (double)t->step_ns);
	ana_json_int(j, "cpus", t->cpus);
	ana_json_int(j, "per_lane", t->per_lane);
	ana_json_int(j, "lost", (int64_t)r->lost);
	ana_json_int(j, "repaired", (int64_t)r->repaired);
	ana_json_int(j, "censored", (int64_t)r->censored);
	ana_json_bool(j, "complete", info->complete);
	ana_json_bool(j, "whole_system", r->whole_system);
	ana_json_bool(j, "self", r->self);
	put_steps(j, "running", t->running, (double)t->step_ns);
	put_steps(j, "waiting", t->waiting, (double)t->step_ns);
	ana_json_open(j, "lanes", '[');
	for (unsigned l = 0; l < t->lanes; l++) {
		unsigned in_lane = t->cpus - l * t->per_lane;

		if (in_lane > t->per_lane)
			in_lane = t->per_lane;
		put_steps(j, NULL, t->busy + (size_t)l * STEPS, (double)t->step_ns * in_lane);
	}
	ana_json_close(j, ']');
	put_tasks(j, r);
	ana_json_close(j, '}');
}

int ana_report_timeline(const char *path, struct ana_json *j, struct sr_error *err)
{
	struct srz_reader *reader = srz_open(path, err);
	struct timeline *t = calloc(1, sizeof(*t));
	struct ana_result result = { 0 };
	const struct srz_info *info;
	int ret = -1;

	if (!reader)
		goto out;
	if (!t) {
		ana_no_memory(err);
		goto out;
	}
	info = srz_get_info(reader);
	t->first_ns = info->first_ns;
	t->step_ns = (info->last_ns - info->first_ns) / STEPS + 1;
	t->cpus = info->cpus ? info->cpus : 1;
	t->per_lane = (t->cpus + LANES - 1) / LANES;
	t->lanes = (t->cpus + t->per_lane - 1) / t->per_lane;
	t->busy = calloc((size_t)t->lanes * STEPS, sizeof(*t->busy));
	if (!t->busy) {
		ana_no_memory(err);
		goto out;
	}
	ret = ana_file_slices(path, ANA_AUTO, add_slice, t, &result, err);
	if (ret == 0)
		put(j, path, reader, t, &result);
out:
	ana_result_release(&result);
	srz_reader_free(reader);
	if (t)
		free(t->busy);
	free(t);
	return ret;
}
