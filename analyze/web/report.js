// SPDX-License-Identifier: GPL-2.0-or-later
// The report's charts and tables. All text of the data goes into the page as text: there is no markup from data.
(() => {
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const main = document.getElementById('main');
const PAGE = 100; // rows of a table before "more"
const ROWS = 60; // of a forest plot
const PRINT_ROWS = 1200; // of a table on paper
const PRINT_WIDTH = 690; // px that fit a printed page
const VERDICTS = ['same', 'improved', 'regressed', 'unknown', 'identical', 'changed']; // as in the data

// Elements

function h(tag, attributes, ...children) {
	const e = document.createElement(tag);

	for (const [key, value] of Object.entries(attributes || {})) {
		if (key.startsWith('on'))
			e.addEventListener(key.slice(2), value);
		else if (value === true)
			e.setAttribute(key, '');
		else if (value !== false && value !== null && value !== undefined)
			e.setAttribute(key, value);
	}
	e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ''));
	return e;
}

function svg(tag, attributes) {
	const e = document.createElementNS('http://www.w3.org/2000/svg', tag);

	for (const [key, value] of Object.entries(attributes))
		e.setAttribute(key, value);
	return e;
}

let ids = 0;
const newId = (what) => `${what}-${++ids}`;

function section(id, title, ...children) {
	const s = h('section', { id, 'aria-labelledby': `${id}-title`, tabindex: '-1' },
		h('h2', { id: `${id}-title` }, title), ...children);

	main.append(s);
	document.getElementById('parts').append(h('li', null, h('a', { href: `#${id}` }, title)));
	return s;
}

const note = (...text) => h('p', { class: 'note' }, ...text);
const leftOut = (text) => h('p', { class: 'left-out' }, text);
const plural = (n, word) => `${n.toLocaleString('en')} ${word}${n === 1 ? '' : 's'}`;
const short = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);

// Numbers with units

const known = (v) => v !== null && v !== undefined && Number.isFinite(v);

function time(ns, digits = 3) {
	if (!known(ns))
		return '–';
	const a = Math.abs(ns);
	const [unit, of] = a < 1e3 ? ['ns', 1] : a < 1e6 ? ['µs', 1e3] : a < 1e9 ? ['ms', 1e6] : ['s', 1e9];

	return `${Number((ns / of).toPrecision(digits))} ${unit}`;
}

const count = (v) => (known(v) ? Math.round(v).toLocaleString('en') : '–');
const percent = (v, digits = 1) => (known(v) ? `${(100 * v).toFixed(digits)} %` : '–');

function shift(v) {
	if (!known(v))
		return '–';
	const p = 100 * v;
	const text = (Math.abs(p) < 100 ? Math.abs(p).toFixed(1) : Math.abs(p).toFixed(0));

	return `${p < 0 ? '−' : p > 0 ? '+' : ''}${text} %`;
}

function quantity(v, unit) {
	if (!known(v))
		return '–';
	if (unit === 'ns')
		return time(v);
	if (unit === 'ratio')
		return percent(v);
	if (unit === 'count')
		return Number.isInteger(v) ? count(v) : Number(v.toPrecision(4)).toLocaleString('en');
	return `${Number(v.toPrecision(3))} ${unit || ''}`.trim();
}

const onPaper = new WeakMap(); // by element: what it does before and after it is printed

// Tables: sorted by a click on a head, a hundred rows at a time.
// columns: { title, text: (row) => string or node, value: (row) => what it is sorted by, num, name, head }

function table(caption, columns, rows) {
	const body = h('tbody');
	const more = h('button', { type: 'button', class: 'more' });
	const heads = columns.map((c) => h('th', { scope: 'col', class: c.num ? 'num' : null },
		h('button', { type: 'button', onclick: () => sort(c) }, c.title)));
	const region = h('div', { class: 'table', role: 'region', tabindex: '0', 'aria-label': caption },
		h('table', null, h('caption', null, caption), h('thead', null, h('tr', null, heads)), body));
	let shown = 0;
	let order = rows;

	function cells(row) {
		return h('tr', null, columns.map((c) => h(c.head ? 'th' : 'td',
			{ class: [c.num ? 'num' : '', c.name ? 'name' : ''].join(' ').trim() || null, scope: c.head ? 'row' : null },
			c.text(row))));
	}

	function show(upTo) {
		for (; shown < order.length && shown < upTo; shown++)
			body.append(cells(order[shown]));
		more.hidden = shown >= order.length;
		more.textContent = `Show more rows (${count(order.length - shown)} left)`;
	}

	function sort(column) {
		const th = heads[columns.indexOf(column)];
		const up = th.getAttribute('aria-sort') ? th.getAttribute('aria-sort') !== 'ascending' : !column.num;
		const value = column.value || column.text;

		for (const other of heads)
			other.removeAttribute('aria-sort');
		th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
		// What is not known comes last either way.
		order = rows.slice().sort((a, b) => {
			const x = value(a), y = value(b);
			const xs = x !== null && x !== undefined, ys = y !== null && y !== undefined;

			if (!xs || !ys)
				return ys - xs;
			return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
		});
		body.replaceChildren();
		const keep = Math.max(shown, PAGE);
		shown = 0;
		show(keep);
	}
	more.addEventListener('click', () => show(shown + 2 * PAGE));
	show(PAGE);

	const left = h('p', { class: 'left-out print-only' });
	const whole = h('div', { class: 'rows' }, region, more, left);
	let before = 0;

	// On paper nobody asks for more.
	onPaper.set(whole, (on) => {
		if (on) {
			before = shown;
			show(PRINT_ROWS);
		} else if (before) {
			for (; shown > before; shown--)
				body.lastChild.remove();
			show(before);
		}
		left.textContent = on && shown < order.length ? `The last ${plural(order.length - shown, 'row')} of ${count(order.length)} are only in the file.` : '';
	});
	return whole;
}

const behind = (title, content, open) => h('details', { open: !!open }, h('summary', null, title), content);

// Choices

// What is not chosen is not on paper.
const onlyOne = (n, word, words = `${word}s`) => (n > 1 ? ` (one of ${count(n)} ${words}; the others are in the file)` : '');

function select(label, choices, onchange) {
	const id = newId('select');
	const s = h('select', { id, onchange: () => onchange(choices[s.selectedIndex].value) },
		choices.map((c) => h('option', null, short(c.text, 90))));

	return choices.length > 1 ? h('label', { for: id }, label, s) : null;
}

// Charts are drawn anew when the width or the colours change.

const charts = [];
let printing = false;

const sizes = new ResizeObserver((entries) => {
	for (const entry of entries) {
		const c = charts.find((x) => x.e === entry.target);

		if (c && !printing && Math.floor(entry.contentRect.width) !== c.width)
			requestAnimationFrame(() => redraw(c));
	}
});

function chart(draw) {
	const c = { e: h('div', { class: 'chart' }), draw, width: 0 };

	charts.push(c);
	sizes.observe(c.e);
	return c;
}

// Those in an element that is emptied are forgotten.
function forget(holder) {
	for (let i = charts.length - 1; i >= 0; i--)
		if (holder.contains(charts[i].e)) {
			sizes.unobserve(charts[i].e);
			charts.splice(i, 1);
		}
}

function redraw(c) {
	const width = printing ? PRINT_WIDTH : Math.floor(c.e.clientWidth);

	if (width < 50)
		return;
	c.width = width;
	c.draw(c.e, Math.min(width, 1180));
}

const redrawAll = () => charts.filter((c) => c.e.isConnected).forEach(redraw);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const armColour = (i) => `--c${i % 8}`;
const DASHES = ['', '7 3', '2 3', '9 3 2 3', '12 4', '4 4', '1 4', '9 3 2 3 2 3'];

function legend(entries) {
	return h('ul', { class: 'legend' }, entries.map(({ text, draw }) => {
		const s = svg('svg', { viewBox: '0 0 30 12', 'aria-hidden': 'true' });

		draw(s);
		return h('li', null, s, text);
	}));
}

const lineKey = (i) => (s) => {
	const l = svg('line', { x1: 1, x2: 29, y1: 6, y2: 6, 'stroke-width': 2.5, stroke: `var(${armColour(i)})` });

	if (DASHES[i % 8])
		l.setAttribute('stroke-dasharray', DASHES[i % 8]);
	s.append(l);
};

