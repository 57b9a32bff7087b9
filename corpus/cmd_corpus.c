/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec corpus init, list, show, verify, remove; and what all commands of a corpus share. */
#include "corpus/cmd_corpus.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analyze/features.h"
#include "formats/copy.h"
#include "formats/machine.h"
#include "formats/markup.h"
#include "formats/srz.h"

/* Shared */

static void take_meta(const struct srz_reader *r, const char *key, char *to, size_t size)
{
	const char *v = srz_get_meta(r, key);
	size_t len = v ? strlen(v) : 0;

	/* A value that does not fit, or is not for a row, is not known. */
	if (len && len < size && strcspn(v, "\n\r\t\x1b") == len)
		memcpy(to, v, len + 1);
}

static int describe_machine(struct srz_reader *r, struct crp_row *row, struct sr_error *err)
{
	struct sr_machine *m;
	size_t len;
	const char *xml = srz_get_section(r, SRZ_SEC_MACHINE, &len);

	row->cpus = srz_get_info(r)->cpus;
	if (!xml)
		return 0;
	m = sr_machine_from_xml(xml, len, err);
	if (!m)
		return -1;
	snprintf(row->machine, sizeof(row->machine), "%s", m->summary ? m->summary : "");
	row->nodes = m->nnodes;
	row->cpus = 0;
	for (unsigned i = 0; i < m->ncpus; i++)
		row->cpus += m->v[i].online;
	sr_machine_free(m);
	return 0;
}

int corpus_describe_reader(struct srz_reader *r, struct crp_row *row, struct sr_error *err)
{
	const struct srz_info *info = srz_get_info(r);
	struct ana_features features;
	struct sr_span span;

	row->bytes = info->bytes;
	row->events = info->events;
	row->lost = info->lost;
	take_meta(r, "kernel.release", row->kernel, sizeof(row->kernel));
	take_meta(r, "kernel.machine", row->arch, sizeof(row->arch));
	take_meta(r, "host.cpu_model", row->cpu_model, sizeof(row->cpu_model));
	take_meta(r, "scope", row->scope, sizeof(row->scope));
	take_meta(r, "engine", row->engine, sizeof(row->engine));
	if (describe_machine(r, row, err) || sr_span_of(r, &span, err))
		return -1;
	row->duration_ns = span.end_ns - span.start_ns;
	if (ana_features(r, &features, err))
		return -1;
	for (unsigned i = 0; i < ANA_FEATURES; i++)
		crp_row_feature(row, ana_feature_name(i), features.v[i]);
	if (isfinite(features.v[ANA_F_TASKS_ACTIVE]))
		row->tasks = (uint64_t)features.v[ANA_F_TASKS_ACTIVE];
	return crp_row_check(row, err);
}

int corpus_describe(const char *path, struct crp_row *row, struct sr_error *err)
{
	struct srz_reader *r = srz_open(path, err);
	int ret;

	memset(row, 0, sizeof(*row));
	if (!r)
		return -1;
	ret = sr_sha256_file(path, row->sha256, err);
	if (!ret && !srz_get_info(r)->complete)
		ret = sr_fail(err, SR_DAMAGED, "%s: incomplete", path);
	if (!ret)
		ret = corpus_describe_reader(r, row, err);
	srz_reader_free(r);
	return ret;
}

int corpus_query(struct crp_query *q, int n, char **terms, struct sr_error *err)
{
	size_t size = 1;
	char *text;
	int ret;

	for (int i = 0; i < n; i++)
		size += strlen(terms[i]) + 1;
	text = calloc(1, size);
	if (!text)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (int i = 0; i < n; i++) {
		strcat(text, i ? "," : "");
		strcat(text, terms[i]);
	}
	ret = crp_query_parse(q, text, err);
	free(text);
	return ret;
}

struct found {
	struct crp_row row;
	unsigned n;
};

static int take_found(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct found *f = arg;

	f->row = *row;
	return ++f->n == 2;
}

