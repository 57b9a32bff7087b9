/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main, the list of sub-commands, and the helpers of the command layer. */
#include "schedrec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "formats/machine.h"
#include "formats/markup.h"
#include "replay/policy.h"

static const struct cmd cmd_generate;

static const struct cmd *const commands[] = {
	&cmd_record,        &cmd_info,          &cmd_dump,
	&cmd_cut,           &cmd_merge,         &cmd_export,
	&cmd_import,        &cmd_replay,        &cmd_simulate,
	&cmd_analyze,       &cmd_compare,       &cmd_nightly,
	&cmd_report,        &cmd_policies,      &cmd_topology,
	&cmd_corpus_init,   &cmd_corpus_push,   &cmd_corpus_pull,
	&cmd_corpus_list,   &cmd_corpus_show,   &cmd_corpus_sample,
	&cmd_corpus_verify, &cmd_corpus_remove, &cmd_corpus_serve,
	&cmd_corpus_token,  &cmd_generate,      NULL,
};

static const struct {
	int status;
	const char *text;
} exit_statuses[] = {
	{ SR_OK, "Done. compare, nightly: no regression." },
	{ SR_ANSWER_NO, "The answer is no: a regression was found; corpus verify: damage was found." },
	{ SR_USAGE, "The command line is wrong." },
	{ SR_ENVIRONMENT,
	  "The environment lacks something: privilege, tracefs, a library, disk space, a file that is not there." },
	{ SR_DAMAGED, "The input is damaged or foreign." },
	{ SR_BUG, "A defect of schedrec." },
	{ SR_INTERRUPTED, "Ended by Ctrl-C, with a complete file." },
};

/* A command of two words belongs to the group of its first: the words without the blank are its name for files. */
static const char *dashed(const struct cmd *c, char buf[64])
{
	snprintf(buf, 64, "%s", c->name);
	for (char *p = buf; *p; p++)
		if (*p == ' ')
			*p = '-';
	return buf;
}

static bool in_group(const struct cmd *c, const char *group)
{
	size_t len = strlen(group);

	return len && !strncmp(c->name, group, len) && c->name[len] == ' ';
}

static bool is_group(const char *word)
{
	for (const struct cmd *const *c = commands; *c; c++)
		if (in_group(*c, word))
			return true;
	return false;
}

/* Signals, progress, warnings */

volatile sig_atomic_t cmd_signal;

static void on_signal(int sig)
{
	if (sig == SIGINT && cmd_signal == SIGINT) {
		signal(SIGINT, SIG_DFL);
		raise(SIGINT); /* delivered when the handler returns */
	}
	cmd_signal = sig;
}

/* For SIGPIPE: the write fails instead. Not SIG_IGN, which commands that are run would inherit. */
static void do_nothing(int sig)
{
}

void cmd_catch_signals(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old, act = { .sa_handler = on_signal };

	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		if (sigaction(sigs[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(sigs[i], &act, NULL);
}

static bool progress_shown;

void cmd_progress(bool quiet, const char *fmt, ...)
{
	static struct timespec last;
	struct winsize size = { .ws_col = 0 };
	struct timespec now;
	char line[512];
	va_list ap;

	if (quiet || !isatty(STDERR_FILENO))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (progress_shown && (now.tv_sec - last.tv_sec) * 10 + (now.tv_nsec - last.tv_nsec) / 100000000 < 1)
		return;
	last = now;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20)
		size.ws_col = 80;
	fprintf(stderr, "\r%.*s\033[K", size.ws_col - 1, line);
	fflush(stderr);
	progress_shown = true;
}

void cmd_progress_end(void)
{
	if (progress_shown)
		fprintf(stderr, "\r\033[K");
	progress_shown = false;
}

/* One line on stderr, whatever the text holds (file names and task names may be hostile). */
static void say(const char *prefix, char *text)
{
	uint32_t c;

	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		size_t n = sr_utf8(p, &c);

		if (n && sr_is_control(c))
			memset(p, '?', n);
		p += n ? n - 1 : 0;
	}
	cmd_progress_end();
	fprintf(stderr, "%s: %s\n", prefix, text);
}

void cmd_warn(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say("schedrec: warning", text);
}

void cmd_note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say("schedrec: note", text);
}

