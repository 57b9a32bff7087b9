/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a wake-up costs on this machine, measured: the CPU time of one wake and of the sleep that it ends, of both tasks
 * together, in a futex ping-pong.
 *
 * local: both tasks on one CPU. remote: on two CPUs that were idle between the wakes, so that it has the interrupt to the
 * other CPU, its way out of idle and the cold start there; in a virtual machine that is many times as much (17 us more
 * on the host it was first measured on). A recorded burst holds this cost, but it belongs to the placement of the
 * wake-up and not to the program: a replay in which the wake-up is placed otherwise must not burn it as work.
 */
#ifndef SCHEDREC_FORMATS_WAKECOST_H
#define SCHEDREC_FORMATS_WAKECOST_H

#include <sched.h>

struct sr_wake_cost {
	double local_ns, remote_ns; /* 0: not known; remote is never below local */
};

/* Measures on the first two CPUs of the set (with one, remote is local), in threads of its own named comm; some 6 ms.
 * All 0 when no thread could be made. */
void sr_wake_cost_measure(struct sr_wake_cost *cost, const cpu_set_t *cpus, const char *comm);

#endif
