/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control groups with the cpu controller, as this machine has them: which one a task is in, and what its files say.
 * Paths are those of /proc/PID/cgroup. No ownership, no state; any thread.
 */
#ifndef SCHEDREC_FORMATS_CGROUP_H
#define SCHEDREC_FORMATS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

/* The text of /proc/PID/cgroup, which is cut up: the version of the hierarchy that has the cpu controller (2 also where it
 * may not be on), and the path in it; 0: none. */
int sr_cgroup_parse(char *text, const char **path);
/* Its directory; false: it is not mounted where it usually is. */
bool sr_cgroup_dir(int version, const char *path, char *buf, size_t size);
/* A file of the group, as a text; false: it is not there. */
bool sr_cgroup_read(int version, const char *path, const char *name, char *buf, size_t size);

#endif
