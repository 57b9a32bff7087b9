/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec record */
#include "record/cmd_record.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "record/hotplug.h"

#define KILL_AFTER_NS 5000000000u /* a command that --duration ended has this long to obey SIGTERM */

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
	  NULL, NULL, "kernel buffer for each CPU; without it 16M, or less where memory is short" },
	{ "max-size", 0, SR_OPT_SIZE, offsetof(struct record_options, max_bytes), "SIZE", REC_OUTPUT_LEAST_BYTES,
	  64.0 * (1ull << 40), NULL, NULL,
	  "end the recording before FILE is larger than SIZE; CMD goes on. With --slice: remove the oldest slices so "
	  "that "
	  "all together stay below it. With --ring: SIZE of memory (32M or more; without it 64M)" },
	{ "slice", 0, SR_OPT_TIME, offsetof(struct record_options, slice_ns), "T", 1e8, 1e15, NULL, NULL,
	  "write numbered files of T each, FILE-0001.srz and so on, complete and usable alone" },
	{ "ring", 0, SR_OPT_TIME, offsetof(struct record_options, ring_ns), "T", 1e8, 1e15, NULL, NULL,
	  "keep only the last T, in memory; written to FILE at the end, and to FILE-0001.srz and so on at each "
	  "SIGUSR2 (kill -USR2 PID)" },
	{ "cpu-idle", 0, SR_OPT_FLAG, offsetof(struct record_options, cpu_idle), NULL, 0, 0, NULL, NULL,
	  "with --all: record also when CPUs enter and leave idle states; doubles the events of some loads" },
	{ "time-resolution", 0, SR_OPT_TIME, offsetof(struct record_options, time_unit_ns), "T", 1, SRZ_MAX_TIME_UNIT,
	  NULL, "1ns", "keep times as multiples of T: a smaller file" },
	{ "quiet", 'q', SR_OPT_FLAG, offsetof(struct record_options, quiet), NULL, 0, 0, NULL, NULL,
	  "no summary at the end" },
	{ 0 }
};

static const char *const examples[] = {
	"sudo schedrec record -o build.srz -- make -j4",
	"record a build: make and everything it starts",
	"sudo schedrec record -a --duration 10s -o all.srz",
	"record the whole system for ten seconds",
	"sudo schedrec record -p 1234",
	"record a running process until it ends, or until Ctrl-C",
	"sudo schedrec record -a --slice 10m --max-size 2G -o host.srz",
	"record until Ctrl-C, keep the last 2 GB of it in files of ten minutes",
	"sudo schedrec record -a --ring 30s -o flight.srz",
	"keep the last 30 seconds; kill -USR2 PID writes them out, with the PID it shows",
	NULL
};

uint64_t record_clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
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
	sigaddset(&set, SIGUSR2);
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

		if (sig == SIGUSR2) {
			if (j->o->ring_ns)
				j->dumps_asked++;
			else
				cmd_warn("SIGUSR2 is for --ring: the recording goes on, nothing is written before its "
					 "end");
			continue;
		}
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
	uint64_t now = record_clock_ns(CLOCK_MONOTONIC), left = until_ns > now ? until_ns - now : 0;
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
	j->drain_cpu_ns = rec_get_stats(j->session)->cpu_ns;
	rec_end(j->session, &ignored);
	j->end_ns = record_clock_ns(CLOCK_MONOTONIC);
	if (rec_output_get_stats(j->out)->full)
		cmd_warn("the recording has reached --max-size and ends here%s",
			 j->child.pid && !j->reaped ? "; the command goes on" : "");
}

static void tell_failed_dumps(struct job *j)
{
	struct sr_error why;

	if (rec_output_dump_result(j->out, &why))
		cmd_warn("the ring could not be written: %s", why.text);
}

/* What became of the ring's dumps. */
static void tell_dumps(struct job *j)
{
	const struct rec_output_stats *out = rec_output_get_stats(j->out);
	char path[sizeof(j->path) + 16], kept[32];

	tell_failed_dumps(j);
	if (out->files == j->files_told)
		return;
	j->files_told = out->files;
	rec_output_path(j->out, out->last_number, path, sizeof(path));
	cmd_progress_end();
	if (!j->o->quiet)
		fprintf(stderr, "wrote the last %s to %s\n", sr_format_time(kept, sizeof(kept), (double)out->kept_ns),
			path);
}