/* JSON */

/* The length of the UTF-8 sequence at s, 0: it is not one. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = 0;

	if (s[0] < 0x80)
		n = 1;
	else if (s[0] >= 0xc2 && s[0] < 0xe0)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] < 0xf0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] < 0xf5)
		n = 4;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies behind U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return n;
}

static void json_string(FILE *f, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	putc('"', f);
	while (*s) {
		size_t n = utf8_len(s);

		if (n == 0) {
			fputs("\\ufffd", f);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(f, "\\%c", *s);
		} else if (*s < ' ' || *s == 0x7f) {
			fprintf(f, "\\u%04x", *s);
		} else {
			fwrite(s, 1, n, f);
		}
		s += n;
	}
	putc('"', f);
}

static void json_member(struct cmd_json *j, const char *key)
{
	if (j->depth > 0) {
		fprintf(j->f, "%s\n%*s", j->first[j->depth] ? "" : ",", j->depth * 2, "");
		j->first[j->depth] = false;
	}
	if (key) {
		json_string(j->f, key);
		fputs(": ", j->f);
	}
}

void cmd_json_init(struct cmd_json *j, FILE *f)
{
	*j = (struct cmd_json){ .f = f };
}

void cmd_json_open(struct cmd_json *j, const char *key, char bracket)
{
	json_member(j, key);
	putc(bracket, j->f);
	j->first[++j->depth] = true;
}

void cmd_json_close(struct cmd_json *j, char bracket)
{
	bool empty = j->first[j->depth--];

	if (!empty)
		fprintf(j->f, "\n%*s", j->depth * 2, "");
	putc(bracket, j->f);
	if (j->depth == 0)
		putc('\n', j->f);
}

void cmd_json_str(struct cmd_json *j, const char *key, const char *value)
{
	json_member(j, key);
	if (value)
		json_string(j->f, value);
	else
		fputs("null", j->f);
}

void cmd_json_u64(struct cmd_json *j, const char *key, uint64_t value)
{
	json_member(j, key);
	fprintf(j->f, "%" PRIu64, value);
}

void cmd_json_real(struct cmd_json *j, const char *key, double value)
{
	char text[40];

	json_member(j, key);
	if (!isfinite(value)) {
		fputs("null", j->f);
		return;
	}
	if (value > 0 && value < 1e15 && value == (double)(uint64_t)value) {
		fprintf(j->f, "%" PRIu64, (uint64_t)value);
		return;
	}
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	fputs(text, j->f);
}

void cmd_json_bool(struct cmd_json *j, const char *key, bool value)
{
	json_member(j, key);
	fputs(value ? "true" : "false", j->f);
}

void cmd_json_raw(struct cmd_json *j, const char *key, const char *json)
{
	json_member(j, key);
	fputs(json, j->f);
}

/* Help */

#define HELP_WIDTH 96
#define HELP_COLUMN 30 /* where the options' texts begin at most */

static const struct sr_option help_row = {
	.name = "help",
	.letter = 'h',
	.type = SR_OPT_FLAG,
	.help = "show this help",
};

static bool option_is_number(const struct sr_option *o)
{
	return o->type == SR_OPT_UINT || o->type == SR_OPT_REAL || o->type == SR_OPT_TIME || o->type == SR_OPT_SIZE;
}

