/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option rows: one typed row an option, from which the parser, --help, the man page and the shell completion
 * come. A command's options are a struct of its own; each row names the member it fills.
 */
#ifndef SCHEDREC_FORMATS_OPTION_H
#define SCHEDREC_FORMATS_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"

enum sr_option_type {
	SR_OPT_FLAG,   /* bool member: set to true */
	SR_OPT_STRING, /* const char * member */
	SR_OPT_LIST,   /* struct sr_strings member: may be given several times */
	SR_OPT_UINT,   /* uint64_t member, decimal */
	SR_OPT_REAL,   /* double member, decimal */
	SR_OPT_TIME,   /* uint64_t member in ns: 250ms, 5s, 1.5s, 10us, 3m, 1h, 12ns; a bare number is refused */
	SR_OPT_SIZE,   /* uint64_t member in bytes: 64k, 10M, 2G (powers of 1024) or a bare number */
	SR_OPT_CHOICE, /* const char * member: one of the words in choices, "|" between them */
	SR_OPT_WORD,   /* the same, but --name alone will do (the member is "" then): a word stands behind a "=" */
	SR_OPT_CPUS,   /* const char * member: a cpu list that sr_cpumask_parse accepts */
};

struct sr_strings {
	const char *v[64];
	size_t n;
};

struct sr_option {
	const char *name; /* long name without the dashes, NULL ends the table */
	char letter;      /* short form, 0: none */
	enum sr_option_type type;
	size_t offset;       /* offsetof(struct my_options, member) */
	const char *arg;     /* FILE, T, PID, ...: name of the argument in help; NULL for flags */
	double min, max;     /* for numbers, sizes and times (in ns); both 0: only the type's own bounds */
	const char *choices; /* for SR_OPT_CHOICE and SR_OPT_WORD */
	const char *deflt;   /* parsed like an argument before the command line is (a list's: only when the option is
			      * not given); NULL: member stays zero */
	const char *help;    /* what it does, with unit; one sentence, no trailing full stop needed */
};

/* Sets defaults, then parses argv[0..argc) (without the command's own name). Options may stand between operands
 * until "--"; with stop_at_operand the first operand ends them (for `record CMD -x`). Operands are moved to
 * the front of argv in order; *operands is their number, and a NULL follows them. A long name may be cut short while it stays unique.
 * Unknown, ambiguous, out-of-bounds and malformed options are SR_USAGE with the option named.
 * --name=value, --name value, -xvalue, -x value, -xy for two flags. Pointers into argv stay. */
int sr_options_parse(const struct sr_option *rows, void *members, int argc, char **argv, int stop_at_operand,
		     int *operands, struct sr_error *err);

/* A row's bound as it would be written on the command line: "250ms", "64k", "1000" (buf >= 32). */
const char *sr_option_bound(char *buf, size_t len, const struct sr_option *o, double v);

/* "1.5s" -> ns, and the reverse for people: "1.50 s", "312 us" (buf >= 32). */
int sr_parse_time(const char *text, uint64_t *ns, struct sr_error *err);
int sr_parse_size(const char *text, uint64_t *bytes, struct sr_error *err);
const char *sr_format_time(char *buf, size_t len, double ns);
const char *sr_format_bytes(char *buf, size_t len, double bytes); /* "12.3 MB" in powers of 1000 */
const char *sr_format_count(char *buf, size_t len, uint64_t n);   /* "12,345,678" */

#endif
