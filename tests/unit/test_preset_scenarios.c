/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the policies make of a few loads, simulated on each machine preset. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/preset_matrix.h"

#define LARGE 256 /* CPUs; a machine with more is tried for a shorter time and under fewer policies */

static struct sim_params params;
static struct course course;

static struct sim_config config(void)
{
	sim_params_default(&params);
	return (struct sim_config){ .time_scale_ppm = 1000000, .seed = 1, .params = &params };
}

static const char *const domains[] = { "domain", "domain:preset=2.6.7", "domain:levels=full", "domain:preset=2.6.10",
				       "domain:preset=2.6.12" };
#define NDOMAINS (sizeof(domains) / sizeof(domains[0]))

static size_t policies_on(const struct sr_machine *m)
{
	return m->ncpus > LARGE ? 1 : NDOMAINS;
}

/* ---- where a scenario makes no sense ---- */

static const char *one_cpu(const struct sr_machine *m)
{
	return m->ncpus > 1 ? NULL : "one CPU";
}

static const char *one_core(const struct sr_machine *m)
{
	return m->ncores > 1 ? NULL : "one core";
}

static const char *one_node(const struct sr_machine *m)
{
	return m->nnodes > 1 ? NULL : "one node";
}

static bool are_alike(const struct sr_machine *m)
{
	for (unsigned i = 1; i < m->ncpus; i++)
		if (m->v[i].capacity != m->v[0].capacity)
			return false;
	return true;
}

static const char *two_cpus(const struct sr_machine *m)
{
	return m->ncpus > 2 ? NULL : "beside the busy CPU there are no two that could idle";
}

/* ---- hogs ---- */

/* Another thread of the first CPU's core, where it has one; else that CPU itself. */
static int beside_first(const struct sr_machine *m)
{
	for (unsigned i = 1; i < m->ncpus; i++)
		if (m->v[i].core == m->v[0].core)
			return (int)i;
	return 0;
}

/* How fast the runnable tasks, whatever they wait for, are worked on: thousandths of a whole CPU. */
static unsigned power_of(const struct sr_machine *m, const unsigned *tasks)
{
	unsigned power = 0;

	for (unsigned i = 0; i < m->ncpus; i++) {
		unsigned busy = 0;

		for (unsigned k = 0; tasks[i] && k < m->ncpus; k++)
			busy += tasks[k] && m->v[k].core == m->v[i].core;
		if (busy)
			power += (busy == 1 ? 1000 : (unsigned)params.v[SIM_SMT_SPEED_2 + busy - 2]) *
				 m->v[i].capacity / 1024;
	}
	return power;
}

/* The most that n tasks could have: the largest cores first, and then second threads. (Two have more than one has.) */
static unsigned best_power(const struct sr_machine *m, unsigned n)
{
	unsigned tasks[SR_MAX_CPUS] = { 0 };

	while (n--) {
		unsigned best = 0, most = 0;

		for (unsigned i = 0; i < m->ncpus; i++) {
			unsigned power;

			if (tasks[i])
				continue;
			tasks[i] = 1;
			power = power_of(m, tasks);
			tasks[i] = 0;
			if (power > most) {
				most = power;
				best = i;
			}
		}
		tasks[best] = 1;
	}
	return power_of(m, tasks);
}

/* Hogs that begin on these CPUs, for so long: the mean of power_of over the second half; the moves in that half. */
static unsigned hog(const struct sr_machine *m, const char *policy, const int *cpu, size_t n, unsigned ms,
		    unsigned *moves)
{
	struct sim_config cfg = config();
	struct sr_model model = { 0 };
	const struct sr_event *ev;
	uint64_t from = SIM_START_NS + ms / 2 * MS, last = from, sum = 0, end = SIM_START_NS + ms * MS;
	unsigned before = 0;

	for (size_t i = 0; i < n; i++)
		add_hog(&model, ms * MS, 0);
	log_run(&model, m, policy, cpu, n, ms, &cfg);
	memset(&course, 0, sizeof(course));
	while ((ev = log_next())) {
		if (ev->time_ns <= from)
			before = course.moves_total + (ev->kind == SR_EV_MIGRATE);
		if (ev->kind == SR_EV_MIGRATE && ev->time_ns > from) {
			sum += power_of(m, course.tasks) * (ev->time_ns - last);
			last = ev->time_ns;
		}
		course_see(&course, m, ev);
	}
	sum += power_of(m, course.tasks) * (end - last);
	*moves = course.moves_total - before;
	free_model(&model);
	return (unsigned)(sum / (end - from));
}

