/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The views that follow the slices: timehist as they come, map in equal steps of time. */
#include "analyze/cmd_analyze.h"

#include <stdlib.h>
#include <string.h>

#define STEPS 88         /* of the map: with the cpu's number the line is 96 columns */
#define LEAST_SHARE 0.05 /* a step in which less ran is shown as idle */

void timehist_begin(struct timehist *h)
{
	static const struct table_column columns[] = {
		{ "time_ns", "time (s)", TABLE_AT, 12 },
		{ "cpu", "cpu", TABLE_ID, 4 },
		{ "event", NULL, TABLE_TEXT, 0 },
		{ "comm", "task", TABLE_TEXT, -15 },
		{ "tid", "tid", TABLE_ID, 7 },
		{ "prio", "prio", TABLE_ID, 4 },
		{ "slept_ns", "slept", TABLE_TIME, 8 },
		{ "delay_ns", "waited", TABLE_TIME, 8 },
		{ "latency_ns", NULL, TABLE_TIME, 0 },
		{ "run_ns", "ran", TABLE_TIME, 8 },
		{ "left", NULL, TABLE_TEXT, 0 },
		{ "what", "left", TABLE_TEXT, -4 },
		{ "from_cpu", NULL, TABLE_ID, 0 },
		{ "came_from", "from", TABLE_ID, 4 },
		{ "waker_tid", "woken by", TABLE_ID, 8 },
		{ "waker_comm", NULL, TABLE_TEXT, 0 },
		{ "cut", NULL, TABLE_ID, 0 },
	};

	h->table->columns = columns;
	h->table->ncolumns = sizeof(columns) / sizeof(columns[0]);
	timehist_prepare(h);
	table_begin(h->table, "slices");
}

static const char *event_name(unsigned kind)
{
	switch (kind) {
	case ANA_SLICE_IDLE:
		return "idle";
	case ANA_SLICE_WAKEUP:
		return "wake";
	case ANA_SLICE_MIGRATE:
		return "move";
	default:
		return "run";
	}
}

const char *timehist_left(const struct ana_slice *s)
{
	static const char letters[SR_STATES][3] = { "R", "R+", "S", "D", "T", "t", "X", "Z", "P", "I", "?" };

	return letters[s->left < SR_STATES ? s->left : SR_STATE_OTHER];
}

static void table_slice(const struct timehist *h, const struct ana_slice *s)
{
	const char *left = timehist_left(s);
	uint64_t at = s->start_ns > h->first_ns ? s->start_ns - h->first_ns : 0;
	bool run = s->kind == ANA_SLICE_RUN, idle = s->kind == ANA_SLICE_IDLE;

	table_row(h->table,
		  (struct table_cell[]){
			  cell_number((double)at), cell_number(s->cpu), cell_text(event_name(s->kind)),
			  cell_text(s->comm), cell_number(s->tid), cell_if(!idle, s->prio),
			  cell_if(s->slept_ns != UINT64_MAX, (double)s->slept_ns),
			  cell_if(s->delay_ns != UINT64_MAX, (double)s->delay_ns),
			  cell_if(s->latency_ns != UINT64_MAX, (double)s->latency_ns),
			  cell_if(run || idle, (double)(s->end_ns - s->start_ns)), cell_text(run ? left : NULL),
			  cell_text(run ? left : event_name(s->kind)), cell_if(s->from_cpu >= 0, s->from_cpu),
			  cell_if(s->from_cpu >= 0 && s->from_cpu != (int)s->cpu, s->from_cpu),
			  cell_if(s->other_tid != 0, s->other_tid), cell_text(s->other_comm), cell_number(s->cut) });
}

int timehist_slice(void *arg, const struct ana_slice *s, struct sr_error *err)
{
	struct timehist *h = arg;

	if (!timehist_row(h, s, event_name(s->kind))) {
		timehist_flush(h);
		table_slice(h, s);
	}
	if (ferror_unlocked(stdout))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write to standard output");
	return 0;
}

