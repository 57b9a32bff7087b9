/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An owner of sqlite3, beside the database of runs. */
#include "corpus/index.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#define SHARDS 16
#define APPLICATION_ID 0x53634978 /* "ScIx" */
#define VERSION 1
#define BUSY_MS 20000
#define PAGE 512       /* rows that a listing takes at once */
#define WATCH_OPS 4096 /* SQLite's operations between two looks at the watch: less than 10 ms */
#define MAX_NAMES 4096 /* different features, of all rows together */
#define PAIR 6         /* bytes of a feature in a row's blob: number (2), value (4), little-endian */

static const char schema[] =
	"CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
	"CREATE TABLE feature (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE object (sha256 BLOB PRIMARY KEY, token BLOB, contributor INTEGER, licence INTEGER, program "
	"INTEGER,"
	" machine INTEGER, cpu_model INTEGER, arch INTEGER, kernel INTEGER, scope INTEGER, engine INTEGER,"
	" consent INTEGER, cpus INTEGER, nodes INTEGER, bytes INTEGER, added INTEGER, duration INTEGER, events INTEGER,"
	" lost INTEGER, tasks INTEGER, features BLOB) WITHOUT ROWID;";

/* The columns of object behind the token: texts, then numbers. */
static const struct column {
	const char *name;
	size_t offset, size;
	bool text;
} columns[] = {
#define COLUMN(name, member, text)                                                                  \
	{                                                                                           \
		name, offsetof(struct crp_row, member), sizeof(((struct crp_row *)0)->member), text \
	}
	COLUMN("contributor", contributor, true),
	COLUMN("licence", licence, true),
	COLUMN("program", program, true),
	COLUMN("machine", machine, true),
	COLUMN("cpu_model", cpu_model, true),
	COLUMN("arch", arch, true),
	COLUMN("kernel", kernel, true),
	COLUMN("scope", scope, true),
	COLUMN("engine", engine, true),
	COLUMN("consent", consent, false),
	COLUMN("cpus", cpus, false),
	COLUMN("nodes", nodes, false),
	COLUMN("bytes", bytes, false),
	COLUMN("added", added_s, false),
	COLUMN("duration", duration_ns, false),
	COLUMN("events", events, false),
	COLUMN("lost", lost, false),
	COLUMN("tasks", tasks, false),
#undef COLUMN
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define TEXTS 9

struct shard {
	sqlite3 *sql;
	sqlite3_stmt *insert, *find, *remove, *word, *add_word, *feature, *add_feature;
	struct {
		char name[32];
		int64_t id;    /* 0: none */
	} known[CRP_FEATURES]; /* features of the row before, whose ids are known to stay */
	uint16_t *names;       /* its feature's id -> the index's number + 1 */
	size_t nnames;
	bool begun;
};

struct crp_index {
	char *dir;
	enum crp_access access;
	struct shard shard[SHARDS];
	char (*name)[32]; /* features, by number */
	size_t nnames;
	const struct crp_watch *watch;
	bool bulk, searching;
};

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

static int failed(struct crp_index *ix, unsigned i, const char *doing, struct sr_error *err)
{
	sqlite3 *sql = ix->shard[i].sql;
	int rc = sql ? sqlite3_errcode(sql) & 0xff : SQLITE_NOMEM;
	int os = sql ? sqlite3_system_errno(sql) : 0;

	switch (rc) {
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
	case SQLITE_ERROR:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return sr_fail(err, SR_DAMAGED, "%s/%x.db: the index is damaged: cannot %s (%s)", ix->dir, i, doing,
			       sqlite3_errmsg(sql));
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return sr_fail(err, SR_ENVIRONMENT, "%s/%x.db: another process has kept it locked for %d s", ix->dir, i,
			       BUSY_MS / 1000);
	case SQLITE_NOMEM:
		return no_memory(err);
	case SQLITE_INTERRUPT:
		return sr_fail(err, SR_INTERRUPTED, "interrupted");
	default:
		return sr_fail(err, SR_ENVIRONMENT, "%s/%x.db: cannot %s: %s%s%s%s", ix->dir, i, doing,
			       sqlite3_errmsg(sql), os ? " (" : "", os ? strerror(os) : "", os ? ")" : "");
	}
}

static int run_sql(struct crp_index *ix, unsigned i, const char *doing, const char *sql, struct sr_error *err)
{
	return sqlite3_exec(ix->shard[i].sql, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(ix, i, doing, err);
}

static sqlite3_stmt *prepare(struct crp_index *ix, unsigned i, const char *sql, struct sr_error *err)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(ix->shard[i].sql, sql, -1, &st, NULL) != SQLITE_OK)
		failed(ix, i, "use its tables", err);
	return st;
}

/* crp_glob(text, pattern) */
static void sql_glob(sqlite3_context *c, int n, sqlite3_value **v)
{
	const char *text = (const char *)sqlite3_value_text(v[0]), *pattern = (const char *)sqlite3_value_text(v[1]);

	sqlite3_result_int(c, text && pattern && !fnmatch(pattern, text, FNM_CASEFOLD | FNM_NOESCAPE));
}

