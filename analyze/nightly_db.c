/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nights in the database. */
#include "analyze/nightly_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ana_night_release(struct ana_night *n)
{
	free(n->label);
	free(n->spec);
	free(n->engine);
	free(n->kernel);
	free(n->started_at);
	free(n->finished_at);
	for (size_t i = 0; i < n->narms; i++)
		free(n->arms[i]);
	free(n->arms);
	memset(n, 0, sizeof(*n));
}

static const char *text_of(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return text ? text : "";
}

/* Prepares and binds: s a text (NULL: NULL), i an int64_t. NULL: *err is filled. */
static sqlite3_stmt *bound(struct ana_db *db, struct sr_error *err, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st = ana_db_prepare(db, sql, err);
	va_list ap;

	if (!st)
		return NULL;
	va_start(ap, types);
	for (int i = 1; *types; types++, i++)
		if (*types == 's')
			sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		else
			sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
	va_end(ap);
	return st;
}

/* 1: a row, 0: none; the statement is the caller's. */
static int next_row(struct ana_db *db, sqlite3_stmt *st, struct sr_error *err)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : ana_db_failed(db, "read its nights", err);
}

/* Runs a bound statement that gives no rows. */
static int finish(struct ana_db *db, sqlite3_stmt *st, struct sr_error *err)
{
	int ret = -1;

	if (st && sqlite3_step(st) == SQLITE_DONE)
		ret = 0;
	else if (st)
		ana_db_failed(db, "store a night", err);
	sqlite3_finalize(st);
	return ret;
}

/* The first column of the first row; 0 where there is none. */
static int number(struct ana_db *db, sqlite3_stmt *st, int64_t *v, struct sr_error *err)
{
	int rc = st ? next_row(db, st, err) : -1;

	*v = rc > 0 ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	return rc < 0 ? -1 : 0;
}

static int begin(struct ana_db *db, struct sr_error *err)
{
	return ana_db_run(db, "store a night", "BEGIN IMMEDIATE", err);
}

static int commit(struct ana_db *db, struct sr_error *err)
{
	return ana_db_run(db, "store a night", "COMMIT", err);
}

static int read_arms(struct ana_db *db, struct ana_night *n, struct sr_error *err)
{
	sqlite3_stmt *st = bound(db, err, "SELECT name FROM night_arm WHERE night_id = ? ORDER BY arm", "i", n->id);
	size_t cap = 0;
	int rc = st ? 0 : -1;

	while (rc == 0 && (rc = next_row(db, st, err)) == 1) {
		rc = ana_reserve(&n->arms, &cap, n->narms + 1, sizeof(*n->arms), err);
		if (rc == 0) {
			n->arms[n->narms] = strdup(text_of(st, 0));
			rc = n->arms[n->narms] ? 0 : ana_no_memory(err);
			n->narms += rc == 0;
		}
		if (rc < 0)
			break;
		rc = 0;
	}
	sqlite3_finalize(st);
	return rc < 0 ? -1 : 0;
}

#define NIGHT                                                                                                \
	"SELECT id, label, CASE WHEN json_valid(spec) THEN spec ELSE '{}' END, engine, kernel, started_at, " \
	"finished_at, rounds FROM night "

/* Of a statement that begins with NIGHT; 1: there is one. Finalizes it. */
static int read_night(struct ana_db *db, sqlite3_stmt *st, struct ana_night *n, struct sr_error *err)
{
	char **to[] = { &n->label, &n->spec, &n->engine, &n->kernel, &n->started_at };
	int rc;

	memset(n, 0, sizeof(*n));
	rc = st ? next_row(db, st, err) : -1;
	if (rc == 1) {
		n->id = sqlite3_column_int64(st, 0);
		n->rounds = (size_t)sqlite3_column_int64(st, 7);
		if (n->rounds < 1 || n->rounds > ANA_NIGHT_ROUNDS)
			rc = sr_fail(err, SR_DAMAGED, "%s: the night '%.100s' has %lld rounds, which no night has",
				     db->path, text_of(st, 1), (long long)sqlite3_column_int64(st, 7));
		for (size_t i = 0; i < sizeof(to) / sizeof(to[0]) && rc == 1; i++) {
			*to[i] = strdup(text_of(st, (int)i + 1));
			if (!*to[i]) {
				ana_no_memory(err);
				rc = -1;
			}
		}
		if (rc == 1 && sqlite3_column_type(st, 6) != SQLITE_NULL) {
			n->finished_at = strdup(text_of(st, 6));
			if (!n->finished_at) {
				ana_no_memory(err);
				rc = -1;
			}
		}
	}
	sqlite3_finalize(st);
	if (rc == 1 && read_arms(db, n, err) < 0)
		rc = -1;
	if (rc < 0)
		ana_night_release(n);
	return rc;
}

