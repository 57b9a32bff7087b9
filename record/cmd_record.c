/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec record */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "formats/machine.h"
#include "formats/srz.h"
#include "record/record.h"
#include "schedrec.h"

#define FLUSH_NS 3000000000u      /* a crash loses no more than this, and what is not drained yet */
#define KILL_AFTER_NS 5000000000u /* a command that --duration ended has this long to obey SIGTERM */

struct record_options {
	const char *output, *label;
	bool all, quiet;
	uint64_t pid, duration_ns, buffer_bytes;
};

static const struct sr_option options[] = {
	{ "output", 'o', SR_OPT_STRING, offsetof(struct record_options, output), "FILE", 0, 0, NULL, NULL,
	  "write the recording to FILE; it gets this name when it is complete (until then FILE.part). "
	  "Without it: NAME-DATE-TIME.srz, after the command" },
	{ "all", 'a', SR_OPT_FLAG, offsetof(struct record_options, all), NULL, 0, 0, NULL, NULL,
	  "record the whole system, not only the command and its descendants" },
	{ "pid", 'p', SR_OPT_UINT, offsetof(struct record_options, pid), "PID", 1, 4194304, NULL, NULL,
	  "record this running process, all its threads, and what they fork from now on" },
	{ "duration", 0, SR_OPT_TIME, offsetof(struct record_options, duration_ns), "T", 1e6, 1e15, NULL, NULL,
	  "end the recording after T; a command that still runs is ended with SIGTERM" },
	{ "label", 0, SR_OPT_STRING, offsetof(struct record_options, label), "L", 0, 0, NULL, NULL,
	  "a word to find the recording by, kept in the file" },
	{ "buffer-size", 0, SR_OPT_SIZE, offsetof(struct record_options, buffer_bytes), "SIZE", 65536, 64.0 * (1 << 30),
	  NULL, NULL, "kernel buffer for each CPU; without it 8M, or less where memory is short" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct record_options, quiet), NULL, 0, 0, NULL, NULL,
	  "no summary at the end" },
	{ 0 }
};

static const char *const examples[] = { "sudo schedrec record -o build.srz -- make -j4",
					"record a build: make and everything it starts",
					"sudo schedrec record -a --duration 10s -o all.srz",
					"record the whole system for ten seconds",
					"sudo schedrec record -p 1234",
					"record a running process until it ends, or until Ctrl-C",
					NULL };

enum end { END_NONE, END_EXIT, END_DURATION, END_SIGNAL, END_CHILD_SIGNAL };

struct job {
	const struct record_options *o;
	char **argv; /* the command, NULL: none */
	const char *what;
	struct rec_session *session;
	struct rec_child child;
	struct srz_writer *w;
	char path[4096];
	int signal_fd, pid_fd;
	uint64_t tracepoint_ns, start_ns, start_real_ns, end_ns, cpu_ns;
	uint64_t flushed_ns, flushed_events;
	enum end end;
	int interrupts, ended_by; /* ended_by: the signal that ended a recording without a command */
	int wait_status;
	bool reaped, sink_failed;
	struct sr_error failure; /* sink_failed: why */
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t sink_name(void *arg, const char *name, struct sr_error *err)
{
	struct job *j = arg;

	return srz_put_name(j->w, name, err);
}

static int sink_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	struct job *j = arg;

	return srz_put_events(j->w, SRZ_STREAM_KERNEL, ev, n, err);
}

/* ---- what is known before and after ---- */

/* The first line of a small file, or of the line in it that begins with key; false: not there. */
static bool read_line(const char *path, const char *key, char *buf, int size)
{
	FILE *f = fopen(path, "re");
	bool found = false;

	while (f && !found && fgets(buf, size, f)) {
		char *colon = key ? strchr(buf, ':') : NULL;

		if (key && (strncmp(buf, key, strlen(key)) || !colon))
			continue;
		if (colon)
			memmove(buf, colon + 1 + strspn(colon + 1, " \t"),
				strlen(colon + 1 + strspn(colon + 1, " \t")) + 1);
		buf[strcspn(buf, "\n")] = '\0';
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static char *join(char **argv)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; f && argv[i]; i++)
		fprintf(f, "%s%s", i ? " " : "", argv[i]);
	return f && !fclose(f) ? text : NULL;
}

