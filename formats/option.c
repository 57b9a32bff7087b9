/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/option.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/task.h"

__extension__ typedef unsigned __int128 u128;

/*
 * A decimal number, with a fraction when fraction is true, times unit, in integers only, so that 0.1s is exactly
 * 100 ms. *end is left at the first character after it. -1: no number; -2: too large for 64 bits.
 */
static int parse_scaled(const char *text, const char **end, u128 *whole, uint64_t *part, uint64_t *part_unit)
{
	const char *p = text;
	int digits = 0;

	*whole = 0;
	*part = 0;
	*part_unit = 1;
	for (; *p >= '0' && *p <= '9'; p++, digits++) {
		*whole = *whole * 10 + (unsigned)(*p - '0');
		if (*whole > UINT64_MAX)
			return -2;
	}
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++, digits++) {
			if (*part_unit >= 1000000000000000000u)
				continue; /* far below a nanosecond or a byte */
			*part = *part * 10 + (unsigned)(*p - '0');
			*part_unit *= 10;
		}
	}
	*end = p;
	return digits ? 0 : -1;
}

struct unit {
	const char *name;
	uint64_t scale;
};

static const struct unit time_units[] = {
	{ "ns", 1 },          { "us", 1000 },         { "ms", 1000000 }, { "s", 1000000000 },
	{ "m", 60000000000 }, { "h", 3600000000000 }, { NULL, 0 },
};

static const struct unit size_units[] = {
	{ "", 1 },           { "k", 1ull << 10 }, { "K", 1ull << 10 }, { "M", 1ull << 20 },
	{ "G", 1ull << 30 }, { "T", 1ull << 40 }, { NULL, 0 },
};

static int parse_with_unit(const char *text, const struct unit *units, const char *what, uint64_t *out,
			   struct sr_error *err)
{
	const struct unit *u;
	const char *end = text;
	uint64_t part = 0, part_unit = 1;
	u128 v = 0;
	int rc = parse_scaled(text, &end, &v, &part, &part_unit);

	if (rc == -1)
		return sr_fail(err, SR_USAGE, "'%s' is not %s", text, what);
	for (u = units; rc == 0 && u->name; u++) {
		if (strcmp(end, u->name) != 0)
			continue;
		v = v * u->scale + (u128)part * u->scale / part_unit;
		if (v > UINT64_MAX)
			break;
		*out = (uint64_t)v;
		return 0;
	}
	if (rc == -2 || u->name)
		return sr_fail(err, SR_USAGE, "'%s' is too large", text);
	return sr_fail(err, SR_USAGE, "'%s' is not %s", text, what);
}

int sr_parse_time(const char *text, uint64_t *ns, struct sr_error *err)
{
	return parse_with_unit(text, time_units, "a time with its unit (12ns, 10us, 250ms, 1.5s, 3m, 1h)", ns, err);
}

int sr_parse_size(const char *text, uint64_t *bytes, struct sr_error *err)
{
	return parse_with_unit(text, size_units, "a size (4096, 64k, 10M, 2G)", bytes, err);
}

/* Three significant digits of a value in the unit in which it is at least 1, or in the first. */
static const char *format_scaled(char *buf, size_t len, double v, const char *const *units, size_t nunits)
{
	const char *sign = v < 0 ? "-" : "";
	double a = fabs(v);
	size_t u = 0;

	if (!isfinite(v)) {
		snprintf(buf, len, "-");
		return buf;
	}
	for (; u + 1 < nunits && a >= 999.5; u++)
		a /= 1000;
	snprintf(buf, len, "%s%.*f %s", sign, u == 0 || a >= 99.95 ? 0 : a >= 9.995 ? 1 : 2, a, units[u]);
	return buf;
}

const char *sr_format_time(char *buf, size_t len, double ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };

	return format_scaled(buf, len, ns, units, 4);
}

const char *sr_format_bytes(char *buf, size_t len, double bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };

	return format_scaled(buf, len, bytes, units, 6);
}

const char *sr_format_count(char *buf, size_t len, uint64_t n)
{
	char digits[24], out[32];
	int nd = snprintf(digits, sizeof(digits), "%" PRIu64, n), o = 0;

	for (int i = 0; i < nd; i++) {
		if (i && (nd - i) % 3 == 0)
			out[o++] = ',';
		out[o++] = digits[i];
	}
	out[o] = '\0';
	snprintf(buf, len, "%s", out);
	return buf;
}

static void *member(const struct sr_option *o, void *members)
{
	return (char *)members + o->offset;
}

/* As it was meant to be written: "--name", or "-x" for an option given by its letter. */
static void option_label(char *buf, size_t len, const struct sr_option *o, bool by_letter)
{
	if (by_letter)
		snprintf(buf, len, "-%c", o->letter);
	else
		snprintf(buf, len, "--%s", o->name);
}

