/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec info: what a file holds, how it was made, what that cost, and whether it is whole. */
#include "schedrec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/event.h"
#include "formats/machine.h"
#include "formats/srz.h"
#include "formats/task.h"
#include "formats/timeline.h"

struct info_options {
	bool json;
};

static const struct sr_option options[] = { { "json", 'j', SR_OPT_FLAG, offsetof(struct info_options, json), NULL, 0, 0,
					      NULL, NULL,
					      "one JSON object instead of text; times in ns, sizes in bytes" },
					    { 0 } };

static const char *const examples[] = { "schedrec info make.srz", "the summary",
					"schedrec info make.srz --json | jq .lost", "how many events were lost", NULL };

#define PLACES 1000

struct place {
	uint64_t time_ns, count;
	unsigned cpu;
	uint32_t span_us;
};

struct facts {
	struct srz_reader *r;
	const struct srz_info *info;
	const char *path;
	uint64_t first_ns, last_ns, duration_ns, repaired;
	size_t tasks, in_tree, kthreads;
	unsigned online; /* CPUs */
	char *machine;   /* NULL: not described */
	struct place place[PLACES];
	size_t places;
	/* what it cost, negative where it is not known */
	double recorder_ns, tracepoint_ns, recorder_share, tracepoint_share;
};

/* One pass over the events. */
static int read_events(struct facts *f, struct sr_error *err)
{
	const char *scope = srz_get_meta(f->r, "scope");
	struct sr_repair *repair = sr_repair_new(scope && strcmp(scope, "system") != 0, err);
	struct sr_task_table tasks = { 0 };
	struct sr_event ev, out[5];
	int ret = -1;
	bool any = false;
	size_t i;

	if (!repair || sr_task_table_init(&tasks, srz_get_tasks(f->r), err))
		goto out;
	while (!cmd_signal && (ret = srz_next(f->r, &ev, err)) == 1) {
		if (!any)
			f->first_ns = ev.time_ns;
		any = true;
		f->last_ns = ev.time_ns;
		if (ev.kind == SR_EV_LOST && f->places < PLACES)
			f->place[f->places++] = (struct place){ ev.time_ns, ev.u.lost.count, ev.cpu,
								ev.u.lost.span_us };
		if (sr_repair_push(repair, &ev, out, err) < 0 ||
		    sr_task_table_feed(&tasks, &ev, srz_name_at, f->r, err)) {
			ret = -1;
			break;
		}
	}
	f->repaired = sr_repair_count(repair);
	f->tasks = tasks.n - 1; /* without the idle task */
	for (i = 1; i < tasks.n; i++) {
		f->in_tree += tasks.v[i].in_tree;
		f->kthreads += (tasks.v[i].flags & SR_TASK_KTHREAD) != 0;
	}
	if (cmd_signal)
		ret = 128 + cmd_signal;
out:
	sr_task_table_release(&tasks);
	sr_repair_free(repair);
	return ret;
}

/* A meta value that is a number; false where there is none. */
static bool meta_number(const struct facts *f, const char *key, uint64_t *v)
{
	const char *text = srz_get_meta(f->r, key);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	*v = strtoull(text, &end, 10);
	return !*end;
}

static void describe_machine(struct facts *f)
{
	size_t len;
	const char *xml = srz_get_section(f->r, SRZ_SEC_MACHINE, &len);
	struct sr_machine *m;
	struct sr_error why;

	if (!xml)
		return;
	m = sr_machine_from_xml(xml, len, &why);
	f->machine = strdup(m && m->summary ? m->summary : "its description in the file cannot be read");
	sr_machine_free(m);
}

