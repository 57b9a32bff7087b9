/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --view fidelity: which files are compared with which, and what the replays could not do. */
#include "analyze/cmd_analyze.h"

#include <stdlib.h>
#include <string.h>

#include "formats/digest.h"

#define COUNT "replay.count."

int analyze_source(const struct analyze_options *o, const struct analyze_file *f, size_t *index, struct sr_error *err)
{
	const char *want = srz_get_meta(f->reader, "replay.source_sha256");
	const char *name = srz_get_meta(f->reader, "replay.source_name");
	char sha[SR_SHA256_TEXT], text[80];

	*index = 0;
	if (!want)
		return 0;
	for (size_t i = 0; i < o->against.n; i++) {
		if (sr_sha256_file(o->against.v[i], sha, err) < 0)
			return -1;
		if (!strcmp(sha, want)) {
			*index = i;
			return 0;
		}
	}
	cmd_warn("%s is a replay of another recording (%s): its fidelity to %s may mean nothing", f->path,
		 name ? printable(text, sizeof(text), name) : "of unknown name", o->against.v[0]);
	return 0;
}

/* A median over replays of different kinds would be of nothing. */
static int same_kind(const struct analyze_file *a, const struct analyze_file *b, struct sr_error *err)
{
	static const char *const keys[] = { "engine",         "replay.source_sha256",  "replay.policy",
					    "replay.work",    "replay.policy_options", "replay.timing",
					    "replay.from_ns", "replay.to_ns",          "replay.task" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *x = srz_get_meta(a->reader, keys[i]), *y = srz_get_meta(b->reader, keys[i]);

		if (!x != !y || (x && strcmp(x, y)))
			return sr_fail(err, SR_USAGE, "%s and %s differ in %s (%s, %s): view their fidelity apart",
				       a->path, b->path, keys[i], x ? x : "none", y ? y : "none");
	}
	return 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

bool fidelity_is_refusal(const char *key)
{
	return ends_with(key, "refused") || ends_with(key, "dropped") || ends_with(key, "failed") ||
	       ends_with(key, "forced") || ends_with(key, "missing") || ends_with(key, "_late");
}

static int add_count(struct fidelity_view *v, const char *key, const char *value, struct sr_error *err)
{
	struct fidelity_count *bigger;
	char *end;
	double d = strtod(value, &end);

	if (!*value || *end || !(d >= 0))
		return 0;
	for (size_t i = 0; i < v->ncounts; i++)
		if (!strcmp(v->counts[i].key, key)) {
			v->counts[i].sum += d;
			return 0;
		}
	bigger = reallocarray(v->counts, v->ncounts + 1, sizeof(*bigger));
	if (!bigger)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	v->counts = bigger;
	v->counts[v->ncounts++] = (struct fidelity_count){ key, d };
	return 0;
}

static int add_counts(struct fidelity_view *v, const struct srz_reader *r, struct sr_error *err)
{
	const char *key, *value;

	for (size_t i = 0; i < srz_meta_count(r); i++) {
		srz_meta_at(r, i, &key, &value);
		if (!strncmp(key, COUNT, strlen(COUNT)) && add_count(v, key + strlen(COUNT), value, err) < 0)
			return -1;
	}
	return 0;
}

/* What one invocation holds: sides[0..nargs) are the files, then come the further recordings. */
struct job {
	const struct analyze_options *o;
	struct analyze_file *files;
	size_t n, source;
	struct sr_strings further;
	struct ana_recording *recording;
	struct ana_fidelity *sides;
};

static int open_files(struct job *j, struct table *table, char **args, struct sr_error *err)
{
	size_t other;

	for (size_t i = 0; i < j->n; i++) {
		j->files[i].path = args[i];
		j->files[i].table = table;
		j->files[i].reader = srz_open(args[i], err);
		if (!j->files[i].reader || (i && same_kind(&j->files[0], &j->files[i], err) < 0))
			return -1;
	}
	if (analyze_source(j->o, &j->files[0], &j->source, err) < 0)
		return -1;
	for (other = 0; other < j->o->against.n; other++)
		if (other != j->source)
			j->further.v[j->further.n++] = j->o->against.v[other];
	return 0;
}

static int read_files(struct job *j, struct sr_error *err)
{
	j->recording = ana_recording_open(j->o->against.v[j->source], err);
	if (!j->recording)
		return -1;
	for (size_t i = 0; i < j->n; i++) {
		struct ana_result *r = &j->files[i].result;

		if (ana_fidelity_of(j->recording, j->files[i].path, NULL, &j->sides[i], err) < 0 ||
		    ana_file(j->files[i].path, j->o->all ? ANA_ALL : ANA_AUTO, r, err) < 0 ||
		    ana_fidelity_add(&j->sides[i], r, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < j->further.n; i++)
		if (ana_fidelity_of(j->recording, j->further.v[i], &j->sides[0], &j->sides[j->n + i], err) < 0)
			return -1;
	return 0;
}

static void print_files(const struct job *j, struct table *t)
{
	if (t->form == TABLE_AS_JSON)
		cmd_json_open(t->json, "files", '[');
	for (size_t i = 0; i < j->n; i++) {
		if (t->form == TABLE_AS_JSON) {
			cmd_json_open(t->json, NULL, '{');
			cmd_json_str(t->json, "file", j->files[i].path);
		}
		analyze_told(j->o, &j->files[i]);
		if (t->form == TABLE_AS_JSON)
			cmd_json_close(t->json, '}');
	}
	if (t->form == TABLE_AS_JSON)
		cmd_json_close(t->json, ']');
}

static int print(struct job *j, struct table *t, struct sr_error *err)
{
	struct fidelity_view v = { .files = j->files,
				   .nfiles = j->n,
				   .source = j->o->against.v[j->source],
				   .further = j->further.v,
				   .nfurther = j->further.n,
				   .window = j->sides[0].window,
				   .task_glob = j->sides[0].task_glob };
	int ret = -1;

	for (size_t i = 0; i < j->n; i++)
		if (add_counts(&v, j->files[i].reader, err) < 0)
			goto out;
	if (ana_fidelity_report(j->sides, j->n, j->sides + j->n, j->further.n, &v.report, err) < 0)
		goto out;
	if (t->form == TABLE_AS_JSON) {
		cmd_json_open(t->json, NULL, '{');
		cmd_json_str(t->json, "file", j->files[0].path);
		cmd_json_str(t->json, "view", "fidelity");
	}
	print_files(j, t);
	t->file = j->files[0].path;
	if (t->form == TABLE_AS_JSON) {
		fidelity_json(&v, t->json);
		cmd_json_close(t->json, '}');
	} else if (t->form == TABLE_AS_CSV) {
		fidelity_csv(&v, t);
	} else {
		fidelity_text(&v);
	}
	ret = 0;
out:
	ana_fidelity_report_release(&v.report);
	free(v.counts);
	return ret;
}

int view_fidelity(const struct analyze_options *o, struct table *table, int nargs, char **args, struct sr_error *err)
{
	struct analyze_file *files = calloc((size_t)nargs, sizeof(*files));
	struct ana_fidelity *sides = calloc((size_t)nargs + o->against.n, sizeof(*sides));
	struct job j = { .o = o, .n = (size_t)nargs, .files = files, .sides = sides };
	int ret = -1;

	if (!files || !sides)
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
	else if (open_files(&j, table, args, err) == 0 && read_files(&j, err) == 0)
		ret = print(&j, table, err);
	for (size_t i = 0; ret == 0 && o->db && i < j.n; i++)
		ret = analyze_store(o, &files[i], err);
	for (size_t i = 0; sides && i < j.n + j.further.n; i++)
		ana_fidelity_release(&sides[i]);
	for (size_t i = 0; files && i < j.n; i++) {
		ana_result_release(&files[i].result);
		srz_reader_free(files[i].reader);
	}
	ana_recording_free(j.recording);
	free(files);
	free(sides);
	return ret;
}
