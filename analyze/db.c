/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database. The one owner of sqlite3. */
#include "analyze/db_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define APPLICATION_ID 0x53635263 /* "ScRc" */
#define BUSY_MS 10000

struct ana_db {
	sqlite3 *sql;
	char *path;
};

/* [n] takes a database of version n to n + 1. Never changed once released: only added to. */
static const char *const migrations[] = {
	"CREATE TABLE run ("
	" id INTEGER PRIMARY KEY,"
	" trace_sha256 TEXT, trace_name TEXT, label TEXT, engine TEXT NOT NULL, policy TEXT NOT NULL,"
	" policy_options TEXT, machine TEXT, kernel TEXT, sched_ext TEXT, work TEXT, timing TEXT, host TEXT,"
	" repeat INTEGER NOT NULL, order_slot INTEGER NOT NULL, started_at TEXT, schedrec_version TEXT,"
	" lost_events INTEGER NOT NULL, repaired INTEGER NOT NULL, censored INTEGER NOT NULL);"
	"CREATE INDEX run_trace ON run(trace_sha256);"
	"CREATE INDEX run_policy ON run(policy, label);"
	"CREATE TABLE metric ("
	" run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,"
	" name TEXT NOT NULL, unit TEXT NOT NULL, value REAL NOT NULL,"
	" PRIMARY KEY (run_id, name)) WITHOUT ROWID;"
	"CREATE INDEX metric_name ON metric(name);"
	"CREATE TABLE histogram ("
	" run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,"
	" name TEXT NOT NULL, bucket_lo INTEGER NOT NULL, bucket_hi INTEGER NOT NULL, count INTEGER NOT NULL,"
	" PRIMARY KEY (run_id, name, bucket_lo)) WITHOUT ROWID;"
	"CREATE TABLE task ("
	" run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,"
	" tid INTEGER NOT NULL, tgid INTEGER, comm TEXT NOT NULL, source INTEGER,"
	" cpu_ns INTEGER, wait_ns INTEGER, sleep_ns INTEGER, wakeups INTEGER NOT NULL,"
	" switches_voluntary INTEGER NOT NULL, switches_involuntary INTEGER, migrations INTEGER,"
	" max_latency_ns INTEGER);"
	"CREATE INDEX task_run ON task(run_id);",
};
#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

/* The text of what sqlite says, with the status that it means. */
static int failed(struct ana_db *db, const char *doing, struct sr_error *err)
{
	int rc = db->sql ? sqlite3_errcode(db->sql) & 0xff : SQLITE_NOMEM;
	int os = db->sql ? sqlite3_system_errno(db->sql) : 0;

	switch (rc) {
	case SQLITE_NOTADB:
		return sr_fail(err, SR_DAMAGED, "%s: not a database", db->path);
	case SQLITE_CORRUPT:
		return sr_fail(err, SR_DAMAGED, "%s: the database is damaged (%s)", db->path, sqlite3_errmsg(db->sql));
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return sr_fail(err, SR_ENVIRONMENT,
			       "%s: cannot %s: another process has kept the database locked for %d s", db->path, doing,
			       BUSY_MS / 1000);
	case SQLITE_NOMEM:
		return ana_no_memory(err);
	case SQLITE_ERROR:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return sr_fail(err, SR_DAMAGED, "%s: cannot %s: %s", db->path, doing, sqlite3_errmsg(db->sql));
	default:
		return sr_fail(err, SR_ENVIRONMENT, "%s: cannot %s: %s%s%s%s", db->path, doing,
			       db->sql ? sqlite3_errmsg(db->sql) : "out of memory", os ? " (" : "",
			       os ? strerror(os) : "", os ? ")" : "");
	}
}

static int run_sql(struct ana_db *db, const char *doing, const char *sql, struct sr_error *err)
{
	return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(db, doing, err);
}

static int read_number(struct ana_db *db, const char *sql, int64_t *value, struct sr_error *err)
{
	sqlite3_stmt *st = NULL;
	int ret = -1;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
		*value = sqlite3_column_int64(st, 0);
		ret = 0;
	} else {
		failed(db, "read it", err);
	}
	sqlite3_finalize(st);
	return ret;
}

