#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/bench/serve.sh [SECONDS]: the server of a corpus beside nginx, which serves the same files, over plain HTTP and TLS
# on this machine; wrk is the client, with 16 connections that stay. Each pair is run A B B A, each run takes SECONDS (2);
# printed are the medians and every sample. Needs nginx, wrk, openssl and python3 (sudo tests/deps serve); status 3
# without them.
set -u
cd "$(dirname "$0")/../.." || exit 3
export LC_ALL=C
SCHEDREC=$(realpath "${SCHEDREC:-schedrec}") || exit 3
BUILD=${BUILD:-build}
seconds=${1:-2}
CONNECTIONS=16
BASE=$((20000 + RANDOM % 20000)) # ports of this run: BASE to BASE + 3

for c in nginx wrk openssl python3; do
	command -v "$c" >/dev/null || {
		echo "serve: needs $c: run sudo tests/deps serve" >&2
		exit 3
	}
done
[ -x "$BUILD/tests/real/traces" ] || {
	echo "serve: $BUILD/tests/real/traces is not built: run make unit" >&2
	exit 3
}

T=$(mktemp -d) || exit 3
servers=()
at_exit() {
	for p in "${servers[@]}"; do
		kill "$p" 2>/dev/null
	done
	wait
	rm -rf "$T"
}
trap at_exit EXIT
trap 'exit 130' INT TERM

die() {
	echo "serve: $1" >&2
	exit 3
}

# Two objects: small, and of some megabytes.
mkdir "$T/small" "$T/large"
"$BUILD/tests/real/traces" "$T/small" 1 300 1 >"$T/list" || die "no trace"
"$BUILD/tests/real/traces" "$T/large" 1 3000000 2 >>"$T/list" || die "no trace"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=IP:127.0.0.1 -keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null || die "no certificate"
"$SCHEDREC" corpus init "$T/corpus" || exit
token=$("$SCHEDREC" corpus token add "$T/corpus" --name bench) || exit

"$SCHEDREC" corpus serve "$T/corpus" --listen "127.0.0.1:$BASE" --spare 0 --log "$T/log" &
servers+=($!)
sleep 0.5
while read -r _ _ events path; do
	python3 tests/real/corpus_http.py "http://127.0.0.1:$BASE" --token "$token" put "$path" "$events" | grep -q '^201' ||
		die "an upload failed"
done <"$T/list"
"$SCHEDREC" corpus serve "$T/corpus" --listen "127.0.0.1:$((BASE + 1))" --spare 0 --log "$T/log.tls" \
	--tls-cert "$T/cert.pem" --tls-key "$T/key.pem" &
servers+=($!)

# As Debian sets it up, with a log as the other has one; workers like CPUs.
chmod 755 "$T" "$T/corpus"
mkdir -p "$T/root/v1"
ln -s "$T/objects" "$T/root/v1/objects"
mkdir "$T/objects"
while read -r sha _ _ path; do
	cp "$path" "$T/objects/$sha"
done <"$T/list"
chmod -R a+rX "$T/root" "$T/objects"
cat >"$T/nginx.conf" <<END
daemon off;
worker_processes auto;
pid $T/nginx.pid;
error_log $T/nginx.err;
events { worker_connections 768; }
http {
	sendfile on;
	tcp_nopush on;
	types { }
	default_type application/octet-stream;
	access_log $T/nginx.log;
	client_body_temp_path $T/t1; proxy_temp_path $T/t2; fastcgi_temp_path $T/t3; uwsgi_temp_path $T/t4; scgi_temp_path $T/t5;
	server {
		listen 127.0.0.1:$((BASE + 2));
		listen 127.0.0.1:$((BASE + 3)) ssl;
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_certificate $T/cert.pem;
		ssl_certificate_key $T/key.pem;
		root $T/root;
	}
}
END
nginx -c "$T/nginx.conf" 2>"$T/nginx.start" &
servers+=($!)
sleep 0.7
kill -0 "${servers[2]}" 2>/dev/null || die "nginx does not start: $(tail -n 1 "$T/nginx.start")"

# run ARM SCHEME SIZE: requests a second.
run() {
	local port=$BASE sha

	[ "$2" = https ] && port=$((port + 1))
	[ "$1" = nginx ] && port=$((port + 2))
	sha=$(awk -v n="$([ "$3" = small ] && echo 1 || echo 2)" 'NR == n { print $1 }' "$T/list")
	wrk -t 1 -c "$CONNECTIONS" -d "${seconds}s" "$2://127.0.0.1:$port/v1/objects/$sha" >"$T/wrk" 2>&1
	grep -q 'Non-2xx\|Socket errors' "$T/wrk" && echo "serve: $1 $2 $3: $(grep 'Non-2xx\|Socket errors' "$T/wrk")" >&2
	awk '/^Requests\/sec/ { print $2 }' "$T/wrk"
}

for scheme in http https; do
	for size in small large; do
		run schedrec "$scheme" "$size" >/dev/null
		run nginx "$scheme" "$size" >/dev/null
		for arm in schedrec nginx nginx schedrec nginx schedrec schedrec nginx; do
			echo "$scheme $size $arm $(run "$arm" "$scheme" "$size")" >>"$T/samples"
		done
	done
done
awk 'NR == FNR { bytes[NR == 1 ? "small" : "large"] = $2; next }
	{ key = $1 " " $2; n[key " " $3]++; v[key " " $3, n[key " " $3]] = $4; all[key " " $3] = all[key " " $3] " " $4
	  if (!(key in seen)) { order[++keys] = key; seen[key] = 1 } }
	function median(k,    i, j, t, c) {
		c = n[k]
		for (i = 1; i <= c; i++) s[i] = v[k, i]
		for (i = 1; i <= c; i++) for (j = i + 1; j <= c; j++) if (s[j] + 0 < s[i] + 0) { t = s[i]; s[i] = s[j]; s[j] = t }
		return c % 2 ? s[(c + 1) / 2] : (s[c / 2] + s[c / 2 + 1]) / 2
	}
	END {
		printf "%-6s %-6s %10s  %14s %14s %7s\n", "", "object", "bytes", "schedrec req/s", "nginx req/s", "ratio"
		for (i = 1; i <= keys; i++) {
			split(order[i], p, " ")
			a = median(order[i] " schedrec"); b = median(order[i] " nginx")
			printf "%-6s %-6s %10d  %14.0f %14.0f %7.2f\n", p[1], p[2], bytes[p[2]], a, b, a / b
		}
		for (k in all) printf "samples: %s:%s\n", k, all[k] | "sort"
	}' "$T/list" "$T/samples"
