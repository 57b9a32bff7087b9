/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec dump: events as text, one a line. Lines are put together by hand: this is to be fast. */
#include "schedrec.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/event.h"
#include "formats/srz.h"
#include "formats/task.h"

struct dump_options {
	uint64_t from_ns, to_ns;
	const char *task;
	const char *cpu;
	bool no_names;
};

static const struct sr_option options[] = {
	{ "from", 0, SR_OPT_TIME, offsetof(struct dump_options, from_ns), "T", 0, 0, NULL, NULL,
	  "begin T after the first event (default: at it)" },
	{ "to", 0, SR_OPT_TIME, offsetof(struct dump_options, to_ns), "T", 1, 1e18, NULL, NULL,
	  "end T after the first event, events at T not included (default: the end)" },
	{ "task", 't', SR_OPT_STRING, offsetof(struct dump_options, task), "PATTERN", 0, 0, NULL, NULL,
	  "only events that name a task whose comm matches this shell pattern, or whose tid is this number" },
	{ "cpu", 'c', SR_OPT_CPUS, offsetof(struct dump_options, cpu), "LIST", 0, 0, NULL, NULL,
	  "only events recorded on these CPUs, like 2 or 0-3,8" },
	{ "no-names", 'n', SR_OPT_FLAG, offsetof(struct dump_options, no_names), NULL, 0, 0, NULL, NULL,
	  "show tasks by tid alone: then of a long recording only the part that is shown is read" },
	{ 0 }
};

static const char *const examples[] = { "schedrec dump make.srz --from 1s --to 1.2s",
					"what happened in these 200 milliseconds",
					"schedrec dump make.srz --task 'cc1*' --cpu 0",
					"what the compilers did on CPU 0",
					"schedrec dump night.srz --no-names --from 5h --to 5h1s --cpu 3",
					"a second of a long recording, without reading the five hours before it",
					"schedrec dump make.srz | awk '$5 == \"sched_switch\"'",
					"all switches",
					NULL };

#define OUT_SIZE (64 << 10)
#define LINE_MAX_BYTES 24576 /* a name of 4095 bytes, each as \xNN, and 8 tasks and numbers */

struct dump {
	struct srz_reader *r;
	struct sr_task_table tasks;
	const char *pattern;
	long tid; /* that the pattern is, -1: it is none */
	struct sr_cpumask cpus;
	bool no_names;
	char *out;
	size_t n;
};

