/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine description's own: what its files share. */
#ifndef SCHEDREC_FORMATS_MACHINE_INTERNAL_H
#define SCHEDREC_FORMATS_MACHINE_INTERNAL_H

#include "formats/machine.h"

#define SR_MAX_XML_BYTES (16u << 20) /* a machine of 4,096 CPUs takes about 2 MB */
#define SR_MAX_NODES 1024            /* as the kernel's largest MAX_NUMNODES */
#define SR_MAX_KINDS 64
#define SR_CPU_LIST_LEN (SR_MAX_CPUS * 3) /* any list of CPUs as sr_cpumask_format writes it */

/* By hwloc (machine_hwloc.c): this machine as it is, without affinity; a synthetic string; a preset. */
struct sr_machine *sr_machine_from_this(struct sr_error *err);
struct sr_machine *sr_machine_from_synthetic(const char *string, struct sr_error *err);
struct sr_machine *sr_machine_from_preset(const struct sr_machine_preset *p, struct sr_error *err);

/*
 * What the kernel tells of its CPUs and hwloc 2.9 does not read (machine_sysfs.c). root: "" for this machine, else a
 * directory that holds a /sys of its own. What is not there is not known: no error.
 */
struct sr_sysfs {
	struct sr_cpumask isolated;
	struct sr_cpumask intel_core, intel_atom; /* empty where the machine is no hybrid one */
	uint16_t capacity[SR_MAX_CPUS]; /* of a hybrid machine, from ACPI's highest performance; 0: not known */
};
void sr_sysfs_read(const char *root, struct sr_sysfs *s);

#endif
