/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec import: another tool's recording as a .srz file. */
#include "schedrec.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/copy.h"
#include "formats/digest.h"
#include "formats/import.h"
#include "formats/srz.h"

struct import_options {
	const char *output, *from, *scope, *label;
	bool json, quiet;
};

static const struct sr_option options[] = {
	{ "output", 'o', SR_OPT_STRING, offsetof(struct import_options, output), "FILE.srz", 0, 0, NULL, NULL,
	  "the file to write; one that exists is replaced when the new one is complete" },
	{ "from", 0, SR_OPT_CHOICE, offsetof(struct import_options, from), "FORMAT", 0, 0,
	  "auto|ftrace|trace.dat|perf.data|perfetto", "auto", "what FILE is (default: by its first bytes)" },
	{ "scope", 0, SR_OPT_CHOICE, offsetof(struct import_options, scope), "SCOPE", 0, 0, "auto|system|tree|pid",
	  "auto",
	  "whose events FILE has: the whole system's, or only those of a tree of processes or of single ones "
	  "(default: as export has written into it, else the system's)" },
	{ "label", 'l', SR_OPT_STRING, offsetof(struct import_options, label), "L", 0, 0, NULL, NULL,
	  "a name for the recording, kept in the file" },
	{ "json", 'j', SR_OPT_FLAG, offsetof(struct import_options, json), NULL, 0, 0, NULL, NULL,
	  "say what was imported and what is missing as JSON" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct import_options, quiet), NULL, 0, 0, NULL, NULL,
	  "no progress, no summary, and no word about what is missing" },
	{ 0 }
};

static const char *const examples[] = {
	"trace-cmd record -e sched -e task make && schedrec import trace.dat -o make.srz",
	"what trace-cmd recorded",
	"perf sched record make && schedrec import perf.data -o make.srz",
	"what perf recorded",
	"schedrec import boot.pftrace -o boot.srz && schedrec analyze boot.srz",
	"a recording of an Android phone",
	NULL
};

static const char *const format_names[] = { "", "ftrace", "perf.data", "trace.dat", "perfetto" };

struct job {
	const struct import_options *o;
	const char *path;
	enum sr_import_format format;
	int fd;
	uint64_t size;
	struct srz_writer *w;
	struct sr_import *im;
	struct sr_import_counts counts;
	uint64_t bytes;
};

static int step(void *arg, uint64_t done, uint64_t all)
{
	const struct job *j = arg;

	if (all)
		cmd_progress(j->o->quiet, "importing: %3.0f%%", 100.0 * (double)done / (double)all);
	else
		cmd_progress(j->o->quiet, "importing: %.0f MB", (double)done / 1e6);
	return cmd_signal ? 128 + cmd_signal : 0;
}

/* ---- trace-cmd ---- */

/* A program whose standard output comes through *fd. SR_ENVIRONMENT: it is not there. */
static int start(char *const *argv, pid_t *pid, int *fd, struct sr_error *err)
{
	posix_spawn_file_actions_t actions;
	int pipe_fd[2], rc;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot make a pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fd[1]);
	if (rc) {
		close(pipe_fd[0]);
		errno = rc;
		if (rc == ENOENT)
			return sr_fail(err, SR_ENVIRONMENT,
				       "trace.dat files are read through trace-cmd, which is not installed (package "
				       "trace-cmd)");
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot run %s", argv[0]);
	}
	*fd = pipe_fd[0];
	return 0;
}

static int finish(pid_t pid, int fd, const char *name, struct sr_error *err)
{
	int status;

	close(fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return sr_fail_errno(err, SR_BUG, "waitpid");
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFSIGNALED(status))
		return sr_fail(err, SR_DAMAGED, "%s cannot read it: it was killed by signal %d", name,
			       WTERMSIG(status));
	return sr_fail(err, SR_DAMAGED, "%s cannot read it: its status is %d", name, WEXITSTATUS(status));
}

/* A name that begins with a dash would be an option. */
static char *as_operand(const char *path)
{
	char *name;

	if (*path != '-')
		return strdup(path);
	return asprintf(&name, "./%s", path) < 0 ? NULL : name;
}

/* The clock and the kernel stand among the file's options. */
static void put_option(struct job *j, const char *line, bool *uname)
{
	const char *mono = strstr(line, "[mono]");
	char release[256], machine[64];
	struct sr_error ignored;

	if (mono)
		srz_put_meta(j->w, "clock", "mono", &ignored);
	if (*uname && sscanf(line, "Linux %*255s %255s %63s", release, machine) == 2) {
		srz_put_meta(j->w, "kernel.release", release, &ignored);
		srz_put_meta(j->w, "kernel.machine", machine, &ignored);
	}
	*uname = strstr(line, "[Option UNAME,") != NULL;
}