static int find_by_label(struct ana_db *db, const char *label, struct ana_night *n, struct sr_error *err)
{
	return read_night(db, bound(db, err, NIGHT "WHERE label = ?", "s", label), n, err);
}

static int label_is_used(struct ana_db *db, const char *label, bool *used, struct sr_error *err)
{
	int64_t count;

	if (number(db,
		   bound(db, err,
			 "SELECT (SELECT count(*) FROM night WHERE label = ?1) + (SELECT count(*) FROM run WHERE label "
			 "= "
			 "?1)",
			 "s", label),
		   &count, err) < 0)
		return -1;
	*used = count > 0;
	return 0;
}

/* 1: there is one to go on with. */
static int find_night(struct ana_db *db, const struct ana_night_plan *p, struct ana_night *n, struct sr_error *err)
{
	bool used;
	int rc;

	if (!p->label)
		return read_night(db,
				  bound(db, err,
					NIGHT
					"WHERE spec = ?1 AND finished_at IS NULL AND started_at >= ?2 AND NOT EXISTS"
					" (SELECT 1 FROM night_part WHERE night_id = night.id AND shard = ?3 AND"
					" shards = ?4 AND finished_at IS NOT NULL) ORDER BY id DESC LIMIT 1",
					"ssii", p->spec, p->not_before, (int64_t)p->shard, (int64_t)p->shards),
				  n, err);
	rc = find_by_label(db, p->label, n, err);
	if (rc == 1 && strcmp(n->spec, p->spec)) {
		sr_fail(err, SR_USAGE, "the label '%s' is another night's, which was asked for %s; this one is %s",
			p->label, n->spec, p->spec);
		ana_night_release(n);
		return -1;
	}
	if (rc == 0) {
		if (label_is_used(db, p->label, &used, err) < 0)
			return -1;
		if (used)
			return sr_fail(err, SR_USAGE, "the label '%s' has runs that are no night's: take another one",
				       p->label);
	}
	return rc;
}

static int free_label(struct ana_db *db, const struct ana_night_plan *p, char **label, struct sr_error *err)
{
	bool used = true;

	*label = NULL;
	if (p->label) {
		*label = strdup(p->label);
		return *label ? 0 : ana_no_memory(err);
	}
	for (unsigned k = 1; used; k++) {
		free(*label);
		if ((k == 1 ? asprintf(label, "%s", p->auto_label) : asprintf(label, "%s.%u", p->auto_label, k)) < 0) {
			*label = NULL;
			return ana_no_memory(err);
		}
		if (label_is_used(db, *label, &used, err) < 0)
			return -1;
	}
	return 0;
}

static int make_night(struct ana_db *db, const struct ana_night_plan *p, struct ana_night *n, struct sr_error *err)
{
	char *label;
	int64_t id;
	int ret = free_label(db, p, &label, err);

	if (ret == 0)
		ret = finish(db,
			     bound(db, err,
				   "INSERT INTO night (label, spec, engine, kernel, rounds, started_at)"
				   " VALUES (?,?,?,?,?,?)",
				   "ssssis", label, p->spec, p->engine, p->kernel, (int64_t)p->rounds, p->now),
			     err);
	id = sqlite3_last_insert_rowid(db->sql);
	for (size_t i = 0; ret == 0 && i < p->narms; i++)
		ret = finish(db,
			     bound(db, err, "INSERT INTO night_arm (night_id, arm, name) VALUES (?,?,?)", "iis", id,
				   (int64_t)i, p->arms[i]),
			     err);
	if (ret == 0)
		ret = find_by_label(db, label, n, err) == 1 ? 0 : -1;
	free(label);
	return ret;
}