static unsigned pair_id(const unsigned char *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static float pair_value(const unsigned char *p)
{
	uint32_t bits = p[2] | (uint32_t)p[3] << 8 | (uint32_t)p[4] << 16 | (uint32_t)p[5] << 24;
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* crp_feature(features, id): its value, NULL when it is not there */
static void sql_feature(sqlite3_context *c, int n, sqlite3_value **v)
{
	const unsigned char *p = sqlite3_value_blob(v[0]);
	int len = sqlite3_value_bytes(v[0]), id = sqlite3_value_int(v[1]);

	for (; p && len >= PAIR; p += PAIR, len -= PAIR) {
		if ((int)pair_id(p) == id) {
			sqlite3_result_double(c, (double)pair_value(p));
			return;
		}
	}
}

/* Not 0 ends what SQLite does: a search only, for a change would be undone. */
static int on_ops(void *arg)
{
	const struct crp_index *ix = arg;
	const struct crp_watch *w = ix->watch;

	return ix->searching && w && w->step && w->step(w->arg, 0, 0);
}

void crp_index_watch(struct crp_index *ix, const struct crp_watch *watch)
{
	ix->watch = watch;
}

static int read_int(struct crp_index *ix, unsigned i, const char *sql, int64_t *v, struct sr_error *err)
{
	sqlite3_stmt *st = prepare(ix, i, sql, err);
	int ret = -1;

	if (!st)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW) {
		*v = sqlite3_column_int64(st, 0);
		ret = 0;
	} else {
		failed(ix, i, "read it", err);
	}
	sqlite3_finalize(st);
	return ret;
}

static int make_tables(struct crp_index *ix, unsigned i, struct sr_error *err)
{
	char mark[96];
	int64_t version;

	if (run_sql(ix, i, "write it", "BEGIN IMMEDIATE", err))
		return -1;
	/* Another process may have been faster. */
	if (read_int(ix, i, "PRAGMA user_version", &version, err))
		return -1;
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, VERSION);
	if (!version &&
	    (run_sql(ix, i, "make its tables", schema, err) || run_sql(ix, i, "make its tables", mark, err)))
		return -1;
	return run_sql(ix, i, "write it", "COMMIT", err);
}

/* 0, 1: nothing is in it yet, -1. */
static int check_version(struct crp_index *ix, unsigned i, struct sr_error *err)
{
	int64_t version, application, tables;

	/* One look: another process may be making the tables at this moment. */
	if (run_sql(ix, i, "read it", "BEGIN", err) || read_int(ix, i, "PRAGMA user_version", &version, err) ||
	    read_int(ix, i, "PRAGMA application_id", &application, err) ||
	    read_int(ix, i, "SELECT count(*) FROM sqlite_master", &tables, err) ||
	    run_sql(ix, i, "read it", "COMMIT", err))
		return -1;
	if (!version && !application && !tables && ix->access != CRP_READ)
		return make_tables(ix, i, err);
	if (!version && !application && !tables)
		return 1;
	if (application != APPLICATION_ID)
		return sr_fail(err, SR_DAMAGED, "%s/%x.db: a database, but not a corpus's index", ix->dir, i);
	if (version != VERSION)
		return sr_fail(err, SR_DAMAGED, "%s/%x.db: its tables are of version %lld, this schedrec knows %d",
			       ix->dir, i, (long long)version, VERSION);
	return 0;
}

static int set_up(struct crp_index *ix, unsigned i, struct sr_error *err)
{
	sqlite3 *sql = ix->shard[i].sql;

	sqlite3_busy_timeout(sql, BUSY_MS);
	sqlite3_progress_handler(sql, WATCH_OPS, on_ops, ix);
	sqlite3_db_config(sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_limit(sql, SQLITE_LIMIT_LENGTH, 1 << 20);
	if (sqlite3_create_function(sql, "crp_glob", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, sql_glob, NULL,
				    NULL) != SQLITE_OK ||
	    sqlite3_create_function(sql, "crp_feature", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, sql_feature, NULL,
				    NULL) != SQLITE_OK)
		return no_memory(err);
	/* Extra: a commit is not undone by a power failure that brings its journal back. */
	if (run_sql(ix, i, "read it",
		    "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -4096;"
		    " PRAGMA synchronous = EXTRA",
		    err) ||
	    (ix->access == CRP_READ && run_sql(ix, i, "read it", "PRAGMA query_only = ON", err)))
		return -1;
	return check_version(ix, i, err);
}

/* 1: it is open, 0: it is not there (for reading), -1. */
static int open_shard(struct crp_index *ix, unsigned i, struct sr_error *err)
{
	struct shard *s = &ix->shard[i];
	/* Who reads undoes what a killed writer has left half, if he may write; if not, it is opened for reading. */
	int flags = SQLITE_OPEN_READWRITE | (ix->access == CRP_READ ? 0 : SQLITE_OPEN_CREATE);
	char *path;
	int rc;

	if (s->sql)
		return 1;
	if (asprintf(&path, "%s/%x.db", ix->dir, i) < 0)
		return no_memory(err);
	/* The first row of another process may make it later. */
	if (ix->access == CRP_READ && access(path, F_OK) && errno == ENOENT) {
		free(path);
		return 0;
	}
	rc = sqlite3_open_v2(path, &s->sql, flags, NULL);
	free(path);
	if (rc == SQLITE_OK)
		rc = set_up(ix, i, err);
	else
		rc = failed(ix, i, "open it", err);
	if (!rc)
		return 1;
	/* One without tables yet is opened anew the next time: another process, or thread, is about to make them. */
	sqlite3_close(s->sql);
	s->sql = NULL;
	return rc > 0 ? 0 : -1;
}

struct crp_index *crp_index_open(const char *dir, enum crp_access access, struct sr_error *err)
{
	struct crp_index *ix = calloc(1, sizeof(*ix));

	if (ix)
		ix->dir = strdup(dir);
	if (ix && ix->dir) {
		ix->access = access;
		return ix;
	}
	free(ix);
	no_memory(err);
	return NULL;
}

void crp_index_close(struct crp_index *ix)
{
	if (!ix)
		return;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct shard *s = &ix->shard[i];

		sqlite3_finalize(s->insert);
		sqlite3_finalize(s->find);
		sqlite3_finalize(s->remove);
		sqlite3_finalize(s->word);
		sqlite3_finalize(s->add_word);
		sqlite3_finalize(s->feature);
		sqlite3_finalize(s->add_feature);
		sqlite3_close(s->sql);
		free(s->names);
	}
	free(ix->name);
	free(ix->dir);
	free(ix);
}

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static unsigned shard_of(const char *sha256)
{
	return nibble(sha256[0]);
}

