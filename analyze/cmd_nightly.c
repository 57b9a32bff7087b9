/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/cmd_nightly.h"
#include "analyze/cmd_merge_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "corpus/cmd_corpus.h"
#include "corpus/sample.h"
#include "formats/outfile.h"
#include "replay/cmd_replay.h"
#include "replay/policy.h"

#define SAME_NIGHT_S 86400 /* an unfinished night that began earlier is not gone on with */

#define O(member) offsetof(struct nightly_options, member)

static const struct sr_option rows[] = {
	{ "corpus", 0, SR_OPT_STRING, O(corpus), "URL", 0, 0, NULL, NULL,
	  "the traces: a directory, with every .srz file in it and below; or a corpus (schedrec corpus): a directory "
	  "made by `corpus init`, http(s)://HOST[:PORT][/PATH] or s3://BUCKET[/PREFIX]" },
	{ "sample", 0, SR_OPT_UINT, O(sample), "N", 1, CRP_SAMPLE_MAX, NULL, NULL,
	  "of a corpus, only so many traces that stand for all of it, as `schedrec corpus sample` picks them; results "
	  "over the traces are weighted with what each stands for" },
	{ "query", 0, SR_OPT_LIST, O(query), "TERM", 0, 0, NULL, NULL,
	  "of a corpus, only what matches, such as kernel=6.* or cpus=4..16 (schedrec corpus list); with several, all "
	  "must hold" },
	{ "db", 0, SR_OPT_STRING, O(db), "DB", 0, 0, NULL, NULL,
	  "SQLite database with the nights, their runs and what of them is done" },
	{ "policy", 'p', SR_OPT_STRING, O(policy), "P[,P...]", 0, 0, NULL, "kernel",
	  "policies, each with its options after a colon; see `schedrec policies`" },
	{ "baseline", 'b', SR_OPT_STRING, O(baseline), "SELECTOR", 0, 0, NULL, NULL,
	  "what each policy is compared with: a selector as of `schedrec compare`, such as policy=kernel (this "
	  "night's), "
	  "label=v6.12 (the same policy's), or last (the same policy's in the last night of the same machine, load and "
	  "timing); last,kernel=6.12.5 looks further back" },
	{ "engine", 0, SR_OPT_CHOICE, O(engine), "ENGINE", 0, 0, "live|sim", "live",
	  "real threads on this machine, or the simulator" },
	{ "machine", 'm', SR_OPT_STRING, O(machine), "SPEC", 0, 0, NULL, NULL,
	  "the simulated machine, as of `schedrec simulate` (default: each recording's own)" },
	{ "repeat", 'n', SR_OPT_UINT, O(repeat), "N", 1, 1000, NULL, "10",
	  "rounds of each trace: each runs every policy once, live in an order that is drawn anew" },
	{ "shard", 0, SR_OPT_STRING, O(shard), "I/N", 0, 0, NULL, "1/1",
	  "only the I-th of N parts of the corpus; which part a trace is in depends on its content alone" },
	{ "out", 'o', SR_OPT_STRING, O(out), "DIR", 0, 0, NULL, NULL,
	  "folder for nightly.html, nightly.md, nightly.json, junit.xml and kcidb.json; it is made" },
	{ "label", 0, SR_OPT_STRING, O(label), "L", 0, 0, NULL, NULL,
	  "the night's name; a night of that name is gone on with (default: the date and the kernel's release, or the "
	  "unfinished night of the same kind that began within a day)" },
	{ "resume", 0, SR_OPT_FLAG, O(resume), NULL, 0, 0, NULL, NULL,
	  "only go on with an unfinished night; where there is none, do nothing" },
	{ "merge", 0, SR_OPT_LIST, O(merge), "DB", 0, 0, NULL, NULL,
	  "take the nights of this database, a shard's, over into --db first, with their change points; without "
	  "--corpus only that is done, and the night is judged and written" },
	{ "extra", 'x', SR_OPT_LIST, O(extra), "OPTION", 0, 0, NULL, NULL,
	  "a further option for each `schedrec replay` or `simulate`, such as --extra=--time-scale=0.5" },
	{ "jobs", 'j', SR_OPT_UINT, O(jobs), "N", 1, 4096, NULL, NULL,
	  "simulations at a time (default: as many as there are CPUs)" },
	{ "limit", 0, SR_OPT_TIME, O(limit), "T", 1e9, 8.64e13, NULL, "1h",
	  "a round that takes longer is ended, and its trace has failed" },
	{ "max-busy", 0, SR_OPT_REAL, O(max_busy), "PERCENT", 0.1, 100, NULL, "5",
	  "live: how much of the machine's CPU time others may use; above, a round is a noisy one, which is stored and "
	  "told" },
	{ "quiet-wait", 0, SR_OPT_TIME, O(quiet_wait), "T", 0, 8.64e13, NULL, "60s",
	  "live: how long to wait before a round for the machine to be that quiet" },
	{ "noisy", 0, SR_OPT_CHOICE, O(noisy), "WHAT", 0, 0, "use|stop", "use",
	  "live: a machine that does not become quiet: run the round all the same, or stop with status 3 and what is "
	  "done "
	  "kept" },
	{ "metric", 0, SR_OPT_LIST, O(metrics), "GLOB", 0, 0, NULL, NULL,
	  "judge the metrics that match, in place of the usual ones" },
	{ "margin", 0, SR_OPT_REAL, O(margin), "PERCENT", 0.01, 1000, NULL, "5",
	  "a change up to this many per cent does not matter" },
	{ "min-segment", 0, SR_OPT_UINT, O(min_segment), "N", 3, 6, NULL, "3",
	  "nights that a new level takes before it can be a change point" },
	{ "strict", 0, SR_OPT_FLAG, O(strict), NULL, 0, 0, NULL, NULL,
	  "status 1 too for unknown verdicts, traces that failed, and policies without a run to compare with" },
	{ "kcidb-origin", 0, SR_OPT_STRING, O(kcidb_origin), "NAME", 0, 0, NULL, "schedrec",
	  "the CI system's name in kcidb.json: a-z, 0-9 and _" },
	{ "kcidb-build", 0, SR_OPT_STRING, O(kcidb_build), "ID", 0, 0, NULL, NULL,
	  "the kernel's build that KCIDB knows already, ORIGIN:ID (default: a checkout and a build named by the "
	  "kernel)" },
	{ "json", 0, SR_OPT_FLAG, O(json), NULL, 0, 0, NULL, NULL,
	  "print what is in nightly.json instead of the summary" },
	{ "quiet", 'q', SR_OPT_FLAG, O(quiet), NULL, 0, 0, NULL, NULL, "no progress" },
	{ 0 }
};

