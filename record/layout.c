/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where this kernel's events keep their fields, learnt once from its `format` texts through libtraceevent, and
 * the decoding of one record by what was learnt. Layouts and prev_state's bits differ between kernels: nothing
 * about them is written down here but names.
 */
#include <stdlib.h>
#include <string.h>
#include <traceevent/event-parse.h>

#include "record/internal.h"

enum { TEXT = 1, MAY_LACK = 2 };

struct field_row {
	const char *name;
	unsigned how;
};

/* A kind's fields; rec_layout.f has them in this order. */
static const struct row {
	struct rec_wanted wanted;
	struct field_row f[REC_MAX_FIELDS];
} rows[SR_EV_KINDS] = {
	[SR_EV_SWITCH] = { { "sched", "sched_switch", false },
			   { { "prev_comm", TEXT },
			     { "next_comm", TEXT },
			     { "prev_pid", 0 },
			     { "next_pid", 0 },
			     { "prev_prio", 0 },
			     { "next_prio", 0 } } }, /* and prev_state */
	[SR_EV_WAKING] = { { "sched", "sched_waking", false },
			   { { "comm", TEXT }, { "pid", 0 }, { "prio", 0 }, { "target_cpu", 0 } } },
	[SR_EV_WAKEUP] = { { "sched", "sched_wakeup", false },
			   { { "comm", TEXT }, { "pid", 0 }, { "prio", 0 }, { "target_cpu", 0 } } },
	[SR_EV_WAKEUP_NEW] = { { "sched", "sched_wakeup_new", false },
			       { { "comm", TEXT }, { "pid", 0 }, { "prio", 0 }, { "target_cpu", 0 } } },
	[SR_EV_MIGRATE] = { { "sched", "sched_migrate_task", false },
			    { { "comm", TEXT }, { "pid", 0 }, { "prio", 0 }, { "orig_cpu", 0 }, { "dest_cpu", 0 } } },
	[SR_EV_FORK] = { { "sched", "sched_process_fork", false },
			 { { "parent_comm", TEXT }, { "child_comm", TEXT }, { "parent_pid", 0 }, { "child_pid", 0 } } },
	[SR_EV_EXEC] = { { "sched", "sched_process_exec", false },
			 { { "filename", TEXT }, { "pid", 0 }, { "old_pid", 0 } } },
	[SR_EV_EXIT] = { { "sched", "sched_process_exit", false },
			 { { "comm", TEXT }, { "pid", 0 }, { "prio", 0 }, { "group_dead", MAY_LACK } } },
	[SR_EV_RENAME] = { { "task", "task_rename", true },
			   { { "oldcomm", TEXT }, { "newcomm", TEXT }, { "pid", MAY_LACK } } },
	[SR_EV_NEWTASK] = { { "task", "task_newtask", true },
			    { { "comm", TEXT }, { "pid", 0 }, { "clone_flags", 0 } } },
	[SR_EV_FREQUENCY] = { { "power", "cpu_frequency", true }, { { "state", 0 }, { "cpu_id", 0 } } },
	[SR_EV_IDLE] = { { "power", "cpu_idle", true }, { { "state", 0 }, { "cpu_id", 0 } } },
};

const struct rec_wanted *rec_wanted(unsigned kind)
{
	return kind < SR_EV_KINDS && rows[kind].wanted.name ? &rows[kind].wanted : NULL;
}

/* One field of an event, checked: 0, or -1 with the reason. */
static int take_field(const struct tep_format_field *field, const struct field_row *row, const char *event,
		      struct rec_field *out, struct sr_error *err)
{
	if (!field) {
		if (row->how & MAY_LACK)
			return 0;
		return sr_fail(err, SR_ENVIRONMENT, "this kernel's event %s has no field %s", event, row->name);
	}
	if (field->offset < 0 || field->size <= 0 || field->offset + field->size > UINT16_MAX)
		return sr_fail(err, SR_ENVIRONMENT, "this kernel's event %s: field %s lies outside", event, row->name);
	out->offset = (uint16_t)field->offset;
	out->size = (uint16_t)field->size;
	if (row->how & TEXT) {
		if ((field->flags & TEP_FIELD_IS_DYNAMIC) && !(field->flags & TEP_FIELD_IS_RELATIVE) &&
		    field->size == 4)
			out->type = REC_DATA_LOC;
		else if ((field->flags & TEP_FIELD_IS_ARRAY) && !(field->flags & TEP_FIELD_IS_DYNAMIC))
			out->type = REC_CHARS;
		else
			return sr_fail(err, SR_ENVIRONMENT, "this kernel's event %s: field %s is no text", event,
				       row->name);
		return 0;
	}
	if ((field->flags & (TEP_FIELD_IS_ARRAY | TEP_FIELD_IS_DYNAMIC)) ||
	    (field->size != 1 && field->size != 2 && field->size != 4 && field->size != 8))
		return sr_fail(err, SR_ENVIRONMENT, "this kernel's event %s: field %s is no number", event, row->name);
	out->type = field->flags & TEP_FIELD_IS_SIGNED ? REC_INT : REC_UINT;
	return 0;
}