const char *sr_option_bound(char *buf, size_t len, const struct sr_option *o, double v)
{
	const struct unit *units = o->type == SR_OPT_TIME ? time_units : o->type == SR_OPT_SIZE ? size_units : NULL;
	const struct unit *best = units;

	for (const struct unit *u = units; u && u->name; u++)
		if (v >= (double)u->scale && fmod(v, (double)u->scale) == 0 && u->scale > best->scale)
			best = u;
	snprintf(buf, len, "%.15g%s", best ? v / (double)best->scale : v, best ? best->name : "");
	return buf;
}

static int check_bounds(const struct sr_option *o, const char *text, double v, struct sr_error *err)
{
	char lo[32], hi[32];

	if ((o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max))
		return 0;
	return sr_fail(err, SR_USAGE, "'%s' is out of bounds: %s to %s", text,
		       sr_option_bound(lo, sizeof(lo), o, o->min), sr_option_bound(hi, sizeof(hi), o, o->max));
}

static int parse_uint(const char *text, uint64_t *out, struct sr_error *err)
{
	const char *p = text;
	u128 v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v > UINT64_MAX)
			return sr_fail(err, SR_USAGE, "'%s' is too large", text);
	}
	if (p == text || *p)
		return sr_fail(err, SR_USAGE, "'%s' is not a whole number", text);
	*out = (uint64_t)v;
	return 0;
}

static int parse_real(const char *text, double *out, struct sr_error *err)
{
	char *end;
	double v;

	/* strtod alone would also take blanks, hexadecimal, "inf" and "nan". */
	if (!text[0] || text[strspn(text, "0123456789.eE+-")])
		return sr_fail(err, SR_USAGE, "'%s' is not a number", text);
	v = strtod(text, &end);
	if (end == text || *end)
		return sr_fail(err, SR_USAGE, "'%s' is not a number", text);
	if (!isfinite(v))
		return sr_fail(err, SR_USAGE, "'%s' is too large", text);
	*out = v;
	return 0;
}

static int parse_choice(const struct sr_option *o, const char *text, const char **out, struct sr_error *err)
{
	size_t len = strlen(text);
	char words[512];
	size_t n = 0;

	for (const char *w = o->choices; *w;) {
		size_t wl = strcspn(w, "|");

		if (wl == len && !strncmp(w, text, len)) {
			*out = text;
			return 0;
		}
		w += wl + (w[wl] == '|');
	}
	for (const char *c = o->choices; *c && n + 3 < sizeof(words); c++) {
		if (*c == '|')
			words[n++] = ',';
		words[n++] = *c == '|' ? ' ' : *c;
	}
	words[n] = '\0';
	return sr_fail(err, SR_USAGE, "'%s' is none of: %s", text, words);
}

static int set_value(const struct sr_option *o, void *members, const char *text, struct sr_error *err)
{
	void *m = member(o, members);
	struct sr_cpumask mask;
	struct sr_strings *list;
	uint64_t u = 0;
	double d = 0;

	switch (o->type) {
	case SR_OPT_FLAG:
		*(bool *)m = true;
		return 0;
	case SR_OPT_STRING:
		*(const char **)m = text;
		return 0;
	case SR_OPT_LIST:
		list = m;
		if (list->n == sizeof(list->v) / sizeof(list->v[0]))
			return sr_fail(err, SR_USAGE, "given more than %zu times", list->n);
		list->v[list->n++] = text;
		return 0;
	case SR_OPT_UINT:
	case SR_OPT_TIME:
	case SR_OPT_SIZE:
		if (o->type == SR_OPT_UINT ? parse_uint(text, &u, err) :
		    o->type == SR_OPT_TIME ? sr_parse_time(text, &u, err) :
					     sr_parse_size(text, &u, err))
			return -1;
		if (check_bounds(o, text, (double)u, err))
			return -1;
		*(uint64_t *)m = u;
		return 0;
	case SR_OPT_REAL:
		if (parse_real(text, &d, err) || check_bounds(o, text, d, err))
			return -1;
		*(double *)m = d;
		return 0;
	case SR_OPT_CHOICE:
	case SR_OPT_WORD:
		return parse_choice(o, text, m, err);
	case SR_OPT_CPUS:
		if (sr_cpumask_parse(&mask, text, err))
			return -1;
		*(const char **)m = text;
		return 0;
	}
	return sr_fail(err, SR_BUG, "option row of unknown type %d", (int)o->type);
}

/* The row for the first len characters of name: an exact name, or the only name that begins so. */
static const struct sr_option *find_long(const struct sr_option *rows, const char *name, size_t len,
					 struct sr_error *err)
{
	const struct sr_option *found = NULL;

