/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store in an S3 bucket, below a prefix:
 *
 *	schedrec-corpus          "schedrec-corpus 1": this is one
 *	sha256/ab/abcdef...      objects; the server compares the bytes of each upload with the hash that is its name
 *	rows/ab/abcdef...        their rows, as text (row.h)
 *	log/TIME-SHA-a, -r       an object was added or removed, at about TIME (16 hexadecimal digits of ns since 1970); empty
 *	packs/TIME               the rows of all objects that the log told of up to TIME, as one text
 *
 * An object is there for others when it has its row, which is written last, behind the entry in the log; it goes in the
 * reverse order. What is searched is an index in the user's cache: it reads the log from where it ended (and a day
 * before, for clocks differ), gets the rows that it does not have, and drops those that are gone. A new index begins
 * with the pack, so that it does not get a million rows one by one; who writes makes a new one when the log has grown
 * by PACK_ROWS and by an eighth of the rows.
 */
#include "corpus/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "corpus/index.h"
#include "corpus/s3.h"
#include "corpus/sample.h"

#define MARK "schedrec-corpus"
#define MARK_TEXT "schedrec-corpus 1\n"
#define SLACK_NS (86400ull * 1000000000) /* what clocks and uploads may be late by */
#define PACK_ROWS 500
#define PACK_MAX (1u << 31) /* bytes */
#define BULK 1000           /* rows in one step of the index */
#define KEY 800
#define LOG_NAME (16 + 1 + 64 + 2) /* TIME-SHA-a */

struct s3_store {
	struct crp_store store;
	struct s3 *s3;
	struct crp_index *index;
	char prefix[512]; /* with a slash at its end, or "" */
	enum crp_access access;
	uint64_t since_pack; /* entries of the log behind the newest pack */
	bool synced, asked;  /* asked: whether a pack is due */
};

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

