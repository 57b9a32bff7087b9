#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make determinism: the same recording, machine, policy and seed give the same events whoever compiled the simulator and
# how: the digests of the stream from a build by clang without optimisation, one by gcc with all of it, and one with
# sanitizers, beside each other. (arm64 beside amd64: tests/real/qemu.sh.) Not a part of make check, as it builds
# schedrec three times, in build/determinism/.
#
#	tests/determinism.sh [FILE.srz...]    also these recordings, beside the tests' own
SCHEDREC=${SCHEDREC:-none} # those of the builds
# shellcheck source=tests/lib.sh
. tests/lib.sh

T_LIMIT=600
BUILDS=(clang-O0 gcc-O3 gcc-sanitized)
POLICIES=kernel,domain,domain:levels=full,domain:preset=2.6.12,bld,bld-2012,bld-fixed,eas,random,roundrobin,recorded
LOAD="tests/golden/load.srz tests/golden/load.srz --offset 3ms --loop 2 --copies 4"

build() {
	case $1 in
	clang-O0) set -- "$1" CC=clang CFLAGS="-O0 -g" ;;
	gcc-O3) set -- "$1" CC=gcc CFLAGS="-O3 -march=native -g" ;;
	gcc-sanitized) set -- "$1" CC=gcc CFLAGS="-O1 -g" SAN=address,undefined ;;
	esac
	make --no-print-directory -j"$(nproc)" B="build/determinism/$1" "${@:2}" "build/determinism/$1/schedrec"
}

# digests BUILD: "machine seed policy digest" of each run, into $T/BUILD
digests() {
	local machine seed file

	while IFS='|' read -r machine seed file; do
		# shellcheck disable=SC2086 # several words each
		"build/determinism/$1/schedrec" simulate -q --policy "$POLICIES" --machine "$machine" --seed "$seed" $file \
			2>"$T/why" >"$T/table" || {
			cat "$T/why"
			return 1
		}
		sed -nE "s/^events_sha256 ([0-9a-f]{64})  (.*)/$machine|$seed|${file##*/}|\2|\1/p" "$T/table"
	done <"$T/runs" >"$T/$1"
}

{
	for machine in smp-4 numa-2x8x2 biglittle-1+3+4 numa-8x64x2; do
		for seed in 1 2; do
			echo "$machine|$seed|$LOAD"
		done
	done
	for file; do
		echo "numa-2x8x2|1|$(realpath "$file")"
	done
} >"$T/runs"

for b in "${BUILDS[@]}"; do
	t_case "$b builds"
	t_need "${b%%-*}" && t_status 0 build "$b"
	t_ok
done

first=
for b in "${BUILDS[@]}"; do
	[ -x "build/determinism/$b/schedrec" ] || continue
	t_case "$b simulates $(wc -l <"$T/runs") loads under each policy${first:+, with the same events as $first}"
	t_status 0 digests "$b"
	t_true "it told no digest" test -s "$T/$b"
	t_equal "$(($(wc -l <"$T/runs") * $(tr , '\n' <<<$POLICIES | grep -c .)))" "$(wc -l <"$T/$b")"
	[ -z "$first" ] || t_true "$(diff "$T/$first" "$T/$b" | head -n 1)" cmp -s "$T/$first" "$T/$b"
	t_ok
	first=${first:-$b}
done

t_case "other seeds, machines and policies give other events"
t_true "two of them are alike: $(cut -d'|' -f5 "$T/$first" | sort | uniq -d | wc -l) digests of $(wc -l <"$T/$first")" \
	test "$(cut -d'|' -f5 "$T/$first" | sort -u | wc -l)" -gt $(($(wc -l <"$T/$first") / 2))
t_ok

[ -z "$first" ] || awk -F'|' '{ printf "%-16s seed %s  %-24s %s\n", $1, $2, $4, $5 }' "$T/$first"
t_done
