/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests/real/round-trip.sh: the same raw sub-buffers for two decoders.
 *
 *   round_trip capture INSTANCE OUT MS CMD...    runs CMD, reads the instance's rings every MS ms, as they are, into
 *                                                OUT.0, OUT.1, ... by cpu, until CMD has ended and nothing is left
 *   round_trip decode TRACEFS FILE.srz RAW...    these files (in the order of the cpus), through the recorder's own
 *                                                decoder and merge
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "formats/srz.h"
#include "record/internal.h"

static void die(const char *what, const char *why)
{
	fprintf(stderr, "round_trip: %s: %s\n", what, why);
	exit(3);
}

/* ---- capture ---- */

struct ring {
	int fd;
	FILE *out;
};

static size_t open_rings(struct ring *ring, size_t max, const char *instance, const char *out)
{
	char path[4096];
	size_t n;

	for (n = 0; n < max; n++) {
		snprintf(path, sizeof(path), "%s/per_cpu/cpu%zu/trace_pipe_raw", instance, n);
		ring[n].fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (ring[n].fd < 0 && errno == ENOENT)
			break;
		if (ring[n].fd < 0)
			die(path, strerror(errno));
		snprintf(path, sizeof(path), "%s.%zu", out, n);
		ring[n].out = fopen(path, "we");
		if (!ring[n].out)
			die(path, strerror(errno));
	}
	return n;
}

static void read_rings(struct ring *ring, size_t n)
{
	size_t size = (size_t)getpagesize();
	uint8_t *page = calloc(1, size);

	for (size_t i = 0; page && i < n; i++) {
		ssize_t got;

		while ((got = read(ring[i].fd, page, size)) > 0)
			if (fwrite(page, 1, size, ring[i].out) != size)
				die("writing", strerror(errno));
		if (got < 0 && errno != EAGAIN && errno != ENODEV)
			die("trace_pipe_raw", strerror(errno));
	}
	free(page);
}

static int capture(int argc, char **argv)
{
	static struct ring ring[SR_MAX_CPUS];
	struct timespec wait = { .tv_nsec = atol(argv[4]) * 1000000L };
	size_t n = open_rings(ring, SR_MAX_CPUS, argv[2], argv[3]);
	char path[4096];
	int fd, status = 0;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		die("fork", strerror(errno));
	if (!pid) {
		execvp(argv[5], argv + 5);
		_exit(127);
	}
	do {
		nanosleep(&wait, NULL);
		read_rings(ring, n);
	} while (!waitpid(pid, &status, WNOHANG));
	snprintf(path, sizeof(path), "%s/tracing_on", argv[2]);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path, strerror(errno));
	close(fd);
	read_rings(ring, n);
	for (size_t i = 0; i < n; i++)
		if (fclose(ring[i].out))
			die("writing", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}

/* ---- decode ---- */

static uint32_t sink_name(void *arg, const char *name, struct sr_error *err)
{
	return srz_put_name(arg, name, err);
}

static int sink_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	return srz_put_events(arg, SRZ_STREAM_KERNEL, ev, n, err);
}

/* A file of tracefs as text; 0: there is none. */
static size_t text_of(const char *tracefs, const char *system, const char *name, char *text, size_t max)
{
	char path[4096];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/events/%s/%s", tracefs, system, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	len = fread(text, 1, max, f);
	fclose(f);
	return len;
}

static int learn(struct rec_formats *f, const char *tracefs, struct sr_error *err)
{
	static char text[65536];
	char name[256];
	size_t len;

	f->print_id = -1;
	if (rec_formats_header(f, text, text_of(tracefs, "", "header_page", text, sizeof(text)), err))
		return -1;
	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++) {
		const struct rec_wanted *w = rec_wanted(kind);

		if (!w)
			continue;
		snprintf(name, sizeof(name), "%s/format", w->name);
		len = text_of(tracefs, w->system, name, text, sizeof(text));
		if (!len && w->optional)
			continue;
		if (rec_formats_add(f, kind, text, len, err))
			return -1;
	}
	return 0;
}

static int take_page(struct rec_merge *m, const struct rec_formats *f, unsigned cpu, const uint8_t *bytes, size_t size,
		     struct sr_error *err)
{
	struct rec_page page;
	struct rec_item item;
	const uint8_t *data;
	uint64_t time_ns;
	size_t len;
	int r;

	if (rec_page_init(&page, bytes, size, f->commit_size))
		return sr_fail(err, SR_DAMAGED, "a sub-buffer of CPU %u has no header", cpu);
	if (page.missed && rec_merge_lost(m, cpu, page.time_ns, page.missed_n, err))
		return -1;
	while ((r = rec_page_next(&page, &data, &len, &time_ns)) == 1) {
		if (rec_decode(f, &m->names, data, len, time_ns, cpu, &item) != 1)
			return sr_fail(err, SR_DAMAGED, "a record of CPU %u is not decoded", cpu);
		if (rec_merge_queue(m, cpu, &item, err))
			return -1;
	}
	return r ? sr_fail(err, SR_DAMAGED, "a sub-buffer of CPU %u is damaged", cpu) : 0;
}

static int take_file(struct rec_merge *m, const struct rec_formats *f, unsigned cpu, const char *path,
		     struct sr_error *err)
{
	size_t size = (size_t)getpagesize();
	uint8_t *bytes = malloc(size);
	FILE *file = fopen(path, "re");
	int rc = 0;

	if (!bytes || !file)
		die(path, strerror(errno));
	while (!rc && fread(bytes, 1, size, file) == size)
		rc = take_page(m, f, cpu, bytes, size, err);
	fclose(file);
	free(bytes);
	return rc;
}

static int decode(int argc, char **argv)
{
	static struct rec_formats formats;
	struct rec_merge merge;
	struct rec_sink sink = { .name = sink_name, .events = sink_events };
	struct srz_writer *w;
	struct sr_error err;
	int i;

	if (learn(&formats, argv[2], &err) || rec_merge_init(&merge, (unsigned)argc - 4, &err))
		die("decode", err.text);
	w = srz_create(argv[3], 0, &err);
	if (!w)
		die(argv[3], err.text);
	sink.arg = w;
	rec_merge_reset(&merge, &sink);
	for (i = 4; i < argc; i++)
		if (take_file(&merge, &formats, (unsigned)i - 4, argv[i], &err))
			die(argv[i], err.text);
	if (rec_merge_emit(&merge, UINT64_MAX, &err) || srz_close(w, &err))
		die("decode", err.text);
	rec_merge_release(&merge);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 5 && !strcmp(argv[1], "capture"))
		return capture(argc, argv);
	if (argc > 4 && !strcmp(argv[1], "decode"))
		return decode(argc, argv);
	fprintf(stderr, "usage: round_trip capture INSTANCE OUT MS CMD... | decode TRACEFS FILE.srz RAW...\n");
	return 2;
}