static int put_machine(struct job *j, struct sr_error *err)
{
	struct sr_error why;
	struct sr_machine *m = sr_machine_load("this", &why);
	int rc = 0;

	if (!m)
		cmd_warn("the machine is not described in the file: %s", why.text);
	else if (m->xml)
		rc = srz_put_section(j->w, SRZ_SEC_MACHINE, m->xml, strlen(m->xml), err);
	sr_machine_free(m);
	return rc;
}

static int put_first_meta(struct job *j, struct sr_error *err)
{
	const struct record_options *o = j->o;
	char online[4096] = "", model[256] = "";
	struct utsname uts;
	char *command = j->argv ? join(j->argv) : NULL;
	const struct {
		const char *key, *value;
	} text[] = {
		{ "schedrec.version", SCHEDREC_VERSION },
		{ "clock", "mono" },
		{ "source", "kernel" },
		{ "engine", "recorded" },
		{ "scope", o->all ? "system" :
			   o->pid ? "pid" :
				    "tree" },
		{ "label", o->label },
		{ "command", command },
		{ "kernel.release", uts.release },
		{ "kernel.version", uts.version },
		{ "kernel.machine", uts.machine },
		{ "cpus.online",
		  read_line("/sys/devices/system/cpu/online", NULL, online, sizeof(online)) ? online : NULL },
		{ "host.cpu_model", read_line("/proc/cpuinfo", "model name", model, sizeof(model)) ? model : NULL },
	};
	int rc = 0;

	if (uname(&uts))
		rc = sr_fail_errno(err, SR_BUG, "uname");
	for (size_t i = 0; !rc && i < sizeof(text) / sizeof(*text); i++)
		if (text[i].value)
			rc = srz_put_meta(j->w, text[i].key, text[i].value, err);
	free(command);
	return rc;
}

static int put_start(struct job *j, const struct sr_task_starts *starts, struct sr_error *err)
{
	return put_first_meta(j, err) || srz_put_tasks(j->w, starts, err) ||
			       srz_put_meta_u64(j->w, "start.mono_ns", j->start_ns, err) ||
			       srz_put_meta_u64(j->w, "start.realtime_ns", j->start_real_ns, err) ||
			       srz_put_meta_u64(j->w, "record.tracepoint_ns", j->tracepoint_ns, err) ||
			       srz_put_meta_u64(j->w, "record.buffer_kb", rec_buffer_bytes(j->session) >> 10, err) ||
			       srz_flush(j->w, err) ?
		       -1 :
		       0;
}

/* As a shell gives it. */
static int shell_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static int put_end(struct job *j, struct sr_error *err)
{
	static const char *const ends[] = { "", "exit", "duration", "signal", "child-signal" };
	const struct rec_stats *st = rec_get_stats(j->session);

	if ((j->reaped && srz_put_meta_u64(j->w, "command.status", (uint64_t)shell_status(j->wait_status), err)) ||
	    (st->late && srz_put_meta_u64(j->w, "record.late", st->late, err)))
		return -1;
	return srz_put_meta(j->w, "record.end", j->sink_failed ? "disk-full" : ends[j->end], err) ||
			       srz_put_meta_u64(j->w, "duration_ns", j->end_ns - j->start_ns, err) ||
			       srz_put_meta_u64(j->w, "record.cpu_ns", j->cpu_ns, err) ?
		       -1 :
		       0;
}

static void choose_path(struct job *j)
{
	const char *base = j->what;
	char name[128], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	size_t n = 0;

	if (j->o->output) {
		snprintf(j->path, sizeof(j->path), "%s", j->o->output);
		return;
	}
	if (strrchr(base, '/'))
		base = strrchr(base, '/') + 1;
	for (; *base && n < sizeof(name) - 1; base++)
		name[n++] = isalnum((unsigned char)*base) || strchr("._-", *base) ? *base : '_';
	name[n] = '\0';
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(j->path, sizeof(j->path), "%s-%s.srz", name, stamp);
}

/* ---- recording ---- */

/* SIGINT, SIGTERM and SIGHUP are read from a descriptor, for it tells who sent them. Called when the command is forked
 * already, which so has everything as it was. */
