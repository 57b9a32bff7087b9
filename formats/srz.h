/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The .srz file: reader and writer. FORMAT.md is the normative description.
 *
 * Writer: events go in in stream order, meta values and sections at any time before srz_close. Memory is
 * bounded (a few chunks). The file is written as PATH.part and gets its name in srz_close, after fsync; what a
 * crash leaves is a PATH.part that srz_open reads up to its last whole chunk. Nothing existing is
 * replaced before srz_close.
 *
 * Reader: everything in the file is hostile until checked; memory is bounded by the limits in FORMAT.md.
 * A file without its end (part file, cut copy) opens, with srz_info.complete 0.
 *
 * Not thread-safe: one thread at a time for each writer or reader. (One that srz_read_ahead starts is the reader's own
 * affair: it gets no signals, and ends with the reader.)
 */
#ifndef SCHEDREC_FORMATS_SRZ_H
#define SCHEDREC_FORMATS_SRZ_H

#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/task.h"

/* Sections other than event chunks, meta and names, by id. The must-understand bit is SRZ_MUST. */
enum srz_section_id {
	SRZ_SEC_TASKS = 16,      /* start state: written with srz_put_tasks */
	SRZ_SEC_MACHINE = 17,    /* hwloc XML of the machine, UTF-8 */
	SRZ_SEC_WORK = 18,       /* instructions / task-clock ratios by task, reserved */
	SRZ_SEC_ATTRIBUTES = 19, /* scheduling attributes by task and time: attr.h */
};
#define SRZ_MUST 0x80000000u

enum srz_stream { SRZ_STREAM_KERNEL = 0, SRZ_STREAM_ENGINE = 1, SRZ_STREAMS = 2 };

struct srz_writer;

/* chunk_events 0: the default (65,536); at most 131,072. The file is created with the process's own uid, gid and
 * umask, O_CLOEXEC, and locked. SR_ENVIRONMENT: the path is a directory, a link, or no regular file; another
 * process is writing it; it cannot be created. The part file of a killed writer is replaced. */
struct srz_writer *srz_create(const char *path, unsigned chunk_events, struct sr_error *err);

/* Times of events are stored as multiples of this many ns (1 to SRZ_MAX_TIME_UNIT), rounded down; default 1. Before the
 * first event. It is kept as meta time.resolution_ns too. The order by cpu within one such time must not reach back further
 * than late events may (srz_put_events), which is why it is limited. */
#define SRZ_MAX_TIME_UNIT 1000000u
int srz_set_time_unit(struct srz_writer *w, uint32_t ns, struct sr_error *err);

/* Meta: UTF-8 key (1 to 255 bytes) and value (cut to 65,535); a later value of the same key replaces the earlier one. */
int srz_put_meta(struct srz_writer *w, const char *key, const char *value, struct sr_error *err);
int srz_put_meta_u64(struct srz_writer *w, const char *key, uint64_t value, struct sr_error *err);
int srz_put_tasks(struct srz_writer *w, const struct sr_task_starts *tasks, struct sr_error *err);
int srz_put_section(struct srz_writer *w, uint32_t id, const void *data, size_t len, struct sr_error *err);

/* The index of a name (cut to 4,095 bytes), for events that carry one; equal names share an index. UINT32_MAX: failed,
 * *err is set; in an event it means that the name is not known. */
uint32_t srz_put_name(struct srz_writer *w, const char *name, struct sr_error *err);

/* Events of one stream, in order (time, then cpu; see event.h). An event may come late, as long as no more than the
 * chunk now filling and the one before it hold later ones: the reader puts it in its place. One that is later still, that
 * goes back in time on its own cpu, or that has a value out of range, is refused as SR_BUG. Streams may be written one
 * after the other or interleaved. When a write fails (SR_ENVIRONMENT: the disk is full), what was written before is whole,
 * what was put since is gone, and no more events are taken; meta values are, and srz_close may still complete the file:
 * it has kept the room. */
