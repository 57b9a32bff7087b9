/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nights of one database in another: with their runs, once, all of them or none. */
#include "analyze/nightly_internal.h"

#include <stdio.h>
#include <string.h>

/* What a source has of nights, copied into temporary tables of the target. */
static const struct {
	const char *name, *columns, *index;
} parts[] = {
	{ "night", "id, label, spec, engine, kernel, rounds, started_at", "label" },
	{ "night_arm", "night_id, arm, name", "night_id" },
	{ "night_part", "night_id, shard, shards, started_at, finished_at", "night_id" },
	{ "night_trace", "night_id, sha256, name, failure, weight, traces", "night_id" },
	{ "night_round", "night_id, sha256, round, started_at, ended_at, host, noise", "night_id, sha256, round" },
	{ "night_run", "run, night_id, sha256, round, arm", "run" },
	{ "run", "id, uid, label, series, engine", "uid" },
	{ "change_point",
	  "trace_sha256, metric, engine, policy, policy_options, machine, sched_ext, night, found, p, before, after,"
	  " magnitude",
	  "trace_sha256" },
};
#define NPARTS (sizeof(parts) / sizeof(parts[0]))

static int copy_part(struct ana_db *to, struct ana_db *from, size_t i, struct sr_error *err)
{
	sqlite3_stmt *read, *write = NULL;
	char sql[512], marks[32] = "?";
	int n, rc, ret = -1;

	snprintf(sql, sizeof(sql), "CREATE TEMP TABLE from_%s AS SELECT %s FROM main.%s WHERE 0", parts[i].name,
		 parts[i].columns, parts[i].name);
	if (ana_db_run(to, "add nights to it", sql, err) < 0)
		return -1;
	snprintf(sql, sizeof(sql), "SELECT %s FROM %s", parts[i].columns, parts[i].name);
	read = ana_db_prepare(from, sql, err);
	if (!read)
		return -1;
	n = sqlite3_column_count(read);
	for (int k = 1; k < n; k++)
		strcat(marks, ",?");
	snprintf(sql, sizeof(sql), "INSERT INTO temp.from_%s VALUES (%s)", parts[i].name, marks);
	write = ana_db_prepare(to, sql, err);
	while (write && (rc = sqlite3_step(read)) != SQLITE_DONE) {
		if (rc != SQLITE_ROW) {
			ana_db_failed(from, "read its nights", err);
			goto out;
		}
		for (int k = 0; k < n; k++)
			sqlite3_bind_value(write, k + 1, sqlite3_column_value(read, k));
		if (sqlite3_step(write) != SQLITE_DONE) {
			ana_db_failed(to, "add nights to it", err);
			goto out;
		}
		sqlite3_reset(write);
	}
	if (!write)
		goto out;
	snprintf(sql, sizeof(sql), "CREATE INDEX temp.from_%s_at ON from_%s (%s)", parts[i].name, parts[i].name,
		 parts[i].index);
	ret = ana_db_run(to, "add nights to it", sql, err);
out:
	sqlite3_finalize(read);
	sqlite3_finalize(write);
	return ret;
}

/* The first label that each gives is why nothing is merged. */
static const struct {
	enum sr_status status;
	const char *sql, *subject, *why;
} refusals[] = {
	{ SR_DAMAGED,
	  "SELECT label FROM temp.from_night WHERE typeof(rounds) <> 'integer' OR rounds NOT BETWEEN 1 AND"
	  " " TO_TEXT(ANA_NIGHT_ROUNDS),
	  "its night", "has a number of rounds that no night has" },
	{ SR_USAGE,
	  "SELECT o.label FROM temp.from_night o JOIN main.night n ON n.label = o.label WHERE o.spec <> n.spec OR"
	  " o.engine <> n.engine OR o.rounds <> n.rounds OR EXISTS"
	  " (SELECT arm, name FROM temp.from_night_arm WHERE night_id = o.id EXCEPT"
	  " SELECT arm, name FROM main.night_arm WHERE night_id = n.id)",
	  "its night", "is another one than that of this label here" },
	/* Every shard knows all picks. Two samples of a corpus that grew in between are no whole: their weights say
	 * other things. */
	{ SR_USAGE,
	  "SELECT n.label FROM main.night n JOIN temp.from_night o ON o.label = n.label WHERE"
	  " EXISTS (SELECT 1 FROM main.night_trace WHERE night_id = n.id) AND EXISTS"
	  " (SELECT sha256, weight FROM temp.from_night_trace WHERE night_id = o.id AND weight IS NOT NULL EXCEPT"
	  " SELECT sha256, weight FROM main.night_trace WHERE night_id = n.id)",
	  "its night", "has another sample of the corpus, which has changed meanwhile" },
	/* A night's label selects its runs, and no others. */
	{ SR_USAGE,
	  "SELECT o.label FROM temp.from_night o WHERE EXISTS (SELECT 1 FROM main.run r WHERE r.label = o.label AND"
	  " r.engine <> 'recorded' AND r.id NOT IN (SELECT run FROM main.night_run) AND"
	  " r.uid NOT IN (SELECT uid FROM temp.from_run WHERE uid IS NOT NULL))",
	  "its night", "has a label that runs here have, too, which are no night's: merge into another database" },
	{ SR_USAGE,
	  "SELECT n.label FROM main.night n WHERE n.label NOT IN (SELECT label FROM temp.from_night) AND EXISTS"
	  " (SELECT 1 FROM temp.from_run x WHERE x.label = n.label AND x.engine <> 'recorded' AND"
	  " x.uid NOT IN (SELECT uid FROM main.run WHERE uid IS NOT NULL))",
	  "it has runs labelled", "that are no night's, and here that is a night: merge into another database" },
};

