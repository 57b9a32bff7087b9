/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command layer: the only one that prints, reads argv and handles signals.
 * A sub-command is one row, standing beside its code in a cmd_*.c of its main folder; schedrec.c lists the rows.
 */
#ifndef SCHEDREC_H
#define SCHEDREC_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "formats/error.h"
#include "formats/option.h"

#define SCHEDREC_VERSION "0.1"

/* What a command cannot do without; checked once before run, with one clear message. */
enum { CMD_NEEDS_NOTHING = 0, CMD_STOP_AT_OPERAND = 1 /* options end at the first operand */ };

struct cmd {
	const char *name;
	const char *summary;      /* one line, for the list of commands */
	const char *operands;     /* "[--] CMD [ARG...]", for the usage line */
	const char *description;  /* paragraphs for --help and the man page, "\n\n" between them */
	const char *const *examples; /* pairs: command line, what it does; NULL-terminated; may be NULL */
	const struct sr_option *options;
	size_t options_size;      /* sizeof the struct that the rows fill */
	unsigned flags;
	/* Exit status, or -1 with *err filled: main prints "schedrec NAME: TEXT" on stderr, exits with its status. */
	int (*run)(const void *options, int nargs, char **args, struct sr_error *err);
};

extern const struct cmd cmd_record, cmd_info, cmd_dump, cmd_replay, cmd_analyze, cmd_compare, cmd_policies;

/* Signals: after cmd_catch_signals(), SIGINT and SIGTERM set cmd_signal (a second SIGINT ends at once). */
extern volatile sig_atomic_t cmd_signal;
void cmd_catch_signals(void);

/* Progress on a terminal's stderr: one line rewritten at most 10 times a second; nothing when quiet or no terminal. */
void cmd_progress(bool quiet, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cmd_progress_end(void);

/* A warning on stderr: "schedrec: warning: ...". */
void cmd_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* JSON to a stream, nothing held in memory: cmd_json_begin(f) ... members ... Strings are escaped, invalid UTF-8
 * replaced. key NULL inside arrays. A double that is not finite is written as null. */
struct cmd_json {
	FILE *f;
	int depth;
	bool first[16];
};
void cmd_json_init(struct cmd_json *j, FILE *f);
void cmd_json_open(struct cmd_json *j, const char *key, char bracket); /* '{' or '[' */
void cmd_json_close(struct cmd_json *j, char bracket);                 /* '}' or ']'; a newline after the last */
void cmd_json_str(struct cmd_json *j, const char *key, const char *value); /* NULL value: null */
void cmd_json_u64(struct cmd_json *j, const char *key, uint64_t value);
void cmd_json_real(struct cmd_json *j, const char *key, double value);
void cmd_json_bool(struct cmd_json *j, const char *key, bool value);

#endif
