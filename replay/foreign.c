/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/foreign.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, COLUMNS };

#define MOST_TICKS (UINT64_C(1) << 56) /* ten thousand years, and eight of them can be added */

/* A number that ends where it is to end: what is cut off in the middle of one is none. NULL: there is none. */
static const char *read_ticks(const char *at, uint64_t *n)
{
	char *end;

	at += strspn(at, " ");
	if (!isdigit((unsigned char)*at))
		return NULL;
	errno = 0;
	*n = strtoull(at, &end, 10);
	return errno || *n > MOST_TICKS || (*end != ' ' && *end != '\n') ? NULL : end;
}

/* "cpuN user nice system idle iowait irq softirq steal ...", guest time is part of user's; an old kernel has no steal. */
static bool parse_cpu(const char *line, unsigned *cpu, struct rpl_stat_cpu *c)
{
	uint64_t v[COLUMNS] = { 0 }, number;
	const char *at = read_ticks(line + strlen("cpu"), &number);

	for (int i = 0; at && i < COLUMNS; i++) {
		if (i == STEAL && at[strspn(at, " ")] == '\n')
			break;
		at = read_ticks(at, &v[i]);
	}
	if (!at || number >= SR_MAX_CPUS)
		return false;
	*cpu = (unsigned)number;
	*c = (struct rpl_stat_cpu){ .known = true,
				    .busy = v[USER] + v[NICE] + v[SYSTEM] + v[IRQ] + v[SOFTIRQ],
				    .idle = v[IDLE] + v[IOWAIT],
				    .steal = v[STEAL] };
	return true;
}

static bool add_cpu(struct rpl_stat *s, unsigned cpu, const struct rpl_stat_cpu *c)
{
	if (cpu >= s->n) {
		struct rpl_stat_cpu *v = realloc(s->v, (cpu + 1) * sizeof(*v));

		if (!v)
			return false;
		memset(v + s->n, 0, (cpu + 1 - s->n) * sizeof(*v));
		s->v = v;
		s->n = cpu + 1;
	}
	if (s->v[cpu].known)
		return false;
	s->v[cpu] = *c;
	return true;
}

bool rpl_stat_parse(FILE *f, struct rpl_stat *s)
{
	size_t cap = 0, found = 0;
	char *line = NULL;
	bool ok = true;

	memset(s, 0, sizeof(*s));
	while (ok && getline(&line, &cap, f) > 0 && !strncmp(line, "cpu", 3)) {
		struct rpl_stat_cpu c;
		unsigned cpu;

		if (isdigit((unsigned char)line[3]) && parse_cpu(line, &cpu, &c)) {
			ok = add_cpu(s, cpu, &c);
			found++;
		}
	}
	free(line);
	if (ok && found)
		return true;
	rpl_stat_release(s);
	return false;
}

bool rpl_stat_read(struct rpl_stat *s)
{
	FILE *f = fopen("/proc/stat", "re");
	struct timespec now;
	bool ok;

	memset(s, 0, sizeof(*s));
	if (!f)
		return false;
	ok = rpl_stat_parse(f, s);
	clock_gettime(CLOCK_MONOTONIC, &now);
	s->at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	fclose(f);
	return ok;
}

void rpl_stat_release(struct rpl_stat *s)
{
	free(s->v);
	memset(s, 0, sizeof(*s));
}

/* Processes of the start whose parent is own, and their children, however /proc listed them. */
static bool add_descendants(struct rpl_own *o, const struct sr_task_starts *starts)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < starts->n; i++) {
			const struct sr_task_start *t = &starts->v[i];

			if (sr_tidmap_get(&o->tids, t->tid) || t->ppid <= 0 || !sr_tidmap_get(&o->tids, t->ppid))
				continue;
			if (sr_tidmap_put(&o->tids, t->tid, 1) < 0)
				return false;
			more = true;
		}
	}
	return true;
}

void rpl_own_start(struct rpl_own *o, const struct sr_task_starts *starts, pid_t pid)
{
	memset(o, 0, sizeof(*o));
	atomic_store(&o->from_ns, UINT64_MAX);
	atomic_store(&o->to_ns, UINT64_MAX);
	for (size_t i = 0; i < starts->n; i++) {
		const struct sr_task_start *t = &starts->v[i];

		if (t->tgid != pid && !(t->flags & SR_TASK_RECORDER))
			continue;
		if (sr_tidmap_put(&o->tids, t->tid, 1) < 0)
			return;
		o->known |= t->tgid == pid;
	}
	o->known = o->known && add_descendants(o, starts);
}

void rpl_own_open(struct rpl_own *o, uint64_t from_ns)
{
	atomic_store(&o->from_ns, from_ns);
}

void rpl_own_close(struct rpl_own *o, uint64_t to_ns)
{
	atomic_store(&o->to_ns, to_ns);
}

