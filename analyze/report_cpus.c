/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose time a cpu's was, in equal steps: that of the tasks that a file is about, that of others, and what nobody knows. */
#include "analyze/report_internal.h"

#include <stdlib.h>
#include <string.h>

#include "formats/timeline.h"

struct task {
	uint16_t cpu; /* where it ran last */
	bool own;     /* from here on */
	bool named;   /* by an event */
};

struct cpu {
	uint64_t at_ns, last_ns; /* its time is given up to at_ns; its latest event */
	uint32_t who;
	bool seen, after_loss;
};

struct reading {
	struct ana_report_cpus *c;
	struct sr_task_table table;
	struct task *v; /* by index in the table */
	size_t cap;
	struct cpu *cpus;
};

void ana_report_spread(double *steps, const struct ana_report_cpus *c, uint64_t start, uint64_t end)
{
	uint64_t at = start > c->first_ns ? start - c->first_ns : 0;

	end = end > c->first_ns ? end - c->first_ns : 0;
	while (at < end) {
		uint64_t step = at / c->step_ns, until = (step + 1) * c->step_ns;

		if (step >= ANA_REPORT_STEPS)
			return;
		if (until > end)
			until = end;
		steps[step] += (double)(until - at);
		at = until;
	}
}

static double *lane_of(const struct ana_report_cpus *c, double *lanes, unsigned cpu)
{
	return lanes + (size_t)(cpu / c->per_lane) * ANA_REPORT_STEPS;
}

/* The cpu's time up to now was that of who. Of a recording of some tasks nothing is known of others. */
static void give(struct reading *r, unsigned cpu, uint32_t who, uint64_t now)
{
	struct ana_report_cpus *c = r->c;
	struct cpu *p = &r->cpus[cpu];
	bool own = who < r->cap && r->v[who].own;

	if (now <= p->at_ns)
		return;
	if (who && (own || c->whole_system))
		ana_report_spread(lane_of(c, own ? c->own : c->others, cpu), c, p->at_ns, now);
	p->at_ns = now;
}

static void on_lost(struct reading *r, const struct sr_event *ev)
{
	struct cpu *p = &r->cpus[ev->cpu];
	uint64_t span = ((uint64_t)ev->u.lost.span_us + 1) * 1000, from = p->last_ns;

	/* Where parts were merged, it is the time between them. */
	if (ev->u.lost.span_us && ev->u.lost.span_us < UINT32_MAX && ev->time_ns > span && ev->time_ns - span > from)
		from = ev->time_ns - span;
	if (p->seen)
		give(r, ev->cpu, p->who, from);
	else if (from > p->at_ns)
		p->at_ns = from;
	if (ev->time_ns > p->at_ns) {
		ana_report_spread(lane_of(r->c, r->c->lost, ev->cpu), r->c, p->at_ns, ev->time_ns);
		p->at_ns = ev->time_ns;
	}
	p->seen = p->after_loss = true;
}

/* From here on its time is the own tasks'. */
static int on_bind(struct reading *r, const struct sr_event *ev, struct sr_error *err)
{
	size_t who = sr_task_of(&r->table, ev->u.bind.tid);
	const struct task *t;

	if (who == SIZE_MAX || ana_reserve(&r->v, &r->cap, r->table.n, sizeof(*r->v), err) < 0)
		return ana_no_memory(err);
	t = &r->v[who];
	if (r->cpus[t->cpu].seen && r->cpus[t->cpu].who == who)
		give(r, t->cpu, (uint32_t)who, ev->time_ns);
	r->v[who].own = who != 0;
	return 0;
}

