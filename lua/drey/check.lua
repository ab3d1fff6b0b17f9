-- check.lua -- what request.lua and response.lua both refuse.
--
-- level: whom the error names, counted as in error(): 1 is whoever called the
-- function here, 2 its caller, and so on. So a call with a level must not be
-- a tail call.

local check = {}

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"

function check.is_token(s)
	return type(s) == "string" and s:find(TOKEN) ~= nil
end

-- A body as it can be sent: a string or nil.
function check.body(body, what, level)
	if type(body) == "string" or body == nil then
		return body
	end
	if type(body) == "number" then
		return tostring(body)
	end
	local hint = ""
	if type(body) == "table" then
		hint = what == "Response" and "; use Response.json(value)" or "; use JSON.stringify(value)"
	end
	error("the body of a " .. what .. " is a string, not a " .. type(body) .. hint, level + 1)
end

-- What a method is called on: storage.get("k") passes "k" as self.
function check.colon(self, owner, name)
	if type(self) ~= "table" then
		error(("%s.%s(...) needs a colon: write  %s:%s(...)"):format(owner, name, owner, name), 3)
	end
end

-- What a function of a class is called with: Response:new("x") passes Response.
function check.dot(value, class, name, fn)
	if value == class then
		error(("%s:%s(...) needs a dot: write  %s.%s(...)"):format(name, fn, name, fn), 3)
	end
end

-- The table of options that may follow; nil is fine.
function check.init(init, example, level)
	if init ~= nil and type(init) ~= "table" then
		error("the second argument is a table such as " .. example .. ", not a " .. type(init), level + 1)
	end
	return init
end

-- A function for __newindex: fields of ours are read-only and say what to do instead; any other may be added.
function check.guard(what, read_only)
	return function(self, key, value)
		if read_only[key] then
			error(what .. "." .. key .. " cannot be set; " .. read_only[key], 2)
		end
		rawset(self, key, value)
	end
end

return check
