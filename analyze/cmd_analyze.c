/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/cmd_analyze.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "formats/digest.h"
#include "formats/machine.h"

static const struct sr_option rows[] = {
	{ .name = "view",
	  .letter = 'v',
	  .type = SR_OPT_CHOICE,
	  .offset = offsetof(struct analyze_options, view),
	  .arg = "VIEW",
	  .choices = "summary|latency|timehist|map|cpu|tasks|stats|fidelity",
	  .deflt = "summary",
	  .help = "what to show: all metrics; each task's wakeup latencies; each stretch on a cpu; what ran where over "
		  "time;"
		  " each cpu; each task, with late frames and stalls; what /proc/schedstat counts; a replay beside its"
		  " recording" },
	{ .name = "task",
	  .letter = 't',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct analyze_options, task),
	  .arg = "PATTERN",
	  .help = "only tasks that ever had a name that matches this shell pattern, or whose tid is this number; what"
		  " they waited for is still known, as every other task is followed all the same" },
	{ .name = "pid",
	  .letter = 'p',
	  .type = SR_OPT_UINT,
	  .offset = offsetof(struct analyze_options, pid),
	  .arg = "PID",
	  .min = 1,
	  .max = 4194304,
	  .help = "only the tasks of this process" },
	{ .name = "cpu",
	  .letter = 'c',
	  .type = SR_OPT_CPUS,
	  .offset = offsetof(struct analyze_options, cpus),
	  .arg = "LIST",
	  .help = "only what happened on these CPUs, like 2 or 0-3,8; a wait belongs to the CPU on which it ended" },
	{ .name = "from",
	  .type = SR_OPT_TIME,
	  .offset = offsetof(struct analyze_options, from_ns),
	  .arg = "T",
	  .help = "begin T after the first event: what began before counts from there on, and a wait is cut" },
	{ .name = "to",
	  .type = SR_OPT_TIME,
	  .offset = offsetof(struct analyze_options, to_ns),
	  .arg = "T",
	  .min = 1,
	  .max = 1e18,
	  .help = "end T after the first event" },
	{ .name = "wakeups",
	  .letter = 'w',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct analyze_options, wakeups),
	  .help = "timehist: also a line for each wake-up, on the CPU that made it" },
	{ .name = "migrations",
	  .letter = 'm',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct analyze_options, migrations),
	  .help = "timehist: also a line for each migration, on the CPU that gets the task" },
	{ .name = "idle",
	  .letter = 'i',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct analyze_options, idle),
	  .help = "timehist: also a line for each time that a CPU idled (of recordings of the whole system)" },
	{ .name = "against",
	  .type = SR_OPT_LIST,
	  .offset = offsetof(struct analyze_options, against),
	  .arg = "REC",
	  .help = "the recording that each FILE is a replay of (or a second run of): adds the fidelity metrics; given"
		  " several times, the others are further recordings of the application and tell its own spread" },
	{ .name = "all",
	  .letter = 'a',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct analyze_options, all),
	  .help = "count every task of the file, not only the recorded command's or the replay's" },
	{ .name = "db",
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct analyze_options, db),
	  .arg = "DB",
	  .help = "store each file as a run in this SQLite database, made where there is none" },
	{ .name = "label",
	  .letter = 'l',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct analyze_options, label),
	  .arg = "L",
	  .help = "label of the stored run; by default the file's own" },
	{ .name = "json",
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct analyze_options, json),
	  .help = "write JSON: an array with one object a file" },
	{ .name = "csv",
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct analyze_options, csv),
	  .help = "write CSV with a head line; times in ns; what was lost, repaired and cut are rows of the summary,"
		  " and a line on standard error with the other views" },
	{ 0 },
};

static const char *const examples[] = {
	"schedrec analyze build.srz",
	"all metrics of a recording",
	"schedrec analyze build.srz --view latency",
	"who waited longest for a cpu after a wake",
	"schedrec analyze build.srz --view timehist --from 1s --to 1.1s --cpu 0 --wakeups --idle",
	"what CPU 0 did in a tenth of a second, switch by switch",
	"schedrec analyze game.srz --view tasks --task render",
	"how many frames came late, and whether that was for want of a CPU",
	"schedrec analyze run.srz --against build.srz --view fidelity",
	"how close a replay came to its recording",
	"schedrec analyze run-*.srz --view fidelity --against build.srz --against again.srz",
	"several replays, beside what a further run of the application differs by",
	"schedrec analyze build.srz --db runs.db --label v6.12",
	"keep the metrics for `schedrec compare`",
	NULL,
};

