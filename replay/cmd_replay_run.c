/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of a replay: the engine, its recording, its metrics and its row in the database. */
#include "replay/cmd_replay.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "formats/machine.h"

static void show_progress(void *arg, double share)
{
	struct replay_job *j = arg;

	if (cmd_signal)
		j->stop = 1;
	cmd_progress(j->o->quiet, "replay %zu of %zu: %3.0f%%", j->done + 1, j->total, share * 100);
}

char *replay_output_name(const char *pattern, const char *policy, size_t round)
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

/* Where the recorder's events go. */
struct sink {
	struct srz_writer *w;
	struct rpl_own own;
};

static int sink_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	struct sink *s = arg;

	rpl_own_events(&s->own, ev, n);
	return srz_put_events(s->w, SRZ_STREAM_KERNEL, ev, n, err);
}

static uint32_t sink_name(void *arg, const char *name, struct sr_error *err)
{
	return srz_put_name(((struct sink *)arg)->w, name, err);
}

/* The engine's events: what its threads saw goes into the kernel's stream (only when the kernel's is not there), binds
 * and decisions into the engine's. */
static int put_engine_events(struct replay_job *j, struct srz_writer *w, struct rpl_run *run, struct sr_error *err)
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

/* Which recordings, and which of the bound tasks are whose. */
static int put_sources(struct replay_job *j, struct srz_writer *w, struct sr_error *err)
{
	char key[64];
	size_t i;

	for (i = 0; j->nsources > 1 && i < j->nsources; i++) {
		const struct replay_source *s = &j->sources[i];

		snprintf(key, sizeof(key), "replay.source.%zu.name", i + 1);
		if (srz_put_meta(w, key, s->name, err) < 0)
			return -1;
		snprintf(key, sizeof(key), "replay.source.%zu.sha256", i + 1);
		if (srz_put_meta(w, key, s->sha256, err) < 0)
			return -1;
		snprintf(key, sizeof(key), "replay.source.%zu.first_task", i + 1);
		if (srz_put_meta_u64(w, key, s->first, err) < 0)
			return -1;
		snprintf(key, sizeof(key), "replay.source.%zu.offset_ns", i + 1);
		if (srz_put_meta_u64(w, key, s->offset_ns, err) < 0)
			return -1;
	}
	return 0;
}

static int put_told(struct srz_writer *w, const struct replay_run *run, struct sr_error *err)
{
	char key[64];
	unsigned i;

	for (i = 0; i < run->ntold; i++) {
		snprintf(key, sizeof(key), "replay.policy.%s", run->told[i].name);
		if (srz_put_meta_u64(w, key, run->told[i].n, err) < 0)
			return -1;
	}
	return 0;
}

