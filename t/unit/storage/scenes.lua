-- scenes.lua -- what check_storage.c plays: each it_... is one test and fails by raising.
-- luacheck: globals DurableObject JSON Date Blob sleep, ignore 512

local Scenes = DurableObject:extend "Scenes"
local Old = DurableObject:extend "Old"

local function nothing() end

local function show(value)
	if type(value) ~= "table" then
		return type(value) == "string" and ("%q"):format(value) or tostring(value)
	end
	local out = {}
	for k, v in pairs(value) do
		out[#out + 1] = show(k) .. "=" .. show(v)
	end
	table.sort(out)
	return "{" .. table.concat(out, ", ") .. "}"
end

local function same(got, want)
	if show(got) ~= show(want) then
		error("got " .. show(got) .. ", want " .. show(want), 2)
	end
end

local function raises(text, fn, ...)
	local ok, err = pcall(fn, ...)
	if ok then
		error("no error; expected one with: " .. text, 2)
	end
	err = type(err) == "table" and err.message or tostring(err)
	if not err:find(text, 1, true) then
		error("the error is: " .. err .. "\n  it should contain: " .. text, 2)
	end
	return err
end

-- "k1=v1 k2=v2", in order.
local function flat(map)
	local out = {}
	for key, value in map:entries() do out[#out + 1] = key .. "=" .. tostring(value) end
	return table.concat(out, " ")
end

---------------------------------------------------------------------------
-- get, put, delete

function Scenes:it_A6_01_get_gives_what_put_kept_and_nil_for_the_rest()
	local s = self.ctx.storage
	same(s:get "k", nil)
	s:put("k", { a = 1 })
	same(s:get "k", { a = 1 })
	same(s:get "K", nil)
	same(tostring(s:get "K"), "nil")
	s:put("", "empty key")
	same(s:get "", "empty key")
	s:put("a\0b", 1)
	same({ s:get "a\0b", s:get "a" }, { 1 })
end

function Scenes:it_A6_01_delete_says_whether_it_was_there()
	local s = self.ctx.storage
	s:put("k", 1)
	same({ s:delete "k", s:delete "k", s:get "k" }, { true, false })
end

function Scenes:it_A6_10_values_come_back_as_they_were()
	local s = self.ctx.storage
	local deep = 1
	for _ = 1, 90 do deep = { deep } end
	local values = {
		0, -0.5, 1e300, 2^53, true, false, "", "a\0\255b", { 1, 2, 3 }, { a = { b = { c = false } } },
		{ [1] = "a", [3] = "c" }, { [-1] = 1, [1.5] = 2, [true] = 3 }, deep, JSON.null, { JSON.null },
	}
	for i, value in ipairs(values) do
		s:put("v" .. i, value)
		same(s:get("v" .. i), value)
	end
	s:put("i64", 9007199254740993LL)
	assert(s:get "i64" == 9007199254740993LL and type(s:get "i64") == "cdata")
	s:put("date", Date.new "2026-12-31T23:59:59.250Z")
	same(s:get "date":toISOString(), "2026-12-31T23:59:59.250Z")
	s:put("empty", { list = JSON.array {}, object = {} })
	same(JSON.stringify(s:get "empty".list) .. JSON.stringify(s:get "empty".object), "[]{}")
end

function Scenes:it_values_are_copies()
	local s = self.ctx.storage
	local value = { n = 1 }
	s:put("k", value)
	value.n = 2
	s:get "k".n = 3
	same(s:get "k", { n = 1 })
end

function Scenes:it_B4_15_put_of_nil_is_refused()
	local s = self.ctx.storage
	s:put("k", 1)
	raises("put() called with undefined value.", s.put, s, "k", nil)
	raises("put() called with undefined value.", s.put, s, "k")
	same(s:get "k", 1)
end

function Scenes:it_refuses_values_that_cannot_be_kept_and_says_where_they_are()
	local s = self.ctx.storage
	raises("the value .user.cb is a function", s.put, s, "k", { user = { cb = nothing } })
	raises("is a thread", s.put, s, "k", coroutine.create(nothing))
	local loop = {}
	loop[1] = loop
	raises("contains itself", s.put, s, "k", loop)
	raises("the value .f is a function", s.put, s, { a = 1, b = { f = nothing } })
	same({ s:get "k", s:get "a" }, {})
end

function Scenes:it_refuses_keys_and_calls_that_make_no_sense()
	local s = self.ctx.storage
	raises("get: a key is a string, not a number", s.get, s, 1)
	raises("get: a key is a string, not a nil", s.get, s)
	raises("get: a key is a string, not a boolean", s.get, s, { "a", true })
	raises("delete: a key is a string, not a number", s.delete, s, 1)
	raises("put: a key is a string, not a number", s.put, s, { "a" })
	raises("put() may only be called with a single key-value pair", s.put, s, 1, 2)
	raises("put() may only be called with a single key-value pair", s.put, s, { a = 1 }, 2)
	s:put({ a = 1 }, { allowUnconfirmed = true })
	same(s:get("a", { noCache = true }), 1)
	raises("needs a colon", s.get, "k")
	raises("belongs to another object", s.get, { _serial = 1e9 }, "k")
end

function Scenes:it_errors_name_the_authors_line()
	local s = self.ctx.storage
	local function here(fn)
		local err = raises("scenes.lua:", fn)
		assert(not err:find("drey/", 1, true), err)
	end
	here(function() s:get(1) end)
	here(function() s:put("k", nil) end)
	here(function() s:list { limit = 0 } end)
	here(function() s.kv:list { limit = 0 } end)
	here(function() s.sql:exec "SELEC" end)
	here(function() s.sql:exec("SELECT 1 WHERE 0"):one() end)
end

---------------------------------------------------------------------------
-- batches

function Scenes:it_A6_02_put_of_a_table_puts_all()
	local s = self.ctx.storage
	s:put { key1 = "v1", key2 = { 2 } }
	same({ s:get "key1", s:get "key2" }, { "v1", { 2 } })
	s:put {}
end

function Scenes:it_A6_02_a_batch_with_a_bad_value_puts_nothing()
	local s = self.ctx.storage
	raises("is a function", s.put, s, { a = 1, b = nothing, c = 3 })
	same(s:list().size, 0)
end

function Scenes:it_A6_03_get_of_a_list_gives_a_sorted_map_without_the_missing()
	local s = self.ctx.storage
	s:put { b = 2, a = 1, c = 3, get = 4, size = 5 }
	local m = s:get { "c", "size", "nope", "a", "c", "get" }
	same(flat(m), "a=1 c=3 get=4 size=5")
	same({ m.size, m:get "c", m:get "nope", m:has "a" }, { 4, 3, nil, true })
	local seen = {}
	for key in pairs(m) do seen[#seen + 1] = key end
	same(table.concat(seen, " "), "a c get size")
	same(s:get {}.size, 0)
end

function Scenes:it_A6_04_delete_of_a_list_counts()
	local s = self.ctx.storage
	s:put { a = 1, b = 2, c = 3 }
	same(s:delete { "a", "b", "a", "nope" }, 2)
	same(flat(s:list()), "c=3")
	same(s:delete {}, 0)
end

function Scenes:it_limits_name_their_directive_and_its_place()
	local s = self.ctx.storage
	local place = raises("Keys cannot be larger than 64 bytes. A key of size 65 was provided. (limits kv_key, ",
		s.put, s, ("k"):rep(65), 1)
	assert(place:find "site.conf:8%)$", place)
	raises("Keys cannot be larger than 64 bytes.", s.get, s, ("k"):rep(65))
	raises("Values cannot be larger than 4096 bytes. A value of size 50", s.put, s, "k", ("v"):rep(5000))
	raises("Values cannot be larger than 4096 bytes.", s.put, s, { k = ("v"):rep(5000) })
	local eleven, keys = {}, {}
	for i = 1, 11 do eleven["k" .. i], keys[i] = i, "k" .. i end
	local text = "Maximum number of key value pairs is 10. 11 pairs were provided. (limits kv_batch, "
	raises(text, s.put, s, eleven)
	raises(text, s.get, s, keys)
	raises(text, s.delete, s, keys)
	s:put(("k"):rep(64), ("v"):rep(4000))
	same(#s:get(("k"):rep(64)), 4000)
	same(s:list().size, 1)
end

---------------------------------------------------------------------------
-- list

local function fill(s)
	s:put { ["user:a"] = 1, ["user:b"] = 2, ["user:c"] = 3 }
	s:put { ["user;"] = 4, ["user"] = 5, ["zoo"] = 6, ["ä"] = 7, ["z"] = 8 }
end

function Scenes:it_A6_05_list_is_sorted_by_bytes()
	local s = self.ctx.storage
	same(s:list().size, 0)
	fill(s)
	same(flat(s:list()), "user=5 user:a=1 user:b=2 user:c=3 user;=4 z=8 zoo=6 ä=7")
	same(flat(s:list {}), flat(s:list()))
end

function Scenes:it_A6_06_list_takes_a_prefix_and_a_limit()
	local s = self.ctx.storage
	fill(s)
	same(flat(s:list { prefix = "user:" }), "user:a=1 user:b=2 user:c=3")
	same(flat(s:list { prefix = "user:", limit = 2 }), "user:a=1 user:b=2")
	same(flat(s:list { prefix = "user:", limit = 2, reverse = true }), "user:c=3 user:b=2")
	same(flat(s:list { prefix = "user:", start = "user:b" }), "user:b=2 user:c=3")
	same(flat(s:list { prefix = "user:", start = "a", ["end"] = "user:c" }), "user:a=1 user:b=2")
	same(s:list { prefix = "user:", start = "v" }.size, 0)
	same(s:list { prefix = "nope" }.size, 0)
	same(s:list { prefix = "" }.size, 8)
end

function Scenes:it_A6_07_start_is_inclusive_and_end_exclusive_also_in_reverse()
	local s = self.ctx.storage
	fill(s)
	same(flat(s:list { start = "user:a", ["end"] = "user:c" }), "user:a=1 user:b=2")
	same(flat(s:list { start = "user:a", end_ = "user:c", reverse = true }), "user:b=2 user:a=1")
	same(flat(s:list { startAfter = "user:c" }), "user;=4 z=8 zoo=6 ä=7")
	same(s:list { start = "z", ["end"] = "a" }.size, 0)
	same(flat(s:list { start = "zz" }), "ä=7")
end

function Scenes:it_B4_03_list_refuses_options_that_contradict_or_do_not_exist()
	local s = self.ctx.storage
	raises("list() cannot be called with both start and startAfter values.", s.list, s, { start = "a", startAfter = "a" })
	for _, limit in ipairs { 0, -1, 0.5, 0 / 0 } do
		raises("List limit must be positive.", s.list, s, { limit = limit })
	end
	raises("list(): limit is a number, not a string", s.list, s, { limit = "5" })
	raises("list() has no option prefx; it knows start,", s.list, s, { prefx = "a" })
	raises("list() has no option number", s.list, s, { "a" })
	raises("list(): prefix is a string, not a number", s.list, s, { prefix = 5 })
	raises("list() takes a table of options", s.list, s, "user:")
	same(s:list({ allowConcurrency = true, noCache = true, limit = math.huge }).size, 0)
end

function Scenes:it_B4_01_kv_reads_the_same_data_page_by_page()
	local s = self.ctx.storage
	local kv = s.kv
	for i = 1, 300 do kv:put(("k%03d"):format(i), i) end
	same({ s:get "k007", kv:get "k300", kv:delete "k300", kv:delete "k300" }, { 7, 300, true, false })
	local function walk(options)
		local n, first, last = 0, nil, nil
		for key, value in kv:list(options) do
			n = n + 1
			first, last = first or key, key
			same(key, ("k%03d"):format(value))
		end
		return n .. " " .. tostring(first) .. " " .. tostring(last)
	end
	same(walk(), "299 k001 k299")
	same(walk { reverse = true }, "299 k299 k001")
	same(walk { limit = 129 }, "129 k001 k129")
	same(walk { limit = 128 }, "128 k001 k128")
	same(walk { prefix = "k1" }, "100 k100 k199")
	same(walk { prefix = "k", start = "k050", ["end"] = "k280", reverse = true }, "230 k279 k050")
	same(walk { startAfter = "k290" }, "9 k291 k299")
	same(walk { prefix = "nope" }, "0 nil nil")
end

function Scenes:it_B4_01_kv_list_sees_what_is_written_ahead_of_it()
	local s = self.ctx.storage
	local kv = s.kv
	local function refill()
		s:deleteAll()
		for i = 1, 40 do kv:put(("k%02d"):format(i), i) end
	end
	local function walk(options, during)
		local seen = {}
		refill()
		for key, value in kv:list(options) do
			seen[#seen + 1] = key .. "=" .. tostring(value)
			during(key, #seen)
			if #seen > 100 then error "no end" end
		end
		return #seen .. " " .. tostring(seen[1]) .. " " .. tostring(seen[2]) .. " " .. tostring(seen[#seen])
	end
	local function double(key, n) kv:put(key, 2 * n) kv:put("k40", "new") end
	same(walk(nil, double), "40 k01=1 k02=2 k40=new")
	same(walk({ reverse = true }, function(key) kv:delete(key) kv:delete "k39" end), "39 k40=40 k38=38 k01=1")
	same(walk(nil, function(key) kv:delete(key) end), "40 k01=1 k02=2 k40=40")
	same(s:list().size, 0)
	same(walk(nil, function(_, n) kv:delete(("k%02d"):format(n + 20)) end), "20 k01=1 k02=2 k20=20")
	same(walk({ limit = 3 }, function(key) kv:put(key .. "x", 0) end), "3 k01=1 k01x=0 k01xx=0")
	same(walk(nil, function(_, n) if n == 2 then s:deleteAll() end end), "2 k01=1 k02=2 k02=2")
	same(walk(nil, function(_, n)
		if n == 1 then
			pcall(s.transactionSync, s, function()
				kv:put("k01a", 1)
				error "undone"
			end)
		end
	end), "40 k01=1 k02=2 k40=40")
	-- What was read inside a transaction that is undone is read anew.
	refill()
	local step
	pcall(s.transactionSync, s, function()
		kv:put("k02", "undone")
		step = kv:list()
		step()
		error "undo"
	end)
	same({ step() }, { "k02", 2 })
	-- Several at once, and none after its end.
	local a, b = kv:list { limit = 2 }, kv:list { reverse = true, limit = 1 }
	same({ a(), b(), (a()) }, { "k01", "k40", "k02" })
	kv:put("k03", 3)
	same({ a(), b() }, {})
end

function Scenes:it_B4_01_kv_list_holds_little_of_what_is_large()
	local kv = self.ctx.storage.kv
	for i = 1, 200 do kv:put("k" .. i, ("v"):rep(4000)) end
	collectgarbage() collectgarbage()
	local before, most, n = collectgarbage "count", 0, 0
	for _, value in kv:list() do
		n = n + #value
		most = math.max(most, collectgarbage "count" - before)
		if n % 40000 == 0 then collectgarbage() end
	end
	same(n, 800000)
	if most > 700 then error("the list took " .. most .. " KB") end
end

---------------------------------------------------------------------------
-- transactionSync, deleteAll

function Scenes:it_A5_09_transactionSync_keeps_all_or_nothing()
	local s = self.ctx.storage
	s.sql:exec "CREATE TABLE t(n)"
	local a, b, c = s:transactionSync(function()
		s:put("k", 1)
		s.sql:exec("INSERT INTO t VALUES (1)")
		return "x", nil, "z"
	end)
	same({ a, b, c }, { "x", nil, "z" })
	local err = raises("boom", function()
		s:transactionSync(function()
			s:put("k", 2)
			s.sql:exec("INSERT INTO t VALUES (2)")
			error "boom"
		end)
	end)
	assert(err:find "scenes.lua:%d+: boom", err)
	same({ s:get "k", s.sql:exec("SELECT count(*) AS n FROM t"):one().n }, { 1, 1 })
end

function Scenes:it_transactionSync_nests()
	local s = self.ctx.storage
	s:transactionSync(function()
		s:put("outer", 1)
		pcall(s.transactionSync, s, function()
			s:put("inner", 1)
			error "no"
		end)
		s:transactionSync(function() s:put("second", 1) end)
	end)
	same(flat(s:list()), "outer=1 second=1")
	local thrown = {}
	local ok, err = pcall(s.transactionSync, s, function() error(thrown) end)
	assert(not ok and err == thrown, "the error is handed on as it is")
end

function Scenes:it_A5_09_waiting_inside_transactionSync_is_refused()
	local s = self.ctx.storage
	raises("transactionSync(fn): fn must not wait", s.transactionSync, s, function()
		s:put("k", 1)
		sleep(1)
	end)
	same(s:get "k", nil)
	raises("transactionSync(fn): fn is the function", s.transactionSync, s)
	sleep(1)
	s:put("k", 2)
	same(s:get "k", 2)
end

function Scenes:it_A6_08_deleteAll_takes_tables_and_keys()
	local s = self.ctx.storage
	s:put("k", 1)
	s.sql:exec "CREATE TABLE t(n); INSERT INTO t VALUES (1)"
	s:deleteAll()
	same(s:list().size, 0)
	raises("no such table: t", function() s.sql:exec "SELECT * FROM t" end)
	s:put("k", 2)
	same(s:get "k", 2)
	s:sync()
end

---------------------------------------------------------------------------
-- sql

function Scenes:it_A5_01_exec_creates_inserts_and_selects()
	local sql = self.ctx.storage.sql
	sql:exec "CREATE TABLE m(id INTEGER PRIMARY KEY, text TEXT)"
	sql:exec("INSERT INTO m VALUES (?, ?)", 7, "hello")
	same(sql:exec("SELECT * FROM m WHERE id = ?", 7):one(), { id = 7, text = "hello" })
	same(sql:exec("SELECT * FROM m WHERE id = ?", 8):toArray(), {})
end

function Scenes:it_A5_02_several_statements_bind_to_the_last()
	local sql = self.ctx.storage.sql
	sql:exec "CREATE TABLE t(a); CREATE INDEX i ON t(a); PRAGMA optimize;"
	local c = sql:exec("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); SELECT a FROM t WHERE a = ?", 2)
	same(c:toArray(), { { a = 2 } })
	same(sql:exec("SELECT name FROM sqlite_master WHERE type = 'index'"):one().name, "i")
end

function Scenes:it_A5_03_bindings_have_types()
	local sql = self.ctx.storage.sql
	local function kind(value, n)
		local row = sql:exec("SELECT typeof(?1) AS kind, ?1 AS value", value, n):one()
		return row.kind .. " " .. tostring(row.value)
	end
	local function one(value)
		return (sql:exec("SELECT typeof(?1) AS kind, CAST(?1 AS TEXT) AS value", value):toArray()[1])
	end
	same(one(nil), { kind = "null" })
	same(one(JSON.null), { kind = "null" })
	same(one(true), { kind = "integer", value = "1" })
	same(one(false), { kind = "integer", value = "0" })
	same(one(5), { kind = "integer", value = "5" })
	same(one(-2^53), { kind = "integer", value = "-9007199254740992" })
	same(one(0.5), { kind = "real", value = "0.5" })
	same(one(2^60).kind, "real")
	same(one(1/0).kind, "real")
	same(one("a'; DROP TABLE x--"), { kind = "text", value = "a'; DROP TABLE x--" })
	same(one(9223372036854775807LL), { kind = "integer", value = "9223372036854775807" })
	same(one(5ULL), { kind = "integer", value = "5" })
	same(one(Date.new "2026-12-31T23:59:59.250Z"), { kind = "text", value = "2026-12-31T23:59:59.250Z" })
	same(one(Date.new(-1)), { kind = "text", value = "1969-12-31T23:59:59.999Z" })
	same(one(Blob "a\0b").kind, "blob")
	same(#sql:exec("SELECT ? AS b", Blob "a\0b"):one().b, 3)
	same(sql:exec("SELECT ? AS b", "a\0b"):one().b, "a\0b")
	raises("Wrong number of parameter bindings for SQL query.", kind, 1, 2)
	for _, bad in ipairs { {}, nothing, coroutine.create(nothing), 18446744073709551615ULL, { a = 1 } } do
		raises("binding 2 is a ", sql.exec, sql, "SELECT ?, ?", 1, bad)
	end
end

function Scenes:it_A5_03_a_wrong_count_names_both_numbers()
	local sql = self.ctx.storage.sql
	local err = raises("Wrong number of parameter bindings for SQL query.", sql.exec, sql, "SELECT ?, ?, ?", 1, 2)
	assert(err:find "3" and err:find "2", err)
	raises("Wrong number of parameter bindings", sql.exec, sql, "SELECT 1", 1)
	same(sql:exec("SELECT ? AS a, ? AS b", nil, nil):one(), {})
end

function Scenes:it_binds_more_than_a_handful()
	local sql = self.ctx.storage.sql
	local marks, values = {}, {}
	for i = 1, 100 do marks[i], values[i] = "(?)", "row " .. i end
	sql:exec("CREATE TABLE t(s)")
	sql:exec("INSERT INTO t VALUES " .. table.concat(marks, ","), unpack(values))
	same(sql:exec("SELECT count(*) AS n, max(rowid) AS m FROM t"):one(), { n = 100, m = 100 })
end

function Scenes:it_results_have_types()
	local sql = self.ctx.storage.sql
	local row = sql:exec("SELECT 1 AS i, 0.5 AS r, 'x' AS t, x'00ff' AS b, NULL AS n, 9223372036854775807 AS big, "
		.. "-9007199254740993 AS low, 9007199254740992 AS edge"):one()
	same({ row.i, row.r, row.t, row.b, row.n == nil, row.edge }, { 1, 0.5, "x", "\0\255", true, 2^53 })
	assert(row.big == 9223372036854775807LL and type(row.big) == "cdata")
	assert(row.low == -9007199254740993LL and type(row.edge) == "number")
	local raw = sql:exec("SELECT NULL AS a, 1 AS b, NULL AS c"):raw():toArray()
	same({ #raw, #raw[1], raw[1][1] == JSON.null, raw[1][2] }, { 1, 3, true, 1 })
end

function Scenes:it_A5_04_insert_returning_gives_ids()
	local sql = self.ctx.storage.sql
	sql:exec "CREATE TABLE t(id INTEGER PRIMARY KEY, s)"
	for i = 1, 3 do
		same(sql:exec("INSERT INTO t(s) VALUES (?) RETURNING id", "x"):one().id, i)
	end
end

function Scenes:it_A5_05_one_wants_exactly_one()
	local sql = self.ctx.storage.sql
	local function one(query, options) return sql:exec(query):one(options) end
	raises("Expected exactly one result from SQL query, but got no results.", one, "SELECT 1 WHERE 0")
	raises("Expected exactly one result from SQL query, but got multiple results.", one, "SELECT 1 UNION SELECT 2")
	same(one "SELECT 5 AS n", { n = 5 })
	same({ n = select("#", one("SELECT 1 WHERE 0", { allowNone = true })) }, { n = 1 })
	same(one("SELECT 1 WHERE 0", { allowNone = true }), nil)
	same(one("SELECT 5 AS n", { allowNone = true }), { n = 5 })
	raises("got multiple results.", one, "SELECT 1 UNION SELECT 2", { allowNone = true })
	local c = sql:exec "SELECT 1 UNION SELECT 2 UNION SELECT 3"
	pcall(c.one, c)
	same({ c:next().done, #c:toArray() }, { true, 0 })
end

function Scenes:it_A5_07_toArray_gives_row_tables()
	local sql = self.ctx.storage.sql
	sql:exec "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL)"
	same(sql:exec "SELECT * FROM t ORDER BY a":toArray(), { { a = 1, b = "x" }, { a = 2 } })
	same(JSON.stringify(sql:exec "SELECT * FROM t WHERE 0":toArray()), "[]")
	same(sql:exec "DELETE FROM t":toArray(), {})
end

function Scenes:it_A5_08_a_cursor_is_looped_over()
	local sql = self.ctx.storage.sql
	local n, sum = 0, 0
	local query = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100000) SELECT n FROM c"
	for row in sql:exec(query) do
		n, sum = n + 1, sum + row.n
	end
	same({ n, sum }, { 100000, 5000050000 })
end

function Scenes:it_B4_19_all_ways_of_reading_share_one_position()
	local sql = self.ctx.storage.sql
	local c = sql:exec "VALUES (1), (2), (3), (4), (5), (6)"
	same(c:next(), { done = false, value = { column1 = 1 } })
	for row in c do
		same(row, { column1 = 2 })
		break
	end
	same(c:raw():next(), { done = false, value = { 3 } })
	for row in c:raw() do
		same(row, { 4 })
		break
	end
	same(c:raw():toArray(), { { 5 }, { 6 } })
	same({ c:next(), c:raw():next(), #c:toArray() }, { { done = true }, { done = true }, 0 })
end

function Scenes:it_two_cursors_on_one_text_do_not_disturb_each_other()
	local sql = self.ctx.storage.sql
	local a, b = sql:exec "VALUES (1), (2), (3)", sql:exec "VALUES (1), (2), (3)"
	local seen = {}
	for _ = 1, 3 do
		seen[#seen + 1] = a:next().value.column1
		seen[#seen + 1] = b:next().value.column1
	end
	same(table.concat(seen), "112233")
end

function Scenes:it_cursors_know_their_columns_and_counts()
	local sql = self.ctx.storage.sql
	sql:exec "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)"
	local c = sql:exec "SELECT a, a * 2, 'x' AS s FROM t"
	same(table.concat(c.columnNames, ","), "a,a * 2,s")
	c:toArray()
	same({ table.concat(c.columnNames, ","), c.rowsWritten }, { "a,a * 2,s", 0 })
	assert(c.rowsRead >= 3)
	local w = sql:exec "UPDATE t SET a = a + 1"
	same({ #w.columnNames, w.rowsWritten, w.nothing, tostring(w) }, { 0, 3, nil, "SqlStorageCursor" })
	same(getmetatable(w), "cursor")
	raises("called with a colon", c.toArray, {})
end

function Scenes:it_duplicate_columns_collapse_in_rows_and_stay_in_raw()
	local sql = self.ctx.storage.sql
	same(sql:exec "SELECT 1 AS a, 2 AS a":one(), { a = 2 })
	same(sql:exec "SELECT 1 AS a, 2 AS a":raw():toArray(), { { 1, 2 } })
end

function Scenes:it_bad_sql_says_what_sqlite_says_and_breaks_nothing()
	local s = self.ctx.storage
	local sql = s.sql
	s:put("k", 1)
	raises("syntax error", sql.exec, sql, "SELEC 1")
	raises("no such table: nope", sql.exec, sql, "SELECT * FROM nope")
	raises("SQL code did not contain a statement.", sql.exec, sql, " ; ")
	raises("To execute a transaction, please use", sql.exec, sql, "BEGIN")
	raises("prohibited", sql.exec, sql, "SELECT key FROM _cf_KV")
	raises("takes the SQL text first", sql.exec, sql)
	sql:exec "CREATE TABLE t(a CHECK (a > 0))"
	raises("CHECK constraint failed", sql.exec, sql, "INSERT INTO t VALUES (?)", -1)
	same({ s:get "k", #sql:exec "SELECT * FROM t":toArray() }, { 1, 0 })
end

function Scenes:it_a_cursor_dies_with_its_database()
	local s = self.ctx.storage
	s.sql:exec "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)"
	local c = s.sql:exec "SELECT a FROM t"
	c:next()
	s:deleteAll()
	raises("SQLite query was canceled because the database was deleted.", function()
		for _ = 1, 5 do c:next() end
	end)
	s:put("k", 1)
	same(s:get "k", 1)
end

function Scenes:it_cursors_that_are_dropped_are_collected()
	local sql = self.ctx.storage.sql
	sql:exec "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)"
	for i = 1, 2000 do
		local c = sql:exec "SELECT a FROM t"
		c:next()
		if i % 100 == 0 then collectgarbage() end
	end
	collectgarbage()
	sql:exec "DROP TABLE t"		-- an open cursor would lock it
end

function Scenes:it_databaseSize_counts_bytes()
	local sql = self.ctx.storage.sql
	same(sql.databaseSize, 0)
	sql:exec "CREATE TABLE t(a)"
	assert(sql.databaseSize >= 4096 and sql.databaseSize % 512 == 0, sql.databaseSize)
end

function Scenes:it_storage_parts_are_made_once()
	local s = self.ctx.storage
	assert(s == self.ctx.storage and s.sql == s.sql and s.kv == s.kv)
	same(s.nothing, nil)
end

---------------------------------------------------------------------------
-- played in two parts by check_storage.c

function Scenes:keep_something()
	self.ctx.storage:put("k", { kept = true })
	self.ctx.storage.sql:exec "CREATE TABLE t(a); INSERT INTO t VALUES (42)"
end

function Scenes:find_it_again()
	same(self.ctx.storage:get "k", { kept = true })
	same(self.ctx.storage.sql:exec "SELECT a FROM t":one(), { a = 42 })
end

local old

function Scenes:leave_a_cursor_open()
	local s = self.ctx.storage
	s.sql:exec "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)"
	old = { cursor = s.sql:exec "SELECT a FROM t", storage = s }
	old.cursor:next()
end

function Scenes:use_the_old_cursor()
	raises("belongs to another object", old.cursor.next, old.cursor)
	raises("belongs to another object", old.storage.get, old.storage, "k")
	raises("belongs to another object", old.storage.sql.exec, old.storage.sql, "SELECT 1")
	old = nil
	collectgarbage()
	same(#self.ctx.storage.sql:exec "SELECT a FROM t":toArray(), 3)
end

function Old:try_sql()
	self.ctx.storage.sql:exec "SELECT 1"
end

function Old:try_kv()
	self.ctx.storage:put("k", 1)
	same(self.ctx.storage:get "k", 1)
end

return { Scenes = Scenes, Old = Old }
