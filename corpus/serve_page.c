/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people see: the corpus in numbers and plots, its entries, and the server's own counters for Prometheus. Nothing
 * of it runs in the browser. Every text of a row passes through escape().
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "corpus/serve_internal.h"
#include "formats/markup.h"
#include "formats/option.h"

#define ENTRIES 100 /* on a page */
#define SHOWN 20    /* groups in a table */

static const char style[] =
	"body{font:15px/1.45 system-ui,sans-serif;margin:0 "
	"auto;max-width:70rem;padding:1rem;color:#1b1f24;background:#fff}"
	"h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}a{color:#0550ae}"
	"table{border-collapse:collapse;width:100%;margin:.5rem 0}"
	"th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}"
	"td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{overflow-wrap:anywhere}"
	"svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#424a53}"
	".bar,.dot{fill:#0969da}.dot{fill-opacity:.5}.axis{stroke:#8c959f}.grid{stroke:#eaeef2}"
	"@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}a{color:#6cb6ff}"
	"th,td{border-color:#30363d}svg text{fill:#9da7b3}.grid{stroke:#21262d}}";

static void escape(FILE *f, const char *text)
{
	sr_markup(f, text, SIZE_MAX);
}

static FILE *begin_page(struct crp_answer *a, const char *title)
{
	FILE *f = open_memstream(&a->body, &a->size);

	if (!f) {
		a->body = NULL;
		crp_answer_text(a, 503, "out of memory\n");
		return NULL;
	}
	a->status = 200;
	a->page = true;
	a->type = "text/html; charset=utf-8";
	fprintf(f,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		"<link rel=\"stylesheet\" href=\"/style.css\"></head><body>\n<h1>%s</h1>\n"
		"<p><a href=\"/\">Overview</a> &middot; <a href=\"/entries\">All entries</a></p>\n",
		title, title);
	return f;
}

static void end_page(FILE *f, struct crp_answer *a)
{
	fputs("</body></html>\n", f);
	if (fclose(f)) {
		free(a->body);
		a->body = NULL;
		a->size = 0;
		a->page = false;
		crp_answer_text(a, 503, "out of memory\n");
	}
}

static void failed(struct crp_request *r, const struct sr_error *err, struct crp_answer *a)
{
	snprintf(r->why, sizeof(r->why), "%.*s", (int)sizeof(r->why) - 1, err->text);
	crp_answer_text(a, 500, "the server's store has failed; its log says more\n");
}

static void date(char buf[32], uint64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	snprintf(buf, 32, "-");
	if (s && s < 253402300800ull && gmtime_r(&t, &tm))
		strftime(buf, 32, "%Y-%m-%d %H:%M", &tm);
}

/* Plots */

#define PLOT_W 640
#define PLOT_H 320
#define LEFT 56
#define BOTTOM 40

struct axis {
	int lo, hi; /* decades */
};

static struct axis decades(const struct crp_survey *v, double (*value)(const struct crp_dot *p))
{
	struct axis a = { INT32_MAX, INT32_MIN };

	for (size_t i = 0; i < v->npoints; i++) {
		double l = log10(value(&v->point[i]));

		if (floor(l) < a.lo)
			a.lo = (int)floor(l);
		if (ceil(l) > a.hi)
			a.hi = (int)ceil(l);
	}
	if (a.hi <= a.lo)
		a.hi = a.lo + 1;
	return a;
}

static double duration_of(const struct crp_dot *p)
{
	return p->duration_s;
}

static double events_of(const struct crp_dot *p)
{
	return p->events;
}

static double at(const struct axis *a, double value, double from, double to)
{
	return from + (log10(value) - a->lo) / (a->hi - a->lo) * (to - from);
}