static void work_out(struct facts *f)
{
	const char *list = srz_get_meta(f->r, "cpus.online");
	struct sr_cpumask mask;
	struct sr_error ignored;
	uint64_t v, kernel_events = 0;
	double cpu_time;
	unsigned kind;

	f->online = f->info->cpus;
	if (list && !sr_cpumask_parse(&mask, list, &ignored))
		f->online = sr_cpumask_count(&mask);
	if (!meta_number(f, "duration_ns", &f->duration_ns))
		f->duration_ns = f->last_ns - f->first_ns;
	describe_machine(f);
	for (kind = SR_EV_SWITCH; kind <= SR_EV_NEWTASK; kind++)
		kernel_events += f->info->events_by_kind[kind];
	cpu_time = (double)f->duration_ns * f->online;
	f->recorder_ns = meta_number(f, "record.cpu_ns", &v) ? (double)v : -1;
	f->tracepoint_ns = meta_number(f, "record.tracepoint_ns", &v) ? (double)v * (double)kernel_events : -1;
	f->recorder_share = f->recorder_ns >= 0 && cpu_time > 0 ? f->recorder_ns / cpu_time : -1;
	f->tracepoint_share = f->tracepoint_ns >= 0 && cpu_time > 0 ? f->tracepoint_ns / cpu_time : -1;
}

/* ---- text ---- */

/* A text of the file: control characters must not reach the terminal. */
static void print_clean(const char *s)
{
	const unsigned char *p;

	for (p = (const unsigned char *)s; *p; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		putchar(*p < ' ' || *p == 0x7f || c1 ? '?' : *p);
		p += c1;
	}
}

static void print_meta(const struct facts *f, const char *label, const char *key)
{
	const char *value = srz_get_meta(f->r, key);

	if (!value)
		return;
	printf("%-11s", label);
	print_clean(value);
	putchar('\n');
}

static void print_file(const struct facts *f)
{
	char size[32], rest[32];

	printf("%-11s", "file");
	print_clean(f->path);
	printf(", %s, format version %u\n", sr_format_bytes(size, sizeof(size), (double)f->info->bytes),
	       f->info->version);
	printf("%-11s", "integrity");
	if (f->info->complete)
		printf("complete: index, end mark and every checksum agree\n");
	else if (f->info->damaged_bytes)
		printf("INCOMPLETE: it has no end mark, and its last %s are no whole section; the rest is read\n",
		       sr_format_bytes(rest, sizeof(rest), (double)f->info->damaged_bytes));
	else
		printf("INCOMPLETE: it has no end mark; everything in it is read\n");
}

static void print_origin(const struct facts *f)
{
	const char *release = srz_get_meta(f->r, "kernel.release"), *arch = srz_get_meta(f->r, "kernel.machine");
	uint64_t start_ns;
	char when[64];
	struct tm tm;
	time_t t;

	if (meta_number(f, "start.realtime_ns", &start_ns)) {
		t = (time_t)(start_ns / 1000000000);
		if (gmtime_r(&t, &tm) && strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm))
			printf("%-11s%s\n", "recorded", when);
	}
	print_meta(f, "label", "label");
	print_meta(f, "engine", "engine");
	if (release) {
		printf("%-11s", "kernel");
		print_clean(release);
		if (arch) {
			putchar(' ');
			print_clean(arch);
		}
		putchar('\n');
	}
	if (f->machine) {
		printf("%-11s", "machine");
		print_clean(f->machine);
		putchar('\n');
	}
	print_meta(f, "processor", "host.cpu_model");
	print_meta(f, "scope", "scope");
	print_meta(f, "command", "command");
	print_meta(f, "status", "command.status");
	print_meta(f, "ended by", "record.end");
	print_meta(f, "policy", "replay.policy");
	print_meta(f, "source", "replay.source_name");
}

