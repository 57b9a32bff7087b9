/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A simulation's life: set up, the clock's course, the end. */
#include "replay/sim.h"

#include <stdlib.h>
#include <string.h>

#include "formats/tidmap.h"
#include "replay/sim_internal.h"

#define MAX_SPAN_NS (31ull * 86400 * 1000000000) /* of a recording */
#define LOOK_STEPS 4096u                         /* between two looks at the stop flag */

static int no_memory(const struct sr_model *m, struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory for a simulation of %zu tasks", m->ntasks);
}

/* ---- set up ---- */

static int set_up_cpus(struct sim *s, struct sr_error *err)
{
	const struct sr_machine *m = s->cfg.machine;
	unsigned i, k, at = 0;

	s->ncpus = m->ncpus;
	s->machine = *m;
	s->machine.v = rpl_alloc(&s->arena, m->ncpus, sizeof(*m->v));
	s->cpu = rpl_alloc(&s->arena, m->ncpus, sizeof(*s->cpu));
	s->core_cpus = rpl_alloc(&s->arena, m->ncpus, sizeof(*s->core_cpus));
	s->llc_idle = rpl_alloc(&s->arena, m->nllcs + 1, sizeof(*s->llc_idle));
	if (!s->machine.v || !s->cpu || !s->core_cpus || !s->llc_idle)
		return no_memory(s->m, err);
	memcpy(s->machine.v, m->v, m->ncpus * sizeof(*m->v));
	for (i = 0; i < m->ncpus; i++) {
		struct sim_cpu *c = &s->cpu[i];

		if (s->cfg.cpus && !sr_cpumask_isset(s->cfg.cpus, i))
			s->machine.v[i].online = 0;
		c->online = s->machine.v[i].online;
		s->nonline += c->online;
		s->llc_idle[c->online ? m->v[i].llc : m->nllcs] += c->online;
		c->index = i;
		c->curr = c->leaving = NOBODY;
		c->resched_ns = NEVER;
		c->since = c->idle_since = SIM_START_NS;
		c->util.window_ns = SIM_START_NS;
		c->avg_idle = 2 * s->par.v[SIM_CACHE_HOT];
		for (k = 0; k < SIM_CLASSES; k++)
			c->rq.root[k] = NOBODY;
	}
	s->npaused = s->nonline;
	if (!s->nonline)
		return sr_fail(err, SR_USAGE, "the machine has none of the CPUs asked for");
	/* Siblings stand side by side, each core's once. */
	for (i = 0; i < m->ncpus; i++) {
		struct sim_cpu *c = &s->cpu[i];

		if (!c->online || c->core_n)
			continue;
		c->core_at = at;
		for (k = i; k < m->ncpus; k++)
			if (s->cpu[k].online && m->v[k].core == m->v[i].core)
				s->core_cpus[at++] = (uint16_t)k;
		for (k = c->core_at; k < at; k++) {
			s->cpu[s->core_cpus[k]].core_at = c->core_at;
			s->cpu[s->core_cpus[k]].core_n = at - c->core_at;
		}
	}
	return 0;
}

/* Recorded tids where they name one task; who comes to one that is taken gets one of his own. */
static int set_up_tids(struct sim *s)
{
	struct sr_tidmap taken = { 0 };
	int32_t max = 0;
	size_t i;
	int ret = 0;

	for (i = 0; i < s->m->ntasks; i++)
		if (s->m->tasks[i].tid > max)
			max = s->m->tasks[i].tid;
	if (max > INT32_MAX / 2)
		max = 0; /* no kernel has such: all get new ones */
	for (i = 0; i < s->m->ntasks && !ret; i++) {
		int32_t tid = s->m->tasks[i].tid;

		if (tid > 0 && tid <= max && !sr_tidmap_get(&taken, tid)) {
			s->tasks[i].tid = tid;
			ret = sr_tidmap_put(&taken, tid, 1);
		}
	}
	for (i = 0; i < s->m->ntasks; i++)
		if (!s->tasks[i].tid)
			s->tasks[i].tid = ++max;
	sr_tidmap_release(&taken);
	return ret;
}