static bool share_a_core(const struct sr_machine *m, unsigned a, unsigned b)
{
	return m->v[course.cpu[a]].core == m->v[course.cpu[b]].core;
}

/* On smt-2x2 and smp-4, where a package is a core, that is two packages. */
static void two_hogs_of_one_core_end_on_two(const struct sr_machine *m, const char *preset)
{
	const int cpu[] = { 0, beside_first(m) };
	unsigned ms = m->ncpus > LARGE ? 60 : 300, moves;

	for (size_t k = 0; k < policies_on(m); k++) {
		hog(m, domains[k], cpu, 2, ms, &moves);
		if (share_a_core(m, 0, 1))
			fail_msg("%s: on CPUs %d and %d", domains[k], course.cpu[0], course.cpu[1]);
		if (m->npackages == m->ncores && m->v[course.cpu[0]].package == m->v[course.cpu[1]].package)
			fail_msg("%s: in one package", domains[k]);
		if (moves)
			fail_msg("%s: %u moves after that", domains[k], moves);
	}
	hog(m, "bld", cpu, 2, ms, &moves);
	assert_true(share_a_core(m, 0, 1));
	assert_int_equal(course.moves_total, 0);
}

/* From all of them in one core on: 2,250 thousandths of two cores of two threads, 3,000 of three cores. */
static void three_tasks_use_all_power_there_is(const struct sr_machine *m, const char *preset)
{
	const int cpu[] = { 0, beside_first(m), 0 };
	unsigned ms = m->ncpus > LARGE ? 100 : 600, moves, best, got;

	sim_params_default(&params);
	best = best_power(m, 3);
	for (size_t k = 0; k < policies_on(m); k++) {
		/* Its groups of several small CPUs have more power than one large CPU, which one task cannot use. */
		if (!are_alike(m) && strstr(domains[k], "full"))
			continue;
		got = hog(m, domains[k], cpu, 3, ms, &moves);
		if (got * 1000ull < best * 995ull)
			fail_msg("%s: %u of %u thousandths of a CPU, at the end on CPUs %d, %d, %d", domains[k], got,
				 best, course.cpu[0], course.cpu[1], course.cpu[2]);
	}
	got = hog(m, "bld", cpu, 3, ms, &moves);
	assert_true(got < best * 7 / 10);
}

/* ---- forks and execs ---- */

static int decided_from; /* by the decision that next_decision has found */

/* The next decision of this cause; to which cpu, -1: none. */
static int next_decision(enum sr_cause cause)
{
	const struct sr_event *ev;

	while ((ev = log_next()))
		if (ev->kind == SR_EV_DECISION && ev->u.decision.cause == cause) {
			decided_from = ev->u.decision.from;
			return ev->u.decision.to;
		}
	return -1;
}

/* Who runs on `from` forks a thread or executes a program while each CPU but `idle` has a task: where does it go? alone:
 * all other CPUs idle. (It does so at once, and in real time, so that it runs before the other task that is there.) */
