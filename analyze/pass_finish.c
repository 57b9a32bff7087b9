/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pass: from what was counted to metrics and rows. */
#include "analyze/pass_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/softirq.h"

/* Are all its switches in the recording? One of a command has those of others only where its own tasks meet them. */
static bool is_followed(const struct ana_pass *p, const struct subject *s)
{
	return p->cfg.whole_system || self(p) || (p->has_root && p->table.v[s->row.index].in_tree);
}

/* What is still open is cut by the end: time on a cpu counts as far as it is seen, waits do not. */
static int close_open(struct ana_pass *p, struct sr_error *err)
{
	for (size_t i = 1; i < p->nsubjects; i++) {
		struct subject *s = &p->subjects[i];

		if (s->state == RUNNING) {
			uint64_t until = is_followed(p, s) ? p->last_ns : p->cpus[s->cpu].last_ns;

			ana_pass_account_run(p, s, until);
			if (s->in_scope && until > s->since_ns) {
				censor(p, s, s->cpu);
				if (ana_pass_hand_out(p, s, until, SR_STATE_RUNNING, true, err) < 0)
					return -1;
			}
		} else if (s->state == WAITING) {
			censor(p, s, s->cpu);
			s->stalled_ns += after(p->last_ns, s->since_ns);
		}
		if (s->active)
			s->row.stall_open_ns = s->stalled_ns;
		ana_period_cut(s);
		ana_period_end(s);
	}
	for (size_t c = 0; c < p->ncpus; c++)
		if (ana_pass_hand_out_idle(p, (unsigned)c, p->last_ns, true, err) < 0)
			return -1;
	return p->nrunnable ? ana_pass_count_runnable(p, 0, p->last_ns, err) : 0;
}

/* Wakes in soft interrupts that were the doing of the task during which they came: as the model of a replay judges. */
static int add_soft_pairs(struct ana_pass *p, struct sr_error *err)
{
	const struct ana_pairs *soft = &p->soft_pairs;

	for (size_t i = 0; i < soft->cap; i++) {
		const struct ana_pair *e = &soft->v[i];

		if (e->count && sr_softirq_depends(e->count, ana_pairs_count(soft, e->to, e->from)) &&
		    ana_pairs_add(&p->pairs, e->from, e->to, e->count, err) < 0)
			return -1;
	}
	return 0;
}

static void identify(const struct ana_pass *p, struct ana_task_row *row)
{
	const struct sr_task *t = &p->table.v[row->index];
	bool user = !(t->flags & SR_TASK_KTHREAD);

	row->tid = t->tid;
	row->tgid = t->tgid;
	row->prio = t->prio;
	row->parent = t->parent;
	row->parent_tid = t->parent ? p->table.v[t->parent].tid : 0;
	memcpy(row->comm, t->comm, sizeof(row->comm));
	row->interactive = user && !self(p) && row->wakeups >= ANA_INTERACTIVE_WAKEUPS && row->sleep_ns >= row->cpu_ns;
	if (self(p))
		row->involuntary = row->wait_ns = row->frames.late_by_wait = 0;
}

/* Rows of the subjects that count and ran; pairs get the rows' numbers. */
static int make_rows(struct ana_pass *p, struct ana_result *out, struct sr_error *err)
{
	struct ana_pairs pairs = { 0 };
	uint32_t *row_of = calloc(p->nsubjects, sizeof(*row_of)); /* + 1; 0: none */
	size_t cap = 0;
	int ret = -1;

	if (!row_of)
		return ana_no_memory(err);
	if (add_soft_pairs(p, err) < 0)
		goto out;
	for (size_t i = 1; i < p->nsubjects; i++) {
		struct subject *s = &p->subjects[i];

		if (!s->ran)
			continue;
		identify(p, &s->row);
		if (ana_reserve(&out->tasks, &cap, out->ntasks + 1, sizeof(*out->tasks), err) < 0)
			goto out;
		out->tasks[out->ntasks++] = s->row;
		row_of[i] = (uint32_t)out->ntasks;
	}
	for (size_t i = 0; i < p->pairs.cap; i++) {
		const struct ana_pair *e = &p->pairs.v[i];

		if (e->count && row_of[e->from] && row_of[e->to] &&
		    ana_pairs_add(&pairs, row_of[e->from] - 1, row_of[e->to] - 1, e->count, err) < 0)
			goto out;
	}
	ana_pairs_release(&p->pairs);
	p->pairs = pairs;
	memset(&pairs, 0, sizeof(pairs));
	ret = 0;
out:
	ana_pairs_release(&pairs);
	free(row_of);
	return ret;
}