static int set_up_tasks(struct sim *s)
{
	const struct sr_model *m = s->m;
	size_t i, k, words = 0;
	uint32_t *word, *wait_op;

	for (i = 0; i < m->ntasks; i++)
		words += m->tasks[i].nwaits;
	s->tasks = rpl_alloc(&s->arena, m->ntasks, sizeof(*s->tasks));
	s->groups = rpl_alloc(&s->arena, m->ntasks, sizeof(*s->groups));
	s->name_id = rpl_alloc(&s->arena, m->nnames + 1, sizeof(*s->name_id));
	word = rpl_alloc(&s->arena, words + 1, sizeof(*word));
	wait_op = rpl_alloc(&s->arena, words + 1, sizeof(*wait_op));
	if (!s->tasks || !s->groups || !s->name_id || !word || !wait_op)
		return -1;
	memset(s->name_id, 0xff, m->nnames * sizeof(*s->name_id));
	for (i = 0; i < m->ntasks; i++) {
		struct sim_task *t = &s->tasks[i];
		const struct sr_program *p = &m->tasks[i];

		t->p = p;
		t->role = t;
		t->ops = p->ops;
		t->index = (uint32_t)i;
		t->words = word;
		t->wait_op = wait_op;
		for (k = 0; k < p->nwaits; k++)
			word[k] = rpl_needs_of(s->cfg.order, &p->waits[k]) & W_COUNT;
		for (k = 0; k < p->nops; k++)
			if (sr_op_rests(&p->ops[k])) {
				wait_op[p->ops[k].arg] = (uint32_t)k;
				word[p->ops[k].arg] |= p->ops[k].flags & SR_WAIT_REMOTE ? W_REMOTE : 0;
			}
		word += p->nwaits;
		wait_op += p->nwaits;
		t->tree_prio = (uint32_t)(((uint64_t)i + 1) * 0x9e3779b97f4a7c15u >> 32);
		t->left_child = t->right_child = t->last_wakee = NOBODY;
		t->cpu = t->ran_on = t->home = t->recorded_cpu = t->recent_cpu = t->load_cpu = -1;
		t->group = (uint32_t)i;
		t->util.window_ns = SIM_START_NS;
		/* A new task is taken for half a CPU until it is known better. */
		t->util.value = 512u << 10;
	}
	return set_up_tids(s);
}

/* Tasks of the start with one tgid are one process, at the index of its first task. */
static int set_up_groups(struct sim *s)
{
	struct sr_tidmap first = { 0 };
	size_t i;
	int ret = 0;

	for (i = 0; i < s->m->ntasks && !ret; i++) {
		const struct sr_program *p = &s->m->tasks[i];
		uint32_t of;

		if (p->parent != NOBODY || p->tgid <= 0)
			continue;
		of = sr_tidmap_get(&first, p->tgid);
		if (of)
			s->tasks[i].group = of - 1;
		else
			ret = sr_tidmap_put(&first, p->tgid, (uint32_t)i + 1);
	}
	sr_tidmap_release(&first);
	return ret;
}

/* What a recording's bursts hold of its own scheduling, which the simulation does itself. */
static void set_up_costs(struct sim *s)
{
	const struct sr_model *m = s->m;
	struct sr_wake_cost then = { (double)s->cfg.recorded_wake_local_ns, (double)s->cfg.recorded_wake_remote_ns };
	uint64_t sw = s->par.v[SIM_SWITCH_VOLUNTARY], all = m->counts.preempted * s->par.v[SIM_SWITCH_INVOLUNTARY];

	if (m->run_ns / 1000000)
		s->preempted_ppm = all / (m->run_ns / 1000000);
	if (s->preempted_ppm > 100000)
		s->preempted_ppm = 100000;
	if (!then.local_ns)
		then = (struct sr_wake_cost){ (double)(s->par.v[SIM_WAKE_LOCAL] + sw),
					      (double)(s->par.v[SIM_WAKE_REMOTE] + sw) };
	sr_wake_bound_apply(&s->cfg.wake_bound, &then);
	s->wake_then[0] = sim_after((uint64_t)then.local_ns, sw);
	s->wake_then[1] = sim_after((uint64_t)then.remote_ns, sw);
	/* Bursts that were shorter than that get no work, and what is left is not kept for ever. */
	s->ahead_most = (int64_t)((8 * s->wake_then[1] + 8 * sw) << WORK_SHIFT);
}

/* As the kernel scales it: by 1 + log2 of the CPUs, of which at most 8 count. */
static uint64_t base_slice(const struct sim *s)
{
	unsigned n = s->nonline, factor = 1;

	if (s->par.v[SIM_BASE_SLICE])
		return s->par.v[SIM_BASE_SLICE];
	for (n = n > 8 ? 8 : n; n > 1; n /= 2)
		factor++;
	return 750000u * factor;
}

