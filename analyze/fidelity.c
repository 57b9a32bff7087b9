/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a replay and its recording, and joins their tasks and wakes. What is compared stands in fidelity.h. */
#include "analyze/fidelity_internal.h"

#include <stdlib.h>
#include <string.h>

#define NO_ROW UINT32_MAX

/* The recording as one set of its tasks in one window. */
struct side {
	struct ana_window window;
	uint8_t *members; /* by task index; NULL: all of the scope */
	size_t nmembers;
	struct ana_result result;
	struct ana_pass *pass; /* for its pairs */
};

struct ana_recording {
	struct srz_reader *reader;
	char *path;
	struct side **sides;
	size_t nsides, sides_cap;
};

struct ana_recording *ana_recording_open(const char *path, struct sr_error *err)
{
	struct ana_recording *s = calloc(1, sizeof(*s));

	if (!s || !(s->path = strdup(path))) {
		free(s);
		ana_no_memory(err);
		return NULL;
	}
	s->reader = srz_open(path, err);
	if (!s->reader) {
		ana_recording_free(s);
		return NULL;
	}
	return s;
}

static void side_free(struct side *d)
{
	if (!d)
		return;
	ana_pass_free(d->pass);
	ana_result_release(&d->result);
	free(d->members);
	free(d);
}

void ana_recording_free(struct ana_recording *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nsides; i++)
		side_free(s->sides[i]);
	free(s->sides);
	srz_reader_free(s->reader);
	free(s->path);
	free(s);
}

/* The time-weighted mean, beside the metrics that every result has. */
static int set_runnable_mean(struct ana_result *r, struct sr_error *err)
{
	double sum = 0, time = 0;

	for (size_t i = 0; i < r->nrunnable; i++) {
		time += (double)r->runnable_ns[i];
		sum += (double)r->runnable_ns[i] * (double)i;
	}
	return time > 0 ? ana_set(r, "runnable_tasks.mean", "tasks", sum / time, err) : 0;
}

static int read_side(struct srz_reader *r, const char *path, struct ana_pass_config *cfg,
		     const struct ana_window *window, struct ana_result *out, struct ana_pass **pass,
		     struct sr_error *err)
{
	cfg->pairs = true;
	if (ana_read(r, cfg, window, out, pass, err) < 0 || set_runnable_mean(out, err) < 0)
		return sr_fail_prefix(err, "%s", path);
	return 0;
}

static bool same_side(const struct side *d, const struct ana_window *w, const uint8_t *members, size_t n)
{
	if (d->window.from_ns != w->from_ns || d->window.to_ns != w->to_ns || !d->members != !members)
		return false;
	return !members || (d->nmembers == n && !memcmp(d->members, members, n));
}

/* Owns members from here on. */
static struct side *side_of(struct ana_recording *s, const struct ana_window *w, uint8_t *members, size_t nmembers,
			    struct sr_error *err)
{
	struct ana_pass_config cfg = { .scope = ANA_TREE, .members = members, .nmembers = nmembers };
	struct side *d;

	for (size_t i = 0; i < s->nsides; i++)
		if (same_side(s->sides[i], w, members, nmembers)) {
			free(members);
			return s->sides[i];
		}
	d = calloc(1, sizeof(*d));
	if (!d || ana_reserve(&s->sides, &s->sides_cap, s->nsides + 1, sizeof(*s->sides), err) < 0) {
		free(d);
		free(members);
		ana_no_memory(err);
		return NULL;
	}
	d->window = *w;
	d->members = members;
	d->nmembers = nmembers;
	if (read_side(s->reader, s->path, &cfg, w, &d->result, &d->pass, err) < 0) {
		side_free(d);
		return NULL;
	}
	s->sides[s->nsides++] = d;
	return d;
}

static struct side *side_with(const struct ana_recording *s, const struct ana_result *result)
{
	for (size_t i = 0; i < s->nsides; i++)
		if (&s->sides[i]->result == result)
			return s->sides[i];
	return NULL;
}

/* No recording has more tasks; a hostile replay may name any number. */
#define MOST_SOURCES (1u << 24)

/* Which tasks of the recording the replay's tasks replay; NULL when memory ran out. */
static uint8_t *bound_sources(const struct ana_result *rep, size_t *n)
{
	uint8_t *members;
	size_t most = 0;

	for (size_t i = 0; i < rep->ntasks; i++)
		if (rep->tasks[i].source < MOST_SOURCES && rep->tasks[i].source >= most)
			most = (size_t)rep->tasks[i].source + 1;
	members = calloc(most + 1, 1);
	for (size_t i = 0; members && i < rep->ntasks; i++)
		if (rep->tasks[i].source < MOST_SOURCES)
			members[rep->tasks[i].source] = 1;
	*n = most;
	return members;
}

