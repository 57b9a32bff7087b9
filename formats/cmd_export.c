/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec export: a recording in another tool's format. */
#include "schedrec.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "formats/copy.h"
#include "formats/export.h"

struct export_options {
	const char *to, *output, *tasks, *calibration;
	bool json, quiet;
};

static const struct sr_option options[] = {
	{ "to", 0, SR_OPT_CHOICE, offsetof(struct export_options, to), "FORMAT", 0, 0, "perfetto|ftrace|rt-app|csv",
	  NULL, "the format to write" },
	{ "output", 'o', SR_OPT_STRING, offsetof(struct export_options, output), "OUT", 0, 0, NULL, NULL,
	  "the file to write; one that exists is replaced when the new one is complete" },
	{ "task", 't', SR_OPT_STRING, offsetof(struct export_options, tasks), "PATTERN", 0, 0, NULL, NULL,
	  "rt-app: only tasks with these names, GLOB[,GLOB...], !GLOB leaves out (default: all that a replay runs)" },
	{ "calibration", 0, SR_OPT_STRING, offsetof(struct export_options, calibration), "C", 0, 0, NULL, "CPU0",
	  "rt-app: CPU<N>, where rt-app calibrates itself to whole ns, or ns of one of its loops, like 2.43" },
	{ "json", 'j', SR_OPT_FLAG, offsetof(struct export_options, json), NULL, 0, 0, NULL, NULL,
	  "say what was written and what was left out as JSON" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct export_options, quiet), NULL, 0, 0, NULL, NULL,
	  "no progress and no summary" },
	{ 0 }
};

static const char *const examples[] = { "schedrec export build.srz --to perfetto -o build.pftrace",
					"open build.pftrace at ui.perfetto.dev",
					"schedrec export build.srz --to ftrace -o build.txt",
					"for tools that read the kernel's text",
					"schedrec export build.srz --to csv -o build.csv",
					"for a spreadsheet, pandas or a database",
					"schedrec export web.srz --to rt-app --calibration 2.43 -o web.json",
					"then: rt-app web.json",
					NULL };

struct job {
	const struct export_options *o;
	const char *path;
	struct srz_reader *r;
	struct sr_export *x;
	struct sr_rtapp_counts rtapp;
};

static bool is_rtapp(const struct job *j)
{
	return !strcmp(j->o->to, "rt-app");
}

static int export_events(struct job *j, struct sr_error *err)
{
	const struct srz_info *info = srz_get_info(j->r);
	struct sr_event ev;
	uint64_t n = 0;
	int ret;

	j->x = sr_export_new(j->o->to, j->r, j->o->output, err);
	if (!j->x)
		return -1;
	while ((ret = srz_next(j->r, &ev, err)) == 1 && !cmd_signal) {
		if (!(n++ & 0xffff) && info->events)
			cmd_progress(j->o->quiet, "exporting: %3.0f%%", 100.0 * (double)n / (double)info->events);
		if (sr_export_event(j->x, &ev, err))
			return -1;
	}
	if (cmd_signal)
		return 128 + cmd_signal;
	return ret < 0 ? -1 : sr_export_end(j->x, err);
}

static int export_file(struct job *j, struct sr_error *err)
{
	struct sr_rtapp_options o = { .model.tasks = j->o->tasks, .calibration = j->o->calibration };

	j->r = srz_open(j->path, err);
	if (!j->r)
		return -1;
	if (!is_rtapp(j))
		return export_events(j, err);
	cmd_progress(j->o->quiet, "working out what the tasks do");
	return sr_export_rtapp(j->r, j->o->output, &o, &j->rtapp, err);
}

/* ---- what is told ---- */

struct row {
	const char *key, *text;
	uint64_t n;
};

static void tell_rows(const struct row *rows, const char *what)
{
	char n[32];
	bool any = false;

	for (; rows->key; rows++) {
		if (!rows->n)
			continue;
		fprintf(stderr, "%s%s %s", any ? ", " : what, sr_format_count(n, sizeof(n), rows->n), rows->text);
		any = true;
	}
	if (any)
		fputc('\n', stderr);
}