static int placed(const struct sr_machine *m, const char *policy, unsigned from, int idle, bool alone, bool exec)
{
	static int cpu[SR_MAX_CPUS + 2];
	struct sim_config cfg = config();
	struct sr_model model = { 0 };
	int n = 0;

	cpu[n++] = (int)from;
	add_task(&model, NONE)->policy = SR_SCHED_FIFO;
	model.tasks[0].rt_prio = 1;
	for (unsigned i = 0; i < m->ncpus && !alone; i++)
		if ((int)i != idle && (i != from || exec)) {
			cpu[n++] = (int)i;
			add_hog(&model, 2 * MS, 0);
		}
	if (exec) {
		add_op(&model, 0, SR_OP_EXEC, 0, 0);
	} else {
		add_op(&model, 0, SR_OP_FORK, (uint32_t)n, 0)->flags = SR_FORK_VM | SR_FORK_THREAD;
		add_hog(&model, MS, 0);
		model.tasks[n].parent = 0;
	}
	add_op(&model, 0, SR_OP_RUN, 0, MS);
	add_op(&model, 0, SR_OP_END, 0, 0)->flags = 1;
	log_run(&model, m, policy, cpu, (size_t)n, 1, &cfg);
	free_model(&model);
	return next_decision(exec ? SR_CAUSE_EXEC : SR_CAUSE_FORK);
}

static const struct {
	const char *policy;
	bool places_threads;
	unsigned reach; /* the farthest node that is searched */
} placers[] = { { "domain", true, UINT_MAX },
		{ "domain:preset=modern", true, 30 },
		{ "domain:preset=2.6.7", true, UINT_MAX },
		{ "domain:levels=full", true, UINT_MAX },
		{ "domain:preset=2.6.10", false, UINT_MAX },
		{ "domain:preset=2.6.12", false, UINT_MAX } };

/* To the CPU that idles, if that is within reach; else nowhere: all others are as busy as its own. */
static void expect_idlest(const struct sr_machine *m, size_t k, unsigned from, int idle, bool exec)
{
	unsigned distance = idle < 0 ? 0 : m->distance[m->v[from].node * m->nnodes + m->v[idle].node];
	int want = idle >= 0 && distance <= placers[k].reach && (exec || placers[k].places_threads) ? idle : (int)from;
	int got = placed(m, placers[k].policy, from, idle, false, exec);

	if (got != want)
		fail_msg("%s: from CPU %u, with CPU %d idle, to CPU %d, not %d", placers[k].policy, from, idle, got,
			 want);
}

static void place_on(const struct sr_machine *m, bool exec)
{
	const unsigned last = m->ncpus - 1, from[] = { 0, last };
	const int idle[] = { -1, 0, (int)m->ncpus / 2, (int)last };

	for (size_t k = 0; k < (m->ncpus > LARGE ? 2 : sizeof(placers) / sizeof(placers[0])); k++)
		for (size_t f = 0; f < 2; f++)
			for (size_t i = 0; i < 4; i++)
				if (idle[i] != (int)from[f])
					expect_idlest(m, k, from[f], idle[i], exec);
}

static void an_exec_goes_to_the_idlest(const struct sr_machine *m, const char *preset)
{
	place_on(m, true);
	/* Nobody else is on its CPU: it stays, however many CPUs idle. */
	assert_int_equal(placed(m, "domain", m->ncpus / 2, -1, true, true), m->ncpus / 2);
}

static void a_thread_goes_to_the_idlest(const struct sr_machine *m, const char *preset)
{
	place_on(m, false);
}

/* A task that works for a while, then forks hogs in a row and ends. */
static uint32_t add_forker(struct sr_model *m, uint64_t first_ns, unsigned children, uint64_t work_ns)
{
	uint32_t i = (uint32_t)m->ntasks;

	add_task(m, NONE);
	add_op(m, i, SR_OP_RUN, 0, first_ns);
	for (unsigned k = 0; k < children; k++) {
		add_op(m, i, SR_OP_FORK, (uint32_t)m->ntasks, 0);
		add_hog(m, work_ns, 0);
		m->tasks[m->ntasks - 1].parent = i;
		add_op(m, i, SR_OP_RUN, 0, 10000);
	}
	add_op(m, i, SR_OP_END, 0, 0)->flags = 1;
	return i;
}

