/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text that may be anything, as text of a page: names of tasks, files and machines come from strangers. No state; any
 * thread.
 */
#ifndef SCHEDREC_FORMATS_MARKUP_H
#define SCHEDREC_FORMATS_MARKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The length of the UTF-8 sequence at s, and its code point; 0: it is not one. The text ends with a NUL. */
size_t sr_utf8(const unsigned char *s, uint32_t *code);
/* A character that is not to be shown: a control character; one that changes how others are shown (the bidirectional
 * controls), which misleads as much; one that XML must not have. */
bool sr_is_control(uint32_t code);

/* Text for HTML or XML, between tags or in a quoted attribute: UTF-8 without any character that means something there, or is
 * not to be shown. Of one that is longer than so many bytes that many are kept, and "...". */
void sr_markup(FILE *f, const char *text, size_t most);

/* The same text for a terminal: '?' for what is not to be shown, and at most so many characters. */
void sr_plain(FILE *f, const char *text, size_t most);

#endif
