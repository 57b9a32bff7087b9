/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rounds of a night. Each is another schedrec's work (replay or simulate, with the database), not a call: a live
 * replay gives its privileges up for good as soon as its recorder is open, a policy of the user's own may crash or hang,
 * and a round that is ended in the middle leaves nothing behind in this process.
 */
#include "analyze/cmd_nightly.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <math.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ull
#define LOOK_MS 200
#define GRACE_NS (10 * NS) /* from SIGTERM to SIGKILL */
#define QUIET_LOOK_S 1     /* how long the machine is looked at before a round */
#define LOCK_NAME "schedrec-live"
#define LOCK_WAIT_S 30
#define SIM_BATCH 4 /* rounds of a simulation in one process: their model is built once */
#define MAX_ARGS 128

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

void nightly_now(char buf[32], double seconds_ago)
{
	time_t now = time(NULL) - (time_t)seconds_ago;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* ---- who we are ---- */

static bool sudo_id(const char *name, unsigned *id)
{
	const char *text = getenv(name);
	char *end;
	unsigned long v;

	if (!text || !*text)
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	*id = (unsigned)v;
	return !errno && !*end && v > 0 && v < UINT32_MAX;
}

/* The saved ids stay root's; the groups are those of the user. */
void nightly_be_user(void)
{
	unsigned uid, gid;
	const struct passwd *pw;

	if (getuid() != 0 || !sudo_id("SUDO_UID", &uid) || !sudo_id("SUDO_GID", &gid))
		return;
	pw = getpwuid(uid);
	if ((pw ? initgroups(pw->pw_name, gid) : setgroups(0, NULL)) || setegid(gid) || seteuid(uid))
		cmd_warn("cannot become user %u: the files will be root's", uid);
}

void nightly_be_root(void)
{
	if (getuid() == 0 && geteuid() != 0 && (seteuid(0) || setegid(0) || setgroups(0, NULL)))
		_exit(SR_ENVIRONMENT);
}

static unsigned long long start_of(long pid)
{
	char path[64], line[1024];
	const char *at;
	unsigned long long start = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	at = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	/* The 22nd field; the second one, which may hold spaces, ends there. */
	for (int i = 0; i < 20 && at; i++)
		at = strchr(at + 1, ' ');
	if (at)
		start = strtoull(at + 1, NULL, 10);
	return start;
}

static void boot_of(char *boot, size_t len)
{
	struct ana_host h;

	ana_host_read("", &h);
	snprintf(boot, len, "%s", *h.boot_id ? h.boot_id : "?");
}

void nightly_owner(char *buf, size_t len)
{
	char host[128] = "?", boot[64];

	gethostname(host, sizeof(host) - 1);
	boot_of(boot, sizeof(boot));
	snprintf(buf, len, "pid %ld on %s, boot %s, started %llu", (long)getpid(), host, boot, start_of(getpid()));
}

/* A process of another machine or boot is taken for dead: a database is for one machine at a time. */
bool nightly_alive(const char *owner)
{
	char host[128], boot[64], here[64];
	unsigned long long start;
	long pid;

	if (sscanf(owner, "pid %ld on %127[^,], boot %63[^,], started %llu", &pid, host, boot, &start) != 4)
		return false;
	boot_of(here, sizeof(here));
	return !strcmp(boot, here) && start && start_of(pid) == start;
}

/* ---- one child ---- */

struct child {
	int status;      /* its exit status, or 128 + signal */
	bool late;       /* ended for its time */
	double cpu_s;    /* of it and what it has waited for */
	char text[1024]; /* the last line on its stderr */
};

static void exec_child(char *const argv[], int err_fd, int lock, const char *temp_dir)
{
	int null = open("/dev/null", O_RDWR);

	nightly_be_root();
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(err_fd, 2) < 0)
		_exit(SR_ENVIRONMENT);
	/* Ctrl-C is this process's to tell it; if this one is killed, it is not to go on. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (lock >= 0)
		fcntl(lock, F_SETFD, 0);
	if (setenv("TMPDIR", temp_dir, 1))
		_exit(SR_ENVIRONMENT);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	execv("/proc/self/exe", argv);
	_exit(SR_ENVIRONMENT);
}

/* Keeps the end of what comes; the last line is what a command says when it fails. */
static void keep(char *buf, size_t *used, size_t size, const char *text, size_t len)
{
	if (len > size / 2) {
		text += len - size / 2;
		len = size / 2;
	}
	if (*used + len > size) {
		size_t cut = *used + len - size;

		memmove(buf, buf + cut, *used - cut);
		*used -= cut;
	}
	memcpy(buf + *used, text, len);
	*used += len;
}

static void last_line(const char *buf, size_t used, char *to, size_t len)
{
	size_t end = used, start;

	while (end && (buf[end - 1] == '\n' || buf[end - 1] == '\0'))
		end--;
	for (start = end; start && buf[start - 1] != '\n'; start--)
		;
	snprintf(to, len, "%.*s", (int)(end - start), buf + start);
}

static void show(const struct nightly_job *j, const struct nightly_source *s, size_t round)
{
	cmd_progress(j->o->quiet, "nightly %s: %zu of %zu rounds; %s, round %zu", j->night.label, j->done, j->total,
		     s->name, round + 1);
}

static void watch(struct nightly_job *j, const struct nightly_source *s, size_t round, pid_t pid, int fd,
		  struct child *c)
{
	uint64_t end = clock_ns() + j->o->limit, kill_at = 0;
	char buf[4096], piece[1024];
	size_t used = 0;
	struct rusage use;
	int status = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, fd >= 0 ? LOOK_MS : LOOK_MS / 4) > 0) {
			n = read(fd, piece, sizeof(piece));
			if (n > 0)
				keep(buf, &used, sizeof(buf), piece, (size_t)n);
			else
				fd = -1; /* closed: it has ended, or will soon */
		}
		if (wait4(pid, &status, WNOHANG, &use) == pid)
			break;
		show(j, s, round);
		if (!kill_at && (cmd_signal || clock_ns() > end)) {
			c->late = !cmd_signal;
			kill(pid, SIGTERM);
			kill_at = clock_ns() + GRACE_NS;
		} else if (kill_at && clock_ns() > kill_at) {
			kill(-pid, SIGKILL);
		}
	}
	while (fd >= 0 && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) > 0) {
		ssize_t n = read(fd, piece, sizeof(piece));

		if (n <= 0)
			break;
		keep(buf, &used, sizeof(buf), piece, (size_t)n);
	}
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	c->cpu_s = (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
		   (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
	last_line(buf, used, c->text, sizeof(c->text));
}

static int run_child(struct nightly_job *j, const struct nightly_source *s, size_t round, char *const argv[],
		     struct child *c, struct sr_error *err)
{
	int fds[2];
	pid_t pid;

	memset(c, 0, sizeof(*c));
	if (pipe2(fds, O_CLOEXEC))
		return sr_fail_errno(err, SR_ENVIRONMENT, "pipe");
	pid = fork();
	if (pid == 0)
		exec_child(argv, fds[1], j->lock, j->temp_dir);
	close(fds[1]);
	if (pid < 0) {
		sr_fail_errno(err, SR_ENVIRONMENT, "fork");
		close(fds[0]);
		return -1;
	}
	watch(j, s, round, pid, fds[0], c);
	close(fds[0]);
	return 0;
}

/* ---- the machine ---- */

/* One live measurement at a time on a machine. The name is the kernel's own and goes with the last process that has the
 * socket, so also with a round that a killed nightly has left behind. */
static int take_lock(struct nightly_job *j, struct sr_error *err)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(LOCK_NAME);

	memcpy(name.sun_path + 1, LOCK_NAME, strlen(LOCK_NAME));
	j->lock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (j->lock < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "socket");
	for (int i = 0; bind(j->lock, (struct sockaddr *)&name, len); i++) {
		if (errno != EADDRINUSE || i == LOCK_WAIT_S * 5 || cmd_signal)
			return sr_fail(err, SR_ENVIRONMENT,
				       "another live nightly runs on this machine, and two would measure each other");
		cmd_progress(j->o->quiet, "waiting for another live nightly on this machine");
		poll(NULL, 0, LOOK_MS);
	}
	return 0;
}

