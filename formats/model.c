/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/model.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "formats/model_build_internal.h"
#include "formats/tidmap.h"

/* The last entry of each tid up to the start, as its index + 1. */
static int find_start_attrs(const struct build *b, struct sr_tidmap *last)
{
	const struct sr_attrs *a = &b->m->attrs;
	size_t i;

	for (i = 0; i < a->nentries && a->entries[i].time_ns <= b->from; i++)
		if (sr_tidmap_put(last, a->entries[i].tid, (uint32_t)i + 1) < 0)
			return sr_build_oom(b->err);
	return 0;
}

/* Tasks alive at the start: asleep ones begin in a wait of which nobody saw the beginning. */
static int add_starts_from(struct build *b, const struct sr_tidmap *last)
{
	size_t k;
	uint32_t i;

	for (k = 1; k < b->table.n; k++) {
		const struct sr_task *task = &b->table.v[k];
		char state;

		/* In a window that begins later it may be over, and its tid another's. */
		if (!task->start || task->died_ns || sr_task_of(&b->table, task->tid) != k)
			continue;
		if (sr_build_task(b, task->tid, &i) < 0)
			return -1;
		if (i == UINT32_MAX)
			continue;
		sr_build_start(b, i, task, last);
		state = b->m->starts.v[task->start - 1].state;
		if (state == 'R' || b->cut) /* then its first event tells */
			continue;
		if (sr_build_open_wait(b, i, b->m->start_ns) < 0)
			return -1;
		b->bt[i].disk = state == 'D';
	}
	return 0;
}

static int add_starts(struct build *b)
{
	struct sr_tidmap last = { 0 };
	int ret = find_start_attrs(b, &last) < 0 ? -1 : add_starts_from(b, &last);

	sr_tidmap_release(&last);
	return ret;
}

static uint8_t fork_flags(uint64_t clone_flags)
{
	return (clone_flags & CLONE_VM ? SR_FORK_VM : 0) | (clone_flags & CLONE_VFORK ? SR_FORK_VFORK : 0) |
	       (clone_flags & CLONE_THREAD ? SR_FORK_THREAD : 0);
}

static int finish(struct build *b)
{
	struct sr_model *m = b->m;
	size_t i;

	for (i = 0; i < m->ntasks; i++) {
		struct build_task *t = &b->bt[i];
		struct sr_program *p = &m->tasks[i];

		if (!p->tgid) /* its clone told later than its fork */
			p->tgid = b->table.v[p->source].tgid;
		if (t->fork_op != SIZE_MAX)
			m->tasks[p->parent].ops[t->fork_op].flags = fork_flags(b->table.v[p->source].clone_flags);
		if (sr_build_end(b, (uint32_t)i, m->end_ns, 0) < 0)
			return -1;
	}
	return 0;
}