/* The value of an expression of constants; false when it has anything else in it. */
static bool constant(const struct tep_print_arg *arg, uint64_t *value)
{
	uint64_t a, b;
	char *end;

	if (!arg)
		return false;
	switch (arg->type) {
	case TEP_PRINT_ATOM:
		*value = strtoull(arg->atom.atom, &end, 0);
		return end != arg->atom.atom && !end[strspn(end, "uUlL")];
	case TEP_PRINT_TYPE:
		return constant(arg->typecast.item, value);
	case TEP_PRINT_OP:
		if (!constant(arg->op.left, &a) || !constant(arg->op.right, &b))
			return false;
		if (!strcmp(arg->op.op, "|"))
			*value = a | b;
		else if (!strcmp(arg->op.op, "&"))
			*value = a & b;
		else if (!strcmp(arg->op.op, "+"))
			*value = a + b;
		else if (!strcmp(arg->op.op, "-"))
			*value = a - b;
		else if (!strcmp(arg->op.op, "<<") && b < 64)
			*value = a << b;
		else
			return false;
		return true;
	default:
		return false;
	}
}

/* The mask in `REC->prev_state & MASK ? "+" : ""`. */
static bool plus_mask(const struct tep_print_arg *arg, uint64_t *mask)
{
	const struct tep_print_arg *then, *test;

	if (!arg || arg->type != TEP_PRINT_OP || strcmp(arg->op.op, "?") || !arg->op.right ||
	    arg->op.right->type != TEP_PRINT_OP)
		return false;
	then = arg->op.right->op.left;
	test = arg->op.left;
	return then && then->type == TEP_PRINT_ATOM && strchr(then->atom.atom, '+') && test &&
	       test->type == TEP_PRINT_OP && !strcmp(test->op.op, "&") && constant(test->op.right, mask);
}

/* The first __print_flags() table in an expression. */
static const struct tep_print_flag_sym *flag_table(const struct tep_print_arg *arg)
{
	const struct tep_print_flag_sym *found;

	if (!arg)
		return NULL;
	switch (arg->type) {
	case TEP_PRINT_FLAGS:
		return arg->flags.flags;
	case TEP_PRINT_OP:
		found = flag_table(arg->op.left);
		return found ? found : flag_table(arg->op.right);
	case TEP_PRINT_TYPE:
		return flag_table(arg->typecast.item);
	default:
		return NULL;
	}
}

static uint8_t state_of_letter(const char *letter)
{
	static const char letters[] = "SDTtXZPI";
	const char *at = letter[0] && !letter[1] ? strchr(letters, letter[0]) : NULL;

	return at ? (uint8_t)(SR_STATE_SLEEPING + (at - letters)) : SR_STATE_OTHER;
}

static int take_states(struct rec_formats *f, const struct tep_event *event, struct sr_error *err)
{
	const struct tep_print_flag_sym *table = NULL;
	uint64_t mask = 0;

	memset(f->state_of_bit, SR_STATE_OTHER, sizeof(f->state_of_bit));
	f->state_bits = 0;
	for (const struct tep_print_arg *arg = event->print_fmt.args; arg; arg = arg->next) {
		if (!table)
			table = flag_table(arg);
		if (!mask)
			plus_mask(arg, &mask);
	}
	for (; table; table = table->next) {
		uint64_t bit = strtoull(table->value, NULL, 0);

		if (!bit || bit & (bit - 1))
			continue;
		f->state_of_bit[__builtin_ctzll(bit)] = state_of_letter(table->str);
		f->state_bits |= bit;
	}
	if (!f->state_bits || !mask || mask & (mask - 1) || mask & f->state_bits)
		return sr_fail(err, SR_ENVIRONMENT,
			       "the states in this kernel's sched_switch format are not understood");
	f->preempted_bit = mask;
	return 0;
}