/* The shard is this process's from now on. */
static int claim(struct ana_db *db, const struct ana_night_plan *p, const struct ana_night *n, struct sr_error *err)
{
	sqlite3_stmt *st = bound(db, err,
				 "SELECT owner FROM night_part WHERE night_id = ? AND shard = ? AND shards = ? AND"
				 " finished_at IS NULL",
				 "iii", n->id, (int64_t)p->shard, (int64_t)p->shards);
	int rc = st ? next_row(db, st, err) : -1;

	if (rc == 1 && strcmp(text_of(st, 0), p->owner) && p->alive(text_of(st, 0)))
		rc = sr_fail(err, SR_ENVIRONMENT, "another process works at the night '%s' (%s)", n->label,
			     text_of(st, 0));
	sqlite3_finalize(st);
	if (rc < 0)
		return -1;
	return finish(db,
		      bound(db, err,
			    "INSERT INTO night_part (night_id, shard, shards, owner, started_at) VALUES (?,?,?,?,?)"
			    " ON CONFLICT DO UPDATE SET owner = excluded.owner",
			    "iiiss", n->id, (int64_t)p->shard, (int64_t)p->shards, p->owner, p->now),
		      err);
}

int ana_night_begin(struct ana_db *db, const struct ana_night_plan *plan, struct ana_night *out, bool *resumed,
		    struct sr_error *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	if (begin(db, err) < 0)
		return -1;
	rc = find_night(db, plan, out, err);
	*resumed = rc == 1;
	if (rc == 0 && plan->only_resume)
		return ana_db_run(db, "read its nights", "COMMIT", err);
	if (rc == 0)
		rc = make_night(db, plan, out, err);
	out->shard = plan->shard;
	out->shards = plan->shards;
	if (rc >= 0 && claim(db, plan, out, err) == 0 && commit(db, err) == 0)
		return 0;
	ana_db_roll_back(db);
	ana_night_release(out);
	return -1;
}

int ana_night_load(struct ana_db *db, const char *label, struct ana_night *out, struct sr_error *err)
{
	int rc = label ? find_by_label(db, label, out, err) :
			 read_night(db, bound(db, err, NIGHT "ORDER BY started_at DESC, id DESC LIMIT 1", ""), out,
				    err);

	if (rc == 0 && label)
		return sr_fail(err, SR_USAGE, "there is no night '%s' in the database", label);
	if (rc == 0)
		return sr_fail(err, SR_USAGE, "there is no night in the database");
	return rc < 0 ? -1 : 0;
}

static int add_trace(struct ana_db *db, const struct ana_night *n, const struct ana_night_trace *t,
		     struct sr_error *err)
{
	sqlite3_stmt *st = bound(db, err,
				 "INSERT INTO night_trace (night_id, sha256, name) VALUES (?,?,?)"
				 " ON CONFLICT DO UPDATE SET name = excluded.name",
				 "iss", n->id, t->sha256, t->name);

	if (finish(db, st, err) < 0)
		return -1;
	if (!(t->weight > 0))
		return 0;
	st = bound(db, err, "UPDATE night_trace SET traces = ? WHERE night_id = ? AND sha256 = ?", "iis",
		   (int64_t)t->traces, n->id, t->sha256);
	if (finish(db, st, err) < 0)
		return -1;
	st = bound(db, err, "UPDATE night_trace SET weight = ?3 WHERE night_id = ?1 AND sha256 = ?2", "is", n->id,
		   t->sha256);
	if (st)
		sqlite3_bind_double(st, 3, t->weight);
	return finish(db, st, err);
}

int ana_night_add_traces(struct ana_db *db, const struct ana_night *n, const struct ana_night_trace *v, size_t count,
			 struct sr_error *err)
{
	int ret = begin(db, err);

	if (ret < 0)
		return -1;
	for (size_t i = 0; i < count && ret == 0; i++)
		ret = add_trace(db, n, &v[i], err);
	if (ret == 0 && commit(db, err) == 0)
		return 0;
	ana_db_roll_back(db);
	return -1;
}

int ana_night_done(struct ana_db *db, const struct ana_night *n, const char *sha256, bool *done, struct sr_error *err)
{
	sqlite3_stmt *st = bound(db, err, "SELECT round FROM night_round WHERE night_id = ? AND sha256 = ?", "is",
				 n->id, sha256);
	int rc = st ? 1 : -1;

	memset(done, 0, n->rounds * sizeof(*done));
	while (rc == 1 && (rc = next_row(db, st, err)) == 1) {
		int64_t round = sqlite3_column_int64(st, 0);

		if (round >= 0 && (size_t)round < n->rounds)
			done[round] = true;
	}
	sqlite3_finalize(st);
	return rc;
}

