/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"
#include "formats/task.h"
#include "formats/timeline.h"

#define MAX_CONCURRENCY 1024 /* more count as so many for the 95th percentile */

static const char *const names[ANA_FEATURES] = {
	[ANA_F_SWITCH_RATE] = "switch_rate",
	[ANA_F_WAKE_RATE] = "wake_rate",
	[ANA_F_MIGRATE_RATE] = "migrate_rate",
	[ANA_F_FORK_RATE] = "fork_rate",
	[ANA_F_EXEC_RATE] = "exec_rate",
	[ANA_F_BUSY_SHARE] = "busy_share",
	[ANA_F_INVOLUNTARY_SHARE] = "involuntary_share",
	[ANA_F_BURST_P50] = "burst_p50",
	[ANA_F_BURST_P90] = "burst_p90",
	[ANA_F_BURST_P99] = "burst_p99",
	[ANA_F_SLEEP_P50] = "sleep_p50",
	[ANA_F_SLEEP_P90] = "sleep_p90",
	[ANA_F_SLEEP_P99] = "sleep_p99",
	[ANA_F_WAIT_P50] = "wait_p50",
	[ANA_F_WAIT_P99] = "wait_p99",
	[ANA_F_CONCURRENCY_MEAN] = "concurrency_mean",
	[ANA_F_CONCURRENCY_P95] = "concurrency_p95",
	[ANA_F_CONCURRENCY_MAX] = "concurrency_max",
	[ANA_F_TASKS_ACTIVE] = "tasks_active",
	[ANA_F_TASKS_EFFECTIVE] = "tasks_effective",
	[ANA_F_TOP_TASK_SHARE] = "top_task_share",
	[ANA_F_KERNEL_SHARE] = "kernel_share",
	[ANA_F_RT_SHARE] = "rt_share",
	[ANA_F_NICE_SHARE] = "nice_share",
	[ANA_F_WAKE_DEGREE] = "wake_degree",
	[ANA_F_WAKE_HUB_SHARE] = "wake_hub_share",
	[ANA_F_WAKE_MUTUAL_SHARE] = "wake_mutual_share",
	[ANA_F_WAKE_IRQ_SHARE] = "wake_irq_share",
	[ANA_F_PERIODIC_SHARE] = "periodic_share",
	[ANA_F_PERIOD] = "period",
};

enum state { UNKNOWN, SLEEPING, WAITING, RUNNING };

struct task {
	uint64_t since_ns; /* of the present state */
	uint64_t burst_ns; /* CPU time since the last wake */
	uint64_t cpu_ns, rt_ns, nice_ns;
	uint64_t woken_ns, distance_ns; /* the last wake, and its distance from the one before; 0: none */
	uint64_t wakes;                 /* by it */
	uint8_t state;
	bool whole; /* the burst began with a wake that was seen */
};

/* a woke b so often, and b woke a; a < b */
struct edge {
	uint32_t a, b; /* 0, 0: a free slot */
	uint64_t n[2];
};

struct pass {
	struct sr_task_table table;
	struct sr_repair *repair;
	struct srz_reader *r;
	struct task *task;
	size_t ntasks;
	struct edge *edge; /* twice as many slots as edges */
	size_t nedges;
	uint32_t sample;       /* only pairs whose hash has none of these bits */
	uint64_t *runnable_ns; /* time with so many runnable tasks */
	uint64_t running_since, max_runnable, runnable_area;
	unsigned runnable;
	bool *cpu_seen;
	uint64_t first_ns, last_ns;
	uint64_t switches, involuntary, wakes, irq_wakes, migrations, forks, execs, distances, alike;
	struct ana_hist burst, sleep, wait, period;
};

const char *ana_feature_name(enum ana_feature f)
{
	return (unsigned)f < ANA_FEATURES ? names[f] : "?";
}

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

