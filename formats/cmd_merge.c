/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec merge: consecutive recordings of one machine joined into one. */
#include "schedrec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/cmd_merge_db.h"
#include "formats/copy.h"
#include "formats/snapshot.h"
#include "formats/srz.h"

struct merge_options {
	const char *output;
	bool json, quiet;
};

static const struct sr_option options[] = {
	{ "output", 'o', SR_OPT_STRING, offsetof(struct merge_options, output), "OUT", 0, 0, NULL, NULL,
	  "the file to write: a recording that exists is replaced when the new one is complete; to a database that "
	  "exists runs are added" },
	{ "json", 'j', SR_OPT_FLAG, offsetof(struct merge_options, json), NULL, 0, 0, NULL, NULL,
	  "say what was written as JSON; times in ns" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct merge_options, quiet), NULL, 0, 0, NULL, NULL,
	  "no progress and no summary" },
	{ 0 }
};

static const char *const examples[] = {
	"schedrec merge night-*.srz -o night.srz",
	"the numbered slices of one recording as one file",
	"schedrec merge a.srz b.srz -o both.srz",
	"two parts that were cut from one recording",
	"schedrec merge tuesday.db wednesday.db -o all.db",
	"the runs of two databases in one; those that it has already are not added again",
	NULL
};

/* The clocks of one boot may drift apart by this much (NTP, and time spent suspended). */
#define BOOT_TOLERANCE_NS (60ull * 1000000000)

struct part {
	const char *path;
	struct srz_reader *r; /* open only while it is looked at: there may be hundreds */
	struct sr_span span;
};

/* Numbers that add up, as long as every part has them. */
static const char *const sums[] = { "record.cpu_ns", "record.drain_cpu_ns", "record.late" };
#define SUMS (sizeof(sums) / sizeof(*sums))

struct merge {
	const struct merge_options *o;
	struct part *v; /* by start */
	size_t n;
	struct srz_writer *w;
	struct sr_copy copy;
	struct sr_snapshot *state; /* behind the last event written */
	uint64_t events, total, gap_ns, bytes;
	size_t gaps;
	uint32_t unit, coarsest; /* of the times: the unit that all have, else 1; the coarsest of any */
	uint64_t sum[SUMS];
	bool no_sum[SUMS];
};

/* ---- what belongs together ---- */

static const char *meta(const struct part *p, const char *key)
{
	const char *v = srz_get_meta(p->r, key);

	return v ? v : "";
}

static bool have_same(const struct part *a, const struct part *b, const char *key)
{
	return *meta(a, key) && !strcmp(meta(a, key), meta(b, key));
}

/* Do the wall clock and the events' clock differ by the same in both, as they do until the machine boots again? */
static int check_boot(const struct part *a, const struct part *b, struct sr_error *err)
{
	uint64_t mono[2], real[2], boot[2];

	if (!sr_meta_u64(a->r, "start.mono_ns", &mono[0]) || !sr_meta_u64(a->r, "start.realtime_ns", &real[0]) ||
	    !sr_meta_u64(b->r, "start.mono_ns", &mono[1]) || !sr_meta_u64(b->r, "start.realtime_ns", &real[1]))
		return sr_fail(err, SR_USAGE,
			       "%s and %s do not both say when they were recorded: whether one continues the other "
			       "cannot be known",
			       a->path, b->path);
	boot[0] = real[0] - mono[0];
	boot[1] = real[1] - mono[1];
	if ((boot[0] > boot[1] ? boot[0] - boot[1] : boot[1] - boot[0]) > BOOT_TOLERANCE_NS)
		return sr_fail(err, SR_USAGE,
			       "%s and %s were recorded on different machines, or with a boot in between", a->path,
			       b->path);
	return 0;
}

