/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf.data. Read without perf, because `perf script` does not tell in which context an event was recorded: a wake-up from
 * an interrupt would be charged to the task that was interrupted. The file has the kernel's own records (with
 * common_flags), and the formats of their events as the kernel gave them.
 *
 *   header | attributes, ids | data: records | features: tracing data (formats), release, command, ...
 *
 * First pass: which CPU each record is of, and what /proc said as perf began (COMM and FORK records of time 0). Second: each
 * CPU's records side by side.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/import_internal.h"

/* As perf_event_open(2) and perf's file format have them. */
enum {
	TYPE_TRACEPOINT = 2,
	SAMPLE_IP = 1 << 0,
	SAMPLE_TID = 1 << 1,
	SAMPLE_TIME = 1 << 2,
	SAMPLE_ADDR = 1 << 3,
	SAMPLE_READ = 1 << 4,
	SAMPLE_CALLCHAIN = 1 << 5,
	SAMPLE_ID = 1 << 6,
	SAMPLE_CPU = 1 << 7,
	SAMPLE_PERIOD = 1 << 8,
	SAMPLE_STREAM_ID = 1 << 9,
	SAMPLE_RAW = 1 << 10,
	SAMPLE_IDENTIFIER = 1 << 16,

	READ_ENABLED = 1,
	READ_RUNNING = 2,
	READ_ID = 4,
	READ_GROUP = 8,
	READ_LOST = 16,

	ATTR_SAMPLE_ID_ALL = 1 << 18,
	ATTR_USE_CLOCKID = 1 << 25,

	RECORD_LOST = 2,
	RECORD_COMM = 3,
	RECORD_FORK = 7,
	RECORD_SAMPLE = 9,
	RECORD_LOST_SAMPLES = 13,
	RECORD_HEADER_TRACING_DATA = 66,
	RECORD_AUXTRACE = 71,
	RECORD_COMPRESSED = 81,
	RECORD_COMPRESSED2 = 83,

	FEATURE_TRACING_DATA = 1,
	FEATURE_OSRELEASE = 4,
	FEATURE_ARCH = 6,
	FEATURE_CPUDESC = 8,
	FEATURE_CMDLINE = 11,

	MOST_ATTRS = 4096,
	MOST_IDS = 1 << 22,
	MOST_TRACING_DATA = 64 << 20,
	MOST_TEXT = 1 << 20,
};

struct attr {
	uint32_t type;
	uint64_t sample_type, read_format, flags;
	int32_t clockid;
};

struct id {
	uint64_t id;
	uint32_t attr;
};

/* A field of a record of the kernel's. */
struct field {
	uint16_t offset, size; /* size 0: there is none */
	bool is_signed, dynamic;
};

enum { FIELDS = 6 };

static const struct {
	const char *system;
	const char *field[FIELDS]; /* the texts first */
	unsigned texts;
} kinds[SR_EV_KINDS] = {
	[SR_EV_SWITCH] = { "sched", { "prev_comm", "next_comm", "prev_pid", "next_pid", "prev_prio", "next_prio" }, 2 },
	[SR_EV_WAKING] = { "sched", { "comm", "pid", "prio", "target_cpu" }, 1 },
	[SR_EV_WAKEUP] = { "sched", { "comm", "pid", "prio", "target_cpu" }, 1 },
	[SR_EV_WAKEUP_NEW] = { "sched", { "comm", "pid", "prio", "target_cpu" }, 1 },
	[SR_EV_MIGRATE] = { "sched", { "comm", "pid", "prio", "orig_cpu", "dest_cpu" }, 1 },
	[SR_EV_FORK] = { "sched", { "parent_comm", "child_comm", "parent_pid", "child_pid" }, 2 },
	[SR_EV_EXEC] = { "sched", { "filename", "pid", "old_pid" }, 1 },
	[SR_EV_EXIT] = { "sched", { "comm", "pid", "prio", "group_dead" }, 1 },
	[SR_EV_RENAME] = { "task", { "oldcomm", "newcomm", "pid" }, 2 },
	[SR_EV_NEWTASK] = { "task", { "comm", "pid", "clone_flags" }, 1 },
	[SR_EV_FREQUENCY] = { "power", { "state", "cpu_id" }, 0 },
	[SR_EV_IDLE] = { "power", { "state", "cpu_id" }, 0 },
};

struct perf {
	struct sr_import *im;
	struct sr_window file;
	struct attr *attr;
	size_t nattrs;
	struct id *id;
	size_t nids;
	bool uniform; /* all attributes' samples look alike */
	uint64_t data_offset, data_size;
	uint8_t kind_of[65536];
	struct field f[SR_EV_KINDS][FIELDS], flags, pid, prev_state;
	struct {
		uint64_t bit;
		uint8_t state;
	} states[32];
	unsigned nstates;
	uint64_t preempted;
	struct sr_runs runs;
};

