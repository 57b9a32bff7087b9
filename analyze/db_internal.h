/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the database share, and what comparison reads from it. */
#ifndef SCHEDREC_ANALYZE_DB_INTERNAL_H
#define SCHEDREC_ANALYZE_DB_INTERNAL_H

#include "analyze/internal.h"

#include <sqlite3.h>
#include <string.h>

/* A number's text, for SQL. */
#define TO_TEXT(x) TEXT_OF(x)
#define TEXT_OF(x) #x

/* Is it an arm of an A/A measurement? NULL: no. */
static inline bool ana_arm_is_aa(const char *arm)
{
	return arm && !strncmp(arm, ANA_ARM_AA, strlen(ANA_ARM_AA));
}

struct ana_db {
	sqlite3 *sql;
	char *path;
	sqlite3_stmt *metrics; /* of ana_db_metrics, kept; NULL: not used yet */
};

/* Fills *err with what sqlite says, and the status that it means; -1. */
int ana_db_failed(struct ana_db *db, const char *doing, struct sr_error *err);
int ana_db_run(struct ana_db *db, const char *doing, const char *sql, struct sr_error *err);
void ana_db_roll_back(struct ana_db *db);
sqlite3_stmt *ana_db_prepare(struct ana_db *db, const char *sql, struct sr_error *err); /* NULL: *err is filled */
/* Refuses what is not schedrec's and what is newer, and brings what is older up to date. */
int ana_db_check(struct ana_db *db, bool create, struct sr_error *err);
/* Gives each run without a uid the one that its content has: equal content in two databases has the same. */
int ana_db_identify(struct ana_db *db, struct sr_error *err);
void ana_db_recorded_uid(const char *trace, const char *label, char uid[ANA_UID_TEXT]); /* "": out of memory */

/* What tells one arm from another, by column. */
enum {
	ANA_ID_POLICY,
	ANA_ID_OPTIONS,
	ANA_ID_LABEL,
	ANA_ID_ENGINE,
	ANA_ID_MACHINE,
	ANA_ID_KERNEL,
	ANA_ID_SCHED_EXT,
	ANA_ID_WORK,
	ANA_ID_TIMING,
	ANA_ID_ARM,
	ANA_IDENTITIES
};
extern const char *const ana_identity_columns[ANA_IDENTITIES];

/* Of a live run's conditions, by column of the table host. */
enum {
	ANA_HOST_MACHINE,
	ANA_HOST_BOOT,
	ANA_HOST_CMDLINE,
	ANA_HOST_MICROCODE,
	ANA_HOST_GOVERNOR,
	ANA_HOST_TURBO,
	ANA_HOST_SMT,
	ANA_HOST_ASLR,
	ANA_HOSTS
};

struct ana_db_run {
	int64_t id, repeat, order_slot, looks;
	double started;                           /* s since 1970; NAN: not known */
	char *trace_sha256, *trace_name, *series; /* owned; NULL: not stored */
	char *identity[ANA_IDENTITIES];
	char *host[ANA_HOSTS];
};
struct ana_db_runs {
	struct ana_db_run *v;
	size_t n;
};

/* One condition: column (one of the above, "trace", or "id" with number) equals value; "" is NULL too. */
struct ana_db_term {
	const char *column, *value;
	int64_t number;
};
int ana_db_select(struct ana_db *db, const struct ana_db_term *terms, size_t n, struct ana_db_runs *out,
		  struct sr_error *err); /* in the order of their ids */
void ana_db_run_release(struct ana_db_run *run);
void ana_db_runs_release(struct ana_db_runs *runs);
/* The noise floor of a metric for such a run on its machine: 1 and the floor, 0 where none was measured. It is of the
 * run's trace, engine, machine and arm. Of several the nearest counts: of its policy and options rather than of others,
 * then of its work and timing, then of its kernel and sched_ext; of each the last measurement, and of those that are
 * equally near the greatest. */
int ana_db_floor(struct ana_db *db, const struct ana_db_run *run, const char *metric, double *least,
		 struct sr_error *err);
int ana_db_metrics(struct ana_db *db, int64_t id, struct ana_result *out, struct sr_error *err);
/* Of all of them, into out[runs->n], which is all 0 and released by the caller, also after a failure. */
int ana_db_metrics_of(struct ana_db *db, const struct ana_db_runs *runs, struct ana_result *out, struct sr_error *err);
/* The different values of a column as text "a, b, c", for a message; cut with "..." where buf is short. */
int ana_db_values(struct ana_db *db, const char *column, char *buf, size_t len, struct sr_error *err);

/*
 * Any statement, for what reads much (report): fn is called for each row, which is valid during the call; NULL: no row is
 * wanted. Columns count from 0. An SQL NULL is NULL, 0 or NAN.
 */
struct ana_db_row;
typedef int (*ana_db_row_fn)(void *arg, const struct ana_db_row *row,
			     struct sr_error *err); /* -1 (with *err) ends it */
int ana_db_each(struct ana_db *db, const char *sql, ana_db_row_fn fn, void *arg, struct sr_error *err);
const char *ana_db_row_text(const struct ana_db_row *row, int column);
int64_t ana_db_row_int(const struct ana_db_row *row, int column);
double ana_db_row_real(const struct ana_db_row *row, int column);

/* The runs of one arm of a comparison (compare.c), chosen as ana_compare chooses them. what: "base" or "candidate". */
int ana_select_arm(struct ana_db *db, const char *what, const char *selector, struct ana_db_runs *out,
		   struct sr_error *err);

#endif
