/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/cmd_analyze.h"

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

static const char *format_cell(char *buf, size_t len, const struct table_column *c, const struct table_cell *cell)
{
	if (!cell->known)
		return "-";
	switch (c->type) {
	case TABLE_TEXT:
		return printable(buf, len, cell->text);
	case TABLE_TIME:
		return sr_format_time(buf, len, cell->number);
	case TABLE_AT:
		snprintf(buf, len, "%.6f", cell->number / 1e9);
		return buf;
	case TABLE_COUNT:
		return sr_format_count(buf, len, (uint64_t)cell->number);
	case TABLE_ID:
		snprintf(buf, len, "%.0f", cell->number);
		return buf;
	case TABLE_RATIO:
		snprintf(buf, len, "%.1f %%", cell->number * 100);
		return buf;
	default:
		snprintf(buf, len, "%.4g", cell->number);
		return buf;
	}
}

static void text_head(const struct table *t)
{
	for (size_t i = 0, shown = 0; i < t->ncolumns; i++)
		if (t->columns[i].title)
			printf("%s%*s", shown++ ? " " : "", t->columns[i].width, t->columns[i].title);
	putchar('\n');
}

static void text_row(const struct table *t, const struct table_cell *cells)
{
	char buf[256];

	for (size_t i = 0, shown = 0; i < t->ncolumns; i++)
		if (t->columns[i].title)
			printf("%s%*s", shown++ ? " " : "", t->columns[i].width,
			       format_cell(buf, sizeof(buf), &t->columns[i], &cells[i]));
	putchar('\n');
}

static void csv_text(const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static void csv_row(const struct table *t, const struct table_cell *cells)
{
	csv_text(t->file);
	for (size_t i = 0; i < t->ncolumns; i++) {
		putchar(',');
		if (!cells[i].known)
			continue;
		if (t->columns[i].type == TABLE_TEXT)
			csv_text(cells[i].text);
		else
			printf("%.15g", cells[i].number);
	}
	putchar('\n');
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