static int refuse(struct ana_db *to, const char *path, struct sr_error *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		sqlite3_stmt *st = ana_db_prepare(to, refusals[i].sql, err);
		int rc = st ? sqlite3_step(st) : SQLITE_DONE;

		ret = st ? 0 : -1;
		if (rc == SQLITE_ROW) {
			const char *label = (const char *)sqlite3_column_text(st, 0);

			ret = sr_fail(err, refusals[i].status, "%s: %s '%.100s' %s", path, refusals[i].subject,
				      label ? label : "", refusals[i].why);
		} else if (rc != SQLITE_DONE) {
			ret = ana_db_failed(to, "compare its nights", err);
		}
		sqlite3_finalize(st);
	}
	return ret;
}

static const char *const before_runs[] = {
	"INSERT OR IGNORE INTO main.night (label, spec, engine, kernel, rounds, started_at)"
	" SELECT label, spec, engine, kernel, rounds, started_at FROM temp.from_night ORDER BY id",
	"CREATE TEMP TABLE from_same AS SELECT o.id AS old, n.id AS new FROM temp.from_night o"
	" JOIN main.night n ON n.label = o.label",
	"UPDATE main.night SET started_at = min(started_at, (SELECT o.started_at FROM temp.from_night o WHERE o.label ="
	" night.label)) WHERE label IN (SELECT label FROM temp.from_night)",
	"INSERT OR IGNORE INTO main.night_arm (night_id, arm, name)"
	" SELECT s.new, a.arm, a.name FROM temp.from_night_arm a JOIN temp.from_same s ON s.old = a.night_id",
	"INSERT INTO main.night_trace (night_id, sha256, name, failure, weight, traces)"
	" SELECT s.new, t.sha256, t.name, t.failure, t.weight, t.traces FROM temp.from_night_trace t"
	" JOIN temp.from_same s ON s.old = t.night_id"
	" WHERE 1 ON CONFLICT DO UPDATE SET failure = coalesce(failure, excluded.failure)",
	"INSERT OR IGNORE INTO main.night_part (night_id, shard, shards, started_at, finished_at)"
	" SELECT s.new, p.shard, p.shards, p.started_at, p.finished_at FROM temp.from_night_part p"
	" JOIN temp.from_same s ON s.old = p.night_id",
	/* A shard is through when it is so anywhere. */
	"UPDATE main.night_part SET finished_at = p.finished_at, owner = NULL FROM temp.from_night_part p"
	" JOIN temp.from_same s ON s.old = p.night_id WHERE night_part.night_id = s.new AND night_part.shard = p.shard"
	" AND night_part.shards = p.shards AND night_part.finished_at IS NULL AND p.finished_at IS NOT NULL",
	/* Runs that are not to come: of a round that both have the other's, and what no round has taken over yet, which
	 * its night does or sweeps away. */
	"CREATE TEMP TABLE from_left_out (id INTEGER PRIMARY KEY, in_round INTEGER)",
	"INSERT OR IGNORE INTO temp.from_left_out SELECT q.run, 1 FROM temp.from_night_run q"
	" JOIN temp.from_same s ON s.old = q.night_id JOIN temp.from_run x ON x.id = q.run"
	" JOIN main.night_round m ON m.night_id = s.new AND m.sha256 = q.sha256 AND m.round = q.round"
	" WHERE NOT EXISTS (SELECT 1 FROM main.run r WHERE r.uid = x.uid)",
	"INSERT OR IGNORE INTO temp.from_left_out SELECT id, 0 FROM temp.from_run WHERE engine <> 'recorded' AND"
	" instr(label, '" ANA_TAG_MARK "') AND substr(label, 1, instr(label, '" ANA_TAG_MARK
	"') - 1) IN (SELECT label FROM temp.from_night)",
};