uint8_t rec_state(const struct rec_formats *f, int64_t prev_state)
{
	uint64_t bits = (uint64_t)prev_state;

	if (bits & f->preempted_bit)
		return SR_STATE_PREEMPTED;
	bits &= f->state_bits;
	if (!bits)
		return prev_state ? SR_STATE_OTHER : SR_STATE_RUNNING;
	return f->state_of_bit[__builtin_ctzll(bits)];
}

static struct tep_event *parse(struct tep_handle *tep, const char *text, size_t len, const struct rec_wanted *w,
			       struct sr_error *err)
{
	struct tep_event *event;

	tep_parse_event(tep, text, len, w->system);
	event = tep_find_event_by_name(tep, w->system, w->name);
	if (!event)
		sr_fail(err, SR_ENVIRONMENT, "the format of this kernel's event %s is not understood", w->name);
	return event;
}

static const struct field_row common_rows[] = { { "common_type", 0 }, { "common_flags", 0 }, { "common_pid", 0 } };
static const struct field_row state_row = { "prev_state", 0 };

static int take_common(struct rec_formats *f, struct tep_event *event, struct sr_error *err)
{
	struct rec_field *common[] = { &f->type, &f->flags, &f->pid };

	for (size_t i = 0; i < 3; i++) {
		struct rec_field got = { 0 };

		if (take_field(tep_find_common_field(event, common_rows[i].name), &common_rows[i], event->name, &got,
			       err))
			return -1;
		if (common[i]->type &&
		    (common[i]->type != got.type || common[i]->offset != got.offset || common[i]->size != got.size))
			return sr_fail(err, SR_ENVIRONMENT, "this kernel's events differ in their common fields");
		*common[i] = got;
	}
	return 0;
}

/* A record must reach this far for all its fields to be in it. */
static void reach(struct rec_layout *l, const struct rec_field *field)
{
	unsigned end = field->offset + field->size;

	if (field->type && end > l->min_size)
		l->min_size = (uint16_t)end;
}

int rec_formats_add(struct rec_formats *f, unsigned kind, const char *text, size_t len, struct sr_error *err)
{
	const struct rec_wanted *w = rec_wanted(kind);
	struct rec_layout *l = &f->layout[kind];
	struct tep_handle *tep = tep_alloc();
	struct tep_event *event;
	int rc = -1;

	if (!tep)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	event = parse(tep, text, len, w, err);
	if (!event || take_common(f, event, err))
		goto out;
	if (event->id <= 0 || event->id > UINT16_MAX || f->kind_of[event->id]) {
		sr_fail(err, SR_ENVIRONMENT, "this kernel's event %s has id %d", w->name, event->id);
		goto out;
	}
	*l = (struct rec_layout){ 0 };
	reach(l, &f->type);
	reach(l, &f->flags);
	reach(l, &f->pid);
	for (size_t i = 0; i < REC_MAX_FIELDS && rows[kind].f[i].name; i++) {
		const struct field_row *row = &rows[kind].f[i];

		if (take_field(tep_find_field(event, row->name), row, w->name, &l->f[i], err))
			goto out;
		reach(l, &l->f[i]);
	}
	if (kind == SR_EV_SWITCH) {
		if (take_field(tep_find_field(event, state_row.name), &state_row, w->name, &f->prev_state, err) ||
		    take_states(f, event, err))
			goto out;
		reach(l, &f->prev_state);
	}
	f->kind_of[event->id] = (uint8_t)kind;
	rc = 0;
out:
	tep_free(tep);
	return rc;
}

int rec_formats_print(struct rec_formats *f, const char *text, size_t len, struct sr_error *err)
{
	static const struct rec_wanted print = { "ftrace", "print", false };
	struct tep_handle *tep = tep_alloc();
	struct tep_event *event;
	int rc = -1;

	if (!tep)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	event = parse(tep, text, len, &print, err);
	if (event && !take_common(f, event, err)) {
		f->print_id = event->id;
		rc = 0;
	}
	tep_free(tep);
	return rc;
}

