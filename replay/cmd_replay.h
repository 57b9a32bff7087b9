/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the command share: cmd_replay.c (options, the course of all), cmd_replay_load.c (recording, model and
 * machine), cmd_replay_run.c (one run), cmd_replay_report.c (what is told of them).
 */
#ifndef SCHEDREC_REPLAY_CMD_REPLAY_H
#define SCHEDREC_REPLAY_CMD_REPLAY_H

#include <sys/utsname.h>

#include "analyze/analyze.h"
#include "formats/digest.h"
#include "formats/model.h"
#include "record/record.h"
#include "replay/engine.h"
#include "schedrec.h"

#define MAX_ARMS 16

struct replay_options {
	const char *policy, *label, *db, *output, *work, *timing, *cpus, *cpu_map, *task, *order, *offset, *class;
	uint64_t repeat, from, to, seed, rt_limit, loop, nice_offset;
	double time_scale;
	bool json, quiet, self, force, allow_rt, no_stall, processes;
};

struct replay_run {
	struct ana_result result;
	struct rpl_counts counts;
	char *file; /* NULL: not kept */
};

struct replay_arm {
	const char *name; /* as given: policy[:options] */
	const struct rpl_policy *policy;
	const char *options;
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
	uint64_t loop;
	bool self; /* the replay recorded itself without the kernel's events */
	const char *self_why;
	bool compared; /* with its recording: not when several were joined, or looped */
	uint64_t recording_lost;
	char doubt[256]; /* what is doubtful about the recording; "": nothing */
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

/* Everything that one invocation holds. */
struct replay_job {
	const struct replay_options *o;
	struct replay_source *sources;
	size_t nsources;
	char *trace_name, *sha256; /* of all sources together */
	struct sr_model *model;
	struct sr_machine *machine;
	struct rec_session *session;
	struct ana_db *db;
	struct sr_cpumask cpus;
	bool use_cpus, keep_affinity;
	struct replay_series series;
	char *policies;
	char temp_dir[64];
	struct sr_wake_cost recorded_wake;
	uint64_t tracepoint_ns;
	struct utsname uts;
	volatile int stop;
	size_t done, total;
};

/* The recordings of j->sources, their model, the recorded metrics, and the machine. */
int replay_load(struct replay_job *j, struct sr_error *err);
void replay_unload(struct replay_job *j);

/* The file of a run: PATTERN with %p and %r filled in, to be freed; of a policy's options '/', ',', ':' and spaces become
 * '_'. NULL: out of memory. */
char *replay_output_name(const char *pattern, const char *policy, size_t round);
/* A run (arm NULL: the recording) into the database, if there is one. */
int replay_store(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot,
		 const struct ana_result *r, struct sr_error *err);
/* One run of an arm, recorded, measured and stored; j->stop is set when it was interrupted. */
int replay_slot(struct replay_job *j, struct replay_arm *arm, size_t round, size_t slot, struct sr_error *err);

/* What the model's rules decided: lines for the table's head, an object, meta values replay.model.*. */
void replay_model_print(const struct sr_model *m);
void replay_model_json(struct cmd_json *j, const struct sr_model *m);
int replay_model_meta(struct srz_writer *w, const struct sr_model *m, struct sr_error *err);

void replay_report_table(const struct replay_series *s);
void replay_report_json(const struct replay_series *s);
/* Warnings on stderr: losses, refusals, a comparison that rests on a poor replay. */
void replay_report_warnings(const struct replay_series *s);

#endif
