/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec cut: a part of a recording as a recording of its own. */
#include "schedrec.h"

#include <stdlib.h>

#include "formats/copy.h"
#include "formats/digest.h"
#include "formats/snapshot.h"
#include "formats/srz.h"

struct cut_options {
	uint64_t from_ns, to_ns;
	const char *output;
	bool json, quiet;
};

static const struct sr_option options[] = {
	{ "from", 0, SR_OPT_TIME, offsetof(struct cut_options, from_ns), "T", 0, 0, NULL, NULL,
	  "begin T after the first event (default: with the recording)" },
	{ "to", 0, SR_OPT_TIME, offsetof(struct cut_options, to_ns), "T", 1, 1e18, NULL, NULL,
	  "end T after the first event, events at T not included (default: with the recording)" },
	{ "output", 'o', SR_OPT_STRING, offsetof(struct cut_options, output), "OUT.srz", 0, 0, NULL, NULL,
	  "the file to write; one that exists is replaced when the new one is complete" },
	{ "json", 'j', SR_OPT_FLAG, offsetof(struct cut_options, json), NULL, 0, 0, NULL, NULL,
	  "say what was written as JSON; times in ns" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct cut_options, quiet), NULL, 0, 0, NULL, NULL,
	  "no progress and no summary" },
	{ 0 }
};

static const char *const examples[] = { "schedrec cut build.srz --from 10s --to 12s -o slow.srz",
					"two seconds of a build", "schedrec cut build.srz.part --to 1m -o begin.srz",
					"the first minute of what a killed recorder left", NULL };

struct cut {
	const struct cut_options *o;
	const char *path;
	struct srz_reader *r;
	struct srz_writer *w;
	struct sr_copy copy;
	struct sr_snapshot *state;
	struct sr_span span;       /* of the source */
	uint64_t from_ns, to_ns;   /* on the events' clock; to_ns UINT64_MAX: the end */
	uint64_t start_ns, end_ns; /* of what is cut out, likewise */
	uint64_t events, lost, lost_places, bytes;
	size_t tasks, clocks, binds; /* at its start; the latter two are events that tell it */
};

static bool whole(const struct cut *c)
{
	return c->start_ns == c->span.start_ns && c->end_ns == c->span.end_ns;
}

static void show_progress(const struct cut *c, const struct sr_event *ev)
{
	const struct sr_span *s = &c->span;
	uint64_t end = c->to_ns < s->last_ns ? c->to_ns : s->last_ns;

	if (end > s->first_ns)
		cmd_progress(c->o->quiet, "cutting: %3.0f%%",
			     100.0 * (double)(ev->time_ns - s->first_ns) / (double)(end - s->first_ns));
}

/* The state of the tasks where the cut begins. */
static int put_state(struct cut *c, struct sr_error *err)
{
	struct sr_task_starts tasks = { 0 };
	struct sr_event *ev = NULL;
	size_t n;
	int ret = -1;

	if (!c->o->from_ns) {
		c->tasks = srz_get_tasks(c->r)->n;
		return srz_put_tasks(c->w, srz_get_tasks(c->r), err);
	}
	if (sr_snapshot_take(c->state, &tasks, err) || srz_put_tasks(c->w, &tasks, err) ||
	    sr_snapshot_retell(c->state, &ev, &n, err))
		goto out;
	c->tasks = tasks.n;
	for (size_t i = 0; i < n; i++) {
		bool bind = ev[i].kind == SR_EV_BIND;

		ev[i].time_ns = c->from_ns;
		c->binds += bind;
		c->clocks += !bind;
		if (sr_copy_event(&c->copy, bind ? SRZ_STREAM_ENGINE : SRZ_STREAM_KERNEL, &ev[i], err))
			goto out;
	}
	ret = 0;
out:
	free(ev);
	sr_task_starts_release(&tasks);
	return ret;
}

static int copy_one(struct cut *c, const struct sr_event *ev, struct sr_error *err)
{
	c->events++;
	if (ev->kind == SR_EV_LOST) {
		c->lost += ev->u.lost.count;
		c->lost_places++;
	}
	return sr_copy_event(&c->copy, srz_stream_of_last(c->r), ev, err);
}

