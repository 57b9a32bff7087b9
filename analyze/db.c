/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database. The one owner of sqlite3. */
#include "analyze/db_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_ID 0x53635263 /* "ScRc" */
#define BUSY_MS 60000             /* a writer of many may wait for all others, each with its disk */

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

	/* uid: ana_db_identify. noise: what an arm differs by from itself, one row a measurement and metric. */
	"ALTER TABLE run ADD COLUMN uid TEXT;"
	"ALTER TABLE run ADD COLUMN series TEXT;"
	"ALTER TABLE run ADD COLUMN arm TEXT;"
	"ALTER TABLE run ADD COLUMN looks INTEGER NOT NULL DEFAULT 1;"
	"CREATE UNIQUE INDEX run_uid ON run(uid);"
	"CREATE TABLE host ("
	" run_id INTEGER PRIMARY KEY REFERENCES run(id) ON DELETE CASCADE,"
	" machine_key TEXT, boot_id TEXT, kernel_version TEXT, cmdline_sha256 TEXT, cpu_model TEXT, microcode TEXT,"
	" governor TEXT, turbo TEXT, smt TEXT, aslr INTEGER, load1 REAL, temperature_c REAL);"
	"CREATE TABLE noise ("
	" uid TEXT NOT NULL, trace_sha256 TEXT NOT NULL, metric TEXT NOT NULL, machine_key TEXT,"
	" kernel TEXT, engine TEXT NOT NULL, policy TEXT NOT NULL, policy_options TEXT, work TEXT, timing TEXT,"
	" rounds INTEGER NOT NULL, shift REAL NOT NULL, lo REAL NOT NULL, hi REAL NOT NULL, floor REAL NOT NULL,"
	" measured_at TEXT NOT NULL,"
	" PRIMARY KEY (uid, metric)) WITHOUT ROWID;"
	"CREATE INDEX noise_trace ON noise(trace_sha256, metric);",

	/* Nights (nightly.h): what is to be done, and what of it is done. */
	"CREATE TABLE night ("
	" id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, engine TEXT NOT NULL,"
	" kernel TEXT NOT NULL, rounds INTEGER NOT NULL, started_at TEXT NOT NULL, finished_at TEXT);"
	"CREATE TABLE night_arm ("
	" night_id INTEGER NOT NULL REFERENCES night(id) ON DELETE CASCADE, arm INTEGER NOT NULL, name TEXT NOT NULL,"
	" PRIMARY KEY (night_id, arm)) WITHOUT ROWID;"
	"CREATE TABLE night_part ("
	" night_id INTEGER NOT NULL REFERENCES night(id) ON DELETE CASCADE, shard INTEGER NOT NULL,"
	" shards INTEGER NOT NULL, owner TEXT, started_at TEXT NOT NULL, finished_at TEXT,"
	" PRIMARY KEY (night_id, shard, shards)) WITHOUT ROWID;"
	"CREATE TABLE night_trace ("
	" night_id INTEGER NOT NULL REFERENCES night(id) ON DELETE CASCADE, sha256 TEXT NOT NULL, name TEXT NOT NULL,"
	" failure TEXT, PRIMARY KEY (night_id, sha256)) WITHOUT ROWID;"
	"CREATE TABLE night_round ("
	" night_id INTEGER NOT NULL REFERENCES night(id) ON DELETE CASCADE, sha256 TEXT NOT NULL,"
	" round INTEGER NOT NULL, started_at TEXT NOT NULL, ended_at TEXT NOT NULL, host TEXT, noise TEXT,"
	" PRIMARY KEY (night_id, sha256, round)) WITHOUT ROWID;"
	"CREATE TABLE night_run ("
	" run INTEGER PRIMARY KEY REFERENCES run(id) ON DELETE CASCADE,"
	" night_id INTEGER NOT NULL REFERENCES night(id) ON DELETE CASCADE, sha256 TEXT NOT NULL,"
	" round INTEGER NOT NULL, arm INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX night_run_at ON night_run(night_id, sha256, round, arm);"
	"CREATE INDEX night_run_trace ON night_run(sha256);"
	"CREATE TABLE change_point ("
	" trace_sha256 TEXT NOT NULL, metric TEXT NOT NULL, engine TEXT NOT NULL, policy TEXT NOT NULL,"
	" policy_options TEXT NOT NULL, machine TEXT NOT NULL, night TEXT NOT NULL, found TEXT NOT NULL,"
	" p REAL NOT NULL, before REAL NOT NULL, after REAL NOT NULL, magnitude REAL,"
	" PRIMARY KEY (trace_sha256, metric, engine, policy, policy_options, machine, night)) WITHOUT ROWID;"
	"CREATE INDEX run_label ON run(label);",

	/* Of a sample (corpus/sample.h): what a trace weighs, and how many it stands for. NULL: no sample. */
	"ALTER TABLE night_trace ADD COLUMN weight REAL; ALTER TABLE night_trace ADD COLUMN traces INTEGER;",

	/* Of a task what a person feels; NULL: no frames, or not known. Floors by arm: that of an older one is known by
	 * the run that began when it was measured, "aa 1" and the arm. Change points of a BPF scheduler are its own. */
	"ALTER TABLE task ADD COLUMN interactive INTEGER; ALTER TABLE task ADD COLUMN longest_stall_ns INTEGER;"
	"ALTER TABLE task ADD COLUMN period_ns INTEGER; ALTER TABLE task ADD COLUMN frames INTEGER;"
	"ALTER TABLE task ADD COLUMN frames_late INTEGER; ALTER TABLE task ADD COLUMN frames_late_by_wait INTEGER;"
	"ALTER TABLE task ADD COLUMN missed_periods INTEGER; ALTER TABLE task ADD COLUMN worst_frame_ns INTEGER;"
	"ALTER TABLE noise ADD COLUMN sched_ext TEXT; ALTER TABLE noise ADD COLUMN arm TEXT;"
	"UPDATE noise SET arm = (SELECT nullif(substr(r.arm, 6), '') FROM run r WHERE r.arm LIKE 'aa 1%'"
	" AND r.started_at = measured_at AND r.trace_sha256 = noise.trace_sha256 AND r.policy = noise.policy"
	" AND r.policy_options IS noise.policy_options LIMIT 1);"
	"CREATE TABLE change_point_by_scheduler ("
	" trace_sha256 TEXT NOT NULL, metric TEXT NOT NULL, engine TEXT NOT NULL, policy TEXT NOT NULL,"
	" policy_options TEXT NOT NULL, machine TEXT NOT NULL, sched_ext TEXT NOT NULL, night TEXT NOT NULL,"
	" found TEXT NOT NULL, p REAL NOT NULL, before REAL NOT NULL, after REAL NOT NULL, magnitude REAL,"
	" PRIMARY KEY (trace_sha256, metric, engine, policy, policy_options, machine, sched_ext, night)) WITHOUT ROWID;"
	"INSERT INTO change_point_by_scheduler SELECT trace_sha256, metric, engine, policy, policy_options, machine, "
	"'',"
	" night, found, p, before, after, magnitude FROM change_point;"
	"DROP TABLE change_point; ALTER TABLE change_point_by_scheduler RENAME TO change_point;",
};
#define WITH_UID 2 /* the version that identifies runs */
#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

