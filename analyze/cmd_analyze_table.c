/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/cmd_analyze.h"
#include "analyze/cmd_analyze_digits.h"

#include <math.h>
#include <string.h>

const char *printable(char *buf, size_t len, const char *text)
{
	size_t i = 0;

	for (; text[i] && i + 1 < len; i++)
		buf[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	buf[i] = '\0';
	return buf;
}

const char *format_metric(char *buf, size_t len, const char *name, const char *unit, double v)
{
	if (!strcmp(unit, "ns"))
		return sr_format_time(buf, len, v);
	if (!strcmp(unit, "count") && v >= 0)
		return sr_format_count(buf, len, (uint64_t)llround(v));
	if (!strcmp(unit, "ratio"))
		snprintf(buf, len, strstr(name, "_error") ? "%+.1f %%" : "%.1f %%", v * 100);
	else
		snprintf(buf, len, "%.3g %s", v, unit);
	return buf;
}

/* One line on its way out: views have a row for each of millions of events, and stdio's formats are slow. */
struct line {
	size_t n;
	char text[1024];
};

static void put(struct line *l, const char *text, size_t n)
{
	if (n > sizeof(l->text) - l->n) {
		fwrite_unlocked(l->text, 1, l->n, stdout);
		l->n = 0;
	}
	if (n > sizeof(l->text)) {
		fwrite_unlocked(text, 1, n, stdout);
		return;
	}
	memcpy(l->text + l->n, text, n);
	l->n += n;
}

static void put_char(struct line *l, char c)
{
	put(l, &c, 1);
}

static void end_line(struct line *l)
{
	put_char(l, '\n');
	fwrite_unlocked(l->text, 1, l->n, stdout);
}

/* Texts are made from their end, somewhere in a buffer. */
#define MOST 256
struct text {
	const char *at;
	size_t n;
};

static struct text text_of(const char *text)
{
	return (struct text){ text, strlen(text) };
}

static bool is_whole(double v)
{
	return v >= 0 && v < 1e15 && v == (double)(uint64_t)v;
}

/* These write from the end of the buffer, one behind it, which cppcheck does not see to be its end. */

/* As sr_format_time: three digits and a unit. */
static struct text format_time(char buf[MOST], double ns)
{
	/* cppcheck-suppress ctuPointerArith */
	char *end = buf + MOST, *at = is_whole(ns) ? time_digits(end, (uint64_t)ns) : NULL;

	return at ? (struct text){ at, (size_t)(end - at) } : text_of(sr_format_time(buf, MOST, ns));
}

static struct text format_at(char buf[MOST], double ns)
{
	/* cppcheck-suppress ctuPointerArith */
	char *end = buf + MOST, *at;

	if (!is_whole(ns)) {
		snprintf(buf, MOST, "%.6f", ns / 1e9);
		return text_of(buf);
	}
	at = at_digits(end, (uint64_t)ns);
	return (struct text){ at, (size_t)(end - at) };
}

/* otherwise: how a number is written that is not whole. */
static struct text format_number(char buf[MOST], double v, const char *otherwise)
{
	/* cppcheck-suppress ctuPointerArith */
	char *end = buf + MOST, *at;

	if (is_whole(v)) {
		at = digits(end, (uint64_t)v);
		return (struct text){ at, (size_t)(end - at) };
	}
	snprintf(buf, MOST, otherwise, v);
	return text_of(buf);
}

static struct text format_cell(char buf[MOST], const struct table_column *c, const struct table_cell *cell)
{
	if (!cell->known)
		return (struct text){ "-", 1 };
	switch (c->type) {
	case TABLE_TEXT:
		return text_of(printable(buf, MOST, cell->text));
	case TABLE_TIME:
		return format_time(buf, cell->number);
	case TABLE_AT:
		return format_at(buf, cell->number);
	case TABLE_COUNT:
		return text_of(sr_format_count(buf, MOST, (uint64_t)cell->number));
	case TABLE_ID:
		return format_number(buf, cell->number, "%.0f");
	case TABLE_RATIO:
		snprintf(buf, MOST, "%.1f %%", cell->number * 100);
		return text_of(buf);
	default:
		snprintf(buf, MOST, "%.4g", cell->number);
		return text_of(buf);
	}
}

static void pad(struct line *l, size_t width, size_t used)
{
	static const char blanks[] = "                                        ";

	for (; used < width; used += sizeof(blanks) - 1)
		put(l, blanks, width - used < sizeof(blanks) - 1 ? width - used : sizeof(blanks) - 1);
}

static void text_cell(struct line *l, int width, struct text text)
{
	if (width > 0)
		pad(l, (size_t)width, text.n);
	put(l, text.at, text.n);
	if (width < 0)
		pad(l, (size_t)-width, text.n);
}

static void text_head(const struct table *t)
{
	struct line l;

	l.n = 0;
	for (size_t i = 0, shown = 0; i < t->ncolumns; i++) {
		if (!t->columns[i].title)
			continue;
		if (shown++)
			put_char(&l, ' ');
		text_cell(&l, t->columns[i].width, text_of(t->columns[i].title));
	}
	end_line(&l);
}

static void text_row(const struct table *t, const struct table_cell *cells)
{
	struct line l;
	char buf[MOST];

	l.n = 0;
	for (size_t i = 0, shown = 0; i < t->ncolumns; i++) {
		if (!t->columns[i].title)
			continue;
		if (shown++)
			put_char(&l, ' ');
		text_cell(&l, t->columns[i].width, format_cell(buf, &t->columns[i], &cells[i]));
	}
	end_line(&l);
}

static void csv_text(struct line *l, const char *text)
{
	const char *end = text;

	while (*end && *end != ',' && *end != '"' && *end != '\r' && *end != '\n')
		end++;
	if (!*end) {
		put(l, text, (size_t)(end - text));
		return;
	}
	put_char(l, '"');
	for (; *text; text++) {
		if (*text == '"')
			put_char(l, '"');
		put_char(l, *text);
	}
	put_char(l, '"');
}

static void csv_number(struct line *l, double v)
{
	char buf[MOST];
	struct text text = format_number(buf, v, "%.15g");

	put(l, text.at, text.n);
}

static void csv_row(const struct table *t, const struct table_cell *cells)
{
	struct line l;

	l.n = 0;
	csv_text(&l, t->file);
	for (size_t i = 0; i < t->ncolumns; i++) {
		put_char(&l, ',');
		if (!cells[i].known)
			continue;
		if (t->columns[i].type == TABLE_TEXT)
			csv_text(&l, cells[i].text);
		else
			csv_number(&l, cells[i].number);
	}
	end_line(&l);
}

static void json_row(const struct table *t, const struct table_cell *cells)
{
	cmd_json_open(t->json, NULL, '{');
	for (size_t i = 0; i < t->ncolumns; i++) {
		const char *key = t->columns[i].key;

		if (!cells[i].known)
			cmd_json_str(t->json, key, NULL);
		else if (t->columns[i].type == TABLE_TEXT)
			cmd_json_str(t->json, key, cells[i].text);
		else
			cmd_json_real(t->json, key, cells[i].number);
	}
	cmd_json_close(t->json, '}');
}

void table_begin(const struct table *t, const char *key)
{
	if (t->form == TABLE_AS_JSON) {
		cmd_json_open(t->json, key, '[');
	} else if (t->form == TABLE_AS_TEXT) {
		text_head(t);
	} else if (!*t->csv_begun) {
		*t->csv_begun = true;
		fputs("file", stdout);
		for (size_t i = 0; i < t->ncolumns; i++)
			printf(",%s", t->columns[i].key);
		putchar('\n');
	}
}

void table_row(const struct table *t, const struct table_cell *cells)
{
	if (t->form == TABLE_AS_JSON)
		json_row(t, cells);
	else if (t->form == TABLE_AS_CSV)
		csv_row(t, cells);
	else
		text_row(t, cells);
}

void table_end(const struct table *t)
{
	if (t->form == TABLE_AS_JSON)
		cmd_json_close(t->json, ']');
}
