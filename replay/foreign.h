/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others than the replay used of its CPUs while it ran.
 *
 *   /proc/stat before and after: what each CPU was busy for        rpl_stat_read
 *   the kernel's events between: what of that was schedrec's own   rpl_own_*
 *   the rest                                                       rpl_foreign_find
 *
 * Own are all threads of this process and of its descendants: the replay's tasks, its balancer, the recorder. The
 * kernel's own threads are others, whoever they work for.
 *
 * /proc/stat counts in ticks of 1/sysconf(_SC_CLK_TCK) s, commonly 10 ms, and many kernels only look at each timer tick
 * who is on the CPU: what is busy in short pieces is told wrong by more than a tick. The idle time is exact where the
 * kernel has no timer tick on an idle CPU; so a CPU was busy for the less of what is counted as busy, and of the time that
 * it was neither idle nor stolen. What is left within RPL_FOREIGN_TICKS ticks counts as nothing.
 */
#ifndef SCHEDREC_REPLAY_FOREIGN_H
#define SCHEDREC_REPLAY_FOREIGN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "formats/event.h"
#include "formats/task.h"
#include "formats/tidmap.h"

#define RPL_FOREIGN_TICKS 2

/* /proc/stat at one moment; v is owned, and indexed by the kernel's number. A zeroed struct is an empty one. */
struct rpl_stat {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	struct rpl_stat_cpu {
		bool known;                 /* the CPU is online and its line makes sense */
		uint64_t busy, idle, steal; /* ticks; busy: user, nice, system, irq, softirq; idle: iowait too */
	} * v;
	size_t n;
};

/* false: no line of a CPU could be read, or one came twice; then s is empty. at_ns stays 0. */
bool rpl_stat_parse(FILE *f, struct rpl_stat *s);
bool rpl_stat_read(struct rpl_stat *s); /* of now */
void rpl_stat_release(struct rpl_stat *s);

/*
 * Time of own tasks on each CPU, from events in the stream's order. The window may be opened and closed by another thread
 * than that which hands the events in. A zeroed struct is an empty one.
 */
struct rpl_own {
	struct sr_tidmap tids;
	struct rpl_own_cpu {
		uint64_t since_ns, ns; /* since_ns: of `tid` on it; 0: no switch there yet */
		int32_t tid;
	} * v;
	size_t n;
	_Atomic uint64_t from_ns, to_ns;
	bool known; /* false: who is own could not be known, events were lost, or memory */
};

/* starts: with this process; without it (in a pid namespace) nobody knows who is own. pid: this process. */
void rpl_own_start(struct rpl_own *o, const struct sr_task_starts *starts, pid_t pid);
void rpl_own_open(struct rpl_own *o, uint64_t from_ns);
void rpl_own_close(struct rpl_own *o, uint64_t to_ns);
void rpl_own_events(struct rpl_own *o, const struct sr_event *ev, size_t n);
/* When all events are in: what is still on a CPU counts up to the window's end. */
void rpl_own_end(struct rpl_own *o);
void rpl_own_release(struct rpl_own *o);

/* Shares of the window, 0..1. cpu is owned. */
struct rpl_foreign {
	bool known;
	double share; /* of all of cpu */
	struct rpl_foreign_cpu {
		unsigned cpu;
		double foreign,
			stolen; /* foreign: negative: not known by CPU; stolen: by the host of a virtual machine */
	} * cpu;
	size_t n;
};

/*
 * Of the CPUs `used` that both looks know. own: what is own on each; NULL or not known: own_ns is all of it together, and
 * only the share of all is known; own_ns UINT64_MAX: nor is that. A window of less than RPL_FOREIGN_TICKS ticks tells
 * nothing. -1: no memory.
 */
int rpl_foreign_find(const struct rpl_stat *a, const struct rpl_stat *b, const struct sr_cpumask *used,
		     const struct rpl_own *own, uint64_t own_ns, uint64_t tick_ns, struct rpl_foreign *out);
void rpl_foreign_release(struct rpl_foreign *f);

#endif
