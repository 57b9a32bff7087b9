/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --view tasks: what each task did, and what a person would have felt of it. */
#include "analyze/cmd_analyze.h"

#include <math.h>
#include <string.h>

#define COLUMNS(t, c) ((t)->columns = (c), (t)->ncolumns = sizeof(c) / sizeof((c)[0]))

static double deviation(const struct ana_task_row *t)
{
	double mean = (double)t->slice_sum_ns / (double)t->slices;
	double variance = t->slice_squares / (double)t->slices - mean * mean;

	return variance > 0 ? sqrt(variance) : 0;
}

static double at(const struct analyze_file *f, uint64_t ns)
{
	return ns > f->first_ns ? (double)(ns - f->first_ns) : 0;
}

static const struct table_column columns[] = {
	{ "comm", "task", TABLE_TEXT, -15 },
	{ "tid", "tid", TABLE_ID, 7 },
	{ "tgid", "process", TABLE_ID, 7 },
	{ "source", NULL, TABLE_ID, 0 },
	{ "cpu_ns", "cpu time", TABLE_TIME, 8 },
	{ "wait_ns", "waited", TABLE_TIME, 8 },
	{ "sleep_ns", "slept", TABLE_TIME, 8 },
	{ "wakeups", NULL, TABLE_COUNT, 0 },
	{ "switches_voluntary", "volunt.", TABLE_COUNT, 9 },
	{ "switches_involuntary", "involunt.", TABLE_COUNT, 9 },
	{ "migrations", "migr.", TABLE_COUNT, 6 },
	{ "prio", NULL, TABLE_ID, 0 },
	{ "parent_tid", NULL, TABLE_ID, 0 },
	{ "slices", NULL, TABLE_COUNT, 0 },
	{ "min_slice_ns", NULL, TABLE_TIME, 0 },
	{ "mean_slice_ns", "mean run", TABLE_TIME, 8 },
	{ "stddev_slice_ns", NULL, TABLE_TIME, 0 },
	{ "max_slice_ns", NULL, TABLE_TIME, 0 },
	{ "interactive", NULL, TABLE_ID, 0 },
	{ "stall_ns", NULL, TABLE_TIME, 0 },
	{ "stall_at_ns", NULL, TABLE_AT, 0 },
	{ "stall_open_ns", NULL, TABLE_TIME, 0 },
	{ "period_ns", NULL, TABLE_TIME, 0 },
	{ "frames", NULL, TABLE_COUNT, 0 },
	{ "frames_late", NULL, TABLE_COUNT, 0 },
	{ "frames_late_by_wait", NULL, TABLE_COUNT, 0 },
	{ "frames_late_run_max", NULL, TABLE_COUNT, 0 },
	{ "missed_periods", NULL, TABLE_COUNT, 0 },
	{ "frames_cut", NULL, TABLE_COUNT, 0 },
	{ "worst_frame_ns", NULL, TABLE_TIME, 0 },
	{ "worst_frame_at_ns", NULL, TABLE_AT, 0 },
};

static void task_row(struct analyze_file *f, const struct ana_task_row *t)
{
	const struct ana_frames *p = &t->frames;
	bool seen = !f->result.self, ran = t->slices != 0, periodic = p->period_ns != 0;

	table_row(f->table, (struct table_cell[]){
				    cell_text(t->comm),
				    cell_number(t->tid),
				    cell_if(t->tgid != 0, t->tgid),
				    cell_if(t->source != UINT32_MAX, t->source),
				    cell_if(seen, (double)t->cpu_ns),
				    cell_if(seen, (double)t->wait_ns),
				    cell_number((double)t->sleep_ns),
				    cell_number((double)t->wakeups),
				    cell_number((double)t->voluntary),
				    cell_if(seen, (double)t->involuntary),
				    cell_if(seen, (double)t->migrations),
				    cell_if(seen, t->prio),
				    cell_if(t->parent_tid != 0, t->parent_tid),
				    cell_if(seen, (double)t->slices),
				    cell_if(ran, (double)t->min_slice_ns),
				    cell_if(ran, ran ? (double)t->slice_sum_ns / (double)t->slices : 0),
				    cell_if(ran, ran ? deviation(t) : 0),
				    cell_if(ran, (double)t->max_slice_ns),
				    cell_if(seen, t->interactive),
				    cell_if(seen, (double)t->stall_ns),
				    cell_if(seen && t->stall_ns, at(f, t->stall_at)),
				    cell_if(seen && t->stall_open_ns, (double)t->stall_open_ns),
				    cell_if(periodic, (double)p->period_ns),
				    cell_if(periodic, (double)p->n),
				    cell_if(periodic, (double)p->late),
				    cell_if(periodic && seen, (double)p->late_by_wait),
				    cell_if(periodic, (double)p->run_max),
				    cell_if(periodic, (double)p->missed),
				    cell_if(periodic, (double)p->cut),
				    cell_if(periodic, (double)p->worst_ns),
				    cell_if(periodic, at(f, p->worst_at_ns)),
			    });
}

