/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of a replay: the engine, its recording, its metrics and its row in the database. */
#include "replay/cmd_replay.h"

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

static int put_meta(struct replay_job *j, struct srz_writer *w, const struct replay_arm *arm, size_t round, size_t slot,
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
		{ "replay.task", o->task },
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
		{ "replay.from_ns", o->from },
		{ "replay.to_ns", o->to },
		{ "replay.loop", o->loop },
		{ "replay.processes", o->processes },
		{ "replay.no_stall", o->no_stall },
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
		{ "replay.count.processes", c->processes },
		{ "replay.count.orphans", c->orphans },
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
	if (put_sources(j, w, err) < 0 || replay_model_meta(w, j->model, err) < 0)
		return -1;
	rpl_span(run, &start, &end);
	if (j->session && srz_put_meta_u64(w, "record.cpu_ns", rec_get_stats(j->session)->cpu_ns, err) < 0)
		return -1;
	if (j->machine->xml && srz_put_section(w, SRZ_SEC_MACHINE, j->machine->xml, strlen(j->machine->xml), err) < 0)
		return -1;
	return srz_put_meta_u64(w, "duration_ns", end - start, err);
}

static enum rpl_timing timing_of(const char *name)
{
	if (!strcmp(name, "closed"))
		return RPL_TIMING_CLOSED;
	return strcmp(name, "open") ? RPL_TIMING_AUTO : RPL_TIMING_OPEN;
}

/* One replay, recorded into path. */
static int replay_once(struct replay_job *j, struct replay_arm *arm, size_t round, size_t slot, const char *path,
		       struct replay_run *out, struct sr_error *err)
{
	const struct replay_options *o = j->o;
	struct rpl_config cfg = {
		.work = strcmp(j->series.work, "time") ? RPL_WORK_INSTRUCTIONS : RPL_WORK_TIME,
		.timing = timing_of(o->timing),
		.time_scale = o->no_stall ? 0 : o->time_scale,
		.seed = o->seed + round,
		.policy = arm->policy,
		.policy_options = arm->options,
		.recorded_wake = j->recorded_wake,
		.machine = j->machine,
		.cpus = j->use_cpus ? &j->cpus : NULL,
		.keep_affinity = j->keep_affinity,
		.allow_rt = o->allow_rt,
		.nice_offset = (int)o->nice_offset,
		.normal_class = !o->class                ? SCHED_OTHER :
				strcmp(o->class, "idle") ? SCHED_BATCH :
							   SCHED_IDLE,
		.rt_limit_ns = o->rt_limit,
		.self_record = !j->session,
		.processes = o->processes,
		.order = !strcmp(o->order, "causal") ? RPL_ORDER_CAUSAL :
			 !strcmp(o->order, "keep")   ? RPL_ORDER_WAIT :
						       RPL_ORDER_OFF,
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

int replay_store(struct replay_job *j, const struct replay_arm *arm, size_t round, size_t slot,
		 const struct ana_result *r, struct sr_error *err)
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
		const char *kernel = srz_get_meta(j->sources[0].reader, "kernel.release");

		run.kernel = kernel ? kernel : "";
		run.label = srz_get_meta(j->sources[0].reader, "label");
		run.schedrec_version = srz_get_meta(j->sources[0].reader, "schedrec.version");
	}
	return ana_db_store(j->db, &run, r, err);
}

int replay_slot(struct replay_job *j, struct replay_arm *arm, size_t round, size_t slot, struct sr_error *err)
{
	struct replay_run *run = &arm->runs[arm->n];
	char temp[96], *path;

	if (j->o->output) {
		path = replay_output_name(j->o->output, arm->name, round);
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
	if (ana_file(path, ANA_BOUND, &run->result, err) < 0 ||
	    (j->series.compared && ana_fidelity(j->sources[0].path, path, &run->result, err) < 0) ||
	    add_engine_metrics(run, err) < 0)
		goto fail;
	arm->n++;
	if (replay_store(j, arm, round, slot, &run->result, err) < 0)
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