const otherKey = (s) => s.append(svg('line', { x1: 1, x2: 29, y1: 6, y2: 6, 'stroke-width': 2.5, stroke: 'var(--muted)', 'stroke-dasharray': '2 3' }));

const gapKey = (s) => {
	for (let x = 3; x < 27; x += 6)
		s.append(svg('line', { x1: x, x2: x + 6, y1: 11, y2: 1, stroke: 'var(--unknown)', 'stroke-width': 1 }));
};

const boxKey = (name, opacity) => (s) => s.append(svg('rect', { x: 3, y: 1, width: 24, height: 10, fill: `var(${name})`,
	'fill-opacity': opacity || 1 }));

// Evidence: what stands behind the numbers of an arm and a trace.

const M = Object.fromEntries(data.measures.map((m, i) => [m, 6 + i]));
const evidenceOf = new Map();

for (const e of data.evidence) {
	const key = `${e[0]}\n${data.traces[e[1]] ? data.traces[e[1]][0] : ''}`;

	if (!evidenceOf.has(key))
		evidenceOf.set(key, []);
	evidenceOf.get(key).push(e);
}

function evidence(arm, trace) {
	const found = evidenceOf.get(`${arm}\n${trace}`) || [];
	const worst = (i) => found.map((e) => e[i]).filter(known).reduce((a, b) => (a === null || Math.abs(b) > Math.abs(a) ? b : a), null);

	return {
		found: found.length > 0,
		lost: found.reduce((a, e) => a + e[3], 0),
		share: worst(M.recording_lost_share),
		makespan: worst(M['fidelity.makespan_error']),
		latency: worst(M['fidelity.wakeup_latency_distance']),
	};
}

// Of all traces together: what all runs lost, and the worst trace's fidelity.
function evidenceOfAll(arm) {
	const found = data.evidence.filter((e) => e[0] === arm);
	const worst = (i) => found.map((e) => e[i]).filter(known).reduce((a, b) => (a === null || Math.abs(b) > Math.abs(a) ? b : a), null);

	return {
		found: found.length > 0,
		lost: data.arms[arm] ? data.arms[arm].lost : 0,
		share: worst(M.recording_lost_share),
		makespan: worst(M['fidelity.makespan_error']),
		latency: worst(M['fidelity.wakeup_latency_distance']),
	};
}

// The last columns of a table whose rows are a comparison's: fidelity and losses, base / candidate.
function evidenceColumns(of, title) {
	const lost = (r) => of(r)[0].lost + of(r)[1].lost;

	return [
		{ title, text: (r) => fidelityText(...of(r)), value: (r) => of(r)[1].makespan, num: true },
		{ title: 'Events lost', text: (r) => (lost(r) ? of(r).map(lostText).join(' / ') : lostText(of(r)[1])), value: lost, num: true },
	];
}

function lostText(e) {
	if (!e.found)
		return '–';
	return e.lost === 0 ? 'none' : `${count(e.lost)}${known(e.share) ? ` (${percent(e.share)})` : ''}`;
}

const armName = (i) => (data.arms[i] ? data.arms[i].name : '?');

// Shifts: a forest plot, a row a trace and metric.

function cellsOf(c) {
	return c.cells.map((v) => {
		const [trace, metric, unit, base, cand, s, lo, hi, p, margin, rounds, needs, verdict, doubt, marginFrom] = v;
		const cell = { trace, metric, unit, base, cand, shift: s, lo, hi, p, margin, rounds, needs, verdict, doubt, marginFrom };

		cell.baseEvidence = evidence(c.base, trace);
		cell.candEvidence = evidence(c.candidate, trace);
		return cell;
	});
}

// Of a base that is 0 there is no relative shift.
const shiftText = (c) => (known(c.shift) ? shift(c.shift) : c.base === 0 && c.cand > 0 ? 'from 0' : '–');

function fidelityText(base, candidate) {
	const of = (e) => (known(e.makespan) ? shift(e.makespan) : '–');

	return known(base.makespan) || known(candidate.makespan) ? `${of(base)} / ${of(candidate)}` : '–';
}

function cellTable(cells) {
	return table('Shift of each trace and metric, candidate against base', [
		{ title: 'Trace', text: (c) => c.trace, name: true, head: true },
		{ title: 'Metric', text: (c) => c.metric },
		{ title: 'Base', text: (c) => quantity(c.base, c.unit), value: (c) => c.base, num: true },
		{ title: 'Candidate', text: (c) => quantity(c.cand, c.unit), value: (c) => c.cand, num: true },
		{ title: 'Shift', text: shiftText, value: (c) => (known(c.shift) ? c.shift : c.base === 0 && c.cand > 0 ? Infinity : null), num: true },
		{ title: '95 % interval', text: (c) => (known(c.lo) && known(c.hi) ? `${shift(c.lo).replace(' %', '')} to ${shift(c.hi)}` : '–'),
			value: (c) => c.lo, num: true },
		{ title: 'Verdict', text: (c) => h('span', { class: c.verdict },
			c.verdict === 'unknown' && c.needs ? `unknown, +${count(c.needs)} rounds` : c.verdict, c.doubt ? ` (${c.doubt})` : ''),
		value: (c) => c.verdict },
		{ title: 'Rounds', text: (c) => count(c.rounds), value: (c) => c.rounds, num: true },
		...evidenceColumns((c) => [c.baseEvidence, c.candEvidence], 'Makespan off'),
		{ title: 'p, adj.', text: (c) => (known(c.p) ? c.p.toFixed(3) : '–'), value: (c) => c.p, num: true },
		{ title: 'Margin', text: (c) => (known(c.margin) ? `±${percent(c.margin)}${['', ' (noise of the rounds)', ' (noise floor)'][c.marginFrom] || ''}` : '–'), value: (c) => c.margin, num: true },
	], cells);
}

const SYMBOLS = { changed: 'times', regressed: 'triangle', improved: 'triangle2', unknown: 'circle', same: 'square', identical: 'diamond' };
const COLOURS = { changed: 'var(--c3)', regressed: 'var(--bad)', improved: 'var(--good)', unknown: 'var(--unknown)', same: 'var(--same)', identical: 'var(--same)' };

// Rows by trace, each trace under a head line of its own, so that long names have the whole width.
function forestRows(cells) {
	const rows = [];
	let last = null;

	for (const c of cells) {
		if (c.trace !== last)
			rows.push({ key: `t${rows.length}`, head: c.trace });
		last = c.trace;
		rows.push({ key: `c${rows.length}`, cell: c, verdict: c.verdict });
	}
	return rows;
}

const measure = document.createElement('canvas').getContext('2d');

function textWidth(text) {
	measure.font = `12px ${getComputedStyle(document.body).fontFamily}`;
	return measure.measureText(text).width;
}

// As much of a text as fits.
function fit(text, width) {
	let n = text.length;

	while (n > 1 && textWidth(short(text, n)) > width)
		n = Math.min(n - 1, Math.ceil(n * .9));
	return short(text, n);
}

