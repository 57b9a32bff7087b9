/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --view fidelity for programs: all that the text has, and the ranges behind its medians. */
#include "analyze/cmd_analyze.h"

#include <math.h>
#include <string.h>

static const char *const kinds[] = { "error", "distance", "agreement" };
static const char *const worst_names[ANA_WORSTS] = { "cpu_time_ns", "switches_voluntary", "switches_involuntary",
						     "wakeup_latency_ns.mean" };

static void measures_json(struct cmd_json *j, const struct ana_fidelity_report *r)
{
	cmd_json_open(j, "measures", '[');
	for (size_t i = 0; i < r->nrows; i++) {
		const struct ana_fidelity_row *row = &r->rows[i];

		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "measure", row->measure);
		cmd_json_str(j, "kind", kinds[row->kind]);
		cmd_json_str(j, "metric", row->metric);
		cmd_json_str(j, "unit", row->unit);
		cmd_json_real(j, "recorded", row->recorded);
		cmd_json_real(j, "replayed", row->replayed);
		cmd_json_real(j, "value", row->value);
		cmd_json_real(j, "lo", row->lo);
		cmd_json_real(j, "hi", row->hi);
		cmd_json_u64(j, "replays", row->replays);
		cmd_json_real(j, "spread_lo", row->spread_lo);
		cmd_json_real(j, "spread_hi", row->spread_hi);
		cmd_json_u64(j, "recordings", row->recordings);
		cmd_json_real(j, "target", row->target);
		cmd_json_str(j, "verdict", row->verdict == ANA_CLOSE_NONE ? NULL : ana_close_name(row->verdict));
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

static void dists_json(struct cmd_json *j, const struct ana_fidelity_report *r)
{
	cmd_json_open(j, "distributions", '[');
	for (size_t d = 0; d < ANA_DISTS; d++) {
		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "of", r->dist[d].name);
		cmd_json_str(j, "unit", r->dist[d].unit);
		cmd_json_open(j, "bins", '[');
		for (size_t i = 0; i < r->dist[d].nbins; i++) {
			const struct ana_bin *b = &r->dist[d].bins[i];

			cmd_json_open(j, NULL, '{');
			cmd_json_real(j, "lo", b->lo);
			cmd_json_real(j, "hi", b->hi);
			cmd_json_real(j, "recorded_share", b->recorded);
			cmd_json_real(j, "replayed_share", b->replayed);
			cmd_json_close(j, '}');
		}
		cmd_json_close(j, ']');
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

static void worst_json(struct cmd_json *j, const struct ana_fidelity_report *r)
{
	cmd_json_open(j, "worst_tasks", '[');
	for (unsigned w = 0; w < ANA_WORSTS; w++)
		for (size_t i = 0; i < r->nworst[w]; i++) {
			cmd_json_open(j, NULL, '{');
			cmd_json_str(j, "metric", worst_names[w]);
			cmd_json_str(j, "comm", r->worst[w][i].comm);
			cmd_json_real(j, "tid", r->worst[w][i].tid);
			cmd_json_real(j, "recorded", r->worst[w][i].recorded);
			cmd_json_real(j, "replayed", r->worst[w][i].replayed);
			cmd_json_close(j, '}');
		}
	cmd_json_close(j, ']');
}

static void edges_json(struct cmd_json *j, const char *key, const struct ana_wrong_edge *v, size_t n)
{
	cmd_json_open(j, key, '[');
	for (size_t i = 0; i < n; i++) {
		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "waker", v[i].from);
		cmd_json_str(j, "wakee", v[i].to);
		cmd_json_real(j, "recorded", v[i].recorded);
		cmd_json_real(j, "replayed", v[i].replayed);
		cmd_json_real(j, "missing", v[i].missing);
		cmd_json_real(j, "extra", v[i].extra);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
}

void fidelity_json(const struct fidelity_view *v, struct cmd_json *j)
{
	const struct ana_fidelity_report *r = &v->report;

	cmd_json_str(j, "against", v->source);
	cmd_json_open(j, "further", '[');
	for (size_t i = 0; i < v->nfurther; i++)
		cmd_json_str(j, NULL, v->further[i]);
	cmd_json_close(j, ']');
	cmd_json_u64(j, "from_ns", v->window.from_ns);
	cmd_json_u64(j, "to_ns", v->window.to_ns);
	cmd_json_str(j, "task", v->task_glob);
	measures_json(j, r);
	cmd_json_open(j, "order_waits", '{');
	cmd_json_real(j, "count", r->order_waits);
	cmd_json_real(j, "ns", r->order_wait_ns);
	cmd_json_real(j, "blocked", r->order_blocked);
	cmd_json_real(j, "expired", r->order_expired);
	cmd_json_real(j, "blocked_share_of_switches", r->order_share);
	cmd_json_close(j, '}');
	cmd_json_open(j, "counts", '{');
	for (size_t i = 0; i < v->ncounts; i++)
		cmd_json_real(j, v->counts[i].key, v->counts[i].sum);
	cmd_json_close(j, '}');
	cmd_json_u64(j, "tasks_unmatched", r->unmatched);
	dists_json(j, r);
	worst_json(j, r);
	edges_json(j, "wakes_missing", r->missing, r->nmissing);
	edges_json(j, "wakes_extra", r->extra, r->nextra);
}

enum column {
	PART,
	NAME,
	OTHER,
	UNIT,
	RECORDED,
	REPLAYED,
	VALUE,
	LO,
	HI,
	SPREAD_LO,
	SPREAD_HI,
	TARGET,
	VERDICT,
	COLUMNS
};

static struct table_cell known(double v)
{
	return cell_if(!isnan(v), v);
}

static void measures_csv(const struct ana_fidelity_report *r, struct table *t)
{
	for (size_t i = 0; i < r->nrows; i++) {
		const struct ana_fidelity_row *row = &r->rows[i];

		table_row(t, (struct table_cell[COLUMNS]){
				     [PART] = cell_text("measure"),
				     [NAME] = cell_text(row->measure),
				     [OTHER] = cell_text(row->metric),
				     [UNIT] = cell_text(row->unit),
				     [RECORDED] = known(row->recorded),
				     [REPLAYED] = known(row->replayed),
				     [VALUE] = known(row->value),
				     [LO] = known(row->lo),
				     [HI] = known(row->hi),
				     [SPREAD_LO] = known(row->spread_lo),
				     [SPREAD_HI] = known(row->spread_hi),
				     [TARGET] = known(row->target),
				     [VERDICT] = cell_text(
					     row->verdict == ANA_CLOSE_NONE ? NULL : ana_close_name(row->verdict)) });
	}
}

static void edges_csv(const char *part, const struct ana_wrong_edge *v, size_t n, bool extra, struct table *t)
{
	for (size_t i = 0; i < n; i++)
		table_row(t, (struct table_cell[COLUMNS]){ [PART] = cell_text(part),
							   [NAME] = cell_text(v[i].from),
							   [OTHER] = cell_text(v[i].to),
							   [UNIT] = cell_text("count"),
							   [RECORDED] = cell_number(v[i].recorded),
							   [REPLAYED] = cell_number(v[i].replayed),
							   [VALUE] = cell_number(extra ? v[i].extra : v[i].missing) });
}

static void counts_csv(const struct fidelity_view *v, struct table *t)
{
	for (size_t i = 0; i < v->ncounts; i++)
		table_row(t, (struct table_cell[COLUMNS]){ [PART] = cell_text("count"),
							   [NAME] = cell_text(v->counts[i].key),
							   [REPLAYED] = cell_number(v->counts[i].sum) });
}

/* One width for all parts; what a part does not have is empty. */
void fidelity_csv(const struct fidelity_view *v, struct table *t)
{
	static const struct table_column columns[COLUMNS] = {
		[PART] = { "part", NULL, TABLE_TEXT, 0 },
		[NAME] = { "name", NULL, TABLE_TEXT, 0 },
		[OTHER] = { "of", NULL, TABLE_TEXT, 0 }, /* an error's metric, a wake's wakee, a task's metric */
		[UNIT] = { "unit", NULL, TABLE_TEXT, 0 },
		[RECORDED] = { "recorded", NULL, TABLE_REAL, 0 },
		[REPLAYED] = { "replayed", NULL, TABLE_REAL, 0 },
		[VALUE] = { "value", NULL, TABLE_REAL, 0 },
		[LO] = { "lo", NULL, TABLE_REAL, 0 },
		[HI] = { "hi", NULL, TABLE_REAL, 0 },
		[SPREAD_LO] = { "spread_lo", NULL, TABLE_REAL, 0 },
		[SPREAD_HI] = { "spread_hi", NULL, TABLE_REAL, 0 },
		[TARGET] = { "target", NULL, TABLE_REAL, 0 },
		[VERDICT] = { "verdict", NULL, TABLE_TEXT, 0 },
	};
	const struct ana_fidelity_report *r = &v->report;

	t->columns = columns;
	t->ncolumns = COLUMNS;
	table_begin(t, NULL);
	measures_csv(r, t);
	counts_csv(v, t);
	for (size_t d = 0; d < ANA_DISTS; d++)
		for (size_t i = 0; i < r->dist[d].nbins; i++)
			table_row(t,
				  (struct table_cell[COLUMNS]){ [PART] = cell_text("share"),
								[NAME] = cell_text(r->dist[d].name),
								[UNIT] = cell_text(r->dist[d].unit),
								[RECORDED] = cell_number(r->dist[d].bins[i].recorded),
								[REPLAYED] = cell_number(r->dist[d].bins[i].replayed),
								[LO] = cell_number(r->dist[d].bins[i].lo),
								[HI] = cell_number(r->dist[d].bins[i].hi) });
	for (unsigned w = 0; w < ANA_WORSTS; w++)
		for (size_t i = 0; i < r->nworst[w]; i++)
			table_row(t, (struct table_cell[COLUMNS]){ [PART] = cell_text("task"),
								   [NAME] = cell_text(r->worst[w][i].comm),
								   [OTHER] = cell_text(worst_names[w]),
								   [RECORDED] = cell_number(r->worst[w][i].recorded),
								   [REPLAYED] = cell_number(r->worst[w][i].replayed),
								   [VALUE] = cell_number(r->worst[w][i].replayed -
											 r->worst[w][i].recorded) });
	edges_csv("wakes missing", r->missing, r->nmissing, false, t);
	edges_csv("wakes extra", r->extra, r->nextra, true, t);
}