static int join_by_source(const struct ana_result *rec, const struct ana_result *rep, uint32_t *recorded_row,
			  size_t nsources, struct sr_error *err)
{
	uint32_t *row_of = calloc(nsources + 1, sizeof(*row_of)); /* by source, + 1; 0: none */

	if (!row_of)
		return ana_no_memory(err);
	for (size_t i = 0; i < rec->ntasks; i++)
		if (rec->tasks[i].index < nsources)
			row_of[rec->tasks[i].index] = (uint32_t)i + 1;
	for (size_t i = 0; i < rep->ntasks; i++) {
		uint32_t source = rep->tasks[i].source;

		recorded_row[i] = source < nsources && row_of[source] ? row_of[source] - 1 : NO_ROW;
	}
	free(row_of);
	return 0;
}

static int by_comm(const void *x, const void *y, void *tasks)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	const struct ana_task_row *t = tasks;
	int c = strcmp(t[a].comm, t[b].comm);

	return c ? c : a < b ? -1 : a > b;
}

static uint32_t *order_by_comm(const struct ana_result *r)
{
	uint32_t *v = calloc(r->ntasks + 1, sizeof(*v));

	for (size_t i = 0; v && i < r->ntasks; i++)
		v[i] = (uint32_t)i;
	if (v)
		qsort_r(v, r->ntasks, sizeof(*v), by_comm, r->tasks);
	return v;
}

/* The n-th task of a name is the n-th of that name: for a second run of the application itself. */
static int join_by_comm(const struct ana_result *rec, const struct ana_result *rep, uint32_t *recorded_row,
			struct sr_error *err)
{
	uint32_t *a = order_by_comm(rec), *b = order_by_comm(rep);
	size_t i = 0, k = 0;

	if (!a || !b) {
		free(a);
		free(b);
		return ana_no_memory(err);
	}
	for (; k < rep->ntasks; k++) {
		const char *comm = rep->tasks[b[k]].comm;

		while (i < rec->ntasks && strcmp(rec->tasks[a[i]].comm, comm) < 0)
			i++;
		recorded_row[b[k]] = NO_ROW;
		if (i < rec->ntasks && !strcmp(rec->tasks[a[i]].comm, comm))
			recorded_row[b[k]] = a[i++];
	}
	free(a);
	free(b);
	return 0;
}

static void add_row(struct ana_task_row *to, const struct ana_task_row *row, bool first)
{
	if (first) {
		*to = *row;
		return;
	}
	/* Another thread, or another time, of the same recorded task. */
	to->cpu_ns += row->cpu_ns;
	to->wait_ns += row->wait_ns;
	to->sleep_ns += row->sleep_ns;
	to->wakeups += row->wakeups;
	to->voluntary += row->voluntary;
	to->involuntary += row->involuntary;
	to->migrations += row->migrations;
	to->latency_ns += row->latency_ns;
	to->latencies += row->latencies;
	if (row->max_latency_ns > to->max_latency_ns) {
		to->max_latency_ns = row->max_latency_ns;
		to->max_latency_at = row->max_latency_at;
	}
}

/* pair_of[i]: index in f->tasks of row i of the replay; in: its row of the recording. */
static int make_tasks(struct ana_fidelity *f, uint32_t *pair_of, struct sr_error *err)
{
	size_t n = f->recorded->ntasks;

	f->tasks = calloc(n + f->replayed.ntasks + 1, sizeof(*f->tasks));
	if (!f->tasks)
		return ana_no_memory(err);
	for (size_t i = 0; i < n; i++) {
		f->tasks[i].recorded = f->recorded->tasks[i];
		f->tasks[i].is_recorded = true;
	}
	for (size_t i = 0; i < f->replayed.ntasks; i++) {
		struct ana_task_pair *t;

		if (pair_of[i] == NO_ROW)
			pair_of[i] = (uint32_t)n++;
		t = &f->tasks[pair_of[i]];
		add_row(&t->replayed, &f->replayed.tasks[i], !t->is_replayed);
		t->is_replayed = true;
	}
	f->ntasks = n;
	return 0;
}

/* Wakes between tasks that are in both. */
static int make_edges(struct ana_fidelity *f, const struct ana_pairs *recorded, const struct ana_pairs *by_row,
		      const uint32_t *pair_of, struct sr_error *err)
{
	struct ana_pairs replayed = { 0 };
	size_t cap = 0;
	int ret = -1;

	for (size_t i = 0; i < by_row->cap; i++) {
		const struct ana_pair *e = &by_row->v[i];

		if (e->count && f->tasks[pair_of[e->from]].is_recorded && f->tasks[pair_of[e->to]].is_recorded &&
		    ana_pairs_add(&replayed, pair_of[e->from], pair_of[e->to], e->count, err) < 0)
			goto out;
	}
	for (size_t i = 0; i < recorded->cap; i++) {
		const struct ana_pair *e = &recorded->v[i];

		if (!e->count || !f->tasks[e->from].is_replayed || !f->tasks[e->to].is_replayed)
			continue;
		if (ana_reserve(&f->edges, &cap, f->nedges + 1, sizeof(*f->edges), err) < 0)
			goto out;
		f->edges[f->nedges++] = (struct ana_edge_pair){ e->from, e->to, e->count,
								ana_pairs_count(&replayed, e->from, e->to) };
	}
	for (size_t i = 0; i < replayed.cap; i++) {
		const struct ana_pair *e = &replayed.v[i];

		if (!e->count || ana_pairs_count(recorded, e->from, e->to))
			continue;
		if (ana_reserve(&f->edges, &cap, f->nedges + 1, sizeof(*f->edges), err) < 0)
			goto out;
		f->edges[f->nedges++] = (struct ana_edge_pair){ e->from, e->to, 0, e->count };
	}
	ret = 0;
out:
	ana_pairs_release(&replayed);
	return ret;
}