static void to_bytes(const char *sha256, unsigned char b[32])
{
	for (int i = 0; i < 32; i++)
		b[i] = (unsigned char)(nibble(sha256[2 * i]) << 4 | nibble(sha256[2 * i + 1]));
}

static void to_text(const unsigned char *b, char *sha256)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 32; i++) {
		sha256[2 * i] = digits[b[i] >> 4];
		sha256[2 * i + 1] = digits[b[i] & 15];
	}
	sha256[64] = '\0';
}

/* Words and names */

/* Makes *st ready; -1. */
static int ready(struct crp_index *ix, unsigned i, sqlite3_stmt **st, const char *sql, struct sr_error *err)
{
	if (!*st)
		*st = prepare(ix, i, sql, err);
	if (!*st)
		return -1;
	sqlite3_reset(*st);
	return 0;
}

/* The id of a text in a table, which is added when it is new; -1. */
static int64_t intern(struct crp_index *ix, unsigned i, sqlite3_stmt **find, sqlite3_stmt **add, const char *find_sql,
		      const char *add_sql, const char *text, struct sr_error *err)
{
	int64_t id = -1;
	int rc;

	if (ready(ix, i, find, find_sql, err) || ready(ix, i, add, add_sql, err))
		return -1;
	sqlite3_bind_text(*find, 1, text, -1, SQLITE_STATIC);
	rc = sqlite3_step(*find);
	if (rc == SQLITE_ROW)
		id = sqlite3_column_int64(*find, 0);
	sqlite3_reset(*find);
	if (rc == SQLITE_ROW)
		return id;
	sqlite3_bind_text(*add, 1, text, -1, SQLITE_STATIC);
	if (rc != SQLITE_DONE || sqlite3_step(*add) != SQLITE_DONE) {
		failed(ix, i, "store a row", err);
		sqlite3_reset(*add);
		return -1;
	}
	sqlite3_reset(*add);
	return sqlite3_last_insert_rowid(ix->shard[i].sql);
}

/* The number of a feature's name in the index as a whole. */
static int number_of_name(struct crp_index *ix, const char *name, struct sr_error *err)
{
	void *p;

	for (size_t k = 0; k < ix->nnames; k++)
		if (!strcmp(ix->name[k], name))
			return (int)k;
	if (ix->nnames == MAX_NAMES)
		return sr_fail(err, SR_DAMAGED, "%s: the index has more than %d different features", ix->dir,
			       MAX_NAMES);
	if (!(ix->nnames & (ix->nnames - 1))) {
		p = realloc(ix->name, (ix->nnames ? 2 * ix->nnames : 1) * sizeof(*ix->name));
		if (!p)
			return no_memory(err);
		ix->name = p;
	}
	snprintf(ix->name[ix->nnames], sizeof(*ix->name), "%s", name);
	return (int)ix->nnames++;
}

const char *crp_index_feature(const struct crp_index *ix, unsigned i)
{
	return i < ix->nnames ? ix->name[i] : NULL;
}

