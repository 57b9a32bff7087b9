/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/row.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/option.h"

const char *const crp_programs[] = { "build",   "container", "database", "desktop",   "game", "media", "ml", "network",
				     "science", "server",    "storage",  "synthetic", "web",  "other", NULL };

enum type { TEXT, SHA, U32, U64 };

/* The members of a row by key. */
static const struct member {
	const char *key;
	enum type type;
	size_t offset, size;
	bool query; /* may be asked for */
} members[] = {
#define MEMBER(key, type, member, query)                                                                  \
	{                                                                                                 \
		key, type, offsetof(struct crp_row, member), sizeof(((struct crp_row *)0)->member), query \
	}
	MEMBER("sha256", SHA, sha256, true),
	MEMBER("token_sha256", SHA, token_sha256, false),
	MEMBER("contributor", TEXT, contributor, true),
	MEMBER("licence", TEXT, licence, true),
	MEMBER("program", TEXT, program, true),
	MEMBER("machine", TEXT, machine, true),
	MEMBER("cpu_model", TEXT, cpu_model, true),
	MEMBER("arch", TEXT, arch, true),
	MEMBER("kernel", TEXT, kernel, true),
	MEMBER("scope", TEXT, scope, true),
	MEMBER("engine", TEXT, engine, true),
	MEMBER("consent", U32, consent, false),
	MEMBER("cpus", U32, cpus, true),
	MEMBER("nodes", U32, nodes, true),
	MEMBER("bytes", U64, bytes, true),
	MEMBER("added", U64, added_s, true),
	MEMBER("duration", U64, duration_ns, true),
	MEMBER("events", U64, events, true),
	MEMBER("lost", U64, lost, true),
	MEMBER("tasks", U64, tasks, true),
#undef MEMBER
	{ NULL, TEXT, 0, 0, false },
};

#define HEAD "schedrec-row 1\n"
#define FEATURE "feature."

static const struct member *member_of(const char *key, size_t len)
{
	for (const struct member *m = members; m->key; m++)
		if (strlen(m->key) == len && !memcmp(m->key, key, len))
			return m;
	return NULL;
}

bool crp_is_sha256(const char *text)
{
	return strspn(text, "0123456789abcdef") == 64 && !text[64];
}

static bool is_feature_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.");

	return n > 0 && n < sizeof(((struct crp_feature *)0)->name) && !name[n];
}

void crp_row_feature(struct crp_row *row, const char *name, double value)
{
	size_t i = 0;

	value = (double)(float)value; /* as an index keeps it: the same in every form of the row */
	if (!isfinite(value) || !is_feature_name(name))
		return;
	while (i < row->nfeatures && strcmp(row->feature[i].name, name) < 0)
		i++;
	if (i == row->nfeatures || strcmp(row->feature[i].name, name) != 0) {
		if (row->nfeatures == CRP_FEATURES)
			return;
		memmove(&row->feature[i + 1], &row->feature[i], (row->nfeatures - i) * sizeof(row->feature[0]));
		row->nfeatures++;
		memset(&row->feature[i], 0, sizeof(row->feature[i]));
		snprintf(row->feature[i].name, sizeof(row->feature[i].name), "%s", name);
	}
	row->feature[i].value = value;
}

bool crp_row_get(const struct crp_row *row, const char *name, double *value)
{
	for (size_t i = 0; i < row->nfeatures; i++) {
		if (!strcmp(row->feature[i].name, name)) {
			*value = row->feature[i].value;
			return true;
		}
	}
	return false;
}

/* The length of the UTF-8 sequence at s that is no control character, 0: it is none. */
static size_t utf8_char(const unsigned char *s)
{
	uint32_t c;
	size_t n;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	n = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
	if (!n)
		return 0;
	c = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000) ||
	    (c >= 0x80 && c < 0xa0))
		return 0;
	/* Characters that turn the direction of text. */
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ? 0 : n;
}

static bool is_clean(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t n = utf8_char(s);

		if (!n)
			return false;
		s += n;
	}
	return true;
}

static uint64_t number_of(const struct crp_row *row, const struct member *m)
{
	const char *p = (const char *)row + m->offset;
	uint64_t v64;
	uint32_t v32;

	if (m->type == U32) {
		memcpy(&v32, p, sizeof(v32));
		return v32;
	}
	memcpy(&v64, p, sizeof(v64));
	return v64;
}

