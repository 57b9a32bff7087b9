/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Perfetto's traces: packets, of which those with ftrace bundles, the process tree, clocks and the kernel's release count.
 * A bundle has one CPU's events in order; bundles of different CPUs stand in any order, so the file is read twice: first
 * for where each CPU's bundles lie, then all CPUs side by side.
 *
 * In a bundle's compact part a switch names only the next task: the one before is what the CPU switched to last, and as
 * long as that is not known its switches and wakings are left out, and counted.
 *
 * Packets that were deflated are inflated into a temporary file first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/import_internal.h"
#include "formats/perfetto.h"
#include "formats/protobuf.h"
#include "formats/srz_internal.h" /* zlib */

#define MOST_PACKET (64u << 20)
#define MOST_INFLATED (64u << 20) /* of one packet; Perfetto keeps below 512 kB as they are compressed */

struct name {
	const uint8_t *p;
	size_t len;
};

/* Columns of a compact part: a time each, which steps on from the one before. */
struct compact {
	struct sr_pb_reader time, pid, prio, comm, state, cpu, flags;
	uint64_t time_ns;
	bool more; /* time_ns is that of the next event */
	bool has_flags;
};

struct cpu {
	struct sr_pb_reader events; /* of the bundle: its fields that are left */
	struct sr_pb_field event;
	uint64_t event_ns;
	bool more;
	struct compact sw, waking;
	struct name *comms;
	size_t ncomms, comms_cap;
	bool lost;       /* the bundle says so: before its first event */
	int32_t current; /* -1: not known */
	int16_t prio;
	char comm[SR_COMM_LEN];
	bool has_prio;
};

struct perfetto {
	struct sr_import *im;
	struct sr_window file;
	struct sr_runs runs;
	struct cpu *cpu;
	FILE *inflated;
	uint64_t deflated; /* packets */
	bool old_states;   /* of a kernel before 4.14 */
	bool any_flags;
	uint64_t clock_ns[64]; /* the first snapshot's */
	bool has_clocks;
	unsigned ftrace_clock;
};

static int damaged(struct sr_error *err, uint64_t offset)
{
	return sr_fail(err, SR_DAMAGED, "the packet at %llu is damaged", (unsigned long long)offset);
}

/* ---- packets ---- */

/* The packet at *at, which moves behind it: 1, 0 the end, -1. Other fields of the trace are passed over. */
static int next_packet(struct sr_window *w, uint64_t *at, uint64_t *offset, size_t *len, struct sr_error *err)
{
	while (*at < w->size) {
		size_t n = w->size - *at < 20 ? (size_t)(w->size - *at) : 20;
		const uint8_t *p = sr_window_get(w, *at, n, err);
		struct sr_pb_reader r = { p, p ? p + n : NULL };
		uint64_t tag, size;

		if (!p)
			return -1;
		if (sr_pb_packed(&r, &tag) != 1 || (tag & 7) != 2 || sr_pb_packed(&r, &size) != 1)
			return sr_fail(err, SR_DAMAGED, "what stands at %llu is no packet of Perfetto's",
				       (unsigned long long)*at);
		*offset = *at + (uint64_t)(r.p - p);
		if (size > w->size - *offset)
			return sr_fail(err, SR_DAMAGED, "it is cut within the packet at %llu", (unsigned long long)*at);
		*at = *offset + size;
		if (tag >> 3 != PF_TRACE_PACKET)
			continue;
		if (size > MOST_PACKET)
			return sr_fail(err, SR_DAMAGED, "the packet at %llu has %llu bytes",
				       (unsigned long long)*offset, (unsigned long long)size);
		*len = (size_t)size;
		return 1;
	}
	return 0;
}

static int put_process(struct perfetto *p, struct sr_pb_reader r, struct sr_error *err)
{
	struct sr_pb_field f;
	int32_t pid = 0, ppid = 0;
	int got, kthread = -1;

	while ((got = sr_pb_next(&r, &f)) == 1) {
		if (f.number == 1 && !f.wire)
			pid = (int32_t)f.v;
		if (f.number == 2 && !f.wire)
			ppid = (int32_t)f.v;
		if (f.number == 8 && !f.wire)
			kthread = f.v != 0;
	}
	return got < 0 ? 0 : sr_import_task(p->im, pid, pid, ppid, NULL, kthread, err);
}

