/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tracefs instance: made, set up, begun, ended and given back. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

#include "record/internal.h"

#define DEFAULT_BUFFER_BYTES (16ull << 20) /* 300,000 events/s of 56 bytes on one cpu fill it in 1 s */
#define LEAST_BUFFER_BYTES (256ull << 10)
#define SUBBUF_BYTES (64ull << 10)
#define LEAST_SUBBUFS 32           /* in a ring: what a loss costs at least is one */
#define MEMORY_SHARE 16            /* all buffers together take at most this part of the free memory by themselves */
#define INITIAL_PID_NS 0xEFFFFFFCu /* the inode number of the initial pid namespace, on every kernel */

uint64_t rec_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int rec_write_text(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int may_write_instances(const char *tracing, struct sr_error *err)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/instances", tracing);
	if (!faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS))
		return 0;
	if (errno == ENOENT)
		return sr_fail(err, SR_ENVIRONMENT, "this kernel has no tracefs instances (%s)", path);
	return sr_fail(err, SR_ENVIRONMENT, "recording needs root to open the kernel's tracing (%s): try sudo",
		       tracing);
}

int rec_available(struct sr_error *err)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[64];

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/events/sched", places[i]);
		if (!faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS))
			return may_write_instances(places[i], err);
	}
	/* A plain user cannot look into the tracing directory, so that it seems not to be there. */
	if (geteuid() != 0)
		return sr_fail(err, SR_ENVIRONMENT, "recording needs root to open the kernel's tracing: try sudo");
	if (!access(places[0], F_OK))
		return 0; /* rec_open mounts it */
	return sr_fail(err, SR_ENVIRONMENT, "this kernel has no tracefs (%s), so nothing can be recorded", places[0]);
}

/* ---- opening ---- */

static char *slurp(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t cap = 8192;
	char *text = fd < 0 ? NULL : malloc(cap);
	ssize_t n;

	*len = 0;
	while (text && (n = read(fd, text + *len, cap - *len)) != 0) {
		char *grown;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(text);
			text = NULL;
			break;
		}
		*len += (size_t)n;
		if (*len < cap)
			continue;
		grown = cap < (1u << 20) ? realloc(text, cap *= 2) : NULL;
		if (!grown)
			free(text);
		text = grown;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static int open_in(const struct rec_session *s, int flags, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	return open(path, flags | O_CLOEXEC);
}

static int set_file(const struct rec_session *s, const char *name, const char *text)
{
	int fd = open_in(s, O_WRONLY, name), rc;

	if (fd < 0)
		return -1;
	rc = rec_write_text(fd, text);
	close(fd);
	return rc;
}

static int must_set(const struct rec_session *s, const char *name, const char *text, struct sr_error *err)
{
	if (set_file(s, name, text))
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: cannot write %s to %s", text, name);
	return 0;
}

/* The janitor is there before the instance: whoever kills us while the kernel makes it leaves nothing behind. 1: made, 0: that
 * name is taken, -1. */
static int make_one(struct rec_session *s, const char *sub, const char *name, struct sr_error *err)
{
	struct tracefs_instance *instance;
	bool is_new;

	free(s->dir);
	if (asprintf(&s->dir, "%s/%s", sub, name) < 0) {
		s->dir = NULL;
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	if (!access(s->dir, F_OK))
		return 0;
	if (rec_janitor_start(&s->janitor, s->dir, err))
		return -1;
	instance = tracefs_instance_create(name);
	if (!instance)
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: cannot make the instance %s", name);
	is_new = tracefs_instance_is_new(instance);
	tracefs_instance_free(instance);
	if (!is_new) /* another's, of our number in another pid namespace */
		rec_janitor_abandon(&s->janitor);
	return is_new;
}

static int make_instance(struct rec_session *s, struct sr_error *err)
{
	const char *tracing = tracefs_tracing_dir();
	char name[96], sub[512];
	unsigned long long start = rec_proc_start_ticks(getpid());

	if (!tracing)
		return sr_fail(err, SR_ENVIRONMENT, "tracefs can be neither found nor mounted");
	if (may_write_instances(tracing, err))
		return -1;
	snprintf(sub, sizeof(sub), "%s/instances", tracing);
	rec_janitor_sweep(sub);
	for (int i = 0; i < 64; i++) {
		int made;

		snprintf(name, sizeof(name), i ? "schedrec-%d-%llu-%d" : "schedrec-%d-%llu", (int)getpid(), start, i);
		made = make_one(s, sub, name, err);
		if (made)
			return made < 0 ? -1 : 0;
	}
	return sr_fail(err, SR_ENVIRONMENT, "tracefs: too many instances of this process");
}

static uint64_t free_memory(void)
{
	size_t len;
	char *text = slurp("/proc/meminfo", &len), *at;
	uint64_t kb = 0;

	if (text && len) {
		text[len - 1] = '\0';
		at = strstr(text, "MemAvailable:");
		kb = at ? strtoull(at + 13, NULL, 10) : 0;
	}
	free(text);
	return kb << 10;
}

/* Larger sub-buffers where the kernel has them (6.8): a read of 4 KiB takes 27 ns an event, one of 64 KiB 6 ns. */
static void set_subbuf(const struct rec_session *s, uint64_t buffer_bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char text[32];

	for (uint64_t bytes = SUBBUF_BYTES; bytes > page; bytes /= 2) {
		if (buffer_bytes / bytes < LEAST_SUBBUFS)
			continue;
		snprintf(text, sizeof(text), "%llu", (unsigned long long)(bytes >> 10));
		if (!set_file(s, "buffer_subbuf_size_kb", text))
			break;
	}
}

static int set_buffer(struct rec_session *s, struct sr_error *err)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN); /* the others have no buffer */
	uint64_t want = s->cfg.buffer_bytes, each;
	char text[32];

	each = free_memory() / (online > 0 ? (uint64_t)online : s->ncpus);
	if (want && each && want > each) /* the kernel would find that out by running out of memory */
		return sr_fail(err, SR_ENVIRONMENT, "trace buffers of %llu kB for each CPU: %llu kB are free for each",
			       (unsigned long long)(want >> 10), (unsigned long long)(each >> 10));
	if (!want) {
		each /= MEMORY_SHARE;
		want = each < DEFAULT_BUFFER_BYTES ? each : DEFAULT_BUFFER_BYTES;
		if (want < LEAST_BUFFER_BYTES)
			want = LEAST_BUFFER_BYTES;
	}
	set_subbuf(s, want);
	for (;;) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)((want + 1023) >> 10));
		if (!set_file(s, "buffer_size_kb", text))
			break;
		if (s->cfg.buffer_bytes || want / 2 < LEAST_BUFFER_BYTES)
			return sr_fail_errno(err, SR_ENVIRONMENT, "trace buffers of %s kB for each CPU", text);
		want /= 2;
	}
	s->buffer_bytes = want;
	return 0;
}