int ana_night_tag(const struct ana_night *n, char **tag, struct sr_error *err)
{
	char id[33];

	ana_new_id(id);
	if (asprintf(tag, "%s" ANA_TAG_MARK "%u.%u" ANA_TAG_MARK "%s", n->label, n->shard, n->shards, id) < 0) {
		*tag = NULL;
		return ana_no_memory(err);
	}
	return 0;
}

int ana_night_sweep(struct ana_db *db, const struct ana_night *n, const char *tag, struct sr_error *err)
{
	if (tag)
		return finish(db, bound(db, err, "DELETE FROM run WHERE label = ?", "s", tag), err);
	return finish(db,
		      bound(db, err,
			    "DELETE FROM run WHERE substr(label, 1, length(?1) + 1) = ?1 || '" ANA_TAG_MARK "'"
			    " AND NOT EXISTS (SELECT 1 FROM night_part WHERE night_id = ?2 AND finished_at IS NULL AND"
			    " (shard <> ?3 OR shards <> ?4) AND"
			    " instr(label, ?1 || '" ANA_TAG_MARK "' || shard || '.' || shards || '" ANA_TAG_MARK
			    "') = 1)",
			    "siii", n->label, n->id, (int64_t)n->shard, (int64_t)n->shards),
		      err);
}

/* One run of the tag becomes the night's. */
static int link_run(struct ana_db *db, const struct ana_night *n, const struct ana_night_rounds *r, int64_t run,
		    size_t round, size_t arm, struct sr_error *err)
{
	if (finish(db,
		   bound(db, err, "UPDATE run SET label = ?, series = ? WHERE id = ?", "ssi", n->label, n->label, run),
		   err) < 0)
		return -1;
	return finish(db,
		      bound(db, err, "INSERT INTO night_run (run, night_id, sha256, round, arm) VALUES (?,?,?,?,?)",
			    "iisii", run, n->id, r->sha256, (int64_t)round, (int64_t)arm),
		      err);
}

static int link_round(struct ana_db *db, const struct ana_night *n, const struct ana_night_rounds *r, size_t round,
		      const int64_t *runs, struct sr_error *err)
{
	size_t *turn = calloc(n->narms + 1, sizeof(*turn));
	int ret = 0;

	if (!turn)
		return ana_no_memory(err);
	for (size_t k = 0; k < n->narms; k++)
		turn[k] = k;
	if (r->turns)
		ret = ana_turns(r->turns, round, n->narms, turn, err);
	for (size_t k = 0; ret == 0 && k < n->narms; k++)
		ret = link_run(db, n, r, runs[k], round, turn[k], err);
	free(turn);
	if (ret < 0)
		return -1;
	return finish(db,
		      bound(db, err,
			    "INSERT INTO night_round (night_id, sha256, round, started_at, ended_at, host, noise)"
			    " VALUES (?,?,?,?,?,?,?)",
			    "isissss", n->id, r->sha256, (int64_t)round, r->started_at, r->ended_at, r->host, r->noise),
		      err);
}

/* All runs that belong there, and no other. */
static int stored_runs(struct ana_db *db, const struct ana_night *n, const struct ana_night_rounds *r, int64_t *runs,
		       struct sr_error *err)
{
	sqlite3_stmt *st = bound(db, err,
				 "SELECT id, repeat, trace_sha256 FROM run WHERE label = ? AND engine <> 'recorded'"
				 " ORDER BY repeat, order_slot, id",
				 "s", r->tag);
	size_t count = 0, want = r->n * n->narms;
	int rc = st ? 1 : -1;

