/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cmd_simulate.c (options, the course of all) and cmd_simulate_run.c (one run, several at a time) share. */
#ifndef SCHEDREC_REPLAY_CMD_SIMULATE_H
#define SCHEDREC_REPLAY_CMD_SIMULATE_H

#include "replay/cmd_replay.h"
#include "replay/sim.h"

struct simulate_options {
	struct replay_options r; /* first: the job's */
	const char *machine, *param, *param_file, *calibrate;
	uint64_t jobs;
	bool params;
};

/* One run, for replay_job.once; engine_arg is the struct sim_params. */
int simulate_once(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot, const char *path,
		  struct replay_run *out, struct sr_error *err);
/* All rounds of all arms, in so many threads at a time; stored in the order of the slots. */
int simulate_all(struct replay_job *j, size_t jobs, struct sr_error *err);

#endif
