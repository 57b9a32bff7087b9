/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a night's results say beside a baseline. */
#include "analyze/nightly_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has(const struct ana_baseline *b, const char *word)
{
	for (size_t i = 0; i < b->n; i++)
		if (!strcmp(b->term[i].word, word))
			return true;
	return false;
}

/* The part before the next comma that no backslash protects; *text goes behind it, NULL at the end. */
static char *next_part(char **text)
{
	char *part = *text, *to = part, *from = part;

	while (*from && *from != ',') {
		if (from[0] == '\\' && from[1] == ',')
			from++;
		*to++ = *from++;
	}
	*text = *from ? from + 1 : NULL;
	*to = '\0';
	return part;
}

static int parse_baseline(const char *selector, struct ana_baseline *b, struct sr_error *err)
{
	static const char *const words[] = { "policy",  "options", "arm",       "label", "engine",
					     "machine", "kernel",  "sched_ext", "work",  "timing" };
	char *rest;

	memset(b, 0, sizeof(*b));
	b->text = rest = strdup(selector);
	if (!rest)
		return ana_no_memory(err);
	while (rest) {
		char *part = next_part(&rest), *value = strchr(part, '=');
		size_t k = 0;

		if (!strcmp(part, "last") && !b->last && b->n == 0) {
			b->last = true;
			continue;
		}
		if (value)
			*value++ = '\0';
		while (k < sizeof(words) / sizeof(words[0]) && strcmp(words[k], part))
			k++;
		if (!value || k == sizeof(words) / sizeof(words[0]))
			return sr_fail(
				err, SR_USAGE,
				"baseline '%s': '%s' is neither 'last', as its first word, nor KEY=VALUE with policy,"
				" options, arm, label, engine, machine, kernel, sched_ext, work or timing as KEY",
				selector, part);
		if (b->n == ANA_BASELINE_TERMS)
			return sr_fail(err, SR_USAGE, "baseline '%s' has too many parts", selector);
		b->term[b->n].word = words[k];
		b->term[b->n++].value = value;
	}
	if (b->last && has(b, "label"))
		return sr_fail(err, SR_USAGE, "baseline '%s': 'last' and a label are two different nights", selector);
	return 0;
}

int ana_night_check_baseline(const char *baseline, struct sr_error *err)
{
	struct ana_baseline b;
	int ret = parse_baseline(baseline, &b, err);

	free(b.text);
	return ret;
}

/* ---- what is compared ---- */

static void release_arm(struct ana_night_arm *a)
{
	free(a->trace);
	free(a->policy);
	free(a->options);
	free(a->engine);
	free(a->machine);
	free(a->arm);
	free(a->work);
	free(a->timing);
	free(a->machine_key);
	free(a->sched_ext);
}

static char *text_copy(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return strdup(text ? text : "");
}

/* ",KEY=VALUE" for a selector. */
static void put_term(FILE *f, const char *word, const char *value)
{
	fprintf(f, "%s%s=", ftell(f) > 0 ? "," : "", word);
	for (; *value; value++)
		fprintf(f, "%s%c", *value == ',' ? "\\" : "", *value);
}

void ana_night_bind(sqlite3_stmt *st, const struct ana_night_arm *a)
{
	const char *texts[ANA_NIGHT_BOUND] = {
		a->sha256,    a->policy, a->options, a->machine,
		a->arm,       a->work,   a->timing,  *a->machine_key ? a->machine_key : NULL,
		a->sched_ext,
	};

	for (int i = 0; i < ANA_NIGHT_BOUND; i++)
		sqlite3_bind_text(st, i + 1, texts[i], -1, SQLITE_STATIC);
}

void ana_night_conditions(const struct ana_night_arm *a, struct ana_night_condition out[ANA_NIGHT_CONDITIONS])
{
	out[0] = (struct ana_night_condition){ "machine", a->machine, ANA_ID_MACHINE };
	out[1] = (struct ana_night_condition){ "arm", a->arm, ANA_ID_ARM };
	out[2] = (struct ana_night_condition){ "work", a->work, ANA_ID_WORK };
	out[3] = (struct ana_night_condition){ "timing", a->timing, ANA_ID_TIMING };
	out[4] = (struct ana_night_condition){ "sched_ext", a->sched_ext, ANA_ID_SCHED_EXT };
}

/* ---- nights that are like this one ---- */

