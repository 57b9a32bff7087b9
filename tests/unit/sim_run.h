/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the tests of the simulator: a model by hand, a machine by name, and what came of each task. */
#ifndef SCHEDREC_TESTS_SIM_RUN_H
#define SCHEDREC_TESTS_SIM_RUN_H

#include "replay/sim.h"
#include "tests/unit/engine_model.h"

#define SIM_MAX_TASKS 8192

struct sim_seen {
	uint64_t ran_ns[SIM_MAX_TASKS], since_ns[SIM_MAX_TASKS], end_ns[SIM_MAX_TASKS], first_ns[SIM_MAX_TASKS];
	unsigned switches[SIM_MAX_TASKS], preempted[SIM_MAX_TASKS];
	int cpu[SIM_MAX_TASKS];
	uint64_t wakings, migrations, decisions, last_ns, rank, unordered, wrong;
	uint64_t forks, forked_ns, lost_at_fork; /* preempted within 10 us of its last fork */
	uint64_t parent_woken_ns, lost_in_exec;  /* CPUs taken by its parent within EXEC_NS of its wake of that one */
	int32_t forker;
	int32_t tid0; /* of task 0 */
	size_t n;
	struct sim_stats stats;
	struct rpl_counts counts;
	struct sr_event *events; /* kept when not NULL */
	size_t nevents, cap;
};

static struct sim_seen sim_seen;

static inline size_t sim_task_at(int32_t tid)
{
	return (size_t)(tid - 101); /* as engine_model.h gives them */
}

/* A task runs on one CPU at a time, and a CPU runs one task: checked of every event. */
static inline void sim_see(enum srz_stream stream, const struct sr_event *ev)
{
	uint64_t rank = (uint64_t)stream << 16 | ev->cpu;
	size_t i;

	if (ev->time_ns < sim_seen.last_ns || (ev->time_ns == sim_seen.last_ns && rank < sim_seen.rank))
		sim_seen.unordered++;
	sim_seen.last_ns = ev->time_ns;
	sim_seen.rank = rank;
	sim_seen.wakings += ev->kind == SR_EV_WAKING;
	sim_seen.migrations += ev->kind == SR_EV_MIGRATE;
	sim_seen.decisions += ev->kind == SR_EV_DECISION;
	if (ev->kind == SR_EV_FORK) {
		sim_seen.forks++;
		sim_seen.forked_ns = ev->time_ns;
		sim_seen.forker = ev->u.fork.parent;
	}
	if (ev->kind == SR_EV_WAKING && ev->u.wake.tid == sim_seen.forker)
		sim_seen.parent_woken_ns = ev->time_ns;
	if (ev->kind != SR_EV_SWITCH)
		return;
	sim_seen.lost_in_exec += ev->u.sw.next == sim_seen.forker && sim_seen.parent_woken_ns &&
				 ev->time_ns < sim_seen.parent_woken_ns + EXEC_NS;
	sim_seen.lost_at_fork += ev->u.sw.prev == sim_seen.forker && !sr_state_sleeps(ev->u.sw.prev_state) &&
				 ev->time_ns < sim_seen.forked_ns + 10000;
	if (ev->u.sw.prev) {
		i = sim_task_at(ev->u.sw.prev);
		sim_seen.wrong += sim_seen.cpu[i] != ev->cpu + 1 || ev->ctx != ev->u.sw.prev;
		sim_seen.ran_ns[i] += ev->time_ns - sim_seen.since_ns[i];
		sim_seen.end_ns[i] = ev->time_ns;
		sim_seen.preempted[i] += !sr_state_sleeps(ev->u.sw.prev_state);
		sim_seen.cpu[i] = 0;
	}
	if (ev->u.sw.next) {
		i = sim_task_at(ev->u.sw.next);
		sim_seen.wrong += sim_seen.cpu[i] != 0;
		sim_seen.cpu[i] = ev->cpu + 1;
		sim_seen.since_ns[i] = ev->time_ns;
		sim_seen.first_ns[i] = sim_seen.first_ns[i] ? sim_seen.first_ns[i] : ev->time_ns;
		sim_seen.switches[i]++;
	}
}

static inline int sim_take(void *arg, enum srz_stream stream, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (stream == SRZ_STREAM_KERNEL)
			sim_see(stream, &ev[i]);
		else
			sim_seen.decisions += ev[i].kind == SR_EV_DECISION;
	}
	return 0;
}