function drawForest(e, width, cells) {
	const rows = forestRows(cells);
	const label = new Map(rows.map((r) => [r.key, r.head === undefined ? r.cell.metric : '']));
	const marks = rows.filter((r) => r.cell && known(r.cell.shift));
	const unbounded = rows.filter((r) => r.cell && shiftText(r.cell) === 'from 0');
	const narrow = width < 560;
	const room = Math.floor(width * (narrow ? .42 : .3));
	const labelled = rows.filter((r) => r.cell).map((r) => fit(r.cell.metric, room));
	const left = Math.max(50, ...labelled.map(textWidth)) + 12;
	const ends = marks.flatMap((r) => [r.cell.shift, r.cell.lo, r.cell.hi]).filter(known);
	const extent = Math.max(.02, ...marks.map((r) => r.cell.margin).filter(known).map((m) => m * 1.3), ...ends.map(Math.abs));
	// One outlier must not flatten all others: beyond a factor of two the axis becomes logarithmic in the ratio.
	const wide = extent > 1;
	const of = wide ? (v) => Math.max(v + 1, 1 / 64) : (v) => v * 100;
	const domain = wide
		? [Math.min(.5, ...ends.map(of)) / 1.15, Math.max(2, ...ends.map(of)) * 1.15]
		: [Math.min(-extent * .25, ...ends, ...marks.map((r) => -(r.cell.margin || 0))) * 108,
			Math.max(extent * .25, ...ends, ...marks.map((r) => r.cell.margin || 0)) * 108];
	const ratios = [1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096];
	const inDomain = ratios.filter((v) => v >= domain[0] && v <= domain[1]);
	const every = Math.ceil(inDomain.length / (narrow ? 4 : 9));
	const one = inDomain.indexOf(1);
	const plot = Plot.plot({
		className: 'plot',
		width,
		height: rows.length * 21 + 58,
		marginLeft: left,
		marginRight: narrow ? 12 : 90,
		marginTop: 8,
		marginBottom: 42,
		x: {
			type: wide ? 'log' : 'linear',
			domain,
			grid: true,
			label: narrow ? 'shift, %' : 'shift of the candidate against the base, %',
			labelAnchor: 'center',
			labelArrow: 'none',
			ticks: wide ? inDomain.filter((v, i) => (i - one) % every === 0) : narrow ? 4 : 8,
			tickFormat: wide ? (v) => shift(v - 1).replace(' %', '').replace(/\.\d$/, '')
				: (v) => (v > 0 ? '+' : v < 0 ? '−' : '') + Number(Math.abs(v).toPrecision(4)),
		},
		y: { type: 'band', domain: rows.map((r) => r.key), label: null, padding: .2 },
		marks: [
			// The margin within which a shift does not matter.
			Plot.barX(marks.filter((r) => known(r.cell.margin)), { y: 'key', x1: (r) => of(Math.max(-r.cell.margin, -.98)),
				x2: (r) => of(r.cell.margin), fill: 'var(--band)', inset: 0 }),
			Plot.axisY({ tickSize: 0, tickFormat: (k) => fit(label.get(k), room), fill: 'currentColor' }),
			Plot.text(rows.filter((r) => r.head !== undefined), { y: 'key', text: (r) => fit(r.head, width - 20),
				frameAnchor: 'left', dx: 8 - left, textAnchor: 'start', fontWeight: 600, fill: 'currentColor' }),
			Plot.ruleX([of(0)], { stroke: 'currentColor', strokeOpacity: .8 }),
			...VERDICTS.map((v) => {
				const some = marks.filter((r) => r.verdict === v);

				return [
					Plot.ruleY(some.filter((r) => known(r.cell.lo) && known(r.cell.hi)), { y: 'key', x1: (r) => of(r.cell.lo),
						x2: (r) => of(r.cell.hi), stroke: COLOURS[v], strokeWidth: 2, strokeLinecap: 'round' }),
					Plot.dot(some, { y: 'key', x: (r) => of(r.cell.shift), symbol: SYMBOLS[v], r: 4.5, stroke: COLOURS[v],
						fill: v === 'unknown' ? 'var(--bg)' : COLOURS[v], strokeWidth: 1.6,
						title: (r) => `${r.cell.trace}\n${r.cell.metric}: ${shift(r.cell.shift)}` +
							(known(r.cell.lo) ? ` (${shift(r.cell.lo)} to ${shift(r.cell.hi)})` : '') +
							`\n${r.verdict}, ${plural(r.cell.rounds, 'round')}` }),
				];
			}).flat(),
			// What came from 0 has no place on the axis: it says so at its right end.
			Plot.text(unbounded, { y: 'key', frameAnchor: 'right', dx: -4, textAnchor: 'end',
				text: (r) => `from 0 to ${quantity(r.cell.cand, r.cell.unit)} \u25b8`, fill: (r) => COLOURS[r.verdict] }),
			narrow ? null : Plot.text(marks.concat(unbounded), { y: 'key', frameAnchor: 'right', dx: 86, textAnchor: 'end', text: 'verdict',
				fill: (r) => COLOURS[r.verdict] }),
		].filter((m) => m),
	});

	plot.setAttribute('role', 'img');
	plot.setAttribute('aria-label', `Forest plot of ${plural(marks.length, 'shift')}; the table below has the numbers`);
	e.replaceChildren(plot);
}

const VERDICT_KEYS = ['regressed', 'improved', 'changed', 'unknown', 'same', 'identical'].map((v) => ({
	text: v,
	draw: (s) => {
		const shape = { regressed: 'M15 1L20 11L10 11Z', improved: 'M10 1L20 1L15 11Z', same: 'M11 2H19V10H11Z',
			changed: 'M12 3L18 9M18 3L12 9', unknown: 'M15 2a4 4 0 1 1 -.01 0Z', identical: 'M15 1L20 6L15 11L10 6Z' }[v];

		s.append(svg('path', { d: shape, stroke: COLOURS[v], fill: v === 'unknown' ? 'none' : COLOURS[v], 'stroke-width': 1.6 }));
	},
}));

function shifts() {
	const s = section('shifts', 'Shifts');
	const holder = h('div');
	const state = { comparison: data.comparisons[0], metric: null, verdict: null };
	let current = null;
	const c = chart((e, width) => drawForest(e, width, current));
	const said = leftOut('');
	const tables = h('div');
	const filters = h('div', { class: 'filters' });

	function update() {
		const all = cellsOf(state.comparison);
		const metrics = [...new Set(all.map((x) => x.metric))].sort();

		if (state.metric && !metrics.includes(state.metric))
			state.metric = null;
		const chosen = all.filter((x) => (!state.metric || x.metric === state.metric) && (!state.verdict || x.verdict === state.verdict));
		// The most urgent ones, then trace by trace.
		const traces = [...new Set(chosen.map((x) => x.trace))];

		const overall = state.comparison.overall.filter((o) => (!state.metric || o[0] === state.metric) && (!state.verdict || o[7] === state.verdict))
			.map(([metric, shiftOf, lo, hi, margin, n, rounds, verdict]) => ({ trace: `All ${count(n)} traces together`, metric, shift: shiftOf, lo, hi, margin, rounds, verdict }));

		current = overall.concat(chosen.slice(0, ROWS).sort((a, b) => traces.indexOf(a.trace) - traces.indexOf(b.trace) ||
			(a.metric < b.metric ? -1 : 1)));
		said.textContent = [
			ROWS < chosen.length ? `The chart shows the ${count(ROWS)} most urgent of ${count(chosen.length)}.` : '',
			state.comparison.cells_all > all.length
				? `This report holds ${count(all.length)} of the comparison's ${count(state.comparison.cells_all)} measurements, the most urgent first; "schedrec compare" prints all.` : '',
		].join(' ').trim();
		if (chosen.length)
			holder.replaceChildren(c.e);
		else
			holder.replaceChildren(note('Nothing matches.'));
		tables.replaceChildren(behind('The numbers as a table', cellTable(chosen), chosen.length <= 40));
		if (overall.length)
			tables.append(behind('Over all traces', overallTable(overall, state.comparison), true));
		if (state.comparison.metrics.length && traces.length > 3)
			tables.append(behind('Each metric over the traces', metricTable(state.comparison), true));
		tables.append(...doubtful(state.comparison));
		if (c.e.isConnected)
			redraw(c);
		return metrics;
	}

	const byName = new Map();

	for (const x of data.comparisons)
		for (const cell of x.cells)
			byName.set(cell[1], true);
	const names = [...byName.keys()].sort();

	filters.append(...[
		select('Comparison', data.comparisons.map((x) => ({ text: `${armName(x.candidate)} against ${armName(x.base)}`, value: x })),
			(v) => { state.comparison = v; update(); }),
		select('Metric', [{ text: 'all metrics', value: null }, ...names.map((n) => ({ text: n, value: n }))],
			(v) => { state.metric = v; update(); }),
		select('Verdict', [{ text: 'all verdicts', value: null }, ...VERDICT_KEYS.map((k) => ({ text: k.text, value: k.text }))],
			(v) => { state.verdict = v; update(); }),
	].filter((x) => x));
	const title = h('p', { class: 'print-only' });

	s.append(note('Each row is the candidate\'s shift in one metric of one trace, with its exact 95 % interval. Within the grey band a change does not matter. More is worse, but for metrics of which neither more nor less is better: those only change. Makespan off is how far the replays are from their recording (base / candidate); unknown, +N: about N more rounds would tell.' +
		(data.asked.length ? ` Compared is what matches ${data.asked.join(', ')}.` : '')),
		title, filters, h('figure', null, legend(VERDICT_KEYS), holder, said), tables);
	update();
	const name = () => {
		title.textContent = `${armName(state.comparison.candidate)} against ${armName(state.comparison.base)}` +
			(state.metric ? `, ${state.metric}` : '') + (state.verdict ? `, ${state.verdict}` : '') + onlyOne(data.comparisons.length, 'comparison');
	};

	name();
	filters.addEventListener('change', name);
}

