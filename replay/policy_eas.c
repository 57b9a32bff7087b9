/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Energy-aware scheduling as Linux 5.7 places woken tasks (find_energy_efficient_cpu): of each performance domain the cpu
 * with the most room, then the one of these on which the whole machine would draw least. POLICIES.md says what is the
 * kernel's and what is not.
 *
 * A cpu's utilisation is kept here: it runs while it has tasks, and what a task brought along moves with it, as the
 * kernel's run queues have it. A task's own is the engine's.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/option.h"
#include "replay/energy.h"
#include "replay/loads.h"
#include "replay/pelt.h"
#include "replay/policy.h"
#include "replay/policy_util.h"

/* CPUs of one capacity. */
struct class
{
	unsigned capacity;
	struct sr_cpumask cpus;
};

/*
 * Only the warm CPUs are looked at one by one: all that have tasks, or had some so shortly ago that something is left of
 * it. The cold ones are all alike, and of a performance domain the first that the task may use stands for them.
 */
struct eas {
	struct rpl_energy *energy;
	unsigned headroom_pct;
	bool margin, asymmetric, started;
	struct rpl_pelt *cpu; /* by cpu */
	struct sr_cpumask warm;
	struct sr_cpumask *pd; /* the CPUs of each domain that are online */
	struct class *class;   /* ascending */
	unsigned nclasses;
	struct rpl_loads load;
	uint64_t by_energy, by_load, overutilized, pushed;
};

static unsigned capacity_of(const struct rpl_engine *e, unsigned cpu)
{
	return e->machine->v[cpu].capacity;
}

/* A fifth of the cpu stays free. */
static bool fits(unsigned util, unsigned capacity)
{
	return util * 1280u < capacity * 1024u;
}

/* Before the first tick the run has not begun. */
static void update(const struct rpl_engine *e, struct eas *s, unsigned cpu, bool busy, uint64_t now_ns)
{
	if (s->started)
		rpl_pelt_update(&s->cpu[cpu], now_ns, busy ? capacity_of(e, cpu) : 0);
}

static unsigned util_of(const struct rpl_engine *e, const struct eas *s, unsigned cpu)
{
	unsigned util = rpl_pelt_util(s->cpu[cpu].value);

	return util < capacity_of(e, cpu) ? util : capacity_of(e, cpu);
}

static bool is_warm(const struct eas *s, unsigned cpu)
{
	return s->warm.w[cpu / 64] >> (cpu % 64) & 1;
}

static void set_warm(struct eas *s, unsigned cpu)
{
	s->warm.w[cpu / 64] |= 1ull << (cpu % 64);
}

/* A task's utilisation leaves a cpu and comes to another (-1: neither). */
static void move_util(struct eas *s, int from, int to, unsigned util, uint64_t now_ns)
{
	uint32_t part = (uint32_t)util << RPL_PELT_BITS;

	if (from == to)
		return;
	if (from >= 0)
		s->cpu[from].value -= part < s->cpu[from].value ? part : s->cpu[from].value;
	if (to < 0)
		return;
	if (!is_warm(s, (unsigned)to))
		s->cpu[to].at_ns = now_ns;
	set_warm(s, (unsigned)to);
	/* So much at most that rpl_pelt_after can go on with it. */
	s->cpu[to].value = part < UINT32_MAX / 2 - s->cpu[to].value ? s->cpu[to].value + part : UINT32_MAX / 2;
}

/* Brings the warm ones up to date. */
static bool is_overutilized(const struct rpl_engine *e, struct eas *s)
{
	uint64_t now = e->now_ns(e);
	bool over = false;

	for (unsigned k = 0; k < (e->ncpus + 63) / 64; k++)
		for (uint64_t w = s->warm.w[k]; w; w &= w - 1) {
			unsigned i = k * 64 + (unsigned)__builtin_ctzll(w);
			bool busy = e->nr_running(e, i) > 0;

			update(e, s, i, busy, now);
			over |= !fits(util_of(e, s, i), capacity_of(e, i));
			if (!busy && !s->cpu[i].value)
				s->warm.w[k] &= ~(1ull << (i % 64));
		}
	return over;
}