/* The text of what sqlite says, with the status that it means. */
int ana_db_failed(struct ana_db *db, const char *doing, struct sr_error *err)
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

int ana_db_run(struct ana_db *db, const char *doing, const char *sql, struct sr_error *err)
{
	return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : ana_db_failed(db, doing, err);
}

static int read_number(struct ana_db *db, const char *sql, int64_t *value, struct sr_error *err)
{
	sqlite3_stmt *st = NULL;
	int ret = -1;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
		*value = sqlite3_column_int64(st, 0);
		ret = 0;
	} else {
		ana_db_failed(db, "read it", err);
	}
	sqlite3_finalize(st);
	return ret;
}

void ana_db_roll_back(struct ana_db *db)
{
	if (!sqlite3_get_autocommit(db->sql))
		sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

static int migrate(struct ana_db *db, struct sr_error *err)
{
	char mark[96];
	int64_t version;

	if (ana_db_run(db, "write it", "BEGIN IMMEDIATE", err) < 0)
		return -1;
	/* Another process may have been faster. */
	if (read_number(db, "PRAGMA user_version", &version, err) < 0)
		goto fail;
	for (; version < VERSION; version++)
		if (ana_db_run(db, "bring its tables up to date", migrations[version], err) < 0 ||
		    (version + 1 == WITH_UID && ana_db_identify(db, err) < 0))
			goto fail;
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", APPLICATION_ID,
		 VERSION);
	if (ana_db_run(db, "bring its tables up to date", mark, err) == 0)
		return 0;
fail:
	ana_db_roll_back(db);
	return -1;
}

