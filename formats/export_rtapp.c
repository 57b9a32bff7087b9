/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workload model as a profile of rt-app 1.0.
 *
 * rt-app's own suspend, and wait on a condition, lose a wake-up that comes first. So a wait is a lock of a mutex that
 * its own thread has locked already ("m"), and the wake is the waker's unlock of it: an early one is kept. Each thread has
 * TOKENS of these mutexes, by the number of the wait, and locks all of them before the barrier where all begin. A waker
 * that is so many wakes ahead waits until its last wake of the same mutex was taken: that is a second mutex ("a"), which
 * the waker locks and the woken unlocks. In the recording the woken had gone on by then, so this can stop nobody for ever.
 *
 * The messages that the model found without an event of their own take part too: without them one of two that talk to each
 * other would run ahead.
 *
 * All threads are there from the start: one that is forked waits for such a mutex, which its parent opens.
 *
 * A periodic timer is rt-app's relative one. Before its first use it is set to now: a period that has long passed.
 */
#include "formats/copy.h"
#include "formats/export_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS 2
#define MOST_COST_NS 10000u    /* a tracepoint or a wake costs less: a higher one is a hostile file's */
#define MOST_UNITS 1000000000u /* of one run or sleep */

struct rtapp {
	struct sr_outfile *out;
	const struct sr_model *m;
	const struct sr_rtapp_options *o;
	struct sr_rtapp_counts *c;
	bool *kept; /* by task: it does something */
	size_t nkept;
	uint8_t **waited; /* by task, by the number of its wait: it is one for a wake */
	/* Of the task being written: */
	const struct sr_program *p;
	uint32_t task;
	unsigned events; /* of the phase */
	unsigned phases;
	uint64_t run_ns; /* not written yet */
	double unit_ns;  /* of a run */
	double half_ns;  /* of a wake's cost: what a wake, and what a wait takes of CPU time */
	double owed_ns;  /* of the runs to come: it is in the wakes and waits that rt-app does itself */
	const struct sr_cpumask *mask;
	uint64_t timer_ns[SR_TIMERS]; /* its last deadline + 1; 0: not used yet */
};

static void put_json_text(struct sr_outfile *o, const char *s)
{
	sr_out_char(o, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < ' ' || c >= 0x7f)
			sr_out_format(o, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			sr_out_format(o, "\\%c", c);
		else
			sr_out_char(o, *s);
	}
	sr_out_char(o, '"');
}

static bool does_something(const struct sr_program *p)
{
	for (size_t i = 0; i < p->nops; i++)
		if (p->ops[i].kind == SR_OP_RUN || p->ops[i].kind == SR_OP_WAKE || p->ops[i].kind == SR_OP_FORK ||
		    sr_op_rests(&p->ops[i]))
			return true;
	return false;
}

static unsigned tokens(const struct sr_program *p)
{
	return p->nwaits < TOKENS ? (unsigned)p->nwaits : TOKENS;
}

/* The key of the next event: "run12". */
static void event_key(struct rtapp *r, const char *what)
{
	sr_out_format(r->out, "%s\n\t\t\t\t\t\"%s%u\": ", r->events ? "," : "", what, r->events);
	r->events++;
	r->c->phases++;
}

static void put_mutex(struct rtapp *r, const char *what, char which, uint32_t task, uint64_t wait)
{
	event_key(r, what);
	sr_out_format(r->out, "\"%c%u.%llu\"", which, task, (unsigned long long)(wait % TOKENS));
}

static void put_units(struct rtapp *r, const char *what, uint64_t units)
{
	while (units) {
		uint64_t n = units < MOST_UNITS ? units : MOST_UNITS;

		event_key(r, what);
		sr_out_u64(r->out, n, 1);
		units -= n;
	}
}

/* What is below a unit goes to the next run. */
static void put_run(struct rtapp *r)
{
	uint64_t owed = (uint64_t)r->owed_ns < r->run_ns ? (uint64_t)r->owed_ns : r->run_ns, units, ns;

	r->run_ns -= owed;
	r->owed_ns -= (double)owed;
	r->c->cost_ns += owed;
	units = (uint64_t)((double)r->run_ns / r->unit_ns);
	ns = (uint64_t)((double)units * r->unit_ns);
	if (!units)
		return;
	put_units(r, "run", units);
	r->run_ns -= ns < r->run_ns ? ns : r->run_ns;
	r->c->run_ns += ns;
	r->c->runs++;
}

