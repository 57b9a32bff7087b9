/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The views that come from a finished result. */
#include "analyze/cmd_analyze.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS(t, c) ((t)->columns = (c), (t)->ncolumns = sizeof(c) / sizeof((c)[0]))

/* What the text shows as a table, a line for all metrics of one name. */
#define DISTRIBUTIONS 5
struct distribution {
	const char *name;
	const struct ana_hist *h; /* NULL: none */
};

static void distributions_of(const struct ana_result *r, struct distribution d[DISTRIBUTIONS])
{
	d[0] = (struct distribution){ "wakeup_latency_ns", r->wakeup_latency };
	d[1] = (struct distribution){ "run_delay_ns", r->run_delay };
	d[2] = (struct distribution){ "preempt_wait_ns", r->preempt_wait };
	d[3] = (struct distribution){ "sleep_ns", r->sleep };
	d[4] = (struct distribution){ "slice_ns", r->slice };
}

static bool is_in_table(const struct distribution d[DISTRIBUTIONS], const char *name)
{
	for (size_t i = 0; i < DISTRIBUTIONS; i++) {
		size_t len = strlen(d[i].name);

		if (d[i].h && !strncmp(name, d[i].name, len) && name[len] == '.')
			return true;
	}
	return false;
}

static void print_distributions(const struct distribution d[DISTRIBUTIONS])
{
	static const struct table_column columns[] = {
		{ "", "distribution", TABLE_TEXT, -18 },
		{ "", "number", TABLE_COUNT, 11 },
		{ "", "mean", TABLE_TIME, 8 },
		{ "", "p50", TABLE_TIME, 8 },
		{ "", "p90", TABLE_TIME, 8 },
		{ "", "p95", TABLE_TIME, 8 },
		{ "", "p99", TABLE_TIME, 8 },
		{ "", "p99.9", TABLE_TIME, 8 },
		{ "", "max", TABLE_TIME, 8 },
	};
	struct table t = { .form = TABLE_AS_TEXT };
	bool begun = false;

	COLUMNS(&t, columns);
	for (size_t i = 0; i < DISTRIBUTIONS; i++) {
		const struct ana_hist *h = d[i].h;

		if (!h)
			continue;
		if (!begun) {
			putchar('\n');
			table_begin(&t, NULL);
		}
		begun = true;
		table_row(&t, (struct table_cell[]){
				      cell_text(d[i].name), cell_number((double)h->n),
				      cell_number((double)h->sum / (double)h->n),
				      cell_number(ana_hist_quantile(h, 0.5)), cell_number(ana_hist_quantile(h, 0.9)),
				      cell_number(ana_hist_quantile(h, 0.95)), cell_number(ana_hist_quantile(h, 0.99)),
				      cell_number(ana_hist_quantile(h, 0.999)), cell_number((double)h->max) });
	}
}

static void count_row(const struct table *t, const char *name, uint64_t n)
{
	table_row(t, (struct table_cell[]){ cell_text(name), cell_text("count"), cell_number((double)n) });
}

void view_summary(struct analyze_file *f)
{
	static const struct table_column columns[] = {
		{ "metric", "metric", TABLE_TEXT, -40 },
		{ "unit", "unit", TABLE_TEXT, -6 },
		{ "value", "value", TABLE_REAL, 20 },
	};
	const struct ana_result *r = &f->result;
	struct distribution d[DISTRIBUTIONS];
	char value[48];

	if (f->table->form == TABLE_AS_JSON) {
		cmd_json_open(f->table->json, "metrics", '{');
		for (size_t i = 0; i < r->nmetrics; i++)
			cmd_json_real(f->table->json, r->metrics[i].name, r->metrics[i].value);
		cmd_json_close(f->table->json, '}');
		return;
	}
	if (f->table->form == TABLE_AS_CSV) {
		COLUMNS(f->table, columns);
		table_begin(f->table, NULL);
		count_row(f->table, "lost", r->lost);
		count_row(f->table, "repaired", r->repaired);
		count_row(f->table, "censored", r->censored);
		for (size_t i = 0; i < r->nmetrics; i++)
			table_row(f->table,
				  (struct table_cell[]){ cell_text(r->metrics[i].name), cell_text(r->metrics[i].unit),
							 cell_number(r->metrics[i].value) });
		return;
	}
	distributions_of(r, d);
	for (size_t i = 0; i < r->nmetrics; i++)
		if (!is_in_table(d, r->metrics[i].name))
			printf("%-36s %14s\n", r->metrics[i].name,
			       format_metric(value, sizeof(value), r->metrics[i].name, r->metrics[i].unit,
					     r->metrics[i].value));
	print_distributions(d);
}