	while (rc == 1 && (rc = next_row(db, st, err)) == 1) {
		if (count == want || sqlite3_column_int64(st, 1) != (int64_t)(r->first + count / n->narms))
			rc = sr_fail(err, SR_ENVIRONMENT, "not the runs of %zu rounds were stored", r->n);
		else if (strcmp(text_of(st, 2), r->sha256))
			rc = sr_fail(err, SR_ENVIRONMENT, "the trace was changed meanwhile: it is %.12s now, not %.12s",
				     text_of(st, 2), r->sha256);
		else
			runs[count++] = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	if (rc == 0 && count < want)
		return sr_fail(err, SR_ENVIRONMENT, "%zu runs were stored, not %zu", count, want);
	return rc;
}

int ana_night_link(struct ana_db *db, const struct ana_night *n, const struct ana_night_rounds *r, struct sr_error *err)
{
	int64_t *runs = calloc(r->n * n->narms + 1, sizeof(*runs));
	int ret;

	if (!runs)
		return ana_no_memory(err);
	ret = begin(db, err);
	if (ret == 0) {
		ret = stored_runs(db, n, r, runs, err);
		for (size_t i = 0; ret == 0 && i < r->n; i++)
			ret = link_round(db, n, r, r->first + i, runs + i * n->narms, err);
		if (ret == 0)
			ret = finish(db,
				     bound(db, err,
					   "UPDATE night_trace SET failure = NULL WHERE night_id = ? AND sha256 = ?",
					   "is", n->id, r->sha256),
				     err);
		if (ret == 0)
			ret = commit(db, err);
		if (ret < 0)
			ana_db_roll_back(db);
	}
	free(runs);
	return ret;
}

int ana_night_fail(struct ana_db *db, const struct ana_night *n, const char *sha256, const char *why,
		   struct sr_error *err)
{
	return finish(db,
		      bound(db, err, "UPDATE night_trace SET failure = ? WHERE night_id = ? AND sha256 = ?", "sis", why,
			    n->id, sha256),
		      err);
}

/* In a transaction: the night is finished when no trace has something left to do. */
static int finish_night(struct ana_db *db, int64_t night, const char *now, struct sr_error *err)
{
	return finish(db,
		      bound(db, err,
			    "UPDATE night SET finished_at = ?2 WHERE id = ?1 AND finished_at IS NULL AND NOT EXISTS"
			    " (SELECT 1 FROM night_trace t WHERE t.night_id = ?1 AND t.failure IS NULL AND"
			    " (SELECT count(*) FROM night_round r WHERE r.night_id = ?1 AND r.sha256 = t.sha256) <"
			    " night.rounds)",
			    "is", night, now),
		      err);
}

int ana_night_finish(struct ana_db *db, struct ana_night *n, unsigned shard, unsigned shards, const char *now,
		     struct sr_error *err)
{
	struct ana_night again;

	if (begin(db, err) < 0)
		return -1;
	if (finish(db,
		   bound(db, err,
			 "UPDATE night_part SET finished_at = ?, owner = NULL WHERE night_id = ? AND shard = ? AND"
			 " shards = ?",
			 "siii", now, n->id, (int64_t)shard, (int64_t)shards),
		   err) < 0 ||
	    finish_night(db, n->id, now, err) < 0 || commit(db, err) < 0) {
		ana_db_roll_back(db);
		return -1;
	}
	if (ana_night_load(db, n->label, &again, err) < 0)
		return -1;
	ana_night_release(n);
	*n = again;
	return 0;
}

/* ---- what is there ---- */

void ana_night_traces_release(struct ana_night_traces *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].name);
		free(t->v[i].failure);
		free(t->v[i].noise);
		free(t->v[i].host);
		free(t->v[i].started_at);
	}
	free(t->v);
	memset(t, 0, sizeof(*t));
}

static int copy(char **to, sqlite3_stmt *st, int column, struct sr_error *err)
{
	*to = NULL;
	if (sqlite3_column_type(st, column) == SQLITE_NULL)
		return 0;
	*to = strdup(text_of(st, column));
	return *to ? 0 : ana_no_memory(err);
}

