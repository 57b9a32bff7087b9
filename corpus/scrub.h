/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scrubbing: a recording is written anew, by allow-list, without what tells whose it is. This happens on the
 * contributor's machine, before anything leaves it.
 *
 *   names        of tasks and programs: pseudonyms, "t" and 12 hexadecimal digits of HMAC-SHA-256 under a key that is made
 *                of the contributor's secret salt and the kind of name. The same name has the same pseudonym in all of
 *                a contributor's traces, and another one in anybody else's. Well-known kernel threads are kept, without
 *                what follows their number (devices, work queues). Of an executed file only the pseudonym of its last
 *                part is left, which is the name that the task gets.
 *   numbers      tids and process ids are renumbered from 1 in ascending order (1 and 2 stay), sessions likewise: tasks that
 *                were distinct are, and anything that sorts by them sorts alike
 *   times        the clock is shifted by whole seconds so that the recording begins before its second 2: the phase of
 *                ticks stays, how long the machine was up does not
 *   groups       each part of a control group's path is a pseudonym of its own kind; weights and limits stay
 *   machine      written anew from its allow-listed elements and attributes (formats/machine.h)
 *   meta         allow-listed keys whose values have the form that the key has; kernel releases keep version numbers
 *                and well-known words only. Command lines, labels, dates, ids, paths and all others are dropped.
 *   sections     start state, attributes, machine; all others are dropped
 *
 * Events keep their order, times (but for the shift), CPUs, priorities and states.
 */
#ifndef SCHEDREC_CORPUS_SCRUB_H
#define SCHEDREC_CORPUS_SCRUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"

#define CRP_SALT 32 /* bytes */

enum crp_name_kind { CRP_NAME_TASK, CRP_NAME_GROUP };

struct crp_change {
	char *before, *after; /* after NULL: dropped */
};

/* What was done, for showing it before anything leaves. Owned. */
struct crp_scrubbed {
	struct crp_change *names; /* tasks, programs and groups, in order of appearance, each once */
	size_t nnames, names_cap;
	struct crp_change *meta; /* key and value as "KEY VALUE" */
	size_t nmeta, meta_cap;
	size_t kept_names;      /* of names: kernel threads that stay */
	uint64_t dropped_bytes; /* of sections that were dropped */
	uint64_t shift_ns;      /* taken off every time */
	size_t tids;
};

struct crp_scrub_watch {
	int (*step)(void *arg, double part); /* 0 to 1; not 0 ends it: SR_INTERRUPTED */
	void *arg;
};

/* Writes the scrubbed recording to out, which exists only when it succeeds. *report is zeroed first; it is the caller's to
 * release also when this fails. A damaged or incomplete recording is SR_DAMAGED. */
int crp_scrub(const char *in, const char *out, const unsigned char salt[CRP_SALT], const struct crp_scrub_watch *watch,
	      struct crp_scrubbed *report, struct sr_error *err);
void crp_scrubbed_release(struct crp_scrubbed *report);

/* The pseudonym of a name, or the name of a well-known kernel thread; *kept (may be NULL) says which. */
void crp_pseudonym(const unsigned char salt[CRP_SALT], enum crp_name_kind kind, const char *name, char out[16],
		   bool *kept);
/* Who contributes: 32 hexadecimal digits that only who has the salt can make. */
void crp_contributor(const unsigned char salt[CRP_SALT], char out[33]);
/* A meta value as it may leave; false: it may not. */
bool crp_scrub_meta(const char *key, const char *value, char *out, size_t size);

#endif
