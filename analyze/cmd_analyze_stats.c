/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --view stats: what /proc/schedstat counts, out of the events, for each cpu and each distance from it. */
#include "analyze/cmd_analyze.h"

#include <string.h>

#define COLUMNS(t, c) ((t)->columns = (c), (t)->ncolumns = sizeof(c) / sizeof((c)[0]))

static const struct table_column cpu_columns[] = {
	{ "cpu", "cpu", TABLE_ID, 5 },
	{ "switches", "switches", TABLE_COUNT, 10 },
	{ "to_idle", "to idle", TABLE_COUNT, 10 },
	{ "preempted", "preempted", TABLE_COUNT, 9 },
	{ "wakeups", "wake-ups", TABLE_COUNT, 10 },
	{ "wakeups_local", "local", TABLE_COUNT, 10 },
	{ "new_tasks", "new", TABLE_COUNT, 7 },
	{ "slices", "slices", TABLE_COUNT, 10 },
	{ "run_ns", "ran", TABLE_TIME, 8 },
	{ "delay_ns", "waited", TABLE_TIME, 8 },
};
#define CPU_CELLS (sizeof(cpu_columns) / sizeof(cpu_columns[0]))

static void cpu_cells(const struct ana_result *r, const struct ana_cpu_stats *s, struct table_cell *cells)
{
	const uint64_t v[CPU_CELLS] = { s->cpu,   s->switches, s->to_idle, s->preempted, s->wakeups,
					s->local, s->fresh,    s->slices,  s->run_ns,    s->delay_ns };

	for (size_t i = 0; i < CPU_CELLS; i++)
		cells[i] = cell_number((double)v[i]);
	cells[5].known = r->placements_known;
}

static const struct table_column level_columns[] = {
	{ "cpu", "cpu", TABLE_ID, 5 },
	{ "domain", "domain", TABLE_TEXT, -8 },
	{ "wakeups", "wake-ups", TABLE_COUNT, 10 },
	{ "moved_wake", "wake", TABLE_COUNT, 10 },
	{ "moved_newidle", "newidle", TABLE_COUNT, 10 },
	{ "moved_idle", "idle", TABLE_COUNT, 10 },
	{ "moved_busy", "busy", TABLE_COUNT, 10 },
	{ "moved_stopper", "stopper", TABLE_COUNT, 10 },
	{ "moved_other", "other", TABLE_COUNT, 10 },
};
#define LEVEL_CELLS (sizeof(level_columns) / sizeof(level_columns[0]))
_Static_assert(LEVEL_CELLS == 3 + ANA_MOVES, "a column for each way to come to a cpu");

static void level_cells(const struct ana_result *r, const struct ana_cpu_stats *s, unsigned level,
			struct table_cell *cells)
{
	cells[0] = cell_number(s->cpu);
	cells[1] = cell_text(ana_level_name(level));
	cells[2] = cell_if(r->placements_known, (double)s->level[level].wakeups);
	for (unsigned m = 0; m < ANA_MOVES; m++)
		cells[3 + m] = cell_number((double)s->level[level].moves[m]);
	cells[3 + ANA_MOVE_WAKE].known = r->placements_known;
}

static bool level_is_used(const struct ana_cpu_stats *s, unsigned level)
{
	uint64_t sum = s->level[level].wakeups;

	for (unsigned m = 0; m < ANA_MOVES; m++)
		sum += s->level[level].moves[m];
	return sum != 0;
}

static void cpu_table(const struct analyze_file *f)
{
	struct table *t = f->table;
	struct table_cell cells[CPU_CELLS];
	struct ana_cpu_stats sum = { 0 };

	COLUMNS(t, cpu_columns);
	table_begin(t, "cpus");
	for (size_t i = 0; i < f->result.ncpu_stats; i++) {
		const struct ana_cpu_stats *s = &f->result.cpu_stats[i];

		cpu_cells(&f->result, s, cells);
		table_row(t, cells);
		sum.switches += s->switches;
		sum.to_idle += s->to_idle;
		sum.preempted += s->preempted;
		sum.wakeups += s->wakeups;
		sum.local += s->local;
		sum.fresh += s->fresh;
		sum.slices += s->slices;
		sum.run_ns += s->run_ns;
		sum.delay_ns += s->delay_ns;
	}
	if (t->form == TABLE_AS_TEXT && f->result.ncpu_stats > 1) {
		cpu_cells(&f->result, &sum, cells);
		cells[0].known = false;
		table_row(t, cells);
	}
	table_end(t);
}

static void level_table(const struct analyze_file *f)
{
	struct table *t = f->table;
	struct table_cell cells[LEVEL_CELLS];

	if (t->form == TABLE_AS_TEXT) {
		puts(f->result.levels_known ? "\nby distance: wake-ups made here for a CPU so far away; tasks that "
					      "came here from one, by"
					      "\nhow they came" :
					      "\nthe file does not describe the machine: nothing by distance");
		if (!f->result.levels_known)
			return;
	}
	COLUMNS(t, level_columns);
	table_begin(t, "domains");
	for (size_t i = 0; i < f->result.ncpu_stats; i++) {
		for (unsigned l = 0; l < ANA_LEVELS; l++) {
			if (!level_is_used(&f->result.cpu_stats[i], l))
				continue;
			level_cells(&f->result, &f->result.cpu_stats[i], l, cells);
			table_row(t, cells);
		}
	}
	table_end(t);
}

/* One table for both: a line a counter. */
static void csv_lines(const struct analyze_file *f)
{
	static const struct table_column columns[] = {
		{ "cpu", NULL, TABLE_ID, 0 },
		{ "domain", NULL, TABLE_TEXT, 0 },
		{ "counter", NULL, TABLE_TEXT, 0 },
		{ "value", NULL, TABLE_COUNT, 0 },
	};
	struct table *t = f->table;
	struct table_cell cells[CPU_CELLS > LEVEL_CELLS ? CPU_CELLS : LEVEL_CELLS];

	COLUMNS(t, columns);
	table_begin(t, NULL);
	for (size_t i = 0; i < f->result.ncpu_stats; i++) {
		const struct ana_cpu_stats *s = &f->result.cpu_stats[i];

		cpu_cells(&f->result, s, cells);
		for (size_t c = 1; c < CPU_CELLS; c++)
			table_row(t, (struct table_cell[]){ cells[0], cell_text(NULL), cell_text(cpu_columns[c].key),
							    cells[c] });
		for (unsigned l = 0; f->result.levels_known && l < ANA_LEVELS; l++) {
			level_cells(&f->result, s, l, cells);
			for (size_t c = 2; level_is_used(s, l) && c < LEVEL_CELLS; c++)
				table_row(t, (struct table_cell[]){ cells[0], cells[1], cell_text(level_columns[c].key),
								    cells[c] });
		}
	}
	table_end(t);
}

void view_stats(struct analyze_file *f)
{
	if (f->table->form == TABLE_AS_CSV) {
		csv_lines(f);
		return;
	}
	if (f->table->form == TABLE_AS_JSON)
		cmd_json_bool(f->table->json, "domains_known", f->result.levels_known);
	else
		puts(f->result.whole_system ?
			     "counted for every task, whoever it was" :
			     "counted for the recorded tasks only: a recording of the whole system (-a) has all");
	cpu_table(f);
	level_table(f);
}