/* What a row says beside its help: bounds, words, repetition, default; "" when there is nothing. */
static void option_facts(const struct sr_option *o, char *buf, size_t len)
{
	char lo[32], hi[32];
	const char *sep = " (";
	size_t n = 0;

	buf[0] = '\0';
	if (o->type == SR_OPT_CHOICE || o->type == SR_OPT_WORD) {
		n += (size_t)snprintf(buf + n, len - n, "%sone of: ", sep);
		for (const char *c = o->choices; *c && n + 3 < len; c++)
			n += (size_t)snprintf(buf + n, len - n, *c == '|' ? ", " : "%c", *c);
		sep = "; ";
	} else if (o->type == SR_OPT_LIST) {
		n += (size_t)snprintf(buf + n, len - n, "%smay be given several times", sep);
		sep = "; ";
	} else if (option_is_number(o) && (o->min != 0 || o->max != 0)) {
		n += (size_t)snprintf(buf + n, len - n, "%s%s to %s", sep, sr_option_bound(lo, sizeof(lo), o, o->min),
				      sr_option_bound(hi, sizeof(hi), o, o->max));
		sep = "; ";
	}
	if (o->deflt && n < len) {
		n += (size_t)snprintf(buf + n, len - n, "%sdefault: %s", sep, o->deflt);
		sep = "; ";
	}
	if (*sep == ';' && n + 1 < len)
		memcpy(buf + n, ")", 2);
}

void cmd_print_wrapped(FILE *f, const char *text, int column, int indent)
{
	bool line_start = true;

	while (*text) {
		int len = (int)strcspn(text, " \n");

		if (len > 0) {
			if (!line_start && column + 1 + len > HELP_WIDTH) {
				fprintf(f, "\n%*s", indent, "");
				column = indent;
				line_start = true;
			}
			column += fprintf(f, "%s%.*s", line_start ? "" : " ", len, text);
			line_start = false;
		}
		text += len + (text[len] != '\0');
	}
	putc('\n', f);
}

/* Calls each paragraph's printer; a paragraph that begins with a blank is verbatim. */
static void each_paragraph(FILE *f, const char *text,
			   void (*print)(FILE *f, const char *paragraph, bool first, bool verbatim))
{
	bool first = true;

	while (text && *text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		char *copy = strndup(text, len);

		if (copy)
			print(f, copy, first, copy[0] == ' ' || copy[0] == '\t');
		free(copy);
		first = false;
		text = end ? end + 2 : text + len;
	}
}

static void help_paragraph(FILE *f, const char *text, bool first, bool verbatim)
{
	putc('\n', f);
	if (verbatim)
		fprintf(f, "%s\n", text);
	else
		cmd_print_wrapped(f, text, 0, 0);
}

static void help_option(FILE *f, const struct sr_option *o, int column)
{
	char facts[512], text[1536];
	int n = o->letter ? fprintf(f, "  -%c, --%s", o->letter, o->name) : fprintf(f, "      --%s", o->name);

	if (o->arg)
		n += fprintf(f, o->type == SR_OPT_WORD ? "[=%s]" : " %s", o->arg);
	if (n + 2 > column) {
		putc('\n', f);
		n = 0;
	}
	fprintf(f, "%*s", column - n, "");
	option_facts(o, facts, sizeof(facts));
	snprintf(text, sizeof(text), "%s%s", o->help, facts);
	cmd_print_wrapped(f, text, column, column);
}

static int option_width(const struct sr_option *o)
{
	int around = o->type == SR_OPT_WORD ? 3 : 1;

	return 8 + (int)strlen(o->name) + (o->arg ? around + (int)strlen(o->arg) : 0) + 2;
}

static void help_command(FILE *f, const struct cmd *c)
{
	int column = option_width(&help_row);

	fprintf(f, "Usage: schedrec %s [OPTION...]%s%s\n\n", c->name, c->operands ? " " : "",
		c->operands ? c->operands : "");
	cmd_print_wrapped(f, c->summary, 0, 0);
	each_paragraph(f, c->description, help_paragraph);
	for (const struct sr_option *o = c->options; o->name; o++)
		if (option_width(o) > column && option_width(o) <= HELP_COLUMN)
			column = option_width(o);
	fprintf(f, "\nOptions:\n");
	for (const struct sr_option *o = c->options; o->name; o++)
		help_option(f, o, column);
	help_option(f, &help_row, column);
	if (c->examples)
		fprintf(f, "\nExamples:\n");
	for (const char *const *e = c->examples; e && e[0]; e += 2) {
		fprintf(f, "  %s\n      ", e[0]);
		cmd_print_wrapped(f, e[1], 6, 6);
	}
}