struct record {
	uint32_t type;
	const uint8_t *p, *end; /* its body */
};

struct sample {
	uint64_t time_ns;
	uint32_t cpu;
	const uint8_t *raw;
	size_t raw_len;
	bool has_cpu, has_time;
};

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* ---- the header ---- */

static int by_id(const void *a, const void *b)
{
	const struct id *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int read_ids(struct perf *p, uint32_t attr, uint64_t offset, uint64_t size, struct sr_error *err)
{
	size_t n = (size_t)(size / 8);
	struct id *v;

	if (size % 8 || size / 8 > MOST_IDS - p->nids)
		return sr_fail(err, SR_DAMAGED, "its ids of events have a length of %llu", (unsigned long long)size);
	if (!n)
		return 0;
	v = realloc(p->id, (p->nids + n) * sizeof(*v));
	if (!v)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	p->id = v;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = sr_window_get(&p->file, offset + 8 * i, 8, err);

		if (!at)
			return -1;
		p->id[p->nids++] = (struct id){ u64_at(at), attr };
	}
	return 0;
}

static int read_attrs(struct perf *p, uint64_t offset, uint64_t size, uint64_t entry, struct sr_error *err)
{
	if (entry < 16 + 64 || entry > 4096 || size % entry || !size || size / entry > MOST_ATTRS)
		return sr_fail(err, SR_DAMAGED, "its table of events is none: %llu bytes of %llu each",
			       (unsigned long long)size, (unsigned long long)entry);
	p->nattrs = (size_t)(size / entry);
	p->attr = calloc(p->nattrs, sizeof(*p->attr));
	if (!p->attr)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	p->uniform = true;
	for (size_t i = 0; i < p->nattrs; i++) {
		const uint8_t *at = sr_window_get(&p->file, offset + i * entry, (size_t)entry, err);
		struct attr *a = &p->attr[i];
		uint64_t ids, ids_size;

		if (!at)
			return -1;
		*a = (struct attr){ .type = u32_at(at),
				    .sample_type = u64_at(at + 24),
				    .read_format = u64_at(at + 32),
				    .flags = u64_at(at + 40) };
		if (entry >= 16 + 96)
			a->clockid = (int32_t)u32_at(at + 92);
		ids = u64_at(at + entry - 16);
		ids_size = u64_at(at + entry - 8);
		if (a->sample_type != p->attr[0].sample_type || a->read_format != p->attr[0].read_format ||
		    (a->flags ^ p->attr[0].flags) & ATTR_SAMPLE_ID_ALL)
			p->uniform = false;
		if (read_ids(p, (uint32_t)i, ids, ids_size, err))
			return -1;
	}
	if (p->nids)
		qsort(p->id, p->nids, sizeof(*p->id), by_id);
	for (size_t i = 0; i < p->nattrs; i++) {
		const struct attr *a = &p->attr[i];

		if (a->type == TYPE_TRACEPOINT && (~a->sample_type & (SAMPLE_TIME | SAMPLE_CPU | SAMPLE_RAW)))
			return sr_fail(err, SR_DAMAGED,
				       "its events have no time, CPU or fields: record with perf sched record, or perf "
				       "record -a -T -R -e 'sched:*'");
		if (!p->uniform && !(a->sample_type & SAMPLE_IDENTIFIER))
			return sr_fail(err, SR_DAMAGED, "its events differ in form and do not say in which they are");
	}
	return 0;
}

static int read_header(struct perf *p, uint64_t features[4], struct sr_error *err)
{
	const uint8_t *h = sr_window_get(&p->file, 0, 104, err);
	uint64_t attrs, attrs_size, entry;

	if (!h)
		return -1;
	if (u64_at(h + 8) < 104)
		return sr_fail(err, SR_DAMAGED, "it was written to a pipe: record with perf record -o FILE");
	entry = u64_at(h + 16);
	attrs = u64_at(h + 24);
	attrs_size = u64_at(h + 32);
	p->data_offset = u64_at(h + 40);
	p->data_size = u64_at(h + 48);
	memcpy(features, h + 72, 32);
	if (p->data_offset > p->file.size)
		return sr_fail(err, SR_DAMAGED, "its data begin behind its end");
	/* A recording that was killed has no length. */
	if (!p->data_size || p->data_size > p->file.size - p->data_offset)
		return sr_fail(err, SR_DAMAGED, "it is incomplete: perf was killed, or it is a cut copy");
	return read_attrs(p, attrs, attrs_size, entry, err);
}

