/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events packed in memory as a file has them in a chunk: two to three bytes each. For who keeps many and needs few
 * (a flight recorder). One thread at a time; packs made by another version of schedrec are not for this one.
 */
#ifndef SCHEDREC_FORMATS_SRZ_PACK_H
#define SCHEDREC_FORMATS_SRZ_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"

struct srz_packer;

struct srz_packer *srz_packer_new(struct sr_error *err); /* NULL: out of memory */
void srz_packer_free(struct srz_packer *p);              /* NULL is allowed */

/* ev[0..n), of one stream and in its order, 1 to 131,072 of them, into memory that the caller frees. */
int srz_pack(struct srz_packer *p, const struct sr_event *ev, size_t n, void **bytes, size_t *len,
	     struct sr_error *err);
/* The same events again, into ev, which has room for those n. SR_DAMAGED: these are not the bytes. */
int srz_unpack(struct srz_packer *p, const void *bytes, size_t len, struct sr_event *ev, size_t n,
	       struct sr_error *err);

#endif
