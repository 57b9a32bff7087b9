/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one error convention.
 *
 * A library function that can fail returns 0 for success and -1 for failure (an iterator: 1 an item,
 * 0 the end, -1 failure; a constructor: NULL for failure) and, when it fails, has filled the caller's
 * struct sr_error, which is never NULL. Library functions never print, never exit and keep no state.
 * The command layer prints the text once and exits with the status.
 *
 * The text is one line without a trailing newline: what failed, where, and what to do about it.
 */
#ifndef SCHEDREC_FORMATS_ERROR_H
#define SCHEDREC_FORMATS_ERROR_H

#include <stdarg.h>

enum sr_status {
	SR_OK = 0,
	SR_ANSWER_NO = 1,    /* a regression; verify found something */
	SR_USAGE = 2,        /* the command line is wrong */
	SR_ENVIRONMENT = 3,  /* privilege, tracefs, library, disk space, a file that is not there */
	SR_DAMAGED = 4,      /* damaged or foreign input */
	SR_BUG = 70,         /* a defect of schedrec */
	SR_INTERRUPTED = 130 /* ended by Ctrl-C, with a complete file */
};

struct sr_error {
	enum sr_status status;
	char text[1024];
};

/* Fills *err and returns -1, so that a caller can write `return sr_fail(...)`. */
int sr_fail(struct sr_error *err, enum sr_status status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same, with ": " and the text of errno appended. errno is left as it was. */
int sr_fail_errno(struct sr_error *err, enum sr_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "FMT: " in front of a text that is already there; returns -1. The status stays. */
int sr_fail_prefix(struct sr_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