static int copy_starts(struct sr_task_starts *to, const struct sr_task_starts *from, struct sr_error *err)
{
	size_t i;

	for (i = 0; i < from->n; i++) {
		uint32_t mask = from->v[i].allowed;

		if (sr_task_starts_add(to, &from->v[i], mask < from->nmasks ? &from->masks[mask] : NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* A task is chosen by the name that it has in the end: one that was just forked has its parent's. Feeds the same events
 * as build_all, so that the tables' indices agree. */
static int name_all(struct build *b)
{
	struct sr_repair *repair = sr_repair_new(!b->whole_system, &b->m->starts, b->err);
	struct sr_event ev, out[5];
	int got = -1, n, i;

	if (!repair || sr_task_table_init(&b->named, &b->m->starts, b->err) < 0 || srz_rewind(b->r, b->err) < 0)
		goto out;
	while ((got = srz_next(b->r, &ev, b->err)) > 0) {
		if (ev.kind >= SR_EV_DECISION)
			continue;
		n = sr_repair_push(repair, &ev, out, b->err);
		for (i = 0; i < n; i++)
			if (sr_task_table_feed(&b->named, &out[i], srz_name_at, b->r, b->err) < 0)
				n = -1;
		if (n < 0) {
			got = -1;
			break;
		}
	}
out:
	sr_repair_free(repair);
	return got;
}

/* Feeds the table of tasks. Where a tid is another task's from here on, though no exit was seen, the one before is gone. */
static int feed(struct build *b, const struct sr_event *ev)
{
	int32_t tid = sr_build_new_owner(ev);
	uint32_t before = tid ? sr_tidmap_get(&b->table.map, tid) : 0;

	if (sr_task_table_feed(&b->table, ev, srz_name_at, b->r, b->err) < 0)
		return -1;
	if (!before || before == sr_tidmap_get(&b->table.map, tid) || ev->time_ns > b->to)
		return 0;
	return sr_build_gone(b, before, ev->time_ns);
}

static int build_all(struct build *b)
{
	struct sr_event ev, out[5];
	bool begun = false;
	int got, n, i;

	if (srz_rewind(b->r, b->err) < 0)
		return -1;
	while ((got = srz_next(b->r, &ev, b->err)) > 0) {
		if (ev.kind >= SR_EV_DECISION)
			continue;
		n = sr_repair_push(b->repair, &ev, out, b->err);
		if (n < 0)
			return -1;
		for (i = 0; i < n; i++) {
			if (feed(b, &out[i]) < 0 || sr_build_places_feed(b, &out[i]) < 0)
				return -1;
			if (out[i].time_ns < b->from)
				continue;
			if (out[i].time_ns > b->to) { /* who runs at the window's end has run until then */
				b->m->end_ns = begun ? b->to : b->m->end_ns;
				return 0;
			}
			if (!begun) {
				begun = true;
				if (add_starts(b) < 0)
					return -1;
			}
			b->m->end_ns = out[i].time_ns;
			if (sr_build_event(b, &out[i]) < 0)
				return -1;
		}
	}
	return got;
}

struct sr_model *sr_model_build(struct srz_reader *r, const struct sr_model_options *o, struct sr_error *err)
{
	const struct srz_info *info = srz_get_info(r);
	const char *scope = srz_get_meta(r, "scope");
	struct build b = { .o = o, .r = r, .err = err };
	struct sr_idle_delays idle;
	size_t i;
	int ok = -1;

	b.m = calloc(1, sizeof(*b.m));
	if (!b.m) {
		sr_build_oom(err);
		return NULL;
	}
	b.whole_system = !scope || !strcmp(scope, "system");
	b.from = info->first_ns + o->from_ns;
	b.cut = o->from_ns != 0;
	b.to = o->to_ns ? info->first_ns + o->to_ns : UINT64_MAX;
	b.m->start_ns = b.m->end_ns = b.from;
	b.m->cpus = info->cpus;
	b.repair = sr_repair_new(!b.whole_system, srz_get_tasks(r), err);
	if (!b.repair || sr_idle_delays_read(r, !b.whole_system, &idle, NULL, err) < 0 ||
	    copy_starts(&b.m->starts, srz_get_tasks(r), err) < 0 || sr_attrs_get(r, &b.m->attrs, err) < 0 ||
	    sr_task_table_init(&b.table, &b.m->starts, err) < 0 || sr_build_places_start(&b) < 0)
		goto out;
	sr_repair_expect(b.repair, &idle);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): b.m is freed below, or returned. */
	if ((o->tasks && name_all(&b) < 0) || build_all(&b) < 0 || finish(&b) < 0 || sr_build_sessions_count(&b) < 0)
		goto out;
	sr_model_judge_softirq(b.m, b.soft, b.nsoft);
	b.m->counts.repaired = sr_repair_count(b.repair);
	b.m->counts.tasks = b.m->ntasks;
	b.m->nsources = (uint32_t)b.table.n;
	for (i = 0; i < b.m->ntasks; i++)
		if (b.m->tasks[i].nops > 1)
			break;
	if (i == b.m->ntasks) {
		sr_fail(err, SR_ANSWER_NO, "the recording holds nothing that can be replayed");
		goto out;
	}
	if (sr_model_check(b.m, err) == 0)
		ok = sr_model_find_causes(b.m, err);
	if (ok == 0)
		ok = sr_model_find_timers(b.m, err);
out:
	sr_repair_free(b.repair);
	sr_task_table_release(&b.table);
	sr_task_table_release(&b.named);
	free(b.bt);
	free(b.of_task);
	free(b.session_of_set);
	free(b.place);
	free(b.soft);
	if (ok < 0) {
		sr_model_free(b.m);
		return NULL;
	}
	return b.m;
}

void sr_model_free(struct sr_model *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->ntasks; i++) {
		free(m->tasks[i].ops);
		free(m->tasks[i].waits);
	}
	for (i = 0; i < m->nnames; i++)
		free(m->names[i]);
	free(m->names);
	free(m->tasks);
	sr_task_starts_release(&m->starts);
	for (i = 0; i < m->njoined; i++)
		sr_task_starts_release(&m->joined[i]);
	free(m->joined);
	free(m->session_nice);
	sr_attrs_release(&m->attrs);
	free(m);
}
