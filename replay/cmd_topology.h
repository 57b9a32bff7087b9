/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the command share: cmd_topology.c (options, JSON), cmd_topology_tree.c (the machine),
 * cmd_topology_domains.c (its domains).
 */
#ifndef SCHEDREC_REPLAY_CMD_TOPOLOGY_H
#define SCHEDREC_REPLAY_CMD_TOPOLOGY_H

#include "replay/domains.h"
#include "schedrec.h"

#define TOPOLOGY_WIDTH 96

/* "0-3,8" of n ascending CPUs in at most width characters, ",.." at its end where it is cut. buf: width + 1. */
const char *topology_cpu_list(char *buf, size_t width, const uint16_t *cpu, unsigned n);
/* Sets of CPUs, "0-1; 2-3; ...; 14-15", from this column to the end of the line. set(arg, i): the i-th. */
struct topology_set {
	const uint16_t *cpu;
	unsigned n;
};
void topology_print_sets(int column, struct topology_set (*set)(const void *arg, unsigned i), const void *arg,
			 unsigned n);

int topology_draw_machine(const struct sr_machine *m); /* -1: out of memory */
/* The CPUs that are not online for a reason, SR_BARRED_*. */
void topology_barred(const struct sr_machine *m, unsigned why, struct sr_cpumask *mask);

/* Every span, or those of a cpu's stack (-1: of all). */
void topology_draw_domains(const struct rpl_domains *d, int cpu);
void topology_json_domains(struct cmd_json *j, const struct rpl_domains *d, int cpu);

#endif
