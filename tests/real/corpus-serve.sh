#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The server of a corpus, over TLS with a CA of its own: what goes in comes out, and what must not come in does not, whoever
# asks and however; and what was told to be stored is there, also after kill -9 and on a full disk.
# shellcheck source=tests/lib.sh
. tests/lib.sh

: "${BUILD:=build}"
tool=$PWD/tests/real/corpus_http.py
export XDG_CONFIG_HOME=$T/config XDG_CACHE_HOME=$T/cache
unset SCHEDREC_TOKEN SCHEDREC_TOKEN_FILE CURL_CA_BUNDLE SSL_CERT_FILE http_proxy https_proxy
umask 022
server=''
url='' log=''

stop_server() { # [SIGNAL]
	[ -z "$server" ] && return
	remember_memory
	kill "-${1:-TERM}" "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	ended=$?
	server=''
}

unmount() {
	mountpoint -q "$T/small" 2>/dev/null && umount -l "$T/small"
}
trap 'stop_server KILL; unmount; t_at_exit' EXIT

# start_server DIR [OPTION...]: on a free port; $url, $log and $server.
start_server() {
	local dir=$1
	shift
	log=$T/log.$RANDOM$RANDOM
	"$SCHEDREC" corpus serve "$dir" --listen 127.0.0.1:0 --spare 0 --tls-cert "$T/cert.pem" --tls-key "$T/key.pem" \
		--log "$log" "$@" 2>"$T/server.err" </dev/null &
	server=$!
	for _ in {1..150}; do
		url=$(sed -n 's/.*"event":"start".*"why":"\([^"]*\)".*/\1/p' "$log" 2>/dev/null)
		[ -n "$url" ] && return
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	t_fail "the server does not start: $(cat "$T/server.err")"
}

# A client that does not behave; what it says is why it failed.
attack() {
	python3 "$tool" "$url" --ca "$T/ca.pem" --token "$token" "$@" >"$T/attack" 2>&1 || t_fail "$(head -n 6 "$T/attack" | tr '\n' '~')"
}

# The most memory that any server had so far, in MB. Sanitizers take several times as much.
most=0
remember_memory() {
	local now

	now=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$server/status" 2>/dev/null)
	[ "${now:-0}" -gt "$most" ] && most=$now
}
memory_limit=160
nm "$SCHEDREC" 2>/dev/null | grep -q __asan_init && memory_limit=1600

nothing_waits() {
	t_equal "" "$(ls "$T/corpus/incoming")"
}

t_case "a CA, a certificate, a corpus, a token and traces"
t_need openssl python3 || { t_done; exit; }
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-ca \
		-keyout "$T/ca.key" -out "$T/ca.pem" &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
			-keyout "$T/key.pem" -out "$T/csr.pem" &&
		openssl x509 -req -in "$T/csr.pem" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial -days 2 \
			-extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$T/cert.pem" &&
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=other-ca \
			-keyout "$T/other.key" -out "$T/other.pem"
} >"$T/openssl" 2>&1 || t_fail "$(tail -n 3 "$T/openssl")"
mkdir "$T/traces"
t_status 0 "$SCHEDREC" corpus init "$T/corpus"
t_status 0 "$SCHEDREC" corpus token add "$T/corpus" --name test && token=$(cat "$T/out")
t_status 0 "$BUILD/tests/real/traces" "$T/traces" 700 300 1 && cp "$T/out" "$T/list"
head -n 65 "$T/list" >"$T/list.many"
sed -n 66,165p "$T/list" >"$T/list.more"
tail -n 500 "$T/list" >"$T/list.500"
read -r _ _ events trace < <(sed -n 180p "$T/list")
t_true "the token's text is in the corpus" [ "$(grep -rl -- "${token:21}" "$T/corpus" | wc -l)" -eq 0 ]
t_equal 600 "$(stat -c %a "$T/corpus/tokens")"
t_ok
[ -n "${token:-}" ] || { t_done; exit; }

