/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of a replay's rounds, and how many there are.
 *
 * Each round runs every arm once, in an order that is drawn anew (ana_turns). Whatever the machine does meanwhile, slowly
 * or again and again, then meets all arms alike.
 *
 * --repeat auto looks at the results after a few numbers of rounds that are known before, at most LOOKS of them, and ends
 * when there is nothing more to learn. Whoever looks often finds something by chance: the number of looks is stored with
 * the runs, and each interval and p is corrected for it, here as later in `compare`.
 */
#include "replay/cmd_replay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKS 4
#define FIRST_LOOK 8 /* rounds: the first number at which a corrected p can be small enough */

/* Ends evenly spaced in ratio from FIRST_LOOK to most. */
static unsigned plan_looks(size_t most, size_t at[LOOKS])
{
	unsigned n = 0;

	for (unsigned i = 0; most > FIRST_LOOK && i + 1 < LOOKS; i++) {
		double want = FIRST_LOOK * pow((double)most / FIRST_LOOK, (double)i / (LOOKS - 1));
		size_t end = (size_t)ceil(want / 2) * 2;

		if (end < most && (!n || end > at[n - 1]))
			at[n++] = end;
	}
	at[n++] = most;
	return n;
}

struct verdicts {
	size_t known, unknown, hopeless; /* hopeless: unknown, and more rounds are asked for than may still come */
};

static int count_verdicts(const struct replay_job *j, const struct replay_arm *base, const struct replay_arm *cand,
			  size_t left, struct verdicts *v, struct sr_error *err)
{
	const struct ana_compare_options o = { .margin = j->o->margin / 100, .looks = j->series.looks };
	const struct ana_result **side = calloc(2 * base->n + 1, sizeof(*side));
	struct ana_comparison c;
	int ret;

	if (!side)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < base->n; i++) {
		side[i] = &base->runs[i].result;
		side[base->n + i] = &cand->runs[i].result;
	}
	ret = ana_compare_results(j->trace_name, side, side + base->n, base->n, &o, &c, err);
	free(side);
	if (ret < 0)
		return -1;
	for (size_t i = 0; i < c.ncells; i++) {
		bool unknown = c.cells[i].s.verdict == ANA_UNKNOWN;

		v->known += !unknown;
		v->unknown += unknown;
		v->hopeless += unknown && c.cells[i].s.needs_more > left;
	}
	ana_comparison_release(&c);
	return 0;
}

/* 1: no more rounds are needed. */
static int look(struct replay_job *j, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	size_t done = s->arm[0].n, left = j->rounds - done;
	struct verdicts v = { 0 };

	for (size_t i = 1; i < s->narms; i++)
		if (count_verdicts(j, &s->arm[0], &s->arm[i], left, &v, err) < 0)
			return -1;
	if (!v.unknown)
		snprintf(s->rounds_why, sizeof(s->rounds_why), "%zu rounds: all %zu verdicts are known", done, v.known);
	else if (!left)
		snprintf(s->rounds_why, sizeof(s->rounds_why),
			 "%zu rounds, which is the most allowed: %zu of %zu verdicts are unknown", done, v.unknown,
			 v.known + v.unknown);
	else if (v.hopeless == v.unknown)
		snprintf(s->rounds_why, sizeof(s->rounds_why),
			 "%zu rounds: %zu of %zu verdicts are unknown, and would stay so with %zu rounds", done,
			 v.unknown, v.known + v.unknown, j->rounds);
	else
		return 0;
	return 1;
}

/* The arms are in pairs of one and the same. */
static int store_noise(struct replay_job *j, struct sr_error *err)
{
	static const char *const all[] = { "*" };
	const struct ana_compare_options o = { .margin = j->o->margin / 100, .metrics = all, .nmetrics = 1 };
	struct replay_series *s = &j->series;
	int ret = 0;

	for (size_t a = 0; ret == 0 && a + 1 < s->narms; a += 2) {
		const struct replay_arm *arm = &s->arm[a];
		const struct ana_result **side = calloc(2 * arm->n + 1, sizeof(*side));
		const struct ana_run run = { .trace_sha256 = j->sha256,
					     .engine = j->engine,
					     .policy = arm->policy->name,
					     .policy_options = arm->options,
					     .kernel = j->uts.release,
					     .sched_ext = arm->runs[0].conditions.sched_ext,
					     .arm = arm->identity,
					     .work = s->work,
					     .timing = s->timing,
					     .started_at = arm->runs[0].started_at,
					     .conditions = &arm->runs[0].conditions };
		struct ana_comparison c;

		if (!side)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		for (size_t i = 0; i < arm->n; i++) {
			side[i] = &arm->runs[i].result;
			side[arm->n + i] = &s->arm[a + 1].runs[i].result;
		}
		ret = ana_compare_results(j->trace_name, side, side + arm->n, arm->n, &o, &c, err);
		free(side);
		if (ret == 0 && j->db)
			ret = ana_db_store_noise(j->db, &run, &c, err);
		if (ret == 0)
			ana_comparison_release(&c);
	}
	snprintf(s->rounds_why, sizeof(s->rounds_why), "each arm against itself, %zu rounds%s", s->arm[0].n,
		 j->db ? ": their noise floors are stored" : "; without --db nothing is stored");
	return ret;
}

int replay_rounds(struct replay_job *j, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	size_t at[LOOKS] = { 0 }, first = j->o->first_round, slot = s->narms * first, turn[MAX_ARMS];
	const char *seed = j->o->turns_seed ? j->o->turns_seed : j->series_id;
	unsigned next = 0;

	if (j->rounds_auto && s->narms < 2)
		return sr_fail(err, SR_USAGE, "--repeat auto: there is nothing to compare; name two policies or arms");
	if (j->rounds_auto)
		s->looks = plan_looks(j->rounds, at);
	j->total = s->narms * j->rounds;
	for (size_t round = 0; round < j->rounds; round++) {
		if (ana_turns(seed, first + round, s->narms, turn, err) < 0)
			return -1;
		for (size_t k = 0; k < s->narms; k++) {
			if (replay_slot(j, &s->arm[turn[k]], first + round, slot++, err) < 0)
				return -1;
			j->done++;
			if (j->stop || cmd_signal)
				return 0;
		}
		if (next < s->looks && round + 1 == at[next]) {
			int ret = look(j, err);

			if (ret)
				return ret < 0 ? -1 : 0;
			next++;
		}
	}
	return j->o->aa ? store_noise(j, err) : 0;
}