void timehist_end(struct timehist *h)
{
	timehist_flush(h);
	free(h->rows);
	table_end(h->table);
}

/* Who ran how long in the step that is being filled. */
struct share {
	uint32_t index;
	uint64_t ns;
};

struct map_cpu {
	bool seen;
	unsigned step;
	uint64_t from_ns, until_ns; /* of the step, once something ran there */
	struct share *shares;
	size_t n, cap;
	struct {
		uint32_t index;   /* of the task that ran most */
		uint64_t ns;      /* it ran so long */
		uint64_t busy_ns; /* and all together so long */
	} steps[STEPS];
};

struct map {
	uint64_t first_ns, step_ns;
	unsigned ncpus;
	struct map_cpu **cpus; /* NULL: nothing ran there */
};

struct map *map_new(uint64_t first_ns, uint64_t last_ns, unsigned cpus, struct sr_error *err)
{
	struct map *m = calloc(1, sizeof(*m));

	if (m)
		m->cpus = calloc(cpus + 1, sizeof(*m->cpus));
	if (!m || !m->cpus) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		free(m);
		return NULL;
	}
	m->first_ns = first_ns;
	m->step_ns = (last_ns - first_ns) / STEPS + 1;
	m->ncpus = cpus;
	return m;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	for (unsigned c = 0; c < m->ncpus; c++) {
		if (m->cpus[c])
			free(m->cpus[c]->shares);
		free(m->cpus[c]);
	}
	free(m->cpus);
	free(m);
}

static void close_step(struct map_cpu *c)
{
	for (size_t i = 0; i < c->n; i++) {
		c->steps[c->step].busy_ns += c->shares[i].ns;
		if (c->shares[i].ns <= c->steps[c->step].ns)
			continue;
		c->steps[c->step].ns = c->shares[i].ns;
		c->steps[c->step].index = c->shares[i].index;
	}
	c->n = 0;
}

static int add_share(struct map_cpu *c, uint32_t index, uint64_t ns, struct sr_error *err)
{
	size_t i = 0;

	while (i < c->n && c->shares[i].index != index)
		i++;
	if (i == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 8;
		void *v = realloc(c->shares, cap * sizeof(*c->shares));

		if (!v)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		c->shares = v;
		c->cap = cap;
	}
	if (i == c->n)
		c->shares[c->n++] = (struct share){ .index = index };
	c->shares[i].ns += ns;
	return 0;
}