static void roll_back(struct ana_db *db)
{
	if (!sqlite3_get_autocommit(db->sql))
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

static int migrate(struct ana_db *db, struct sr_error *err)
{
	char mark[96];
	int64_t version;

	if (run_sql(db, "write it", "BEGIN IMMEDIATE", err) < 0)
		return -1;
	/* Another process may have been faster. */
	if (read_number(db, "PRAGMA user_version", &version, err) < 0)
		goto fail;
	for (; version < VERSION; version++)
		if (run_sql(db, "bring its tables up to date", migrations[version], err) < 0)
			goto fail;
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", APPLICATION_ID,
		 VERSION);
	if (run_sql(db, "bring its tables up to date", mark, err) == 0)
		return 0;
fail:
	roll_back(db);
	return -1;
}

static int check(struct ana_db *db, bool create, struct sr_error *err)
{
	int64_t version, application, tables;

	/* One look: another process may be making the tables at this moment. */
	if (run_sql(db, "read it", "BEGIN", err) < 0)
		return -1;
	if (read_number(db, "SELECT count(*) FROM sqlite_master", &tables, err) < 0 ||
	    read_number(db, "PRAGMA user_version", &version, err) < 0 ||
	    read_number(db, "PRAGMA application_id", &application, err) < 0) {
		roll_back(db);
		return -1;
	}
	if (run_sql(db, "read it", "COMMIT", err) < 0)
		return -1;
	if (version == 0 && application == 0 && tables == 0) {
		if (!create)
			return sr_fail(err, SR_DAMAGED, "%s: an empty database: nothing was ever stored in it",
				       db->path);
		/* Not on every file system; it works without, only with less concurrency. */
		sqlite3_exec(db->sql, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
		return migrate(db, err);
	}
	if (application != APPLICATION_ID)
		return sr_fail(err, SR_DAMAGED, "%s: a database, but not schedrec's", db->path);
	if (version > VERSION)
		return sr_fail(err, SR_DAMAGED,
			       "%s: written by a newer schedrec (tables of version %lld, this one knows %d)", db->path,
			       (long long)version, VERSION);
	return version < VERSION ? migrate(db, err) : 0;
}

struct ana_db *ana_db_open(const char *path, bool create, struct sr_error *err)
{
	struct ana_db *db = calloc(1, sizeof(*db));

	if (!db || !(db->path = strdup(path))) {
		ana_no_memory(err);
		goto fail;
	}
	if (!*path) {
		sr_fail(err, SR_USAGE, "the database's name is empty");
		goto fail;
	}
	if (sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0), NULL) !=
	    SQLITE_OK) {
		failed(db, create ? "open or create it" : "open it", err);
		goto fail;
	}
	sqlite3_busy_timeout(db->sql, BUSY_MS);
	if (run_sql(db, "open it", "PRAGMA foreign_keys = ON", err) == 0 && check(db, create, err) == 0)
		return db;
fail:
	ana_db_close(db);
	return NULL;
}

void ana_db_close(struct ana_db *db)
{
	if (!db)
		return;
	sqlite3_close(db->sql);
	free(db->path);
	free(db);
}

static sqlite3_stmt *prepare(struct ana_db *db, const char *sql, struct sr_error *err)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL) != SQLITE_OK)
		failed(db, "use its tables", err);
	return st;
}