static const char *const examples[] = {
	"schedrec nightly --corpus traces --db n.db -p kernel,bld -b policy=kernel -o tonight",
	"is bld worse than the kernel's own placement, on this machine?",
	"schedrec nightly --corpus traces --db n.db -b last --engine sim -m numa-2x8x2 -o tonight",
	"has the model of the kernel changed since last night?",
	"schedrec nightly --corpus traces --db 2.db -b last --engine sim --label x --shard 2/8 -o 2",
	"the second of eight shards, on any of eight machines",
	"schedrec nightly --corpus s3://traces/main --sample 20 --db n.db -b last -o tonight",
	"twenty that stand for all recordings in a bucket",
	"schedrec nightly --db all.db --merge 1.db --merge 2.db -b policy=kernel -o tonight",
	"their results together",
	NULL
};

/* ---- options ---- */

static int parse_shard(const char *text, unsigned *shard, unsigned *shards, struct sr_error *err)
{
	char *end;
	unsigned long i = strtoul(text, &end, 10), n = 0;

	if (*text >= '0' && *text <= '9' && *end == '/' && end[1] >= '0' && end[1] <= '9')
		n = strtoul(end + 1, &end, 10);
	if (*end || n < 1 || n > 1000000 || i < 1 || i > n)
		return sr_fail(err, SR_USAGE, "--shard %s: write I/N with I from 1 to N, such as 2/8", text);
	*shard = (unsigned)i;
	*shards = (unsigned)n;
	return 0;
}

