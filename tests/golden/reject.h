/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The must-reject list of FORMAT.md, a file for each rule: tests/golden/reject-NAME.srz must fail with SR_DAMAGED
 * and this text, when it is opened or when its events are read.
 */
#ifndef SCHEDREC_TESTS_REJECT_H
#define SCHEDREC_TESTS_REJECT_H

#include "tests/golden/forge.h"

static inline void forge_one_chunk(struct forged_file *f, const struct forged_chunk *c)
{
	forge_header(f, 1, 0);
	forge_events(f, c);
	forge_finish(f);
}

/* FALSIFIED is one statement on the chunk c, of three LOST events. */
#define CHUNK_CASE(name, FALSIFIED)                     \
	static void make_##name(struct forged_file *f)  \
	{                                               \
		struct forged_chunk c = forge_chunk(3); \
		FALSIFIED;                              \
		forge_one_chunk(f, &c);                 \
	}

/* MADE are statements on the file f between header and index. */
#define FILE_CASE(name, MADE)                          \
	static void make_##name(struct forged_file *f) \
	{                                              \
		forge_header(f, 1, 0);                 \
		MADE;                                  \
		forge_finish(f);                       \
	}

/* the file header */

static void make_magic(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_finish(f);
	f->b.p[0] = 'x';
}

static void make_newline_translated(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_finish(f);
	f->b.p[4] = '\n';
}

static void make_header_sum(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_finish(f);
	f->b.p[12] ^= 1;
}

static void make_version(struct forged_file *f)
{
	forge_header(f, 9999, 0);
	forge_finish(f);
}

static void make_version_0(struct forged_file *f)
{
	forge_header(f, 0, 0);
	forge_finish(f);
}

static void make_header_flag(struct forged_file *f)
{
	forge_header(f, 1, 1u << 16);
	forge_finish(f);
}

/* sections and the index */

FILE_CASE(unknown_section, forge_text_section(f, 1000 | SRZ_MUST, "?", 1))
FILE_CASE(section_coding, forge_section(f, SRZ_SEC_META | SRZ_MUST, 7, "\1k\1v", 4, 4))
FILE_CASE(section_lengths, forge_section(f, SRZ_SEC_META | SRZ_MUST, SRZ_RAW, "\1k\1v", 4, 5))
FILE_CASE(not_deflate, forge_section(f, SRZ_SEC_META | SRZ_MUST, SRZ_DEFLATE, "\377\377\377\377", 4, 40))

static void make_section_sum(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\1v", 4);
	forge_finish(f);
	f->b.p[SRZ_HEADER_SIZE + SRZ_SECTION_HEADER + 1] ^= 0x20;
}

static void make_section_header_sum(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\1v", 4);
	forge_finish(f);
	f->b.p[SRZ_HEADER_SIZE + 12] ^= 1;
}

/* A byte of the first section's header, its sum made right again. */
static inline void forge_falsify_section(struct forged_file *f, unsigned at, uint8_t value)
{
	uint8_t *head = f->b.p + SRZ_HEADER_SIZE;

	head[at] = value;
	srz_set32(head + 20, (uint32_t)crc32(0, head, 20));
}

static void make_section_reserved(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\1v", 4);
	forge_finish(f);
	forge_falsify_section(f, 5, 1);
}

static void make_section_without_must(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\1v", 4);
	forge_finish(f);
	forge_falsify_section(f, 3, 0);
}

static void make_section_behind_index(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_finish(f);
	f->b.n -= SRZ_SECTION_HEADER + SRZ_END_PAYLOAD; /* the end */
	forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\1v", 4);
}

static void make_chunk_sum(struct forged_file *f)
{
	struct forged_chunk c = forge_chunk(3);

	forge_one_chunk(f, &c);
	f->b.p[SRZ_HEADER_SIZE + SRZ_SECTION_HEADER + 4] ^= 1;
}

