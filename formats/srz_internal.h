/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to formats/srz*.c: the numbers of the file format (FORMAT.md is normative) and the pieces that
 * reader and writer share. All integers in fixed places are little-endian.
 */
#ifndef SCHEDREC_FORMATS_SRZ_INTERNAL_H
#define SCHEDREC_FORMATS_SRZ_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <zlib.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/srz.h"
#include "formats/task.h"

#define SRZ_VERSION 1
#define SRZ_MAGIC "\x89srz\r\n\x1a\n"
#define SRZ_HEADER_SIZE 20         /* magic 8, version 2, zero 2, flags 4, crc 4 */
#define SRZ_FLAGS_MUST 0xffff0000u /* a flag up here that the reader does not know makes the file unreadable */
#define SRZ_SECTION_HEADER 24      /* id 4, coding 1, zero 3, stored 4, raw 4, crc of payload 4, crc of these 20 */
#define SRZ_END_PAYLOAD 16         /* offset of the index section 8, size of the file 8 */

/* Section ids below SRZ_SEC_TASKS; the rest is in srz.h. */
enum { SRZ_SEC_META = 1, SRZ_SEC_NAMES = 2, SRZ_SEC_EVENTS = 3, SRZ_SEC_INDEX = 4, SRZ_SEC_END = 5 };

/* Codings of sections and of columns; of columns only: FILL one byte repeated, ANS as in srz_ans.h, SPARSE zeros but
 * for some places. */
enum { SRZ_RAW = 0, SRZ_DEFLATE = 1, SRZ_FILL = 2, SRZ_ANS = 3, SRZ_SPARSE = 4 };

#define SRZ_MAX_SECTION (16u << 20) /* bytes of a payload, stored and inflated */
#define SRZ_MAX_SECTIONS (1u << 19)
#define SRZ_MAX_CHUNK_EVENTS (1u << 17)
#define SRZ_DEFAULT_CHUNK_EVENTS (1u << 16)
#define SRZ_MAX_META_KEY 255
#define SRZ_MAX_META_VALUE 65535
#define SRZ_MAX_META_KEYS 4096
#define SRZ_MAX_META_BYTES (4u << 20) /* keys and values that are in force, together */
#define SRZ_MAX_NAME 4095
#define SRZ_MAX_NAMES (1u << 22)
#define SRZ_MAX_NAME_BYTES (64u << 20)
#define SRZ_MAX_TASKS (1u << 19)
#define SRZ_MAX_MASKS 4096
#define SRZ_MAX_OPS 256

static inline uint16_t srz_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t srz_get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t srz_get64(const uint8_t *p)
{
	return srz_get32(p) | (uint64_t)srz_get32(p + 4) << 32;
}

static inline void srz_set16(uint8_t *p, uint16_t v)
{
	p[0] = v & 0xff;
	p[1] = v >> 8;
}

static inline void srz_set32(uint8_t *p, uint32_t v)
{
	srz_set16(p, v & 0xffff);
	srz_set16(p + 2, v >> 16);
}

static inline void srz_set64(uint8_t *p, uint64_t v)
{
	srz_set32(p, v & 0xffffffffu);
	srz_set32(p + 4, v >> 32);
}

static inline uint64_t srz_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int64_t srz_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* A growing byte string. Appends after a failed allocation do nothing and leave `failed` set. */
struct srz_buf {
	uint8_t *p;
	size_t n, cap;
	bool failed;
};

bool srz_buf_reserve(struct srz_buf *b, size_t more);
void srz_buf_release(struct srz_buf *b);
void srz_put_bytes(struct srz_buf *b, const void *p, size_t n);
void srz_put_varint(struct srz_buf *b, uint64_t v);

/* Memory that is about to be written as a whole: the kernel (from 5.14 on) gives it at once. A page fault for each page can
 * take longer than all that is done with the page, in a virtual machine ten times as long. */
void srz_populate(void *p, size_t len);
/* The same of new memory for free(): in huge pages where it is big and they are to be had, which are there much sooner.
 * NULL: out of memory. */
void *srz_new_populated(size_t len);

/* Makes b empty, with room for len bytes, which are about to be written; false: out of memory. */
bool srz_buf_empty(struct srz_buf *b, size_t len);

/* A checked look at bytes. After the first failure `bad` says why and everything reads as 0. */
struct srz_view {
	const uint8_t *p, *end;
	const char *bad;
};

uint64_t srz_take_varint(struct srz_view *v);                             /* at most 64 bits, at most 10 bytes */
uint64_t srz_take_max(struct srz_view *v, uint64_t max, const char *bad); /* a varint of at most max */
const uint8_t *srz_take_bytes(struct srz_view *v, size_t n);              /* NULL when there are not so many */

/* Deflate (no zlib wrapper) of in behind what out holds. Returns false, and leaves out as it was, when the result would
 * not be smaller than the input. */