static int join(struct ana_fidelity *f, const struct side *rec, const struct ana_pass *pass, struct sr_error *err)
{
	uint32_t *pair_of = calloc(f->replayed.ntasks + 1, sizeof(*pair_of));
	int ret = -1;

	if (!pair_of)
		return ana_no_memory(err);
	if ((f->by_source ? join_by_source(f->recorded, &f->replayed, pair_of, rec->nmembers, err) :
			    join_by_comm(f->recorded, &f->replayed, pair_of, err)) == 0 &&
	    make_tasks(f, pair_of, err) == 0)
		ret = make_edges(f, ana_pass_pairs(rec->pass), ana_pass_pairs(pass), pair_of, err);
	free(pair_of);
	return ret;
}

/* What the replay says of itself, or what counts for the replay that this recording is measured like. */
static int set_part(struct ana_fidelity *f, const struct srz_reader *r, const struct ana_fidelity *like,
		    struct sr_error *err)
{
	const char *glob = like ? like->task_glob : srz_get_meta(r, "replay.task");
	double v;

	if (like)
		f->window = like->window;
	else if (f->by_source) {
		f->window.from_ns = ana_meta_number(r, "replay.from_ns", &v) ? (uint64_t)v : 0;
		f->window.to_ns = ana_meta_number(r, "replay.to_ns", &v) ? (uint64_t)v : 0;
	}
	if (glob) {
		f->task_glob = strdup(glob);
		if (!f->task_glob)
			return ana_no_memory(err);
	}
	return 0;
}

static int fidelity_of(struct ana_recording *source, struct srz_reader *r, const char *path,
		       const struct ana_fidelity *like, struct ana_fidelity *out, struct sr_error *err)
{
	struct ana_pass_config cfg = { .scope = ANA_TREE };
	struct ana_pass *pass = NULL;
	struct side *rec = like ? side_with(source, like->recorded) : NULL;
	uint8_t *members = NULL;
	size_t nmembers = 0;
	int ret = -1;

	if (like && ana_is_replay(r))
		return sr_fail(err, SR_USAGE, "%s is a replay: only recordings tell the application's own spread",
			       path);
	out->by_source = !like && srz_get_info(r)->events_by_kind[SR_EV_BIND] != 0;
	if (set_part(out, r, like, err) < 0)
		return -1;
	if (out->by_source)
		cfg.scope = ANA_BOUND;
	else if (like && like->by_source)
		cfg.scope = ANA_REPLAYABLE;
	cfg.task_glob = like ? out->task_glob : NULL;
	if (read_side(r, path, &cfg, like ? &out->window : NULL, &out->replayed, &pass, err) < 0)
		goto out;
	if (out->by_source) {
		members = bound_sources(&out->replayed, &nmembers);
		if (!members) {
			ana_no_memory(err);
			goto out;
		}
	}
	if (!rec)
		rec = side_of(source, &out->window, members, nmembers, err);
	if (!rec)
		goto out;
	out->recorded = &rec->result;
	if (join(out, rec, pass, err) == 0)
		ret = ana_fidelity_measure(out, r, err);
out:
	ana_pass_free(pass);
	return ret;
}

int ana_fidelity_of(struct ana_recording *source, const char *replay, const struct ana_fidelity *like,
		    struct ana_fidelity *out, struct sr_error *err)
{
	struct srz_reader *r = srz_open(replay, err);
	int ret;

	memset(out, 0, sizeof(*out));
	if (!r)
		return -1;
	ret = fidelity_of(source, r, replay, like, out, err);
	srz_reader_free(r);
	if (ret < 0)
		ana_fidelity_release(out);
	return ret;
}

void ana_fidelity_release(struct ana_fidelity *f)
{
	ana_result_release(&f->replayed);
	free(f->tasks);
	free(f->edges);
	free(f->task_glob);
	memset(f, 0, sizeof(*f));
}

int ana_fidelity_add(const struct ana_fidelity *f, struct ana_result *to, struct sr_error *err)
{
	for (size_t i = 0; i < f->replayed.nmetrics; i++) {
		const struct ana_metric *m = &f->replayed.metrics[i];

		if (!strncmp(m->name, "fidelity.", 9) && ana_set(to, m->name, m->unit, m->value, err) < 0)
			return -1;
	}
	return 0;
}

int ana_fidelity(const char *recording, const char *replay, struct ana_result *out, struct sr_error *err)
{
	struct ana_recording *s = ana_recording_open(recording, err);
	struct ana_fidelity f;
	int ret;

	if (!s)
		return -1;
	ret = ana_fidelity_of(s, replay, NULL, &f, err);
	if (ret == 0)
		ret = ana_fidelity_add(&f, out, err);
	ana_fidelity_release(&f);
	ana_recording_free(s);
	return ret;
}
