/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which traces there are. */
#include "analyze/cmd_nightly.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpus/cmd_corpus.h"

#define DEEPEST 16

unsigned nightly_shard_of(const char *sha256, unsigned shards)
{
	char head[17];

	snprintf(head, sizeof(head), "%.16s", sha256);
	return (unsigned)(strtoull(head, NULL, 16) % shards) + 1;
}

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

/* A new one, zeroed; NULL: no memory. */
static struct nightly_source *add(struct nightly_corpus *c, struct sr_error *err)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 32;
		struct nightly_source *v = realloc(c->v, cap * sizeof(*v));

		if (!v) {
			no_memory(err);
			return NULL;
		}
		c->v = v;
		c->cap = cap;
	}
	memset(&c->v[c->n], 0, sizeof(*c->v));
	return &c->v[c->n++];
}

static int add_file(struct nightly_corpus *c, const char *path, const char *name, struct sr_error *err)
{
	struct nightly_source *s = add(c, err);

	if (!s || sr_sha256_file(path, s->sha256, err) < 0)
		return -1;
	s->name = strdup(name);
	s->path = strdup(path);
	return s->name && s->path ? 0 : no_memory(err);
}

static int walk(struct nightly_corpus *c, const char *dir, size_t root, unsigned depth, struct sr_error *err);

static int look_at(struct nightly_corpus *c, const char *path, size_t root, unsigned depth, struct sr_error *err)
{
	size_t len = strlen(path);
	struct stat st;

	/* A link to a file is a trace; one to a directory is not gone into: it may lead back. */
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return walk(c, path, root, depth + 1, err);
	if (len < 4 || strcmp(path + len - 4, ".srz") || stat(path, &st) || !S_ISREG(st.st_mode))
		return 0;
	return add_file(c, path, path + root + 1, err);
}

static int walk(struct nightly_corpus *c, const char *dir, size_t root, unsigned depth, struct sr_error *err)
{
	const struct dirent *d;
	int ret = 0;
	DIR *f;

	if (depth > DEEPEST)
		return sr_fail(err, SR_USAGE, "%s: the corpus is nested deeper than %d folders", dir, DEEPEST);
	f = opendir(dir);
	if (!f)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", dir);
	while (ret == 0 && (d = readdir(f))) {
		char *path;

		if (d->d_name[0] == '.')
			continue;
		if (asprintf(&path, "%s/%s", dir, d->d_name) < 0) {
			ret = no_memory(err);
			break;
		}
		ret = look_at(c, path, root, depth, err);
		free(path);
	}
	closedir(f);
	return ret;
}

static int by_name(const void *x, const void *y)
{
	const struct nightly_source *a = x, *b = y;

	return strcmp(a->name, b->name);
}

static void drop(struct nightly_source *s)
{
	free(s->name);
	free(s->path);
}

/* The same content under two names is one trace. */
static void drop_copies(struct nightly_corpus *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		size_t k = 0;

		while (k < n && strcmp(c->v[k].sha256, c->v[i].sha256))
			k++;
		if (k < n)
			drop(&c->v[i]);
		else
			c->v[n++] = c->v[i];
	}
	c->n = n;
}

static int list_files(const char *path, struct nightly_corpus *out, struct sr_error *err)
{
	size_t len = strlen(path);
	char *dir;
	int ret;

	while (len > 1 && path[len - 1] == '/')
		len--;
	dir = strndup(path, len);
	if (!dir)
		return no_memory(err);
	ret = walk(out, dir, len, 0, err);
	free(dir);
	if (ret == 0 && out->n == 0)
		ret = sr_fail(err, SR_ENVIRONMENT, "%s: no .srz file in it or below", path);
	return ret;
}

/* Named as `corpus pull` names its files. */
static int add_object(struct nightly_corpus *c, const char *sha256, double weight, uint64_t traces,
		      struct sr_error *err)
{
	struct nightly_source *s = add(c, err);