/* The task of a tid now, NULL with *failed when memory ran out; the idle task and the recorder are none. */
static struct task *task_of(struct pass *p, int32_t tid, size_t *index, bool *failed)
{
	size_t i = sr_task_of(&p->table, tid);

	*failed = i == SIZE_MAX;
	*index = i;
	if (*failed || i == 0 || p->table.v[i].flags & SR_TASK_RECORDER)
		return NULL;
	if (i >= p->ntasks) {
		size_t n = p->table.cap > i ? p->table.cap : i + 1;
		struct task *v = realloc(p->task, n * sizeof(*v));

		if (!v) {
			*failed = true;
			return NULL;
		}
		memset(v + p->ntasks, 0, (n - p->ntasks) * sizeof(*v));
		p->task = v;
		p->ntasks = n;
	}
	return &p->task[i];
}

static void change_runnable(struct pass *p, uint64_t now, int by)
{
	/* Repaired switches may lie a little before the clock. */
	if (now > p->running_since) {
		unsigned n = p->runnable < MAX_CONCURRENCY ? p->runnable : MAX_CONCURRENCY;

		p->runnable_ns[n] += now - p->running_since;
		p->runnable_area += (now - p->running_since) * p->runnable;
		p->running_since = now;
	}
	if (by < 0 && p->runnable)
		p->runnable--;
	else if (by > 0)
		p->runnable++;
	if (p->runnable > p->max_runnable)
		p->max_runnable = p->runnable;
}

static void set_state(struct pass *p, struct task *t, uint64_t now, enum state state)
{
	bool was = t->state == WAITING || t->state == RUNNING, is = state == WAITING || state == RUNNING;

	if (was != is)
		change_runnable(p, now, is ? 1 : -1);
	t->state = (uint8_t)state;
	t->since_ns = now;
}

static void switch_out(struct pass *p, struct task *t, const struct sr_event *ev)
{
	bool sleeps = sr_state_sleeps(ev->u.sw.prev_state);
	uint64_t ran;

	if (!(ev->flags & SR_EV_REPAIRED)) {
		p->switches++;
		p->involuntary += !sleeps;
	}
	if (t->state == RUNNING) {
		ran = ev->time_ns > t->since_ns ? ev->time_ns - t->since_ns : 0;
		t->cpu_ns += ran;
		t->burst_ns += ran;
		t->rt_ns += ev->u.sw.prev_prio < 100 ? ran : 0;
		t->nice_ns += ev->u.sw.prev_prio > 120 ? ran : 0;
		if (sleeps && t->whole)
			ana_hist_add(&p->burst, t->burst_ns);
	}
	if (ev->u.sw.prev_state == SR_STATE_DEAD || ev->u.sw.prev_state == SR_STATE_ZOMBIE)
		set_state(p, t, ev->time_ns, UNKNOWN);
	else
		set_state(p, t, ev->time_ns, sleeps ? SLEEPING : WAITING);
	if (ev->flags & SR_EV_REPAIRED)
		t->whole = false;
}

static void switch_in(struct pass *p, struct task *t, const struct sr_event *ev)
{
	if (t->state == WAITING && !(ev->flags & SR_EV_REPAIRED) && ev->time_ns >= t->since_ns)
		ana_hist_add(&p->wait, ev->time_ns - t->since_ns);
	set_state(p, t, ev->time_ns, RUNNING);
}

/* Wake graph */

static uint32_t hash_of(uint32_t a, uint32_t b)
{
	uint64_t h = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u;

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 32);
}

static struct edge *slot_of(struct edge *v, uint32_t a, uint32_t b)
{
	size_t i = hash_of(a, b) & (2 * ANA_FEATURE_EDGES - 1);

	while ((v[i].a || v[i].b) && (v[i].a != a || v[i].b != b))
		i = (i + 1) & (2 * ANA_FEATURE_EDGES - 1);
	return &v[i];
}