/* A cpu that goes offline keeps what its buffer has; the file and the user are told. */
static void note_cpu_changes(struct job *j)
{
	size_t len = strlen(j->cpu_changes);
	unsigned cpu;
	bool online;

	while (j->hotplug_fd >= 0 && rec_hotplug_next(j->hotplug_fd, &cpu, &online)) {
		cmd_warn("CPU %u %s during the recording", cpu, online ? "came online" : "went offline");
		if (len + 40 < sizeof(j->cpu_changes))
			len += (size_t)snprintf(j->cpu_changes + len, sizeof(j->cpu_changes) - len, "%s%c%u@%llu",
						len ? "," : "", online ? '+' : '-', cpu,
						(unsigned long long)record_clock_ns(CLOCK_MONOTONIC));
	}
}

static void drain(struct job *j)
{
	struct sr_error why;

	note_cpu_changes(j);
	if (j->sink_failed)
		return;
	if (rec_drain(j->session, &why) || rec_output_tick(j->out, rec_handed_ns(j->session), &why)) {
		give_up(j, &why);
		return;
	}
	if (!j->o->ring_ns)
		return;
	for (; j->dumps_asked; j->dumps_asked--)
		rec_output_dump(j->out);
	tell_dumps(j);
}

static void record_until_end(struct job *j)
{
	uint64_t deadline = j->o->duration_ns ? j->start_ns + j->o->duration_ns : UINT64_MAX;

	while (!j->end) {
		uint64_t now = record_clock_ns(CLOCK_MONOTONIC);
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
		} else if (record_clock_ns(CLOCK_MONOTONIC) >= next || j->dumps_asked) {
			drain(j);
		}
		/* Without a command to wait for there is nothing left to do. */
		if (j->sink_failed && !j->child.pid)
			j->end = END_EXIT;
		if (!j->child.pid && !j->end)
			cmd_progress(j->o->quiet, "recording: %llu events",
				     (unsigned long long)rec_output_get_stats(j->out)->events);
	}
	cmd_progress_end();
}

/* A command that the end of the recording finds running. */
static void end_command(struct job *j)
{
	uint64_t limit = record_clock_ns(CLOCK_MONOTONIC) + KILL_AFTER_NS;

	if (!j->child.pid || j->reaped || j->end != END_DURATION)
		return;
	kill(j->child.pid, SIGTERM);
	kill(j->child.pid, SIGCONT);
	while (!wait_for(j, limit))
		if (record_clock_ns(CLOCK_MONOTONIC) >= limit) {
			kill(j->child.pid, SIGKILL);
			break;
		}
	reap(j);
}

/* "FILE", or which slices. */
static void describe_files(const struct job *j, char *buf, size_t size)
{
	const struct rec_output_stats *out = rec_output_get_stats(j->out);
	char first[sizeof(j->path) + 16], last[sizeof(j->path) + 16], kept[32];

	if (j->o->ring_ns) {
		snprintf(buf, size, "the last %s of them kept in %s%s",
			 sr_format_time(kept, sizeof(kept), (double)out->kept_ns), j->path,
			 out->squeezed ? " (more had no room: see --max-size)" : "");
		return;
	}
	rec_output_path(j->out, (unsigned)out->removed + 1, first, sizeof(first));
	rec_output_path(j->out, out->last_number, last, sizeof(last));
	if (!j->o->slice_ns)
		snprintf(buf, size, "to %s", j->path);
	else if (out->removed)
		snprintf(buf, size, "to %s up to %s (%llu older ones removed)", first, last,
			 (unsigned long long)out->removed);
	else
		snprintf(buf, size, "to %s up to %s", first, last);
}

static void summary(const struct job *j)
{
	const struct rec_stats *st = rec_get_stats(j->session);
	const struct rec_output_stats *out = rec_output_get_stats(j->out);
	char n[32], lost[32], span[32], files[3 * sizeof(j->path)];
	double span_ns = (double)(j->end_ns - j->start_ns);
	char each[64] = "";

	if (st->lost || st->lost_places)
		cmd_warn("%s%s events were lost in %llu places: a larger --buffer-size keeps more",
			 st->lost ? "" : "an unknown number of ",
			 st->lost ? sr_format_count(lost, sizeof(lost), st->lost) : "",
			 (unsigned long long)st->lost_places);
	if (j->o->quiet)
		return;
	if (out->events && !out->removed && !j->o->ring_ns)
		snprintf(each, sizeof(each), ", %.1f bytes an event", (double)out->bytes / (double)out->events);
	describe_files(j, files, sizeof(files));
	fprintf(stderr, "recorded %s events in %s (%s lost)%s, %s; recorder's own CPU %.1f%%\n",
		sr_format_count(n, sizeof(n), out->events), sr_format_time(span, sizeof(span), span_ns),
		sr_format_count(lost, sizeof(lost), st->lost), each, files,
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
	return j->reaped ? record_shell_status(j->wait_status) : SR_OK;
}

static uint32_t sink_name(void *arg, const char *name, struct sr_error *err)
{
	const struct job *j = arg;

	return rec_output_name(j->out, name, err);
}

static int sink_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	struct job *j = arg;

	if (j->attrs)
		rec_attrs_events(j->attrs, ev, n);
	return rec_output_events(j->out, ev, n, err);
}