static int put_thread(struct perfetto *p, struct sr_pb_reader r, struct sr_error *err)
{
	char comm[SR_COMM_LEN] = "";
	struct sr_pb_field f;
	int32_t tid = 0, tgid = 0;
	int got;

	while ((got = sr_pb_next(&r, &f)) == 1) {
		if (f.number == 1 && !f.wire)
			tid = (int32_t)f.v;
		if (f.number == 2 && f.wire == 2)
			sr_import_comm(comm, f.p, f.len);
		if (f.number == 3 && !f.wire)
			tgid = (int32_t)f.v;
	}
	return got < 0 ? 0 : sr_import_task(p->im, tid, tgid, 0, comm, -1, err);
}

static int take_tree(struct perfetto *p, struct sr_pb_reader r, struct sr_error *err)
{
	struct sr_pb_field f;

	while (sr_pb_next(&r, &f) == 1) {
		struct sr_pb_reader inner = sr_pb_within(&f);

		if (f.wire != 2)
			continue;
		if ((f.number == 1 && put_process(p, inner, err)) || (f.number == 2 && put_thread(p, inner, err)))
			return -1;
	}
	return 0;
}

static void take_clocks(struct perfetto *p, struct sr_pb_reader r)
{
	struct sr_pb_field f, g;

	if (p->has_clocks)
		return;
	p->has_clocks = true;
	while (sr_pb_next(&r, &f) == 1) {
		struct sr_pb_reader clock = sr_pb_within(&f);
		uint64_t id = 0, time_ns = 0;

		if (f.number != 1 || f.wire != 2)
			continue;
		while (sr_pb_next(&clock, &g) == 1) {
			if (g.number == 1 && !g.wire)
				id = g.v;
			if (g.number == 2 && !g.wire)
				time_ns = g.v;
		}
		if (id < 64)
			p->clock_ns[id] = time_ns;
	}
}

static int take_system(struct perfetto *p, struct sr_pb_reader r, struct sr_error *err)
{
	static const char *const keys[] = { "kernel.version", "kernel.release", "kernel.machine" };
	struct sr_pb_field f, g;
	unsigned major, minor;
	char text[256];

	while (sr_pb_next(&r, &f) == 1) {
		struct sr_pb_reader uts = sr_pb_within(&f);

		if (f.number != 1 || f.wire != 2)
			continue;
		while (sr_pb_next(&uts, &g) == 1) {
			if (g.wire != 2 || g.number < 2 || g.number > 4)
				continue;
			snprintf(text, sizeof(text), "%.*s", (int)(g.len < 255 ? g.len : 255), (const char *)g.p);
			if (*text && sr_import_meta(p->im, keys[g.number - 2], text, err))
				return -1;
			if (g.number == 3 && sscanf(text, "%u.%u", &major, &minor) == 2)
				p->old_states = major < 4 || (major == 4 && minor < 14);
		}
	}
	return 0;
}

static bool begins_with(const struct sr_pb_field *f, const char *text, size_t len)
{
	return f->len >= len && !memcmp(f->p, text, len);
}

static int take_own(struct perfetto *p, struct sr_pb_reader r, struct sr_error *err)
{
	const size_t scope = sizeof(PF_SCOPE) - 1, root = sizeof(PF_ROOT) - 1;
	struct sr_pb_field f;

	while (sr_pb_next(&r, &f) == 1) {
		if (f.number != 1 || f.wire != 2)
			continue;
		if (begins_with(&f, PF_SCOPE, scope))
			sr_import_scope(p->im, f.p + scope, f.len - scope);
		else if (begins_with(&f, PF_ROOT, root) && sr_import_root(p->im, f.p + root, f.len - root, err) < 0)
			return -1;
	}
	return 0;
}

static int index_bundle(struct perfetto *p, const uint8_t *at, size_t len, uint64_t offset, struct sr_error *err)
{
	struct sr_pb_reader r = { at, at + len };
	struct sr_pb_field f;
	bool anything = false;
	uint64_t cpu = 0;
	int got;

	while ((got = sr_pb_next(&r, &f)) == 1) {
		if (f.number == PF_BUNDLE_CPU && !f.wire)
			cpu = f.v;
		if (f.number == PF_BUNDLE_CLOCK && !f.wire && f.v < 64)
			p->ftrace_clock = (unsigned)f.v;
		anything |= f.number == PF_BUNDLE_EVENT || f.number == PF_BUNDLE_COMPACT || f.number == PF_BUNDLE_LOST;
	}
	if (got < 0 || cpu >= SR_MAX_CPUS)
		return damaged(err, offset);
	return anything ? sr_runs_add(&p->runs, (unsigned)cpu, offset, (uint32_t)len, false, err) : 0;
}