static void json_rows(struct cmd_json *j, const struct row *rows)
{
	for (; rows->key; rows++)
		cmd_json_u64(j, rows->key, rows->n);
}

static void tell_rtapp(const struct job *job, struct cmd_json *j)
{
	const struct sr_rtapp_counts *c = &job->rtapp;
	const struct row written[] = { { "threads", "threads", c->threads },
				       { "phases", "steps", c->phases },
				       { "runs", "runs", c->runs },
				       { "sleeps", "sleeps", c->sleeps },
				       { "timers", "periodic sleeps", c->timers },
				       { "waits", "waits", c->waits },
				       { "wakes", "wakes", c->wakes },
				       { "forks", "forks (as threads that wait to begin)", c->forks },
				       { NULL, NULL, 0 } };
	const struct row dropped[] = { { "execs", "execs", c->execs },
				       { "names", "new names", c->names },
				       { "priorities", "changes of class or nice value", c->priorities },
				       { "sessions", "new sessions", c->sessions },
				       { "groups", "changes of control group", c->groups },
				       { "policies", "classes that rt-app does not know (they run as SCHED_OTHER)",
					 c->policies },
				       { "slices", "slices", c->attributes },
				       { NULL, NULL, 0 } };
	char text[32];

	if (j) {
		cmd_json_open(j, "written", '{');
		json_rows(j, written);
		cmd_json_u64(j, "run_ns", c->run_ns);
		cmd_json_u64(j, "cost_ns", c->cost_ns);
		cmd_json_close(j, '}');
		cmd_json_open(j, "dropped", '{');
		json_rows(j, dropped);
		cmd_json_close(j, '}');
		cmd_json_u64(j, "bytes", c->bytes);
		return;
	}
	tell_rows(written, "wrote ");
	fprintf(stderr, "%s of CPU time, to %s ", sr_format_time(text, sizeof(text), (double)c->run_ns),
		job->o->output);
	fprintf(stderr, "(%s)\n", sr_format_bytes(text, sizeof(text), (double)c->bytes));
	tell_rows(dropped, "rt-app has no place for: ");
}

static void tell_events(const struct job *job, struct cmd_json *j)
{
	const struct sr_export_counts *c = sr_export_counted(job->x);
	uint64_t dropped = 0;
	char n[32], size[32];

	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++)
		dropped += c->dropped[kind];
	if (j) {
		cmd_json_u64(j, "events", c->events);
		cmd_json_u64(j, "written", c->events - dropped - c->carried);
		cmd_json_u64(j, "names_carried", c->carried);
		cmd_json_open(j, "dropped", '{');
		for (unsigned kind = 0; kind < SR_EV_KINDS; kind++)
			if (c->dropped[kind])
				cmd_json_u64(j, sr_event_kind_name(kind), c->dropped[kind]);
		cmd_json_close(j, '}');
		cmd_json_u64(j, "bytes", c->bytes);
		return;
	}
	fprintf(stderr, "exported %s events ", sr_format_count(n, sizeof(n), c->events - dropped - c->carried));
	fprintf(stderr, "to %s (%s)\n", job->o->output, sr_format_bytes(size, sizeof(size), (double)c->bytes));
	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++)
		if (c->dropped[kind])
			fprintf(stderr, "left out: %s %s events, for which %s has no place\n",
				sr_format_count(n, sizeof(n), c->dropped[kind]), sr_event_kind_name(kind), job->o->to);
}

static void tell(const struct job *job)
{
	struct cmd_json j;

	cmd_progress_end();
	if (job->o->json) {
		cmd_json_init(&j, stdout);
		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "file", job->o->output);
		cmd_json_str(&j, "source", job->path);
		cmd_json_str(&j, "format", job->o->to);
		cmd_json_u64(&j, "lost", srz_get_info(job->r)->lost);
		cmd_json_u64(&j, "lost_places", srz_get_info(job->r)->lost_places);
		if (is_rtapp(job))
			tell_rtapp(job, &j);
		else
			tell_events(job, &j);
		cmd_json_close(&j, '}');
	} else if (!job->o->quiet) {
		if (is_rtapp(job))
			tell_rtapp(job, NULL);
		else
			tell_events(job, NULL);
	}
	if (!srz_get_info(job->r)->complete)
		cmd_warn("%s is incomplete: its recorder was killed, or it is a cut copy", job->path);
}