/* ---- formats ---- */

/* What is behind "key:" in a field's line. */
static bool number_of(const char *line, const char *end, const char *key, uint64_t *v)
{
	const char *at = memmem(line, (size_t)(end - line), key, strlen(key));

	if (!at)
		return false;
	at += strlen(key);
	for (*v = 0; at < end && isdigit((unsigned char)*at) && *v < UINT32_MAX; at++)
		*v = 10 * *v + (uint64_t)(*at - '0');
	return true;
}

/* A line "field:TYPE NAME[16]; offset:8; size:16; signed:0;" of this name; false: there is none. */
static bool find_field(const char *text, const char *name, struct field *out)
{
	size_t len = strlen(name);

	for (const char *line = strstr(text, "field:"); line; line = strstr(line + 1, "field:")) {
		const char *semi = strchr(line, ';'), *end = strchr(line, '\n'), *at;
		uint64_t offset, size, is_signed = 0;

		if (!semi || !end || semi > end)
			continue;
		at = semi - len; /* the name is last, but for an array's length */
		if (at <= line || memcmp(at, name, len)) {
			at = memchr(line, '[', (size_t)(semi - line));
			at = at && at - line > (ptrdiff_t)len ? at - len : NULL;
		}
		if (!at || memcmp(at, name, len) || (at[-1] != ' ' && at[-1] != '\t' && at[-1] != '*'))
			continue;
		if (!number_of(semi, end, "offset:", &offset) || !number_of(semi, end, "size:", &size))
			return false;
		number_of(semi, end, "signed:", &is_signed);
		if (offset + size > UINT16_MAX || !size)
			return false;
		*out = (struct field){ .offset = (uint16_t)offset,
				       .size = (uint16_t)size,
				       .is_signed = is_signed,
				       .dynamic = memmem(line, (size_t)(semi - line), "__data_loc", 10) };
		return true;
	}
	return false;
}

/* The states that the format of sched_switch prints: { 0x0001, "S" }, ...; preempted is the bit above them. */
static void read_states(struct perf *p, const char *text)
{
	static const char letters[] = "SDTtXZPI";
	uint64_t most = 0;

	for (const char *s = strchr(text, '{'); s && p->nstates < 32; s = strchr(s + 1, '{')) {
		char *end;
		uint64_t bit = strtoull(s + 1, &end, 0);
		const char *quote = strchr(end, '"'), *letter;

		if (!bit || bit & (bit - 1) || !quote || quote - end > 8)
			continue;
		letter = quote[1] && quote[2] == '"' ? strchr(letters, quote[1]) : NULL;
		p->states[p->nstates].bit = bit;
		p->states[p->nstates++].state = letter ? (uint8_t)(SR_STATE_SLEEPING + (letter - letters)) :
							 SR_STATE_OTHER;
		if (bit > most)
			most = bit;
	}
	p->preempted = most << 1;
}

/* An event's format; those of other events are passed over. */
static int take_format(struct perf *p, const char *system, const char *text, struct sr_error *err)
{
	const char *name = strstr(text, "name: "), *id_at = strstr(text, "\nID: ");
	unsigned kind;
	size_t len;
	uint64_t id;

	if (!name || !id_at)
		return 0;
	name += 6;
	len = strcspn(name, "\n");
	for (kind = SR_EV_SWITCH; kind < SR_EV_KINDS; kind++)
		if (kinds[kind].system && !strcmp(kinds[kind].system, system) &&
		    strlen(sr_event_kind_name(kind)) == len && !memcmp(sr_event_kind_name(kind), name, len))
			break;
	id = strtoull(id_at + 5, NULL, 10);
	if (kind == SR_EV_KINDS || !id || id > UINT16_MAX)
		return 0;
	if (!find_field(text, "common_flags", &p->flags) || !find_field(text, "common_pid", &p->pid) ||
	    p->flags.size > 8 || p->pid.size > 8)
		return sr_fail(err, SR_DAMAGED, "its format of %.*s has no common fields", (int)len, name);
	for (unsigned i = 0; i < FIELDS && kinds[kind].field[i]; i++) {
		bool text_field = i < kinds[kind].texts;
		struct field *f = &p->f[kind][i];

		if (!find_field(text, kinds[kind].field[i], f)) {
			if ((kind == SR_EV_EXIT && i == 3) || (kind == SR_EV_RENAME && i == 2))
				continue;
			return sr_fail(err, SR_DAMAGED, "its format of %.*s has no field %s", (int)len, name,
				       kinds[kind].field[i]);
		}
		if (text_field ? f->dynamic && f->size != 4 : f->dynamic || f->size > 8)
			return sr_fail(err, SR_DAMAGED, "its format of %.*s is not understood: %s", (int)len, name,
				       kinds[kind].field[i]);
	}
	if (kind == SR_EV_SWITCH) {
		p->nstates = 0;
		read_states(p, text);
		if (!find_field(text, "prev_state", &p->prev_state) || p->prev_state.size > 8 || !p->nstates)
			return sr_fail(err, SR_DAMAGED, "its states of sched_switch are not understood");
	}
	p->kind_of[id] = (uint8_t)kind;
	return 0;
}

