#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A corpus in S3, in a real server (Ceph's RADOS gateway, started here, all in memory): what it refuses, and what schedrec does
# shellcheck source=tests/lib.sh
. tests/lib.sh

export XDG_CONFIG_HOME=$T/config XDG_CACHE_HOME=$T/cache
unset "${!AWS_@}" http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
PORT=0
URL=s3://traces/a/prefix

value() {
	sed -nE "s/^ *\"$2\": \"([^\"]*)\",?\$/\1/p" "$1" | head -n 1
}

# The server: a monitor, one object store in memory, the gateway. Its pids are in $T/ceph/*.pid.
ceph_conf() {
	local lib

	lib=$(dirname "$(find /usr/lib -maxdepth 3 -type d -name rados-classes | head -n 1)")
	cat <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v1:127.0.0.1:$((PORT + 1))
public addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
run dir = $T/ceph
admin socket = $T/ceph/\$name.asok
log file = $T/ceph/\$name.log
plugin dir = $lib/ceph
erasure code dir = $lib/ceph/erasure-code
osd class dir = $lib/rados-classes
osd erasure code plugins =
[mon.a]
host = localhost
mon data = $T/ceph/mon
mon cluster log file = $T/ceph/cluster.log
mon data avail warn = 0
mon data avail crit = 0
[osd.0]
host = localhost
osd data = $T/ceph/osd
osd objectstore = memstore
memstore device bytes = 268435456
osd max pg per osd hard ratio = 50
[client.rgw]
rgw data = $T/ceph/rgw
rgw frontends = beast endpoint=127.0.0.1:$PORT
rgw thread pool size = 4
END
}

start_server() {
	local id=$T/ceph/osd.id

	PORT=$((20000 + RANDOM % 12000))
	rm -rf "$T/ceph"
	mkdir -p "$T/ceph/mon" "$T/ceph/osd" "$T/ceph/rgw"
	export CEPH_CONF=$T/ceph/ceph.conf
	ceph_conf >"$CEPH_CONF"
	monmaptool --create --clobber --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" \
		--addv a "[v1:127.0.0.1:$((PORT + 1))]" "$T/ceph/monmap" || return 1
	ceph-mon -i a --mkfs --monmap "$T/ceph/monmap" --keyring /dev/null || return 1
	ceph-mon -i a -f >"$T/ceph/mon.out" 2>&1 &
	echo $! >"$T/ceph/mon.pid"
	cat /proc/sys/kernel/random/uuid >"$id"
	timeout 60 ceph osd new "$(cat "$id")" || return 1
	ceph-osd -i 0 --mkfs --osd-uuid "$(cat "$id")" || return 1
	ceph-osd -i 0 -f >"$T/ceph/osd.out" 2>&1 &
	echo $! >"$T/ceph/osd.pid"
	timeout 90 radosgw-admin -n client.rgw user create --uid=tester --display-name=t --access-key=TESTKEY \
		--secret-key=testsecret || return 1
	radosgw -n client.rgw -f >"$T/ceph/rgw.out" 2>&1 &
	echo $! >"$T/ceph/rgw.pid"
	for _ in $(seq 150); do
		if curl -s -m 5 -o /dev/null "http://127.0.0.1:$PORT/"; then
			server_stores
			return
		fi
		sleep 0.2
	done
	echo "error: it did not answer in 30 s"
	return 1
}

# One that answers need not store yet, or at all: its object store may be slow, or gone.
server_stores() {
	local end=$((SECONDS + 60))

	while :; do
		s3 PUT traces -m 20 -H "$EMPTY" && echo probe >"$T/probe" && put_bytes traces/probe "$T/probe" -m 20 &&
			s3 GET traces/probe -m 20 -H "$EMPTY" | cmp - "$T/probe" && s3 DELETE traces/probe -m 20 -H "$EMPTY" && return 0
		[ $SECONDS -lt $end ] || break
		sleep 1
	done
	echo "error: it does not store within 60 s"
	return 1
}

