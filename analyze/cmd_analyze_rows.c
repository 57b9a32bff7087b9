/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of timehist, as cmd_analyze_table.c writes them, for those whose values are as they mostly are: there is one for each
 * switch, and a table asks each cell of each row what it is. Whatever is too wide, negative or to be quoted is left to
 * the table.
 */
#include "analyze/cmd_analyze.h"
#include "analyze/cmd_analyze_digits.h"

#include <stdlib.h>

/* Of what is on its way out. */
#define ROOM (16u << 10)
#define ROW_MOST 2048

void timehist_flush(struct timehist *h)
{
	if (h->n)
		fwrite_unlocked(h->rows, 1, h->n, stdout);
	h->n = 0;
}

void timehist_prepare(struct timehist *h)
{
	h->file = strlen(h->table->file);
	if (h->file > ROW_MOST / 2 || strpbrk(h->table->file, ",\"\r\n"))
		h->file = 0;
}

/* Where the next row begins; NULL: there is no memory. */
static char *next_row(struct timehist *h)
{
	if (!h->rows)
		h->rows = malloc(ROOM);
	if (h->n > ROOM - ROW_MOST)
		timehist_flush(h);
	return h->rows ? h->rows + h->n : NULL;
}

/* ---- text: each column has its place in a row of blanks; numbers end there, TASK and LEFT begin there ---- */

enum {
	AT = 12,
	CPU = 17,
	TASK = 18,
	TID = 41,
	PRIO = 46,
	SLEPT = 55,
	DELAY = 64,
	RAN = 73,
	LEFT = 74,
	FROM = 83,
	WAKER = 92
};
#define COMM_WIDTH 15

static inline bool put_id(char *end, bool known, int64_t v, int64_t below)
{
	if (!known)
		end[-1] = '-';
	else if (v < 0 || v >= below)
		return false;
	else
		digits(end, (uint64_t)v);
	return true;
}

static inline bool put_time(char *end, bool known, uint64_t ns)
{
	if (known)
		return time_digits(end, ns) != NULL;
	end[-1] = '-';
	return true;
}

/* Returns false when it is longer. */
static inline bool put_comm(char *to, const char *text)
{
	size_t i = 0;

	for (; i < COMM_WIDTH && text[i]; i++)
		to[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	return !text[i];
}

static bool text_row(struct timehist *h, const struct ana_slice *s, uint64_t at, bool ran, const char *what)
{
	bool moved = s->from_cpu >= 0 && s->from_cpu != (int)s->cpu;
	char *row = next_row(h);

	if (!row || at >= 99999000000000)
		return false;
	memset(row, ' ', WAKER);
	row[WAKER] = '\n';
	at_digits(row + AT, at);
	if (!put_id(row + CPU, true, s->cpu, 10000) || !put_comm(row + TASK, s->comm) ||
	    !put_id(row + TID, true, s->tid, 10000000) ||
	    !put_id(row + PRIO, s->kind != ANA_SLICE_IDLE, s->prio, 10000) ||
	    !put_time(row + SLEPT, s->slept_ns != UINT64_MAX, s->slept_ns) ||
	    !put_time(row + DELAY, s->delay_ns != UINT64_MAX, s->delay_ns) ||
	    !put_time(row + RAN, ran, s->end_ns - s->start_ns) || !put_id(row + FROM, moved, s->from_cpu, 10000) ||
	    !put_id(row + WAKER, s->other_tid != 0, s->other_tid, 10000000))
		return false;
	for (size_t i = 0; what[i]; i++) /* at most 4 */
		row[LEFT + i] = what[i];
	h->n += WAKER + 1;
	return true;
}

/* ---- CSV: one behind the other ---- */

static inline char *add_number(char *to, bool known, uint64_t v)
{
	static const uint64_t powers[] = { 0,
					   10,
					   100,
					   1000,
					   10000,
					   100000,
					   1000000,
					   10000000,
					   100000000,
					   1000000000,
					   10000000000,
					   100000000000,
					   1000000000000,
					   10000000000000,
					   100000000000000,
					   1000000000000000 };
	/* bits * log10(2), or one less than there are digits */
	unsigned n = (unsigned)(64 - __builtin_clzll(v | 1)) * 1233 >> 12;

	*to++ = ',';
	if (!known)
		return to;
	n += v >= powers[n];
	digits(to + n, v);
	return to + n;
}

/* NULL: it must be quoted, or is too long; or to is NULL. */
static inline char *add_text(char *to, const char *text)
{
	const char *end = text + 64;

	if (!to)
		return NULL;
	*to++ = ',';
	for (; *text && *text != ',' && *text != '"' && *text != '\r' && *text != '\n' && text < end; text++)
		*to++ = *text;
	return *text ? NULL : to;
}

static bool csv_row(struct timehist *h, const struct ana_slice *s, uint64_t at, bool ran, const char *event)
{
	const uint64_t most = 1000000000000000;
	bool run = s->kind == ANA_SLICE_RUN, from = s->from_cpu >= 0;
	const char *left = run ? timehist_left(s) : "";
	char *row = next_row(h), *to;

	if (!row || !h->file || at >= most || s->tid < 0 || s->prio < 0 || s->other_tid < 0 ||
	    (s->slept_ns != UINT64_MAX && s->slept_ns >= most) || (s->delay_ns != UINT64_MAX && s->delay_ns >= most) ||
	    (s->latency_ns != UINT64_MAX && s->latency_ns >= most) || (ran && s->end_ns - s->start_ns >= most))
		return false;
	to = (char *)memcpy(row, h->table->file, h->file) + h->file;
	to = add_number(to, true, at);
	to = add_number(to, true, s->cpu);
	to = add_text(to, event);
	to = add_text(to, s->comm);
	if (!to)
		return false;
	to = add_number(to, true, (uint64_t)s->tid);
	to = add_number(to, s->kind != ANA_SLICE_IDLE, (uint64_t)s->prio);
	to = add_number(to, s->slept_ns != UINT64_MAX, s->slept_ns);
	to = add_number(to, s->delay_ns != UINT64_MAX, s->delay_ns);
	to = add_number(to, s->latency_ns != UINT64_MAX, s->latency_ns);
	to = add_number(to, ran, s->end_ns - s->start_ns);
	to = add_text(to, left);
	to = add_text(to, run ? left : event);
	to = add_number(to, from, (uint64_t)s->from_cpu);
	to = add_number(to, from && s->from_cpu != (int)s->cpu, (uint64_t)s->from_cpu);
	to = add_number(to, s->other_tid != 0, (uint64_t)s->other_tid);
	to = add_text(to, s->other_comm ? s->other_comm : "");
	if (!to)
		return false;
	to = add_number(to, true, s->cut);
	*to++ = '\n';
	h->n += (size_t)(to - row);
	return true;
}

bool timehist_row(struct timehist *h, const struct ana_slice *s, const char *event)
{
	uint64_t at = s->start_ns > h->first_ns ? s->start_ns - h->first_ns : 0;
	bool run = s->kind == ANA_SLICE_RUN, ran = run || s->kind == ANA_SLICE_IDLE;

	if (h->table->form == TABLE_AS_TEXT)
		return text_row(h, s, at, ran, run ? timehist_left(s) : event);
	return h->table->form == TABLE_AS_CSV && csv_row(h, s, at, ran, event);
}
