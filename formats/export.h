/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings in other tools' formats. Events go out as they are in the file: nothing is repaired. What a format
 * cannot hold is left out and counted.
 *
 * perfetto  protobuf for ui.perfetto.dev: ftrace bundles, the process tree, a track of the policy's decisions
 * ftrace    the text of /sys/kernel/tracing/trace, with nanoseconds
 * csv       a row an event (RFC 4180)
 * rt-app    a profile of the workload model, for rt-app 1.0
 *
 * Memory grows with tasks and CPUs, not with events (rt-app: with the model). One thread at a time.
 */
#ifndef SCHEDREC_FORMATS_EXPORT_H
#define SCHEDREC_FORMATS_EXPORT_H

#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/model.h"
#include "formats/srz.h"

struct sr_export_counts {
	uint64_t events;               /* given */
	uint64_t dropped[SR_EV_KINDS]; /* of them: the format has no place for */
	uint64_t carried;              /* COMM events: the names stand in the events that follow */
	uint64_t bytes;
};

struct sr_export;

/* format: "perfetto", "ftrace" or "csv". The reader stays the caller's; its events are given one by one, all of them. */
struct sr_export *sr_export_new(const char *format, struct srz_reader *r, const char *path, struct sr_error *err);
int sr_export_event(struct sr_export *x, const struct sr_event *ev, struct sr_error *err);
/* Completes the file under its name. What x counted can still be read. */
int sr_export_end(struct sr_export *x, struct sr_error *err);
const struct sr_export_counts *sr_export_counted(const struct sr_export *x);
void sr_export_free(struct sr_export *x); /* NULL is allowed; a file that was not completed is removed */

struct sr_rtapp_options {
	struct sr_model_options model;
	const char *calibration; /* "CPU0" or ns per loop */
};

struct sr_rtapp_counts {
	uint64_t threads, phases, runs, sleeps, timers, waits, wakes; /* as written; a phase is an event of rt-app's */
	uint64_t cost_ns; /* taken out of the runs: what the recording's wakes and waits cost, for rt-app's cost it too */
	uint64_t run_ns;                                     /* of CPU time, as written */
	uint64_t forks;                                      /* threads that begin when their parent forks them */
	uint64_t execs, names, priorities, sessions, groups; /* left out: of programs while they run */
	uint64_t policies;   /* of tasks whose class rt-app does not know: they run as SCHED_OTHER */
	uint64_t attributes; /* clamps, slices, groups, nice values of sessions of tasks: left out */
	uint64_t bytes;
};

int sr_export_rtapp(struct srz_reader *r, const char *path, const struct sr_rtapp_options *o,
		    struct sr_rtapp_counts *counts, struct sr_error *err);

#endif