	if (!s)
		return -1;
	memcpy(s->sha256, sha256, sizeof(s->sha256));
	s->weight = weight;
	s->traces = traces;
	if (asprintf(&s->name, "%.16s.srz", sha256) < 0) {
		s->name = NULL;
		return no_memory(err);
	}
	return 0;
}

struct choosing {
	struct nightly_corpus *c;
	bool sample;
};

static int take_pick(void *arg, const struct crp_pick *pick, struct sr_error *err)
{
	const struct choosing *to = arg;

	if (add_object(to->c, pick->row.sha256, to->sample ? pick->weight : 0, to->sample ? pick->traces : 0, err) < 0)
		return -1;
	return cmd_signal != 0;
}

/* The cache is that of the user whose files the results are: under sudo, and as a service, HOME may say other things. */
static void find_home(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	const struct passwd *pw;

	if ((cache && *cache == '/') || (home && *home && getuid() == geteuid()))
		return;
	pw = getpwuid(geteuid());
	if (pw && pw->pw_dir && *pw->pw_dir)
		setenv("HOME", pw->pw_dir, 1);
}

static int list_store(const struct nightly_options *o, struct nightly_corpus *out, struct sr_error *err)
{
	struct choosing to = { .c = out, .sample = o->sample > 0 };
	struct crp_query q;

	if (corpus_query(&q, (int)o->query.n, (char **)o->query.v, err) < 0)
		return -1;
	find_home();
	out->store = crp_open(o->corpus, CRP_READ, err);
	if (!out->store)
		return -1;
	out->store->watch = corpus_watch(NULL);
	if (corpus_choose(out->store, &q, o->sample, take_pick, &to, err) < 0)
		return -1;
	if (cmd_signal)
		return sr_fail(err, SR_INTERRUPTED, "interrupted before the night began");
	if (out->n == 0)
		return sr_fail(err, SR_ENVIRONMENT, "%s: %s", out->store->url,
			       o->query.n ? "nothing matches the query" : "there is no recording in it");
	return 0;
}

int nightly_corpus_list(const struct nightly_options *o, struct nightly_corpus *out, struct sr_error *err)
{
	bool store = strstr(o->corpus, "://") || crp_dir_is_corpus(o->corpus);
	int ret;

	memset(out, 0, sizeof(*out));
	if (!store && (o->sample || o->query.n))
		return sr_fail(err, SR_USAGE,
			       "--%s is for a corpus (schedrec corpus init), and %s is a folder of files",
			       o->sample ? "sample" : "query", o->corpus);
	ret = store ? list_store(o, out, err) : list_files(o->corpus, out, err);
	if (ret < 0) {
		nightly_corpus_release(out);
		return -1;
	}
	qsort(out->v, out->n, sizeof(*out->v), by_name);
	if (!store)
		drop_copies(out);
	return 0;
}

static void drop_all(struct nightly_corpus *c)
{
	for (size_t i = 0; i < c->n; i++)
		drop(&c->v[i]);
	c->n = 0;
}

int nightly_corpus_keep(struct nightly_corpus *c, const struct ana_night_traces *picks, struct sr_error *err)
{
	drop_all(c);
	for (size_t i = 0; i < picks->n; i++)
		if (add_object(c, picks->v[i].sha256, picks->v[i].weight, picks->v[i].traces, err) < 0)
			return -1;
	return 0;
}

int nightly_corpus_pull(const struct nightly_corpus *c, const struct nightly_source *s, bool quiet, char **path,
			struct sr_error *err)
{
	if (!s->path)
		return corpus_fetch(c->store, s->sha256, &quiet, path, err) < 0 ? -1 : 0;
	*path = strdup(s->path);
	return *path ? 0 : no_memory(err);
}

const char *nightly_corpus_url(const struct nightly_corpus *c, const struct nightly_options *o)
{
	return c->store ? c->store->url : o->corpus;
}

void nightly_corpus_release(struct nightly_corpus *c)
{
	drop_all(c);
	free(c->v);
	crp_close(c->store);
	memset(c, 0, sizeof(*c));
}
