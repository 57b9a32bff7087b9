/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a .srz file to a result. */
#include "analyze/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool meta_is(const struct srz_reader *r, const char *key, const char *value)
{
	const char *v = srz_get_meta(r, key);

	return v && !strcmp(v, value);
}

bool ana_is_replay(const struct srz_reader *r)
{
	return meta_is(r, "engine", "live") || meta_is(r, "engine", "simulated");
}

bool ana_meta_number(const struct srz_reader *r, const char *key, double *v)
{
	const char *text = srz_get_meta(r, key);
	char *end;

	if (!text || !*text)
		return false;
	*v = strtod(text, &end);
	return *end == '\0' && isfinite(*v) && *v >= 0;
}

/* What an engine counted itself and its events do not tell. */
static int engine_counts(const struct srz_reader *r, struct ana_result *out, struct sr_error *err)
{
	double v;

	if (out->self && out->ntasks && ana_meta_number(r, "replay.count.paid_ns", &v) &&
	    ana_set(out, "cpu_time_ns", "ns", v, err) < 0)
		return -1;
	if (ana_meta_number(r, "replay.foreign_cpu_share", &v) && v <= 1 &&
	    ana_set(out, "foreign_cpu_share", "ratio", v, err) < 0)
		return -1;
	/* The balancer's thread costs more than its decisions. */
	if (ana_meta_number(r, "replay.count.balancer_cpu_ns", &v) && v > 0)
		return ana_set(out, "balancer_cpu_ns", "ns", v, err);
	return 0;
}

static int cost_metrics(struct ana_result *out, struct sr_error *err)
{
	const struct sr_cost *c = &out->cost;

	if (c->disturbance >= 0 && ana_set(out, "recording_disturbance_share", "ratio", c->disturbance, err) < 0)
		return -1;
	return out->self ? 0 : ana_set(out, "recording_lost_share", "ratio", c->lost_share, err);
}

/* Times of a window are the recording's; a pass has those of its events. */
static void set_window(const struct srz_reader *r, const struct ana_window *w, struct ana_pass_config *cfg)
{
	uint64_t first = srz_get_info(r)->first_ns;

	if (w->from_ns && __builtin_add_overflow(first, w->from_ns, &cfg->from_ns))
		cfg->from_ns = UINT64_MAX;
	if (w->to_ns && __builtin_add_overflow(first, w->to_ns, &cfg->to_ns))
		cfg->to_ns = UINT64_MAX;
}

int ana_read(struct srz_reader *r, struct ana_pass_config *cfg, const struct ana_window *window, struct ana_result *out,
	     struct ana_pass **pass, struct sr_error *err)
{
	struct sr_machine *machine = NULL;
	struct sr_cost_count count = { 0 };
	const struct sr_event *ev;
	struct sr_repair_log log = { 0 };
	struct ana_pass *p = NULL;
	size_t len;
	const char *xml = srz_get_section(r, SRZ_SEC_MACHINE, &len);
	int ret = -1;
	long got = 0;