static void put_mask(struct rtapp *r, const struct sr_cpumask *mask)
{
	const char *comma = "";

	sr_out_text(r->out, "\"cpus\": [");
	for (unsigned cpu = 0; cpu < r->m->cpus; cpu++) {
		if (!sr_cpumask_isset(mask, cpu))
			continue;
		sr_out_format(r->out, "%s%u", comma, cpu);
		comma = ", ";
	}
	sr_out_text(r->out, "]");
}

/* Does it leave out a CPU, and leave one? */
static bool narrows(const struct rtapp *r, const struct sr_cpumask *mask)
{
	unsigned n = 0;

	for (unsigned cpu = 0; mask && cpu < r->m->cpus; cpu++)
		n += sr_cpumask_isset(mask, cpu) != 0;
	return n && n < r->m->cpus;
}

static void begin_phase(struct rtapp *r)
{
	sr_out_format(r->out, "%s\n\t\t\t\t\"p%u\": {\n\t\t\t\t\t\"loop\": 1", r->phases ? "," : "", r->phases);
	r->phases++;
	r->events = 1; /* a comma is due */
	if (r->phases > 1 && r->mask) {
		sr_out_text(r->out, ",\n\t\t\t\t\t");
		put_mask(r, r->mask);
	}
}

static void end_phase(struct rtapp *r)
{
	sr_out_text(r->out, "\n\t\t\t\t}");
}

/* CPUs may change from phase to phase. */
static void change_mask(struct rtapp *r, const struct sr_op *op)
{
	static const struct sr_cpumask none;
	struct sr_cpumask all = none;
	const struct sr_cpumask *mask = op->arg < r->m->attrs.nmasks ? &r->m->attrs.masks[op->arg] : NULL;

	put_run(r);
	end_phase(r);
	r->mask = mask;
	if (!narrows(r, mask)) {
		for (unsigned cpu = 0; cpu < r->m->cpus; cpu++)
			sr_cpumask_set(&all, cpu);
		r->mask = &all;
	}
	begin_phase(r);
	r->mask = NULL;
}

static void put_timer(struct rtapp *r, unsigned timer, uint64_t period_us)
{
	event_key(r, "timer");
	sr_out_format(r->out, "{ \"ref\": \"t%u.%u\", \"period\": %llu, \"mode\": \"relative\" }", r->task, timer,
		      (unsigned long long)period_us);
}

static void put_sleep(struct rtapp *r, const struct sr_op *op)
{
	const struct sr_wait *w = op->arg < r->p->nwaits ? &r->p->waits[op->arg] : NULL;
	unsigned timer = w ? w->timer % SR_TIMERS : 0;

	if ((op->flags & 7) != SR_SLEEP_PERIODIC || !w) {
		put_units(r, "sleep", op->value / 1000 ? op->value / 1000 : 1);
		r->c->sleeps++;
		return;
	}
	if (w->anchor || !r->timer_ns[timer] || w->deadline_ns + 1 <= r->timer_ns[timer] ||
	    (w->deadline_ns + 1 - r->timer_ns[timer]) / 1000 > MOST_UNITS) {
		put_units(r, "sleep", op->value / 1000 ? op->value / 1000 : 1);
		put_timer(r, timer, 1);
		r->c->sleeps++;
	} else {
		put_timer(r, timer, (w->deadline_ns + 1 - r->timer_ns[timer]) / 1000);
		r->c->timers++;
	}
	r->timer_ns[timer] = w->deadline_ns + 1;
}

