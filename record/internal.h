/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to record/: the parts of the recorder, and what each hands to the next.
 *
 *   trace_pipe_raw --read--> sub-buffer --page.c--> record --layout.c--> rec_item --merge.c--> sr_event --> sink
 *
 * page.c, layout.c, names.c and merge.c touch no kernel interface: they are tested with made-up bytes.
 */
#ifndef SCHEDREC_RECORD_INTERNAL_H
#define SCHEDREC_RECORD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "record/record.h"

/* ---- names.c: strings once each, by a small number; 0 is "none" ---- */

struct rec_name {
	uint32_t hash, sink; /* sink: the number it has in the sink's file, UINT32_MAX: not asked for yet */
	size_t at;           /* into text */
};

/* Comms come again and again: found by their bytes as events have them, without hashing each. */
#define REC_COMM_CACHE 256
struct rec_comm {
	uint64_t a, b; /* the 16 bytes */
	uint32_t id;   /* 0: empty */
};

struct rec_names {
	struct rec_comm comm[REC_COMM_CACHE];
	struct rec_name *v; /* v[0] is unused */
	size_t n, cap;
	char *text;
	size_t text_len, text_cap;
	uint32_t *map; /* open addressing, 0: empty */
	size_t map_cap;
};

/* The number of text[0..len), cut at a NUL; 0: memory ran out. */
uint32_t rec_names_put(struct rec_names *t, const char *text, size_t len);
/* The same for a comm in its SR_COMM_LEN bytes, the last of which does not count. */
uint32_t rec_names_comm(struct rec_names *t, const uint8_t comm[SR_COMM_LEN]);
const char *rec_names_get(const struct rec_names *t, uint32_t id);
void rec_names_forget_sink(struct rec_names *t); /* another sink follows */
void rec_names_release(struct rec_names *t);

/* ---- layout.c: where this kernel's events keep their fields ---- */

enum rec_field_type { REC_ABSENT, REC_INT, REC_UINT, REC_CHARS, REC_DATA_LOC };

struct rec_field {
	uint16_t offset, size;
	uint8_t type;
};

#define REC_MAX_FIELDS 6
#define REC_MAX_STATES 64

struct rec_layout {
	uint16_t min_size; /* a shorter record is damaged */
	struct rec_field f[REC_MAX_FIELDS];
};

struct rec_formats {
	struct rec_layout layout[SR_EV_KINDS]; /* by kind; min_size 0: this kernel has no such event */
	uint8_t kind_of[65536];                /* by event id; 0: not ours */
	struct rec_field type, flags, pid;     /* common to all events */
	struct rec_field prev_state;           /* of sched_switch */
	uint8_t state_of_bit[REC_MAX_STATES];  /* prev_state's bits -> enum sr_state */
	uint64_t state_bits, preempted_bit;
	int print_id;         /* ftrace/print: what a trace_marker write makes; -1: none */
	unsigned commit_size; /* of the sub-buffer header: 8 or 4 */
};

/* The events the recorder asks for, in the order of enum sr_event_kind; name NULL for the kinds that are not the
 * kernel's. */
struct rec_wanted {
	const char *system, *name;
	bool optional;
};
const struct rec_wanted *rec_wanted(unsigned kind); /* NULL: not a kernel event */

/* Takes one event's `format` text. Unknown layouts are SR_ENVIRONMENT, the text names event and field. */
int rec_formats_add(struct rec_formats *f, unsigned kind, const char *text, size_t len, struct sr_error *err);
int rec_formats_header(struct rec_formats *f, const char *text, size_t len, struct sr_error *err);
int rec_formats_print(struct rec_formats *f, const char *text, size_t len, struct sr_error *err);
uint8_t rec_state(const struct rec_formats *f, int64_t prev_state);

/* An event with the comms it showed. names are of rec_names. */
struct rec_item {
	struct sr_event ev;
	uint32_t comm_a; /* SWITCH prev, FORK parent, RENAME old; else of the task that the event is about */
	uint32_t comm_b; /* SWITCH next, FORK child, RENAME new; EXEC: the file's name */
};

/* 1: *out is filled; 0: an event that is not ours; -1: shorter than its layout, a cpu or tid that none has, or memory ran
 * out. */
int rec_decode(const struct rec_formats *f, struct rec_names *names, const uint8_t *data, size_t len, uint64_t time_ns,
	       unsigned cpu, struct rec_item *out);

int rec_record_id(const struct rec_formats *f, const uint8_t *data, size_t len); /* -1: too short */
int rec_record_ctx(const struct rec_formats *f, const uint8_t *data, size_t len, int32_t *ctx);

/* ---- page.c: one sub-buffer of the ring ---- */

