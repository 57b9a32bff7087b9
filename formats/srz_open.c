/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader, except for the events: opening a file by its index or, when it has no end, by walking its sections.
 */
#include "formats/srz_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_KINDS 4096 /* in the index */

int srz_damaged(const struct srz_reader *r, struct sr_error *err, uint64_t offset, uint32_t id, const char *what)
{
	if (what == SRZ_NO_MEMORY)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	return sr_fail(err, SR_DAMAGED, "%s: the %s section at offset %" PRIu64 " %s", r->path, srz_section_name(id),
		       offset, what);
}

/* 1 read, 0 the file ends before, -1. */
static int read_at(struct srz_reader *r, void *p, size_t len, uint64_t offset, struct sr_error *err)
{
	size_t done = 0;

	if (offset > r->info.bytes || len > r->info.bytes - offset)
		return 0;
	while (done < len) {
		ssize_t n = pread(r->fd, (char *)p + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read %s", r->path);
		if (!n)
			return 0; /* it has become shorter meanwhile */
		done += (size_t)n;
	}
	return 1;
}

/* The section's header; NULL in *bad and 1, or what is wrong with it and 1, 0 when the file ends before, -1. */
static int read_header(struct srz_reader *r, uint64_t offset, struct srz_section *s, const char **bad,
		       struct sr_error *err)
{
	uint8_t head[SRZ_SECTION_HEADER];
	int ret = read_at(r, head, sizeof(head), offset, err);

	*s = (struct srz_section){ 0 };
	if (ret == 1)
		*bad = srz_section_decode(s, head);
	return ret;
}

/* The stored payload into r->stored, its sum checked; as read_header. */
static int read_payload(struct srz_reader *r, uint64_t offset, const struct srz_section *s, const char **bad,
			struct sr_error *err)
{
	int ret;

	*bad = NULL;
	if (offset + SRZ_SECTION_HEADER > r->info.bytes || s->stored > r->info.bytes - offset - SRZ_SECTION_HEADER)
		return 0;
	if (!srz_buf_empty(&r->stored, s->stored ? s->stored : 1))
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	ret = read_at(r, r->stored.p, s->stored, offset + SRZ_SECTION_HEADER, err);
	if (ret == 1 && (uint32_t)crc32(0, r->stored.p, s->stored) != s->crc)
		*bad = "has a wrong checksum";
	return ret;
}

/* r->stored as it was before deflate. */
static const char *unpack(struct srz_reader *r, const struct srz_section *s, const uint8_t **p, size_t *len)
{
	*p = r->stored.p;
	*len = s->stored;
	if (s->coding == SRZ_RAW)
		return s->stored == s->raw ? NULL : "has lengths that do not fit";
	if (s->coding != SRZ_DEFLATE)
		return "has a coding that this reader does not know";
	r->raw.n = 0;
	if (!srz_buf_reserve(&r->raw, s->raw ? s->raw : 1))
		return SRZ_NO_MEMORY;
	if (!srz_inflate(&r->z, r->stored.p, s->stored, r->raw.p, s->raw))
		return "does not inflate to its length";
	*p = r->raw.p;
	*len = s->raw;
	return NULL;
}

/* The section there, its sums checked, into r->stored. */
static int read_stored(struct srz_reader *r, uint64_t offset, const struct srz_section *known, struct srz_section *s,
		       struct sr_error *err)
{
	const char *bad = NULL;
	int ret = read_header(r, offset, s, &bad, err);

	if (ret == 1 && !bad && (s->id != known->id || s->stored != known->stored))
		bad = "is not what the index says";
	if (ret == 1 && !bad)
		ret = read_payload(r, offset, s, &bad, err);
	if (ret < 0)
		return -1;
	if (!ret)
		bad = "ends behind the end of the file";
	return bad ? srz_damaged(r, err, offset, known->id, bad) : 0;
}

int srz_read_section(struct srz_reader *r, uint64_t offset, const struct srz_section *known, const uint8_t **p,
		     size_t *len, struct sr_error *err)
{
	struct srz_section s;
	const char *bad;

	if (read_stored(r, offset, known, &s, err))
		return -1;
	bad = unpack(r, &s, p, len);
	return bad ? srz_damaged(r, err, offset, known->id, bad) : 0;
}

/* ---- what sections hold ---- */

static char *copy_text(const uint8_t *p, size_t len)
{
	char *s = malloc(len + 1);

	if (s) {
		memcpy(s, p, len);
		s[len] = 0;
	}
	return s;
}

static const char *set_meta(struct srz_reader *r, const uint8_t *key, size_t klen, const uint8_t *value, size_t vlen)
{
	struct meta_entry *m;
	size_t i;

	for (i = 0; i < r->nmeta; i++)
		if (strlen(r->meta[i].key) == klen && !memcmp(r->meta[i].key, key, klen))
			break;
	if (i == r->nmeta) {
		if (i == SRZ_MAX_META_KEYS)
			return "has too many keys";
		m = realloc(r->meta, (i + 1) * sizeof(*m));
		if (!m)
			return SRZ_NO_MEMORY;
		r->meta = m;
		m[i] = (struct meta_entry){ copy_text(key, klen), copy_text(value, 0) };
		r->nmeta++;
		if (!m[i].key || !m[i].value)
			return SRZ_NO_MEMORY;
		r->meta_bytes += klen;
	}
	m = &r->meta[i];
	r->meta_bytes += vlen - strlen(m->value);
	free(m->value);
	m->value = copy_text(value, vlen);
	if (!m->value)
		return SRZ_NO_MEMORY;
	return r->meta_bytes > SRZ_MAX_META_BYTES ? "has too many bytes" : NULL;
}

static const char *take_meta(struct srz_reader *r, struct srz_view *v)
{
	while (!v->bad && v->p != v->end) {
		size_t klen = srz_take_max(v, SRZ_MAX_META_KEY, "has a key that is too long"), vlen;
		const uint8_t *key = srz_take_bytes(v, klen), *value;
		const char *bad;

		vlen = srz_take_max(v, SRZ_MAX_META_VALUE, "has a value that is too long");
		value = srz_take_bytes(v, vlen);
		if (v->bad)
			break;
		if (!klen || memchr(key, 0, klen) || memchr(value, 0, vlen))
			return "has an empty key, or a NUL inside a text";
		bad = set_meta(r, key, klen, value, vlen);
		if (bad)
			return bad;
	}
	return v->bad;
}

static bool names_room(struct srz_reader *r)
{
	uint32_t cap = r->names_cap ? r->names_cap * 2 : 64, *at;

	if (r->nnames < r->names_cap)
		return true;
	at = realloc(r->name_at, cap * sizeof(*at));
	if (!at)
		return false;
	r->name_at = at;
	r->names_cap = cap;
	return true;
}

static const char *take_names(struct srz_reader *r, struct srz_view *v)
{
	uint64_t first = srz_take_varint(v), n = srz_take_varint(v);

	if (!v->bad && first != r->nnames)
		return "does not begin with the next name";
	if (!v->bad && n > SRZ_MAX_NAMES - r->nnames)
		return "has too many names";
	for (; n && !v->bad; n--) {
		size_t len = srz_take_max(v, SRZ_MAX_NAME, "has a name that is too long");
		const uint8_t *p = srz_take_bytes(v, len);

		if (!p)
			break;
		if (memchr(p, 0, len))
			return "has a name with a NUL inside";
		if (r->names.n + len + 1 > SRZ_MAX_NAME_BYTES)
			return "has too many bytes of names";
		if (!names_room(r))
			return SRZ_NO_MEMORY;
		r->name_at[r->nnames] = (uint32_t)r->names.n;
		srz_put_bytes(&r->names, p, len);
		srz_put_bytes(&r->names, "", 1);
		if (r->names.failed)
			return SRZ_NO_MEMORY;
		r->nnames++;
	}
	return v->bad || v->p == v->end ? v->bad : "has bytes behind its last name";
}

static const char *keep(struct srz_reader *r, uint32_t id, const uint8_t *p, size_t len)
{
	size_t i;

	/* known_section() lets in no more ids than there are places */
	for (i = 0; r->kept[i].id && r->kept[i].id != id; i++)
		;
	free(r->kept[i].p);
	r->kept[i] = (struct srz_kept){ id, copy_text(p, len), len };
	return r->kept[i].p ? NULL : SRZ_NO_MEMORY;
}

static const char *take_section(struct srz_reader *r, uint32_t id, const uint8_t *p, size_t len)
{
	struct srz_view v = { p, p + len, NULL };

	switch (id & ~SRZ_MUST) {
	case SRZ_SEC_META:
		return take_meta(r, &v);
	case SRZ_SEC_NAMES:
		return take_names(r, &v);
	case SRZ_SEC_TASKS:
		sr_task_starts_release(&r->tasks);
		return srz_tasks_decode(p, len, &r->tasks);
	default:
		return keep(r, id & ~SRZ_MUST, p, len);
	}
}

static bool known_section(uint32_t id)
{
	id &= ~SRZ_MUST;
	return (id >= SRZ_SEC_META && id <= SRZ_SEC_END) || (id >= SRZ_SEC_TASKS && id <= SRZ_SEC_ATTRIBUTES);
}

/* Sections of the body, so not index and end. Unknown ones that may be skipped are, but their sums must be right. */
static int body_section(struct srz_reader *r, uint64_t offset, const struct srz_section *s, struct sr_error *err)
{
	struct srz_section there;
	const uint8_t *p;
	const char *bad;
	size_t len;

	if (!known_section(s->id) && s->id & SRZ_MUST)
		return sr_fail(err, SR_DAMAGED,
			       "%s: section %u at offset %" PRIu64
			       " must be understood and is not known to this version of "
			       "schedrec",
			       r->path, s->id & ~SRZ_MUST, offset);
	if (!known_section(s->id))
		return read_stored(r, offset, s, &there, err);
	if (srz_read_section(r, offset, s, &p, &len, err))
		return -1;
	bad = take_section(r, s->id, p, len);
	return bad ? srz_damaged(r, err, offset, s->id, bad) : 0;
}

static const char *add_chunk(struct srz_reader *r, const struct srz_chunk *c)
{
	struct srz_key *before = r->before[c->stream];

	if (srz_key_less(c->first, before[1]))
		return "begins before the last chunk but one ends";
	before[1] = before[0];
	if (srz_key_less(before[0], c->last))
		before[0] = c->last;
	if (r->nchunks == r->chunks_cap) {
		size_t cap = r->chunks_cap ? r->chunks_cap * 2 : 64;
		struct srz_chunk *chunk = realloc(r->chunk, cap * sizeof(*chunk));

		if (!chunk)
			return SRZ_NO_MEMORY;
		r->chunk = chunk;
		r->chunks_cap = cap;
	}
	r->chunk[r->nchunks++] = *c;
	return NULL;
}

/* ---- a file with its end ---- */

static const char *take_chunk_entry(struct srz_reader *r, struct srz_view *v, uint64_t offset, uint32_t stored,
				    uint64_t *last_ns)
{
	struct srz_chunk c = { .offset = offset, .stored = stored };
	uint64_t span, first;

	c.stream = (uint8_t)srz_take_max(v, SRZ_STREAMS - 1, "names a stream that is not known");
	c.events = (uint32_t)srz_take_max(v, SRZ_MAX_CHUNK_EVENTS, "has a chunk of too many events");
	c.unit = (uint32_t)srz_take_max(v, SRZ_MAX_TIME_UNIT, "has a time unit out of range");
	if (!c.unit)
		return v->bad ? v->bad : "has a time unit out of range";
	first = *last_ns + (uint64_t)srz_unzigzag(srz_take_varint(v));
	span = srz_take_varint(v);
	c.first.cpu = (uint32_t)srz_take_max(v, SR_MAX_CPUS - 1, "names a cpu out of range");
	c.last.cpu = (uint32_t)srz_take_max(v, SR_MAX_CPUS - 1, "names a cpu out of range");
	c.cpus = srz_take_varint(v);
	if (!v->bad && first % c.unit)
		v->bad = "has a time that is no multiple of its unit";
	if (!v->bad && (!c.events || !srz_times_of(&c, first / c.unit, span)))
		v->bad = "has an empty chunk, or a time beyond 64 bits";
	if (v->bad)
		return v->bad;
	*last_ns = c.first.time_ns;
	return add_chunk(r, &c);
}

static const char *take_totals(struct srz_reader *r, struct srz_view *v)
{
	uint64_t n = srz_take_max(v, MAX_KINDS, "has too many kinds"), events = 0, sum = 0;
	size_t i;

	for (; n && !v->bad; n--) {
		uint64_t kind = srz_take_varint(v), count = srz_take_varint(v);

		if (!kind || (kind < SR_EV_KINDS && r->totals.by_kind[kind]))
			return "counts a kind twice, or one that cannot be";
		if (kind < SR_EV_KINDS) /* of others the chunks say whether they may be skipped */
			r->totals.by_kind[kind] = count;
		if (__builtin_add_overflow(sum, count, &sum))
			return "counts more events than there are";
	}
	r->totals.lost = srz_take_varint(v);
	r->totals.cpus = srz_take_max(v, SR_MAX_CPUS, "has too many cpus");
	for (i = 0; i < r->nchunks; i++)
		events += r->chunk[i].events;
	if (!v->bad && sum > events)
		return "counts more events than there are";
	return v->bad || v->p == v->end ? v->bad : "has bytes behind its end";
}

struct place {
	uint64_t offset;
	uint32_t id, stored;
};

/* The index says which sections there are; their lengths must fill the file up to the index. Those that are not
 * chunks go to list[0..*nlist). */
static const char *take_index(struct srz_reader *r, struct srz_view *v, uint64_t index, struct place *list, size_t n,
			      size_t *nlist)
{
	uint64_t offset = SRZ_HEADER_SIZE, last_ns = 0;
	const char *bad;

	for (*nlist = 0; n; n--) {
		uint64_t id = srz_take_max(v, UINT32_MAX, "has a section id out of range");
		uint64_t stored = srz_take_max(v, SRZ_MAX_SECTION, "has a section longer than the limit");

		id = id >> 1 | (id & 1 ? SRZ_MUST : 0);
		if (v->bad)
			return v->bad;
		switch (id & ~SRZ_MUST) {
		case SRZ_SEC_INDEX:
		case SRZ_SEC_END:
			return "lists itself or the end mark";
		case SRZ_SEC_EVENTS:
			bad = take_chunk_entry(r, v, offset, (uint32_t)stored, &last_ns);
			if (bad)
				return bad;
			break;
		default:
			list[(*nlist)++] = (struct place){ offset, (uint32_t)id, (uint32_t)stored };
		}
		offset += SRZ_SECTION_HEADER + stored;
		if (offset > index)
			return "has sections that do not fit the file";
	}
	return offset == index ? take_totals(r, v) : "has sections that do not fit the file";
}

static int open_by_index(struct srz_reader *r, uint64_t index, const struct srz_section *head, struct sr_error *err)
{
	struct place *list;
	struct srz_view v;
	const uint8_t *p;
	const char *bad;
	size_t len, i, n;
	int ret = 0;

	if (srz_read_section(r, index, head, &p, &len, err))
		return -1;
	v = (struct srz_view){ p, p + len, NULL };
	n = srz_take_max(&v, SRZ_MAX_SECTIONS, "has too many sections");
	if (v.bad || n > len / 2) /* an entry has two bytes at least */
		return srz_damaged(r, err, index, SRZ_SEC_INDEX, "has too many sections");
	list = malloc((n + 1) * sizeof(*list));
	if (!list)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	bad = take_index(r, &v, index, list, n, &n);
	if (bad)
		ret = srz_damaged(r, err, index, SRZ_SEC_INDEX, bad);
	for (i = 0; i < n && !ret; i++) {
		struct srz_section s = { .id = list[i].id, .stored = list[i].stored };

		ret = body_section(r, list[i].offset, &s, err);
	}
	free(list);
	r->index = index;
	r->info.complete = 1;
	return ret;
}

/* 1: the file ends in an end mark, *index is where the index is and *head its header; 0: it does not; -1. */
static int find_index(struct srz_reader *r, uint64_t *index, struct srz_section *head, struct sr_error *err)
{
	uint64_t end = r->info.bytes - SRZ_SECTION_HEADER - SRZ_END_PAYLOAD;
	const char *bad = NULL;
	int ret;

	if (r->info.bytes < SRZ_HEADER_SIZE + 2 * SRZ_SECTION_HEADER + SRZ_END_PAYLOAD)
		return 0;
	ret = read_header(r, end, head, &bad, err);
	if (ret <= 0 || bad || head->id != (SRZ_SEC_END | SRZ_MUST) || head->stored != SRZ_END_PAYLOAD)
		return ret < 0 ? -1 : 0;
	ret = read_payload(r, end, head, &bad, err);
	if (ret <= 0 || bad)
		return ret < 0 ? -1 : 0;
	*index = srz_get64(r->stored.p);
	if (head->coding != SRZ_RAW || srz_get64(r->stored.p + 8) != r->info.bytes)
		return srz_damaged(r, err, end, head->id, "does not fit the file");
	if (*index < SRZ_HEADER_SIZE || *index > end - SRZ_SECTION_HEADER)
		return srz_damaged(r, err, end, head->id, "does not fit the file");
	ret = read_header(r, *index, head, &bad, err);
	if (ret < 0)
		return -1;
	if (!ret || bad || head->id != (SRZ_SEC_INDEX | SRZ_MUST) || *index + SRZ_SECTION_HEADER + head->stored != end)
		return srz_damaged(r, err, *index, SRZ_SEC_INDEX | SRZ_MUST,
				   bad ? bad : "is not where the end mark says");
	return 1;
}

/* ---- a file without its end ---- */

static int walk_chunk(struct srz_reader *r, uint64_t offset, const struct srz_section *s, struct sr_error *err)
{
	struct srz_chunk c = { .offset = offset, .stored = s->stored };
	const char *bad = s->coding == SRZ_RAW && s->stored == s->raw ? NULL :
									"has a coding that this reader does not know";

	if (!bad)
		bad = srz_chunk_head(r->stored.p, s->stored, &c, &r->totals);
	if (!bad)
		bad = add_chunk(r, &c);
	return bad ? srz_damaged(r, err, offset, s->id, bad) : 0;
}

/* Section by section up to the first that is not whole. What is whole and wrong is damage all the same. */
static int open_by_walking(struct srz_reader *r, struct sr_error *err)
{
	uint64_t offset = SRZ_HEADER_SIZE, sections = 0;
	bool index = false;

	for (;;) {
		struct srz_section s;
		const char *bad = NULL;
		int ret = read_header(r, offset, &s, &bad, err);

		if (ret == 1 && bad && bad != SRZ_NOT_WHOLE)
			return srz_damaged(r, err, offset, s.id, bad);
		if (ret == 1 && !bad)
			ret = read_payload(r, offset, &s, &bad, err);
		if (ret < 0)
			return -1;
		if (!ret || bad)
			break;
		if (index && s.id != (SRZ_SEC_END | SRZ_MUST))
			return srz_damaged(r, err, offset, s.id, "stands behind the index");
		if (s.id != (SRZ_SEC_INDEX | SRZ_MUST) && ++sections > SRZ_MAX_SECTIONS)
			return srz_damaged(r, err, offset, s.id, "is one too many");
		switch (s.id & ~SRZ_MUST) {
		case SRZ_SEC_INDEX:
			index = true;
			break;
		case SRZ_SEC_END:
			return srz_damaged(r, err, offset, s.id, "is not at the end of the file");
		case SRZ_SEC_EVENTS:
			ret = walk_chunk(r, offset, &s, err);
			break;
		default:
			ret = body_section(r, offset, &s, err);
		}
		if (ret < 0)
			return -1;
		offset += SRZ_SECTION_HEADER + s.stored;
	}
	r->info.damaged_bytes = r->info.bytes - offset;
	return 0;
}

/* ---- open and what it found ---- */

static int read_file_header(struct srz_reader *r, struct sr_error *err)
{
	uint8_t head[SRZ_HEADER_SIZE];
	struct stat st;
	int ret;

	if (fstat(r->fd, &st))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read %s", r->path);
	if (!S_ISREG(st.st_mode))
		return sr_fail(err, SR_DAMAGED, "%s is not a regular file, so not a .srz file", r->path);
	r->info.bytes = (uint64_t)st.st_size;
	if (!r->info.bytes)
		return sr_fail(err, SR_DAMAGED, "%s is empty, so not a .srz file", r->path);
	ret = read_at(r, head, sizeof(head), 0, err);
	if (ret < 0)
		return -1;
	if (!ret || memcmp(head, SRZ_MAGIC, 8))
		return sr_fail(err, SR_DAMAGED, "%s is not a .srz file", r->path);
	if (srz_get32(head + 16) != (uint32_t)crc32(0, head, 16))
		return sr_fail(err, SR_DAMAGED, "%s: the file header has a wrong checksum", r->path);
	r->info.version = srz_get16(head + 8);
	if (!r->info.version)
		return sr_fail(err, SR_DAMAGED,
			       "%s has format version 0, an experimental one that was never released: make the "
			       "recording anew",
			       r->path);
	if (r->info.version > SRZ_VERSION)
		return sr_fail(err, SR_DAMAGED,
			       "%s has format version %u; this schedrec reads versions up to %d: use a "
			       "newer one",
			       r->path, r->info.version, SRZ_VERSION);
	if (srz_get16(head + 10) || srz_get32(head + 12) & SRZ_FLAGS_MUST)
		return sr_fail(err, SR_DAMAGED, "%s has header flags that this version of schedrec does not know",
			       r->path);
	return 0;
}

static void find_chunk_starts(struct srz_reader *r)
{
	struct srz_key from[SRZ_STREAMS];
	size_t i;

	for (i = 0; i < SRZ_STREAMS; i++)
		from[i] = (struct srz_key){ UINT64_MAX, UINT32_MAX };
	for (i = r->nchunks; i--;) {
		struct srz_chunk *c = &r->chunk[i];

		if (srz_key_less(c->first, from[c->stream]))
			from[c->stream] = c->first;
		c->from = from[c->stream];
	}
}

static void fill_info(struct srz_reader *r)
{
	struct srz_info *info = &r->info;
	const char *online = srz_get_meta(r, "cpus.online");
	struct sr_cpumask mask = { { 0 } };
	struct sr_error ignored;
	size_t i;
	unsigned cpu;
	bool any = false;

	for (i = 1; i < SR_EV_KINDS; i++) {
		info->events_by_kind[i] = r->totals.by_kind[i];
		info->events += r->totals.by_kind[i];
	}
	info->chunks = r->nchunks;
	info->lost = r->totals.lost;
	info->lost_places = info->events_by_kind[SR_EV_LOST];
	info->cpus = (unsigned)r->totals.cpus;
	info->time_unit_ns = 1;
	for (i = 0; i < r->nchunks; i++) {
		const struct srz_chunk *c = &r->chunk[i];

		if (c->unit > info->time_unit_ns)
			info->time_unit_ns = c->unit;
		if (c->stream != SRZ_STREAM_KERNEL)
			continue;
		if (!any || c->first.time_ns < info->first_ns)
			info->first_ns = c->first.time_ns;
		if (!any || c->last.time_ns > info->last_ns)
			info->last_ns = c->last.time_ns;
		any = true;
	}
	for (i = 0; i < r->tasks.n; i++)
		if (r->tasks.v[i].last_cpu >= info->cpus)
			info->cpus = r->tasks.v[i].last_cpu + 1u;
	if (online && !sr_cpumask_parse(&mask, online, &ignored))
		for (cpu = info->cpus; cpu < SR_MAX_CPUS; cpu++)
			if (sr_cpumask_isset(&mask, cpu))
				info->cpus = cpu + 1;
}

static int equip(struct srz_reader *r, const char *name, struct sr_error *err)
{
	r->path = strdup(name);
	r->codec = srz_codec_new(SRZ_DECODE, err);
	r->z_open = inflateInit2(&r->z, -15) == Z_OK;
	return r->path && r->codec && r->z_open ? 0 : sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

struct srz_reader *srz_open(const char *path, struct sr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd >= 0)
		return srz_open_fd(fd, path, err);
	sr_fail_errno(err, SR_ENVIRONMENT, "cannot open %s", path);
	return NULL;
}

struct srz_reader *srz_open_fd(int fd, const char *name, struct sr_error *err)
{
	struct srz_reader *r = calloc(1, sizeof(*r));
	struct srz_section head;
	uint64_t index;
	int ret;

	if (!r) {
		close(fd);
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	r->fd = fd;
	if (equip(r, name, err) || read_file_header(r, err))
		goto fail;
	ret = find_index(r, &index, &head, err);
	if (ret == 1)
		ret = open_by_index(r, index, &head, err);
	else if (!ret)
		ret = open_by_walking(r, err);
	if (ret)
		goto fail;
	srz_buf_release(&r->raw); /* chunks are not inflated as a whole */
	r->cpu_bits = UINT64_MAX;
	find_chunk_starts(r);
	fill_info(r);
	srz_rewind(r, err);
	return r;
fail:
	srz_reader_free(r);
	return NULL;
}

struct srz_reader *srz_reader_hands(const struct srz_reader *r, struct sr_error *err)
{
	struct srz_reader *hands = calloc(1, sizeof(*hands));

	if (!hands) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	hands->fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 0);
	hands->info.bytes = r->info.bytes;
	if (hands->fd >= 0 && equip(hands, r->path, err) == 0)
		return hands;
	srz_reader_free(hands);
	return NULL;
}

void srz_reader_free(struct srz_reader *r)
{
	size_t i;

	if (!r)
		return;
	srz_ahead_free(r->ahead); /* it reads from fd */
	if (r->fd >= 0)
		close(r->fd);
	for (i = 0; i < r->nmeta; i++) {
		free(r->meta[i].key);
		free(r->meta[i].value);
	}
	for (i = 0; i < sizeof(r->kept) / sizeof(*r->kept); i++)
		free(r->kept[i].p);
	srz_release_held(r);
	for (i = 0; i < SRZ_STREAMS; i++) {
		free(r->cursor[i].slot[0].own.ev);
		free(r->cursor[i].slot[1].own.ev);
	}
	if (r->z_open)
		inflateEnd(&r->z);
	srz_codec_free(r->codec);
	sr_task_starts_release(&r->tasks);
	srz_buf_release(&r->names);
	srz_buf_release(&r->stored);
	srz_buf_release(&r->raw);
	free(r->name_at);
	free(r->meta);
	free(r->chunk);
	free(r->cpus);
	free(r->path);
	free(r);
}

const struct srz_info *srz_get_info(const struct srz_reader *r)
{
	return &r->info;
}

const char *srz_get_meta(const struct srz_reader *r, const char *key)
{
	size_t i;

	for (i = 0; i < r->nmeta; i++)
		if (!strcmp(r->meta[i].key, key))
			return r->meta[i].value;
	return NULL;
}

size_t srz_meta_count(const struct srz_reader *r)
{
	return r->nmeta;
}

void srz_meta_at(const struct srz_reader *r, size_t i, const char **key, const char **value)
{
	*key = r->meta[i].key;
	*value = r->meta[i].value;
}

const struct sr_task_starts *srz_get_tasks(const struct srz_reader *r)
{
	return &r->tasks;
}

const void *srz_get_section(const struct srz_reader *r, uint32_t id, size_t *len)
{
	size_t i;

	for (i = 0; i < sizeof(r->kept) / sizeof(*r->kept); i++) {
		if (r->kept[i].id && r->kept[i].id == (id & ~SRZ_MUST)) {
			*len = r->kept[i].len;
			return r->kept[i].p;
		}
	}
	*len = 0;
	return NULL;
}

const char *srz_name_at(void *reader, uint32_t name)
{
	const struct srz_reader *r = reader;

	return name < r->nnames ? (const char *)r->names.p + r->name_at[name] : "?";
}
