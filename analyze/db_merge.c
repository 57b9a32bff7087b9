/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Noise floors in the database, and one database added to another. */
#include "analyze/nightly_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- noise floors ---- */

/* Of "aa 1 cpus=0" what the arm is: cpus=0. NULL: a plain one. */
static const char *own_arm(const char *arm)
{
	const char *rest = arm;

	if (ana_arm_is_aa(arm)) {
		rest = strchr(arm + strlen(ANA_ARM_AA), ' ');
		rest = rest ? rest + 1 : NULL;
	}
	return rest && *rest ? rest : NULL;
}

static int insert_noise(struct ana_db *db, sqlite3_stmt *st, const char *uid, const struct ana_run *arm,
			const struct ana_cell *c, struct sr_error *err)
{
	const char *texts[] = { uid,
				arm->trace_sha256,
				c->metric,
				arm->conditions && *arm->conditions->machine_key ? arm->conditions->machine_key : NULL,
				arm->kernel,
				arm->engine,
				arm->policy,
				arm->policy_options,
				arm->work,
				arm->timing,
				arm->started_at,
				arm->sched_ext && *arm->sched_ext ? arm->sched_ext : NULL,
				own_arm(arm->arm) };
	const int n = sizeof(texts) / sizeof(texts[0]);
	double least = c->s.verdict == ANA_IDENTICAL ? 0 : fmax(fabs(c->s.lo), fabs(c->s.hi));

	/* Rounds that are equal but for their step have a noise that is not 0, and not known. */
	if (!isfinite(least) || (c->s.equal && c->s.verdict != ANA_IDENTICAL))
		return 0;
	for (int i = 0; i < n; i++)
		sqlite3_bind_text(st, i + 1, texts[i], -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, n + 1, (sqlite3_int64)c->s.rounds);
	sqlite3_bind_double(st, n + 2, c->s.shift);
	sqlite3_bind_double(st, n + 3, c->s.lo);
	sqlite3_bind_double(st, n + 4, c->s.hi);
	sqlite3_bind_double(st, n + 5, least);
	if (sqlite3_step(st) != SQLITE_DONE)
		return ana_db_failed(db, "store a noise floor", err);
	sqlite3_reset(st);
	return 0;
}

int ana_db_store_noise(struct ana_db *db, const struct ana_run *arm, const struct ana_comparison *aa,
		       struct sr_error *err)
{
	char uid[33];
	sqlite3_stmt *st;
	int ret = 0;

	ana_new_id(uid);
	if (ana_db_run(db, "store a noise floor", "BEGIN IMMEDIATE", err) < 0)
		return -1;
	st = ana_db_prepare(db,
			    "INSERT INTO noise (uid, trace_sha256, metric, machine_key, kernel, engine, policy,"
			    " policy_options, work, timing, measured_at, sched_ext, arm, rounds, shift, lo, hi, floor)"
			    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			    err);
	if (!st)
		ret = -1;
	for (size_t i = 0; ret == 0 && i < aa->ncells; i++)
		if (aa->cells[i].s.rounds >= ANA_MIN_ROUNDS)
			ret = insert_noise(db, st, uid, arm, &aa->cells[i], err);
	sqlite3_finalize(st);
	if (ret == 0)
		ret = ana_db_run(db, "store a noise floor", "COMMIT", err);
	if (ret < 0)
		ana_db_roll_back(db);
	return ret;
}