struct rec_page {
	const uint8_t *at, *end;
	uint64_t time_ns;
	bool missed;       /* events were lost before this sub-buffer */
	uint64_t missed_n; /* how many, 0: not told */
};

/* -1: the header does not fit the bytes. */
int rec_page_init(struct rec_page *p, const uint8_t *bytes, size_t len, unsigned commit_size);
/* The next record: 1, 0 at the end, -1 when the rest is damaged. */
int rec_page_next(struct rec_page *p, const uint8_t **data, size_t *len, uint64_t *time_ns);

/* ---- merge.c: the cpus' events into one stream, with comms and losses ---- */

struct rec_queue { /* one cpu's events that are not handed on yet, a ring */
	struct rec_item *v;
	size_t head, n, cap; /* cap is a power of two */
	uint64_t last_ns;    /* of the last event queued */
};

#define REC_OUT_EVENTS 4096
#define REC_PENDING 16

struct rec_merge {
	struct rec_queue *q; /* by cpu */
	unsigned ncpus;
	unsigned *heap; /* cpus with events, the earliest first */
	unsigned nheap;
	uint32_t *comm_of; /* by tid: what the stream's reader takes its comm to be; 0: not known */
	size_t comm_cap;
	bool renames; /* the stream has had a RENAME */
	struct rec_names names;
	uint64_t released_ns; /* of the last event handed on */
	unsigned released_cpu;
	struct rec_item pending[REC_PENDING]; /* NEWTASK events whose FORK has not come yet */
	unsigned npending;
	struct sr_event *out;
	size_t nout;
	struct rec_sink sink;
	uint64_t events, lost, lost_places, late, first_ns;
};

int rec_merge_init(struct rec_merge *m, unsigned ncpus, struct sr_error *err);
/* Forgets all events and comms; names stay. */
void rec_merge_reset(struct rec_merge *m, const struct rec_sink *sink);
void rec_merge_release(struct rec_merge *m);
int rec_merge_set_comm(struct rec_merge *m, int32_t tid, const char *comm, struct sr_error *err);
int rec_merge_queue(struct rec_merge *m, unsigned cpu, const struct rec_item *item, struct sr_error *err);
/* The same in two steps without a copy: the place of the cpu's next event, NULL when memory ran out; and then, when it is
 * filled, its end of the queue. */
struct rec_item *rec_merge_slot(struct rec_merge *m, unsigned cpu, struct sr_error *err);
void rec_merge_push(struct rec_merge *m, unsigned cpu);
/* Queues a LOST: count events before time_ns (0: not known how many). */
int rec_merge_lost(struct rec_merge *m, unsigned cpu, uint64_t time_ns, uint64_t count, struct sr_error *err);
/* Hands on, in (time, cpu) order, everything older than before_ns. */
int rec_merge_emit(struct rec_merge *m, uint64_t before_ns, struct sr_error *err);

/* ---- proc.c: the start state ---- */

/* One task from /proc/TGID/task/TID; 1 read, 0 it is gone, -1 memory ran out. flags are or'ed in. */
int rec_proc_task(struct sr_task_starts *out, int tgid, int tid, unsigned flags, struct sr_error *err);
/* The text of a stat file; 0, or -1 when it is not one. comm: unescaped and cut as the kernel's events have it. */
int rec_proc_parse_stat(const char *text, size_t len, struct sr_task_start *out, uint64_t *start_ticks);
/* sched_getaffinity on a kernel of any size; -1: the task is gone. */
int rec_proc_allowed(int tid, struct sr_cpumask *mask);
uint64_t rec_proc_start_ticks(int pid); /* 0: no such process */
/* The threads of a process; *n of them, the caller frees. NULL with *err when it is gone. */
int *rec_proc_threads(int tgid, size_t *n, struct sr_error *err);
int rec_proc_all(struct sr_task_starts *out, const int *recorder, size_t nrecorder, const pid_t *roots, size_t nroots,
		 struct sr_error *err);

/* ---- janitor.c ---- */

struct rec_janitor {
	pid_t pid; /* 0: none */
	int fd;
	bool finishing, silent; /* silent: it did not answer in time, and is asked no more */
	pthread_mutex_t lock;   /* one question at a time */
};

/* Forks the janitor of the instance in dir, which need not be there yet. Every other descriptor is closed in it. */
int rec_janitor_start(struct rec_janitor *j, const char *dir, struct sr_error *err);
int rec_janitor_clear_filter(struct rec_janitor *j, struct sr_error *err); /* empties set_event_pid */
/* Gives a thread of this process the normal class and nice -20, or makes it a real-time one; false where that may not
 * be. */