int corpus_name(struct crp_store *s, const char *name, struct crp_row *row, struct sr_error *err)
{
	struct crp_query q;
	struct found f = { .n = 0 };
	char term[96];
	int ret;

	if (crp_is_sha256(name)) {
		ret = crp_find(s, name, row, err);
		if (!ret)
			sr_fail(err, SR_ENVIRONMENT, "%s: has no object %s", s->url, name);
		return ret > 0 ? 0 : -1;
	}
	if (strlen(name) < 4 || strlen(name) > 64 || strspn(name, "0123456789abcdef") != strlen(name))
		return sr_fail(err, SR_USAGE,
			       "'%.80s' is no object's name: give at least 4 of its 64 hexadecimal digits", name);
	snprintf(term, sizeof(term), "sha256=%s", name);
	if (crp_query_parse(&q, term, err))
		return -1;
	q.limit = 2;
	if (crp_list(s, &q, take_found, &f, err))
		return -1;
	if (f.n != 1)
		return sr_fail(err, f.n ? SR_USAGE : SR_ENVIRONMENT, "%s: has %s whose name begins with %s", s->url,
			       f.n ? "more than one object" : "no object", name);
	*row = f.row;
	return 0;
}

static int step(void *arg, uint64_t done, uint64_t total)
{
	if (total && arg)
		cmd_progress(*(bool *)arg, "%3.0f%%", 100 * (double)done / (double)total);
	return cmd_signal != 0;
}

struct crp_watch corpus_watch(bool *quiet)
{
	return (struct crp_watch){ .step = step, .arg = quiet };
}

static void json_text(struct cmd_json *j, const char *key, const char *value)
{
	cmd_json_str(j, key, *value ? value : NULL);
}

void corpus_row_json(struct cmd_json *j, const struct crp_row *row)
{
	cmd_json_str(j, "sha256", row->sha256);
	cmd_json_u64(j, "bytes", row->bytes);
	cmd_json_u64(j, "duration_ns", row->duration_ns);
	cmd_json_u64(j, "events", row->events);
	cmd_json_u64(j, "lost", row->lost);
	cmd_json_u64(j, "tasks", row->tasks);
	cmd_json_u64(j, "cpus", row->cpus);
	cmd_json_u64(j, "nodes", row->nodes);
	json_text(j, "program", row->program);
	json_text(j, "machine", row->machine);
	json_text(j, "cpu_model", row->cpu_model);
	json_text(j, "arch", row->arch);
	json_text(j, "kernel", row->kernel);
	json_text(j, "scope", row->scope);
	json_text(j, "engine", row->engine);
	json_text(j, "licence", row->licence);
	json_text(j, "contributor", row->contributor);
	cmd_json_u64(j, "consent", row->consent);
	cmd_json_u64(j, "added_s", row->added_s);
	cmd_json_open(j, "features", '{');
	for (size_t i = 0; i < row->nfeatures; i++)
		cmd_json_real(j, row->feature[i].name, row->feature[i].value);
	cmd_json_close(j, '}');
}

void corpus_row_line(FILE *f, const struct crp_row *row)
{
	char time[32], events[32];
	double rate;

	if (!row) {
		fprintf(f, "%-16s %9s %4s %6s %13s %9s %-9s %s\n", "OBJECT", "DURATION", "CPUS", "TASKS", "EVENTS",
			"SWITCH/S", "PROGRAM", "KERNEL");
		return;
	}
	fprintf(f, "%.16s %9s %4" PRIu32 " %6" PRIu64 " %13s ", row->sha256,
		sr_format_time(time, sizeof(time), (double)row->duration_ns), row->cpus, row->tasks,
		sr_format_count(events, sizeof(events), row->events));
	if (crp_row_get(row, "switch_rate", &rate))
		fprintf(f, "%9.0f", rate);
	else
		fprintf(f, "%9s", "-");
	fprintf(f, " %-9.9s %.24s\n", *row->program ? row->program : "-", *row->kernel ? row->kernel : "-");
}

/* init */

struct init_options {
	char none;
};

static const struct sr_option init_rows[] = { { 0 } };

static const char *const init_examples[] = { "schedrec corpus init /srv/traces", "a corpus in a directory",
					     "schedrec corpus init s3://traces/main", "one in a bucket that exists",
					     NULL };

static int init_run(const void *options, int nargs, char **args, struct sr_error *err)
{
	struct crp_store *s;

	if (nargs != 1)
		return sr_fail(err, SR_USAGE, "give one URL");
	s = crp_open(args[0], CRP_CREATE, err);
	if (!s)
		return -1;
	crp_close(s);
	return SR_OK;
}