static int check_origin(const struct part *a, const struct part *b, struct sr_error *err)
{
	static const char *const same[] = { "engine",         "source",         "scope",          "clock",
					    "kernel.release", "kernel.version", "kernel.machine", "host.cpu_model" };

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (strcmp(meta(a, same[i]), meta(b, same[i])) != 0)
			return sr_fail(err, SR_USAGE,
				       "%s and %s are no parts of one recording: %s is '%.60s' and '%.60s'", a->path,
				       b->path, same[i], meta(a, same[i]), meta(b, same[i]));
	if (have_same(a, b, "cut.source_sha256") || have_same(a, b, "record.id"))
		return 0;
	if (*meta(a, "engine") && strcmp(meta(a, "engine"), "recorded") != 0)
		return sr_fail(err, SR_USAGE, "%s and %s are different replays, which cannot be joined", a->path,
			       b->path);
	return check_boot(a, b, err);
}

/* b follows a. */
static int check_order(const struct part *a, const struct part *b, struct sr_error *err)
{
	uint64_t end = a->span.end_ns > a->span.last_ns ? a->span.end_ns : a->span.last_ns;
	uint64_t begin = b->span.start_ns < b->span.first_ns ? b->span.start_ns : b->span.first_ns;
	char text[32];

	if (begin >= end)
		return 0;
	return sr_fail(err, SR_USAGE, "%s begins %s before %s ends: recordings that overlap in time cannot be joined",
		       b->path, sr_format_time(text, sizeof(text), (double)(end - begin)), a->path);
}

static int by_start(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return (x->span.start_ns > y->span.start_ns) - (x->span.start_ns < y->span.start_ns);
}

static int open_part(struct part *p, struct sr_error *err)
{
	p->r = srz_open(p->path, err);
	return p->r ? 0 : -1;
}

static void close_part(struct part *p)
{
	srz_reader_free(p->r);
	p->r = NULL;
}

static void add_sums(struct merge *m, const struct part *p)
{
	uint64_t v;

	for (size_t i = 0; i < SUMS; i++) {
		if (sr_meta_u64(p->r, sums[i], &v))
			m->sum[i] += v;
		else
			m->no_sum[i] = true;
	}
}

static void add_unit(struct merge *m, const struct part *p)
{
	uint32_t unit = sr_copy_unit(p->r), coarsest = srz_get_info(p->r)->time_unit_ns;

	m->unit = !m->unit || m->unit == unit ? unit : 1;
	if (coarsest > m->coarsest)
		m->coarsest = coarsest;
}

/* When each part was recorded. */
static int look_at_parts(struct merge *m, char **paths, struct sr_error *err)
{
	for (size_t i = 0; i < m->n; i++) {
		struct part *p = &m->v[i];

		p->path = paths[i];
		if (open_part(p, err) || sr_span_of(p->r, &p->span, err))
			return -1;
		if (sr_would_replace(m->o->output, p->path))
			return sr_fail(err, SR_USAGE, "%s would replace %s, which is to be joined; name another file",
				       m->o->output, p->path);
		m->total += srz_get_info(p->r)->events;
		add_sums(m, p);
		add_unit(m, p);
		close_part(p);
	}
	qsort(m->v, m->n, sizeof(*m->v), by_start);
	return 0;
}

/* Each part is the next one of the part before it. */
static int check_parts(struct merge *m, struct sr_error *err)
{
	if (open_part(&m->v[0], err))
		return -1;
	for (size_t i = 1; i < m->n; i++) {
		struct part *a = &m->v[i - 1], *b = &m->v[i];

		if (open_part(b, err) || check_origin(a, b, err) || check_order(a, b, err))
			return -1;
		close_part(a);
	}
	close_part(&m->v[m->n - 1]);
	return 0;
}

/* ---- from one part to the next ---- */

static int put(struct merge *m, enum srz_stream stream, const struct sr_event *ev, struct sr_error *err)
{
	m->events++;
	return sr_copy_event(&m->copy, stream, ev, err);
}