/* The names of a shard's features; read again before each use, for others may have added some. */
static int read_names(struct crp_index *ix, unsigned i, struct sr_error *err)
{
	struct shard *s = &ix->shard[i];
	sqlite3_stmt *st = prepare(ix, i, "SELECT id, name FROM feature", err);
	int rc, number, ret = 0;

	if (!st)
		return -1;
	if (!s->names)
		s->names = calloc(MAX_NAMES + 1, sizeof(*s->names));
	if (!s->names)
		ret = no_memory(err);
	while (!ret && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		int64_t id = sqlite3_column_int64(st, 0);
		const char *name = (const char *)sqlite3_column_text(st, 1);

		if (rc != SQLITE_ROW) {
			ret = failed(ix, i, "read it", err);
		} else if (id < 1 || id > MAX_NAMES || !name || strlen(name) >= sizeof(*ix->name)) {
			ret = sr_fail(err, SR_DAMAGED, "%s/%x.db: the index is damaged: a wrong feature", ix->dir, i);
		} else {
			number = number_of_name(ix, name, err);
			ret = number < 0 ? -1 : 0;
			s->names[id] = (uint16_t)(number + 1);
		}
	}
	sqlite3_finalize(st);
	return ret;
}

/* Changes */

void crp_index_begin(struct crp_index *ix)
{
	ix->bulk = true;
}

static int begin(struct crp_index *ix, unsigned i, struct sr_error *err)
{
	if (ix->access == CRP_READ)
		return sr_fail(err, SR_BUG, "%s: the index was opened for reading", ix->dir);
	if (open_shard(ix, i, err) < 0)
		return -1;
	if (ix->shard[i].begun)
		return 0;
	if (run_sql(ix, i, "write it", "BEGIN IMMEDIATE", err))
		return -1;
	ix->shard[i].begun = true;
	return 0;
}

static void roll_back(struct crp_index *ix, unsigned i)
{
	if (!sqlite3_get_autocommit(ix->shard[i].sql))
		sqlite3_exec(ix->shard[i].sql, "ROLLBACK", NULL, NULL, NULL);
	memset(ix->shard[i].known, 0, sizeof(ix->shard[i].known));
	ix->shard[i].begun = false;
}

static int end(struct crp_index *ix, unsigned i, struct sr_error *err)
{
	if (ix->bulk)
		return 0;
	ix->shard[i].begun = false;
	if (!run_sql(ix, i, "write it", "COMMIT", err))
		return 0;
	roll_back(ix, i);
	return -1;
}

int crp_index_commit(struct crp_index *ix, struct sr_error *err)
{
	int ret = 0;

	ix->bulk = false;
	for (unsigned i = 0; i < SHARDS; i++) {
		if (!ix->shard[i].begun)
			continue;
		if (ret)
			roll_back(ix, i);
		else
			ret = end(ix, i, err);
	}
	return ret;
}

static int bind_features(struct crp_index *ix, unsigned i, const struct crp_row *row, unsigned char *blob,
			 struct sr_error *err)
{
	struct shard *s = &ix->shard[i];

	for (size_t k = 0; k < row->nfeatures; k++) {
		const char *name = row->feature[k].name;
		float v = (float)row->feature[k].value;
		int64_t id = strcmp(s->known[k].name, name) ? 0 : s->known[k].id;
		uint32_t bits;

		if (!id)
			id = intern(ix, i, &s->feature, &s->add_feature, "SELECT id FROM feature WHERE name = ?1",
				    "INSERT INTO feature (name) VALUES (?1)", name, err);
		if (id < 0)
			return -1;
		if (id > MAX_NAMES)
			return sr_fail(err, SR_DAMAGED, "%s: the index has more than %d different features", ix->dir,
				       MAX_NAMES);
		snprintf(s->known[k].name, sizeof(s->known[k].name), "%s", name);
		s->known[k].id = id;
		memcpy(&bits, &v, sizeof(bits));
		for (int b = 0; b < 2; b++)
			blob[PAIR * k + b] = (unsigned char)(id >> 8 * b);
		for (int b = 0; b < 4; b++)
			blob[PAIR * k + 2 + b] = (unsigned char)(bits >> 8 * b);
	}
	sqlite3_bind_blob(s->insert, 3 + COLUMNS, blob, (int)(PAIR * row->nfeatures), SQLITE_STATIC);
	return 0;
}

static uint64_t number_at(const struct crp_row *row, const struct column *c)
{
	const char *p = (const char *)row + c->offset;
	uint64_t v64;
	uint32_t v32;

	if (c->size == sizeof(v32)) {
		memcpy(&v32, p, sizeof(v32));
		return v32;
	}
	memcpy(&v64, p, sizeof(v64));
	return v64;
}

static int bind_row(struct crp_index *ix, unsigned i, const struct crp_row *row, struct sr_error *err)
{
	struct shard *s = &ix->shard[i];

	for (size_t k = 0; k < COLUMNS; k++) {
		const struct column *c = &columns[k];
		const char *text = (const char *)row + c->offset;
		int64_t v;

		if (!c->text) {
			v = number_at(row, c) > INT64_MAX ? INT64_MAX : (int64_t)number_at(row, c);
		} else {
			v = 0;
			if (*text)
				v = intern(ix, i, &s->word, &s->add_word, "SELECT id FROM word WHERE text = ?1",
					   "INSERT INTO word (text) VALUES (?1)", text, err);
			if (v < 0)
				return -1;
		}
		sqlite3_bind_int64(s->insert, 3 + (int)k, v);
	}
	return 0;
}

