/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the tests of what policies make of a load in the simulator: a run whose first tasks land where the test says, its
 * events in their order, and where the tasks are as these go by.
 */
#ifndef SCHEDREC_TESTS_SIM_SCENARIO_H
#define SCHEDREC_TESTS_SIM_SCENARIO_H

#include "tests/unit/sim_run.h"

#define ANYWHERE (-1) /* a task lands where the policy places it */

/* ---- a run ---- */

static struct sim_log {
	struct sr_event *ev[SRZ_STREAMS];
	size_t n[SRZ_STREAMS], cap[SRZ_STREAMS], at[SRZ_STREAMS]; /* at: what comes next */
	uint64_t until_ns;                                        /* of the clock; the run is stopped when it is past */
	int stop;
} sim_log;

static inline int log_take(void *arg, enum srz_stream stream, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	size_t have = sim_log.n[stream];

	if (have + n > sim_log.cap[stream]) {
		sim_log.cap[stream] = 2 * (have + n);
		sim_log.ev[stream] = realloc(sim_log.ev[stream], sim_log.cap[stream] * sizeof(*ev));
	}
	memcpy(&sim_log.ev[stream][have], ev, n * sizeof(*ev));
	sim_log.n[stream] += n;
	sim_log.stop |= ev[n - 1].time_ns > sim_log.until_ns;
	return sim_take(arg, stream, ev, n, err);
}

/* The next event of the run, of both streams in their order; NULL: that was all. */
static inline const struct sr_event *log_next(void)
{
	unsigned k = SRZ_STREAM_KERNEL, e = SRZ_STREAM_ENGINE;

	if (sim_log.at[e] < sim_log.n[e] &&
	    (sim_log.at[k] == sim_log.n[k] ||
	     sim_log.ev[e][sim_log.at[e]].time_ns < sim_log.ev[k][sim_log.at[k]].time_ns))
		k = e;
	if (sim_log.at[k] == sim_log.n[k] || sim_log.ev[k][sim_log.at[k]].time_ns > sim_log.until_ns)
		return NULL;
	return &sim_log.ev[k][sim_log.at[k]++];
}

static inline void log_rewind(void)
{
	memset(sim_log.at, 0, sizeof(sim_log.at));
}

static struct {
	const struct rpl_policy *policy; /* that is tested */
	const int *cpu;                  /* by task */
	size_t n;
} landing;

/* The tasks of the start go where the test wants them, and are the policy's from then on. */
static inline int land(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	if (p->waker < 0 && p->why == SR_CAUSE_FORK && (size_t)p->task < landing.n && landing.cpu[p->task] != ANYWHERE)
		return landing.cpu[p->task];
	return landing.policy->place(e, state, p);
}

/* ms 0: to its end. cpu[n]: where the first n tasks land. */
static inline void log_run(const struct sr_model *m, const struct sr_machine *machine, const char *policy,
			   const int *cpu, size_t n, uint64_t ms, struct sim_config *cfg)
{
	static const struct sim_sink sink = { .events = log_take, .name = sim_take_name };
	struct sr_error err = { 0 };
	struct rpl_policy landed;

	memset(sim_log.n, 0, sizeof(sim_log.n));
	log_rewind();
	sim_log.stop = 0;
	sim_log.until_ns = ms ? SIM_START_NS + ms * MS : UINT64_MAX;
	landing.policy = rpl_policy_find(policy, &cfg->policy_options, &err);
	if (!landing.policy)
		fail_msg("%s", err.text);
	landing.cpu = cpu;
	landing.n = n;
	landed = *landing.policy;
	landed.place = land;
	/* cppcheck-suppress autoVariables ; it runs before this returns */
	cfg->policy = &landed;
	cfg->machine = machine;
	cfg->sink = &sink;
	cfg->stop = &sim_log.stop;
	sim_run_as(m, cfg);
}

static inline struct sr_machine *machine_of(const char *name)
{
	struct sr_error err = { 0 };
	struct sr_machine *m = sr_machine_load(name, &err);

	if (!m)
		fail_msg("%s", err.text);
	return m;
}

/* ---- where they are ---- */

struct course {
	int cpu[SIM_MAX_TASKS]; /* of each task */
	bool runnable[SIM_MAX_TASKS];
	unsigned tasks[SR_MAX_CPUS];                    /* runnable ones, by cpu */
	unsigned moves[SR_LEVEL_NODE + 1], moves_total; /* migrations, by how far */
};

static inline void course_set(struct course *c, size_t i, int cpu, bool runnable)
{
	if (c->runnable[i])
		c->tasks[c->cpu[i]]--;
	c->cpu[i] = cpu;
	c->runnable[i] = runnable;
	if (runnable)
		c->tasks[cpu]++;
}

static inline void course_see(struct course *c, const struct sr_machine *m, const struct sr_event *ev)
{
	size_t i;

	switch (ev->kind) {
	case SR_EV_WAKEUP_NEW:
	case SR_EV_WAKEUP:
		course_set(c, sim_task_at(ev->u.wake.tid), ev->u.wake.target_cpu, true);
		break;
	case SR_EV_MIGRATE:
		i = sim_task_at(ev->u.migrate.tid);
		course_set(c, i, ev->u.migrate.to, c->runnable[i]);
		c->moves[sr_machine_level(m, ev->u.migrate.from, ev->u.migrate.to)]++;
		c->moves_total++;
		break;
	case SR_EV_SWITCH:
		if (!ev->u.sw.prev || !sr_state_sleeps(ev->u.sw.prev_state))
			break;
		i = sim_task_at(ev->u.sw.prev);
		course_set(c, i, c->cpu[i], false);
		break;
	default:
		break;
	}
}

#endif