start_server "$T/corpus" --header-time 4s

#
# What it is for
#

export CURL_CA_BUNDLE=$T/ca.pem
t_case "push over TLS: the object is what a push to a directory stores, byte for byte"
t_status 0 "$SCHEDREC" corpus init "$T/direct"
t_status 0 "$SCHEDREC" corpus push "$T/direct" --yes -q --json tests/golden/many-tasks.srz
name=$(sed -n 's/.*"sha256": "\([0-9a-f]*\)".*/\1/p' "$T/out")
t_status 0 env SCHEDREC_TOKEN="$token" "$SCHEDREC" corpus push "$url" --yes -q --json tests/golden/many-tasks.srz &&
	t_match "\"sha256\": \"$name\"" "$T/out" && t_match '"stored": true' "$T/out"
deletion=$(sed -n 's/.*"token": "\(.*\)".*/\1/p' "$T/out")
t_status 0 cmp "$T/corpus/sha256/${name:0:2}/$name" "$T/direct/sha256/${name:0:2}/$name"
t_ok

t_case "list, show and pull over TLS; the copy is the object"
t_status 0 "$SCHEDREC" corpus list "$url" --json && t_match "\"sha256\": \"$name\"" "$T/out" &&
	t_match '"licence": "CC-BY-4.0"' "$T/out"
t_status 0 "$SCHEDREC" corpus show "$url" "${name:0:12}" && t_match "$name" "$T/out"
t_status 0 "$SCHEDREC" corpus pull "$url" "$name" -q -o "$T/pulled.srz" &&
	t_status 0 cmp "$T/pulled.srz" "$T/direct/sha256/${name:0:2}/$name"
t_ok

t_case "the server describes a trace as the contributor's machine does, with its machine and features"
rows() { grep -Ev '"(contributor|added_s)"' "$T/out"; }
t_status 0 "$SCHEDREC" corpus push "$T/direct" --yes -q tests/golden/load.srz
t_status 0 env SCHEDREC_TOKEN="$token" "$SCHEDREC" corpus push "$url" --yes -q tests/golden/load.srz
t_status 0 "$SCHEDREC" corpus list "$T/direct" --json && t_match '"machine": "[0-9]+ core' "$T/out" && direct=$(rows)
t_status 0 "$SCHEDREC" corpus list "$url" --json && t_equal "$direct" "$(rows)"
t_ok

t_case "a query is answered by the server as by the directory"
for q in "bytes=1.." "bytes=..10" "duration=0s..100h" "events=1..1000000000" "sha256=${name:0:6}" "licence=cc-by-*" "program=zzz" \
	"cpus=0..4096,licence=CC"; do
	t_status 0 "$SCHEDREC" corpus list "$url" "$q" --json && cp "$T/out" "$T/served"
	t_status 0 "$SCHEDREC" corpus list "$T/corpus" "$q" --json && t_equal "$(grep sha256 "$T/out")" "$(grep sha256 "$T/served")"
done
t_ok

t_case "a second push is recognised, and sends nothing"
t_status 0 env SCHEDREC_TOKEN="$token" "$SCHEDREC" corpus push "$url" --yes -q --json tests/golden/many-tasks.srz &&
	t_match '"stored": false' "$T/out"
t_ok

t_case "the token may come from a file"
echo "$token" >"$T/token"
t_status 0 env SCHEDREC_TOKEN_FILE="$T/token" "$SCHEDREC" corpus push "$url" --yes -q tests/golden/ties.srz
t_ok

t_case "without a token, and with a wrong one, a push is refused with status 2 and one line"
t_status 2 "$SCHEDREC" corpus push "$url" --yes -q tests/golden/two-streams.srz && t_one_line "$T/err" && t_match 'token' "$T/err"
t_status 2 env SCHEDREC_TOKEN="${token%?}_" "$SCHEDREC" corpus push "$url" --yes -q tests/golden/two-streams.srz && t_one_line "$T/err"
t_status 2 env SCHEDREC_TOKEN="a b" "$SCHEDREC" corpus push "$url" --yes -q tests/golden/two-streams.srz
t_no_match "${token:21}" "$T/err"
t_ok

