/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where tasks compete for CPUs: their sessions and control groups, from what the recorder read soon after forks and execs.
 * They are followed for all tasks of the recording from its start on: a window may begin later, and who made a session need
 * not be replayed.
 */
#include <stdlib.h>
#include <string.h>

#include "formats/model_build_internal.h"

#define OWN UINT32_MAX /* of the recorder */

/* The recorder starts a command in its own session, so what the command's first task has is that one. */
static int find_own(const struct build *b, struct sr_tidmap *number)
{
	const struct sr_attrs *a = &b->m->attrs;
	const char *scope = srz_get_meta(b->r, "scope");
	size_t i;

	if (!scope || strcmp(scope, "tree"))
		return 0;
	for (i = 0; i < a->nentries && !a->entries[i].time_ns; i++)
		if (sr_tidmap_put(number, (int32_t)a->v[a->entries[i].attr].session, OWN) < 0)
			return -1;
	return 0;
}

/* Numbers them from 1. A task that is in a control group with a weight competes there, whatever its session is. */
static int number_sets(struct build *b, struct sr_tidmap *number)
{
	const struct sr_attrs *a = &b->m->attrs;
	struct sr_model *m = b->m;
	size_t i;

	for (i = 0; i < a->n; i++) {
		const struct sr_attr *set = &a->v[i];
		uint32_t n = sr_tidmap_get(number, (int32_t)set->session);

		if (!set->session || set->group != SR_ATTR_NONE || n == OWN)
			continue;
		if (!n) {
			n = (uint32_t)++m->nsessions;
			if (sr_tidmap_put(number, (int32_t)set->session, n) < 0)
				return -1;
		}
		m->session_nice[n - 1] = set->session_nice;
		b->session_of_set[i] = n;
	}
	return 0;
}

static struct place place_of_set(const struct build *b, size_t set)
{
	return (struct place){ b->session_of_set[set], b->m->attrs.v[set].group + 1 };
}

static int put(struct build *b, size_t task, struct place place)
{
	if (task == SIZE_MAX || sr_build_grow(&b->place, &b->place_cap, task + 1, sizeof(*b->place), b->err) < 0)
		return sr_build_oom(b->err);
	b->place[task] = place;
	return 0;
}

int sr_build_places_start(struct build *b)
{
	const struct sr_attrs *a = &b->m->attrs;
	struct sr_tidmap number = { 0 };
	size_t i;
	int ret;

	b->session_of_set = calloc(a->n + 1, sizeof(*b->session_of_set));
	b->m->session_nice = calloc(a->n + 1, sizeof(*b->m->session_nice));
	if (!b->session_of_set || !b->m->session_nice)
		return sr_build_oom(b->err);
	ret = find_own(b, &number) < 0 || number_sets(b, &number) < 0 ? sr_build_oom(b->err) : 0;
	sr_tidmap_release(&number);
	for (i = 0; i < a->nentries && !a->entries[i].time_ns && !ret; i++) {
		uint32_t task = sr_tidmap_get(&b->table.map, a->entries[i].tid);

		if (task)
			ret = put(b, task, place_of_set(b, a->entries[i].attr));
	}
	return ret;
}

struct place sr_build_place_of(const struct build *b, size_t task)
{
	return task < b->place_cap ? b->place[task] : (struct place){ 0 };
}

/* What was read of a task at this event, if anything. */
static int take(struct build *b, uint64_t time_ns, int32_t tid)
{
	const struct sr_attr *set = sr_attrs_at(&b->m->attrs, time_ns, tid);

	return set ? put(b, sr_task_of(&b->table, tid), place_of_set(b, (size_t)(set - b->m->attrs.v))) : 0;
}

int sr_build_places_feed(struct build *b, const struct sr_event *ev)
{
	size_t parent;

	if (!b->m->nsessions && !b->m->attrs.ngroups)
		return 0;
	if (ev->kind == SR_EV_EXEC)
		return take(b, ev->time_ns, ev->u.exec.tid);
	if (ev->kind != SR_EV_FORK || !ev->u.fork.child)
		return 0;
	parent = sr_task_of(&b->table, ev->u.fork.parent);
	if (take(b, ev->time_ns, ev->u.fork.parent) < 0 ||
	    put(b, sr_task_of(&b->table, ev->u.fork.child), sr_build_place_of(b, parent)) < 0)
		return -1;
	return take(b, ev->time_ns, ev->u.fork.child);
}

int sr_build_place(struct build *b, uint32_t i, uint64_t now)
{
	struct place place = sr_build_place_of(b, b->m->tasks[i].source), before = b->bt[i].place;
	struct sr_program *p = &b->m->tasks[i];

	b->bt[i].place = place;
	if (place.session && place.session != before.session &&
	    (sr_build_run(b, i, now) < 0 ||
	     sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_SESSION, .arg = place.session }) < 0))
		return -1;
	if (place.group != before.group &&
	    (sr_build_run(b, i, now) < 0 ||
	     sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_GROUP, .arg = place.group - 1 }) < 0))
		return -1;
	return 0;
}

int sr_build_sessions_count(struct build *b)
{
	struct sr_model *m = b->m;
	bool *seen = calloc(m->nsessions + 1, sizeof(*seen));
	size_t i, k;

	if (!seen)
		return sr_build_oom(b->err);
	for (i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];

		seen[p->session] = true;
		for (k = 0; k < p->nops; k++)
			if (p->ops[k].kind == SR_OP_SESSION)
				seen[p->ops[k].arg] = true;
	}
	m->own_session = seen[0];
	for (i = 0; i <= m->nsessions; i++)
		m->counts.sessions += seen[i];
	free(seen);
	return 0;
}

void sr_model_used_groups(const struct sr_model *m, bool *used)
{
	size_t i, k, n = m->attrs.ngroups;

	for (i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];

		used[p->group < n ? p->group : n] = true;
		for (k = 0; k < p->nops; k++)
			if (p->ops[k].kind == SR_OP_GROUP)
				used[p->ops[k].arg < n ? p->ops[k].arg : n] = true;
	}
}
