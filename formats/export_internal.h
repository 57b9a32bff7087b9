/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the exporters share. */
#ifndef SCHEDREC_FORMATS_EXPORT_INTERNAL_H
#define SCHEDREC_FORMATS_EXPORT_INTERNAL_H

#include <stdbool.h>

#include "formats/export.h"
#include "formats/outfile.h"
#include "formats/task.h"

struct sr_export;

struct sr_export_format {
	const char *name;
	int (*begin)(struct sr_export *x, struct sr_error *err);
	int (*event)(struct sr_export *x, const struct sr_event *ev, struct sr_error *err);
	int (*end)(struct sr_export *x, struct sr_error *err);
	void (*release)(struct sr_export *x);
};

struct sr_export {
	const struct sr_export_format *format;
	struct srz_reader *r;
	struct sr_outfile *out;
	struct sr_task_table tasks;
	struct sr_export_counts counts;
	char old_comm[SR_COMM_LEN]; /* of a task that renames itself */
	void *own;                  /* the format's */
};

extern const struct sr_export_format sr_export_csv, sr_export_ftrace, sr_export_perfetto;

/* What a tid is called as of the last event; "" when that is not known. */
const char *sr_export_comm(struct sr_export *x, int32_t tid);
const struct sr_task *sr_export_task(struct sr_export *x, int32_t tid);

/* The same with the kernel's names for idle tasks, "swapper/CPU"; buf >= SR_COMM_LEN. */
const char *sr_export_kernel_comm(struct sr_export *x, int32_t tid, unsigned cpu, char *buf);

#endif
