/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text in pages stays text, whatever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/markup.h"

static char *made;
static size_t len;

static const char *written(void (*write)(FILE *, const char *, size_t), const char *text, size_t most)
{
	FILE *f;

	free(made);
	made = NULL;
	f = open_memstream(&made, &len);
	assert_non_null(f);
	write(f, text, most);
	assert_int_equal(fclose(f), 0);
	return made;
}

static const char *markup(const char *text, size_t most)
{
	return written(sr_markup, text, most);
}

static const char *plain(const char *text, size_t most)
{
	return written(sr_plain, text, most);
}

static int release(void **state)
{
	free(made);
	made = NULL;
	return 0;
}

static void nothing_in_it_is_markup(void **state)
{
	assert_string_equal(markup("<img src=x onerror=\"a()\">", SIZE_MAX),
			    "&#60;img src&#61;x onerror&#61;&#34;a()&#34;&#62;");
	assert_string_equal(markup("&'`", SIZE_MAX), "&#38;&#39;&#96;");
	assert_string_equal(markup("", SIZE_MAX), "");
	assert_string_equal(markup("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", SIZE_MAX),
			    "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
}

static void what_is_not_to_be_shown_is_not(void **state)
{
	assert_string_equal(markup("a\nb\tc", SIZE_MAX), "a b c");
	assert_string_equal(markup("\x1b[31m\x7f", SIZE_MAX), " [31m&#xfffd;");
	assert_string_equal(markup("\xc2\x9b", SIZE_MAX), "&#xfffd;");                 /* CSI in one character */
	assert_string_equal(markup("\xe2\x80\xae\xff", SIZE_MAX), "&#xfffd;&#xfffd;"); /* writes backwards; is none */
	assert_string_equal(markup("\xc0\xbc", SIZE_MAX), "&#xfffd;&#xfffd;");         /* an overlong '<' */
	assert_string_equal(markup("\xed\xa0\x80", SIZE_MAX), "&#xfffd;&#xfffd;&#xfffd;"); /* a surrogate */
	assert_string_equal(markup("\xef\xbf\xbf", SIZE_MAX), "&#xfffd;");                 /* none of XML's */
	assert_string_equal(markup("a\xc3", SIZE_MAX), "a&#xfffd;");                       /* cut */
}

static void long_ones_are_cut_between_characters(void **state)
{
	assert_string_equal(markup("abc", 3), "abc");
	assert_string_equal(markup("abcd", 3), "abc...");
	assert_string_equal(markup("ab\xc3\xbc", 3), "ab...");
	assert_string_equal(markup("<<", 1), "&#60;...");
	assert_string_equal(markup("a", 0), "...");
}

static void a_terminal_gets_nothing_that_it_obeys(void **state)
{
	assert_string_equal(plain("<gr\xc3\xbc\xc3\x9f>", SIZE_MAX), "<gr\xc3\xbc\xc3\x9f>");
	assert_string_equal(plain("\x1b[31m\n\x7f", SIZE_MAX), "?[31m??");
	assert_string_equal(plain("\xc2\x9b"
				  "31m\xff\xe2\x80\xae",
				  SIZE_MAX),
			    "?31m??");
	assert_string_equal(plain("\xc3\xbc\xc3\xbc\xc3\xbc", 2), "\xc3\xbc\xc3\xbc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_in_it_is_markup, release),
		cmocka_unit_test_teardown(what_is_not_to_be_shown_is_not, release),
		cmocka_unit_test_teardown(long_ones_are_cut_between_characters, release),
		cmocka_unit_test_teardown(a_terminal_gets_nothing_that_it_obeys, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