static void put_op(struct rtapp *r, const struct sr_op *op)
{
	switch (op->kind) {
	case SR_OP_RUN:
		r->run_ns += op->value;
		break;
	case SR_OP_WAKE:
		/* One whose wait became a timed one would open another wait. */
		if (op->arg >= r->m->ntasks || !r->kept[op->arg] || op->value >= r->m->tasks[op->arg].nwaits ||
		    !r->waited[op->arg][op->value])
			break;
		r->owed_ns += sr_op_hidden(op) ? 0 : r->half_ns;
		put_run(r);
		put_mutex(r, "lock", 'a', op->arg, op->value);
		put_mutex(r, "unlock", 'm', op->arg, op->value);
		r->c->wakes++;
		break;
	case SR_OP_WAIT:
		put_run(r);
		put_mutex(r, "lock", 'm', r->task, op->arg);
		put_mutex(r, "unlock", 'a', r->task, op->arg);
		r->owed_ns += sr_op_hidden(op) ? 0 : r->half_ns;
		r->c->waits++;
		break;
	case SR_OP_SLEEP:
		put_run(r);
		put_sleep(r, op);
		break;
	case SR_OP_FORK:
		if (op->arg >= r->m->ntasks || !r->kept[op->arg])
			break;
		put_run(r);
		event_key(r, "unlock");
		sr_out_format(r->out, "\"f%u\"", op->arg);
		r->c->forks++;
		break;
	case SR_OP_EXEC:
		r->c->execs++;
		break;
	case SR_OP_NAME:
		r->c->names += op->arg != SR_NAME_KEPT;
		break;
	case SR_OP_NICE:
	case SR_OP_CLASS:
		r->c->priorities++;
		break;
	case SR_OP_MASK:
		change_mask(r, op);
		break;
	case SR_OP_SESSION:
		r->c->sessions++;
		break;
	case SR_OP_GROUP:
		r->c->groups++;
		break;
	default:
		break;
	}
}

static void put_class(struct rtapp *r, const struct sr_program *p)
{
	const char *policy = "SCHED_OTHER";
	int priority = (int)p->nice; /* NOLINT(bugprone-signed-char-misuse): it has a sign */

	if (p->policy == SR_SCHED_FIFO || p->policy == SR_SCHED_RR) {
		policy = p->policy == SR_SCHED_FIFO ? "SCHED_FIFO" : "SCHED_RR";
		priority = p->rt_prio ? p->rt_prio : 1;
	} else if (p->policy == SR_SCHED_DEADLINE && p->dl_runtime_ns >= 1000 && p->dl_period_ns) {
		policy = "SCHED_DEADLINE";
		sr_out_format(r->out,
			      "\t\t\t\"dl-runtime\": %llu,\n\t\t\t\"dl-deadline\": %llu,\n\t\t\t\"dl-period\": "
			      "%llu,\n",
			      (unsigned long long)(p->dl_runtime_ns / 1000),
			      (unsigned long long)((p->dl_deadline_ns ? p->dl_deadline_ns : p->dl_period_ns) / 1000),
			      (unsigned long long)(p->dl_period_ns / 1000));
		priority = 0;
	} else if (p->policy != SR_SCHED_OTHER) {
		r->c->policies++;
		if (p->policy == SR_SCHED_IDLE)
			priority = 19;
	}
	sr_out_format(r->out, "\t\t\t\"policy\": \"%s\",\n\t\t\t\"priority\": %d,\n", policy, priority);
	r->c->attributes += p->slice_ns != 0;
}

static void put_task(struct rtapp *r, uint32_t task)
{
	const struct sr_program *p = &r->m->tasks[task];
	char name[SR_COMM_LEN + 16];
	const char *comm = p->comm;

	/* The last one that it gave itself: mostly that of the program that it is. */
	for (size_t i = 0; i < p->nops; i++)
		if (p->ops[i].kind == SR_OP_NAME && p->ops[i].arg < r->m->nnames)
			comm = r->m->names[p->ops[i].arg];
	r->p = p;
	r->task = task;
	r->phases = 0;
	r->run_ns = 0;
	r->owed_ns = 0;
	r->mask = NULL;
	memset(r->timer_ns, 0, sizeof(r->timer_ns));
	/* Names are unique, also as far as the kernel keeps them. */
	snprintf(name, sizeof(name), "%.8s-%u", comm, task);
	sr_out_text(r->out, r->c->threads++ ? ",\n\t\t" : "\n\t\t");
	put_json_text(r->out, name);
	sr_out_text(r->out, ": {\n\t\t\t\"loop\": 1,\n");
	put_class(r, p);
	if (narrows(r, p->allowed)) {
		sr_out_text(r->out, "\t\t\t");
		put_mask(r, p->allowed);
		sr_out_text(r->out, ",\n");
	}
	sr_out_text(r->out, "\t\t\t\"phases\": {");
	begin_phase(r);
	for (unsigned i = 0; i < tokens(p); i++)
		put_mutex(r, "lock", 'm', task, i);
	if (p->parent != UINT32_MAX) {
		event_key(r, "lock");
		sr_out_format(r->out, "\"f%u\"", task);
	}
	if (r->nkept > 1) {
		event_key(r, "barrier");
		sr_out_text(r->out, "\"start\"");
	}
	if (p->parent != UINT32_MAX) {
		event_key(r, "lock");
		sr_out_format(r->out, "\"f%u\"", task);
	}
	for (size_t i = 0; i < p->nops; i++)
		put_op(r, &p->ops[i]);
	put_run(r);
	if (r->events == 1) /* rt-app takes no phase without an event */
		put_units(r, "run", 1);
	end_phase(r);
	sr_out_text(r->out, "\n\t\t\t}\n\t\t}");
}

