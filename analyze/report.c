/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page of a report, put together. */
#include "analyze/report_internal.h"

#include <stdlib.h>
#include <string.h>

#include "formats/digest.h"

/* Observable Plot 0.6.17 gives each chart a style element of its own, always the same one where the class is "plot": its
 * hash. Another version of Plot needs another one; tests/real/report.sh finds a policy that is violated. */
#define PLOT_STYLE "sha256-+TfQir1nvDucAdvE6XUQBt4ayUjpAWkbw2kCdSfekHM="

/* How a content security policy names a script or a style: the base64 of its SHA-256. */
static int put_hash(FILE *f, const char *text, size_t len, struct sr_error *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct sr_sha256 *d = sr_sha256_new();
	char hex[SR_SHA256_TEXT], byte[3] = "";
	unsigned bits = 0, nbits = 0;

	if (!d)
		return ana_no_memory(err);
	sr_sha256_add(d, text, len);
	sr_sha256_end(d, hex);
	sr_sha256_free(d);
	fputs(" 'sha256-", f);
	for (size_t i = 0; hex[i]; i += 2) {
		memcpy(byte, hex + i, 2);
		bits = (bits & 0x3f) << 8 | (unsigned)strtoul(byte, NULL, 16);
		for (nbits += 8; nbits >= 6; nbits -= 6)
			putc(digits[bits >> (nbits - 6) & 63], f);
	}
	/* 32 bytes are 42 digits and 4 bits. */
	putc(digits[bits << (6 - nbits) & 63], f);
	fputs("='", f);
	return 0;
}

static int put_asset_hash(FILE *f, enum ana_asset_id id, struct sr_error *err)
{
	struct ana_asset a = ana_report_asset(id);

	return put_hash(f, a.text, a.len, err);
}

static int put_policy(FILE *f, struct sr_error *err)
{
	fputs("default-src 'none'; script-src", f);
	if (put_asset_hash(f, ANA_ASSET_LIB, err) < 0 || put_asset_hash(f, ANA_ASSET_SCRIPT, err) < 0)
		return -1;
	fputs("; style-src '" PLOT_STYLE "'", f);
	if (put_asset_hash(f, ANA_ASSET_LIB_STYLE, err) < 0 || put_asset_hash(f, ANA_ASSET_STYLE, err) < 0)
		return -1;
	fputs("; base-uri 'none'; form-action 'none'", f);
	return 0;
}

static void put_element(FILE *f, const char *tag, enum ana_asset_id id)
{
	struct ana_asset a = ana_report_asset(id);

	fprintf(f, "<%s>", tag);
	fwrite(a.text, 1, a.len, f);
	fprintf(f, "</%s>\n", tag);
}

static const char *title_of(const struct ana_report *r)
{
	return r->o->title ? r->o->title : "Scheduler benchmark report";
}

static void put_origin(const struct ana_report *r, FILE *f)
{
	fputs("<p class=\"origin\">", f);
	if (r->o->name) {
		fputs("From <code>", f);
		ana_html_text(f, r->o->name);
		fputs("</code>: ", f);
	}
	fprintf(f, "%lld run%s of %lld trace%s", (long long)r->runs, r->runs == 1 ? "" : "s", (long long)r->traces,
		r->traces == 1 ? "" : "s");
	if (r->o->made_at) {
		fputs(", written <time>", f);
		ana_html_text(f, r->o->made_at);
		fputs("</time>", f);
	}
	if (r->o->version) {
		fputs(" by schedrec ", f);
		ana_html_text(f, r->o->version);
	}
	fputs(".</p>\n", f);
}

static void put_arms(const struct ana_report *r, struct ana_json *j)
{
	ana_json_open(j, "arms", '[');
	for (size_t i = 0; i < r->narms; i++) {
		const struct ana_report_arm *a = &r->arms[i];

		ana_json_open(j, NULL, '{');
		ana_json_text(j, "name", a->name);
		for (int k = 0; k < ANA_IDENTITIES; k++)
			ana_json_text(j, ana_identity_columns[k], a->identity[k]);
		ana_json_int(j, "runs", a->runs);
		ana_json_int(j, "traces", a->traces);
		ana_json_int(j, "lost", a->lost);
		ana_json_int(j, "repaired", a->repaired);
		ana_json_int(j, "censored", a->censored);
		ana_json_text(j, "first", a->first);
		ana_json_text(j, "last", a->last);
		ana_json_close(j, '}');
	}
	ana_json_close(j, ']');
}