static void scatter(FILE *f, const struct crp_survey *v)
{
	struct axis x = decades(v, duration_of), y = decades(v, events_of);
	char label[32];

	fprintf(f,
		"<h2>Length and number of events</h2>\n<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
		"role=\"img\" "
		"aria-label=\"Each trace's number of events over its length\">\n",
		PLOT_W, PLOT_H, PLOT_W, PLOT_H);
	for (int d = x.lo; d <= x.hi; d++) {
		double px = at(&x, pow(10, d), LEFT, PLOT_W - 10);

		fprintf(f, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"10\" y2=\"%d\"/>", px, px,
			PLOT_H - BOTTOM);
		fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", px, PLOT_H - BOTTOM + 16,
			sr_format_time(label, sizeof(label), pow(10, d + 9)));
	}
	for (int d = y.lo; d <= y.hi; d++) {
		double py = at(&y, pow(10, d), PLOT_H - BOTTOM, 10);

		fprintf(f, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, PLOT_W - 10, py,
			py);
		fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">10<tspan dy=\"-4\">%d</tspan></text>\n",
			LEFT - 6, py + 4, d);
	}
	for (size_t i = 0; i < v->npoints; i++) {
		const struct crp_dot *p = &v->point[i];
		const char *program = crp_programs[p->program];

		fprintf(f, "<circle class=\"dot\" r=\"3.5\" cx=\"%.1f\" cy=\"%.1f\"><title>%s, %.0f CPUs</title></circle>\n",
			at(&x, p->duration_s, LEFT, PLOT_W - 10), at(&y, p->events, PLOT_H - BOTTOM, 10),
			program ? program : "not known", p->cpus);
	}
	fprintf(f,
		"<text x=\"%d\" y=\"%d\" text-anchor=\"end\">length</text><text x=\"4\" y=\"12\">events</text></svg>\n",
		PLOT_W - 10, PLOT_H - 6);
}

static void bars(FILE *f, const char *title, const struct crp_groups *g)
{
	size_t n = g->n < SHOWN ? g->n : SHOWN;
	uint64_t most = 1;

	for (size_t i = 0; i < n; i++)
		if (g->v[i].traces > most)
			most = g->v[i].traces;
	fprintf(f, "<h2>%s</h2>\n<svg viewBox=\"0 0 %d %zu\" width=\"%d\" height=\"%zu\" role=\"img\" aria-label=\"%s\">\n",
		title, PLOT_W, n * 22 + 4, PLOT_W, n * 22 + 4, title);
	for (size_t i = 0; i < n; i++) {
		double w = (double)g->v[i].traces / (double)most * (PLOT_W - 300);

		fprintf(f, "<text x=\"190\" y=\"%zu\" text-anchor=\"end\">", i * 22 + 16);
		escape(f, g->v[i].text);
		fprintf(f,
			"</text><rect class=\"bar\" x=\"200\" y=\"%zu\" width=\"%.1f\" height=\"16\"/>"
			"<text x=\"%.1f\" y=\"%zu\">%" PRIu64 "</text>\n",
			i * 22 + 3, w, 206 + w, i * 22 + 16, g->v[i].traces);
	}
	fputs("</svg>\n", f);
}

static void table(FILE *f, const char *title, const char *what, const struct crp_groups *g)
{
	char bytes[32];
	uint64_t rest = g->others;

	fprintf(f, "<h2>%s</h2>\n<table><tr><th>%s</th><th class=\"n\">traces</th><th class=\"n\">size</th></tr>\n",
		title, what);
	for (size_t i = 0; i < g->n; i++) {
		if (i >= SHOWN) {
			rest += g->v[i].traces;
			continue;
		}
		fputs("<tr><td>", f);
		escape(f, g->v[i].text);
		fprintf(f, "</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%s</td></tr>\n", g->v[i].traces,
			sr_format_bytes(bytes, sizeof(bytes), (double)g->v[i].bytes));
	}
	if (rest)
		fprintf(f, "<tr><td>others</td><td class=\"n\">%" PRIu64 "</td><td></td></tr>\n", rest);
	fputs("</table>\n", f);
}

static void overview(FILE *f, const struct crp_survey *v)
{
	char count[32], events[32], bytes[32], length[32], newest[32], people[32];

	date(newest, v->newest_s);
	fprintf(f,
		"<p>%s traces of %s%s contributors: %s events, %s of recorded time, %s. The newest came on %s "
		"(UTC).</p>\n",
		sr_format_count(count, sizeof(count), v->traces), v->people.others ? "more than " : "",
		sr_format_count(people, sizeof(people), v->contributors),
		sr_format_count(events, sizeof(events), v->events),
		sr_format_time(length, sizeof(length), (double)v->duration_ns),
		sr_format_bytes(bytes, sizeof(bytes), (double)v->bytes), newest);
	if (v->npoints)
		scatter(f, v);
	bars(f, "Programs", &v->programs);
	bars(f, "CPUs", &v->cpus);
	table(f, "Machines", "machine", &v->machines);
	table(f, "CPU models", "model", &v->models);
	table(f, "Kernels", "kernel", &v->kernels);
	table(f, "Licences", "licence", &v->licences);
}