/* ---- by energy ---- */

/* A cpu's utilisation if the task, which is in that of its last cpu still, were on dst (-1: nowhere). */
static unsigned util_with(const struct rpl_engine *e, const struct eas *s, unsigned cpu, int prev, int dst,
			  unsigned task)
{
	unsigned util = rpl_pelt_util(s->cpu[cpu].value), others = util;

	if ((int)cpu == prev)
		others = util > task ? util - task : 0;
	util = (int)cpu == dst ? others + task : others;
	return util < capacity_of(e, cpu) ? util : capacity_of(e, cpu);
}

/* A domain without the task: what its CPUs are used, and who has the most room for the task and may take it (-1: nobody). */
struct use {
	unsigned max, room;
	uint64_t sum;
	int roomiest;
};

static void offer(const struct rpl_engine *e, const struct eas *s, const struct rpl_place *p, unsigned cpu,
		  unsigned task, struct use *u)
{
	unsigned capacity = capacity_of(e, cpu), util = util_with(e, s, cpu, p->prev_cpu, (int)cpu, task), room;

	if (!fits(util, capacity))
		return;
	room = capacity - util;
	if (room > u->room || (room == u->room && u->roomiest > (int)cpu)) {
		u->room = room;
		u->roomiest = (int)cpu;
	}
}

static struct use use_of(const struct rpl_engine *e, const struct eas *s, unsigned pd, const struct rpl_place *p,
			 unsigned task)
{
	const struct rpl_pd *d = &s->energy->pd[pd];
	struct use u = { .roomiest = -1 };
	bool cold = false;

	for (unsigned k = d->cpu[0] / 64; k <= d->cpu[d->n - 1] / 64; k++) {
		uint64_t all = s->pd[pd].w[k], allowed = p->allowed ? p->allowed->w[k] : UINT64_MAX, w;

		w = all & allowed & ~s->warm.w[k];
		if (w && !cold)
			offer(e, s, p, k * 64 + (unsigned)__builtin_ctzll(w), task, &u);
		cold |= w != 0;
		for (w = all & s->warm.w[k]; w; w &= w - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(w), cpu = k * 64 + bit;
			unsigned util = util_with(e, s, cpu, p->prev_cpu, -1, task);

			u.sum += util;
			u.max = util > u.max ? util : u.max;
			if (allowed >> bit & 1)
				offer(e, s, p, cpu, task, &u);
		}
	}
	return u;
}

/* What the domain draws more when the task is on this cpu of it. */
static uint64_t more_on(const struct rpl_engine *e, const struct eas *s, const struct rpl_pd *d, const struct use *u,
			int prev, unsigned cpu, unsigned task)
{
	unsigned without = util_with(e, s, cpu, prev, -1, task), with = util_with(e, s, cpu, prev, (int)cpu, task);

	return rpl_energy_mw(d, with > u->max ? with : u->max, u->sum - without + with, s->headroom_pct) -
	       rpl_energy_mw(d, u->max, u->sum, s->headroom_pct);
}

