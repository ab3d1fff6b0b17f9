#!/bin/sh
# check_layers.sh -- does every floor of src/ stand only on what lies below it?
#
#	check_layers.sh [BUILD]       checks the sources, and the symbols of BUILD
#	check_layers.sh --self-test   shows that it can fail
#
# Fails on
#	- an include that climbs, or that reaches into a floor beside its own,
#	- a library's header outside the floor that owns it, or a header of ours
#	  that carries it out of there,
#	- a global of ours that a linked library also exports: the library would
#	  call ours, or we its.
set -eu
LC_ALL=C
export LC_ALL
self=$0

# ---- the one list: floor, what it may include besides itself, what it owns ----
floors='
base    | -                                  | -
conf    | base                               | -
store   | base                               | sqlite3.h
object  | base conf store                    | -
lua     | base conf store object             | lua.h lauxlib.h lualib.h luajit.h luaconf.h lua-cjson.h
net     | base conf store object             | h2o.h h2o/ picohttpparser.h wslay/ curl/
admin   | base conf store object lua net     | -
cmd     | base conf store object lua net admin | -
'
# Everybody above base may use these.
not_in_base='openssl/ zlib.h'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints "file line floor quoted-or-<system> header" for every include below $1/src.
includes() {
	(cd "$1" && find src -name '*.[ch]' | sort | xargs awk '
		/^[ \t]*#[ \t]*include[ \t]*["<]/ {
			kind = index($0, "<") && (!index($0, "\"") || index($0, "<") < index($0, "\"")) ? "system" : "ours"
			h = $0
			sub(/^[^"<]*["<]/, "", h)
			sub(/[">].*/, "", h)
			n = split(FILENAME, part, "/")
			print FILENAME, FNR, (n == 2 ? "cmd" : part[2]), kind, h
		}')
}

check_includes() {	# tree
	includes "$1" >"$work/includes"
	printf '%s' "$floors" | awk -v base="$not_in_base" '
		function say(text) { print $1 ":" $2 ": " text; bad = 1 }
		# is header h one of this library folder or file?
		function is(h, owned) {
			sub(/^(luajit-2\.1|lua5\.1)\//, "", h)
			return owned ~ /\/$/ ? index(h, owned) == 1 : h == owned
		}
		FNR == NR {
			split($0, col, "|")
			if (split(col[1], f, " ") != 1)
				next
			known[f[1]] = 1
			n = split(col[2], w, " ")
			for (i = 1; i <= n; i++)
				may[f[1], w[i]] = 1
			n = split(col[3], w, " ")
			for (i = 1; i <= n; i++)
				if (w[i] != "-")
					owner[w[i]] = f[1]
			next
		}
		!($3 in known) {
			say("floor \"" $3 "\" is not in the list of check_layers.sh; write down what it stands on")
			next
		}
		$5 == "config.h" { next }	# made by the build
		$4 == "ours" && $5 !~ /\// {
			say("\"" $5 "\": write the path from src, as in \"base/list.h\"")
			next
		}
		$4 == "ours" {
			to = substr($5, 1, index($5, "/") - 1)
			if (to != $3 && !(($3, to) in may))
				say("\"" $5 "\": src/" $3 " does not stand on src/" to)
			else if (to != $3)
				reach[++nreach] = $1 SUBSEP $2 SUBSEP $3 SUBSEP "src/" $5
			next
		}
		{
			for (o in owner)
				if (is($5, o)) {
					if (owner[o] != $3)
						say("<" $5 "> belongs to src/" owner[o])
					else if ($1 ~ /\.h$/)
						carries[$1] = $5
				}
			if ($3 == "base") {
				n = split(base, w, " ")
				for (i = 1; i <= n; i++)
					if (is($5, w[i]))
						say("<" $5 ">: src/base is libc only")
			}
		}
		END {
			for (i = 1; i <= nreach; i++) {
				split(reach[i], r, SUBSEP)
				if (r[4] in carries) {
					print r[1] ":" r[2] ": \"" substr(r[4], 5) "\" carries <" carries[r[4]] "> into src/" r[3]
					bad = 1
				}
			}
			exit bad
		}' - "$work/includes"
}

# Names in ours (nm -g of objects or archives) that are also in theirs (nm -D of libraries).
check_symbols() {	# file with paths of ours, file with paths of theirs
	xargs nm -g --defined-only <"$1" 2>/dev/null |
		awk 'NF == 3 && $2 ~ /^[A-Z]$/ { print $3 }' | sort -u >"$work/ours"
	[ -s "$work/ours" ] || { echo "nm found no global of ours; was it built?"; return 1; }
	while read -r lib; do
		nm -D --defined-only "$lib" | awk '{ sub(/@.*/, "", $3); if (NF == 3) print $3 }' | sort -u >"$work/theirs"
		[ -s "$work/theirs" ] || { echo "nm -D found nothing in $lib"; return 1; }
		comm -12 "$work/ours" "$work/theirs" | sed "s,\$,: a global of ours that $lib exports too; rename ours," >>"$work/clashes"
	done <"$2"
	if [ -s "$work/clashes" ]; then
		cat "$work/clashes"
		return 1
	fi
	echo "$(wc -l <"$work/ours") globals of ours, $(wc -l <"$2") libraries, no name twice"
}

check_build() {	# build folder
	find "$1" -maxdepth 1 -name 'libdrey_*.a' ! -name libdrey_fuzzed.a >"$work/ours.list"
	echo "$1/src/main.o" >>"$work/ours.list"
	ldd "$1/drey" | awk '$3 ~ /^\// && $1 !~ /^lib(asan|ubsan|gcc_s)/ { print $3 }' | sort -u >"$work/libs.list"
	for lib in libh2o libluajit libsqlite3 libcrypto; do
		grep -q "/$lib" "$work/libs.list" || { echo "$1/drey is not linked with $lib; what is checked here?"; return 1; }
	done
	check_symbols "$work/ours.list" "$work/libs.list"
}

# ---- can it fail? -----------------------------------------------------------

must_find() {	# text, command...
	text=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		echo "self-test: not refused: $text"
		exit 1
	fi
	grep -qF -- "$text" "$work/out" || { echo "self-test: refused, but without saying: $text"; cat "$work/out"; exit 1; }
}

plant() {	# file, line
	rm -rf "$work/tree"
	mkdir -p "$work/tree/src/base" "$work/tree/$(dirname "$1")"
	echo '#include <string.h>' >"$work/tree/src/base/fine.c"
	echo "$2" >"$work/tree/$1"
}

self_test() {
	plant src/store/db.c '#include "object/object.h"'
	must_find 'src/store/db.c:1: "object/object.h": src/store does not stand on src/object' check_includes "$work/tree"
	plant src/lua/host.c '#include "net/http.h"'
	must_find 'src/lua does not stand on src/net' check_includes "$work/tree"
	plant src/object/id.c '# include <sqlite3.h>'
	must_find '<sqlite3.h> belongs to src/store' check_includes "$work/tree"
	plant src/main.c '#include <luajit-2.1/lua.h>'
	must_find '<luajit-2.1/lua.h> belongs to src/lua' check_includes "$work/tree"
	plant src/object/x.c '#include <h2o/websocket.h>'
	must_find '<h2o/websocket.h> belongs to src/net' check_includes "$work/tree"
	plant src/lua/bind_fetch.c '#include <curl/curl.h>'
	must_find '<curl/curl.h> belongs to src/net' check_includes "$work/tree"
	plant src/base/x.c '#include <openssl/sha.h>'
	must_find 'src/base is libc only' check_includes "$work/tree"
	plant src/conf/lexer.c '#include "lexer.h"'
	must_find 'write the path from src' check_includes "$work/tree"
	plant src/attic/x.c '#include <stdio.h>'
	must_find 'floor "attic" is not in the list' check_includes "$work/tree"
	plant src/store/handle.h '#include <sqlite3.h>'
	mkdir "$work/tree/src/object"
	echo '#include "store/handle.h"' >"$work/tree/src/object/x.c"
	must_find 'carries <sqlite3.h> into src/object' check_includes "$work/tree"
	plant src/object/x.c '#include "base/list.h"'
	check_includes "$work/tree" || { echo "self-test: refused what is right"; exit 1; }

	cc=${CC-gcc}
	echo 'int on_context_init(void); int on_context_init(void) { return 1; }' >"$work/clash.c"
	$cc -c -o "$work/clash.o" "$work/clash.c"
	$cc -shared -fPIC -o "$work/libtheirs.so" "$work/clash.c"
	echo "$work/clash.o" >"$work/a.list"
	echo "$work/libtheirs.so" >"$work/b.list"
	must_find 'on_context_init: a global of ours' check_symbols "$work/a.list" "$work/b.list"
	rm -f "$work/clashes"
	echo "self-test: every kind of violation is found"
}

if [ "${1-}" = --self-test ]; then
	self_test
	exit 0
fi

sh "$self" --self-test
cd "$(dirname "$self")/../.."
check_includes "$PWD" || exit 1
echo "$(wc -l <"$work/includes") includes, none climbs"
if [ -n "${1-}" ]; then
	check_build "$1"
fi