/* A stretch of a task on a CPU. The window is set while events come in, but each before those that are later. */
static void count(struct rpl_own *o, struct rpl_own_cpu *c, int32_t tid, uint64_t until_ns)
{
	uint64_t from = atomic_load(&o->from_ns), to = atomic_load(&o->to_ns);

	if (from < c->since_ns)
		from = c->since_ns;
	if (to > until_ns)
		to = until_ns;
	if (to > from && tid && sr_tidmap_get(&o->tids, tid))
		c->ns += to - from;
}

static bool switched(struct rpl_own *o, const struct sr_event *ev)
{
	struct rpl_own_cpu *c;

	if (ev->cpu >= o->n) {
		struct rpl_own_cpu *v = realloc(o->v, (ev->cpu + 1u) * sizeof(*v));

		if (!v)
			return false;
		memset(v + o->n, 0, (ev->cpu + 1u - o->n) * sizeof(*v));
		o->v = v;
		o->n = ev->cpu + 1u;
	}
	c = &o->v[ev->cpu];
	count(o, c, ev->u.sw.prev, ev->time_ns);
	c->since_ns = ev->time_ns;
	c->tid = ev->u.sw.next;
	return true;
}

static bool forked(struct rpl_own *o, const struct sr_event *ev)
{
	if (sr_tidmap_get(&o->tids, ev->u.fork.parent))
		return sr_tidmap_put(&o->tids, ev->u.fork.child, 1) == 0;
	sr_tidmap_del(&o->tids, ev->u.fork.child); /* a number that is used again */
	return true;
}

void rpl_own_events(struct rpl_own *o, const struct sr_event *ev, size_t n)
{
	for (size_t i = 0; o->known && i < n; i++) {
		if (ev[i].kind == SR_EV_SWITCH)
			o->known = switched(o, &ev[i]);
		else if (ev[i].kind == SR_EV_FORK)
			o->known = forked(o, &ev[i]);
		else if (ev[i].kind == SR_EV_LOST)
			o->known = false;
	}
}

void rpl_own_end(struct rpl_own *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i].since_ns)
			count(o, &o->v[i], o->v[i].tid, UINT64_MAX);
}

void rpl_own_release(struct rpl_own *o)
{
	sr_tidmap_release(&o->tids);
	free(o->v);
	memset(o, 0, sizeof(*o));
}

/* a - b, but never less than 0. */
static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* ns of ticks, which cannot have been more than the window. */
static uint64_t in_window(uint64_t ticks, uint64_t tick_ns, uint64_t window_ns)
{
	return ticks > window_ns / tick_ns ? window_ns : ticks * tick_ns;
}

static uint64_t busy_between(const struct rpl_stat_cpu *a, const struct rpl_stat_cpu *b, uint64_t tick_ns,
			     uint64_t window_ns)
{
	uint64_t busy = in_window(b->busy - a->busy, tick_ns, window_ns);
	uint64_t rest = less(less(window_ns, in_window(less(b->idle, a->idle), tick_ns, window_ns)),
			     in_window(less(b->steal, a->steal), tick_ns, window_ns));

	return busy < rest ? busy : rest;
}

int rpl_foreign_find(const struct rpl_stat *a, const struct rpl_stat *b, const struct sr_cpumask *used,
		     const struct rpl_own *own, uint64_t own_ns, uint64_t tick_ns, struct rpl_foreign *out)
{
	uint64_t window = less(b->at_ns, a->at_ns), floor = RPL_FOREIGN_TICKS * tick_ns, all = 0;
	bool by_cpu = own && own->known;
	size_t n = a->n < b->n ? a->n : b->n;

	memset(out, 0, sizeof(*out));
	if (window < floor || (!by_cpu && own_ns == UINT64_MAX))
		return 0;
	out->cpu = calloc(n + 1, sizeof(*out->cpu));
	if (!out->cpu)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct rpl_stat_cpu *x = &a->v[i], *y = &b->v[i];
		struct rpl_foreign_cpu *c = &out->cpu[out->n];
		uint64_t ns;

		/* One that was offline meanwhile may have begun to count anew. */
		if (!sr_cpumask_isset(used, (unsigned)i) || !x->known || !y->known || y->busy < x->busy)
			continue;
		ns = busy_between(x, y, tick_ns, window);
		if (by_cpu) {
			ns = less(ns, i < own->n ? own->v[i].ns : 0);
			ns = ns < floor ? 0 : ns;
		}
		all += ns;
		c->cpu = (unsigned)i;
		c->foreign = by_cpu ? (double)ns / (double)window : -1;
		c->stolen = (double)in_window(less(y->steal, x->steal), tick_ns, window) / (double)window;
		out->n++;
	}
	if (!by_cpu) {
		all = less(all, own_ns);
		all = all < floor * out->n ? 0 : all;
	}
	out->known = out->n > 0;
	out->share = out->n ? (double)all / ((double)window * (double)out->n) : 0;
	return 0;
}

void rpl_foreign_release(struct rpl_foreign *f)
{
	free(f->cpu);
	memset(f, 0, sizeof(*f));
}
