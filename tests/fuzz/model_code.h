/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings from a byte code: any bytes make a recording, most of them one that a kernel could have written, some of them
 * one that no kernel would. For the fuzz target of the model and for tests with random recordings.
 *
 *   SCOPE SHAPE TASK...  EVENT...
 *   SCOPE   bits 0-1 whole system, tree, pid, system;  others: the caller's
 *   SHAPE   bits 0-1 CPUs - 1;  bits 2-4 tasks at the start
 *   TASK    bits 0-1 state R S D T;  2 kernel thread;  3 root;  4-5 policy;  6 thread of the one before;  7 its child
 *   EVENT   bits 0-3 kind (below), 4-5 cpu, 6-7 time since the event before; a byte of operands: bits 0-3 the task,
 *           4-7 what the kind says; a byte of time where bits 6-7 say so
 *
 * Bytes behind the end are 0. The events' order is the file's, so that no code is refused.
 */
#ifndef SCHEDREC_TESTS_MODEL_CODE_H
#define SCHEDREC_TESTS_MODEL_CODE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/attr.h"
#include "formats/srz.h"

enum code_kind {
	CODE_SWITCH,     /* from the cpu's task in the state of the operand, to the task */
	CODE_PREEMPT,    /* the same, still runnable */
	CODE_IDLE,       /* the cpu's task sleeps, in state S or D, and nobody follows */
	CODE_SWITCH_RAW, /* from any task (operand) to any */
	CODE_WAKING,     /* in the context that the operand's flags tell */
	CODE_WAKEUP,
	CODE_FORK,     /* operand bit 0: its first wakeup too; bits 1-2: as a thread, with the memory */
	CODE_EXEC,     /* operand: the thread that it was, 0: the same */
	CODE_EXIT,     /* the cpu's task, which leaves */
	CODE_EXIT_RAW, /* any task */
	CODE_RENAME,
	CODE_COMM,
	CODE_LOST, /* operand 15: and the clock goes on by much */
	CODE_MIGRATE,
	CODE_WAKING_RAW, /* in the context of any task (operand) */
	CODE_KNOW,       /* operand even: an entry of attributes; odd: another priority from its next switch on */
};

enum { CODE_CPUS = 4, CODE_TASKS = 16 };

struct code {
	const uint8_t *p, *end;
	unsigned cpus;
	uint64_t now_ns, most_ns;
	int32_t cur[CODE_CPUS];
	int16_t prio[CODE_TASKS];
	uint32_t names[CODE_TASKS];
	struct sr_attrs attrs;
	struct srz_writer *w;
	struct sr_error err;
};

static inline uint8_t code_byte(struct code *c)
{
	return c->p < c->end ? *c->p++ : 0;
}

static inline int32_t code_tid(unsigned n)
{
	return n % CODE_TASKS ? 100 + (int32_t)(n % CODE_TASKS) : 0;
}

static inline void code_must(const struct code *c, bool done)
{
	if (!done) {
		fprintf(stderr, "a recording of the byte code: %s\n", c->err.text);
		abort();
	}
}

static inline void code_put(struct code *c, unsigned cpu, struct sr_event ev)
{
	ev.time_ns = c->now_ns;
	ev.cpu = (uint16_t)cpu;
	code_must(c, srz_put_events(c->w, SRZ_STREAM_KERNEL, &ev, 1, &c->err) == 0);
}

static inline int16_t code_prio(const struct code *c, int32_t tid)
{
	return c->prio[tid ? tid - 100 : 0];
}

static inline void code_switch(struct code *c, unsigned cpu, int32_t prev, unsigned state, int32_t next)
{
	code_put(c, cpu,
		 (struct sr_event){ .kind = SR_EV_SWITCH,
				    .ctx = prev,
				    .u.sw = { .prev = prev,
					      .next = next,
					      .prev_prio = code_prio(c, prev),
					      .next_prio = code_prio(c, next),
					      .prev_state = (uint8_t)(state % SR_STATES) } });
	c->cur[cpu] = next;
}

static inline void code_wake(struct code *c, unsigned cpu, unsigned kind, int32_t ctx, int32_t tid, unsigned flags)
{
	code_put(c, cpu,
		 (struct sr_event){ .kind = (uint8_t)kind,
				    .ctx = ctx,
				    .flags = (uint8_t)(flags & SR_EV_FILE_FLAGS),
				    .u.wake = { .tid = tid, .prio = code_prio(c, tid), .target_cpu = (uint16_t)cpu } });
}