const evidenceOfBoth = (comparison) => {
	const both = [evidenceOfAll(comparison.base), evidenceOfAll(comparison.candidate)];

	return evidenceColumns(() => both, 'Makespan off, worst trace');
};

function overallTable(rows, comparison) {
	return table('Mean of the traces\u2019 shifts, with an interval over traces', [
		{ title: 'Metric', text: (c) => c.metric, head: true },
		{ title: 'Shift', text: shiftText, value: (c) => c.shift, num: true },
		{ title: '95 % interval', text: (c) => (known(c.lo) ? `${shift(c.lo).replace(' %', '')} to ${shift(c.hi)}` : '–'), value: (c) => c.lo, num: true },
		{ title: 'Margin', text: (c) => (known(c.margin) ? `±${percent(c.margin)}` : '–'), value: (c) => c.margin, num: true },
		{ title: 'Traces', text: (c) => c.trace.replace(/[^0-9,]/g, ''), num: true },
		{ title: 'Rounds', text: (c) => count(c.rounds), value: (c) => c.rounds, num: true },
		{ title: 'Verdict', text: (c) => h('span', { class: c.verdict }, c.verdict) },
		...evidenceOfBoth(comparison),
	], rows);
}

function metricTable(comparison) {
	return table('Median and quartiles of the shifts over all traces, and how many of each verdict', [
		{ title: 'Metric', text: (m) => m[0], head: true },
		{ title: 'Median shift', text: (m) => shift(m[1]), value: (m) => m[1], num: true },
		{ title: 'Quartiles', text: (m) => (known(m[2]) ? `${shift(m[2])} to ${shift(m[3])}` : '–'), value: (m) => m[2], num: true },
		...['regressed', 'improved', 'changed', 'unknown', 'same', 'identical'].map((v) => ({ title: v,
			text: (m) => count(m[4 + VERDICTS.indexOf(v)]), value: (m) => m[4 + VERDICTS.indexOf(v)], num: true })),
		...evidenceOfBoth(comparison),
	], comparison.metrics);
}

function doubtful(comparison) {
	const parts = [];

	if (comparison.poor.length)
		parts.push(behind(`Replays far from their recording (${count(comparison.poor.length)})`,
			table('Measures of fidelity beyond which a comparison should not rest on a replay', [
				{ title: 'Trace', text: (p) => p[1], name: true, head: true },
				{ title: 'Arm', text: (p) => p[0] },
				{ title: 'Measure', text: (p) => p[2] },
				{ title: 'Median', text: (p) => shift(p[3]), value: (p) => p[3], num: true },
				{ title: 'Runs', text: (p) => count(p[4]), value: (p) => p[4], num: true },
			], comparison.poor), true));
	if (comparison.doubts.length)
		parts.push(behind(`Runs whose recording is to be used with care (${count(comparison.doubts.length)})`,
			table('Events lost, and what recording took of the machine', [
				{ title: 'Run', text: (d) => String(d[0]), value: (d) => d[0], num: true, head: true },
				{ title: 'Events lost', text: (d) => (d[1] < 0 ? '–' : percent(d[1])), value: (d) => d[1], num: true },
				{ title: 'CPU time taken by recording', text: (d) => (d[2] < 0 ? '–' : percent(d[2])), value: (d) => d[2], num: true },
			], comparison.doubts), true));
	return parts;
}

// Distributions: the share of values that are greater, both axes logarithmic.

const DISTRIBUTIONS = {
	wakeup_latency_ns: 'wakeup latency (from the wake to running)',
	run_delay_ns: 'run delay (each wait for a CPU)',
	preempt_wait_ns: 'wait after a preemption',
	slice_ns: 'time on a CPU at a stretch',
	sleep_ns: 'sleep',
};

function drawDistribution(e, width, curves) {
	const narrow = width < 560;
	// Nothing is longer than the last point: a logarithmic axis has no place for that, the line goes on to there.
	const points = curves.map((d) => d.x.map((x, i) => ({ x, y: d.y[i] })).filter((p) => p.x > 0))
		.map((line) => line.map((p, i) => (p.y > 0 || i === 0 ? p : { x: p.x, y: line[i - 1].y })));
	const xs = points.flat().map((p) => p.x), ys = points.flat().map((p) => p.y);
	const domain = [Math.min(...xs), Math.max(...xs, Math.min(...xs) * 10)];
	const least = Math.pow(10, Math.floor(Math.log10(Math.min(.5, ...ys))));
	const decades = [];

	for (let k = Math.ceil(Math.log10(domain[0])); k <= Math.floor(Math.log10(domain[1])); k++)
		decades.push(Math.pow(10, k));
	const step = Math.ceil(decades.length / (narrow ? 5 : 12));
	const shares = [];

	for (let k = 0; Math.pow(10, -k) >= least * .99; k++)
		shares.push(Math.pow(10, -k));
	const plot = Plot.plot({
		className: 'plot',
		width,
		height: narrow ? 260 : 340,
		marginLeft: 66,
		marginRight: 18,
		marginBottom: 42,
		x: { type: 'log', domain, grid: true, ticks: decades.filter((d, i) => i % step === 0), tickFormat: (v) => time(v, 1),
			label: 'longer than this', labelAnchor: 'center', labelArrow: 'none' },
		y: { type: 'log', domain: [least, 1], grid: true, ticks: shares,
			tickFormat: (v) => `${Number((100 * v).toPrecision(2))} %`, label: 'share of all', labelArrow: 'none' },
		marks: [
			Plot.ruleX([domain[0]], { stroke: 'currentColor' }),
			Plot.ruleY([least], { stroke: 'currentColor' }),
			...curves.map((d, i) => Plot.line(points[i], { x: 'x', y: 'y', curve: 'step-after', stroke: `var(${armColour(d.arm)})`,
				strokeWidth: 2, strokeDasharray: DASHES[d.arm % 8] || null })),
		],
	});

	plot.setAttribute('role', 'img');
	plot.setAttribute('aria-label', 'Distributions on logarithmic axes; the table below has their quantiles');
	e.replaceChildren(plot);
}

