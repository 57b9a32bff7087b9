#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/guest/boot.sh KIND KERNEL PARTS OUT POLICIES FILE...: boots a kernel on a machine of that kind in QEMU's software
# emulation, with busybox, tests/guest/init.sh and the files as programs (and the libraries they need), until it powers
# off. What the guest sent is then in OUT/results/, its console in OUT/console. PARTS is what tests/guest/fetch.sh made.
# Status 1, with the reason in one line, when it did not come to its end within LIMIT seconds (180).
#
#	x86-smt-numa      two packages, each a NUMA node with a core of two threads
#	arm64-biglittle   two clusters of two cores: CPUs 0 and 1 of capacity 446, 2 and 3 of 1024
set -u
kind=$1 kernel=$2 parts=$3 out=$4 policies=$5
shift 5
rm -rf "$out"
mkdir -p "$out/root"/{bin,dev,etc,proc,sys,lib,out,tmp} "$out/results" || exit 1

fail() {
	echo "$1"
	exit 1
}

# Where the guest's libraries come from, and how its loader is called.
case $kind in
x86-*) from=/ busybox=/bin/busybox libs=("/lib/x86_64-linux-gnu" "/usr/lib/x86_64-linux-gnu" /usr/lib) ;;
arm64-*)
	from=$parts/sysroot-arm64 busybox=$from/bin/busybox
	libs=("$from/lib/aarch64-linux-gnu" "$from/usr/lib/aarch64-linux-gnu" "$from/usr/lib")
	;;
esac

# Copies an ELF file's interpreter and libraries, and theirs.
add_libraries() {
	local interpreter name dir

	interpreter=$(readelf -lW "$1" 2>/dev/null | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
	if [ -n "$interpreter" ] && [ ! -e "$out/root$interpreter" ]; then
		mkdir -p "$(dirname "$out/root$interpreter")"
		cp -L "${from%/}$interpreter" "$out/root$interpreter" || fail "no $interpreter"
	fi
	for name in $(readelf -dW "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
		[ -e "$out/root/lib/$name" ] && continue
		for dir in "${libs[@]}"; do
			[ -e "$dir/$name" ] && break
		done
		cp -L "$dir/$name" "$out/root/lib/$name" || fail "no library $name"
		add_libraries "$out/root/lib/$name"
	done
}

cp -L "$busybox" "$out/root/bin/busybox" || fail "no busybox"
install -m 755 "$(dirname "$0")/init.sh" "$out/root/init"
for file in "$@"; do
	cp "$file" "$out/root/bin/" && add_libraries "$file"
done
echo 'root:x:0:0::/:/bin/sh' >"$out/root/etc/passwd"
echo 'root:x:0:' >"$out/root/etc/group"
(cd "$out/root" && find . | busybox cpio -o -H newc) >"$out/initramfs" 2>/dev/null || fail "no initramfs"

# shellcheck disable=SC2054 # the commas are QEMU's
common=(-display none -monitor none -no-reboot -nodefaults -serial "file:$out/console" -accel tcg,thread=multi
	-kernel "$kernel" -initrd "$out/initramfs")
append="quiet panic=-1 nowatchdog LD_LIBRARY_PATH=/lib POLICIES=$policies"
# shellcheck disable=SC2054
case $kind in
x86-smt-numa)
	qemu=(qemu-system-x86_64 -machine pc -cpu Nehalem -m 1G -smp 4,sockets=2,cores=1,threads=2
		-object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=512M
		-numa node,nodeid=0,memdev=m0,cpus=0-1 -numa node,nodeid=1,memdev=m1,cpus=2-3 -numa dist,src=0,dst=1,val=21)
	# A starved emulator's timers are late, and its clocks differ: the kernel would panic, or change clocks while it runs.
	append+=" console=ttyS0 no_timer_check tsc=reliable mitigations=off"
	;;
arm64-biglittle)
	qemu=(qemu-system-aarch64 -cpu cortex-a57 -m 1G -smp 4,sockets=1,clusters=2,cores=2)
	"${qemu[@]}" -display none -nodefaults -machine "virt,dumpdtb=$out/plain.dtb" >/dev/null 2>&1
	dtc -q -I dtb -O dts "$out/plain.dtb" | awk '{ print }
		match($0, /^\t\tcpu@[0-9]+ \{/) { printf "\t\t\tcapacity-dmips-mhz = <%d>;\n", $1 ~ /@[01]$/ ? 446 : 1024 }' |
		dtc -q -I dts -O dtb -o "$out/edited.dtb" || fail "no device tree"
	qemu+=(-machine virt -dtb "$out/edited.dtb")
	append+=" console=ttyAMA0"
	;;
esac
timeout -k 5 "${LIMIT:-180}" "${qemu[@]}" "${common[@]}" -append "$append" >"$out/qemu" 2>&1 </dev/null
status=$?
[ "$status" -eq 0 ] || fail "qemu ended with status $status: $(tail -n 1 "$out/qemu") $(tail -n 2 "$out/console" | tr '\r\n' '  ')"

tr -d '\r' <"$out/console" | sed -n '/^guest-results /,/^guest-end/p' >"$out/sent"
sed -e '1d;$d' "$out/sent" | base64 -d >"$out/results.tar" 2>/dev/null
[ "guest-results $(wc -c <"$out/results.tar") $(md5sum <"$out/results.tar")" = "$(head -n 1 "$out/sent")" ] ||
	fail "the guest's results are not whole: $(tail -n 2 "$out/console" | tr '\r\n' '  ')"
tar -C "$out/results" -xmzf "$out/results.tar"
