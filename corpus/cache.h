/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cache of objects on this machine: DIR/<64 hexadecimal digits>.srz. An object gets its name there when it is whole and
 * has the hash that its name says; one that is there is hashed again before it is used, and fetched anew if it
 * changed. Several processes may share a cache.
 */
#ifndef SCHEDREC_CORPUS_CACHE_H
#define SCHEDREC_CORPUS_CACHE_H

#include "corpus/store.h"

/* Makes DIR if it is missing. path: of the object in the cache, the caller's to free. 1: fetched, 0: it was there, -1. */
int crp_cache_get(struct crp_store *s, const char *dir, const char *sha256, const struct crp_watch *watch, char **path,
		  struct sr_error *err);

#endif