/*
 * Two nights are alike when their options make the same load on the same machine. Left out are the parameters of the
 * simulator's model, which is what a simulated night judges, as a live one does the kernel; what the runs' own columns
 * tell; and what changes no figure. Whatever else an option is, it may change the load. Options of one name keep their
 * order: the last one counts.
 */
#define OPTION "substr(e.value, 1, instr(e.value || '=', '=') - 1)"
#define SPEC "CASE WHEN json_valid(n.spec) THEN n.spec ELSE '{}' END"

static const char list_kin[] =
	"CREATE TEMP TABLE night_kin AS WITH kind AS (SELECT n.id, n.label, n.engine, n.started_at, n.rounds,"
	" (SELECT group_concat(quote(e.value), ' ') FROM (SELECT e.value FROM json_each(" SPEC ", '$.extra') e"
	" WHERE " OPTION " NOT IN ('--param', '--param-file', '--machine', '--cpus', '--nice-offset', '--class',"
	" '--time-scale', '--work-scale', '--work', '--timing', '--policy', '--db', '--label', '--repeat',"
	" '--first-round', '--turns-seed', '--jobs', '--output', '--force', '--json', '--quiet', '-q')"
	" ORDER BY " OPTION ", e.key) e) AS options,"
	" coalesce(json_extract(" SPEC ", '$.machine'), (SELECT substr(e.value, instr(e.value, '=') + 1) FROM"
	" json_each(" SPEC ", '$.extra') e WHERE " OPTION " = '--machine' ORDER BY e.key DESC LIMIT 1)) AS machine"
	" FROM night n)"
	" SELECT k.id, k.label, k.started_at, k.rounds, k.machine IS t.machine AS as_machine,"
	" CASE WHEN k.id = t.id THEN 0 WHEN (k.started_at, k.id) < (t.started_at, t.id) THEN -1 ELSE 1 END AS turn"
	" FROM kind k JOIN kind t ON t.id = ? WHERE k.engine = t.engine AND k.options IS t.options";

static void forget_kin(const struct ana_judge *j)
{
	sqlite3_exec(j->db->sql, "DROP TABLE IF EXISTS temp.night_kin", NULL, NULL, NULL);
}

static int find_kin(const struct ana_judge *j, struct sr_error *err)
{
	sqlite3_stmt *st;
	int ret = -1;

	forget_kin(j);
	st = ana_db_prepare(j->db, list_kin, err);
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, j->night->id);
	if (sqlite3_step(st) == SQLITE_DONE)
		ret = 0;
	else
		ana_db_failed(j->db, "read its nights", err);
	sqlite3_finalize(st);
	return ret;
}

/* ---- the baseline ---- */

/* The conditions that the last night must share, but those that the baseline names itself. */
static void put_conditions(const struct ana_judge *j, const struct ana_night_arm *a, FILE *f)
{
	struct ana_night_condition c[ANA_NIGHT_CONDITIONS];

	ana_night_conditions(a, c);
	for (size_t i = 0; i < ANA_NIGHT_CONDITIONS; i++)
		if (!has(&j->base, c[i].word))
			put_term(f, c[i].word, c[i].is);
}

/* The baseline for an arm, in the night of a label (NULL: any, as the terms say). shown: for people, without what both
 * arms have in common. */
static int base_selector(const struct ana_judge *j, const struct ana_night_arm *a, const char *label, bool shown,
			 char **out, struct sr_error *err)
{
	size_t len;
	FILE *f = open_memstream(out, &len);

	if (!f)
		return ana_no_memory(err);
	for (size_t i = 0; i < j->base.n; i++)
		put_term(f, j->base.term[i].word, j->base.term[i].value);
	if (!has(&j->base, "policy")) {
		put_term(f, "policy", a->policy);
		if (!has(&j->base, "options") && (!shown || *a->options))
			put_term(f, "options", a->options);
	}
	if (label && (!shown || strcmp(label, j->night->label)))
		put_term(f, "label", label);
	if (!shown) {
		if (!has(&j->base, "engine"))
			put_term(f, "engine", a->engine);
		if (j->base.last)
			put_conditions(j, a, f);
		else if (!has(&j->base, "sched_ext") && label && !strcmp(label, j->night->label))
			put_term(f, "sched_ext", a->sched_ext);
		put_term(f, "trace", a->sha256);
	}
	if (fclose(f) == 0 && *out)
		return 0;
	free(*out);
	*out = NULL;
	ana_no_memory(err);
	return -1;
}

