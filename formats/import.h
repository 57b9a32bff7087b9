/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other tools' recordings as .srz files. A reader for each format hands events over, in order of time; the importer
 * gives the stream what its readers expect: comms, start state, task_newtask behind its fork, losses.
 *
 *   ftrace text (also of trace-cmd report, Android's systrace) --+
 *   perf.data (own reader, with the interrupt context)         --+--> struct sr_import --> struct srz_writer
 *   Perfetto traces (ftrace bundles, compact ones too)         --+
 *
 * What a recording does not say is not made up: the start state has the tasks that were seen and not forked, with the
 * comm and priority they were first seen with and the state '?'; kinds of events that are missing are named
 * in meta import.missing. Input is hostile until checked. One thread at a time.
 */
#ifndef SCHEDREC_FORMATS_IMPORT_H
#define SCHEDREC_FORMATS_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/srz.h"

/* An event with the comms that it names; the names of EXEC and RENAME are those of sr_import_name already. */
struct sr_import_item {
	struct sr_event ev;
	char a[SR_COMM_LEN]; /* of prev, wakee, migrated, parent, exiting, new task; of RENAME the old one */
	char b[SR_COMM_LEN]; /* of next, child; of RENAME the new one */
	bool has_a, has_b;
};

struct sr_import_counts {
	uint64_t events; /* kinds of the kernel's, losses, and decisions (which first_ns and last_ns do without) */
	uint64_t by_kind[SR_EV_KINDS];
	uint64_t lost, lost_places;
	uint64_t late;       /* went back in time on their CPU by a little: put forward */
	uint64_t unreadable; /* of a kind that is known, in a form that is not */
	uint64_t other;      /* of other kinds: not the scheduler's */
	uint64_t unplaced;   /* what ran on their CPU was not known yet: left out (compact Perfetto traces) */
	uint64_t first_ns, last_ns;
	bool scope_told, scope_unknown; /* by the source: one that is known, another */
	size_t tasks_at_start, kthreads_by_name;
};

struct sr_import;

/* step: called now and then with how much of the input was read; not 0: stop, which sr_import's readers return. */
struct sr_import_watch {
	int (*step)(void *arg, uint64_t done, uint64_t all);
	void *arg;
};

struct sr_import *sr_import_new(struct srz_writer *w, const struct sr_import_watch *watch, struct sr_error *err);
void sr_import_free(struct sr_import *im); /* NULL is allowed */

/* ---- for the readers ---- */

/* Nearly in order of time: what is late by more than srz_put_events takes is SR_DAMAGED, as is what goes back on its
 * own cpu by more than a second. */
int sr_import_put(struct sr_import *im, struct sr_import_item *item, struct sr_error *err);
int sr_import_lost(struct sr_import *im, unsigned cpu, uint64_t time_ns, uint64_t count, struct sr_error *err);
/* A policy's decision, of export's own: after those before it. */
int sr_import_decision(struct sr_import *im, struct sr_event *ev, struct sr_error *err);
/* What the source says of whose events it has: len bytes, of which nothing is believed. */
void sr_import_scope(struct sr_import *im, const void *text, size_t len);
/* The same of a task that the recording is of, with its descendants: its tid. What is none is passed over. */
int sr_import_root(struct sr_import *im, const void *text, size_t len, struct sr_error *err);
/* The index of a name, for EXEC and RENAME; len bytes, a NUL ends it too. UINT32_MAX: failed. */
uint32_t sr_import_name(struct sr_import *im, const void *text, size_t len, struct sr_error *err);
void sr_import_comm(char out[SR_COMM_LEN], const void *text, size_t len);
/* What a list of processes says of a task: tgid, ppid 0 and comm NULL where it does not. */
int sr_import_task(struct sr_import *im, int32_t tid, int32_t tgid, int32_t ppid, const char *comm, int kthread,
		   struct sr_error *err);
int sr_import_meta(struct sr_import *im, const char *key, const char *value, struct sr_error *err);
int sr_import_step(struct sr_import *im, uint64_t done, uint64_t all);
struct sr_import_counts *sr_import_counted(struct sr_import *im);

/*
 * Events of many CPUs into their order. source: the next item of a CPU (1, 0 its end, -1); what it gives is in order of
 * time. Returns 0, -1, or what sr_import_step gave.
 */
struct sr_import_source {
	int (*next)(void *arg, unsigned cpu, struct sr_import_item *item, struct sr_error *err);
	void *arg;
	uint64_t (*done)(void *arg); /* for sr_import_step */
	uint64_t all;
};
int sr_import_merge(struct sr_import *im, const struct sr_import_source *source, unsigned ncpus, struct sr_error *err);

/* ---- the formats ---- */

enum sr_import_format {
	SR_IMPORT_UNKNOWN,
	SR_IMPORT_TEXT,     /* ftrace text, systrace HTML */
	SR_IMPORT_PERF,     /* perf.data */
	SR_IMPORT_TRACEDAT, /* trace.dat: as text, through trace-cmd report -t -l -N */
	SR_IMPORT_PERFETTO,
};

/* By the file's first bytes. */
enum sr_import_format sr_import_guess(const uint8_t *head, size_t len);

/* Each reads fd, from its beginning (a text may be a pipe; all: its size, 0: not known), and returns 0, -1, or what the watch's step gave.
 * SR_DAMAGED: it is not that, or has no event of the scheduler's. */
int sr_import_text(struct sr_import *im, int fd, uint64_t all, struct sr_error *err);
int sr_import_perf(struct sr_import *im, int fd, struct sr_error *err);
int sr_import_perfetto(struct sr_import *im, int fd, struct sr_error *err);

/* Writes the rest: start state, meta. scope: as meta scope has it; NULL: as the source says, else the whole system. */
int sr_import_end(struct sr_import *im, const char *scope, struct sr_error *err);

#endif