struct bytes {
	const uint8_t *p, *end;
};

static bool skip(struct bytes *b, uint64_t n)
{
	if (n > (uint64_t)(b->end - b->p))
		return false;
	b->p += n;
	return true;
}

static bool take_u32(struct bytes *b, uint32_t *v)
{
	const uint8_t *p = b->p;

	if (!skip(b, 4))
		return false;
	*v = u32_at(p);
	return true;
}

/* A length of 8 bytes, and what it is of. */
static bool take_block(struct bytes *b, struct bytes *out)
{
	const uint8_t *p = b->p;
	uint64_t len;

	if (!skip(b, 8))
		return false;
	len = u64_at(p);
	out->p = b->p;
	if (!skip(b, len))
		return false;
	out->end = b->p;
	return true;
}

static const char *take_string(struct bytes *b)
{
	const uint8_t *p = b->p, *nul = memchr(p, 0, (size_t)(b->end - p));

	if (!nul)
		return NULL;
	b->p = nul + 1;
	return (const char *)p;
}

static int take_events(struct perf *p, struct bytes *b, struct sr_error *err)
{
	uint32_t systems, events;
	struct bytes format;

	if (!take_u32(b, &systems))
		goto damaged;
	for (; systems; systems--) {
		const char *system = take_string(b);

		if (!system || !take_u32(b, &events))
			goto damaged;
		for (; events; events--) {
			size_t len;
			char *text;
			int ret;

			if (!take_block(b, &format))
				goto damaged;
			len = (size_t)(format.end - format.p);
			text = len < MOST_TEXT ? malloc(len + 1) : NULL;
			if (!text)
				return sr_fail(err, SR_DAMAGED, "the format of an event has %zu bytes", len);
			memcpy(text, format.p, len);
			text[len] = '\0';
			ret = take_format(p, system, text, err);
			free(text);
			if (ret)
				return -1;
		}
	}
	return 0;
damaged:
	return sr_fail(err, SR_DAMAGED, "its formats of events are cut");
}

