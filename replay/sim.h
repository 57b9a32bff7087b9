/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator: runs a workload model on any machine by discrete events, under the same policies as the live engine.
 * SIMULATOR.md says what is modelled, by which rules, and what is not.
 *
 *   sim_prepare   sets the machine, the tasks and the policy up
 *   sim_execute   runs the model to its end; its events go to the sink as they happen, in the order of the stream
 *   sim_free
 *
 * Times are integer ns; the clock begins at SIM_START_NS. Nothing that affects events is a floating-point number, an
 * address, the host's clock or its locale: the same model, machine, policy, seed and parameters give the same events on
 * every build. Several simulations may run at a time, each in one thread; the model and the machine are only read, and
 * must outlive the run.
 */
#ifndef SCHEDREC_REPLAY_SIM_H
#define SCHEDREC_REPLAY_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/digest.h"
#include "formats/error.h"
#include "formats/event.h"
#include "formats/machine.h"
#include "formats/model.h"
#include "formats/srz.h"
#include "replay/engine.h"
#include "replay/policy.h"

#define SIM_START_NS 1000000000u /* of the clock, when the first programs begin */

/* What things cost. The rows with unit, default and source are sim_params.c's. */
enum sim_param {
	SIM_SWITCH_VOLUNTARY,
	SIM_SWITCH_INVOLUNTARY,
	SIM_WAKE_LOCAL,
	SIM_WAKE_REMOTE,
	SIM_IPI,
	SIM_PREEMPT_WAKE,
	SIM_PREEMPT_TIMER,
	SIM_WAY_SPREAD,
	SIM_IDLE_EXIT,
	SIM_IDLE_EXIT_DEEP,
	SIM_IDLE_EXIT_SPREAD,
	SIM_IDLE_SWITCH,
	SIM_MIGRATE_SMT,
	SIM_MIGRATE_LLC,
	SIM_MIGRATE_PACKAGE,
	SIM_MIGRATE_NODE,
	SIM_CACHE_HALFLIFE,
	SIM_REMOTE_MEMORY,
	SIM_SMT_SPEED_2,
	SIM_SMT_SPEED_3,
	SIM_SMT_SPEED_4,
	SIM_TICK,
	SIM_TICK_COST,
	SIM_TICK_SPREAD,
	SIM_TIMER_SLACK,
	SIM_NEWIDLE,
	SIM_NEWIDLE_CPU,
	SIM_POLICY_PLACE,
	SIM_POLICY_QUEUE,
	SIM_POLICY_TICK,
	SIM_POLICY_NEWIDLE,
	SIM_POLICY_MOVE,
	SIM_FORK,
	SIM_EXEC,
	SIM_EXIT,
	SIM_BASE_SLICE,
	SIM_RR_SLICE,
	SIM_CACHE_HOT,
	SIM_IDLE_SCAN,
	SIM_PARAMS
};

struct sim_params {
	uint64_t v[SIM_PARAMS];
};

/* Up to so long a CPU idles lightly, and from so long on deeply: idle_exit, idle_exit_deep. */
#define SIM_IDLE_LIGHT_NS 100000u
#define SIM_IDLE_DEEP_NS 1000000u

struct sim_param_row {
	const char *name, *unit;
	uint64_t deflt, min, max;
	const char *help, *source; /* source: where the default comes from */
};
const struct sim_param_row *sim_param_rows(void); /* SIM_PARAMS of them, in the order of enum sim_param */
void sim_params_default(struct sim_params *p);
/* "name=value[,name=value...]" over what p has; a time may have a unit (2us), which ns have without one. SR_USAGE. */
int sim_params_parse(struct sim_params *p, const char *text, struct sr_error *err);
/* All as such a text, or only those that differ from their defaults; to be freed; NULL: out of memory. */
char *sim_params_format(const struct sim_params *p, bool changed_only);

/* Where events go. -1 (with *err) ends the run. */
struct sim_sink {
	void *arg;
	int (*events)(void *arg, enum srz_stream stream, const struct sr_event *ev, size_t n, struct sr_error *err);
	uint32_t (*name)(void *arg, const char *name, struct sr_error *err); /* its index; UINT32_MAX: failed */
};

struct sim_config {
	enum rpl_timing timing;
	uint64_t time_scale_ppm; /* of sleeps and deadlines; 1000000 as recorded, 0: no sleep takes time */
	uint64_t seed;           /* the policy's, and of the order of what happens at one time */
	const struct rpl_policy *policy;
	const char *policy_options;                               /* NULL: none */
	uint64_t recorded_wake_local_ns, recorded_wake_remote_ns; /* struct sr_wake_cost; 0: as simulated */
	struct sr_wake_bound wake_bound;                          /* of the model; zeroed: none */
	const struct sr_machine *machine;
	const struct sr_cpumask *cpus; /* CPUs to use; NULL: all that are online */
	bool keep_affinity;            /* the recorded masks apply */
	int nice_offset, normal_class; /* as rpl_config's */
	unsigned order;                /* RPL_ORDER_* */
	const struct sim_params *params;
	const struct sim_sink *sink;               /* NULL: the events go nowhere but into the digest */
	const volatile int *stop;                  /* not 0: end early; NULL: never */
	void (*progress)(void *arg, double share); /* now and then, from the calling thread; NULL: none */
	void *progress_arg;
};

struct sim_stats {
	uint64_t steps;                     /* internal events: what the clock was set forward for */
	uint64_t events;                    /* events written */
	uint64_t end_ns;                    /* when the last program ended */
	char events_sha256[SR_SHA256_TEXT]; /* of all events, in a form of their own (sr_event_digest) */
};

struct sim;

struct sim *sim_prepare(const struct sr_model *m, const struct sim_config *cfg, struct sr_error *err);
/* 0; -1: the sink failed, or memory ran out. Stopped by cfg.stop it returns 0 with what has happened so far. */
int sim_execute(struct sim *s, struct sr_error *err);
const struct rpl_counts *sim_get_counts(const struct sim *s);
unsigned sim_policy_report(const struct sim *s, struct rpl_policy_count *v); /* as rpl_policy_report */
const struct sim_stats *sim_get_stats(const struct sim *s);
/* The tasks that are there when it begins, as a recording's start state. To be released. */
int sim_task_starts(const struct sim *s, struct sr_task_starts *starts, struct sr_error *err);
void sim_free(struct sim *s); /* NULL is allowed */

/* How fast each CPU of a recording's machine was, because threads of its core were busy beside it: thousandths, on average
 * over the recording. per_mille: ncpus of them. Goes through the file from its beginning. */
int sim_recorded_speed(struct srz_reader *r, const struct sr_machine *m, const struct sim_params *p,
		       uint32_t *per_mille, struct sr_error *err);
/* The bursts of a model recorded on this machine become work of a CPU with capacity 1024 whose core does nothing else. Once
 * for each model, before its CPUs are mapped. per_mille: as above; NULL: all 1000. */
void sim_scale_work(struct sr_model *m, const struct sr_machine *recorded, const uint32_t *per_mille);

#endif