static int set_options(struct rec_session *s, struct sr_error *err)
{
	/* The rings overwrite: then each sub-buffer tells how many events were lost before it, and where. record-cmd is
	 * left alone: switched off in an instance, it goes off for everyone's events. */
	if (must_set(s, "tracing_on", "0", err) || must_set(s, "trace_clock", "mono", err) ||
	    must_set(s, "options/overwrite", "1", err) ||
	    must_set(s, "options/event-fork", s->filtered ? "1" : "0", err))
		return -1;
	set_file(s, "options/record-tgid", "0");
	set_file(s, "options/disable_on_free", "0");
	return 0;
}

static int load_formats(struct rec_session *s, struct sr_error *err)
{
	char path[512];
	char *text;
	size_t len;
	int rc;

	s->formats.print_id = -1;
	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++) {
		const struct rec_wanted *w = rec_wanted(kind);

		if (!w || (kind == SR_EV_FREQUENCY && !s->cfg.cpu_frequency) ||
		    (kind == SR_EV_IDLE && !s->cfg.cpu_idle))
			continue;
		snprintf(path, sizeof(path), "%s/events/%s/%s/format", s->dir, w->system, w->name);
		text = slurp(path, &len);
		if (!text && w->optional)
			continue;
		if (!text)
			return sr_fail_errno(err, SR_ENVIRONMENT, "this kernel has no event %s:%s", w->system, w->name);
		rc = rec_formats_add(&s->formats, kind, text, len, err);
		free(text);
		if (rc)
			return -1;
		snprintf(path, sizeof(path), "events/%s/%s/enable", w->system, w->name);
		if (must_set(s, path, "1", err))
			return -1;
		if (kind == SR_EV_SWITCH || kind == SR_EV_WAKING || kind == SR_EV_WAKEUP) {
			s->enable_fd[kind] = open_in(s, O_WRONLY, path);
			if (s->enable_fd[kind] < 0)
				return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: %s", path);
		}
	}
	snprintf(path, sizeof(path), "%s/../../events/header_page", s->dir);
	text = slurp(path, &len);
	if (!text)
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: events/header_page");
	rc = rec_formats_header(&s->formats, text, len, err);
	free(text);
	if (rc || !s->foreign_ns)
		return rc;
	snprintf(path, sizeof(path), "%s/../../events/ftrace/print/format", s->dir);
	text = slurp(path, &len);
	if (!text)
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: events/ftrace/print/format");
	rc = rec_formats_print(&s->formats, text, len, err);
	free(text);
	return rc;
}