int ana_db_floor(struct ana_db *db, const struct ana_db_run *run, const char *metric, double *least,
		 struct sr_error *err)
{
	/* With max() alone the other columns are those of its row: the last measurement of each arm. */
	sqlite3_stmt *st = ana_db_prepare(
		db,
		"WITH f AS (SELECT floor, policy, coalesce(policy_options, '') AS options, coalesce(work, '') AS work,"
		" coalesce(timing, '') AS timing, coalesce(kernel, '') AS kernel, coalesce(sched_ext, '') AS scx,"
		" max(measured_at) FROM noise WHERE trace_sha256 = ?1 AND metric = ?2 AND engine IS ?3"
		" AND machine_key IS ?4 AND coalesce(arm, '') = coalesce(?11, '') GROUP BY 2, 3, 4, 5, 6, 7)"
		" SELECT floor FROM f ORDER BY policy IS ?5 AND options = coalesce(?6, '') DESC,"
		" work = coalesce(?7, '') AND timing = coalesce(?8, '') DESC,"
		" kernel = coalesce(?9, '') AND scx = coalesce(?10, '') DESC, floor DESC LIMIT 1",
		err);
	const char *texts[] = { run->trace_sha256,
				metric,
				run->identity[ANA_ID_ENGINE],
				run->host[ANA_HOST_MACHINE],
				run->identity[ANA_ID_POLICY],
				run->identity[ANA_ID_OPTIONS],
				run->identity[ANA_ID_WORK],
				run->identity[ANA_ID_TIMING],
				run->identity[ANA_ID_KERNEL],
				run->identity[ANA_ID_SCHED_EXT],
				own_arm(run->identity[ANA_ID_ARM]) };
	int rc;