static void print_events(const struct facts *f)
{
	char text[32], other[32];
	unsigned kind;
	size_t i;

	printf("%-11s%s on %u CPUs\n", "duration", sr_format_time(text, sizeof(text), (double)f->duration_ns),
	       f->online);
	printf("%-11s%s", "tasks", sr_format_count(text, sizeof(text), f->tasks));
	printf(" (%s in the tree", sr_format_count(text, sizeof(text), f->in_tree));
	printf(", %s kernel threads", sr_format_count(text, sizeof(text), f->kthreads));
	printf("; %s alive at the start)\n", sr_format_count(text, sizeof(text), srz_get_tasks(f->r)->n));
	printf("%-11s%s", "events", sr_format_count(text, sizeof(text), f->info->events));
	if (f->info->events)
		printf(", %.2f bytes each, everything included", (double)f->info->bytes / (double)f->info->events);
	putchar('\n');
	if (f->info->time_unit_ns > 1)
		printf("%-11srounded down to multiples of %s\n", "times",
		       sr_format_time(text, sizeof(text), f->info->time_unit_ns));
	for (kind = 1; kind < SR_EV_KINDS; kind++)
		if (f->info->events_by_kind[kind])
			printf("  %-20s %14s\n", sr_event_kind_name(kind),
			       sr_format_count(text, sizeof(text), f->info->events_by_kind[kind]));
	if (!f->info->lost_places)
		printf("%-11snone\n", "lost");
	else
		printf("%-11s%s events%s, at %s places\n", "lost", sr_format_count(text, sizeof(text), f->info->lost),
		       f->info->lost ? "" : " or more: the kernel does not know how many",
		       sr_format_count(other, sizeof(other), f->info->lost_places));
	for (i = 0; i < f->places && i < 10; i++) {
		const struct place *p = &f->place[i];

		printf("  %s events on CPU %u ", p->count ? sr_format_count(other, sizeof(other), p->count) : "unknown",
		       p->cpu);
		printf("within %s ", sr_format_time(other, sizeof(other), p->span_us * 1e3));
		printf("before %s\n", sr_format_time(text, sizeof(text), (double)(p->time_ns - f->first_ns)));
	}
	if (f->info->lost_places > i)
		printf("  and %s more\n", sr_format_count(text, sizeof(text), f->info->lost_places - i));
	printf("%-11s%s switches were missing and are put in by every command\n", "repaired",
	       sr_format_count(text, sizeof(text), f->repaired));
}

static void print_cost(const struct facts *f)
{
	char text[32];

	if (f->recorder_ns >= 0)
		printf("%-11sthe recorder used %s of CPU time", "cost",
		       sr_format_time(text, sizeof(text), f->recorder_ns));
	if (f->recorder_ns >= 0 && f->recorder_share >= 0)
		printf(", %.2f%% of the machine's", 100 * f->recorder_share);
	if (f->recorder_ns >= 0)
		putchar('\n');
	if (f->tracepoint_ns >= 0)
		printf("%-11stracing took about %s from the tasks", f->recorder_ns >= 0 ? "" : "cost",
		       sr_format_time(text, sizeof(text), f->tracepoint_ns));
	if (f->tracepoint_ns >= 0 && f->tracepoint_share >= 0)
		printf(", %.2f%% of the machine's", 100 * f->tracepoint_share);
	if (f->tracepoint_ns >= 0)
		putchar('\n');
}

/* ---- JSON ---- */

static void json_known(struct cmd_json *j, const char *key, double value)
{
	if (value >= 0)
		cmd_json_real(j, key, value);
}