/* The text's further tables. */
static void periodic_tasks(struct analyze_file *f)
{
	static const struct table_column of_frames[] = {
		{ "comm", "periodic task", TABLE_TEXT, -15 }, { "tid", "tid", TABLE_ID, 7 },
		{ "period_ns", "period", TABLE_TIME, 8 },     { "frames", "frames", TABLE_COUNT, 9 },
		{ "late", "late", TABLE_COUNT, 8 },           { "share", "share", TABLE_RATIO, 8 },
		{ "by_wait", "by waits", TABLE_COUNT, 8 },    { "run", "in a row", TABLE_COUNT, 8 },
		{ "missed", "missed", TABLE_COUNT, 8 },       { "worst", "longest", TABLE_TIME, 8 },
	};
	bool begun = false;

	COLUMNS(f->table, of_frames);
	for (size_t i = 0; i < f->result.ntasks; i++) {
		const struct ana_task_row *t = &f->result.tasks[i];
		const struct ana_frames *p = &t->frames;

		if (!p->period_ns)
			continue;
		if (!begun) {
			putchar('\n');
			table_begin(f->table, NULL);
		}
		begun = true;
		table_row(f->table,
			  (struct table_cell[]){
				  cell_text(t->comm), cell_number(t->tid), cell_number((double)p->period_ns),
				  cell_number((double)p->n), cell_number((double)p->late),
				  cell_if(p->n, p->n ? (double)p->late / (double)p->n : 0),
				  cell_if(!f->result.self, (double)p->late_by_wait), cell_number((double)p->run_max),
				  cell_number((double)p->missed), cell_number((double)p->worst_ns) });
	}
}

static void interactive_tasks(struct analyze_file *f)
{
	static const struct table_column of_stalls[] = {
		{ "comm", "interactive", TABLE_TEXT, -15 }, { "tid", "tid", TABLE_ID, 7 },
		{ "wakeups", "wake-ups", TABLE_COUNT, 10 }, { "stall_ns", "longest stall", TABLE_TIME, 14 },
		{ "at", "began at (s)", TABLE_AT, 13 },     { "open", "cut by the end, at least", TABLE_TIME, 25 },
	};
	bool begun = false;

	COLUMNS(f->table, of_stalls);
	for (size_t i = 0; i < f->result.ntasks; i++) {
		const struct ana_task_row *t = &f->result.tasks[i];

		if (!t->interactive)
			continue;
		if (!begun) {
			putchar('\n');
			table_begin(f->table, NULL);
		}
		begun = true;
		table_row(f->table, (struct table_cell[]){
					    cell_text(t->comm), cell_number(t->tid), cell_number((double)t->wakeups),
					    cell_number((double)t->stall_ns), cell_if(t->stall_ns, at(f, t->stall_at)),
					    cell_if(t->stall_open_ns, (double)t->stall_open_ns) });
	}
}

void view_tasks(struct analyze_file *f)
{
	struct ana_result *r = &f->result;

	sort_by_cpu_time(r);
	COLUMNS(f->table, columns);
	table_begin(f->table, "tasks");
	for (size_t i = 0; i < r->ntasks; i++)
		task_row(f, &r->tasks[i]);
	table_end(f->table);
	if (f->table->form != TABLE_AS_TEXT)
		return;
	periodic_tasks(f);
	interactive_tasks(f);
}