static int index_packet(struct perfetto *p, const uint8_t *at, size_t len, uint64_t offset, struct sr_error *err)
{
	struct sr_pb_reader r = { at, at + len };
	struct sr_pb_field f;
	int got, ret = 0;

	while ((got = sr_pb_next(&r, &f)) == 1 && !ret) {
		struct sr_pb_reader inner = sr_pb_within(&f);

		if (f.wire != 2)
			continue;
		switch (f.number) {
		case PF_PACKET_FTRACE:
			ret = index_bundle(p, f.p, f.len, offset + (uint64_t)(f.p - at), err);
			break;
		case PF_PACKET_PROCESS_TREE:
			ret = take_tree(p, inner, err);
			break;
		case PF_PACKET_CLOCKS:
			take_clocks(p, inner);
			break;
		case PF_PACKET_SYSTEM_INFO:
			ret = take_system(p, inner, err);
			break;
		case PF_PACKET_FOR_TESTING:
			ret = take_own(p, inner, err);
			break;
		}
	}
	return got < 0 && !ret ? damaged(err, offset) : ret;
}

static int index_packets(struct perfetto *p, struct sr_error *err)
{
	uint64_t at = 0, offset = 0;
	unsigned n = 0;
	size_t len = 0;
	int got;

	while ((got = next_packet(&p->file, &at, &offset, &len, err)) == 1) {
		const uint8_t *bytes = sr_window_get(&p->file, offset, len, err);

		if (!bytes || index_packet(p, bytes, len, offset, err))
			return -1;
		if (!(n++ & 0xff)) {
			int stop = sr_import_step(p->im, at / 2, p->file.size);

			if (stop)
				return stop;
		}
	}
	return got;
}

/* ---- deflated packets ---- */

static int inflate_packet(struct perfetto *p, const uint8_t *at, size_t len, uint64_t offset, struct sr_error *err)
{
	z_stream z = { .next_in = (Bytef *)at, .avail_in = (uInt)len };
	uint8_t buf[65536];
	uint64_t total = 0;
	int got;

	if (inflateInit(&z) != Z_OK)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	do {
		z.next_out = buf;
		z.avail_out = sizeof(buf);
		got = inflate(&z, Z_NO_FLUSH);
		total += sizeof(buf) - z.avail_out;
		if ((got != Z_OK && got != Z_STREAM_END) || total > MOST_INFLATED) {
			inflateEnd(&z);
			return damaged(err, offset);
		}
		if (fwrite(buf, 1, sizeof(buf) - z.avail_out, p->inflated) != sizeof(buf) - z.avail_out) {
			inflateEnd(&z);
			return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write a temporary file");
		}
	} while (got != Z_STREAM_END);
	inflateEnd(&z);
	return 0;
}

/* A copy of the packet into the temporary file, or what is deflated in it. */
static int unpack(struct perfetto *p, const uint8_t *at, size_t len, uint64_t offset, struct sr_error *err)
{
	uint8_t head[16];
	struct sr_pb length = { .p = head, .cap = sizeof(head) };
	struct sr_pb_reader r = { at, at + len };
	struct sr_pb_field f;
	int got;

	while ((got = sr_pb_next(&r, &f)) == 1)
		if (f.number == PF_PACKET_COMPRESSED && f.wire == 2)
			return inflate_packet(p, f.p, f.len, offset, err);
	if (got < 0)
		return damaged(err, offset);
	sr_pb_number(&length, PF_TRACE_PACKET << 3 | 2);
	sr_pb_number(&length, len);
	if (fwrite(head, 1, length.n, p->inflated) != length.n || fwrite(at, 1, len, p->inflated) != len)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write a temporary file");
	return 0;
}

/* Is any packet deflated? 1, 0, -1. */
static int is_deflated(struct perfetto *p, struct sr_error *err)
{
	uint64_t at = 0, offset = 0;
	size_t len = 0;
	int got;

	while ((got = next_packet(&p->file, &at, &offset, &len, err)) == 1) {
		const uint8_t *bytes = sr_window_get(&p->file, offset, len, err);
		struct sr_pb_reader r = { bytes, bytes ? bytes + len : NULL };
		struct sr_pb_field f;

		if (!bytes)
			return -1;
		while (sr_pb_next(&r, &f) == 1) {
			if (f.number == PF_PACKET_COMPRESSED && f.wire == 2)
				return 1;
			if (f.number == PF_PACKET_ZSTD_COMPRESSED)
				return sr_fail(err, SR_DAMAGED,
					       "its packets are compressed with zstd: make them plain "
					       "with traceconv decompress_packets");
		}
	}
	return got;
}

