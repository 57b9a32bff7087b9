/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUs that go offline and come back, as the kernel tells user space (its uevents). Needs no privilege; where it may not be
 * listened to (a container's own network namespace), nothing is told.
 */
#ifndef SCHEDREC_RECORD_HOTPLUG_H
#define SCHEDREC_RECORD_HOTPLUG_H

#include <stdbool.h>
#include <stddef.h>

int rec_hotplug_open(void); /* a descriptor, to be closed by the caller; -1: cannot be known */
/* The next change since then: 1, 0 when there is none. Never waits. */
int rec_hotplug_next(int fd, unsigned *cpu, bool *online);
/* One message: does it tell of a cpu? */
bool rec_hotplug_parse(const char *text, size_t len, unsigned *cpu, bool *online);

#endif
