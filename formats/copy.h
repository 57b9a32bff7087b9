/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parts of recordings into a new one: events with their names, meta values, the sections that stay true.
 * One thread at a time.
 */
#ifndef SCHEDREC_FORMATS_COPY_H
#define SCHEDREC_FORMATS_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/srz.h"

#define SR_COPY_BATCH 256

/* Events of one reader after the other into one writer; both are the caller's. */
struct sr_copy {
	struct srz_writer *w;
	struct srz_reader *r;
	uint32_t *name; /* of r: its index in w + 1; 0: not asked for yet */
	size_t names;
	struct sr_event ev[SR_COPY_BATCH]; /* of one stream */
	size_t n;
	enum srz_stream stream;
};

void sr_copy_init(struct sr_copy *c, struct srz_writer *w);
void sr_copy_release(struct sr_copy *c);
void sr_copy_from(struct sr_copy *c, struct srz_reader *r); /* the events that follow are this reader's */
int sr_copy_event(struct sr_copy *c, enum srz_stream stream, const struct sr_event *ev, struct sr_error *err);
int sr_copy_flush(struct sr_copy *c, struct sr_error *err); /* what was copied is with the writer */

/* All meta values but those whose key is in the list (NULL at its end; "a.*": every key that begins with "a."). */
int sr_copy_meta(struct srz_writer *w, const struct srz_reader *r, const char *const *but, struct sr_error *err);
/* The sections that are true of any part of a recording: the machine's description, and attributes, which
 * are told by absolute time. Those that a reader does not know
 * may speak of events by number or time, and are left out. */
int sr_copy_sections(struct srz_writer *w, const struct srz_reader *r, struct sr_error *err);

/* The time unit for a writer of this reader's events: theirs, where the file as a whole has one. */
uint32_t sr_copy_unit(const struct srz_reader *r);

/* A meta value that is a whole number; false where there is none. */
bool sr_meta_u64(const struct srz_reader *r, const char *key, uint64_t *v);

/* When it was recorded, on the clock of the events: by its meta values, else by its first and last event. */
struct sr_span {
	uint64_t start_ns, end_ns;
	uint64_t first_ns, last_ns; /* the first event; the kernel's last; both are start_ns when there are none */
	bool stated;                /* the file says when it began */
};
int sr_span_of(struct srz_reader *r, struct sr_span *out, struct sr_error *err); /* rewinds the reader */

/* Is the source the file that output names, or its part file? Then writing the output would destroy it. */
bool sr_would_replace(const char *output, const char *source);

#endif