int srz_put_events(struct srz_writer *w, enum srz_stream stream, const struct sr_event *ev, size_t n,
		   struct sr_error *err);

/* What was put so far is written out, so that a crash of this process loses nothing before this point. Only srz_close
 * syncs: a crash of the machine costs what the kernel had not written back by then (with usual settings the last 30
 * seconds, with delayed allocation perhaps the whole part file). Each flush ends a chunk: many small ones cost bytes. */
int srz_flush(struct srz_writer *w, struct sr_error *err);
uint64_t srz_bytes_written(const struct srz_writer *w);
int srz_write_errno(const struct srz_writer *w); /* of the write that failed, 0: none did (or memory ran out) */
uint64_t srz_events_written(const struct srz_writer *w);

/* Completes the file and gives it its name; frees w also when it fails (the .part file then stays). */
int srz_close(struct srz_writer *w, struct sr_error *err);
/* Frees w; the .part file is removed. NULL is allowed. */
void srz_abort(struct srz_writer *w);

struct srz_reader;

struct srz_info {
	unsigned version;
	int complete;    /* the index and end mark are there and agree */
	uint64_t bytes;  /* file size */
	uint64_t events; /* all streams, by the index or, without one, by walking the chunks */
	uint64_t events_by_kind[SR_EV_KINDS];
	uint64_t chunks;
	uint64_t lost;              /* sum of lost.count */
	uint64_t lost_places;       /* number of LOST events */
	uint64_t first_ns, last_ns; /* of stream 0's events; 0 and 0 when there are none */
	uint32_t time_unit_ns;      /* times are multiples of this: the coarsest of any chunk, 1 without chunks */
	unsigned cpus;              /* highest cpu seen or described + 1 */
	uint64_t damaged_bytes;     /* behind the last whole chunk of an incomplete file */
};

/* Missing file: SR_ENVIRONMENT. Not a .srz file, damaged, or of a version or with a must-understand part this
 * reader does not know: SR_DAMAGED, and the text says which. */
struct srz_reader *srz_open(const char *path, struct sr_error *err);
/* The same of a file that is open for reading: the reader's from here on, also when this fails. name: for its errors. Only
 * its bytes are read, wherever it stands: for who may open nothing any more. */
struct srz_reader *srz_open_fd(int fd, const char *name, struct sr_error *err);
void srz_reader_free(struct srz_reader *r); /* NULL is allowed */
const struct srz_info *srz_get_info(const struct srz_reader *r);

const char *srz_get_meta(const struct srz_reader *r, const char *key); /* NULL: not there */
size_t srz_meta_count(const struct srz_reader *r);
void srz_meta_at(const struct srz_reader *r, size_t i, const char **key, const char **value);
const struct sr_task_starts *srz_get_tasks(const struct srz_reader *r); /* empty when there are none */
/* The section's bytes, owned by the reader; NULL when there is none. */
const void *srz_get_section(const struct srz_reader *r, uint32_t id, size_t *len);
/* A name by index; "?" when the file has no such name. Matches sr_name_fn with the reader as arg. */
const char *srz_name_at(void *reader, uint32_t name);

/* The next event of all streams merged: 1, 0 at the end, -1. */
int srz_next(struct srz_reader *r, struct sr_event *ev, struct sr_error *err);
/* As many as are known to come next, ev[0..n) of the reader's until the next call: n, 0 at the end, -1. */
long srz_next_run(struct srz_reader *r, const struct sr_event **ev, struct sr_error *err);
/* For who reads all of a file, perhaps several times: from here on a second thread decodes what comes next (where there is
 * a second cpu), and the events of a small file (2 million) stay in memory once decoded. What is read is the same. */
void srz_read_ahead(struct srz_reader *r);
/* From here on the events are read a last time: what a small file has in memory of them goes as it is read, and nothing is
 * added. Whoever reads again nevertheless gets the same, only later. */