static int check_label(const char *label, struct sr_error *err)
{
	if (!*label || strlen(label) > 100 || strpbrk(label, "~\n"))
		return sr_fail(err, SR_USAGE, "--label '%s': 1 to 100 characters, without '~' and line ends", label);
	return 0;
}

static int check_kcidb(const struct nightly_options *o, struct sr_error *err)
{
	const char *id = o->kcidb_build;
	size_t n = id ? strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;

	if (!*o->kcidb_origin || o->kcidb_origin[strspn(o->kcidb_origin, "abcdefghijklmnopqrstuvwxyz0123456789_")])
		return sr_fail(err, SR_USAGE, "--kcidb-origin '%s': only a-z, 0-9 and _", o->kcidb_origin);
	if (id && (!n || id[n] != ':'))
		return sr_fail(err, SR_USAGE, "--kcidb-build '%s': it is ORIGIN:ID", id);
	return 0;
}

static int check(const struct nightly_options *o, int nargs, char **args, struct sr_error *err)
{
	if (nargs)
		return sr_fail(err, SR_USAGE, "takes no operand: '%s'", args[0]);
	if (!o->db)
		return sr_fail(err, SR_USAGE, "--db is missing: name the database");
	if (!o->out)
		return sr_fail(err, SR_USAGE, "--out is missing: name a folder for the results");
	if (!o->baseline)
		return sr_fail(err, SR_USAGE,
			       "--baseline is missing: say what to compare with, such as policy=kernel or last");
	if (!o->corpus && !o->merge.n)
		return sr_fail(err, SR_USAGE, "--corpus is missing: name the traces");
	if (!o->corpus && (o->sample || o->query.n))
		return sr_fail(err, SR_USAGE, "--%s is for --corpus", o->sample ? "sample" : "query");
	if (o->machine && strcmp(o->engine, "sim"))
		return sr_fail(err, SR_USAGE, "--machine is for --engine sim");
	for (size_t i = 0; i < o->extra.n; i++)
		if (o->extra.v[i][0] != '-' || o->extra.v[i][1] == '\0' || !strcmp(o->extra.v[i], "--"))
			return sr_fail(err, SR_USAGE,
				       "--extra '%s' is no option; one with a value is --extra=--name=value",
				       o->extra.v[i]);
	if ((o->label && check_label(o->label, err) < 0) || check_kcidb(o, err) < 0)
		return -1;
	return ana_night_check_baseline(o->baseline, err);
}

/* ---- the night ---- */

/* The policies one by one, as they were given; to be freed with *text. */
static int split_policies(const char *list, char **text, const char **arms, size_t *n, struct sr_error *err)
{
	char *rest, *spec;

	*n = 0;
	*text = rest = strdup(list);
	if (!rest)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	while ((spec = rpl_policy_next(&rest))) {
		if (*n == MAX_ARMS)
			return sr_fail(err, SR_USAGE, "--policy: at most %d policies at a time", MAX_ARMS);
		for (size_t i = 0; i < *n; i++)
			if (!strcmp(arms[i], spec))
				return sr_fail(err, SR_USAGE, "--policy: '%s' stands there twice", spec);
		if (!rpl_policy_file_len(spec)) {
			const char *options;

			if (!rpl_policy_find(spec, &options, err))
				return -1;
		}
		arms[(*n)++] = spec;
	}
	return *n ? 0 : sr_fail(err, SR_USAGE, "--policy: name at least one; see `schedrec policies`");
}

/* What makes two nights different things. A live night's kernel is part of it, with the BPF scheduler that is loaded:
 * after a reboot into another one a new night begins. */