const struct cmd cmd_corpus_init = {
	.name = "corpus init",
	.summary = "make a corpus of recordings, in a directory or a bucket",
	.operands = "URL",
	.description = "An empty corpus is made, or one that is there is left as it is. A directory with other things "
		       "in it is refused.\n\n" CORPUS_URL_HELP,
	.examples = init_examples,
	.options = init_rows,
	.options_size = sizeof(struct init_options),
	.run = init_run,
};

/* list */

struct list_options {
	uint64_t limit;
	const char *after;
	bool json;
};

static const struct sr_option list_rows[] = {
	{ .name = "limit",
	  .letter = 'n',
	  .type = SR_OPT_UINT,
	  .offset = offsetof(struct list_options, limit),
	  .arg = "N",
	  .min = 1,
	  .max = 1e9,
	  .help = "at most so many objects (default: all)" },
	{ .name = "after",
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct list_options, after),
	  .arg = "SHA256",
	  .help = "only objects behind this one, in the order of their names" },
	{ .name = "json",
	  .letter = 'j',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct list_options, json),
	  .help = "an array of objects with all that is known of each; times in ns, sizes in bytes" },
	{ .name = NULL },
};

static const char *const list_examples[] = { "schedrec corpus list /srv/traces kernel=6.* cpus=4..16",
					     "what was recorded with some kernels and numbers of CPUs",
					     "schedrec corpus list s3://traces/main --json | jq -r .[].sha256",
					     "the names of all objects", NULL };

struct listing {
	struct cmd_json j;
	bool json, any;
};

static int list_row(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct listing *l = arg;

	if (l->json) {
		cmd_json_open(&l->j, NULL, '{');
		corpus_row_json(&l->j, row);
		cmd_json_close(&l->j, '}');
	} else {
		if (!l->any)
			corpus_row_line(stdout, NULL);
		corpus_row_line(stdout, row);
	}
	l->any = true;
	return ferror(stdout) || cmd_signal;
}

static int list_run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct list_options *o = options;
	struct listing l = { .json = o->json };
	struct crp_store *s;
	struct crp_query q;
	int ret;

	if (nargs < 1)
		return sr_fail(err, SR_USAGE, "give a URL");
	if (corpus_query(&q, nargs - 1, args + 1, err))
		return -1;
	q.limit = o->limit;
	if (o->after && !crp_is_sha256(o->after))
		return sr_fail(err, SR_USAGE, "--after is not 64 hexadecimal digits");
	if (o->after)
		memcpy(q.after, o->after, sizeof(q.after));
	cmd_catch_signals();
	s = crp_open(args[0], CRP_READ, err);
	if (!s)
		return -1;
	s->watch = corpus_watch(NULL);
	cmd_json_init(&l.j, stdout);
	if (o->json)
		cmd_json_open(&l.j, NULL, '[');
	ret = crp_list(s, &q, list_row, &l, err);
	if (o->json)
		cmd_json_close(&l.j, ']');
	crp_close(s);
	return cmd_signal ? 128 + cmd_signal : ret;
}

const struct cmd cmd_corpus_list = {
	.name = "corpus list",
	.summary = "list and search what a corpus has",
	.operands = "URL [QUERY...]",
	.description = "One line an object, in the order of their names.\n\n" CORPUS_QUERY_HELP "\n\n" CORPUS_URL_HELP,
	.examples = list_examples,
	.options = list_rows,
	.options_size = sizeof(struct list_options),
	.run = list_run,
};

/* show */

struct json_options {
	bool json;
};

static const struct sr_option json_rows[] = {
	{ .name = "json",
	  .letter = 'j',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct json_options, json),
	  .help = "one JSON object instead of text; times in ns, sizes in bytes" },
	{ .name = NULL },
};

static const char *const show_examples[] = { "schedrec corpus show /srv/traces 5f2b9c01",
					     "all that is known of one object, by the beginning of its name", NULL };

static void show_text(const char *label, const char *value)
{
	if (*value)
		printf("%-18s %s\n", label, value);
}

