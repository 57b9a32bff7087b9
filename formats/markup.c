/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/markup.h"

#include <string.h>

size_t sr_utf8(const unsigned char *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;

	if (n == 0 || s[0] >= 0xf5)
		return 0;
	*code = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	return *code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : n;
}

bool sr_is_control(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfffe || c == 0xffff;
}

void sr_markup(FILE *f, const char *text, size_t most)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c;

	while (*s) {
		size_t n = sr_utf8(s, &c), len = n ? n : 1;

		if (len > most) {
			fputs("...", f);
			break;
		}
		most -= len;
		if (n == 0 || sr_is_control(c))
			fputs(n && c <= ' ' ? " " : "&#xfffd;", f);
		else if (c < 0x80 && strchr("<>&\"'`=", (int)c))
			fprintf(f, "&#%u;", c);
		else
			fwrite(s, 1, n, f);
		s += len;
	}
}

void sr_plain(FILE *f, const char *text, size_t most)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c;

	for (; *s && most; most--) {
		size_t n = sr_utf8(s, &c);

		if (n == 0 || sr_is_control(c))
			putc('?', f);
		else
			fwrite(s, 1, n, f);
		s += n ? n : 1;
	}
}