static void help_group(FILE *f, const char *group)
{
	fprintf(f, "Usage: schedrec %s COMMAND [OPTION...] [OPERAND...]\n\nCommands:\n", group);
	for (const struct cmd *const *c = commands; *c; c++) {
		if (!in_group(*c, group))
			continue;
		fprintf(f, "  %-14s ", (*c)->name);
		cmd_print_wrapped(f, (*c)->summary, 17, 17);
	}
	fprintf(f, "\nschedrec %s COMMAND --help tells more.\n", group);
}

static void help_all(FILE *f)
{
	fprintf(f, "Usage: schedrec COMMAND [OPTION...] [OPERAND...]\n\n"
		   "Records what tasks do on the CPUs, runs it again under other placement policies, and compares.\n\n"
		   "Commands:\n");
	for (const struct cmd *const *c = commands; *c; c++) {
		if ((*c)->flags & CMD_HIDDEN)
			continue;
		fprintf(f, "  %-14s ", (*c)->name);
		cmd_print_wrapped(f, (*c)->summary, 17, 17);
	}
	fprintf(f, "\nschedrec help COMMAND or schedrec COMMAND --help tells more.\n\nExit status:\n");
	for (size_t i = 0; i < sizeof(exit_statuses) / sizeof(exit_statuses[0]); i++) {
		fprintf(f, "  %3d  ", exit_statuses[i].status);
		cmd_print_wrapped(f, exit_statuses[i].text, 7, 7);
	}
}

/* Man pages, with man(7) macros */

/* Text in roff: no line begins a request, no backslash escapes, and in literals hyphens stay ASCII. */
static void roff(FILE *f, const char *text, bool literal)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", f);
		line_start = *text == '\n';
		if (*text == '\\')
			fputs("\\e", f);
		else if (*text == '-' && literal)
			fputs("\\-", f);
		else
			putc(*text, f);
	}
}

/* The same with each line of source ending at a word, as editors and lint like it. */
static void roff_wrapped(FILE *f, const char *text)
{
	char *copy = strdup(text), *save = NULL;
	size_t column = 0;

	for (char *word = copy ? strtok_r(copy, " \n", &save) : NULL; word; word = strtok_r(NULL, " \n", &save)) {
		size_t len = strlen(word);

		if (column && column + 1 + len > 76) {
			putc('\n', f);
			column = 0;
		}
		if (column)
			putc(' ', f);
		roff(f, word, word[0] == '-');
		column += len + 1;
	}
	putc('\n', f);
	free(copy);
}

static void man_paragraph(FILE *f, const char *text, bool first, bool verbatim)
{
	if (!first)
		fputs(".PP\n", f);
	if (verbatim) {
		fputs(".nf\n", f);
		roff(f, text, true);
		fputs("\n.fi\n", f);
	} else {
		roff_wrapped(f, text);
	}
}

static void man_option(FILE *f, const struct sr_option *o)
{
	char facts[512], text[1536];

	fputs(".TP\n", f);
	if (o->letter)
		fprintf(f, "\\fB\\-%c\\fR, ", o->letter);
	fputs("\\fB\\-\\-", f);
	roff(f, o->name, true);
	fputs("\\fR", f);
	if (o->arg) {
		fputs(o->type == SR_OPT_WORD ? "[=\\fI" : " \\fI", f);
		roff(f, o->arg, true);
		fputs(o->type == SR_OPT_WORD ? "\\fR]" : "\\fR", f);
	}
	putc('\n', f);
	option_facts(o, facts, sizeof(facts));
	snprintf(text, sizeof(text), "%s%s.", o->help, facts);
	roff_wrapped(f, text);
}