int rec_formats_header(struct rec_formats *f, const char *text, size_t len, struct sr_error *err)
{
	struct tep_handle *tep = tep_alloc();
	char *copy = malloc(len + 1);
	int rc = -1;

	if (!tep || !copy) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto out;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (tep_parse_header_page(tep, copy, len, sizeof(long)) ||
	    (tep_get_header_page_size(tep) != 8 && tep_get_header_page_size(tep) != 4) ||
	    tep_get_header_timestamp_size(tep) != 8) {
		sr_fail(err, SR_ENVIRONMENT, "this kernel's trace buffer header is not understood");
		goto out;
	}
	f->commit_size = (unsigned)tep_get_header_page_size(tep);
	rc = 0;
out:
	free(copy);
	if (tep)
		tep_free(tep);
	return rc;
}

static inline int64_t number(const struct rec_field *f, const uint8_t *data)
{
	const uint8_t *p = data + f->offset;
	bool negative = f->type == REC_INT;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	if (f->size == 4) { /* nearly all */
		memcpy(&v32, p, 4);
		return negative ? (int32_t)v32 : (int64_t)v32;
	}
	switch (f->size) {
	case 1:
		return negative ? (int8_t)*p : *p;
	case 2:
		memcpy(&v16, p, 2);
		return negative ? (int16_t)v16 : v16;
	case 8:
		memcpy(&v64, p, 8);
		return (int64_t)v64;
	}
	return 0;
}

#define MAX_PATH 4096

/* Where a text of a record is, and how long it may be; NULL when it lies outside of the record. */
static inline const uint8_t *text_at(const struct rec_field *f, const uint8_t *data, size_t len, size_t *size)
{
	uint32_t loc;

	*size = f->size;
	if (f->type != REC_DATA_LOC)
		return data + f->offset;
	memcpy(&loc, data + f->offset, 4);
	*size = loc >> 16;
	return (loc & 0xffff) <= len && *size <= len - (loc & 0xffff) ? data + (loc & 0xffff) : NULL;
}

/* Both: the number of the text; 0 when it lies outside of the record or memory ran out. */
static inline uint32_t comm_of(struct rec_names *names, const struct rec_field *f, const uint8_t *data, size_t len)
{
	uint8_t comm[SR_COMM_LEN] = { 0 };
	size_t size;
	const uint8_t *at = text_at(f, data, len, &size);

	if (!at)
		return 0;
	if (size == SR_COMM_LEN)
		return rec_names_comm(names, at);
	memcpy(comm, at, size < SR_COMM_LEN ? size : SR_COMM_LEN);
	return rec_names_comm(names, comm);
}

static uint32_t path_of(struct rec_names *names, const struct rec_field *f, const uint8_t *data, size_t len)
{
	size_t size;
	const uint8_t *at = text_at(f, data, len, &size);

	return at ? rec_names_put(names, (const char *)at, size < MAX_PATH ? size : MAX_PATH) : 0;
}

/* A cpu number as events have it; a kernel has no more than SR_MAX_CPUS. */
static bool cpu_of(int64_t n, uint16_t *cpu)
{
	*cpu = (uint16_t)n;
	return n >= 0 && n < SR_MAX_CPUS;
}

int rec_record_id(const struct rec_formats *f, const uint8_t *data, size_t len)
{
	return len < (size_t)f->type.offset + f->type.size ? -1 : (int)number(&f->type, data);
}

int rec_record_ctx(const struct rec_formats *f, const uint8_t *data, size_t len, int32_t *ctx)
{
	if (len < (size_t)f->pid.offset + f->pid.size)
		return -1;
	*ctx = (int32_t)number(&f->pid, data);
	return 0;
}

/* They name no task; a state of -1 (SR_IDLE_LEFT) leaves idle. */
static int decode_power(const struct rec_field *v, const uint8_t *data, struct sr_event *ev)
{
	uint16_t cpu;

	if (!cpu_of(number(&v[1], data), &cpu))
		return -1;
	if (ev->kind == SR_EV_FREQUENCY) {
		ev->u.frequency.khz = (uint32_t)number(&v[0], data);
		ev->u.frequency.target_cpu = cpu;
	} else {
		ev->u.idle.state = (uint32_t)number(&v[0], data);
		ev->u.idle.target_cpu = cpu;
	}
	return 1;
}