static int begin(struct job *j, struct sr_error *err)
{
	struct rec_sink sink = { .arg = j, .name = sink_name, .events = sink_events };
	pid_t root = j->argv ? j->child.global_tid : (pid_t)j->o->pid;
	struct sr_task_starts starts = { 0 };
	int status, rc;

	rc = rec_begin(j->session, &root, root ? 1 : 0, &sink, &starts, err);
	j->start_real_ns = record_clock_ns(CLOCK_REALTIME);
	j->start_ns = record_clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < starts.n; i++)
		if (starts.v[i].tgid == getpid()) /* the thread that closes files too */
			starts.v[i].flags |= SR_TASK_RECORDER;
	if (!rc && !rec_foreign_ns(j->session)) {
		j->attrs = rec_attrs_new(j->o->time_unit_ns, err);
		rc = j->attrs ? 0 : -1;
	}
	if (!rc && j->attrs)
		rec_attrs_start(j->attrs, &starts);
	if (!rc)
		rc = rec_output_begin(j->out, &starts, j->start_ns, err);
	sr_task_starts_release(&starts);
	if (!rc && j->o->ring_ns && !j->o->quiet)
		fprintf(stderr, "recording; write what the ring has with: kill -USR2 %d\n", (int)getpid());
	if (!rc && j->argv && rec_child_go(&j->child, j->argv[0], &status, err)) {
		err->status = (enum sr_status)status;
		rc = -1;
	}
	return rc;
}

/* Those asked for before the end, each told. */
static void finish_dumps(struct job *j)
{
	static const struct timespec pause = { 0, 1000000 };
	struct sr_error ignored;

	for (; j->dumps_asked; j->dumps_asked--)
		rec_output_dump(j->out);
	while (rec_output_busy(j->out) && !j->sink_failed) {
		rec_output_tick(j->out, j->end_ns, &ignored);
		nanosleep(&pause, NULL);
	}
	if (j->o->ring_ns)
		tell_dumps(j);
}

/* The recording itself: from the held command to the complete file. */
static int record(struct job *j, struct sr_error *err)
{
	struct sr_error why;
	bool closed;

	j->cpu_start_ns = j->cpu_part_ns = record_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (begin(j, err))
		return -1;
	record_until_end(j);
	if (!j->sink_failed) {
		j->end_ns = record_clock_ns(CLOCK_MONOTONIC);
		note_cpu_changes(j);
		j->drain_cpu_ns = rec_get_stats(j->session)->cpu_ns;
		if (rec_end(j->session, &why) || rec_output_settle(j->out, &why))
			give_up(j, &why);
	}
	j->cpu_ns = record_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - j->cpu_start_ns;
	if (rec_release(j->session, &why) && !j->sink_failed)
		give_up(j, &why);
	end_command(j);
	finish_dumps(j);
	/* Also after a failure: where there is room for its end, the file is completed with what it has. */
	closed = !rec_output_end(j->out, j->end_ns, &why);
	if (j->o->ring_ns && !j->sink_failed)
		tell_failed_dumps(j);
	if (!closed && (!j->sink_failed || rec_output_get_stats(j->out)->full)) {
		j->sink_failed = true;
		j->failure = why;
	}
	if (!j->sink_failed || (closed && rec_output_get_stats(j->out)->full))
		return 0;
	return sr_fail(err, j->failure.status, "%s; %s%s has what was written before", j->failure.text, j->path,
		       closed ? "" : ".part");
}

static int open_output(struct job *j, struct sr_error *err)
{
	const struct record_options *o = j->o;
	struct rec_output_config cfg = {
		.path = j->path,
		.slice_ns = o->slice_ns,
		.ring_ns = o->ring_ns,
		.max_bytes = o->max_bytes,
		.arg = j,
		.head = record_meta_head,
		.tail = record_meta_tail,
	};
	char path[sizeof(j->path) + 16];

	j->out = rec_output_new(&cfg, err);
	if (!j->out)
		return -1;
	rec_output_path(j->out, 1, path, sizeof(path));
	if ((o->slice_ns || o->ring_ns) && !access(path, F_OK))
		cmd_warn("%s is there from before: files of the same numbers are replaced", path);
	return 0;
}

