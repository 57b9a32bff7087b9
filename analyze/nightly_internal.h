/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of a night's judgement share: nightly_judge.c (beside a baseline), nightly_history.c (beside the
 * nights before). */
#ifndef SCHEDREC_ANALYZE_NIGHTLY_INTERNAL_H
#define SCHEDREC_ANALYZE_NIGHTLY_INTERNAL_H

#include "analyze/compare_internal.h"
#include "analyze/nightly.h"

#define ANA_BASELINE_TERMS 8

/* A baseline, taken apart. */
struct ana_baseline {
	char *text; /* the terms point into it */
	struct {
		const char *word, *value;
	} term[ANA_BASELINE_TERMS];
	size_t n;
	bool last;
};

struct ana_judge {
	struct ana_db *db;
	const struct ana_night *night;
	const struct ana_night_judge_options *o;
	struct ana_compare_options how;
	struct ana_baseline base;
	struct ana_night_verdicts *out;
	size_t cells_cap, changes_cap;
};

/* An arm of a trace, as its runs have it. */
struct ana_night_arm {
	const char *sha256;
	size_t index;
	char *trace, *policy, *options, *engine, *machine;
};

/* Change points of an arm over the nights, and the noise floors that these tell. */
int ana_night_look_back(struct ana_judge *j, const struct ana_night_arm *a, struct sr_error *err);

#endif
