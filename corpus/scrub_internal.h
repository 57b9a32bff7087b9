/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of kernel threads that are the same on every machine. */
#ifndef SCHEDREC_CORPUS_SCRUB_INTERNAL_H
#define SCHEDREC_CORPUS_SCRUB_INTERNAL_H

#include <stdbool.h>

/* Is it one, and what of its name may be told ("kworker/u8:3-nvme-wq" -> "kworker/u8:3")? */
bool crp_kernel_name(const char *name, char out[16]);

#endif