static void man_head(FILE *f, const char *name, const char *summary)
{
	fputs(".TH ", f);
	for (const char *p = name; *p; p++)
		putc(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p, f);
	fprintf(f, " 1 \"%s\" \"schedrec %s\" \"User Commands\"\n.SH NAME\n", SCHEDREC_DATE, SCHEDREC_VERSION);
	roff(f, name, true);
	fputs(" \\- ", f);
	roff(f, summary, false);
	putc('\n', f);
}

static void man_statuses(FILE *f)
{
	fputs(".SH EXIT STATUS\n", f);
	for (size_t i = 0; i < sizeof(exit_statuses) / sizeof(exit_statuses[0]); i++) {
		fprintf(f, ".TP\n.B %d\n", exit_statuses[i].status);
		roff_wrapped(f, exit_statuses[i].text);
	}
}

static void man_command(FILE *f, const struct cmd *c)
{
	char name[80], file[64];
	const char *sep = "";

	snprintf(name, sizeof(name), "schedrec-%s", dashed(c, file));
	man_head(f, name, c->summary);
	fprintf(f, ".SH SYNOPSIS\n.B schedrec %s\n[\\fIOPTION\\fR...]\n", c->name);
	if (c->operands) {
		roff(f, c->operands, true);
		putc('\n', f);
	}
	fputs(".SH DESCRIPTION\n", f);
	each_paragraph(f, c->description ? c->description : c->summary, man_paragraph);
	fputs(".SH OPTIONS\n", f);
	for (const struct sr_option *o = c->options; o->name; o++)
		man_option(f, o);
	man_option(f, &help_row);
	man_statuses(f);
	if (c->examples)
		fputs(".SH EXAMPLES\n", f);
	for (const char *const *e = c->examples; e && e[0]; e += 2) {
		fputs(".TP\n.B ", f);
		roff(f, e[0], true);
		putc('\n', f);
		roff_wrapped(f, e[1]);
	}
	fputs(".SH SEE ALSO\n.BR schedrec (1)", f);
	for (const struct cmd *const *o = commands; *o; o++) {
		if (*o == c || ((*o)->flags & CMD_HIDDEN))
			continue;
		sep = ",\n";
		fprintf(f, "%s.BR schedrec\\-%s (1)", sep, dashed(*o, file));
	}
	putc('\n', f);
}

static void man_main(FILE *f)
{
	char file[64];

	man_head(f, "schedrec", "record, replay and compare what the scheduler does with a workload");
	fputs(".SH SYNOPSIS\n.B schedrec\n\\fICOMMAND\\fR [\\fIOPTION\\fR...] [\\fIOPERAND\\fR...]\n.SH DESCRIPTION\n",
	      f);
	roff_wrapped(f, "schedrec records what tasks did (ran, slept, woke each other, forked, exec'd, exited), keeps "
			"that as a small file, runs it again with real threads under a chosen placement policy, and "
			"compares the runs.");
	fputs(".SH COMMANDS\n", f);
	for (const struct cmd *const *c = commands; *c; c++) {
		if ((*c)->flags & CMD_HIDDEN)
			continue;
		fprintf(f, ".TP\n.BR schedrec\\-%s (1)\n", dashed(*c, file));
		roff_wrapped(f, (*c)->summary);
	}
	fputs(".SH OPTIONS\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nshow the commands.\n"
	      ".TP\n\\fB\\-\\-version\\fR\nshow the version.\n",
	      f);
	man_statuses(f);
	fputs(".SH ENVIRONMENT\n.TP\n.BR SUDO_UID \", \" SUDO_GID\n", f);
	roff_wrapped(
		f, "Under sudo, whom the recorded command and the written files belong to. Trusted only where the real "
		   "user is root.");
	fputs(".SH FILES\n.TP\n.I /sys/kernel/tracing\n", f);
	roff_wrapped(f,
		     "The kernel's tracing. schedrec works in an instance of its own and leaves the rest as it was.");
	fputs(".TP\n.I NAME.srz.part\n", f);
	roff_wrapped(
		f, "A recording that is not complete: one in progress, or what a crash has left. It can be read up to "
		   "its last whole chunk.");
	fputs(".SH SEE ALSO\n.BR sched (7)", f);
	for (const struct cmd *const *c = commands; *c; c++)
		if (!((*c)->flags & CMD_HIDDEN))
			fprintf(f, ",\n.BR schedrec\\-%s (1)", dashed(*c, file));
	putc('\n', f);
}