t_case "a server whose certificate is not one to trust is not talked to"
t_status 3 env CURL_CA_BUNDLE="$T/other.pem" "$SCHEDREC" corpus list "$url" && t_one_line "$T/err" && t_match 'certificate' "$T/err"
t_status 3 env -u CURL_CA_BUNDLE "$SCHEDREC" corpus list "$url" && t_match 'certificate' "$T/err"
for host in example.invalid 127.0.0.1.example.invalid 127.example.invalid; do
	t_status 2 env SCHEDREC_TOKEN="$token" "$SCHEDREC" corpus list "http://$host" && t_match 'in the clear' "$T/err"
done
t_status 2 "$SCHEDREC" corpus list "https://me:secret@127.0.0.1/" && t_no_match secret "$T/err"
t_ok

t_case "verify over TLS finds a changed byte and a replaced object"
t_status 0 "$SCHEDREC" corpus verify "$url" -q
victim=$T/corpus/sha256/${name:0:2}/$name
cp "$victim" "$T/kept" && chmod u+w "$victim"
printf 'X' | dd of="$victim" bs=1 seek=200 conv=notrunc status=none
rm -rf "$T/cache"
t_status 4 "$SCHEDREC" corpus pull "$url" "$name" -q -o "$T/bad.srz" && t_one_line "$T/err"
t_true "the damaged copy was kept" [ ! -e "$T/bad.srz" ]
t_status 1 "$SCHEDREC" corpus verify "$url" -q
cp "$(find "$T/corpus/sha256" -type f ! -name "$name" | head -n 1)" "$T/swap" && cp "$T/swap" "$victim"
t_status 1 "$SCHEDREC" corpus verify "$url" -q
cp "$T/kept" "$victim"
t_status 0 "$SCHEDREC" corpus verify "$url" -q
t_ok

t_case "a deletion token is not told to another corpus that has the same object"
t_status 0 "$SCHEDREC" corpus push "$T/direct" --yes -q tests/golden/coded.srz
two=$(cut -d' ' -f1 "$T/out")
t_status 0 "$SCHEDREC" corpus show "$T/direct" "$two" --json
number() { sed -n "s/^ *\"$1\": \([0-9]*\),$/\1/p" "$T/out"; }
attack put "$T/direct/sha256/${two:0:2}/$two" "$(number events)" "lost=$(number lost)" && t_match '^201' "$T/attack"
t_status 2 "$SCHEDREC" corpus remove "$url" "$two" && t_match 'not pushed there' "$T/err"
t_ok

t_case "remove takes the deletion token, and nothing else will do"
t_status 2 "$SCHEDREC" corpus remove "$url" "$name" --token "$(printf 'x%.0s' {1..43})" && t_one_line "$T/err"
t_status 0 "$SCHEDREC" corpus remove "$url" "$name" --token "$deletion"
t_status 3 "$SCHEDREC" corpus pull "$url" "$name" -q -o "$T/gone.srz"
t_true "its bytes are still there" [ ! -e "$victim" ]
t_ok

t_case "a recording that was not scrubbed is refused, whoever sends it"
attack put tests/golden/all-kinds.srz 400 && t_match '^422 .*scrubbed' "$T/attack"
t_ok

t_case "a revoked token opens nothing any more, in the running server"
t_status 0 "$SCHEDREC" corpus token add "$T/corpus" --name second && second=$(cat "$T/out")
t_status 0 "$SCHEDREC" corpus token revoke "$T/corpus" "${second:4:16}"
t_status 2 env SCHEDREC_TOKEN="$second" "$SCHEDREC" corpus push "$url" --yes -q tests/golden/two-streams.srz
t_status 0 "$SCHEDREC" corpus token list "$T/corpus" && t_match "^${second:4:16} .* revoked" "$T/out"
t_status 2 "$SCHEDREC" corpus token revoke "$T/corpus" 0123456789abcdef
t_ok

