#!/bin/sh
# embed.sh -- lua/drey/*.lua as one C file, so that the binary needs no folder beside it.
#
#	embed.sh SRCDIR lua/drey/a.lua lua/drey/b.lua ... >modules.c
#
# lua/drey/class.lua becomes the module "drey.class", lua/drey/init.lua "drey".
# The text goes in as it is, line by line: errors keep their line numbers.
set -eu

srcdir=$1
shift

cat <<'EOF'
/* Made by lua/embed.sh; edit the files of lua/drey instead. */
#include "lua/modules.h"

EOF

i=0
for f; do
	echo "static const char text_${i}[] ="
	LC_ALL=C sed 's/\\/\\\\/g; s/"/\\"/g; s/??/?\\?/g; s/.*/	"&\\n"/' "$srcdir/$f"
	echo '	"";'
	echo
	i=$((i + 1))
done

echo 'const struct lua_module lua_modules[] = {'
i=0
for f; do
	name=$(echo "${f#lua/}" | sed 's/\.lua$//; s,/init$,,; s,/,.,g')
	echo "	{ \"$name\", text_$i, sizeof(text_$i) - 1 },"
	i=$((i + 1))
done
echo '	{ 0, 0, 0 },'
echo '};'
