#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# database.sh BIN DIR HOST TRANSACTIONS: PostgreSQL from BIN with the data in DIR/data, asked by 8 clients through HOST (a
# directory with its socket, or an address), and ended again: one tree of processes.
set -u
bin=$1 dir=$2 host=$3 transactions=$4
export PGPORT=54330

"$bin/postgres" -D "$dir/data" -c listen_addresses=localhost >"$dir/log" 2>&1 </dev/null &
until "$bin/pg_isready" -q -h "$host" -U bench; do
	kill -0 $! || exit 3
	sleep 0.02
done
"$bin/pgbench" -n -h "$host" -U bench -c 8 -j 2 -t "$transactions" --random-seed=1 bench
status=$?
"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
wait
exit "$status"
