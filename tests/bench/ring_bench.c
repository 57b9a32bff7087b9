/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring_bench INSTANCE: ways to empty the kernel's ring, measured. An instance is filled by two threads that wake each
 * other on one cpu, emptied in one way, and so on, forth and back; what counts is the ns an event until all bytes of the
 * ring have been looked at once. One line a way: sub-buffer KiB, the way, median ns an event, its CPU time.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 9
#define RING_KB 16384
#define GET_READER _IO('R', 0x20) /* TRACE_MMAP_IOCTL_GET_READER, Linux 6.10 */

struct meta { /* the mapped ring's first page, Linux 6.10 */
	uint32_t page_size, struct_len, subbuf_size, subbufs;
	uint64_t lost;
	uint32_t id, read;
	uint64_t flags, entries, overrun, total_read, reserved[2];
};

static const char *instance;
static char *page;
static volatile uint64_t seen;
static uint64_t apart_ns, apart_cpu_ns; /* mapping and unmapping, which a recorder does once */

static uint64_t clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_file(const char *name, int flags)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	return open(path, flags | O_CLOEXEC);
}

static int set(const char *name, const char *text)
{
	int fd = open_file(name, O_WRONLY), rc = fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

/* The events in cpu 0's ring. */
static uint64_t entries(void)
{
	int fd = open_file("per_cpu/cpu0/stats", O_RDONLY);
	char text[512] = "";
	const char *at;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	close(fd);
	at = strstr(text, "entries: ");
	return at ? strtoull(at + 9, NULL, 10) : 0;
}

/* Two processes wake each other by pipes on cpu 0. */
static void fill(void)
{
	int a[2], b[2], status;
	char c = 0;
	pid_t pid;

	if (pipe(a) || pipe(b))
		exit(3);
	set("tracing_on", "1");
	pid = fork();
	if (!pid) {
		close(a[1]);
		while (read(a[0], &c, 1) == 1 && write(b[1], &c, 1) == 1)
			;
		_exit(0);
	}
	close(a[0]);
	for (int i = 0; i < 25000; i++)
		if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1)
			exit(3);
	set("tracing_on", "0");
	close(a[1]);
	close(b[0]);
	close(b[1]);
	waitpid(pid, &status, 0);
}

static void look(const void *p, size_t n)
{
	const uint64_t *v = p;
	uint64_t sum = 0;

	for (size_t i = 0; i < n / 8; i++)
		sum += v[i];
	seen += sum;
}