function distributions() {
	const s = section('distributions', 'Latency distributions');
	const names = Object.keys(DISTRIBUTIONS).filter((n) => data.distributions.some((d) => d.name === n));
	const traces = [...new Set(data.distributions.map((d) => d.trace))].sort((a, b) => a - b);
	const traceText = (t) => (t < 0 ? 'all traces together' : data.traces[t] ? data.traces[t][0] : '?');
	const behindOf = (d) => (d.trace < 0 ? evidenceOfAll(d.arm) : evidence(d.arm, traceText(d.trace)));
	const state = { name: names[0], trace: traces[0] };
	let curves = [];
	const c = chart((e, width) => drawDistribution(e, width, curves));
	const keys = h('div');
	const numbers = h('div');
	const holder = h('div');
	const title = h('p', { class: 'print-only' });

	function update() {
		curves = data.distributions.filter((d) => d.name === state.name && d.trace === state.trace);
		const caption = `${DISTRIBUTIONS[state.name]}, ${traceText(state.trace)}`;

		title.textContent = caption + onlyOne(names.length * traces.length, 'distribution');
		keys.replaceChildren(legend(curves.map((d) => ({ text: armName(d.arm), draw: lineKey(d.arm) }))));
		numbers.replaceChildren(behind('The quantiles as a table', table(caption, [
			{ title: 'Runs of', text: (d) => armName(d.arm), name: true, head: true },
			{ title: 'Number', text: (d) => count(d.n), value: (d) => d.n, num: true },
			...['p50', 'p90', 'p95', 'p99', 'p99.9', 'max'].map((q, i) => ({ title: q, text: (d) => time(d.q[i]), value: (d) => d.q[i], num: true })),
			{ title: 'Makespan off', text: (d) => shift(behindOf(d).makespan), value: (d) => behindOf(d).makespan, num: true },
			{ title: 'Latency distance', text: (d) => percent(behindOf(d).latency), value: (d) => behindOf(d).latency, num: true },
			{ title: 'Events lost', text: (d) => lostText(behindOf(d)), value: (d) => behindOf(d).lost, num: true },
		], curves), true));
		holder.replaceChildren(curves.length ? c.e : note('Nothing was stored of this.'));
		if (c.e.isConnected)
			redraw(c);
	}

	s.append(note('How large a part of all values is longer than the value below. A line that lies further to the right is worse for waits; the far right is the tail. Makespan off and latency distance are how far the replays are from their recording (of all traces together the farthest).'),
		title,
		h('div', { class: 'filters' }, [
			select('Distribution', names.map((n) => ({ text: DISTRIBUTIONS[n], value: n })), (v) => { state.name = v; update(); }),
			select('Trace', traces.map((t) => ({ text: traceText(t), value: t })), (v) => { state.trace = v; update(); }),
		].filter((x) => x)),
		h('figure', null, keys, holder),
		numbers);
	if (data.all.traces > data.limits.distribution_traces)
		s.append(leftOut(`The ${data.limits.distribution_traces} traces with the most runs of ${count(data.all.traces)} can be chosen; all together are of each trace's 3 newest runs.`));
	s.append(leftOut(`Of each trace and kind the ${data.limits.distribution_runs} newest runs count.`));
	update();
}

// Time series on a canvas, with a cursor that the arrow keys move.

function series(label, build, read) {
	const readout = h('p', { class: 'readout', 'aria-live': 'polite' }, 'Point at the chart, or move along it with the arrow keys.');
	let plot = null;
	const c = chart((e, width) => {
		if (plot)
			plot.destroy();
		const { options, values } = build(width);

		plot = new uPlot({
			legend: { show: false },
			cursor: { drag: { x: false, y: false }, points: { show: false } },
			...options,
			width,
			hooks: { ...options.hooks, setCursor: [(u) => {
				const i = u.cursor.idx;

				if (known(i) && u.cursor.left >= 0)
					readout.textContent = read(i);
			}] },
		}, values, e);
	});

	c.e.setAttribute('tabindex', '0');
	c.e.setAttribute('role', 'application');
	c.e.setAttribute('aria-label', `${label}. The arrow keys move along it; the table below has the numbers.`);
	let at = -1;

	c.e.addEventListener('keydown', (event) => {
		const n = plot ? plot.data[0].length : 0;
		const by = { ArrowRight: 1, ArrowLeft: -1, PageUp: -20, PageDown: 20, Home: -n, End: n }[event.key];

		if (!by || !n)
			return;
		at = Math.max(0, Math.min(n - 1, at + by));
		plot.setCursor({ left: plot.valToPos(plot.data[0][at], 'x'), top: 10 });
		readout.textContent = read(at);
		event.preventDefault();
	});
	return h('div', null, c.e, readout);
}

function axes(xLabel, yLabel, more) {
	const common = { stroke: colour('--fg'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 },
		font: '12px system-ui, sans-serif', labelFont: '12px system-ui, sans-serif' };

	return [
		{ ...common, label: xLabel, size: 36, labelSize: 20, ...(more && more.x) },
		{ ...common, label: yLabel, size: 56, labelSize: 20, ...(more && more.y) },
	];
}

const stepped = uPlot.paths.stepped({ align: 1 });

// A run over time.

function fidelityOfFile([runs, makespan, latency]) {
	if (!runs)
		return 'how far from its recording is not known: the database does not have this replay';
	if (!known(makespan) && !known(latency))
		return `how far from its recording is not known${runs > 1 ? `: ${count(runs)} runs of the database may be this replay` : ''}`;
	return `makespan ${known(makespan) ? shift(makespan) : '–'} off its recording, latency distance ${known(latency) ? percent(latency) : '–'}`;
}

function timeline(t, index) {
	const unit = t.span_ns >= 2e9 ? ['s', 1e9] : t.span_ns >= 2e6 ? ['ms', 1e6] : ['µs', 1e3];
	const n = t.running.length;
	const xs = t.running.map((v, i) => i * t.step_ns / unit[1]);
	const at = (i) => `${Number((i * t.step_ns / unit[1]).toPrecision(5))} ${unit[0]}`;
	const laneName = (l) => (t.per_lane === 1 ? `CPU ${l}` : `CPUs ${l * t.per_lane}–${Math.min(t.cpus, (l + 1) * t.per_lane) - 1}`);
	const others = t.others && t.others.some((lane) => lane.some((v) => v > 0)) ? t.others : null;
	const laneText = (l, i) => (known(t.lanes[l][i]) ? `${percent(t.lanes[l][i], 0)}${others ? ` + ${percent(others[l][i], 0)} others` : ''}` : 'not known');
	const busiest = (i) => t.lanes.map((lane, l) => [known(lane[i]) ? lane[i] + (others ? others[l][i] : 0) : 2, l]).filter((v) => v[0] > 0)
		.sort((a, b) => b[0] - a[0]).slice(0, 6);
	const xScale = { time: false, range: [0, n * t.step_ns / unit[1]] };
	const peak = Math.max(1, ...[t.running, t.waiting, others ? t.others_running : []].flat().filter(known));
	// Whose time it is, and what of others the file tells.
	const alone = others ? '' : t.others ? '; no others ran' : '; of others this file tells nothing';
	const gap = t.gaps ? [{ text: 'not known: events were lost', draw: gapKey }] : [];
	const what = Object.entries(t.meta).map(([k, v]) => h('li', null, `${k}: `, h('code', null, v)));
	const trouble = [t.lost ? `${count(t.lost)} events lost` : 'no event lost', t.repaired ? `${count(t.repaired)} repaired` : '',
		t.censored ? `${count(t.censored)} intervals cut by the start, the end or a loss` : '', t.complete ? '' : 'the file is cut off', t.fidelity ? fidelityOfFile(t.fidelity) : ''].filter((x) => x);
	const parts = [h('h3', null, t.name), h('p', { class: t.lost || !t.complete ? 'doubt' : 'note' }, `${time(t.span_ns)}, ${plural(t.cpus, 'CPU')}, ${plural(t.tasks_all, 'task')}; ${trouble.join('; ')}.`)];

	if (what.length)
		parts.push(behind('What it is', h('ul', null, what)));
	if (t.self) {
		parts.push(note('This replay recorded only itself: it does not tell when its tasks were on a CPU.'));
		return h('article', null, parts);
	}
	parts.push(h('figure', null,
		h('figcaption', null, `Tasks running and waiting for a CPU, mean of each ${time(t.step_ns)}: ${t.own}${others ? ', and how many others ran' : alone}` +
			(t.gaps ? '; there is a gap where events of a CPU were lost' : '')),
		legend([{ text: 'running', draw: lineKey(0) }, { text: 'waiting', draw: lineKey(1) },
			...(others ? [{ text: 'others running', draw: otherKey }] : [])]),
		series(`Tasks running and waiting in ${t.name}`, () => ({
			options: {
				height: 220,
				scales: { x: xScale, y: { range: [0, peak * 1.08] } },
				axes: axes(`time since the first event, ${unit[0]}`, 'tasks'),
				cursor: { drag: { x: false, y: false }, sync: { key: `timeline${index}` } },
				series: [{}, { stroke: colour('--c0'), width: 1.5, paths: stepped, points: { show: false } },
					{ stroke: colour('--c1'), width: 1.5, dash: [7, 3], paths: stepped, points: { show: false } },
					...(others ? [{ stroke: colour('--muted'), width: 1.5, dash: [2, 3], paths: stepped, points: { show: false } }] : [])],
			},
			values: [xs, t.running, t.waiting, ...(others ? [t.others_running] : [])],
		}), (i) => (known(t.running[i]) ? `At ${at(i)}: ${t.running[i].toFixed(2)} running, ${t.waiting[i].toFixed(2)} waiting` +
			`${others ? `, ${t.others_running[i].toFixed(2)} of others running` : ''}.` : `At ${at(i)}: not known, events were lost.`))));
	parts.push(h('figure', null,
		h('figcaption', null, `How busy each ${t.per_lane === 1 ? 'CPU' : `group of ${t.per_lane} CPUs`} was with ${t.own}` +
			(others ? ', and below that with others' : alone)),
		legend([...[.15, .5, 1].map((v) => ({ text: `${100 * v} %`, draw: boxKey('--c0', v) })),
			...(others ? [.15, .5, 1].map((v) => ({ text: `${100 * v} % others`, draw: boxKey('--muted', v) })) : []), ...gap]),
		series(`How busy each CPU was in ${t.name}`, () => ({
			options: {
				height: 62 + Math.max(40, t.lanes.length * Math.max(others ? 10 : 7, Math.min(22, 420 / t.lanes.length))),
				scales: { x: xScale, y: { range: [0, t.lanes.length], dir: -1 } },
				cursor: { drag: { x: false, y: false }, y: false, points: { show: false }, sync: { key: `timeline${index}` } },
				axes: axes(`time since the first event, ${unit[0]}`, null, { y: {
					size: Math.max(76, 24 + 7.5 * Math.max(...t.lanes.map((lane, l) => laneName(l).length))), grid: { show: false }, labelSize: 0,
					splits: () => t.lanes.map((lane, l) => l + .5).filter((v, l) => l % Math.ceil(t.lanes.length / 24) === 0),
					values: (u, splits) => splits.map((v) => laneName(Math.floor(v))),
				} }),
				series: [{}, { show: true, points: { show: false }, paths: () => null }],
				hooks: { draw: [(u) => drawLanes(u, t, others, xs, t.step_ns / unit[1])] },
			},
			values: [xs, t.running.map(() => 0)],
		}), (i) => `At ${at(i)}: ${busiest(i).map(([, l]) => `${laneName(l)} ${laneText(l, i)}`).join(', ') || 'all idle'}.`)));
	parts.push(behind('The tasks with the most CPU time as a table', table(`The ${count(t.tasks.length)} of ${plural(t.tasks_all, 'task')} with the most CPU time`, [
		{ title: 'Task', text: (x) => x[0], name: true, head: true },
		{ title: 'tid', text: (x) => String(x[1]), value: (x) => x[1], num: true },
		{ title: 'CPU time', text: (x) => time(x[2]), value: (x) => x[2], num: true },
		{ title: 'Waited', text: (x) => time(x[3]), value: (x) => x[3], num: true },
		{ title: 'Longest wakeup latency', text: (x) => time(x[4]), value: (x) => x[4], num: true },
		{ title: 'Wakeups', text: (x) => count(x[5]), value: (x) => x[5], num: true },
		{ title: 'Migrations', text: (x) => count(x[6]), value: (x) => x[6], num: true },
	], t.tasks)));
	parts.push(behind('The run over time as a table', stepTable(t, others, at, laneName)));
	return h('article', null, parts);
}

