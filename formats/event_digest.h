/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 of decoded events, in a form of its own: the same events have the same digest however a file codes them, and
 * on every machine. An event is its numbers, little-endian, in the order time (8 bytes), stream (1), kind (1), flags
 * (1), cpu (2), ctx (4), then the members of its kind in the order of event.h, each in its own size; a name is its text
 * with the NUL.
 */
#ifndef SCHEDREC_FORMATS_EVENT_DIGEST_H
#define SCHEDREC_FORMATS_EVENT_DIGEST_H

#include <stdint.h>

#include "formats/digest.h"
#include "formats/event.h"
#include "formats/srz.h"

struct sr_event_digest {
	struct sr_sha256 *sha;
	size_t n;
	uint8_t buf[4096];
};

int sr_event_digest_init(struct sr_event_digest *d); /* -1: out of memory */
/* In the order of the streams merged. name: the text of an event that has one, else NULL. */
void sr_event_digest_add(struct sr_event_digest *d, enum srz_stream stream, const struct sr_event *ev,
			 const char *name);
void sr_event_digest_end(struct sr_event_digest *d, char text[SR_SHA256_TEXT]); /* begins anew */
void sr_event_digest_release(struct sr_event_digest *d);
/* Of all events of a file, from its beginning. */
int sr_event_digest_file(struct srz_reader *r, char text[SR_SHA256_TEXT], struct sr_error *err);

#endif
