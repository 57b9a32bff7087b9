/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec corpus push: shows what will leave, asks, scrubs, uploads. */
#include "corpus/cmd_corpus.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/markup.h"

#define NAMES_SHOWN 12
#define LICENCES "CC-BY-4.0|CC0-1.0|CC-BY-SA-4.0|ODC-By-1.0"

struct push_options {
	const char *licence, *program;
	bool yes, dry_run, all, json, quiet;
};

static const struct sr_option options[] = {
	{ .name = "yes",
	  .letter = 'y',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct push_options, yes),
	  .help = "agree to the consent text and the licence without being asked, this time only; for scripts" },
	{ .name = "licence",
	  .type = SR_OPT_CHOICE,
	  .offset = offsetof(struct push_options, licence),
	  .arg = "SPDX",
	  .choices = LICENCES,
	  .help = "the licence that the recordings are given under (default: the one agreed to before, else "
		  "CC-BY-4.0)" },
	{ .name = "program",
	  .type = SR_OPT_CHOICE,
	  .offset = offsetof(struct push_options, program),
	  .arg = "CLASS",
	  .choices =
		  "build|container|database|desktop|game|media|ml|network|science|server|storage|synthetic|web|other",
	  .help = "what kind of program was recorded: names do not tell any more" },
	{ .name = "dry-run",
	  .letter = 'n',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct push_options, dry_run),
	  .help = "show what would leave, and send nothing" },
	{ .name = "all",
	  .letter = 'a',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct push_options, all),
	  .help = "show all names and values, not only the first ones" },
	{ .name = "json",
	  .letter = 'j',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct push_options, json),
	  .help = "an array with file, sha256, bytes, stored and token of each on stdout" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct push_options, quiet),
	  .help = "no progress, and do not show what will leave" },
	{ .name = NULL },
};

static const char *const examples[] = {
	"schedrec corpus push https://traces.example.org build.srz",
	"scrub a recording, show what will leave, ask, and upload it",
	"schedrec corpus push /srv/traces *.srz --dry-run --all",
	"all names before and after, and all values that stay or go; nothing is sent",
	NULL,
};

static const char consent[] =
	"You are about to give scheduler recordings away, for good, under an open licence.\n"
	"\n"
	"Removed on this machine before anything leaves it: names of tasks and programs (pseudonyms that only you "
	"could "
	"compute take their place; names of well-known kernel threads stay), command lines, labels, users, host names, "
	"control group names, process ids, dates, the time since boot, the kernel's command line.\n"
	"\n"
	"What remains: which task ran when, for how long, on which CPU, and who woke whom, to the nanosecond; "
	"priorities and "
	"affinities; what kind of machine and kernel it was. Such timing can tell what a machine was doing, and can "
	"show "
	"when keys were pressed or network packets came. All recordings that you push can be recognised as being from "
	"the "
	"same contributor.\n"
	"\n"
	"You get a deletion token for each object, with which it can be removed from this corpus; copies that others "
	"made "
	"by then cannot be.";

struct push {
	const struct push_options *o;
	bool quiet;
	struct crp_store *s;
	const char *url;
	unsigned char salt[CRP_SALT];
	char licence[32];
	struct cmd_json j;
	unsigned sent, known;
};

static int scrub_step(void *arg, double part)
{
	cmd_progress(*(bool *)arg, "scrubbing: %3.0f%%", 100 * part);
	return cmd_signal != 0;
}

/* Showing */

static void show_names(const struct push *p, const struct crp_scrubbed *report)
{
	size_t shown = 0, changed = report->nnames - report->kept_names;

	fprintf(stderr, "  names that become pseudonyms: %zu; kernel threads that stay: %zu\n", changed,
		report->kept_names);
	for (size_t i = 0; i < report->nnames && (p->o->all || shown < NAMES_SHOWN); i++) {
		const struct crp_change *c = &report->names[i];

		if (!p->o->all && !strncmp(c->before, c->after, strlen(c->after)))
			continue;
		fprintf(stderr, "    ");
		sr_plain(stderr, c->before, 60);
		fprintf(stderr, " -> %.60s\n", c->after);
		shown++;
	}
	if (!p->o->all && shown < changed)
		fprintf(stderr, "    and %zu more (--all shows them)\n", changed - shown);
}

