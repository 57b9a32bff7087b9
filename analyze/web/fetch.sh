#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# analyze/web/fetch.sh OUT: brings the charts' libraries that package-lock.json names, with its integrity hashes, through
# npm (as it is configured here) and puts them together as OUT/charts.js and OUT/charts.css, with their licences. Where
# that is not possible both are empty files: the build goes on, and `schedrec report` tells. Nothing of the packages runs
# here. Files that would stay the same are left alone.
set -u
out=$1
from=$(dirname "$0")
mkdir -p "$out" || exit 1

# npm asks no registry for what its cache has.
fetch() {
	if ! command -v npm >/dev/null; then
		echo 'npm is not installed (sudo tests/deps web)'
		return 1
	fi
	cp "$from/package.json" "$from/package-lock.json" "$out/" || return 1
	if ! npm ci --prefix "$out" --cache "$out/npm-cache" --ignore-scripts --no-audit --no-fund --no-update-notifier \
		--prefer-offline --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000 --omit=dev \
		>"$out/npm.log" 2>&1 </dev/null; then
		echo "npm could not get them: $(grep -m1 -E 'code|ERR' "$out/npm.log")"
		return 1
	fi
}

# The two files, of what npm brought.
put_together() {
	m=$out/node_modules
	{
		licence d3 "$m/d3" && cat "$m/d3/dist/d3.min.js" && echo &&
			licence 'Observable Plot' "$m/@observablehq/plot" &&
			cat "$m/@observablehq/plot/dist/plot.umd.min.js" && echo &&
			licence uPlot "$m/uplot" && cat "$m/uplot/dist/uPlot.iife.min.js" && echo
	} >"$out/charts.js.new" || return 1
	{
		licence uPlot "$m/uplot" && cat "$m/uplot/dist/uPlot.min.css"
	} >"$out/charts.css.new"
}

# licence NAME DIR: a comment that a script or a style can begin with.
licence() {
	printf '/*! %s\n' "$1"
	sed 's|\*/|* /|g' "$2/LICENSE"
	printf '*/\n'
}

put() {
	if cmp -s "$out/$1.new" "$out/$1"; then rm "$out/$1.new"; else mv "$out/$1.new" "$out/$1"; fi
}

: >"$out/charts.js.new" && : >"$out/charts.css.new" || exit 1
if why=$(fetch); then
	if ! put_together; then
		why='a package lacks a file'
		: >"$out/charts.js.new"
	fi
	# The libraries' text stands inside a script element: nothing in it may end that.
	if grep -qiE '</script|<!--' "$out/charts.js.new"; then
		why='a library has what would end a script element'
		: >"$out/charts.js.new"
	fi
fi
if [ ! -s "$out/charts.js.new" ]; then
	# What an earlier build got stays good as long as the lock file is the same.
	if [ -s "$out/charts.js" ] && cmp -s "$from/package-lock.json" "$out/got.json"; then
		rm -f "$out/charts.js.new" "$out/charts.css.new"
		exit 0
	fi
	echo "schedrec report is built without charts and will not work: $why" >&2
	: >"$out/charts.css.new"
else
	cp "$from/package-lock.json" "$out/got.json"
fi
put charts.js && put charts.css