static int64_t clamp(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* Runs a statement that gives no rows, and makes it ready for the next. */
static int step(struct ana_db *db, sqlite3_stmt *st, struct sr_error *err)
{
	if (sqlite3_step(st) != SQLITE_DONE) {
		failed(db, "store a run", err);
		return -1;
	}
	sqlite3_reset(st);
	return 0;
}

/* The recording's own row, if there is one, makes room; its id is used again. */
static int replace_recorded(struct ana_db *db, struct ana_run *run, struct sr_error *err)
{
	sqlite3_stmt *st;
	int ret = -1, rc;

	run->id = 0;
	if (!run->engine || strcmp(run->engine, "recorded") || !run->trace_sha256)
		return 0;
	st = prepare(db, "DELETE FROM run WHERE engine = 'recorded' AND trace_sha256 = ?1 AND label IS ?2 RETURNING id",
		     err);
	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, run->trace_sha256, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, run->label, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		run->id = sqlite3_column_int64(st, 0);
	if (rc == SQLITE_DONE)
		ret = 0;
	else
		failed(db, "store a run", err);
	sqlite3_finalize(st);
	return ret;
}

static int insert_run(struct ana_db *db, struct ana_run *run, const struct ana_result *r, struct sr_error *err)
{
	const char *texts[] = { run->trace_sha256,
				run->trace_name,
				run->label,
				run->engine ? run->engine : "recorded",
				run->policy ? run->policy : "kernel",
				run->policy_options,
				run->machine,
				run->kernel,
				run->sched_ext,
				run->work,
				run->timing,
				run->host,
				run->started_at,
				run->schedrec_version };
	const int ntexts = sizeof(texts) / sizeof(texts[0]);
	sqlite3_stmt *st = prepare(db,
				   "INSERT INTO run (trace_sha256, trace_name, label, engine, policy, policy_options,"
				   " machine, kernel, sched_ext, work, timing, host, started_at, schedrec_version,"
				   " repeat, order_slot, lost_events, repaired, censored, id) VALUES"
				   " (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
				   err);
	int ret;

	if (!st)
		return -1;
	for (int i = 0; i < ntexts; i++)
		sqlite3_bind_text(st, i + 1, texts[i], -1, SQLITE_STATIC);
	sqlite3_bind_int(st, ntexts + 1, run->repeat);
	sqlite3_bind_int(st, ntexts + 2, run->order_slot);
	sqlite3_bind_int64(st, ntexts + 3, clamp(run->lost_events));
	sqlite3_bind_int64(st, ntexts + 4, clamp(r->repaired));
	sqlite3_bind_int64(st, ntexts + 5, clamp(r->censored));
	if (run->id)
		sqlite3_bind_int64(st, ntexts + 6, run->id);
	ret = step(db, st, err);
	sqlite3_finalize(st);
	if (ret == 0)
		run->id = sqlite3_last_insert_rowid(db->sql);
	return ret;
}

static int insert_metrics(struct ana_db *db, int64_t id, const struct ana_result *r, struct sr_error *err)
{
	sqlite3_stmt *st = prepare(db, "INSERT INTO metric (run_id, name, unit, value) VALUES (?,?,?,?)", err);
	int ret = st ? 0 : -1;

	for (size_t i = 0; ret == 0 && i < r->nmetrics; i++) {
		const struct ana_metric *m = &r->metrics[i];

		if (!isfinite(m->value))
			continue;
		sqlite3_bind_int64(st, 1, id);
		sqlite3_bind_text(st, 2, m->name, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 3, m->unit, -1, SQLITE_STATIC);
		sqlite3_bind_double(st, 4, m->value);
		ret = step(db, st, err);
	}
	sqlite3_finalize(st);
	return ret;
}

static int insert_hist(struct ana_db *db, sqlite3_stmt *st, int64_t id, const char *name, const struct ana_hist *h,
		       struct sr_error *err)
{
	uint64_t lo, hi;

	for (unsigned b = 0; h && b < ANA_HIST_BUCKETS; b++) {
		if (!h->bucket[b])
			continue;
		ana_hist_bounds(b, &lo, &hi);
		sqlite3_bind_int64(st, 1, id);
		sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(st, 3, clamp(lo));
		sqlite3_bind_int64(st, 4, clamp(hi));
		sqlite3_bind_int64(st, 5, clamp(h->bucket[b]));
		if (step(db, st, err) < 0)
			return -1;
	}
	return 0;
}

static int insert_hists(struct ana_db *db, int64_t id, const struct ana_result *r, struct sr_error *err)
{
	sqlite3_stmt *st = prepare(db,
				   "INSERT INTO histogram (run_id, name, bucket_lo, bucket_hi, count)"
				   " VALUES (?,?,?,?,?)",
				   err);
	int ret = -1;

	if (st && insert_hist(db, st, id, "wakeup_latency_ns", r->wakeup_latency, err) == 0 &&
	    insert_hist(db, st, id, "run_delay_ns", r->run_delay, err) == 0 &&
	    insert_hist(db, st, id, "preempt_wait_ns", r->preempt_wait, err) == 0 &&
	    insert_hist(db, st, id, "sleep_ns", r->sleep, err) == 0 &&
	    insert_hist(db, st, id, "slice_ns", r->slice, err) == 0)
		ret = 0;
	sqlite3_finalize(st);
	return ret;
}

static int insert_tasks(struct ana_db *db, int64_t id, const struct ana_result *r, struct sr_error *err)
{
	sqlite3_stmt *st = prepare(db,
				   "INSERT INTO task (run_id, tid, tgid, comm, source, sleep_ns, wakeups,"
				   " switches_voluntary, max_latency_ns, cpu_ns, wait_ns, switches_involuntary,"
				   " migrations) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
				   err);
	int ret = st ? 0 : -1;

	for (size_t i = 0; ret == 0 && i < r->ntasks; i++) {
		const struct ana_task_row *t = &r->tasks[i];

		sqlite3_clear_bindings(st);
		sqlite3_bind_int64(st, 1, id);
		sqlite3_bind_int(st, 2, t->tid);
		if (t->tgid)
			sqlite3_bind_int(st, 3, t->tgid);
		sqlite3_bind_text(st, 4, t->comm, -1, SQLITE_STATIC);
		if (t->source != UINT32_MAX)
			sqlite3_bind_int64(st, 5, t->source);
		sqlite3_bind_int64(st, 6, clamp(t->sleep_ns));
		sqlite3_bind_int64(st, 7, clamp(t->wakeups));
		sqlite3_bind_int64(st, 8, clamp(t->voluntary));
		if (t->latencies)
			sqlite3_bind_int64(st, 9, clamp(t->max_latency_ns));
		if (!r->self) { /* what a replay that recorded itself cannot know */
			sqlite3_bind_int64(st, 10, clamp(t->cpu_ns));
			sqlite3_bind_int64(st, 11, clamp(t->wait_ns));
			sqlite3_bind_int64(st, 12, clamp(t->involuntary));
			sqlite3_bind_int64(st, 13, clamp(t->migrations));
		}
		ret = step(db, st, err);
	}
	sqlite3_finalize(st);
	return ret;
}

int ana_db_store(struct ana_db *db, struct ana_run *run, const struct ana_result *r, struct sr_error *err)
{
	if (run_sql(db, "store a run", "BEGIN IMMEDIATE", err) < 0)
		return -1;
	if (replace_recorded(db, run, err) == 0 && insert_run(db, run, r, err) == 0 &&
	    insert_metrics(db, run->id, r, err) == 0 && insert_hists(db, run->id, r, err) == 0 &&
	    insert_tasks(db, run->id, r, err) == 0 && run_sql(db, "store a run", "COMMIT", err) == 0)
		return 0;
	roll_back(db);
	return -1;
}

/* Copies a column's text; NULL stays NULL. -1: out of memory. */
static int copy_text(char **to, sqlite3_stmt *st, int column)
{
	const unsigned char *text = sqlite3_column_text(st, column);

	*to = NULL;
	if (!text)
		return sqlite3_column_type(st, column) == SQLITE_NULL ? 0 : -1;
	*to = strdup((const char *)text);
	return *to ? 0 : -1;
}

void ana_db_runs_release(struct ana_db_runs *runs)
{
	for (size_t i = 0; i < runs->n; i++) {
		free(runs->v[i].trace_sha256);
		free(runs->v[i].trace_name);
		for (size_t k = 0; k < ANA_IDENTITIES; k++)
			free(runs->v[i].identity[k]);
	}
	free(runs->v);
	memset(runs, 0, sizeof(*runs));
}

static int read_runs(struct ana_db *db, sqlite3_stmt *st, struct ana_db_runs *out, struct sr_error *err)
{
	size_t cap = 0;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct ana_db_run *run;

		if (ana_reserve(&out->v, &cap, out->n + 1, sizeof(*out->v), err) < 0)
			return -1;
		run = &out->v[out->n++];
		run->id = sqlite3_column_int64(st, 0);
		run->repeat = sqlite3_column_int64(st, 1);
		if (copy_text(&run->trace_sha256, st, 2) < 0 || copy_text(&run->trace_name, st, 3) < 0)
			return ana_no_memory(err);
		for (int k = 0; k < ANA_IDENTITIES; k++)
			if (copy_text(&run->identity[k], st, 4 + k) < 0)
				return ana_no_memory(err);
	}
	return rc == SQLITE_DONE ? 0 : failed(db, "read its runs", err);
}

