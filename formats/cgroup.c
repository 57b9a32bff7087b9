/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Is "cpu" among "cpu,cpuacct"? */
static bool has_cpu(const char *controllers, const char *end)
{
	while (controllers < end) {
		size_t len = strcspn(controllers, ",:");

		if (len == 3 && !strncmp(controllers, "cpu", 3))
			return true;
		controllers += len + 1;
	}
	return false;
}

int sr_cgroup_parse(char *text, const char **path)
{
	int version = 0;
	char *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;

		if (!second)
			continue;
		if (has_cpu(first + 1, second)) {
			*path = second + 1;
			return 1;
		}
		if (first + 1 == second) {
			*path = second + 1;
			version = 2;
		}
	}
	return version;
}

static bool read_text(const char *file, char *buf, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

static const char *const *mounts_of(int version)
{
	static const char *const v1[] = { "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", NULL };
	static const char *const v2[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified", NULL };

	return version == 1 ? v1 : v2;
}

bool sr_cgroup_dir(int version, const char *path, char *buf, size_t size)
{
	const char *const *mount;
	char file[PATH_MAX];

	for (mount = mounts_of(version); *mount; mount++)
		if (snprintf(buf, size, "%s%s", *mount, path) < (int)size &&
		    snprintf(file, sizeof(file), "%s/cgroup.procs", buf) < (int)sizeof(file) && !access(file, F_OK))
			return true;
	return false;
}

bool sr_cgroup_read(int version, const char *path, const char *name, char *buf, size_t size)
{
	const char *const *mount;
	char full[PATH_MAX];

	for (mount = mounts_of(version); *mount; mount++)
		if (snprintf(full, sizeof(full), "%s%s/%s", *mount, path, name) < (int)sizeof(full) &&
		    read_text(full, buf, size))
			return true;
	return false;
}