static int read_tracing_data(struct perf *p, uint64_t offset, uint64_t size, struct sr_error *err)
{
	static const uint8_t magic[] = { 0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g' };
	const uint8_t *at = size > MOST_TRACING_DATA ? NULL : sr_window_get(&p->file, offset, (size_t)size, err);
	struct bytes b, skipped;
	uint32_t n;

	if (!at)
		return size > MOST_TRACING_DATA ? sr_fail(err, SR_DAMAGED, "its formats of events are too long") : -1;
	if (size < sizeof(magic) || memcmp(at, magic, sizeof(magic)))
		return sr_fail(err, SR_DAMAGED, "its formats of events are none");
	b = (struct bytes){ at + sizeof(magic), at + size };
	if (!take_string(&b) || !skip(&b, 6) || !take_string(&b) || !take_block(&b, &skipped) || !take_string(&b) ||
	    !take_block(&b, &skipped) || !take_u32(&b, &n))
		return sr_fail(err, SR_DAMAGED, "its formats of events are cut");
	for (; n; n--)
		if (!take_block(&b, &skipped))
			return sr_fail(err, SR_DAMAGED, "its formats of events are cut");
	return take_events(p, &b, err);
}

/* A text of a feature: its length and itself. */
static int put_text(struct perf *p, const char *key, struct bytes *b, struct sr_error *err)
{
	char text[1024];
	uint32_t len;
	const uint8_t *at;

	if (!take_u32(b, &len) || (at = b->p, !skip(b, len)))
		return sr_fail(err, SR_DAMAGED, "its header is cut (%s)", key);
	snprintf(text, sizeof(text), "%.*s", (int)strnlen((const char *)at, len < 1000 ? len : 1000), (const char *)at);
	return *text ? sr_import_meta(p->im, key, text, err) : 0;
}

static int put_command(struct perf *p, struct bytes *b, struct sr_error *err)
{
	char text[4096];
	size_t n = 0;
	uint32_t words, len;

	if (!take_u32(b, &words))
		return sr_fail(err, SR_DAMAGED, "its command line is cut");
	for (; words && n < sizeof(text) - 2; words--) {
		const uint8_t *at;
		size_t m;

		if (!take_u32(b, &len) || (at = b->p, !skip(b, len)))
			return sr_fail(err, SR_DAMAGED, "its command line is cut");
		m = strnlen((const char *)at, len);
		if (m > sizeof(text) - n - 2)
			m = sizeof(text) - n - 2;
		if (n)
			text[n++] = ' ';
		memcpy(text + n, at, m);
		n += m;
	}
	text[n] = '\0';
	return n ? sr_import_meta(p->im, "command", text, err) : 0;
}

static int read_features(struct perf *p, const uint64_t features[4], struct sr_error *err)
{
	uint64_t at = p->data_offset + p->data_size;
	bool tracing = false;

	for (unsigned bit = 0; bit < 256; bit++) {
		uint64_t offset, size;
		const uint8_t *entry;
		struct bytes b;
		int ret = 0;

		if (!(features[bit / 64] >> bit % 64 & 1))
			continue;
		entry = sr_window_get(&p->file, at, 16, err);
		if (!entry)
			return -1;
		at += 16;
		offset = u64_at(entry);
		size = u64_at(entry + 8);
		if (bit == FEATURE_TRACING_DATA) {
			tracing = true;
			if (read_tracing_data(p, offset, size, err))
				return -1;
			continue;
		}
		if (bit != FEATURE_OSRELEASE && bit != FEATURE_ARCH && bit != FEATURE_CPUDESC && bit != FEATURE_CMDLINE)
			continue;
		b.p = size > MOST_TEXT ? NULL : sr_window_get(&p->file, offset, (size_t)size, err);
		if (!b.p)
			return size > MOST_TEXT ? sr_fail(err, SR_DAMAGED, "its header is too long") : -1;
		b.end = b.p + size;
		if (bit == FEATURE_CMDLINE)
			ret = put_command(p, &b, err);
		else
			ret = put_text(p,
				       bit == FEATURE_OSRELEASE ? "kernel.release" :
				       bit == FEATURE_ARCH      ? "kernel.machine" :
								  "host.cpu_model",
				       &b, err);
		if (ret)
			return -1;
	}
	return tracing ? 0 : sr_fail(err, SR_DAMAGED, "no event of the scheduler is in it: it has no tracepoints");
}

/* ---- records ---- */

static const struct attr *attr_of(const struct perf *p, const uint8_t *id)
{
	struct id key = { .id = u64_at(id) };
	const struct id *found;

	found = p->nids ? bsearch(&key, p->id, p->nids, sizeof(key), by_id) : NULL;
	return found ? &p->attr[found->attr] : NULL;
}

static bool skip_read(struct bytes *b, uint64_t format)
{
	uint64_t n = 1, words = (format & READ_ENABLED ? 1 : 0) + (format & READ_RUNNING ? 1 : 0);
	const uint8_t *p = b->p;

	if (format & READ_GROUP) {
		if (!skip(b, 8))
			return false;
		n = u64_at(p);
		if (n > 65536)
			return false;
	}
	words += n * (1 + (format & READ_ID ? 1 : 0) + (format & READ_LOST ? 1 : 0));
	return skip(b, 8 * words);
}

static bool read_sample(const struct perf *p, const struct record *r, struct sample *out)
{
	struct bytes b = { r->p, r->end };
	const struct attr *a = &p->attr[0];
	const uint8_t *at;
	uint32_t size;

	*out = (struct sample){ 0 };
	if (!p->uniform) {
		if (b.end - b.p < 8)
			return false;
		a = attr_of(p, b.p);
	}
	if (!a)
		return false;
	for (unsigned i = 0; i < 12; i++) {
		static const uint32_t order[] = { SAMPLE_IDENTIFIER, SAMPLE_IP,   SAMPLE_TID,       SAMPLE_TIME,
						  SAMPLE_ADDR,       SAMPLE_ID,   SAMPLE_STREAM_ID, SAMPLE_CPU,
						  SAMPLE_PERIOD,     SAMPLE_READ, SAMPLE_CALLCHAIN, SAMPLE_RAW };

		if (!(a->sample_type & order[i]))
			continue;
		at = b.p;
		if (order[i] == SAMPLE_READ) {
			if (!skip_read(&b, a->read_format))
				return false;
		} else if (order[i] == SAMPLE_CALLCHAIN) {
			if (!skip(&b, 8) || u64_at(at) > 65536 || !skip(&b, 8 * u64_at(at)))
				return false;
		} else if (order[i] == SAMPLE_RAW) {
			if (!take_u32(&b, &size) || (out->raw = b.p, !skip(&b, size)))
				return false;
			out->raw_len = size;
		} else if (!skip(&b, 8)) {
			return false;
		} else if (order[i] == SAMPLE_TIME) {
			out->time_ns = u64_at(at);
			out->has_time = true;
		} else if (order[i] == SAMPLE_CPU) {
			out->cpu = u32_at(at);
			out->has_cpu = true;
		}
	}
	return true;
}

/* What stands behind any other record: the same, from the end. */
static void read_trailer(const struct perf *p, const struct record *r, struct sample *out)
{
	static const uint32_t order[] = { SAMPLE_IDENTIFIER, SAMPLE_CPU,  SAMPLE_STREAM_ID,
					  SAMPLE_ID,         SAMPLE_TIME, SAMPLE_TID };
	const struct attr *a = &p->attr[0];
	const uint8_t *end = r->end;

	*out = (struct sample){ 0 };
	if (!p->uniform && r->end - r->p >= 8)
		a = attr_of(p, r->end - 8);
	if (!a || !(a->flags & ATTR_SAMPLE_ID_ALL))
		return;
	for (unsigned i = 0; i < 6; i++) {
		if (!(a->sample_type & order[i]))
			continue;
		if (end - r->p < 8)
			return;
		end -= 8;
		if (order[i] == SAMPLE_CPU) {
			out->cpu = u32_at(end);
			out->has_cpu = true;
		} else if (order[i] == SAMPLE_TIME) {
			out->time_ns = u64_at(end);
			out->has_time = true;
		}
	}
}

static int64_t number(const struct field *f, const uint8_t *raw, size_t len)
{
	uint64_t v = 0;

	if (!f->size || (size_t)f->offset + f->size > len)
		return 0;
	memcpy(&v, raw + f->offset, f->size);
	if (f->is_signed && f->size < 8 && v >> (8 * f->size - 1))
		v |= ~UINT64_C(0) << 8 * f->size;
	return (int64_t)v;
}

static const uint8_t *text_of(const struct field *f, const uint8_t *raw, size_t len, size_t *n)
{
	uint32_t loc;

	if (!f->size || (size_t)f->offset + f->size > len)
		return NULL;
	if (!f->dynamic) {
		*n = f->size;
		return raw + f->offset;
	}
	loc = u32_at(raw + f->offset);
	*n = loc >> 16;
	return (loc & 0xffff) <= len && *n <= len - (loc & 0xffff) ? raw + (loc & 0xffff) : NULL;
}

static uint8_t state_of(const struct perf *p, uint64_t bits)
{
	uint64_t known = 0;

	if (bits & p->preempted)
		return SR_STATE_PREEMPTED;
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(bits >> bit & 1))
			continue;
		for (unsigned i = 0; i < p->nstates; i++)
			if (p->states[i].bit == 1ull << bit)
				return p->states[i].state;
		known = 1;
	}
	return known ? SR_STATE_OTHER : SR_STATE_RUNNING;
}