stop_server() {
	local p pid

	for p in rgw osd mon; do
		[ -f "$T/ceph/$p.pid" ] || continue
		pid=$(cat "$T/ceph/$p.pid")
		kill "$pid" 2>/dev/null
		for _ in $(seq 30); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -9 "$pid" 2>/dev/null
	done
}
trap 'stop_server 2>/dev/null; t_at_exit' EXIT

# s3 METHOD KEY [ARG...]: a request past schedrec, as somebody else would make it
s3() {
	curl -s -S --fail-with-body --aws-sigv4 aws:amz:us-east-1:s3 --user TESTKEY:testsecret -X "$1" \
		"http://127.0.0.1:$PORT/$2" "${@:3}"
}
sum() {
	sha256sum <"$1" | cut -d' ' -f1
}
put_bytes() {
	s3 PUT "$1" -H "x-amz-content-sha256: $(sum "$2")" --data-binary "@$2" -H 'Content-Type: application/octet-stream' "${@:3}"
}
EMPTY='x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

READY=no WHY=''
for c in radosgw ceph-mon ceph-osd radosgw-admin monmaptool curl; do
	command -v $c >/dev/null || WHY="$c is not installed (tests/deps s3)"
done
if [ -z "$WHY" ]; then
	for _ in 1 2; do
		start_server >"$T/start" 2>&1 && READY=yes && break
		WHY="the RADOS gateway did not start: $(grep -ahiE 'error|fail|unable' "$T"/ceph/*.out "$T/start" 2>/dev/null | tail -n 1)"
		stop_server 2>/dev/null
	done
fi
# The message of a failed start may be missing; the reason never is.
need_server() {
	[ $READY = yes ] && return 0
	t_skip "$WHY"
	return 1
}
export AWS_ACCESS_KEY_ID=TESTKEY AWS_SECRET_ACCESS_KEY=testsecret AWS_REGION=us-east-1 AWS_ENDPOINT_URL=http://127.0.0.1:$PORT

t_case "init makes a corpus below a prefix; without a bucket or a corpus it says so"
if need_server; then
	t_status 3 "$SCHEDREC" corpus list "$URL" && t_one_line "$T/err" && t_match 'corpus init' "$T/err"
	t_status 3 "$SCHEDREC" corpus init s3://nobucket && t_one_line "$T/err" && t_match 'NoSuchBucket' "$T/err"
	t_status 0 "$SCHEDREC" corpus init "$URL" && t_status 0 "$SCHEDREC" corpus init "$URL"
	t_status 0 "$SCHEDREC" corpus list "$URL" && t_true "something is there" [ ! -s "$T/out" ]
fi
t_ok

t_case "push, list, pull: the bytes come back"
if need_server; then
	t_status 0 "$SCHEDREC" corpus push -q "$URL" tests/golden/load.srz --yes --program synthetic --json
	sha=$(value "$T/out" sha256) token=$(value "$T/out" token)
	t_status 0 "$SCHEDREC" corpus push -q "$URL" tests/golden/many-cpus.srz tests/golden/attributes.srz --yes
	t_status 0 "$SCHEDREC" corpus push -q "$URL" tests/golden/load.srz --yes && t_match "^$sha .*there already" "$T/out"
	t_status 0 "$SCHEDREC" corpus list "$URL" --json && t_equal 3 "$(grep -c '"sha256"' "$T/out")"
	t_status 0 "$SCHEDREC" corpus list "$URL" program=synthetic --json && t_equal "$sha" "$(value "$T/out" sha256)"
	t_status 0 "$SCHEDREC" corpus pull -q "$URL" "${sha:0:10}" -o "$T/back.srz" && t_equal "$sha" "$(sum "$T/back.srz")"
	# Another user, with an empty cache, sees the same.
	t_status 0 env XDG_CACHE_HOME="$T/other" "$SCHEDREC" corpus list "$URL" --json && t_equal 3 "$(grep -c '"sha256"' "$T/out")"
	t_status 0 "$SCHEDREC" corpus sample "$URL" -n 2 --json && t_equal 2 "$(grep -c '"weight"' "$T/out")"
	t_status 0 "$SCHEDREC" corpus verify "$URL" && t_true "findings" [ ! -s "$T/out" ]