/* 16 MB of zeros in 16 KB are within the limit; the header says less than what comes out. */
static void make_bomb(struct forged_file *f)
{
	static uint8_t zeros[16 << 20];
	struct srz_buf packed = { 0 };
	z_stream z = { 0 };

	deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
	srz_deflate(&z, 9, Z_DEFAULT_STRATEGY, zeros, sizeof(zeros), &packed);
	deflateEnd(&z);
	forge_header(f, 1, 0);
	forge_section(f, SRZ_SEC_MACHINE, SRZ_DEFLATE, packed.p, packed.n, 100);
	forge_finish(f);
	srz_buf_release(&packed);
}

FILE_CASE(section_too_long, forge_section(f, SRZ_SEC_MACHINE, SRZ_DEFLATE, "\3\0", 2, SRZ_MAX_SECTION + 1))
FILE_CASE(index_gap, {
	forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\1v", 4);
	srz_put_bytes(&f->b, "gap", 3);
})
FILE_CASE(index_lists_itself, forge_text_section(f, SRZ_SEC_INDEX | SRZ_MUST, "", 0))
FILE_CASE(index_other_id, {
	forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\1v", 4);
	f->entries.p[0] = SRZ_SEC_NAMES << 1 | 1;
})
FILE_CASE(index_too_many_sections, f->sections = 1u << 30)
FILE_CASE(index_counts_too_much, {
	f->kind = 1;
	f->kind_count = 1;
})
FILE_CASE(index_cpus, f->cpus = SR_MAX_CPUS + 1)
FILE_CASE(index_number_too_long, srz_put_bytes(&f->entries, "\377\377\377\377\377\377\377\377\377\2", 10);
	  f->sections = 1)

static void make_index_miscounts(struct forged_file *f)
{
	struct forged_chunk c = forge_chunk(3);

	forge_header(f, 1, 0);
	forge_events(f, &c);
	f->kind_count--;
	forge_finish(f);
}

static void make_index_kind_zero(struct forged_file *f)
{
	forge_header(f, 1, 0);
	/* no sections; one kind: 0, one event; nothing lost; no cpus */
	forge_raw_section(f, SRZ_SEC_INDEX | SRZ_MUST, SRZ_RAW, "\0\1\0\1\0\0", 6, 6);
	forge_end_at(f, SRZ_HEADER_SIZE, f->b.n + SRZ_SECTION_HEADER + SRZ_END_PAYLOAD);
}

static void make_index_rest(struct forged_file *f)
{
	struct srz_buf p = { 0 };
	uint64_t index;

	forge_header(f, 1, 0);
	index = f->b.n;
	forge_index_bytes(f, &p);
	srz_put_varint(&p, 0);
	forge_raw_section(f, SRZ_SEC_INDEX | SRZ_MUST, SRZ_RAW, p.p, p.n, p.n);
	forge_end_at(f, index, f->b.n + SRZ_SECTION_HEADER + SRZ_END_PAYLOAD);
	srz_buf_release(&p);
}

static void make_index_chunk_differs(struct forged_file *f)
{
	struct forged_chunk c = forge_chunk(3), other = forge_chunk(3);
	struct forged_file g = { .b = { 0 } };

	other.span_ns++;
	forge_one_chunk(&g, &other);
	forge_header(f, 1, 0);
	forge_events(f, &c);
	f->entries.n = 0;
	srz_put_bytes(&f->entries, g.entries.p, g.entries.n);
	forge_finish(f);
	srz_buf_release(&g.b);
	srz_buf_release(&g.entries);
}

static void make_end_elsewhere(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_end_at(f, UINT64_MAX - 3, f->b.n + SRZ_SECTION_HEADER + SRZ_END_PAYLOAD);
	forge_raw_section(f, SRZ_SEC_INDEX | SRZ_MUST, SRZ_RAW, "\0\0\0\0", 4, 4);
	forge_end_at(f, UINT64_MAX - 3, f->b.n + SRZ_SECTION_HEADER + SRZ_END_PAYLOAD);
}