static void show_meta(const struct push *p, const struct crp_scrubbed *report, bool kept)
{
	size_t column = 96, n = 0;
	char key[260]; /* of a meta value: at most 255 bytes */

	for (size_t i = 0; i < report->nmeta; i++)
		n += !!report->meta[i].after == kept;
	fprintf(stderr, "  values that %s: %zu", kept ? "leave" : "stay here", n);
	for (size_t i = 0; i < report->nmeta; i++) {
		const struct crp_change *c = &report->meta[i];
		const char *text = kept ? c->after : c->before;
		size_t len = text ? strcspn(text, " ") : 0;

		if (!text || !!c->after != kept)
			continue;
		if (p->o->all) {
			fprintf(stderr, "\n    ");
			sr_plain(stderr, text, 92);
			continue;
		}
		if (column + 1 + len > 96) {
			fprintf(stderr, "\n   ");
			column = 3;
		}
		snprintf(key, sizeof(key), " %.*s", (int)len, text);
		sr_plain(stderr, key, SIZE_MAX);
		column += len + 1;
	}
	putc('\n', stderr);
}

static void show(const struct push *p, const char *file, const struct crp_scrubbed *report, const struct crp_row *row)
{
	char bytes[32], events[32], time[32];

	if (p->quiet)
		return;
	cmd_progress_end();
	fprintf(stderr, "%s: %s events of %s, %s after scrubbing, %zu tasks\n", file,
		sr_format_count(events, sizeof(events), row->events),
		sr_format_time(time, sizeof(time), (double)row->duration_ns),
		sr_format_bytes(bytes, sizeof(bytes), (double)row->bytes), report->tids);
	show_names(p, report);
	show_meta(p, report, true);
	show_meta(p, report, false);
	fprintf(stderr, "  the clock goes back by %s; process ids become 1 to %zu\n",
		sr_format_time(time, sizeof(time), (double)report->shift_ns), report->tids);
}

/* Consent */