int ana_db_check(struct ana_db *db, bool create, struct sr_error *err)
{
	int64_t version, application, tables;

	/* One look: another process may be making the tables at this moment. */
	if (ana_db_run(db, "read it", "BEGIN", err) < 0)
		return -1;
	if (read_number(db, "SELECT count(*) FROM sqlite_master", &tables, err) < 0 ||
	    read_number(db, "PRAGMA user_version", &version, err) < 0 ||
	    read_number(db, "PRAGMA application_id", &application, err) < 0) {
		ana_db_roll_back(db);
		return -1;
	}
	if (ana_db_run(db, "read it", "COMMIT", err) < 0)
		return -1;
	if (version == 0 && application == 0 && tables == 0) {
		if (!create)
			return sr_fail(err, SR_DAMAGED, "%s: an empty database: nothing was ever stored in it",
				       db->path);
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
		ana_db_failed(db, create ? "open or create it" : "open it", err);
		goto fail;
	}
	sqlite3_busy_timeout(db->sql, BUSY_MS);
	if (ana_db_run(db, "open it", "PRAGMA foreign_keys = ON", err) == 0 && ana_db_check(db, create, err) == 0) {
		/* Not on every file system, and not while another process is at it; it works without, only with less
		 * concurrency. */
		if (create)
			sqlite3_exec(db->sql, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
		return db;
	}
fail:
	ana_db_close(db);
	return NULL;
}

void ana_db_close(struct ana_db *db)
{
	if (!db)
		return;
	sqlite3_finalize(db->metrics);
	sqlite3_close(db->sql);
	free(db->path);
	free(db);
}

sqlite3_stmt *ana_db_prepare(struct ana_db *db, const char *sql, struct sr_error *err)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &st, NULL) != SQLITE_OK)
		ana_db_failed(db, "use its tables", err);
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
		ana_db_failed(db, "store a run", err);
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
	st = ana_db_prepare(
		db, "DELETE FROM run WHERE engine = 'recorded' AND trace_sha256 = ?1 AND label IS ?2 RETURNING id",
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
		ana_db_failed(db, "store a run", err);
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
				run->schedrec_version,
				run->series,
				run->arm,
				run->uid };
	const int ntexts = sizeof(texts) / sizeof(texts[0]);
	sqlite3_stmt *st =
		ana_db_prepare(db,
			       "INSERT INTO run (trace_sha256, trace_name, label, engine, policy, policy_options,"
			       " machine, kernel, sched_ext, work, timing, host, started_at, schedrec_version,"
			       " series, arm, uid, repeat, order_slot, lost_events, repaired, censored, looks, id)"
			       " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
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
	sqlite3_bind_int(st, ntexts + 6, run->looks > 1 ? run->looks : 1);
	if (run->id)
		sqlite3_bind_int64(st, ntexts + 7, run->id);
	ret = step(db, st, err);
	sqlite3_finalize(st);
	if (ret == 0)
		run->id = sqlite3_last_insert_rowid(db->sql);
	return ret;
}

static void bind_known(sqlite3_stmt *st, int at, const char *text)
{
	if (*text)
		sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static int insert_host(struct ana_db *db, int64_t id, const struct ana_host *h, struct sr_error *err)
{
	sqlite3_stmt *st;
	int ret;

	if (!h)
		return 0;
	st = ana_db_prepare(db,
			    "INSERT INTO host (run_id, machine_key, boot_id, kernel_version, cmdline_sha256, cpu_model,"
			    " microcode, governor, turbo, smt, aslr, load1, temperature_c)"
			    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
			    err);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, id);
	bind_known(st, 2, h->machine_key);
	bind_known(st, 3, h->boot_id);
	bind_known(st, 4, h->kernel_version);
	bind_known(st, 5, h->cmdline_sha256);
	bind_known(st, 6, h->cpu_model);
	bind_known(st, 7, h->microcode);
	bind_known(st, 8, h->governor);
	bind_known(st, 9, h->turbo);
	bind_known(st, 10, h->smt);
	if (h->aslr >= 0)
		sqlite3_bind_int(st, 11, h->aslr);
	if (isfinite(h->load1))
		sqlite3_bind_double(st, 12, h->load1);
	if (isfinite(h->temperature_c))
		sqlite3_bind_double(st, 13, h->temperature_c);
	ret = step(db, st, err);
	sqlite3_finalize(st);
	return ret;
}

