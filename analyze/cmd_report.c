/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "analyze/report.h"
#include "formats/copy.h"
#include "schedrec.h"

struct options {
	const char *db, *output, *title;
	struct sr_strings traces, metrics;
	double margin;
};

static const struct sr_option rows[] = {
	{ .name = "db",
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct options, db),
	  .arg = "DB",
	  .help = "the database that `replay --db`, `analyze --db` or `nightly` wrote" },
	{ .name = "output",
	  .letter = 'o',
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct options, output),
	  .arg = "FILE.html",
	  .deflt = "report.html",
	  .help = "the report; - is stdout" },
	{ .name = "trace",
	  .letter = 't',
	  .type = SR_OPT_LIST,
	  .offset = offsetof(struct options, traces),
	  .arg = "FILE.srz",
	  .help = "show this recording or replay over time: CPUs, running and waiting tasks" },
	{ .name = "metric",
	  .letter = 'm',
	  .type = SR_OPT_LIST,
	  .offset = offsetof(struct options, metrics),
	  .arg = "GLOB",
	  .help = "compare the metrics that match, in place of the usual ones, as in `compare`, and show their series "
		  "over "
		  "nights" },
	{ .name = "margin",
	  .type = SR_OPT_REAL,
	  .offset = offsetof(struct options, margin),
	  .arg = "PERCENT",
	  .min = 0.01,
	  .max = 1000,
	  .deflt = "2",
	  .help = "a change up to this many per cent does not matter, as in `compare`" },
	{ .name = "title",
	  .type = SR_OPT_STRING,
	  .offset = offsetof(struct options, title),
	  .arg = "TEXT",
	  .help = "the report's title" },
	{ 0 },
};

static const char *const examples[] = {
	"schedrec report --db runs.db -o report.html",
	"every policy against the kernel's own placement",
	"schedrec report --db runs.db policy=kernel policy=bld -t run-kernel-1.srz -t run-bld-1.srz",
	"two arms, and one run of each over time",
	"schedrec report --db runs.db -m 'frames_late*' -m longest_stall_ns -m 'run_delay_ns.*'",
	"what a person feels: late frames, stalls, waits",
	NULL,
};

/* Beside the report, and moved to its place when it is whole. */
struct output {
	const char *path;
	char part[4096];
	FILE *f;
};

static int open_output(struct output *o, struct sr_error *err)
{
	struct stat st;
	int fd;

	o->f = NULL;
	if (!strcmp(o->path, "-")) {
		o->f = stdout;
		return 0;
	}
	if (!*o->path)
		return sr_fail(err, SR_USAGE, "--output: the file's name is empty");
	/* A device or a pipe is written as it is. */
	o->part[0] = '\0';
	if (stat(o->path, &st) == 0 && S_ISDIR(st.st_mode))
		return sr_fail(err, SR_ENVIRONMENT, "%s: is a directory", o->path);
	if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		o->f = fopen(o->path, "we");
		return o->f ? 0 : sr_fail_errno(err, SR_ENVIRONMENT, "%s: cannot write it", o->path);
	}
	if (snprintf(o->part, sizeof(o->part), "%s.XXXXXX", o->path) >= (int)sizeof(o->part))
		return sr_fail(err, SR_USAGE, "--output: the file's name is too long");
	fd = mkostemp(o->part, O_CLOEXEC);
	if (fd < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s: cannot write it", o->path);
	o->f = fdopen(fd, "w");
	if (!o->f) {
		sr_fail_errno(err, SR_ENVIRONMENT, "%s: cannot write it", o->path);
		close(fd);
		unlink(o->part);
		return -1;
	}
	return 0;
}

/* ret: what came of writing; a report that is not whole leaves nothing. */
static int close_output(struct output *o, int ret, struct sr_error *err)
{
	mode_t mask;
	bool bad;

	if (o->f == stdout)
		return ret;
	mask = umask(0);
	umask(mask);
	bad = fflush(o->f) || ferror(o->f) || (*o->part && (fchmod(fileno(o->f), 0666 & ~mask) || fsync(fileno(o->f))));
	if (fclose(o->f))
		bad = true;
	if (ret == 0 && bad)
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "%s: cannot write it", o->path);
	if (ret == 0 && *o->part && rename(o->part, o->path))
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "%s: cannot write it", o->path);
	if (ret < 0 && *o->part)
		unlink(o->part);
	return ret;
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct options *o = options;
	struct ana_report_options how = { .title = o->title,
					  .margin = o->margin / 100,
					  .metrics = o->metrics.v,
					  .nmetrics = o->metrics.n,
					  .traces = o->traces.v,
					  .ntraces = o->traces.n,
					  .version = SCHEDREC_VERSION };
	struct output out = { .path = o->output };
	const char *slash = o->db ? strrchr(o->db, '/') : NULL;
	time_t now = time(NULL);
	struct ana_db *db;
	struct tm utc;
	char made_at[32];
	int ret;

	if (!o->db)
		return sr_fail(err, SR_USAGE, "--db is missing: name the database");
	if (nargs != 0 && nargs != 2)
		return sr_fail(err, SR_USAGE,
			       "name two selectors, the base's and the candidate's, or none: all are compared then");
	if (nargs) {
		how.base = args[0];
		how.candidate = args[1];
	}
	if (o->traces.n > ANA_REPORT_TIMELINES)
		return sr_fail(err, SR_USAGE, "--trace: a report shows at most %d", ANA_REPORT_TIMELINES);
	if (sr_would_replace(o->output, o->db))
		return sr_fail(err, SR_USAGE, "%s would replace the database itself; name another file", o->output);
	for (size_t i = 0; i < o->traces.n; i++)
		if (sr_would_replace(o->output, o->traces.v[i]))
			return sr_fail(err, SR_USAGE, "%s would replace the trace itself; name another file",
				       o->output);
	strftime(made_at, sizeof(made_at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	how.made_at = made_at;
	how.name = slash ? slash + 1 : o->db;
	db = ana_db_open(o->db, false, err);
	if (!db)
		return -1;
	ret = open_output(&out, err);
	if (ret == 0)
		ret = close_output(&out, ana_report_write(db, &how, out.f, err), err);
	ana_db_close(db);
	return ret;
}

const struct cmd cmd_report = {
	.name = "report",
	.summary = "write what a database says as one HTML file with charts",
	.operands = "[BASE CANDIDATE]",
	.description =
		"The file holds all it needs and reads nothing from a network: it can be mailed, archived, printed and "
		"opened from a disk. It begins with the verdict; then come the shift of each trace and metric with its "
		"interval, the distributions of latencies, runs over time (--trace), series over nights where "
		"`nightly` has stored them, of the compared metrics and of all in which it found a change, and what "
		"all that rests on: fidelity, losses, noisy rounds, and the hosts' conditions. On paper all tables are "
		"open.\n\n"
		"BASE and CANDIDATE are selectors as of `compare`. Without them every kind of runs is compared with "
		"the kernel's own placement on the same engine and machine, or, where there is none, with the first; "
		"runs of a night that is still running are left out, and that is said.\n\n"
		"A run over time shows the CPUs' time of the recorded command or the replayed tasks, and beside it "
		"that of all others where the file is of the whole system. Where events of a CPU were lost there is a "
		"gap.\n\n"
		"The status tells whether the report was written; `compare` is what tells a script of a regression.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct options),
	.run = run,
};