fi
t_ok

t_case "nightly takes its traces out of the bucket, and has no password in what it writes"
if need_server; then
	t_status 0 env XDG_CACHE_HOME="$T/night-cache" "$SCHEDREC" nightly -q --corpus "$URL" --query program=synthetic --sample 2 \
		--db "$T/night.db" --baseline policy=recorded --policy kernel,recorded --engine sim -n 2 --metric makespan_ns \
		--margin 1000 --out "$T/night" && t_match '1 trace stands for 1 of the corpus' "$T/out" &&
		t_match "\"sha256\": \"$sha\"" "$T/night/nightly.json" && t_match '"rounds_done": 2' "$T/night/nightly.json" &&
		t_equal "$sha" "$(sum "$T/night-cache/schedrec/objects/$sha.srz")" &&
		t_no_match testsecret "$T/night/nightly.json"
fi
t_ok

t_case "an object of several megabytes"
if need_server; then
	t_status 0 "$SCHEDREC" simulate -q tests/golden/load.srz --policy random --machine smt-2x2 -o "$T/sim.srz"
	if [ -d /sys/kernel/tracing/events/sched ] && [ "$(id -u)" -eq 0 ]; then
		t_status 0 "$SCHEDREC" record -o "$T/big.srz" -a -- sh -c 'for i in $(seq 12); do seq 20000 | sort -R | sort -n | wc -l; done'
	else
		cp "$T/sim.srz" "$T/big.srz"
	fi
	t_status 0 "$SCHEDREC" corpus push -q "$URL" "$T/big.srz" --yes --json && big_sha=$(value "$T/out" sha256)
	t_status 0 "$SCHEDREC" corpus pull -q "$URL" "$big_sha" -o "$T/big-back.srz" && t_equal "$big_sha" "$(sum "$T/big-back.srz")"
fi
t_ok

t_case "a wrong secret, key or bucket is refused with one clear line"
if need_server; then
	t_status 3 env AWS_SECRET_ACCESS_KEY=wrong "$SCHEDREC" corpus list "$URL" && t_one_line "$T/err" &&
		t_match 'AWS_SECRET_ACCESS_KEY. is wrong' "$T/err"
	t_status 3 env AWS_SECRET_ACCESS_KEY=wrong "$SCHEDREC" corpus push -q "$URL" tests/golden/coded.srz --yes && t_one_line "$T/err"
	t_status 3 env AWS_ACCESS_KEY_ID=NOBODY "$SCHEDREC" corpus list "$URL" && t_match 'AWS_ACCESS_KEY_ID' "$T/err"
	t_status 3 env -u AWS_SECRET_ACCESS_KEY "$SCHEDREC" corpus list "$URL" && t_one_line "$T/err"
	t_status 3 env AWS_ENDPOINT_URL=http://127.0.0.1:1 "$SCHEDREC" corpus list "$URL" && t_one_line "$T/err"
	t_status 2 env AWS_ENDPOINT_URL=gopher://x "$SCHEDREC" corpus list "$URL" && t_one_line "$T/err"
	t_status 2 "$SCHEDREC" corpus list 's3://traces/a b' && t_one_line "$T/err"
	t_status 2 "$SCHEDREC" corpus list 's3://' && t_one_line "$T/err"
	t_status 2 "$SCHEDREC" corpus list 's3://traces/../x' && t_one_line "$T/err"
fi
t_ok