static int cand_selector(const struct ana_judge *j, const struct ana_night_arm *a, char **out, struct sr_error *err)
{
	size_t len;
	FILE *f = open_memstream(out, &len);

	if (!f)
		return ana_no_memory(err);
	put_term(f, "label", j->night->label);
	put_term(f, "policy", a->policy);
	put_term(f, "options", a->options);
	put_term(f, "engine", a->engine);
	/* One that came or went during the night parts its runs. */
	put_term(f, "sched_ext", a->sched_ext);
	put_term(f, "trace", a->sha256);
	return fclose(f) ? ana_no_memory(err) : 0;
}

/* The runs of a selector that has only what put_term wrote. */
static int select_runs(const struct ana_judge *j, const char *selector, struct ana_db_runs *out, struct sr_error *err)
{
	struct ana_db_term terms[ANA_BASELINE_TERMS + 10]; /* the baseline's, and all that base_selector adds */
	char *text = strdup(selector), *rest = text;
	size_t n = 0;
	int ret;

	if (!text)
		return ana_no_memory(err);
	while (rest && n < sizeof(terms) / sizeof(terms[0])) {
		char *word = next_part(&rest), *value = strchr(word, '=');

		*value++ = '\0';
		terms[n++] = (struct ana_db_term){ .column = !strcmp(word, "options") ? "policy_options" : word,
						   .value = value };
	}
	ret = ana_db_select(j->db, terms, n, out, err);
	free(text);
	return ret;
}

/* 1: runs match the baseline in the night of this label, and the two selectors are filled in; 0: none do; 2: they are
 * the candidate's own. Of some that are and some that are not ana_compare says what they differ in. */
static int try_base(const struct ana_judge *j, const struct ana_night_arm *a, const char *label, char **base,
		    char **shown, struct sr_error *err)
{
	struct ana_db_runs runs = { 0 }, own = { 0 };
	char *cand = NULL;
	int ret = -1;

	if (base_selector(j, a, label, false, base, err) == 0 && base_selector(j, a, label, true, shown, err) == 0 &&
	    cand_selector(j, a, &cand, err) == 0 && select_runs(j, *base, &runs, err) == 0 &&
	    select_runs(j, cand, &own, err) == 0) {
		size_t mine = 0;

		for (size_t i = 0; i < runs.n; i++)
			for (size_t k = 0; k < own.n; k++)
				mine += runs.v[i].id == own.v[k].id;
		ret = runs.n == 0 ? 0 : mine == runs.n ? 2 : 1;
	}
	free(cand);
	ana_db_runs_release(&runs);
	ana_db_runs_release(&own);
	if (ret != 1) {
		free(*base);
		free(*shown);
		*base = *shown = NULL;
	}
	return ret;
}

/* Earlier nights like this one that have all their rounds of the trace, on its machine, the last one first. */
static sqlite3_stmt *earlier_nights(const struct ana_judge *j, const struct ana_night_arm *a, struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(
		j->db,
		"SELECT n.label FROM temp.night_kin n WHERE n.turn < 0 AND " ANA_NIGHT_WHOLE " AND (" ANA_NIGHT_NEXT
		" OR (n.as_machine AND EXISTS (SELECT 1 FROM night_run q LEFT JOIN host h ON h.run_id = q.run"
		" WHERE q.night_id = n.id AND q.sha256 = ?1 AND coalesce(h.machine_key, ?8) IS"
		" coalesce(?8, h.machine_key)))) ORDER BY n.started_at DESC, n.id DESC LIMIT 200",
		err);

	if (st) {
		ana_night_bind(st, a);
		sqlite3_bind_int(st, ANA_NIGHT_BOUND + 1, has(&j->base, "machine"));
	}
	return st;
}

static int find_base(const struct ana_judge *j, const struct ana_night_arm *a, char **base, char **shown,
		     struct sr_error *err)
{
	bool here = !has(&j->base, "label") && !has(&j->base, "kernel");
	sqlite3_stmt *st;
	int ret = 0, rc;

	if (!j->base.last)
		return try_base(j, a, here ? j->night->label : NULL, base, shown, err);
	st = earlier_nights(j, a, err);
	if (!st)
		return -1;
	while (ret == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
		ret = try_base(j, a, (const char *)sqlite3_column_text(st, 0), base, shown, err);
	if (ret == 0 && rc != SQLITE_DONE) {
		ana_db_failed(j->db, "read its nights", err);
		ret = -1;
	}
	sqlite3_finalize(st);
	return ret;
}

/* A metric's values over the runs of a selector, by round. */
static int samples(const struct ana_judge *j, const char *selector, const char *metric, double **v, size_t *n,
		   struct sr_error *err)
{
	struct ana_db_runs runs = { 0 };
	sqlite3_stmt *st = NULL;
	int rc = SQLITE_DONE, ret = -1;