void srz_read_once(struct srz_reader *r);
enum srz_stream srz_stream_of_last(const struct srz_reader *r); /* of the event that srz_next gave last */
/* Back to the start, or to the first event at or after this time (by the index). */
int srz_rewind(struct srz_reader *r, struct sr_error *err);
int srz_seek(struct srz_reader *r, uint64_t time_ns, struct sr_error *err);
/* From here on only events that these cpus recorded; NULL: all. Goes back to where the last srz_seek or srz_rewind went.
 * Chunks that the index says have none of them are not read. */
int srz_select_cpus(struct srz_reader *r, const struct sr_cpumask *cpus, struct sr_error *err);

/*
 * Meta keys (all optional; a reader copes with any missing):
 *   schedrec.version  kernel.release kernel.version kernel.machine  clock ("mono")
 *   time.resolution_ns (srz_set_time_unit; absent: 1)
 *   scope ("tree" "pid" "system" "self")  source ("kernel" "self" "sim")  engine ("recorded" "live" "simulated")
 *   command (argv joined by spaces) command.status (exit status as a shell would give it)
 *   label  start.realtime_ns  start.mono_ns  duration_ns  cpus.online (list)  host.cpu_model
 *   record.cpu_ns (recorder's own CPU time)  record.drain_cpu_ns (of it while the recorded ran)  record.tracepoint_ns (cost of one event)
 *   record.wake_local_ns record.wake_remote_ns (struct sr_wake_cost)  record.end ("exit"
 *   "duration" "signal" "child-signal" "max-size" "disk-full" "write-error" "read-error"; "slice": the next one goes on;
 *   "dump": the recording went on)  record.buffer_kb (of each cpu)  record.id (32 hex digits, the same in all files of a
 *   recording)
 *   record.late (events whose time was put forward by a little to keep the order; absent: none)
 *   slice.number (1 and up) slice.first_ns (where it begins, as start.mono_ns then says too) slice.removed (older ones
 *   removed by then)  ring.span_ns  cpus.changes ("-1@T,+1@T": cpu 1 went offline and came back, at ns of the clock)
 *   kernel.cmdline kernel.preempt kernel.hz  tunable.NAME (/proc/sys/kernel/NAME) tunable.debug.NAME
 *   (/sys/kernel/debug/sched/NAME)  sched_ext.state sched_ext.ops  smt.control smt.active  cpus.isolated cpus.nohz_full
 *   cpufreq.policyN.{cpus,driver,governor,min_khz,max_khz,cur_khz,hw_max_khz} cpufreq.boost cpufreq.no_turbo
 *   cpuidle.driver cpuidle.governor  cgroup.path cgroup.cpu.weight ... (the command's, as it began)
 *   cut.source_sha256 cut.from_ns cut.to_ns (of the source, from its first event)  cut.binds cut.clocks (so many of its
 *   first BIND and FREQUENCY events tell again what came before)  merge.files merge.gap_ns (all gaps together)
 *   import.format import.source_name import.source_sha256 import.missing (kinds of events that the source has none of)
 *   import.context ("unknown": what interrupts caused is not told)  import.start ("unknown")  import.cpus ("seen")
 *   import.clock ("boot" "perf" "local" "mono_raw" "relative")  import.late import.unreadable import.unplaced
 *   import.other_events (counts)
 *   replay.source_sha256 replay.source_name replay.policy replay.policy_options replay.work replay.timing
 *   replay.policy_file replay.policy_sha256 (a user's own)  replay.energy_table (what energy_j would be estimated by)
 *   replay.seed replay.repeat replay.slot replay.looks (at the results, that could have ended its series; absent: 1)
 *   and counters replay.count.NAME replay.model.NAME replay.policy.NAME
 *   replay.task (--task) replay.from_ns replay.to_ns (of the source, from its first event; to_ns 0: its end) replay.loop
 *   replay.no_stall  of several sources, counted from 1: replay.source.N.{name,sha256,offset_ns,first_task} (what its tasks'
 *   indices are behind in SR_EV_BIND)
 */

#endif
