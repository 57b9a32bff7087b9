/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/cmd_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "formats/cost.h"
#include "formats/digest.h"
#include "formats/machine.h"
#include "record/record.h"

struct replay_options {
	const char *policy, *label, *db, *output, *work, *timing, *cpus, *task, *order;
	uint64_t repeat, from, to, seed;
	double time_scale;
	bool json, quiet, self, force;
};

static const struct sr_option rows[] = {
	{ "policy", 'p', SR_OPT_STRING, offsetof(struct replay_options, policy), "P[,P...]", 0, 0, NULL, "kernel",
	  "balancing policies to replay under, each with its options after a colon; see `schedrec policies`" },
	{ "repeat", 'n', SR_OPT_UINT, offsetof(struct replay_options, repeat), "N", 1, 1000, NULL, "1",
	  "rounds; each round runs every policy once, the order turned round from one to the next (A B C, C B A)" },
	{ "db", 0, SR_OPT_STRING, offsetof(struct replay_options, db), "DB", 0, 0, NULL, NULL,
	  "SQLite database in which the runs and their metrics are stored" },
	{ "label", 0, SR_OPT_STRING, offsetof(struct replay_options, label), "L", 0, 0, NULL, NULL,
	  "name for these runs in the database, for `schedrec compare`" },
	{ "output", 'o', SR_OPT_STRING, offsetof(struct replay_options, output), "OUT.srz", 0, 0, NULL, NULL,
	  "keep the replays' own recordings; with several runs a pattern: %p is the policy, %r the round" },
	{ "work", 0, SR_OPT_CHOICE, offsetof(struct replay_options, work), "KIND", 0, 0, "time|instructions", NULL,
	  "what a burst owes: its CPU time, or the work that the recording's CPU did in it "
	  "(default: instructions when policies or CPUs are compared, else time)" },
	{ "timing", 0, SR_OPT_CHOICE, offsetof(struct replay_options, timing), "MODE", 0, 0, "closed|open", "closed",
	  "sleeps without a waker last as long as recorded (closed), or end at the recorded time (open)" },
	{ "order", 0, SR_OPT_CHOICE, offsetof(struct replay_options, order), "MODE", 0, 0, "keep|free", "keep",
	  "keep: a wake waits, at most 20 ms, until its target sleeps as it did when it was recorded" },
	{ "time-scale", 0, SR_OPT_REAL, offsetof(struct replay_options, time_scale), "X", 0.001, 1000, NULL, "1",
	  "factor on all sleeps without a waker; work stays as it is" },
	{ "from", 0, SR_OPT_TIME, offsetof(struct replay_options, from), "T", 0, 0, NULL, NULL,
	  "replay from this time of the recording on" },
	{ "to", 0, SR_OPT_TIME, offsetof(struct replay_options, to), "T", 0, 0, NULL, NULL,
	  "replay up to this time of the recording" },
	{ "cpus", 0, SR_OPT_CPUS, offsetof(struct replay_options, cpus), "LIST", 0, 0, NULL, NULL,
	  "CPUs to replay on, such as 0-3,8" },
	{ "task", 0, SR_OPT_STRING, offsetof(struct replay_options, task), "GLOB", 0, 0, NULL, NULL,
	  "replay only tasks whose name matches at their start; the others' wakes become timed" },
	{ "seed", 0, SR_OPT_UINT, offsetof(struct replay_options, seed), "N", 0, 0, NULL, "1",
	  "seed of policies that choose at random" },
	{ "self", 0, SR_OPT_FLAG, offsetof(struct replay_options, self), NULL, 0, 0, NULL, NULL,
	  "do not use the kernel's tracing even where it may be used: the replay writes what it sees itself" },
	{ "force", 0, SR_OPT_FLAG, offsetof(struct replay_options, force), NULL, 0, 0, NULL, NULL,
	  "replay also a recording that lost more events than it kept" },
	{ "json", 0, SR_OPT_FLAG, offsetof(struct replay_options, json), NULL, 0, 0, NULL, NULL,
	  "all runs and metrics as JSON instead of the table" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct replay_options, quiet), NULL, 0, 0, NULL, NULL, "no progress" },
	{ 0 }
};

