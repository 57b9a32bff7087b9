/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec info: what a file holds, how it was made, what that cost, and whether it is whole. */
#include "schedrec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/attr.h"
#include "formats/copy.h"
#include "formats/cost.h"
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
	size_t groups, attributes;
	char *machine; /* NULL: not described */
	struct place place[PLACES];
	size_t places;
	struct sr_cost_count count;
	struct sr_cost cost;
};

/* One pass over the events. */
static int read_events(struct facts *f, struct sr_error *err)
{
	const char *scope = srz_get_meta(f->r, "scope");
	struct sr_repair *repair = sr_repair_new(scope && strcmp(scope, "system") != 0, srz_get_tasks(f->r), err);
	struct sr_task_table tasks = { 0 };
	struct sr_event ev, out[5];
	int ret = -1, n;
	bool any = false;
	size_t i;

	if (!repair || sr_task_table_init(&tasks, srz_get_tasks(f->r), err) ||
	    sr_cost_begin_tasks(&f->count, srz_get_tasks(f->r), err))
		goto out;
	while (!cmd_signal && (ret = srz_next(f->r, &ev, err)) == 1) {
		if (!any)
			f->first_ns = ev.time_ns;
		any = true;
		f->last_ns = ev.time_ns;
		if (ev.kind == SR_EV_LOST && f->places < PLACES)
			f->place[f->places++] = (struct place){ ev.time_ns, ev.u.lost.count, ev.cpu,
								ev.u.lost.span_us };
		n = sr_repair_push(repair, &ev, out, err);
		if (n < 0 || sr_task_table_feed(&tasks, &ev, srz_name_at, f->r, err)) {
			ret = -1;
			break;
		}
		sr_cost_count_event(&f->count, &ev);
		for (i = 0; i < (size_t)n; i++)
			sr_cost_count_task(&f->count, &out[i], &tasks);
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

static void describe_groups(struct facts *f)
{
	struct sr_attrs a;
	struct sr_error why;

	if (sr_attrs_get(f->r, &a, &why) < 0)
		return;
	f->groups = a.ngroups;
	f->attributes = a.nentries;
	sr_attrs_release(&a);
}

static void work_out(struct facts *f)
{
	sr_cost_of(f->r, &f->count, &f->cost);
	f->online = f->cost.cpus;
	f->duration_ns = f->cost.duration_ns;
	if (!srz_get_meta(f->r, "duration_ns"))
		f->duration_ns = f->last_ns - f->first_ns;
	describe_machine(f);
	describe_groups(f);
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

	if (sr_meta_u64(f->r, "start.realtime_ns", &start_ns)) {
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
	print_meta(f, "imported", "import.format");
	print_meta(f, "from", "import.source_name");
	print_meta(f, "missing", "import.missing");
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
	if (f->attributes)
		printf("%-11s%zu readings of class, affinity and group; %zu control groups\n", "", f->attributes,
		       f->groups);
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

static bool is_kernel_meta(const char *key)
{
	static const char *const told_above[] = { "kernel.release", "kernel.version", "kernel.machine" };
	static const char *const groups[] = { "kernel.",  "tunable.", "sched_ext.", "smt.",     "cpus.isolated",
					      "cpufreq.", "cpuidle.", "cgroup.",    "cpus.nohz" };

	for (size_t i = 0; i < sizeof(told_above) / sizeof(*told_above); i++)
		if (!strcmp(key, told_above[i]))
			return false;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (!strncmp(key, groups[i], strlen(groups[i])))
			return true;
	return false;
}

/* How the kernel was set: what may differ between two recordings of one load. */
static void print_kernel(const struct facts *f)
{
	bool any = false;
	char line[96];

	for (size_t i = 0; i < srz_meta_count(f->r); i++) {
		const char *key, *value;
		int n;

		srz_meta_at(f->r, i, &key, &value);
		if (!is_kernel_meta(key))
			continue;
		if (!any)
			printf("Kernel\n");
		any = true;
		/* A kernel's command line may be long; --json has it all. */
		n = snprintf(line, sizeof(line), "%-36s %s", key, value);
		printf("  ");
		print_clean(line);
		puts(n < (int)sizeof(line) ? "" : "...");
	}
}

static void print_cost(const struct facts *f)
{
	const struct sr_cost *c = &f->cost;
	double machine_ns = (double)c->duration_ns * c->cpus;
	const char *label = "cost";
	char text[32], doubt[256];

	if (c->tracing_ns >= 0) {
		printf("%-11stracing took about %s", label, sr_format_time(text, sizeof(text), c->tracing_ns));
		printf(" (%s an event)", sr_format_time(text, sizeof(text), c->tracepoint_ns));
		if (c->task_share >= 0)
			printf(", %.2f%% of the recorded tasks' CPU time", 100 * c->task_share);
		putchar('\n');
		label = "";
	}
	if (c->recorder_ns >= 0) {
		printf("%-11sthe recorder used %s of CPU time", label,
		       sr_format_time(text, sizeof(text), c->recorder_ns));
		if (c->drain_ns >= 0)
			printf(", of it %s while the command ran", sr_format_time(text, sizeof(text), c->drain_ns));
		else if (machine_ns > 0)
			printf(", %.2f%% of the machine's", 100 * c->recorder_ns / machine_ns);
		putchar('\n');
		label = "";
	}
	if (c->disturbance >= 0)
		printf("%-11stogether about %.2f%% of the machine's CPU time while it was recorded\n", label,
		       100 * c->disturbance);
	if (c->lost_places && c->longest_gap_ns)
		printf("%-11sthe longest gap on a CPU is %s, %.1f%% of the recording\n", label,
		       sr_format_time(text, sizeof(text), (double)c->longest_gap_ns), 100 * c->gap_share);
	if (sr_cost_doubt(c, doubt, sizeof(doubt)))
		printf("%-11s%s\n", "DOUBT", doubt);
}

/* ---- JSON ---- */

static void json_known(struct cmd_json *j, const char *key, double value)
{
	if (value >= 0)
		cmd_json_real(j, key, value);
}

static void json_attributes(struct cmd_json *j, const struct srz_reader *r)
{
	struct sr_attrs a;
	struct sr_error why;
	size_t i;

	if (sr_attrs_get(r, &a, &why) < 0) {
		cmd_json_str(j, "attributes_damaged", why.text);
		return;
	}
	cmd_json_open(j, "attributes", '{');
	cmd_json_u64(j, "entries", a.nentries);
	cmd_json_u64(j, "sets", a.n);
	cmd_json_open(j, "groups", '[');
	for (i = 0; i < a.ngroups; i++) {
		cmd_json_open(j, NULL, '{');
		cmd_json_str(j, "path", a.groups[i].path);
		cmd_json_u64(j, "version", a.groups[i].version);
		cmd_json_u64(j, "weight", a.groups[i].weight);
		cmd_json_u64(j, "quota_us", a.groups[i].quota_us);
		cmd_json_u64(j, "period_us", a.groups[i].period_us);
		cmd_json_bool(j, "idle", a.groups[i].idle);
		cmd_json_close(j, '}');
	}
	cmd_json_close(j, ']');
	cmd_json_close(j, '}');
	sr_attrs_release(&a);
}

static void json_cost(struct cmd_json *j, const struct sr_cost *c)
{
	char doubt[256];

	cmd_json_open(j, "cost", '{');
	cmd_json_u64(j, "events_traced", c->events);
	json_known(j, "tracepoint_ns", c->tracepoint_ns);
	json_known(j, "tracing_ns", c->tracing_ns);
	json_known(j, "task_share", c->task_share);
	json_known(j, "recorder_cpu_ns", c->recorder_ns);
	json_known(j, "drain_cpu_ns", c->drain_ns);
	json_known(j, "disturbance_share", c->disturbance);
	cmd_json_u64(j, "lost", c->lost);
	cmd_json_bool(j, "lost_is_exact", !c->lost_more);
	cmd_json_real(j, "lost_share", c->lost_share);
	cmd_json_u64(j, "longest_gap_ns", c->longest_gap_ns);
	cmd_json_real(j, "longest_gap_share", c->gap_share);
	cmd_json_u64(j, "time_resolution_ns", c->resolution_ns);
	cmd_json_str(j, "doubt", sr_cost_doubt(c, doubt, sizeof(doubt)) ? doubt : NULL);
	cmd_json_close(j, '}');
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
	if (sr_meta_u64(f->r, "command.status", &v))
		cmd_json_u64(&j, "status", v);
	json_attributes(&j, f->r);
	json_cost(&j, &f->cost);
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
			print_kernel(f);
		}
	}
	free(f->machine);
	sr_cost_count_release(&f->count);
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
		"The cost is what the recording took from the machine: the time of one tracepoint, measured when the "
		"recording began, for each event, and the recorder's own CPU time; together as a share of duration "
		"times "
		"CPUs. DOUBT stands before what makes the recording unfit to rely on: more than 1% of the events lost, "
		"a "
		"gap of more than 10% of its length, or more than 10% of the machine taken by recording. analyze, "
		"replay "
		"and compare warn of the same.\n\n"
		"Kernel lists how the kernel was set: its command line, preemption, the scheduler's tunables, CPU "
		"frequencies.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct info_options),
	.run = run,
};
