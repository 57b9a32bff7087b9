/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec corpus serve: a corpus in a directory, for others to pull from and push to. */
#include "corpus/cmd_corpus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpus/serve.h"

#define PEM_MAX (1u << 20)

struct serve_options {
	const char *listen, *cert, *key, *licences, *log;
	bool plain, private;
	uint64_t max_object, spare, min_rate, header_ns, transfer_ns, grace_ns;
	uint64_t connections, address_connections, token_uploads;
	uint64_t checks, check_memory, check_ns;
};

#define AT(m) offsetof(struct serve_options, m)
static const struct sr_option options[] = {
	{ "listen", 'l', SR_OPT_STRING, AT(listen), "HOST:PORT", 0, 0, NULL, "127.0.0.1:8443",
	  "where to listen; port 0 takes a free one, which the log's first line tells" },
	{ "tls-cert", 0, SR_OPT_STRING, AT(cert), "FILE", 0, 0, NULL, NULL,
	  "certificate chain in PEM, the server's own first" },
	{ "tls-key", 0, SR_OPT_STRING, AT(key), "FILE", 0, 0, NULL, NULL, "its private key in PEM" },
	{ "plain-http", 0, SR_OPT_FLAG, AT(plain), NULL, 0, 0, NULL, NULL,
	  "without TLS also on addresses that others reach: for a server behind one that does TLS" },
	{ "private", 0, SR_OPT_FLAG, AT(private), NULL, 0, 0, NULL, NULL, "who reads needs a token, too" },
	{ "licences", 0, SR_OPT_STRING, AT(licences), "LIST", 0, 0, NULL, "CC-BY-4.0,CC0-1.0,CC-BY-SA-4.0,ODC-By-1.0",
	  "SPDX names of the licences that uploads may have" },
	{ "max-object", 0, SR_OPT_SIZE, AT(max_object), "SIZE", 1024, 68719476736., NULL, "2G", "largest upload" },
	{ "spare", 0, SR_OPT_SIZE, AT(spare), "SIZE", 0, 0, NULL, "1G", "what uploads leave free in the file system" },
	{ "min-rate", 0, SR_OPT_SIZE, AT(min_rate), "SIZE", 0, 1073741824., NULL, "8k",
	  "bytes a second that uploads and downloads must keep on average, after 10 s" },
	{ "header-time", 0, SR_OPT_TIME, AT(header_ns), "T", 1e8, 36e11, NULL, "20s",
	  "how long a request's head may take, and a connection may be idle" },
	{ "transfer-time", 0, SR_OPT_TIME, AT(transfer_ns), "T", 1e9, 864e11, NULL, "6h",
	  "how long one transfer may take" },
	{ "connections", 0, SR_OPT_UINT, AT(connections), "N", 1, 4096, NULL, "256", "connections at the same time" },
	{ "address-connections", 0, SR_OPT_UINT, AT(address_connections), "N", 1, 4096, NULL, "64",
	  "of them of one IPv4 address or IPv6 /64" },
	{ "token-uploads", 0, SR_OPT_UINT, AT(token_uploads), "N", 1, 4096, NULL, "64",
	  "uploads of a contributor at the same time" },
	{ "checks", 0, SR_OPT_UINT, AT(checks), "N", 1, 64, NULL, "2", "uploads that are decoded at the same time" },
	{ "check-memory", 0, SR_OPT_SIZE, AT(check_memory), "SIZE", 67108864., 68719476736., NULL, "512M",
	  "memory that decoding one upload may take" },
	{ "check-time", 0, SR_OPT_TIME, AT(check_ns), "T", 1e9, 36e11, NULL, "2m", "CPU time that it may take" },
	{ "grace", 0, SR_OPT_TIME, AT(grace_ns), "T", 0, 36e11, NULL, "15s",
	  "at the end, how long transfers that are under way may go on" },
	{ "log", 0, SR_OPT_STRING, AT(log), "FILE", 0, 0, NULL, NULL,
	  "append the log to this file, which SIGHUP opens anew; without it: standard output" },
	{ 0 },
};

static const char *const examples[] = {
	"schedrec corpus serve /srv/corpus", "for this machine only, http://127.0.0.1:8443",
	"schedrec corpus serve /srv/corpus --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem",
	"for everybody", NULL
};

struct log {
	const char *path;
	FILE *f;
};

static void write_log(void *arg, const char *line)
{
	struct log *log = arg;

	/* A log that cannot be written is no reason to stop serving. */
	fputs(line, log->f);
	putc('\n', log->f);
	fflush(log->f);
}

static FILE *open_log(const char *path, struct sr_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "a");

	if (!f) {
		sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
		if (fd >= 0)
			close(fd);
	}
	return f;
}