static int catch_signals(struct job *j, struct sr_error *err)
{
	struct sigaction old;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (!sigaction(SIGHUP, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A shell without job control ignores SIGINT for what it starts with `&`; `kill -INT` is to end a recording. */
	signal(SIGINT, SIG_DFL);
	/* Ignored, it would take the command's wait status away. */
	signal(SIGCHLD, SIG_DFL);
	j->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return j->signal_fd < 0 ? sr_fail_errno(err, SR_ENVIRONMENT, "signalfd") : 0;
}

static int open_pid(pid_t pid, int *fd, struct sr_error *err)
{
	*fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*fd >= 0)
		return 0;
	if (errno == ESRCH)
		return sr_fail(err, SR_ENVIRONMENT, "no process %d", (int)pid);
	if (errno == EINVAL || errno == ENOENT) /* the latter since Linux 6.15 */
		return sr_fail(err, SR_ENVIRONMENT, "%d is a thread, not a process", (int)pid);
	return sr_fail_errno(err, SR_ENVIRONMENT, "process %d", (int)pid);
}

static void take_signals(struct job *j)
{
	struct signalfd_siginfo si;

	while (read(j->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		int sig = (int)si.ssi_signo;

		/* The terminal sends to the command as well; kill(1) does not. */
		if (j->child.pid && !j->reaped && (sig == SIGTERM || si.ssi_code != SI_KERNEL))
			kill(j->child.pid, sig);
		if (sig != SIGTERM)
			j->interrupts++;
		if (!j->child.pid || j->interrupts > 1) {
			j->end = END_SIGNAL;
			j->ended_by = sig;
		}
	}
}

static void reap(struct job *j)
{
	if (!j->child.pid || j->reaped)
		return;
	while (waitpid(j->child.pid, &j->wait_status, 0) < 0 && errno == EINTR)
		;
	j->reaped = true;
}

/* Waits for whatever comes first; true when what is recorded has ended. */
static bool wait_for(struct job *j, uint64_t until_ns)
{
	struct pollfd fds[] = { { .fd = j->signal_fd, .events = POLLIN }, { .fd = j->pid_fd, .events = POLLIN } };
	uint64_t now = clock_ns(CLOCK_MONOTONIC), left = until_ns > now ? until_ns - now : 0;
	struct timespec t = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };

	if (ppoll(fds, 2, &t, NULL) <= 0)
		return false;
	if (fds[0].revents)
		take_signals(j);
	return fds[1].revents != 0;
}

/* The sink cannot take more: the recording ends here, the command goes on. */
static void give_up(struct job *j, const struct sr_error *why)
{
	struct sr_error ignored;

	j->sink_failed = true;
	j->failure = *why;
	rec_end(j->session, &ignored);
	j->end_ns = clock_ns(CLOCK_MONOTONIC);
}

static void drain(struct job *j)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct sr_error why;

	if (j->sink_failed)
		return;
	if (rec_drain(j->session, &why)) {
		give_up(j, &why);
		return;
	}
	if (now - j->flushed_ns < FLUSH_NS || srz_events_written(j->w) == j->flushed_events)
		return;
	if (srz_flush(j->w, &why))
		give_up(j, &why);
	j->flushed_ns = now;
	j->flushed_events = srz_events_written(j->w);
}

static void record_until_end(struct job *j)
{
	uint64_t deadline = j->o->duration_ns ? j->start_ns + j->o->duration_ns : UINT64_MAX;

	while (!j->end) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		uint64_t next = j->sink_failed ? UINT64_MAX / 2 : now + rec_interval_ns(j->session);

		if (now >= deadline) {
			j->end = END_DURATION;
			break;
		}
		if (wait_for(j, next < deadline ? next : deadline) && !j->end) {
			reap(j);
			j->end = j->interrupts                            ? END_SIGNAL :
				 j->reaped && WIFSIGNALED(j->wait_status) ? END_CHILD_SIGNAL :
									    END_EXIT;
		} else if (clock_ns(CLOCK_MONOTONIC) >= next) {
			drain(j);
		}
		/* Without a command to wait for there is nothing left to do. */
		if (j->sink_failed && !j->child.pid)
			j->end = END_EXIT;
		if (!j->child.pid && !j->end)
			cmd_progress(j->o->quiet, "recording: %llu events",
				     (unsigned long long)srz_events_written(j->w));
	}
	cmd_progress_end();
}