static void put_profile(struct rtapp *r)
{
	bool cpu = !strncmp(r->o->calibration, "CPU", 3);

	sr_out_text(r->out, "{\n\t\"global\": {\n\t\t\"duration\": -1,\n\t\t\"calibration\": ");
	if (cpu)
		put_json_text(r->out, r->o->calibration);
	else
		sr_out_text(r->out, "1000"); /* a run of n "us" is then one of n loops */
	sr_out_text(r->out, ",\n\t\t\"default_policy\": \"SCHED_OTHER\",\n\t\t\"log_size\": \"disable\",\n"
			    "\t\t\"logdir\": \"/tmp\",\n\t\t\"log_basename\": \"schedrec\",\n\t\t\"ftrace\": false,\n"
			    "\t\t\"gnuplot\": false\n\t},\n\t\"tasks\": {");
	for (uint32_t i = 0; i < r->m->ntasks; i++)
		if (r->kept[i])
			put_task(r, i);
	sr_out_text(r->out, "\n\t}\n}\n");
}

/* Which tasks take part, and which of their waits are for a wake. */
static int look(struct rtapp *r, struct sr_error *err)
{
	size_t n = r->m->ntasks ? r->m->ntasks : 1;

	r->kept = calloc(n, sizeof(*r->kept));
	r->waited = calloc(n, sizeof(*r->waited));
	if (!r->kept || !r->waited)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < r->m->ntasks; i++) {
		const struct sr_program *p = &r->m->tasks[i];

		r->kept[i] = does_something(p);
		r->nkept += r->kept[i];
		r->waited[i] = calloc(p->nwaits ? p->nwaits : 1, 1);
		if (!r->waited[i])
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		for (size_t k = 0; k < p->nops; k++)
			if (p->ops[k].kind == SR_OP_WAIT && p->ops[k].arg < p->nwaits)
				r->waited[i][p->ops[k].arg] = 1;
	}
	return 0;
}

int sr_export_rtapp(struct srz_reader *reader, const char *path, const struct sr_rtapp_options *o,
		    struct sr_rtapp_counts *counts, struct sr_error *err)
{
	struct rtapp r = { .o = o, .c = counts, .unit_ns = 1000 };
	struct sr_model_options mo = o->model;
	struct sr_model *m;
	uint64_t v;
	int ret = -1;

	*counts = (struct sr_rtapp_counts){ 0 };
	if (sr_meta_u64(reader, "record.tracepoint_ns", &v) && v <= MOST_COST_NS)
		mo.tracepoint_ns = v;
	if (sr_meta_u64(reader, "record.wake_local_ns", &v) && v <= MOST_COST_NS)
		r.half_ns = (double)v / 2;
	r.m = m = sr_model_build(reader, &mo, err);
	if (!m)
		return -1;
	if (strncmp(o->calibration, "CPU", 3))
		r.unit_ns = strtod(o->calibration, NULL);
	if (look(&r, err))
		goto out;
	r.out = sr_outfile_create(path, err);
	if (!r.out)
		goto out;
	put_profile(&r);
	counts->bytes = sr_outfile_bytes(r.out);
	ret = sr_outfile_close(r.out, err);
out:
	for (size_t i = 0; r.waited && i < m->ntasks; i++)
		free(r.waited[i]);
	free(r.waited);
	free(r.kept);
	sr_model_free(m);
	return ret;
}