static int prepare(struct job *j, struct sr_error *err)
{
	const struct record_options *o = j->o;
	struct rec_config cfg = {
		.scope = o->all ? REC_SYSTEM :
			 o->pid ? REC_PID :
				  REC_TREE,
		.buffer_bytes = o->buffer_bytes,
		.cpu_frequency = o->all, /* a filter by task would drop those made by others, which are most */
		.cpu_idle = o->cpu_idle,
	};
	cpu_set_t cpus;

	if (o->pid && open_pid((pid_t)o->pid, &j->pid_fd, err))
		return -1;
	j->hotplug_fd = rec_hotplug_open();
	j->session = rec_open(&cfg, err);
	if (!j->session || record_meta_load(j, err) || rec_drop_privileges(err))
		return -1;
	record_meta_load_machine(j);
	if (rec_calibrate(j->session, &j->tracepoint_ns, err))
		return -1;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		sr_wake_cost_measure(&j->wake_cost, &cpus, "schedrec-cost");
	if (j->argv && rec_child_launch(&j->child, j->session, j->argv, err))
		return -1;
	rec_raise_priority(j->session); /* the command is forked already */
	if (catch_signals(j, err) || (j->argv && open_pid(j->child.pid, &j->pid_fd, err)))
		return -1;
	return open_output(j, err);
}

static int check_options(const struct record_options *o, int nargs, struct sr_error *err)
{
	if (o->output && strlen(o->output) + 16 >= sizeof(((struct job *)0)->path))
		return sr_fail(err, SR_USAGE, "the name of the file is too long");
	if (o->all && o->pid)
		return sr_fail(err, SR_USAGE, "--all and --pid exclude each other");
	if (o->pid && nargs)
		return sr_fail(err, SR_USAGE, "--pid records a running process: no command goes with it");
	if (!o->all && !o->pid && !nargs)
		return sr_fail(err, SR_USAGE, "what is to be recorded? A command, --pid PID or --all");
	if (o->slice_ns && o->ring_ns)
		return sr_fail(err, SR_USAGE, "--slice and --ring exclude each other");
	if (o->ring_ns && o->max_bytes && o->max_bytes < REC_RING_LEAST_BYTES)
		return sr_fail(err, SR_USAGE, "--max-size with --ring is memory: it takes 32M at least");
	if (o->cpu_idle && !o->all)
		return sr_fail(err, SR_USAGE, "--cpu-idle is for --all: what CPUs do is no single task's");
	return 0;
}

static int run(const void *opts, int nargs, char **args, struct sr_error *err)
{
	const struct record_options *o = opts;
	struct job j = {
		.o = o, .signal_fd = -1, .pid_fd = -1, .hotplug_fd = -1, .child = { .go_fd = -1, .fail_fd = -1 }
	};
	struct sr_error second;
	char what[32];
	int rc;

	if (check_options(o, nargs, err))
		return -1;
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
	if (j.child.go_fd >= 0) /* never let go */
		rec_child_abandon(&j.child);
	if (!rc)
		summary(&j);
	rec_output_free(j.out);
	record_meta_release(&j);
	if (rec_close(j.session, rc ? &second : err))
		rc = -1;
	free(j.argv);
	if (j.pid_fd >= 0)
		close(j.pid_fd);
	if (j.signal_fd >= 0)
		close(j.signal_fd);
	if (j.hotplug_fd >= 0)
		close(j.hotplug_fd);
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
		"disk is full, CMD goes on, and FILE or FILE.part has what was written before; at --max-size the "
		"recording "
		"ends with a complete file, CMD goes on, and its status counts.\n\n"
		"Long recordings: --slice cuts them into files of their own, each with the state of all tasks at its "
		"beginning; none has lost or doubled an event at its edges, and together with --max-size the disk "
		"space "
		"is bounded. --ring is a flight recorder: the last T stay in memory, packed to a few bytes an event, "
		"and "
		"`kill -USR2 PID` (it shows its PID at the start) writes them to the next numbered file while the "
		"recording "
		"goes on; when the events of T are more than the memory holds, less is kept, and what is kept is "
		"said.\n\n"
		"With --all, changes of the CPUs' frequencies are recorded where the kernel has such events; in the "
		"other "
		"scopes only the frequencies at the start are known. Idle states are recorded with --cpu-idle.\n\n"
		"What it costs: each event takes the task that makes it some hundred ns, measured at the start and "
		"kept in "
		"the file; reading and encoding about 100 ns more, in the idle scheduling class as long as no buffer "
		"is half "
		"full, so where there is idle time it costs the load nothing. `schedrec info` shows both, and what "
		"was lost.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct record_options),
	.flags = CMD_STOP_AT_OPERAND,
	.run = run,
};