/* The text of a small file; NULL. */
static char *read_pem(const char *path, bool secret, struct sr_error *err)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, PEM_MAX + 1);
	struct stat st;
	size_t n;

	if (!f || !text || fstat(fileno(f), &st)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "cannot read %s", path);
		goto fail;
	}
	if (secret && st.st_mode & S_IRWXO)
		cmd_warn("%s: everybody on this machine may read the server's key", path);
	n = fread(text, 1, PEM_MAX + 1, f);
	if (ferror(f) || n > PEM_MAX || !strstr(text, "-----BEGIN ")) {
		sr_fail(err, SR_ENVIRONMENT, "%s: not a PEM file", path);
		goto fail;
	}
	fclose(f);
	return text;
fail:
	if (f)
		fclose(f);
	free(text);
	return NULL;
}

static void release_pem(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void reopen_log(struct log *log)
{
	struct sr_error err;
	FILE *f = log->path ? open_log(log->path, &err) : NULL;

	if (!log->path)
		return;
	if (!f) {
		cmd_warn("%s; the log goes on where it was", err.text);
		return;
	}
	/* A line being written goes to the old file or to the new one. */
	fflush(log->f);
	dup2(fileno(f), fileno(log->f));
	fclose(f);
}

static int serve(const struct crp_serve_options *o, struct log *log, uint64_t grace_ns, struct sr_error *err)
{
	struct crp_server *s = crp_serve_start(o, err);
	int sig = 0, status = SR_OK;

	if (!s)
		return -1;
	while (!sig) {
		poll(NULL, 0, 1000);
		sig = cmd_signal;
		if (sig == SIGHUP && log->path) {
			cmd_signal = sig = 0;
			reopen_log(log);
		}
		if (!sig && !crp_serve_alive(s)) {
			status = sr_fail(err, SR_ENVIRONMENT, "the helper that decodes uploads has ended");
			break;
		}
	}
	crp_serve_stop(s, grace_ns);
	return status ? status : sig == SIGINT ? SR_INTERRUPTED : SR_OK;
}

static int run(const void *members, int nargs, char **args, struct sr_error *err)
{
	const struct serve_options *so = members;
	struct log log = { .path = so->log, .f = stdout };
	struct crp_serve_options o = {
		.listen = so->listen,
		.licences = so->licences,
		.plain_anywhere = so->plain,
		.reads_need_token = so->private,
		.max_object_bytes = so->max_object,
		.spare_bytes = so->spare,
		.min_rate = so->min_rate,
		.header_ns = so->header_ns,
		.transfer_ns = so->transfer_ns,
		.connections = (unsigned)so->connections,
		.address_connections = (unsigned)so->address_connections,
		.token_uploads = (unsigned)so->token_uploads,
		.check = { .memory_bytes = so->check_memory,
			   .time_ns = so->check_ns,
			   .wait_ns = 60000000000,
			   .at_once = (unsigned)so->checks,
			   .describe = corpus_describe_reader },
		.log = write_log,
		.log_arg = &log,
	};
	char *cert = NULL, *key = NULL;
	int ret = -1;

	if (nargs != 1)
		return sr_fail(err, SR_USAGE, "one directory that is a corpus");
	if (!so->cert != !so->key)
		return sr_fail(err, SR_USAGE, "--tls-cert and --tls-key come together");
	o.dir = args[0];
	/* Keys and tokens stay out of core files. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (so->cert) {
		cert = read_pem(so->cert, false, err);
		key = cert ? read_pem(so->key, true, err) : NULL;
		if (!key)
			goto out;
	}
	o.cert_pem = cert;
	o.key_pem = key;
	if (so->log) {
		log.f = open_log(so->log, err);
		if (!log.f)
			goto out;
	}
	cmd_catch_signals();
	ret = serve(&o, &log, so->grace_ns, err);
	if (so->log)
		fclose(log.f);
out:
	release_pem(cert);
	release_pem(key);
	return ret;
}

const struct cmd cmd_corpus_serve = {
	.name = "corpus serve",
	.summary = "serve a corpus in a directory over HTTPS",
	.operands = "DIR",
	.description =
		"Others list and pull what the corpus has, look at it with a browser, and push to it with a token that "
		"`schedrec corpus token` has made for them. What is pushed lies apart until its bytes are hashed and "
		"decoded from beginning to end, by a process that can open no file and no socket and has bounded "
		"memory "
		"and time; then it is there for all, or not at all, whenever the machine may crash.\n\n"
		"Without --tls-cert and --tls-key it speaks plain HTTP, and only to this machine. The log has one JSON "
		"object a request and never a token. /healthz answers 200 while all is well; /metrics has counters for "
		"Prometheus. Behind a proxy all connections have its address: raise --address-connections. SIGTERM "
		"ends it: no new uploads, those under way may finish within --grace. The file "
		"schedrec-corpus.service is a unit for systemd.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct serve_options),
	.run = run,
};