static const char *const examples[] = { "schedrec replay build.srz",
					"replay under the kernel's own balancing, and say how true the replay is",
					"schedrec replay build.srz --policy kernel,domain,bld --repeat 5 --db runs.db",
					"compare three policies, interleaved, and store the runs",
					"schedrec replay build.srz --policy bld --cpus 0 --work instructions",
					"the same load on one CPU",
					NULL };

/* Everything that one invocation holds. */
struct job {
	const struct replay_options *o;
	const char *path;
	char sha256[SR_SHA256_TEXT];
	const char *trace_name;
	struct srz_reader *reader;
	struct sr_model *model;
	struct sr_machine *machine;
	struct rec_session *session;
	struct ana_db *db;
	struct sr_cpumask cpus;
	bool use_cpus;
	struct replay_series series;
	char *policies;
	char temp_dir[64];
	struct sr_wake_cost recorded_wake;
	uint64_t tracepoint_ns;
	struct utsname uts;
	volatile int stop;
	size_t done, total;
};

static void show_progress(void *arg, double share)
{
	struct job *j = arg;

	if (cmd_signal)
		j->stop = 1;
	cmd_progress(j->o->quiet, "replay %zu of %zu: %3.0f%%", j->done + 1, j->total, share * 100);
}

/* PATTERN with %p and %r filled in; of a policy's options '/', ',', ':' and spaces become '_'. */
static char *output_name(const char *pattern, const char *policy, size_t round)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	if (!f)
		return NULL;
	for (; *pattern; pattern++) {
		if (pattern[0] == '%' && pattern[1] == 'p') {
			for (const char *c = policy; *c; c++)
				fputc(strchr("/ ,:", *c) ? '_' : *c, f);
			pattern++;
		} else if (pattern[0] == '%' && pattern[1] == 'r') {
			fprintf(f, "%zu", round + 1);
			pattern++;
		} else if (pattern[0] == '%' && pattern[1] == '%') {
			fputc(*pattern++, f);
		} else {
			fputc(*pattern, f);
		}
	}
	return fclose(f) ? NULL : out;
}

static int sink_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	return srz_put_events(arg, SRZ_STREAM_KERNEL, ev, n, err);
}

static uint32_t sink_name(void *arg, const char *name, struct sr_error *err)
{
	return srz_put_name(arg, name, err);
}

/* The engine's events: what its threads saw goes into the kernel's stream (only when the kernel's is not there), binds
 * and decisions into the engine's. */
static int put_engine_events(struct job *j, struct srz_writer *w, struct rpl_run *run, struct sr_error *err)
{
	const struct sr_event *ev;
	size_t n, i;

	if (rpl_collect(run, &ev, &n, err) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		enum srz_stream stream = ev[i].kind >= SR_EV_DECISION ? SRZ_STREAM_ENGINE : SRZ_STREAM_KERNEL;

		if (srz_put_events(w, stream, &ev[i], 1, err) < 0)
			return -1;
	}
	return 0;
}

