/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schedrec corpus token: who may push to the server of a corpus. */
#include "schedrec.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "corpus/store.h"
#include "corpus/token.h"

struct token_options {
	const char *name, *contributor;
	uint64_t max_bytes, max_objects;
	bool json;
};

#define AT(m) offsetof(struct token_options, m)
static const struct sr_option options[] = {
	{ "name", 'n', SR_OPT_STRING, AT(name), "NAME", 0, 0, NULL, NULL, "add: whose token it is, for you to know" },
	{ "contributor", 0, SR_OPT_STRING, AT(contributor), "HEX", 0, 0, NULL, "",
	  "add: another token for this contributor of an earlier one; their quotas count together" },
	{ "max-bytes", 0, SR_OPT_SIZE, AT(max_bytes), "SIZE", 0, 0, NULL, "10G", "add: how much it may push in all" },
	{ "max-objects", 0, SR_OPT_UINT, AT(max_objects), "N", 0, 1e15, NULL, "10000", "add: how many traces" },
	{ "json", 'j', SR_OPT_FLAG, AT(json), NULL, 0, 0, NULL, NULL, "JSON instead of text; times in s since 1970" },
	{ 0 },
};

static const char *const examples[] = {
	"schedrec corpus token add /srv/corpus --name alice",
	"prints a new token, which is not kept and is not shown again",
	"schedrec corpus token revoke /srv/corpus 5d1a08c1f30e77b2",
	"it opens nothing any more, from the next request on",
	NULL,
};

static void json_token(struct cmd_json *j, const struct crp_upload_token *t, const char *text)
{
	cmd_json_open(j, NULL, '{');
	cmd_json_str(j, "id", t->id);
	cmd_json_str(j, "name", t->name);
	cmd_json_str(j, "contributor", t->contributor);
	cmd_json_u64(j, "max_bytes", t->max_bytes);
	cmd_json_u64(j, "max_objects", t->max_objects);
	cmd_json_u64(j, "made_s", t->made_s);
	if (t->revoked_s)
		cmd_json_u64(j, "revoked_s", t->revoked_s);
	if (text)
		cmd_json_str(j, "token", text);
	cmd_json_close(j, '}');
}

static int add(const struct token_options *o, const char *dir, struct sr_error *err)
{
	struct crp_upload_token t = { .max_bytes = o->max_bytes, .max_objects = o->max_objects };
	char text[CRP_UPLOAD_TOKEN];
	struct cmd_json j;

	if (!o->name)
		return sr_fail(err, SR_USAGE, "--name is missing: whose token it is");
	if (strlen(o->name) >= sizeof(t.name) || strlen(o->contributor) >= sizeof(t.contributor))
		return sr_fail(err, SR_USAGE, "--name has at most %zu characters, --contributor at most %zu",
			       sizeof(t.name) - 1, sizeof(t.contributor) - 1);
	snprintf(t.name, sizeof(t.name), "%s", o->name);
	snprintf(t.contributor, sizeof(t.contributor), "%s", o->contributor);
	if (crp_token_add(dir, &t, text, err))
		return -1;
	if (o->json) {
		cmd_json_init(&j, stdout);
		json_token(&j, &t, text);
	} else {
		puts(text);
	}
	return SR_OK;
}

static void list_text(const struct crp_tokens *t)
{
	char bytes[32], when[32];

	printf("%-16s  %-20s  %10s  %10s  %-10s  %s\n", "id", "name", "max bytes", "max traces", "made", "state");
	for (size_t i = 0; i < t->n; i++) {
		const struct crp_upload_token *k = &t->v[i];
		time_t made = (time_t)k->made_s;
		struct tm tm;

		snprintf(when, sizeof(when), "?");
		if (gmtime_r(&made, &tm))
			strftime(when, sizeof(when), "%Y-%m-%d", &tm);
		printf("%-16s  %-20s  %10s  %10" PRIu64 "  %-10s  %s\n", k->id, k->name,
		       sr_format_bytes(bytes, sizeof(bytes), (double)k->max_bytes), k->max_objects, when,
		       k->revoked_s ? "revoked" : "valid");
	}
}

static int list(const struct token_options *o, const char *dir, struct sr_error *err)
{
	struct crp_tokens t;
	struct cmd_json j;

	if (crp_tokens_load(&t, dir, err))
		return -1;
	if (o->json) {
		cmd_json_init(&j, stdout);
		cmd_json_open(&j, NULL, '[');
		for (size_t i = 0; i < t.n; i++)
			json_token(&j, &t.v[i], NULL);
		cmd_json_close(&j, ']');
	} else {
		list_text(&t);
	}
	crp_tokens_release(&t);
	return SR_OK;
}

static int run(const void *members, int nargs, char **args, struct sr_error *err)
{
	const struct token_options *o = members;
	const char *what = nargs ? args[0] : "";
	struct crp_store *s;
	int want = !strcmp(what, "revoke") ? 3 : !strcmp(what, "add") || !strcmp(what, "list") ? 2 : 0;

	if (!want)
		return sr_fail(err, SR_USAGE, "add, list or revoke, not '%.40s'", what);
	if (nargs != want)
		return sr_fail(err, SR_USAGE, "token %s takes %s", what, want == 3 ? "DIR and ID" : "DIR");
	s = crp_dir_open(args[1], CRP_READ, err);
	if (!s)
		return -1;
	crp_close(s);
	if (want == 3)
		return crp_token_revoke(args[1], args[2], err) ? -1 : SR_OK;
	return *what == 'a' ? add(o, args[1], err) : list(o, args[1], err);
}

const struct cmd cmd_corpus_token = {
	.name = "corpus token",
	.summary = "make, list and revoke the tokens that pushing to a served corpus needs",
	.operands = "add|list|revoke DIR [ID]",
	.description = "A token is shown once, when it is made; the corpus keeps its SHA-256 only (DIR/tokens). A "
		       "running server "
		       "sees what is added and revoked at once. Traces that were pushed with a revoked token stay.\n\n"
		       "Whoever has a token puts it into the environment as SCHEDREC_TOKEN, or into a file that "
		       "SCHEDREC_TOKEN_FILE names.",
	.examples = examples,
	.options = options,
	.options_size = sizeof(struct token_options),
	.run = run,
};
