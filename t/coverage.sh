#!/bin/sh
# coverage.sh SRCDIR BUILD -- which part of each source file the tests executed.
#
# BUILD was configured with --enable-coverage and "make check" has run there.
# The least covered file comes first, the whole house last.
set -eu
src=$(cd "$1" && pwd)
cd "$2"

find . -name '*.gcda' -path './src/*' | grep -q . || {
	echo "no counts here: configure with --enable-coverage, run make check, then make coverage" >&2
	exit 1
}
find . -name '*.gcda' -path './src/*' -exec gcov -n {} + 2>/dev/null |
	awk -v src="$src/" '
		/^File / {
			f = substr($0, 7, length($0) - 7)
			sub("^.*/src/", "src/", f)
		}
		/^Lines executed:/ && f ~ /^src\/.*\.c$/ {
			split($0, p, /[:% ]+/)
			part[f] = p[3]
			lines[f] = p[5]
			f = ""
		}
		END {
			for (f in part) {
				printf "%6.1f%% of %5d lines  %s\n", part[f], lines[f], f | "sort -n"
				all += lines[f]
				hit += part[f] * lines[f] / 100
			}
			close("sort -n")
			if (all)
				printf "%6.1f%% of %5d lines  all\n", 100 * hit / all, all
		}'
