/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/hotplug.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "formats/event.h"

#define KERNEL_GROUP 1

int rec_hotplug_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || !bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

/* "offline@/devices/system/cpu/cpu1" */
bool rec_hotplug_parse(const char *text, size_t len, unsigned *cpu, bool *online)
{
	static const char path[] = "/devices/system/cpu/cpu";
	const char *at = memchr(text, '@', len);
	unsigned long n;
	char *end;

	if (!at || !memchr(at, '\0', len - (size_t)(at - text)) || strncmp(at + 1, path, sizeof(path) - 1) != 0)
		return false;
	*online = at - text == 6 && !memcmp(text, "online", 6);
	if (!*online && (at - text != 7 || memcmp(text, "offline", 7) != 0))
		return false;
	at += sizeof(path);
	n = strtoul(at, &end, 10);
	*cpu = (unsigned)n;
	return *at >= '0' && *at <= '9' && !*end && n < SR_MAX_CPUS;
}

int rec_hotplug_next(int fd, unsigned *cpu, bool *online)
{
	char text[4096];

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &size);

		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (n <= 0)
			return 0;
		/* Port 0 is the kernel itself; others may send too. */
		if (from.nl_pid == 0 && rec_hotplug_parse(text, (size_t)n, cpu, online))
			return 1;
	}
}
