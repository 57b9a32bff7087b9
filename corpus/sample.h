/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sample that stands for a whole corpus: representative (a pick is the middle of the traces that are like it) and
 * diverse (what is unlike the others gets a pick of its own when there is one to give).
 *
 * Each trace is a point: its features, CPUs and duration, times and rates by their logarithm, each scaled by its
 * quartile range over the corpus and cut at CRP_SAMPLE_CUT; what a trace lacks counts as the median. The picks are the
 * medoids of a clustering that swaps until no swap makes the weighted sum of squared distances smaller. Above
 * CRP_SAMPLE_EXACT traces it works from coarse to fine: candidates are drawn by weight (by a hash of the name, so that
 * it is the same draw every time) together with the points that lie farthest from all of these, the medoids are found
 * among them, and then every trace is counted to its nearest pick.
 *
 * A contributor with n traces weighs like sqrt(n) and at most a quarter of all (where there are at least four), so that
 * nobody's machine farm decides what the corpus is. weight is in these terms, scaled so that all weights together are
 * the number of traces; traces is the plain number.
 *
 * Deterministic: the same traces give the same sample, in whatever order they came into the corpus. Memory: about 150
 * bytes a trace.
 */
#ifndef SCHEDREC_CORPUS_SAMPLE_H
#define SCHEDREC_CORPUS_SAMPLE_H

#include "corpus/index.h"
#include "corpus/store.h"

#define CRP_SAMPLE_MAX 1000
#define CRP_SAMPLE_EXACT 2048
#define CRP_SAMPLE_CUT 4.0

/* n picks (or fewer, where there are fewer traces that match) in ascending order of their names. */
int crp_sample(struct crp_store *s, const struct crp_query *q, unsigned n, crp_pick_fn fn, void *arg,
	       struct sr_error *err);
/* The same of an index: what a store's own function is that has one. */
int crp_sample_index(struct crp_index *ix, const struct crp_query *q, unsigned n, crp_pick_fn fn, void *arg,
		     struct sr_error *err);

/* The parts, for stores that have an index: fill, choose, ask. Features are numbered as the caller likes, below 4096. */
struct crp_sampler;
struct crp_sampler *crp_sampler_new(struct sr_error *err);
void crp_sampler_free(struct crp_sampler *p); /* NULL is allowed */
/* name: of a feature by its number. In ascending order of sha256. */
int crp_sampler_add(struct crp_sampler *p, const struct crp_point *point,
		    const char *(*name)(void *arg, unsigned feature), void *name_arg, struct sr_error *err);
struct crp_sampled {
	char sha256[SR_SHA256_TEXT];
	double weight, spread;
	uint64_t traces;
};
/* *out: the caller's to free; *found of them. */
int crp_sampler_choose(struct crp_sampler *p, unsigned n, struct crp_sampled **out, unsigned *found,
		       struct sr_error *err);

#endif