/* 0, -1, or the status of a signal. What comes before the cut is read for the state it leaves. */
static int copy_events(struct cut *c, struct sr_error *err)
{
	bool begun = false;
	struct sr_event ev;
	uint64_t n = 0;
	int ret;

	while ((ret = srz_next(c->r, &ev, err)) == 1 && !cmd_signal && ev.time_ns < c->to_ns) {
		if (!(n++ & 0xffff))
			show_progress(c, &ev);
		if (ev.time_ns < c->from_ns) {
			ret = sr_snapshot_feed(c->state, &ev, srz_name_at, c->r, err);
		} else {
			ret = begun ? 0 : put_state(c, err);
			begun = true;
			if (!ret)
				ret = copy_one(c, &ev, err);
		}
		if (ret)
			return ret;
	}
	if (cmd_signal)
		return 128 + cmd_signal;
	if (ret >= 0 && !begun)
		return sr_fail(err, SR_USAGE, "%s: no event lies between --from and --to", c->path);
	return ret < 0 ? -1 : sr_copy_flush(&c->copy, err);
}

/* Part of what the whole recording's number counts, by the number of events. */
static int put_share(struct cut *c, const char *key, struct sr_error *err)
{
	uint64_t all = srz_get_info(c->r)->events, v;

	if (!all || !sr_meta_u64(c->r, key, &v))
		return 0;
	return srz_put_meta_u64(c->w, key, (uint64_t)((double)v * (double)c->events / (double)all), err);
}

static int put_times(struct cut *c, struct sr_error *err)
{
	uint64_t realtime, mono;

	if ((c->span.stated || c->start_ns != c->span.start_ns) &&
	    srz_put_meta_u64(c->w, "start.mono_ns", c->start_ns, err))
		return -1;
	if (sr_meta_u64(c->r, "start.realtime_ns", &realtime) && sr_meta_u64(c->r, "start.mono_ns", &mono) &&
	    srz_put_meta_u64(c->w, "start.realtime_ns", realtime + (c->start_ns - mono), err))
		return -1;
	return srz_put_meta_u64(c->w, "duration_ns", c->end_ns - c->start_ns, err);
}

static int put_meta(struct cut *c, struct sr_error *err)
{
	static const char *const of_all[] = { "cut.*", NULL };
	/* What would not be true of a part: how it began and ended, and what was counted over all of it. */
	static const char *const of_part[] = { "cut.*",
					       "start.mono_ns",
					       "start.realtime_ns",
					       "duration_ns",
					       "record.end",
					       "record.cpu_ns",
					       "record.late",
					       "replay.count.*",
					       "merge.*",
					       "slice.*",
					       "record.drain_cpu_ns",
					       "command.status",
					       "replay.foreign_cpu_share",
					       "host.foreign_cpu_share",
					       "host.stolen_cpu_share",
					       NULL };
	char sha256[SR_SHA256_TEXT];

	if (sr_sha256_file(c->path, sha256, err) || sr_copy_meta(c->w, c->r, whole(c) ? of_all : of_part, err) ||
	    srz_put_meta(c->w, "cut.source_sha256", sha256, err) ||
	    srz_put_meta_u64(c->w, "cut.from_ns", c->from_ns - c->span.first_ns, err) ||
	    srz_put_meta_u64(c->w, "cut.to_ns", c->end_ns - c->span.first_ns, err))
		return -1;
	if ((c->binds && srz_put_meta_u64(c->w, "cut.binds", c->binds, err)) ||
	    (c->clocks && srz_put_meta_u64(c->w, "cut.clocks", c->clocks, err)))
		return -1;
	if (whole(c))
		return 0;
	return put_times(c, err) || put_share(c, "record.cpu_ns", err) || put_share(c, "record.drain_cpu_ns", err) ||
			       srz_put_meta(c->w, "record.end", "cut", err) ?
		       -1 :
		       0;
}

/* Where the cut begins and ends, by the options. */
static int find_bounds(struct cut *c, struct sr_error *err)
{
	const struct cut_options *o = c->o;
	const struct sr_span *s = &c->span;
	char text[32];

	if (o->from_ns && o->from_ns > s->last_ns - s->first_ns)
		return sr_fail(err, SR_USAGE, "%s: --from lies behind its last event, which is at %s", c->path,
			       sr_format_time(text, sizeof(text), (double)(s->last_ns - s->first_ns)));
	c->from_ns = s->first_ns + o->from_ns;
	c->to_ns = o->to_ns && o->to_ns < UINT64_MAX - s->first_ns ? s->first_ns + o->to_ns : UINT64_MAX;
	c->start_ns = o->from_ns ? c->from_ns : s->start_ns;
	c->end_ns = c->to_ns < s->end_ns ? c->to_ns : s->end_ns;
	return 0;
}