static int inflate_file(struct perfetto *p, struct sr_error *err)
{
	uint64_t at = 0, offset = 0;
	size_t len = 0;
	int got;

	p->inflated = tmpfile();
	if (!p->inflated)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot create a temporary file");
	while ((got = next_packet(&p->file, &at, &offset, &len, err)) == 1) {
		const uint8_t *bytes = sr_window_get(&p->file, offset, len, err);
		int stop = sr_import_step(p->im, at / 4, p->file.size);

		if (stop)
			return stop;
		if (!bytes || unpack(p, bytes, len, offset, err))
			return -1;
	}
	if (got < 0)
		return -1;
	if (fflush(p->inflated))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write a temporary file");
	sr_window_release(&p->file);
	return sr_window_init(&p->file, fileno(p->inflated), err);
}

/* ---- a bundle ---- */

static int32_t as_tid(uint64_t v)
{
	int64_t tid = (int64_t)v;

	return tid < 0 || tid > INT32_MAX ? -1 : (int32_t)tid;
}

static uint16_t as_cpu(uint64_t v)
{
	return v < SR_MAX_CPUS ? (uint16_t)v : SR_MAX_CPUS;
}

static uint64_t time_of(const struct sr_pb_field *event)
{
	struct sr_pb_reader r = sr_pb_within(event);
	struct sr_pb_field f;

	while (sr_pb_next(&r, &f) == 1)
		if (f.number == PF_EVENT_TIMESTAMP && !f.wire)
			return f.v;
	return 0;
}

static void next_event(struct cpu *c)
{
	while ((c->more = sr_pb_next(&c->events, &c->event) == 1))
		if (c->event.number == PF_BUNDLE_EVENT && c->event.wire == 2) {
			c->event_ns = time_of(&c->event);
			return;
		}
}

static void next_time(struct compact *k)
{
	uint64_t step;

	k->more = sr_pb_packed(&k->time, &step) == 1 && step <= UINT64_MAX - k->time_ns;
	if (k->more)
		k->time_ns += step;
}

static int take_comm_names(struct cpu *c, struct sr_pb_reader r, struct sr_error *err)
{
	struct sr_pb_field f;

	c->ncomms = 0;
	while (sr_pb_next(&r, &f) == 1) {
		if (f.number != PF_COMPACT_COMMS || f.wire != 2)
			continue;
		if (c->ncomms == c->comms_cap) {
			size_t cap = c->comms_cap ? 2 * c->comms_cap : 64;
			struct name *v = realloc(c->comms, cap * sizeof(*v));

			if (!v)
				return sr_fail(err, SR_ENVIRONMENT, "out of memory");
			c->comms = v;
			c->comms_cap = cap;
		}
		c->comms[c->ncomms++] = (struct name){ f.p, f.len };
	}
	return 0;
}

static int take_compact(struct cpu *c, struct sr_pb_reader r, struct sr_error *err)
{
	struct sr_pb_field f;

	if (take_comm_names(c, r, err))
		return -1;
	while (sr_pb_next(&r, &f) == 1) {
		struct sr_pb_reader column = sr_pb_within(&f);

		if (f.wire != 2)
			continue;
		switch (f.number) {
		case PF_COMPACT_SWITCH_TIME:
			c->sw.time = column;
			break;
		case PF_COMPACT_SWITCH_STATE:
			c->sw.state = column;
			break;
		case PF_COMPACT_SWITCH_PID:
			c->sw.pid = column;
			break;
		case PF_COMPACT_SWITCH_PRIO:
			c->sw.prio = column;
			break;
		case PF_COMPACT_SWITCH_COMM:
			c->sw.comm = column;
			break;
		case PF_COMPACT_WAKING_TIME:
			c->waking.time = column;
			break;
		case PF_COMPACT_WAKING_PID:
			c->waking.pid = column;
			break;
		case PF_COMPACT_WAKING_CPU:
			c->waking.cpu = column;
			break;
		case PF_COMPACT_WAKING_PRIO:
			c->waking.prio = column;
			break;
		case PF_COMPACT_WAKING_COMM:
			c->waking.comm = column;
			break;
		case PF_COMPACT_WAKING_FLAGS:
			c->waking.flags = column;
			c->waking.has_flags = true;
			break;
		}
	}
	next_time(&c->sw);
	next_time(&c->waking);
	return 0;
}