/* Only half of the pairs from here on, chosen by further bits of their hash. */
static int thin_edges(struct pass *p, struct sr_error *err)
{
	struct edge *v = calloc(2 * ANA_FEATURE_EDGES, sizeof(*v));

	if (!v)
		return no_memory(err);
	p->sample = p->sample >> 1 | 0x80000000u;
	p->nedges = 0;
	for (size_t i = 0; i < 2 * ANA_FEATURE_EDGES; i++) {
		const struct edge *e = &p->edge[i];

		if ((!e->a && !e->b) || hash_of(e->a, e->b) & p->sample)
			continue;
		*slot_of(v, e->a, e->b) = *e;
		p->nedges++;
	}
	free(p->edge);
	p->edge = v;
	return 0;
}

static int add_edge(struct pass *p, size_t from, size_t to, struct sr_error *err)
{
	uint32_t a = (uint32_t)(from < to ? from : to), b = (uint32_t)(from < to ? to : from);
	struct edge *e;

	if (from == to || hash_of(a, b) & p->sample)
		return 0;
	e = slot_of(p->edge, a, b);
	if (!e->a && !e->b) {
		if (p->nedges == ANA_FEATURE_EDGES)
			return thin_edges(p, err) ? -1 : add_edge(p, from, to, err);
		*e = (struct edge){ .a = a, .b = b };
		p->nedges++;
	}
	e->n[from > to]++;
	return 0;
}

static void note_distance(struct pass *p, struct task *t, uint64_t now)
{
	uint64_t d = now - t->woken_ns, before = t->distance_ns;

	if (t->woken_ns && now > t->woken_ns) {
		if (before) {
			p->distances++;
			if (d >= before - before / 20 && d <= before + before / 20) {
				p->alike++;
				ana_hist_add(&p->period, d);
			}
		}
		t->distance_ns = d;
	}
	t->woken_ns = now;
}

static int feed_waking(struct pass *p, const struct sr_event *ev, struct sr_error *err)
{
	size_t to, from;
	bool failed, irq = ev->flags & SR_EV_INTERRUPT || ev->ctx == 0;
	struct task *t = task_of(p, ev->u.wake.tid, &to, &failed), *by;

	if (failed)
		return no_memory(err);
	if (!t)
		return 0;
	p->wakes++;
	p->irq_wakes += irq;
	if (t->state == SLEEPING && ev->time_ns >= t->since_ns)
		ana_hist_add(&p->sleep, ev->time_ns - t->since_ns);
	note_distance(p, t, ev->time_ns);
	if (t->state != RUNNING) {
		t->burst_ns = 0;
		t->whole = true;
		set_state(p, t, ev->time_ns, WAITING);
	}
	if (irq)
		return 0;
	by = task_of(p, ev->ctx, &from, &failed);
	if (failed)
		return no_memory(err);
	if (!by)
		return 0;
	by->wakes++;
	return add_edge(p, from, to, err);
}

static int feed_switch(struct pass *p, const struct sr_event *ev, struct sr_error *err)
{
	size_t index;
	bool failed;
	struct task *t = task_of(p, ev->u.sw.prev, &index, &failed);

	if (t)
		switch_out(p, t, ev);
	if (!failed)
		t = task_of(p, ev->u.sw.next, &index, &failed);
	if (failed)
		return no_memory(err);
	if (t) {
		switch_in(p, t, ev);
		p->cpu_seen[ev->cpu] = true;
	}
	return 0;
}

static int feed(struct pass *p, const struct sr_event *ev, struct sr_error *err)
{
	size_t index;
	bool failed = false;
	struct task *t;

	switch (ev->kind) {
	case SR_EV_SWITCH:
		return feed_switch(p, ev, err);
	case SR_EV_WAKING:
		return feed_waking(p, ev, err);
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		t = task_of(p, ev->u.wake.tid, &index, &failed);
		if (failed)
			return no_memory(err);
		if (t && t->state != RUNNING && t->state != WAITING) {
			t->burst_ns = 0;
			t->whole = true;
			set_state(p, t, ev->time_ns, WAITING);
		}
		return 0;
	case SR_EV_MIGRATE:
		p->migrations++;
		return 0;
	case SR_EV_FORK:
		p->forks++;
		return 0;
	case SR_EV_EXEC:
		p->execs++;
		return 0;
	default:
		return 0;
	}
}