/* Events are missing on every CPU; what was there is not known, nor how many. */
static int put_gap(struct merge *m, const struct part *p, uint64_t gap_ns, struct sr_error *err)
{
	const char *list = srz_get_meta(p->r, "cpus.online");
	struct sr_cpumask online = { { 0 } };
	struct sr_error ignored;
	struct sr_event ev = { .kind = SR_EV_LOST, .time_ns = p->span.start_ns };

	if (!list || sr_cpumask_parse(&online, list, &ignored))
		for (unsigned cpu = 0; cpu < srz_get_info(p->r)->cpus; cpu++)
			sr_cpumask_set(&online, cpu);
	ev.u.lost.span_us = gap_ns / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(gap_ns / 1000);
	for (unsigned cpu = 0; cpu < SR_MAX_CPUS; cpu++) {
		ev.cpu = (uint16_t)cpu;
		if (sr_cpumask_isset(&online, cpu) && put(m, SRZ_STREAM_KERNEL, &ev, err))
			return -1;
	}
	m->gaps++;
	m->gap_ns += gap_ns;
	return 0;
}

static const char *start_comm(void *task, uint32_t name)
{
	return ((const struct sr_task_start *)task)->comm;
}

/* A task whose name is not what the parts before say of its tid. */
static int put_comm(struct merge *m, const struct part *p, const struct sr_task_start *t, struct sr_error *err)
{
	struct sr_event ev = { .kind = SR_EV_COMM, .time_ns = p->span.start_ns, .u.rename.tid = t->tid };

	/* The name is the writer's own; the copy would take it for one of the part's. */
	if (sr_copy_flush(&m->copy, err))
		return -1;
	ev.u.rename.name = srz_put_name(m->w, t->comm, err);
	if (ev.u.rename.name == UINT32_MAX || sr_snapshot_feed(m->state, &ev, start_comm, (void *)t, err))
		return -1;
	m->events++;
	return srz_put_events(m->w, SRZ_STREAM_KERNEL, &ev, 1, err);
}

/* What the next part knows of its tasks at its start, and the parts before it do not tell. */
static int put_tasks(struct merge *m, const struct part *p, struct sr_error *err)
{
	const struct sr_task_starts *starts = srz_get_tasks(p->r);
	struct sr_task_table before = { 0 }, now = { 0 };
	struct sr_task_starts known = { 0 };
	int ret = -1;

	if (sr_snapshot_take(m->state, &known, err) || sr_task_table_init(&before, &known, err) ||
	    sr_task_table_init(&now, starts, err))
		goto out;
	for (size_t i = 0; i < starts->n; i++) {
		const struct sr_task_start *t = &starts->v[i];
		uint32_t was = sr_tidmap_get(&before.map, t->tid);

		if (now.v[i + 1].in_tree && !before.v[was].in_tree) {
			sr_fail(err, SR_USAGE,
				"%s has task %d (%.15s) of the recorded command, which began before this part and "
				"after the one before it: what belongs to the command would be lost",
				p->path, t->tid, t->comm);
			goto out;
		}
		if (strncmp(before.v[was].comm, t->comm, SR_COMM_LEN) != 0 && t->comm[0] && put_comm(m, p, t, err))
			goto out;
	}
	ret = 0;
out:
	sr_task_starts_release(&known);
	sr_task_table_release(&before);
	sr_task_table_release(&now);
	return ret;
}

/* ---- the whole ---- */

/* Events at a part's beginning that only tell again what the part before told. */
struct repeats {
	uint64_t binds, clocks;
};

static bool is_repeat(struct repeats *left, const struct sr_event *ev)
{
	uint64_t *n = ev->kind == SR_EV_BIND ? &left->binds : ev->kind == SR_EV_FREQUENCY ? &left->clocks : NULL;

	if (!n || !*n)
		return false;
	--*n;
	return true;
}

static int copy_part(struct merge *m, const struct part *p, struct repeats repeats, struct sr_error *err)
{
	struct sr_event ev;
	int ret;

	sr_copy_from(&m->copy, p->r);
	while ((ret = srz_next(p->r, &ev, err)) == 1 && !cmd_signal) {
		enum srz_stream stream = srz_stream_of_last(p->r);

		if (!(m->events & 0xffff))
			cmd_progress(m->o->quiet, "joining: %3.0f%%", 100.0 * (double)m->events / (double)m->total);
		if (is_repeat(&repeats, &ev))
			continue;
		if (sr_snapshot_feed(m->state, &ev, srz_name_at, p->r, err) || put(m, stream, &ev, err))
			return -1;
	}
	if (cmd_signal)
		return 128 + cmd_signal;
	return ret < 0 ? -1 : sr_copy_flush(&m->copy, err);
}