static int put_meta(struct job *j, struct srz_writer *w, const struct replay_arm *arm, size_t round, size_t slot,
		    const struct rpl_run *run, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	const struct rpl_counts *c = rpl_get_counts(run);
	uint64_t start, end;
	const struct {
		const char *key, *value;
	} text[] = {
		{ "schedrec.version", SCHEDREC_VERSION },
		{ "kernel.release", j->uts.release },
		{ "kernel.version", j->uts.version },
		{ "kernel.machine", j->uts.machine },
		{ "clock", "mono" },
		{ "scope", j->session ? "system" : "self" },
		{ "source", j->session ? "kernel" : "self" },
		{ "engine", "live" },
		{ "label", o->label },
		{ "replay.source_sha256", j->sha256 },
		{ "replay.source_name", j->trace_name },
		{ "replay.policy", arm->policy->name },
		{ "replay.policy_options", arm->options },
		{ "replay.work", j->series.work },
		{ "replay.timing", j->series.timing },
	};
	const struct {
		const char *key;
		uint64_t value;
	} number[] = {
		{ "replay.seed", o->seed },
		{ "replay.repeat", round },
		{ "replay.slot", slot },
		{ "replay.count.wakes", c->wakes },
		{ "replay.count.waits_slept", c->waits_slept },
		{ "replay.count.waits_passed", c->waits_passed },
		{ "replay.count.sleeps", c->sleeps },
		{ "replay.count.sleeps_late", c->sleeps_late },
		{ "replay.count.order_waits", c->order_waits },
		{ "replay.count.order_blocks", c->order_blocks },
		{ "replay.count.order_expired", c->order_expired },
		{ "replay.count.order_wait_ns", c->order_wait_ns },
		{ "replay.count.forced", c->forced },
		{ "replay.count.owed_ns", c->owed_ns },
		{ "replay.count.paid_ns", c->paid_ns },
		{ "replay.count.wakes_nearer", c->wakes_nearer },
		{ "replay.count.wakes_farther", c->wakes_farther },
		{ "replay.count.decisions", c->decisions },
		{ "replay.count.balancer_cpu_ns", c->balancer_cpu_ns },
		{ "replay.count.nice_refused", c->nice_refused },
		{ "replay.count.policy_refused", c->policy_refused },
		{ "replay.count.affinity_dropped", c->affinity_dropped },
		{ "record.tracepoint_ns", j->tracepoint_ns },
	};
	size_t i;

	for (i = 0; i < sizeof(text) / sizeof(*text); i++)
		if (text[i].value && srz_put_meta(w, text[i].key, text[i].value, err) < 0)
			return -1;
	for (i = 0; i < sizeof(number) / sizeof(*number); i++)
		if (srz_put_meta_u64(w, number[i].key, number[i].value, err) < 0)
			return -1;
	rpl_span(run, &start, &end);
	if (j->session && srz_put_meta_u64(w, "record.cpu_ns", rec_get_stats(j->session)->cpu_ns, err) < 0)
		return -1;
	if (j->machine->xml && srz_put_section(w, SRZ_SEC_MACHINE, j->machine->xml, strlen(j->machine->xml), err) < 0)
		return -1;
	return srz_put_meta_u64(w, "duration_ns", end - start, err);
}

/* One replay, recorded into path. */
static int replay_once(struct job *j, struct replay_arm *arm, size_t round, size_t slot, const char *path,
		       struct replay_run *out, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	struct rpl_config cfg = {
		.work = strcmp(j->series.work, "time") ? RPL_WORK_INSTRUCTIONS : RPL_WORK_TIME,
		.timing = strcmp(o->timing, "open") ? RPL_TIMING_CLOSED : RPL_TIMING_OPEN,
		.time_scale = o->time_scale,
		.seed = o->seed + round,
		.policy = arm->policy,
		.policy_options = arm->options,
		.recorded_wake = j->recorded_wake,
		.machine = j->machine,
		.cpus = j->use_cpus ? &j->cpus : NULL,
		.keep_affinity = !j->use_cpus && j->model->cpus <= j->machine->ncpus,
		.self_record = !j->session,
		.order = strcmp(o->order, "free") ? RPL_ORDER_WAIT : RPL_ORDER_OFF,
		.stop = &j->stop,
		.progress = show_progress,
		.progress_arg = j,
	};
	struct sr_task_starts starts = { 0 };
	struct srz_writer *w = srz_create(path, 0, err);
	struct rec_sink sink = { .arg = w, .name = sink_name, .events = sink_events };
	struct rpl_run *run = NULL;
	struct sr_error second;
	int ret = -1;

	if (!w)
		return -1;
	run = rpl_prepare(j->model, &cfg, err);
	if (!run)
		goto out;
	if (j->session && (rec_begin(j->session, NULL, 0, &sink, &starts, err) < 0 ||
			   srz_put_tasks(w, &starts, err) < 0 || rec_thread_start(j->session, err) < 0))
		goto out;
	ret = rpl_execute(run, err);
	if (j->session && (rec_thread_stop(j->session, ret < 0 ? &second : err) < 0 ||
			   rec_end(j->session, ret < 0 ? &second : err) < 0))
		ret = -1;
	if (ret < 0)
		goto out;
	if (j->stop) /* an interrupted run says nothing, and replaces no file */
		goto out;
	ret = -1;
	if (put_engine_events(j, w, run, err) < 0 || put_meta(j, w, arm, round, slot, run, err) < 0)
		goto out;
	ret = srz_close(w, err);
	w = NULL;
	out->counts = *rpl_get_counts(run);
out:
	srz_abort(w);
	sr_task_starts_release(&starts);
	rpl_free(run);
	return ret;
}

/* What the balancer's own thread used is not in the decisions' costs. */
static int add_engine_metrics(struct replay_run *run, struct sr_error *err)
{
	const struct rpl_counts *c = &run->counts;

	return c->balancer_cpu_ns ? ana_set(&run->result, "balancer_cpu_ns", "ns", c->balancer_cpu_ns, err) : 0;
}