	memset(out, 0, sizeof(*out));
	if (xml) {
		machine = sr_machine_from_xml(xml, len, err);
		if (!machine)
			return -1;
	}
	if (cfg->scope == ANA_AUTO)
		cfg->scope = ana_is_replay(r) ? ANA_BOUND : ANA_TREE;
	cfg->source = meta_is(r, "source", "self") ? ANA_SOURCE_SELF : ANA_SOURCE_KERNEL;
	cfg->whole_system = meta_is(r, "scope", "system");
	cfg->cpus = srz_get_info(r)->cpus;
	cfg->starts = srz_get_tasks(r);
	cfg->machine = machine;
	cfg->name = srz_name_at;
	cfg->name_arg = r;
	if (window)
		set_window(r, window, cfg);
	if (cfg->source == ANA_SOURCE_KERNEL && sr_idle_delays_read(r, !cfg->whole_system, &cfg->idle, &log, err) < 0)
		goto out;
	cfg->log = log.whole ? &log : NULL;
	srz_read_once(r);
	p = ana_pass_new(cfg, err);
	if (!p || srz_rewind(r, err) < 0)
		goto out;
	while (!ana_pass_is_over(p) && (got = srz_next_run(r, &ev, err)) > 0)
		if (ana_pass_feed_run(p, ev, (size_t)got, &count, err) < 0)
			goto out;
	if (got < 0 || ana_pass_finish(p, out, err) < 0)
		goto out;
	sr_cost_of(r, &count, &out->cost);
	ret = engine_counts(r, out, err) < 0 ? -1 : cost_metrics(out, err);
	if (ret < 0)
		ana_result_release(out);
out:
	if (ret == 0 && pass)
		*pass = p;
	else
		ana_pass_free(p);
	sr_repair_log_release(&log);
	sr_machine_free(machine);
	return ret;
}

static int read_file(const char *path, struct ana_pass_config *cfg, const struct ana_window *window,
		     struct ana_result *out, struct sr_error *err)
{
	struct srz_reader *r = srz_open(path, err);
	int ret;

	memset(out, 0, sizeof(*out));
	if (!r)
		return -1;
	ret = ana_read(r, cfg, window, out, NULL, err);
	srz_reader_free(r);
	return ret;
}

int ana_reader_request(struct srz_reader *r, const struct ana_request *q, struct ana_result *out, struct sr_error *err)
{
	bool own = meta_is(r, "source", "self");
	struct ana_pass_config cfg = { .scope = q->scope,
				       .omit = q->omit,
				       .shown_cpus = q->cpus,
				       .slice = q->slice,
				       .slice_arg = q->slice_arg,
				       .slice_kinds = q->slice_kinds };
	uint8_t *shown = NULL;
	int ret = -1;

	memset(out, 0, sizeof(*out));
	srz_read_ahead(r);
	if (q->cpus && own)
		return sr_fail(err, SR_USAGE, "a replay that only recorded itself tells no cpus: none can be chosen");
	if ((!q->task_glob && !q->pid) ||
	    ana_select_tasks(r, q, meta_is(r, "scope", "system"), own, &shown, &cfg.nshown, err) == 0) {
		cfg.shown = shown;
		ret = ana_read(r, &cfg, &q->window, out, NULL, err);
	}
	free(shown);
	return ret;
}

int ana_file_request(const char *path, const struct ana_request *q, struct ana_result *out, struct sr_error *err)
{
	struct srz_reader *r = srz_open(path, err);
	int ret;

	memset(out, 0, sizeof(*out));
	if (!r)
		return -1;
	ret = ana_reader_request(r, q, out, err);
	srz_reader_free(r);
	return ret;
}

int ana_file_slices(const char *path, enum ana_scope scope, ana_slice_fn slice, void *arg, struct ana_result *out,
		    struct sr_error *err)
{
	return ana_file_request(path, &(struct ana_request){ .scope = scope, .slice = slice, .slice_arg = arg }, out,
				err);
}

int ana_file_part(const char *path, enum ana_scope scope, const char *task_glob, const struct ana_window *window,
		  struct ana_result *out, struct sr_error *err)
{
	struct ana_pass_config cfg = { .scope = scope, .task_glob = task_glob };

	return read_file(path, &cfg, window, out, err);
}

int ana_file_members(const char *path, const uint8_t *members, size_t n, const struct ana_window *window,
		     struct ana_result *out, struct sr_error *err)
{
	struct ana_pass_config cfg = { .scope = ANA_REPLAYABLE, .members = members, .nmembers = n };

	return read_file(path, &cfg, window, out, err);
}

int ana_file(const char *path, enum ana_scope scope, struct ana_result *out, struct sr_error *err)
{
	return ana_file_slices(path, scope, NULL, NULL, out, err);
}