/* Shell completion */

/* The completions of an option's argument, as words of a shell case; policies and machines are known by its name. */
static void bash_argument(FILE *f, const struct cmd *c, const struct sr_option *o)
{
	fprintf(f, "\t'%s --%s'", c->name, o->name);
	if (o->letter)
		fprintf(f, " | '%s -%c'", c->name, o->letter);
	fputs(") ", f);
	if (o->type == SR_OPT_CHOICE) {
		fputs("words='", f);
		for (const char *p = o->choices; *p; p++)
			putc(*p == '|' ? ' ' : *p, f);
		fputs("' ;;\n", f);
	} else if (!strcmp(o->name, "policy")) {
		fputs("words='", f);
		for (const struct rpl_policy *const *p = rpl_policies; *p; p++)
			fprintf(f, "%s%s", p == rpl_policies ? "" : " ", (*p)->name);
		fputs("' ;;\n", f);
	} else if (!strcmp(o->name, "machine")) {
		fputs("files=1 words='this", f);
		for (const struct sr_machine_preset *p = sr_machine_presets(); p->name; p++)
			fprintf(f, " %s", p->name);
		fputs("' ;;\n", f);
	} else if (o->type == SR_OPT_STRING || o->type == SR_OPT_LIST) {
		fputs("files=1 ;;\n", f);
	} else {
		fputs(";;\n", f);
	}
}

/* Each group once, where its first command stands. */
static void bash_first_word(FILE *f, const struct cmd *const *c)
{
	int len = (int)strcspn((*c)->name, " ");

	if ((*c)->name[len] && c > commands && !strncmp(c[-1]->name, (*c)->name, (size_t)len + 1))
		return;
	fprintf(f, " %.*s", len, (*c)->name);
}

/* The second word of groups. */
static void bash_groups(FILE *f)
{
	for (const struct cmd *const *c = commands; *c; c++) {
		const char *blank = strchr((*c)->name, ' ');
		int len = blank ? (int)(blank - (*c)->name) : 0;

		if (!blank || (c > commands && !strncmp(c[-1]->name, (*c)->name, (size_t)len + 1)))
			continue;
		fprintf(f,
			"\tif [ \"$cmd\" = %.*s ]; then\n\t\tif [ \"$COMP_CWORD\" -eq 2 ]; then\n\t\t\tmapfile -t "
			"COMPREPLY < <(compgen -W '--help",
			len, (*c)->name);
		for (const struct cmd *const *o = c; *o; o++)
			if (!strncmp((*o)->name, (*c)->name, (size_t)len + 1))
				fprintf(f, " %s", (*o)->name + len + 1);
		fputs("' -- \"$cur\")\n\t\t\treturn\n\t\tfi\n\t\tcmd+=\" ${COMP_WORDS[2]}\"\n\tfi\n", f);
	}
}