// For those who cannot see the charts: a row each 20 steps, of what is known of them.
function stepTable(t, others, at, laneName) {
	const rows = [];
	const mean = (all, i) => {
		const v = all.slice(i, i + 20).filter(known);

		return v.length ? v.reduce((a, b) => a + b, 0) / v.length : null;
	};
	const tasks = (v) => (known(v) ? v.toFixed(2) : '–');

	for (let i = 0; i < t.running.length; i += 20)
		rows.push({ i, running: mean(t.running, i), waiting: mean(t.waiting, i), others: others ? mean(t.others_running, i) : null,
			busy: t.lanes.map((l) => mean(l, i)), busyOthers: others ? others.map((l) => mean(l, i)) : null });
	return table(`Means of each ${time(t.step_ns * 20)}${t.gaps ? ', as far as they are known' : ''}${others ? '; of each CPU: busy, and busy with others' : ''}`, [
		{ title: 'From', text: (r) => at(r.i), value: (r) => r.i, num: true, head: true },
		{ title: 'Running', text: (r) => tasks(r.running), value: (r) => r.running, num: true },
		{ title: 'Waiting', text: (r) => tasks(r.waiting), value: (r) => r.waiting, num: true },
		...(others ? [{ title: 'Others running', text: (r) => tasks(r.others), value: (r) => r.others, num: true }] : []),
		...t.lanes.slice(0, 16).map((lane, l) => ({ title: laneName(l),
			text: (r) => percent(r.busy[l], 0) + (others ? `, ${percent(r.busyOthers[l], 0)}` : ''), value: (r) => r.busy[l], num: true })),
	], rows);
}

// Slanted lines, of what is not known.
function hatch(ctx, left, top, width, height) {
	ctx.save();
	ctx.beginPath();
	ctx.rect(left, top, width, height);
	ctx.clip();
	ctx.strokeStyle = colour('--unknown');
	ctx.lineWidth = devicePixelRatio || 1;
	ctx.beginPath();
	// From a common grid, so that they go on from step to step.
	for (let x = Math.floor((left - height) / 6) * 6; x < left + width; x += 6) {
		ctx.moveTo(x, top + height);
		ctx.lineTo(x + height, top);
	}
	ctx.stroke();
	ctx.restore();
}

function drawLanes(u, t, others, xs, step) {
	const { ctx, bbox } = u;
	const laneHeight = bbox.height / t.lanes.length;
	// Below what the lane is about: others.
	const ownHeight = others ? Math.round((laneHeight - 2) * .6) : laneHeight - 2;
	const own = colour('--c0'), muted = colour('--muted');

	ctx.save();
	ctx.beginPath();
	ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
	ctx.clip();
	t.lanes.forEach((lane, l) => {
		const top = bbox.top + l * laneHeight + 1;

		lane.forEach((busy, i) => {
			// Whole pixels: steps lie side by side without a gap.
			const left = Math.round(u.valToPos(xs[i], 'x', true)), right = Math.round(u.valToPos(xs[i] + step, 'x', true));
			const width = Math.max(1, right - left);
			const box = (v, fill, y, height) => {
				if (v <= 0)
					return;
				ctx.fillStyle = fill;
				ctx.globalAlpha = .08 + .92 * Math.min(1, v);
				ctx.fillRect(left, y, width, height);
				ctx.globalAlpha = 1;
			};

			if (!known(busy)) {
				if (t.gaps)
					hatch(ctx, left, top, width, laneHeight - 2);
				return;
			}
			box(busy, own, top, ownHeight);
			if (others)
				box(others[l][i], muted, top + ownHeight, laneHeight - 2 - ownHeight);
		});
	});
	ctx.restore();
}

function timelines() {
	const s = section('timelines', 'Runs over time');

	s.append(...data.timelines.map(timeline));
	if (data.all.files > data.timelines.length)
		s.append(leftOut(`${count(data.all.files - data.timelines.length)} more files were given than a report shows.`));
}

// Series over nights.