	*n = 0;
	*v = NULL;
	if (select_runs(j, selector, &runs, err) < 0)
		return -1;
	*v = calloc(runs.n + 1, sizeof(**v));
	st = *v ? ana_db_prepare(j->db, "SELECT value FROM metric WHERE run_id = ? AND name = ?", err) : NULL;
	for (size_t i = 0; st && i < runs.n; i++) {
		sqlite3_bind_int64(st, 1, runs.v[i].id);
		sqlite3_bind_text(st, 2, metric, -1, SQLITE_STATIC);
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			(*v)[(*n)++] = sqlite3_column_double(st, 0);
		else if (rc != SQLITE_DONE)
			break;
		sqlite3_reset(st);
	}
	if (!*v)
		ana_no_memory(err);
	else if (st && (rc == SQLITE_ROW || rc == SQLITE_DONE))
		ret = 0;
	else if (st)
		ana_db_failed(j->db, "read its metrics", err);
	sqlite3_finalize(st);
	ana_db_runs_release(&runs);
	return ret;
}

/* Takes a comparison's cell over. */
static int take_cell(struct ana_judge *j, const struct ana_night_arm *a, struct ana_cell *from, const char *base,
		     const char *cand, const char *shown, struct sr_error *err)
{
	struct ana_night_verdicts *out = j->out;
	struct ana_night_cell *cell;
	double mine, theirs;

	if (ana_reserve(&out->cells, &j->cells_cap, out->ncells + 1, sizeof(*out->cells), err) < 0)
		return -1;
	cell = &out->cells[out->ncells++];
	cell->c = *from;
	cell->c.trace = strdup(a->trace); /* with its folders, as the night has it */
	if (!cell->c.trace)
		return ana_no_memory(err);
	cell->arm = a->index;
	cell->noise = cell->floor = NAN;
	memcpy(cell->sha256, a->sha256, strlen(a->sha256) + 1);
	cell->base_text = strdup(shown);
	if (!cell->base_text)
		return ana_no_memory(err);
	if (samples(j, base, cell->c.metric, &cell->base, &cell->nbase, err) < 0 ||
	    samples(j, cand, cell->c.metric, &cell->cand, &cell->ncand, err) < 0)
		return -1;
	if (cell->nbase >= 4 && cell->ncand >= 4) {
		mine = ana_noise(cell->cand, cell->ncand);
		theirs = ana_noise(cell->base, cell->nbase);
		cell->noise = fmax(mine, theirs);
	}
	return 0;
}

/* All runs of a base but those of an A/A measurement are alike, or ana_compare refuses them. */
static int doubt_base(struct ana_judge *j, const struct ana_night_arm *a, const char *base, struct sr_error *err)
{
	struct ana_db_runs runs = { 0 };
	int ret = select_runs(j, base, &runs, err);
	size_t i = 0;

	if (ret < 0)
		return -1;
	while (i < runs.n && ana_arm_is_aa(runs.v[i].identity[ANA_ID_ARM]))
		i++;
	if (i < runs.n)
		ret = ana_night_doubt_base(j, a, &runs.v[i], err);
	ana_db_runs_release(&runs);
	return ret;
}

static int compare_arm(struct ana_judge *j, const struct ana_night_arm *a, struct sr_error *err)
{
	char *base = NULL, *shown = NULL, *cand = NULL;
	struct ana_comparison c = { 0 };
	int ret = find_base(j, a, &base, &shown, err);

	if (ret != 1) {
		j->out->without_base += ret == 0;
		return ret < 0 ? -1 : 0;
	}
	ret = -1;
	j->out->compared++;
	if (cand_selector(j, a, &cand, err) == 0 && ana_compare(j->db, base, cand, &j->how, &c, err) == 0) {
		ret = doubt_base(j, a, base, err);
		if (ret == 0)
			ret = ana_night_doubts(j, a, &c, err);
		for (size_t i = 0; ret == 0 && i < c.ncells; i++)
			ret = take_cell(j, a, &c.cells[i], base, cand, shown, err);
	}
	ana_comparison_release(&c);
	free(base);
	free(shown);
	free(cand);
	return ret;
}

/* ---- all ---- */

/* What `replay --aa` has measured for such runs as the candidate's. */
static int measured_floors(struct ana_judge *j, const struct ana_night_arm *a, size_t first, struct sr_error *err)
{
	const struct ana_db_term term = { .column = "id", .number = a->run };
	struct ana_db_runs runs;
	double least;
	int ret = 0;

	if (first == j->out->ncells)
		return 0;
	if (ana_db_select(j->db, &term, 1, &runs, err) < 0)
		return -1;
	for (size_t i = first; ret >= 0 && runs.n && i < j->out->ncells; i++) {
		struct ana_night_cell *c = &j->out->cells[i];

		ret = ana_db_floor(j->db, &runs.v[0], c->c.metric, &least, err);
		if (ret <= 0)
			continue;
		c->floor = least;
		c->floor_measured = true;
	}
	ana_db_runs_release(&runs);
	return ret < 0 ? -1 : 0;
}

/* The arm as its runs of tonight have it; 1: there are some. */
static int load_arm(struct ana_judge *j, const struct ana_night_trace *t, size_t index, struct ana_night_arm *a,
		    struct sr_error *err)
{
	sqlite3_stmt *st = ana_db_prepare(
		j->db,
		"SELECT r.policy, r.policy_options, r.engine, r.machine, r.arm, r.work, r.timing,"
		" h.machine_key, r.sched_ext, r.id FROM night_run q JOIN run r ON r.id = q.run LEFT JOIN host h ON"
		" h.run_id = r.id WHERE q.night_id = ? AND q.sha256 = ? AND q.arm = ?"
		" ORDER BY q.round DESC LIMIT 1",
		err);
	char **to[] = { &a->policy, &a->options, &a->engine,      &a->machine,  &a->arm,
			&a->work,   &a->timing,  &a->machine_key, &a->sched_ext };
	int rc, ret = -1;