static int by_number(const void *a, const void *b)
{
	const struct rec_cpu *x = a, *y = b;

	return x->cpu < y->cpu ? -1 : x->cpu > y->cpu;
}

/* The instance has a directory for every cpu that may ever be online. */
static int list_cpus(struct rec_session *s, struct sr_error *err)
{
	char path[512];
	struct dirent *d;
	size_t cap = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/per_cpu", s->dir);
	dir = opendir(path);
	if (!dir)
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: per_cpu");
	while ((d = readdir(dir))) {
		unsigned cpu;

		if (sscanf(d->d_name, "cpu%u", &cpu) != 1 || cpu >= SR_MAX_CPUS)
			continue;
		if (s->ncpus == cap) {
			struct rec_cpu *v = realloc(s->cpus, (cap = cap ? cap * 2 : 16) * sizeof(*v));

			if (!v) {
				closedir(dir);
				return sr_fail(err, SR_ENVIRONMENT, "out of memory");
			}
			s->cpus = v;
		}
		s->cpus[s->ncpus++] = (struct rec_cpu){ .cpu = cpu, .raw_fd = -1, .stats_fd = -1 };
	}
	closedir(dir);
	if (!s->ncpus)
		return sr_fail(err, SR_ENVIRONMENT, "tracefs shows no CPU");
	qsort(s->cpus, s->ncpus, sizeof(*s->cpus), by_number);
	return 0;
}

static int open_files(struct rec_session *s, struct sr_error *err)
{
	char name[64];

	for (size_t i = 0; i < s->ncpus; i++) {
		struct rec_cpu *c = &s->cpus[i];

		snprintf(name, sizeof(name), "per_cpu/cpu%u/trace_pipe_raw", c->cpu);
		c->raw_fd = open_in(s, O_RDONLY | O_NONBLOCK, name);
		if (c->raw_fd < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: %s", name);
		snprintf(name, sizeof(name), "per_cpu/cpu%u/stats", c->cpu);
		c->stats_fd = open_in(s, O_RDONLY, name);
		if (c->stats_fd < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: %s", name);
	}
	s->filter_fd = open_in(s, O_WRONLY, "set_event_pid");
	s->marker_fd = open_in(s, O_WRONLY, "trace_marker");
	if (s->filter_fd < 0 || (s->foreign_ns && s->marker_fd < 0))
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: set_event_pid or trace_marker");
	return 0;
}

/* Two descriptors a cpu pass the usual soft limit of 1,024 on large machines; the command gets it back. */
static void raise_file_limit(struct rec_session *s)
{
	struct rlimit all;

	if (getrlimit(RLIMIT_NOFILE, &s->files))
		return;
	s->files_known = true;
	all = s->files;
	all.rlim_cur = all.rlim_max < 65536 || all.rlim_cur > 65536 ? all.rlim_max : 65536;
	setrlimit(RLIMIT_NOFILE, &all);
}

void rec_restore_limits(const struct rec_session *s)
{
	if (s->files_known)
		setrlimit(RLIMIT_NOFILE, &s->files);
}

static size_t subbuf_bytes(const struct rec_session *s)
{
	char path[512];
	size_t len, bytes = (size_t)sysconf(_SC_PAGESIZE);
	char *text;

	snprintf(path, sizeof(path), "%s/buffer_subbuf_size_kb", s->dir);
	text = slurp(path, &len);
	if (text && len) {
		text[len - 1] = '\0';
		if (strtoul(text, NULL, 10))
			bytes = strtoul(text, NULL, 10) << 10;
	}
	free(text);
	return bytes;
}

static struct rec_session *new_session(const struct rec_config *cfg)
{
	struct rec_session *s = calloc(1, sizeof(*s));
	pthread_condattr_t clock;

	if (!s)
		return NULL;
	s->cfg = *cfg;
	s->filtered = cfg->scope != REC_SYSTEM;
	s->on_fd = s->filter_fd = s->marker_fd = -1;
	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++)
		s->enable_fd[kind] = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &clock);
	pthread_mutex_init(&s->watch_lock, NULL);
	pthread_cond_init(&s->watch_wake, &clock);
	pthread_condattr_destroy(&clock);
	return s;
}

