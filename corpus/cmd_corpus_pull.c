/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec corpus pull and sample: objects out of a corpus. */
#include "corpus/cmd_corpus.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpus/cache.h"
#include "corpus/sample.h"

/* Objects to be had. */
struct wanted {
	struct crp_pick *v;
	size_t n, cap;
};

static int want(struct wanted *w, const struct crp_pick *pick, struct sr_error *err)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 64;
		struct crp_pick *v = realloc(w->v, cap * sizeof(*v));

		if (!v)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		w->v = v;
		w->cap = cap;
	}
	w->v[w->n++] = *pick;
	return cmd_signal != 0;
}

static int want_pick(void *arg, const struct crp_pick *pick, struct sr_error *err)
{
	return want(arg, pick, err);
}

/* For who asks for a sample or for all in one way. */
struct row_as_pick {
	crp_pick_fn fn;
	void *arg;
};

static int row_as_pick(void *arg, const struct crp_row *row, struct sr_error *err)
{
	const struct row_as_pick *to = arg;
	struct crp_pick pick = { .row = *row, .weight = 1, .traces = 1 };

	return to->fn(to->arg, &pick, err);
}

int corpus_choose(struct crp_store *s, const struct crp_query *q, uint64_t sample, crp_pick_fn fn, void *arg,
		  struct sr_error *err)
{
	struct row_as_pick to = { .fn = fn, .arg = arg };

	return sample ? crp_sample(s, q, (unsigned)sample, fn, arg, err) : crp_list(s, q, row_as_pick, &to, err);
}

int corpus_fetch(struct crp_store *s, const char *sha256, bool *quiet, char **path, struct sr_error *err)
{
	struct crp_watch watch = corpus_watch(quiet);
	char *dir = corpus_cache_path("objects", err);
	int ret;

	*path = NULL;
	if (!dir)
		return -1;
	ret = crp_cache_get(s, dir, sha256, &watch, path, err);
	free(dir);
	return ret;
}

/* pull */

struct pull_options {
	const char *dir, *output;
	uint64_t sample, limit;
	bool json, quiet;
};

static const struct sr_option pull_rows[] = {
	{ .name = "dir",
	  .letter = 'C',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct pull_options, dir),
	  .arg = "DIR",
	  .deflt = ".",
	  .help = "where to put them, as <the first 16 digits of the name>.srz" },
	{ .name = "output",
	  .letter = 'o',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct pull_options, output),
	  .arg = "FILE",
	  .help = "the file for the one object that is asked for; one that exists is replaced" },
	{ .name = "sample",
	  .letter = 'n',
	  .type = SR_OPT_UINT,
	  .offset = offsetof(struct pull_options, sample),
	  .arg = "N",
	  .min = 1,
	  .max = CRP_SAMPLE_MAX,
	  .help = "of what matches, so many that stand for all of it (schedrec corpus sample tells how)" },
	{ .name = "limit",
	  .type = SR_OPT_UINT,
	  .offset = offsetof(struct pull_options, limit),
	  .arg = "N",
	  .min = 1,
	  .max = 1e9,
	  .help = "at most so many objects (default: all that match)" },
	{ .name = "json",
	  .letter = 'j',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct pull_options, json),
	  .help = "an array with file, sha256, cached, weight and traces of each" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct pull_options, quiet),
	  .help = "no progress" },
	{ .name = NULL },
};

static const char *const pull_examples[] = {
	"schedrec corpus pull /srv/traces 5f2b9c01 -o build.srz", "one object, by the beginning of its name",
	"schedrec corpus pull https://traces.example.org cpus=8 --sample 20 -C in/",
	"twenty that stand for all recordings of machines with eight CPUs", NULL
};

/* The object's bytes under a name of the user's: a link to the cache's file would be changed with it. */
static int copy_out(const char *from, const char *to, struct sr_error *err)
{
	char *part = NULL, end[32], buf[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, ret = -1;
	ssize_t got = 0;

	if (crp_random_name(end, sizeof(end), ".", ".part", err) < 0)
		goto out;
	if (in < 0 || asprintf(&part, "%s%s", to, end) < 0) {
		part = NULL;
		sr_fail_errno(err, SR_ENVIRONMENT, "%s", from);
		goto out;
	}
	out = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (out < 0) {
		sr_fail_errno(err, SR_ENVIRONMENT, "%s", part);
		goto out;
	}
	while ((got = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)got) != got)
			break;
	ret = got || fsync(out) || rename(part, to) ? sr_fail_errno(err, SR_ENVIRONMENT, "%s", to) : 0;
	if (ret)
		unlink(part);
out:
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	free(part);
	return ret;
}