/* The event tells who has been running on its cpu since the one before. */
static void on_proof(struct reading *r, const struct sr_event *ev)
{
	struct cpu *p = &r->cpus[ev->cpu];
	uint32_t who = r->table.fed[0];

	/* What was put in behind a loss goes by who ran before it. */
	if (p->after_loss && ev->flags & SR_EV_REPAIRED)
		return;
	if (!p->seen && r->v[who].named)
		p->at_ns = ev->time_ns;
	give(r, ev->cpu, who, ev->time_ns);
	p->seen = true;
	p->after_loss = false;
	p->who = ev->kind == SR_EV_SWITCH ? r->table.fed[1] : who;
	r->v[p->who].cpu = ev->cpu;
	r->v[who].named = who != 0;
	if (ev->kind <= SR_EV_WAKEUP_NEW) /* the kinds of two tasks */
		r->v[r->table.fed[1]].named = r->table.fed[1] != 0;
}

static int handle(struct reading *r, struct srz_reader *reader, const struct sr_event *ev, struct sr_error *err)
{
	if (sr_task_table_feed(&r->table, ev, srz_name_at, reader, err) < 0)
		return -1;
	if (ev->kind == SR_EV_BIND)
		return r->c->bound ? on_bind(r, ev, err) : 0;
	if (ev->kind == SR_EV_COMM || ev->kind == SR_EV_DECISION || sr_event_is_power(ev->kind) ||
	    ev->cpu >= r->c->cpus)
		return 0;
	if (ana_reserve(&r->v, &r->cap, r->table.n, sizeof(*r->v), err) < 0)
		return -1;
	if (ev->kind == SR_EV_LOST)
		on_lost(r, ev);
	else
		on_proof(r, ev);
	if (ev->time_ns > r->cpus[ev->cpu].last_ns)
		r->cpus[ev->cpu].last_ns = ev->time_ns;
	return 0;
}

static int read_all(struct reading *r, struct srz_reader *reader, struct sr_repair *repair, struct sr_error *err)
{
	const struct sr_event *ev;
	struct sr_event out[5];
	long got;

	while ((got = srz_next_run(reader, &ev, err)) > 0)
		for (const struct sr_event *end = ev + got; ev < end; ev++) {
			int n = sr_repair_push(repair, ev, out, err);

			if (n < 0)
				return -1;
			for (int i = 0; i < n; i++)
				if (handle(r, reader, &out[i], err) < 0)
					return -1;
		}
	return (int)got;
}

int ana_report_read_cpus(struct srz_reader *reader, const struct ana_result *result, struct ana_report_cpus *c,
			 struct sr_error *err)
{
	struct sr_repair *repair = sr_repair_new(!c->whole_system, srz_get_tasks(reader), err);
	struct sr_idle_delays idle = { 0 };
	struct reading r = { .c = c, .cpus = calloc(c->cpus, sizeof(*r.cpus)) };
	int ret = -1;

	if (!repair || sr_task_table_init(&r.table, srz_get_tasks(reader), err) < 0)
		goto out;
	if (!r.cpus) {
		ana_no_memory(err);
		goto out;
	}
	for (size_t i = 0; !c->bound && i < result->ntasks; i++) {
		uint32_t who = result->tasks[i].index;

		if (ana_reserve(&r.v, &r.cap, (size_t)who + 1, sizeof(*r.v), err) < 0)
			goto out;
		r.v[who].own = true;
	}
	for (unsigned cpu = 0; cpu < c->cpus; cpu++)
		r.cpus[cpu].at_ns = r.cpus[cpu].last_ns = c->first_ns;
	if (sr_idle_delays_read(reader, !c->whole_system, &idle, NULL, err) < 0)
		goto out;
	sr_repair_expect(repair, &idle);
	if (srz_rewind(reader, err) < 0 || read_all(&r, reader, repair, err) < 0)
		goto out;
	for (unsigned cpu = 0; cpu < c->cpus; cpu++)
		if (r.cpus[cpu].seen)
			give(&r, cpu, r.cpus[cpu].who, c->last_ns);
	ret = 0;
out:
	free(r.cpus);
	free(r.v);
	sr_task_table_release(&r.table);
	sr_repair_free(repair);
	return ret;
}
