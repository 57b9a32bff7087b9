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
#define SCHEDREC_DATE "2026-11-21" /* of this version, for the man pages */

/* cmd.flags */
enum {
	CMD_STOP_AT_OPERAND = 1, /* options end at the first operand */
	CMD_HIDDEN = 2,          /* for the build, not in the list of commands */
};

struct cmd {
	const char *name;        /* one word, or two: "corpus push", of the group "corpus" */
	const char *summary;     /* one line, imperative, no capital, no full stop: for lists and man pages */
	const char *operands;    /* "[--] CMD [ARG...]", for the usage line */
	const char *description; /* paragraphs for --help and the man page, "\n\n" between them; they are wrapped, but a
				   * paragraph that begins with a blank is printed as it is */
	const char *const *examples;     /* pairs: command line, what it does; NULL-terminated; may be NULL */
	const struct sr_option *options; /* main adds -h and --help */
	size_t options_size;             /* sizeof the struct that the rows fill */
	unsigned flags;
	/* Exit status, or -1 with *err filled: main prints "schedrec NAME: TEXT" on stderr, exits with its status.
	 * main also flushes stdout, and a stdout that fails is status 3 with its one line; SIGPIPE ends nothing, so
	 * whoever prints much stops when ferror(stdout) says so. */
	int (*run)(const void *options, int nargs, char **args, struct sr_error *err);
};

extern const struct cmd cmd_record, cmd_info, cmd_dump, cmd_cut, cmd_merge, cmd_export, cmd_import, cmd_replay,
	cmd_simulate, cmd_analyze, cmd_compare, cmd_nightly, cmd_report, cmd_policies, cmd_topology, cmd_corpus_init,
	cmd_corpus_push, cmd_corpus_pull, cmd_corpus_list, cmd_corpus_show, cmd_corpus_sample, cmd_corpus_verify,
	cmd_corpus_remove, cmd_corpus_serve, cmd_corpus_token;

/* Signals: after cmd_catch_signals(), SIGINT, SIGTERM and SIGHUP set cmd_signal to their number and interrupt system
 * calls; a second SIGINT ends at once. One that was ignored when schedrec began stays ignored. */
extern volatile sig_atomic_t cmd_signal;
void cmd_catch_signals(void);

/* Progress on a terminal's stderr: one line rewritten at most 10 times a second; nothing when quiet or no terminal. */
void cmd_progress(bool quiet, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cmd_progress_end(void);

/* A warning on stderr: "schedrec: warning: ...". */
void cmd_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cmd_note(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* it is as it is, and no fault of the run */

/* Text of help for a width of 96: from the column where the line stands already, further lines at indent. Ends the line. */
void cmd_print_wrapped(FILE *f, const char *text, int column, int indent);

/* JSON to a stream, nothing held in memory: init, open, members, close. Strings are escaped, invalid UTF-8 is
 * replaced by U+FFFD. key is NULL inside arrays and at the top. A double that is not finite is written as null. */
struct cmd_json {
	FILE *f;
	int depth; /* at most 15 */
	bool first[16];
};
void cmd_json_init(struct cmd_json *j, FILE *f);
void cmd_json_open(struct cmd_json *j, const char *key, char bracket);     /* '{' or '[' */
void cmd_json_close(struct cmd_json *j, char bracket);                     /* '}' or ']'; a newline after the last */
void cmd_json_str(struct cmd_json *j, const char *key, const char *value); /* NULL value: null */
void cmd_json_u64(struct cmd_json *j, const char *key, uint64_t value);
void cmd_json_real(struct cmd_json *j, const char *key, double value);
void cmd_json_bool(struct cmd_json *j, const char *key, bool value);
void cmd_json_raw(struct cmd_json *j, const char *key, const char *json); /* it is JSON already */

#endif
