/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSIONS 32 /* CPUs, duration, and the first 30 features: a whole number of lanes */
#define LANES 8
#define OUTLIERS 256
#define OUTLIER_WEIGHT 0.25 /* beside 1 of a drawn candidate: enough to be picked when nothing is near it */
#define COARSE 32           /* centres that tell what lies far off */
#define QUANTILES 16384     /* points that scales are taken from */
#define NUMBERS 4096
#define LEAST_LOG_RANGE 0.25f   /* what a quartile range counts as at least: a quarter more; */
#define LEAST_SHARE_RANGE 0.05f /* of a share, five points */

struct crp_sampler {
	unsigned char (*sha)[32];
	uint32_t *contributor;
	float *x; /* n rows of DIMENSIONS; NAN: not known; after scaling only the first dims count */
	double *w;
	size_t n, cap;
	int16_t dimension[NUMBERS]; /* of a feature's number, -1: not seen yet */
	bool logarithmic[DIMENSIONS];
	unsigned dims;
};

/* Points that clustering works on. */
struct set {
	size_t *point;
	double *w;
	float *d; /* m x m squared distances */
	size_t m;
};

/* The medoids of a set, and for each of its points the nearest two. */
struct medoids {
	size_t *at; /* k of the set's points */
	unsigned k;
	unsigned *near, *next;
	bool *is;
};

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

struct crp_sampler *crp_sampler_new(struct sr_error *err)
{
	struct crp_sampler *p = calloc(1, sizeof(*p));

	if (!p) {
		no_memory(err);
		return NULL;
	}
	memset(p->dimension, -1, sizeof(p->dimension));
	p->dims = 2;
	p->logarithmic[0] = p->logarithmic[1] = true;
	return p;
}

void crp_sampler_free(struct crp_sampler *p)
{
	if (!p)
		return;
	free(p->sha);
	free(p->contributor);
	free(p->x);
	free(p->w);
	free(p);
}

static bool grow(void *array, size_t size, size_t cap)
{
	void *p = realloc(*(void **)array, size * cap);

	if (p)
		*(void **)array = p;
	return p != NULL;
}

static unsigned hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* A share is what it is; of times, rates and counts the ratio matters. */
static bool is_logarithmic(const char *name)
{
	return !strstr(name, "_share");
}

/* By way of double: log1pf is not the same on every machine in its last digit. */
static float scaled(float v, bool logarithmic)
{
	return logarithmic ? (v > 0 ? (float)log1p((double)v) : 0) : v;
}

int crp_sampler_add(struct crp_sampler *p, const struct crp_point *point,
		    const char *(*name)(void *arg, unsigned feature), void *name_arg, struct sr_error *err)
{
	float *x;

	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap + p->cap / 2 : 1024;

		if (!grow(&p->sha, sizeof(*p->sha), cap) || !grow(&p->contributor, sizeof(*p->contributor), cap) ||
		    !grow(&p->x, sizeof(*p->x) * DIMENSIONS, cap) || !grow(&p->w, sizeof(*p->w), cap))
			return no_memory(err);
		p->cap = cap;
	}
	for (int i = 0; i < 32; i++)
		p->sha[p->n][i] = (unsigned char)(hex(point->sha256[2 * i]) << 4 | hex(point->sha256[2 * i + 1]));
	p->contributor[p->n] = point->contributor;
	x = p->x + p->n * DIMENSIONS;
	for (unsigned i = 0; i < DIMENSIONS; i++)
		x[i] = NAN;
	x[0] = scaled((float)point->cpus, true);
	x[1] = scaled((float)((double)point->duration_ns / 1e6), true);
	for (size_t i = 0; i < point->n; i++) {
		unsigned f = point->feature[i];

		/* Of more different features than dimensions the first ones count. */
		if (f >= NUMBERS || (p->dimension[f] < 0 && p->dims == DIMENSIONS))
			continue;
		if (p->dimension[f] < 0) {
			p->dimension[f] = (int16_t)p->dims;
			p->logarithmic[p->dims++] = is_logarithmic(name(name_arg, f));
		}
		x[p->dimension[f]] = scaled(point->value[i], p->logarithmic[p->dimension[f]]);
	}
	p->n++;
	return 0;
}

