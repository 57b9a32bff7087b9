/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a corpus knows of each object: its manifest row, as struct, as text (for the wire and for stores without a
 * database), and the queries that choose rows.
 *
 * Rows and queries come from strangers: the parsers take every byte as hostile, and what they let through has no
 * control characters, fits its member and is within bounds. No ownership, no state; any thread.
 */
#ifndef SCHEDREC_CORPUS_ROW_H
#define SCHEDREC_CORPUS_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/digest.h"
#include "formats/error.h"

#define CRP_FEATURES 32
#define CRP_ROW_TEXT 8192           /* no row's text is longer, with its NUL */
#define CRP_MAX_OBJECT (1ull << 36) /* bytes; larger ones are refused */

struct crp_feature {
	char name[32]; /* [a-z0-9_.]: "switch_rate" */
	double value;  /* finite, with a float's precision */
};

/* Texts are UTF-8 without control characters; "": not known. */
struct crp_row {
	char sha256[SR_SHA256_TEXT];       /* of the object: its name */
	char token_sha256[SR_SHA256_TEXT]; /* of the deletion token's text; "": it cannot be removed by token */
	char contributor[33];              /* hexadecimal digits, the same for all objects of one contributor */
	char licence[32];                  /* SPDX: "CC-BY-4.0" */
	char program[24];                  /* class of what was recorded: one of crp_programs */
	char machine[128];                 /* struct sr_machine's summary: "4 cores, 8 CPUs, 1 package, 1 node" */
	char cpu_model[96], arch[24], kernel[64];
	char scope[12], engine[12]; /* meta values of the recording */
	uint32_t consent;           /* version of the text that was agreed to */
	uint32_t cpus, nodes;
	uint64_t bytes, added_s; /* size; when it came, s since 1970: a store sets it */
	uint64_t duration_ns, events, lost, tasks;
	size_t nfeatures;
	struct crp_feature feature[CRP_FEATURES]; /* by ascending name, each once */
};

extern const char *const crp_programs[]; /* ended by NULL */

/* Is this 64 lower-case hexadecimal digits? */
bool crp_is_sha256(const char *text);
/* Sets a feature; one that is not finite, or more than fit, is left out. */
void crp_row_feature(struct crp_row *row, const char *name, double value);
bool crp_row_get(const struct crp_row *row, const char *name, double *value);

/*
 * Text: "schedrec-row 1\n", then a line "KEY VALUE\n" for each member that is known, features as "feature.NAME VALUE".
 * A reader skips keys it does not know. crp_row_text returns its length. crp_row_parse: what is not a row is SR_DAMAGED.
 */
size_t crp_row_text(const struct crp_row *row, char text[CRP_ROW_TEXT]);
int crp_row_parse(struct crp_row *row, const char *text, size_t len, struct sr_error *err);
/* Are all members as said above? For rows that were not parsed. */
int crp_row_check(const struct crp_row *row, struct sr_error *err);

/*
 * A query: terms joined by commas, all of which must hold.
 *
 *   KEY=GLOB          texts: sha256 (its beginning), machine, cpu_model, arch, kernel, program, licence, contributor,
 *                     scope, engine; without regard to case; a glob without * matches anywhere
 *   KEY=LO..HI        numbers: cpus, nodes, bytes, duration, events, lost, tasks, added (s since 1970), and every
 *                     feature; either end may be missing, both belong to it. One number: exactly that. duration has
 *                     a unit (1s..90s), bytes may have one (10M)
 */
#define CRP_TERMS 16
struct crp_term {
	char key[32];
	char text[96];
	double lo, hi;
	bool is_text;
};
struct crp_query {
	struct crp_term v[CRP_TERMS];
	size_t n;
	char after[SR_SHA256_TEXT]; /* only objects whose name is greater: where a listing goes on; "": all */
	uint64_t limit;             /* at most so many; 0: all */
};
/* Zeroes out first. NULL or "": everything. A wrong one is SR_USAGE and says what is wrong. */
int crp_query_parse(struct crp_query *out, const char *text, struct sr_error *err);
bool crp_query_matches(const struct crp_query *q, const struct crp_row *row); /* without after and limit */

#endif
