#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/guest/fetch.sh DIR KERNEL...: brings what the guests are made of from Debian's archive to DIR, by way of an apt
# configuration of its own there; the host's apt and dpkg stay as they are. A kernel is named by its architecture and series:
# amd64-6.1. There are this release's, its backports' and those of the release before.
#
#	DIR/debs/           the packages, checked against the archive's SHA-256 sums each time; they are fetched once
#	DIR/kernel-KERNEL
#	DIR/sysroot-arm64/  libc and the libraries of the group `build` of tests/deps for arm64, and busybox
#
# Status 3, with the reason in one line, when they cannot be had. Any user may call it.
set -u
cd "$(dirname "$0")/../.." || exit 3
mkdir -p "$1/debs" && dir=$(realpath "$1") || exit 3
shift
kernels=("$@")
libraries=$(tests/deps --list build | grep -E -e '-dev$|mathlib')

fail() {
	echo "$1"
	exit 3
}

apt() {
	local tool=apt-$1
	shift
	APT_CONFIG=$dir/apt/conf timeout -k 5 180 "$tool" -qq "$@" >"$dir/apt/out" 2>"$dir/apt/err" </dev/null
}

apt_or_fail() {
	local what=$1
	shift
	apt "$@" || fail "$what: $(grep -m 1 '^E:' "$dir/apt/err" || echo "apt-get ended with status $?")"
}

# The mirrors are the host's, the suites our own.
configure() {
	local key=/usr/share/keyrings/debian-archive-keyring.gpg targets mirror security codename

	targets=$(apt-get indextargets --format "\$(LABEL) \$(COMPONENT) \$(CODENAME) \$(REPO_URI)" \
		'Created-By: Packages' 2>/dev/null)
	read -r codename mirror < <(sed -n 's/^Debian main \([a-z]* .*\)/\1/p' <<<"$targets")
	read -r security < <(sed -n 's/^Debian-Security main [^ ]* //p' <<<"$targets")
	[ -n "${mirror:+$security}" ] || fail "apt knows no Debian mirror (apt-get update?)"
	rm -rf "$dir/apt"
	mkdir -p "$dir/apt/state/lists/partial" "$dir/apt/cache/archives/partial"
	: >"$dir/apt/status"
	cat >"$dir/apt/sources" <<-END
		deb [signed-by=$key] $mirror $codename main
		deb [signed-by=$key] $mirror $codename-backports main
		deb [signed-by=$key] $security $codename-security main
		deb [signed-by=$key] $security bullseye-security main
	END
	cat >"$dir/apt/conf" <<-END
		Dir::State "$dir/apt/state";
		Dir::State::status "$dir/apt/status";
		Dir::Cache "$dir/apt/cache";
		Dir::Etc::sourcelist "$dir/apt/sources";
		Dir::Etc::sourceparts "-";
		APT::Architecture "arm64";
		APT::Architectures { "arm64"; "amd64"; };
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "1";
		Acquire::http::Timeout "20";
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
}

# The package of a kernel series that its metapackage names: "NAME:ARCH=VERSION".
kernel_package() {
	local arch=${1%%-*} series=${1#*-}

	apt cache show "linux-image-cloud-$arch:$arch" || return
	awk -v series="$series." -v arch="$arch" '
		$1 == "Version:" { there = index($2, series) == 1 }
		$1 == "Depends:" && there && match($0, /linux-image-[^ ]+ \(= [^)]+\)/) {
			split(substr($0, RSTART, RLENGTH), part, / \(= |\)/)
			print part[1] ":" arch "=" part[2]
			exit
		}' "$dir/apt/out" | grep .
}

# Of what apt would install those that have libraries and headers: "NAME:arm64=VERSION", one a line.
library_packages() {
	local file name version

	# shellcheck disable=SC2086 # several packages
	apt_or_fail "the libraries for arm64" get --print-uris --no-install-recommends install $libraries busybox-static
	while read -r _ file _; do
		IFS=_ read -r name version _ <<<"$file"
		[[ $name =~ ^(lib|linux-libc-dev$|zlib1g|nettle-dev$|r-mathlib$|busybox-static$) ]] && [[ ! $name =~ perl ]] &&
			echo "$name:arm64=${version//%3a/:}"
	done <"$dir/apt/out"
}

fetch() (
	local wanted=() libs k package name

	configure
	apt_or_fail "apt-get update" get update
	rm -f "$dir"/debs/*
	for k in "${kernels[@]}"; do
		package=$(kernel_package "$k") || fail "no kernel $k in the archive"
		name=${package%%:*}
		wanted+=("$package")
		echo "$k $name" >>"$dir/debs/kernels"
	done
	libs=$(library_packages) || fail "$libs"
	mapfile -t -O ${#wanted[@]} wanted <<<"$libs"
	apt_or_fail "the packages' sums" cache show "${wanted[@]}"
	awk '$1 == "Filename:" { n = split($2, part, "/"); file = part[n] } $1 == "SHA256:" { print $2 "  " file }
		' "$dir/apt/out" >"$dir/debs/sums.new"
	cd "$dir/debs" || fail "no $dir/debs"
	apt_or_fail "apt-get download" get download "${wanted[@]}"
	# apt's names have the version's epoch, the archive's do not.
	for name in *%3a*; do
		[ -e "$name" ] && mv "$name" "${name%%_*}_${name#*%3a}"
	done
	[ "$(wc -l <"$dir/debs/sums.new")" -eq ${#wanted[@]} ] || fail "the archive has not a sum for each package"
	mv "$dir/debs/sums.new" "$dir/debs/sums"
	rm -rf "$dir/apt"
)

verified() {
	(cd "$dir/debs" && sha256sum --check --strict --status sums)
}

unpack() {
	local k name deb

	rm -rf "$dir"/kernel-* "$dir"/sysroot-arm64 "$dir/tmp"
	while read -r k name; do
		dpkg-deb -x "$dir/debs/${name}"_*.deb "$dir/tmp" && mv "$dir"/tmp/boot/vmlinuz-* "$dir/kernel-$k" || return
		rm -rf "$dir/tmp"
	done <"$dir/debs/kernels"
	mkdir "$dir/sysroot-arm64"
	for deb in "$dir"/debs/*; do
		case ${deb##*/} in
		linux-image-* | sums | kernels | unpacked) ;;
		*) dpkg-deb -x "$deb" "$dir/sysroot-arm64" || return ;;
		esac
	done
}

if ! cmp -s <(cut -d' ' -f1 "$dir/debs/kernels" 2>/dev/null) <(printf '%s\n' "${kernels[@]}") || ! verified; then
	fetch || exit
	verified || fail "a package is not what the archive says"
fi
if ! cmp -s "$dir/debs/sums" "$dir/unpacked"; then
	unpack || fail "a package cannot be unpacked"
	cp "$dir/debs/sums" "$dir/unpacked"
fi
