/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Simulations: one into its file, and several at a time. Their results do not depend on how many that are. */
#include "replay/cmd_simulate.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_NS 100000000

static int sink_events(void *arg, enum srz_stream stream, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	return srz_put_events(arg, stream, ev, n, err);
}

static uint32_t sink_name(void *arg, const char *name, struct sr_error *err)
{
	return srz_put_name(arg, name, err);
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int put_sim_meta(const struct replay_job *j, struct srz_writer *w, const struct sim_stats *stats,
			struct sr_error *err)
{
	char *params = sim_params_format(j->engine_arg, false);
	int ret = -1;

	if (!params)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if (srz_put_meta(w, "scope", "system", err) == 0 && srz_put_meta(w, "source", "sim", err) == 0 &&
	    srz_put_meta(w, "sim.parameters", params, err) == 0 &&
	    srz_put_meta(w, "sim.machine", j->machine_spec ? j->machine_spec : "recorded", err) == 0 &&
	    srz_put_meta(w, "sim.events_sha256", stats->events_sha256, err) == 0 &&
	    srz_put_meta_u64(w, "sim.steps", stats->steps, err) == 0)
		ret = 0;
	free(params);
	return ret;
}

int simulate_once(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot, const char *path,
		  struct replay_run *out, struct sr_error *err)
{
	const struct replay_options *o = arm->o;
	struct sr_task_starts starts = { 0 };
	struct srz_writer *w = srz_create(path, 0, err);
	const struct sim_sink sink = { .arg = w, .events = sink_events, .name = sink_name };
	struct sim_config cfg = {
		.timing = replay_timing(o->timing),
		.time_scale_ppm = o->no_stall ? 0 : (uint64_t)llround(o->time_scale * 1e6),
		.seed = o->seed + round,
		.policy = arm->policy,
		.policy_options = arm->options,
		.recorded_wake_local_ns = (uint64_t)j->recorded_wake.local_ns,
		.recorded_wake_remote_ns = (uint64_t)j->recorded_wake.remote_ns,
		.wake_bound = j->wake_bound,
		.machine = j->machine,
		.cpus = arm->use_cpus ? &arm->cpus : NULL,
		.keep_affinity = replay_keeps_affinity(j, arm),
		.nice_offset = (int)o->nice_offset,
		.normal_class = replay_class(o->class),
		.order = replay_order(o->order),
		.params = j->engine_arg,
		.sink = &sink,
		.stop = &j->stop,
	};
	uint64_t from = clock_ns();
	struct sim *s = NULL;
	int ret = -1;

	if (!w)
		return -1;
	s = sim_prepare(j->model, &cfg, err);
	if (!s || sim_task_starts(s, &starts, err) < 0 || srz_put_tasks(w, &starts, err) < 0 || sim_execute(s, err) < 0)
		goto out;
	out->counts = *sim_get_counts(s);
	out->ntold = sim_policy_report(s, out->told);
	out->steps = sim_get_stats(s)->steps;
	out->events = sim_get_stats(s)->events;
	memcpy(out->events_sha256, sim_get_stats(s)->events_sha256, sizeof(out->events_sha256));
	ret = 0;
	if (j->stop) /* an interrupted run says nothing, and replaces no file */
		goto out;
	ret = -1;
	if (put_sim_meta(j, w, sim_get_stats(s), err) < 0 ||
	    replay_put_meta(j, w, arm, round, slot, out, sim_get_stats(s)->end_ns - SIM_START_NS, err) < 0)
		goto out;
	ret = srz_close(w, err);
	w = NULL;
	out->wall_ns = clock_ns() - from;
out:
	srz_abort(w);
	sr_task_starts_release(&starts);
	sim_free(s);
	return ret;
}

/* ---- several at a time ---- */

struct work {
	struct replay_job *j;
	atomic_size_t next, done; /* slots */
	size_t n;
	atomic_bool failed;
	struct slot {
		struct replay_arm *arm;
		size_t round;
		int ret;
		struct sr_error err;
	} * slot;
};

static void *work_main(void *arg)
{
	struct work *w = arg;
	size_t first = w->j->o->first_round;

	for (;;) {
		size_t i = atomic_fetch_add(&w->next, 1);
		struct slot *s = i < w->n ? &w->slot[i] : NULL;

		if (!s || w->j->stop || atomic_load(&w->failed))
			return NULL;
		s->ret = replay_measure(w->j, s->arm, first + s->round, w->j->series.narms * first + i,
					&s->arm->runs[s->round], &s->err);
		if (s->ret < 0)
			atomic_store(&w->failed, true);
		atomic_fetch_add(&w->done, 1);
	}
}

static int run_threads(struct work *w, size_t jobs, struct sr_error *err)
{
	pthread_t *thread = calloc(jobs, sizeof(*thread));
	size_t n = 0;

	if (!thread)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	while (n < jobs && !pthread_create(&thread[n], NULL, work_main, w))
		n++;
	if (!n) {
		free(thread);
		return sr_fail(err, SR_ENVIRONMENT, "cannot create a thread");
	}
	while (atomic_load(&w->done) < w->n && !w->j->stop && !atomic_load(&w->failed)) {
		struct timespec nap = { .tv_nsec = atomic_load(&w->done) ? LOOK_NS : LOOK_NS / 20 };

		if (cmd_signal)
			w->j->stop = 1;
		cmd_progress(w->j->o->quiet, "simulation %zu of %zu", atomic_load(&w->done) + 1, w->n);
		nanosleep(&nap, NULL);
	}
	while (n)
		pthread_join(thread[--n], NULL);
	free(thread);
	return 0;
}

int simulate_all(struct replay_job *j, size_t jobs, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	struct work w = { .j = j, .n = s->narms * j->rounds };
	size_t round, k, i = 0, first = j->o->first_round;
	int ret = -1;

	w.slot = calloc(w.n, sizeof(*w.slot));
	if (!w.slot)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (round = 0; round < j->rounds; round++)
		for (k = 0; k < s->narms; k++)
			w.slot[i++] = (struct slot){ .arm = &s->arm[k], .round = round };
	if (run_threads(&w, jobs < w.n ? jobs : w.n, err) < 0)
		goto out;
	for (i = 0; i < w.n && !j->stop; i++) {
		struct slot *slot = &w.slot[i];

		if (slot->ret < 0) {
			*err = slot->err;
			goto out;
		}
		if (slot->arm->n > slot->round || atomic_load(&w.failed))
			continue;
		slot->arm->n++;
		if (replay_store(j, slot->arm, first + slot->round, s->narms * first + i, &slot->arm->runs[slot->round],
				 err) < 0)
			goto out;
	}
	ret = 0;
out:
	free(w.slot);
	return ret;
}
