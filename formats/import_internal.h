/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs: where in a file the bytes of each CPU lie, so that many CPUs' events can be read side by side, each from its own
 * place, without holding the file. A run is a piece of the file with one CPU's data; a CPU's runs are read in their
 * order in the file.
 */
#ifndef SCHEDREC_FORMATS_IMPORT_INTERNAL_H
#define SCHEDREC_FORMATS_IMPORT_INTERNAL_H

#include <stdbool.h>

#include "formats/import.h"

#define SR_RUN_BYTES (128u << 10) /* neighbours are one run up to this length */
#define SR_RUNS_MOST (16u << 20)  /* 384 MiB of index */

struct sr_run {
	uint64_t offset;
	uint32_t len, next; /* next: index + 1 of the same cpu's next run */
};

struct sr_run_cpu {
	uint32_t first, last, now; /* index + 1 */
	uint8_t *buf;              /* the run that is read */
	size_t cap;
	const uint8_t *p, *end;
};

struct sr_runs {
	struct sr_run *v;
	size_t n, cap;
	struct sr_run_cpu *cpu;
	unsigned ncpus;
	int fd;
	uint64_t done; /* bytes read so far */
};

int sr_runs_init(struct sr_runs *r, int fd, struct sr_error *err);
void sr_runs_release(struct sr_runs *r);
/* join: bytes that follow the last run's of the same cpu may become part of it. */
int sr_runs_add(struct sr_runs *r, unsigned cpu, uint64_t offset, uint32_t len, bool join, struct sr_error *err);
/* The cpu's next run into p and end: 1, 0, -1. */
int sr_runs_load(struct sr_runs *r, unsigned cpu, struct sr_error *err);

/* len bytes at offset; SR_DAMAGED when the file ends before. */
int sr_import_pread(int fd, void *to, size_t len, uint64_t offset, struct sr_error *err);

/* Forward through a file with few system calls. */
struct sr_window {
	int fd;
	uint64_t size, at; /* of the file; of buf[0] in it */
	uint8_t *buf;
	size_t n, cap;
};
int sr_window_init(struct sr_window *w, int fd, struct sr_error *err);
void sr_window_release(struct sr_window *w);
/* The len bytes at offset, valid until the next call. NULL: SR_DAMAGED, they are not all in the file, or a read failed. */
const uint8_t *sr_window_get(struct sr_window *w, uint64_t offset, size_t len, struct sr_error *err);

#endif
