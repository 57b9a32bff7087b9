/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/serve_request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE" };

enum crp_method crp_method_parse(const char *text)
{
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(text, methods[i]))
			return (enum crp_method)i;
	return CRP_OTHER_METHOD;
}

const char *crp_method_name(enum crp_method m)
{
	return m < CRP_OTHER_METHOD ? methods[m] : "OTHER";
}

static const struct {
	const char *path;
	bool sha256; /* a name of an object follows */
} targets[CRP_TARGETS] = {
	[CRP_T_HOME] = { "/", false },           [CRP_T_ENTRIES] = { "/entries", false },
	[CRP_T_ENTRY] = { "/entries/", true },   [CRP_T_ROWS] = { "/v1/rows", false },
	[CRP_T_ROW] = { "/v1/rows/", true },     [CRP_T_OBJECT] = { "/v1/objects/", true },
	[CRP_T_HEALTH] = { "/healthz", false },  [CRP_T_METRICS] = { "/metrics", false },
	[CRP_T_STYLE] = { "/style.css", false },
};

enum crp_target crp_target_parse(const char *path, char sha256[SR_SHA256_TEXT])
{
	*sha256 = '\0';
	for (unsigned i = CRP_T_NONE + 1; i < CRP_TARGETS; i++) {
		size_t len = strlen(targets[i].path);

		if (strncmp(path, targets[i].path, len) != 0)
			continue;
		if (!targets[i].sha256 && !path[len])
			return (enum crp_target)i;
		if (targets[i].sha256 && crp_is_sha256(path + len)) {
			memcpy(sha256, path + len, SR_SHA256_TEXT);
			return (enum crp_target)i;
		}
	}
	return CRP_T_NONE;
}

const char *crp_target_allows(enum crp_target t)
{
	return t == CRP_T_OBJECT ? "GET, HEAD, PUT, DELETE" : "GET, HEAD";
}

bool crp_target_takes(enum crp_target t, enum crp_method m)
{
	return m == CRP_GET || m == CRP_HEAD || (t == CRP_T_OBJECT && m != CRP_OTHER_METHOD);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int crp_percent_decode(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '%') {
			int hi = hex_digit(text[1]), lo = hi < 0 ? -1 : hex_digit(text[2]);

			if (lo < 0)
				return -1;
			c = (unsigned char)(hi << 4 | lo);
			text += 2;
		} else if (c >= 0x80) {
			return -1;
		}
		if (c < ' ' || c == 0x7f || n + 1 >= size)
			return -1;
		out[n++] = (char)c;
	}
	if (!size)
		return -1;
	out[n] = '\0';
	return 0;
}

size_t crp_percent_encode(const char *text, char *out, size_t size)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	size_t n = 0;

	for (; *text; text++) {
		bool escape = !strchr(plain, *text);

		if (n + (escape ? 3 : 1) < size) {
			if (escape)
				snprintf(out + n, size - n, "%%%02X", (unsigned char)*text);
			else
				out[n] = *text;
		}
		n += escape ? 3 : 1;
	}
	if (size)
		out[n < size ? n : size - 1] = '\0';
	return n;
}

int crp_length_parse(const char *text, uint64_t *v)
{
	uint64_t n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || n > (uint64_t)(INT64_MAX - (*text - '0')) / 10)
			return -1;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	*v = n;
	return 0;
}

uint64_t crp_limit_parse(const char *text, uint64_t max)
{
	uint64_t v;

	return crp_length_parse(text, &v) || v > max ? 0 : v;
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

bool crp_etag_is(const char *header, const char *sha256)
{
	return header && strlen(header) == 66 && header[0] == '"' && !strncmp(header + 1, sha256, 64) &&
	       header[65] == '"';
}

/* strong: a weak tag names nothing. */
static bool etag_matches(const char *header, const char *sha256, bool strong)
{
	const char *p;

	if (!header)
		return false;
	p = skip_blanks(header);
	if (p[0] == '*' && !*skip_blanks(p + 1))
		return true;
	while (*p) {
		bool weak = !strncmp(p, "W/", 2);
		const char *end;

		p += weak ? 2 : 0;
		if (*p != '"')
			return false;
		end = strchr(p + 1, '"');
		if (!end)
			return false;
		if (end - p == 65 && !strncmp(p + 1, sha256, 64) && !(strong && weak))
			return true;
		p = skip_blanks(end + 1);
		if (*p && *p != ',')
			return false;
		p = skip_blanks(p + (*p == ','));
	}
	return false;
}

bool crp_etag_matches(const char *header, const char *sha256)
{
	return etag_matches(header, sha256, false);
}

bool crp_etag_differs(const char *header, const char *sha256)
{
	return header && !etag_matches(header, sha256, true);
}

/* The digits at *p; false: there are none, or too many. */
static bool digits(const char **p, uint64_t *v)
{
	size_t n = strspn(*p, "0123456789");
	char copy[24];

	if (!n || n >= sizeof(copy))
		return false;
	memcpy(copy, *p, n);
	copy[n] = '\0';
	*p += n;
	return !crp_length_parse(copy, v);
}

int crp_range_parse(const char *header, uint64_t size, uint64_t *first, uint64_t *length)
{
	const char *p = header;
	uint64_t a, b;

	if (!p || strncasecmp(p, "bytes=", 6) != 0)
		return 0;
	p = skip_blanks(p + 6);
	if (*p == '-') {
		p++;
		if (!digits(&p, &b) || *skip_blanks(p))
			return 0;
		if (!b || !size)
			return -1;
		*length = b < size ? b : size;
		*first = size - *length;
		return 1;
	}
	if (!digits(&p, &a) || *p++ != '-')
		return 0;
	b = size ? size - 1 : 0;
	if (*p >= '0' && *p <= '9' && (!digits(&p, &b) || b < a))
		return 0;
	if (*skip_blanks(p))
		return 0;
	if (a >= size)
		return -1;
	*first = a;
	*length = (b < size ? b + 1 : size) - a;
	return 1;
}

const char *crp_bearer_parse(const char *header)
{
	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	header = skip_blanks(header + 7);
	return crp_upload_token_is_one(header) ? header : NULL;
}

/* base64url */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void crp_row_wrap(const struct crp_row *row, char header[CRP_ROW_HEADER])
{
	char text[CRP_ROW_TEXT];
	size_t len = crp_row_text(row, text), n = 0;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < len ? (unsigned char)text[i + k] : 0);
		for (size_t k = 0; k < 4 && i + k <= len; k++)
			header[n++] = alphabet[v >> (18 - 6 * k) & 63];
	}
	header[n] = '\0';
}

int crp_row_unwrap(struct crp_row *row, const char *header, struct sr_error *err)
{
	char text[CRP_ROW_TEXT];
	uint32_t v = 0;
	unsigned bits = 0;
	size_t n = 0;

	for (; *header; header++) {
		const char *at = strchr(alphabet, *header);

		if (!at || n + 1 >= sizeof(text))
			return sr_fail(err, SR_DAMAGED, "the row is not base64url, or too long");
		v = v << 6 | (uint32_t)(at - alphabet);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			text[n++] = (char)(v >> bits & 255);
		}
	}
	if (bits >= 6 || v & ((1u << bits) - 1))
		return sr_fail(err, SR_DAMAGED, "the row is not base64url: it has bits left over");
	return crp_row_parse(row, text, n, err);
}