const char *const ana_identity_columns[ANA_IDENTITIES] = { "policy",  "policy_options", "label", "engine",
							   "machine", "kernel",         "work",  "timing" };

int ana_db_select(struct ana_db *db, const struct ana_db_term *terms, size_t n, struct ana_db_runs *out,
		  struct sr_error *err)
{
	char sql[4096];
	size_t len;
	sqlite3_stmt *st;
	int ret;

	memset(out, 0, sizeof(*out));
	len = (size_t)snprintf(sql, sizeof(sql),
			       "SELECT id, repeat, trace_sha256, trace_name, %s, %s, %s, %s, %s, %s, %s,"
			       " %s FROM run WHERE 1",
			       ana_identity_columns[0], ana_identity_columns[1], ana_identity_columns[2],
			       ana_identity_columns[3], ana_identity_columns[4], ana_identity_columns[5],
			       ana_identity_columns[6], ana_identity_columns[7]);
	for (size_t i = 0; i < n && len < sizeof(sql); i++) {
		int k = (int)i + 1;

		if (!strcmp(terms[i].column, "trace"))
			len += (size_t)snprintf(sql + len, sizeof(sql) - len,
						" AND (trace_name = ?%d OR (length(?%d) >= 4 AND"
						" substr(trace_sha256, 1, length(?%d)) = ?%d))",
						k, k, k, k);
		else
			len += (size_t)snprintf(sql + len, sizeof(sql) - len, " AND coalesce(%s, '') = ?%d",
						terms[i].column, k);
	}
	if (len + sizeof(" ORDER BY id") >= sizeof(sql))
		return sr_fail(err, SR_USAGE, "a selector has too many parts");
	strcpy(sql + len, " ORDER BY id");
	st = prepare(db, sql, err);
	if (!st)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(terms[i].column, "id"))
			sqlite3_bind_int64(st, (int)i + 1, terms[i].number);
		else
			sqlite3_bind_text(st, (int)i + 1, terms[i].value, -1, SQLITE_STATIC);
	}
	ret = read_runs(db, st, out, err);
	sqlite3_finalize(st);
	if (ret < 0)
		ana_db_runs_release(out);
	return ret;
}