struct rec_session *rec_open(const struct rec_config *cfg, struct sr_error *err)
{
	struct rec_session *s;
	struct sr_error ignored;
	struct stat ns;

	if (rec_available(err))
		return NULL;
	s = new_session(cfg);
	if (!s) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	s->foreign_ns = !stat("/proc/self/ns/pid", &ns) && ns.st_ino != INITIAL_PID_NS;
	raise_file_limit(s);
	if (make_instance(s, err))
		goto fail;
	/* Open early: it keeps recorders of other pid namespaces, where ours is not to be seen, from sweeping it away. */
	s->on_fd = open_in(s, O_WRONLY, "tracing_on");
	if (s->on_fd < 0) {
		sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: tracing_on");
		goto fail;
	}
	if (list_cpus(s, err) || set_options(s, err) || set_buffer(s, err) || load_formats(s, err) ||
	    open_files(s, err) || rec_merge_init(&s->merge, s->cpus[s->ncpus - 1].cpu + 1, err))
		goto fail;
	s->page_size = subbuf_bytes(s);
	s->page = malloc(s->page_size);
	if (s->page)
		return s;
	sr_fail(err, SR_ENVIRONMENT, "out of memory");
fail:
	rec_close(s, &ignored);
	return NULL;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int rec_release(struct rec_session *s, struct sr_error *err)
{
	int rc = rec_thread_finish(s, err);

	rec_watch_stop(s);
	for (size_t i = 0; i < s->ncpus; i++) {
		close_fd(&s->cpus[i].raw_fd);
		close_fd(&s->cpus[i].stats_fd);
	}
	close_fd(&s->on_fd);
	close_fd(&s->filter_fd);
	close_fd(&s->marker_fd);
	for (unsigned kind = 0; kind < SR_EV_KINDS; kind++)
		close_fd(&s->enable_fd[kind]);
	rec_janitor_begin_finish(&s->janitor);
	return rc;
}

int rec_close(struct rec_session *s, struct sr_error *err)
{
	int rc = 0;

	if (!s)
		return 0;
	if (rec_release(s, err))
		rc = -1;
	if (rec_janitor_finish(&s->janitor, err))
		rc = -1;
	rec_restore_limits(s);
	rec_merge_release(&s->merge);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->watch_lock);
	pthread_cond_destroy(&s->watch_wake);
	free(s->cpus);
	free(s->page);
	free(s->dir);
	free(s);
	return rc;
}

/* ---- beginning and ending ---- */

static int write_filter(struct rec_session *s, const int *tids, size_t n, struct sr_error *err)
{
	char *text = malloc(n * 12 + 1), *at = text;
	int rc;

	if (!text)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < n; i++)
		at += sprintf(at, "%d ", tids[i]);
	rc = rec_write_text(s->filter_fd, text);
	free(text);
	return rc ? sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: set_event_pid") : 0;
}