	*a = (struct ana_night_arm){ .sha256 = t->sha256, .index = index };
	if (!st)
		return -1;
	sqlite3_bind_int64(st, 1, j->night->id);
	sqlite3_bind_text(st, 2, t->sha256, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, (int64_t)index);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		a->trace = strdup(t->name);
		ret = a->trace ? 1 : -1;
		for (size_t i = 0; i < sizeof(to) / sizeof(to[0]) && ret == 1; i++) {
			*to[i] = text_copy(st, (int)i);
			ret = *to[i] ? 1 : -1;
		}
		a->run = sqlite3_column_int64(st, sizeof(to) / sizeof(to[0]));
		if (ret < 0)
			ana_no_memory(err);
	} else if (rc == SQLITE_DONE) {
		ret = 0;
	} else {
		ana_db_failed(j->db, "read its nights", err);
	}
	sqlite3_finalize(st);
	return ret;
}

static int judge_trace(struct ana_judge *j, const struct ana_night_trace *t, struct sr_error *err)
{
	for (size_t k = 0; k < j->night->narms; k++) {
		size_t first = j->out->ncells;
		struct ana_night_arm a;
		int ret = load_arm(j, t, k, &a, err);

		if (ret == 1 && (compare_arm(j, &a, err) < 0 || measured_floors(j, &a, first, err) < 0 ||
				 (t->done == j->night->rounds && ana_night_look_back(j, &a, err) < 0)))
			ret = -1;
		for (size_t i = first; i < j->out->ncells; i++)
			j->out->cells[i].weight = t->weight;
		release_arm(&a);
		if (ret < 0)
			return -1;
	}
	return 0;
}

static int judge_together(struct ana_night_verdicts *v, struct sr_error *err)
{
	struct ana_shift **cells = malloc((v->ncells + 1) * sizeof(struct ana_shift *));
	size_t n = 0;
	int ret;

	if (!cells)
		return ana_no_memory(err);
	for (size_t i = 0; i < v->ncells; i++)
		if (v->cells[i].c.evidence <= ANA_ORDER_UNKNOWN) /* the others' verdict is that they have none */
			cells[n++] = &v->cells[i].c.s;
	ret = ana_judge_all(cells, n, err);
	free(cells);
	for (size_t i = 0; i < v->ncells; i++)
		v->cells[i].noisy = v->cells[i].noise > v->cells[i].floor;
	return ret;
}