static void bash_completion(FILE *f)
{
	fputs("# bash completion for schedrec, generated from its option tables\n"
	      "_schedrec() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]} words='' "
	      "files=''\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	      "\t\twords='help --help --version",
	      f);
	for (const struct cmd *const *c = commands; *c; c++)
		if (!((*c)->flags & CMD_HIDDEN))
			bash_first_word(f, c);
	fputs("'\n\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n\t\treturn\n\tfi\n", f);
	bash_groups(f);
	fputs("\tcase \"$cmd $prev\" in\n", f);
	for (const struct cmd *const *c = commands; *c; c++)
		for (const struct sr_option *o = (*c)->options; !((*c)->flags & CMD_HIDDEN) && o->name; o++)
			if (o->type != SR_OPT_FLAG && o->type != SR_OPT_WORD)
				bash_argument(f, *c, o);
	fputs("\t*)\n\t\tfiles=1\n\t\t[[ $cur == -* ]] && case $cmd in\n", f);
	for (const struct cmd *const *c = commands; *c; c++) {
		if ((*c)->flags & CMD_HIDDEN)
			continue;
		fprintf(f, "\t\t'%s') words='--help", (*c)->name);
		for (const struct sr_option *o = (*c)->options; o->name; o++)
			fprintf(f, " --%s", o->name);
		fputs("' files='' ;;\n", f);
	}
	fputs("\t\tesac\n\t\t;;\n\tesac\n"
	      "\tif [ -n \"$files\" ]; then\n\t\tmapfile -t COMPREPLY < <(compgen -f -W \"$words\" -- \"$cur\")\n"
	      "\telse\n\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n\tfi\n"
	      "}\ncomplete -o filenames -F _schedrec schedrec\n",
	      f);
}

struct generate_options {
	const char *dir;
};

static const struct sr_option generate_rows[] = {
	{ .name = "dir",
	  .letter = 'C',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct generate_options, dir),
	  .arg = "DIR",
	  .deflt = ".",
	  .help = "directory to write to; it exists" },
	{ .name = NULL },
};

static int generate_file(const char *dir, const char *name, const struct cmd *c, void (*whole)(FILE *f),
			 struct sr_error *err)
{
	char path[4096];
	FILE *f;
	int failed;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return sr_fail(err, SR_USAGE, "the name of the directory is too long");
	f = fopen(path, "we");
	if (!f)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
	if (c)
		man_command(f, c);
	else if (whole)
		whole(f);
	failed = ferror(f);
	if (fclose(f) || failed)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
	return 0;
}

static int generate_run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct generate_options *o = options;
	char name[80], file[64];

	if (nargs != 0)
		return sr_fail(err, SR_USAGE, "takes no operand: '%s'", args[0]);
	if (generate_file(o->dir, "schedrec.1", NULL, man_main, err) ||
	    generate_file(o->dir, "schedrec.bash", NULL, bash_completion, err))
		return -1;
	for (const struct cmd *const *c = commands; *c; c++) {
		if ((*c)->flags & CMD_HIDDEN)
			continue;
		snprintf(name, sizeof(name), "schedrec-%s.1", dashed(*c, file));
		if (generate_file(o->dir, name, *c, NULL, err))
			return -1;
	}
	return SR_OK;
}

static const struct cmd cmd_generate = {
	.name = "generate",
	.summary = "write the man pages and the shell completion",
	.options = generate_rows,
	.options_size = sizeof(struct generate_options),
	.flags = CMD_HIDDEN,
	.run = generate_run,
};

/* main */

/* The command of the words in argv; *words: how many of them are its name. */
static const struct cmd *find_command(int argc, char **argv, int *words, struct sr_error *err)
{
	const char *second = argc > 1 ? argv[1] : NULL;

	for (const struct cmd *const *c = commands; *c; c++) {
		const char *blank = strchr((*c)->name, ' ');

		*words = blank ? 2 : 1;
		if (blank ? second && in_group(*c, argv[0]) && !strcmp(blank + 1, second) :
			    !strcmp((*c)->name, argv[0]))
			return *c;
	}
	if (!is_group(argv[0]))
		sr_fail(err, SR_USAGE, "no such command: '%s'; see schedrec --help", argv[0]);
	else if (second)
		sr_fail(err, SR_USAGE, "no such command: '%s %s'; see schedrec %s --help", argv[0], second, argv[0]);
	else
		sr_fail(err, SR_USAGE, "a command of %s is missing; see schedrec %s --help", argv[0], argv[0]);
	return NULL;
}

