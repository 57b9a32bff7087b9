/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text that the kernel's `trace` file has, with nine digits behind the point of a second instead of six. What is
 * known of the recording stands in comments in front: "# schedrec KEY VALUE".
 */
#include <string.h>

#include "formats/export_internal.h"

/* A byte that would end the line, or speak to a terminal, becomes a question mark. */
static void put_clean(struct sr_outfile *o, const char *s)
{
	for (; *s; s++)
		sr_out_char(o, (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s);
}

static int ftrace_begin(struct sr_export *x, struct sr_error *err)
{
	static const char *const told[] = { "clock",          "scope",       "kernel.release", "kernel.machine",
					    "command",        "cpus.online", "start.mono_ns",  "start.realtime_ns",
					    "host.cpu_model", "duration_ns", "label" };
	const struct sr_task_starts *tasks = srz_get_tasks(x->r);
	struct sr_outfile *o = x->out;

	sr_out_text(o, "# tracer: nop\n#\n");
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
		const char *value = srz_get_meta(x->r, told[i]);

		if (!value)
			continue;
		sr_out_format(o, "# schedrec %s ", told[i]);
		put_clean(o, value);
		sr_out_char(o, '\n');
	}
	for (size_t i = 0; i < tasks->n; i++)
		if (tasks->v[i].flags & SR_TASK_ROOT)
			sr_out_format(o, "# schedrec root %d\n", (int)tasks->v[i].tid);
	sr_out_format(o, "#\n# entries-in-buffer/entries-written: %llu/%llu   #P:%u\n#\n",
		      (unsigned long long)srz_get_info(x->r)->events, (unsigned long long)srz_get_info(x->r)->events,
		      srz_get_info(x->r)->cpus);
	sr_out_text(o, "#                                _-----=> irqs-off/BH-disabled\n"
		       "#                               / _----=> need-resched\n"
		       "#                              | / _---=> hardirq/softirq\n"
		       "#                              || / _--=> preempt-depth\n"
		       "#                              ||| / _-=> migrate-disable\n"
		       "#                              |||| /     delay\n"
		       "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"
		       "#              | |         |   |||||     |         |\n");
	return 0;
}

static char context_of(unsigned flags)
{
	bool hard = flags & SR_EV_HARDIRQ;

	if (flags & SR_EV_NMI)
		return hard ? 'Z' : 'z';
	if (flags & SR_EV_SOFTIRQ)
		return hard ? 'H' : 's';
	return hard ? 'h' : '.';
}

static void put_key(struct sr_outfile *o, const char *key, int64_t v)
{
	sr_out_text(o, key);
	sr_out_i64(o, v);
}

static void put_task(struct sr_export *x, const char *comm_key, const char *pid_key, int32_t tid, unsigned cpu)
{
	char buf[SR_COMM_LEN];

	sr_out_text(x->out, comm_key);
	put_clean(x->out, sr_export_kernel_comm(x, tid, cpu, buf));
	put_key(x->out, pid_key, tid);
}

static void put_head(struct sr_export *x, const struct sr_event *ev)
{
	const char *comm = ev->ctx ? sr_export_comm(x, ev->ctx) : "<idle>";
	struct sr_outfile *o = x->out;
	size_t len = strlen(comm);

	for (; len < 16; len++)
		sr_out_char(o, ' ');
	put_clean(o, *comm ? comm : "<...>");
	sr_out_format(o, "-%-7d [%03u] ..%c..", ev->ctx, ev->cpu, context_of(ev->flags));
	sr_out_format(o, " %5llu.", (unsigned long long)(ev->time_ns / 1000000000));
	sr_out_u64(o, ev->time_ns % 1000000000, 9);
	sr_out_text(o, ": ");
}

static void put_switch(struct sr_export *x, const struct sr_event *ev)
{
	struct sr_outfile *o = x->out;

	put_task(x, "prev_comm=", " prev_pid=", ev->u.sw.prev, ev->cpu);
	put_key(o, " prev_prio=", ev->u.sw.prev_prio);
	sr_out_text(o, " prev_state=");
	sr_out_char(o, sr_state_letter(ev->u.sw.prev_state));
	if (ev->u.sw.prev_state == SR_STATE_PREEMPTED)
		sr_out_char(o, '+');
	put_task(x, " ==> next_comm=", " next_pid=", ev->u.sw.next, ev->cpu);
	put_key(o, " next_prio=", ev->u.sw.next_prio);
}