int replay_put_meta(struct replay_job *j, struct srz_writer *w, const struct replay_arm *arm, size_t round, size_t slot,
		    const struct replay_run *run, uint64_t duration_ns, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	const struct rpl_counts *c = &run->counts;
	const struct {
		const char *key, *value;
	} text[] = {
		{ "schedrec.version", SCHEDREC_VERSION },
		{ "clock", "mono" },
		{ "engine", j->engine },
		{ "label", arm->o->label },
		{ "replay.arm", *arm->identity ? arm->identity : NULL },
		{ "replay.source_sha256", j->sha256 },
		{ "replay.source_name", j->trace_name },
		{ "replay.task", o->task },
		{ "replay.policy", arm->policy->name },
		{ "replay.policy_options", arm->options },
		{ "replay.policy_file", arm->file },
		{ "replay.policy_sha256", arm->file ? arm->sha256 : NULL },
		{ "replay.energy_table", replay_energy_source(arm) },
		{ "replay.work", j->series.work },
		{ "replay.timing", j->series.timing },
	};
	const struct {
		const char *key;
		uint64_t value;
	} number[] = {
		{ "replay.seed", o->seed },
		{ "replay.from_ns", o->from },
		{ "replay.to_ns", o->to },
		{ "replay.loop", o->loop },
		{ "replay.copies", o->copies },
		{ "replay.processes", j->series.processes },
		{ "replay.sessions", j->series.sessions },
		{ "replay.no_stall", o->no_stall },
		{ "replay.repeat", round },
		{ "replay.slot", slot },
		{ "replay.count.wakes", c->wakes },
		{ "replay.count.waits_slept", c->waits_slept },
		{ "replay.count.waits_passed", c->waits_passed },
		{ "replay.count.hidden_slept", c->hidden_slept },
		{ "replay.count.hidden_passed", c->hidden_passed },
		{ "replay.count.sleeps", c->sleeps },
		{ "replay.count.sleeps_late", c->sleeps_late },
		{ "replay.count.out_of_turn", c->out_of_turn },
		{ "replay.count.jobs_moved", c->jobs_moved },
		{ "replay.count.order_waits", c->order_waits },
		{ "replay.count.order_yields", c->order_yields },
		{ "replay.count.order_spins", c->order_spins },
		{ "replay.count.order_blocks", c->order_blocks },
		{ "replay.count.order_expired", c->order_expired },
		{ "replay.count.order_wait_ns", c->order_wait_ns },
		{ "replay.count.wakes_sync", c->wakes_sync },
		{ "replay.count.sync_refused", c->sync_refused },
		{ "replay.count.vforks_held", c->vforks_held },
		{ "replay.count.vforks_open", c->vforks_open },
		{ "replay.count.wakes_held", c->wakes_held },
		{ "replay.count.wakes_late", c->wakes_late },
		{ "replay.count.wake_local_ns", c->wake_local_ns },
		{ "replay.count.wake_remote_ns", c->wake_remote_ns },
		{ "replay.count.forced", c->forced },
		{ "replay.count.owed_ns", c->owed_ns },
		{ "replay.count.paid_ns", c->paid_ns },
		{ "replay.count.wakes_nearer", c->wakes_nearer },
		{ "replay.count.wakes_farther", c->wakes_farther },
		{ "replay.count.decisions", c->decisions },
		{ "replay.count.balancer_cpu_ns", c->balancer_cpu_ns },
		{ "replay.count.processes", c->processes },
		{ "replay.count.orphans", c->orphans },
		{ "replay.groups", j->series.groups },
		{ "replay.count.groups_entered", c->groups_entered },
		{ "replay.count.groups_refused", c->groups_refused },
		{ "replay.count.sessions_made", c->sessions_made },
		{ "replay.count.sessions_refused", c->sessions_refused },
		{ "replay.count.sessions_split", c->sessions_split },
		{ "replay.count.session_nice_refused", c->session_nice_refused },
		{ "replay.count.nice_refused", c->nice_refused },
		{ "replay.count.policy_refused", c->policy_refused },
		{ "replay.count.rt_refused", c->rt_refused },
		{ "replay.count.deadline_refused", c->deadline_refused },
		{ "replay.count.rt_set", c->rt_set },
		{ "replay.count.rt_demoted", c->rt_demoted },
		{ "replay.count.exec_balanced", c->exec_balanced },
		{ "replay.count.exec_unbalanced", c->exec_unbalanced },
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
	if (j->series.looks > 1 && srz_put_meta_u64(w, "replay.looks", j->series.looks, err) < 0)
		return -1;
	if (put_told(w, run, err) < 0 || put_sources(j, w, err) < 0 || replay_model_meta(w, j->model, err) < 0)
		return -1;
	if (j->machine->xml && srz_put_section(w, SRZ_SEC_MACHINE, j->machine->xml, strlen(j->machine->xml), err) < 0)
		return -1;
	return srz_put_meta_u64(w, "duration_ns", duration_ns, err);
}

/* What only a live replay has. */
static int put_live_meta(struct replay_job *j, struct srz_writer *w, const struct replay_run *run, struct sr_error *err)
{
	const struct {
		const char *key, *value;
	} text[] = {
		{ "kernel.release", j->uts.release },         { "kernel.version", j->uts.version },
		{ "kernel.machine", j->uts.machine },         { "scope", j->session ? "system" : "self" },
		{ "source", j->session ? "kernel" : "self" }, { "replay.series", j->series_id },
	};
	size_t i;

	for (i = 0; i < sizeof(text) / sizeof(*text); i++)
		if (srz_put_meta(w, text[i].key, text[i].value, err) < 0)
			return -1;
	if (*run->conditions.sched_ext && srz_put_meta(w, "sched_ext.ops", run->conditions.sched_ext, err) < 0)
		return -1;
	return j->session ? srz_put_meta_u64(w, "record.cpu_ns", rec_get_stats(j->session)->cpu_ns, err) : 0;
}

bool replay_keeps_affinity(const struct replay_job *j, const struct replay_arm *arm)
{
	return j->keep_affinity && (!arm->use_cpus || j->cpu_map);
}

enum rpl_timing replay_timing(const char *name)
{
	if (!strcmp(name, "closed"))
		return RPL_TIMING_CLOSED;
	return strcmp(name, "open") ? RPL_TIMING_AUTO : RPL_TIMING_OPEN;
}

unsigned replay_order(const char *name)
{
	if (!strcmp(name, "causal"))
		return RPL_ORDER_CAUSAL;
	return strcmp(name, "keep") ? RPL_ORDER_OFF : RPL_ORDER_WAIT;
}

int replay_class(const char *name)
{
	if (!name)
		return SCHED_OTHER;
	return strcmp(name, "idle") ? SCHED_BATCH : SCHED_IDLE;
}

/* --work-drift: the part of it that the next run has. */
static double drift_now(const struct replay_job *j)
{
	return j->total > 1 ? 1 + j->o->work_drift / 100 * (double)j->done / (double)(j->total - 1) : 1;
}

/* CPU time of this process, all of its threads. */
static uint64_t process_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* rpl_execute between two looks at what its CPUs do. */
struct looks {
	struct rpl_stat before, after;
	uint64_t own_ns;
	bool known;
};

static int execute(struct rpl_run *run, struct rpl_own *own, struct looks *l, struct sr_error *err)
{
	int ret;

	l->known = rpl_stat_read(&l->before);
	rpl_own_open(own, l->before.at_ns);
	l->own_ns = process_ns();
	ret = rpl_execute(run, err);
	l->own_ns = process_ns() - l->own_ns;
	l->known = rpl_stat_read(&l->after) && l->known;
	rpl_own_close(own, l->after.at_ns);
	return ret;
}

/* When all events are in. The time of processes that it made is not in this process' own. */
static int find_foreign(const struct replay_job *j, const struct rpl_run *run, struct rpl_own *own,
			const struct looks *l, struct rpl_foreign *out, struct sr_error *err)
{
	long hz = sysconf(_SC_CLK_TCK);
	struct sr_cpumask used;

	if (!l->known || hz <= 0)
		return 0;
	rpl_own_end(own);
	rpl_cpus(run, &used);
	if (rpl_foreign_find(&l->before, &l->after, &used, own, j->series.processes ? UINT64_MAX : l->own_ns,
			     1000000000u / (uint64_t)hz, out) < 0)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	return 0;
}

/* One replay, recorded into path. */
int replay_once(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot, const char *path,
		struct replay_run *out, struct sr_error *err)
{
	const struct replay_options *o = arm->o;
	struct rpl_config cfg = {
		.work = strcmp(j->series.work, "time") ? RPL_WORK_INSTRUCTIONS : RPL_WORK_TIME,
		.timing = replay_timing(o->timing),
		.time_scale = o->no_stall ? 0 : o->time_scale,
		.work_scale = o->work_scale * drift_now(j),
		.seed = o->seed + round,
		.policy = arm->policy,
		.policy_options = arm->options,
		.recorded_wake = j->recorded_wake,
		.wake_bound = j->wake_bound,
		.machine = j->machine,
		.cpus = arm->use_cpus ? &arm->cpus : NULL,
		.keep_affinity = replay_keeps_affinity(j, arm),
		.allow_rt = o->allow_rt,
		.nice_offset = (int)o->nice_offset,
		.normal_class = replay_class(o->class),
		.rt_limit_ns = o->rt_limit,
		.self_record = !j->session,
		.processes = j->series.processes,
		.sessions = j->series.sessions,
		.groups = j->series.groups ? &j->groups : NULL,
		.order = replay_order(o->order),
		.stop = &j->stop,
		.progress = show_progress,
		.progress_arg = j,
	};
	struct sr_task_starts starts = { 0 };
	struct srz_writer *w = srz_create(path, 0, err);
	struct sink to = { .w = w };
	struct rec_sink sink = { .arg = &to, .name = sink_name, .events = sink_events };
	struct looks looks = { 0 };
	struct rpl_run *run = NULL;
	struct sr_error second;
	uint64_t start, end;
	int ret = -1;

	if (!w)
		return -1;
	run = rpl_prepare(j->model, &cfg, err);
	if (!run)
		goto out;
	if (j->session &&
	    (rec_begin(j->session, NULL, 0, &sink, &starts, err) < 0 || srz_put_tasks(w, &starts, err) < 0))
		goto out;
	rpl_own_start(&to.own, &starts, getpid());
	if (j->session && rec_thread_start(j->session, err) < 0)
		goto out;
	ret = execute(run, &to.own, &looks, err);
	if (j->session && (rec_thread_stop(j->session, ret < 0 ? &second : err) < 0 ||
			   rec_end(j->session, ret < 0 ? &second : err) < 0))
		ret = -1;
	if (ret < 0)
		goto out;
	if (j->stop) /* an interrupted run says nothing, and replaces no file */
		goto out;
	ret = -1;
	rpl_span(run, &start, &end);
	out->counts = *rpl_get_counts(run);
	out->ntold = rpl_policy_report(run, out->told);
	if (find_foreign(j, run, &to.own, &looks, &out->foreign, err) < 0 ||
	    replay_foreign_meta(w, &out->foreign, err) < 0 || put_engine_events(j, w, run, err) < 0 ||
	    put_live_meta(j, w, out, err) < 0 || replay_put_meta(j, w, arm, round, slot, out, end - start, err) < 0)
		goto out;
	ret = srz_close(w, err);
	w = NULL;
out:
	srz_abort(w);
	sr_task_starts_release(&starts);
	rpl_own_release(&to.own);
	rpl_stat_release(&looks.before);
	rpl_stat_release(&looks.after);
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

/* With milliseconds: which of two short runs was first must stay known. */
static void utc_now(char *buf, size_t len)
{
	struct timespec now;
	struct tm tm;
	char seconds[24];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, len, "%s.%03uZ", seconds, (unsigned)(now.tv_nsec / 1000000) % 1000);
}

int replay_store(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot,
		 const struct replay_run *run, struct sr_error *err)
{
	char host[256];
	struct ana_run row = { .trace_sha256 = j->sha256,
			       .trace_name = j->trace_name,
			       .label = arm->o->label,
			       .engine = j->engine,
			       .policy = arm->policy->name,
			       .policy_options = arm->options,
			       .machine = j->machine->summary,
			       .kernel = j->simulates ? "model of 6.12" : j->uts.release,
			       .sched_ext = *run->conditions.sched_ext ? run->conditions.sched_ext : NULL,
			       .work = j->series.work,
			       .timing = j->series.timing,
			       .host = j->simulates ? j->conditions : host,
			       .series = j->series_id,
			       .arm = *arm->identity ? arm->identity : NULL,
			       .looks = (int)j->series.looks,
			       .repeat = (int)round,
			       .order_slot = (int)slot,
			       .started_at = run->started_at,
			       .schedrec_version = SCHEDREC_VERSION,
			       .lost_events = run->result.lost,
			       .conditions = j->simulates ? NULL : &run->conditions };

	if (!j->db)
		return 0;
	host_conditions(host, sizeof(host));
	return ana_db_store(j->db, &row, &run->result, err);
}

int replay_store_recorded(struct replay_job *j, struct sr_error *err)
{
	struct srz_reader *r = j->sources[0].reader;
	const char *kernel = srz_get_meta(r, "kernel.release");
	char when[32];
	struct ana_run row = { .trace_sha256 = j->sha256,
			       .trace_name = j->trace_name,
			       .label = srz_get_meta(r, "label"),
			       .engine = "recorded",
			       .policy = "kernel",
			       .machine = j->machine->summary,
			       .kernel = kernel ? kernel : "",
			       .sched_ext = ana_file_sched_ext(r),
			       .started_at = when,
			       .schedrec_version = srz_get_meta(r, "schedrec.version"),
			       .lost_events = j->series.recorded.lost };

	if (!j->db)
		return 0;
	utc_now(when, sizeof(when));
	return ana_db_store(j->db, &row, &j->series.recorded, err);
}

int replay_measure(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot,
		   struct replay_run *run, struct sr_error *err)
{
	char temp[128], *path;

	if (j->o->output) {
		path = replay_output_name(j->o->output, arm->name, round);
	} else {
		snprintf(temp, sizeof(temp), "%s/run-%zu.srz", j->temp_dir, slot);
		path = strdup(temp);
	}
	if (!path)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if (!j->simulates)
		ana_host_read("", &run->conditions);
	utc_now(run->started_at, sizeof(run->started_at));
	if (j->once(j, arm, round, slot, path, run, err) < 0)
		goto fail;
	if (j->stop) {
		free(path);
		return 0;
	}
	if (cmd_energy_measure(path, arm->energy, &run->result, err) < 0 ||
	    (j->series.compared && ana_fidelity(j->sources[0].path, path, &run->result, err) < 0) ||
	    add_engine_metrics(run, err) < 0)
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

int replay_slot(struct replay_job *j, struct replay_arm *arm, size_t round, size_t slot, struct sr_error *err)
{
	struct replay_run *run = &arm->runs[arm->n];

	if (replay_measure(j, arm, round, slot, run, err) < 0)
		return -1;
	if (j->stop)
		return 0;
	arm->n++;
	return replay_store(j, arm, round, slot, run, err);
}
