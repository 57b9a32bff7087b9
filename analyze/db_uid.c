/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tells a run from all others, over all databases. */
#include "analyze/db_internal.h"
#include "formats/digest.h"

#include <stdio.h>
#include <string.h>

void ana_new_id(char text[33])
{
	unsigned char bytes[16];

	sqlite3_randomness(sizeof(bytes), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void digest_column(struct sr_sha256 *d, sqlite3_stmt *st, int column)
{
	int type = sqlite3_column_type(st, column);
	const void *text;
	char head[48];
	size_t len;

	if (type == SQLITE_FLOAT) {
		snprintf(head, sizeof(head), "r%.17g\n", sqlite3_column_double(st, column));
		sr_sha256_add(d, head, strlen(head));
		return;
	}
	text = type == SQLITE_NULL ? "" : (const void *)sqlite3_column_text(st, column);
	len = text ? (size_t)sqlite3_column_bytes(st, column) : 0;
	snprintf(head, sizeof(head), "%c%zu\n", type == SQLITE_NULL ? 'n' : type == SQLITE_INTEGER ? 'i' : 't', len);
	sr_sha256_add(d, head, strlen(head));
	if (len)
		sr_sha256_add(d, text, len);
}

static int digest_rows(struct ana_db *db, struct sr_sha256 *d, const char *sql, int64_t id, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(db, sql, err);
	int rc;

	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, id);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(st); i++)
			digest_column(d, st, i);
	if (rc != SQLITE_DONE)
		ana_db_failed(db, "read its runs", err);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* What a run without a uid is known by. The columns are those of version 1, so that a later version's are no part of
 * it; copy tells apart what is there several times. */
static int content_uid(struct ana_db *db, int64_t id, unsigned copy, char uid[SR_SHA256_TEXT], struct sr_error *err)
{
	struct sr_sha256 *d = sr_sha256_new();
	int ret = -1;

	if (!d)
		return ana_no_memory(err);
	sr_sha256_add(d, &copy, sizeof(copy));
	if (digest_rows(db, d,
			"SELECT trace_sha256, trace_name, label, engine, policy, policy_options, machine, kernel,"
			" sched_ext, work, timing, host, repeat, order_slot, started_at, schedrec_version, lost_events,"
			" repaired, censored FROM run WHERE id = ?",
			id, err) == 0 &&
	    digest_rows(db, d, "SELECT name, unit, value FROM metric WHERE run_id = ? ORDER BY name", id, err) == 0) {
		sr_sha256_end(d, uid);
		ret = 0;
	}
	sr_sha256_free(d);
	return ret;
}

/* A recording's own row is the same run in every database: there is one a trace and label. */
void ana_db_recorded_uid(const char *trace, const char *label, char uid[SR_SHA256_TEXT])
{
	struct sr_sha256 *d = sr_sha256_new();

	uid[0] = '\0';
	if (!d)
		return;
	sr_sha256_add(d, "recorded", sizeof("recorded"));
	sr_sha256_add(d, trace, strlen(trace) + 1);
	if (label)
		sr_sha256_add(d, label, strlen(label) + 1);
	sr_sha256_end(d, uid);
	sr_sha256_free(d);
}

/* Sets the uid of a run; 1: another has it. */
static int set_uid(struct ana_db *db, sqlite3_stmt *update, int64_t id, const char *uid, struct sr_error *err)
{
	int rc;

	sqlite3_bind_text(update, 1, uid, -1, SQLITE_STATIC);
	sqlite3_bind_int64(update, 2, id);
	rc = sqlite3_step(update);
	sqlite3_reset(update);
	if (rc == SQLITE_CONSTRAINT)
		return 1;
	return rc == SQLITE_DONE ? 0 : ana_db_failed(db, "identify its runs", err);
}

static int identify_run(struct ana_db *db, sqlite3_stmt *update, sqlite3_stmt *run, struct sr_error *err)
{
	int64_t id = sqlite3_column_int64(run, 0);
	const char *trace = (const char *)sqlite3_column_text(run, 1);
	char uid[SR_SHA256_TEXT];
	int ret = 1;

	if (trace) {
		ana_db_recorded_uid(trace, (const char *)sqlite3_column_text(run, 2), uid);
		ret = set_uid(db, update, id, uid, err);
	}
	for (unsigned copy = 0; ret == 1; copy++)
		ret = content_uid(db, id, copy, uid, err) < 0 ? -1 : set_uid(db, update, id, uid, err);
	return ret;
}

int ana_db_identify(struct ana_db *db, struct sr_error *err)
{
	sqlite3_stmt *next = ana_db_prepare(db,
					    "SELECT id, CASE engine WHEN 'recorded' THEN trace_sha256 END, label"
					    " FROM run WHERE uid IS NULL AND id > ? ORDER BY id LIMIT 1",
					    err),
		     *update = next ? ana_db_prepare(db, "UPDATE run SET uid = ?1 WHERE id = ?2", err) : NULL;
	int64_t id = INT64_MIN;
	int ret = update ? 0 : -1, rc = SQLITE_DONE;

	while (ret == 0) {
		sqlite3_bind_int64(next, 1, id);
		rc = sqlite3_step(next);
		if (rc != SQLITE_ROW)
			break;
		id = sqlite3_column_int64(next, 0);
		ret = identify_run(db, update, next, err);
		sqlite3_reset(next);
	}
	if (ret == 0 && rc != SQLITE_DONE)
		ret = ana_db_failed(db, "read its runs", err);
	sqlite3_finalize(next);
	sqlite3_finalize(update);
	return ret;
}