static const char *meta(const struct srz_reader *r, const char *key, const char *otherwise)
{
	const char *v = srz_get_meta(r, key);

	return v ? v : otherwise;
}

static void utc(char *buf, size_t len, const char *realtime_ns)
{
	time_t t = (time_t)(strtoull(realtime_ns, NULL, 10) / 1000000000u);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(buf, len, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buf[0] = '\0';
}

static int number_of(const struct srz_reader *r, const char *key)
{
	long v = strtol(meta(r, key, "0"), NULL, 10);

	return v < 0 || v > 1000000000 ? 0 : (int)v;
}

int analyze_store(const struct analyze_options *o, const struct analyze_file *f, struct sr_error *err)
{
	const struct srz_reader *r = f->reader;
	const char *slash = strrchr(f->path, '/'), *engine = meta(r, "engine", "recorded");
	const char *started = srz_get_meta(r, "start.realtime_ns"),
		   *label = o->label ? o->label : srz_get_meta(r, "label");
	bool recorded = !strcmp(engine, "recorded");
	char sha[SR_SHA256_TEXT], when[32];
	size_t len;
	const char *xml = srz_get_section(r, SRZ_SEC_MACHINE, &len);
	struct sr_machine *machine = xml ? sr_machine_from_xml(xml, len, err) : NULL;
	struct ana_run run = {
		.trace_sha256 = srz_get_meta(r, "replay.source_sha256"),
		.trace_name = srz_get_meta(r, "replay.source_name"),
		.label = label,
		.engine = engine,
		.policy = meta(r, "replay.policy", "kernel"),
		.policy_options = srz_get_meta(r, "replay.policy_options"),
		.kernel = srz_get_meta(r, "kernel.release"),
		.sched_ext = ana_file_sched_ext(r),
		.machine = machine ? machine->summary : NULL,
		.work = srz_get_meta(r, "replay.work"),
		.timing = srz_get_meta(r, "replay.timing"),
		.series = srz_get_meta(r, "replay.series"),
		.arm = srz_get_meta(r, "replay.arm"),
		.looks = number_of(r, "replay.looks"),
		.schedrec_version = SCHEDREC_VERSION,
		.repeat = number_of(r, "replay.repeat"),
		.order_slot = number_of(r, "replay.slot"),
		.lost_events = f->result.lost,
	};
	struct ana_db *db;
	int ret = -1;

	if (xml && !machine)
		return -1;
	if (recorded) {
		run.trace_name = slash ? slash + 1 : f->path;
		run.trace_sha256 = sha;
		if (sr_sha256_file(f->path, sha, err) < 0)
			goto out;
	}
	if (started) {
		utc(when, sizeof(when), started);
		run.started_at = when;
	}
	db = ana_db_open(o->db, true, err);
	if (!db)
		goto out;
	ret = ana_db_store(db, &run, &f->result, err);
	ana_db_close(db);
out:
	sr_machine_free(machine);
	return ret;
}

static const char *scope_text(const struct analyze_options *o, const struct srz_reader *r)
{
	if (o->all)
		return "every task";
	if (strcmp(meta(r, "engine", "recorded"), "recorded") != 0)
		return "the replayed tasks";
	if (!sr_task_starts_have_root(srz_get_tasks(r)))
		return "all user tasks";
	return srz_get_meta(r, "command") ? "the recorded command's tasks" : "the recorded tasks";
}

static void cost_json(struct cmd_json *j, const struct sr_cost *c, const char *doubt)
{
	cmd_json_open(j, "cost", '{');
	if (c->disturbance >= 0)
		cmd_json_real(j, "disturbance_share", c->disturbance);
	cmd_json_real(j, "lost_share", c->lost_share);
	cmd_json_bool(j, "lost_is_exact", !c->lost_more);
	cmd_json_u64(j, "longest_gap_ns", c->longest_gap_ns);
	cmd_json_real(j, "longest_gap_share", c->gap_share);
	cmd_json_u64(j, "time_resolution_ns", c->resolution_ns);
	cmd_json_str(j, "doubt", doubt);
	cmd_json_close(j, '}');
}

/* What is not shown, in words; false: everything is. */
static bool filter_text(const struct analyze_options *o, char *buf, size_t len)
{
	char at[2][32], task[64];
	size_t n = 0;

	buf[0] = '\0';
	if (o->task)
		n += (size_t)snprintf(buf + n, len - n, ", tasks '%s'", printable(task, sizeof(task), o->task));
	if (o->pid)
		n += (size_t)snprintf(buf + n, len - n, ", process %" PRIu64, o->pid);
	if (o->cpus)
		n += (size_t)snprintf(buf + n, len - n, ", CPUs %.24s", o->cpus);
	if (o->from_ns || o->to_ns)
		snprintf(buf + n, len - n, ", from %s to %s",
			 o->from_ns ? sr_format_time(at[0], 32, (double)o->from_ns) : "the start",
			 o->to_ns ? sr_format_time(at[1], 32, (double)o->to_ns) : "the end");
	return *buf != '\0';
}

void analyze_told(const struct analyze_options *o, const struct analyze_file *f)
{
	const struct ana_result *res = &f->result;
	const struct srz_reader *r = f->reader;
	const struct srz_info *info = srz_get_info(r);
	struct cmd_json *j = f->table->json;
	bool summary = !strcmp(o->view, "summary");
	char text[5][32], name[80], under[80], doubt[256], filter[200], counts[160];

	if (sr_cost_doubt(&res->cost, doubt, sizeof(doubt)))
		cmd_warn("%s: %s", f->path, doubt);
	snprintf(counts, sizeof(counts), "%s events lost, %s switches repaired, %s intervals cut and left out",
		 sr_format_count(text[2], 32, res->lost), sr_format_count(text[3], 32, res->repaired),
		 sr_format_count(text[4], 32, res->censored));
	/* The rows of a view have no place for it. */
	if (f->table->form == TABLE_AS_CSV && !summary && (res->lost || res->repaired || res->censored))
		cmd_note("%s: %s", f->path, counts);
	if (f->table->form == TABLE_AS_JSON) {
		cmd_json_str(j, "engine", meta(r, "engine", "recorded"));
		cmd_json_str(j, "policy", meta(r, "replay.policy", "kernel"));
		cmd_json_str(j, "label", o->label ? o->label : srz_get_meta(r, "label"));
		cmd_json_u64(j, "tasks_counted", res->ntasks);
		cmd_json_u64(j, "events", info->events);
		cmd_json_u64(j, "duration_ns", res->last_ns - res->first_ns);
		cmd_json_u64(j, "lost", res->lost);
		cmd_json_u64(j, "repaired", res->repaired);
		cmd_json_u64(j, "censored", res->censored);
		cmd_json_bool(j, "complete", info->complete);
		cmd_json_bool(j, "whole_system", res->whole_system);
		cmd_json_bool(j, "self_recorded", res->self);
		cmd_json_str(j, "shown", filter_text(o, filter, sizeof(filter)) ? filter + 2 : NULL);
		cost_json(j, &res->cost, *doubt ? doubt : NULL);
	} else if (f->table->form == TABLE_AS_TEXT) {
		const char *policy = srz_get_meta(r, "replay.policy");

		printf("%s: %s%s of %s, %s events; %s (%s)%s%s\n", printable(name, sizeof(name), f->path),
		       policy ? "run under " : "recording", policy ? printable(under, sizeof(under), policy) : "",
		       sr_format_time(text[0], 32, (double)(res->last_ns - res->first_ns)),
		       sr_format_count(text[1], 32, info->events), scope_text(o, r),
		       sr_format_count(text[2], 32, res->ntasks), res->self ? "; the replay recorded itself" : "",
		       info->complete ? "" : "; the file is cut short");
		puts(counts);
		if (res->cost.disturbance >= 0)
			printf("recording took about %.2f%% of the machine's CPU time\n", 100 * res->cost.disturbance);
		if (res->cost.resolution_ns > 1)
			printf("times are multiples of %s\n",
			       sr_format_time(text[0], 32, (double)res->cost.resolution_ns));
		if (filter_text(o, filter, sizeof(filter)))
			printf("shown: %s; every task was followed all the same\n", filter + 2);
		if (!res->ntasks)
			puts("none of these tasks ran: nothing is known of them");
	}
}

static bool has_filter(const struct analyze_options *o)
{
	return o->task || o->pid || o->cpus || o->from_ns || o->to_ns;
}

static int slices_begin(const struct analyze_options *o, struct analyze_file *f, struct ana_request *q,
			struct timehist *hist, struct map **map, struct sr_error *err)
{
	const struct srz_info *info = srz_get_info(f->reader);
	uint64_t from = info->first_ns + o->from_ns, to = info->last_ns;

	if (!strcmp(o->view, "map")) {
		if (o->to_ns && o->to_ns < to - info->first_ns)
			to = info->first_ns + o->to_ns;
		*map = map_new(from, to, info->cpus, err);
		q->slice = map_slice;
		q->slice_arg = *map;
		return *map ? 0 : -1;
	}
	*hist = (struct timehist){ .table = f->table, .first_ns = info->first_ns };
	q->slice = timehist_slice;
	q->slice_arg = hist;
	q->slice_kinds = ANA_SLICE_RUN | (o->wakeups ? ANA_SLICE_WAKEUP : 0) | (o->migrations ? ANA_SLICE_MIGRATE : 0) |
			 (o->idle ? ANA_SLICE_IDLE : 0);
	timehist_begin(hist);
	return 0;
}

/* What the view does not show, as long as nothing is stored or compared. */
static unsigned omitted(const struct analyze_options *o)
{
	if (o->db || o->against.n || !strcmp(o->view, "summary"))
		return 0;
	if (!strcmp(o->view, "cpu"))
		return ANA_OMIT_METRICS | ANA_OMIT_FELT;
	if (!strcmp(o->view, "tasks"))
		return ANA_OMIT_METRICS | ANA_OMIT_LOAD;
	return !strcmp(o->view, "stats") ? ANA_OMIT_ALL & ~ANA_OMIT_REST : ANA_OMIT_ALL;
}

/* The file's result; what comes slice by slice is printed, or put on the map. */
static int read_result(const struct analyze_options *o, struct analyze_file *f, struct map **map, struct sr_error *err)
{
	bool hist = !strcmp(o->view, "timehist"), is_map = !strcmp(o->view, "map");
	struct ana_request q = { .scope = o->all ? ANA_ALL : ANA_AUTO,
				 .omit = omitted(o),
				 .task_glob = o->task,
				 .pid = (int32_t)o->pid,
				 .window = { o->from_ns, o->to_ns } };
	const struct srz_info *info = srz_get_info(f->reader);
	struct timehist state;
	struct sr_cpumask cpus;
	char text[32];
	int ret;

	if (o->cpus) {
		memset(&cpus, 0, sizeof(cpus));
		if (sr_cpumask_parse(&cpus, o->cpus, err) < 0)
			return -1;
		q.cpus = &cpus;
	}
	if (o->from_ns && o->from_ns > info->last_ns - info->first_ns)
		return sr_fail(err, SR_USAGE, "%s: --from is behind its end: it is %s long", f->path,
			       sr_format_time(text, sizeof(text), (double)(info->last_ns - info->first_ns)));
	if ((hist || is_map) && slices_begin(o, f, &q, &state, map, err) < 0)
		return -1;
	ret = ana_reader_request(f->reader, &q, &f->result, err);
	if (hist)
		timehist_end(&state);
	return ret;
}

static int show(struct analyze_file *f, const char *view, struct map *map, struct sr_error *err)
{
	if (!strcmp(view, "map"))
		return map_print(map, f, err);
	if (!strcmp(view, "latency"))
		view_latency(f);
	else if (!strcmp(view, "tasks"))
		view_tasks(f);
	else if (!strcmp(view, "cpu"))
		view_cpu(f);
	else if (!strcmp(view, "stats"))
		view_stats(f);
	else if (!strcmp(view, "summary"))
		view_summary(f);
	return 0;
}

static int add_fidelity(const struct analyze_options *o, struct analyze_file *f, struct sr_error *err)
{
	struct ana_recording *source;
	struct ana_fidelity fidelity;
	size_t index;
	int ret = -1;

	if (analyze_source(o, f, &index, err) < 0)
		return -1;
	source = ana_recording_open(o->against.v[index], err);
	if (!source)
		return -1;
	if (ana_fidelity_of(source, f->path, NULL, &fidelity, err) == 0)
		ret = ana_fidelity_add(&fidelity, &f->result, err);
	ana_fidelity_release(&fidelity);
	ana_recording_free(source);
	return ret;
}

static int one_file(const struct analyze_options *o, struct analyze_file *f, struct sr_error *err)
{
	bool text = f->table->form == TABLE_AS_TEXT, hist = !strcmp(o->view, "timehist"),
	     is_map = !strcmp(o->view, "map");
	struct map *map = NULL;
	int ret = -1;

	f->reader = srz_open(f->path, err);
	if (!f->reader)
		return -1;
	f->table->file = f->path;
	f->first_ns = srz_get_info(f->reader)->first_ns;
	ret = read_result(o, f, &map, err);
	if (ret == 0 && (is_map || hist || !strcmp(o->view, "stats")) && f->result.self)
		ret = sr_fail(err, SR_USAGE,
			      "%s: a replay that only recorded itself does not tell when its tasks were on a"
			      " cpu: no %s",
			      f->path, o->view);
	if (ret == 0 && o->against.n)
		ret = add_fidelity(o, f, err);
	if (ret < 0)
		goto out;
	if (text && hist)
		putchar('\n');
	analyze_told(o, f);
	if (text && !hist)
		putchar('\n');
	ret = show(f, o->view, map, err);
	if (ret == 0 && o->db)
		ret = analyze_store(o, f, err);
out:
	map_free(map);
	ana_result_release(&f->result);
	srz_reader_free(f->reader);
	return ret;
}

static int each_file(const struct analyze_options *o, struct table *table, int nargs, char **args, struct sr_error *err)
{
	int ret = 0;

	for (int i = 0; i < nargs && ret == 0; i++) {
		struct analyze_file f = { .path = args[i], .table = table };

		if (i && table->form == TABLE_AS_TEXT)
			putchar('\n');
		if (o->json) {
			cmd_json_open(table->json, NULL, '{');
			cmd_json_str(table->json, "file", f.path);
			cmd_json_str(table->json, "view", o->view);
		}
		ret = one_file(o, &f, err);
		if (o->json)
			cmd_json_close(table->json, '}');
	}
	return ret;
}

static int check(const struct analyze_options *o, struct sr_error *err)
{
	if (o->json && o->csv)
		return sr_fail(err, SR_USAGE, "--json and --csv: one at a time");
	if (!strcmp(o->view, "fidelity") && !o->against.n)
		return sr_fail(err, SR_USAGE, "--view fidelity needs --against and the recording");
	if (o->against.n > 1 && strcmp(o->view, "fidelity"))
		return sr_fail(err, SR_USAGE, "--against more than once is for --view fidelity");
	if ((o->against.n || o->db) && has_filter(o))
		return sr_fail(err, SR_USAGE,
			       "--task, --pid, --cpu, --from and --to choose what is shown: what is stored (--db) or"
			       " compared (--against) is always the whole");
	if ((o->task || o->pid) && !strcmp(o->view, "stats"))
		return sr_fail(err, SR_USAGE,
			       "--view stats: what a CPU counts is not told apart by task, so no --task and no --pid;"
			       " see --view tasks");
	if ((o->wakeups || o->migrations || o->idle) && strcmp(o->view, "timehist"))
		return sr_fail(err, SR_USAGE, "--wakeups, --migrations and --idle are for --view timehist");
	if (o->to_ns && o->from_ns >= o->to_ns)
		return sr_fail(err, SR_USAGE, "--from is not before --to");
	return 0;
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	static char buffer[1 << 16];
	const struct analyze_options *o = options;
	bool csv_begun = false;
	struct cmd_json json;
	struct table table = { .json = &json,
			       .csv_begun = &csv_begun,
			       .form = o->json ? TABLE_AS_JSON :
				       o->csv  ? TABLE_AS_CSV :
						 TABLE_AS_TEXT };
	int ret;

	if (nargs == 0)
		return sr_fail(err, SR_USAGE, "name the files to analyze");
	if (check(o, err) < 0)
		return -1;
	if (!isatty(STDOUT_FILENO))
		setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	cmd_json_init(&json, stdout);
	if (o->json)
		cmd_json_open(&json, NULL, '[');
	if (!strcmp(o->view, "fidelity"))
		ret = view_fidelity(o, &table, nargs, args, err);
	else
		ret = each_file(o, &table, nargs, args, err);
	if (o->json)
		cmd_json_close(&json, ']');
	return ret;
}
const struct cmd cmd_analyze = {
	.name = "analyze",
	.summary = "show metrics and views of recordings and replays",
	.operands = "FILE...",
	.description =
		"Reads recordings, replays and simulations alike, and prints what they say: wakeup latencies "
		"(from the wake to "
		"the switch-in), waits on run queues, slices, switches, migrations and the rest. What cannot be "
		"known from a file "
		"is absent, never 0. Intervals that lost events, a repaired switch or the recording's ends cut "
		"are counted and "
		"left out, never extrapolated.\n\n"
		"Of a recording, the recorded command and its descendants count (without a command: all user "
		"tasks); of a "
		"replay, the tasks that it replayed.\n\n"
		"--task, --pid, --cpu, --from and --to choose what is shown, never what it is put down to: every "
		"task of the file is followed from its start.\n\n"
		"A task is periodic when of 16 successive intervals between its wake-ups (of a timer's, where "
		"others wake it too) 12 lie within an eighth of the middle one, from 1 ms to 1 s. A frame is "
		"late when its work goes on after the period, or its wake-up came more than half a period "
		"late; behind a pause of four periods counting begins anew. A task is interactive when it was "
		"woken ten times or more and sleeps at least as long as it runs; its stall is what it waited "
		"for a CPU between a wake-up and the next sleep.\n\n"
		"In a recording of one command only (without -a) nothing is known of what else the cpus did: "
		"the metrics of whole "
		"cpus are absent there.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct analyze_options),
	.run = run,
};
