/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy eas, simulated on each preset whose CPUs differ: all placements by energy are computed a second time here, as
 * the kernel's documentation does it in its worked example: the energy of the whole machine for each candidate.
 */
#include "replay/policy_eas.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/preset_matrix.h"

static struct {
	unsigned decided, moved, wrong; /* by energy */
	int got, want;
	double saved; /* of what the machine would draw if all had stayed, summed */
} seen_eas;

static unsigned use_without(const struct eas *s, unsigned cpu, int prev, unsigned task)
{
	unsigned util = rpl_pelt_util(s->cpu[cpu].value);

	return (int)cpu != prev ? util : util > task ? util - task : 0;
}

/* What the machine draws with the task on this CPU, in mW: each domain at the point that its most used CPU needs. */
static uint64_t draws(const struct rpl_engine *e, const struct eas *s, int prev, int on, unsigned task)
{
	uint64_t all = 0;

	for (unsigned k = 0; k < s->energy->npds; k++) {
		const struct rpl_pd *d = &s->energy->pd[k];
		unsigned most = 0, sum = 0, i = 0, capacity = d->opp[d->nopps - 1].capacity;

		for (unsigned c = 0; c < d->n; c++) {
			unsigned util = use_without(s, d->cpu[c], prev, task) + ((int)d->cpu[c] == on ? task : 0);

			util = util < capacity ? util : capacity;
			sum += util;
			most = util > most ? util : most;
		}
		while (i + 1 < d->nopps && d->opp[i].capacity < most + most * 25 / 100)
			i++;
		all += (uint64_t)d->opp[i].power_mw * sum / d->opp[i].capacity;
	}
	return all;
}

static bool has_room(const struct rpl_engine *e, const struct eas *s, unsigned cpu, int prev, unsigned task)
{
	return (use_without(s, cpu, prev, task) + task) * 10 < e->machine->v[cpu].capacity * 8;
}

/* Of each domain the CPU with the most room; of these the one with which the machine draws least; if that saves a
 * sixteenth. */
static int place_by_the_book(const struct rpl_engine *e, const struct eas *s, int prev, unsigned task)
{
	uint64_t least = UINT64_MAX, stays = draws(e, s, prev, prev, task);
	int best = prev;

	for (unsigned k = 0; k < s->energy->npds; k++) {
		const struct rpl_pd *d = &s->energy->pd[k];
		unsigned most = 0;
		int roomy = -1;

		for (unsigned c = 0; c < d->n; c++) {
			unsigned cpu = d->cpu[c], used = use_without(s, cpu, prev, task) + task;

			if (has_room(e, s, cpu, prev, task) && e->machine->v[cpu].capacity - used > most) {
				most = e->machine->v[cpu].capacity - used;
				roomy = (int)cpu;
			}
		}
		if (roomy >= 0 && draws(e, s, prev, roomy, task) < least) {
			least = draws(e, s, prev, roomy, task);
			best = roomy;
		}
	}
	if (!has_room(e, s, (unsigned)prev, prev, task))
		return best;
	return least < stays && stays - least > stays / 16 ? best : prev;
}

static int place_and_compare(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	const struct eas *s = state;
	uint64_t before = s->by_energy;
	struct rpl_task_view v;
	int want = -1, got;

	e->task(e, p->task, &v);
	if (p->why == SR_CAUSE_WAKE && !is_overutilized(e, state))
		want = v.util ? place_by_the_book(e, s, p->prev_cpu, v.util) : p->prev_cpu;
	if (want >= 0 && want != p->prev_cpu) {
		uint64_t stays = draws(e, s, p->prev_cpu, p->prev_cpu, v.util);

		seen_eas.saved += (double)(stays - draws(e, s, p->prev_cpu, want, v.util)) / (double)stays;
	}
	got = rpl_policy_eas.place(e, state, p);
	if (s->by_energy == before)
		return got;
	seen_eas.decided++;
	seen_eas.moved += got != p->prev_cpu;
	if (got != want && !seen_eas.wrong++) {
		seen_eas.got = got;
		seen_eas.want = want;
	}
	return got;
}

static struct sim_params params;

static int last_cpu; /* where somebody has begun to run last */

