/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `nightly` makes of traces' shifts, for sample.sh: reads lines of pairs SHIFT WEIGHT (all weights 0: none is weighted),
 * prints for each its mean SHIFT, LO, HI and the traces in effect.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "analyze/analyze.h"
#include "analyze/internal.h"

#define MOST 100000

int main(void)
{
	static double shifts[MOST], weights[MOST];
	struct sr_error err = { 0 };
	char *line = NULL;
	size_t cap = 0;

	while (getline(&line, &cap, stdin) > 0) {
		struct ana_overall all;
		bool weighted = true;
		size_t n = 0;
		char *at = line, *end;

		for (; n < MOST; n++) {
			shifts[n] = strtod(at, &end);
			if (end == at)
				break;
			weights[n] = strtod(end, &at);
			weighted = weighted && weights[n] > 0;
		}
		if (ana_over_traces(shifts, weighted ? weights : NULL, n, 0.05, ANA_NEITHER, 1, &all, &err) < 0) {
			fprintf(stderr, "sample_bench: out of memory\n");
			return 3;
		}
		printf("%.17g %.17g %.17g %.17g\n", all.shift, all.lo, all.hi, all.effective);
	}
	free(line);
	return 0;
}
