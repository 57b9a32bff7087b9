/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A report: one HTML file that holds all it needs (text, data, charts, styles) and reads nothing else. What comes from
 * the database or from a trace is hostile: it stands in the file as escaped text and as JSON data, never as code, and a
 * content security policy in the file lets nothing run but the scripts that were built in.
 *
 * The size is bounded whatever the database holds (the limits below); where something was left out, the report says what
 * and how much.
 *
 * Series over nights are drawn where the database has nights (tables night, night_run, night_round and change_point): of
 * the metrics that are compared, and of each in which a night found a change point, the median
 * of a night's rounds with its range, where the level changed, and the band of a level: the quartiles of its nights,
 * widened by 1.5 times their distance; with each night what its rounds lost, which were noisy, and their fidelity. A
 * series is of runs alike in trace, policy and options, engine, machine and its key, BPF scheduler, arm, work and timing.
 * Other options of a night are not told apart.
 *
 * A run over time shows the time that its own tasks had of each cpu (of a recording the command's, of a replay those that
 * it replayed) and, where the file is of the whole system, that of all others. A step of which more than a twentieth is
 * unknown, as events were lost, has no value.
 */
#ifndef SCHEDREC_ANALYZE_REPORT_H
#define SCHEDREC_ANALYZE_REPORT_H

#include <stdio.h>

#include "analyze/analyze.h"

struct ana_report_options {
	const char *title; /* NULL: a usual one */
	const char *name;  /* of the database, for people */
	/* Selectors as of ana_compare; both NULL: every arm against the kernel's own placement (or, without one, the arm
	 * with the most runs) under the same label on the same engine and machine, and that one against itself under the
	 * label before. */
	const char *base, *candidate;
	double margin;              /* as in ana_compare_options; 0: 2% */
	const char *const *metrics; /* globs, as in ana_compare_options */
	size_t nmetrics;
	const char *const *traces; /* .srz files whose timelines are shown */
	size_t ntraces;
	const char *made_at, *version; /* when (ISO 8601) and by what; NULL: not said */
};

#define ANA_REPORT_ARMS 16        /* with numbers of their own */
#define ANA_REPORT_TRACES 200     /* with their evidence */
#define ANA_REPORT_CELLS 1200     /* of all comparisons together; regressed ones first */
#define ANA_REPORT_COMPARISONS 8  /* of an automatic choice */
#define ANA_REPORT_DIST_ARMS 8    /* with distributions */
#define ANA_REPORT_DIST_TRACES 12 /* the same, each of its own */
#define ANA_REPORT_DIST_RUNS 20   /* newest runs of an arm and trace that a distribution is made of */
#define ANA_REPORT_RUNS 500       /* listed one by one, newest first */
#define ANA_REPORT_TIMELINES 8
#define ANA_REPORT_SERIES 200
#define ANA_REPORT_NIGHTS 400 /* newest points of a series */
#define ANA_REPORT_LEFT 40    /* metrics of nights that are named where they are not drawn */

/* False: what the charts are drawn with was not there when schedrec was built; ana_report_write then fails as
 * SR_ENVIRONMENT with a text that says what to do. */
bool ana_report_can(void);

/* Writes the report. What f says of failed writes is the caller's to check (ferror, fclose). The database is read in one
 * transaction, and not changed. */
int ana_report_write(struct ana_db *db, const struct ana_report_options *o, FILE *f, struct sr_error *err);

#endif