static int begin_bundle(struct perfetto *p, unsigned cpu, struct sr_error *err)
{
	struct sr_run_cpu *run = &p->runs.cpu[cpu];
	struct cpu *c = &p->cpu[cpu];
	struct sr_pb_reader r = { run->p, run->end };
	struct sr_pb_field f;

	c->events = r;
	c->sw = c->waking = (struct compact){ 0 };
	while (sr_pb_next(&r, &f) == 1) {
		struct sr_pb_reader inner = sr_pb_within(&f);

		if (f.number == PF_BUNDLE_LOST && !f.wire && f.v)
			c->lost = true;
		if (f.number == PF_BUNDLE_COMPACT && f.wire == 2 && take_compact(c, inner, err))
			return -1;
	}
	run->p = run->end;
	next_event(c);
	return 0;
}

/* ---- events ---- */

static uint8_t state_of(const struct perfetto *p, uint64_t bits)
{
	static const uint8_t states[] = { SR_STATE_SLEEPING, SR_STATE_DISK,   SR_STATE_STOPPED, SR_STATE_TRACED,
					  SR_STATE_DEAD,     SR_STATE_ZOMBIE, SR_STATE_PARKED,  SR_STATE_IDLE };
	static const uint8_t old[] = { SR_STATE_SLEEPING, SR_STATE_DISK,   SR_STATE_STOPPED,
				       SR_STATE_TRACED,   SR_STATE_ZOMBIE, SR_STATE_DEAD };

	if (bits & (p->old_states ? 0x1800 : PF_STATE_PREEMPTED))
		return SR_STATE_PREEMPTED;
	if (!bits)
		return SR_STATE_RUNNING;
	for (unsigned i = 0; i < 8; i++)
		if (bits >> i & 1)
			return !p->old_states ? states[i] : i < 6 ? old[i] : SR_STATE_OTHER;
	return p->old_states && bits & 0x200 ? SR_STATE_PARKED : SR_STATE_OTHER;
}

static uint8_t flags_of(struct perfetto *p, uint64_t flags)
{
	p->any_flags |= flags != 0;
	return (uint8_t)((flags & PF_FLAG_HARDIRQ ? SR_EV_HARDIRQ : 0) | (flags & PF_FLAG_SOFTIRQ ? SR_EV_SOFTIRQ : 0) |
			 (flags & PF_FLAG_NMI ? SR_EV_NMI : 0));
}

/* The fields of an event's own message, by number: numbers, and up to two texts. */
struct fields {
	uint64_t v[9];
	struct name text[9];
};

static bool read_fields(const struct sr_pb_field *message, struct fields *out)
{
	struct sr_pb_reader r = sr_pb_within(message);
	struct sr_pb_field f;
	int got;

	memset(out, 0, sizeof(*out));
	while ((got = sr_pb_next(&r, &f)) == 1) {
		if (f.number >= 9)
			continue;
		if (f.wire == 2)
			out->text[f.number] = (struct name){ f.p, f.len };
		else
			out->v[f.number] = f.v;
	}
	return got == 0;
}

static void take_text(struct sr_import_item *item, bool second, const struct name *text)
{
	if (!text->p)
		return;
	sr_import_comm(second ? item->b : item->a, text->p, text->len);
	if (second)
		item->has_b = true;
	else
		item->has_a = true;
}

static int take_fields(struct perfetto *p, unsigned number, const struct fields *f, struct sr_import_item *item,
		       struct sr_error *err)
{
	struct sr_event *ev = &item->ev;
	const uint8_t *slash;
	size_t len;

