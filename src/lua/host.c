/* host.c -- the engine: runs the code of events for one worker, in one VM per app.
 *
 * How the C half and the Lua half (lua/drey) meet.  Every embedded module is a
 * chunk called as chunk(native).  native.module(name) loads one (once) and
 * gives what it returned.  The host loads "init" before the sandbox closes
 * and uses these fields of the table it returns:
 *
 *	globals				copied into the app's globals
 *	Response			the metatable of responses.  C reads the raw fields status (number),
 *					_headers (a list name, value, name, value, ... or nil), _body (string or nil)
 *	request(handle) -> Request	handle: a number, good while its event runs; see native.http
 *	response(status, headers, body) -> Response	an answer that came back to stub:fetch(); headers is such a list
 *	outbound(input, init) -> handle  or  method, url, headers, body	what stub:fetch(input, init) sends;
 *					the handle of an inbound request that was passed on untouched is the fast way
 *	class_name(v) -> string or nil	is v a class made with extend?  what is it called?
 *	env(app) -> env			app = { name=, bindings={ NAME=namespace }, vars={ NAME=string } }
 *	ctx(serial, id) -> ctx		for an object; its field _serial is the number, id the DurableObjectId
 *	front_ctx() -> ctx		for a front module: waitUntil only; made once
 *	instance(class, ctx, env) -> instance	runs the constructor
 *	method(class, name) -> function  or  nil, error text	RPC lookup
 *	Date				the metatable of dates; C reads and makes the raw field _ms (milliseconds since 1970)
 *	modules				what require finds besides the app's files: name -> value; may be nil ("cjson" is the host's)
 *	fetch(instance, request) -> Response	calls instance:fetch(request), raises when there is none
 *
 * native.http: method(h) url(h) headers(h) header(h, name) body(h) client(h) aborted(h), h being the handle; headers gives
 * the list with lower-case names, header all values of that name joined with ", " or nil.  After the event has ended they raise.
 *
 * Ready to use, found in native when init runs: native.time.now() and sleep(ms), native.console.log info warn error debug,
 * native.ctx.blockConcurrencyWhile(ctx, fn) waitUntil(ctx, fn) abort(ctx, reason), native.json.cjson null array_mt, and native.error,
 * the metatable of error tables that come back from other objects.  Namespaces, ids and stubs (native.stub, lua/drey/stub.lua) and
 * what a waiting call does (lua/drey/park.lua) are the host's own.
 */