t_case "a token's quota of objects and bytes holds, also for uploads at the same time"
t_status 0 "$SCHEDREC" corpus token add "$T/corpus" --name small --max-objects 3 && small=$(cat "$T/out")
all=$token token=$small
attack many "$T/list.more" 8
t_equal "3 201" "$(awk '{ print $2 }' "$T/attack" | sort | uniq -c | awk '$2 == 201 { print $1, $2 }')"
t_equal "201 507" "$(awk '{ print $2 }' "$T/attack" | sort -u | xargs)"
t_status 0 "$SCHEDREC" corpus token add "$T/corpus" --name tiny --max-bytes 3000 && token=$(cat "$T/out")
attack many "$T/list.more" 4
t_equal 2 "$(grep -c ' 201$' "$T/attack")" # of some 1,230 bytes
token=$all
t_ok

t_case "conditional and ranged GET, HEAD"
attack put "$trace" "$events" && t_match '^201' "$T/attack"
attack ranges "$trace"
t_ok

#
# Attacks
#

t_case "64 clients at once: each upload is stored once"
stop_server && t_status 0 "$SCHEDREC" corpus init "$T/corpus2" && cp "$T/corpus/tokens" "$T/corpus2/"
start_server "$T/corpus2" --header-time 4s
attack at_once "$T/list.many"
stop_server
t_ok
start_server "$T/corpus" --header-time 4s

read -r _ _ events trace < <(sed -n 181p "$T/list")
t_case "lengths that contradict each other, and bodies where none belong, are refused"
attack framing "$trace" "$events"
t_ok

t_case "paths that are none: traversal, escapes, NULs, junk"
attack paths
t_ok

t_case "heads of megabytes are refused"
attack heads
t_ok

t_case "rows that are wrong, and rows that lie, are refused; so is a changed byte"
attack rows "$trace" "$events"
t_ok

t_case "bodies that end too soon leave nothing"
attack truncated "$trace" "$events"
nothing_waits
t_ok

t_case "garbage, and each file that a reader must reject, is refused"
attack garbage tests/golden/reject-*.srz tests/golden/incomplete.srz.part "$tool"
nothing_waits
t_ok

t_case "more connections than an address may have are turned away"
attack crowd 200
t_ok

t_case "drops of a byte a second are cut off, and others do not wait"
attack drip "$trace" "$events" 25 && echo "     $(cat "$T/attack")"
t_ok

# By an upload none comes in: the server writes rows from what it has found, and takes listed words only.
t_case "the page shows what rows say as text, and nothing on it may run"
t_need sqlite3 && {
	stop_server
	for db in "$T/corpus/index/"*.db; do
		sqlite3 "$db" "update word set text = '<script>alert(1)</script>' where text = 'CC-BY-4.0'"
	done
	start_server "$T/corpus" --header-time 4s
	attack page '<script>'
	t_status 0 "$SCHEDREC" corpus list "$url" --json && t_match '<script>alert' "$T/out"
	t_status 0 curl -sS --cacert "$T/ca.pem" "$url/" && t_match '&#60;script&#62;alert' "$T/out" && t_match '<svg ' "$T/out"
}
t_ok

t_case "what a row says is what the server has found in the trace"
attack put "$trace" "$events" 'machine=a lie' 'cpus=77' 'duration=5' 'feature.busy_share=0.123' && t_match '^201' "$T/attack"
t_status 0 "$SCHEDREC" corpus show "$url" "$(sha256sum <"$trace" | cut -c 1-64)" --json &&
	t_no_match 'a lie|: 77|0\.123|: 5,' "$T/out" && t_match '"cpus": 2' "$T/out"
t_ok

