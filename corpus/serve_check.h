/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Full decoding of traces from strangers, in processes that can do nothing else: no files, no network, no new processes,
 * bounded memory and time, and no privilege. A helper process is forked before the server has threads; it forks one
 * process for each check.
 *
 * crp_checker_run may be called by several threads at once, the others by one.
 */
#ifndef SCHEDREC_CORPUS_SERVE_CHECK_H
#define SCHEDREC_CORPUS_SERVE_CHECK_H

#include <stdint.h>

#include "corpus/row.h"

struct srz_reader;

struct crp_check_limits {
	uint64_t memory_bytes; /* address space of a check */
	uint64_t time_ns;      /* CPU time; three times as much and 5 s by the clock */
	uint64_t wait_ns;      /* for a free place */
	unsigned at_once;
	/* Fills in what a trace says of itself, with its name there already; called in the process that decodes it. NULL:
	 * the row's own words are taken. */
	int (*describe)(struct srz_reader *r, struct crp_row *row, struct sr_error *err);
};

struct crp_checker;

/* Before there are threads. */
struct crp_checker *crp_checker_start(const struct crp_check_limits *limits, struct sr_error *err);
/* fd: opened for reading only. 0: it is a whole trace, and what the row says of it is what limits.describe has found. SR_DAMAGED: it is not, or could not be
 * decoded within the limits; SR_ENVIRONMENT: it could not be looked at (too many wait; the helper is gone). */
int crp_checker_run(struct crp_checker *c, int fd, struct crp_row *row, struct sr_error *err);
/* Is the helper still there? */
int crp_checker_alive(struct crp_checker *c);
/* Ends the helper and all checks, whose crp_checker_run then fail. Any thread, several times. */
void crp_checker_end(struct crp_checker *c);
void crp_checker_free(struct crp_checker *c); /* NULL is allowed; no crp_checker_run is under way */

#endif