static void put_fields(struct sr_export *x, const struct sr_event *ev)
{
	struct sr_outfile *o = x->out;

	switch (ev->kind) {
	case SR_EV_SWITCH:
		put_switch(x, ev);
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		put_task(x, "comm=", " pid=", ev->u.wake.tid, ev->u.wake.target_cpu);
		put_key(o, " prio=", ev->u.wake.prio);
		sr_out_text(o, " target_cpu=");
		sr_out_u64(o, ev->u.wake.target_cpu, 3);
		break;
	case SR_EV_MIGRATE:
		put_task(x, "comm=", " pid=", ev->u.migrate.tid, ev->u.migrate.from);
		put_key(o, " prio=", ev->u.migrate.prio);
		put_key(o, " orig_cpu=", ev->u.migrate.from);
		put_key(o, " dest_cpu=", ev->u.migrate.to);
		break;
	case SR_EV_FORK:
		put_task(x, "comm=", " pid=", ev->u.fork.parent, ev->cpu);
		put_task(x, " child_comm=", " child_pid=", ev->u.fork.child, ev->cpu);
		break;
	case SR_EV_EXEC:
		sr_out_text(o, "filename=");
		put_clean(o, srz_name_at(x->r, ev->u.exec.name));
		put_key(o, " pid=", ev->u.exec.tid);
		put_key(o, " old_pid=", ev->u.exec.old_tid);
		break;
	case SR_EV_EXIT:
		put_task(x, "comm=", " pid=", ev->u.exit.tid, ev->cpu);
		put_key(o, " prio=", ev->u.exit.prio);
		if (ev->u.exit.group_dead < 2)
			sr_out_text(o, ev->u.exit.group_dead ? " group_dead=true" : " group_dead=false");
		break;
	case SR_EV_RENAME:
		put_key(o, "pid=", ev->u.rename.tid);
		sr_out_text(o, " oldcomm=");
		put_clean(o, x->old_comm);
		sr_out_text(o, " newcomm=");
		put_clean(o, srz_name_at(x->r, ev->u.rename.name));
		sr_out_text(o, " oom_score_adj=0");
		break;
	case SR_EV_NEWTASK:
		put_key(o, "pid=", ev->u.newtask.tid);
		sr_out_text(o, " comm=");
		put_clean(o, sr_export_comm(x, ev->u.newtask.tid));
		sr_out_format(o, " clone_flags=%llx oom_score_adj=0", (unsigned long long)ev->u.newtask.clone_flags);
		break;
	case SR_EV_FREQUENCY:
		put_key(o, "state=", ev->u.frequency.khz);
		put_key(o, " cpu_id=", ev->u.frequency.target_cpu);
		break;
	case SR_EV_IDLE:
		put_key(o, "state=", ev->u.idle.state);
		put_key(o, " cpu_id=", ev->u.idle.target_cpu);
		break;
	case SR_EV_DECISION: /* as a program's own mark: there is no event of the kernel for it */
		sr_out_format(o, "schedrec decision tid=%d cause=%s from=%d to=%d cost_ns=%u", ev->u.decision.tid,
			      sr_cause_name(ev->u.decision.cause), ev->u.decision.from, ev->u.decision.to,
			      ev->u.decision.cost_ns);
		break;
	}
}

static int ftrace_event(struct sr_export *x, const struct sr_event *ev, struct sr_error *err)
{
	struct sr_outfile *o = x->out;

	switch (ev->kind) {
	case SR_EV_COMM:
		x->counts.carried++;
		return 0;
	case SR_EV_BIND:
		x->counts.dropped[ev->kind]++;
		return 0;
	case SR_EV_LOST:
		sr_out_format(o, "CPU:%u [LOST ", ev->cpu);
		if (ev->u.lost.count)
			sr_out_format(o, "%llu ", (unsigned long long)ev->u.lost.count);
		sr_out_text(o, "EVENTS]\n");
		return 0;
	}
	put_head(x, ev);
	sr_out_text(o, ev->kind == SR_EV_DECISION ? "tracing_mark_write" : sr_event_kind_name(ev->kind));
	sr_out_text(o, ": ");
	put_fields(x, ev);
	sr_out_char(o, '\n');
	return 0;
}

const struct sr_export_format sr_export_ftrace = { .name = "ftrace", .begin = ftrace_begin, .event = ftrace_event };