t_case "memory stayed below $memory_limit MB through all of this"
remember_memory
t_true "$most MB" [ "$most" -gt 0 ] && t_true "$most MB" [ "$most" -lt "$memory_limit" ] && echo "     $most MB at most"
t_ok

t_case "the log has one JSON object a line, and no token"
t_status 0 python3 -c 'import json, sys; [json.loads(l) for l in open(sys.argv[1])]' "$log"
t_no_match "${token:21}|${deletion:-none}|etc/passwd" "$log"
t_ok

read -r _ _ events trace < <(sed -n 182p "$T/list")
t_case "many wrong tokens of one address are answered with 429, and a right one is let in"
attack tokens "$trace" "$events"
t_ok

t_case "SIGTERM ends it with status 0"
stop_server
t_equal 0 "$ended"
t_match '"event":"end"' "$log"
t_ok

t_case "a trace that takes long, or much memory, to decode is refused within bounds"
t_status 0 "$BUILD/tests/real/traces" --long "$T/long.srz" 120000000 && long=$(awk '{ print $3 }' "$T/out")
t_status 0 "$BUILD/tests/real/traces" --names "$T/names.srz" 16000
start_server "$T/corpus" --check-time 1s --check-memory 64M
start=$SECONDS
attack put "$T/long.srz" "$long" && t_match '^422' "$T/attack"
t_true "it took $((SECONDS - start)) s" [ $((SECONDS - start)) -lt 30 ]
if [ "$memory_limit" -lt 1000 ]; then
	attack put "$T/names.srz" 1 && t_match '^422' "$T/attack"
fi
remember_memory
t_true "$most MB" [ "$most" -lt "$memory_limit" ]
nothing_waits
t_ok
stop_server

t_case "who does not read what it asked for is cut off"
mkdir "$T/large"
t_status 0 "$BUILD/tests/real/traces" "$T/large" 1 10000000 5 && read -r large size count path <"$T/out"
start_server "$T/corpus" --transfer-time 3s
attack put "$path" "$count" && t_match '^201' "$T/attack"
attack slow_reader "$large" "$size" 3 && echo "     $(cat "$T/attack")"
t_match '"event":"slow".*"why":"sending"' "$log"
stop_server
t_ok

#
# Crashes
#

t_case "kill -9 in the middle of 500 uploads, three times: what was accepted is there and verifies, nothing else is"
rm -rf "$T/corpus"
t_status 0 "$SCHEDREC" corpus init "$T/corpus" && t_status 0 "$SCHEDREC" corpus token add "$T/corpus" --name test && token=$(cat "$T/out")
: >"$T/accepted"
for kill_at in 40 150 90; do
	start_server "$T/corpus"
	python3 "$tool" "$url" --ca "$T/ca.pem" --token "$token" many "$T/list.500" 12 >"$T/uploads" 2>&1 &
	client=$!
	for _ in {1..600}; do
		[ "$(grep -c ' 201$' "$T/uploads")" -ge "$kill_at" ] && break
		sleep 0.05
	done
	stop_server KILL
	wait "$client"
	grep ' 201$' "$T/uploads" >>"$T/accepted"
	t_true "the server was not killed in the middle" grep -q ' 0$' "$T/uploads"
done
start_server "$T/corpus"
nothing_waits
awk 'NR == FNR { had[$1] = 1; next } $1 in had' "$T/accepted" "$T/list.500" >"$T/list.accepted"
t_equal "$(sort -u "$T/accepted" | wc -l)" "$(wc -l <"$T/list.accepted")"
attack fetch "$T/list.accepted" 4
t_status 0 "$SCHEDREC" corpus verify "$T/corpus" -q
echo "     $(wc -l <"$T/list.accepted") accepted before the last kill, $(find "$T/corpus/sha256" -type f | wc -l) there"
attack many "$T/list.500" 12 && t_no_match ' (0|4..|5..)$' <(sed 's/ 412$/ 200/' "$T/attack")
attack fetch "$T/list.500" 4
t_status 0 "$SCHEDREC" corpus verify "$T/corpus" -q
t_ok

