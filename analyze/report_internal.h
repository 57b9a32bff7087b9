/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of a report: what is built in, how text becomes harmless, what is read. */
#ifndef SCHEDREC_ANALYZE_REPORT_INTERNAL_H
#define SCHEDREC_ANALYZE_REPORT_INTERNAL_H

#include "analyze/db_internal.h"
#include "analyze/report.h"

/*
 * JSON that may stand inside a <script> element of HTML: '<', '>', '&', U+2028 and U+2029 are escaped, invalid UTF-8
 * becomes U+FFFD, control characters are escaped. Written as it comes, without blanks. key is NULL inside arrays.
 */
struct ana_json {
	FILE *f;
	int depth; /* at most 15 */
	bool more[16];
};
#define ANA_JSON_TEXT 300 /* bytes of a text that are kept; a longer one ends with "..." */
void ana_json_open(struct ana_json *j, const char *key, char bracket); /* '{' or '[' */
void ana_json_close(struct ana_json *j, char bracket);
void ana_json_text(struct ana_json *j, const char *key, const char *text); /* NULL: null */
void ana_json_long_text(struct ana_json *j, const char *key, const char *text, size_t limit);
void ana_json_real(struct ana_json *j, const char *key, double v); /* seven digits; not finite: null */
void ana_json_int(struct ana_json *j, const char *key, int64_t v);
void ana_json_bool(struct ana_json *j, const char *key, bool v);

/* Text for HTML, between tags or in a quoted attribute; cut as above. */
void ana_html_text(FILE *f, const char *text);

/* What is built in (report_assets.c). */
struct ana_asset {
	const char *text;
	size_t len;
};
enum ana_asset_id { ANA_ASSET_PAGE, ANA_ASSET_STYLE, ANA_ASSET_SCRIPT, ANA_ASSET_LIB_STYLE, ANA_ASSET_LIB, ANA_ASSETS };
struct ana_asset ana_report_asset(enum ana_asset_id id);

/* One arm: runs that differ only in trace and round. */
struct ana_report_arm {
	char *name; /* as short as tells it from the others */
	char *identity[ANA_IDENTITIES];
	int64_t runs, traces, lost, repaired, censored;
	char *first, *last;
};

struct ana_report_comparison {
	size_t base, cand; /* arms */
	struct ana_comparison c;
	size_t counts[ANA_VERDICTS];
};

struct ana_report {
	struct ana_db *db;
	const struct ana_report_options *o;
	struct ana_report_arm *arms;
	size_t narms, arms_cap, narms_all;
	struct ana_report_comparison *comparisons;
	size_t ncomparisons, comparisons_cap;
	size_t left_comparisons, impossible; /* more than are shown; arms that have nothing in common */
	size_t without_metric;               /* arms that have none of the compared metrics in common */
	int64_t runs, traces;                /* all that were chosen */
	int64_t pending;                     /* runs that a night has not taken over: not chosen */
};

/* A file's cpus over time, in equal steps; more than there are lanes for share them. */
#define ANA_REPORT_STEPS 400
struct ana_report_cpus {
	uint64_t first_ns, last_ns, step_ns;
	unsigned cpus, per_lane, lanes;
	bool whole_system; /* else nothing is told of others */
	bool bound;        /* a replay: its own tasks are those that it bound, from then on; else those of the result */
	double *own, *others, *lost; /* [lane * ANA_REPORT_STEPS + step], ns; lost: events are missing */
};
void ana_report_spread(double *steps, const struct ana_report_cpus *c, uint64_t start, uint64_t end);
int ana_report_read_cpus(struct srz_reader *reader, const struct ana_result *result, struct ana_report_cpus *c,
			 struct sr_error *err);

/* The tables that all parts read from, temporary: report_arm, report_trace, report_run. */
int ana_report_choose(struct ana_report *r, struct sr_error *err);
void ana_report_drop(struct ana_report *r);
int ana_report_compare(struct ana_report *r, struct sr_error *err);
void ana_report_release(struct ana_report *r);

bool ana_report_wants(const struct ana_report *r, const char *metric);

void ana_report_verdict(const struct ana_report *r, FILE *f); /* HTML */

/* Members of the data. */
void ana_report_comparisons(const struct ana_report *r, struct ana_json *j);
int ana_report_evidence(struct ana_report *r, struct ana_json *j, struct sr_error *err);
int ana_report_distributions(struct ana_report *r, struct ana_json *j, struct sr_error *err);
int ana_report_nightly(struct ana_report *r, struct ana_json *j, struct sr_error *err);
/* db: where a replay's fidelity stands; NULL: nowhere. */
int ana_report_timeline(struct ana_db *db, const char *path, struct ana_json *j, struct sr_error *err);

#endif