/* Scaling and weights */

static int by_float(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* Median and quartile range of a dimension, over evenly spaced points (names are hashes: that is a fair draw). */
static void measure(const struct crp_sampler *p, unsigned d, float *v, size_t most, float *median, float *range)
{
	float least = p->logarithmic[d] ? LEAST_LOG_RANGE : LEAST_SHARE_RANGE;
	size_t m = 0;

	*median = *range = 0;
	for (size_t i = 0; i < most; i++) {
		float x = p->x[(size_t)((double)i * (double)p->n / (double)most) * DIMENSIONS + d];

		if (!isnan(x))
			v[m++] = x;
	}
	if (!m)
		return;
	qsort(v, m, sizeof(*v), by_float);
	*median = v[m / 2];
	*range = v[3 * m / 4] - v[m / 4];
	/* More than half are alike: what is not still differs. */
	if (!(*range > 0))
		*range = (v[m - 1] - v[0]) / 4;
	/* Where nearly all are alike, the little by which they differ is not what tells them apart. */
	if (*range > 0 && *range < least)
		*range = least;
}

static int scale(struct crp_sampler *p, struct sr_error *err)
{
	size_t most = p->n < QUANTILES ? p->n : QUANTILES;
	float *v = malloc((most + 1) * sizeof(*v)), median[DIMENSIONS], range[DIMENSIONS];
	const float cut = (float)CRP_SAMPLE_CUT;

	if (!v)
		return no_memory(err);
	for (unsigned d = 0; d < DIMENSIONS; d++)
		measure(p, d, v, most, &median[d], &range[d]);
	free(v);
	for (size_t i = 0; i < p->n; i++) {
		for (unsigned d = 0; d < DIMENSIONS; d++) {
			float *x = &p->x[i * DIMENSIONS + d];

			*x = isnan(*x) || !(range[d] > 0) ? 0 : (*x - median[d]) / range[d];
			*x = *x > cut ? cut : *x < -cut ? -cut : *x;
		}
	}
	return 0;
}

/* A contributor weighs sqrt(traces), and at most a quarter of all. */
static int weigh(struct crp_sampler *p, struct sr_error *err)
{
	uint32_t who = 0;
	double *traces, *weight, sum = 0;

	for (size_t i = 0; i < p->n; i++)
		who = p->contributor[i] >= who ? p->contributor[i] + 1 : who;
	traces = calloc(who + 1, sizeof(*traces));
	weight = calloc(who + 1, sizeof(*weight));
	if (!traces || !weight) {
		free(traces);
		free(weight);
		return no_memory(err);
	}
	for (size_t i = 0; i < p->n; i++)
		traces[p->contributor[i]]++;
	for (uint32_t c = 0; c < who; c++)
		sum += weight[c] = sqrt(traces[c]);
	/* At most three can lie above a quarter. Each is cut to a third of what all the others have. */
	for (int round = 0; who >= 4 && round < 64; round++) {
		bool any = false;

		for (uint32_t c = 0; c < who; c++) {
			if (weight[c] <= 0.25 * sum * (1 + 1e-9))
				continue;
			sum -= weight[c];
			weight[c] = sum / 3;
			sum += weight[c];
			any = true;
		}
		if (!any)
			break;
	}
	for (size_t i = 0; i < p->n; i++)
		p->w[i] = weight[p->contributor[i]] / traces[p->contributor[i]] * (double)p->n / sum;
	free(traces);
	free(weight);
	return 0;
}

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* In an order of its own, the same on every machine. Those behind dims are 0. */
static double distance2(const struct crp_sampler *p, size_t a, size_t b, double enough)
{
	const float *x = p->x + a * DIMENSIONS, *y = p->x + b * DIMENSIONS;
	double sum = 0;

	for (unsigned d = 0; d < DIMENSIONS && sum < enough; d += 2 * LANES) {
		lanes u, v, e, f;

		memcpy(&u, x + d, sizeof(u));
		memcpy(&v, y + d, sizeof(v));
		e = u - v;
		memcpy(&u, x + d + LANES, sizeof(u));
		memcpy(&v, y + d + LANES, sizeof(v));
		f = u - v;
		e = e * e + f * f;
		sum += (double)((e[0] + e[4]) + (e[1] + e[5])) + (double)((e[2] + e[6]) + (e[3] + e[7]));
	}
	return sum;
}

/* Candidates */

/* A number from the name, above 0 and below 1: the same draw every time. */
static double draw(const unsigned char *sha)
{
	uint64_t v = 0;

	for (int i = 8; i < 16; i++)
		v = v << 8 | sha[i];
	return ((double)(v >> 11) + 0.5) / 9007199254740992.0;
}

struct key {
	double key;
	size_t point;
};

static int by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->point > y->point) - (x->point < y->point);
}

