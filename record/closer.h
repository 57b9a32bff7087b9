/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Closes one file at a time in a thread: that waits for the disk, perhaps for seconds, in which the draining must go on. The
 * thread is there from the beginning: one made while draining would have its class, the idle one, and no privilege to
 * leave it. Without a thread (there may be none more) files are closed all the same, by the caller.
 */
#ifndef SCHEDREC_RECORD_CLOSER_H
#define SCHEDREC_RECORD_CLOSER_H

#include <pthread.h>
#include <stdbool.h>

#include "formats/error.h"
#include "formats/srz.h"

struct rec_closer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool alive, quit;
	struct srz_writer *w; /* to be closed; NULL: done */
	int rc, error;        /* of the last: error is errno */
	struct sr_error err;
};

void rec_closer_start(struct rec_closer *c);
/* Takes w over; the file before it must have been waited for. */
void rec_closer_give(struct rec_closer *c, struct srz_writer *w);
bool rec_closer_done(struct rec_closer *c); /* rec_closer_wait would not wait */
/* What srz_close gave; *error: its errno, 0 when it did not fail. */
int rec_closer_wait(struct rec_closer *c, int *error, struct sr_error *err);
void rec_closer_release(struct rec_closer *c); /* waits for what it has; a zeroed one is allowed */

#endif
