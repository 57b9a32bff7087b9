/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text that may be anything, written so that it stays text. */
#include "analyze/report_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats/markup.h"

static void json_string(FILE *f, const char *text, size_t limit)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + limit;
	uint32_t c;

	putc('"', f);
	while (*s) {
		size_t n = sr_utf8(s, &c);

		if (s + (n ? n : 1) > end) {
			fputs("...", f);
			break;
		}
		if (n == 0)
			fputs("\\ufffd", f);
		else if (sr_is_control(c) || c == '<' || c == '>' || c == '&' || c == '\'')
			fprintf(f, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			fprintf(f, "\\%c", (char)c);
		else
			fwrite(s, 1, n, f);
		s += n ? n : 1;
	}
	putc('"', f);
}

static void member(struct ana_json *j, const char *key)
{
	if (j->more[j->depth])
		putc(',', j->f);
	j->more[j->depth] = j->depth > 0;
	if (key) {
		json_string(j->f, key, ANA_JSON_TEXT);
		putc(':', j->f);
	}
}

void ana_json_open(struct ana_json *j, const char *key, char bracket)
{
	member(j, key);
	putc(bracket, j->f);
	j->more[++j->depth] = false;
}

void ana_json_close(struct ana_json *j, char bracket)
{
	putc(bracket, j->f);
	j->depth--;
}

void ana_json_long_text(struct ana_json *j, const char *key, const char *text, size_t limit)
{
	member(j, key);
	if (text)
		json_string(j->f, text, limit);
	else
		fputs("null", j->f);
}

void ana_json_text(struct ana_json *j, const char *key, const char *text)
{
	ana_json_long_text(j, key, text, ANA_JSON_TEXT);
}

void ana_json_real(struct ana_json *j, const char *key, double v)
{
	member(j, key);
	if (isfinite(v))
		fprintf(j->f, "%.7g", v);
	else
		fputs("null", j->f);
}

void ana_json_int(struct ana_json *j, const char *key, int64_t v)
{
	member(j, key);
	fprintf(j->f, "%" PRId64, v);
}

void ana_json_bool(struct ana_json *j, const char *key, bool v)
{
	member(j, key);
	fputs(v ? "true" : "false", j->f);
}

void ana_html_text(FILE *f, const char *text)
{
	sr_markup(f, text, ANA_JSON_TEXT);
}