/* A process's child stays with its parent until balancing takes it away; BLD puts it elsewhere at once. */
static void two_forked_hogs_part(const struct sr_machine *m, const char *preset)
{
	static const struct {
		const char *policy;
		enum sr_cause by;
		bool together;
	} v[] = { { "domain", SR_CAUSE_TICK, true },
		  { "domain:clone=all", SR_CAUSE_FORK, false },
		  { "bld", SR_CAUSE_FORK, false },
		  { "bld-2012", SR_CAUSE_FORK, false },
		  { "bld-fixed", SR_CAUSE_FORK, false } };

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct sim_config cfg = config();
		struct sr_model model = { 0 };
		const struct sr_event *ev;
		int home = 0, a, b;
		bool stayed;

		add_forker(&model, MS, 2, 500 * MS);
		log_run(&model, m, v[i].policy, &home, 1, m->ncpus > LARGE ? 60 : 400, &cfg);
		a = next_decision(SR_CAUSE_FORK);
		stayed = a == decided_from;
		b = next_decision(SR_CAUSE_FORK);
		stayed &= b == decided_from;
		if (a < 0 || b < 0 || (v[i].together ? !stayed : a == b))
			fail_msg("%s: CPUs %d and %d", v[i].policy, a, b);
		log_rewind();
		if (next_decision(v[i].by) < 0)
			fail_msg("%s: not parted by cause %d", v[i].policy, v[i].by);
		log_rewind();
		memset(&course, 0, sizeof(course));
		while ((ev = log_next()))
			course_see(&course, m, ev);
		if (share_a_core(m, 1, 2))
			fail_msg("%s: they end on CPUs %d and %d", v[i].policy, course.cpu[1], course.cpu[2]);
		free_model(&model);
	}
}

/* ---- BLD ---- */

static const char *nowhere(const struct sr_machine *m)
{
	return NULL;
}

static void forks_on_an_idle_machine_go_around(const struct sr_machine *m, const char *preset)
{
	static const char *const policies[] = { "bld", "bld-2012", "bld-fixed" };
	unsigned n = 2 * m->ncpus;

	for (size_t k = 0; k < 3; k++) {
		struct sim_config cfg = config();
		struct sr_model model = { 0 };
		const int home = 0;

		add_forker(&model, 0, n, 100 * MS);
		log_run(&model, m, policies[k], &home, 1, 0, &cfg);
		/* The parent itself is the first of the first round. */
		for (unsigned i = 1; i <= n; i++) {
			int got = next_decision(SR_CAUSE_FORK);

			if (got != (int)(i % m->ncpus))
				fail_msg("%s: fork %u to CPU %d", policies[k], i, got);
		}
		free_model(&model);
	}
}

/* The last CPU has eight hogs, all others idle, some of them after work; then somebody on the last one (in real time: no load
 * to BLD's list, and not preempted) forks eight times, and once more. */
static void bld_fills_one_cpu_while_others_idle(const struct sr_machine *m, const char *preset)
{
	/* Of eight to the CPUs beside the busy one, as evenly as can be. */
	unsigned others = m->ncpus - 1, even = (8 + others - 1) / others, worked = others < 3 ? others : 3;
	const struct {
		const char *policy;
		unsigned most; /* of the eight on one CPU */
	} v[] = { { "bld", 8 }, { "bld:affinity=respect", 8 }, { "bld-fixed", even }, { "bld-2012", even } };

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		unsigned on[SR_MAX_CPUS] = { 0 }, most = 0, k;
		struct sim_config cfg = config();
		struct sr_model model = { 0 };
		int cpu[12], to = -1;

		for (k = 0; k < worked + 8; k++) {
			cpu[k] = k < worked ? (int)k : (int)others;
			add_hog(&model, k < worked ? (k + 1) * 100000 : 20 * MS, 0);
		}
		cpu[k] = (int)others;
		k = add_forker(&model, 2 * MS, 9, 20 * MS);
		model.tasks[k].policy = SR_SCHED_FIFO;
		model.tasks[k].rt_prio = 1;
		log_run(&model, m, v[i].policy, cpu, worked + 9, 0, &cfg);
		for (k = 0; k < 8; k++) {
			to = next_decision(SR_CAUSE_FORK);
			assert_in_range(to, 0, others - 1);
			most = ++on[to] > most ? on[to] : most;
		}
		if (most != v[i].most)
			fail_msg("%s: %u forks to one CPU, not %u", v[i].policy, most, v[i].most);
		/* It is as loaded as the tail then, and no longer the head. */
		if (v[i].most == 8)
			assert_int_not_equal(next_decision(SR_CAUSE_FORK), to);
		free_model(&model);
	}
}