t_case "lists in pages have every row once, in order"
attack pages 500
t_status 0 "$SCHEDREC" corpus list "$url" --json && t_equal 500 "$(grep -c '"sha256"' "$T/out")"
t_status 0 "$SCHEDREC" corpus list "$url" --json --limit 123 && t_equal 123 "$(grep -c '"sha256"' "$T/out")"
t_ok

t_case "SIGTERM in the middle of uploads: those under way end, in time; what was accepted is there"
rm -rf "$T/corpus/sha256" "$T/corpus/index"
mkdir "$T/corpus/sha256" "$T/corpus/index"
stop_server KILL
start_server "$T/corpus" --grace 5s
python3 "$tool" "$url" --ca "$T/ca.pem" --token "$token" many "$T/list.500" 12 >"$T/uploads" 2>&1 &
client=$!
for _ in {1..200}; do
	[ "$(grep -c ' 201$' "$T/uploads")" -ge 30 ] && break
	sleep 0.05
done
start=$SECONDS
stop_server
t_equal 0 "$ended"
t_true "it took $((SECONDS - start)) s" [ $((SECONDS - start)) -le 20 ]
wait "$client"
start_server "$T/corpus"
awk 'NR == FNR { had[$1] = $2; next } had[$1] == 201' "$T/uploads" "$T/list.500" >"$T/list.accepted"
attack fetch "$T/list.accepted" 4
t_status 0 "$SCHEDREC" corpus verify "$T/corpus" -q
stop_server
t_ok

t_case "a full disk: 507, nothing half, and it goes on when there is room again"
t_need_root && {
	mkdir -p "$T/small"
	if ! mount -t tmpfs -o size=1500k tmpfs "$T/small" 2>/dev/null; then
		t_skip "no tmpfs can be mounted here"
	else
		t_status 0 "$SCHEDREC" corpus init "$T/small/corpus"
		cp "$T/corpus/tokens" "$T/small/corpus/"
		start_server "$T/small/corpus"
		attack many "$T/list.500" 8
		cp "$T/attack" "$T/uploads"
		t_match ' 507$' "$T/uploads" && t_match ' 201$' "$T/uploads" && t_no_match ' (0|4..)$' "$T/uploads"
		awk 'NR == FNR { had[$1] = $2; next } had[$1] == 201' "$T/uploads" "$T/list.500" >"$T/list.accepted"
		attack fetch "$T/list.accepted" 4
		t_equal 200 "$(curl -s --cacert "$T/ca.pem" -o /dev/null -w '%{http_code}' "$url/healthz")"
		mount -o remount,size=64m "$T/small"
		attack many "$T/list.500" 8 && t_no_match ' (0|4.[013-9]|5..)$' "$T/attack"
		t_status 0 "$SCHEDREC" corpus verify "$T/small/corpus" -q
		# What had no room for its row was taken the second time; its name goes with the next start.
		stop_server
		start_server "$T/small/corpus"
		t_equal "" "$(ls "$T/small/corpus/incoming")"
		attack fetch "$T/list.500" 4
		stop_server
		unmount
	fi
}
t_ok

#
# The client, and servers that are wrong
#

fake='' fake_url=''
stop_fake() {
	[ -z "$fake" ] && return
	kill "$fake" 2>/dev/null
	wait "$fake" 2>/dev/null
	fake=''
}
trap 'stop_fake; stop_server KILL; unmount; t_at_exit' EXIT

# with_fake MODE STATUS [PATTERN]: what pulling its object ends with.
with_fake() {
	start_fake "$1"
	rm -rf "$T/cache" "$T/pulled.srz"
	t_status "$2" "$SCHEDREC" corpus pull "$fake_url" "$object" -q -o "$T/pulled.srz"
	stop_fake
	if [ "$2" -eq 0 ]; then
		t_status 0 cmp "$T/pulled.srz" "$trace"
	else
		t_one_line "$T/err" && t_match "$3" "$T/err" && t_true "a copy was kept" [ ! -e "$T/pulled.srz" ]
	fi
}

