/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the views of `schedrec analyze` have in common: one table, written as text, JSON or CSV. */
#ifndef SCHEDREC_ANALYZE_CMD_ANALYZE_H
#define SCHEDREC_ANALYZE_CMD_ANALYZE_H

#include "analyze/fidelity.h"
#include "formats/srz.h"
#include "schedrec.h"

enum table_type {
	TABLE_TEXT,
	TABLE_TIME, /* ns; text: with a unit */
	TABLE_AT,   /* ns since the first event; text: seconds with six decimals */
	TABLE_COUNT,
	TABLE_ID,    /* a number without separators */
	TABLE_RATIO, /* text: per cent */
	TABLE_REAL,
};

struct table_column {
	const char *key;   /* in JSON and CSV */
	const char *title; /* of the text's column; NULL: not in the text */
	enum table_type type;
	int width; /* of the text's column; negative: to the left */
};

struct table_cell {
	bool known; /* false: "-", null, an empty field */
	const char *text;
	double number;
};

enum table_form { TABLE_AS_TEXT, TABLE_AS_JSON, TABLE_AS_CSV };

struct table {
	enum table_form form;
	struct cmd_json *json;
	const struct table_column *columns;
	size_t ncolumns;
	const char *file; /* CSV's first field */
	bool *csv_begun;  /* the head line is out; shared by the tables of a document */
};

void table_begin(const struct table *t, const char *key); /* key of the array in JSON */
void table_row(const struct table *t, const struct table_cell *cells);
void table_end(const struct table *t);

static inline struct table_cell cell_text(const char *text)
{
	return (struct table_cell){ .known = text != NULL, .text = text };
}

static inline struct table_cell cell_number(double v)
{
	return (struct table_cell){ .known = true, .number = v };
}

static inline struct table_cell cell_if(bool known, double v)
{
	return (struct table_cell){ .known = known, .number = v };
}

/* buf >= 48; unit as in struct ana_metric. */
const char *format_metric(char *buf, size_t len, const char *name, const char *unit, double v);
/* For a terminal: control characters and what is not ASCII become '?'. Cut at width where it is not 0. */
const char *printable(char *buf, size_t len, const char *text);

/* One file of the command line, as far as every view needs it. */
struct analyze_file {
	const char *path;
	struct table *table; /* form, json, file, csv_begun are set */
	struct srz_reader *reader;
	uint64_t first_ns; /* what times count from: the file's first kernel event */
	struct ana_result result;
};

struct analyze_options {
	const char *view, *db, *label;
	struct sr_strings against;
	bool json, csv, all;
	const char *task, *cpus;
	uint64_t pid, from_ns, to_ns;
	bool wakeups, migrations, idle;
};

/* What the numbers rest on; it comes last where the rows come as the file is read. */
void analyze_told(const struct analyze_options *o, const struct analyze_file *f);
int analyze_store(const struct analyze_options *o, const struct analyze_file *f, struct sr_error *err);

void sort_by_cpu_time(struct ana_result *r); /* its task rows, greatest first */

void view_summary(struct analyze_file *f);
void view_latency(struct analyze_file *f);
void view_tasks(struct analyze_file *f);
void view_cpu(struct analyze_file *f);
void view_stats(struct analyze_file *f);

/* --view fidelity is of all files together. */
int view_fidelity(const struct analyze_options *o, struct table *table, int nargs, char **args, struct sr_error *err);
/* Which of --against is the recording that the file says it is a replay of: the first where it says nothing. */
int analyze_source(const struct analyze_options *o, const struct analyze_file *f, size_t *index, struct sr_error *err);

struct fidelity_view {
	const struct analyze_file *files;
	size_t nfiles;
	const char *source;
	const char *const *further;
	size_t nfurther;
	struct ana_window window;
	const char *task_glob; /* or NULL */
	struct ana_fidelity_report report;
	struct fidelity_count { /* the engines' own counts (meta replay.count.*), a sum over the files */
		const char *key;
		double sum;
	} * counts;
	size_t ncounts;
};
void fidelity_text(const struct fidelity_view *v);
void fidelity_json(const struct fidelity_view *v, struct cmd_json *j);
void fidelity_csv(const struct fidelity_view *v, struct table *t);
bool fidelity_is_refusal(const char *key); /* a count of what a replay could not do as it was recorded */

/* timehist and map take slices. */
int timehist_slice(void *arg, const struct ana_slice *s, struct sr_error *err); /* arg: struct timehist * */
struct timehist {
	struct table *table;
	uint64_t first_ns;
	/* rows on their way out (cmd_analyze_rows.c) */
	char *rows;
	size_t n;
	size_t file; /* length of the file's name; 0: it is too long, or to be quoted */
};
void timehist_begin(struct timehist *h);
bool timehist_row(struct timehist *h, const struct ana_slice *s, const char *event); /* false: not so simple a one */
void timehist_prepare(struct timehist *h);
void timehist_flush(struct timehist *h);
const char *timehist_left(const struct ana_slice *s); /* of a run */
void timehist_end(struct timehist *h);

struct map; /* of what ran on each cpu, in equal steps of time */
struct map *map_new(uint64_t first_ns, uint64_t last_ns, unsigned cpus, struct sr_error *err);
int map_slice(void *arg, const struct ana_slice *s, struct sr_error *err); /* arg: struct map * */
int map_print(struct map *m, struct analyze_file *f, struct sr_error *err);
void map_free(struct map *m);

#endif