static int pull_one(struct crp_store *s, const struct pull_options *o, const struct crp_pick *pick, bool *quiet,
		    struct cmd_json *j, struct sr_error *err)
{
	char *cached = NULL, *to = NULL;
	int ret = -1, fetched = corpus_fetch(s, pick->row.sha256, quiet, &cached, err);

	if (fetched < 0)
		goto out;
	if (asprintf(&to, "%s%s%.16s%s", o->output ? o->output : o->dir, o->output ? "" : "/",
		     o->output ? "" : pick->row.sha256, o->output ? "" : ".srz") < 0) {
		to = NULL;
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto out;
	}
	ret = copy_out(cached, to, err);
	cmd_progress_end();
	if (!ret && o->json) {
		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "file", to);
		cmd_json_str(j, "sha256", pick->row.sha256);
		cmd_json_bool(j, "cached", !fetched);
		cmd_json_real(j, "weight", pick->weight);
		cmd_json_u64(j, "traces", pick->traces);
		cmd_json_close(j, '}');
	} else if (!ret) {
		printf("%s\n", to);
	}
out:
	free(to);
	free(cached);
	return ret;
}

static bool is_query(const char *word)
{
	return strchr(word, '=') != NULL;
}

/* What the operands name: objects, or a query. */
static int find(struct crp_store *s, const struct pull_options *o, int n, char **words, struct wanted *w,
		struct sr_error *err)
{
	struct crp_pick pick = { .weight = 1, .traces = 1 };
	struct crp_query q;
	int ret = 0;

	if (n && !is_query(words[0])) {
		if (o->sample)
			return sr_fail(err, SR_USAGE, "--sample takes a query, not names of objects");
		for (int i = 0; i < n && !ret; i++) {
			ret = corpus_name(s, words[i], &pick.row, err);
			if (!ret)
				ret = want(w, &pick, err);
		}
		return ret < 0 ? -1 : 0;
	}
	if (o->sample && o->limit)
		return sr_fail(err, SR_USAGE,
			       "--sample says how many, and is of all that matches: --limit is not for it");
	if (corpus_query(&q, n, words, err))
		return -1;
	q.limit = o->limit;
	return corpus_choose(s, &q, o->sample, want_pick, w, err);
}

static int pull_run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct pull_options *o = options;
	bool quiet = o->quiet;
	struct wanted w = { .n = 0 };
	struct crp_store *s;
	struct cmd_json j;
	int ret;

	if (nargs < 1)
		return sr_fail(err, SR_USAGE, "give a URL");
	cmd_catch_signals();
	s = crp_open(args[0], CRP_READ, err);
	if (!s)
		return -1;
	s->watch = corpus_watch(NULL);
	ret = find(s, o, nargs - 1, args + 1, &w, err);
	if (!ret && !w.n)
		ret = sr_fail(err, SR_ENVIRONMENT, "%s: nothing matches", s->url);
	if (!ret && o->output && w.n != 1)
		ret = sr_fail(err, SR_USAGE, "-o is for one object, and %zu match; give --dir", w.n);
	cmd_json_init(&j, stdout);
	if (!ret && o->json)
		cmd_json_open(&j, NULL, '[');
	for (size_t i = 0; i < w.n && !ret && !cmd_signal; i++)
		ret = pull_one(s, o, &w.v[i], &quiet, &j, err);
	if (o->json && j.depth)
		cmd_json_close(&j, ']');
	crp_close(s);
	free(w.v);
	return cmd_signal ? 128 + cmd_signal : ret;
}

const struct cmd cmd_corpus_pull = {
	.name = "corpus pull",
	.summary = "get recordings out of a corpus",
	.operands = "URL [OBJECT...|QUERY...]",
	.description =
		"Each object is fetched into a cache ($XDG_CACHE_HOME/schedrec/objects), where its hash is compared "
		"with its name, and copied from there; what the cache has is not fetched again. Without a name or "
		"query everything is.\n\n" CORPUS_QUERY_HELP "\n\n" CORPUS_URL_HELP,
	.examples = pull_examples,
	.options = pull_rows,
	.options_size = sizeof(struct pull_options),
	.run = pull_run,
};