static int insert_metrics(struct ana_db *db, int64_t id, const struct ana_result *r, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(db, "INSERT INTO metric (run_id, name, unit, value) VALUES (?,?,?,?)", err);
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
	sqlite3_stmt *st = ana_db_prepare(db,
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

/* What a person feels of it: frames where it is periodic, stalls where waits are known. */
static void bind_felt(sqlite3_stmt *st, const struct ana_result *r, const struct ana_task_row *t)
{
	const struct ana_frames *f = &t->frames;

	if (!r->self) {
		sqlite3_bind_int(st, 14, t->interactive);
		sqlite3_bind_int64(st, 15, clamp(t->stall_ns));
	}
	if (!f->period_ns)
		return;
	if (!r->self)
		sqlite3_bind_int64(st, 16, clamp(f->late_by_wait));
	sqlite3_bind_int64(st, 17, clamp(f->period_ns));
	sqlite3_bind_int64(st, 18, clamp(f->n));
	sqlite3_bind_int64(st, 19, clamp(f->late));
	sqlite3_bind_int64(st, 20, clamp(f->missed));
	sqlite3_bind_int64(st, 21, clamp(f->worst_ns));
}

static int insert_tasks(struct ana_db *db, int64_t id, const struct ana_result *r, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(db,
					  "INSERT INTO task (run_id, tid, tgid, comm, source, sleep_ns, wakeups,"
					  " switches_voluntary, max_latency_ns, cpu_ns, wait_ns, switches_involuntary,"
					  " migrations, interactive, longest_stall_ns, frames_late_by_wait, period_ns,"
					  " frames, frames_late, missed_periods, worst_frame_ns)"
					  " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
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
		bind_felt(st, r, t);
		ret = step(db, st, err);
	}
	sqlite3_finalize(st);
	return ret;
}

int ana_db_store(struct ana_db *db, struct ana_run *run, const struct ana_result *r, struct sr_error *err)
{
	if (run->engine && !strcmp(run->engine, "recorded") && run->trace_sha256)
		ana_db_recorded_uid(run->trace_sha256, run->label, run->uid);
	else
		ana_new_id(run->uid);
	if (!*run->uid)
		return ana_no_memory(err);
	if (ana_db_run(db, "store a run", "BEGIN IMMEDIATE", err) < 0)
		return -1;
	if (replace_recorded(db, run, err) == 0 && insert_run(db, run, r, err) == 0 &&
	    insert_host(db, run->id, run->conditions, err) == 0 && insert_metrics(db, run->id, r, err) == 0 &&
	    insert_hists(db, run->id, r, err) == 0 && insert_tasks(db, run->id, r, err) == 0 &&
	    ana_db_run(db, "store a run", "COMMIT", err) == 0)
		return 0;
	ana_db_roll_back(db);
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

void ana_db_run_release(struct ana_db_run *run)
{
	free(run->trace_sha256);
	free(run->trace_name);
	free(run->series);
	for (size_t k = 0; k < ANA_IDENTITIES; k++)
		free(run->identity[k]);
	for (size_t k = 0; k < ANA_HOSTS; k++)
		free(run->host[k]);
}

void ana_db_runs_release(struct ana_db_runs *runs)
{
	for (size_t i = 0; i < runs->n; i++)
		ana_db_run_release(&runs->v[i]);
	free(runs->v);
	memset(runs, 0, sizeof(*runs));
}

static int read_run(sqlite3_stmt *st, struct ana_db_run *run)
{
	int at = 0;

	run->id = sqlite3_column_int64(st, at++);
	run->repeat = sqlite3_column_int64(st, at++);
	run->order_slot = sqlite3_column_int64(st, at++);
	run->looks = sqlite3_column_int64(st, at++);
	run->started = sqlite3_column_type(st, at) == SQLITE_FLOAT ? sqlite3_column_double(st, at) : NAN;
	at++;
	if (copy_text(&run->trace_sha256, st, at++) < 0 || copy_text(&run->trace_name, st, at++) < 0 ||
	    copy_text(&run->series, st, at++) < 0)
		return -1;
	for (size_t k = 0; k < ANA_IDENTITIES; k++)
		if (copy_text(&run->identity[k], st, at++) < 0)
			return -1;
	for (size_t k = 0; k < ANA_HOSTS; k++)
		if (copy_text(&run->host[k], st, at++) < 0)
			return -1;
	return 0;
}

static int read_runs(struct ana_db *db, sqlite3_stmt *st, struct ana_db_runs *out, struct sr_error *err)
{
	size_t cap = 0;
	int rc;

	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (ana_reserve(&out->v, &cap, out->n + 1, sizeof(*out->v), err) < 0)
			return -1;
		if (read_run(st, &out->v[out->n++]) < 0)
			return ana_no_memory(err);
	}
	return rc == SQLITE_DONE ? 0 : ana_db_failed(db, "read its runs", err);
}

const char *const ana_identity_columns[ANA_IDENTITIES] = { "policy", "policy_options", "label", "engine", "machine",
							   "kernel", "sched_ext",      "work",  "timing", "arm" };

int ana_db_select(struct ana_db *db, const struct ana_db_term *terms, size_t n, struct ana_db_runs *out,
		  struct sr_error *err)
{
	char sql[4096];
	size_t len;
	sqlite3_stmt *st;
	int ret;

	memset(out, 0, sizeof(*out));
	len = (size_t)snprintf(sql, sizeof(sql),
			       "SELECT id, repeat, order_slot, looks,"
			       " (julianday(started_at) - 2440587.5) * 86400, trace_sha256,"
			       " trace_name, series");
	for (size_t k = 0; k < ANA_IDENTITIES; k++)
		len += (size_t)snprintf(sql + len, sizeof(sql) - len, ", run.%s", ana_identity_columns[k]);
	len += (size_t)snprintf(sql + len, sizeof(sql) - len,
				", machine_key, boot_id, cmdline_sha256, microcode, governor, turbo, smt, aslr"
				" FROM run LEFT JOIN host ON run_id = id WHERE 1");
	for (size_t i = 0; i < n && len < sizeof(sql); i++) {
		int k = (int)i + 1;

		if (!strcmp(terms[i].column, "trace"))
			len += (size_t)snprintf(sql + len, sizeof(sql) - len,
						" AND (trace_name = ?%d OR (length(?%d) >= 4 AND"
						" substr(trace_sha256, 1, length(?%d)) = ?%d))",
						k, k, k, k);
		else
			len += (size_t)snprintf(sql + len, sizeof(sql) - len, " AND coalesce(run.%s, '') = ?%d",
						terms[i].column, k);
	}
	if (len + sizeof(" ORDER BY id") >= sizeof(sql))
		return sr_fail(err, SR_USAGE, "a selector has too many parts");
	strcpy(sql + len, " ORDER BY id");
	st = ana_db_prepare(db, sql, err);
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
	sqlite3_stmt *st = db->metrics;
	int rc, ret = 0;

	memset(out, 0, sizeof(*out));
	if (!st)
		st = db->metrics =
			ana_db_prepare(db, "SELECT name, unit, value FROM metric WHERE run_id = ? ORDER BY name", err);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, id);
	while (ret == 0 && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		const char *name, *unit;

		if (rc != SQLITE_ROW) {
			ret = ana_db_failed(db, "read its metrics", err);
			break;
		}
		name = (const char *)sqlite3_column_text(st, 0);
		unit = (const char *)sqlite3_column_text(st, 1);
		if (!name || !unit || strlen(name) >= sizeof(out->metrics->name) ||
		    strlen(unit) >= sizeof(out->metrics->unit))
			continue; /* of another version */
		ret = ana_set(out, name, unit, sqlite3_column_double(st, 2), err);
	}
	sqlite3_reset(st);
	if (ret < 0)
		ana_result_release(out);
	return ret;
}

int ana_db_metrics_of(struct ana_db *db, const struct ana_db_runs *runs, struct ana_result *out, struct sr_error *err)
{
	/* In one transaction: else each run's would look at the file, its locks and its journal anew. */
	bool own = sqlite3_get_autocommit(db->sql);
	int ret = own ? ana_db_run(db, "read it", "BEGIN", err) : 0;

	for (size_t i = 0; ret == 0 && i < runs->n; i++)
		ret = ana_db_metrics(db, runs->v[i].id, &out[i], err);
	if (own && !sqlite3_get_autocommit(db->sql))
		sqlite3_exec(db->sql, "COMMIT", NULL, NULL, NULL);
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
	st = ana_db_prepare(db, sql, err);
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
	return rc == SQLITE_DONE ? 0 : ana_db_failed(db, "read its runs", err);
}

int ana_db_each(struct ana_db *db, const char *sql, ana_db_row_fn fn, void *arg, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(db, sql, err);
	int rc = SQLITE_DONE, ret = st ? 0 : -1;

	while (ret == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
		if (fn)
			ret = fn(arg, (const struct ana_db_row *)st, err);
	if (ret == 0 && rc != SQLITE_DONE)
		ret = ana_db_failed(db, "read it", err);
	sqlite3_finalize(st);
	return ret;
}

const char *ana_db_row_text(const struct ana_db_row *row, int column)
{
	return (const char *)sqlite3_column_text((sqlite3_stmt *)row, column);
}

int64_t ana_db_row_int(const struct ana_db_row *row, int column)
{
	return sqlite3_column_int64((sqlite3_stmt *)row, column);
}

double ana_db_row_real(const struct ana_db_row *row, int column)
{
	sqlite3_stmt *st = (sqlite3_stmt *)row;

	return sqlite3_column_type(st, column) == SQLITE_NULL ? NAN : sqlite3_column_double(st, column);
}