int crp_index_add(struct crp_index *ix, const struct crp_row *row, struct sr_error *err)
{
	unsigned char sha[32], token[32], blob[PAIR * CRP_FEATURES];
	unsigned i = shard_of(row->sha256);
	struct shard *s = &ix->shard[i];
	int changes;

	if (crp_row_check(row, err) || begin(ix, i, err))
		return -1;
	if (ready(ix, i, &s->insert, "INSERT OR IGNORE INTO object VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		  err))
		goto fail;
	_Static_assert(COLUMNS == 18, "one ? a column");
	to_bytes(row->sha256, sha);
	sqlite3_bind_blob(s->insert, 1, sha, sizeof(sha), SQLITE_STATIC);
	sqlite3_bind_null(s->insert, 2);
	if (*row->token_sha256) {
		to_bytes(row->token_sha256, token);
		sqlite3_bind_blob(s->insert, 2, token, sizeof(token), SQLITE_STATIC);
	}
	if (bind_row(ix, i, row, err) || bind_features(ix, i, row, blob, err))
		goto fail;
	if (sqlite3_step(s->insert) != SQLITE_DONE) {
		failed(ix, i, "store a row", err);
		goto fail;
	}
	changes = sqlite3_changes(s->sql);
	sqlite3_reset(s->insert);
	return end(ix, i, err) ? -1 : changes;
fail:
	sqlite3_reset(s->insert);
	roll_back(ix, i);
	return -1;
}

int crp_index_remove(struct crp_index *ix, const char *sha256, struct sr_error *err)
{
	unsigned i = shard_of(sha256);
	struct shard *s = &ix->shard[i];
	unsigned char sha[32];
	int changes;

	if (begin(ix, i, err))
		return -1;
	to_bytes(sha256, sha);
	if (ready(ix, i, &s->remove, "DELETE FROM object WHERE sha256 = ?1", err))
		goto fail;
	sqlite3_bind_blob(s->remove, 1, sha, sizeof(sha), SQLITE_STATIC);
	if (sqlite3_step(s->remove) != SQLITE_DONE) {
		failed(ix, i, "remove a row", err);
		goto fail;
	}
	changes = sqlite3_changes(s->sql);
	sqlite3_reset(s->remove);
	return end(ix, i, err) ? -1 : changes;
fail:
	sqlite3_reset(s->remove);
	roll_back(ix, i);
	return -1;
}

/* Reading rows */

#define WORD(column) "(SELECT text FROM word WHERE id = " column ")"
#define ROW_COLUMNS                                                                                \
	"sha256, token, " WORD("contributor") ", " WORD("licence") ", " WORD("program") ", " WORD( \
		"machine") ", " WORD("cpu_model") ", " WORD("arch") ", " WORD("kernel") ", " WORD("scope") ", " WORD("engine") ", consent, cpus, nodes, bytes, added, duration, events, lost, tasks, features"

static int tampered(struct crp_index *ix, unsigned i, const char *what, struct sr_error *err)
{
	return sr_fail(err, SR_DAMAGED, "%s/%x.db: the index is damaged: %s", ix->dir, i, what);
}

static int read_features(struct crp_index *ix, unsigned i, sqlite3_stmt *st, int column, struct crp_row *row,
			 struct sr_error *err)
{
	const unsigned char *p = sqlite3_column_blob(st, column);
	int len = sqlite3_column_bytes(st, column);

	if (len % PAIR || len / PAIR > CRP_FEATURES)
		return tampered(ix, i, "a row's features", err);
	for (; p && len; p += PAIR, len -= PAIR) {
		unsigned id = pair_id(p);

		/* One that was added since the names were read. */
		if (id >= 1 && id <= MAX_NAMES && !ix->shard[i].names[id] && read_names(ix, i, err))
			return -1;
		if (id < 1 || id > MAX_NAMES || !ix->shard[i].names[id])
			return tampered(ix, i, "a row's features", err);
		crp_row_feature(row, ix->name[ix->shard[i].names[id] - 1], (double)pair_value(p));
	}
	return 0;
}

static int read_row(struct crp_index *ix, unsigned i, sqlite3_stmt *st, struct crp_row *row, struct sr_error *err)
{
	struct sr_error why;

	memset(row, 0, sizeof(*row));
	if (sqlite3_column_bytes(st, 0) != 32)
		return tampered(ix, i, "an object's name", err);
	to_text(sqlite3_column_blob(st, 0), row->sha256);
	if (sqlite3_column_bytes(st, 1) == 32)
		to_text(sqlite3_column_blob(st, 1), row->token_sha256);
	for (size_t k = 0; k < COLUMNS; k++) {
		char *p = (char *)row + columns[k].offset;
		int c = 2 + (int)k;

		if (columns[k].text) {
			const char *text = (const char *)sqlite3_column_text(st, c);

			if (text && strlen(text) >= columns[k].size)
				return tampered(ix, i, "a text that is too long", err);
			snprintf(p, columns[k].size, "%s", text ? text : "");
		} else {
			int64_t v = sqlite3_column_int64(st, c);
			uint32_t v32 = v < 0 || v > UINT32_MAX ? 0 : (uint32_t)v;

			if (columns[k].size == sizeof(v32))
				memcpy(p, &v32, sizeof(v32));
			else
				memcpy(p, &v, sizeof(v));
		}
	}
	if (read_features(ix, i, st, 2 + (int)COLUMNS, row, err))
		return -1;
	if (crp_row_check(row, &why))
		return tampered(ix, i, why.text, err);
	return 0;
}

int crp_index_find(struct crp_index *ix, const char *sha256, struct crp_row *row, struct sr_error *err)
{
	unsigned i = shard_of(sha256);
	struct shard *s = &ix->shard[i];
	unsigned char sha[32];
	int ret = open_shard(ix, i, err), rc;

	if (ret <= 0)
		return ret;
	if ((!s->names && read_names(ix, i, err)) ||
	    ready(ix, i, &s->find, "SELECT " ROW_COLUMNS " FROM object WHERE sha256 = ?1", err))
		return -1;
	to_bytes(sha256, sha);
	sqlite3_bind_blob(s->find, 1, sha, sizeof(sha), SQLITE_STATIC);
	rc = sqlite3_step(s->find);
	if (rc == SQLITE_ROW)
		ret = read_row(ix, i, s->find, row, err) ? -1 : 1;
	else
		ret = rc == SQLITE_DONE ? 0 : failed(ix, i, "read it", err);
	sqlite3_reset(s->find);
	return ret;
}

/* The condition of a query as SQL with parameters; 0: nothing in this shard can match, 1, -1. */
static int condition(struct crp_index *ix, unsigned i, const struct crp_query *q, char *sql, size_t size,
		     struct sr_error *err)
{
	size_t n = (size_t)snprintf(sql, size, " WHERE sha256 > ?1");

	for (size_t k = 0; k < q->n; k++) {
		const struct crp_term *t = &q->v[k];
		unsigned p = 2 + 2 * (unsigned)k;
		size_t c = 0;

		while (c < COLUMNS && strcmp(columns[c].name, t->key) != 0)
			c++;
		if (!strcmp(t->key, "sha256"))
			n += (size_t)snprintf(sql + n, size - n, " AND crp_glob(lower(hex(sha256)), ?%u)", p);
		else if (t->is_text)
			n += (size_t)snprintf(sql + n, size - n,
					      " AND %s IN (SELECT id FROM word WHERE crp_glob(text, ?%u))", t->key, p);
		else if (c < COLUMNS)
			n += (size_t)snprintf(sql + n, size - n, " AND %s BETWEEN ?%u AND ?%u", t->key, p, p + 1);
		else
			n += (size_t)snprintf(sql + n, size - n,
					      " AND crp_feature(features, (SELECT id FROM feature WHERE name = '%s'))"
					      " BETWEEN ?%u AND ?%u",
					      t->key, p, p + 1);
	}
	return n < size ? 1 : sr_fail(err, SR_USAGE, "the query is too long");
}

static sqlite3_stmt *select_rows(struct crp_index *ix, unsigned i, const struct crp_query *q, const char *what,
				 struct sr_error *err)
{
	char where[4096], sql[6144];
	unsigned char after[32];
	sqlite3_stmt *st;

	if (condition(ix, i, q, where, sizeof(where), err) < 0)
		return NULL;
	snprintf(sql, sizeof(sql), "SELECT %s FROM object%s ORDER BY sha256", what, where);
	st = prepare(ix, i, sql, err);
	if (!st)
		return NULL;
	if (*q->after)
		to_bytes(q->after, after);
	sqlite3_bind_blob(st, 1, after, *q->after ? (int)sizeof(after) : 0, SQLITE_TRANSIENT);
	if (!*q->after)
		sqlite3_bind_zeroblob(st, 1, 0);
	for (size_t k = 0; k < q->n; k++) {
		const struct crp_term *t = &q->v[k];
		int p = 2 + 2 * (int)k;

		if (t->is_text) {
			sqlite3_bind_text(st, p, t->text, -1, SQLITE_TRANSIENT);
			continue;
		}
		/* SQLite has no infinity that compares with integers as it should in all versions. */
		sqlite3_bind_double(st, p, isinf(t->lo) ? -1e300 : t->lo);
		sqlite3_bind_double(st, p + 1, isinf(t->hi) ? 1e300 : t->hi);
	}
	return st;
}

/* The shards that a query can concern: from its cursor on, and by the beginning of a name. */
static bool shard_matters(const struct crp_query *q, unsigned i)
{
	if (*q->after && shard_of(q->after) > i)
		return false;
	for (size_t k = 0; k < q->n; k++)
		if (!strcmp(q->v[k].key, "sha256") && strchr("0123456789abcdef", q->v[k].text[0]) && q->v[k].text[0] &&
		    shard_of(q->v[k].text) != i)
			return false;
	return true;
}

/* The next row that matches, unless the watch ends it. */
static int search(struct crp_index *ix, sqlite3_stmt *st)
{
	int rc;

	ix->searching = true;
	rc = sqlite3_step(st);
	ix->searching = false;
	return rc;
}

int crp_index_list(struct crp_index *ix, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err)
{
	struct crp_row row;
	uint64_t n = 0;
	int ret = 0, rc = SQLITE_DONE;

	for (unsigned i = 0; i < SHARDS && !ret; i++) {
		sqlite3_stmt *st;

		if (!shard_matters(q, i))
			continue;
		ret = open_shard(ix, i, err);
		if (ret <= 0)
			continue;
		ret = read_names(ix, i, err);
		st = ret ? NULL : select_rows(ix, i, q, ROW_COLUMNS, err);
		if (!st)
			return -1;
		while (!ret && (rc = search(ix, st)) == SQLITE_ROW) {
			ret = read_row(ix, i, st, &row, err);
			if (!ret)
				ret = fn(arg, &row, err);
			if (!ret && q->limit && ++n == q->limit)
				ret = 1;
		}
		if (!ret && rc != SQLITE_DONE)
			ret = failed(ix, i, "read it", err);
		sqlite3_finalize(st);
	}
	return ret < 0 ? -1 : 0;
}

struct page {
	struct crp_row row[PAGE];
	size_t n;
};

static int fill_page(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct page *p = arg;

	p->row[p->n++] = *row;
	return 0;
}

int crp_index_pages(struct crp_index *ix, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err)
{
	struct page *p = malloc(sizeof(*p));
	struct crp_query at = *q;
	uint64_t left = q->limit ? q->limit : UINT64_MAX;
	int ret = 0;

	if (!p)
		return no_memory(err);
	while (!ret && left) {
		p->n = 0;
		at.limit = left < PAGE ? left : PAGE;
		ret = crp_index_list(ix, &at, fill_page, p, err);
		for (size_t i = 0; i < p->n && !ret; i++)
			ret = fn(arg, &p->row[i], err);
		left -= p->n;
		if (p->n < at.limit)
			break;
		memcpy(at.after, p->row[p->n - 1].sha256, sizeof(at.after));
	}
	free(p);
	return ret < 0 ? -1 : 0;
}

int crp_index_count(struct crp_index *ix, const struct crp_query *q, uint64_t *n, struct sr_error *err)
{
	int ret = 0;

	*n = 0;
	for (unsigned i = 0; i < SHARDS && !ret; i++) {
		struct crp_query plain = *q;
		char where[4096];
		sqlite3_stmt *st;

		ret = open_shard(ix, i, err);
		if (ret <= 0)
			continue;
		plain.after[0] = '\0';
		ret = condition(ix, i, &plain, where, sizeof(where), err) < 0 ? -1 : 0;
		st = ret ? NULL : select_rows(ix, i, &plain, "count(*)", err);
		if (!st)
			return -1;
		if (sqlite3_step(st) == SQLITE_ROW)
			*n += (uint64_t)sqlite3_column_int64(st, 0);
		else
			ret = failed(ix, i, "read it", err);
		sqlite3_finalize(st);
	}
	return ret < 0 ? -1 : 0;
}

/* Contributors, numbered by first appearance. */
struct numbers {
	char (*v)[33];
	size_t n, cap;
	uint32_t *hash; /* number + 1 */
	size_t slots;   /* a power of two */
};

static size_t slot_of(const struct numbers *t, const char *name)
{
	uint64_t h = 0xcbf29ce484222325u;
	size_t s;

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	for (s = (size_t)(h ^ h >> 32) & (t->slots - 1); t->hash[s] && strcmp(t->v[t->hash[s] - 1], name) != 0;)
		s = (s + 1) & (t->slots - 1);
	return s;
}

static int number_grow(struct numbers *t, struct sr_error *err)
{
	struct numbers g = { .n = t->n, .cap = t->cap ? 2 * t->cap : 64 };

	g.slots = 2 * g.cap;
	g.hash = calloc(g.slots, sizeof(*g.hash));
	g.v = realloc(t->v, g.cap * sizeof(*g.v));
	if (g.v)
		t->v = g.v;
	if (!g.hash || !g.v) {
		free(g.hash);
		no_memory(err);
		return -1;
	}
	free(t->hash);
	for (size_t i = 0; i < g.n; i++)
		g.hash[slot_of(&g, g.v[i])] = (uint32_t)i + 1;
	*t = g;
	return 0;
}

/* One contributor's number; -1 likewise as text longer than one. */
static int64_t number_of(struct numbers *t, const char *name, struct sr_error *err)
{
	size_t s;

	if ((!t->hash || t->n == t->cap) && number_grow(t, err))
		return -1;
	s = slot_of(t, name);
	if (!t->hash[s]) {
		snprintf(t->v[t->n], sizeof(*t->v), "%s", name);
		t->hash[s] = (uint32_t)++t->n;
	}
	return t->hash[s] - 1;
}

static int point(struct crp_index *ix, unsigned i, sqlite3_stmt *st, struct numbers *who, crp_point_fn fn, void *arg,
		 struct sr_error *err)
{
	const unsigned char *p = sqlite3_column_blob(st, 2);
	const char *name = (const char *)sqlite3_column_text(st, 1);
	int len = sqlite3_column_bytes(st, 2);
	struct crp_point to = { .n = 0 };
	int64_t number;

	if (sqlite3_column_bytes(st, 0) != 32 || len % PAIR || len / PAIR > CRP_FEATURES ||
	    (name && strlen(name) >= sizeof(*who->v)))
		return tampered(ix, i, "a row", err);
	to_text(sqlite3_column_blob(st, 0), to.sha256);
	for (; p && len; p += PAIR, len -= PAIR) {
		unsigned id = pair_id(p);

		if (id < 1 || id > MAX_NAMES || !ix->shard[i].names[id] || !isfinite(pair_value(p)))
			return tampered(ix, i, "a row's features", err);
		to.feature[to.n] = (uint16_t)(ix->shard[i].names[id] - 1);
		to.value[to.n++] = pair_value(p);
	}
	to.cpus = (uint32_t)sqlite3_column_int64(st, 3);
	to.duration_ns = (uint64_t)sqlite3_column_int64(st, 4);
	number = number_of(who, name ? name : "", err);
	to.contributor = (uint32_t)number;
	return number < 0 ? -1 : fn(arg, &to, err);
}

int crp_index_points(struct crp_index *ix, const struct crp_query *q, crp_point_fn fn, void *arg, struct sr_error *err)
{
	struct numbers who = { 0 };
	int ret = 0, rc = SQLITE_DONE;

	for (unsigned i = 0; i < SHARDS && !ret; i++) {
		sqlite3_stmt *st;

		ret = shard_matters(q, i) ? open_shard(ix, i, err) : 0;
		if (ret <= 0)
			continue;
		/* One look: names and rows of the same moment. */
		if (!ix->shard[i].begun && run_sql(ix, i, "read it", "BEGIN", err)) {
			ret = -1;
			break;
		}
		ret = read_names(ix, i, err);
		st = ret ? NULL :
			   select_rows(ix, i, q, "sha256, " WORD("contributor") ", features, cpus, duration", err);
		ret = st ? 0 : -1;
		while (!ret && (rc = search(ix, st)) == SQLITE_ROW)
			ret = point(ix, i, st, &who, fn, arg, err);
		if (!ret && rc != SQLITE_DONE)
			ret = failed(ix, i, "read it", err);
		sqlite3_finalize(st);
		if (!ix->shard[i].begun)
			sqlite3_exec(ix->shard[i].sql, "COMMIT", NULL, NULL, NULL);
	}
	free(who.v);
	free(who.hash);
	return ret < 0 ? -1 : 0;
}

/* Notes lie in the first file. */

int crp_index_note_get(struct crp_index *ix, const char *key, char *value, size_t size, struct sr_error *err)
{
	int ret = open_shard(ix, 0, err), rc;
	sqlite3_stmt *st;

	if (ret <= 0)
		return ret;
	st = prepare(ix, 0, "SELECT value FROM note WHERE key = ?1", err);
	if (!st)
		return -1;
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(st, 0);

		ret = text && strlen(text) < size ? 1 : tampered(ix, 0, "a note", err);
		if (ret == 1)
			snprintf(value, size, "%s", text);
	} else {
		ret = rc == SQLITE_DONE ? 0 : failed(ix, 0, "read it", err);
	}
	sqlite3_finalize(st);
	return ret;
}

int crp_index_note_set(struct crp_index *ix, const char *key, const char *value, struct sr_error *err)
{
	sqlite3_stmt *st;
	int ret;

	if (begin(ix, 0, err))
		return -1;
	st = prepare(ix, 0, "INSERT OR REPLACE INTO note VALUES (?1, ?2)", err);
	ret = st ? 0 : -1;
	if (st) {
		sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, value, -1, SQLITE_STATIC);
		if (sqlite3_step(st) != SQLITE_DONE)
			ret = failed(ix, 0, "write it", err);
		sqlite3_finalize(st);
	}
	if (!ret)
		return end(ix, 0, err);
	roll_back(ix, 0);
	return -1;
}

int crp_index_check(struct crp_index *ix, crp_finding_fn fn, void *arg, struct sr_error *err)
{
	int ret = 0;

	for (unsigned i = 0; i < SHARDS && !ret; i++) {
		sqlite3_stmt *st;
		char text[512];

		ret = open_shard(ix, i, err);
		if (ret < 0 && err->status == SR_DAMAGED)
			ret = fn(arg, "", err->text, err);
		if (ret <= 0 || !ix->shard[i].sql) {
			ret = ret > 0 ? 0 : ret;
			continue;
		}
		st = prepare(ix, i, "PRAGMA integrity_check(1)", err);
		ret = st ? 0 : -1;
		if (st && sqlite3_step(st) == SQLITE_ROW) {
			const char *said = (const char *)sqlite3_column_text(st, 0);

			snprintf(text, sizeof(text), "the index's file %x.db is damaged: %s", i, said ? said : "?");
			if (!said || strcmp(said, "ok") != 0)
				ret = fn(arg, "", text, err);
		} else if (st) {
			ret = failed(ix, i, "check it", err);
		}
		sqlite3_finalize(st);
	}
	return ret < 0 ? -1 : 0;
}