/* Looks at the machine for a second, again and again until it is quiet or the time for that is over. The share that was
 * busy; negative: not known. */
static double wait_quiet(struct nightly_job *j, char *what, size_t len)
{
	uint64_t end = clock_ns() + j->o->quiet_wait;
	double busy;

	for (;;) {
		struct ana_busy_look a, b;

		ana_busy_look("", &a);
		poll(NULL, 0, QUIET_LOOK_S * 1000);
		ana_busy_look("", &b);
		busy = ana_busy_between(&a, &b, 0, getpid(), what, len);
		ana_busy_release(&a);
		ana_busy_release(&b);
		if (busy < j->o->max_busy / 100 || cmd_signal || clock_ns() >= end)
			return busy;
		cmd_progress(j->o->quiet, "waiting for a quiet machine: %.0f%% busy (%s)", busy * 100, what);
	}
}

static void put_condition(FILE *f, const char *what, const char *was, const char *is)
{
	if (strcmp(was, is))
		fprintf(f, "%s%s was %s and is %s", ftell(f) > 0 ? "; " : "", what, *was ? was : "unknown",
			*is ? is : "unknown");
}

struct look {
	double before, during; /* shares of the machine that others used; negative: not known */
	char before_what[128], during_what[128];
};

/* What makes a round a noisy one; NULL: nothing. */
static char *noise_of(const struct nightly_job *j, const struct ana_host *now, const struct look *l)
{
	double most = j->o->max_busy / 100;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	if (l->during > most)
		fprintf(f, "others kept %.0f%% of the machine busy", l->during * 100);
	else if (l->before > most)
		fprintf(f, "others kept %.0f%% of the machine busy before it", l->before * 100);
	if (l->before > most && *l->before_what)
		fprintf(f, " (%s)", l->before_what);
	put_condition(f, "the governor", j->host.governor, now->governor);
	put_condition(f, "turbo", j->host.turbo, now->turbo);
	put_condition(f, "SMT", j->host.smt, now->smt);
	if (fclose(f) || !*text) {
		free(text);
		return NULL;
	}
	return text;
}