static int read_options(struct job *j, char *path, struct sr_error *err)
{
	char *argv[] = { "trace-cmd", "dump", "--options", "-i", path, NULL }, line[1024];
	bool uname = false;
	struct sr_error why;
	pid_t pid = -1;
	FILE *f;
	int fd = -1;

	if (start(argv, &pid, &fd, err))
		return -1;
	f = fdopen(fd, "re");
	while (f && fgets(line, sizeof(line), f))
		put_option(j, line, &uname);
	if (f)
		fclose(f);
	/* What is not told there is unknown. */
	finish(pid, f ? -1 : fd, "trace-cmd", &why);
	return 0;
}

static int import_tracedat(struct job *j, struct sr_error *err)
{
	char *path = as_operand(j->path);
	char *argv[] = { "trace-cmd", "report", "-t", "-l", "-N", "-i", path, NULL };
	struct sr_error why;
	int fd = -1, ret = -1;
	pid_t pid = -1;

	if (!path)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if (read_options(j, path, err) || start(argv, &pid, &fd, err))
		goto out;
	ret = sr_import_text(j->im, fd, 0, err);
	if (ret)
		finish(pid, fd, "trace-cmd", &why);
	else
		ret = finish(pid, fd, "trace-cmd", err);
out:
	free(path);
	return ret;
}

/* ---- the import ---- */