/* Meta values are as the first part has them, what tells of the end as the last one does. */
static int put_first(struct merge *m, const struct part *p, struct sr_error *err)
{
	static const char *const not_the_firsts[] = { "cut.*",          "duration_ns", "record.end",
						      "record.cpu_ns",  "record.late", "record.drain_cpu_ns",
						      "merge.*",        "slice.*",     "ring.*",
						      "command.status", NULL };

	m->state = sr_snapshot_new(srz_get_tasks(p->r), err);
	return !m->state || srz_put_tasks(m->w, srz_get_tasks(p->r), err) ||
			       sr_copy_meta(m->w, p->r, not_the_firsts, err) || sr_copy_sections(m->w, p->r, err) ?
		       -1 :
		       0;
}

static int put_last(struct merge *m, const struct part *p, struct sr_error *err)
{
	static const char *const the_lasts[] = { "record.end", "command.status", "cpus.changes" };
	size_t len;
	const void *attrs = srz_get_section(p->r, SRZ_SEC_ATTRIBUTES,
					    &len); /* those of a later part are all of the recording's */

	if (attrs && srz_put_section(m->w, SRZ_SEC_ATTRIBUTES, attrs, len, err))
		return -1;

	for (size_t i = 0; i < sizeof(the_lasts) / sizeof(*the_lasts); i++) {
		const char *v = srz_get_meta(p->r, the_lasts[i]);

		if (v && srz_put_meta(m->w, the_lasts[i], v, err))
			return -1;
	}
	for (size_t i = 0; i < SUMS; i++)
		if (!m->no_sum[i] && srz_put_meta_u64(m->w, sums[i], m->sum[i], err))
			return -1;
	if ((m->gaps && srz_put_meta_u64(m->w, "merge.gap_ns", m->gap_ns, err)) ||
	    (m->coarsest > 1 && srz_put_meta_u64(m->w, "time.resolution_ns", m->coarsest, err)))
		return -1;
	return srz_put_meta_u64(m->w, "merge.files", m->n, err) ||
			       srz_put_meta_u64(m->w, "duration_ns", p->span.end_ns - m->v[0].span.start_ns, err) ?
		       -1 :
		       0;
}

static int join_part(struct merge *m, size_t i, struct sr_error *err)
{
	const struct part *p = &m->v[i];
	struct repeats repeats = { 0 };
	uint64_t gap_ns;

	if (i == 0)
		return put_first(m, p, err) ? -1 : copy_part(m, p, repeats, err);
	gap_ns = p->span.start_ns - m->v[i - 1].span.end_ns;
	if ((gap_ns && put_gap(m, p, gap_ns, err)) || put_tasks(m, p, err))
		return -1;
	if (!gap_ns) {
		sr_meta_u64(p->r, "cut.binds", &repeats.binds);
		sr_meta_u64(p->r, "cut.clocks", &repeats.clocks);
	}
	return copy_part(m, p, repeats, err);
}

static int merge_files(struct merge *m, char **paths, struct sr_error *err)
{
	int ret = 0;

	if (look_at_parts(m, paths, err) || check_parts(m, err))
		return -1;
	m->w = srz_create(m->o->output, 0, err);
	if (!m->w || srz_set_time_unit(m->w, m->unit, err))
		return -1;
	sr_copy_init(&m->copy, m->w);
	for (size_t i = 0; !ret && i < m->n; i++) {
		if (open_part(&m->v[i], err))
			return -1;
		ret = join_part(m, i, err);
		if (!ret && i + 1 == m->n)
			ret = put_last(m, &m->v[i], err);
		close_part(&m->v[i]);
	}
	if (ret)
		return ret;
	ret = srz_close(m->w, err);
	m->w = NULL;
	return ret;
}

