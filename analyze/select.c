/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which tasks of a file a request shows: by any name that they ever had, so the file is read for them first. */
#include "analyze/internal.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "formats/timeline.h"

struct select {
	const struct ana_request *q;
	int32_t tid; /* the pattern as a tid; 0: it is none */
	struct sr_task_table table;
	uint8_t *named; /* by task index: the pattern has matched */
	size_t cap;
};

static int judge(struct select *s, size_t i, struct sr_error *err)
{
	const struct sr_task *t = &s->table.v[i];

	if (ana_reserve(&s->named, &s->cap, s->table.n, 1, err) < 0)
		return -1;
	s->named[i] |= !s->q->task_glob || (s->tid && t->tid == s->tid) || !fnmatch(s->q->task_glob, t->comm, 0);
	return 0;
}

static int feed(struct select *s, struct srz_reader *r, const struct sr_event *ev, struct sr_error *err)
{
	size_t before = s->table.n;
	int32_t tid = -1;

	if (sr_task_table_feed(&s->table, ev, srz_name_at, r, err) < 0)
		return -1;
	for (size_t i = before; i < s->table.n; i++)
		if (judge(s, i, err) < 0)
			return -1;
	if (ev->kind == SR_EV_RENAME || ev->kind == SR_EV_COMM)
		tid = ev->u.rename.tid;
	else if (ev->kind == SR_EV_EXEC)
		tid = ev->u.exec.tid;
	else if (ev->kind == SR_EV_FORK)
		tid = ev->u.fork.child;
	if (tid <= 0)
		return 0;
	before = sr_task_of(&s->table, tid);
	return before == SIZE_MAX ? ana_no_memory(err) : judge(s, before, err);
}

static int read_all(struct select *s, struct srz_reader *r, struct sr_repair *repair, bool own, struct sr_error *err)
{
	const struct sr_event *ev, *end;
	struct sr_event out[5];
	long got;

	/* Tasks are numbered as the pass numbers them: it repairs what the kernel told, and nothing else. */
	while ((got = srz_next_run(r, &ev, err)) > 0) {
		for (end = ev + got; ev < end; ev++) {
			int n = own ? 1 : sr_repair_push(repair, ev, out, err);

			if (n < 0)
				return -1;
			for (int i = 0; i < n; i++)
				if (feed(s, r, own ? ev : &out[i], err) < 0)
					return -1;
		}
	}
	return (int)got;
}

int ana_select_tasks(struct srz_reader *r, const struct ana_request *q, bool whole_system, bool own, uint8_t **shown,
		     size_t *n, struct sr_error *err)
{
	struct select s = { .q = q };
	struct sr_repair *repair = sr_repair_new(!whole_system, srz_get_tasks(r), err);
	struct sr_idle_delays idle = { 0 };
	int ret = -1;

	*shown = NULL;
	*n = 0;
	if (q->task_glob && q->task_glob[0] && strspn(q->task_glob, "0123456789") == strlen(q->task_glob))
		s.tid = (int32_t)strtol(q->task_glob, NULL, 10);
	if (!repair || sr_task_table_init(&s.table, srz_get_tasks(r), err) < 0)
		goto out;
	for (size_t i = 0; i < s.table.n; i++)
		if (judge(&s, i, err) < 0)
			goto out;
	if (!own && sr_idle_delays_read(r, !whole_system, &idle, NULL, err) < 0)
		goto out;
	sr_repair_expect(repair, &idle);
	if (srz_rewind(r, err) < 0 || read_all(&s, r, repair, own, err) < 0)
		goto out;
	/* The process is known for good only now. */
	for (size_t i = 0; q->pid && i < s.table.n; i++)
		s.named[i] &= s.table.v[i].tgid == q->pid || s.table.v[i].tid == q->pid;
	*shown = s.named;
	*n = s.table.n;
	s.named = NULL;
	ret = 0;
out:
	free(s.named);
	sr_task_table_release(&s.table);
	sr_repair_free(repair);
	return ret;
}