t_case "a changed byte and a replaced object are found by verify, and pull refuses them"
if need_server; then
	key=traces/a/prefix/sha256/${sha:0:2}/$sha
	cp "$T/back.srz" "$T/changed" && printf '\377' | dd of="$T/changed" bs=1 seek=300 conv=notrunc 2>/dev/null
	put_bytes "$key" "$T/changed" >/dev/null
	t_status 1 "$SCHEDREC" corpus verify "$URL" && t_match "^$sha: .*damaged or was replaced" "$T/out"
	rm -rf "$T/cache/schedrec/objects"
	t_status 4 "$SCHEDREC" corpus pull -q "$URL" "$sha" -o "$T/x.srz" && t_one_line "$T/err" && t_match 'replaced' "$T/err"
	t_true "a file was written" [ ! -e "$T/x.srz" ]
	put_bytes "$key" tests/golden/coded.srz >/dev/null
	t_status 4 "$SCHEDREC" corpus pull -q "$URL" "$sha" -o "$T/x.srz" && t_one_line "$T/err"
	put_bytes "$key" "$T/back.srz" >/dev/null
	t_status 0 "$SCHEDREC" corpus verify "$URL"
fi
t_ok

t_case "an object that is gone, one without a row, and a row that is none"
if need_server; then
	s3 DELETE "$key" -H "$EMPTY"
	t_status 1 "$SCHEDREC" corpus verify "$URL" && t_match "^$sha: has a row, but is not there" "$T/out"
	put_bytes "$key" "$T/back.srz" >/dev/null
	put_bytes "traces/a/prefix/sha256/ff/$(printf 'f%.0s' {1..64})" "$T/back.srz" >/dev/null
	t_status 1 "$SCHEDREC" corpus verify "$URL" && t_match '^ffff.*has no row' "$T/out"
	s3 DELETE "traces/a/prefix/sha256/ff/$(printf 'f%.0s' {1..64})" -H "$EMPTY"
	row=traces/a/prefix/rows/${sha:0:2}/$sha
	s3 GET "$row" -H "$EMPTY" >"$T/row" && t_match '^schedrec-row 1$' "$T/row"
	echo nonsense >"$T/none" && put_bytes "$row" "$T/none" >/dev/null
	t_status 4 "$SCHEDREC" corpus pull -q "$URL" "$sha" -o "$T/x.srz" && t_one_line "$T/err"
	# Who begins anew is not kept from the others.
	t_status 0 env XDG_CACHE_HOME="$T/third" "$SCHEDREC" corpus list "$URL" --json && t_equal 3 "$(grep -c '"sha256"' "$T/out")"
	put_bytes "$row" "$T/row" >/dev/null
	t_status 0 "$SCHEDREC" corpus verify "$URL"
fi
t_ok

t_case "remove takes the token; others see that it is gone"
if need_server; then
	t_status 2 "$SCHEDREC" corpus remove "$URL" "$sha" --token "${token%?}x" && t_one_line "$T/err"
	t_status 0 "$SCHEDREC" corpus remove "$URL" "$sha" --token "$token"
	t_status 3 "$SCHEDREC" corpus show "$URL" "$sha"
	t_status 0 env XDG_CACHE_HOME="$T/other" "$SCHEDREC" corpus list "$URL" program=synthetic && t_true "it is listed" [ ! -s "$T/out" ]
	t_status 0 "$SCHEDREC" corpus push -q "$URL" tests/golden/load.srz --yes --program synthetic && t_match "^$sha.*pushed" "$T/out"
	t_status 0 env XDG_CACHE_HOME="$T/other" "$SCHEDREC" corpus list "$URL" program=synthetic && t_match "^${sha:0:16}" "$T/out"
	t_status 0 "$SCHEDREC" corpus verify "$URL"
fi
t_ok