static int by_tid(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Writes the tids that are not in had, which is sorted, to the filter; *nnew of them. */
static int filter_new(struct rec_session *s, const int *tids, size_t n, const int *had, size_t nhad, size_t *nnew,
		      struct sr_error *err)
{
	int *added = malloc(n * sizeof(*added)), rc = 0;

	*nnew = 0;
	if (!added)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (!nhad || !bsearch(&tids[i], had, nhad, sizeof(*had), by_tid))
			added[(*nnew)++] = tids[i];
	if (*nnew)
		rc = write_filter(s, added, *nnew, err);
	free(added);
	return rc;
}

#define FILTER_PASSES 16

/* The threads that a process has when the filter stands: those made later are added by event-fork, so it is enough to
 * look until nothing new is found, or often where threads come and go all the time. */
static int filter_process(struct rec_session *s, int tgid, struct sr_task_starts *starts, struct sr_error *err)
{
	size_t n = 0, nhad, nnew = 1;
	int *tids = NULL, *had = NULL, rc = 0;

	for (int pass = 0; !rc && nnew && pass < FILTER_PASSES; pass++) {
		free(had);
		had = tids;
		nhad = n;
		if (had)
			qsort(had, nhad, sizeof(*had), by_tid);
		tids = rec_proc_threads(tgid, &n, err);
		rc = tids ? filter_new(s, tids, n, had, nhad, &nnew, err) : -1;
	}
	free(had);
	for (size_t i = 0; !rc && i < n; i++)
		rc = rec_proc_task(starts, tgid, tids[i], SR_TASK_ROOT, err) < 0 ? -1 : 0;
	free(tids);
	return rc;
}

static int filter_child(struct rec_session *s, pid_t tid, struct sr_task_starts *starts, struct sr_error *err)
{
	if (write_filter(s, &tid, 1, err))
		return -1;
	if (s->foreign_ns) {
		struct sr_task_start t = { .tid = tid, .tgid = tid, .flags = SR_TASK_ROOT, .state = 'S' };

		/* /proc shows it by another number. */
		return sr_task_starts_add(starts, &t, NULL, err);
	}
	return rec_proc_task(starts, tid, tid, SR_TASK_ROOT, err) < 0 ? -1 : 0;
}

static int set_scope(struct rec_session *s, const pid_t *pids, size_t npids, struct sr_task_starts *starts,
		     struct sr_error *err)
{
	int rc = 0;

	if (!s->filtered) {
		int own[] = { gettid(), s->thread_alive ? s->thread_tid : 0, s->watch_tid, s->janitor.pid };

		if (s->foreign_ns)
			return 0; /* the numbers in this /proc are not those of the events */
		return rec_proc_all(starts, own, 4, pids, npids, err);
	}
	if (!npids)
		return sr_fail(err, SR_BUG, "a filtered recording without a task");
	if (s->cfg.scope == REC_PID && s->foreign_ns)
		return sr_fail(err, SR_ENVIRONMENT,
			       "a process of a pid namespace cannot be recorded by its number: use -a, or "
			       "record from outside of the container");
	if (rec_janitor_clear_filter(&s->janitor, err))
		return -1;
	for (size_t i = 0; !rc && i < npids; i++)
		rc = s->cfg.scope == REC_PID ? filter_process(s, pids[i], starts, err) :
					       filter_child(s, pids[i], starts, err);
	return rc;
}

int rec_begin(struct rec_session *s, const pid_t *pids, size_t npids, const struct rec_sink *sink,
	      struct sr_task_starts *starts, struct sr_error *err)
{
	if (s->running)
		return sr_fail(err, SR_BUG, "rec_begin: a recording is running");
	if (rec_write_text(s->on_fd, "0"))
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: tracing_on");
	if (rec_watch_start(s, err) || (!s->filtered && rec_thread_prepare(s, err)) || rec_discard(s, NULL, NULL, err))
		return -1;
	rec_hurry(s, false);
	rec_merge_reset(&s->merge, sink);
	s->stats = (struct rec_stats){ 0 };
	s->failed = false;
	for (size_t i = 0; i < s->ncpus; i++) {
		s->cpus[i].told_lost = 0;
		if (rec_cpu_lost(&s->cpus[i], &s->cpus[i].base_lost))
			return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: the trace buffer's statistics");
	}
	if (set_scope(s, pids, npids, starts, err))
		return -1;
	for (size_t i = 0; i < starts->n; i++)
		if (starts->v[i].comm[0] && rec_merge_set_comm(&s->merge, starts->v[i].tid, starts->v[i].comm, err))
			return -1;
	s->drained_ns = s->handed_ns = rec_now_ns();
	s->interval_ns = REC_FIRST_INTERVAL_NS;
	if (rec_write_text(s->on_fd, "1"))
		return sr_fail_errno(err, SR_ENVIRONMENT, "tracefs: tracing_on");
	s->running = true;
	return 0;
}

const struct rec_stats *rec_get_stats(const struct rec_session *s)
{
	return &s->stats;
}

uint64_t rec_interval_ns(const struct rec_session *s)
{
	return s->interval_ns;
}

bool rec_foreign_ns(const struct rec_session *s)
{
	return s->foreign_ns;
}

uint64_t rec_handed_ns(const struct rec_session *s)
{
	return s->handed_ns;
}

uint64_t rec_buffer_bytes(const struct rec_session *s)
{
	return s->buffer_bytes;
}