static void show_feature(const struct crp_feature *f)
{
	static const char *const times[] = { "burst_", "sleep_", "wait_", "period" };
	char time[32];

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (strncmp(f->name, times[i], strlen(times[i])) != 0 || strstr(f->name, "_share"))
			continue;
		printf("  %-18s %s\n", f->name, sr_format_time(time, sizeof(time), f->value));
		return;
	}
	if (strstr(f->name, "_share"))
		printf("  %-18s %.1f%%\n", f->name, 100 * f->value);
	else
		printf("  %-18s %.6g%s\n", f->name, f->value, strstr(f->name, "_rate") ? " a second" : "");
}

static void show_row(const struct crp_row *row)
{
	char a[32], b[32], added[32] = "";
	time_t t = (time_t)row->added_s;
	struct tm tm;

	if (row->added_s && gmtime_r(&t, &tm))
		strftime(added, sizeof(added), "%Y-%m-%d %H:%M UTC", &tm);
	show_text("object", row->sha256);
	printf("%-18s %s\n", "size", sr_format_bytes(a, sizeof(a), (double)row->bytes));
	printf("%-18s %s\n", "duration", sr_format_time(b, sizeof(b), (double)row->duration_ns));
	printf("%-18s %s\n", "events", sr_format_count(a, sizeof(a), row->events));
	printf("%-18s %s\n", "lost", sr_format_count(a, sizeof(a), row->lost));
	printf("%-18s %s\n", "tasks", sr_format_count(a, sizeof(a), row->tasks));
	show_text("machine", row->machine);
	show_text("cpu model", row->cpu_model);
	show_text("architecture", row->arch);
	show_text("kernel", row->kernel);
	show_text("program", row->program);
	show_text("scope", row->scope);
	show_text("licence", row->licence);
	show_text("contributor", row->contributor);
	show_text("added", added);
	printf("features\n");
	for (size_t i = 0; i < row->nfeatures; i++)
		show_feature(&row->feature[i]);
}

static int show_run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct json_options *o = options;
	struct crp_store *s;
	struct crp_row row = { 0 };
	struct cmd_json j;
	int ret;

	if (nargs != 2)
		return sr_fail(err, SR_USAGE, "give a URL and an object's name");
	s = crp_open(args[0], CRP_READ, err);
	if (!s)
		return -1;
	s->watch = corpus_watch(NULL);
	ret = corpus_name(s, args[1], &row, err);
	if (!ret && o->json) {
		cmd_json_init(&j, stdout);
		cmd_json_open(&j, NULL, '{');
		corpus_row_json(&j, &row);
		cmd_json_close(&j, '}');
	} else if (!ret) {
		show_row(&row);
	}
	crp_close(s);
	return ret;
}

const struct cmd cmd_corpus_show = {
	.name = "corpus show",
	.summary = "show what is known of one object of a corpus",
	.operands = "URL OBJECT",
	.description = "OBJECT is the beginning of a name as list shows it. Features are numbers that say what kind of "
		       "load it is; each of them can be asked for in a QUERY of list, pull, sample and "
		       "verify.\n\n" CORPUS_URL_HELP,
	.examples = show_examples,
	.options = json_rows,
	.options_size = sizeof(struct json_options),
	.run = show_run,
};

/* verify */

struct verify_options {
	bool json, quiet;
};

static const struct sr_option verify_rows[] = {
	{ .name = "json",
	  .letter = 'j',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct verify_options, json),
	  .help = "one JSON object instead of text" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct verify_options, quiet),
	  .help = "no progress, and no summary" },
	{ .name = NULL },
};

static const char *const verify_examples[] = { "schedrec corpus verify /srv/traces",
					       "hash and decode every object; status 1 when something is wrong", NULL };

struct verifying {
	struct cmd_json j;
	bool json;
	uint64_t found;
};

static int finding(void *arg, const char *sha256, const char *what, struct sr_error *err)
{
	struct verifying *v = arg;

	v->found++;
	cmd_progress_end();
	if (v->json) {
		cmd_json_open(&v->j, NULL, '{');
		cmd_json_str(&v->j, "sha256", *sha256 ? sha256 : NULL);
		cmd_json_str(&v->j, "finding", what);
		cmd_json_close(&v->j, '}');
	} else {
		/* It may tell the name of a file that is none of the corpus's. */
		printf("%s%s", sha256, *sha256 ? ": " : "");
		sr_plain(stdout, what, SIZE_MAX);
		putchar('\n');
	}
	return ferror(stdout) || cmd_signal;
}