static int place_by_energy(const struct rpl_engine *e, const struct eas *s, const struct rpl_place *p, unsigned task)
{
	int prev = p->prev_cpu, best = prev;
	uint64_t base = 0, best_more = UINT64_MAX, prev_more = UINT64_MAX;

	for (unsigned k = 0; k < s->energy->npds; k++) {
		const struct rpl_pd *d = &s->energy->pd[k];
		struct use u = use_of(e, s, k, p, task);

		base += rpl_energy_mw(d, u.max, u.sum, s->headroom_pct);
		if (prev >= 0 && rpl_may_use(e, (unsigned)prev, p->allowed) && s->energy->pd_of[prev] == k &&
		    fits(util_with(e, s, (unsigned)prev, prev, prev, task), capacity_of(e, (unsigned)prev))) {
			prev_more = more_on(e, s, d, &u, prev, (unsigned)prev, task);
			if (prev_more < best_more)
				best_more = prev_more;
		}
		if (u.roomiest >= 0 && u.roomiest != prev) {
			uint64_t more = more_on(e, s, d, &u, prev, (unsigned)u.roomiest, task);

			if (more < best_more) {
				best_more = more;
				best = u.roomiest;
			}
		}
	}
	/* A sixteenth of what the machine draws must be saved, or the task stays. */
	if (prev_more == UINT64_MAX || !s->margin || prev_more - best_more > (prev_more + base) >> 4)
		return best;
	return prev;
}

/* ---- by load ---- */

/* Is the load of a, with one more task of nice 0, less than that of b, for what they can do? */
static bool less_loaded(const struct rpl_engine *e, unsigned a, unsigned b)
{
	return (e->load_weight(e, a) + 1024) * capacity_of(e, b) < (e->load_weight(e, b) + 1024) * capacity_of(e, a);
}

static bool has_allowed(const struct rpl_engine *e, const struct class *c, const struct sr_cpumask *allowed)
{
	for (unsigned k = 0; k < (e->ncpus + 63) / 64; k++)
		if (c->cpus.w[k] & (allowed ? allowed->w[k] : UINT64_MAX))
			return true;
	return false;
}

/* The first class of which the task may use a cpu and on which it fits; where it fits nowhere the largest that it may use. */
static unsigned class_needed(const struct rpl_engine *e, const struct eas *s, const struct sr_cpumask *allowed,
			     unsigned task)
{
	unsigned most = 0;

	for (unsigned k = 0; k < s->nclasses; k++) {
		if (!has_allowed(e, &s->class[k], allowed))
			continue;
		most = k;
		if (fits(task, s->class[k].capacity))
			break;
	}
	return most;
}

/* The first of the least loaded of a class; -1: it has no cpu that the task may use. */
static int least_of_class(const struct rpl_engine *e, struct eas *s, const struct class *c,
			  const struct sr_cpumask *allowed)
{
	int best = rpl_loads_least(&s->load, e, &c->cpus, allowed);

	/* More than RPL_MUCH on all of them. */
	for (unsigned i = 0; best < 0 && has_allowed(e, c, allowed) && i < e->ncpus; i++)
		if (sr_cpumask_isset(&c->cpus, i) && rpl_may_use(e, i, allowed))
			for (best = (int)i; ++i < e->ncpus;)
				if (sr_cpumask_isset(&c->cpus, i) && rpl_may_use(e, i, allowed) &&
				    less_loaded(e, i, (unsigned)best))
					best = (int)i;
	return best;
}

/* Ties: the last cpu, else the first. */
static int place_by_load(const struct rpl_engine *e, struct eas *s, const struct rpl_place *p, unsigned task)
{
	unsigned need = class_needed(e, s, p->allowed, task);
	int best = -1, prev = p->prev_cpu;
	bool prev_may = prev >= 0 && rpl_may_use(e, (unsigned)prev, p->allowed) &&
			capacity_of(e, (unsigned)prev) >= s->class[need].capacity;

	if (p->why == SR_CAUSE_WAKE && prev_may && e->is_idle(e, (unsigned)prev))
		return prev;
	for (unsigned k = need; k < s->nclasses; k++) {
		int cpu = least_of_class(e, s, &s->class[k], p -> allowed);

		if (cpu >= 0 && (best < 0 || less_loaded(e, (unsigned)cpu, (unsigned)best) ||
				 (cpu < best && !less_loaded(e, (unsigned)best, (unsigned)cpu))))
			best = cpu;
	}
	if (prev_may && best >= 0 && !less_loaded(e, (unsigned)best, (unsigned)prev))
		return prev;
	return best;
}