t_case "an entry of a clock that is years ahead hides nothing that comes later"
if need_server; then
	s3 PUT "traces/a/prefix/log/7fffffffffffffff-$(printf 'b%.0s' {1..64})-a" -H "$EMPTY" --data-binary '' >/dev/null
	t_status 0 env XDG_CACHE_HOME="$T/other" "$SCHEDREC" corpus list "$URL"
	t_status 0 "$SCHEDREC" corpus push -q "$URL" tests/golden/ties.srz --yes && ties=$(cut -d' ' -f1 "$T/out")
	t_status 0 env XDG_CACHE_HOME="$T/other" "$SCHEDREC" corpus list "$URL" && t_match "^${ties:0:16}" "$T/out"
	t_status 0 "$SCHEDREC" corpus verify "$URL"
	s3 DELETE "traces/a/prefix/log/7fffffffffffffff-$(printf 'b%.0s' {1..64})-a" -H "$EMPTY"
fi
t_ok

t_case "an interrupted push is repeated; eight at once store it once"
if need_server; then
	# The shell tells of what was killed.
	exec 3>&2 2>/dev/null
	for d in 0.02 0.05 0.1 0.15 0.2 0.3; do
		{ timeout -s KILL $d "$SCHEDREC" corpus push -q "$URL" tests/golden/many-tasks.srz --yes; } >/dev/null 2>&1
	done
	exec 2>&3 3>&-
	for i in 1 2 3 4 5 6 7 8; do
		"$SCHEDREC" corpus push -q "$URL" tests/golden/many-tasks.srz --yes >"$T/push.$i" 2>&1 &
		pids[i]=$!
	done
	for i in 1 2 3 4 5 6 7 8; do
		wait "${pids[i]}" || t_fail "push $i: $(cat "$T/push.$i")"
	done
	t_true "stored more than once" [ "$(cat "$T"/push.? | grep -c pushed)" -le 1 ]
	t_status 0 "$SCHEDREC" corpus verify "$URL"
fi
t_ok

t_case "a long log becomes a pack, from which a new user begins"
T_LIMIT=300 # a request for each of hundreds of entries, on a busy machine
if need_server; then
	# Five hundred entries of objects that came to nothing, now.
	now=$(printf '%016x' "$(date +%s%N)")
	s3 PUT "traces/a/prefix/log/$now-$(printf 'a%.0s' {1..60})[1000-1520]-a" -H "$EMPTY" --data-binary '' \
		-o "$T/null" 2>"$T/curl" || t_fail "no log: $(tail -n 1 "$T/curl")"
	t_status 0 "$SCHEDREC" corpus push -q "$URL" tests/golden/coded.srz --yes
	t_status 0 "$SCHEDREC" corpus list "$URL" --json && cp "$T/out" "$T/all"
	s3 GET "traces?list-type=2&prefix=a%2Fprefix%2Fpacks%2F" -H "$EMPTY" >"$T/packs"
	pack=$(grep -oE 'a/prefix/packs/[0-9a-f]{16}' "$T/packs" | head -n 1)
	t_true "no pack was made" [ -n "$pack" ]
	s3 GET "traces/$pack" -H "$EMPTY" >"$T/pack"
	t_equal "$(grep -c '"sha256"' "$T/all")" "$(grep -c '^schedrec-row 1$' "$T/pack")"
	# Without the log before it, the rows can only come from the pack.
	t_status 0 env XDG_CACHE_HOME="$T/fourth" "$SCHEDREC" corpus list "$URL" --json && t_true "another list" cmp -s "$T/out" "$T/all"
	echo nonsense >>"$T/pack" && put_bytes "traces/$pack" "$T/pack" >/dev/null
	t_status 4 env XDG_CACHE_HOME="$T/fifth" "$SCHEDREC" corpus list "$URL" && t_one_line "$T/err"
fi
t_ok

t_case "a server that goes away is one clear line"
if need_server; then
	stop_server 2>/dev/null
	READY=no WHY="stopped"
	t_status 3 "$SCHEDREC" corpus list "$URL" && t_one_line "$T/err"
	t_status 3 "$SCHEDREC" corpus push -q "$URL" tests/golden/load.srz --yes && t_one_line "$T/err"
fi
t_ok

t_done
