/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `merge` does with databases. */
#ifndef SCHEDREC_ANALYZE_CMD_MERGE_DB_H
#define SCHEDREC_ANALYZE_CMD_MERGE_DB_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/error.h"

#define CMD_NO_DATABASES 1 /* none of the files is one: nothing was done */

/* Adds the runs of all files to the database at output, and tells of it. -1: *err is filled, the same for files of which
 * only some are databases. */
int cmd_merge_databases(char **paths, size_t n, const char *output, bool json, bool quiet, struct sr_error *err);

struct ana_db_merged;
/* Warns where rounds of nights in path did not come into the database at into: that one had others. */
void cmd_warn_rounds_left_out(const struct ana_db_merged *m, const char *path, const char *into);

#endif