static void make_end_size(struct forged_file *f)
{
	forge_header(f, 1, 0);
	forge_raw_section(f, SRZ_SEC_INDEX | SRZ_MUST, SRZ_RAW, "\0\0\0\0", 4, 4);
	forge_end_at(f, SRZ_HEADER_SIZE, 12345);
}

static void make_trailing_garbage(struct forged_file *f)
{
	struct forged_chunk c = forge_chunk(3);

	forge_one_chunk(f, &c);
	srz_put_bytes(&f->b, "garbage", 7);
}

/* meta, names, tasks */

FILE_CASE(meta_no_key, forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\0\1v", 3))
FILE_CASE(meta_nul, forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\2v\0", 5))
FILE_CASE(meta_cut, forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\5v", 4))
FILE_CASE(meta_value_too_long, forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\1k\200\200\4", 5))
FILE_CASE(meta_key_too_long, forge_text_section(f, SRZ_SEC_META | SRZ_MUST, "\200\2", 2))
FILE_CASE(names_out_of_turn, forge_text_section(f, SRZ_SEC_NAMES | SRZ_MUST, "\1\1\1a", 4))
FILE_CASE(names_nul, forge_text_section(f, SRZ_SEC_NAMES | SRZ_MUST, "\0\1\1\0", 4))
FILE_CASE(names_too_many, forge_text_section(f, SRZ_SEC_NAMES | SRZ_MUST, "\0\200\200\200\200\1", 6))
FILE_CASE(names_rest, forge_text_section(f, SRZ_SEC_NAMES | SRZ_MUST, "\0\1\1a?", 5))
FILE_CASE(name_too_long, forge_text_section(f, SRZ_SEC_NAMES | SRZ_MUST, "\0\1\200\40", 4))
/* nmasks, runs (gap, length - 1); ntasks; tid, tgid, ppid, comm, policy, nice, rt_prio, flags, state, cpu, mask */
FILE_CASE(tasks_mask_cpu, forge_text_section(f, SRZ_SEC_TASKS | SRZ_MUST, "\1\1\377\37\1\0", 6))
FILE_CASE(tasks_mask_index, forge_text_section(f, SRZ_SEC_TASKS | SRZ_MUST, "\0\1\2\0\0\1a\0\0\0\0R\0\0", 14))
FILE_CASE(tasks_tid_zero, forge_text_section(f, SRZ_SEC_TASKS | SRZ_MUST, "\1\0\1\0\0\0\1a\0\0\0\0R\0\0", 15))
FILE_CASE(tasks_nice, forge_text_section(f, SRZ_SEC_TASKS | SRZ_MUST, "\1\0\1\2\0\0\1a\0\50\0\0R\0\0", 15))
FILE_CASE(tasks_comm,
	  forge_text_section(f, SRZ_SEC_TASKS | SRZ_MUST, "\1\0\1\2\0\0\20aaaaaaaaaaaaaaaa\0\0\0\0R\0\0", 30))
FILE_CASE(tasks_too_many, forge_text_section(f, SRZ_SEC_TASKS | SRZ_MUST, "\0\200\200\200\1", 5))
FILE_CASE(tasks_cut, forge_text_section(f, SRZ_SEC_TASKS | SRZ_MUST, "\1\0\1\2\0\0\1a\0\0\0\0\200\200\200", 15))
/* masks, groups, sets, entries; a set has 12 numbers */
FILE_CASE(attributes_group_version, forge_text_section(f, SRZ_SEC_ATTRIBUTES, "\0\1\1/\0\0\0\0\0\0\0", 11))
FILE_CASE(attributes_clamp, forge_text_section(f, SRZ_SEC_ATTRIBUTES, "\0\0\1\0\0\0\0\0\0\0\201\10\0\0\0\0\0", 17))
FILE_CASE(attributes_mask_index, forge_text_section(f, SRZ_SEC_ATTRIBUTES, "\0\0\1\0\0\0\0\0\0\0\0\0\0\1\0\0", 16))
FILE_CASE(attributes_set_index, forge_text_section(f, SRZ_SEC_ATTRIBUTES, "\0\0\0\1\0\1\0", 7))
FILE_CASE(attributes_cut, forge_text_section(f, SRZ_SEC_ATTRIBUTES, "\0\0\1\0\0\0\0\0\0\0\0\0\0\0\200", 15))
FILE_CASE(attributes_rest, forge_text_section(f, SRZ_SEC_ATTRIBUTES, "\0\0\0\0\0", 5))
FILE_CASE(tasks_rest, forge_text_section(f, SRZ_SEC_TASKS | SRZ_MUST, "\0\0\0", 3))

/* chunks: the head */

CHUNK_CASE(chunk_stream, c.stream = SRZ_STREAMS)
CHUNK_CASE(chunk_too_many_events, c.events = SRZ_MAX_CHUNK_EVENTS + 1)
CHUNK_CASE(chunk_no_events, c.events = 0)
CHUNK_CASE(chunk_time_overflow, c.first_ns = UINT64_MAX - 5)
CHUNK_CASE(unit_zero, c.unit = 0)
CHUNK_CASE(unit_too_large, c.unit = SRZ_MAX_TIME_UNIT + 1)
CHUNK_CASE(unit_overflow, {
	c.unit = 1000;
	c.first_ns = UINT64_MAX / 1000;
})
CHUNK_CASE(chunk_cpu, c.cpu = SR_MAX_CPUS)
CHUNK_CASE(chunk_runs, c.nruns = SR_MAX_CPUS + 1)
CHUNK_CASE(chunk_cpu_count, c.count = 2)
CHUNK_CASE(chunk_op_count, c.op_count = 2)
CHUNK_CASE(chunk_ops, c.nops = SRZ_MAX_OPS + 1)
CHUNK_CASE(unknown_kind, c.kind = 500 << 1 | 1)
CHUNK_CASE(kind_zero, c.kind = 0)
CHUNK_CASE(op_flag, c.flags = 32)
CHUNK_CASE(op_prev_of_no_switch, c.flags = 16)
CHUNK_CASE(lost_sum, c.lost = 14)
CHUNK_CASE(first_cpu_differs, c.first_cpu = 1)
CHUNK_CASE(first_time_differs, {
	c.span_ns += 1;
	c.first_ns -= 1;
	c.col[FORGE_TIMES].p[0] = 1;
	c.last_cpu = 1;
})

static void make_chunks_overlap(struct forged_file *f)
{
	struct forged_chunk c = forge_chunk(3);
	int i;

	forge_header(f, 1, 0);
	for (i = 0; i < 3; i++)
		forge_events(f, &c);
	forge_finish(f);
}

/* chunks: the columns */

CHUNK_CASE(unknown_column, c.col[FORGE_MISC].id = 99 << 1 | 1)
CHUNK_CASE(column_coding, c.col[FORGE_TASK].coding = 5)
CHUNK_CASE(column_twice, c.col[FORGE_TASK].id = c.col[FORGE_OPS].id)
CHUNK_CASE(column_lengths, c.col[FORGE_TASK].raw = 4)
CHUNK_CASE(column_too_long, c.col[FORGE_TASK].raw = c.col[FORGE_TASK].stored = SRZ_MAX_SECTION + 1)
CHUNK_CASE(column_bomb, {
	c.col[FORGE_TASK].coding = SRZ_FILL;
	c.col[FORGE_TASK].raw = SRZ_MAX_SECTION;
	c.col[FORGE_TASK].stored = c.col[FORGE_TASK].n = 1;
})
CHUNK_CASE(column_not_deflate, c.col[FORGE_TASK].coding = SRZ_DEFLATE)
CHUNK_CASE(column_cut, { c.col[FORGE_MISC].raw = c.col[FORGE_MISC].stored = 7; })
CHUNK_CASE(columns_rest, c.ntail = 1)
CHUNK_CASE(op_without_events, {
	c.nops = 2;
	c.kind2 = SR_EV_EXIT << 1 | 1;
})
CHUNK_CASE(column_without_bytes, { c.col[FORGE_MISC].raw = c.col[FORGE_MISC].stored = c.col[FORGE_MISC].n = 0; })
CHUNK_CASE(op_not_listed, c.col[FORGE_OPS].p[1] = 1)
CHUNK_CASE(no_columns, c.ncols = 0)
CHUNK_CASE(ops_missing, { c.col[FORGE_OPS].raw = c.col[FORGE_OPS].stored = c.col[FORGE_OPS].n = 2; })
CHUNK_CASE(times_missing, { c.col[FORGE_TIMES].raw = c.col[FORGE_TIMES].stored = c.col[FORGE_TIMES].n = 2; })
CHUNK_CASE(time_symbol, c.col[FORGE_TIMES].p[1] = 5)
CHUNK_CASE(time_bits_cut, c.col[FORGE_TIMES].p[1] = 255)
CHUNK_CASE(time_bits_rest, { c.col[FORGE_BITS].raw = c.col[FORGE_BITS].stored = c.col[FORGE_BITS].n = 2; })
CHUNK_CASE(time_behind_the_last, c.span_ns = 19)
CHUNK_CASE(last_time_differs, c.span_ns = 21)
CHUNK_CASE(task_rank, c.col[FORGE_TASK].p[1] = 2)
CHUNK_CASE(task_new_without_tid, c.col[FORGE_TASK].p[1] = 254)
CHUNK_CASE(task_far_without_slot, c.col[FORGE_TASK].p[1] = 255)
CHUNK_CASE(task_slot, {
	c.col[FORGE_TASK].p[1] = 255;
	forge_column(&c, 7, "\1", 1);
})
CHUNK_CASE(tid_negative, {
	c.col[FORGE_TASK].p[1] = 254;
	forge_column(&c, 8, "\1", 1);
})
CHUNK_CASE(tid_overflow, {
	c.col[FORGE_TASK].p[1] = 254;
	c.col[FORGE_TASK].p[2] = 254;
	forge_column(&c, 8, "\376\377\377\377\17\2", 6);
})
CHUNK_CASE(ctx_not_known, {
	c.flags = 0;
	c.ncols--;
	c.col[FORGE_TASK] = c.col[FORGE_MISC];
})
CHUNK_CASE(column_rest, forge_column(&c, 9, "", 1))
CHUNK_CASE(value_too_big, {
	c.col[FORGE_MISC].p[1] = 0x80;
	c.col[FORGE_MISC].p[2] = 0x80;
	c.col[FORGE_MISC].p[3] = 0x80;
	c.col[FORGE_MISC].p[4] = 0x80;
	c.col[FORGE_MISC].p[5] = 0x10;
})

/* coded columns; CODED_CASE falsifies byte AT of the misc column */
#define CODED_CASE(name, AT, BYTE)                \
	CHUNK_CASE(name, {                        \
		forge_coded(&c);                  \
		c.col[FORGE_MISC].p[AT] = (BYTE); \
	})

CODED_CASE(coded_tables, 0, 64)
CODED_CASE(coded_symbols, 2, 254)
CODED_CASE(coded_frequency, 5, 12)
CODED_CASE(coded_sum, 4, 0)
CODED_CASE(coded_two_rests, 5, 15)
CODED_CASE(coded_state, 6, 0)
CODED_CASE(coded_end, 8, 1)
CHUNK_CASE(coded_cut, {
	forge_coded(&c);
	c.col[FORGE_MISC].n = c.col[FORGE_MISC].stored = 8;
})
CHUNK_CASE(coded_rest, {
	forge_coded(&c);
	c.col[FORGE_MISC].n = c.col[FORGE_MISC].stored = 12;
})
CHUNK_CASE(coded_odd, {
	forge_coded(&c);
	c.col[FORGE_MISC].n = c.col[FORGE_MISC].stored = 11;
})
CHUNK_CASE(coded_words_missing, {
	forge_coded(&c);
	c.col[FORGE_MISC].raw = 60;
})
CHUNK_CASE(coded_group, {
	forge_coded(&c);
	memcpy(c.col[FORGE_MISC].p, "\1\0\1\0", 4);
})
CHUNK_CASE(times_without_ops, {
	c.col[FORGE_OPS].id = 2 << 1 | 1;
	c.col[FORGE_OPS].coding = SRZ_ANS;
	c.col[FORGE_TIMES].id = 1 << 1 | 1;
})
CHUNK_CASE(sparse_too_long, forge_sparse(&c, "\3\0", 2))
CHUNK_CASE(sparse_cut, forge_sparse(&c, "\1", 1))

/* One event of another kind in the place of the LOST ones; columns: ops, times, task and the kind's own. */
static struct forged_chunk chunk_of(unsigned kind)
{
	struct forged_chunk c = forge_chunk(1);

	c.kind = kind << 1 | 1;
	c.lost = 0;
	c.ncols = 0;
	forge_column(&c, 1, "", 1);
	forge_column(&c, 2, "", 1);
	return c;
}

#define KIND_CASE(name, KIND, COLUMNS)                  \
	static void make_##name(struct forged_file *f)  \
	{                                               \
		struct forged_chunk c = chunk_of(KIND); \
		COLUMNS;                                \
		forge_one_chunk(f, &c);                 \
	}

KIND_CASE(switch_state, SR_EV_SWITCH, {
	forge_column(&c, 6, "", 1);
	forge_column(&c, 15, "", 1);
	forge_column(&c, 9, "\0", 2);
	forge_column(&c, 11, "\14", 1);
})
KIND_CASE(wake_cpu, SR_EV_WAKING, {
	forge_column(&c, 6, "", 1);
	forge_column(&c, 5, "", 1);
	forge_column(&c, 9, "", 1);
	forge_column(&c, 10, "\200\100", 2);
})
KIND_CASE(exit_group_dead, SR_EV_EXIT, {
	forge_column(&c, 6, "\0", 2);
	forge_column(&c, 9, "", 1);
	forge_column(&c, 12, "\3", 1);
})
KIND_CASE(decision_cpu, SR_EV_DECISION, {
	forge_column(&c, 6, "\0", 2);
	forge_column(&c, 10, "\3\0", 2);
	forge_column(&c, 12, "\0\0", 2);
})
KIND_CASE(decision_cause, SR_EV_DECISION, {
	forge_column(&c, 6, "\0", 2);
	forge_column(&c, 10, "\0\0", 2);
	forge_column(&c, 12, "\10\0", 2);
})
KIND_CASE(frequency_cpu, SR_EV_FREQUENCY, {
	forge_column(&c, 6, "", 1);
	forge_column(&c, 10, "\200\100", 2);
	forge_column(&c, 14, "", 1);
})
KIND_CASE(idle_cpu, SR_EV_IDLE, {
	forge_column(&c, 6, "", 1);
	forge_column(&c, 10, "\1", 1);
	forge_column(&c, 14, "", 1);
})
KIND_CASE(idle_state, SR_EV_IDLE, {
	forge_column(&c, 6, "", 1);
	forge_column(&c, 10, "", 1);
	forge_column(&c, 14, "\200\200\200\200\20", 5);
})
KIND_CASE(optional_kind_cut, 500, {
	c.kind &= ~1ull;
	forge_column(&c, 6, "", 1);
	forge_column(&c, 13, "\5abc", 4);
})

#define R(name, text)                    \
	{                                \
#name, make_##name, text \
	}
static const struct reject {
	const char *name;
	void (*make)(struct forged_file *f);
	const char *text;
} rejects[] = {
	R(magic, "is not a .srz file"),
	R(newline_translated, "is not a .srz file"),
	R(header_sum, "the file header has a wrong checksum"),
	R(version, "has format version 9999"),
	R(version_0, "has format version 0, an experimental one"),
	R(header_flag, "has header flags that this version of schedrec does not know"),
	R(unknown_section, "section 1000 at offset 20 must be understood"),
	R(section_coding, "the meta section at offset 20 has a coding that this reader does not know"),
	R(section_lengths, "has lengths that do not fit"),
	R(not_deflate, "does not inflate to its length"),
	R(section_sum, "the meta section at offset 20 has a wrong checksum"),
	R(section_reserved, "has reserved bytes that are not zero"),
	R(section_without_must, "lacks its must-understand bit"),
	R(section_behind_index, "stands behind the index"),
	R(section_header_sum, "the meta section at offset 20 has a wrong header checksum"),
	R(chunk_sum, "the events section at offset 20 has a wrong checksum"),
	R(bomb, "does not inflate to its length"),
	R(section_too_long, "the machine section at offset 20 is longer than the limit"),
	R(index_gap, "has sections that do not fit the file"),
	R(index_lists_itself, "lists itself or the end mark"),
	R(index_other_id, "the names section at offset 20 is not what the index says"),
	R(index_too_many_sections, "has too many sections"),
	R(index_counts_too_much, "counts more events than there are"),
	R(index_miscounts, "the index section at offset 97 counts its events wrongly"),
	R(index_kind_zero, "counts a kind twice, or one that cannot be"),
	R(index_cpus, "has too many cpus"),
	R(index_number_too_long, "has a number of more than 64 bits"),
	R(index_rest, "has bytes behind its end"),
	R(index_chunk_differs, "the events section at offset 20 is not what the index says"),
	R(end_elsewhere, "does not fit the file"),
	R(end_size, "does not fit the file"),
	R(trailing_garbage, "is not at the end of the file"),
	R(meta_no_key, "has an empty key"),
	R(meta_nul, "a NUL inside a text"),
	R(meta_cut, "ends in the middle of its bytes"),
	R(meta_value_too_long, "has a value that is too long"),
	R(meta_key_too_long, "has a key that is too long"),
	R(names_out_of_turn, "does not begin with the next name"),
	R(names_nul, "has a name with a NUL inside"),
	R(names_too_many, "has too many names"),
	R(names_rest, "has bytes behind its last name"),
	R(name_too_long, "has a name that is too long"),
	R(tasks_mask_cpu, "has a mask with a cpu out of range"),
	R(tasks_mask_index, "has a mask index out of range"),
	R(tasks_tid_zero, "has a task id out of range"),
	R(tasks_nice, "has a nice value out of range"),
	R(tasks_comm, "has a comm that is too long"),
	R(tasks_too_many, "has too many tasks"),
	R(tasks_cut, "ends in the middle of a number"),
	R(tasks_rest, "has bytes behind its last task"),
	R(attributes_group_version, "has a group of an unknown version"),
	R(attributes_clamp, "has a clamp out of range"),
	R(attributes_mask_index, "has an index out of range"),
	R(attributes_set_index, "has an index out of range"),
	R(attributes_cut, "ends in the middle of a number"),
	R(attributes_rest, "has bytes behind its last entry"),
	R(chunk_stream, "names a stream that is not known"),
	R(chunk_too_many_events, "has a chunk of too many events"),
	R(chunk_no_events, "has an empty chunk"),
	R(chunk_time_overflow, "a time beyond 64 bits"),
	R(unit_zero, "has a time unit out of range"),
	R(unit_too_large, "has a time unit out of range"),
	R(unit_overflow, "a time beyond 64 bits"),
	R(chunk_cpu, "names a cpu out of range"),
	R(chunk_runs, "has too many cpus"),
	R(chunk_cpu_count, "counts its events by cpu wrongly"),
	R(chunk_op_count, "counts its events by op wrongly"),
	R(chunk_ops, "has too many ops"),
	R(unknown_kind, "must be understood and is not known to this reader"),
	R(kind_zero, "counts its events by op wrongly"),
	R(op_flag, "has op flags that this reader does not know"),
	R(op_prev_of_no_switch, "has op flags that do not fit the kind"),
	R(lost_sum, "counts its lost events wrongly"),
	R(first_cpu_differs, "does not begin where its head says"),
	R(first_time_differs, "does not begin where its head says"),
	R(chunks_overlap, "begins before the last chunk but one ends"),
	R(unknown_column, "has a column that must be understood and is not known to this reader"),
	R(column_coding, "has a column coding that is not known to this reader"),
	R(column_twice, "has a column twice"),
	R(column_lengths, "has a column whose lengths do not fit"),
	R(column_too_long, "has a column longer than the limit"),
	R(column_bomb, "has columns that are together longer than the limit"),
	R(column_not_deflate, "has a column that does not inflate to its length"),
	R(column_cut, "ends in the middle of a column"),
	R(columns_rest, "has bytes behind its last column"),
	R(op_without_events, "counts its events by op wrongly"),
	R(column_without_bytes, "has a column whose lengths do not fit"),
	R(op_not_listed, "counts its events by op wrongly"),
	R(no_columns, "has another number of ops than of events"),
	R(ops_missing, "has another number of ops than of events"),
	R(times_missing, "has another number of times than of events"),
	R(time_symbol, "has a time symbol out of range"),
	R(time_bits_cut, "ends in the middle of the times"),
	R(time_bits_rest, "has more bits than its times need"),
	R(time_behind_the_last, "has a time behind its last one"),
	R(last_time_differs, "does not end where its head says"),
	R(task_rank, "a task rank is out of range"),
	R(task_new_without_tid, "ends in the middle of a number"),
	R(task_far_without_slot, "ends in the middle of a number"),
	R(task_slot, "a task slot is out of range"),
	R(tid_negative, "a tid is out of range"),
	R(tid_overflow, "a tid is out of range"),
	R(ctx_not_known, "a cpu's task is not known"),
	R(column_rest, "has a column that is longer than its events need"),
	R(value_too_big, "a value is out of range"),
	R(coded_tables, "has a coded column of too many tables"),
	R(coded_group, "has a table for a context that cannot be"),
	R(coded_symbols, "has a table of more than 256 symbols"),
	R(coded_frequency, "has a table with a frequency out of range"),
	R(coded_sum, "has a table whose frequencies do not add up"),
	R(coded_two_rests, "has a table with a frequency out of range"),
	R(coded_state, "has a coded column that does not end where it should"),
	R(coded_end, "has a coded column that does not end where it should"),
	R(coded_cut, "has a coded column that does not end where it should"),
	R(coded_rest, "has a coded column that does not end where it should"),
	R(coded_odd, "has a coded column that does not end where it should"),
	R(coded_words_missing, "has a coded column that does not end where it should"),
	R(times_without_ops, "has other numbers of ops or times than of events"),
	R(sparse_too_long, "has a sparse column longer than it says"),
	R(sparse_cut, "ends in the middle of its bytes"),
	R(frequency_cpu, "a cpu is out of range"),
	R(idle_cpu, "a cpu is out of range"),
	R(idle_state, "a value is out of range"),
	R(switch_state, "a task state is out of range"),
	R(wake_cpu, "a cpu is out of range"),
	R(exit_group_dead, "group_dead is out of range"),
	R(decision_cpu, "a cpu is out of range"),
	R(decision_cause, "a cause is out of range"),
	R(optional_kind_cut, "ends in the middle of its bytes"),
};
#undef R

#endif
