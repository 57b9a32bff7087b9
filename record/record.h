/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recorder: a session of the kernel's tracing, owned by schedrec alone (a tracefs instance).
 *
 *   rec_open            needs privilege: finds or mounts tracefs, removes instances that killed recorders left,
 *                       creates its own, enables the events, opens every descriptor it will need; tracing is still
 *                       off. A small process that keeps the privilege is left behind (the janitor): it does
 *                       nothing but wait for the recorder's end, however it ends, and removes the instance.
 *   rec_drop_privileges for good: initgroups, gid, uid of the invoking user. Nothing below needs any.
 *   rec_begin           empties the buffers, sets the pid filter, takes the start state, starts tracing.
 *   rec_drain           reads what there is, decodes, merges, hands events to the sink; call it on time
 *                       (rec_interval_ns) or let rec_thread_start do it.
 *   rec_end             stops tracing and drains the rest. rec_begin may follow again (each replay of a series).
 *   rec_close           the instance is gone when this returns. Also right after a failed rec_open or rec_begin.
 *
 * What the sink was given is safe from the recorder's own death only when its file is flushed (srz_flush), and from the
 * machine's only when it is closed: nothing is synced before, for a sync in the middle stops the draining for too long.
 *
 * Events reach the sink in stream order, already with SR_EV_COMM and SR_EV_LOST put in. One thread at a time.
 */
#ifndef SCHEDREC_RECORD_RECORD_H
#define SCHEDREC_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "formats/attr.h"
#include "formats/error.h"
#include "formats/event.h"
#include "formats/task.h"

struct rec_session;

enum rec_scope { REC_TREE, REC_PID, REC_SYSTEM };

struct rec_config {
	enum rec_scope scope;
	uint64_t buffer_bytes;        /* for each cpu; 0: chosen by the recorder */
	bool cpu_frequency, cpu_idle; /* record these events too, where the kernel has them; REC_SYSTEM only */
};

/* name: interns a name with the file's writer. A sink that returns -1 (with *err) ends the recording. */
struct rec_sink {
	void *arg;
	uint32_t (*name)(void *arg, const char *name, struct sr_error *err);
	int (*events)(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err);
};

struct rec_stats {
	uint64_t events, lost, lost_places;
	uint64_t cpu_ns;     /* the recorder's own CPU time since rec_begin: draining, decoding, sink */
	uint64_t bytes_read; /* from the ring buffers */
	uint64_t late;       /* events that came after their time was handed on: put at the next place, time changed */
	uint64_t first_ns, last_ns;
};

/* Can a recording be made here? 0, or -1 with the reason (SR_ENVIRONMENT). Changes nothing. */
int rec_available(struct sr_error *err);

struct rec_session *rec_open(const struct rec_config *cfg, struct sr_error *err);
/* The same, but for CAP_SYS_NICE: under sudo, or where the program's file has it. Not from a setuid program, which would
 * give real time to anyone. It does not outlive an exec. */
int rec_keep_nice(struct sr_error *err);
int rec_drop_privileges(struct sr_error *err); /* SUDO_UID and SUDO_GID are trusted only with real uid 0 */

/* pids: the tree's root (rec_child.global_tid), or the processes to record; with REC_SYSTEM the tasks to be marked as
 * SR_TASK_ROOT, may be NULL. starts: filled with the start state of the tasks alive that belong to the scope
 * (system: all; the calling thread, the draining thread and the janitor are marked SR_TASK_RECORDER; inside a pid
 * namespace none, for /proc has other numbers there than events have); owned by the caller. */
int rec_begin(struct rec_session *s, const pid_t *pids, size_t npids, const struct rec_sink *sink,
	      struct sr_task_starts *starts, struct sr_error *err);
/* After a failure (the sink's, say) nothing more is handed on: rec_end then only stops the tracing. */
int rec_drain(struct rec_session *s, struct sr_error *err);
uint64_t rec_interval_ns(const struct rec_session *s); /* until the next rec_drain should come */
uint64_t rec_handed_ns(const struct rec_session *s);   /* all events before this time have been handed on */
int rec_end(struct rec_session *s, struct sr_error *err);
uint64_t rec_buffer_bytes(const struct rec_session *s); /* for each cpu, as it is */
const struct rec_stats *rec_get_stats(const struct rec_session *s);
/* After the last rec_end: the kernel removes the instance (which takes it about 80 ms) while the caller does something
 * else; then only rec_get_stats, rec_buffer_bytes and rec_close are left. */
int rec_release(struct rec_session *s, struct sr_error *err);
int rec_close(struct rec_session *s, struct sr_error *err); /* frees s; NULL is allowed */

/* Scheduling attributes that no event tells (formats/attr.h), for tasks in this pid namespace only: of those alive at the
 * start, then of those that are forked or exec. unit_ns: the time unit of the file. */
struct rec_attrs;
struct rec_attrs *rec_attrs_new(uint64_t unit_ns, struct sr_error *err);
void rec_attrs_start(struct rec_attrs *r, const struct sr_task_starts *starts);
void rec_attrs_events(struct rec_attrs *r, const struct sr_event *ev, size_t n);
const struct sr_attrs *rec_attrs_get(const struct rec_attrs *r);
void rec_attrs_free(struct rec_attrs *r);         /* NULL is allowed */
bool rec_foreign_ns(const struct rec_session *s); /* the numbers in this /proc are not those of the events */

/* The calling thread gets nice -20, as the draining and the watching thread have it between passes: among dozens of
 * runnable tasks a fair share of the CPU is too little to keep up with them. Draining itself is in the idle class as
 * long as no ring is half full. What the thread forks inherits the -20. false: it may not be, and nothing
 * changes. */
bool rec_raise_priority(struct rec_session *s);

/* A thread that drains until rec_thread_stop; between the two, no other rec_ call on this session. */
int rec_thread_start(struct rec_session *s, struct sr_error *err);
int rec_thread_stop(struct rec_session *s, struct sr_error *err);

/* The cost of one traced event on this machine, measured with the session's own instance before rec_begin. */
int rec_calibrate(struct rec_session *s, uint64_t *tracepoint_ns, struct sr_error *err);

/*
 * The command to record, held back: forked, waiting, with the caller's signal mask and ignored signals, caught signals at
 * their defaults, and the descriptors that are not close-on-exec. It ends by itself if the recorder does.
 * rec_child_global_tid: its tid in the initial pid namespace (they differ inside a container).
 */
struct rec_child {
	pid_t pid, global_tid;
	int go_fd, fail_fd;
};
int rec_child_launch(struct rec_child *c, struct rec_session *s, char *const argv[], struct sr_error *err);
/* Lets it go; returns when it runs. When exec fails: -1 and SR_USAGE, "cannot run NAME: ...", *status is what a shell
 * would give (127 not found, 126 not executable), and the child is reaped. Otherwise the caller reaps it. */
int rec_child_go(struct rec_child *c, const char *name, int *status, struct sr_error *err);
void rec_child_abandon(struct rec_child *c); /* never let go: it ends without having run, and is reaped */

#endif