static int cut_file(struct cut *c, struct sr_error *err)
{
	int ret;

	c->r = srz_open(c->path, err);
	if (!c->r || sr_span_of(c->r, &c->span, err) || find_bounds(c, err))
		return -1;
	c->state = sr_snapshot_new(srz_get_tasks(c->r), err);
	c->w = c->state ? srz_create(c->o->output, 0, err) : NULL;
	if (!c->w || srz_set_time_unit(c->w, sr_copy_unit(c->r), err))
		return -1;
	sr_copy_init(&c->copy, c->w);
	sr_copy_from(&c->copy, c->r);
	ret = copy_events(c, err);
	if (ret)
		return ret;
	if (put_meta(c, err) || sr_copy_sections(c->w, c->r, err))
		return -1;
	ret = srz_close(c->w, err);
	c->w = NULL;
	return ret;
}

static int tell(struct cut *c, struct sr_error *err)
{
	char n[32], size[32], length[32];
	struct srz_reader *r;
	struct cmd_json j;

	cmd_progress_end();
	r = srz_open(c->o->output, err);
	if (!r)
		return -1;
	c->bytes = srz_get_info(r)->bytes;
	srz_reader_free(r);
	if (c->o->json) {
		cmd_json_init(&j, stdout);
		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "file", c->o->output);
		cmd_json_str(&j, "source", c->path);
		cmd_json_u64(&j, "from_ns", c->from_ns - c->span.first_ns);
		cmd_json_u64(&j, "to_ns", c->end_ns - c->span.first_ns);
		cmd_json_u64(&j, "duration_ns", c->end_ns - c->start_ns);
		cmd_json_u64(&j, "events", c->events);
		cmd_json_u64(&j, "lost", c->lost);
		cmd_json_u64(&j, "lost_places", c->lost_places);
		cmd_json_u64(&j, "tasks_at_start", c->tasks);
		cmd_json_u64(&j, "bytes", c->bytes);
		cmd_json_close(&j, '}');
	} else if (!c->o->quiet) {
		fprintf(stderr, "cut %s events of %s, ", sr_format_count(n, sizeof(n), c->events),
			sr_format_time(length, sizeof(length), (double)(c->end_ns - c->start_ns)));
		fprintf(stderr, "to %s (%s)\n", c->o->output, sr_format_bytes(size, sizeof(size), (double)c->bytes));
	}
	if (!srz_get_info(c->r)->complete)
		cmd_warn("%s is incomplete: its recorder was killed, or it is a cut copy", c->path);
	return 0;
}

static int run(const void *options_, int nargs, char **args, struct sr_error *err)
{
	struct cut c = { .o = options_ };
	int ret;

	if (nargs != 1)
		return sr_fail(err, SR_USAGE, "give one file");
	if (!c.o->output)
		return sr_fail(err, SR_USAGE, "name the file to write: -o OUT.srz");
	if (c.o->to_ns && c.o->to_ns <= c.o->from_ns)
		return sr_fail(err, SR_USAGE, "--to does not lie behind --from");
	c.path = args[0];
	if (sr_would_replace(c.o->output, c.path))
		return sr_fail(err, SR_USAGE, "%s would replace the recording it is cut from; name another file",
			       c.o->output);
	cmd_catch_signals();
	ret = cut_file(&c, err);
	srz_abort(c.w);
	if (!ret)
		ret = tell(&c, err);
	sr_copy_release(&c.copy);
	sr_snapshot_free(c.state);
	srz_reader_free(c.r);
	return ret;
}

const struct cmd cmd_cut = {
	.name = "cut",
	.summary = "write a part of a recording as a recording of its own",
	.operands = "FILE -o OUT.srz",
	.description = "What comes before the part is read too: it tells which tasks are alive where the part begins, "
		       "what they "
		       "are called and whether they run. That becomes the start state of OUT.srz, so that every "
		       "command works on "
		       "it as on any recording. Times are as dump shows them.\n\n"
		       "Losses, the machine's description and what is known of the kernel are kept. The recorder's CPU "
		       "time is "
		       "divided by the number of events; what was counted over the whole recording only is left out. "
		       "cut.from_ns, cut.to_ns and cut.source_sha256 say where it comes from.\n\n"
		       "merge joins consecutive parts again.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct cut_options),
	.run = run,
};
