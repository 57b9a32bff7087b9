/* SPDX-License-Identifier: GPL-2.0-or-later */
/* thread_class PID COMM: looks at the threads of a process and its descendants until it ends, and prints what the one called
 * COMM had last: "policy P prio N nice N cpus LIST runtime/deadline/period". */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int is_called(const char *pid, const char *tid, const char *name)
{
	char path[64], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/comm", pid, tid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, name);
}

static long parent_of(long pid)
{
	char path[64], text[512] = "", state;
	const char *end;
	long parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	end = strrchr(text, ')'); /* a name may hold anything */
	if (!end || sscanf(end + 1, " %c %ld", &state, &parent) != 2)
		return 0;
	return parent;
}

static int descends(long pid, long from)
{
	while (pid > 1 && pid != from)
		pid = parent_of(pid);
	return pid == from;
}

static int look(const char *pid, const char *name, char *seen, size_t len)
{
	char path[64];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/task", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((d = readdir(dir))) {
		int tid = atoi(d->d_name), cpu, n;
		struct attr a = { 0 };
		cpu_set_t cpus;

		if (tid <= 0 || !is_called(pid, d->d_name, name) || syscall(SYS_sched_getattr, tid, &a, sizeof(a), 0) ||
		    sched_getaffinity(tid, sizeof(cpus), &cpus))
			continue;
		n = snprintf(seen, len, "policy %u prio %u nice %d cpus", a.policy, a.priority, a.nice);
		for (cpu = 0; cpu < CPU_SETSIZE && n < (int)len; cpu++)
			if (CPU_ISSET(cpu, &cpus))
				n += snprintf(seen + n, len - (size_t)n, " %d", cpu);
		if (n < (int)len)
			snprintf(seen + n, len - (size_t)n, " dl %llu/%llu/%llu", (unsigned long long)a.runtime,
				 (unsigned long long)a.deadline, (unsigned long long)a.period);
	}
	closedir(dir);
	return 1;
}

static void look_at_descendants(const char *pid, const char *name, char *seen, size_t len)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (atol(d->d_name) > 1 && strcmp(d->d_name, pid) != 0 && descends(atol(d->d_name), atol(pid)))
			look(d->d_name, name, seen, len);
	if (dir)
		closedir(dir);
}

int main(int argc, char **argv)
{
	struct timespec pause = { .tv_nsec = 5000000 };
	char seen[4096] = "no such thread";

	if (argc != 3)
		return 2;
	while (look(argv[1], argv[2], seen, sizeof(seen))) {
		look_at_descendants(argv[1], argv[2], seen, sizeof(seen));
		nanosleep(&pause, NULL);
	}
	puts(seen);
	return 0;
}
