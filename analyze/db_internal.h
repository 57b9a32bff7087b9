/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comparison reads from the database. */
#ifndef SCHEDREC_ANALYZE_DB_INTERNAL_H
#define SCHEDREC_ANALYZE_DB_INTERNAL_H

#include "analyze/internal.h"

/* What tells one arm from another, by column. */
enum {
	ANA_ID_POLICY,
	ANA_ID_OPTIONS,
	ANA_ID_LABEL,
	ANA_ID_ENGINE,
	ANA_ID_MACHINE,
	ANA_ID_KERNEL,
	ANA_ID_WORK,
	ANA_ID_TIMING,
	ANA_IDENTITIES
};
extern const char *const ana_identity_columns[ANA_IDENTITIES];

struct ana_db_run {
	int64_t id, repeat;
	char *trace_sha256, *trace_name; /* owned; NULL: not stored */
	char *identity[ANA_IDENTITIES];
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
void ana_db_runs_release(struct ana_db_runs *runs);
int ana_db_metrics(struct ana_db *db, int64_t id, struct ana_result *out, struct sr_error *err);
/* The different values of a column as text "a, b, c", for a message; cut with "..." where buf is short. */
int ana_db_values(struct ana_db *db, const char *column, char *buf, size_t len, struct sr_error *err);

#endif