size_t crp_row_text(const struct crp_row *row, char text[CRP_ROW_TEXT])
{
	size_t n = (size_t)snprintf(text, CRP_ROW_TEXT, HEAD);

	/* What fits in a row fits here: members are about 800 bytes, features at most 32 times 80. */
	for (const struct member *m = members; m->key; m++) {
		const char *p = (const char *)row + m->offset;

		if (m->type == TEXT || m->type == SHA) {
			if (*p)
				n += (size_t)snprintf(text + n, CRP_ROW_TEXT - n, "%s %s\n", m->key, p);
		} else if (number_of(row, m)) {
			n += (size_t)snprintf(text + n, CRP_ROW_TEXT - n, "%s %llu\n", m->key,
					      (unsigned long long)number_of(row, m));
		}
	}
	for (size_t i = 0; i < row->nfeatures; i++)
		n += (size_t)snprintf(text + n, CRP_ROW_TEXT - n, FEATURE "%s %.9g\n", row->feature[i].name,
				      row->feature[i].value);
	return n;
}

static int bad(struct sr_error *err, const char *key, const char *what)
{
	return sr_fail(err, SR_DAMAGED, "the row of an object: %s %s", key, what);
}

int crp_row_check(const struct crp_row *row, struct sr_error *err)
{
	for (const struct member *m = members; m->key; m++) {
		const char *p = (const char *)row + m->offset;

		if (m->type != TEXT && m->type != SHA)
			continue;
		if (!memchr(p, '\0', m->size) || !is_clean(p))
			return bad(err, m->key, "is too long or has characters that it must not have");
		if (m->type == SHA && *p && !crp_is_sha256(p))
			return bad(err, m->key, "is not 64 hexadecimal digits");
	}
	if (!*row->sha256)
		return bad(err, "sha256", "is missing");
	if (strspn(row->contributor, "0123456789abcdef") != strlen(row->contributor))
		return bad(err, "contributor", "is not hexadecimal");
	if (row->bytes > CRP_MAX_OBJECT)
		return bad(err, "bytes", "is larger than an object may be");
	if (row->nfeatures > CRP_FEATURES)
		return bad(err, "feature", "is there too often");
	for (size_t i = 0; i < row->nfeatures; i++) {
		const struct crp_feature *f = &row->feature[i];

		if (!memchr(f->name, '\0', sizeof(f->name)) || !is_feature_name(f->name) || !isfinite(f->value))
			return bad(err, "feature", "has a wrong name or value");
		if (i && strcmp(row->feature[i - 1].name, f->name) >= 0)
			return bad(err, "feature", "is there twice, or out of order");
	}
	return 0;
}

static int parse_u64(const char *text, uint64_t max, uint64_t *v)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*v = strtoull(text, &end, 10);
	return *end || errno || *v > max ? -1 : 0;
}

static int parse_feature(struct crp_row *row, const char *name, const char *value, struct sr_error *err)
{
	size_t before = row->nfeatures;
	char *end;
	double v = strtod(value, &end);

	if (end == value || *end || !isfinite(v) || !is_feature_name(name))
		return bad(err, "feature", "has a wrong name or value");
	crp_row_feature(row, name, v);
	return row->nfeatures > before ? 0 : bad(err, "feature", "is there twice, or too often");
}

static int parse_line(struct crp_row *row, char *line, unsigned *seen, struct sr_error *err)
{
	char *value = strchr(line, ' ');
	const struct member *m;
	uint64_t v;
	uint32_t v32;

	if (!value || value == line || !value[1])
		return sr_fail(err, SR_DAMAGED, "the row of an object: a line that is not KEY VALUE");
	*value++ = '\0';
	if (!strncmp(line, FEATURE, strlen(FEATURE)))
		return parse_feature(row, line + strlen(FEATURE), value, err);
	m = member_of(line, strlen(line));
	if (!m)
		return 0;
	if (*seen & 1u << (m - members))
		return bad(err, m->key, "is there twice");
	*seen |= 1u << (m - members);
	if (m->type == TEXT || m->type == SHA) {
		if (strlen(value) >= m->size)
			return bad(err, m->key, "is too long");
		memcpy((char *)row + m->offset, value, strlen(value) + 1);
		return 0;
	}
	if (parse_u64(value, m->type == U32 ? UINT32_MAX : UINT64_MAX, &v))
		return bad(err, m->key, "is no number");
	v32 = (uint32_t)v;
	if (m->type == U32)
		memcpy((char *)row + m->offset, &v32, sizeof(v32));
	else
		memcpy((char *)row + m->offset, &v, sizeof(v));
	return 0;
}