static int make_cpu_rows(struct ana_pass *p, struct ana_result *out, struct sr_error *err)
{
	size_t cap = 0;

	if (self(p))
		return 0;
	for (size_t i = 0; i < p->ncpus; i++) {
		struct ana_cpu_row *row = &p->cpus[i].row;

		if (!p->cpus[i].known || !ana_pass_shows_cpu(p, (int)i))
			continue;
		row->all_ns = p->load ? ana_load_busy_ns(p->load, row->cpu) : 0;
		if (ana_reserve(&out->cpus, &cap, out->ncpus + 1, sizeof(*out->cpus), err) < 0)
			return -1;
		out->cpus[out->ncpus++] = *row;
	}
	return 0;
}

static int set_migrations(struct ana_pass *p, struct ana_result *out, struct sr_error *err)
{
	static const char *const levels[] = { "", "smt", "llc", "package", "node" };
	char name[sizeof(out->metrics->name)];

	if (!self(p)) {
		if (ana_set(out, "migrations.total", "count", (double)p->migrations, err) < 0)
			return -1;
		for (unsigned l = SR_LEVEL_SMT; p->cfg.machine && !p->level_unknown && l <= SR_LEVEL_NODE; l++) {
			snprintf(name, sizeof(name), "migrations.%s", levels[l]);
			if (ana_set(out, name, "count", (double)p->by_level[l], err) < 0)
				return -1;
		}
	}
	for (unsigned c = SR_CAUSE_FORK; c < SR_CAUSES; c++) {
		bool by_events = c == SR_CAUSE_FORK || c == SR_CAUSE_WAKE || c == SR_CAUSE_KERNEL;

		/* Events alone tell three causes; decisions tell all but the kernel's own. */
		if (self(p) ? !p->saw_decision || c == SR_CAUSE_KERNEL : !by_events && !p->saw_decision)
			continue;
		snprintf(name, sizeof(name), "migrations_by_cause.%s", sr_cause_name(c));
		if (ana_set(out, name, "count", (double)p->by_cause[c], err) < 0)
			return -1;
	}
	return 0;
}

/* What a person feels: frames that come late, and tasks that do not answer. */
static int set_felt(const struct ana_pass *p, struct ana_result *out, struct sr_error *err)
{
	struct ana_frames sum = { 0 };
	uint64_t periodic = 0, interactive = 0, stall = 0;

	for (size_t i = 0; i < out->ntasks; i++) {
		const struct ana_task_row *t = &out->tasks[i];

		if (t->interactive) {
			interactive++;
			stall = t->stall_ns > stall ? t->stall_ns : stall;
		}
		if (!t->frames.period_ns)
			continue;
		periodic++;
		sum.n += t->frames.n;
		sum.late += t->frames.late;
		sum.late_by_wait += t->frames.late_by_wait;
		sum.missed += t->frames.missed;
		sum.run_max = t->frames.run_max > sum.run_max ? t->frames.run_max : sum.run_max;
	}
	if (ana_set(out, "periodic_tasks", "count", (double)periodic, err) < 0 ||
	    (!self(p) && ana_set(out, "interactive_tasks", "count", (double)interactive, err) < 0) ||
	    (interactive && ana_set(out, "longest_stall_ns", "ns", (double)stall, err) < 0))
		return -1;
	if (!sum.n)
		return 0;
	return ana_set(out, "frames", "count", (double)sum.n, err) < 0 ||
			       ana_set(out, "frames_late", "count", (double)sum.late, err) < 0 ||
			       ana_set(out, "frames_late_share", "ratio", (double)sum.late / (double)sum.n, err) < 0 ||
			       (!self(p) &&
				ana_set(out, "frames_late_by_wait", "count", (double)sum.late_by_wait, err) < 0) ||
			       ana_set(out, "frames_late_run_max", "count", (double)sum.run_max, err) < 0 ||
			       ana_set(out, "missed_periods", "count", (double)sum.missed, err) < 0 ?
		       -1 :
		       0;
}