	*least = 0;
	if (!st)
		return -1;
	for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
		sqlite3_bind_text(st, i + 1, texts[i], -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*least = sqlite3_column_double(st, 0);
	else if (rc != SQLITE_DONE)
		ana_db_failed(db, "read its noise floors", err);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

/* ---- one database into another ---- */

bool ana_db_is(const char *path)
{
	char head[16];
	FILE *f = fopen(path, "re");
	bool is = f && fread(head, 1, sizeof(head), f) == sizeof(head) &&
		  !memcmp(head, "SQLite format 3", sizeof(head));

	if (f)
		fclose(f);
	return is;
}

#define COPY_NAP_MS 20
#define COPY_TRIES 3000 /* a minute: as long as a writer waits */

/* A copy of the source, which stays as it is: it may be of an older version, or not ours to write. */
static struct ana_db *open_copy(const char *path, struct sr_error *err)
{
	struct ana_db *from = calloc(1, sizeof(*from)), *copy = calloc(1, sizeof(*copy));
	sqlite3_backup *b = NULL;
	int ret = -1, rc;

	if (!from || !copy || !(from->path = strdup(path)) || !(copy->path = strdup(path))) {
		ana_no_memory(err);
	} else if (sqlite3_open_v2(path, &from->sql, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		ana_db_failed(from, "open it", err);
	} else if (sqlite3_open_v2("", &copy->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
		ana_db_failed(copy, "copy it", err);
	} else {
		b = sqlite3_backup_init(copy->sql, "main", from->sql, "main");
		for (int tries = 0; b && tries < COPY_TRIES; tries++) {
			rc = sqlite3_backup_step(b, -1);
			if (rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
				break;
			sqlite3_sleep(COPY_NAP_MS);
		}
		if (!b || sqlite3_backup_finish(b) != SQLITE_OK)
			ana_db_failed(copy, "copy it", err);
		else if (ana_db_check(copy, false, err) == 0 && ana_db_identify(copy, err) == 0)
			ret = 0;
	}
	ana_db_close(from);
	if (ret == 0)
		return copy;
	ana_db_close(copy);
	return NULL;
}

#define MAX_COLUMNS 64

/* A table whose rows are copied: the statements that read it in the source and write it in the target, columns alike. */
struct table {
	sqlite3_stmt *read, *write;
	int key; /* column that is the run's id and becomes another; -1: none */
};

static void finalize_table(struct table *t)
{
	sqlite3_finalize(t->read);
	sqlite3_finalize(t->write);
}

struct columns {
	char list[MAX_COLUMNS * 70], marks[2 * MAX_COLUMNS + 8]; /* "a","b" and ?,? */
	int key;                                                 /* which of them is run_id; -1: none */
};

/* A table's columns but skip. */
static int list_columns(struct ana_db *db, const char *name, const char *skip, struct columns *out,
			struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(db, "SELECT name FROM pragma_table_info(?)", err);
	size_t used = 0;
	int rc, n = 0;

	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	out->key = -1;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && n < MAX_COLUMNS) {
		const char *column = (const char *)sqlite3_column_text(st, 0);

		if (!column || strlen(column) > 64 || strchr(column, '"'))
			break;
		if (skip && !strcmp(column, skip))
			continue;
		if (!strcmp(column, "run_id"))
			out->key = n;
		used += (size_t)snprintf(out->list + used, sizeof(out->list) - used, "%s\"%s\"", n ? "," : "", column);
		snprintf(out->marks + (n ? 2 * n - 1 : 0), 3, "%s", n ? ",?" : "?");
		n++;
	}
	sqlite3_finalize(st);
	if (rc != SQLITE_DONE || !n)
		return sr_fail(err, SR_DAMAGED, "%s: the table %s is not schedrec's", db->path, name);
	return 0;
}

/* head: what is read in front of the columns that are written. */
static int open_table(struct ana_db *from, struct ana_db *to, const char *name, const char *skip, const char *head,
		      const char *where, const char *conflict, struct table *t, struct sr_error *err)
{
	struct columns c;
	char *sql = NULL;

	memset(t, 0, sizeof(*t));
	if (list_columns(to, name, skip, &c, err) < 0)
		return -1;
	t->key = c.key;
	if (asprintf(&sql, "SELECT %s%s FROM \"%s\" %s", head, c.list, name, where) < 0)
		return ana_no_memory(err);
	t->read = ana_db_prepare(from, sql, err);
	free(sql);
	if (!t->read)
		return -1;
	if (asprintf(&sql, "INSERT INTO \"%s\" (%s) VALUES (%s) %s", name, c.list, c.marks, conflict) < 0)
		return ana_no_memory(err);
	t->write = ana_db_prepare(to, sql, err);
	free(sql);
	return t->write ? 0 : -1;
}

/* Copies the rows that read gives; *added: those that were not there yet. */
static int copy_rows(struct ana_db *from, struct ana_db *to, const struct table *t, int64_t key, size_t *added,
		     struct sr_error *err)
{
	int rc;

	while ((rc = sqlite3_step(t->read)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(t->read); i++)
			if (i == t->key)
				sqlite3_bind_int64(t->write, i + 1, key);
			else
				sqlite3_bind_value(t->write, i + 1, sqlite3_column_value(t->read, i));
		if (sqlite3_step(t->write) != SQLITE_DONE)
			return ana_db_failed(to, "add a run", err);
		*added += sqlite3_changes(to->sql) > 0;
		sqlite3_reset(t->write);
	}
	sqlite3_reset(t->read);
	return rc == SQLITE_DONE ? 0 : ana_db_failed(from, "read its runs", err);
}

#define MAX_TABLES 32

struct merge {
	struct ana_db *from, *to;
	struct table run, noise, part[MAX_TABLES];
	size_t nparts;
	sqlite3_stmt *left_out; /* is this run, by its id in the source, not to come? */
};

/* Every table with a run_id belongs to its run; those that later versions add too. */
static int open_parts(struct merge *m, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(m->to,
					  "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c"
					  " WHERE m.type = 'table' AND c.name = 'run_id' ORDER BY 1",
					  err);
	int rc, ret = st ? 0 : -1;

	while (ret == 0 && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		const char *name = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;

		if (!name)
			ret = ana_db_failed(m->to, "read its tables", err);
		else if (m->nparts == MAX_TABLES)
			ret = sr_fail(err, SR_DAMAGED, "%s: too many tables", m->to->path);
		else
			ret = open_table(m->from, m->to, name, NULL, "", "WHERE run_id = ?1", "", &m->part[m->nparts++],
					 err);
	}
	sqlite3_finalize(st);
	return ret;
}

/* 1: it is. */
static int is_left_out(struct merge *m, int64_t id, struct sr_error *err)
{
	int rc;

	sqlite3_bind_int64(m->left_out, 1, id);
	rc = sqlite3_step(m->left_out);
	sqlite3_reset(m->left_out);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return rc == SQLITE_ROW;
	return ana_db_failed(m->to, "add a run", err);
}

static int merge_run(struct merge *m, struct ana_db_merged *out, struct sr_error *err)
{
	int64_t id = sqlite3_column_int64(m->run.read, 0), new_id;
	int n = sqlite3_column_count(m->run.read), ret = is_left_out(m, id, err);
	size_t ignored = 0;

	if (ret)
		return ret < 0 ? -1 : 0;
	/* The first column is the source's own id, for its parts only. */
	for (int i = 1; i < n; i++)
		sqlite3_bind_value(m->run.write, i, sqlite3_column_value(m->run.read, i));
	if (sqlite3_step(m->run.write) != SQLITE_DONE)
		return ana_db_failed(m->to, "add a run", err);
	sqlite3_reset(m->run.write);
	if (!sqlite3_changes(m->to->sql)) {
		out->runs_there++;
		return 0;
	}
	new_id = sqlite3_last_insert_rowid(m->to->sql);
	out->runs++;
	for (size_t i = 0; i < m->nparts; i++) {
		sqlite3_bind_int64(m->part[i].read, 1, id);
		if (copy_rows(m->from, m->to, &m->part[i], new_id, &ignored, err) < 0)
			return -1;
	}
	return 0;
}

static int merge_all(struct merge *m, struct ana_db_merged *out, struct sr_error *err)
{
	int rc;

	if (ana_nights_open(m->to, m->from, out, err) < 0)
		return -1;
	m->left_out = ana_db_prepare(m->to, "SELECT 1 FROM temp.from_left_out WHERE id = ?", err);
	if (!m->left_out)
		return -1;
	if (open_table(m->from, m->to, "run", "id", "id, ", "ORDER BY id", "ON CONFLICT (uid) DO NOTHING", &m->run,
		       err) < 0 ||
	    open_parts(m, err) < 0 ||
	    open_table(m->from, m->to, "noise", NULL, "", "", "ON CONFLICT (uid, metric) DO NOTHING", &m->noise, err) <
		    0)
		return -1;
	while ((rc = sqlite3_step(m->run.read)) == SQLITE_ROW)
		if (merge_run(m, out, err) < 0)
			return -1;
	if (rc != SQLITE_DONE)
		return ana_db_failed(m->from, "read its runs", err);
	sqlite3_finalize(m->left_out); /* its table is to go */
	m->left_out = NULL;
	if (copy_rows(m->from, m->to, &m->noise, 0, &out->noise, err) < 0)
		return -1;
	return ana_nights_close(m->to, out, err);
}

int ana_db_merge(struct ana_db *to, const char *from, struct ana_db_merged *out, struct sr_error *err)
{
	struct merge m = { .to = to, .from = open_copy(from, err) };
	int ret = -1;

	memset(out, 0, sizeof(*out));
	if (!m.from)
		return -1;
	if (ana_db_run(to, "add to it", "BEGIN IMMEDIATE", err) == 0 && ana_db_identify(to, err) == 0)
		ret = merge_all(&m, out, err);
	sqlite3_finalize(m.left_out);
	finalize_table(&m.run);
	finalize_table(&m.noise);
	for (size_t i = 0; i < m.nparts; i++)
		finalize_table(&m.part[i]);
	if (ret == 0)
		ret = ana_db_run(to, "add to it", "COMMIT", err);
	if (ret < 0)
		ana_db_roll_back(to);
	ana_db_close(m.from);
	return ret;
}