/* Where the most urgent RT task is the least urgent; ties: the last cpu, then the lowest. */
static int place_rt(const struct rpl_engine *e, const struct rpl_place *p)
{
	int best = -1, least = -1;

	for (unsigned i = 0; i < e->ncpus; i++) {
		int lowest;

		if (!rpl_may_use(e, i, p->allowed))
			continue;
		lowest = e->rt_lowest_prio(e, i);
		if (lowest > least || (lowest == least && (int)i == p->prev_cpu)) {
			least = lowest;
			best = (int)i;
		}
	}
	return best;
}

/* ---- the policy's functions ---- */

static int eas_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct eas *s = state;
	struct rpl_task_view v;
	int to, prev = p->prev_cpu;
	bool over;

	e->task(e, p->task, &v);
	if (rpl_class(&v) == RPL_CLASS_DEADLINE)
		return -1;
	if (rpl_class(&v) == RPL_CLASS_RT)
		return place_rt(e, p);
	over = is_overutilized(e, s);
	s->overutilized += over;
	if (p->why != SR_CAUSE_WAKE || !s->asymmetric || over) {
		s->by_load++;
		to = place_by_load(e, s, p, p->why == SR_CAUSE_FORK ? 0 : v.util);
	} else {
		s->by_energy++;
		to = v.util ? place_by_energy(e, s, p, v.util) : prev;
	}
	to = rpl_allowed_or(e, to, prev, p->allowed);
	if (p->why != SR_CAUSE_FORK)
		move_util(s, prev, to, v.util, e->now_ns(e));
	else if (to >= 0) /* What a new task will use is not known: half of what its cpu has left. */
		move_util(s, -1, to, (capacity_of(e, (unsigned)to) - util_of(e, s, (unsigned)to)) / 2, e->now_ns(e));
	return to;
}

static void eas_enqueue(struct rpl_engine *e, void *state, unsigned cpu, int task)
{
	struct eas *s = state;

	update(e, s, cpu, e->nr_running(e, cpu) > 1, e->now_ns(e));
	rpl_loads_note(&s->load, e, cpu);
	set_warm(s, cpu);
}

static void eas_dequeue(struct rpl_engine *e, void *state, unsigned cpu, int task)
{
	struct eas *s = state;

	update(e, s, cpu, true, e->now_ns(e));
	rpl_loads_note(&s->load, e, cpu);
}

/* A larger cpu for a running task: an idle one, else one with room; of these the one with the most room. */
static int larger_cpu(const struct rpl_engine *e, struct eas *s, unsigned cpu, const struct rpl_task_view *v)
{
	uint64_t now = e->now_ns(e);
	int best = -1, most = -1;
	bool best_idle = false;

	for (unsigned i = 0; i < e->ncpus; i++) {
		unsigned capacity = capacity_of(e, i), util;
		bool idle;
		int room;

		if (!rpl_may_use(e, i, v->allowed) || capacity <= capacity_of(e, cpu))
			continue;
		idle = e->is_idle(e, i);
		update(e, s, i, !idle, now);
		util = util_of(e, s, i);
		room = (int)(capacity - util);
		if (!idle && !fits(util + v->util, capacity))
			continue;
		if (idle > best_idle || (idle == best_idle && room > most)) {
			best = (int)i;
			most = room;
			best_idle = idle;
		}
	}
	return best;
}