int crp_row_parse(struct crp_row *row, const char *text, size_t len, struct sr_error *err)
{
	char copy[CRP_ROW_TEXT], *p = copy;
	unsigned seen = 0;

	_Static_assert(sizeof(members) / sizeof(members[0]) < 32, "seen is a word");
	memset(row, 0, sizeof(*row));
	if (len < strlen(HEAD) || memcmp(text, HEAD, strlen(HEAD)) != 0)
		return sr_fail(err, SR_DAMAGED, "the row of an object does not begin as one");
	if (len >= sizeof(copy) || memchr(text, '\0', len) || text[len - 1] != '\n')
		return sr_fail(err, SR_DAMAGED, "the row of an object is cut, too long, or not text");
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (p += strlen(HEAD); *p;) {
		char *end = strchr(p, '\n');

		*end = '\0';
		if (parse_line(row, p, &seen, err))
			return -1;
		p = end + 1;
	}
	return crp_row_check(row, err);
}

/* Queries */

static int wrong(struct sr_error *err, const char *term, const char *what)
{
	return sr_fail(err, SR_USAGE, "the query's '%.60s': %s", term, what);
}

/* One end of a range, in the units of the row. */
static int parse_bound(const char *key, const char *text, double *v, struct sr_error *err)
{
	uint64_t n;
	char *end;

	if (!strcmp(key, "duration")) {
		if (sr_parse_time(text, &n, err))
			return sr_fail_prefix(err, "the query's %s", key);
		*v = (double)n;
		return 0;
	}
	if (!strcmp(key, "bytes")) {
		if (sr_parse_size(text, &n, err))
			return sr_fail_prefix(err, "the query's %s", key);
		*v = (double)n;
		return 0;
	}
	*v = strtod(text, &end);
	if (end == text || *end || !isfinite(*v))
		return wrong(err, text, "not a number");
	return 0;
}

static int parse_range(struct crp_term *t, char *value, struct sr_error *err)
{
	char *dots = strstr(value, "..");

	t->lo = -INFINITY;
	t->hi = INFINITY;
	if (!dots) {
		if (parse_bound(t->key, value, &t->lo, err))
			return -1;
		t->hi = t->lo;
		return 0;
	}
	*dots = '\0';
	if (*value && parse_bound(t->key, value, &t->lo, err))
		return -1;
	if (dots[2] && parse_bound(t->key, dots + 2, &t->hi, err))
		return -1;
	return t->lo > t->hi ? wrong(err, t->key, "its range ends before it begins") : 0;
}

static int parse_term(struct crp_query *q, char *term, struct sr_error *err)
{
	char *value = strchr(term, '=');
	struct crp_term *t = &q->v[q->n];
	const struct member *m;

	if (!value || value == term || !value[1])
		return wrong(err, term, "not KEY=VALUE");
	if (q->n == CRP_TERMS)
		return sr_fail(err, SR_USAGE, "the query has more than %d terms", CRP_TERMS);
	*value++ = '\0';
	m = member_of(term, strlen(term));
	if (m && !m->query)
		return wrong(err, term, "not something that can be asked for");
	if (!m && !is_feature_name(term))
		return wrong(err, term, "neither a key nor the name of a feature");
	snprintf(t->key, sizeof(t->key), "%s", term);
	t->is_text = m && (m->type == TEXT || m->type == SHA);
	if (!t->is_text) {
		q->n++;
		return parse_range(t, value, err);
	}
	if (strlen(value) + 3 > sizeof(t->text))
		return wrong(err, term, "its value is too long");
	if (!is_clean(value))
		return wrong(err, term, "its value has characters that it must not have");
	if (m->type == SHA)
		snprintf(t->text, sizeof(t->text), "%s%s", value, strchr(value, '*') ? "" : "*");
	else
		snprintf(t->text, sizeof(t->text), strpbrk(value, "*?[") ? "%s" : "*%s*", value);
	q->n++;
	return 0;
}

int crp_query_parse(struct crp_query *out, const char *text, struct sr_error *err)
{
	char *copy, *save = NULL;
	int ret = 0;

	memset(out, 0, sizeof(*out));
	if (!text || !*text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (char *term = strtok_r(copy, ",", &save); term && !ret; term = strtok_r(NULL, ",", &save))
		ret = parse_term(out, term, err);
	free(copy);
	return ret;
}

static bool term_matches(const struct crp_term *t, const struct crp_row *row)
{
	const struct member *m = member_of(t->key, strlen(t->key));
	double v;

	if (t->is_text)
		return m && !fnmatch(t->text, (const char *)row + m->offset, FNM_CASEFOLD | FNM_NOESCAPE);
	if (m)
		v = (double)number_of(row, m);
	else if (!crp_row_get(row, t->key, &v))
		return false;
	return v >= t->lo && v <= t->hi;
}

bool crp_query_matches(const struct crp_query *q, const struct crp_row *row)
{
	for (size_t i = 0; i < q->n; i++)
		if (!term_matches(&q->v[i], row))
			return false;
	return true;
}