static int by_read(size_t size)
{
	int fd = open_file("per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK);
	ssize_t n;

	while ((n = read(fd, page, size)) > 0)
		look(page, (size_t)n);
	close(fd);
	return n < 0 && errno != EAGAIN ? -1 : 0;
}

/* Through a pipe into a file in memory, as a recorder that decodes later does; then the file is read. */
static int by_splice(size_t size)
{
	int fd = open_file("per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK), p[2];
	int out = memfd_create("ring", MFD_CLOEXEC);
	ssize_t n, m = 0;

	if (fd < 0 || out < 0 || pipe(p))
		return -1;
	fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
	while ((n = splice(fd, NULL, p[1], NULL, 1 << 20, SPLICE_F_NONBLOCK)) > 0)
		for (; n > 0; n -= m)
			if ((m = splice(p[0], NULL, out, NULL, (size_t)n, SPLICE_F_MOVE)) <= 0)
				return -1;
	while ((n = read(fd, page, size)) > 0) /* what is no whole sub-buffer */
		look(page, (size_t)n);
	for (off_t at = 0; (n = pread(out, page, 65536, at)) > 0; at += n)
		look(page, (size_t)n);
	close(p[0]);
	close(p[1]);
	close(fd);
	close(out);
	return 0;
}

static void apart(int sign)
{
	apart_ns += (uint64_t)sign * clock_of(CLOCK_MONOTONIC);
	apart_cpu_ns += (uint64_t)sign * clock_of(CLOCK_THREAD_CPUTIME_ID);
}

static int by_map(size_t size)
{
	int fd = open_file("per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK);
	struct meta *m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	char *data;
	size_t all;

	apart(-1);
	if (fd < 0 || m == MAP_FAILED)
		return -1;
	all = (size_t)m->subbufs * m->subbuf_size;
	data = mmap(NULL, all, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, m->page_size);
	if (data == MAP_FAILED)
		return -1;
	apart(1);
	for (uint64_t left = UINT64_MAX; !ioctl(fd, GET_READER); left = m->entries - m->total_read) {
		uint64_t commit;
		const char *p = data + (size_t)m->id * m->subbuf_size;

		memcpy(&commit, p + 8, 8);
		commit &= (1u << 20) - 1;
		look(p, commit < size ? commit : size);
		if (left == m->entries - m->total_read || m->entries == m->total_read)
			break;
	}
	apart(-1);
	munmap(data, all);
	munmap(m, 4096);
	apart(1);
	close(fd);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static const struct way {
	const char *name;
	int (*empty)(size_t size);
} ways[] = { { "read", by_read }, { "splice", by_splice }, { "mmap", by_map } };

int main(int argc, char **argv)
{
	static const char *const events[] = { "sched_switch", "sched_waking", "sched_wakeup" };
	static const size_t kib[] = { 4, 16, 64 };
	double wall[3][ROUNDS], cpu[3][ROUNDS];
	cpu_set_t one;
	char text[64];

	if (argc != 2) {
		fprintf(stderr, "usage: ring_bench INSTANCE\n");
		return 2;
	}
	instance = argv[1];
	page = aligned_alloc(4096, 1 << 20);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (!page || sched_setaffinity(0, sizeof(one), &one) || set("tracing_on", "0")) {
		fprintf(stderr, "ring_bench: %s: %s\n", instance, strerror(errno));
		return 3;
	}
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "events/sched/%s/enable", events[i]);
		set(text, "1");
	}
	for (int k = 0; k < 3; k++) {
		snprintf(text, sizeof(text), "%zu", kib[k]);
		if (set("buffer_subbuf_size_kb", text) && k)
			break; /* a kernel before 6.8 */
		snprintf(text, sizeof(text), "%d", RING_KB);
		set("buffer_size_kb", text);
		for (int r = 0; r < 2 * ROUNDS; r++)
			for (int i = 0; i < 3; i++) {
				int w = r & 1 ? 2 - i : i;
				uint64_t n, t, c;

				if (r == 0)
					wall[w][0] = cpu[w][0] = 0;
				if (wall[w][0] < 0)
					continue;
				fill();
				n = entries();
				apart_ns = apart_cpu_ns = 0;
				t = clock_of(CLOCK_MONOTONIC);
				c = clock_of(CLOCK_THREAD_CPUTIME_ID);
				if (ways[w].empty(kib[k] << 10) || !n) {
					wall[w][0] = -1;
					continue;
				}
				c = clock_of(CLOCK_THREAD_CPUTIME_ID) - c - apart_cpu_ns;
				t = clock_of(CLOCK_MONOTONIC) - t - apart_ns;
				if (!(r & 1)) {
					wall[w][r / 2] = (double)t / (double)n;
					cpu[w][r / 2] = (double)c / (double)n;
				} else {
					wall[w][r / 2] = (wall[w][r / 2] + (double)t / (double)n) / 2;
					cpu[w][r / 2] = (cpu[w][r / 2] + (double)c / (double)n) / 2;
				}
			}
		for (int w = 0; w < 3; w++) {
			if (wall[w][0] < 0) {
				printf("%3zu KiB  %-7s not on this kernel\n", kib[k], ways[w].name);
				continue;
			}
			qsort(wall[w], ROUNDS, sizeof(double), by_value);
			qsort(cpu[w], ROUNDS, sizeof(double), by_value);
			printf("%3zu KiB  %-7s %6.1f ns an event, CPU %6.1f ns\n", kib[k], ways[w].name,
			       wall[w][ROUNDS / 2], cpu[w][ROUNDS / 2]);
		}
		fflush(stdout);
	}
	return 0;
}