/* ---- nodes, and what moves cost ---- */

/* Pairs whose tasks wake each other, a little work in between; tasks of their own timers; some that only work. */
static void add_woken_load(struct sr_model *m, unsigned n, unsigned rounds)
{
	for (unsigned k = 0; k < n; k++) {
		uint32_t a = (uint32_t)m->ntasks;

		add_task(m, NONE);
		add_task(m, NONE);
		for (unsigned i = 0; i < rounds; i++) {
			add_op(m, a, SR_OP_RUN, 0, 200000 + (k * 7919 + i * 104729) % 4900000);
			add_wake(m, a, a + 1);
			add_op(m, a + 1, SR_OP_RUN, 0, 100000 + (k * 104729 + i * 7919) % 4700000);
			add_wake(m, a + 1, a);
		}
		add_op(m, a, SR_OP_END, 0, 0)->flags = 1;
		add_op(m, a + 1, SR_OP_END, 0, 0)->flags = 1;
		add_task(m, NONE);
		for (unsigned i = 0; i < rounds / 5; i++) {
			add_sleep(m, a + 2, (2 + (k + i) % 5) * MS, SR_SLEEP_RELATIVE);
			add_op(m, a + 2, SR_OP_RUN, 0, MS);
		}
		add_op(m, a + 2, SR_OP_END, 0, 0)->flags = 1;
		if (k % 4 == 0)
			add_hog(m, rounds * MS * 2 / 3, 0);
	}
}

static void migrations_between_nodes_are_rare(const struct sr_machine *m, const char *preset)
{
	struct sr_model model = { 0 };

	add_woken_load(&model, m->ncpus / 2, m->ncpus > LARGE ? 30 : 300);
	for (size_t k = 0; k <= policies_on(m); k++) {
		bool random = k == policies_on(m);
		const char *policy = random ? "random" : domains[k];
		struct sim_config cfg = config();
		const struct sr_event *ev;
		unsigned near, far, least;

		memset(&course, 0, sizeof(course));
		log_run(&model, m, policy, NULL, 0, 0, &cfg);
		while ((ev = log_next()))
			course_see(&course, m, ev);
		far = course.moves[SR_LEVEL_NODE];
		near = course.moves_total - far;
		/* 2.6.12 looks for idle CPUs, and pulls when it runs empty, in other nodes too. */
		least = k == 4 ? 4 : 8;
		if (!random && (near < least * far || (least == 8 && far * 50 > sim_seen.wakings)))
			fail_msg("%s: %u migrations between nodes, %u within, %u wakes", policy, far, near,
				 (unsigned)sim_seen.wakings);
		/* At random as many as there are CPUs in other nodes. */
		if (random && far * 10ull * m->nnodes < (m->nnodes - 1) * 9ull * (far + near))
			fail_msg("random: %u migrations between nodes, %u within", far, near);
	}
	free_model(&model);
}

/*
 * The same work under a policy that moves it about: longer by what SIMULATOR.md says, and nothing else. A task that works
 * and sleeps, alone; each burst on another CPU than the last costs that level's parameter, halved, for it was off the CPU
 * for one half-life; on another node than its first, and on a slower CPU, it takes longer by that.
 */