static void key_of(const struct s3_store *d, const char *kind, const char *sha256, char key[KEY])
{
	snprintf(key, KEY, "%s%s/%.2s/%.64s", d->prefix, kind, sha256, sha256);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* 1, 0, -1 */
static int get_row(struct s3_store *d, const char *sha256, struct crp_row *row, struct sr_error *err)
{
	char key[KEY], *text;
	size_t len;
	int ret;

	key_of(d, "rows", sha256, key);
	ret = s3_get(d->s3, key, CRP_ROW_TEXT, &text, &len, err);
	if (ret != 1)
		return ret;
	ret = crp_row_parse(row, text, len, err);
	free(text);
	if (ret) {
		sr_fail_prefix(err, "%s: %s", d->store.url, sha256);
		return -1;
	}
	if (strcmp(row->sha256, sha256) != 0) {
		sr_fail(err, SR_DAMAGED, "%s: the row of object %s is that of another", d->store.url, sha256);
		return -1;
	}
	return 1;
}

/* The index */

struct sync {
	struct s3_store *d;
	char last[LOG_NAME + 1]; /* the newest entry */
	uint64_t entries, changes, since_pack;
	char pack[32]; /* the time of the newest pack */
};

static int pending(struct sync *y, struct sr_error *err)
{
	if (++y->changes % BULK)
		return 0;
	if (crp_index_commit(y->d->index, err))
		return -1;
	crp_index_begin(y->d->index);
	return 0;
}

static int on_log(void *arg, const char *key, uint64_t bytes, struct sr_error *err)
{
	struct sync *y = arg;
	struct s3_store *d = y->d;
	const char *name = strrchr(key, '/');
	char sha256[SR_SHA256_TEXT];
	struct crp_row row;
	int have, ret;

	name = name ? name + 1 : key;
	if (strlen(name) != LOG_NAME)
		return 0;
	memcpy(sha256, name + 17, 64);
	sha256[64] = '\0';
	if (strspn(name, "0123456789abcdef") != 16 || name[16] != '-' || !crp_is_sha256(sha256) || name[81] != '-' ||
	    (name[82] != 'a' && name[82] != 'r'))
		return 0;
	memcpy(y->last, name, LOG_NAME + 1);
	y->entries++;
	y->since_pack += strncmp(name, y->pack, 16) > 0;
	have = crp_index_find(d->index, sha256, &row, err);
	if (have < 0)
		return -1;
	if (have == (name[82] == 'a'))
		return 0;
	ret = get_row(d, sha256, &row, err);
	if (ret < 0) {
		/* A row that is damaged keeps nobody from the others; verify tells of it. */
		if (err->status != SR_DAMAGED)
			return -1;
		ret = 0;
	}
	/* One that was removed and added again may have another row. */
	if (have && crp_index_remove(d->index, sha256, err) < 0)
		return -1;
	if (ret && crp_index_add(d->index, &row, err) < 0)
		return -1;
	if (!ret && !have)
		return 0;
	return pending(y, err);
}

static int on_pack(void *arg, const char *key, uint64_t bytes, struct sr_error *err)
{
	struct sync *y = arg;
	const char *name = strrchr(key, '/');

	if (name && strlen(name + 1) == 16 && strspn(name + 1, "0123456789abcdef") == 16)
		memcpy(y->pack, name + 1, 17);
	return 0;
}

/* A pack's bytes as they come, cut into rows. */
struct unpack {
	struct sync *y;
	char *buf;
	size_t len;
};

static int take_pack(void *arg, const void *data, size_t len, struct sr_error *err)
{
	static const char head[] = "schedrec-row 1\n";
	struct unpack *u = arg;
	const char *p = data;

	while (len) {
		size_t n = len < 2 * CRP_ROW_TEXT - 1 - u->len ? len : 2 * CRP_ROW_TEXT - 1 - u->len;
		char *end;

		memcpy(u->buf + u->len, p, n);
		u->len += n;
		u->buf[u->len] = '\0';
		p += n;
		len -= n;
		/* A row ends where the next begins. */
		while (u->len > sizeof(head) && (end = strstr(u->buf + 1, head)) && end[-1] == '\n') {
			struct crp_row row;
			size_t row_len = (size_t)(end - u->buf);

			if (crp_row_parse(&row, u->buf, row_len, err) || crp_index_add(u->y->d->index, &row, err) < 0 ||
			    pending(u->y, err))
				return -1;
			u->len -= row_len;
			memmove(u->buf, end, u->len + 1);
		}
		if (u->len >= 2 * CRP_ROW_TEXT - 1)
			return sr_fail(err, SR_DAMAGED, "a pack of rows is damaged");
	}
	return 0;
}

static int read_pack(struct sync *y, struct sr_error *err)
{
	struct unpack u = { .y = y, .buf = malloc(2 * CRP_ROW_TEXT) };
	struct crp_row row;
	char key[KEY];
	int ret;

	if (!u.buf)
		return no_memory(err);
	snprintf(key, sizeof(key), "%spacks/%s", y->d->prefix, y->pack);
	ret = s3_get_stream(y->d->s3, key, take_pack, &u, err);
	if (ret == 1 && u.len) {
		ret = crp_row_parse(&row, u.buf, u.len, err) || crp_index_add(y->d->index, &row, err) < 0 ? -1 : 1;
	}
	free(u.buf);
	return ret < 0 ? -1 : 0;
}

/* Brings the index up to date with the bucket. */
static int sync_index(struct s3_store *d, struct sr_error *err)
{
	struct sync y = { .d = d };
	char prefix[KEY], after[KEY + 32], from[LOG_NAME + 1] = "", name[32];
	uint64_t t = 0;
	int ret;

	if (d->synced)
		return 0;
	ret = crp_index_note_get(d->index, "log", from, sizeof(from), err);
	if (ret < 0)
		return -1;
	snprintf(prefix, sizeof(prefix), "%spacks/", d->prefix);
	if (s3_list(d->s3, prefix, NULL, on_pack, &y, err))
		return -1;
	crp_index_begin(d->index);
	if (!ret && *y.pack) {
		if (read_pack(&y, err))
			return -1;
		snprintf(from, sizeof(from), "%s", y.pack);
	}
	if (*from)
		sscanf(from, "%16" SCNx64, &t);
	t = t > SLACK_NS ? t - SLACK_NS : 0;
	snprintf(name, sizeof(name), "%016" PRIx64, t);
	snprintf(prefix, sizeof(prefix), "%slog/", d->prefix);
	snprintf(after, sizeof(after), "%s%s", prefix, name);
	if (s3_list(d->s3, prefix, after, on_log, &y, err))
		return -1;
	/* Of an entry that somebody's clock put into the future the log does not go on. */
	snprintf(name, sizeof(name), "%016" PRIx64, now_ns());
	if (strncmp(y.last, name, 16) > 0)
		snprintf(y.last, sizeof(y.last), "%s", name);
	if (strcmp(y.last, from) > 0 && crp_index_note_set(d->index, "log", y.last, err))
		return -1;
	d->since_pack = y.since_pack;
	if (crp_index_commit(d->index, err))
		return -1;
	d->synced = true;
	return 0;
}

/* All rows as one text. */
struct packing {
	FILE *f;
};

static int pack_row(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct packing *p = arg;
	char text[CRP_ROW_TEXT];
	size_t len = crp_row_text(row, text);

	return fwrite(text, 1, len, p->f) == len ? 0 : sr_fail_errno(err, SR_ENVIRONMENT, "cannot write a pack");
}

/* A pack of what the index has: the log up to a day ago is then not needed by a new one. */
static int make_pack(struct s3_store *d, struct sr_error *err)
{
	static const struct crp_query all;
	char last[LOG_NAME + 1] = "", key[KEY], path[64], sha256[SR_SHA256_TEXT];
	struct packing p = { .f = tmpfile() };
	long bytes;
	int ret = -1;

	if (!p.f)
		return sr_fail_errno(err, SR_ENVIRONMENT, "no temporary file");
	if (crp_index_note_get(d->index, "log", last, sizeof(last), err) == 1 &&
	    !crp_index_pages(d->index, &all, pack_row, &p, err)) {
		last[16] = '\0';
		snprintf(key, sizeof(key), "%spacks/%s", d->prefix, last);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(p.f));
		bytes = fflush(p.f) ? -1 : ftell(p.f);
		if (bytes < 0 || bytes > (long)PACK_MAX)
			ret = sr_fail(err, SR_ENVIRONMENT, "cannot write a pack");
		else if (!sr_sha256_file(path, sha256, err))
			ret = s3_put_file(d->s3, key, fileno(p.f), (uint64_t)bytes, sha256, true, NULL, err);
	}
	fclose(p.f);
	return ret < 0 ? -1 : 0;
}