static void known_text(struct cmd_json *j, const char *key, const char *text)
{
	if (*text)
		cmd_json_str(j, key, text);
}

static void known_number(struct cmd_json *j, const char *key, double v)
{
	if (v >= 0)
		cmd_json_real(j, key, v);
}

static char *host_json(const struct ana_host *h, const struct look *l)
{
	struct cmd_json j;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	cmd_json_init(&j, f);
	cmd_json_open(&j, NULL, '{');
	known_text(&j, "machine", h->machine_key);
	known_text(&j, "boot", h->boot_id);
	known_text(&j, "cpu", h->cpu_model);
	known_text(&j, "microcode", h->microcode);
	known_text(&j, "governor", h->governor);
	known_text(&j, "turbo", h->turbo);
	known_text(&j, "smt", h->smt);
	known_number(&j, "aslr", h->aslr);
	known_number(&j, "load1", h->load1);
	known_number(&j, "temperature_c", h->temperature_c);
	known_number(&j, "busy_before", l->before);
	known_number(&j, "busy_during", l->during);
	known_text(&j, "busiest", l->before_what);
	cmd_json_close(&j, '}');
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- a round ---- */

struct args {
	char *v[MAX_ARGS];
	char number[4][24];
	size_t n, numbers;
};

static void put(struct args *a, const char *text)
{
	if (a->n + 1 < MAX_ARGS)
		a->v[a->n++] = (char *)text;
}

static void put_number(struct args *a, const char *option, uint64_t v)
{
	char *text = a->number[a->numbers++];

	snprintf(text, sizeof(a->number[0]), "%llu", (unsigned long long)v);
	put(a, option);
	put(a, text);
}

/* The user's own options first: ours win. */
static void make_args(const struct nightly_job *j, const char *path, const char *tag, const char *turns, size_t first,
		      size_t n, struct args *a)
{
	const struct nightly_options *o = j->o;

	memset(a, 0, sizeof(*a));
	put(a, "schedrec");
	put(a, j->live ? "replay" : "simulate");
	for (size_t i = 0; i < o->extra.n; i++)
		put(a, o->extra.v[i]);
	put(a, "--policy");
	put(a, o->policy);
	put(a, "--db");
	put(a, o->db);
	put(a, "--label");
	put(a, tag);
	put_number(a, "--repeat", n);
	put_number(a, "--first-round", first);
	if (j->live) {
		put(a, "--turns-seed");
		put(a, turns);
	}
	if (!j->live && o->machine) {
		put(a, "--machine");
		put(a, o->machine);
	}
	if (!j->live && o->jobs)
		put_number(a, "--jobs", o->jobs);
	put(a, "--quiet");
	put(a, "--");
	put(a, path);
}

static const char *why_failed(const struct nightly_job *j, const struct child *c, char *buf, size_t len)
{
	if (c->late)
		snprintf(buf, len, "it was ended after %.0f s (--limit)", (double)j->o->limit / 1e9);
	else if (*c->text)
		snprintf(buf, len, "%.500s", c->text);
	else if (c->status > 128)
		snprintf(buf, len, "it was ended by signal %d", c->status - 128);
	else
		snprintf(buf, len, "it ended with status %d", c->status);
	return buf;
}

/* Rounds first .. first + n - 1 of a trace, stored whole. 1: the trace has failed, with why. */
static int run_rounds(struct nightly_job *j, const struct nightly_source *s, size_t first, size_t n, char *why,
		      size_t len, struct sr_error *err)
{
	struct ana_night_rounds r = { .sha256 = s->sha256, .first = first, .n = n };
	struct look l = { .before = -1, .during = -1 };
	struct ana_busy_look a = { 0 }, b = { 0 };
	char *path = NULL, *tag = NULL, *host = NULL, *noise = NULL, start[32], end[32], turns[384];
	struct ana_host now;
	struct child c;
	struct args args;
	int ret = -1;

	if (nightly_corpus_pull(&j->corpus, s, j->o->quiet, &path, err) < 0) {
		snprintf(why, len, "%s", err->text);
		ret = cmd_signal ? 0 : 1;
		goto out;
	}
	if (ana_night_tag(&j->night, &tag, err) < 0)
		goto out;
	if (j->live) {
		l.before = wait_quiet(j, l.before_what, sizeof(l.before_what));
		if (!cmd_signal && l.before > j->o->max_busy / 100 && !strcmp(j->o->noisy, "stop")) {
			sr_fail(err, SR_ENVIRONMENT,
				"the machine is not quiet: others kept %.0f%% of it busy%s%s%s (--noisy use goes on)",
				l.before * 100, *l.before_what ? " (" : "", l.before_what, *l.before_what ? ")" : "");
			goto out;
		}
		ana_busy_look("", &a);
	}
	ret = 0;
	if (cmd_signal)
		goto out;
	nightly_now(start, 0);
	snprintf(turns, sizeof(turns), "%.300s %s", j->night.label, s->sha256);
	make_args(j, path, tag, turns, first, n, &args);
	ret = run_child(j, s, first, args.v, &c, err);
	if (ret < 0)
		goto out;
	nightly_now(end, 0);
	if (cmd_signal)
		goto sweep;
	if (c.status != 0 || c.late) {
		why_failed(j, &c, why, len);
		ret = 1;
		goto sweep;
	}
	if (j->live) {
		ana_host_read("", &now);
		ana_busy_look("", &b);
		l.during = ana_busy_between(&a, &b, c.cpu_s, getpid(), l.during_what, sizeof(l.during_what));
		host = host_json(&now, &l);
		noise = noise_of(j, &now, &l);
	}
	r.tag = tag;
	r.turns = j->live ? turns : NULL;
	r.started_at = start;
	r.ended_at = end;
	r.host = host;
	r.noise = noise;
	if (ana_night_link(j->db, &j->night, &r, err) == 0) {
		j->done += n;
		goto out;
	}
	ret = -1;
	if (err->status == SR_ENVIRONMENT) {
		snprintf(why, len, "%s", err->text);
		ret = 1;
	}
sweep:
	if (ana_night_sweep(j->db, &j->night, tag, err) < 0)
		ret = -1;
out:
	ana_busy_release(&a);
	ana_busy_release(&b);
	free(host);
	free(noise);
	free(tag);
	free(path);
	return ret;
}

/* What is missing of a trace's rounds between first and end. */
static int run_trace(struct nightly_job *j, size_t i, size_t first, size_t end, struct sr_error *err)
{
	const struct nightly_source *s = &j->corpus.v[i];
	bool *done = calloc(j->night.rounds + 1, sizeof(*done));
	char why[1024];
	int ret;

	if (!done)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	ret = ana_night_done(j->db, &j->night, s->sha256, done, err);
	while (ret == 0 && first < end && !cmd_signal) {
		size_t n = 0;

		if (done[first]) {
			first++;
			continue;
		}
		while (first + n < end && !done[first + n])
			n++;
		ret = run_rounds(j, s, first, n, why, sizeof(why), err);
		first += n;
	}
	free(done);
	if (ret != 1)
		return ret;
	cmd_warn("%s: %s", s->name, why);
	j->failed[i] = true;
	return ana_night_fail(j->db, &j->night, s->sha256, why, err);
}

static int add_traces(struct nightly_job *j, struct sr_error *err)
{
	struct ana_night_trace *v = calloc(j->corpus.n + 1, sizeof(*v));
	int ret;

	if (!v)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (size_t i = 0; i < j->corpus.n; i++) {
		const struct nightly_source *s = &j->corpus.v[i];

		v[i] = (struct ana_night_trace){ .name = s->name, .weight = s->weight, .traces = s->traces };
		memcpy(v[i].sha256, s->sha256, sizeof(v[i].sha256));
	}
	ret = ana_night_add_traces(j->db, &j->night, v, j->corpus.n, err);
	free(v);
	return ret;
}

static int count_done(struct nightly_job *j, struct sr_error *err)
{
	bool *done = calloc(j->night.rounds + 1, sizeof(*done));
	int ret = 0;

	if (!done)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (size_t i = 0; ret == 0 && i < j->corpus.n; i++) {
		const char *sha256 = j->corpus.v[i].sha256;

		if (nightly_shard_of(sha256, j->shards) != j->shard)
			j->failed[i] = true; /* another's */
		else if ((ret = ana_night_done(j->db, &j->night, sha256, done, err)) == 0)
			for (size_t k = 0; k < j->night.rounds; k++) {
				j->total++;
				j->done += done[k];
			}
	}
	free(done);
	return ret;
}

static int make_temp_dir(struct nightly_job *j, struct sr_error *err)
{
	const char *dir = getenv("TMPDIR");

	/* Short enough for the children, too. */
	snprintf(j->temp_dir, sizeof(j->temp_dir), "%s/schedrec-XXXXXX",
		 dir && *dir && strlen(dir) < 23 ? dir : "/tmp");
	if (mkdtemp(j->temp_dir))
		return 0;
	sr_fail_errno(err, SR_ENVIRONMENT, "%s", j->temp_dir);
	j->temp_dir[0] = '\0';
	return -1;
}

/* What a child that was killed has left: folders with files in them. */
static void remove_left(const char *dir, unsigned depth)
{
	const struct dirent *d;
	DIR *f = opendir(dir);

	while (f && (d = readdir(f))) {
		char path[512];

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		if (unlink(path) && errno == EISDIR && depth)
			remove_left(path, depth - 1);
	}
	if (f)
		closedir(f);
	rmdir(dir);
}

/* Rounds before traces: what drifts over the night does so for all rounds of a trace alike. A simulation does not drift,
 * and builds its model once for several rounds. */
int nightly_run(struct nightly_job *j, struct sr_error *err)
{
	size_t batch = j->live ? 1 : SIM_BATCH;
	bool known;
	int ret = -1;

	j->failed = calloc(j->corpus.n + 1, sizeof(*j->failed));
	if (!j->failed)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if ((j->live && take_lock(j, err) < 0) || make_temp_dir(j, err) < 0 ||
	    ana_night_sweep(j->db, &j->night, NULL, err) < 0 || add_traces(j, err) < 0 || count_done(j, err) < 0)
		goto out;
	/* After a reboot it is still what the first round found that the others are measured by. */
	ana_host_read("", &j->host);
	if (ana_night_first_host(j->db, &j->night, j->host.machine_key, &j->host, &known, err) < 0)
		goto out;
	ret = 0;
	for (size_t first = 0; first < j->night.rounds; first += batch) {
		size_t end = first + batch < j->night.rounds ? first + batch : j->night.rounds;

		for (size_t i = 0; i < j->corpus.n && ret == 0 && !cmd_signal; i++)
			if (!j->failed[i])
				ret = run_trace(j, i, first, end, err);
	}
out:
	cmd_progress_end();
	if (j->temp_dir[0])
		remove_left(j->temp_dir, 1);
	if (j->lock >= 0)
		close(j->lock);
	j->lock = -1;
	return ret;
}