/* sample */

struct sample_options {
	uint64_t number;
	bool json;
};

static const struct sr_option sample_rows[] = {
	{ .name = "number",
	  .letter = 'n',
	  .type = SR_OPT_UINT,
	  .offset = offsetof(struct sample_options, number),
	  .arg = "N",
	  .min = 1,
	  .max = CRP_SAMPLE_MAX,
	  .deflt = "20",
	  .help = "how many" },
	{ .name = "json",
	  .letter = 'j',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct sample_options, json),
	  .help = "an array with sha256, weight, traces, spread and all that is known of each; times in ns" },
	{ .name = NULL },
};

static const char *const sample_examples[] = { "schedrec corpus sample /srv/traces -n 20",
					       "twenty objects that stand for the whole corpus",
					       "schedrec corpus sample /srv/traces program=database -n 5 --json",
					       "five for its databases", NULL };

static int sample_run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct sample_options *o = options;
	struct wanted w = { .n = 0 };
	struct crp_store *s;
	struct crp_query q;
	struct cmd_json j;
	int ret;

	if (nargs < 1)
		return sr_fail(err, SR_USAGE, "give a URL");
	if (corpus_query(&q, nargs - 1, args + 1, err))
		return -1;
	cmd_catch_signals();
	s = crp_open(args[0], CRP_READ, err);
	if (!s)
		return -1;
	s->watch = corpus_watch(NULL);
	ret = crp_sample(s, &q, (unsigned)o->number, want_pick, &w, err);
	crp_close(s);
	if (!ret && o->json) {
		cmd_json_init(&j, stdout);
		cmd_json_open(&j, NULL, '[');
	}
	if (!ret && !o->json && w.n) {
		printf("%8s %7s %6s ", "WEIGHT", "TRACES", "SPREAD");
		printf("%-16s %9s %4s %13s %-9s %s\n", "OBJECT", "DURATION", "CPUS", "EVENTS", "PROGRAM", "KERNEL");
	}
	for (size_t i = 0; i < w.n && !ret; i++) {
		const struct crp_pick *p = &w.v[i];
		char time[32], events[32];

		if (o->json) {
			cmd_json_open(&j, NULL, '{');
			cmd_json_real(&j, "weight", p->weight);
			cmd_json_u64(&j, "traces", p->traces);
			cmd_json_real(&j, "spread", p->spread);
			corpus_row_json(&j, &p->row);
			cmd_json_close(&j, '}');
			continue;
		}
		printf("%8.1f %7" PRIu64 " %6.2f ", p->weight, p->traces, p->spread);
		printf("%.16s %9s %4" PRIu32 " %13s %-9.9s %.20s\n", p->row.sha256,
		       sr_format_time(time, sizeof(time), (double)p->row.duration_ns), p->row.cpus,
		       sr_format_count(events, sizeof(events), p->row.events), *p->row.program ? p->row.program : "-",
		       *p->row.kernel ? p->row.kernel : "-");
	}
	if (!ret && o->json)
		cmd_json_close(&j, ']');
	free(w.v);
	return cmd_signal ? 128 + cmd_signal : ret;
}

const struct cmd cmd_corpus_sample = {
	.name = "corpus sample",
	.summary = "choose recordings that stand for a whole corpus",
	.operands = "URL [QUERY...]",
	.description =
		"The picks are representative and diverse: the traces are clustered by their features, CPUs and "
		"duration, "
		"and each pick is the middle of one cluster. TRACES is how many it stands for; WEIGHT is the same with "
		"contributors tempered, so that who gave many does not decide what the corpus is (one with n traces "
		"weighs "
		"like the square root of n, and at most a quarter), and is what a result over the sample is to be "
		"weighted "
		"with. SPREAD is how far they are from their pick on average, in quartile ranges of a feature: what is "
		"large "
		"stands for unlike things. The same traces give the same sample.\n\n" CORPUS_QUERY_HELP
		"\n\n" CORPUS_URL_HELP,
	.examples = sample_examples,
	.options = sample_rows,
	.options_size = sizeof(struct sample_options),
	.run = sample_run,
};
