/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of a comparison: compare.c (arms out of the database), compare_pairs.c (rounds, and what they are worth as
 * evidence), compare_cells.c (metrics, verdicts). */
#ifndef SCHEDREC_ANALYZE_COMPARE_INTERNAL_H
#define SCHEDREC_ANALYZE_COMPARE_INTERNAL_H

#include "analyze/db_internal.h"

/* One round of one trace in both arms: indices into their runs. */
struct ana_round_pair {
	size_t base, cand;
	size_t group; /* pairs of one group are one round: their median counts */
};

/* The rounds of one trace. */
struct ana_trace_pairs {
	struct ana_round_pair *v; /* owned */
	size_t n, groups;
	enum ana_evidence evidence;
	bool by_boot;
	unsigned looks;
	size_t left_out; /* pairs that were worse evidence than those in v */
};

const char *ana_trace_of(const struct ana_db_run *r);

/* All pairs, those of a trace beside each other: of one series and round, else of equal rounds in the order of the runs.
 * *out is the caller's to free. */
int ana_pair_rounds(const struct ana_db_runs *base, const struct ana_db_runs *cand, struct ana_round_pair **out,
		    size_t *n, struct sr_error *err);
/* Keeps those of one trace's pairs that are the best evidence there is, and says what it is worth. out->v is the
 * caller's to free. */
int ana_weigh_pairs(const struct ana_db_runs *base, const struct ana_db_runs *cand, const struct ana_round_pair *pairs,
		    size_t n, struct ana_trace_pairs *out, struct sr_error *err);

/* What ana_compare_cells compares. */
struct ana_rounds {
	const char *trace;
	const struct ana_result *const *base, *const *cand;
	const size_t *group; /* of each round, below ngroups; NULL: each is one */
	size_t n, ngroups;
	enum ana_evidence evidence;
	bool by_boot;
	unsigned looks;
	/* The noise floor of a metric; 0: none is known. NULL: of none. */
	int (*floor)(void *arg, const char *metric, double *floor, struct sr_error *err);
	void *floor_arg;
};
/* Adds a cell for each metric; judges nothing. */
int ana_compare_cells(const struct ana_rounds *r, const struct ana_compare_options *o, struct ana_comparison *out,
		      struct sr_error *err);
/* Two values of a metric are equal up to this; frames: that a run has, for what is counted in them. */
double ana_step(const char *metric, double frames);
bool ana_wants_metric(const char *metric, const struct ana_compare_options *o);
/* Judges all cells together, and what holds over the traces. */
int ana_compare_judge(struct ana_comparison *out, double margin, struct sr_error *err);

#endif