static void host_conditions(char *buf, size_t len)
{
	char governor[64] = "", smt[16] = "", load[64] = "";
	const struct {
		const char *path;
		char *to;
		size_t len;
	} file[] = {
		{ "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor, sizeof(governor) },
		{ "/sys/devices/system/cpu/smt/active", smt, sizeof(smt) },
		{ "/proc/loadavg", load, sizeof(load) },
	};
	size_t i;

	for (i = 0; i < sizeof(file) / sizeof(*file); i++) {
		FILE *f = fopen(file[i].path, "re");

		if (!f)
			continue;
		if (fgets(file[i].to, file[i].len, f))
			file[i].to[strcspn(file[i].to, "\n\"\\")] = '\0';
		fclose(f);
	}
	snprintf(buf, len, "{\"governor\":\"%s\",\"smt\":\"%s\",\"loadavg\":\"%s\"}", governor, smt, load);
}

static void utc_now(char *buf, size_t len)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(buf, len, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int store(struct job *j, const struct replay_arm *arm, size_t round, size_t slot, const struct ana_result *r,
		 struct sr_error *err)
{
	char host[256], when[32];
	struct ana_run run = { .trace_sha256 = j->sha256,
			       .trace_name = j->trace_name,
			       .label = j->o->label,
			       .engine = arm ? "live" : "recorded",
			       .policy = arm ? arm->policy->name : "kernel",
			       .policy_options = arm ? arm->options : NULL,
			       .machine = j->machine->summary,
			       .kernel = j->uts.release,
			       .work = arm ? j->series.work : NULL,
			       .timing = arm ? j->series.timing : NULL,
			       .host = host,
			       .repeat = (int)round,
			       .order_slot = (int)slot,
			       .started_at = when,
			       .lost_events = r->lost };

	if (!j->db)
		return 0;
	host_conditions(host, sizeof(host));
	utc_now(when, sizeof(when));
	if (!arm) {
		const char *kernel = srz_get_meta(j->reader, "kernel.release");

		run.kernel = kernel ? kernel : "";
		run.label = srz_get_meta(j->reader, "label");
		run.schedrec_version = srz_get_meta(j->reader, "schedrec.version");
	}
	return ana_db_store(j->db, &run, r, err);
}

static int one_slot(struct job *j, struct replay_arm *arm, size_t round, size_t slot, struct sr_error *err)
{
	struct replay_run *run = &arm->runs[arm->n];
	char temp[96], *path;

	if (j->o->output) {
		path = output_name(j->o->output, arm->name, round);
	} else {
		snprintf(temp, sizeof(temp), "%s/run.srz", j->temp_dir);
		path = strdup(temp);
	}
	if (!path)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if (replay_once(j, arm, round, slot, path, run, err) < 0)
		goto fail;
	if (j->stop) {
		free(path);
		return 0;
	}
	if (ana_file(path, ANA_BOUND, &run->result, err) < 0 || ana_fidelity(j->path, path, &run->result, err) < 0 ||
	    add_engine_metrics(run, err) < 0)
		goto fail;
	arm->n++;
	if (store(j, arm, round, slot, &run->result, err) < 0)
		goto fail;
	if (j->o->output) {
		run->file = path;
	} else {
		unlink(path);
		free(path);
	}
	return 0;
fail:
	if (!j->o->output)
		unlink(path);
	free(path);
	return -1;
}

static int run_all(struct job *j, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	size_t round, k, slot = 0;

	j->total = s->narms * j->o->repeat;
	for (round = 0; round < j->o->repeat; round++)
		for (k = 0; k < s->narms; k++) {
			struct replay_arm *arm = &s->arm[round % 2 ? s->narms - 1 - k : k];

			if (one_slot(j, arm, round, slot++, err) < 0)
				return -1;
			j->done++;
			if (j->stop || cmd_signal)
				return 0;
		}
	return 0;
}

/* Would two runs go into one file? */
static bool same_names(const struct job *j)
{
	const struct replay_series *s = &j->series;
	char *name[MAX_ARMS + 1] = { NULL };
	bool same = false;
	size_t i, k, n = 0;

	for (i = 0; i < s->narms; i++)
		name[n++] = output_name(j->o->output, s->arm[i].name, 0);
	if (j->o->repeat > 1)
		name[n++] = output_name(j->o->output, s->arm[0].name, 1);
	for (i = 0; i < n; i++)
		for (k = 0; k < i; k++)
			same |= !name[i] || !name[k] || !strcmp(name[i], name[k]);
	for (i = 0; i < n; i++)
		free(name[i]);
	return same;
}

static int parse_policies(struct job *j, struct sr_error *err)
{
	struct replay_series *s = &j->series;
	char *rest, *spec;

	j->policies = rest = strdup(j->o->policy);
	if (!rest)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	while ((spec = rpl_policy_next(&rest))) {
		struct replay_arm *arm = &s->arm[s->narms];

		if (s->narms == MAX_ARMS)
			return sr_fail(err, SR_USAGE, "--policy: at most %d policies at a time", MAX_ARMS);
		arm->name = spec;
		arm->policy = rpl_policy_find(spec, &arm->options, err);
		if (!arm->policy)
			return -1;
		arm->runs = calloc(j->o->repeat, sizeof(*arm->runs));
		if (!arm->runs)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		s->narms++;
	}
	if (!s->narms)
		return sr_fail(err, SR_USAGE, "--policy: name at least one; see `schedrec policies`");
	if (j->o->output && s->narms * j->o->repeat > 1) {
		bool same = same_names(j);

		if (same)
			return sr_fail(err, SR_USAGE,
				       "-o %s names one file for %zu runs: use %%p (policy) and %%r (round)",
				       j->o->output, s->narms * (size_t)j->o->repeat);
	}
	return 0;
}

static int open_recorder(struct job *j, struct sr_error *err)
{
	struct rec_config cfg = { .scope = REC_SYSTEM };
	struct sr_error why;

	j->series.self = true;
	if (j->o->self) {
		j->series.self_why = "--self";
	} else if (rec_available(&why) < 0) {
		j->series.self_why = "the kernel's tracing may not be used here (root may)";
	} else {
		j->session = rec_open(&cfg, err);
		if (!j->session)
			return -1;
		j->series.self = false;
		if (rec_calibrate(j->session, &j->tracepoint_ns, err) < 0)
			return -1;
	}
	return rec_drop_privileges(err);
}

/* What is doubtful about the recording is told with the results; one of which most is missing is refused. */
static int check_cost(struct job *j, struct sr_error *err)
{
	struct sr_cost_count count = { 0 };
	struct sr_cost cost;
	char *doubt = j->series.doubt;

	if (sr_cost_count_file(&count, j->reader, err))
		return -1;
	sr_cost_of(j->reader, &count, &cost);
	if (!sr_cost_doubt(&cost, doubt, sizeof(j->series.doubt)))
		return 0;
	if (sr_cost_hopeless(&cost) && !j->o->force)
		return sr_fail(err, SR_DAMAGED, "%s: %s: what is left is no picture of the load (--force replays it)",
			       j->path, doubt);
	return 0;
}

/* A hostile file's costs are no machine's. */
static void load_wake_cost(struct job *j)
{
	const char *local = srz_get_meta(j->reader, "record.wake_local_ns");
	const char *remote = srz_get_meta(j->reader, "record.wake_remote_ns");
	struct sr_wake_cost c = { local ? strtod(local, NULL) : 0, remote ? strtod(remote, NULL) : 0 };

	if (c.local_ns > 0 && c.local_ns <= c.remote_ns && c.remote_ns < 1e6)
		j->recorded_wake = c;
}

static int load(struct job *j, struct sr_error *err)
{
	struct sr_model_options mo = { .from_ns = j->o->from, .to_ns = j->o->to, .task_glob = j->o->task };
	const char *cost, *slash;

	if (j->o->to && j->o->to <= j->o->from)
		return sr_fail(err, SR_USAGE, "--to must be later than --from");
	j->reader = srz_open(j->path, err);
	if (!j->reader)
		return -1;
	if (check_cost(j, err))
		return -1;
	slash = strrchr(j->path, '/');
	j->trace_name = slash ? slash + 1 : j->path;
	j->series.trace = j->trace_name;
	j->series.recording_lost = srz_get_info(j->reader)->lost_places;
	cost = srz_get_meta(j->reader, "record.tracepoint_ns");
	mo.tracepoint_ns = cost ? strtoull(cost, NULL, 10) : 0;
	if (mo.tracepoint_ns > 10000) /* no machine's tracepoint costs that: a hostile file's does */
		mo.tracepoint_ns = 0;
	load_wake_cost(j);
	if (sr_sha256_file(j->path, j->sha256, err) < 0)
		return -1;
	j->model = sr_model_build(j->reader, &mo, err);
	if (!j->model)
		return sr_fail_prefix(err, "%s", j->path);
	j->series.model = j->model;
	j->machine = sr_machine_load("this", err);
	if (!j->machine)
		return -1;
	if (j->o->cpus) {
		if (sr_cpumask_parse(&j->cpus, j->o->cpus, err) < 0)
			return -1;
		j->use_cpus = true;
	}
	return ana_file(j->path, ANA_TREE, &j->series.recorded, err);
}

static int prepare(struct job *j, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	struct replay_series *s = &j->series;

	if (parse_policies(j, err) < 0)
		return -1;
	s->work = o->work ? o->work : s->narms > 1 || o->cpus ? "instructions" : "time";
	s->timing = o->timing;
	s->window = o->from || o->to;
	uname(&j->uts);
	if (open_recorder(j, err) < 0 || load(j, err) < 0)
		return -1;
	if (o->db) {
		j->db = ana_db_open(o->db, true, err);
		if (!j->db || store(j, NULL, 0, 0, &s->recorded, err) < 0)
			return -1;
	}
	if (!o->output) {
		const char *dir = getenv("TMPDIR");

		snprintf(j->temp_dir, sizeof(j->temp_dir), "%s/schedrec-XXXXXX",
			 dir && *dir && strlen(dir) < 40 ? dir : "/tmp");
		if (!mkdtemp(j->temp_dir)) {
			sr_fail_errno(err, SR_ENVIRONMENT, "%s", j->temp_dir);
			j->temp_dir[0] = '\0';
			return -1;
		}
	}
	return 0;
}

static void release(struct job *j)
{
	struct replay_series *s = &j->series;
	size_t i, k;

	for (i = 0; i < s->narms; i++) {
		for (k = 0; s->arm[i].runs && k < j->o->repeat; k++) {
			ana_result_release(&s->arm[i].runs[k].result);
			free(s->arm[i].runs[k].file);
		}
		free(s->arm[i].runs);
	}
	ana_result_release(&s->recorded);
	if (j->temp_dir[0]) {
		char part[96];

		/* What a failed srz_close leaves. */
		snprintf(part, sizeof(part), "%s/run.srz.part", j->temp_dir);
		unlink(part);
		rmdir(j->temp_dir);
	}
	ana_db_close(j->db);
	sr_machine_free(j->machine);
	sr_model_free(j->model);
	srz_reader_free(j->reader);
	free(j->policies);
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	struct job *j;
	struct sr_error second;
	int ret = -1;

	if (nargs != 1)
		return sr_fail(err, SR_USAGE, "name the one recording to replay");
	j = calloc(1, sizeof(*j));
	if (!j)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	j->o = options;
	j->path = args[0];
	cmd_catch_signals();
	if (prepare(j, err) == 0)
		ret = run_all(j, err);
	if (rec_close(j->session, ret < 0 ? &second : err) < 0)
		ret = -1;
	cmd_progress_end();
	if (ret == 0) {
		if (j->o->json)
			replay_report_json(&j->series);
		else
			replay_report_table(&j->series);
		replay_report_warnings(&j->series);
		if (cmd_signal)
			ret = SR_INTERRUPTED;
	}
	release(j);
	free(j);
	return ret;
}

const struct cmd cmd_replay = {
	.name = "replay",
	.summary = "run a recording again as real threads, under other policies, and compare",
	.operands = "FILE",
	.description =
		"Runs the tasks of a recording as real threads of this machine: each uses the CPU time (or does the "
		"work) that its original used, sleeps, wakes and forks the others as recorded. Where the kernel's "
		"tracing may be used the replay is recorded with it; the privilege is dropped at once. Without it the "
		"replay writes down what its threads see, and metrics that need the kernel's view are absent.\n\n"
		"The table shows the median of the rounds of each policy with half the range of the rounds in percent, "
		"beside the recording, and how true the replay is (fidelity: errors relative to the recording).\n\n"
		"Real-time and deadline tasks run as normal ones; negative nice values need the privilege to set them; "
		"both are counted and said.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct replay_options),
	.run = run,
};