static const char *const after_runs[] = {
	/* Some may have come while they were under their tag. */
	"UPDATE main.run SET label = x.label, series = x.series FROM temp.from_run x"
	" JOIN temp.from_night_run o ON o.run = x.id WHERE x.uid = run.uid AND"
	" substr(run.label, 1, length(x.label) + 1) = x.label || '" ANA_TAG_MARK "'",
	/* A round comes whole, or not. */
	"INSERT INTO main.night_run (run, night_id, sha256, round, arm)"
	" SELECT r.id, s.new, o.sha256, o.round, o.arm FROM temp.from_night_run o"
	" JOIN temp.from_same s ON s.old = o.night_id"
	" JOIN temp.from_run x ON x.id = o.run JOIN main.run r ON r.uid = x.uid WHERE NOT EXISTS"
	" (SELECT 1 FROM main.night_round q WHERE q.night_id = s.new AND q.sha256 = o.sha256 AND q.round = o.round)",
	"INSERT OR IGNORE INTO main.night_round (night_id, sha256, round, started_at, ended_at, host, noise)"
	" SELECT s.new, o.sha256, o.round, o.started_at, o.ended_at, o.host, o.noise FROM temp.from_night_round o"
	" JOIN temp.from_same s ON s.old = o.night_id WHERE EXISTS (SELECT 1 FROM main.night_run q WHERE"
	" q.night_id = s.new AND q.sha256 = o.sha256 AND q.round = o.round)",
	"UPDATE main.night_trace SET failure = NULL WHERE failure IS NOT NULL AND (SELECT count(*) FROM night_round r"
	" WHERE r.night_id = night_trace.night_id AND r.sha256 = night_trace.sha256) ="
	" (SELECT rounds FROM night WHERE id = night_trace.night_id)",
	"UPDATE main.night SET finished_at = coalesce((SELECT max(r.ended_at) FROM main.night_round r WHERE"
	" r.night_id = night.id), started_at) WHERE finished_at IS NULL AND id IN (SELECT new FROM temp.from_same) AND"
	" EXISTS (SELECT 1 FROM main.night_trace t WHERE t.night_id = night.id) AND NOT EXISTS"
	" (SELECT 1 FROM main.night_trace t WHERE t.night_id = night.id AND t.failure IS NULL AND (SELECT count(*) FROM"
	" main.night_round r WHERE r.night_id = night.id AND r.sha256 = t.sha256) < night.rounds)",
	/* Told first is told by the earlier night. */
	"INSERT INTO main.change_point (trace_sha256, metric, engine, policy, policy_options, machine, sched_ext,"
	" night, found, p, before, after, magnitude)"
	" SELECT trace_sha256, metric, engine, policy, policy_options, machine, sched_ext,"
	" night, found, p, before, after, magnitude FROM temp.from_change_point"
	" WHERE 1 ON CONFLICT DO UPDATE SET found = excluded.found"
	" WHERE (SELECT started_at FROM main.night WHERE label = excluded.found) <"
	" (SELECT started_at FROM main.night WHERE label = change_point.found)",
};

static int run_each(struct ana_db *db, const char *const *sql, size_t n, struct sr_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (ana_db_run(db, "take another database's nights over", sql[i], err) < 0)
			return -1;
	return 0;
}

#define RUN_EACH(db, list, err) run_each(db, list, sizeof(list) / sizeof((list)[0]), err)

static int count(struct ana_db *db, const char *sql, size_t *n, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(db, sql, err);
	int rc = st ? sqlite3_step(st) : SQLITE_DONE;

	*n = rc == SQLITE_ROW ? (size_t)sqlite3_column_int64(st, 0) : 0;
	if (st && rc != SQLITE_ROW)
		ana_db_failed(db, "read its nights", err);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : -1;
}

static int count_all(struct ana_db *db, struct ana_db_merged *out, struct sr_error *err)
{
	if (count(db, "SELECT count(*) FROM main.night", &out->nights, err) < 0 ||
	    count(db, "SELECT count(*) FROM main.night_round", &out->rounds, err) < 0)
		return -1;
	return count(db, "SELECT count(*) FROM main.change_point", &out->changes, err);
}

int ana_nights_open(struct ana_db *to, struct ana_db *from, struct ana_db_merged *out, struct sr_error *err)
{
	for (size_t i = 0; i < NPARTS; i++)
		if (copy_part(to, from, i, err) < 0)
			return -1;
	if (count_all(to, out, err) < 0 || refuse(to, from->path, err) < 0)
		return -1;
	return RUN_EACH(to, before_runs, err);
}

int ana_nights_close(struct ana_db *to, struct ana_db_merged *out, struct sr_error *err)
{
	struct ana_db_merged now;
	char sql[64];

	if (RUN_EACH(to, after_runs, err) < 0 || count_all(to, &now, err) < 0 ||
	    count(to,
		  "SELECT count(*) FROM (SELECT DISTINCT night_id, sha256, round FROM temp.from_night_run WHERE run IN"
		  " (SELECT id FROM temp.from_left_out WHERE in_round))",
		  &out->rounds_left_out, err) < 0)
		return -1;
	out->nights = now.nights - out->nights;
	out->rounds = now.rounds - out->rounds;
	out->changes = now.changes - out->changes;
	for (size_t i = 0; i < NPARTS; i++) {
		snprintf(sql, sizeof(sql), "DROP TABLE temp.from_%s", parts[i].name);
		if (ana_db_run(to, "add nights to it", sql, err) < 0)
			return -1;
	}
	return ana_db_run(to, "add nights to it", "DROP TABLE temp.from_same; DROP TABLE temp.from_left_out", err);
}