static int set_metrics(struct ana_pass *p, struct ana_result *out, struct sr_error *err)
{
	const struct ana_hist *decision = p->hist[HIST_DECISION];
	uint64_t cpu_ns = 0, wakeups = 0, voluntary = 0, involuntary = 0;

	for (size_t i = 0; i < out->ntasks; i++) {
		cpu_ns += out->tasks[i].cpu_ns;
		wakeups += out->tasks[i].wakeups;
		voluntary += out->tasks[i].voluntary;
		involuntary += out->tasks[i].involuntary;
	}
	if (ana_set(out, "makespan_ns", "ns", (double)(p->last_run - p->first_run), err) < 0 ||
	    (!self(p) && ana_set(out, "cpu_time_ns", "ns", (double)cpu_ns, err) < 0) ||
	    ana_set_hist(out, "wakeup_latency_ns", p->hist[HIST_LATENCY], err) < 0 ||
	    ana_set_hist(out, "sleep_ns", p->hist[HIST_SLEEP], err) < 0)
		return -1;
	if (!self(p) && (ana_set_hist(out, "run_delay_ns", p->hist[HIST_DELAY], err) < 0 ||
			 ana_set_hist(out, "preempt_wait_ns", p->hist[HIST_PREEMPT], err) < 0 ||
			 ana_set_hist(out, "slice_ns", p->hist[HIST_SLICE], err) < 0))
		return -1;
	if (ana_set(out, "wakeups", "count", (double)wakeups, err) < 0 ||
	    ana_set(out, "switches_voluntary", "count", (double)voluntary, err) < 0 ||
	    (!self(p) && ana_set(out, "switches_involuntary", "count", (double)involuntary, err) < 0) ||
	    set_migrations(p, out, err) < 0 || set_felt(p, out, err) < 0)
		return -1;
	if (p->saw_decision) {
		if (ana_set(out, "policy_decision_ns.mean", "ns", (double)decision->sum / (double)decision->n, err) <
			    0 ||
		    ana_set(out, "policy_decision_ns.p99", "ns", ana_hist_quantile(decision, 0.99), err) < 0 ||
		    ana_set(out, "balancer_cpu_ns", "ns", (double)p->balancer_ns, err) < 0)
			return -1;
	}
	return 0;
}

static void give(struct ana_hist **to, struct ana_hist **from)
{
	if (*from && (*from)->n) {
		*to = *from;
		*from = NULL;
	}
}

int ana_pass_finish(struct ana_pass *p, struct ana_result *out, struct sr_error *err)
{
	memset(out, 0, sizeof(*out));
	if (p->cfg.from_ns && !p->part_open)
		ana_pass_open_part(p, p->last_ns);
	if (p->part_over)
		p->last_ns = p->cfg.to_ns;
	if (close_open(p, err) < 0 || make_rows(p, out, err) < 0)
		goto fail;
	out->first_ns = p->first_ns;
	out->last_ns = p->last_ns;
	out->lost = p->lost;
	out->repaired = p->repaired - p->repaired_before;
	out->censored = p->censored;
	out->whole_system = p->begun && whole_system(p);
	out->self = self(p);
	if (p->ran && !(p->cfg.omit & ANA_OMIT_METRICS) && set_metrics(p, out, err) < 0)
		goto fail;
	if (p->load && ana_load_finish(p->load, p->last_ns, out, err) < 0)
		goto fail;
	if (!(p->cfg.omit & ANA_OMIT_REST) && (make_cpu_rows(p, out, err) < 0 || ana_stats_rows(p, out, err) < 0))
		goto fail;
	give(&out->wakeup_latency, &p->hist[HIST_LATENCY]);
	give(&out->sleep, &p->hist[HIST_SLEEP]);
	out->runnable_ns = p->runnable_ns;
	out->nrunnable = p->runnable_n;
	p->runnable_ns = NULL;
	if (!self(p)) {
		give(&out->run_delay, &p->hist[HIST_DELAY]);
		give(&out->preempt_wait, &p->hist[HIST_PREEMPT]);
		give(&out->slice, &p->hist[HIST_SLICE]);
	}
	return 0;
fail:
	ana_result_release(out);
	return -1;
}

const struct ana_pairs *ana_pass_pairs(const struct ana_pass *p)
{
	return &p->pairs;
}

bool ana_pass_is_over(const struct ana_pass *p)
{
	return p->part_over;
}