static int take(void *arg, enum srz_stream stream, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (stream == SRZ_STREAM_KERNEL && ev[i].kind == SR_EV_SWITCH && ev[i].u.sw.next)
			last_cpu = ev[i].cpu;
	return sim_take(arg, stream, ev, n, err);
}

static void run_eas(const struct sr_model *m, const struct sr_machine *machine, struct sim_config *cfg)
{
	static const struct sim_sink sink = { .events = take, .name = sim_take_name };
	static struct rpl_policy compared;

	compared = rpl_policy_eas;
	compared.place = place_and_compare;
	memset(&seen_eas, 0, sizeof(seen_eas));
	cfg->machine = machine;
	cfg->policy = &compared;
	cfg->sink = &sink;
	sim_run_as(m, cfg);
}

static struct sim_config config(void)
{
	sim_params_default(&params);
	return (struct sim_config){ .time_scale_ppm = 1000000, .seed = 1, .params = &params };
}

/* Works for so many us of a whole CPU, then sleeps, again and again. */
static void add_periodic(struct sr_model *m, unsigned work_us, unsigned sleep_us, unsigned times)
{
	uint32_t i = (uint32_t)m->ntasks;

	add_task(m, NONE);
	for (unsigned k = 0; k < times; k++) {
		add_op(m, i, SR_OP_RUN, 0, work_us * 1000);
		add_sleep(m, i, sleep_us * 1000, SR_SLEEP_RELATIVE);
	}
	add_op(m, i, SR_OP_END, 0, 0)->flags = 1;
}

static const char *all_alike(const struct sr_machine *m)
{
	for (unsigned i = 1; i < m->ncpus; i++)
		if (m->v[i].capacity != m->v[0].capacity)
			return NULL;
	return "its CPUs have one capacity: there is nothing to choose by energy";
}

/* Tasks of 2 to 25 % of a whole CPU, so many that they use a quarter of the machine. */
static void who_wakes_goes_where_the_machine_draws_least(const struct sr_machine *m, const char *preset)
{
	struct sim_config cfg = config();
	struct sr_model model = { 0 };
	unsigned capacity = 0;

	for (unsigned i = 0; i < m->ncpus; i++)
		capacity += m->v[i].capacity;
	for (unsigned i = 0, use = 0; use < capacity / 4; i++) {
		unsigned percent = 2 + i * 7 % 24, period = 9000 + i * 1700 % 8000;

		add_periodic(&model, period * percent / 100, period * (100 - percent) / 100, 900000 / period);
		use += 1024 * percent / 100;
	}
	run_eas(&model, m, &cfg);
	free_model(&model);
	if (seen_eas.wrong)
		fail_msg("of %u decisions %u are others: first to CPU %d, not %d", seen_eas.decided, seen_eas.wrong,
			 seen_eas.got, seen_eas.want);
	if (seen_eas.decided < 200 || seen_eas.moved < 5)
		fail_msg("%u decisions, %u of them to another CPU", seen_eas.decided, seen_eas.moved);
	/* Who moved saved more than a sixteenth each time. */
	assert_true(seen_eas.saved * 16 > seen_eas.moved);
}

/* A light task alone, which each CPU has room for: on those that need the least for their work, the smallest ones. */
static void a_light_task_ends_on_the_smallest_cpus(const struct sr_machine *m, const char *preset)
{
	struct sim_config cfg = config();
	struct sr_model model = { 0 };
	unsigned least = 1024;

	for (unsigned i = 0; i < m->ncpus; i++)
		least = m->v[i].capacity < least ? m->v[i].capacity : least;
	add_periodic(&model, 400, 7600, 200);
	run_eas(&model, m, &cfg);
	free_model(&model);
	assert_int_equal(seen_eas.wrong, 0);
	assert_true(seen_eas.decided > 100);
	if (m->v[last_cpu].capacity != least)
		fail_msg("it ends on CPU %d", last_cpu);
}

int main(void)
{
	static const struct preset_scenario scenarios[] = {
		{ "who wakes goes where the machine draws least", all_alike,
		  who_wakes_goes_where_the_machine_draws_least },
		{ "a light task ends on the smallest CPUs", all_alike, a_light_task_ends_on_the_smallest_cpus },
	};

	return preset_matrix("eas on presets", scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
