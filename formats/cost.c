/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/cost.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/copy.h"
#include "formats/option.h"

struct sr_cost_cpu {
	uint64_t since_ns;
	bool running; /* one of the recorded tasks, since then */
};

int sr_cost_begin_tasks(struct sr_cost_count *c, const struct sr_task_starts *starts, struct sr_error *err)
{
	c->cpu = calloc(SR_MAX_CPUS, sizeof(*c->cpu));
	if (!c->cpu)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	c->has_root = sr_task_starts_have_root(starts);
	c->tasks_known = true;
	return 0;
}

void sr_cost_count_release(struct sr_cost_count *c)
{
	free(c->cpu);
	memset(c, 0, sizeof(*c));
}

static bool is_traced(unsigned kind)
{
	return (kind >= SR_EV_SWITCH && kind <= SR_EV_NEWTASK) || sr_event_is_power(kind);
}

static bool is_recorded(const struct sr_cost_count *c, struct sr_task_table *t, int32_t tid)
{
	size_t i = tid ? sr_task_of(t, tid) : 0;

	if (i == 0 || i == SIZE_MAX || t->v[i].flags & SR_TASK_RECORDER)
		return false;
	return !c->has_root || t->v[i].in_tree;
}

void sr_cost_count_task(struct sr_cost_count *c, const struct sr_event *ev, struct sr_task_table *t)
{
	struct sr_cost_cpu *cpu = &c->cpu[ev->cpu % SR_MAX_CPUS];

	if (ev->kind == SR_EV_LOST) /* who ran meanwhile is not known */
		cpu->running = false;
	if (!is_traced(ev->kind))
		return;
	if (!(ev->flags & SR_EV_REPAIRED) && !sr_event_is_power(ev->kind) && is_recorded(c, t, ev->ctx))
		c->task_events++;
	if (ev->kind != SR_EV_SWITCH)
		return;
	if (cpu->running && ev->time_ns > cpu->since_ns)
		c->task_ns += ev->time_ns - cpu->since_ns;
	cpu->running = is_recorded(c, t, ev->u.sw.next);
	cpu->since_ns = ev->time_ns;
}

int sr_cost_count_file(struct sr_cost_count *c, struct srz_reader *r, struct sr_error *err)
{
	struct sr_event ev;
	int ret = 0;

	if (!srz_get_info(r)->lost_places)
		return 0;
	if (srz_rewind(r, err))
		return -1;
	while ((ret = srz_next(r, &ev, err)) == 1)
		sr_cost_count_event(c, &ev);
	return ret < 0 ? -1 : srz_rewind(r, err);
}

static double number(const struct srz_reader *r, const char *key)
{
	uint64_t v;

	return sr_meta_u64(r, key, &v) ? (double)v : -1;
}

static void cost_of_tracing(const struct srz_reader *r, const struct sr_cost_count *count, struct sr_cost *out)
{
	double capacity = (double)out->duration_ns * out->cpus, recorder;

	out->tracepoint_ns = number(r, "record.tracepoint_ns");
	if (out->tracepoint_ns == 0) /* a replay that recorded itself had none */
		out->tracepoint_ns = -1;
	out->recorder_ns = number(r, "record.cpu_ns");
	out->drain_ns = number(r, "record.drain_cpu_ns");
	out->tracing_ns = out->tracepoint_ns < 0 ? -1 : out->tracepoint_ns * (double)out->events;
	out->disturbance = out->task_share = -1;
	recorder = out->drain_ns < 0 ? out->recorder_ns : out->drain_ns;
	if (out->tracing_ns >= 0 && recorder >= 0 && capacity > 0)
		out->disturbance = (out->tracing_ns + recorder) / capacity;
	if (out->tracing_ns >= 0 && count->tasks_known && count->task_ns)
		out->task_share = (double)count->task_events * out->tracepoint_ns / (double)count->task_ns;
}

static void losses_of(const struct srz_info *info, const struct sr_cost_count *count, struct sr_cost *out)
{
	double all = (double)info->lost + (double)info->events - (double)info->lost_places;

	out->lost = info->lost;
	out->lost_places = info->lost_places;
	out->lost_more = count->lost_unknown != 0;
	out->lost_share = all > 0 ? (double)info->lost / all : 0;
	out->longest_gap_ns = count->longest_gap_ns;
	if (out->longest_gap_ns > out->duration_ns)
		out->longest_gap_ns = out->duration_ns;
	out->gap_share = out->duration_ns ? (double)out->longest_gap_ns / (double)out->duration_ns : 0;
}

void sr_cost_of(const struct srz_reader *r, const struct sr_cost_count *count, struct sr_cost *out)
{
	const struct srz_info *info = srz_get_info(r);
	const char *online = srz_get_meta(r, "cpus.online");
	struct sr_cpumask mask;
	struct sr_error ignored;

	*out = (struct sr_cost){ .cpus = info->cpus, .resolution_ns = 1 };
	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++)
		out->events += is_traced(kind) ? info->events_by_kind[kind] : 0;
	if (online && !sr_cpumask_parse(&mask, online, &ignored))
		out->cpus = sr_cpumask_count(&mask);
	if (!sr_meta_u64(r, "duration_ns", &out->duration_ns))
		out->duration_ns = info->last_ns - info->first_ns;
	if (!sr_meta_u64(r, "time.resolution_ns", &out->resolution_ns) || !out->resolution_ns)
		out->resolution_ns = info->time_unit_ns;
	cost_of_tracing(r, count, out);
	losses_of(info, count, out);
}

/* Adds a part of the sentence. */
static void add(char *buf, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char *buf, size_t len, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	if (n && n + 2 < len)
		n += (size_t)snprintf(buf + n, len - n, "; ");
	va_start(ap, fmt);
	vsnprintf(buf + n, len - n, fmt, ap);
	va_end(ap);
}

bool sr_cost_doubt(const struct sr_cost *c, char *buf, size_t len)
{
	char time[32];

	buf[0] = '\0';
	if (c->lost_share > 0.99)
		add(buf, len, "nearly all events were lost");
	else if (c->lost_share > SR_COST_LOST_SHARE)
		add(buf, len, "%s%.*f%% of the events were lost", c->lost_more ? "more than " : "",
		    c->lost_share < 0.1 ? 1 : 0, 100 * c->lost_share);
	if (c->gap_share > SR_COST_GAP_SHARE)
		add(buf, len, "for %s, %.0f%% of the recording, nothing is known of a CPU",
		    sr_format_time(time, sizeof(time), (double)c->longest_gap_ns), 100 * c->gap_share);
	if (c->disturbance > SR_COST_DISTURBANCE)
		add(buf, len, "recording took about %.0f%% of the machine's CPU time", 100 * c->disturbance);
	return buf[0] != '\0';
}

bool sr_cost_hopeless(const struct sr_cost *c)
{
	return c->lost_share > SR_COST_LOST_TOO_MUCH;
}
