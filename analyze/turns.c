/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In which order the arms of a live comparison run in a round. */
#include "analyze/internal.h"
#include "formats/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ana_turns(const char *seed, size_t round, size_t n, size_t *turn, struct sr_error *err)
{
	struct sr_sha256 *d = sr_sha256_new();
	char number[32], text[SR_SHA256_TEXT];
	uint64_t state;

	if (!d)
		return ana_no_memory(err);
	sr_sha256_add(d, seed, strlen(seed) + 1);
	snprintf(number, sizeof(number), "%zu", round);
	sr_sha256_add(d, number, strlen(number));
	sr_sha256_end(d, text);
	sr_sha256_free(d);
	text[16] = '\0';
	state = strtoull(text, NULL, 16);
	for (size_t i = 0; i < n; i++) { /* Fisher and Yates, from within */
		size_t k = ana_random(&state) % (i + 1);

		turn[i] = turn[k];
		turn[k] = i;
	}
	return 0;
}
