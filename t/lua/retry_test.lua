-- retry: what is tried again, how often, after how long.

local t = ...

-- A retry whose waits are written down, and its dice.
local function made(numbers)
	local native, waits, at = t.native(), {}, 0
	function native.time.sleep(ms)	-- as C's: true, and what it gives
		waits[#waits + 1] = ms
		return true
	end
	local function random()
		at = at + 1
		return numbers[(at - 1) % #numbers + 1]
	end
	return t.drey(native).globals.retry, waits, random
end

local gone = { message = "gone", retryable = true }

-- Fails n times with err, then gives its values.
local function failing(n, err)
	local calls = { n = 0 }
	return function()
		calls.n = calls.n + 1
		if calls.n <= n then
			error(err)
		end
		return "done", nil, 3
	end, calls
end

t.describe("retry", function()
	t.it("gives what the function returns, nils and all", function()
		local retry, waits = made { 0.5 }
		t.same({ n = select("#", retry(failing(0))), retry(failing(0)) }, { n = 3, "done", nil, 3 })
		t.same(waits, {})
	end)

	t.it("tries a retryable error again, three times in all unless told otherwise", function()
		local retry, waits, random = made { 0.5 }
		t.same((retry(failing(2, gone), { random = random })), "done")
		t.same(waits, { 50, 100 })
		local fn, calls = failing(9, gone)
		local ok, err = pcall(retry, fn, { random = random })
		t.same({ ok, err == gone, calls.n }, { false, true, 3 })
	end)

	t.it("waits up to twice as long each time, up to max, each time another share of it", function()
		local retry, waits, random = made { 0, 0.25, 0.999, 0.5 }
		pcall(retry, failing(9, gone), { attempts = 7, base = 1000, max = 5000, random = random })
		t.same(waits, { 0, 500, 3996, 2500, 0, 1250 })
	end)

	t.it("waits between 0 and the whole by its own dice", function()
		local retry, waits = made { 0 }
		pcall(retry, failing(9999, gone), { attempts = 1001, base = 1000, max = 1000 })
		local low, high, sum = math.huge, 0, 0
		for _, ms in ipairs(waits) do
			low, high, sum = math.min(low, ms), math.max(high, ms), sum + ms
		end
		assert(#waits == 1000 and low >= 0 and low < 100 and high > 900 and high < 1000, low .. " to " .. high)
		assert(sum / 1000 > 400 and sum / 1000 < 600, sum / 1000)
	end)

	t.it("never tries overload, an app's own error or a text again", function()
		local errors = { { overloaded = true }, { retryable = true, overloaded = true }, { message = "no" }, "a text", 7 }
		for _, err in ipairs(errors) do
			local retry, waits = made { 0.5 }
			local fn, calls = failing(9, err)
			local ok = pcall(retry, fn)
			t.same({ ok, calls.n, #waits }, { false, 1, 0 })
		end
	end)

	t.it("says what it takes, at the caller's line", function()
		local retry = made { 0.5 }
		local words = "retry(fn, options) takes a function that makes its stub and calls it, not a nil"
		local err = t.raises(words, function() retry() end)
		assert(err:find("retry_test.lua:" .. debug.getinfo(1, "l").currentline - 1, 1, true), err)
		t.raises("options is a table", function() retry(print, 3) end)
		err = t.raises("attempts is a number from 1 on, not 0", function() retry(print, { attempts = 0 }) end)
		assert(err:find("retry_test.lua:" .. debug.getinfo(1, "l").currentline - 1, 1, true), err)
		t.raises("base is a number from 0 on, not x", function() retry(print, { base = "x" }) end)
		t.raises("max is a number from 0 on", function() retry(print, { max = math.huge }) end)
	end)
end)