static int read_events(struct pass *p, struct sr_error *err)
{
	struct sr_event ev, out[5];
	int got, n;

	while ((got = srz_next(p->r, &ev, err)) == 1) {
		if (srz_stream_of_last(p->r) != SRZ_STREAM_KERNEL || sr_event_is_power(ev.kind))
			continue;
		n = sr_repair_push(p->repair, &ev, out, err);
		if (n < 0)
			return -1;
		if (!p->first_ns)
			p->first_ns = p->running_since = ev.time_ns;
		p->last_ns = ev.time_ns;
		for (int i = 0; i < n; i++)
			if (sr_task_table_feed(&p->table, &out[i], srz_name_at, p->r, err) || feed(p, &out[i], err))
				return -1;
	}
	return got;
}

/* Results */

static double share(double part, double all)
{
	return all > 0 ? part / all : NAN;
}

static void wake_features(const struct pass *p, double *v)
{
	uint64_t all = 0, mutual = 0, arrows = 0, by_tasks = 0, hub = 0;
	size_t wakers = 0;
	double scale = p->sample ? (double)(1ull << __builtin_popcount(p->sample)) : 1;

	for (size_t i = 0; i < 2 * ANA_FEATURE_EDGES; i++) {
		const struct edge *e = &p->edge[i];

		all += e->n[0] + e->n[1];
		arrows += !!e->n[0] + !!e->n[1];
		if (e->n[0] && e->n[1])
			mutual += e->n[0] + e->n[1];
	}
	for (size_t i = 0; i < p->ntasks; i++) {
		wakers += p->task[i].wakes > 0;
		by_tasks += p->task[i].wakes;
		if (p->task[i].wakes > hub)
			hub = p->task[i].wakes;
	}
	v[ANA_F_WAKE_DEGREE] = share(scale * (double)arrows, (double)wakers);
	v[ANA_F_WAKE_HUB_SHARE] = share((double)hub, (double)by_tasks);
	v[ANA_F_WAKE_MUTUAL_SHARE] = share((double)mutual, (double)all);
	v[ANA_F_WAKE_IRQ_SHARE] = share((double)p->irq_wakes, (double)p->wakes);
	v[ANA_F_PERIODIC_SHARE] = share((double)p->alike, (double)p->distances);
	v[ANA_F_PERIOD] = ana_hist_quantile(&p->period, 0.5);
}

static void load_features(const struct pass *p, double seconds, unsigned cpus, double *v)
{
	double cpu = 0, squares = 0, kernel = 0, rt = 0, nice = 0, top = 0, active = 0;

	for (size_t i = 0; i < p->ntasks && i < p->table.n; i++) {
		double ran = (double)p->task[i].cpu_ns;

		cpu += ran;
		squares += ran * ran;
		top = ran > top ? ran : top;
		active += ran > 0;
		kernel += p->table.v[i].flags & SR_TASK_KTHREAD ? ran : 0;
		rt += (double)p->task[i].rt_ns;
		nice += (double)p->task[i].nice_ns;
	}
	v[ANA_F_BUSY_SHARE] = share(cpu, seconds * 1e9 * cpus);
	v[ANA_F_TASKS_ACTIVE] = active;
	v[ANA_F_TASKS_EFFECTIVE] = share(cpu * cpu, squares);
	v[ANA_F_TOP_TASK_SHARE] = share(top, cpu);
	v[ANA_F_KERNEL_SHARE] = share(kernel, cpu);
	v[ANA_F_RT_SHARE] = share(rt, cpu);
	v[ANA_F_NICE_SHARE] = share(nice, cpu);
}

