/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A row an event; fields with commas, quotes or line ends are quoted as RFC 4180 has it, and lines end in CR LF. */
#include <string.h>

#include "formats/export_internal.h"

struct row {
	int64_t tid, other; /* -1: none */
	const char *old_comm;
	bool prio, other_prio, from, to, has_value, has_signed;
	int16_t prio_v, other_prio_v;
	int32_t from_v, to_v;
	const char *state, *text;
	uint64_t value;
	int64_t signed_value;
};

static void put_text(struct sr_outfile *o, const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		sr_out_text(o, s);
		return;
	}
	sr_out_char(o, '"');
	for (; *s; s++) {
		if (*s == '"')
			sr_out_char(o, '"');
		sr_out_char(o, *s);
	}
	sr_out_char(o, '"');
}

static const char *context_of(unsigned flags)
{
	static const char *const names[] = { "-", "h", "s", "hs", "n", "hn", "sn", "hsn" };

	return names[flags & SR_EV_FILE_FLAGS];
}

static const char *state_of(unsigned state)
{
	static const char *const names[SR_STATES] = { "R", "R+", "S", "D", "T", "t", "X", "Z", "P", "I", "?" };

	return names[state < SR_STATES ? state : SR_STATE_OTHER];
}

static struct row row_of(struct sr_export *x, const struct sr_event *ev)
{
	struct row w = { .tid = -1, .other = -1 };

	switch (ev->kind) {
	case SR_EV_SWITCH:
		w = (struct row){ .tid = ev->u.sw.prev,
				  .other = ev->u.sw.next,
				  .prio = true,
				  .prio_v = ev->u.sw.prev_prio,
				  .other_prio = true,
				  .other_prio_v = ev->u.sw.next_prio,
				  .state = state_of(ev->u.sw.prev_state) };
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		w = (struct row){ .tid = ev->u.wake.tid,
				  .other = -1,
				  .prio = true,
				  .prio_v = ev->u.wake.prio,
				  .to = true,
				  .to_v = ev->u.wake.target_cpu };
		break;
	case SR_EV_MIGRATE:
		w = (struct row){ .tid = ev->u.migrate.tid,
				  .other = -1,
				  .prio = true,
				  .prio_v = ev->u.migrate.prio,
				  .from = true,
				  .from_v = ev->u.migrate.from,
				  .to = true,
				  .to_v = ev->u.migrate.to };
		break;
	case SR_EV_FORK:
		w.tid = ev->u.fork.child;
		w.other = ev->u.fork.parent;
		break;
	case SR_EV_EXEC:
		w.tid = ev->u.exec.tid;
		w.other = ev->u.exec.old_tid;
		w.text = srz_name_at(x->r, ev->u.exec.name);
		break;
	case SR_EV_EXIT:
		w = (struct row){ .tid = ev->u.exit.tid,
				  .other = -1,
				  .prio = true,
				  .prio_v = ev->u.exit.prio,
				  .has_value = ev->u.exit.group_dead < 2,
				  .value = ev->u.exit.group_dead };
		break;
	case SR_EV_RENAME:
	case SR_EV_COMM:
		w.tid = ev->u.rename.tid;
		w.text = srz_name_at(x->r, ev->u.rename.name);
		break;
	case SR_EV_NEWTASK:
		w.tid = ev->u.newtask.tid;
		w.has_value = true;
		w.value = ev->u.newtask.clone_flags;
		break;
	case SR_EV_LOST:
		w.has_value = ev->u.lost.count;
		w.value = ev->u.lost.count;
		break;
	case SR_EV_DECISION:
		w = (struct row){ .tid = ev->u.decision.tid,
				  .other = -1,
				  .from = true,
				  .from_v = ev->u.decision.from,
				  .to = true,
				  .to_v = ev->u.decision.to,
				  .has_value = true,
				  .value = ev->u.decision.cost_ns,
				  .text = sr_cause_name(ev->u.decision.cause) };
		break;
	case SR_EV_BIND:
		w.tid = ev->u.bind.tid;
		w.has_value = true;
		w.value = ev->u.bind.source;
		break;
	case SR_EV_FREQUENCY:
		w.to = w.has_value = true;
		w.to_v = ev->u.frequency.target_cpu;
		w.value = ev->u.frequency.khz;
		break;
	case SR_EV_IDLE:
		w.to = true;
		w.to_v = ev->u.idle.target_cpu;
		w.has_value = ev->u.idle.state != SR_IDLE_LEFT;
		w.has_signed = !w.has_value;
		w.value = ev->u.idle.state;
		w.signed_value = -1;
		break;
	}
	return w;
}

static void put_task(struct sr_export *x, int64_t tid, bool has_prio, int16_t prio)
{
	struct sr_outfile *o = x->out;

	if (tid >= 0)
		sr_out_i64(o, tid);
	sr_out_char(o, ',');
	if (tid >= 0)
		put_text(o, sr_export_comm(x, (int32_t)tid));
	sr_out_char(o, ',');
	if (has_prio)
		sr_out_i64(o, prio);
	sr_out_char(o, ',');
}

static int csv_event(struct sr_export *x, const struct sr_event *ev, struct sr_error *err)
{
	struct row w = row_of(x, ev);
	struct sr_outfile *o = x->out;

	sr_out_u64(o, ev->time_ns, 1);
	sr_out_char(o, ',');
	sr_out_u64(o, ev->cpu, 1);
	sr_out_char(o, ',');
	sr_out_u64(o, srz_stream_of_last(x->r), 1);
	sr_out_char(o, ',');
	sr_out_text(o, sr_event_kind_name(ev->kind));
	sr_out_char(o, ',');
	sr_out_text(o, context_of(ev->flags));
	sr_out_char(o, ',');
	sr_out_i64(o, ev->ctx);
	sr_out_char(o, ',');
	put_text(o, sr_export_comm(x, ev->ctx));
	sr_out_char(o, ',');
	put_task(x, w.tid, w.prio, w.prio_v);
	if (w.state)
		sr_out_text(o, w.state);
	sr_out_char(o, ',');
	put_task(x, w.other, w.other_prio, w.other_prio_v);
	if (w.from)
		sr_out_i64(o, w.from_v);
	sr_out_char(o, ',');
	if (w.to)
		sr_out_i64(o, w.to_v);
	sr_out_char(o, ',');
	if (w.has_value)
		sr_out_u64(o, w.value, 1);
	else if (w.has_signed)
		sr_out_i64(o, w.signed_value);
	sr_out_char(o, ',');
	if (w.text)
		put_text(o, w.text);
	sr_out_text(o, "\r\n");
	return 0;
}

static int csv_begin(struct sr_export *x, struct sr_error *err)
{
	sr_out_text(x->out,
		    "time_ns,cpu,stream,event,context,ctx_tid,ctx_comm,tid,comm,prio,state,other_tid,other_comm,"
		    "other_prio,from_cpu,to_cpu,value,text\r\n");
	return 0;
}

const struct sr_export_format sr_export_csv = { .name = "csv", .begin = csv_begin, .event = csv_event };
