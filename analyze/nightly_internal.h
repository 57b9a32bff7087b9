/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts share that have to do with nights: nightly_db.c (what is done of one), nightly_merge.c (those of other
 * databases), nightly_judge.c (beside a baseline), nightly_doubt.c (what makes that doubtful), nightly_history.c
 * (beside the nights before). */
#ifndef SCHEDREC_ANALYZE_NIGHTLY_INTERNAL_H
#define SCHEDREC_ANALYZE_NIGHTLY_INTERNAL_H

#include "analyze/compare_internal.h"
#include "analyze/nightly.h"

#define ANA_TAG_MARK "~"         /* between a night's label and the rest of a tag */
#define ANA_NIGHT_ROUNDS 1000000 /* at most: what has more was not stored by us */

/*
 * Nights on their way into another database, in its transaction: first ana_nights_open, with which the runs that are not
 * to come are in temp.from_left_out (by their ids in the source), then the runs, then ana_nights_close. What is refused:
 * SR_USAGE, and nothing was written.
 */
int ana_nights_open(struct ana_db *to, struct ana_db *from, struct ana_db_merged *out, struct sr_error *err);
int ana_nights_close(struct ana_db *to, struct ana_db_merged *out, struct sr_error *err);

#define ANA_BASELINE_TERMS 10

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
	size_t cells_cap, changes_cap, doubts_cap;
};

/* An arm of a trace, as its runs have it; "": not stored. */
struct ana_night_arm {
	const char *sha256;
	size_t index;
	char *trace, *policy, *options, *engine;
	/* Conditions: runs are like these where all are the same. A key that is not known differs from none. */
	char *machine, *arm, *work, *timing, *machine_key, *sched_ext;
	int64_t run; /* one of its runs */
};

/*
 * Nights that are like the judged one, in the temporary table night_kin: id, label, started_at, rounds, turn (-1:
 * earlier, 0: itself, 1: later), and whether the machine they asked for is the same (as_machine). What the runs' columns
 * tell is not looked at here, but by ANA_NIGHT_LIKE.
 */
#define ANA_NIGHT_WHOLE "(SELECT count(*) FROM night_round x WHERE x.night_id = n.id AND x.sha256 = ?1) = n.rounds"
/* Of a run r and its host's row h; the arm is bound by ana_night_bind. */
#define ANA_NIGHT_LIKE                                                                                    \
	"coalesce(r.machine, '') = ?4 AND coalesce(r.arm, '') = ?5 AND coalesce(r.work, '') = ?6 AND"     \
	" coalesce(r.timing, '') = ?7 AND coalesce(h.machine_key, ?8) IS coalesce(?8, h.machine_key) AND" \
	" coalesce(r.sched_ext, '') = ?9"
#define ANA_NIGHT_BOUND 9
/* The parameters behind these. */
#define ANA_NIGHT_NEXT "?10"
#define ANA_NIGHT_NEXT_2 "?11"
/* ?1 to ?9: sha256, policy, options, machine, arm, work, timing, machine_key, sched_ext. */
void ana_night_bind(sqlite3_stmt *st, const struct ana_night_arm *a);

/* What two nights share that are compared, but for the machine's key: keys of selectors, and what the arm has. */
#define ANA_NIGHT_CONDITIONS 5
struct ana_night_condition {
	const char *word, *is;
	unsigned id; /* ANA_ID_ */
};
void ana_night_conditions(const struct ana_night_arm *a, struct ana_night_condition out[ANA_NIGHT_CONDITIONS]);

/* One more doubt; kind: a literal. */
int ana_night_doubt(struct ana_judge *j, const struct ana_night_arm *a, const char *kind, struct sr_error *err,
		    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* What a base that was named, by a label or a condition, has other than the arm. */
int ana_night_doubt_base(struct ana_judge *j, const struct ana_night_arm *a, const struct ana_db_run *base,
			 struct sr_error *err);
/* Those of a comparison. */
int ana_night_doubts(struct ana_judge *j, const struct ana_night_arm *a, const struct ana_comparison *c,
		     struct sr_error *err);

/* Change points of an arm over the nights, and the noise floors that these tell. */
int ana_night_look_back(struct ana_judge *j, const struct ana_night_arm *a, struct sr_error *err);

#endif
