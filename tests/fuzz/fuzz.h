/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets share. Without LIBFUZZER a target is a plain program: fuzz_NAME FILE... */
#ifndef SCHEDREC_TESTS_FUZZ_H
#define SCHEDREC_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds in builds without assertions too. */
#define MUST_BE(truth)                                                                            \
	do {                                                                                      \
		if (!(truth)) {                                                                   \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #truth); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

#ifndef LIBFUZZER

/* Each input lies in memory of just its size, so that a sanitizer sees a byte too far. */
static void run_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *data;
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET)) {
		perror(path);
		exit(3);
	}
	data = malloc(size ? (size_t)size : 1);
	if (!data || fread(data, 1, (size_t)size, f) != (size_t)size) {
		perror(path);
		exit(3);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	printf("%d inputs, no finding\n", argc - 1);
	return 0;
}

#endif
#endif