/* The shifts of a metric of an arm, one a trace, and the traces' weights if all have one. */
static size_t gather(const struct ana_night_verdicts *v, size_t arm, const char *metric, double *shifts,
		     double *weights, bool *weighted)
{
	size_t n = 0;

	*weighted = true;

	for (size_t i = 0; i < v->ncells; i++) {
		const struct ana_night_cell *c = &v->cells[i];

		if (c->arm == arm && !strcmp(c->c.metric, metric) && c->c.evidence <= ANA_ORDER_UNKNOWN &&
		    !isnan(c->c.s.shift)) {
			*weighted = *weighted && c->weight > 0;
			weights[n] = c->weight;
			shifts[n++] = c->c.s.shift;
		}
	}
	return n;
}

static bool first_of_metric(const struct ana_night_verdicts *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (v->cells[k].arm == v->cells[i].arm && !strcmp(v->cells[k].c.metric, v->cells[i].c.metric))
			return false;
	return true;
}

static int judge_overall(const struct ana_judge *j, struct sr_error *err)
{
	struct ana_night_verdicts *v = j->out;
	double *shifts = calloc(2 * v->ncells + 1, sizeof(*shifts)), *weights = shifts ? shifts + v->ncells : NULL;
	unsigned family = 0;
	bool weighted;
	int ret = 0;

	v->overall = calloc(v->ncells + 1, sizeof(*v->overall));
	if (!shifts || !v->overall)
		ret = ana_no_memory(err);
	/* Of the metrics that have a line over traces. */
	for (size_t i = 0; ret == 0 && i < v->ncells; i++)
		family += first_of_metric(v, i) &&
			  gather(v, v->cells[i].arm, v->cells[i].c.metric, shifts, weights, &weighted) >= 2;
	for (size_t arm = 0; arm < j->night->narms; arm++)
		for (size_t i = 0; ret == 0 && i < v->ncells; i++) {
			const char *metric = v->cells[i].c.metric;
			struct ana_night_overall *o = &v->overall[v->noverall];
			size_t n;

			if (v->cells[i].arm != arm || !first_of_metric(v, i))
				continue;
			n = gather(v, arm, metric, shifts, weights, &weighted);
			if (n < 2)
				continue;
			ret = ana_over_traces(shifts, weighted ? weights : NULL, n, j->o->margin, ana_better(metric),
					      family, &o->o, err);
			memcpy(o->o.metric, metric, sizeof(o->o.metric));
			o->o.rounds = n * j->night->rounds;
			o->arm = arm;
			v->noverall += ret == 0;
		}
	free(shifts);
	return ret;
}

int ana_night_judge(struct ana_db *db, const struct ana_night *n, const struct ana_night_judge_options *o,
		    struct ana_night_verdicts *out, struct sr_error *err)
{
	struct ana_judge j = { .db = db, .night = n, .o = o, .out = out };
	struct ana_night_traces traces = { 0 };
	int ret = -1;

	memset(out, 0, sizeof(*out));
	j.how.margin = o->margin;
	j.how.metrics = o->metrics;
	j.how.nmetrics = o->nmetrics;
	j.how.may_be_none = true; /* a trace that has none of the metrics is no reason to judge no other */
	if (parse_baseline(o->baseline, &j.base, err) == 0 && find_kin(&j, err) == 0 &&
	    ana_night_traces(db, n, &traces, err) == 0)
		ret = 0;
	for (size_t i = 0; ret == 0 && i < traces.n; i++)
		ret = judge_trace(&j, &traces.v[i], err);
	if (ret == 0)
		ret = judge_together(out, err);
	if (ret == 0)
		ret = judge_overall(&j, err);
	ana_night_traces_release(&traces);
	forget_kin(&j);
	free(j.base.text);
	if (ret < 0)
		ana_night_verdicts_release(out);
	return ret;
}

void ana_night_verdicts_release(struct ana_night_verdicts *v)
{
	for (size_t i = 0; i < v->ncells; i++) {
		free(v->cells[i].c.trace);
		free(v->cells[i].base_text);
		free(v->cells[i].base);
		free(v->cells[i].cand);
	}
	free(v->cells);
	for (size_t i = 0; i < v->nchanges; i++) {
		free(v->changes[i].trace);
		free(v->changes[i].night);
		free(v->changes[i].found);
	}
	free(v->changes);
	for (size_t i = 0; i < v->ndoubts; i++) {
		free(v->doubts[i].trace);
		free(v->doubts[i].text);
	}
	free(v->doubts);
	free(v->overall);
	memset(v, 0, sizeof(*v));
}
