/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to schedrec record: its life is in cmd_record.c, what it writes beside the events in cmd_record_meta.c. */
#ifndef SCHEDREC_RECORD_CMD_RECORD_H
#define SCHEDREC_RECORD_CMD_RECORD_H

#include <time.h>

#include "formats/wakecost.h"
#include "record/output.h"
#include "record/record.h"
#include "record/tunables.h"
#include "schedrec.h"

struct record_options {
	const char *output, *label;
	bool all, quiet, cpu_idle;
	uint64_t pid, duration_ns, buffer_bytes, max_bytes, slice_ns, ring_ns, time_unit_ns;
};

enum end { END_NONE, END_EXIT, END_DURATION, END_SIGNAL, END_CHILD_SIGNAL };

struct job {
	const struct record_options *o;
	char **argv; /* the command, NULL: none */
	const char *what;
	struct rec_session *session;
	struct rec_child child;
	struct rec_output *out;
	struct rec_attrs *attrs; /* NULL: not in a foreign pid namespace */
	struct rec_tunables tunables;
	char *machine; /* hwloc XML, NULL: not known */
	char id[33];   /* of the recording, the same in all its files */
	char path[4096];
	int signal_fd, pid_fd, hotplug_fd;
	char cpu_changes[1024]; /* "-1@MONO_NS,+1@MONO_NS": offline and online again */
	struct sr_wake_cost wake_cost;
	uint64_t tracepoint_ns, start_ns, start_real_ns, end_ns;
	uint64_t cpu_start_ns, cpu_part_ns; /* the process's: at the start, at the end of the file before */
	uint64_t cpu_ns;
	uint64_t drain_cpu_ns, drain_part_ns; /* spent on draining: before the end; up to the end of the file before */
	uint64_t drained_ns;                  /* when the last drain began */
	uint64_t files_told;
	unsigned dumps_asked;
	enum end end;
	int interrupts, ended_by; /* ended_by: the signal that ended a recording without a command */
	int wait_status;
	bool reaped, sink_failed;
	struct sr_error failure; /* sink_failed: why */
};

uint64_t record_clock_ns(clockid_t id);
/* As a shell gives it. */
int record_shell_status(int wait_status);

/* What is known before the recording begins; the tunables need root. */
int record_meta_load(struct job *j, struct sr_error *err);
/* Without privilege: the environment tells hwloc which plugins to load and which files to read. */
void record_meta_load_machine(struct job *j);
void record_meta_release(struct job *j);
/* A file's meta, as rec_output_config wants them; arg is the job. */
int record_meta_head(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err);
int record_meta_tail(void *arg, struct srz_writer *w, const struct rec_part *part, struct sr_error *err);

#endif
