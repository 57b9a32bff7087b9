/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the tests of energy tables: files, and the platform of the kernel's documentation. */
#ifndef SCHEDREC_TESTS_ENERGY_FILE_H
#define SCHEDREC_TESTS_ENERGY_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/machine.h"

/* Documentation/scheduler/sched-energy.rst, section 4: CPUs 0 and 1 are little, 2 and 3 big. */
#define DOCUMENTED                \
	"# the documentation's\n" \
	"cpus 0-1\n"              \
	"opp 170 50\n"            \
	"opp 341 150\n"           \
	"opp 512 300\n"           \
	"cpus 2-3\n"              \
	"opp 512 400\n"           \
	"opp 768 800\n"           \
	"opp 1024 1700\n"

static inline struct sr_machine *documented_machine(struct sr_error *err)
{
	struct sr_machine *m = sr_machine_load("pack:1 l2:2 core:2 pu:1", err);

	if (m)
		m->v[0].capacity = m->v[1].capacity = 512;
	return m;
}

/* A file with this in it, to be removed: its path in buf. */
static inline const char *write_energy(char *buf, size_t len, const void *text, size_t bytes)
{
	int fd;
	ssize_t n;

	snprintf(buf, len, "/tmp/schedrec-energy-XXXXXX");
	fd = mkstemp(buf);
	n = write(fd, text, bytes);
	close(fd);
	return n == (ssize_t)bytes ? buf : NULL;
}

#endif