	take_text(item, false, &f->text[1]);
	switch (number) {
	case PF_EVENT_SWITCH:
		ev->kind = SR_EV_SWITCH;
		take_text(item, true, &f->text[5]);
		ev->u.sw.prev = as_tid(f->v[2]);
		ev->u.sw.prev_prio = (int16_t)f->v[3];
		ev->u.sw.prev_state = state_of(p, f->v[4]);
		ev->u.sw.next = as_tid(f->v[6]);
		ev->u.sw.next_prio = (int16_t)f->v[7];
		return 1;
	case PF_EVENT_WAKING:
	case PF_EVENT_WAKEUP:
	case PF_EVENT_WAKEUP_NEW:
		ev->kind = number == PF_EVENT_WAKING ? SR_EV_WAKING :
			   number == PF_EVENT_WAKEUP ? SR_EV_WAKEUP :
						       SR_EV_WAKEUP_NEW;
		ev->u.wake.tid = as_tid(f->v[2]);
		ev->u.wake.prio = (int16_t)f->v[3];
		ev->u.wake.target_cpu = as_cpu(f->v[5]);
		return 1;
	case PF_EVENT_MIGRATE:
		ev->kind = SR_EV_MIGRATE;
		ev->u.migrate.tid = as_tid(f->v[2]);
		ev->u.migrate.prio = (int16_t)f->v[3];
		ev->u.migrate.from = as_cpu(f->v[4]);
		ev->u.migrate.to = as_cpu(f->v[5]);
		return 1;
	case PF_EVENT_FORK:
		ev->kind = SR_EV_FORK;
		take_text(item, true, &f->text[3]);
		ev->u.fork.parent = as_tid(f->v[2]);
		ev->u.fork.child = as_tid(f->v[4]);
		return 1;
	case PF_EVENT_EXEC:
		ev->kind = SR_EV_EXEC;
		item->has_a = false;
		ev->u.exec.tid = as_tid(f->v[2]);
		ev->u.exec.old_tid = as_tid(f->v[3]);
		ev->u.exec.name = sr_import_name(p->im, f->text[1].p ? f->text[1].p : (const uint8_t *)"",
						 f->text[1].len, err);
		slash = f->text[1].p ? memrchr(f->text[1].p, '/', f->text[1].len) : NULL;
		len = slash ? f->text[1].len - (size_t)(slash + 1 - f->text[1].p) : f->text[1].len;
		sr_import_comm(item->b, slash ? slash + 1 : f->text[1].p ? f->text[1].p : (const uint8_t *)"", len);
		return ev->u.exec.name == UINT32_MAX ? -1 : 1;
	case PF_EVENT_EXIT:
		ev->kind = SR_EV_EXIT;
		ev->u.exit.tid = as_tid(f->v[2]);
		ev->u.exit.prio = (int16_t)f->v[4];
		ev->u.exit.group_dead = 2;
		return 1;
	case PF_EVENT_RENAME:
		ev->kind = SR_EV_RENAME;
		item->has_a = false;
		take_text(item, false, &f->text[2]);
		take_text(item, true, &f->text[3]);
		ev->u.rename.tid = f->v[1] ? as_tid(f->v[1]) : ev->ctx;
		ev->u.rename.name = sr_import_name(p->im, item->b, SR_COMM_LEN, err);
		return ev->u.rename.name == UINT32_MAX ? -1 : 1;
	case PF_EVENT_NEWTASK:
		ev->kind = SR_EV_NEWTASK;
		take_text(item, false, &f->text[2]);
		ev->u.newtask.tid = as_tid(f->v[1]);
		ev->u.newtask.clone_flags = f->v[3];
		return 1;
	case PF_EVENT_CPU_FREQUENCY:
		ev->kind = SR_EV_FREQUENCY;
		ev->u.frequency.khz = (uint32_t)f->v[1];
		ev->u.frequency.target_cpu = as_cpu(f->v[2]);
		return 1;
	case PF_EVENT_CPU_IDLE:
		ev->kind = SR_EV_IDLE;
		ev->u.idle.state = (uint32_t)f->v[1];
		ev->u.idle.target_cpu = as_cpu(f->v[2]);
		return 1;
	}
	return 0;
}

static void now_runs(struct cpu *c, int32_t tid, const char *comm, bool has_prio, int16_t prio)
{
	c->current = tid;
	c->prio = prio;
	c->has_prio = has_prio;
	memmove(c->comm, comm, sizeof(c->comm));
}

