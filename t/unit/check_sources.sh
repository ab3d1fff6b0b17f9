#!/bin/sh
# check_sources.sh -- is every source file in Makefile.am, and does every file named there exist?
#
# Automake has no portable wildcard, so the lists are kept by hand; this says
# which line is missing.
set -eu
src=$(cd "$(dirname "$0")/../.." && pwd)
cd "$src"

bad=0
words=$(mktemp)
trap 'rm -f "$words"' EXIT
grep -v '^[[:space:]]*#' Makefile.am | tr -s ' \t\\=' '\n' | sort -u >"$words"

named() {
	grep -qxF -- "$1" "$words"
}

complain() {
	echo "$*"
	bad=1
}

for f in src/*.c src/*/*.c src/*/*.h; do
	[ -f "$f" ] || continue
	floor=$(basename "$(dirname "$f")")
	[ "$f" != src/lua/modules.c ] || { complain "$f is made by the build in its own folder; remove it here"; continue; }
	named "$f" || complain "$f is in no list of Makefile.am; write it into src_$floor"
done
for f in lua/drey/*.lua; do
	[ -f "$f" ] || continue
	named "$f" || complain "$f is in no list of Makefile.am; write it into lua_files"
done
for f in t/unit/*.c t/crash/*.c t/fuzz/fuzz_*.c t/bench/*.c; do
	[ -f "$f" ] || continue
	p=${f%.c}
	named "$p" || named "$p.so" || named "$f" ||
		complain "$f is in no list of Makefile.am; write $p into $(basename "$(dirname "$f")")_programs"
done

# The other way round: a name that is nobody's file breaks the build of whoever comes next.
while read -r w; do
	case $w in
	src/lua/modules.c) ;;
	*%*) ;;
	src/*.[ch] | t/*.[ch] | lua/*.lua) [ -f "$w" ] || complain "Makefile.am names $w, which does not exist" ;;
	esac
done <"$words"

exit $bad