static void concurrency_features(struct pass *p, double *v)
{
	uint64_t all = 0, sum = 0;

	change_runnable(p, p->last_ns, 0);
	for (unsigned i = 0; i <= MAX_CONCURRENCY; i++)
		all += p->runnable_ns[i];
	if (!all)
		return;
	v[ANA_F_CONCURRENCY_MEAN] = (double)p->runnable_area / (double)all;
	v[ANA_F_CONCURRENCY_MAX] = (double)p->max_runnable;
	for (unsigned i = 0; i <= MAX_CONCURRENCY; i++) {
		sum += p->runnable_ns[i];
		if ((double)sum >= 0.95 * (double)all) {
			v[ANA_F_CONCURRENCY_P95] = i;
			break;
		}
	}
}

static void finish(struct pass *p, double *v)
{
	double seconds = (double)(p->last_ns - p->first_ns) / 1e9;
	unsigned cpus = 0;

	for (size_t i = 0; i < SR_MAX_CPUS; i++)
		cpus += p->cpu_seen[i];
	v[ANA_F_SWITCH_RATE] = share((double)p->switches, seconds * cpus);
	v[ANA_F_WAKE_RATE] = share((double)p->wakes, seconds * cpus);
	v[ANA_F_MIGRATE_RATE] = share((double)p->migrations, seconds * cpus);
	v[ANA_F_FORK_RATE] = share((double)p->forks, seconds);
	v[ANA_F_EXEC_RATE] = share((double)p->execs, seconds);
	v[ANA_F_INVOLUNTARY_SHARE] = share((double)p->involuntary, (double)p->switches);
	v[ANA_F_BURST_P50] = ana_hist_quantile(&p->burst, 0.5);
	v[ANA_F_BURST_P90] = ana_hist_quantile(&p->burst, 0.9);
	v[ANA_F_BURST_P99] = ana_hist_quantile(&p->burst, 0.99);
	v[ANA_F_SLEEP_P50] = ana_hist_quantile(&p->sleep, 0.5);
	v[ANA_F_SLEEP_P90] = ana_hist_quantile(&p->sleep, 0.9);
	v[ANA_F_SLEEP_P99] = ana_hist_quantile(&p->sleep, 0.99);
	v[ANA_F_WAIT_P50] = ana_hist_quantile(&p->wait, 0.5);
	v[ANA_F_WAIT_P99] = ana_hist_quantile(&p->wait, 0.99);
	concurrency_features(p, v);
	load_features(p, seconds, cpus, v);
	wake_features(p, v);
}

int ana_features(struct srz_reader *r, struct ana_features *out, struct sr_error *err)
{
	const char *scope = srz_get_meta(r, "scope");
	bool filtered = scope && strcmp(scope, "system") != 0;
	struct pass *p = calloc(1, sizeof(*p));
	int ret = -1;

	for (unsigned i = 0; i < ANA_FEATURES; i++)
		out->v[i] = NAN;
	if (!p)
		return no_memory(err);
	p->r = r;
	p->edge = calloc(2 * ANA_FEATURE_EDGES, sizeof(*p->edge));
	p->runnable_ns = calloc(MAX_CONCURRENCY + 1, sizeof(*p->runnable_ns));
	p->cpu_seen = calloc(SR_MAX_CPUS, sizeof(*p->cpu_seen));
	if (!p->edge || !p->runnable_ns || !p->cpu_seen) {
		no_memory(err);
		goto out;
	}
	p->repair = sr_repair_new(filtered, srz_get_tasks(r), err);
	if (!p->repair || srz_rewind(r, err) || sr_task_table_init(&p->table, srz_get_tasks(r), err))
		goto out;
	ret = read_events(p, err);
	if (!ret)
		finish(p, out->v);
out:
	sr_task_table_release(&p->table);
	sr_repair_free(p->repair);
	free(p->task);
	free(p->edge);
	free(p->runnable_ns);
	free(p->cpu_seen);
	free(p);
	return ret;
}
