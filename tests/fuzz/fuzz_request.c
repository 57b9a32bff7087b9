/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: any bytes as the parts of a request to the server of a corpus. Nothing may crash; what is taken is what
 * serve_request.h promises, and survives the way out and in again.
 *
 * An input: lines, which are in turn a path, a text of a query, a length, If-None-Match, Range, Authorization, and a row
 * as it is in its header; the rest is a row's text.
 */
#include <string.h>

#include "corpus/serve_request.h"
#include "tests/fuzz/fuzz.h"

#define MOST 20000

static void check_path(const char *s)
{
	char sha256[SR_SHA256_TEXT];
	enum crp_target t = crp_target_parse(s, sha256);

	MUST_BE(t < CRP_TARGETS);
	MUST_BE(!*sha256 || crp_is_sha256(sha256));
	if (t == CRP_T_OBJECT)
		MUST_BE(!strncmp(s, "/v1/objects/", 12) && !strcmp(s + 12, sha256));
	if (t == CRP_T_NONE)
		MUST_BE(!*sha256);
	else
		MUST_BE(!strchr(s, '%') && !strstr(s, "..") && !strstr(s, "//"));
	MUST_BE(crp_target_takes(t, CRP_GET) && !crp_target_takes(t, CRP_OTHER_METHOD));
}

static void check_percent(const char *s)
{
	static char out[MOST], again[3 * MOST + 1], back[MOST];
	char small[8];

	(void)crp_percent_decode(s, small, sizeof(small));
	if (crp_percent_decode(s, out, sizeof(out)))
		return;
	for (const char *p = out; *p; p++)
		MUST_BE((unsigned char)*p >= ' ' && *p != 0x7f);
	MUST_BE(crp_percent_encode(out, again, sizeof(again)) == strlen(again));
	MUST_BE(!crp_percent_decode(again, back, sizeof(back)) && !strcmp(out, back));
	MUST_BE(crp_percent_encode(out, small, sizeof(small)) == strlen(again) && strlen(small) < sizeof(small));
}

static void check_numbers(const char *s)
{
	uint64_t v = 0, limit = crp_limit_parse(s, 1000);

	MUST_BE(limit <= 1000);
	if (!crp_length_parse(s, &v))
		MUST_BE(v <= INT64_MAX && strspn(s, "0123456789") == strlen(s) && *s);
	else
		MUST_BE(!limit);
}

static void check_conditions(const char *s)
{
	static const char sha256[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

	if (crp_etag_is(s, sha256))
		MUST_BE(crp_etag_matches(s, sha256));
	if (crp_etag_matches(s, sha256))
		MUST_BE(strchr(s, '*') || strstr(s, sha256));
}

static void check_range(const char *s)
{
	static const uint64_t sizes[] = { 0, 1, 100, 1ull << 36 };

	for (size_t i = 0; i < 4; i++) {
		uint64_t first = 0, length = 0;
		int ret = crp_range_parse(s, sizes[i], &first, &length);

		MUST_BE(ret >= -1 && ret <= 1);
		if (ret == 1)
			MUST_BE(length > 0 && first < sizes[i] && length <= sizes[i] - first);
	}
}

static void check_row(const struct crp_row *row)
{
	static char header[CRP_ROW_HEADER], text[CRP_ROW_TEXT], text2[CRP_ROW_TEXT];
	struct crp_row again;
	struct sr_error err;

	MUST_BE(!crp_row_check(row, &err));
	MUST_BE(crp_row_text(row, text) < CRP_ROW_TEXT);
	crp_row_wrap(row, header);
	MUST_BE(strlen(header) < CRP_ROW_HEADER);
	MUST_BE(!crp_row_unwrap(&again, header, &err));
	crp_row_text(&again, text2);
	MUST_BE(!strcmp(text, text2));
}

static void check_line(int which, const char *s)
{
	struct crp_row row;
	struct sr_error err = { .status = SR_OK };

	switch (which) {
	case 0:
		check_path(s);
		break;
	case 1:
		check_percent(s);
		break;
	case 2:
		check_numbers(s);
		break;
	case 3:
		check_conditions(s);
		break;
	case 4:
		check_range(s);
		break;
	case 5:
		if (crp_bearer_parse(s))
			MUST_BE(crp_upload_token_is_one(crp_bearer_parse(s)));
		break;
	default:
		if (!crp_row_unwrap(&row, s, &err))
			check_row(&row);
		else
			MUST_BE(err.status == SR_DAMAGED && *err.text && !strchr(err.text, '\n'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char line[MOST];
	struct crp_row row;
	struct sr_error err;

	for (int i = 0; i < 7; i++) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;

		if (len >= sizeof(line))
			return 0;
		memcpy(line, data, len);
		line[len] = '\0';
		check_line(i, line);
		if (!end)
			return 0;
		data = end + 1;
		size -= len + 1;
	}
	if (!crp_row_parse(&row, (const char *)data, size, &err))
		check_row(&row);
	return 0;
}
