/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as text, written from their end. Each returns where it begins; all that lies before stays. */
#ifndef SCHEDREC_ANALYZE_CMD_ANALYZE_DIGITS_H
#define SCHEDREC_ANALYZE_CMD_ANALYZE_DIGITS_H

#include <stdint.h>
#include <string.h>

/* The digits of v in front of end; where they begin. */
static inline char *digits(char *end, uint64_t v)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";

	for (; v >= 100; v /= 100)
		end = memcpy(end - 2, pairs + v % 100 * 2, 2);
	if (v >= 10)
		return memcpy(end - 2, pairs + v * 2, 2);
	*--end = (char)('0' + v);
	return end;
}

/* As many as there are places, and a point in front of them. */
static inline char *decimals(char *end, uint64_t v, unsigned places)
{
	for (; places; places--, v /= 10)
		*--end = (char)('0' + v % 10);
	*--end = '.';
	return end;
}

/* Three digits of v / scale; NULL: rounded up they are more. */
static inline __attribute__((always_inline)) char *scaled(char *end, uint64_t v, uint64_t scale)
{
	if (v < scale * 10) {
		v = (v + scale / 200) / (scale / 100);
		return v < 1000 ? digits(decimals(end, v % 100, 2), v / 100) : NULL;
	}
	if (v < scale * 100) {
		v = (v + scale / 20) / (scale / 10);
		return v < 1000 ? digits(decimals(end, v % 10, 1), v / 10) : NULL;
	}
	v = (v + scale / 2) / scale;
	return v < 1000 ? digits(end, v) : NULL;
}

/* As sr_format_time: three digits and a unit, at most 7 characters. NULL: it is not so simple. */
static inline char *time_digits(char *end, uint64_t ns)
{
	if (ns < 1000)
		return digits(memcpy(end - 3, " ns", 3), ns);
	if (ns < 1000000)
		return scaled(memcpy(end - 3, " us", 3), ns, 1000);
	if (ns < 1000000000)
		return scaled(memcpy(end - 3, " ms", 3), ns, 1000000);
	return ns < 999500000000 ? scaled(memcpy(end - 2, " s", 2), ns, 1000000000) : NULL;
}

/* In seconds. */
static inline char *at_digits(char *end, uint64_t ns)
{
	uint64_t us = (ns + 500) / 1000;

	return digits(decimals(end, us % 1000000, 6), us / 1000000);
}

#endif