static inline void code_fork(struct code *c, unsigned cpu, int32_t child, unsigned x)
{
	int32_t parent = c->cur[cpu];

	if (!child)
		return;
	code_put(
		c, cpu,
		(struct sr_event){ .kind = SR_EV_FORK, .ctx = parent, .u.fork = { .parent = parent, .child = child } });
	if (x & 6)
		code_put(c, cpu,
			 (struct sr_event){
				 .kind = SR_EV_NEWTASK,
				 .ctx = parent,
				 .u.newtask = { .tid = child,
						.clone_flags = (x & 2 ? 0x10000 : 0) | (x & 4 ? 0x100 : 0) } });
	if (x & 1)
		code_wake(c, cpu, SR_EV_WAKEUP_NEW, parent, child, 0);
}

static inline void code_know(struct code *c, int32_t tid, unsigned x)
{
	static const int16_t prio[] = { 120, 139, 100, 50, 98, -1, 99, 140 };
	static const uint8_t policy[] = { SR_SCHED_OTHER, SR_SCHED_FIFO,     SR_SCHED_RR,    SR_SCHED_BATCH,
					  SR_SCHED_IDLE,  SR_SCHED_DEADLINE, SR_SCHED_OTHER, SR_SCHED_OTHER };
	struct sr_attr a = { .policy = policy[x / 2], .mask = SR_ATTR_NONE, .group = SR_ATTR_NONE };
	struct sr_cpumask mask = { { x ? x : 15 } };

	if (!tid)
		return;
	if (x & 1) {
		c->prio[tid - 100] = prio[x / 2];
		return;
	}
	a.rt_prio = a.policy == SR_SCHED_FIFO || a.policy == SR_SCHED_RR ? 7 : 0;
	a.nice = (int8_t)(a.policy == SR_SCHED_BATCH ? 5 : 0);
	a.runtime_ns = a.policy == SR_SCHED_DEADLINE ? 1000000 : 0;
	a.deadline_ns = a.period_ns = a.policy == SR_SCHED_DEADLINE ? 10000000 : 0;
	if (x > 3) {
		a.mask = sr_attrs_mask(&c->attrs, &mask);
		a.session = x;
	}
	code_must(c, sr_attrs_add(&c->attrs, c->now_ns, tid, sr_attrs_set(&c->attrs, &a)) == 0);
}

static inline void code_pass(struct code *c, uint64_t ns)
{
	c->now_ns += ns < c->most_ns ? ns : c->most_ns;
}

static inline void code_event(struct code *c)
{
	static const unsigned shift[] = { 0, 4, 12, 20 };
	unsigned op = code_byte(c), x = code_byte(c), cpu = (op >> 4) % 4 % c->cpus;
	int32_t tid = code_tid(x), other = code_tid(x >> 4);

	if (op >> 6)
		code_pass(c, (uint64_t)(code_byte(c) + 1) << shift[op >> 6]);
	x >>= 4;
	switch ((enum code_kind)(op & 15)) {
	case CODE_SWITCH:
		code_switch(c, cpu, c->cur[cpu], x, tid);
		break;
	case CODE_PREEMPT:
		code_switch(c, cpu, c->cur[cpu], SR_STATE_PREEMPTED, tid);
		break;
	case CODE_IDLE:
		code_switch(c, cpu, c->cur[cpu], x & 1 ? SR_STATE_DISK : SR_STATE_SLEEPING, 0);
		break;
	case CODE_SWITCH_RAW:
		code_switch(c, cpu, other, code_byte(c), tid);
		break;
	case CODE_WAKING:
		code_wake(c, cpu, SR_EV_WAKING, c->cur[cpu], tid, x);
		break;
	case CODE_WAKEUP:
		code_wake(c, cpu, SR_EV_WAKEUP, c->cur[cpu], tid, x);
		break;
	case CODE_FORK:
		code_fork(c, cpu, tid, x);
		break;
	case CODE_EXEC:
		if (c->cur[cpu])
			code_put(c, cpu,
				 (struct sr_event){ .kind = SR_EV_EXEC,
						    .ctx = c->cur[cpu],
						    .u.exec = { .tid = c->cur[cpu],
								.old_tid = other ? other : c->cur[cpu],
								.name = c->names[x] } });
		break;
	case CODE_EXIT:
		tid = c->cur[cpu];
		code_put(c, cpu,
			 (struct sr_event){ .kind = SR_EV_EXIT, .ctx = tid, .u.exit = { .tid = tid, .prio = 120 } });
		code_switch(c, cpu, tid, x & 1 ? SR_STATE_DEAD : SR_STATE_ZOMBIE, 0);
		break;
	case CODE_EXIT_RAW:
		code_put(c, cpu,
			 (struct sr_event){
				 .kind = SR_EV_EXIT, .ctx = c->cur[cpu], .u.exit = { .tid = tid, .prio = 120 } });
		break;
	case CODE_RENAME:
		code_put(c, cpu,
			 (struct sr_event){ .kind = SR_EV_RENAME,
					    .ctx = c->cur[cpu],
					    .u.rename = { .tid = tid, .name = c->names[x] } });
		break;
	case CODE_COMM:
		code_put(c, cpu,
			 (struct sr_event){ .kind = SR_EV_COMM, .u.rename = { .tid = tid, .name = c->names[x] } });
		break;
	case CODE_LOST:
		code_put(c, cpu, (struct sr_event){ .kind = SR_EV_LOST, .u.lost = { .count = x } });
		if (x == 15)
			code_pass(c, 1ull << (20 + tid % 32));
		break;
	case CODE_MIGRATE:
		code_put(c, cpu,
			 (struct sr_event){
				 .kind = SR_EV_MIGRATE,
				 .ctx = c->cur[cpu],
				 .u.migrate = { .tid = tid, .prio = 120, .from = (uint16_t)cpu, .to = x & 3 } });
		break;
	case CODE_WAKING_RAW:
		code_wake(c, cpu, SR_EV_WAKING, other, tid, 0);
		break;
	case CODE_KNOW:
		code_know(c, tid, x);
		break;
	}
}

