/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of `replay` and `simulate` share: cmd_replay.c and cmd_simulate.c (options, the course of all),
 * cmd_replay_series.c (arms, and what is around the runs), cmd_replay_rounds.c (their order and number),
 * cmd_replay_load.c (recording, model and machine), cmd_replay_run.c and
 * cmd_simulate_run.c (one run), cmd_replay_foreign.c (others on its CPUs), cmd_replay_report.c (what is told of them).
 */
#ifndef SCHEDREC_REPLAY_CMD_REPLAY_H
#define SCHEDREC_REPLAY_CMD_REPLAY_H

#include <sys/utsname.h>

#include "analyze/analyze.h"
#include "formats/digest.h"
#include "formats/model.h"
#include "record/record.h"
#include "replay/cmd_energy.h"
#include "replay/engine.h"
#include "replay/foreign.h"
#include "schedrec.h"

#define MAX_ARMS 16

struct replay_options {
	const char *policy, *label, *db, *output, *work, *timing, *cpus, *cpu_map, *task, *order, *offset, *class;
	const char *processes;  /* auto, yes, no; "": yes */
	const char *groups;     /* auto, no */
	const char *energy;     /* file of an energy table; NULL: none */
	const char *rounds;     /* of replay: N, auto or auto:N */
	const char *turns_seed; /* of replay; NULL: the series has its own */
	struct sr_strings arms;
	uint64_t repeat, first_round, from, to, seed, rt_limit, loop, copies, copy_spread, nice_offset;
	double time_scale, work_scale, work_drift, margin; /* the last two in per cent */
	bool json, quiet, self, force, allow_rt, no_stall, aa;
};

struct replay_run {
	struct ana_result result;
	struct rpl_counts counts;
	struct rpl_policy_count told[RPL_POLICY_COUNTS]; /* what the policy counted */
	unsigned ntold;
	struct rpl_foreign foreign;         /* of a live one */
	char started_at[32];                /* ISO 8601, UTC */
	struct ana_host conditions;         /* of a live one, before it began */
	char events_sha256[SR_SHA256_TEXT]; /* of a simulation's; "": not known */
	uint64_t steps, events, wall_ns; /* of a simulation: internal events, those written, the host's time for them */
	char *file;                      /* NULL: not kept */
};

struct replay_arm {
	const struct replay_options *o; /* of the job, or own */
	struct replay_options own;
	char *text;     /* of --arm; own points into it */
	char *identity; /* what else than policy and label tells it from others in the database; NULL: nothing */
	struct sr_cpumask cpus;
	bool use_cpus;
	const char *spec; /* policy[:options] as given */
	const char *name; /* as given, policy[:options]; a user's own by its policy's name */
	const struct rpl_policy *policy;
	const char *options;
	char *own_name, *own_options; /* those that were not given so */
	char *file;                   /* of a user's own policy; NULL: schedrec's */
	char sha256[SR_SHA256_TEXT];
	struct rpl_energy *energy; /* NULL: no energy_j */
	struct replay_run *runs;
	size_t n;
};

struct replay_series {
	const char *trace;
	const struct sr_model *model;
	struct ana_result recorded;
	struct replay_arm arm[MAX_ARMS];
	size_t narms;
	const char *work, *timing;
	bool no_stall;
	bool processes, sessions; /* how tasks are run, */
	char processes_why[160];  /* and why so */
	size_t groups;            /* control groups made for those of the recording, */
	char groups_why[160];     /* and why so many; "": there was no reason for any */
	uint64_t loop, copies;
	bool self; /* the replay recorded itself without the kernel's events */
	const char *self_why;
	unsigned looks;       /* with --repeat auto: how often the results were to be looked at; 0: without it */
	char rounds_why[160]; /* and why it was so many rounds */
	bool compared;        /* with its recording: not when several were joined, copied or looped */
	uint64_t recording_lost;
	const char *machine; /* simulated; NULL: this one, live */
	char doubt[256];     /* what is doubtful about the recording; "": nothing */
};

/* A recording that is replayed. */
struct replay_source {
	const char *path, *name;
	char sha256[SR_SHA256_TEXT];
	struct srz_reader *reader;
	struct sr_model *model; /* until it is part of the job's */
	uint64_t offset_ns;     /* when it begins */
	uint32_t first;         /* what is added to its tasks' indices in SR_EV_BIND */
};

struct replay_job;
/* One run of an arm, recorded into path. */
typedef int (*replay_once_fn)(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot,
			      const char *path, struct replay_run *out, struct sr_error *err);