static void print_json(const struct facts *f)
{
	const struct srz_info *info = f->info;
	struct cmd_json j;
	uint64_t v;
	size_t i;

	cmd_json_init(&j, stdout);
	cmd_json_open(&j, NULL, '{');
	cmd_json_str(&j, "file", f->path);
	cmd_json_u64(&j, "version", info->version);
	cmd_json_bool(&j, "complete", info->complete);
	cmd_json_u64(&j, "damaged_bytes", info->damaged_bytes);
	cmd_json_u64(&j, "bytes", info->bytes);
	cmd_json_u64(&j, "events", info->events);
	if (info->events)
		cmd_json_real(&j, "bytes_per_event", (double)info->bytes / (double)info->events);
	cmd_json_open(&j, "events_by_kind", '{');
	for (i = 1; i < SR_EV_KINDS; i++)
		if (info->events_by_kind[i])
			cmd_json_u64(&j, sr_event_kind_name((unsigned)i), info->events_by_kind[i]);
	cmd_json_close(&j, '}');
	cmd_json_u64(&j, "chunks", info->chunks);
	cmd_json_u64(&j, "time_unit_ns", info->time_unit_ns);
	cmd_json_u64(&j, "lost", info->lost);
	cmd_json_u64(&j, "lost_places", info->lost_places);
	cmd_json_open(&j, "lost_at", '[');
	for (i = 0; i < f->places; i++) {
		cmd_json_open(&j, NULL, '{');
		cmd_json_u64(&j, "time_ns", f->place[i].time_ns - f->first_ns);
		cmd_json_u64(&j, "cpu", f->place[i].cpu);
		cmd_json_u64(&j, "count", f->place[i].count);
		cmd_json_u64(&j, "span_us", f->place[i].span_us);
		cmd_json_close(&j, '}');
	}
	cmd_json_close(&j, ']');
	cmd_json_u64(&j, "repaired", f->repaired);
	cmd_json_u64(&j, "first_ns", f->first_ns);
	cmd_json_u64(&j, "last_ns", f->last_ns);
	cmd_json_u64(&j, "duration_ns", f->duration_ns);
	cmd_json_u64(&j, "cpus", info->cpus);
	cmd_json_u64(&j, "cpus_online", f->online);
	cmd_json_u64(&j, "tasks", f->tasks);
	cmd_json_u64(&j, "tasks_in_tree", f->in_tree);
	cmd_json_u64(&j, "tasks_kernel", f->kthreads);
	cmd_json_u64(&j, "tasks_at_start", srz_get_tasks(f->r)->n);
	cmd_json_str(&j, "machine", f->machine);
	cmd_json_str(&j, "scope", srz_get_meta(f->r, "scope"));
	cmd_json_str(&j, "command", srz_get_meta(f->r, "command"));
	if (meta_number(f, "command.status", &v))
		cmd_json_u64(&j, "status", v);
	json_known(&j, "recorder_cpu_ns", f->recorder_ns);
	json_known(&j, "recorder_share", f->recorder_share);
	json_known(&j, "tracepoints_ns", f->tracepoint_ns);
	json_known(&j, "tracepoints_share", f->tracepoint_share);
	cmd_json_open(&j, "meta", '{');
	for (i = 0; i < srz_meta_count(f->r); i++) {
		const char *key, *value;

		srz_meta_at(f->r, i, &key, &value);
		cmd_json_str(&j, key, value);
	}
	cmd_json_close(&j, '}');
	cmd_json_close(&j, '}');
}

static int run(const void *options_, int nargs, char **args, struct sr_error *err)
{
	const struct info_options *o = options_;
	struct facts *f;
	int ret = -1;

	if (nargs != 1)
		return sr_fail(err, SR_USAGE, "give one file");
	f = calloc(1, sizeof(*f));
	if (!f)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	cmd_catch_signals();
	f->path = args[0];
	f->r = srz_open(f->path, err);
	if (f->r) {
		f->info = srz_get_info(f->r);
		ret = read_events(f, err);
	}
	if (!ret) {
		work_out(f);
		if (o->json) {
			print_json(f);
		} else {
			print_file(f);
			print_origin(f);
			print_events(f);
			print_cost(f);
		}
	}
	free(f->machine);
	srz_reader_free(f->r);
	free(f);
	return ret;
}

const struct cmd cmd_info = {
	.name = "info",
	.summary = "show what a file holds, how it was made, and whether it is whole",
	.operands = "FILE",
	.description =
		"Reads the whole file once, so that every checksum is verified.\n\n"
		"A file that is incomplete (its recorder was killed, or it is a cut copy) is read up to its last whole "
		"chunk, and the status is 0; a file that is damaged or not a .srz file ends with status 4.\n\n"
		"The cost is what the recording took from the machine: the recorder's own CPU time, and the measured "
		"time "
		"of one tracepoint for each event, both as a share of duration times CPUs.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct info_options),
	.run = run,
};
