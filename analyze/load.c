/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cpus' queues. A cpu whose state is not known is left out: it is neither idle nor overloaded, nor in any mean.
 *
 *              known where the
 *              start state tells          known                not known                    known
 *   start |----------------------| event |-------| last event |..........| LOST |........| event |----
 *
 * That events were lost is told behind the time of which they are missing, when what was believed of the cpu went into
 * the sums already. So they go back to what they were at the cpu's latest event before: that time counts for no cpu.
 */
#include "analyze/internal.h"

#include <stdlib.h>
#include <string.h>

#define WORDS (SR_MAX_CPUS / 64)

/* Over all time in which the state of any cpu is known. */
struct sums {
	uint64_t counted_ns, idle_ns;
	double imbalance;
};

struct load_cpu {
	uint32_t queued; /* tasks waiting here */
	uint32_t free;   /* of them: those that may run anywhere */
	bool known, busy;
	uint64_t known_ns, since_ns; /* since when; busy: since when */
	uint64_t busy_ns;
	struct sums seen; /* at its latest event */
};

/* Waiting tasks that may run only on some cpus, by queue and mask; few, as masks are shared. */
struct held {
	uint32_t cpu;
	int mask;
	uint32_t count;
};

struct ana_load {
	const struct sr_task_starts *starts;
	struct load_cpu *cpus;
	size_t ncpus, cap;
	bool told;               /* the start state tells of every cpu: where no task ran, it idled */
	unsigned nknown;         /* only these cpus are in what follows */
	struct sr_cpumask empty; /* idle cpus with nothing queued */
	unsigned nempty;
	unsigned noverloaded; /* cpus with two or more runnable tasks, one of the waiting ones free to go anywhere */
	struct held *held;
	size_t nheld, held_cap;
	bool *everywhere;    /* masks that leave out no cpu of the machine */
	uint32_t *cpus_with; /* [n]: cpus that have n runnable tasks, so that the maximum is always known */
	size_t with_cap;
	uint32_t most;
	uint64_t runnable; /* sum over cpus */
	uint64_t start_ns, last_ns;
	struct sums sums;
	bool failed; /* out of memory on the way: told by finish */
};

static unsigned nr_of(const struct load_cpu *c)
{
	return c->queued + c->busy;
}

static bool overloaded(const struct load_cpu *c)
{
	return c->known && c->free && nr_of(c) >= 2;
}

/* Are all tasks' states of the start known? */
static bool starts_tell(const struct sr_task_starts *starts)
{
	for (size_t i = 0; starts && i < starts->n; i++)
		if (starts->v[i].state == '?')
			return false;
	return starts && starts->n;
}

struct ana_load *ana_load_new(const struct sr_task_starts *starts, const struct sr_machine *machine, unsigned cpus,
			      uint64_t start_ns, struct sr_error *err)
{
	struct ana_load *l = calloc(1, sizeof(*l));
	struct sr_cpumask online = { 0 };

	if (machine)
		cpus = machine->ncpus;
	if (cpus > SR_MAX_CPUS)
		cpus = SR_MAX_CPUS;
	if (cpus == 0)
		cpus = 1;
	if (!l || ana_reserve(&l->cpus, &l->cap, cpus, sizeof(*l->cpus), err) < 0 ||
	    ana_reserve(&l->cpus_with, &l->with_cap, 2, sizeof(*l->cpus_with), err) < 0) {
		ana_load_free(l);
		ana_no_memory(err);
		return NULL;
	}
	l->starts = starts;
	l->ncpus = cpus;
	l->start_ns = l->last_ns = start_ns;
	l->told = starts_tell(starts);
	for (unsigned c = 0; c < cpus; c++) {
		if (machine && !machine->v[c].online)
			continue;
		sr_cpumask_set(&online, c);
		if (l->told)
			ana_load_found(l, c, false, start_ns, start_ns);
	}
	if (starts && starts->nmasks) {
		l->everywhere = calloc(starts->nmasks, sizeof(*l->everywhere));
		if (!l->everywhere) {
			ana_load_free(l);
			ana_no_memory(err);
			return NULL;
		}
	}
	for (size_t i = 0; starts && i < starts->nmasks; i++) {
		l->everywhere[i] = true;
		for (size_t w = 0; w < WORDS; w++)
			if (online.w[w] & ~starts->masks[i].w[w])
				l->everywhere[i] = false;
	}
	for (size_t i = 0; starts && i < starts->n; i++) {
		const struct sr_task_start *t = &starts->v[i];

		if (t->state == 'R' && !(t->flags & SR_TASK_RECORDER) && t->last_cpu < cpus)
			ana_load_run(l, t->last_cpu, true, start_ns);
	}
	return l;
}

