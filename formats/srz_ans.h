/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the chunk codec: a byte column as range asymmetric numeral systems (rANS) with static tables, chosen by
 * context. FORMAT.md, "Coding 3", is the description.
 */
#ifndef SCHEDREC_FORMATS_SRZ_ANS_H
#define SCHEDREC_FORMATS_SRZ_ANS_H

#include "formats/srz_internal.h"

#define SRZ_ANS_BITS 11
#define SRZ_ANS_TOTAL (1u << SRZ_ANS_BITS)
#define SRZ_ANS_TABLES 64       /* at most */
#define SRZ_ANS_PARTS_FROM 4096 /* a column of so many symbols is coded in four parts */
#define SRZ_ANS_LEVELS 3
#define SRZ_ANS_CONTEXTS 65536

/* One direction's memory, about 1.2 MB: tables and scratch. */
struct srz_ans;
struct srz_ans *srz_ans_new(void);
void srz_ans_free(struct srz_ans *a);

/* The contexts of a column's symbols: the two before it, or (ops not NULL: the times) its op, the op before, and the octave
 * of the symbol before. */
struct srz_ans_contexts {
	const uint8_t *ops;
	unsigned nops;
};

/* Appends the coded column; false, and out as it was, when that is not smaller than n bytes. */
bool srz_ans_encode(struct srz_ans *a, const struct srz_ans_contexts *by, const uint8_t *p, size_t n,
		    struct srz_buf *out);
/* NULL, or what is wrong. */
const char *srz_ans_decode(struct srz_ans *a, const struct srz_ans_contexts *by, const uint8_t *p, size_t stored,
			   uint8_t *out, size_t n);

#endif