static void moves_cost_by_how_far_they_go(const struct sr_machine *m, const char *preset)
{
	static const enum sim_param cost[] = { [SR_LEVEL_SMT] = SIM_MIGRATE_SMT,
					       [SR_LEVEL_LLC] = SIM_MIGRATE_LLC,
					       [SR_LEVEL_PACKAGE] = SIM_MIGRATE_PACKAGE,
					       [SR_LEVEL_NODE] = SIM_MIGRATE_NODE };
	struct sim_config cfg = config();
	struct sr_model model = { 0 };
	const struct sr_event *ev;
	unsigned levels[SR_LEVEL_NODE + 1] = { 0 }, at[SR_LEVEL_NODE + 1] = { 0 }, far = 0;
	int home = -1, last = -1;
	double want = 0, least = 0;

	sim_free_params(&params);
	for (int l = SR_LEVEL_SMT; l <= SR_LEVEL_NODE; l++)
		params.v[cost[l]] = sim_param_rows()[cost[l]].deflt;
	params.v[SIM_MIGRATE_SMT] = 5000; /* by default the threads of a core share all caches */
	add_task(&model, NONE);
	for (unsigned i = 0; i < 300; i++) {
		add_op(&model, 0, SR_OP_RUN, 0, MS);
		if (i < 299)
			add_sleep(&model, 0, params.v[SIM_CACHE_HALFLIFE], SR_SLEEP_RELATIVE);
	}
	add_op(&model, 0, SR_OP_END, 0, 0)->flags = 1;
	log_run(&model, m, "random", NULL, 0, 0, &cfg);
	while ((ev = log_next())) {
		double work = MS, slower;

		if (ev->kind != SR_EV_SWITCH || !ev->u.sw.next)
			continue;
		home = home < 0 ? m->v[ev->cpu].node : home;
		if (last >= 0 && last != ev->cpu) {
			enum sr_level l = sr_machine_level(m, (unsigned)last, ev->cpu);

			levels[l]++;
			work += (double)params.v[cost[l]] / 2;
		}
		last = ev->cpu;
		far += m->v[ev->cpu].node != home;
		slower = m->v[ev->cpu].node == home ?
				 0 :
				 0.02 * (m->distance[home * (int)m->nnodes + m->v[ev->cpu].node] - 10);
		want += work * 1024 / m->v[ev->cpu].capacity * (1 + slower);
		least += (double)MS * 1024 / m->v[ev->cpu].capacity;
	}
	assert_in_range(sim_seen.ran_ns[0], want - want / 10000, want + want / 10000);
	assert_true(sim_seen.ran_ns[0] > least);
	/* Each kind of move that there are enough CPUs for was among them. */
	for (unsigned i = 0; i < m->ncpus; i++)
		at[sr_machine_level(m, 0, i)]++;
	for (int l = SR_LEVEL_SMT; l <= SR_LEVEL_NODE; l++)
		if (300 * at[l] >= 10 * m->ncpus && !levels[l])
			fail_msg("no move of level %d", l);
	/* A quarter of the work at least is done on far nodes, and each of their bursts takes a fifth longer. */
	if (m->nnodes > 1)
		assert_true(far > 75 && sim_seen.ran_ns[0] > least * 103 / 100);
	free_model(&model);
}

/* ---- balancing intervals ---- */

/*
 * The times at which a CPU balances show where tasks come to it. Of the preset two CPUs are used, which one level of domains
 * parts. On the first somebody in real time works and forks processes, which wait there until the second fetches one. From
 * that on nothing is to be balanced for a while, and the intervals grow; the next fork ends that:
 *
 *	fetch                            fork
 *	  |--|----|--------|--------|------^-|--|       min, 2 min, ... max, times the factor of a busy CPU;
 *	                                  fails  fetch  the task is hot, and the interval min again
 */
