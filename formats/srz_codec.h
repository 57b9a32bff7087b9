/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the chunk codec (srz_codec.c, srz_encode.c, srz_decode.c).
 *
 * A chunk is the payload of an events section, from and to events. FORMAT.md section 4 is the description.
 *
 *   head | column directory | columns
 *
 * Ops and times are kept cpu by cpu, because what a cpu does next depends on what it did last; merging the
 * times gives the order of the stream back, and the other columns are in that order.
 */
#ifndef SCHEDREC_FORMATS_SRZ_CODEC_H
#define SCHEDREC_FORMATS_SRZ_CODEC_H

#include "formats/srz_ans.h"
#include "formats/srz_internal.h"
#include "formats/srz_model.h"

/* One run of a cpu's events in the columns that are kept by cpu. */
struct srz_run {
	uint16_t cpu;
	uint32_t pos, end;
	unsigned last_op; /* + 1; 0: none */
};

struct srz_op {
	uint32_t kind; /* 0: not known, skipped */
	uint32_t flags;
	uint32_t count;
};

struct srz_head {
	struct srz_chunk chunk;
	unsigned nruns, nops;
	uint64_t lost;
	struct srz_run run[SR_MAX_CPUS];
	struct srz_op op[SRZ_MAX_OPS];
};

struct srz_codec {
	int level;
	z_stream def, inf;
	bool def_open, inf_open;
	struct srz_ans *ans;
	struct srz_model model;
	uint32_t room;  /* events that the arrays below have room for */
	uint64_t *time; /* by cpu */
	uint8_t *op;    /* by cpu */
	struct srz_head head;
	uint8_t nothing;        /* where columns that are not there begin */
	struct srz_buf columns; /* decoding: inflated; encoding: the directory's data */
};

/* The bits column. */
struct srz_bits {
	uint8_t *p;
	uint64_t pos, len; /* in bits */
	uint64_t acc;
	unsigned nacc;
};

/* Makes the arrays big enough for a chunk of so many events. */
bool srz_codec_room(struct srz_codec *c, uint32_t events);
void srz_model_start(struct srz_model *m);
uint64_t srz_head_cpus(const struct srz_head *h); /* srz_chunk.cpus */
void srz_head_totals(const struct srz_head *h, struct srz_totals *t);

#endif