/* The index of who only puts is not up to date: it is brought there once a process. */
static void maybe_pack(struct s3_store *d)
{
	static const struct crp_query all;
	struct sr_error ignored;
	uint64_t rows;

	if (d->asked || sync_index(d, &ignored))
		return;
	d->asked = true;
	if (d->since_pack > PACK_ROWS && !crp_index_count(d->index, &all, &rows, &ignored) && d->since_pack > rows / 8)
		make_pack(d, &ignored);
}

/* The store's functions */

static int put_log(struct s3_store *d, const char *sha256, char what, struct sr_error *err)
{
	char key[KEY];

	snprintf(key, sizeof(key), "%slog/%016" PRIx64 "-%s-%c", d->prefix, now_ns(), sha256, what);
	return s3_put(d->s3, key, "", 0, false, err) < 0 ? -1 : 0;
}

/* The file is what its row says: an object without a row is overwritten, so it must be. */
static int check_file(int fd, const struct crp_row *row, struct sr_error *err)
{
	char path[64], have[SR_SHA256_TEXT];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read what is to be stored");
	if (sr_sha256_file(path, have, err))
		return -1;
	if (strcmp(have, row->sha256) != 0)
		return sr_fail(err, SR_DAMAGED, "the bytes to be stored have the SHA-256 %s, not %s", have,
			       row->sha256);
	if ((uint64_t)st.st_size != row->bytes)
		return sr_fail(err, SR_DAMAGED, "there are %llu bytes to be stored, the row says %llu",
			       (unsigned long long)st.st_size, (unsigned long long)row->bytes);
	return 0;
}

static int s3_store_put(struct crp_store *s, int fd, const struct crp_row *row, const struct crp_watch *watch,
			struct sr_error *err)
{
	struct s3_store *d = (struct s3_store *)s;
	struct crp_row whole = *row;
	char key[KEY], text[CRP_ROW_TEXT];
	int ret = get_row(d, row->sha256, &whole, err);

	if (ret)
		return ret < 0 ? -1 : 0;
	whole = *row;
	whole.added_s = (uint64_t)time(NULL);
	if (check_file(fd, row, err))
		return -1;
	key_of(d, "sha256", row->sha256, key);
	/* One that is there without a row is what a crash has left, or under way: the same bytes in any case. */
	if (s3_put_file(d->s3, key, fd, row->bytes, row->sha256, false, watch, err) < 0 ||
	    put_log(d, row->sha256, 'a', err))
		return -1;
	key_of(d, "rows", row->sha256, key);
	ret = s3_put(d->s3, key, text, crp_row_text(&whole, text), true, err);
	d->synced = false;
	/* A pack is only for speed: when it fails, the next one who writes tries again. */
	if (ret == 1)
		maybe_pack(d);
	return ret;
}