int map_slice(void *arg, const struct ana_slice *s, struct sr_error *err)
{
	struct map *m = arg;
	struct map_cpu *c;
	uint64_t at = s->start_ns > m->first_ns ? s->start_ns - m->first_ns : 0;
	uint64_t end = s->end_ns > m->first_ns ? s->end_ns - m->first_ns : 0;

	if (s->cpu >= m->ncpus)
		return 0;
	c = m->cpus[s->cpu];
	if (!c) {
		c = m->cpus[s->cpu] = calloc(1, sizeof(*c));
		if (!c)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	/* Nearly all lie in the step that is being filled. */
	if (at >= c->from_ns && end <= c->until_ns)
		return at < end ? add_share(c, s->index, end - at, err) : 0;
	while (at < end) {
		uint64_t step = at / m->step_ns, until = (step + 1) * m->step_ns;

		if (step >= STEPS)
			break;
		if (step != c->step) {
			close_step(c);
			c->step = (unsigned)step;
		}
		c->from_ns = at - at % m->step_ns;
		c->until_ns = until;
		if (until > end)
			until = end;
		if (add_share(c, s->index, until - at, err) < 0)
			return -1;
		at = until;
	}
	return 0;
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
#define NLETTERS (sizeof(letters) - 1)

/* The rows are sorted by CPU time: the first ones have letters of their own. */
static const struct ana_task_row *row_of(const struct ana_result *r, const uint32_t *row, uint32_t nrows,
					 uint32_t index)
{
	return index < nrows && row[index] ? &r->tasks[row[index] - 1] : NULL;
}

static void text_map(const struct map *m, const struct ana_result *r, const uint32_t *row, uint32_t nrows)
{
	char step[32], comm[SR_COMM_LEN];
	size_t shown = r->ntasks < NLETTERS ? r->ntasks : NLETTERS;

	printf("each column is %s; the task that ran most in it, '.' for none of these tasks\n\n",
	       sr_format_time(step, sizeof(step), (double)m->step_ns));
	for (unsigned c = 0; c < m->ncpus; c++) {
		if (!m->cpus[c])
			continue;
		printf("cpu%-4u ", c);
		for (unsigned i = 0; i < STEPS; i++) {
			const struct ana_task_row *t = row_of(r, row, nrows, m->cpus[c]->steps[i].index);
			size_t k = t ? (size_t)(t - r->tasks) : 0;

			if (!t || (double)m->cpus[c]->steps[i].busy_ns < LEAST_SHARE * (double)m->step_ns)
				putchar('.');
			else
				putchar(k < NLETTERS ? letters[k] : '+');
		}
		putchar('\n');
	}
	putchar('\n');
	for (size_t i = 0; i < shown; i++)
		printf("%c %-15s %7d%s", letters[i], printable(comm, sizeof(comm), r->tasks[i].comm), r->tasks[i].tid,
		       i % 3 == 2 || i + 1 == shown ? "\n" : "      ");
	if (r->ntasks > NLETTERS)
		printf("+ %zu more\n", r->ntasks - NLETTERS);
}

static void table_map(const struct map *m, struct analyze_file *f, const uint32_t *row, uint32_t nrows)
{
	static const struct table_column columns[] = {
		{ "cpu", NULL, TABLE_ID, 0 },       { "time_ns", NULL, TABLE_AT, 0 },
		{ "step_ns", NULL, TABLE_TIME, 0 }, { "busy_ns", NULL, TABLE_TIME, 0 },
		{ "comm", NULL, TABLE_TEXT, 0 },    { "tid", NULL, TABLE_ID, 0 },
		{ "run_ns", NULL, TABLE_TIME, 0 },
	};
	uint64_t first;

	f->table->columns = columns;
	f->table->ncolumns = sizeof(columns) / sizeof(columns[0]);
	table_begin(f->table, "map");
	first = m->first_ns > f->first_ns ? m->first_ns - f->first_ns : 0; /* of --from */
	for (unsigned c = 0; c < m->ncpus; c++) {
		for (unsigned i = 0; m->cpus[c] && i < STEPS; i++) {
			const struct ana_task_row *t = row_of(&f->result, row, nrows, m->cpus[c]->steps[i].index);

			if (t)
				table_row(f->table,
					  (struct table_cell[]){
						  cell_number(c), cell_number((double)(first + i * m->step_ns)),
						  cell_number((double)m->step_ns),
						  cell_number((double)m->cpus[c]->steps[i].busy_ns), cell_text(t->comm),
						  cell_number(t->tid), cell_number((double)m->cpus[c]->steps[i].ns) });
		}
	}
	table_end(f->table);
}

int map_print(struct map *m, struct analyze_file *f, struct sr_error *err)
{
	struct ana_result *r = &f->result;
	uint32_t *row, nrows = 0; /* by task index, + 1; 0: none */

	for (unsigned c = 0; c < m->ncpus; c++)
		if (m->cpus[c])
			close_step(m->cpus[c]);
	for (size_t i = 0; i < r->ntasks; i++)
		if (r->tasks[i].index >= nrows)
			nrows = r->tasks[i].index + 1;
	row = calloc((size_t)nrows + 1, sizeof(*row));
	if (!row)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	sort_by_cpu_time(r);
	for (size_t i = 0; i < r->ntasks; i++)
		row[r->tasks[i].index] = (uint32_t)i + 1;
	if (f->table->form == TABLE_AS_TEXT)
		text_map(m, r, row, nrows);
	else
		table_map(m, f, row, nrows);
	free(row);
	return 0;
}