bool rec_janitor_raise(struct rec_janitor *j, pid_t tid, bool real_time);
void rec_janitor_abandon(struct rec_janitor *j); /* ends it, and leaves what is in dir alone */
/* Removes the instance: all its descriptors must be closed by now. The first only begins it. */
void rec_janitor_begin_finish(struct rec_janitor *j);
int rec_janitor_finish(struct rec_janitor *j, struct sr_error *err);
/* Removes instances whose recorder is gone. Failures are not errors: the next one tries again. */
void rec_janitor_sweep(const char *instances_dir);

/* ---- session.c, drain.c ---- */

struct rec_cpu {
	unsigned cpu;
	int raw_fd, stats_fd;
	uint64_t base_lost; /* the kernel's own count of lost events at rec_begin */
	uint64_t told_lost; /* since then, told by sub-buffers */
	/* in this pass */
	uint64_t read_ns; /* the first event of the last sub-buffer read */
	uint64_t pass_bytes, pages_left;
	bool pass_over;
};

struct rec_session {
	struct rec_config cfg;
	char *dir; /* the instance's */
	struct rec_janitor janitor;
	struct rec_formats formats;
	struct rec_merge merge;
	struct rec_cpu *cpus;
	size_t ncpus;
	int on_fd, filter_fd, marker_fd;
	int enable_fd[SR_EV_KINDS]; /* switch, waking, wakeup: for rec_calibrate */
	uint8_t *page;
	size_t page_size;
	uint64_t buffer_bytes; /* for each cpu, as the kernel has it */
	bool foreign_ns;       /* our pids are not those of the events */
	bool filtered, running;
	bool failed;         /* the sink refused: nothing more is handed to it */
	uint64_t drained_ns; /* when the last pass began */
	uint64_t handed_ns;  /* what came before was handed on */
	uint64_t interval_ns;
	struct rec_stats stats;
	struct rlimit files; /* as it was before rec_open */
	bool files_known;
	/* the draining thread; in system scope it exists from rec_begin on, so that the start state has it */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool thread_alive, thread_drain, thread_quit;
	int thread_tid, thread_status;
	struct sr_error thread_error;
	/* watch.c */
	pthread_t watch;
	pthread_mutex_t watch_lock;
	pthread_cond_t watch_wake;
	bool watch_alive, watch_quit;
	bool may_idle; /* a thread can be brought back from the idle class */
	int watch_tid;
	_Atomic pid_t pass_tid;         /* the thread that drains, 0: not known yet */
	_Atomic uint64_t pass_since_ns; /* a pass in the idle class began then; 0: none */
	atomic_bool hurry;              /* no pass goes into the idle class */
	atomic_bool urgent;             /* the draining thread is a real-time one until its next pass ends */
};

#define REC_FIRST_INTERVAL_NS 20000000u
#define REC_BURST_BYTES_PER_MS 40000u /* 600,000 switches a second of one cpu */

uint64_t rec_now_ns(void);
int rec_write_text(int fd, const char *text);
void rec_restore_limits(const struct rec_session *s);
int rec_thread_prepare(struct rec_session *s, struct sr_error *err);
int rec_thread_finish(struct rec_session *s, struct sr_error *err); /* ends the thread, if there is one */
/* Reads and throws away what the ring buffers hold; found (may be NULL) sees each record first. */
int rec_discard(struct rec_session *s, void (*found)(void *arg, const uint8_t *data, size_t len), void *arg,
		struct sr_error *err);
/* The sum of the values of these lines of a cpu's statistics, each given as "\nNAME: "; -1: not readable. */
int rec_cpu_stats(const struct rec_cpu *c, const char *const *lines, size_t n, uint64_t *sum);
/* The kernel's own count of events that this cpu's buffer lost, since it was made; -1: not readable. */
int rec_cpu_lost(const struct rec_cpu *c, uint64_t *lost);

/* ---- watch.c ---- */

/* A thread with all signals blocked: they are for the caller's threads. */
int rec_thread_create(pthread_t *thread, void *(*run)(void *), void *arg, struct sr_error *err);
void rec_timed_wait(pthread_cond_t *wake, pthread_mutex_t *lock, uint64_t ns); /* a condition of CLOCK_MONOTONIC */
int rec_watch_start(struct rec_session *s, struct sr_error *err);
void rec_watch_stop(struct rec_session *s);
/* Around a pass of draining, by the thread that does it: the idle class, where it may be. */
void rec_pass_begins(struct rec_session *s, uint64_t now);
void rec_pass_ends(struct rec_session *s);
/* On: no pass goes into the idle class any more, and one that is in it comes out. */
void rec_hurry(struct rec_session *s, bool on);

#endif