/* Everything that one invocation holds. */
struct replay_job {
	const struct replay_options *o;
	const char *engine; /* as the database has it */
	replay_once_fn once;
	const char *machine_spec; /* of a simulation; NULL: the recording's own */
	bool simulates;
	const char *conditions; /* of a simulation: for the database, JSON */
	const void *engine_arg; /* of once */
	struct replay_source *sources;
	size_t nsources;
	char *trace_name, *sha256; /* of all sources together */
	struct sr_model *model;
	struct sr_machine *machine;
	struct rec_session *session;
	struct rpl_groups groups;
	struct ana_db *db;
	bool use_cpus;               /* some arm does */
	bool keep_affinity, cpu_map; /* where an arm has no CPUs of its own; cpu_map: there too */
	struct replay_series series;
	char *policies;
	size_t rounds; /* at most, with --repeat auto */
	bool rounds_auto;
	char temp_dir[64];
	char series_id[33]; /* what the runs have in common in the database */
	struct sr_wake_cost recorded_wake;
	struct sr_wake_bound wake_bound;
	uint64_t tracepoint_ns;
	struct utsname uts;
	volatile int stop;
	size_t done, total;
};

struct replay_job *replay_job_new(const struct replay_options *o, int nargs, char **args, struct sr_error *err);
void replay_release(struct replay_job *j);
/* --repeat N, auto, auto:N. */
int replay_parse_rounds(struct replay_job *j, struct sr_error *err);
/* --policy, or --arm: the arms; those with a user's own policy have none yet. */
int replay_parse_policies(struct replay_job *j, struct sr_error *err);
/* After all privileges are dropped, and with the machine known: the users' own, and energy tables. */
int replay_settle_policies(struct replay_job *j, struct sr_error *err);
/* Where an arm's energy table comes from; NULL: it has none. */
const char *replay_energy_source(const struct replay_arm *arm);
/* The recordings of j->sources, their model, the recorded metrics, and the machine. */
int replay_load(struct replay_job *j, struct sr_error *err);
void replay_unload(struct replay_job *j);
/* The database, with the recording's own row, and the folder for files that are not kept. */
int replay_open_outputs(struct replay_job *j, struct sr_error *err);

/* The file of a run: PATTERN with %p and %r filled in, to be freed; of a policy's options '/', ',', ':' and spaces become
 * '_'. NULL: out of memory. */
char *replay_output_name(const char *pattern, const char *policy, size_t round);
/* A run into the database, if there is one; and the recording's own row. */
int replay_store(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot,
		 const struct replay_run *run, struct sr_error *err);
int replay_store_recorded(struct replay_job *j, struct sr_error *err);
/* Meta values and the machine of a run's file: what both engines have. duration_ns of the run. */
int replay_put_meta(struct replay_job *j, struct srz_writer *w, const struct replay_arm *arm, size_t round, size_t slot,
		    const struct replay_run *run, uint64_t duration_ns, struct sr_error *err);
/* Do recorded affinities hold? Not on CPUs that were chosen, but by --cpu-map. */
bool replay_keeps_affinity(const struct replay_job *j, const struct replay_arm *arm);
enum rpl_timing replay_timing(const char *name);
unsigned replay_order(const char *name);
int replay_class(const char *name); /* --class */
int replay_once(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot, const char *path,
		struct replay_run *out, struct sr_error *err); /* live */
/* One run of an arm, recorded and measured; j->stop is set when it was interrupted. May be called by several threads, if
 * j->once may. */
int replay_measure(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot,
		   struct replay_run *run, struct sr_error *err);
/* The same, and it is stored. */
int replay_slot(struct replay_job *j, struct replay_arm *arm, size_t round, size_t slot, struct sr_error *err);

/* All rounds, the arms of each in turn, until the last or as long as --repeat auto wants; with --aa the noise floors are
 * stored. */
int replay_rounds(struct replay_job *j, struct sr_error *err);

/* What the model's rules decided: lines for the table's head, an object, meta values replay.model.*. */
void replay_model_print(const struct sr_model *m);
void replay_model_json(struct cmd_json *j, const struct sr_model *m);
int replay_model_meta(struct srz_writer *w, const struct sr_model *m, struct sr_error *err);

/* What others used of a run's CPUs: meta values, an array of the run's object, one line for all runs. */
int replay_foreign_meta(struct srz_writer *w, const struct rpl_foreign *f, struct sr_error *err);
void replay_foreign_json(struct cmd_json *j, const struct rpl_foreign *f);
void replay_foreign_note(const struct replay_series *s);

void replay_report_table(const struct replay_series *s);
void replay_report_json(const struct replay_series *s);
/* Warnings on stderr: losses, refusals, a comparison that rests on a poor replay. */
void replay_report_warnings(const struct replay_series *s);

#endif