static char *make_spec(const struct nightly_job *j, const struct utsname *uts)
{
	const struct nightly_options *o = j->o;
	struct ana_host host;
	struct cmd_json json;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	cmd_json_init(&json, f);
	cmd_json_open(&json, NULL, '{');
	cmd_json_str(&json, "engine", o->engine);
	cmd_json_str(&json, "policies", o->policy);
	cmd_json_u64(&json, "rounds", o->repeat);
	cmd_json_str(&json, "corpus", nightly_corpus_url(&j->corpus, o));
	if (o->sample)
		cmd_json_u64(&json, "sample", o->sample);
	if (o->query.n) {
		cmd_json_open(&json, "query", '[');
		for (size_t i = 0; i < o->query.n; i++)
			cmd_json_str(&json, NULL, o->query.v[i]);
		cmd_json_close(&json, ']');
	}
	cmd_json_str(&json, "schedrec", SCHEDREC_VERSION);
	if (o->machine)
		cmd_json_str(&json, "machine", o->machine);
	cmd_json_open(&json, "extra", '[');
	for (size_t i = 0; i < o->extra.n; i++)
		cmd_json_str(&json, NULL, o->extra.v[i]);
	cmd_json_close(&json, ']');
	if (j->live) {
		cmd_json_str(&json, "kernel", uts->release);
		cmd_json_str(&json, "build", uts->version);
		ana_host_read("", &host);
		if (*host.sched_ext)
			cmd_json_str(&json, "sched_ext", host.sched_ext);
	}
	cmd_json_close(&json, '}');
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	/* One line: it stands in messages. */
	for (char *p = text, *to = text; (*to = *p); p++)
		if (*p != '\n' && !(*p == ' ' && p > text && (p[-1] == ' ' || p[-1] == '\n')))
			to++;
	return text;
}

static int begin_night(struct nightly_job *j, const char **arms, size_t narms, const struct utsname *uts,
		       struct sr_error *err)
{
	const struct nightly_options *o = j->o;
	char owner[320], now[32], oldest[32], label[128], *spec = make_spec(j, uts);
	struct ana_night_plan plan = { .label = o->label,
				       .auto_label = label,
				       .spec = spec,
				       .engine = j->live ? "live" : "simulated",
				       .kernel = j->live ? uts->release : "model",
				       .arms = arms,
				       .narms = narms,
				       .rounds = (size_t)o->repeat,
				       .shard = j->shard,
				       .shards = j->shards,
				       .now = now,
				       .not_before = oldest,
				       .owner = owner,
				       .only_resume = o->resume,
				       .alive = nightly_alive };
	bool resumed;
	int ret;

	if (!spec)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	nightly_owner(owner, sizeof(owner));
	nightly_now(now, 0);
	nightly_now(oldest, SAME_NIGHT_S);
	snprintf(label, sizeof(label), "%.10s_%s", now, j->live ? uts->release : "simulated");
	for (char *c = label; *c; c++)
		if (*c == ',' || *c == '~')
			*c = '_';
	ret = ana_night_begin(j->db, &plan, &j->night, &resumed, err);
	if (ret == 0 && resumed && !o->quiet)
		fprintf(stderr, "schedrec: going on with the night %s\n", j->night.label);
	free(spec);
	return ret;
}

/* A night that is gone on with keeps its picks: a corpus that has grown would give others, with other weights. */
static int keep_picks(struct nightly_job *j, struct sr_error *err)
{
	struct ana_night_traces picks = { 0 };
	int ret = 0;

	if (!j->o->sample || !j->night.id)
		return 0;
	if (ana_night_traces(j->db, &j->night, &picks, err) < 0)
		return -1;
	if (picks.n)
		ret = nightly_corpus_keep(&j->corpus, &picks, err);
	ana_night_traces_release(&picks);
	return ret;
}