struct sim *sim_prepare(const struct sr_model *m, const struct sim_config *cfg, struct sr_error *err)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (!s) {
		no_memory(m, err);
		return NULL;
	}
	s->m = m;
	s->cfg = *cfg;
	s->par = *cfg->params;
	s->now = SIM_START_NS;
	s->idle_prng = cfg->seed ^ 0x69646c65u; /* not the generator of ties */
	if (m->end_ns - m->start_ns > MAX_SPAN_NS) {
		sr_fail(err, SR_USAGE, "the recording spans more than %llu days: simulate a part (--from, --to)",
			(unsigned long long)(MAX_SPAN_NS / 86400000000000));
		goto fail;
	}
	if (set_up_cpus(s, err) < 0)
		goto fail;
	s->base_slice = base_slice(s);
	if (set_up_tasks(s) < 0 || set_up_groups(s) < 0 || sim_loops_start(s) < 0 || sim_workers_start(s) < 0 ||
	    sim_emit_start(s) < 0 || sim_heap_init(s, (size_t)s->ncpus * 3 + m->ntasks, cfg->seed) < 0) {
		no_memory(m, err);
		goto fail;
	}
	set_up_costs(s);
	if (sim_policy_start(s, err) < 0)
		goto fail;
	s->counts.tasks = m->ntasks;
	return s;
fail:
	sim_free(s);
	return NULL;
}

/* ---- its course ---- */

/* What is most likely next is fetched from memory meanwhile. */
static void look_ahead(const struct sim *s)
{
	uint32_t id = sim_heap_second(&s->heap);
	const struct sim_cpu *c = &s->cpu[id < s->ncpus ? id : 0];
	const struct sim_task *t = &s->tasks[id >= 3 * s->ncpus ? id - 3 * s->ncpus : c->curr != NOBODY ? c->curr : 0];
	const char *line = (const char *)t;

	__builtin_prefetch(line);
	__builtin_prefetch(line + 64);
	__builtin_prefetch(line + 128);
	__builtin_prefetch(line + 192);
}

static void step(struct sim *s)
{
	uint32_t n = s->ncpus, id;
	uint64_t at;

	id = sim_heap_pop(&s->heap, &at);
	look_ahead(s);
	if (at > s->now)
		s->now = at;
	s->stats.steps++;
	if (id < n)
		sim_cpu_step(s, &s->cpu[id]);
	else if (id < 2 * n)
		sim_tick(s, &s->cpu[id - n]);
	else if (id < 3 * n)
		sim_policy_tick(s, &s->cpu[id - 2 * n]);
	else
		sim_timer(s, &s->tasks[id - 3 * n]);
}

static double share_done(const struct sim *s)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < s->m->ntasks; i++)
		sum += s->tasks[i].cpu_ns;
	return s->m->run_ns ? (double)sum / (double)s->m->run_ns : 1;
}

static bool looks(struct sim *s)
{
	if (s->cfg.stop && *s->cfg.stop)
		return false;
	if (s->cfg.progress && s->stats.steps % (LOOK_STEPS * 64) == 0)
		s->cfg.progress(s->cfg.progress_arg, share_done(s));
	return true;
}

int sim_execute(struct sim *s, struct sr_error *err)
{
	size_t i;

	s->err = err;
	for (i = 0; i < s->m->ntasks; i++)
		if (s->m->tasks[i].parent == NOBODY)
			sim_begin(s, &s->tasks[i]);
	for (i = 0; i < s->m->ntasks; i++)
		if (s->m->tasks[i].parent == NOBODY)
			sim_begin_asleep(s, &s->tasks[i]);
	while (s->alive && !s->failed) {
		if (s->stats.steps % LOOK_STEPS == 0 && !looks(s))
			break;
		if (sim_heap_empty(&s->heap))
			sim_force(s);
		else
			step(s);
	}
	sim_emit_flush(s);
	sr_event_digest_end(&s->digest, s->stats.events_sha256);
	s->counts.owed_ns = s->m->run_ns;
	return s->failed ? -1 : 0;
}

const struct rpl_counts *sim_get_counts(const struct sim *s)
{
	return &s->counts;
}

const struct sim_stats *sim_get_stats(const struct sim *s)
{
	return &s->stats;
}

int sim_task_starts(const struct sim *s, struct sr_task_starts *starts, struct sr_error *err)
{
	size_t i;

	for (i = 0; i < s->m->ntasks; i++) {
		const struct sim_task *t = &s->tasks[i];
		const struct sr_program *p = t->p;
		struct sr_task_start one = { .tid = t->tid,
					     .tgid = s->tasks[t->group].tid,
					     .policy = p->policy,
					     .rt_prio = p->rt_prio,
					     .nice = p->nice,
					     .state = sim_begins_asleep(s, t) ? 'S' : 'R' };

		if (p->parent != NOBODY)
			continue;
		memcpy(one.comm, p->comm, SR_COMM_LEN);
		if (sr_task_starts_add(starts, &one, s->cfg.keep_affinity ? p->allowed : NULL, err) < 0)
			return -1;
	}
	return 0;
}

void sim_free(struct sim *s)
{
	struct rpl_arena arena;

	if (!s)
		return;
	sim_policy_stop(s);
	sr_event_digest_release(&s->digest);
	arena = s->arena;
	rpl_arena_release(&arena);
	free(s);
}
