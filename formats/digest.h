/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 of files (a trace's identity) and of bytes as they come, and HMAC. The implementation is the one owner of nettle. */
#ifndef SCHEDREC_FORMATS_DIGEST_H
#define SCHEDREC_FORMATS_DIGEST_H

#include <stddef.h>

#include "formats/error.h"

#define SR_SHA256_TEXT 65 /* 64 lower-case hexadecimal digits and a NUL */

int sr_sha256_file(const char *path, char text[SR_SHA256_TEXT], struct sr_error *err);

struct sr_sha256;
struct sr_sha256 *sr_sha256_new(void); /* NULL: out of memory */
void sr_sha256_add(struct sr_sha256 *d, const void *data, size_t len);
void sr_sha256_end(struct sr_sha256 *d, char text[SR_SHA256_TEXT]); /* begins anew */
void sr_sha256_free(struct sr_sha256 *d);                           /* NULL is allowed */

#define SR_HMAC_BYTES 32

/* HMAC-SHA-256 of bytes under a key. */
void sr_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, unsigned char out[SR_HMAC_BYTES]);

#endif