static int run_night(struct nightly_job *j, const struct utsname *uts, struct sr_error *err)
{
	const char *arms[MAX_ARMS];
	char *text = NULL, now[32];
	size_t narms;
	int ret = -1;

	j->live = !strcmp(j->o->engine, "live");
	if (split_policies(j->o->policy, &text, arms, &narms, err) == 0 &&
	    nightly_corpus_list(j->o, &j->corpus, err) == 0 && begin_night(j, arms, narms, uts, err) == 0 &&
	    keep_picks(j, err) == 0)
		ret = j->night.id ? nightly_run(j, err) : 0;
	free(text);
	if (ret < 0 || cmd_signal || !j->night.id)
		return ret;
	nightly_now(now, 0);
	return ana_night_finish(j->db, &j->night, j->shard, j->shards, now, err);
}

static int merge_all(struct nightly_job *j, struct sr_error *err)
{
	for (size_t i = 0; i < j->o->merge.n; i++) {
		struct ana_db_merged m;

		if (ana_db_merge(j->db, j->o->merge.v[i], &m, err) < 0)
			return -1;
		if (!j->o->quiet)
			fprintf(stderr, "schedrec: %s: %zu rounds taken over\n", j->o->merge.v[i], m.rounds);
		cmd_warn_rounds_left_out(&m, j->o->merge.v[i], j->o->db);
	}
	return 0;
}

/* ---- what is written ---- */

/* Under another name first: a reader sees the old file, or the new one whole. */
static int write_file(const struct nightly_report *r, const char *name, nightly_write_fn write, struct sr_error *err)
{
	char *path = NULL, *temp = NULL;
	FILE *f = NULL;
	int fd, ret = -1;

	if (asprintf(&path, "%s/%s", r->o->out, name) < 0 || asprintf(&temp, "%s/.%s.XXXXXX", r->o->out, name) < 0) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto out;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (!f) {
		sr_fail_errno(err, SR_ENVIRONMENT, "%s", temp);
		goto out;
	}
	fchmod(fd, 0644);
	ret = write(r, f, err);
	if (ret == 0 && (fflush(f) || ferror(f) || fsync(fd)))
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
	if (fclose(f) && ret == 0)
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
	if (ret == 0 && rename(temp, path))
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	if (ret < 0)
		unlink(temp);
out:
	free(path);
	free(temp);
	return ret;
}

static int write_files(const struct nightly_report *r, struct sr_error *err)
{
	static const struct {
		const char *name;
		nightly_write_fn write;
	} files[] = {
		{ "nightly.html", nightly_html }, { "nightly.md", nightly_markdown }, { "nightly.json", nightly_json },
		{ "junit.xml", nightly_junit },   { "kcidb.json", nightly_kcidb },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (write_file(r, files[i].name, files[i].write, err) < 0)
			return -1;
	sr_sync_dir(r->o->out); /* not every file system can */
	return 0;
}

/* With the folders above it. */
static int make_folder(const char *dir, struct sr_error *err)
{
	char *path = strdup(dir);
	struct stat st;
	int ret = 0;

	if (!path)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (char *p = path + 1; *path && *p; p++)
		if (*p == '/') {
			*p = '\0';
			mkdir(path, 0777);
			*p = '/';
		}
	if (mkdir(path, 0777) && (errno != EEXIST || stat(path, &st) || !S_ISDIR(st.st_mode)))
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "--out %s", dir);
	free(path);
	return ret;
}