struct interval {
	enum part { SIBLINGS, CORES, NODES } parts;
	const char *policy;
	unsigned min_ms, max_ms;
	unsigned factor;  /* of a CPU that works itself; 1: it idles */
	bool fails;       /* a hot task is left at first */
	uint64_t hot_ns;  /* so long after its fork; 0: always */
	unsigned calm_us; /* from a fork to the next: this and more, twice this and more, ... */
};

/* As Linux 2.6.7 has them, and as today's tables do: the number of CPUs, and twice that. */
static const struct interval intervals[] = {
	{ SIBLINGS, "domain", 1, 2, 1, false, 0, 370 },
	{ CORES, "domain:hot-time=1s", 1, 4, 1, true, 0, 730 },
	{ NODES, "domain", 8, 32, 1, true, 10 * MS, 5300 },
	{ SIBLINGS, "domain", 1, 2, 8, false, 0, 2900 },
	{ CORES, "domain:hot-time=1s", 1, 4, 64, true, 0, 31000 },
	{ NODES, "domain", 8, 32, 32, true, 10 * MS, 173000 },
	{ CORES, "domain:tables=modern,hot-time=1s", 2, 4, 16, true, 0, 11000 },
};

#define ROUNDS 14

/* Two CPUs that such a level parts; false: there are none. A whole CPU each: with less power one task counts as several. */
static bool find_two(const struct sr_machine *m, enum part parts, unsigned *a, unsigned *b)
{
	for (*a = 0; *a < m->ncpus; ++*a)
		for (*b = *a + 1; *b < m->ncpus; ++*b) {
			const struct sr_cpu *x = &m->v[*a], *y = &m->v[*b];
			enum part p = x->core == y->core ? SIBLINGS : x->node == y->node ? CORES : NODES;

			if (p == parts && x->capacity == 1024 && y->capacity == 1024)
				return true;
		}
	return false;
}

/* When the second CPU is to fetch the task of this fork, after it has last fetched one. a_ns, b_ns: when in a ms they
 * tick, the first CPU before the second. */
static uint64_t fetch_after(const struct interval *v, uint64_t fetched, uint64_t forked, uint64_t a_ns, uint64_t b_ns)
{
	uint64_t at = fetched, ms = v->min_ms;
	/* The lower of a load and its average counts, and that rises at the first CPU's ticks: an idle CPU sees 1 1/2 tasks
	 * after one, and a busy one, for which two more are to be there, 3 1/4 after two. */
	uint64_t noticed = ((forked - a_ns) / MS + (v->factor > 1 ? 2 : 1)) * MS + a_ns;

	for (;;) {
		at += ms * v->factor * MS;
		if (at > noticed)
			break;
		ms = ms < v->max_ms ? ms * 2 : ms;
	}
	/* It is as old as at the first CPU's last tick. */
	if (v->fails && (!v->hot_ns || at - (b_ns - a_ns) < forked + v->hot_ns))
		at += (uint64_t)v->min_ms * v->factor * MS;
	return at;
}

static void add_rounds(struct sr_model *m, const struct interval *v)
{
	bool busy = v->factor > 1;
	/* Until it is fetched; and until the average load has forgotten it. */
	uint64_t least = 2 * (uint64_t)v->max_ms * v->factor * MS + 10 * MS;

	for (unsigned i = 0; i < (busy ? 2 : 1); i++) {
		add_task(m, NONE)->policy = SR_SCHED_FIFO;
		m->tasks[i].rt_prio = 1;
	}
	/* At first the CPUs make up for balancing that their clocks say they have missed. */
	add_op(m, 0, SR_OP_RUN, 0, 200 * MS);
	for (unsigned k = 1; k <= ROUNDS; k++) {
		for (unsigned c = 0; c < (busy ? 3 : 1); c++) {
			uint32_t child = (uint32_t)m->ntasks;

			add_op(m, 0, SR_OP_FORK, child, 0);
			add_task(m, 0);
			add_op(m, child, SR_OP_RUN, 0, 100000);
			add_op(m, child, SR_OP_END, 0, 0)->flags = 1;
		}
		add_op(m, 0, SR_OP_RUN, 0, least + k * v->calm_us * 1000ull);
		if (busy) /* those that were not fetched end, and the one that was comes back to where it can */
			add_sleep(m, 0, 50 * MS, SR_SLEEP_RELATIVE);
	}
	add_op(m, 0, SR_OP_END, 0, 0)->flags = 1;
	if (busy) {
		add_op(m, 1, SR_OP_RUN, 0, m->run_ns + 200 * MS + ROUNDS * 50 * MS);
		add_op(m, 1, SR_OP_END, 0, 0)->flags = 1;
	}
}

