/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/internal.h"

#include <stdlib.h>
#include <string.h>

#define WORDS (SR_MAX_CPUS / 64)

struct load_cpu {
	uint32_t queued; /* tasks waiting here */
	uint32_t free;   /* of them: those that may run anywhere */
	bool busy;
	uint64_t since_ns; /* busy: since when */
	uint64_t busy_ns;
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
	unsigned online;
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
	uint64_t start_ns, last_ns, idle_ns;
	double imbalance;
	bool failed; /* out of memory on the way: told by finish */
};

static unsigned nr_of(const struct load_cpu *c)
{
	return c->queued + c->busy;
}

static bool overloaded(const struct load_cpu *c)
{
	return c->free && nr_of(c) >= 2;
}

struct ana_load *ana_load_new(const struct sr_task_starts *starts, const struct sr_machine *machine, unsigned cpus,
			      uint64_t start_ns, struct sr_error *err)
{
	struct ana_load *l = calloc(1, sizeof(*l));

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
	for (unsigned c = 0; c < cpus; c++) {
		if (machine && !machine->v[c].online)
			continue;
		l->online++;
		l->cpus_with[0]++;
		sr_cpumask_set(&l->empty, c);
		l->nempty++;
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
			if (l->empty.w[w] & ~starts->masks[i].w[w])
				l->everywhere[i] = false;
	}
	/* A cpu says nothing before its first event: where no task was running at the start, it idled. */
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
		if (l->held[i].count && nr_of(&l->cpus[l->held[i].cpu]) >= 2 &&
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
	if (idle_while_overloaded(l))
		l->idle_ns += dt;
	if (l->online)
		l->imbalance += (double)dt * ((double)l->most - (double)l->runnable / l->online);
}

/* A cpu that the machine description or the file's own count did not promise still counts from here on. */
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
		l->online += cpu + 1 - (unsigned)l->ncpus;
		l->cpus_with[0] += cpu + 1 - (unsigned)l->ncpus;
		for (; l->ncpus <= cpu; l->ncpus++) {
			sr_cpumask_set(&l->empty, (unsigned)l->ncpus);
			l->nempty++;
		}
	}
	return &l->cpus[cpu];
}

/* What a change of one cpu means for the sums. was: the cpu before it. */
static void changed(struct ana_load *l, unsigned cpu, const struct load_cpu *was)
{
	const struct load_cpu *c = &l->cpus[cpu];
	unsigned before = nr_of(was), after = nr_of(c);
	struct sr_error err;

	l->noverloaded += overloaded(c);
	l->noverloaded -= overloaded(was);
	if (before == after)
		return;
	if (ana_reserve(&l->cpus_with, &l->with_cap, (size_t)after + 1, sizeof(*l->cpus_with), &err) < 0) {
		l->failed = true;
		return;
	}
	if (!before && sr_cpumask_isset(&l->empty, cpu)) {
		l->empty.w[cpu / 64] &= ~(1ull << (cpu % 64));
		l->nempty--;
	} else if (!after) {
		sr_cpumask_set(&l->empty, cpu);
		l->nempty++;
	}
	l->runnable += after;
	l->runnable -= before;
	if (l->cpus_with[before])
		l->cpus_with[before]--;
	l->cpus_with[after]++;
	if (after > l->most)
		l->most = after;
	while (l->most && !l->cpus_with[l->most])
		l->most--;
}

void ana_load_run(struct ana_load *l, unsigned cpu, bool busy, uint64_t now)
{
	struct load_cpu *c, was;

	advance(l, now);
	c = cpu_at(l, cpu);
	if (!c || c->busy == busy)
		return;
	was = *c;
	if (busy)
		c->since_ns = now;
	else if (now > c->since_ns)
		c->busy_ns += now - c->since_ns;
	c->busy = busy;
	changed(l, cpu, &was);
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
	struct load_cpu *c, was;
	struct held *h = NULL;

	advance(l, now);
	c = cpu_at(l, cpu);
	if (!c || (by < 0 && !c->queued))
		return;
	was = *c;
	c->queued = (uint32_t)((int64_t)c->queued + by);
	if (mask == ANA_MASK_ALL || (mask >= 0 && l->everywhere[mask]))
		c->free = (uint32_t)((int64_t)c->free + by);
	else if (mask >= 0)
		h = held_at(l, cpu, mask);
	if (h)
		h->count = (uint32_t)((int64_t)h->count + by);
	changed(l, cpu, &was);
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
	}
	l->start_ns = now;
	l->idle_ns = 0;
	l->imbalance = 0;
}

uint64_t ana_load_busy_ns(const struct ana_load *l, unsigned cpu)
{
	return cpu < l->ncpus ? l->cpus[cpu].busy_ns : 0;
}

int ana_load_finish(struct ana_load *l, uint64_t now, struct ana_result *out, struct sr_error *err)
{
	uint64_t sum = 0, busiest = 0;

	for (unsigned c = 0; c < l->ncpus; c++) {
		ana_load_run(l, c, false, now);
		sum += l->cpus[c].busy_ns;
		if (l->cpus[c].busy_ns > busiest)
			busiest = l->cpus[c].busy_ns;
	}
	if (l->failed)
		return ana_no_memory(err);
	if (l->last_ns == l->start_ns)
		return 0;
	if (ana_set(out, "idle_while_overloaded_ns", "ns", (double)l->idle_ns, err) < 0 ||
	    ana_set(out, "imbalance_score", "tasks", l->imbalance / (double)(l->last_ns - l->start_ns), err) < 0)
		return -1;
	return sum ? ana_set(out, "busiest_cpu_share", "ratio", (double)busiest / (double)sum, err) : 0;
}