static bool calibration_is_one(const char *c)
{
	char *end;
	double v;

	if (!strncmp(c, "CPU", 3) && isdigit((unsigned char)c[3]))
		return !c[3 + strspn(c + 3, "0123456789")] && strlen(c) < 8;
	v = strtod(c, &end);
	return isdigit((unsigned char)*c) && !*end && v >= 0.01 && v <= 100000;
}

static int run(const void *options_, int nargs, char **args, struct sr_error *err)
{
	struct job j = { .o = options_ };
	int ret;

	if (nargs != 1)
		return sr_fail(err, SR_USAGE, "give one file");
	if (!j.o->to)
		return sr_fail(err, SR_USAGE, "name the format: --to perfetto, ftrace, rt-app or csv");
	if (!j.o->output)
		return sr_fail(err, SR_USAGE, "name the file to write: -o OUT");
	if (!calibration_is_one(j.o->calibration))
		return sr_fail(err, SR_USAGE, "--calibration '%s' is neither a CPU like CPU0 nor 0.01 to 100000 ns",
			       j.o->calibration);
	if (j.o->tasks && !is_rtapp(&j))
		return sr_fail(err, SR_USAGE, "--task is for --to rt-app; the other formats have all tasks");
	j.path = args[0];
	if (sr_would_replace(j.o->output, j.path))
		return sr_fail(err, SR_USAGE, "%s would replace the recording itself; name another file", j.o->output);
	cmd_catch_signals();
	ret = export_file(&j, err);
	if (!ret)
		tell(&j);
	sr_export_free(j.x);
	srz_reader_free(j.r);
	return ret;
}

const struct cmd cmd_export = {
	.name = "export",
	.summary = "write a recording in another tool's format",
	.operands = "FILE --to FORMAT -o OUT",
	.description =
		"perfetto: for ui.perfetto.dev and trace_processor: all events of the kernel with their wakers' tasks, "
		"the "
		"process tree, and a track of instants with the policy's decisions. Times are the recording's, stated "
		"as "
		"the trace's own clock; a clock snapshot ties them to the real time. How many events were lost has no "
		"place there, only that some were. Whose events they are stands in packets that only import reads.\n\n"
		"ftrace: the text of the kernel's own trace file, but with nanoseconds. Decisions are "
		"tracing_mark_write "
		"lines. Bytes of names that would break a line become ?. \"# schedrec\" comments keep the clock, the "
		"scope, whose descendants it is of, the kernel and the command for import.\n\n"
		"csv: a line of column names, then a row an event: time_ns, cpu, stream (0 kernel, 1 engine), event, "
		"context (-, or of h s n: hard interrupt, soft interrupt, NMI), ctx_tid and ctx_comm (what ran), tid, "
		"comm, "
		"prio (whom it is about: of a switch the task before, of a fork the child), state (of the task "
		"before), "
		"other_tid, other_comm, other_prio (of a switch the next task, of a fork the parent, of an exec the "
		"tid "
		"before), from_cpu, to_cpu, value (clone flags, kHz, idle state or -1, events lost, cost in ns, "
		"source, "
		"group_dead) and text (file, new name, cause). What an event does not have is empty.\n\n"
		"rt-app: what a replay would run, as a profile for rt-app 1.0: threads with runs, sleeps, periodic "
		"timers, "
		"waits and wakes (as mutexes, so that none is lost), classes, nice values and CPUs. Forked tasks are "
		"threads that wait for their parent. It knows no exec, no control group and no change of a class while "
		"a "
		"task runs; these are counted. rt-app's own calibration is in whole nanoseconds a loop, which may be "
		"far "
		"off: give --calibration the nanoseconds of a loop (the CPU time of a profile whose one thread does "
		"\"run\": 1000000 under \"calibration\": 1000 is that of a million loops), and runs are written as "
		"loops.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct export_options),
	.run = run,
};