/* One line from the terminal without its end; -1 at the end of input. */
static int answer(char *buf, size_t size)
{
	fflush(stderr);
	if (!fgets(buf, (int)size, stdin) || cmd_signal)
		return -1;
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static bool is_licence(const char *word)
{
	char with[40];

	return snprintf(with, sizeof(with), "|%s|", word) < (int)sizeof(with) && strstr("|" LICENCES "|", with);
}

static int ask(struct push *p, struct sr_error *err)
{
	char text[32];

	if (!isatty(STDIN_FILENO))
		return sr_fail(
			err, SR_USAGE,
			"consent and licence were not given yet, and there is no terminal to ask on: push once from "
			"one, or give --yes");
	putc('\n', stderr);
	for (const char *t = consent; *t;) {
		size_t len = strcspn(t, "\n");
		char *line = strndup(t, len);

		if (line)
			cmd_print_wrapped(stderr, line, 0, 0);
		free(line);
		t += len + (t[len] == '\n');
	}
	if (!p->o->licence) {
		fprintf(stderr, "\nLicence (%s) [%s]: ", LICENCES, p->licence);
		if (answer(text, sizeof(text)))
			goto refused;
		if (*text && !is_licence(text))
			return sr_fail(err, SR_USAGE, "'%s' is none of " LICENCES, text);
		if (*text)
			snprintf(p->licence, sizeof(p->licence), "%s", text);
	}
	fprintf(stderr, "\nDo you have the right to give these recordings away, and do you agree? (yes/no) ");
	if (answer(text, sizeof(text)) || (strcmp(text, "yes") != 0 && strcmp(text, "y") != 0))
		goto refused;
	return corpus_consent_set(p->licence, err);
refused:
	return sr_fail(err, cmd_signal ? SR_INTERRUPTED : SR_ANSWER_NO, "not agreed: nothing was sent");
}

/* The licence, and that it was agreed to. */
static int agree(struct push *p, struct sr_error *err)
{
	char before[32];
	int have = corpus_consent_get(before, sizeof(before), err);

	if (have < 0)
		return -1;
	if (have && !is_licence(before))
		have = 0;
	snprintf(p->licence, sizeof(p->licence), "%s", p->o->licence ? p->o->licence : have ? before : "CC-BY-4.0");
	if (p->o->yes || (have && !strcmp(before, p->licence)))
		return 0;
	return ask(p, err);
}

/* Sending */

static void told(struct push *p, const char *file, const struct crp_row *row, bool stored, const char *token)
{
	char bytes[32];

	if (p->o->json) {
		cmd_json_open(&p->j, NULL, '{');
		cmd_json_str(&p->j, "file", file);
		cmd_json_str(&p->j, "sha256", row->sha256);
		cmd_json_u64(&p->j, "bytes", row->bytes);
		cmd_json_bool(&p->j, "stored", stored);
		cmd_json_str(&p->j, "token", stored ? token : NULL);
		cmd_json_close(&p->j, '}');
		return;
	}
	if (!stored) {
		printf("%s  %s: it was there already\n", row->sha256, file);
		return;
	}
	printf("%s  %s: pushed, %s\n", row->sha256, file, sr_format_bytes(bytes, sizeof(bytes), (double)row->bytes));
	printf("  deletion token: %s\n", token);
}

static int send(struct push *p, const char *file, const char *scrubbed, struct crp_row *row, struct sr_error *err)
{
	struct crp_watch watch = corpus_watch(&p->quiet);
	char token[CRP_TOKEN_TEXT];
	struct crp_row have;
	int fd, ret = crp_find(p->s, row->sha256, &have, err);

	if (ret < 0)
		return -1;
	if (ret) {
		p->known++;
		told(p, file, row, false, "");
		return 0;
	}
	/* The token is kept before it is needed: an upload that breaks off behind the last byte may have been taken. */
	if (crp_token_new(token, row->token_sha256, err) || corpus_token_keep(p->url, row->sha256, token, err))
		return -1;
	fd = open(scrubbed, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", scrubbed);
	ret = crp_put(p->s, fd, row, &watch, err);
	close(fd);
	cmd_progress_end();
	if (ret < 0)
		return -1;
	p->sent += ret == 1;
	p->known += ret == 0;
	told(p, file, row, ret == 1, token);
	return 0;
}

static int push_file(struct push *p, const char *file, const char *scrubbed, struct sr_error *err)
{
	struct crp_scrub_watch watch = { scrub_step, &p->quiet };
	struct crp_scrubbed report;
	struct crp_row row;
	int ret = crp_scrub(file, scrubbed, p->salt, &watch, &report, err);

	if (!ret)
		ret = corpus_describe(scrubbed, &row, err);
	if (!ret) {
		show(p, file, &report, &row);
		if (!p->o->dry_run && !*p->licence)
			ret = agree(p, err);
	}
	if (!ret && !p->o->dry_run) {
		snprintf(row.licence, sizeof(row.licence), "%s", p->licence);
		snprintf(row.program, sizeof(row.program), "%s", p->o->program ? p->o->program : "");
		crp_contributor(p->salt, row.contributor);
		row.consent = CORPUS_CONSENT;
		ret = send(p, file, scrubbed, &row, err);
	}
	unlink(scrubbed);
	crp_scrubbed_release(&report);
	if (ret && err->status != SR_INTERRUPTED && !strstr(err->text, file))
		sr_fail_prefix(err, "%s", file);
	return ret;
}

/* A name for scrubbed copies that no other push has: machines and containers may share a home, and process ids. */
static char *outgoing(struct sr_error *err)
{
	char *dir = corpus_cache_path("outgoing", err), *path = NULL, name[32];

	if (!dir || corpus_make_dir(dir, err) || crp_random_name(name, sizeof(name), "/", ".srz", err)) {
		free(dir);
		return NULL;
	}
	if (asprintf(&path, "%s%s", dir, name) < 0) {
		path = NULL;
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	free(dir);
	return path;
}

static int run(const void *options_, int nargs, char **args, struct sr_error *err)
{
	struct push p = { .o = options_ };
	char *scrubbed;
	int ret;

	if (nargs < 2)
		return sr_fail(err, SR_USAGE, "give a URL and at least one file");
	p.quiet = p.o->quiet;
	p.url = args[0];
	cmd_catch_signals();
	if (corpus_salt(p.salt, err))
		return -1;
	scrubbed = outgoing(err);
	if (!scrubbed)
		return -1;
	p.s = p.o->dry_run ? NULL : crp_open(args[0], CRP_WRITE, err);
	ret = p.s || p.o->dry_run ? 0 : -1;
	if (p.s)
		p.s->watch = corpus_watch(NULL);
	cmd_json_init(&p.j, stdout);
	if (p.o->json && !ret)
		cmd_json_open(&p.j, NULL, '[');
	for (int i = 1; i < nargs && !ret; i++)
		ret = push_file(&p, args[i], scrubbed, err);
	if (p.o->json && p.j.depth)
		cmd_json_close(&p.j, ']');
	crp_close(p.s);
	free(scrubbed);
	return cmd_signal ? 128 + cmd_signal : ret;
}

const struct cmd cmd_corpus_push = {
	.name = "corpus push",
	.summary = "scrub recordings and put them into a corpus",
	.operands = "URL FILE...",
	.description =
		"A recording is scrubbed on this machine before anything leaves it: names, of control groups too, "
		"become pseudonyms under a secret that "
		"stays here ($XDG_CONFIG_HOME/schedrec/salt), process ids are renumbered, command lines, labels, "
		"users, "
		"hosts and dates are dropped, by a list of what may stay. What will leave is shown. "
		"Consent "
		"and licence are asked once and kept in $XDG_CONFIG_HOME/schedrec/consent.\n\n"
		"A scrubbed recording replays and simulates as the original does, but for names.\n\n"
		"Printed are the object's name, the SHA-256 of its bytes, and a deletion token, which is kept in "
		"$XDG_CONFIG_HOME/schedrec/tokens too. What the corpus has already is not sent again; a push that was "
		"interrupted can be repeated.\n\n" CORPUS_URL_HELP,
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct push_options),
	.run = run,
};