static int open_input(struct job *j, struct sr_error *err)
{
	uint8_t head[4096];
	struct stat st;
	ssize_t n;

	j->fd = open(j->path, O_RDONLY | O_CLOEXEC);
	if (j->fd < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot open %s", j->path);
	if (fstat(j->fd, &st))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read %s", j->path);
	if (!S_ISREG(st.st_mode))
		return sr_fail(err, SR_ENVIRONMENT, "%s is not a regular file", j->path);
	j->size = (uint64_t)st.st_size;
	n = pread(j->fd, head, sizeof(head), 0);
	if (n < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read %s", j->path);
	if (n >= 8 && !memcmp(head, "\x89srz\r\n\x1a\n", 8))
		return sr_fail(err, SR_DAMAGED, "%s is a .srz file already", j->path);
	if (n >= 2 && head[0] == 0x1f && head[1] == 0x8b)
		return sr_fail(err, SR_DAMAGED, "%s is compressed: gunzip it first", j->path);
	j->format = sr_import_guess(head, (size_t)n);
	for (unsigned i = 1; i < sizeof(format_names) / sizeof(*format_names); i++)
		if (!strcmp(j->o->from, format_names[i]))
			j->format = (enum sr_import_format)i;
	if (j->format == SR_IMPORT_UNKNOWN)
		return sr_fail(err, SR_DAMAGED,
			       "%s is neither ftrace text nor trace.dat, perf.data or a Perfetto trace", j->path);
	return 0;
}

static int put_origin(struct job *j, struct sr_error *err)
{
	const char *base = strrchr(j->path, '/');
	char sha256[SR_SHA256_TEXT];

	if (sr_sha256_file(j->path, sha256, err))
		return -1;
	return srz_put_meta(j->w, "schedrec.version", SCHEDREC_VERSION, err) ||
			       srz_put_meta(j->w, "import.format", format_names[j->format], err) ||
			       srz_put_meta(j->w, "import.source_name", base ? base + 1 : j->path, err) ||
			       srz_put_meta(j->w, "import.source_sha256", sha256, err) ||
			       (j->o->label && srz_put_meta(j->w, "label", j->o->label, err)) ?
		       -1 :
		       0;
}

/* NULL: as the file says. */
static const char *scope_of(const struct import_options *o)
{
	return strcmp(o->scope, "auto") ? o->scope : NULL;
}

static int import_file(struct job *j, struct sr_error *err)
{
	struct sr_import_watch watch = { step, j };
	int ret;

	if (open_input(j, err))
		return -1;
	j->w = srz_create(j->o->output, 0, err);
	j->im = j->w ? sr_import_new(j->w, &watch, err) : NULL;
	if (!j->im)
		return -1;
	if (j->format == SR_IMPORT_TEXT)
		ret = sr_import_text(j->im, j->fd, j->size, err);
	else if (j->format == SR_IMPORT_PERF)
		ret = sr_import_perf(j->im, j->fd, err);
	else if (j->format == SR_IMPORT_PERFETTO)
		ret = sr_import_perfetto(j->im, j->fd, err);
	else
		ret = import_tracedat(j, err);
	if (!ret)
		ret = sr_import_end(j->im, scope_of(j->o), err);
	if (ret < 0 && err->status == SR_DAMAGED)
		return sr_fail_prefix(err, "%s", j->path);
	if (ret || put_origin(j, err))
		return ret ? ret : -1;
	j->counts = *sr_import_counted(j->im);
	ret = srz_close(j->w, err);
	j->w = NULL;
	return ret;
}

/* ---- what is told ---- */

/* What the lack of a kind means. */
static const struct {
	unsigned kind;
	const char *means;
} lacks[] = {
	{ SR_EV_SWITCH, "who ran when is not known: nothing can be analysed or replayed" },
	{ SR_EV_WAKING,
	  "wake-ups count from sched_wakeup: latencies are shorter than they were, and wakers may be others" },
	{ SR_EV_WAKEUP, "where woken tasks were placed is known from their first run only" },
	{ SR_EV_WAKEUP_NEW, "where new tasks were placed is known from their first run only" },
	{ SR_EV_MIGRATE, "migrations are those that successive CPUs of a task show" },
	{ SR_EV_FORK, "new tasks have no parent: a replay has them from its start" },
	{ SR_EV_EXEC, "programs that were executed are not known" },
	{ SR_EV_EXIT, "that tasks ended is known from their last switch only" },
	{ SR_EV_RENAME, "new names are seen where an event carries them" },
	{ SR_EV_NEWTASK, "threads and processes are not told apart" },
};

static bool context_unknown(const struct job *j, struct srz_reader *r)
{
	const char *context = srz_get_meta(r, "import.context");

	return context && !strcmp(context, "unknown");
}

static void tell_missing(const struct job *j, struct srz_reader *r)
{
	char n[32];

	for (size_t i = 0; i < sizeof(lacks) / sizeof(*lacks); i++)
		if (!j->counts.by_kind[lacks[i].kind])
			fprintf(stderr, "no %s events: %s\n", sr_event_kind_name(lacks[i].kind), lacks[i].means);
	if (context_unknown(j, r))
		fputs("which events interrupts caused is not told: their wake-ups count as the interrupted task's\n",
		      stderr);
	if (j->counts.unreadable)
		fprintf(stderr, "%s events were in a form that is not understood, and are left out\n",
			sr_format_count(n, sizeof(n), j->counts.unreadable));
	if (j->counts.unplaced)
		fprintf(stderr, "%s events came before it was known what ran on their CPU, and are left out\n",
			sr_format_count(n, sizeof(n), j->counts.unplaced));
	if (j->counts.late)
		fprintf(stderr, "%s events went back in time on their CPU, and were put forward\n",
			sr_format_count(n, sizeof(n), j->counts.late));
	if (!scope_of(j->o) && j->counts.scope_unknown)
		fputs("whose events it has is said in a form that is not understood: they count as the whole system's "
		      "(--scope)\n",
		      stderr);
	fprintf(stderr, "what the %s tasks seen first were doing at the start is not known\n",
		sr_format_count(n, sizeof(n), j->counts.tasks_at_start));
}

static void tell_json(const struct job *job, struct srz_reader *r)
{
	const struct sr_import_counts *c = &job->counts;
	struct cmd_json j;

	cmd_json_init(&j, stdout);
	cmd_json_open(&j, NULL, '{');
	cmd_json_str(&j, "file", job->o->output);
	cmd_json_str(&j, "source", job->path);
	cmd_json_str(&j, "format", format_names[job->format]);
	cmd_json_u64(&j, "events", c->events);
	cmd_json_open(&j, "events_by_kind", '{');
	for (unsigned kind = 1; kind < SR_EV_KINDS; kind++)
		if (c->by_kind[kind])
			cmd_json_u64(&j, sr_event_kind_name(kind), c->by_kind[kind]);
	cmd_json_close(&j, '}');
	cmd_json_u64(&j, "lost", c->lost);
	cmd_json_u64(&j, "lost_places", c->lost_places);
	cmd_json_u64(&j, "duration_ns", c->last_ns - c->first_ns);
	cmd_json_str(&j, "scope", srz_get_meta(r, "scope"));
	cmd_json_str(&j, "scope_from",
		     scope_of(job->o) ? "option" :
		     c->scope_told    ? "file" :
		     c->scope_unknown ? "unknown" :
					"default");
	cmd_json_u64(&j, "tasks_at_start", c->tasks_at_start);
	cmd_json_u64(&j, "kthreads_by_name", c->kthreads_by_name);
	cmd_json_open(&j, "missing", '[');
	for (size_t i = 0; i < sizeof(lacks) / sizeof(*lacks); i++)
		if (!c->by_kind[lacks[i].kind])
			cmd_json_str(&j, NULL, sr_event_kind_name(lacks[i].kind));
	cmd_json_close(&j, ']');
	cmd_json_bool(&j, "interrupt_context", !context_unknown(job, r));
	cmd_json_open(&j, "dropped", '{');
	cmd_json_u64(&j, "other_events", c->other);
	cmd_json_u64(&j, "unreadable", c->unreadable);
	cmd_json_u64(&j, "unplaced", c->unplaced);
	cmd_json_close(&j, '}');
	cmd_json_u64(&j, "late", c->late);
	cmd_json_u64(&j, "bytes", srz_get_info(r)->bytes);
	cmd_json_close(&j, '}');
}

static int tell(const struct job *j, struct sr_error *err)
{
	char n[32], lost[32], size[32], length[32];
	struct srz_reader *r;

	cmd_progress_end();
	r = srz_open(j->o->output, err);
	if (!r)
		return -1;
	if (j->o->json) {
		tell_json(j, r);
	} else if (!j->o->quiet) {
		fprintf(stderr, "imported %s events of %s, ", sr_format_count(n, sizeof(n), j->counts.events),
			sr_format_time(length, sizeof(length), (double)(j->counts.last_ns - j->counts.first_ns)));
		fprintf(stderr, "to %s (%s)\n", j->o->output,
			sr_format_bytes(size, sizeof(size), (double)srz_get_info(r)->bytes));
		if (!scope_of(j->o) && j->counts.scope_told)
			fprintf(stderr, "its scope is %s, as it says itself\n", srz_get_meta(r, "scope"));
		if (j->counts.lost_places)
			fprintf(stderr, "%s events%s were lost before, at %s places\n",
				sr_format_count(lost, sizeof(lost), j->counts.lost), j->counts.lost ? "" : " or more",
				sr_format_count(n, sizeof(n), j->counts.lost_places));
		tell_missing(j, r);
	}
	srz_reader_free(r);
	return 0;
}

static int run(const void *options_, int nargs, char **args, struct sr_error *err)
{
	struct job j = { .o = options_, .fd = -1 };
	int ret;

	if (nargs != 1)
		return sr_fail(err, SR_USAGE, "give one file");
	if (!j.o->output)
		return sr_fail(err, SR_USAGE, "name the file to write: -o FILE.srz");
	j.path = args[0];
	if (sr_would_replace(j.o->output, j.path))
		return sr_fail(err, SR_USAGE, "%s would replace the file that is imported; name another one",
			       j.o->output);
	cmd_catch_signals();
	ret = import_file(&j, err);
	srz_abort(j.w);
	if (!ret)
		ret = tell(&j, err);
	sr_import_free(j.im);
	if (j.fd >= 0)
		close(j.fd);
	return ret;
}

const struct cmd cmd_import = {
	.name = "import",
	.summary = "make a recording of what another tool has recorded",
	.operands = "FILE -o FILE.srz",
	.description =
		"FILE is one of\n\n"
		"  trace.dat   of trace-cmd, which reads it (trace-cmd report)\n"
		"  perf.data   of perf sched record or perf record -a -e 'sched:*', not compressed\n"
		"  ftrace      the text of /sys/kernel/tracing/trace in any of its forms, of trace-cmd report,\n"
		"              or a page of Android's systrace\n"
		"  perfetto    a trace of Perfetto (Android), compact scheduling events too\n\n"
		"The sched_*, task_newtask, task_rename, cpu_frequency and cpu_idle events become those of a "
		"recording; others are counted. Losses are kept where they are. What schedrec export wrote says "
		"whose events it has, and as ftrace text keeps a policy's decisions too.\n\n"
		"A foreign recording has no start state. The tasks that were there before are those that were seen and "
		"not forked, with the name and priority they were first seen with (a Perfetto or perf.data file may "
		"name "
		"processes and parents too); whether they ran or slept before their first event, what CPUs they may "
		"use and "
		"which class below real time they have is not known. Kernel threads are known from the list of "
		"processes or, "
		"where there is none, by their names. The machine is the CPUs seen.\n\n"
		"What kinds of events are missing is said, stands in the file (import.missing), and info shows it.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct import_options),
	.run = run,
};
