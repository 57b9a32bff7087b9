/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What CPUs draw, in the manner of the kernel's energy model: performance domains (CPUs that share a clock), each with
 * its operating points, a point being a capacity and the power of one cpu that is busy at it. Idle CPUs draw nothing.
 *
 * A table comes from a file (POLICIES.md has the format), or is estimated from the machine's capacities. It is not
 * changed once made, and may be read by many threads.
 */
#ifndef SCHEDREC_REPLAY_ENERGY_H
#define SCHEDREC_REPLAY_ENERGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/machine.h"

struct rpl_opp {
	unsigned capacity; /* 1..1024, as a machine's */
	unsigned power_mw; /* of one busy cpu */
};

struct rpl_pd {
	uint16_t *cpu; /* ascending */
	unsigned n;
	struct rpl_opp *opp; /* ascending; the last one's capacity is that of the domain's CPUs */
	unsigned nopps;
};

struct rpl_energy {
	struct rpl_pd *pd;
	unsigned npds;
	unsigned ncpus;
	uint16_t *pd_of; /* by cpu */
	char *source;    /* the file's path; NULL: estimated from capacities */
};
#define RPL_NO_PD UINT16_MAX /* of a cpu that no domain has */

/* What a governor asks for above the utilisation, in percent: that of the kernel's schedutil. */
#define RPL_HEADROOM 25

/* path NULL: the estimate. A file that is not there is SR_ENVIRONMENT, one that is wrong or of another machine
 * SR_DAMAGED, with its line. */
struct rpl_energy *rpl_energy_new(const char *path, const struct sr_machine *m, struct sr_error *err);
void rpl_energy_free(struct rpl_energy *t); /* NULL is allowed */
/* The file that these options of `eas` name, into buf; NULL: none. */
const char *rpl_eas_energy_file(const char *options, char *buf, size_t len);

/* The lowest point that has room for this utilisation, else the highest. */
const struct rpl_opp *rpl_energy_point(const struct rpl_pd *d, unsigned util, unsigned headroom_pct);
/* Power of a domain in mW whose busiest cpu has max_util and all together sum_util: all CPUs run at the point that the
 * busiest needs, each for its utilisation's part of the time. */
uint64_t rpl_energy_mw(const struct rpl_pd *d, unsigned max_util, uint64_t sum_util, unsigned headroom_pct);

/*
 * Joules from what CPUs did: in each window of RPL_WINDOW_NS a cpu's utilisation is the part of it that it was busy, and
 * each domain runs at the point that its busiest cpu needs. An estimate: of a clock that follows the load as the kernel's
 * schedutil has it, whatever the clock of the machine did.
 */
#define RPL_WINDOW_NS 32000000u
struct rpl_meter;
/* For stretches from..to; longer windows where a run is so long that there would be more than 4 million. */
struct rpl_meter *rpl_meter_new(const struct rpl_energy *t, uint64_t from_ns, uint64_t to_ns, struct sr_error *err);
/* cpu was busy from..to. Of one cpu in order of time and without overlap; what lies outside of the meter's time, or on a
 * cpu that the table lacks, is left out. */
void rpl_meter_add(struct rpl_meter *m, unsigned cpu, uint64_t from_ns, uint64_t to_ns);
double rpl_meter_joules(struct rpl_meter *m); /* once, after the last stretch */
void rpl_meter_free(struct rpl_meter *m);     /* NULL is allowed */

#endif