static int by_size(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

/* Points far from what was drawn, which a draw would miss: the farthest from COARSE centres, one after the other. */
static void add_outliers(const struct crp_sampler *p, struct set *s, struct key *key, double *near2)
{
	size_t centre = s->point[0] >> 1;

	for (size_t i = 0; i < p->n; i++)
		near2[i] = INFINITY;
	for (unsigned k = 0; k < COARSE; k++) {
		double far = -1;

		for (size_t i = 0; i < p->n; i++) {
			double d = distance2(p, i, centre, near2[i]);

			if (d < near2[i])
				near2[i] = d;
		}
		/* The next one is of the drawn ones that which lies farthest from those before. */
		for (size_t i = 0; i < s->m; i++) {
			if (near2[s->point[i] >> 1] > far) {
				far = near2[s->point[i] >> 1];
				centre = s->point[i] >> 1;
			}
		}
	}
	for (size_t i = 0; i < p->n; i++)
		key[i] = (struct key){ -near2[i], i };
	qsort(key, p->n, sizeof(*key), by_key);
	for (size_t i = 0; i < OUTLIERS && i < p->n; i++)
		s->point[s->m++] = key[i].point << 1 | 1;
}

static int candidates(const struct crp_sampler *p, unsigned n, struct set *s, struct sr_error *err)
{
	size_t want = CRP_SAMPLE_EXACT > 3 * (size_t)n ? CRP_SAMPLE_EXACT : 3 * (size_t)n, kept = 0;
	struct key *key = malloc((p->n + 1) * sizeof(*key));
	double *near2 = malloc((p->n + 1) * sizeof(*near2));

	s->point = malloc((p->n < want ? p->n + 1 : want + OUTLIERS) * sizeof(*s->point));
	s->w = malloc((p->n < want ? p->n + 1 : want + OUTLIERS) * sizeof(*s->w));
	if (!s->point || !s->w || !key || !near2) {
		free(key);
		free(near2);
		return no_memory(err);
	}
	if (p->n <= want) {
		for (s->m = 0; s->m < p->n; s->m++) {
			s->point[s->m] = s->m;
			s->w[s->m] = p->w[s->m];
		}
	} else {
		/* Without replacement, by weight. */
		for (size_t i = 0; i < p->n; i++)
			key[i] = (struct key){ -log(draw(p->sha[i])) / p->w[i], i };
		qsort(key, p->n, sizeof(*key), by_key);
		for (s->m = 0; s->m < want; s->m++)
			s->point[s->m] = key[s->m].point << 1;
		add_outliers(p, s, key, near2);
		qsort(s->point, s->m, sizeof(*s->point), by_size);
		for (size_t i = 0; i < s->m; i++) {
			if (kept && s->point[kept - 1] == s->point[i] >> 1)
				continue;
			/* A draw by weight has its weight in it: each drawn one counts the same. */
			s->w[kept] = s->point[i] & 1 ? OUTLIER_WEIGHT : 1;
			s->point[kept++] = s->point[i] >> 1;
		}
		s->m = kept;
	}
	free(key);
	free(near2);
	return 0;
}

static int prepare(const struct crp_sampler *p, struct set *s, struct sr_error *err)
{
	s->d = malloc(s->m * s->m * sizeof(*s->d));
	if (!s->d)
		return no_memory(err);
	for (size_t i = 0; i < s->m; i++) {
		s->d[i * s->m + i] = 0;
		for (size_t k = 0; k < i; k++)
			s->d[i * s->m + k] = s->d[k * s->m + i] = (float)distance2(p, s->point[i], s->point[k],
										   INFINITY);
	}
	return 0;
}

/* Medoids */

static void nearest_two(const struct set *s, struct medoids *k, size_t i)
{
	const float *d = s->d + i * s->m;

	k->near[i] = k->next[i] = 0;
	for (unsigned a = 1; a < k->k; a++) {
		if (d[k->at[a]] < d[k->at[k->near[i]]]) {
			k->next[i] = k->near[i];
			k->near[i] = a;
		} else if (k->next[i] == k->near[i] || d[k->at[a]] < d[k->at[k->next[i]]]) {
			k->next[i] = a;
		}
	}
}

/* The middle of all, then the one that lies farthest from those chosen, by weight, and so on. */
static void begin(const struct set *s, struct medoids *k, float *near)
{
	double best = INFINITY;

	k->at[0] = 0;
	for (size_t i = 0; i < s->m; i++) {
		double sum = 0;

		for (size_t j = 0; j < s->m; j++)
			sum += s->w[j] * (double)s->d[i * s->m + j];
		if (sum < best) {
			best = sum;
			k->at[0] = i;
		}
	}
	for (size_t i = 0; i < s->m; i++)
		near[i] = INFINITY;
	for (unsigned a = 0; a < k->k; a++) {
		double far = -1;

		k->is[k->at[a]] = true;
		for (size_t i = 0; i < s->m; i++)
			if (s->d[k->at[a] * s->m + i] < near[i])
				near[i] = s->d[k->at[a] * s->m + i];
		if (a + 1 == k->k)
			break;
		for (size_t i = 0; i < s->m; i++) {
			if (!k->is[i] && (double)near[i] * s->w[i] > far) {
				far = (double)near[i] * s->w[i];
				k->at[a + 1] = i;
			}
		}
	}
	for (size_t i = 0; i < s->m; i++)
		nearest_two(s, k, i);
}

/* What the sum of distances changes by when each medoid is replaced by x: gain[a] of the a-th. */
static void gains(const struct set *s, const struct medoids *k, size_t x, double *gain)
{
	double all = 0;

	memset(gain, 0, k->k * sizeof(*gain));
	for (size_t i = 0; i < s->m; i++) {
		const float *d = s->d + i * s->m;
		double to = (double)d[x], near = (double)d[k->at[k->near[i]]];
		double next = k->k > 1 ? (double)d[k->at[k->next[i]]] : INFINITY;

		if (to < near) {
			all += s->w[i] * (to - near);
		} else {
			/* Only who loses its medoid moves: to x, or to its second. */
			gain[k->near[i]] += s->w[i] * ((to < next ? to : next) - near);
		}
	}
	for (unsigned a = 0; a < k->k; a++)
		gain[a] += all;
}

/* Swaps until a whole round brings nothing. */
static void improve(const struct set *s, struct medoids *k, double *gain)
{
	size_t since = 0;

	for (size_t x = 0, steps = 0; since < s->m && steps < 64 * s->m; x = (x + 1) % s->m, since++, steps++) {
		unsigned best = 0;

		if (k->is[x])
			continue;
		gains(s, k, x, gain);
		for (unsigned a = 1; a < k->k; a++)
			if (gain[a] < gain[best])
				best = a;
		if (!(gain[best] < -1e-9))
			continue;
		k->is[k->at[best]] = false;
		k->is[x] = true;
		k->at[best] = x;
		for (size_t i = 0; i < s->m; i++)
			nearest_two(s, k, i);
		since = 0;
	}
}

static int cluster(const struct set *s, unsigned n, size_t *picks, struct sr_error *err)
{
	struct medoids k = { .k = n };
	float *near = malloc(s->m * sizeof(*near));
	double *gain = malloc(n * sizeof(*gain));
	int ret = 0;

	if (!n || s->m < n) {
		free(near);
		free(gain);
		return sr_fail(err, SR_BUG, "a sample of nothing");
	}
	k.at = calloc(n, sizeof(*k.at));
	k.near = calloc(s->m, sizeof(*k.near));
	k.next = calloc(s->m, sizeof(*k.next));
	k.is = calloc(s->m, sizeof(*k.is));
	if (!near || !gain || !k.at || !k.near || !k.next || !k.is) {
		ret = no_memory(err);
	} else {
		begin(s, &k, near);
		improve(s, &k, gain);
		for (unsigned a = 0; a < n; a++)
			picks[a] = s->point[k.at[a]];
		qsort(picks, n, sizeof(*picks), by_size);
	}
	free(near);
	free(gain);
	free(k.at);
	free(k.near);
	free(k.next);
	free(k.is);
	return ret;
}

/* Every point to its nearest pick. */
static void count(const struct crp_sampler *p, const size_t *picks, unsigned n, struct crp_sampled *out)
{
	for (size_t i = 0; i < p->n; i++) {
		double best = INFINITY;
		unsigned at = 0;

		for (unsigned a = 0; a < n; a++) {
			double d = picks[a] == i ? -1 : distance2(p, i, picks[a], best);

			if (d < best) {
				best = d;
				at = a;
			}
		}
		out[at].weight += p->w[i];
		out[at].traces++;
		out[at].spread += best > 0 ? sqrt(best / p->dims) : 0;
	}
	for (unsigned a = 0; a < n; a++)
		out[a].spread = out[a].traces ? out[a].spread / (double)out[a].traces : 0;
}

int crp_sampler_choose(struct crp_sampler *p, unsigned n, struct crp_sampled **out, unsigned *found,
		       struct sr_error *err)
{
	static const char digits[] = "0123456789abcdef";
	struct set s = { .m = 0 };
	size_t *picks = NULL;
	int ret = -1;

	*out = NULL;
	*found = (unsigned)(n < p->n ? n : p->n);
	if (!*found)
		return 0;
	picks = calloc(*found, sizeof(*picks));
	*out = calloc(*found, sizeof(**out));
	if (!picks || !*out)
		no_memory(err);
	else if (!scale(p, err) && !weigh(p, err) && !candidates(p, *found, &s, err) && !prepare(p, &s, err))
		ret = cluster(&s, *found, picks, err);
	if (!ret) {
		count(p, picks, *found, *out);
		for (unsigned a = 0; a < *found; a++)
			for (int i = 0; i < 64; i++)
				(*out)[a].sha256[i] = digits[p->sha[picks[a]][i / 2] >> (i % 2 ? 0 : 4) & 15];
	} else {
		free(*out);
		*out = NULL;
	}
	free(picks);
	free(s.point);
	free(s.w);
	free(s.d);
	return ret;
}

/* Of an index */

struct points {
	struct crp_sampler *sampler;
	struct crp_index *index;
};

static const char *point_name(void *arg, unsigned feature)
{
	return crp_index_feature(arg, feature);
}

static int add_point(void *arg, const struct crp_point *p, struct sr_error *err)
{
	struct points *to = arg;

	return crp_sampler_add(to->sampler, p, point_name, to->index, err);
}

int crp_sample_index(struct crp_index *ix, const struct crp_query *q, unsigned n, crp_pick_fn fn, void *arg,
		     struct sr_error *err)
{
	struct points to = { crp_sampler_new(err), ix };
	struct crp_sampled *v = NULL;
	unsigned found = 0;
	int ret = -1;

	if (to.sampler && !crp_index_points(ix, q, add_point, &to, err))
		ret = crp_sampler_choose(to.sampler, n, &v, &found, err);
	crp_sampler_free(to.sampler);
	for (unsigned i = 0; i < found && !ret; i++) {
		struct crp_pick pick = { .weight = v[i].weight, .traces = v[i].traces, .spread = v[i].spread };

		ret = crp_index_find(ix, v[i].sha256, &pick.row, err);
		/* One that was removed meanwhile has nobody to stand for it: rather none than a wrong sample. */
		if (!ret)
			ret = sr_fail(err, SR_ENVIRONMENT, "object %s was removed meanwhile; try again", v[i].sha256);
		else if (ret > 0)
			ret = fn(arg, &pick, err);
	}
	free(v);
	return ret < 0 ? -1 : 0;
}

/* Over the interface of stores */

struct gather {
	struct crp_sampler *p;
	char (*contributor)[33];
	size_t n, cap;
	char name[NUMBERS][32]; /* of features */
	unsigned names;
};

static const char *gathered_name(void *arg, unsigned feature)
{
	return ((struct gather *)arg)->name[feature];
}

static int gather_row(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct gather *g = arg;
	struct crp_point at = { .cpus = row->cpus, .duration_ns = row->duration_ns };
	size_t who = 0;

	memcpy(at.sha256, row->sha256, sizeof(at.sha256));
	/* Seldom many: a store with many contributors has an index that numbers them. */
	while (who < g->n && strcmp(g->contributor[who], row->contributor) != 0)
		who++;
	if (who == g->n) {
		if (g->n == g->cap && !grow(&g->contributor, sizeof(*g->contributor), g->cap ? 2 * g->cap : 64))
			return no_memory(err);
		if (g->n == g->cap)
			g->cap = g->cap ? 2 * g->cap : 64;
		memcpy(g->contributor[g->n++], row->contributor, sizeof(*g->contributor));
	}
	at.contributor = (uint32_t)who;
	for (size_t i = 0; i < row->nfeatures; i++) {
		unsigned f = 0;

		while (f < g->names && strcmp(g->name[f], row->feature[i].name) != 0)
			f++;
		if (f == NUMBERS)
			continue;
		if (f == g->names)
			memcpy(g->name[g->names++], row->feature[i].name, sizeof(g->name[0]));
		at.feature[at.n] = (uint16_t)f;
		at.value[at.n++] = (float)row->feature[i].value;
	}
	return crp_sampler_add(g->p, &at, gathered_name, g, err);
}

int crp_sample(struct crp_store *s, const struct crp_query *q, unsigned n, crp_pick_fn fn, void *arg,
	       struct sr_error *err)
{
	static const struct crp_query all;
	struct crp_sampled *v = NULL;
	struct gather *g = NULL;
	unsigned found = 0;
	int ret = -1;

	if (n < 1 || n > CRP_SAMPLE_MAX)
		return sr_fail(err, SR_USAGE, "a sample has 1 to %d traces", CRP_SAMPLE_MAX);
	if (s->ops->sample)
		return s->ops->sample(s, q ? q : &all, n, fn, arg, err);
	g = calloc(1, sizeof(*g));
	if (!g)
		return no_memory(err);
	g->p = crp_sampler_new(err);
	if (g->p && !crp_list(s, q, gather_row, g, err) && !crp_sampler_choose(g->p, n, &v, &found, err))
		ret = 0;
	for (unsigned i = 0; i < found && !ret; i++) {
		struct crp_pick pick = { .weight = v[i].weight, .traces = v[i].traces, .spread = v[i].spread };

		ret = crp_find(s, v[i].sha256, &pick.row, err);
		if (!ret)
			ret = sr_fail(err, SR_ENVIRONMENT, "%s: object %s was removed meanwhile; try again", s->url,
				      v[i].sha256);
		else if (ret > 0)
			ret = fn(arg, &pick, err);
	}
	free(v);
	crp_sampler_free(g->p);
	free(g->contributor);
	free(g);
	return ret < 0 ? -1 : 0;
}