/* 1 an event, 0 none of the scheduler's, -1. */
static int take_event(struct perfetto *p, unsigned cpu, struct sr_import_item *item, struct sr_error *err)
{
	struct cpu *c = &p->cpu[cpu];
	struct sr_pb_reader r = sr_pb_within(&c->event);
	struct sr_pb_field f, message = { 0 };
	struct fields fields;
	int got;

	memset(item, 0, sizeof(*item));
	item->ev.cpu = (uint16_t)cpu;
	while ((got = sr_pb_next(&r, &f)) == 1) {
		if (f.number == PF_EVENT_TIMESTAMP && !f.wire)
			item->ev.time_ns = f.v;
		else if (f.number == PF_EVENT_PID && !f.wire)
			item->ev.ctx = as_tid(f.v);
		else if (f.number == PF_EVENT_FLAGS && !f.wire)
			item->ev.flags = flags_of(p, f.v);
		else if (f.wire == 2)
			message = f;
	}
	next_event(c);
	if (got < 0) {
		sr_import_counted(p->im)->unreadable++;
		return 0;
	}
	if (!message.number || !read_fields(&message, &fields)) {
		sr_import_counted(p->im)->unreadable += message.number != 0;
		return 0;
	}
	got = take_fields(p, message.number, &fields, item, err);
	if (!got)
		sr_import_counted(p->im)->other++;
	if (got == 1 && item->ev.kind == SR_EV_SWITCH)
		now_runs(c, item->ev.u.sw.next, item->b, true, item->ev.u.sw.next_prio);
	else if (got == 1 && c->current < 0)
		now_runs(c, item->ev.ctx, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false, 120);
	return got;
}

static void comm_at(const struct cpu *c, struct sr_pb_reader *column, char out[SR_COMM_LEN], bool *has)
{
	uint64_t i;

	*has = sr_pb_packed(column, &i) == 1 && i < c->ncomms;
	if (*has)
		sr_import_comm(out, c->comms[i].p, c->comms[i].len);
}

static int take_switch(struct perfetto *p, unsigned cpu, struct sr_import_item *item)
{
	struct cpu *c = &p->cpu[cpu];
	struct compact *k = &c->sw;
	uint64_t state, pid, prio;
	struct sr_event *ev = &item->ev;
	int whole;

	memset(item, 0, sizeof(*item));
	ev->time_ns = k->time_ns;
	ev->cpu = (uint16_t)cpu;
	ev->kind = SR_EV_SWITCH;
	whole = sr_pb_packed(&k->state, &state) == 1 && sr_pb_packed(&k->pid, &pid) == 1 &&
		sr_pb_packed(&k->prio, &prio) == 1;
	if (whole)
		comm_at(c, &k->comm, item->b, &item->has_b);
	next_time(k);
	if (!whole || as_tid(pid) < 0) {
		k->more = k->more && whole;
		sr_import_counted(p->im)->unreadable++;
		return 0;
	}
	ev->ctx = ev->u.sw.prev = c->current;
	ev->u.sw.prev_prio = c->prio;
	ev->u.sw.prev_state = state_of(p, state);
	ev->u.sw.next = as_tid(pid);
	ev->u.sw.next_prio = (int16_t)prio;
	memcpy(item->a, c->comm, sizeof(item->a));
	item->has_a = *item->a;
	whole = c->current >= 0;
	now_runs(c, ev->u.sw.next, item->b, true, ev->u.sw.next_prio);
	if (!whole)
		sr_import_counted(p->im)->unplaced++;
	return whole;
}

static int take_waking(struct perfetto *p, unsigned cpu, struct sr_import_item *item)
{
	struct cpu *c = &p->cpu[cpu];
	struct compact *k = &c->waking;
	struct sr_event *ev = &item->ev;
	uint64_t pid, target, prio, flags = 0;
	bool whole;

	memset(item, 0, sizeof(*item));
	ev->time_ns = k->time_ns;
	ev->cpu = (uint16_t)cpu;
	ev->kind = SR_EV_WAKING;
	whole = sr_pb_packed(&k->pid, &pid) == 1 && sr_pb_packed(&k->cpu, &target) == 1 &&
		sr_pb_packed(&k->prio, &prio) == 1;
	if (whole)
		comm_at(c, &k->comm, item->a, &item->has_a);
	if (whole && k->has_flags && sr_pb_packed(&k->flags, &flags) == 1)
		ev->flags = flags_of(p, flags);
	next_time(k);
	if (!whole) {
		k->more = false;
		sr_import_counted(p->im)->unreadable++;
		return 0;
	}
	ev->u.wake.tid = as_tid(pid);
	ev->u.wake.prio = (int16_t)prio;
	ev->u.wake.target_cpu = as_cpu(target);
	ev->ctx = c->current;
	if (c->current < 0) {
		sr_import_counted(p->im)->unplaced++;
		return 0;
	}
	return 1;
}

