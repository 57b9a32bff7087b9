/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a recording goes: into one file, into numbered slices, or into a ring in memory that is written out on demand.
 *
 *   file    NAME.srz, ended when it would pass max_bytes
 *   slices  NAME-0001.srz, NAME-0002.srz, ... each of slice_ns and complete in itself, its start state that of its
 *           first moment; together never above max_bytes: the oldest are removed, and one that would take more than
 *           half of it ends early
 *   ring    the last ring_ns in memory, as far as max_bytes has room for them; rec_output_dump writes what is there
 *           to NAME-0001.srz, ..., and rec_output_end to NAME.srz
 *
 * Each slice has every event of its time, none is in two. Files are closed (which waits for the disk) in a thread.
 * One thread at a time otherwise. Errors that are not the caller's end the taking of events: rec_output_end still
 * completes the file with what it has, where there is room.
 */
#ifndef SCHEDREC_RECORD_OUTPUT_H
#define SCHEDREC_RECORD_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/srz.h"
#include "formats/task.h"

/* What one file covers. */
struct rec_part {
	unsigned number;            /* 1 and up; 0: the file without a number */
	uint64_t first_ns, last_ns; /* last_ns: known when its events are in */
	uint64_t removed;           /* slices removed before this one began */
	bool last;                  /* the recording ends with it */
};

struct rec_output_config {
	const char *path;
	uint64_t slice_ns, ring_ns, max_bytes; /* 0: none; at most one of the first two */
	/* What stands in each file before its events, and behind them. */
	void *arg;
	int (*head)(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err);
	int (*tail)(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err);
};

#define REC_OUTPUT_LEAST_BYTES (256u << 10) /* of max_bytes */
#define REC_RING_LEAST_BYTES (32u << 20)    /* with ring_ns: the process itself takes most of it */
#define REC_RING_BYTES (64u << 20)          /* max_bytes of a ring when it is 0 */

struct rec_output_stats {
	uint64_t files, bytes;     /* complete ones that are there now */
	uint64_t events;           /* taken */
	uint64_t removed;          /* slices */
	unsigned last_number;      /* of the last file completed */
	uint64_t kept_ns;          /* ring: the time that the last file written covers */
	bool full;                 /* the file has reached max_bytes: no more events are taken */
	bool squeezed;             /* ring: the last file written covers less than ring_ns for want of room */
	bool no_room, write_error; /* why no more are taken: the disk is full, or writing failed otherwise */
};

struct rec_output;

/* Makes the first file, or tries whether it can be made. */
struct rec_output *rec_output_new(const struct rec_output_config *cfg, struct sr_error *err);
int rec_output_begin(struct rec_output *o, const struct sr_task_starts *starts, uint64_t start_ns,
		     struct sr_error *err);

/* The members of a rec_sink; arg is the output. */
uint32_t rec_output_name(void *arg, const char *name, struct sr_error *err);
int rec_output_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err);

/* Now and then: what was taken is written (flushed), slices end on time although nothing happens, a dump goes on. No
 * event before now_ns is still to come. */
int rec_output_tick(struct rec_output *o, uint64_t now_ns, struct sr_error *err);
/* Ring: writes what there is to the next numbered file, in steps, while events go on being taken. */
void rec_output_dump(struct rec_output *o);
bool rec_output_busy(const struct rec_output *o); /* a dump is not complete yet */
/* Why a dump failed: -1 once for each, else 0. The recording goes on all the same. */
int rec_output_dump_result(struct rec_output *o, struct sr_error *err);
/* Before rec_output_end: writes what is pending. The last events may be those that a full disk has no room for: the
 * file can say so, and be complete without them, only when that is known before its end is written. */
int rec_output_settle(struct rec_output *o, struct sr_error *err);
/* After the last event, also after a failure. The last file is complete, or what is left is in a part file. */
int rec_output_end(struct rec_output *o, uint64_t end_ns, struct sr_error *err);
const struct rec_output_stats *rec_output_get_stats(const struct rec_output *o);
/* The path of a file by its number; buf >= PATH_MAX. */
void rec_output_path(const struct rec_output *o, unsigned number, char *buf, size_t size);
void rec_output_free(struct rec_output *o); /* without rec_output_end: what is not complete is removed */

#endif