int rec_decode(const struct rec_formats *f, struct rec_names *names, const uint8_t *data, size_t len, uint64_t time_ns,
	       unsigned cpu, struct rec_item *out)
{
	const struct rec_field *v;
	struct sr_event *ev = &out->ev;
	int id = rec_record_id(f, data, len);
	unsigned kind, flags;
	int32_t tids; /* all of them or'ed: negative when one is */
	bool whole = true;

	if (id < 0)
		return -1;
	kind = (size_t)id < sizeof(f->kind_of) ? f->kind_of[id] : 0;
	if (!kind)
		return 0;
	if (len < f->layout[kind].min_size)
		return -1;
	v = f->layout[kind].f;
	*out = (struct rec_item){ 0 };
	ev->time_ns = time_ns;
	ev->cpu = (uint16_t)cpu;
	ev->kind = (uint8_t)kind;
	tids = ev->ctx = (int32_t)number(&f->pid, data);
	flags = (unsigned)number(&f->flags, data);
	/* enum trace_flag_type, the same since 2.6: 0x08 hard irq, 0x10 soft irq, 0x40 NMI */
	ev->flags = (uint8_t)((flags & 0x08 ? SR_EV_HARDIRQ : 0) | (flags & 0x10 ? SR_EV_SOFTIRQ : 0) |
			      (flags & 0x40 ? SR_EV_NMI : 0));
	if (sr_event_is_power(kind))
		return decode_power(v, data, ev);
	out->comm_a = kind == SR_EV_EXEC ? path_of(names, &v[0], data, len) : comm_of(names, &v[0], data, len);
	if (!out->comm_a)
		return -1;
	switch (kind) {
	case SR_EV_SWITCH:
		out->comm_b = comm_of(names, &v[1], data, len);
		ev->u.sw.prev = (int32_t)number(&v[2], data);
		ev->u.sw.next = (int32_t)number(&v[3], data);
		ev->u.sw.prev_prio = (int16_t)number(&v[4], data);
		ev->u.sw.next_prio = (int16_t)number(&v[5], data);
		ev->u.sw.prev_state = rec_state(f, number(&f->prev_state, data));
		tids |= ev->u.sw.prev | ev->u.sw.next;
		whole = out->comm_b;
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		tids |= ev->u.wake.tid = (int32_t)number(&v[1], data);
		ev->u.wake.prio = (int16_t)number(&v[2], data);
		whole = cpu_of(number(&v[3], data), &ev->u.wake.target_cpu);
		break;
	case SR_EV_MIGRATE:
		tids |= ev->u.migrate.tid = (int32_t)number(&v[1], data);
		ev->u.migrate.prio = (int16_t)number(&v[2], data);
		whole = cpu_of(number(&v[3], data), &ev->u.migrate.from) &&
			cpu_of(number(&v[4], data), &ev->u.migrate.to);
		break;
	case SR_EV_FORK:
		out->comm_b = comm_of(names, &v[1], data, len);
		ev->u.fork.parent = (int32_t)number(&v[2], data);
		ev->u.fork.child = (int32_t)number(&v[3], data);
		tids |= ev->u.fork.parent | ev->u.fork.child;
		whole = out->comm_b;
		break;
	case SR_EV_EXEC:
		out->comm_b = out->comm_a;
		out->comm_a = 0;
		ev->u.exec.tid = (int32_t)number(&v[1], data);
		ev->u.exec.old_tid = (int32_t)number(&v[2], data);
		tids |= ev->u.exec.tid | ev->u.exec.old_tid;
		break;
	case SR_EV_EXIT:
		tids |= ev->u.exit.tid = (int32_t)number(&v[1], data);
		ev->u.exit.prio = (int16_t)number(&v[2], data);
		ev->u.exit.group_dead = v[3].type ? number(&v[3], data) != 0 : 2;
		break;
	case SR_EV_RENAME:
		out->comm_b = comm_of(names, &v[1], data, len);
		/* Without a pid it is nearly always the running task's own; a later event's comm corrects the rest. */
		tids |= ev->u.rename.tid = v[2].type ? (int32_t)number(&v[2], data) : ev->ctx;
		whole = out->comm_b;
		break;
	default: /* SR_EV_NEWTASK */
		tids |= ev->u.newtask.tid = (int32_t)number(&v[1], data);
		ev->u.newtask.clone_flags = (uint64_t)number(&v[2], data);
		break;
	}
	return whole && tids >= 0 ? 1 : -1;
}