function nightly() {
	const s = section('nights', 'Over nights');
	const holder = h('div');
	const all = data.nightly.map((v) => ({ ...v, changes: v.points.filter((p) => p[6]).length }));
	// Where several have one name, with what tells them apart.
	const short = (v) => `${v.metric} · ${v.trace} · ${v.policy}`;
	const kinds = ['options', 'engine', 'machine', 'sched_ext', 'arm', 'work', 'timing', 'machine_key'];
	const alike = all.reduce((m, v) => m.set(short(v), [...(m.get(short(v)) || []), v]), new Map());
	const apart = (v) => kinds.filter((k) => new Set(alike.get(short(v)).map((x) => x[k])).size > 1)
		.map((k) => ` · ${k} ${v[k] ? (k === 'machine_key' ? v[k].slice(0, 8) : v[k]) : '–'}`).join('');
	const name = (v) => short(v) + apart(v) + (v.changes ? ` (${plural(v.changes, 'change')})` : '');

	function show(v) {
		const stamps = v.points.map((p) => Date.parse(p[0]) / 1000);
		const dated = stamps.every((x, i) => Number.isFinite(x) && (i === 0 || x > stamps[i - 1]));
		const xs = dated ? stamps : v.points.map((p, i) => i);
		const scale = v.unit === 'ns' ? (() => {
			const m = Math.max(...v.points.map((p) => p[1]).filter(known).map(Math.abs), 1);

			return m < 1e3 ? ['ns', 1] : m < 1e6 ? ['µs', 1e3] : m < 1e9 ? ['ms', 1e6] : ['s', 1e9];
		})() : v.unit === 'ratio' ? ['%', .01] : [v.unit || '', 1];
		const column = (i) => v.points.map((p) => (known(p[i]) ? p[i] / scale[1] : null));
		const chartOf = series(`${v.metric} of ${v.trace} over ${plural(v.points.length, 'night')}`, () => ({
			options: {
				height: 300,
				scales: { x: { time: dated } },
				axes: axes(dated ? 'night (local time)' : 'night', `${v.metric}${scale[0] ? `, ${scale[0]}` : ''}`, { x: { size: dated ? 52 : 36 }, y: { size: 64 } }),
				series: [{},
					{ stroke: 'transparent', paths: stepped, points: { show: false } }, { stroke: 'transparent', paths: stepped, points: { show: false } },
					{ stroke: colour('--c0'), width: 2, points: { show: true, size: 6, fill: colour('--c0') }, spanGaps: true }],
				bands: [{ series: [2, 1], fill: colour('--band') }],
				hooks: { draw: [(u) => drawNights(u, v, xs, scale[1])] },
			},
			values: [xs, column(4), column(5), column(1)],
		}), (i) => nightText(v, v.points[i]));

		forget(holder);
		holder.replaceChildren(h('figure', null,
			h('figcaption', null, name(v), h('span', { class: 'print-only' }, onlyOne(all.length, 'series', 'series'))),
			legend([{ text: 'median of the night\'s rounds, with their range', draw: lineKey(0) }, { text: 'usual at this level', draw: boxKey('--band') },
				...(v.points.some(isDoubtful) ? [{ text: 'a night with noisy rounds or lost events', draw: (e) => e.append(svg('circle', { cx: 15, cy: 6, r: 4.5,
					fill: 'var(--bg)', stroke: 'var(--unknown)', 'stroke-width': 2 })) }] : []),
				{ text: 'change of level', draw: (e) => e.append(svg('line', { x1: 15, x2: 15, y1: 0, y2: 12, stroke: 'var(--bad)', 'stroke-width': 2, 'stroke-dasharray': '4 2' })) }]),
			chartOf),
			behind('The nights as a table', table(name(v), [
				{ title: 'Night', text: (p) => p[0] || '–', head: true },
				{ title: 'Value', text: (p) => quantity(p[1], v.unit), value: (p) => p[1], num: true },
				{ title: 'Range', text: (p) => (known(p[2]) ? `${quantity(p[2], v.unit)} to ${quantity(p[3], v.unit)}` : '–'), value: (p) => p[2], num: true },
				{ title: 'Usual at this level', text: (p) => (known(p[4]) ? `${quantity(p[4], v.unit)} to ${quantity(p[5], v.unit)}` : '–'), value: (p) => p[4], num: true },
				{ title: 'Rounds', text: (p) => count(p[9]), value: (p) => p[9], num: true },
				{ title: 'Noisy rounds', text: (p) => h('span', { class: p[10] ? 'bad' : null }, count(p[10])), value: (p) => p[10], num: true },
				{ title: 'Events lost', text: (p) => h('span', { class: p[11] ? 'bad' : null }, count(p[11])), value: (p) => p[11], num: true },
				{ title: 'Makespan off', text: (p) => shift(p[12]), value: (p) => p[12], num: true },
				{ title: 'Change of level', text: (p) => (p[6] ? changeText(v, p) : ''), value: (p) => p[6] },
			], v.points.slice().reverse())));
		charts.filter((c) => holder.contains(c.e) && c.e.isConnected).forEach(redraw);
	}

	const left = data.nightly_left;

	function tellLeft() {
		if (left.series)
			s.append(leftOut(`${count(left.series)} more series were left out; those that changed come first.`));
		if (left.metrics_all)
			s.append(leftOut(`${plural(left.metrics_all, 'more metric')} of the nights ${left.metrics_all === 1 ? 'is' : 'are'} not drawn, as no level of ${left.metrics_all === 1 ? 'it' : 'them'} changed; --metric draws: ` +
				`${left.metrics.join(', ')}${left.metrics_all > left.metrics.length ? ', …' : ''}.`));
	}

	if (!all.length) {
		s.append(note(left.metrics_all ? 'No night has a metric that is compared.' : 'No night was stored yet.'));
		tellLeft();
		return;
	}
	const changed = all.filter((v) => v.changes).length;

	s.append(note(changed ? `${count(changed)} series of ${count(all.length)} changed level.` : `No series of ${count(all.length)} changed level.`),
		h('div', { class: 'filters' }, [select('Series', all.map((v) => ({ text: name(v), value: v })), show)].filter((x) => x)), holder);
	tellLeft();
	show(all[0]);
}

const isDoubtful = (p) => p[10] > 0 || p[11] > 0;

function nightText(v, p) {
	return `${p[0] || '?'}: ${quantity(p[1], v.unit)}` + (known(p[2]) ? ` (${quantity(p[2], v.unit)} to ${quantity(p[3], v.unit)})` : '') +
		(p[10] ? `; ${count(p[10])} of ${plural(p[9], 'round')} noisy` : '') + (p[11] ? `; ${plural(p[11], 'event')} lost` : '') +
		(known(p[12]) ? `; makespan ${shift(p[12])} off the recording` : '') + (p[6] ? `; ${changeText(v, p)}` : '') + '.';
}

function changeText(v, p) {
	return known(p[7]) && known(p[8]) ? `new level: ${quantity(p[7], v.unit)} before, ${quantity(p[8], v.unit)} from here on` : 'new level';
}

function drawNights(u, v, xs, of) {
	const { ctx, bbox } = u;
	const px = devicePixelRatio || 1;

	ctx.save();
	v.points.forEach((p, i) => {
		const x = u.valToPos(xs[i], 'x', true);

		if (known(p[2]) && known(p[3])) {
			ctx.strokeStyle = colour('--c0');
			ctx.lineWidth = px;
			ctx.beginPath();
			ctx.moveTo(x, u.valToPos(p[2] / of, 'y', true));
			ctx.lineTo(x, u.valToPos(p[3] / of, 'y', true));
			ctx.stroke();
		}
		if (isDoubtful(p) && known(p[1])) {
			ctx.strokeStyle = colour('--unknown');
			ctx.fillStyle = colour('--bg');
			ctx.lineWidth = 2 * px;
			ctx.beginPath();
			ctx.arc(x, u.valToPos(p[1] / of, 'y', true), 5 * px, 0, 2 * Math.PI);
			ctx.fill();
			ctx.stroke();
		}
		if (p[6]) {
			ctx.strokeStyle = colour('--bad');
			ctx.lineWidth = 2 * px;
			ctx.setLineDash([6 * px, 4 * px]);
			ctx.beginPath();
			ctx.moveTo(x, bbox.top);
			ctx.lineTo(x, bbox.top + bbox.height);
			ctx.stroke();
			ctx.setLineDash([]);
		}
	});
	ctx.restore();
}

// What the numbers rest on.