void ana_load_free(struct ana_load *l)
{
	if (!l)
		return;
	free(l->cpus);
	free(l->held);
	free(l->everywhere);
	free(l->cpus_with);
	free(l);
}

static bool may_run_on_an_empty_cpu(const struct ana_load *l, int mask)
{
	const struct sr_cpumask *m = &l->starts->masks[mask];

	for (size_t w = 0; w < WORDS; w++)
		if (m->w[w] & l->empty.w[w])
			return true;
	return false;
}

static bool idle_while_overloaded(const struct ana_load *l)
{
	if (!l->nempty)
		return false;
	if (l->noverloaded)
		return true;
	for (size_t i = 0; i < l->nheld; i++)
		if (l->held[i].count && l->cpus[l->held[i].cpu].known && nr_of(&l->cpus[l->held[i].cpu]) >= 2 &&
		    may_run_on_an_empty_cpu(l, l->held[i].mask))
			return true;
	return false;
}

static void advance(struct ana_load *l, uint64_t now)
{
	uint64_t dt;

	if (now <= l->last_ns)
		return;
	dt = now - l->last_ns;
	l->last_ns = now;
	if (!l->nknown)
		return;
	l->sums.counted_ns += dt;
	if (idle_while_overloaded(l))
		l->sums.idle_ns += dt;
	l->sums.imbalance += (double)dt * ((double)l->most - (double)l->runnable / l->nknown);
}

/* A cpu leaves what is summed up, or comes to it, as it is now. */
static void leave_out(struct ana_load *l, unsigned cpu)
{
	const struct load_cpu *c = &l->cpus[cpu];
	unsigned nr = nr_of(c);

	if (!c->known)
		return;
	l->nknown--;
	l->noverloaded -= overloaded(c);
	l->runnable -= nr;
	if (nr < l->with_cap && l->cpus_with[nr])
		l->cpus_with[nr]--;
	while (l->most && !l->cpus_with[l->most])
		l->most--;
	if (!nr && sr_cpumask_isset(&l->empty, cpu)) {
		l->empty.w[cpu / 64] &= ~(1ull << (cpu % 64));
		l->nempty--;
	}
}

static void take_in(struct ana_load *l, unsigned cpu)
{
	const struct load_cpu *c = &l->cpus[cpu];
	unsigned nr = nr_of(c);
	struct sr_error err;

	if (!c->known)
		return;
	l->nknown++;
	l->noverloaded += overloaded(c);
	l->runnable += nr;
	if (ana_reserve(&l->cpus_with, &l->with_cap, (size_t)nr + 1, sizeof(*l->cpus_with), &err) < 0) {
		l->failed = true;
		return;
	}
	l->cpus_with[nr]++;
	if (nr > l->most)
		l->most = nr;
	if (!nr) {
		sr_cpumask_set(&l->empty, cpu);
		l->nempty++;
	}
}

/* NULL: there is no such cpu. One that the machine description or the file's own count did not promise counts from here
 * on. */
static struct load_cpu *cpu_at(struct ana_load *l, unsigned cpu)
{
	struct sr_error err;

	if (cpu >= SR_MAX_CPUS)
		return NULL;
	if (cpu >= l->ncpus) {
		if (ana_reserve(&l->cpus, &l->cap, cpu + 1, sizeof(*l->cpus), &err) < 0) {
			l->failed = true;
			return NULL;
		}
		for (; l->ncpus <= cpu; l->ncpus++) {
			l->cpus[l->ncpus].known = l->told;
			l->cpus[l->ncpus].known_ns = l->last_ns;
			l->cpus[l->ncpus].seen = l->sums;
			take_in(l, (unsigned)l->ncpus);
		}
	}
	return &l->cpus[cpu];
}

void ana_load_run(struct ana_load *l, unsigned cpu, bool busy, uint64_t now)
{
	ana_load_found(l, cpu, busy, now, now);
}

void ana_load_found(struct ana_load *l, unsigned cpu, bool busy, uint64_t since, uint64_t now)
{
	struct load_cpu *c;

	advance(l, now);
	c = cpu_at(l, cpu);
	if (!c || (c->known && c->busy == busy))
		return;
	leave_out(l, cpu);
	if (!c->known && c->known_ns < l->start_ns)
		c->known_ns = l->start_ns;
	if (since < c->known_ns)
		since = c->known_ns;
	if (!c->known)
		c->known_ns = since;
	if (busy)
		c->since_ns = since;
	else if (c->busy && now > c->since_ns)
		c->busy_ns += now - c->since_ns;
	c->known = true;
	c->busy = busy;
	take_in(l, cpu);
}