/* 0, 1: the reader of a pipe has gone, which ends the command quietly; -1. */
static int flush_out(struct dump *d, struct sr_error *err)
{
	size_t done = 0;

	while (done < d->n) {
		ssize_t n = write(STDOUT_FILENO, d->out + done, d->n - done);

		if (n < 0 && errno == EINTR && !cmd_signal)
			continue;
		if (n < 0 && errno == EPIPE)
			return 1;
		if (n < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write to the standard output");
		done += (size_t)n;
	}
	d->n = 0;
	return 0;
}

static inline void put_char(struct dump *d, char c)
{
	d->out[d->n++] = c;
}

static inline void put_text(struct dump *d, const char *s)
{
	size_t len = strlen(s);

	memcpy(d->out + d->n, s, len);
	d->n += len;
}

static void put_number(struct dump *d, uint64_t v, unsigned digits)
{
	char buf[20];
	unsigned i = sizeof(buf);

	do {
		buf[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v || sizeof(buf) - i < digits);
	memcpy(d->out + d->n, buf + i, sizeof(buf) - i);
	d->n += sizeof(buf) - i;
}

static void put_signed(struct dump *d, int64_t v)
{
	if (v < 0)
		put_char(d, '-');
	put_number(d, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
}

static void put_hex(struct dump *d, uint64_t v)
{
	int shift = 60;

	put_text(d, "0x");
	while (shift && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char(d, "0123456789abcdef"[v >> shift & 15]);
}

/* Printable ASCII without blank and backslash as it is, each other byte as \xNN: a line splits at its blanks. */
static void put_escaped(struct dump *d, const char *s)
{
	const unsigned char *p;

	for (p = (const unsigned char *)s; *p; p++) {
		if (*p > ' ' && *p < 0x7f && *p != '\\') {
			put_char(d, (char)*p);
		} else {
			put_text(d, "\\x");
			put_char(d, "0123456789abcdef"[*p >> 4]);
			put_char(d, "0123456789abcdef"[*p & 15]);
		}
	}
}

static const struct sr_task *task_of(struct dump *d, int32_t tid)
{
	size_t i = sr_task_of(&d->tasks, tid);

	return &d->tasks.v[i == SIZE_MAX ? 0 : i];
}

static void put_task(struct dump *d, int32_t tid)
{
	const char *comm = d->no_names ? "" : task_of(d, tid)->comm;

	put_escaped(d, *comm ? comm : "?");
	put_char(d, ':');
	put_number(d, (uint64_t)tid, 1);
}

static void put_task_field(struct dump *d, const char *key, int32_t tid)
{
	put_text(d, key);
	put_task(d, tid);
}

static void put_field(struct dump *d, const char *key, int64_t v)
{
	put_text(d, key);
	put_signed(d, v);
}

static void put_name_field(struct dump *d, const char *key, uint32_t name)
{
	put_text(d, key);
	put_escaped(d, srz_name_at(d->r, name));
}

/* The tasks that an event names, ctx first; their number, at most 3. */
static unsigned tasks_named(const struct sr_event *ev, int32_t tid[3])
{
	unsigned n = 1;

	tid[0] = ev->ctx;
	switch (ev->kind) {
	case SR_EV_SWITCH:
		tid[n++] = ev->u.sw.prev;
		tid[n++] = ev->u.sw.next;
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		tid[n++] = ev->u.wake.tid;
		break;
	case SR_EV_MIGRATE:
		tid[n++] = ev->u.migrate.tid;
		break;
	case SR_EV_FORK:
		tid[n++] = ev->u.fork.parent;
		tid[n++] = ev->u.fork.child;
		break;
	case SR_EV_EXEC:
		tid[n++] = ev->u.exec.tid;
		tid[n++] = ev->u.exec.old_tid;
		break;
	case SR_EV_EXIT:
		tid[n++] = ev->u.exit.tid;
		break;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		tid[n++] = ev->u.rename.tid;
		break;
	case SR_EV_NEWTASK:
		tid[n++] = ev->u.newtask.tid;
		break;
	case SR_EV_DECISION:
		tid[n++] = ev->u.decision.tid;
		break;
	case SR_EV_BIND:
		tid[n++] = ev->u.bind.tid;
		break;
	}
	return n;
}

static bool matches(struct dump *d, const struct sr_event *ev)
{
	int32_t tid[3];
	unsigned n = tasks_named(ev, tid), i;

	for (i = 0; i < n; i++)
		if (tid[i] == d->tid || (!d->no_names && !fnmatch(d->pattern, task_of(d, tid[i])->comm, 0)))
			return true;
	return false;
}

static void put_fields(struct dump *d, const struct sr_event *ev)
{
	switch (ev->kind) {
	case SR_EV_SWITCH:
		put_task_field(d, " prev=", ev->u.sw.prev);
		put_field(d, " prev_prio=", ev->u.sw.prev_prio);
		put_text(d, " prev_state=");
		put_char(d, sr_state_letter(ev->u.sw.prev_state));
		if (ev->u.sw.prev_state == SR_STATE_PREEMPTED)
			put_char(d, '+');
		put_task_field(d, " next=", ev->u.sw.next);
		put_field(d, " next_prio=", ev->u.sw.next_prio);
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		put_task_field(d, " task=", ev->u.wake.tid);
		put_field(d, " prio=", ev->u.wake.prio);
		put_field(d, " target_cpu=", ev->u.wake.target_cpu);
		break;
	case SR_EV_MIGRATE:
		put_task_field(d, " task=", ev->u.migrate.tid);
		put_field(d, " prio=", ev->u.migrate.prio);
		put_field(d, " from=", ev->u.migrate.from);
		put_field(d, " to=", ev->u.migrate.to);
		break;
	case SR_EV_FORK:
		put_task_field(d, " parent=", ev->u.fork.parent);
		put_task_field(d, " child=", ev->u.fork.child);
		break;
	case SR_EV_EXEC:
		put_task_field(d, " task=", ev->u.exec.tid);
		put_field(d, " old_tid=", ev->u.exec.old_tid);
		put_name_field(d, " file=", ev->u.exec.name);
		break;
	case SR_EV_EXIT:
		put_task_field(d, " task=", ev->u.exit.tid);
		put_field(d, " prio=", ev->u.exit.prio);
		put_text(d, " group_dead=");
		put_char(d, "01?"[ev->u.exit.group_dead]);
		break;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		put_field(d, " tid=", ev->u.rename.tid);
		put_name_field(d, " comm=", ev->u.rename.name);
		break;
	case SR_EV_NEWTASK:
		put_task_field(d, " task=", ev->u.newtask.tid);
		put_text(d, " clone_flags=");
		put_hex(d, ev->u.newtask.clone_flags);
		break;
	case SR_EV_LOST:
		put_text(d, " count=");
		if (ev->u.lost.count)
			put_number(d, ev->u.lost.count, 1);
		else
			put_char(d, '?');
		put_field(d, " span_us=", ev->u.lost.span_us);
		break;
	case SR_EV_DECISION:
		put_task_field(d, " task=", ev->u.decision.tid);
		put_text(d, " cause=");
		put_text(d, sr_cause_name(ev->u.decision.cause));
		put_field(d, " from=", ev->u.decision.from);
		put_field(d, " to=", ev->u.decision.to);
		put_field(d, " cost_ns=", ev->u.decision.cost_ns);
		break;
	case SR_EV_BIND:
		put_task_field(d, " task=", ev->u.bind.tid);
		put_field(d, " source=", ev->u.bind.source);
		break;
	case SR_EV_FREQUENCY:
		put_field(d, " khz=", ev->u.frequency.khz);
		put_field(d, " target_cpu=", ev->u.frequency.target_cpu);
		break;
	case SR_EV_IDLE:
		put_text(d, " state=");
		if (ev->u.idle.state == SR_IDLE_LEFT)
			put_char(d, '-');
		else
			put_number(d, ev->u.idle.state, 1);
		put_field(d, " target_cpu=", ev->u.idle.target_cpu);
		break;
	}
}

static void put_line(struct dump *d, const struct sr_event *ev, uint64_t since_ns)
{
	put_number(d, since_ns / 1000000000, 1);
	put_char(d, '.');
	put_number(d, since_ns % 1000000000, 9);
	put_char(d, ' ');
	put_number(d, ev->cpu, 1);
	put_char(d, ' ');
	put_task(d, ev->ctx);
	put_char(d, ' ');
	if (!(ev->flags & SR_EV_INTERRUPT))
		put_char(d, '-');
	if (ev->flags & SR_EV_HARDIRQ)
		put_char(d, 'h');
	if (ev->flags & SR_EV_SOFTIRQ)
		put_char(d, 's');
	if (ev->flags & SR_EV_NMI)
		put_char(d, 'n');
	put_char(d, ' ');
	put_text(d, sr_event_kind_name(ev->kind));
	put_fields(d, ev);
	put_char(d, '\n');
}

/* To the first event that is to be shown, or where names are to be shown, to the first of all: those before it tell
 * them. *first_ns: the time that the others' count from. */
static int go_to_start(struct dump *d, const struct dump_options *o, uint64_t *first_ns, struct sr_error *err)
{
	struct sr_event ev = { 0 };

	if (srz_next(d->r, &ev, err) < 0)
		return -1;
	*first_ns = ev.time_ns;
	if (!d->no_names)
		return srz_rewind(d->r, err);
	if (o->from_ns > UINT64_MAX - ev.time_ns)
		return srz_seek(d->r, UINT64_MAX, err);
	if (srz_seek(d->r, ev.time_ns + o->from_ns, err))
		return -1;
	return o->cpu ? srz_select_cpus(d->r, &d->cpus, err) : 0;
}

static int dump_events(struct dump *d, const struct dump_options *o, struct sr_error *err)
{
	uint64_t first_ns;
	struct sr_event ev;
	int ret;

	if (go_to_start(d, o, &first_ns, err))
		return -1;
	while ((ret = srz_next(d->r, &ev, err)) == 1 && !cmd_signal) {
		uint64_t since_ns = ev.time_ns - first_ns;

		if (o->to_ns && since_ns >= o->to_ns)
			return 0;
		if (!d->no_names && sr_task_table_feed(&d->tasks, &ev, srz_name_at, d->r, err))
			return -1;
		if (since_ns < o->from_ns || (o->cpu && !sr_cpumask_isset(&d->cpus, ev.cpu)) ||
		    (d->pattern && !matches(d, &ev)))
			continue;
		put_line(d, &ev, since_ns);
		if (d->n > OUT_SIZE - LINE_MAX_BYTES) {
			ret = flush_out(d, err);
			if (ret)
				return ret;
		}
	}
	return cmd_signal ? 128 + cmd_signal : ret;
}

static int dump_file(struct dump *d, const char *path, const struct dump_options *o, struct sr_error *err)
{
	struct sr_error late;
	int ret;

	d->r = srz_open(path, err);
	if (!d->r || sr_task_table_init(&d->tasks, srz_get_tasks(d->r), err))
		return -1;
	ret = dump_events(d, o, err);
	if (ret == 1) /* nobody reads */
		return 0;
	/* what was whole is shown, also before an error */
	if (flush_out(d, ret < 0 ? &late : err) < 0 && ret >= 0)
		return -1;
	if (!ret && !srz_get_info(d->r)->complete)
		cmd_warn("%s is incomplete: its recorder was killed, or it is a cut copy", path);
	return ret;
}

static int run(const void *options_, int nargs, char **args, struct sr_error *err)
{
	const struct dump_options *o = options_;
	struct dump d = { .pattern = o->task, .tid = -1 };
	char *end;
	int ret;

	if (nargs != 1)
		return sr_fail(err, SR_USAGE, "give one file");
	if (o->to_ns && o->to_ns < o->from_ns)
		return sr_fail(err, SR_USAGE, "--to lies before --from");
	d.no_names = o->no_names;
	if (o->cpu && sr_cpumask_parse(&d.cpus, o->cpu, err))
		return -1;
	if (d.pattern && *d.pattern >= '0' && *d.pattern <= '9') {
		d.tid = strtol(d.pattern, &end, 10);
		if (*end)
			d.tid = -1;
	}
	if (d.pattern && d.no_names && d.tid < 0)
		return sr_fail(err, SR_USAGE, "--task '%s' is a name; with --no-names give a tid", d.pattern);
	d.out = malloc(OUT_SIZE);
	if (!d.out)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	cmd_catch_signals();
	ret = dump_file(&d, args[0], o, err);
	sr_task_table_release(&d.tasks);
	srz_reader_free(d.r);
	free(d.out);
	return ret;
}

const struct cmd cmd_dump = {
	.name = "dump",
	.summary = "show the events of a file as text, one a line",
	.operands = "FILE",
	.description =
		"Each line is TIME CPU TASK CONTEXT EVENT and then the event's fields as KEY=VALUE, one blank between "
		"them.\n\n"
		"TIME is in seconds since the file's first event, with nanoseconds. TASK is what ran on the CPU as the "
		"event was recorded: its comm, a colon, its tid (the comm may hold colons, the tid never does). "
		"CONTEXT is - "
		"for the task itself, else letters: h hard interrupt, s soft interrupt, n NMI. In comms and file names "
		"each "
		"byte that is a blank, a backslash or not printable ASCII is shown as \\xNN.\n\n"
		"prev_state is R (yielded), R+ (preempted), S, D, T, t, X, Z, P or I, as ps has them, or ? (another). "
		"state=- of a cpu_idle event says that the CPU leaves its idle state. "
		"count=? says that events were lost and nobody knows how many. In decisions -1 stands for a CPU that "
		"is not "
		"known or left to the kernel.\n\n"
		"Names come from the events before those that are shown, so that these are read too, unless --no-names "
		"is "
		"given; the tasks are then ?:TID.\n\n"
		"What a damaged or incomplete file still holds is shown up to the damage.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct dump_options),
	.run = run,
};