static inline uint32_t sim_take_name(void *arg, const char *name, struct sr_error *err)
{
	return 0;
}

static const struct sim_sink sim_sink = { .events = sim_take, .name = sim_take_name };

/* All costs 0, but what must not be. */
static inline void sim_free_params(struct sim_params *p)
{
	const struct sim_param_row *row = sim_param_rows();

	sim_params_default(p);
	for (size_t i = 0; i < SIM_PARAMS; i++)
		if (i != SIM_TICK && i != SIM_CACHE_HALFLIFE && i != SIM_SMT_SPEED_2 && i != SIM_SMT_SPEED_3 &&
		    i != SIM_SMT_SPEED_4 && i != SIM_RR_SLICE && i != SIM_CACHE_HOT && i != SIM_REMOTE_MEMORY &&
		    i != SIM_IDLE_SCAN)
			p->v[i] = row[i].min;
}

/* On a machine and under a policy that cfg has already. */
static inline void sim_run_as(const struct sr_model *m, struct sim_config *cfg)
{
	struct sr_error err = { 0 };
	struct sim *s;

	memset(&sim_seen, 0, sizeof(sim_seen));
	cfg->sink = cfg->sink ? cfg->sink : &sim_sink;
	if (sr_model_wake_bound(m, &cfg->wake_bound, &err) < 0)
		fail_msg("%s", err.text);
	s = sim_prepare(m, cfg, &err);
	if (!s || sim_execute(s, &err) < 0)
		fail_msg("%s", err.text);
	sim_seen.stats = *sim_get_stats(s);
	sim_seen.counts = *sim_get_counts(s);
	sim_free(s);
	assert_int_equal(sim_seen.unordered, 0);
	assert_int_equal(sim_seen.wrong, 0);
}

/* Everything that a test does not set: cfg's own. */
static inline void sim_run(const struct sr_model *m, const char *machine, const char *policy, struct sim_config *cfg)
{
	struct sr_error err = { 0 };
	struct sr_machine *mach = sr_machine_load(machine, &err);

	if (!mach)
		fail_msg("%s", err.text);
	cfg->machine = mach;
	cfg->policy = rpl_policy_find(policy, &cfg->policy_options, &err);
	if (!cfg->policy)
		fail_msg("%s", err.text);
	sim_run_as(m, cfg);
	sr_machine_free(mach);
}

/* A task that works for so long and ends. */
static inline uint32_t add_hog(struct sr_model *m, uint64_t ns, int nice)
{
	uint32_t i = (uint32_t)m->ntasks;
	struct sr_program *p = add_task(m, NONE);

	p->nice = (int8_t)nice;
	add_op(m, i, SR_OP_RUN, 0, ns);
	add_op(m, i, SR_OP_END, 0, 0)->flags = 1;
	return i;
}

static inline struct sr_wait *add_bare_wait(struct sr_model *m, uint32_t task, uint32_t needs)
{
	struct sr_program *p = &m->tasks[task];

	p->waits = realloc(p->waits, (p->nwaits + 1) * sizeof(*p->waits));
	p->waits[p->nwaits] = (struct sr_wait){ .needs = needs, .watch_task = NONE, .waker = NONE };
	return &p->waits[p->nwaits++];
}

/* A sleep by the clock. */
static inline struct sr_op *add_sleep(struct sr_model *m, uint32_t task, uint64_t ns, enum sr_sleep kind)
{
	struct sr_op *op = add_op(m, task, SR_OP_SLEEP, (uint32_t)m->tasks[task].nwaits, ns);

	op->flags = (uint8_t)kind;
	add_bare_wait(m, task, 0);
	return op;
}

/* Wait number n of `to`, which `from` ends with the WAKE that is added to it now, as through a pipe. */
static inline void add_wake(struct sr_model *m, uint32_t from, uint32_t to)
{
	struct sr_wait *w;

	add_op(m, from, SR_OP_WAKE, to, m->tasks[to].nwaits);
	add_op(m, to, SR_OP_WAIT, (uint32_t)m->tasks[to].nwaits, 0);
	w = add_bare_wait(m, to, 1);
	w->waker = from;
	w->sync = true;
}

#endif