/* What there is in all, and what the limits let in. */
static void put_totals(const struct ana_report *r, struct ana_json *j)
{
	ana_json_open(j, "all", '{');
	ana_json_int(j, "arms", (int64_t)r->narms_all);
	ana_json_int(j, "runs", r->runs);
	ana_json_int(j, "traces", r->traces);
	ana_json_int(j, "files", (int64_t)r->o->ntraces);
	ana_json_close(j, '}');
	ana_json_open(j, "asked", '['); /* metrics; none: the usual ones */
	for (size_t i = 0; i < r->o->nmetrics; i++)
		ana_json_text(j, NULL, r->o->metrics[i]);
	ana_json_close(j, ']');
	ana_json_open(j, "limits", '{');
	ana_json_int(j, "distribution_runs", ANA_REPORT_DIST_RUNS);
	ana_json_int(j, "distribution_traces", ANA_REPORT_DIST_TRACES);
	ana_json_int(j, "distribution_arms", ANA_REPORT_DIST_ARMS);
	ana_json_int(j, "nights", ANA_REPORT_NIGHTS);
	ana_json_int(j, "series", ANA_REPORT_SERIES);
	ana_json_close(j, '}');
}

static int put_data(struct ana_report *r, FILE *f, struct sr_error *err)
{
	struct ana_json j = { .f = f };
	int ret = -1;

	fputs("<script type=\"application/json\" id=\"data\">", f);
	ana_json_open(&j, NULL, '{');
	put_totals(r, &j);
	put_arms(r, &j);
	ana_report_comparisons(r, &j);
	if (ana_report_evidence(r, &j, err) < 0 || ana_report_distributions(r, &j, err) < 0 ||
	    ana_report_nightly(r, &j, err) < 0)
		return -1;
	ana_json_open(&j, "timelines", '[');
	for (size_t i = 0; i < r->o->ntraces && i < ANA_REPORT_TIMELINES; i++)
		if (ana_report_timeline(r->db, r->o->traces[i], &j, err) < 0)
			goto out;
	ret = 0;
out:
	ana_json_close(&j, ']');
	ana_json_close(&j, '}');
	fputs("</script>\n", f);
	return ret;
}

static int put_part(struct ana_report *r, const char *name, size_t len, FILE *f, struct sr_error *err)
{
	if (!strncmp(name, "policy", len))
		return put_policy(f, err);
	if (!strncmp(name, "title", len))
		ana_html_text(f, title_of(r));
	else if (!strncmp(name, "styles", len)) {
		put_element(f, "style", ANA_ASSET_LIB_STYLE);
		put_element(f, "style", ANA_ASSET_STYLE);
	} else if (!strncmp(name, "origin", len))
		put_origin(r, f);
	else if (!strncmp(name, "verdict", len))
		ana_report_verdict(r, f);
	else if (!strncmp(name, "data", len))
		return put_data(r, f, err);
	else if (!strncmp(name, "scripts", len)) {
		put_element(f, "script", ANA_ASSET_LIB);
		put_element(f, "script", ANA_ASSET_SCRIPT);
	}
	return 0;
}

/* The page with its places ({{name}}) filled. */
static int put_page(struct ana_report *r, FILE *f, struct sr_error *err)
{
	struct ana_asset page = ana_report_asset(ANA_ASSET_PAGE);
	const char *at = page.text, *end = page.text + page.len;

	for (;;) {
		const char *open = memmem(at, (size_t)(end - at), "{{", 2);
		const char *close = open ? memmem(open, (size_t)(end - open), "}}", 2) : NULL;

		if (!close)
			break;
		fwrite(at, 1, (size_t)(open - at), f);
		if (put_part(r, open + 2, (size_t)(close - open - 2), f, err) < 0)
			return -1;
		at = close + 2;
	}
	fwrite(at, 1, (size_t)(end - at), f);
	return 0;
}

int ana_report_write(struct ana_db *db, const struct ana_report_options *o, FILE *f, struct sr_error *err)
{
	struct ana_report r = { .db = db, .o = o };
	int ret = -1;

	if (!ana_report_can())
		return sr_fail(
			err, SR_ENVIRONMENT,
			"this schedrec was built without what draws the charts: install npm (sudo tests/deps web)"
			" and run make again, with the npm registry in reach");
	if (!o->base != !o->candidate)
		return sr_fail(err, SR_USAGE, "a report compares a base and a candidate, or chooses both itself");
	if (ana_report_choose(&r, err) == 0 && ana_report_compare(&r, err) == 0 && put_page(&r, f, err) == 0)
		ret = 0;
	ana_report_drop(&r);
	ana_report_release(&r);
	return ret;
}