static uint16_t cpu_number(int64_t v)
{
	return v >= 0 && v < SR_MAX_CPUS ? (uint16_t)v : SR_MAX_CPUS;
}

/* 1 an event, 0 one of another kind, -1. */
static int decode(struct perf *p, const struct sample *s, struct sr_import_item *item, struct sr_error *err)
{
	struct sr_event *ev = &item->ev;
	const struct field *f;
	const uint8_t *text;
	unsigned kind, flags;
	int64_t v[FIELDS];
	size_t n;

	kind = s->raw_len >= 2 ? p->kind_of[s->raw[0] | s->raw[1] << 8] : 0;
	if (!kind) {
		sr_import_counted(p->im)->other++;
		return 0;
	}
	f = p->f[kind];
	memset(item, 0, sizeof(*item));
	ev->time_ns = s->time_ns;
	ev->cpu = (uint16_t)s->cpu;
	ev->kind = (uint8_t)kind;
	ev->ctx = (int32_t)number(&p->pid, s->raw, s->raw_len);
	flags = (unsigned)number(&p->flags, s->raw, s->raw_len);
	ev->flags = (uint8_t)((flags & 0x08 ? SR_EV_HARDIRQ : 0) | (flags & 0x10 ? SR_EV_SOFTIRQ : 0) |
			      (flags & 0x40 ? SR_EV_NMI : 0));
	for (unsigned i = 0; i < FIELDS; i++)
		v[i] = i < kinds[kind].texts ? 0 : number(&f[i], s->raw, s->raw_len);
	for (unsigned i = 0; i < kinds[kind].texts; i++) {
		text = text_of(&f[i], s->raw, s->raw_len, &n);
		if (!text)
			goto unreadable;
		if (kind == SR_EV_EXEC) {
			const uint8_t *slash;

			ev->u.exec.name = sr_import_name(p->im, text, n, err);
			if (ev->u.exec.name == UINT32_MAX)
				return -1;
			n = strnlen((const char *)text, n);
			slash = memrchr(text, '/', n);
			sr_import_comm(item->b, slash ? slash + 1 : text, slash ? n - (size_t)(slash + 1 - text) : n);
			continue;
		}
		sr_import_comm(i ? item->b : item->a, text, n);
		item->has_a = true;
		item->has_b = i;
	}
	switch (kind) {
	case SR_EV_SWITCH:
		ev->u.sw.prev = (int32_t)v[2];
		ev->u.sw.next = (int32_t)v[3];
		ev->u.sw.prev_prio = (int16_t)v[4];
		ev->u.sw.next_prio = (int16_t)v[5];
		ev->u.sw.prev_state = state_of(p, (uint64_t)number(&p->prev_state, s->raw, s->raw_len));
		break;
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
	case SR_EV_WAKEUP_NEW:
		ev->u.wake.tid = (int32_t)v[1];
		ev->u.wake.prio = (int16_t)v[2];
		ev->u.wake.target_cpu = cpu_number(v[3]);
		break;
	case SR_EV_MIGRATE:
		ev->u.migrate.tid = (int32_t)v[1];
		ev->u.migrate.prio = (int16_t)v[2];
		ev->u.migrate.from = cpu_number(v[3]);
		ev->u.migrate.to = cpu_number(v[4]);
		break;
	case SR_EV_FORK:
		ev->u.fork.parent = (int32_t)v[2];
		ev->u.fork.child = (int32_t)v[3];
		break;
	case SR_EV_EXEC:
		ev->u.exec.tid = (int32_t)v[1];
		ev->u.exec.old_tid = (int32_t)v[2];
		break;
	case SR_EV_EXIT:
		ev->u.exit.tid = (int32_t)v[1];
		ev->u.exit.prio = (int16_t)v[2];
		ev->u.exit.group_dead = f[3].size ? v[3] != 0 : 2;
		break;
	case SR_EV_RENAME:
		ev->u.rename.tid = f[2].size ? (int32_t)v[2] : ev->ctx;
		ev->u.rename.name = sr_import_name(p->im, item->b, SR_COMM_LEN, err);
		if (ev->u.rename.name == UINT32_MAX)
			return -1;
		break;
	case SR_EV_NEWTASK:
		ev->u.newtask.tid = (int32_t)v[1];
		ev->u.newtask.clone_flags = (uint64_t)v[2];
		break;
	case SR_EV_FREQUENCY:
		ev->u.frequency.khz = (uint32_t)v[0];
		ev->u.frequency.target_cpu = cpu_number(v[1]);
		break;
	case SR_EV_IDLE:
		ev->u.idle.state = (uint32_t)v[0];
		ev->u.idle.target_cpu = cpu_number(v[1]);
		break;
	}
	return 1;
unreadable:
	sr_import_counted(p->im)->unreadable++;
	return 0;
}