	for (const struct sr_option *o = rows; len > 0 && o->name; o++) {
		if (strncmp(o->name, name, len) != 0)
			continue;
		if (o->name[len] == '\0')
			return o;
		if (found) {
			/* An exact name further down still wins. */
			for (const struct sr_option *x = o; x->name; x++)
				if (!strncmp(x->name, name, len) && x->name[len] == '\0')
					return x;
			sr_fail(err, SR_USAGE, "option --%.*s is ambiguous: --%s or --%s", (int)len, name, found->name,
				o->name);
			return NULL;
		}
		found = o;
	}
	if (!found) {
		sr_fail(err, SR_USAGE, "unknown option --%.*s", (int)len, name);
		return NULL;
	}
	return found;
}

static int need_value(const struct sr_option *o, const char *label, struct sr_error *err)
{
	return sr_fail(err, SR_USAGE, "option %s needs an argument: %s", label, o->arg ? o->arg : "VALUE");
}

/* Of options that need no value behind them. */
static int set_bare(const struct sr_option *o, void *members, struct sr_error *err)
{
	if (o->type != SR_OPT_WORD)
		return set_value(o, members, NULL, err);
	*(const char **)member(o, members) = "";
	return 0;
}

static bool stands_alone(const struct sr_option *o)
{
	return o->type == SR_OPT_FLAG || o->type == SR_OPT_WORD;
}

static int set_named(const struct sr_option *o, void *members, const char *label, const char *text,
		     struct sr_error *err)
{
	if (set_value(o, members, text, err))
		return sr_fail_prefix(err, "option %s", label);
	return 0;
}

/* argv[i] is "--name" or "--name=value"; returns how many words were used, -1. */
static int parse_long(const struct sr_option *rows, void *members, int argc, char **argv, int i, struct sr_error *err)
{
	const char *name = argv[i] + 2, *eq = strchr(name, '=');
	const struct sr_option *o = find_long(rows, name, eq ? (size_t)(eq - name) : strlen(name), err);
	char label[64];

	if (!o)
		return -1;
	option_label(label, sizeof(label), o, false);
	if (o->type == SR_OPT_FLAG && eq)
		return sr_fail(err, SR_USAGE, "option %s takes no argument", label);
	if (stands_alone(o) && !eq)
		return set_bare(o, members, err) ? -1 : 1;
	if (eq)
		return set_named(o, members, label, eq + 1, err) ? -1 : 1;
	if (i + 1 >= argc)
		return need_value(o, label, err);
	return set_named(o, members, label, argv[i + 1], err) ? -1 : 2;
}

/* argv[i] is "-x", "-xyz" (flags), "-xvalue"; returns how many words were used, -1. */
static int parse_letters(const struct sr_option *rows, void *members, int argc, char **argv, int i,
			 struct sr_error *err)
{
	for (const char *p = argv[i] + 1; *p; p++) {
		const struct sr_option *o = rows;
		char label[8];

		while (o->name && o->letter != *p)
			o++;
		if (!o->name)
			return sr_fail(err, SR_USAGE, "unknown option -%c", *p);
		option_label(label, sizeof(label), o, true);
		if (stands_alone(o)) {
			if (set_bare(o, members, err))
				return -1;
			continue;
		}
		if (p[1])
			return set_named(o, members, label, p + 1, err) ? -1 : 1;
		if (i + 1 >= argc)
			return need_value(o, label, err);
		return set_named(o, members, label, argv[i + 1], err) ? -1 : 2;
	}
	return 1;
}

static int set_default(const struct sr_option *o, void *members, struct sr_error *err)
{
	if (set_value(o, members, o->deflt, err)) {
		err->status = SR_BUG;
		return sr_fail_prefix(err, "default of --%s", o->name);
	}
	return 0;
}

int sr_options_parse(const struct sr_option *rows, void *members, int argc, char **argv, int stop_at_operand,
		     int *operands, struct sr_error *err)
{
	int n = 0, i = 0;

	for (const struct sr_option *o = rows; o->name; o++)
		if (o->deflt && o->type != SR_OPT_LIST && set_default(o, members, err))
			return -1;
	while (i < argc) {
		const char *a = argv[i];
		int used;

		if (a[0] != '-' || a[1] == '\0') {
			if (stop_at_operand)
				break;
			argv[n++] = argv[i++];
			continue;
		}
		if (!strcmp(a, "--")) {
			i++;
			break;
		}
		used = a[1] == '-' ? parse_long(rows, members, argc, argv, i, err) :
				     parse_letters(rows, members, argc, argv, i, err);
		if (used < 0)
			return -1;
		i += used;
	}
	while (i < argc)
		argv[n++] = argv[i++];
	*operands = n;
	if (n < argc)
		argv[n] = NULL;
	/* A list that was given replaces its default; any other option overwrote it above. */
	for (const struct sr_option *o = rows; o->name; o++)
		if (o->deflt && o->type == SR_OPT_LIST && ((struct sr_strings *)member(o, members))->n == 0 &&
		    set_default(o, members, err))
			return -1;
	return 0;
}