start_fake() {
	: >"$T/fake"
	python3 "$tool" http://127.0.0.1:1 fake "$1" "$trace" >"$T/fake" 2>"$T/fake.err" &
	fake=$!
	for _ in {1..100}; do
		fake_url=$(cat "$T/fake")
		[ -n "$fake_url" ] && return
		sleep 0.1
	done
	t_fail "no such server: $(tail -n 1 "$T/fake.err")"
}

unset SCHEDREC_TOKEN
object=$(sha256sum <"$trace" | cut -c 1-64)
t_case "a download that breaks off goes on where it stopped, also from a server without ranges"
with_fake good 0
with_fake cut 0
with_fake no-ranges 0
t_ok

t_case "a server that is busy or dies is asked again; one that stays down is told once"
with_fake busy 0
with_fake dead 0
with_fake down 3 '500'
t_no_match $'\x1b' "$T/err"
t_ok

t_case "wrong bytes, parts from elsewhere and redirections are no object"
with_fake wrong 4 'SHA-256'
with_fake elsewhere 4 'part'
with_fake redirect 3 '302'
t_ok

t_case "lists that are none, out of order or without end are refused"
for mode in same-page no-order no-rows flood nul; do
	start_fake "$mode"
	t_status 4 "$SCHEDREC" corpus list "$fake_url" --json && t_one_line "$T/err"
	stop_fake
done
t_ok

t_case "a signal ends the wait for a list that does not come"
start_fake silent
t_status 130 timeout --preserve-status -s INT 1 "$SCHEDREC" corpus list "$fake_url"
t_status 143 timeout --preserve-status -s TERM 1 "$SCHEDREC" corpus list "$fake_url"
stop_fake
t_ok

t_case "a server on this machine is asked without the environment's proxy, which would see the token"
start_fake good
t_status 0 env http_proxy=http://127.0.0.1:1 "$SCHEDREC" corpus list "$fake_url" --json && t_match "$object" "$T/out"
stop_fake
t_ok

t_case "nobody there: status 3 after a few tries"
t_status 3 "$SCHEDREC" corpus list http://127.0.0.1:1 && t_one_line "$T/err"
t_ok

#
# Refusals
#

t_case "plain HTTP is for this machine only, unless asked for; bad options are refused"
t_status 2 "$SCHEDREC" corpus serve "$T/corpus" --listen 0.0.0.0:0 && t_one_line "$T/err" && t_match 'in the clear' "$T/err"
t_status 2 "$SCHEDREC" corpus serve "$T/corpus" --listen nonsense && t_one_line "$T/err"
t_status 2 "$SCHEDREC" corpus serve "$T/corpus" --tls-cert "$T/cert.pem" && t_one_line "$T/err"
t_status 3 "$SCHEDREC" corpus serve "$T/corpus" --listen 127.0.0.1:0 --tls-cert "$T/cert.pem" --tls-key "$T/ca.key" && t_one_line "$T/err"
t_status 3 "$SCHEDREC" corpus serve "$T/traces" && t_one_line "$T/err"
t_ok

t_case "nor on a name that has this machine's address and another"
printf '127.0.0.1 localhost two\n192.0.2.1 two\n' >"$T/hosts"
# shellcheck disable=SC2016 # they are the inner shell's
t_need_mount_namespace && {
	t_status 2 timeout 5 unshare -m sh -c 'mount --bind "$1" /etc/hosts && exec "$2" corpus serve "$3" --listen two:0' sh \
		"$T/hosts" "$SCHEDREC" "$T/corpus" && t_one_line "$T/err" && t_match 'in the clear' "$T/err"
}
t_ok

t_done
