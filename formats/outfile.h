/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in the making: written as PATH.part, renamed to PATH in sr_outfile_close once it is on the disk. Nothing
 * existing is replaced before that. Small pieces are buffered; a failed write stays until the end, so that whoever
 * puts text together need not look at each piece: sr_outfile_error tells.
 *
 * One thread at a time.
 */
#ifndef SCHEDREC_FORMATS_OUTFILE_H
#define SCHEDREC_FORMATS_OUTFILE_H

#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"

struct sr_outfile;

/* SR_ENVIRONMENT: as srz_create. */
struct sr_outfile *sr_outfile_create(const char *path, struct sr_error *err);
void sr_out_bytes(struct sr_outfile *o, const void *data, size_t len);
void sr_out_text(struct sr_outfile *o, const char *s);
void sr_out_char(struct sr_outfile *o, char c);
void sr_out_u64(struct sr_outfile *o, uint64_t v, unsigned digits); /* at least so many, filled with 0 */
void sr_out_i64(struct sr_outfile *o, int64_t v);
void sr_out_format(struct sr_outfile *o, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* up to 4 KiB */
uint64_t sr_outfile_bytes(const struct sr_outfile *o);                                                /* put so far */
/* -1 with the first failure; 0: none yet. */
int sr_outfile_error(const struct sr_outfile *o, struct sr_error *err);
/* Completes the file; frees o also when it fails (the part file is removed then). */
int sr_outfile_close(struct sr_outfile *o, struct sr_error *err);
void sr_outfile_abort(struct sr_outfile *o); /* frees o, removes the part file; NULL is allowed */

/* Makes what was renamed in a directory stay so after a power failure: 0, or -1 with errno. */
int sr_sync_dir(const char *dir);

#endif