function evidenceSection() {
	const s = section('evidence', 'What the numbers rest on');
	const traceName = (i) => (data.traces[i] ? data.traces[i][0] : '?');
	const m = (name) => (e) => e[M[name]];
	const error = (title, name) => ({ title, text: (e) => shift(m(name)(e)), value: m(name), num: true });

	s.append(note('Losses, and how far replays are from what they replay. Errors are medians over the runs, shares the worst run\'s; a distance of 0 % is none, an agreement of 100 % is perfect.'),
		table('Losses and fidelity of each kind of runs and trace', [
			{ title: 'Runs of', text: (e) => armName(e[0]), name: true, head: true },
			{ title: 'Trace', text: (e) => traceName(e[1]), name: true },
			{ title: 'Runs', text: (e) => count(e[2]), value: (e) => e[2], num: true },
			{ title: 'Events lost', text: (e) => h('span', { class: e[3] ? 'bad' : null }, count(e[3])), value: (e) => e[3], num: true },
			{ title: 'of all', text: (e) => percent(m('recording_lost_share')(e)), value: m('recording_lost_share'), num: true },
			{ title: 'Repaired', text: (e) => count(e[4]), value: (e) => e[4], num: true },
			{ title: 'Cut', text: (e) => count(e[5]), value: (e) => e[5], num: true },
			{ title: 'Taken by recording', text: (e) => percent(m('recording_disturbance_share')(e)), value: m('recording_disturbance_share'), num: true },
			error('CPU time off', 'fidelity.cpu_time_error'),
			error('Makespan off', 'fidelity.makespan_error'),
			error('Run delay off', 'fidelity.run_delay_error'),
			error('Latency p99 off', 'fidelity.wakeup_latency_p99_error'),
			{ title: 'Latency distance', text: (e) => percent(m('fidelity.wakeup_latency_distance')(e)), value: m('fidelity.wakeup_latency_distance'), num: true },
			{ title: 'Wakes agree', text: (e) => percent(m('fidelity.wake_edges_recall')(e)), value: m('fidelity.wake_edges_recall'), num: true },
		], data.evidence));
	if (data.all.traces > data.traces.length)
		s.append(leftOut(`The ${count(data.traces.length)} traces with the most runs of ${count(data.all.traces)} are listed.`));
}

function hostFacts(text) {
	try {
		const facts = JSON.parse(text);

		return facts && typeof facts === 'object' && !Array.isArray(facts) ? facts : {};
	} catch (e) {
		return {};
	}
}

// Of a live run there are columns; what else was stored is JSON.
const CONDITIONS = ['CPU', 'microcode', 'governor', 'turbo', 'SMT', 'ASLR', 'load', 'temperature, °C', 'boot'];

function conditions(r) {
	const found = CONDITIONS.map((k, i) => [k, r[12 + i]]).filter(([, v]) => v !== null && v !== undefined && v !== '');

	return found.length ? found : Object.entries(hostFacts(r[11])).slice(0, 24);
}

// Each fact's values over the runs: as they are where they are few, else from the least to the greatest.
function values(all) {
	const different = [...new Set(all)];

	if (different.length <= 3)
		return different.map((v) => (v === '' ? 'not known' : v)).join(', ');
	const numbers = all.map((v) => parseFloat(v));

	if (numbers.every(Number.isFinite))
		return `${Math.min(...numbers)} to ${Math.max(...numbers)}`;
	return `${count(different.length)} different values`;
}

function hosts() {
	const s = section('hosts', 'Runs and their conditions');
	const names = { policy_options: 'options' };
	const rows = data.arms.map((a, i) => {
		const runs = data.runs.filter((r) => r[1] === i);
		const facts = new Map(); // keys may be anything

		for (const r of runs)
			for (const [k, v] of conditions(r)) {
				if (!facts.has(k))
					facts.set(k, []);
				facts.get(k).push(typeof v === 'string' ? v : JSON.stringify(v));
			}
		return { a, runs, facts: [...facts].slice(0, 24).map(([k, v]) => {
			// The load: its first figure, of the last minute.
			const seen = k === 'loadavg' ? v.map((x) => x.split(' ')[0]) : v;

			return `${k === 'loadavg' ? 'load' : k}: ${values(seen)}`;
		}), versions: [...new Set(runs.map((r) => r[9]).filter((x) => x))].join(', ') };
	});
	const text = (key) => (r) => r.a[key] || '–';

	s.append(table('The kinds of runs', [
		{ title: 'Name', text: (r) => r.a.name, name: true, head: true },
		{ title: 'Runs', text: (r) => count(r.a.runs), value: (r) => r.a.runs, num: true },
		{ title: 'Traces', text: (r) => count(r.a.traces), value: (r) => r.a.traces, num: true },
		{ title: 'Events lost', text: (r) => count(r.a.lost), value: (r) => r.a.lost, num: true },
		...['engine', 'policy', 'policy_options', 'label', 'machine', 'kernel', 'work', 'timing'].map((k) => ({ title: names[k] || k, text: text(k), name: k === 'policy_options' || k === 'machine' || k === 'label' })),
		{ title: 'sched_ext', text: (r) => r.a.sched_ext || 'none', name: true },
		{ title: 'Conditions of the host', text: (r) => r.facts.join('; ') || (r.a.engine === 'simulated' ? 'simulated: of no influence' : 'not stored'), name: true },
		{ title: 'First, last', text: (r) => (r.a.first ? `${r.a.first} to ${r.a.last}` : '–'), name: true },
		{ title: 'schedrec', text: (r) => r.versions || '–' },
	], rows));
	if (data.all.arms > data.arms.length)
		s.append(leftOut(`${count(data.arms.length)} kinds of runs of ${count(data.all.arms)} are shown.`));
	s.append(behind(`The runs, one by one (${count(data.runs.length)} of ${count(data.all.runs)})`, table('Runs, newest first', [
		{ title: 'Run', text: (r) => String(r[0]), value: (r) => r[0], num: true, head: true },
		{ title: 'Of', text: (r) => armName(r[1]), name: true },
		{ title: 'Trace', text: (r) => (data.traces[r[2]] ? data.traces[r[2]][0] : '–'), name: true },
		{ title: 'Round', text: (r) => count(r[3]), value: (r) => r[3], num: true },
		{ title: 'Slot', text: (r) => count(r[4]), value: (r) => r[4], num: true },
		{ title: 'Started', text: (r) => r[8] || '–' },
		{ title: 'Events lost', text: (r) => count(r[5]), value: (r) => r[5], num: true },
		{ title: 'Repaired', text: (r) => count(r[6]), value: (r) => r[6], num: true },
		{ title: 'Cut', text: (r) => count(r[7]), value: (r) => r[7], num: true },
		{ title: 'Host', text: (r) => conditions(r).map(([k, v]) => `${k}: ${typeof v === 'string' ? v : JSON.stringify(v)}`).join('; ') || '–', name: true },
	], data.runs)));
}

// Light and dark

function themes() {
	const button = document.getElementById('theme');
	const order = ['system', 'light', 'dark'];
	let now = 'system';

	try {
		now = order.includes(localStorage.getItem('schedrec-theme')) ? localStorage.getItem('schedrec-theme') : 'system';
	} catch (e) {
		// A file may have no storage: the choice then lasts as long as the page.
	}
	function apply() {
		if (now === 'system')
			document.documentElement.removeAttribute('data-theme');
		else
			document.documentElement.setAttribute('data-theme', now);
		button.textContent = `Theme: ${now}`;
		redrawAll();
	}
	button.addEventListener('click', () => {
		now = order[(order.indexOf(now) + 1) % order.length];
		try {
			localStorage.setItem('schedrec-theme', now);
		} catch (e) {
			// As above.
		}
		apply();
	});
	button.hidden = false;
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawAll);
	return apply;
}

// On paper charts have the paper's width and its colours, and tables all their rows.
function paper() {
	const button = document.getElementById('print');
	const set = (on) => {
		if (on !== printing)
			for (const e of document.querySelectorAll('.rows'))
				onPaper.get(e)(on);
		// What is closed has no place to be opened there.
		for (const e of document.querySelectorAll(on ? 'details:not([open])' : 'details[data-closed]')) {
			e.toggleAttribute('data-closed', on);
			e.open = on;
		}
		printing = on;
		redrawAll();
	};

	matchMedia('print').addEventListener('change', (e) => set(e.matches));
	window.addEventListener('beforeprint', () => set(true));
	window.addEventListener('afterprint', () => set(false));
	button.addEventListener('click', () => window.print());
	button.hidden = false;
}

if (data.comparisons.length)
	shifts();
if (data.distributions.length)
	distributions();
if (data.timelines.length)
	timelines();
if (data.nightly)
	nightly();
if (data.runs.length) {
	evidenceSection();
	hosts();
}
const apply = themes();

paper();
apply();
document.documentElement.setAttribute('data-ready', '');
})();