/* ---- the first pass ---- */

/* What perf found in /proc as it began: records of time 0. */
static int take_process(struct perf *p, const struct record *r, struct sr_error *err)
{
	struct sample s;
	char comm[SR_COMM_LEN];

	if (r->type == RECORD_COMM) {
		read_trailer(p, r, &s);
		if (r->end - r->p < 9 || s.time_ns)
			return 0;
		sr_import_comm(comm, r->p + 8, (size_t)(r->end - r->p - 8));
		return sr_import_task(p->im, (int32_t)u32_at(r->p + 4), (int32_t)u32_at(r->p), 0, comm, -1, err);
	}
	if (r->end - r->p < 24 || u64_at(r->p + 16))
		return 0;
	return sr_import_task(p->im, (int32_t)u32_at(r->p + 8), (int32_t)u32_at(r->p), (int32_t)u32_at(r->p + 4), NULL,
			      -1, err);
}

static int index_record(struct perf *p, const struct record *r, uint64_t offset, uint32_t size, struct sr_error *err)
{
	struct sample s = { 0 };

	switch (r->type) {
	case RECORD_SAMPLE:
		if (!read_sample(p, r, &s) || !s.has_cpu || s.cpu >= SR_MAX_CPUS) {
			sr_import_counted(p->im)->unreadable++;
			return 0;
		}
		if (!s.raw_len || !s.has_time)
			return 0;
		break;
	case RECORD_LOST:
	case RECORD_LOST_SAMPLES:
		read_trailer(p, r, &s);
		if (!s.has_cpu || s.cpu >= SR_MAX_CPUS)
			s.cpu = 0; /* it is told, if not where */
		break;
	case RECORD_COMM:
	case RECORD_FORK:
		return take_process(p, r, err);
	case RECORD_COMPRESSED:
	case RECORD_COMPRESSED2:
		return sr_fail(err, SR_DAMAGED,
			       "its records are compressed: make it plain with perf inject -i IN -o OUT, or "
			       "record without -z");
	default:
		return 0;
	}
	return sr_runs_add(&p->runs, s.cpu, offset, size, true, err);
}