struct getting {
	struct sr_sha256 *sha;
	const struct crp_watch *watch;
	uint64_t done, total;
	int fd;
};

static int take_object(void *arg, const void *data, size_t len, struct sr_error *err)
{
	struct getting *g = arg;
	const char *p = data;

	sr_sha256_add(g->sha, data, len);
	g->done += len;
	if (g->done > g->total)
		return sr_fail(err, SR_DAMAGED, "the object has more bytes than its row says");
	while (len) {
		ssize_t put = write(g->fd, p, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write the object");
		p += put;
		len -= (size_t)put;
	}
	if (g->watch && g->watch->step && g->watch->step(g->watch->arg, g->done, g->total))
		return sr_fail(err, SR_INTERRUPTED, "interrupted");
	return 0;
}

static int s3_store_get(struct crp_store *s, const char *sha256, int fd, const struct crp_watch *watch,
			struct sr_error *err)
{
	struct s3_store *d = (struct s3_store *)s;
	struct getting g = { .fd = fd, .watch = watch };
	char key[KEY], have[SR_SHA256_TEXT];
	struct crp_row row = { 0 };
	int ret = get_row(d, sha256, &row, err);

	if (ret < 0)
		return -1;
	if (!ret)
		return sr_fail(err, SR_ENVIRONMENT, "%s: has no object %s", s->url, sha256);
	g.total = row.bytes;
	g.sha = sr_sha256_new();
	if (!g.sha)
		return no_memory(err);
	key_of(d, "sha256", sha256, key);
	ret = s3_get_stream(d->s3, key, take_object, &g, err);
	if (ret < 0 && err->status == SR_DAMAGED)
		sr_fail_prefix(err, "%s: object %s", s->url, sha256);
	sr_sha256_end(g.sha, have);
	sr_sha256_free(g.sha);
	if (ret < 0)
		return -1;
	if (!ret)
		return sr_fail(err, SR_DAMAGED, "%s: object %s has a row, but is not there", s->url, sha256);
	if (strcmp(have, sha256) != 0)
		return sr_fail(err, SR_DAMAGED,
			       "%s: object %s is damaged or was replaced: its bytes have the SHA-256 %s", s->url,
			       sha256, have);
	return 0;
}

static int s3_store_find(struct crp_store *s, const char *sha256, struct crp_row *row, struct sr_error *err)
{
	return get_row((struct s3_store *)s, sha256, row, err);
}

static int s3_store_list(struct crp_store *s, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err)
{
	struct s3_store *d = (struct s3_store *)s;

	return sync_index(d, err) ? -1 : crp_index_pages(d->index, q, fn, arg, err);
}

static int s3_store_sample(struct crp_store *s, const struct crp_query *q, unsigned n, crp_pick_fn fn, void *arg,
			   struct sr_error *err)
{
	struct s3_store *d = (struct s3_store *)s;

	return sync_index(d, err) ? -1 : crp_sample_index(d->index, q, n, fn, arg, err);
}

static int s3_store_remove(struct crp_store *s, const char *sha256, const char *token, struct sr_error *err)
{
	struct s3_store *d = (struct s3_store *)s;
	char key[KEY];
	struct crp_row row;
	int ret = get_row(d, sha256, &row, err);

	if (ret < 0)
		return -1;
	if (!ret)
		return sr_fail(err, SR_ENVIRONMENT, "%s: has no object %s", s->url, sha256);
	if (!crp_token_matches(token, row.token_sha256))
		return sr_fail(err, SR_USAGE, "that is not the deletion token of object %s", sha256);
	if (put_log(d, sha256, 'r', err))
		return -1;
	d->synced = false;
	key_of(d, "rows", sha256, key);
	if (s3_delete(d->s3, key, err))
		return -1;
	key_of(d, "sha256", sha256, key);
	return s3_delete(d->s3, key, err);
}

/* Keys of objects, or of rows, in ascending order: what the other listing and the index lack. */
struct names {
	char (*v)[SR_SHA256_TEXT];
	size_t n, cap;
};

static int take_name(void *arg, const char *key, uint64_t bytes, struct sr_error *err)
{
	struct names *t = arg;
	const char *name = strrchr(key, '/');

	if (!name || !crp_is_sha256(name + 1))
		return 0;
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 1024;
		void *p = realloc(t->v, cap * sizeof(*t->v));

		if (!p)
			return no_memory(err);
		t->v = p;
		t->cap = cap;
	}
	memcpy(t->v[t->n++], name + 1, SR_SHA256_TEXT);
	return 0;
}