/* A command that the end of the recording finds running. */
static void end_command(struct job *j)
{
	uint64_t limit = clock_ns(CLOCK_MONOTONIC) + KILL_AFTER_NS;

	if (!j->child.pid || j->reaped || j->end != END_DURATION)
		return;
	kill(j->child.pid, SIGTERM);
	kill(j->child.pid, SIGCONT);
	while (!wait_for(j, limit))
		if (clock_ns(CLOCK_MONOTONIC) >= limit) {
			kill(j->child.pid, SIGKILL);
			break;
		}
	reap(j);
}

static void summary(const struct job *j)
{
	const struct rec_stats *st = rec_get_stats(j->session);
	char n[32], lost[32], span[32];
	double span_ns = (double)(j->end_ns - j->start_ns);
	uint64_t events = st->events;
	struct stat file;
	char each[64] = "";

	if (st->lost || st->lost_places)
		cmd_warn("%s%s events were lost in %llu places: a larger --buffer-size keeps more",
			 st->lost ? "" : "an unknown number of ",
			 st->lost ? sr_format_count(lost, sizeof(lost), st->lost) : "",
			 (unsigned long long)st->lost_places);
	if (j->o->quiet)
		return;
	if (events && !stat(j->path, &file))
		snprintf(each, sizeof(each), ", %.1f bytes an event", (double)file.st_size / (double)events);
	fprintf(stderr, "recorded %s events in %s (%s lost)%s, to %s; recorder's own CPU %.1f%%\n",
		sr_format_count(n, sizeof(n), events), sr_format_time(span, sizeof(span), span_ns),
		sr_format_count(lost, sizeof(lost), st->lost), each, j->path,
		span_ns > 0 ? 100 * (double)j->cpu_ns / span_ns : 0);
	if (j->reaped && WIFSIGNALED(j->wait_status))
		fprintf(stderr, "the command was ended by signal %d (%s)\n", WTERMSIG(j->wait_status),
			strsignal(WTERMSIG(j->wait_status)));
	else if (j->reaped && WEXITSTATUS(j->wait_status))
		fprintf(stderr, "the command ended with status %d\n", WEXITSTATUS(j->wait_status));
}

static int final_status(const struct job *j)
{
	if (j->interrupts)
		return SR_INTERRUPTED;
	if (j->end == END_DURATION)
		return SR_OK;
	if (j->end == END_SIGNAL)
		return 128 + j->ended_by;
	return j->reaped ? shell_status(j->wait_status) : SR_OK;
}

static int begin(struct job *j, struct sr_error *err)
{
	struct rec_sink sink = { .arg = j, .name = sink_name, .events = sink_events };
	pid_t root = j->argv ? j->child.global_tid : (pid_t)j->o->pid;
	struct sr_task_starts starts = { 0 };
	int status, rc;

	rc = rec_begin(j->session, &root, root ? 1 : 0, &sink, &starts, err);
	j->start_real_ns = clock_ns(CLOCK_REALTIME);
	j->start_ns = j->flushed_ns = clock_ns(CLOCK_MONOTONIC);
	if (!rc)
		rc = put_start(j, &starts, err);
	sr_task_starts_release(&starts);
	if (!rc && j->argv && rec_child_go(&j->child, j->argv[0], &status, err)) {
		err->status = (enum sr_status)status;
		rc = -1;
	}
	return rc;
}

/* The recording itself: from the held command to the complete file. */
static int record(struct job *j, struct sr_error *err)
{
	uint64_t cpu_start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct sr_error why;
	bool closed;

	if (begin(j, err))
		return -1;
	record_until_end(j);
	if (!j->sink_failed) {
		j->end_ns = clock_ns(CLOCK_MONOTONIC);
		if (rec_end(j->session, &why))
			give_up(j, &why);
	}
	j->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
	end_command(j);
	if (put_end(j, &why) && !j->sink_failed)
		give_up(j, &why);
	/* Also after a failure: where there is room for its end, the file is completed with what it has. */
	closed = !srz_close(j->w, &why);
	j->w = NULL;
	if (!closed && !j->sink_failed)
		give_up(j, &why);
	if (!j->sink_failed)
		return 0;
	return sr_fail(err, j->failure.status, "%s; %s%s has what was written before", j->failure.text, j->path,
		       closed ? "" : ".part");
}