static int index_records(struct perf *p, struct sr_error *err)
{
	uint64_t at = p->data_offset, end = p->data_offset + p->data_size;
	unsigned n = 0;

	while (at < end) {
		const uint8_t *h = end - at < 8 ? NULL : sr_window_get(&p->file, at, 8, err);
		struct record r;
		uint32_t size;

		size = h ? (uint32_t)(h[6] | h[7] << 8) : 0;
		if (size < 8 || size > end - at)
			return sr_fail(err, SR_DAMAGED, "the record at %llu is none", (unsigned long long)at);
		h = sr_window_get(&p->file, at, size, err);
		if (!h)
			return -1;
		r = (struct record){ u32_at(h), h + 8, h + size };
		if (index_record(p, &r, at, size, err))
			return -1;
		if (r.type == RECORD_AUXTRACE && size >= 16) {
			uint64_t extra = u64_at(h + 8);

			if (extra > end - at - size)
				return sr_fail(err, SR_DAMAGED, "the record at %llu is cut", (unsigned long long)at);
			at += extra;
		}
		at += size;
		if (!(n++ & 0x3fff)) {
			int stop = sr_import_step(p->im, at / 2, end);

			if (stop)
				return stop;
		}
	}
	return 0;
}

/* ---- the second ---- */

static int next_item(void *arg, unsigned cpu, struct sr_import_item *item, struct sr_error *err)
{
	struct perf *p = arg;
	struct sr_run_cpu *c = &p->runs.cpu[cpu];

	for (;;) {
		struct record r;
		struct sample s;
		uint32_t size;
		int got;

		if (c->p == c->end) {
			got = sr_runs_load(&p->runs, cpu, err);
			if (got <= 0)
				return got;
		}
		/* The file may have changed since the first pass. */
		size = c->end - c->p < 8 ? 0 : (uint32_t)(c->p[6] | c->p[7] << 8);
		if (size < 8 || size > (size_t)(c->end - c->p))
			return sr_fail(err, SR_DAMAGED, "it changed while it was read");
		r = (struct record){ u32_at(c->p), c->p + 8, c->p + size };
		c->p += size;
		if (r.type == RECORD_SAMPLE) {
			if (!read_sample(p, &r, &s))
				continue;
			s.cpu = cpu;
			got = decode(p, &s, item, err);
			if (got)
				return got;
			continue;
		}
		if (r.end - r.p < 16 && r.type == RECORD_LOST)
			continue;
		read_trailer(p, &r, &s);
		memset(item, 0, sizeof(*item));
		item->ev.kind = SR_EV_LOST;
		item->ev.cpu = (uint16_t)cpu;
		item->ev.time_ns = s.time_ns;
		item->ev.u.lost.count = r.type == RECORD_LOST ? u64_at(r.p + 8) : r.end - r.p >= 8 ? u64_at(r.p) : 0;
		return 1;
	}
}

static uint64_t done_of(void *arg)
{
	struct perf *p = arg;

	return (p->runs.done + p->data_size) / 2;
}

static int read_all(struct perf *p, struct sr_error *err)
{
	struct sr_import_source source = { .next = next_item, .arg = p, .done = done_of };
	uint64_t features[4] = { 0 };
	int ret;

	if (read_header(p, features, err) || read_features(p, features, err))
		return -1;
	if (p->attr[0].flags & ATTR_USE_CLOCKID && p->attr[0].clockid == 1 &&
	    sr_import_meta(p->im, "clock", "mono", err))
		return -1;
	if (!(p->attr[0].flags & ATTR_USE_CLOCKID) && sr_import_meta(p->im, "import.clock", "perf", err))
		return -1;
	ret = index_records(p, err);
	if (ret)
		return ret;
	source.all = p->data_size;
	return sr_import_merge(p->im, &source, p->runs.ncpus, err);
}

int sr_import_perf(struct sr_import *im, int fd, struct sr_error *err)
{
	struct perf *p = calloc(1, sizeof(*p));
	int ret = -1;

	if (!p)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	p->im = im;
	if (!sr_window_init(&p->file, fd, err) && !sr_runs_init(&p->runs, fd, err))
		ret = read_all(p, err);
	sr_window_release(&p->file);
	sr_runs_release(&p->runs);
	free(p->attr);
	free(p->id);
	free(p);
	return ret;
}