static int report(struct nightly_job *j, struct utsname *uts, struct sr_error *err)
{
	const struct nightly_options *o = j->o;
	const struct ana_night_judge_options how = { .baseline = o->baseline,
						     .margin = o->margin / 100,
						     .metrics = o->metrics.v,
						     .nmetrics = o->metrics.n,
						     .min_segment = (size_t)o->min_segment };
	struct nightly_report r = { .o = o, .db = j->db, .night = &j->night, .shard = j->shard, .shards = j->shards };
	struct ana_host host;
	int ret = -1;

	ana_host_read("", &host);
	snprintf(r.machine_key, sizeof(r.machine_key), "%.8s", *host.machine_key ? host.machine_key : "unknown");
	r.machine = uts->machine;
	r.kernel_build = uts->version;
	if (ana_night_judge(j->db, &j->night, &how, &r.v, err) == 0 &&
	    ana_night_traces(j->db, &j->night, &r.traces, err) == 0) {
		nightly_count(&r);
		ret = write_files(&r, err);
	}
	if (ret == 0 && o->json)
		ret = nightly_json(&r, stdout, err);
	else if (ret == 0)
		nightly_text(&r, stdout);
	if (ret == 0 && r.rounds && !r.rounds_done)
		ret = sr_fail(err, SR_ENVIRONMENT, "no round succeeded: there is nothing to judge");
	if (ret == 0)
		ret = r.status;
	ana_night_verdicts_release(&r.v);
	ana_night_traces_release(&r.traces);
	return ret;
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct nightly_options *o = options;
	struct nightly_job j = { .o = o, .lock = -1, .shard = 1, .shards = 1 };
	struct utsname uts;
	int ret = -1;

	if (check(o, nargs, args, err) < 0 || parse_shard(o->shard, &j.shard, &j.shards, err) < 0)
		return -1;
	uname(&uts);
	nightly_be_user();
	if (make_folder(o->out, err) < 0)
		return -1;
	j.db = ana_db_open(o->db, true, err);
	if (!j.db)
		return -1;
	cmd_catch_signals();
	if (merge_all(&j, err) < 0 ||
	    (o->corpus ? run_night(&j, &uts, err) : ana_night_load(j.db, o->label, &j.night, err)) < 0)
		goto out;
	if (cmd_signal) {
		if (j.total)
			cmd_warn("interrupted: %zu of %zu rounds are done; the same command goes on with the night %s",
				 j.done, j.total, j.night.label);
		ret = SR_INTERRUPTED;
	} else if (!j.night.id) {
		printf("no unfinished night to go on with\n");
		ret = 0;
	} else {
		ret = report(&j, &uts, err);
	}
out:
	cmd_progress_end();
	free(j.failed);
	nightly_corpus_release(&j.corpus);
	ana_night_release(&j.night);
	ana_db_close(j.db);
	return ret;
}

const struct cmd cmd_nightly = {
	.name = "nightly",
	.summary = "run a corpus under several policies, night for night, and say what changed",
	.description = "Runs every trace of a corpus under every policy, in rounds, and compares each with the "
		       "baseline; then looks "
		       "for change points over all nights in the database. What came out is printed and written into "
		       "--out: HTML and "
		       "Markdown for people, JSON with all samples, JUnit XML and KCIDB JSON (version 5.3) for other "
		       "programs.\n\n"
		       "A night has a label. What is done is in the database: after Ctrl-C, a crash, kill -9 or a "
		       "reboot the same "
		       "command goes on where it was (a live round that was cut is repeated whole, so that its "
		       "policies stay side by "
		       "side). A live night belongs to its kernel: with another one a new night begins, under a label "
		       "of its own.\n\n"
		       "Shards are for many machines: each takes its part of the corpus with a database of its own and "
		       "the same "
		       "--label; --merge puts them together. A database may be used by several processes of one "
		       "machine, and by one "
		       "machine only at a time.\n\n"
		       "Live rounds want a quiet machine. Before each one schedrec waits for that; what others used "
		       "before and "
		       "meanwhile is stored with the round. Noisy rounds, changes of the governor, turbo or SMT, and "
		       "noise above what "
		       "is usual (the A/A floor) are told with the results.\n\n"
		       "The status is 1 when something regressed against the baseline (of a trace, or over all of "
		       "them), or when a change point for the "
		       "worse, beyond "
		       "the margin, was found first by this night; with --strict also when something is unknown. Live "
		       "rounds of two "
		       "nights are never side by side: such comparisons stay unknown, and the change points tell.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct nightly_options),
	.run = run,
};