static int verify_run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct verify_options *o = options;
	struct verifying v = { .json = o->json };
	bool quiet = o->quiet;
	struct crp_watch watch = corpus_watch(&quiet);
	struct crp_store *s;
	struct crp_query q;
	uint64_t objects = 0;
	char count[32], *scratch;
	int ret;

	if (nargs < 1)
		return sr_fail(err, SR_USAGE, "give a URL");
	if (corpus_query(&q, nargs - 1, args + 1, err))
		return -1;
	scratch = corpus_cache_path("verify", err);
	if (!scratch || corpus_make_dir(scratch, err)) {
		free(scratch);
		return -1;
	}
	cmd_catch_signals();
	s = crp_open(args[0], CRP_READ, err);
	if (!s) {
		free(scratch);
		return -1;
	}
	s->watch = corpus_watch(NULL);
	cmd_json_init(&v.j, stdout);
	if (o->json) {
		cmd_json_open(&v.j, NULL, '{');
		cmd_json_open(&v.j, "findings", '[');
	}
	ret = crp_verify(s, &q, scratch, &watch, finding, &v, &objects, err);
	cmd_progress_end();
	if (o->json) {
		cmd_json_close(&v.j, ']');
		cmd_json_u64(&v.j, "objects", objects);
		cmd_json_close(&v.j, '}');
	} else if (!ret && !o->quiet) {
		fprintf(stderr, "%s objects hashed and decoded: ", sr_format_count(count, sizeof(count), objects));
		fprintf(stderr, v.found ? "%" PRIu64 " findings\n" : "nothing found\n", v.found);
	}
	crp_close(s);
	free(scratch);
	if (cmd_signal)
		return 128 + cmd_signal;
	return ret ? ret : v.found ? SR_ANSWER_NO : SR_OK;
}

const struct cmd cmd_corpus_verify = {
	.name = "corpus verify",
	.summary = "hash and decode everything in a corpus",
	.operands = "URL [QUERY...]",
	.description = "Each object is read, its hash compared with its name, all of its events decoded, and what its "
		       "row says of it compared. In a directory the index is checked, and objects without a row and "
		       "rows without an object are told. Each finding is one line; the exit status is 1 when there is "
		       "one.\n\n" CORPUS_QUERY_HELP "\n\n" CORPUS_URL_HELP,
	.examples = verify_examples,
	.options = verify_rows,
	.options_size = sizeof(struct verify_options),
	.run = verify_run,
};

/* remove */

struct remove_options {
	const char *token;
};

static const struct sr_option remove_rows[] = {
	{ .name = "token",
	  .letter = 't',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct remove_options, token),
	  .arg = "TOKEN",
	  .help = "the deletion token that push printed (default: the one that push kept in the user's "
		  "configuration)" },
	{ .name = NULL },
};

static const char *const remove_examples[] = { "schedrec corpus remove /srv/traces 5f2b9c01",
					       "take back what was pushed from here", NULL };

static int remove_run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct remove_options *o = options;
	char token[CRP_TOKEN_TEXT] = "";
	struct crp_store *s;
	struct crp_row row;
	int ret;

	if (nargs != 2)
		return sr_fail(err, SR_USAGE, "give a URL and an object's name");
	s = crp_open(args[0], CRP_WRITE, err);
	if (!s)
		return -1;
	s->watch = corpus_watch(NULL);
	ret = corpus_name(s, args[1], &row, err);
	if (!ret && !o->token) {
		ret = corpus_token_get(args[0], &row, token, err);
		ret = ret > 0 ? 0 :
		      ret     ? -1 :
				sr_fail(err, SR_USAGE,
					"object %s was not pushed there from here: give the token that its push printed",
					row.sha256);
	}
	if (!ret)
		ret = crp_remove(s, row.sha256, o->token ? o->token : token, err);
	crp_close(s);
	return ret;
}

const struct cmd cmd_corpus_remove = {
	.name = "corpus remove",
	.summary = "remove an object from a corpus, with its deletion token",
	.operands = "URL OBJECT [--token TOKEN]",
	.description =
		"Who pushed an object may take it back: push printed a token, of which the store has only a hash, "
		"and kept it in the user's configuration.\n\n" CORPUS_URL_HELP,
	.examples = remove_examples,
	.options = remove_rows,
	.options_size = sizeof(struct remove_options),
	.run = remove_run,
};