static void eas_tick(struct rpl_engine *e, void *state, unsigned cpu)
{
	struct eas *s = state;
	struct rpl_task_view v;
	int task, to;

	if (!s->started) {
		for (unsigned i = 0; i < e->ncpus; i++)
			s->cpu[i].at_ns = e->now_ns(e);
		s->started = true;
	}
	if (!s->asymmetric || !(e->caps & RPL_CAN_PUSH))
		return;
	task = e->current(e, cpu);
	if (task < 0)
		return;
	e->task(e, task, &v);
	if (rpl_class(&v) != RPL_CLASS_FAIR || fits(v.util, capacity_of(e, cpu)))
		return;
	to = larger_cpu(e, s, cpu, &v);
	if (to < 0 || e->push(e, task, (unsigned)to, SR_CAUSE_ACTIVE))
		return;
	move_util(s, (int)cpu, to, v.util, e->now_ns(e));
	s->pushed++;
}

const char *rpl_eas_energy_file(const char *options, char *buf, size_t len)
{
	struct sr_error ignored;
	struct rpl_option o;
	const char *file = NULL;

	while (rpl_option_next("eas", &options, &o, &ignored) > 0)
		if (!strcmp(o.key, "energy") && snprintf(buf, len, "%s", o.value) < (int)len)
			file = buf;
	return file;
}

static int set_option(struct rpl_engine *e, struct eas *s, const struct rpl_option *o, struct sr_error *err)
{
	char *end;

	if (!strcmp(o->key, "headroom")) {
		unsigned long pct = strtoul(o->value, &end, 10);

		s->headroom_pct = (unsigned)pct;
		return *o->value >= '0' && *o->value <= '9' && !*end && pct <= 100 ?
			       0 :
			       rpl_option_value("eas", o, "0 to 100 (percent)", err);
	}
	if (!strcmp(o->key, "margin")) {
		s->margin = !strcmp(o->value, "yes");
		return s->margin || !strcmp(o->value, "no") ? 0 : rpl_option_value("eas", o, "yes, no", err);
	}
	if (!strcmp(o->key, "tick")) {
		if (sr_parse_time(o->value, &e->tick_ns, err))
			return sr_fail_prefix(err, "policy eas: tick");
		return e->tick_ns >= 1000000 && e->tick_ns <= 100000000 ?
			       0 :
			       rpl_option_value("eas", o, "1ms to 100ms", err);
	}
	return rpl_option_unknown("eas", o, rpl_policy_eas.options, err);
}

/* Which CPUs have which capacity, and are in which domain. */
static int sort_cpus(struct rpl_engine *e, struct eas *s)
{
	uint16_t rank[1025] = { 0 };

	for (unsigned i = 0; i < e->ncpus; i++)
		if (e->machine->v[i].online)
			rank[capacity_of(e, i) <= 1024 ? capacity_of(e, i) : 1024] = 1;
	for (unsigned i = 0; i <= 1024; i++)
		if (rank[i])
			rank[i] = (uint16_t)++s->nclasses;
	s->class = e->alloc(e, s->nclasses + 1u, sizeof(*s->class));
	s->pd = e->alloc(e, s->energy->npds + 1u, sizeof(*s->pd));
	if (!s->class || !s->pd || rpl_loads_init(&s->load, e))
		return -1;
	for (unsigned i = 0; i < e->ncpus; i++) {
		struct class *c;

		if (!e->machine->v[i].online)
			continue;
		c = &s->class[rank[capacity_of(e, i) <= 1024 ? capacity_of(e, i) : 1024] - 1];
		c->capacity = capacity_of(e, i);
		sr_cpumask_set(&c->cpus, i);
		if (s->energy->pd_of[i] != RPL_NO_PD)
			sr_cpumask_set(&s->pd[s->energy->pd_of[i]], i);
	}
	s->asymmetric = s->nclasses > 1;
	return 0;
}