bool srz_deflate(z_stream *z, int level, int strategy, const void *in, size_t len, struct srz_buf *out);
/* Fills out[0..len) exactly; false when the bytes are not deflate, or inflate to another length. */
bool srz_inflate(z_stream *z, const void *in, size_t stored, void *out, size_t len);

struct srz_section {
	uint32_t id; /* with SRZ_MUST */
	uint8_t coding;
	uint32_t stored, raw;
	uint32_t crc;
};

const char *srz_section_name(uint32_t id); /* "events", ..., "unknown" */
void srz_section_encode(const struct srz_section *s, uint8_t head[SRZ_SECTION_HEADER]);
/* NULL, or what is wrong with these bytes: SRZ_NOT_WHOLE itself when their sum is. Does not judge unknown ids, nor the coding. */
extern const char SRZ_NOT_WHOLE[];
const char *srz_section_decode(struct srz_section *s, const uint8_t head[SRZ_SECTION_HEADER]);

/* The place of an event in the order of its stream. */
struct srz_key {
	uint64_t time_ns;
	uint32_t cpu;
};

static inline bool srz_key_less(struct srz_key a, struct srz_key b)
{
	return a.time_ns < b.time_ns || (a.time_ns == b.time_ns && a.cpu < b.cpu);
}

static inline struct srz_key srz_key_of(const struct sr_event *ev)
{
	return (struct srz_key){ ev->time_ns, ev->cpu };
}

/* What the index keeps of a chunk. */
struct srz_chunk {
	uint64_t offset; /* of the section's header */
	struct srz_key first, last;
	struct srz_key from; /* reading: of this and all later chunks of the stream the first */
	uint32_t stored;     /* bytes of its payload */
	uint32_t events;     /* with those of kinds that this reader does not know */
	uint32_t unit;       /* ns: the chunk's times are multiples of it */
	uint64_t cpus;       /* bit cpu % 64 for each cpu that recorded one of its events */
	uint8_t stream;
};

/* Sums over chunks, in the chunk's head and in the index. Compared as bytes: no padding. */
struct srz_totals {
	uint64_t by_kind[SR_EV_KINDS];
	uint64_t lost;
	uint64_t cpus;
};

/*
 * The chunk codec (srz_encode.c, srz_decode.c), for any number of chunks in one direction. Its memory: about 100 bytes an event
 * of the biggest chunk seen when it decodes, 200 when it encodes.
 */
#define SRZ_LEVEL 6
enum srz_direction { SRZ_ENCODE, SRZ_DECODE };
struct srz_codec;
struct srz_codec *srz_codec_new(enum srz_direction direction, struct sr_error *err);
void srz_codec_free(struct srz_codec *c);
void srz_codec_set_level(struct srz_codec *c, int level); /* of zlib; 0: no deflate at all */

/* ev[0..n) in stream order, times multiples of chunk->unit (0: of 1). Appends the payload of an events section to out. */
int srz_chunk_encode(struct srz_codec *c, unsigned stream, const struct sr_event *ev, size_t n, struct srz_buf *out,
		     struct srz_chunk *chunk, struct srz_totals *totals, struct sr_error *err);

/* Sets first and last time from units; false when they are beyond 64 bits. */
bool srz_times_of(struct srz_chunk *c, uint64_t first, uint64_t span);

/* Only the head: fills all of *chunk but offset and stored, adds to *totals. NULL, or what is wrong. */
const char *srz_chunk_head(const uint8_t *p, size_t len, struct srz_chunk *chunk, struct srz_totals *totals);

/* The whole chunk in stream order into ev[0..chunk->events), *n of them (without unknown kinds). NULL, or what is
 * wrong; "out of memory" is SRZ_NO_MEMORY itself. chunk is what the index says, and must agree. Adds to *totals. */
extern const char SRZ_NO_MEMORY[];
const char *srz_chunk_decode(struct srz_codec *c, const uint8_t *p, size_t len, const struct srz_chunk *chunk,
			     struct sr_event *ev, size_t *n, struct srz_totals *totals);

/* The stored bytes of each column (enum srz_column), of a chunk that decodes. NULL, or what is wrong. */
const char *srz_chunk_columns(const uint8_t *p, size_t len, uint32_t *stored);

/* The tasks section. */
void srz_mask_encode(const struct sr_cpumask *m, struct srz_buf *out);
void srz_mask_decode(struct srz_view *v, struct sr_cpumask *m); /* m was zeroed */
int srz_tasks_encode(const struct sr_task_starts *t, struct srz_buf *out, struct sr_error *err);
const char *srz_tasks_decode(const uint8_t *p, size_t len,
			     struct sr_task_starts *t); /* t as in a failed state: release it */