static void follow_intervals(const struct sr_machine *m, const struct interval *v, unsigned a, unsigned b)
{
	const int cpu[] = { (int)a, (int)b };
	struct sr_cpumask cpus = { { 0 } };
	struct sim_config cfg = config();
	struct sr_model model = { 0 };
	const struct sr_event *ev;
	uint64_t fetched = 0, forked = 0, want, a_ns = (uint64_t)MS * a / m->ncpus, b_ns = (uint64_t)MS * b / m->ncpus;
	unsigned rounds = 0;

	sr_cpumask_set(&cpus, a);
	sr_cpumask_set(&cpus, b);
	cfg.cpus = &cpus;
	sim_free_params(&params);
	params.v[SIM_TICK_SPREAD] = 1;
	add_rounds(&model, v);
	log_run(&model, m, v->policy, cpu, v->factor > 1 ? 2 : 1, 0, &cfg);
	while ((ev = log_next())) {
		if (ev->kind != SR_EV_DECISION)
			continue;
		if (ev->u.decision.cause == SR_CAUSE_FORK)
			forked = ev->time_ns;
		if (ev->u.decision.cause != SR_CAUSE_TICK || ev->u.decision.to != (int)b)
			continue;
		want = rounds ? fetch_after(v, fetched, forked, a_ns, b_ns) : 0;
		if (rounds++ && ev->time_ns - want > 10)
			fail_msg("CPUs %u and %u, times %u, round %u: %.3f ms after the fork, not %.3f", a, b,
				 v->factor, rounds, (double)(ev->time_ns - forked) / MS, (double)(want - forked) / MS);
		fetched = ev->time_ns;
	}
	assert_int_equal(rounds, ROUNDS);
	free_model(&model);
}

static const char *no_two_cpus(const struct sr_machine *m)
{
	unsigned a, b;

	for (enum part p = SIBLINGS; p <= NODES; p++)
		if (find_two(m, p, &a, &b))
			return NULL;
	return one_cpu(m) ? one_cpu(m) : "no two CPUs have all of a CPU's power: one task is imbalance enough there";
}

static void intervals_grow_and_shrink_as_published(const struct sr_machine *m, const char *preset)
{
	unsigned a, b;

	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++)
		if (find_two(m, intervals[i].parts, &a, &b))
			follow_intervals(m, &intervals[i], a, b);
}

int main(void)
{
	static const struct preset_scenario scenarios[] = {
		{ "two hogs of one core end on two", one_core, two_hogs_of_one_core_end_on_two },
		{ "three tasks use all power there is", one_core, three_tasks_use_all_power_there_is },
		{ "an exec goes to the idlest", one_cpu, an_exec_goes_to_the_idlest },
		{ "a thread goes to the idlest", one_cpu, a_thread_goes_to_the_idlest },
		{ "two forked hogs part", one_core, two_forked_hogs_part },
		{ "forks on an idle machine go around under BLD", nowhere, forks_on_an_idle_machine_go_around },
		{ "BLD fills one CPU while others idle", two_cpus, bld_fills_one_cpu_while_others_idle },
		{ "migrations between nodes are rare", one_node, migrations_between_nodes_are_rare },
		{ "moves cost by how far they go", one_cpu, moves_cost_by_how_far_they_go },
		{ "intervals grow and shrink as published", no_two_cpus, intervals_grow_and_shrink_as_published },
	};

	return preset_matrix("presets", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