static int eas_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	struct eas *s = e->alloc(e, 1, sizeof(*s));
	struct rpl_option o, energy = { "", "" };
	int rc;

	if (!s)
		return sr_fail(err, SR_ENVIRONMENT, "policy eas: out of memory");
	s->headroom_pct = RPL_HEADROOM;
	s->margin = true;
	while ((rc = rpl_option_next("eas", &options, &o, err)) > 0) {
		if (!strcmp(o.key, "energy"))
			energy = o;
		else if (set_option(e, s, &o, err) < 0)
			return -1;
	}
	if (rc < 0)
		return -1;
	s->cpu = e->alloc(e, e->ncpus, sizeof(*s->cpu));
	if (!s->cpu)
		return sr_fail(err, SR_ENVIRONMENT, "policy eas: out of memory");
	s->energy = rpl_energy_new(*energy.key ? energy.value : NULL, e->machine, err);
	if (!s->energy)
		return sr_fail_prefix(err, "policy eas");
	if (sort_cpus(e, s))
		return sr_fail(err, SR_ENVIRONMENT, "policy eas: out of memory");
	*state = s;
	return 0;
}

static void eas_fini(struct rpl_engine *e, void *state)
{
	rpl_energy_free(((struct eas *)state)->energy);
}

static unsigned eas_report(const struct rpl_engine *e, const void *state, struct rpl_policy_count *v)
{
	const struct eas *s = state;

	v[0] = (struct rpl_policy_count){ "eas_by_energy", "placements were by energy", s->by_energy, false };
	v[1] = (struct rpl_policy_count){ "eas_by_load", "placements were by load", s->by_load, false };
	v[2] = (struct rpl_policy_count){ "eas_overutilized", "placements found a CPU over 80% used", s->overutilized,
					  false };
	v[3] = (struct rpl_policy_count){ "eas_pushed", "running tasks were pulled to a larger CPU", s->pushed, false };
	v[4] = (struct rpl_policy_count){ "eas_symmetric",
					  "placements were by load: all CPUs of this machine have one capacity",
					  s->asymmetric ? 0 : s->by_load, true };
	return 5;
}

static const struct rpl_policy_option eas_options[] = {
	{ "energy", "FILE", "an estimate from capacities",
	  "what each CPU draws at each operating point; POLICIES.md has the format" },
	{ "headroom", "PERCENT", "25",
	  "how much more than the utilisation the clock is taken to be set for; 25 is schedutil's, 0 that of the "
	  "kernel documentation's example" },
	{ "margin", "yes|no", "yes",
	  "whether a move must save more than 1/16 of the energy (up to Linux 5.19), or any" },
	{ "tick", "T", "4ms", "time between a CPU's ticks, 1ms to 100ms" },
	{ NULL, NULL, NULL, NULL },
};

const struct rpl_policy rpl_policy_eas = {
	.version = RPL_POLICY_VERSION,
	.name = "eas",
	.summary = "energy-aware scheduling of big.LITTLE as of Linux 5.7: the cpu on which the machine draws least",
	.text = "For machines whose CPUs differ in capacity. While no CPU is used by more than 80%, a woken task goes "
		"to "
		"the CPU with the most room in one of the performance domains, or stays, whichever makes the machine "
		"draw least by its energy table. Forks, execs, and wakes while some CPU is used by more, go by load: "
		"the last CPU if it idles and is large enough, else the least loaded for its capacity of those on "
		"which "
		"the task fits. At ticks a running task that does not fit its CPU is pulled to a larger one.\n\n"
		"On a machine of equal CPUs all placements are by load.",
	.sources = "Linux 5.7: kernel/sched/fair.c (find_energy_efficient_cpu), include/linux/energy_model.h, "
		   "Documentation/scheduler/sched-energy.rst; the placement by load is schedrec's own",
	.cost = "wake O(CPUs that have, or in the last second had, something to run); fork, exec, and wakes by load a "
		"scan "
		"of all loads; tick O(CPUs) when the running task does not fit",
	.options = eas_options,
	.pins = true,
	.ticks = true,
	.util = true,
	.tick_ns = 4000000,
	.init = eas_init,
	.fini = eas_fini,
	.place = eas_place,
	.enqueue = eas_enqueue,
	.dequeue = eas_dequeue,
	.tick = eas_tick,
	.report = eas_report,
};