static int list_names(struct s3_store *d, const char *kind, struct names *t, struct sr_error *err)
{
	char prefix[KEY];

	snprintf(prefix, sizeof(prefix), "%s%s/", d->prefix, kind);
	return s3_list(d->s3, prefix, NULL, take_name, t, err);
}

static int check_row(struct s3_store *d, const char *sha256, crp_finding_fn fn, void *arg, struct sr_error *err)
{
	struct crp_row row;
	int ret = crp_index_find(d->index, sha256, &row, err);

	if (ret)
		return ret < 0 ? -1 : 0;
	/* Either the row is damaged, or the log does not tell of it. */
	ret = get_row(d, sha256, &row, err);
	if (ret < 0 && err->status == SR_DAMAGED)
		return fn(arg, sha256, err->text, err);
	return ret > 0 ? fn(arg, sha256, "has a row, but the log does not tell of it", err) : ret;
}

static int s3_store_check(struct crp_store *s, crp_finding_fn fn, void *arg, struct sr_error *err)
{
	struct s3_store *d = (struct s3_store *)s;
	struct names rows = { 0 }, objects = { 0 };
	int ret = -1;

	if (!sync_index(d, err) && !list_names(d, "sha256", &objects, err) && !list_names(d, "rows", &rows, err))
		ret = 0;
	for (size_t i = 0, k = 0; !ret && (i < objects.n || k < rows.n);) {
		int c = i == objects.n ? 1 : k == rows.n ? -1 : strcmp(objects.v[i], rows.v[k]);

		if (c < 0)
			ret = fn(arg, objects.v[i], "has no row: an upload broke off, or is under way", err);
		else if (c > 0)
			ret = fn(arg, rows.v[k], "has a row, but is not there", err);
		else
			ret = check_row(d, rows.v[k], fn, arg, err);
		i += c <= 0;
		k += c >= 0;
	}
	free(rows.v);
	free(objects.v);
	return ret < 0 ? -1 : 0;
}

static void s3_store_close(struct crp_store *s)
{
	struct s3_store *d = (struct s3_store *)s;

	crp_index_close(d->index);
	s3_close(d->s3);
	free(s->url);
	free(d);
}

static const struct crp_store_ops s3_ops = {
	.put = s3_store_put,
	.get = s3_store_get,
	.find = s3_store_find,
	.list = s3_store_list,
	.remove = s3_store_remove,
	.check = s3_store_check,
	.sample = s3_store_sample,
	.close = s3_store_close,
};

/* Opening */

static const char *variable(const char *a, const char *b)
{
	const char *v = getenv(a);

	if (!v || !*v)
		v = b ? getenv(b) : NULL;
	return v && *v ? v : NULL;
}

/* "s3://bucket/some/prefix" */
static int parse_url(struct s3_store *d, const char *url, char *bucket, size_t size, struct sr_error *err)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
	const char *p = url + strlen("s3://"), *slash = strchr(p, '/');
	size_t len = slash ? (size_t)(slash - p) : strlen(p), n;

	if (!len || len >= size || strspn(p, chars) < len)
		return sr_fail(err, SR_USAGE, "%s: no bucket; give s3://BUCKET or s3://BUCKET/PREFIX", url);
	memcpy(bucket, p, len);
	bucket[len] = '\0';
	snprintf(d->prefix, sizeof(d->prefix), "%s", slash ? slash + 1 : "");
	n = strlen(d->prefix);
	while (n && d->prefix[n - 1] == '/')
		d->prefix[--n] = '\0';
	if (n + 2 > sizeof(d->prefix) / 2 ||
	    strspn(d->prefix, "/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			      "0123456789-._~") != n ||
	    strstr(d->prefix, "//") || strstr(d->prefix, "..") || d->prefix[0] == '/')
		return sr_fail(err, SR_USAGE, "%s: the prefix may have letters, digits, -, ., _, ~ and single slashes",
			       url);
	if (n)
		memcpy(d->prefix + n, "/", 2);
	return 0;
}