/* The file being written (srz_part.c): PATH.part, locked, in its directory wherever that moves. */
struct srz_part {
	int fd, dir_fd;
	char *path, *part;            /* as given, for messages */
	const char *base, *part_base; /* their last components */
	uint64_t offset;              /* behind the last whole section */
	uint64_t reserved;            /* up to here the file has its blocks, 0: none ahead */
	bool unreserved;              /* the file system cannot reserve */
	bool failed;                  /* a write did not succeed */
	int error;                    /* its errno */
};

/* After a failure, too, srz_part_release is due. */
int srz_part_open(struct srz_part *p, const char *path, struct sr_error *err);
/* All of iov[0..n) behind what there is, or nothing. */
int srz_part_write(struct srz_part *p, struct iovec *iov, int n, struct sr_error *err);
/* Blocks for so many bytes more at least, where the file system can; fails when there are none. They are taken in windows
 * that grow with the file, each next to the one before; what is left over goes back in srz_part_finish. */
int srz_part_reserve(struct srz_part *p, size_t len, struct sr_error *err);
int srz_part_finish(struct srz_part *p, struct sr_error *err); /* on the disk, and under its own name */
void srz_part_remove(struct srz_part *p);
void srz_part_release(struct srz_part *p);

/*
 * The reader. srz_open.c fills it; srz_next.c merges the chunks of all streams.
 *
 * Of each stream at most two chunks are decoded at a time: a chunk may begin before its predecessor ends, but not
 * before the end of the one before that (srz_open has checked it). It may even begin before its predecessor does.
 */
struct srz_decoded {
	struct sr_event *ev;
	size_t n, cap;
	struct srz_totals totals;
};

struct srz_loaded {
	struct srz_decoded own; /* the chunk, where it is not held */
	struct sr_event *ev;
	size_t n, pos;
	size_t chunk; /* its number: the smaller is the earlier in the stream */
};

struct srz_cursor {
	struct srz_loaded slot[2];
	size_t next; /* the stream's next chunk to load; nchunks: none */
};

struct srz_reader {
	int fd;
	char *path;
	struct srz_info info;
	struct srz_chunk *chunk;
	size_t nchunks, chunks_cap;
	struct srz_key before[SRZ_STREAMS][2]; /* ends of the stream's chunks so far: of all, of all but the last */
	struct meta_entry {
		char *key, *value;
	} * meta;
	size_t nmeta, meta_bytes;
	struct srz_buf names; /* NUL-terminated, one behind the other */
	uint32_t *name_at, nnames, names_cap;
	struct sr_task_starts tasks;
	struct srz_kept {
		uint32_t id;
		void *p;
		size_t len;
	} kept[3];
	struct srz_buf stored, raw;
	z_stream z;
	bool z_open;
	struct srz_codec *codec;
	struct srz_totals totals; /* what the index says */
	uint64_t index;           /* its offset, 0: there is none */
	/* srz_next */
	struct srz_totals seen; /* in the chunks loaded so far */
	struct srz_cursor cursor[SRZ_STREAMS];
	const struct sr_event *next, *next_end; /* those that are known to come next, */
	unsigned stream;                        /* of this stream */
	uint64_t from_ns;                       /* srz_seek */
	struct srz_ahead *ahead;                /* srz_read_ahead; NULL: nobody decodes ahead */
	struct srz_decoded *held;               /* by chunk, those decoded so far; NULL: none is kept */
	bool once;                              /* srz_read_once: what is held is taken, and nothing added */
	struct sr_cpumask *cpus;                /* srz_select_cpus; NULL: all */
	uint64_t cpu_bits;                      /* of them, as in srz_chunk */
};

int srz_damaged(const struct srz_reader *r, struct sr_error *err, uint64_t offset, uint32_t id, const char *what);
/* Reads the section there, checks its sums, and inflates it. Its bytes are in r->raw or r->stored, *p points there.
 * known: id and stored length must be these. */
int srz_read_section(struct srz_reader *r, uint64_t offset, const struct srz_section *known, const uint8_t **p,
		     size_t *len, struct sr_error *err);

/* The stream's first chunk from this number on that has events of the selected cpus; nchunks: there is none. */
size_t srz_next_chunk(const struct srz_reader *r, unsigned stream, size_t from);

/* srz_ahead.c. d: as the last chunk left it, or zeroed; on failure it is zeroed. */
int srz_get_chunk(struct srz_reader *r, size_t chunk, struct srz_decoded *d, struct sr_error *err);
void srz_release_held(struct srz_reader *r);
void srz_ahead_free(struct srz_ahead *a); /* NULL is allowed */
/* What a second thread needs to decode chunks of the same file; srz_reader_free. The file stays open as long as r. */
struct srz_reader *srz_reader_hands(const struct srz_reader *r, struct sr_error *err);

/* For tests: files without deflate, whose bytes do not depend on zlib's version. Before the first put. */
void srz_writer_set_level(struct srz_writer *w, int level);

#endif