static int take_lost(struct cpu *c, unsigned cpu, uint64_t time_ns, struct sr_import_item *item)
{
	c->lost = false;
	c->current = -1;
	memset(item, 0, sizeof(*item));
	item->ev.kind = SR_EV_LOST;
	item->ev.cpu = (uint16_t)cpu;
	item->ev.time_ns = time_ns;
	return 1;
}

static int next_item(void *arg, unsigned cpu, struct sr_import_item *item, struct sr_error *err)
{
	struct perfetto *p = arg;
	struct cpu *c = &p->cpu[cpu];

	for (;;) {
		uint64_t time_ns = UINT64_MAX;
		int got;

		if (c->more)
			time_ns = c->event_ns;
		if (c->sw.more && c->sw.time_ns < time_ns)
			time_ns = c->sw.time_ns;
		if (c->waking.more && c->waking.time_ns < time_ns)
			time_ns = c->waking.time_ns;
		if (!c->more && !c->sw.more && !c->waking.more) {
			got = sr_runs_load(&p->runs, cpu, err);
			if (got == 0 && c->lost)
				return take_lost(c, cpu, 0, item);
			if (got <= 0)
				return got;
			if (begin_bundle(p, cpu, err))
				return -1;
			continue;
		}
		if (c->lost)
			return take_lost(c, cpu, time_ns, item);
		/* Of one time: what woke comes before what switches. */
		if (c->waking.more && c->waking.time_ns == time_ns)
			got = take_waking(p, cpu, item);
		else if (c->more && c->event_ns == time_ns)
			got = take_event(p, cpu, item, err);
		else
			got = take_switch(p, cpu, item);
		if (got)
			return got;
	}
}

static uint64_t done_of(void *arg)
{
	struct perfetto *p = arg;

	return (p->file.size + p->runs.done) / 2;
}

/* ---- the whole ---- */

static int put_clocks(struct perfetto *p, struct sr_error *err)
{
	uint64_t boot = p->clock_ns[PF_CLOCK_BOOTTIME], mono = p->clock_ns[PF_CLOCK_MONOTONIC];
	uint64_t real = p->clock_ns[PF_CLOCK_REALTIME];
	char text[32];

	if (p->ftrace_clock)
		return sr_import_meta(p->im, "import.clock", p->ftrace_clock == 4 ? "mono_raw" : "local", err);
	if (boot && boot == mono ? sr_import_meta(p->im, "clock", "mono", err) :
				   sr_import_meta(p->im, "import.clock", "boot", err))
		return -1;
	if (!boot || !real)
		return 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)boot);
	if (sr_import_meta(p->im, "start.mono_ns", text, err))
		return -1;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)real);
	return sr_import_meta(p->im, "start.realtime_ns", text, err);
}

static int read_all(struct perfetto *p, struct sr_error *err)
{
	struct sr_import_source source = { .next = next_item, .arg = p, .done = done_of };
	int ret = is_deflated(p, err);

	if (ret == 1)
		ret = inflate_file(p, err);
	if (!ret)
		ret = sr_runs_init(&p->runs, p->file.fd, err);
	if (!ret)
		ret = index_packets(p, err);
	if (ret)
		return ret;
	for (unsigned i = 0; i < SR_MAX_CPUS; i++)
		p->cpu[i].current = -1;
	source.all = p->file.size;
	ret = sr_import_merge(p->im, &source, p->runs.ncpus, err);
	if (ret || put_clocks(p, err))
		return ret ? ret : -1;
	return p->any_flags ? 0 : sr_import_meta(p->im, "import.context", "unknown", err);
}

int sr_import_perfetto(struct sr_import *im, int fd, struct sr_error *err)
{
	struct perfetto *p = calloc(1, sizeof(*p));
	int ret = -1;

	if (p)
		p->cpu = calloc(SR_MAX_CPUS, sizeof(*p->cpu));
	if (!p || !p->cpu) {
		free(p);
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	p->im = im;
	if (!sr_window_init(&p->file, fd, err))
		ret = read_all(p, err);
	sr_window_release(&p->file);
	sr_runs_release(&p->runs);
	for (unsigned i = 0; i < SR_MAX_CPUS; i++)
		free(p->cpu[i].comms);
	free(p->cpu);
	if (p->inflated)
		fclose(p->inflated);
	free(p);
	return ret;
}