static int prepare(struct job *j, struct sr_error *err)
{
	const struct record_options *o = j->o;
	struct rec_config cfg = {
		.scope = o->all ? REC_SYSTEM :
			 o->pid ? REC_PID :
				  REC_TREE,
		.buffer_bytes = o->buffer_bytes,
	};

	if (o->pid && open_pid((pid_t)o->pid, &j->pid_fd, err))
		return -1;
	j->session = rec_open(&cfg, err);
	if (!j->session || rec_drop_privileges(err) || rec_calibrate(j->session, &j->tracepoint_ns, err))
		return -1;
	if (j->argv && rec_child_launch(&j->child, j->session, j->argv, err))
		return -1;
	rec_raise_priority(j->session); /* the command is forked already */
	if (catch_signals(j, err) || (j->argv && open_pid(j->child.pid, &j->pid_fd, err)))
		return -1;
	j->w = srz_create(j->path, 0, err);
	return j->w ? put_machine(j, err) : -1;
}

static int run(const void *opts, int nargs, char **args, struct sr_error *err)
{
	const struct record_options *o = opts;
	struct job j = { .o = o, .signal_fd = -1, .pid_fd = -1, .child = { .go_fd = -1, .fail_fd = -1 } };
	struct sr_error second;
	char what[32];
	int rc;

	if (o->output && strlen(o->output) >= sizeof(j.path))
		return sr_fail(err, SR_USAGE, "the name of the file is too long");
	if (o->all && o->pid)
		return sr_fail(err, SR_USAGE, "--all and --pid exclude each other");
	if (o->pid && nargs)
		return sr_fail(err, SR_USAGE, "--pid records a running process: no command goes with it");
	if (!o->all && !o->pid && !nargs)
		return sr_fail(err, SR_USAGE, "what is to be recorded? A command, --pid PID or --all");
	if (nargs) { /* args does not end in NULL */
		j.argv = calloc((size_t)nargs + 1, sizeof(*j.argv));
		if (!j.argv)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		memcpy(j.argv, args, (size_t)nargs * sizeof(*args));
	}
	snprintf(what, sizeof(what), "pid%d", (int)o->pid);
	j.what = nargs ? args[0] : o->pid ? what : "system";
	choose_path(&j);
	rc = prepare(&j, err) || record(&j, err) ? -1 : 0;
	srz_abort(j.w);
	if (j.child.go_fd >= 0) /* never let go */
		rec_child_abandon(&j.child);
	if (!rc)
		summary(&j);
	if (rec_close(j.session, rc ? &second : err))
		rc = -1;
	free(j.argv);
	if (j.pid_fd >= 0)
		close(j.pid_fd);
	if (j.signal_fd >= 0)
		close(j.signal_fd);
	return rc ? rc : final_status(&j);
}

const struct cmd cmd_record = {
	.name = "record",
	.summary = "record what tasks do on the CPUs while a command runs",
	.operands = "[--] [CMD [ARG...]]",
	.description =
		"Records every switch, wake-up, migration, fork, exec and exit of CMD and all its descendants "
		"(default), of one "
		"process (--pid) or of the whole system (--all), and writes them to a .srz file. In the first two "
		"scopes wake-ups "
		"by other tasks are in the recording too; what else other tasks did is not.\n\n"
		"Needs root to open the kernel's tracing, and gives it up before CMD starts: under sudo, CMD and the "
		"file belong "
		"to the invoking user. schedrec uses a tracing instance of its own and removes it, however it ends.\n\n"
		"The recording ends when CMD does (descendants that stay behind are not waited for), when the process "
		"ends, after "
		"--duration, or by Ctrl-C, which CMD gets too; a second Ctrl-C does not wait for CMD. A CMD that "
		"--duration finds "
		"running is sent SIGTERM, and SIGKILL five seconds later. SIGTERM is passed to CMD.\n\n"
		"The exit status is CMD's own (128+n when signal n ended it); 0 when --duration ended the recording; "
		"130 after "
		"Ctrl-C, with a complete file; 127 or 126 when CMD cannot be run; 3 when the recording itself failed. "
		"When the "
		"disk is full, CMD goes on, and FILE or FILE.part has what was written before.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct record_options),
	.flags = CMD_STOP_AT_OPERAND,
	.run = run,
};