static int connect_s3(struct s3_store *d, const char *bucket, struct sr_error *err)
{
	struct s3_config config = {
		.endpoint = variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
		.region = variable("AWS_REGION", "AWS_DEFAULT_REGION"),
		.key = variable("AWS_ACCESS_KEY_ID", NULL),
		.secret = variable("AWS_SECRET_ACCESS_KEY", NULL),
		.session = variable("AWS_SESSION_TOKEN", NULL),
		.bucket = bucket,
	};

	if (!config.key || !config.secret)
		return sr_fail(err, SR_ENVIRONMENT, "%s: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set",
			       d->store.url);
	if (!config.region)
		config.region = "us-east-1";
	if (config.endpoint && strncmp(config.endpoint, "http://", 7) != 0 &&
	    strncmp(config.endpoint, "https://", 8) != 0)
		return sr_fail(err, SR_USAGE, "AWS_ENDPOINT_URL is neither http:// nor https://: '%s'",
			       config.endpoint);
	d->s3 = s3_open(&config, &d->store.watch, err);
	return d->s3 ? 0 : -1;
}

/* Is there a corpus? It is made where that is asked for. */
static int look_at_mark(struct s3_store *d, struct sr_error *err)
{
	char key[KEY], *text;
	size_t len;
	int ret;

	snprintf(key, sizeof(key), "%s" MARK, d->prefix);
	ret = s3_get(d->s3, key, 4096, &text, &len, err);
	if (ret < 0)
		return -1;
	if (!ret && d->access != CRP_CREATE)
		return sr_fail(err, SR_ENVIRONMENT, "%s: no corpus; make one with schedrec corpus init", d->store.url);
	if (!ret)
		return s3_put(d->s3, key, MARK_TEXT, strlen(MARK_TEXT), true, err) < 0 ? -1 : 0;
	ret = len == strlen(MARK_TEXT) && !memcmp(text, MARK_TEXT, len) ?
		      0 :
		      sr_fail(err, SR_DAMAGED, "%s: its object " MARK " is damaged, or of a newer schedrec",
			      d->store.url);
	free(text);
	return ret;
}

/* The index lies in the user's cache, by endpoint and URL. */
static int open_index(struct s3_store *d, struct sr_error *err)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *endpoint;
	struct sr_sha256 *sha = sr_sha256_new();
	char name[SR_SHA256_TEXT], *dir = NULL;
	int n, ret = 0;

	if (!sha)
		return no_memory(err);
	endpoint = variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
	sr_sha256_add(sha, endpoint ? endpoint : "", endpoint ? strlen(endpoint) + 1 : 1);
	sr_sha256_add(sha, d->store.url, strlen(d->store.url));
	sr_sha256_end(sha, name);
	sr_sha256_free(sha);
	if (cache && *cache == '/')
		n = asprintf(&dir, "%s/schedrec/index/%.16s", cache, name);
	else if (home && *home)
		n = asprintf(&dir, "%s/.cache/schedrec/index/%.16s", home, name);
	else
		return sr_fail(err, SR_ENVIRONMENT,
			       "neither XDG_CACHE_HOME nor HOME is set: there is no place for the index");
	if (n < 0)
		return no_memory(err);
	for (char *p = dir + 1; !ret; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(dir, 0700) && errno != EEXIST)
			ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot make %s", dir);
		*p = c;
		if (!c)
			break;
	}
	if (!ret)
		d->index = crp_index_open(dir, CRP_WRITE, err);
	free(dir);
	if (d->index)
		crp_index_watch(d->index, &d->store.watch);
	return d->index ? 0 : -1;
}

struct crp_store *crp_s3_open(const char *url, enum crp_access access, struct sr_error *err)
{
	struct s3_store *d = calloc(1, sizeof(*d));
	char bucket[256];

	if (!d) {
		no_memory(err);
		return NULL;
	}
	d->store.ops = &s3_ops;
	d->access = access;
	d->store.url = strdup(url);
	if (!d->store.url)
		no_memory(err);
	else if (!parse_url(d, url, bucket, sizeof(bucket), err) && !connect_s3(d, bucket, err) &&
		 !look_at_mark(d, err) && !open_index(d, err))
		return &d->store;
	s3_store_close(&d->store);
	return NULL;
}