static inline void code_tasks(struct code *c, unsigned n)
{
	static const uint8_t policy[] = { SR_SCHED_OTHER, SR_SCHED_FIFO, SR_SCHED_BATCH, SR_SCHED_DEADLINE };
	static const char state[4] = { 'R', 'S', 'D', 'T' };
	struct sr_task_starts starts = { 0 };

	for (unsigned i = 1; i <= n; i++) {
		unsigned b = code_byte(c);
		struct sr_task_start s = { .tid = code_tid(i),
					   .tgid = code_tid(b & 64 && i > 1 ? i - 1 : i),
					   .ppid = b & 128 ? code_tid(i - 1) : 1,
					   .state = state[b & 3],
					   .flags = (uint8_t)((b & 4 ? SR_TASK_KTHREAD : 0) |
							      (b & 8 ? SR_TASK_ROOT : 0)),
					   .policy = policy[b >> 4 & 3] };

		s.rt_prio = s.policy == SR_SCHED_FIFO ? 9 : 0;
		snprintf(s.comm, sizeof(s.comm), "%c-task", 'a' + i);
		code_must(c, sr_task_starts_add(&starts, &s, NULL, &c->err) == 0);
	}
	code_must(c, srz_put_tasks(c->w, &starts, &c->err) == 0);
	sr_task_starts_release(&starts);
}

/* path: of the file, which is gone again. most_ns: the longest time between two events. */
static inline struct srz_reader *code_read(const uint8_t *data, size_t size, const char *path, uint64_t most_ns)
{
	static const char *const scope[] = { "system", "tree", "pid", "system" };
	struct code c = { .p = data, .end = data + size, .now_ns = 1000000, .most_ns = most_ns };
	unsigned what = code_byte(&c), shape = code_byte(&c);
	struct srz_reader *r;

	c.cpus = 1 + shape % CODE_CPUS;
	c.w = srz_create(path, 0, &c.err);
	code_must(&c, c.w);
	code_must(&c, srz_put_meta(c.w, "scope", scope[what & 3], &c.err) == 0);
	for (unsigned i = 0; i < CODE_TASKS; i++) {
		char name[] = { (char)('a' + i), '\0' };

		c.prio[i] = 120;
		c.names[i] = srz_put_name(c.w, name, &c.err);
	}
	code_tasks(&c, shape >> 2 & 7);
	while (c.p < c.end)
		code_event(&c);
	code_must(&c, sr_attrs_put(c.w, &c.attrs, &c.err) == 0);
	sr_attrs_release(&c.attrs);
	code_must(&c, srz_close(c.w, &c.err) == 0);
	r = srz_open(path, &c.err);
	code_must(&c, r);
	unlink(path);
	return r;
}

#endif