/* Parses the options and runs the command; -1 with *err, like the command's own run. */
static int run_command(const struct cmd *c, int argc, char **argv, struct sr_error *err)
{
	size_t rows = 0, help_at = c->options_size;
	struct sr_option *table;
	char *members;
	int operands, status = -1;

	while (c->options[rows].name)
		rows++;
	table = calloc(rows + 2, sizeof(*table));
	members = calloc(1, c->options_size + sizeof(bool));
	if (!table || !members) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto out;
	}
	memcpy(table, c->options, rows * sizeof(*table));
	table[rows] = help_row;
	table[rows].offset = help_at;
	if (sr_options_parse(table, members, argc, argv, c->flags & CMD_STOP_AT_OPERAND, &operands, err))
		goto out;
	if (members[help_at]) {
		help_command(stdout, c);
		status = SR_OK;
	} else {
		status = c->run(members, operands, argv, err);
	}
out:
	free(table);
	free(members);
	return status;
}

static int run(int argc, char **argv, const struct cmd **cmd, struct sr_error *err)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	int words;

	if (!word)
		return sr_fail(err, SR_USAGE, "a command is missing; see schedrec --help");
	if (!strcmp(word, "--version")) {
		printf("schedrec %s\n", SCHEDREC_VERSION);
		return SR_OK;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || (!strcmp(word, "help") && argc == 2)) {
		help_all(stdout);
		return SR_OK;
	}
	if (!strcmp(word, "help") && argc == 3 && is_group(argv[2])) {
		help_group(stdout, argv[2]);
		return SR_OK;
	}
	if (!strcmp(word, "help")) {
		const struct cmd *c = find_command(argc - 2, argv + 2, &words, err);

		if (c)
			help_command(stdout, c);
		return c ? SR_OK : -1;
	}
	if (argc == 3 && is_group(word) && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
		help_group(stdout, word);
		return SR_OK;
	}
	*cmd = find_command(argc - 1, argv + 1, &words, err);
	return *cmd ? run_command(*cmd, argc - 1 - words, argv + 1 + words, err) : -1;
}

/* A file opened later must not become stdin, stdout or stderr; a stdout that was closed fails when written to. */
static void open_standard_files(void)
{
	static const int modes[] = { O_RDONLY, O_RDONLY, O_WRONLY };

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			_exit(SR_ENVIRONMENT);
}

int main(int argc, char **argv)
{
	struct sr_error err = { .status = SR_BUG };
	const struct cmd *cmd = NULL;
	char prefix[64] = "schedrec";
	int status, failed;

	open_standard_files();
	if (signal(SIGPIPE, do_nothing) == SIG_IGN)
		signal(SIGPIPE, SIG_IGN);
	/* A file at its size limit is a write that fails, too. */
	if (signal(SIGXFSZ, do_nothing) == SIG_IGN)
		signal(SIGXFSZ, SIG_IGN);
	status = run(argc, argv, &cmd, &err);
	if (cmd)
		snprintf(prefix, sizeof(prefix), "schedrec %s", cmd->name);
	cmd_progress_end();
	errno = 0;
	failed = ferror(stdout);
	if (fflush(stdout))
		failed = 1;
	if (status < 0) {
		say(prefix, err.text);
		return err.status == SR_OK ? SR_BUG : (int)err.status;
	}
	if (failed) {
		if (errno)
			sr_fail_errno(&err, SR_ENVIRONMENT, "cannot write to standard output");
		else
			sr_fail(&err, SR_ENVIRONMENT, "cannot write to standard output: it was closed or is full");
		say(prefix, err.text);
		return SR_ENVIRONMENT;
	}
	return status;
}
