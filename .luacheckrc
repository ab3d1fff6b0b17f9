-- What Lua code of drey may use: LuaJIT, less what the sandbox takes away,
-- plus the globals that drey gives to every app.
std = "luajit"
codes = true
max_line_length = 120
cache = false

local api = {
	"DurableObject", "RpcTarget",
	"Request", "Response", "Headers", "URL", "URLSearchParams", "JSON", "Date",
	"WebSocketPair", "WebSocketRequestResponsePair", "Promise", "Map",
	"console", "crypto", "btoa", "atob", "fetch", "sleep", "async", "await", "stream", "retry",
	"scheduler", "setTimeout", "clearTimeout", "setInterval", "clearInterval",
	"structuredClone", "AbortController", "AbortSignal",
}

-- An app sees no io, no debug, no ffi; of os only the clock.
files["apps"] = {
	read_globals = api,
	not_globals = { "io", "debug", "dofile", "loadfile", "newproxy", "package", "collectgarbage" },
	unused_args = false,	-- fetch(request, env, ctx) is written whole
}

-- drey's own half defines those names.
files["lua"] = {
	globals = api,
}

-- The one place that gives apps coroutines that know the host.
files["lua/drey/park.lua"] = {
	ignore = { "122/coroutine" },
}

files["t/lua"] = {
	globals = api,
	read_globals = { "native" },	-- of t/lua/host
}