int ana_db_metrics(struct ana_db *db, int64_t id, struct ana_result *out, struct sr_error *err)
{
	sqlite3_stmt *st = prepare(db, "SELECT name, unit, value FROM metric WHERE run_id = ? ORDER BY name", err);
	int rc, ret = st ? 0 : -1;

	memset(out, 0, sizeof(*out));
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, id);
	while (ret == 0 && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		const char *name, *unit;

		if (rc != SQLITE_ROW) {
			ret = failed(db, "read its metrics", err);
			break;
		}
		name = (const char *)sqlite3_column_text(st, 0);
		unit = (const char *)sqlite3_column_text(st, 1);
		if (!name || !unit || strlen(name) >= sizeof(out->metrics->name) ||
		    strlen(unit) >= sizeof(out->metrics->unit))
			continue; /* of another version */
		ret = ana_set(out, name, unit, sqlite3_column_double(st, 2), err);
	}
	sqlite3_finalize(st);
	if (ret < 0)
		ana_result_release(out);
	return ret;
}

int ana_db_values(struct ana_db *db, const char *column, char *buf, size_t len, struct sr_error *err)
{
	char sql[160];
	sqlite3_stmt *st;
	size_t used = 0;
	int rc;

	snprintf(sql, sizeof(sql), "SELECT %s, count(*) FROM run WHERE %s IS NOT NULL GROUP BY 1 ORDER BY 1", column,
		 column);
	buf[0] = '\0';
	st = prepare(db, sql, err);
	if (!st)
		return -1;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(st, 0);
		int more = snprintf(buf + used, len - used, "%s%s", used ? ", " : "", text ? text : "?");

		if (more < 0 || (size_t)more >= len - used) {
			if (len > used + 4)
				strcpy(buf + used, "...");
			rc = SQLITE_DONE;
			break;
		}
		used += (size_t)more;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : failed(db, "read its runs", err);
}