void ana_load_seen(struct ana_load *l, unsigned cpu, uint64_t now)
{
	struct load_cpu *c;

	advance(l, now);
	c = cpu_at(l, cpu);
	if (c)
		c->seen = l->sums;
}

void ana_load_lost(struct ana_load *l, unsigned cpu, uint64_t seen_ns, uint64_t now)
{
	struct load_cpu *c;
	struct sums then;

	advance(l, now);
	c = cpu_at(l, cpu);
	if (!c)
		return;
	if (c->known) {
		then = c->seen;
		l->sums = then;
		for (size_t i = 0; i < l->ncpus; i++)
			if (l->cpus[i].seen.counted_ns > then.counted_ns)
				l->cpus[i].seen = then;
	}
	leave_out(l, cpu);
	if (c->busy && seen_ns > c->since_ns)
		c->busy_ns += seen_ns - c->since_ns;
	c->known = c->busy = false;
	c->known_ns = now;
}

static struct held *held_at(struct ana_load *l, unsigned cpu, int mask)
{
	struct sr_error err;

	for (size_t i = 0; i < l->nheld; i++)
		if (l->held[i].cpu == cpu && l->held[i].mask == mask)
			return &l->held[i];
	if (ana_reserve(&l->held, &l->held_cap, l->nheld + 1, sizeof(*l->held), &err) < 0) {
		l->failed = true;
		return NULL;
	}
	l->held[l->nheld] = (struct held){ .cpu = cpu, .mask = mask };
	return &l->held[l->nheld++];
}

static void queue(struct ana_load *l, unsigned cpu, int mask, uint64_t now, int by)
{
	struct held *h = NULL;
	struct load_cpu *c;

	advance(l, now);
	c = cpu_at(l, cpu);
	if (!c || (by < 0 && !c->queued))
		return;
	leave_out(l, cpu);
	c->queued = (uint32_t)((int64_t)c->queued + by);
	if (mask == ANA_MASK_ALL || (mask >= 0 && l->everywhere[mask]))
		c->free = (uint32_t)((int64_t)c->free + by);
	else if (mask >= 0)
		h = held_at(l, cpu, mask);
	if (h)
		h->count = (uint32_t)((int64_t)h->count + by);
	take_in(l, cpu);
}

void ana_load_queue(struct ana_load *l, unsigned cpu, int mask, uint64_t now)
{
	queue(l, cpu, mask, now, 1);
}

unsigned ana_load_queued(const struct ana_load *l, unsigned cpu)
{
	return cpu < l->ncpus ? l->cpus[cpu].queued : 0;
}

void ana_load_unqueue(struct ana_load *l, unsigned cpu, int mask, uint64_t now)
{
	queue(l, cpu, mask, now, -1);
}

void ana_load_restart(struct ana_load *l, uint64_t now)
{
	advance(l, now);
	for (unsigned c = 0; c < l->ncpus; c++) {
		l->cpus[c].busy_ns = 0;
		l->cpus[c].since_ns = now;
		l->cpus[c].seen = (struct sums){ 0 };
		if (l->cpus[c].known)
			l->cpus[c].known_ns = now;
	}
	l->start_ns = now;
	l->sums = (struct sums){ 0 };
}

uint64_t ana_load_busy_ns(const struct ana_load *l, unsigned cpu)
{
	return cpu < l->ncpus ? l->cpus[cpu].busy_ns : 0;
}

int ana_load_finish(struct ana_load *l, uint64_t now, struct ana_result *out, struct sr_error *err)
{
	uint64_t sum = 0, busiest = 0;

	for (unsigned c = 0; c < l->ncpus; c++) {
		if (l->cpus[c].known)
			ana_load_run(l, c, false, now);
		sum += l->cpus[c].busy_ns;
		if (l->cpus[c].busy_ns > busiest)
			busiest = l->cpus[c].busy_ns;
	}
	if (l->failed)
		return ana_no_memory(err);
	if (l->sums.counted_ns &&
	    (ana_set(out, "idle_while_overloaded_ns", "ns", (double)l->sums.idle_ns, err) < 0 ||
	     ana_set(out, "imbalance_score", "tasks", l->sums.imbalance / (double)l->sums.counted_ns, err) < 0))
		return -1;
	return sum ? ana_set(out, "busiest_cpu_share", "ratio", (double)busiest / (double)sum, err) : 0;
}