void crp_page_home(struct crp_request *r, struct crp_answer *a)
{
	struct crp_server *s = r->s;
	struct sr_error err;
	FILE *f;

	pthread_mutex_lock(&s->list_lock);
	if (crp_survey_update(s, &err)) {
		failed(r, &err, a);
	} else {
		f = begin_page(a, "A corpus of scheduler traces");
		if (f && s->survey->traces)
			overview(f, s->survey);
		else if (f)
			fputs("<p>It has no traces yet.</p>\n", f);
		if (f)
			end_page(f, a);
	}
	pthread_mutex_unlock(&s->list_lock);
}

/* Entries */

struct entries {
	FILE *f;
	unsigned n;
	char last[SR_SHA256_TEXT];
	bool more;
};

static int add_entry(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct entries *e = arg;
	char events[32], length[32], bytes[32], added[32];

	if (e->n++ == ENTRIES) {
		e->more = true;
		return 1;
	}
	date(added, row->added_s);
	memcpy(e->last, row->sha256, sizeof(e->last));
	fprintf(e->f, "<tr><td><a href=\"/entries/%s\"><code>%.12s</code></a></td><td>", row->sha256, row->sha256);
	escape(e->f, row->program);
	fputs("</td><td>", e->f);
	escape(e->f, row->machine);
	fprintf(e->f,
		"</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td "
		"class=\"n\">%s</td></tr>\n",
		sr_format_count(events, sizeof(events), row->events),
		sr_format_time(length, sizeof(length), (double)row->duration_ns),
		sr_format_bytes(bytes, sizeof(bytes), (double)row->bytes), added);
	return 0;
}

void crp_page_entries(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	struct crp_query q = { .limit = ENTRIES + 1 };
	struct entries e = { 0 };
	struct sr_error err;
	int ret;

	if (h->after && !crp_is_sha256(h->after)) {
		crp_answer_text(a, 400, "after is 64 hexadecimal digits\n");
		return;
	}
	if (h->after)
		memcpy(q.after, h->after, SR_SHA256_TEXT);
	e.f = begin_page(a, "Entries");
	if (!e.f)
		return;
	fputs("<table><tr><th>object</th><th>program</th><th>machine</th><th class=\"n\">events</th><th "
	      "class=\"n\">length</th>"
	      "<th class=\"n\">size</th><th class=\"n\">added (UTC)</th></tr>\n",
	      e.f);
	pthread_mutex_lock(&r->s->list_lock);
	ret = crp_list(r->s->lister, &q, add_entry, &e, &err);
	pthread_mutex_unlock(&r->s->list_lock);
	fputs("</table>\n", e.f);
	if (e.more)
		fprintf(e.f, "<p><a href=\"/entries?after=%s\">More</a></p>\n", e.last);
	end_page(e.f, a);
	if (!ret)
		return;
	free(a->body);
	a->body = NULL;
	a->page = false;
	failed(r, &err, a);
}

static void fact(FILE *f, const char *name, const char *value)
{
	if (!*value)
		return;
	fprintf(f, "<tr><th>%s</th><td>", name);
	escape(f, value);
	fputs("</td></tr>\n", f);
}

static void fact_u64(FILE *f, const char *name, uint64_t value)
{
	char text[32];

	fact(f, name, sr_format_count(text, sizeof(text), value));
}

static void show_row(FILE *f, const struct crp_row *row)
{
	char text[32];

	fprintf(f, "<p><a href=\"/v1/objects/%s\">The trace</a> &middot; <a href=\"/v1/rows/%s\">its row as text</a></p>\n",
		row->sha256, row->sha256);
	fputs("<table>\n", f);
	fact(f, "SHA-256", row->sha256);
	fact(f, "program", row->program);
	fact(f, "machine", row->machine);
	fact(f, "CPU model", row->cpu_model);
	fact(f, "architecture", row->arch);
	fact(f, "kernel", row->kernel);
	fact(f, "scope", row->scope);
	fact(f, "engine", row->engine);
	fact_u64(f, "CPUs", row->cpus);
	fact_u64(f, "NUMA nodes", row->nodes);
	fact(f, "length", sr_format_time(text, sizeof(text), (double)row->duration_ns));
	fact_u64(f, "events", row->events);
	fact_u64(f, "lost events", row->lost);
	fact_u64(f, "tasks", row->tasks);
	fact(f, "size", sr_format_bytes(text, sizeof(text), (double)row->bytes));
	fact(f, "licence", row->licence);
	fact(f, "contributor", row->contributor);
	date(text, row->added_s);
	fact(f, "added (UTC)", text);
	fputs("</table>\n", f);
	if (row->nfeatures)
		fputs("<h2>Features</h2>\n<table>\n", f);
	for (size_t i = 0; i < row->nfeatures; i++) {
		snprintf(text, sizeof(text), "%.6g", row->feature[i].value);
		fact(f, row->feature[i].name, text);
	}
	if (row->nfeatures)
		fputs("</table>\n", f);
}

