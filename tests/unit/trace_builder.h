/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small recordings written by hand: events go in by one-line calls, a file and its reader come out. */
#ifndef SCHEDREC_TESTS_TRACE_BUILDER_H
#define SCHEDREC_TESTS_TRACE_BUILDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/model.h"
#include "formats/srz.h"

struct trace {
	char path[64];
	struct srz_writer *w;
	struct sr_task_starts starts;
	struct sr_error err;
};

static inline void trace_begin(struct trace *t, const char *scope)
{
	memset(t, 0, sizeof(*t));
	snprintf(t->path, sizeof(t->path), "/tmp/schedrec-test-%d.srz", getpid());
	t->w = srz_create(t->path, 0, &t->err);
	if (!t->w)
		fail_msg("%s", t->err.text);
	assert_int_equal(srz_put_meta(t->w, "scope", scope, &t->err), 0);
}

/* A thread of a process, alive at the start; state as in /proc. */
static inline void trace_thread(struct trace *t, int32_t tid, int32_t tgid, const char *comm, char state,
				unsigned flags)
{
	struct sr_task_start s = { .tid = tid, .tgid = tgid, .ppid = 1, .state = state, .flags = flags };

	snprintf(s.comm, sizeof(s.comm), "%s", comm);
	assert_int_equal(sr_task_starts_add(&t->starts, &s, NULL, &t->err), 0);
}

/* The same, the only one of its process. */
static inline void trace_task(struct trace *t, int32_t tid, const char *comm, char state, unsigned flags)
{
	trace_thread(t, tid, tid, comm, state, flags);
}

static inline void trace_put(struct trace *t, struct sr_event ev)
{
	if (srz_put_events(t->w, SRZ_STREAM_KERNEL, &ev, 1, &t->err) < 0)
		fail_msg("%s", t->err.text);
}

static inline void trace_switch(struct trace *t, uint64_t at, unsigned cpu, int32_t prev, unsigned state, int32_t next)
{
	trace_put(t, (struct sr_event){ .time_ns = at,
					.cpu = cpu,
					.kind = SR_EV_SWITCH,
					.ctx = prev,
					.u.sw = { .prev = prev,
						  .next = next,
						  .prev_prio = 120,
						  .next_prio = 120,
						  .prev_state = state } });
}

static inline void trace_waking(struct trace *t, uint64_t at, unsigned cpu, int32_t ctx, int32_t tid, unsigned flags)
{
	trace_put(t, (struct sr_event){ .time_ns = at,
					.cpu = cpu,
					.kind = SR_EV_WAKING,
					.ctx = ctx,
					.flags = flags,
					.u.wake = { .tid = tid, .prio = 120, .target_cpu = cpu } });
}

static inline void trace_fork(struct trace *t, uint64_t at, unsigned cpu, int32_t parent, int32_t child)
{
	trace_put(t, (struct sr_event){ .time_ns = at,
					.cpu = cpu,
					.kind = SR_EV_FORK,
					.ctx = parent,
					.u.fork = { .parent = parent, .child = child } });
	trace_put(t, (struct sr_event){ .time_ns = at,
					.cpu = cpu,
					.kind = SR_EV_WAKEUP_NEW,
					.ctx = parent,
					.u.wake = { .tid = child, .prio = 120, .target_cpu = cpu } });
}

static inline void trace_exit(struct trace *t, uint64_t at, unsigned cpu, int32_t tid)
{
	trace_put(t, (struct sr_event){ .time_ns = at,
					.cpu = cpu,
					.kind = SR_EV_EXIT,
					.ctx = tid,
					.u.exit = { .tid = tid, .prio = 120, .group_dead = 1 } });
}

static inline void trace_meta(struct trace *t, const char *key, const char *value)
{
	assert_int_equal(srz_put_meta(t->w, key, value, &t->err), 0);
}

/* A replay's tid stands for a task of its recording from here on. */
static inline void trace_bind(struct trace *t, uint64_t at, int32_t tid, uint32_t source)
{
	struct sr_event ev = { .time_ns = at, .kind = SR_EV_BIND, .u.bind = { .tid = tid, .source = source } };

	assert_int_equal(srz_put_events(t->w, SRZ_STREAM_ENGINE, &ev, 1, &t->err), 0);
}

/* Completes the file, which gets this name. */
static inline void trace_keep(struct trace *t, const char *path)
{
	assert_int_equal(srz_put_tasks(t->w, &t->starts, &t->err), 0);
	if (srz_close(t->w, &t->err) < 0)
		fail_msg("%s", t->err.text);
	sr_task_starts_release(&t->starts);
	assert_int_equal(rename(t->path, path), 0);
}

/* Completes the file and opens it; the file is gone from its folder already. */
static inline struct srz_reader *trace_end(struct trace *t)
{
	struct srz_reader *r;

	assert_int_equal(srz_put_tasks(t->w, &t->starts, &t->err), 0);
	if (srz_close(t->w, &t->err) < 0)
		fail_msg("%s", t->err.text);
	sr_task_starts_release(&t->starts);
	r = srz_open(t->path, &t->err);
	if (!r)
		fail_msg("%s", t->err.text);
	unlink(t->path);
	return r;
}

/* The model of what was recorded. */
static inline struct sr_model *trace_model(struct trace *t, const struct sr_model_options *o)
{
	struct srz_reader *r = trace_end(t);
	struct sr_model *m = sr_model_build(r, o, &t->err);

	srz_reader_free(r);
	if (!m)
		fail_msg("%s", t->err.text);
	return m;
}

#endif