int ana_night_traces(struct ana_db *db, const struct ana_night *n, struct ana_night_traces *out, struct sr_error *err)
{
	sqlite3_stmt *st =
		bound(db, err,
		      "SELECT t.sha256, t.name, t.failure, count(r.round), count(r.noise), min(r.started_at),"
		      " (julianday(max(r.ended_at)) - julianday(min(r.started_at))) * 86400,"
		      " (SELECT noise FROM night_round x WHERE x.night_id = t.night_id AND x.sha256 = t.sha256 AND "
		      "noise IS NOT"
		      " NULL ORDER BY round DESC LIMIT 1),"
		      " (SELECT CASE WHEN json_valid(host) THEN json(host) END FROM night_round x WHERE x.night_id = "
		      "t.night_id AND"
		      " x.sha256 = t.sha256 ORDER BY round DESC LIMIT 1), t.weight, t.traces"
		      " FROM night_trace t LEFT JOIN night_round r ON r.night_id = t.night_id AND r.sha256 = t.sha256"
		      " WHERE t.night_id = ? GROUP BY t.sha256 ORDER BY t.name, t.sha256",
		      "i", n->id);
	size_t cap = 0;
	int rc = st ? 1 : -1;

	memset(out, 0, sizeof(*out));
	while (rc == 1 && (rc = next_row(db, st, err)) == 1) {
		struct ana_night_trace *t;

		if (ana_reserve(&out->v, &cap, out->n + 1, sizeof(*out->v), err) < 0) {
			rc = -1;
			break;
		}
		t = &out->v[out->n++];
		snprintf(t->sha256, sizeof(t->sha256), "%s", text_of(st, 0));
		t->done = (size_t)sqlite3_column_int64(st, 3);
		t->noisy = (size_t)sqlite3_column_int64(st, 4);
		t->seconds = sqlite3_column_double(st, 6);
		t->weight = sqlite3_column_double(st, 9);
		t->traces = (uint64_t)sqlite3_column_int64(st, 10);
		if (!(t->weight > 0) || !isfinite(t->weight))
			t->weight = 0;
		if (copy(&t->name, st, 1, err) < 0 || copy(&t->failure, st, 2, err) < 0 ||
		    copy(&t->started_at, st, 5, err) < 0 || copy(&t->noise, st, 7, err) < 0 ||
		    copy(&t->host, st, 8, err) < 0)
			rc = -1;
	}
	sqlite3_finalize(st);
	if (rc < 0)
		ana_night_traces_release(out);
	return rc;
}

int ana_night_first_host(struct ana_db *db, const struct ana_night *n, const char *machine_key, struct ana_host *h,
			 bool *known, struct sr_error *err)
{
	sqlite3_stmt *st = bound(
		db, err,
		"SELECT json_extract(host, '$.governor'), json_extract(host, '$.turbo'), json_extract(host, '$.smt')"
		" FROM (SELECT started_at, round, CASE WHEN json_valid(host) THEN host END AS host FROM night_round"
		" WHERE night_id = ?1) WHERE host IS NOT NULL AND coalesce(json_extract(host, '$.machine'), '') = ?2"
		" ORDER BY started_at, round LIMIT 1",
		"is", n->id, machine_key);
	int rc = st ? next_row(db, st, err) : -1;

	*known = rc == 1;
	if (rc == 1) {
		snprintf(h->governor, sizeof(h->governor), "%s", text_of(st, 0));
		snprintf(h->turbo, sizeof(h->turbo), "%s", text_of(st, 1));
		snprintf(h->smt, sizeof(h->smt), "%s", text_of(st, 2));
	}
	sqlite3_finalize(st);
	return rc < 0 ? -1 : 0;
}

int ana_night_each_run(struct ana_db *db, const struct ana_night *n, ana_night_run_fn fn, void *arg,
		       struct sr_error *err)
{
	sqlite3_stmt *st = bound(db, err,
				 "SELECT r.id, q.sha256, q.round, q.arm, r.policy, r.policy_options, r.started_at"
				 " FROM night_run q JOIN run r ON r.id = q.run LEFT JOIN night_trace t ON t.night_id ="
				 " q.night_id AND t.sha256 = q.sha256 WHERE q.night_id = ?"
				 " ORDER BY t.name, q.sha256, q.round, q.arm",
				 "i", n->id);
	int rc = st ? 1 : -1;

	while (rc == 1 && (rc = next_row(db, st, err)) == 1) {
		struct ana_night_run run = { .id = sqlite3_column_int64(st, 0),
					     .round = (size_t)sqlite3_column_int64(st, 2),
					     .arm = (size_t)sqlite3_column_int64(st, 3),
					     .policy = text_of(st, 4),
					     .options = text_of(st, 5),
					     .started_at = text_of(st, 6) };
		struct ana_result metrics;

		snprintf(run.sha256, sizeof(run.sha256), "%s", text_of(st, 1));
		if (ana_db_metrics(db, run.id, &metrics, err) < 0) {
			rc = -1;
			break;
		}
		run.metrics = &metrics;
		if (fn(arg, &run, err) < 0)
			rc = -1;
		ana_result_release(&metrics);
	}
	sqlite3_finalize(st);
	return rc;
}
