/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between cmd_replay.c, which makes the runs, and cmd_replay_report.c, which tells of them. */
#ifndef SCHEDREC_REPLAY_CMD_REPLAY_H
#define SCHEDREC_REPLAY_CMD_REPLAY_H

#include "analyze/analyze.h"
#include "formats/model.h"
#include "replay/engine.h"
#include "schedrec.h"

#define MAX_ARMS 16

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
	bool self; /* the replay recorded itself without the kernel's events */
	const char *self_why;
	bool window; /* --from or --to: what is compared with is still the whole recording */
	uint64_t recording_lost;
	char doubt[256]; /* what is doubtful about the recording; "": nothing */
};

void replay_report_table(const struct replay_series *s);
void replay_report_json(const struct replay_series *s);
/* Warnings on stderr: losses, refusals, a comparison that rests on a poor replay. */
void replay_report_warnings(const struct replay_series *s);

#endif
