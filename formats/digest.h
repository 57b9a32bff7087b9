/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 of files: a trace's identity. The implementation is the one owner of nettle. */
#ifndef SCHEDREC_FORMATS_DIGEST_H
#define SCHEDREC_FORMATS_DIGEST_H

#include "formats/error.h"

#define SR_SHA256_TEXT 65 /* 64 lower-case hexadecimal digits and a NUL */

int sr_sha256_file(const char *path, char text[SR_SHA256_TEXT], struct sr_error *err);

#endif