static int tell(struct merge *m, struct sr_error *err)
{
	uint64_t duration_ns = m->v[m->n - 1].span.end_ns - m->v[0].span.start_ns;
	char n[32], size[32], length[32];
	struct srz_reader *r;
	struct cmd_json j;

	cmd_progress_end();
	r = srz_open(m->o->output, err);
	if (!r)
		return -1;
	m->bytes = srz_get_info(r)->bytes;
	srz_reader_free(r);
	if (m->o->json) {
		cmd_json_init(&j, stdout);
		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "file", m->o->output);
		cmd_json_u64(&j, "files", m->n);
		cmd_json_u64(&j, "events", m->events);
		cmd_json_u64(&j, "duration_ns", duration_ns);
		cmd_json_u64(&j, "gaps", m->gaps);
		cmd_json_u64(&j, "gap_ns", m->gap_ns);
		cmd_json_u64(&j, "bytes", m->bytes);
		cmd_json_close(&j, '}');
	} else if (!m->o->quiet) {
		fprintf(stderr, "joined %s events of %s, ", sr_format_count(n, sizeof(n), m->events),
			sr_format_time(length, sizeof(length), (double)duration_ns));
		fprintf(stderr, "out of %zu files, to %s (%s)\n", m->n, m->o->output,
			sr_format_bytes(size, sizeof(size), (double)m->bytes));
	}
	if (m->gaps)
		cmd_warn(
			"%zu of the files do not follow on the one before: %s are missing, kept as losses of every CPU",
			m->gaps, sr_format_time(length, sizeof(length), (double)m->gap_ns));
	return 0;
}

static int run(const void *options_, int nargs, char **args, struct sr_error *err)
{
	struct merge m = { .o = options_, .n = (size_t)nargs };
	int ret = -1;

	ret = cmd_merge_databases(args, m.n, m.o->output, m.o->json, m.o->quiet, err);
	if (ret != CMD_NO_DATABASES)
		return ret;
	ret = -1;
	if (nargs == 1 && access(args[0], R_OK) < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot open %s", args[0]);
	if (nargs < 2)
		return sr_fail(err, SR_USAGE, "give the recordings to join, two or more (or a database)");
	if (!m.o->output)
		return sr_fail(err, SR_USAGE, "name the file to write: -o OUT.srz");
	cmd_catch_signals();
	m.v = calloc(m.n, sizeof(*m.v));
	if (!m.v)
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
	else
		ret = merge_files(&m, args, err);
	srz_abort(m.w);
	if (!ret)
		ret = tell(&m, err);
	sr_copy_release(&m.copy);
	sr_snapshot_free(m.state);
	for (size_t i = 0; m.v && i < m.n; i++)
		srz_reader_free(m.v[i].r);
	free(m.v);
	return ret;
}

const struct cmd cmd_merge = {
	.name = "merge",
	.summary = "join consecutive recordings of one machine into one, or databases of runs",
	.operands = "FILE... -o OUT",
	.description =
		"For the numbered slices of a long recording, and for parts made by cut. The files may be named in any "
		"order; by their own word they come from one machine, one boot and one kind of recording, and follow "
		"each "
		"other in time. Files that do not, or that overlap, are refused with the reason (status 2).\n\n"
		"Between slices and adjoining parts nothing is missing, and the result has the events of all, as if it "
		"had "
		"been recorded at once. Where there is a gap, events of unknown number are told as lost on each "
		"CPU.\n\n"
		"To run the loads of several recordings at once is another matter, which merge does not do.\n\n"
		"Databases of runs, which are known by their content, are added to the database OUT, made where "
		"there is none, all of one file or nothing. Each run has an identity of its own: one that OUT has "
		"already is not added again, so that merging twice, or databases that share runs, adds nothing "
		"twice. Nights come with their rounds and change points; of a round that OUT has already, made by "
		"other runs, those stay out, which is told, and another night of the same label is refused. The "
		"files named stay as they are; older versions are understood.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct merge_options),
	.run = run,
};
