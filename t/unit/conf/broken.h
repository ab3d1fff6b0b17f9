/* broken.h -- the broken configurations beside this file, and what drey says to each. */
#ifndef T_UNIT_CONF_BROKEN_H
#define T_UNIT_CONF_BROKEN_H

static const struct {
	const char *file, *message;
} broken[] = {
	{ "unknown-directive.conf",
	  "unknown-directive.conf:1:1: unknown directive \"worker_thread\"; did you mean "
	  "\"worker_threads\"? write  worker_threads auto;" },
	{ "unknown-nothing-near.conf",
	  "unknown-nothing-near.conf:3:1: unknown directive \"frobnicate\"; write one of those "
	  "that can stand at the top level: include, worker_threads, data_dir, error_log, "
	  "access_log, jurisdiction, pid, journal_segment, open_files, overlay_max, min_free, "
	  "full_timeout, shutdown_timeout, app, server" },
	{ "unknown-from-elsewhere.conf",
	  "unknown-from-elsewhere.conf:4:5: unknown directive \"lissen\"; did you mean "
	  "\"listen\"? write  server { listen 8787; }" },
	{ "min-free-below-a-segment.conf",
	  "min-free-below-a-segment.conf:2:1: min_free is less than one journal_segment, which the server may need to begin while "
	  "the disk fills; write  min_free 2m;  or  min_free 0;  to refuse no writes" },
	{ "wrong-context.conf",
	  "wrong-context.conf:4:5: \"listen\" cannot stand in app; it belongs in server; "
	  "write  server { listen 8787; }" },
	{ "wrong-context-top.conf",
	  "wrong-context-top.conf:3:5: \"data_dir\" cannot stand in server; it belongs at the "
	  "top level; write  data_dir data;  (or is the } missing that closes \"server\", "
	  "opened at wrong-context-top.conf:1:1?)" },
	{ "missing-semicolon.conf",
	  "missing-semicolon.conf:1:17: missing ; after \"worker_threads 2\"; write  "
	  "worker_threads 2;" },
	{ "missing-semicolon-before-brace.conf",
	  "missing-semicolon-before-brace.conf:4:25: missing ; after \"storage 10g\" before }; "
	  "write  storage 10g;" },
	{ "missing-semicolon-vars.conf",
	  "missing-semicolon-vars.conf:5:28: missing ; after \"GREETING \"hi there\"\"; write  "
	  "GREETING \"hi there\";" },
	{ "missing-semicolon-at-end.conf",
	  "missing-semicolon-at-end.conf:2:13: missing ; after \"pid drey.pid\" before the end "
	  "of the file; write  pid drey.pid;" },
	{ "missing-open-brace.conf",
	  "missing-open-brace.conf:1:7: missing { after \"server\"; write  server {" },
	{ "missing-close-brace.conf",
	  "missing-close-brace.conf:2:1: the block \"server\" opened here is never closed; "
	  "write } before the end of the file (line 7)" },
	{ "missing-close-brace-of-app.conf",
	  "missing-close-brace-of-app.conf:1:1: the block \"app a\" opened here is not closed "
	  "before \"server\" (missing-close-brace-of-app.conf:5:1); write } before it" },
	{ "missing-close-brace-of-migrations.conf",
	  "missing-close-brace-of-migrations.conf:4:5: the block \"migrations\" opened here is "
	  "not closed before \"vars\" (missing-close-brace-of-migrations.conf:6:5); write } "
	  "before it" },
	{ "unexpected-close-brace.conf",
	  "unexpected-close-brace.conf:2:1: unexpected }: no block is open here; remove it" },
	{ "unexpected-semicolon.conf",
	  "unexpected-semicolon.conf:1:24: unexpected ;: nothing stands before it; remove it "
	  "(a block ends with } alone)" },
	{ "unexpected-open-brace.conf",
	  "unexpected-open-brace.conf:2:1: unexpected {: a block needs a name before it; write "
	  "for example  server {" },
	{ "unterminated-quote.conf",
	  "unterminated-quote.conf:5:18: the quote opened here is never closed; write  \"hi "
	  "there\"" },
	{ "text-behind-quote.conf",
	  "text-behind-quote.conf:1:19: a quoted word goes on behind its closing quote; write "
	  "a space, ; or { here" },
	{ "bad-size.conf",
	  "bad-size.conf:1:17: \"64mb\" is not a size (bytes, or a number with k, m or g); "
	  "write  journal_segment 64m;" },
	{ "bad-size-word.conf",
	  "bad-size-word.conf:1:13: \"lots\" is not a size (bytes, or a number with k, m or "
	  "g); write  overlay_max 16m;" },
	{ "bad-time.conf",
	  "bad-time.conf:2:18: \"30sec\" is not a time (a number with ms, s, m, h or d); "
	  "write  shutdown_timeout 30s;" },
	{ "bad-number.conf",
	  "bad-number.conf:1:12: \"many\" is not a whole number; write  open_files 1024;" },
	{ "bad-threads.conf",
	  "bad-threads.conf:1:16: \"all\" is not a number of threads; write  worker_threads "
	  "auto;" },
	{ "bad-flag.conf",
	  "bad-flag.conf:4:16: \"yes\" is neither on nor off; write  dev_errors on;" },
	{ "bad-level.conf",
	  "bad-level.conf:1:18: \"notice\" is not a level (error, warn, info or debug); write  "
	  "error_log stderr info;" },
	{ "too-small.conf",
	  "too-small.conf:1:12: open_files 1 is too small, the least is 4; write  open_files 4;" },
	{ "too-large.conf",
	  "too-large.conf:3:24: client_header_size 1g is too large, the most is 256k; write  "
	  "client_header_size 256k;" },
	{ "too-many-threads.conf",
	  "too-many-threads.conf:1:16: worker_threads 0 is not between 1 and 1024; write  "
	  "worker_threads auto;" },
	{ "number-beyond-64-bits.conf",
	  "number-beyond-64-bits.conf:1:12: \"99999999999999999999\" is not a whole number; "
	  "write  open_files 1024;" },
	{ "no-arguments.conf",
	  "no-arguments.conf:1:1: \"data_dir\" takes 1 argument, found 0; write  data_dir data;" },
	{ "too-many-arguments.conf",
	  "too-many-arguments.conf:1:15: \"data_dir\" takes 1 argument, found 2; write  "
	  "data_dir data;" },
	{ "arguments-to-none.conf",
	  "arguments-to-none.conf:2:10: \"vars\" takes no arguments, found 1; write  vars { "
	  "GREETING \"hi\"; }" },
	{ "no-block.conf",
	  "no-block.conf:1:1: \"app\" opens a block, but ends with ; here; write  app counter "
	  "{ root apps/counter; main counter.lua; }" },
	{ "a-block-too-many.conf",
	  "a-block-too-many.conf:1:1: \"data_dir\" takes no block, but a { follows; write  "
	  "data_dir data;" },
	{ "empty-text.conf",
	  "empty-text.conf:1:10: \"data_dir\" is given an empty text; write  data_dir data;" },
	{ "duplicate-directive.conf",
	  "duplicate-directive.conf:3:1: \"data_dir\" stands here twice, first at "
	  "duplicate-directive.conf:1:1; keep one of the two" },
	{ "duplicate-app.conf",
	  "duplicate-app.conf:2:5: app \"a\" stands here twice, first at "
	  "duplicate-app.conf:1:1; rename one of the two" },
	{ "duplicate-binding.conf",
	  "duplicate-binding.conf:6:17: binding \"A\" stands here twice, first at "
	  "duplicate-binding.conf:5:9; rename one of the two" },
	{ "duplicate-tag.conf",
	  "duplicate-tag.conf:6:9: migration \"v1\" stands here twice, first at "
	  "duplicate-tag.conf:5:9; rename one of the two" },
	{ "duplicate-class.conf",
	  "duplicate-class.conf:6:35: class \"A\" begins twice, first at "
	  "duplicate-class.conf:5:33; remove it here" },
	{ "duplicate-variable.conf",
	  "duplicate-variable.conf:5:12: variable \"A\" stands here twice, first at "
	  "duplicate-variable.conf:4:12; rename one of the two" },
	{ "duplicate-source.conf",
	  "duplicate-source.conf:5:12: source \"x.lua\" stands here twice, first at "
	  "duplicate-source.conf:4:12; remove one of the two" },
	{ "duplicate-listen.conf",
	  "duplicate-listen.conf:3:5: listen 127.0.0.1:8787 stands here twice, first at "
	  "duplicate-listen.conf:2:5; remove one of the two" },
	{ "duplicate-location.conf",
	  "duplicate-location.conf:4:5: location / stands here twice, first at "
	  "duplicate-location.conf:3:5; remove one of the two" },
	{ "duplicate-server-name.conf",
	  "duplicate-server-name.conf:3:23: server_name \"a.org\" stands here twice; remove "
	  "one of the two" },
	{ "two-servers-one-host.conf",
	  "two-servers-one-host.conf:4:5: port 8787 is served for any host by the server at "
	  "two-servers-one-host.conf:1:1 already; write another port, or  server_name "
	  "example.org;  in one of them" },
	{ "two-contents.conf",
	  "two-contents.conf:5:9: this location is served already by what stands at "
	  "two-contents.conf:4:9; keep one of app, root and alias" },
	{ "unknown-app.conf",
	  "unknown-app.conf:5:22: no app is called \"chet\"; declared are: counter, chat; "
	  "write  app chat;" },
	{ "unknown-app-of-none.conf",
	  "unknown-app-of-none.conf:3:22: no app is called \"counter\", none is declared; "
	  "write  app counter { root apps/counter; main main.lua; }  before the server" },
	{ "no-migration.conf",
	  "no-migration.conf:4:23: class \"Counter\" has no migration: no migration found for "
	  "class; add  migrations { v1 { new_sqlite_classes Counter; } }" },
	{ "variable-is-binding.conf",
	  "variable-is-binding.conf:6:12: env.A is the binding at "
	  "variable-is-binding.conf:4:23 already; rename the variable" },
	{ "bad-binding.conf",
	  "bad-binding.conf:4:39: \"Counter\" is not class_name=Class; write  binding COUNTER "
	  "class_name=Counter;" },
	{ "bad-class-name.conf",
	  "bad-class-name.conf:4:42: \"my-class\" is not a class's name (letters, digits and "
	  "_); write  new_sqlite_classes Counter;" },
	{ "bad-app-name.conf",
	  "bad-app-name.conf:1:5: \"../a\" is not an app's name (letters, digits, _ and -, 64 "
	  "at most); write  app counter { root apps/counter; main counter.lua; }" },
	{ "bad-variable-name.conf",
	  "bad-variable-name.conf:1:16: \"my-var\" is not a variable's name (letters, digits "
	  "and _); write  GREETING \"hi\";" },
	{ "bad-date.conf",
	  "bad-date.conf:4:24: \"2025-13-01\" is not a date (year-month-day); write  "
	  "compatibility_date 2025-11-23;" },
	{ "bad-port.conf",
	  "bad-port.conf:2:12: \"87870\" is not a port (1 to 65535); write  listen "
	  "127.0.0.1:8787;" },
	{ "bad-address.conf",
	  "bad-address.conf:2:12: \"example.org:80\" is not [address:]port (the address a "
	  "number, *, or localhost); write  listen 127.0.0.1:8787;" },
	{ "bad-host-name.conf",
	  "bad-host-name.conf:3:17: \"http://a.org\" is not a host name (no scheme, no port, "
	  "no path); write  server_name example.org www.example.org;" },
	{ "bad-path.conf",
	  "bad-path.conf:3:14: \"static\" is not a path from the root; write  location /static "
	  "{" },
	{ "regex-location.conf",
	  "regex-location.conf:3:14: locations are prefixes, no regular expressions; write  "
	  "location / { app counter; }" },
	{ "bad-location-kind.conf",
	  "bad-location-kind.conf:3:14: \"==\" is not a kind of location (nothing, or =); "
	  "write  location = /x {" },
	{ "empty-location.conf",
	  "empty-location.conf:3:5: location / is served by nothing; write  app NAME;  or  "
	  "root DIR;  or  alias DIR;  in it" },
	{ "include-missing.conf",
	  "include-missing.conf:1:9: cannot include no-such-file.conf: No such file or "
	  "directory; write a path relative to the folder of include-missing.conf" },
	{ "include-cycle.conf",
	  "include-cycle-2.inc:2:9: include cycle: include-cycle.conf is being read already "
	  "and leads back to itself; remove this line" },
	{ "include-bad-line.conf",
	  "bad-line.inc:3:16: worker_threads 0 is not between 1 and 1024; write  "
	  "worker_threads auto;" },
	{ "include-open-block.conf",
	  "open-block.inc:2:1: the block \"location /\" opened here is never closed; write } "
	  "before the end of the file (line 4)" },
	{ "include-close-brace.conf",
	  "close-brace.inc:2:1: unexpected }: no block is open here; remove it" },
	{ "no-main.conf",
	  "no-main.conf:1:1: app \"counter\" has no main; write  main counter.lua;" },
	{ "no-main-file.conf",
	  "no-main-file.conf:3:10: main \"missing.lua\": app/missing.lua: No such file or "
	  "directory; create the file, or write its name in root" },
	{ "main-is-folder.conf",
	  "main-is-folder.conf:3:10: main \"app\": ./app is not a file; write the name of a "
	  "Lua file in root" },
	{ "main-outside-root.conf",
	  "main-outside-root.conf:3:10: \"../other/main.lua\" leaves the app's root; move the "
	  "file into it, or set root further up" },
	{ "no-source-file.conf",
	  "no-source-file.conf:4:12: source \"room.lua\": app/room.lua: No such file or "
	  "directory; create the file, or write its name in root" },
	{ "no-root-folder.conf",
	  "no-root-folder.conf:3:10: root \"nowhere\": No such file or directory; create the "
	  "folder, or write the path from where drey is started" },
	{ "no-static-folder.conf",
	  "no-static-folder.conf:4:9: root \"nowhere\": No such file or directory; create the "
	  "folder, or write the path from where drey is started" },
	{ "no-server.conf",
	  "no-server.conf:1:1: no server: nothing would listen; write  server { listen 8787; "
	  "location / { app counter; } }" },
	{ "no-listen.conf",
	  "no-listen.conf:2:1: this server listens nowhere; write  server { listen 8787;" },
	{ "columns-count-characters.conf",
	  "columns-count-characters.conf:1:38: \"B\" takes 1 argument, found 0; write  "
	  "GREETING \"hi\";" },
};

#endif