static int by_latency(const void *x, const void *y)
{
	const struct ana_task_row *a = x, *b = y;

	if (a->max_latency_ns != b->max_latency_ns)
		return a->max_latency_ns < b->max_latency_ns ? 1 : -1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static int by_cpu_time(const void *x, const void *y)
{
	const struct ana_task_row *a = x, *b = y;

	if (a->cpu_ns != b->cpu_ns)
		return a->cpu_ns < b->cpu_ns ? 1 : -1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static void sort_tasks(struct ana_result *r, int (*order)(const void *, const void *))
{
	if (r->ntasks)
		qsort(r->tasks, r->ntasks, sizeof(*r->tasks), order);
}

void sort_by_cpu_time(struct ana_result *r)
{
	sort_tasks(r, by_cpu_time);
}

static const struct table_column latency_columns[] = {
	{ "comm", "task", TABLE_TEXT, -15 },
	{ "tid", "tid", TABLE_ID, 7 },
	{ "cpu_ns", "ran", TABLE_TIME, 7 },
	{ "switches", "switches", TABLE_COUNT, 8 },
	{ "wakeups", "wake-ups", TABLE_COUNT, 8 },
	{ "mean_latency_ns", "avg lat", TABLE_TIME, 7 },
	{ "max_latency_ns", "max lat", TABLE_TIME, 7 },
	{ "max_latency_at_ns", "at (s)", TABLE_AT, 12 },
	{ "wait_ns", "waited", TABLE_TIME, 7 },
	{ "waits", NULL, TABLE_COUNT, 0 },
	{ "mean_wait_ns", NULL, TABLE_TIME, 0 },
	{ "max_wait_ns", "longest", TABLE_TIME, 7 },
	{ "max_wait_at_ns", NULL, TABLE_AT, 0 },
};

static void latency_row(const struct analyze_file *f, const struct ana_task_row *t, bool is_sum)
{
	bool some = t->latencies != 0, seen = !f->result.self, waits = seen && t->waits;

	table_row(f->table,
		  (struct table_cell[]){ cell_text(t->comm), cell_if(!is_sum, t->tid), cell_if(seen, (double)t->cpu_ns),
					 cell_if(seen, (double)(t->voluntary + t->involuntary)),
					 cell_number((double)t->wakeups),
					 cell_if(some, some ? (double)t->latency_ns / (double)t->latencies : 0),
					 cell_if(some, (double)t->max_latency_ns),
					 cell_if(some, (double)(t->max_latency_at - f->first_ns)),
					 cell_if(seen, (double)t->wait_ns), cell_if(seen, (double)t->waits),
					 cell_if(waits, waits ? (double)t->wait_ns / (double)t->waits : 0),
					 cell_if(waits, (double)t->max_wait_ns),
					 cell_if(waits, (double)(t->max_wait_at - f->first_ns)) });
}

void view_latency(struct analyze_file *f)
{
	struct ana_result *r = &f->result;
	struct ana_task_row sum = { .comm = "total" };

	sort_tasks(r, by_latency);
	COLUMNS(f->table, latency_columns);
	table_begin(f->table, "tasks");
	for (size_t i = 0; i < r->ntasks; i++) {
		const struct ana_task_row *t = &r->tasks[i];

		latency_row(f, t, false);
		sum.cpu_ns += t->cpu_ns;
		sum.voluntary += t->voluntary;
		sum.involuntary += t->involuntary;
		sum.wakeups += t->wakeups;
		sum.latency_ns += t->latency_ns;
		sum.latencies += t->latencies;
		sum.wait_ns += t->wait_ns;
		sum.waits += t->waits;
		if (t->max_latency_ns > sum.max_latency_ns || i == 0) {
			sum.max_latency_ns = t->max_latency_ns;
			sum.max_latency_at = t->max_latency_at;
		}
		if (t->max_wait_ns > sum.max_wait_ns || i == 0) {
			sum.max_wait_ns = t->max_wait_ns;
			sum.max_wait_at = t->max_wait_at;
		}
	}
	if (f->table->form == TABLE_AS_TEXT && r->ntasks > 1)
		latency_row(f, &sum, true);
	table_end(f->table);
}

void view_cpu(struct analyze_file *f)
{
	static const struct table_column columns[] = {
		{ "cpu", "cpu", TABLE_ID, 5 },
		{ "busy_ns", "busy", TABLE_TIME, 10 },
		{ "busy_share", "share", TABLE_RATIO, 8 },
		{ "all_ns", "all tasks", TABLE_TIME, 10 },
		{ "all_share", "share", TABLE_RATIO, 8 },
		{ "switches", "switches", TABLE_COUNT, 12 },
		{ "migrations_in", "migrations in", TABLE_COUNT, 14 },
		{ "migrations_out", "out", TABLE_COUNT, 12 },
	};
	const struct ana_result *r = &f->result;
	double span = (double)(r->last_ns - r->first_ns);

	COLUMNS(f->table, columns);
	table_begin(f->table, "cpus");
	for (size_t i = 0; i < r->ncpus; i++) {
		const struct ana_cpu_row *c = &r->cpus[i];
		bool all = r->whole_system;

		table_row(f->table, (struct table_cell[]){
					    cell_number(c->cpu), cell_number((double)c->busy_ns),
					    cell_if(span > 0, span > 0 ? (double)c->busy_ns / span : 0),
					    cell_if(all, (double)c->all_ns),
					    cell_if(all && span > 0, span > 0 ? (double)c->all_ns / span : 0),
					    cell_number((double)c->switches), cell_number((double)c->migrations_in),
					    cell_number((double)c->migrations_out) });
	}
	table_end(f->table);
}