void crp_page_entry(struct crp_request *r, struct crp_answer *a)
{
	struct crp_row row;
	struct sr_error err;
	FILE *f;
	int ret;

	pthread_mutex_lock(&r->s->list_lock);
	ret = crp_find(r->s->lister, r->sha256, &row, &err);
	pthread_mutex_unlock(&r->s->list_lock);
	if (ret < 0) {
		failed(r, &err, a);
		return;
	}
	if (!ret) {
		crp_answer_text(a, 404, "there is no such object here\n");
		return;
	}
	f = begin_page(a, "One trace");
	if (!f)
		return;
	show_row(f, &row);
	end_page(f, a);
}

void crp_page_style(struct crp_request *r, struct crp_answer *a)
{
	crp_answer_text(a, 200, "%s", style);
	a->type = "text/css; charset=utf-8";
}

/* Metrics */

static const struct {
	const char *name, *help;
} counters[CRP_COUNTERS] = {
	[CRP_C_REQUESTS] = { "requests", "Requests whose head was whole." },
	[CRP_C_UPLOADS] = { "uploads_stored", "Uploads that were let in." },
	[CRP_C_PRESENT] = { "uploads_present", "Uploads of what was here already." },
	[CRP_C_REFUSED] = { "uploads_refused", "Uploads refused after their bytes had come." },
	[CRP_C_REMOVED] = { "objects_removed", "Objects removed with their tokens." },
	[CRP_C_IN] = { "received_bytes", "Bytes of uploads." },
	[CRP_C_OUT] = { "sent_bytes", "Bytes of answers that were sent as a whole." },
	[CRP_C_SLOW] = { "connections_late", "Connections ended because they took too long." },
	[CRP_C_TURNED_AWAY] = { "connections_turned_away", "Connections over the limit of their address." },
	[CRP_C_BAD_TOKENS] = { "bad_tokens", "Requests with a wrong token." },
	[CRP_C_HTTP_ERRORS] = { "http_errors", "What the HTTP library complained of." },
};

static void metric(FILE *f, const char *name, const char *type, const char *help, double value)
{
	fprintf(f, "# HELP schedrec_corpus_%s %s\n# TYPE schedrec_corpus_%s %s\nschedrec_corpus_%s %.15g\n", name, help,
		name, type, name, value);
}

static void own_metrics(FILE *f, struct crp_server *s)
{
	char name[64];

	for (int i = 0; i < CRP_COUNTERS; i++) {
		snprintf(name, sizeof(name), "%s_total", counters[i].name);
		metric(f, name, "counter", counters[i].help, (double)atomic_load(&s->count[i]));
	}
	fputs("# HELP schedrec_corpus_answers_total Answers by their status.\n# TYPE schedrec_corpus_answers_total "
	      "counter\n",
	      f);
	for (int i = 2; i <= 5; i++)
		fprintf(f, "schedrec_corpus_answers_total{status=\"%dxx\"} %llu\n", i,
			(unsigned long long)atomic_load(&s->status[i]));
	metric(f, "connections", "gauge", "Connections now.", crp_http_connections(s->http));
	metric(f, "uploads", "gauge", "Uploads under way.", atomic_load(&s->uploads));
	metric(f, "uptime_seconds", "gauge", "Since the start.", (double)(crp_now_ns() - s->start_ns) / 1e9);
}

void crp_metrics(struct crp_request *r, struct crp_answer *a)
{
	struct crp_server *s = r->s;
	struct sr_error err;
	FILE *f;

	pthread_mutex_lock(&s->list_lock);
	if (crp_survey_update(s, &err)) {
		failed(r, &err, a);
	} else {
		f = open_memstream(&a->body, &a->size);
		if (f) {
			a->status = 200;
			a->type = "text/plain; version=0.0.4; charset=utf-8";
			own_metrics(f, s);
			metric(f, "objects", "gauge", "Objects in the corpus.", (double)s->survey->traces);
			metric(f, "objects_bytes", "gauge", "Their size.", (double)s->survey->bytes);
			fclose(f);
		} else {
			a->body = NULL;
			crp_answer_text(a, 503, "out of memory\n");
		}
	}
	pthread_mutex_unlock(&s->list_lock);
}
