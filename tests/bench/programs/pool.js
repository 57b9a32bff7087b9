// SPDX-License-Identifier: GPL-2.0-or-later
//
// pool.js WORKERS JOBS: a pool of threads that gets jobs of different sizes, one after the other as workers become free;
// every run does the same work.
'use strict';
const { Worker, isMainThread, parentPort } = require('worker_threads');

function work(job) {
	const n = 2000 + (job * 7919) % 6000;
	const list = [];
	let seed = job + 1;

	for (let i = 0; i < n; i++) {
		seed = (seed * 1103515245 + 12345) % 2147483648;
		list.push({ key: seed, text: 'item ' + seed.toString(36) });
	}
	list.sort((a, b) => a.key - b.key);
	return JSON.stringify(list.slice(0, 500)).length;
}

if (isMainThread) {
	const workers = Number(process.argv[2]), jobs = Number(process.argv[3]);
	let next = 0, done = 0, sum = 0;

	for (let i = 0; i < workers; i++) {
		const w = new Worker(__filename);

		w.on('message', (size) => {
			sum += size;
			if (++done === jobs)
				console.log(sum);
			w.postMessage(next < jobs ? next++ : -1);
		});
		w.postMessage(next++);
	}
} else {
	parentPort.on('message', (job) => {
		if (job < 0)
			parentPort.close();
		else
			parentPort.postMessage(work(job));
	});
}
