-- date.lua -- Date: a moment, in milliseconds since 1970-01-01 UTC.
--
-- Its one field, _ms, is read and made by the host too: a Date may be stored
-- and may cross object boundaries. Everything is in UTC; the server's time
-- zone plays no part.

local native = ...

local now = native.time.now
local floor = math.floor
local DAY = 86400000

local Date = {}
Date.__index = Date

-- Days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March here: a leap day is the last one.
local function days_of(year, month, day)
	if month <= 2 then
		year, month = year - 1, month + 12
	end
	return 365 * year + floor(year / 4) - floor(year / 100) + floor(year / 400)
		+ floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
end

-- The other way: year, month, day.
local function day_of(days)
	local n = days + 719468				-- days since 0000-03-01
	local era = floor(n / 146097)			-- 400 years each
	local rest = n - era * 146097
	local year = floor((rest - floor(rest / 1460) + floor(rest / 36524) - floor(rest / 146096)) / 365)
	rest = rest - (365 * year + floor(year / 4) - floor(year / 100))
	local month = floor((5 * rest + 2) / 153)
	local day = rest - floor((153 * month + 2) / 5) + 1
	month = month + 3
	year = year + era * 400
	if month > 12 then
		year, month = year + 1, month - 12
	end
	return year, month, day
end

local month_days = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function check_day(year, month, day)
	return month >= 1 and month <= 12 and day >= 1 and day <= month_days[month]
		and (month ~= 2 or day < 29 or (year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)))
end

-- "+02:00", "Z" or "" as minutes; nil for anything else.
local function zone_minutes(zone)
	if zone == "" or zone == "Z" or zone == "z" then
		return 0
	end
	local sign, hours, minutes = zone:match "^([+-])(%d%d):?(%d%d)$"
	if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then
		return nil
	end
	return (sign == "-" and -1 or 1) * (hours * 60 + minutes)
end

-- The time of day as milliseconds and the minutes of its zone; nil if it is not one.
local function time_of(text)
	if text == "" then
		return 0, 0
	end
	local hour, minute, rest = text:match "^[Tt ](%d%d):(%d%d)(.*)$"
	if not hour then
		return nil
	end
	local second, fraction, zone = rest:match "^:(%d%d)%.?(%d*)(.*)$"
	if not second then
		second, fraction, zone = "0", "", rest
	end
	local offset = zone_minutes(zone)
	if not offset or tonumber(hour) > 23 or tonumber(minute) > 59 or tonumber(second) > 59 then
		return nil
	end
	local ms = tonumber((fraction .. "000"):sub(1, 3))
	return ((hour * 60 + minute) * 60 + second) * 1000 + ms, offset
end

-- Milliseconds of "2026-12-31", "2026-12-31T23:59:59Z", "2026-12-31T23:59:59.250+02:00"; nil for anything else.
local function parse(text)
	local year, month, day, rest = text:match "^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$"
	if not year then
		return nil
	end
	year, month, day = tonumber(year), tonumber(month), tonumber(day)
	local ms, offset = time_of(rest)
	if not ms or not check_day(year, month, day) then
		return nil
	end
	return days_of(year, month, day) * DAY + ms - offset * 60000
end

local MAX = 8.64e15	-- 100 million days, as in ECMAScript

-- Date.new(): now. Date.new(milliseconds), Date.new "2026-12-31T23:59:59Z", Date.new(date): that moment.
function Date.new(when)
	local ms = when
	if when == nil then
		ms = now()
	elseif getmetatable(when) == Date then
		ms = when._ms
	elseif type(when) == "string" then
		ms = parse(when)
		if not ms then
			error(("invalid date %q; write it like 2026-12-31T23:59:59Z"):format(when), 2)
		end
	end
	if type(ms) ~= "number" or ms ~= ms or ms > MAX or ms < -MAX then
		error("Date.new takes milliseconds since 1970 or a text like 2026-12-31T23:59:59Z, not "
			.. (type(ms) == "number" and tostring(ms) or "a " .. type(ms)), 2)
	end
	return setmetatable({ _ms = ms < 0 and -floor(-ms) or floor(ms) }, Date)
end

-- Milliseconds since 1970.
function Date.now()
	return now()
end

-- Milliseconds of a text, or nil.
function Date.parse(text)
	return type(text) == "string" and parse(text) or nil
end

-- Milliseconds of a moment; month is 1 to 12, as people say it.
function Date.UTC(year, month, day, hour, minute, second, ms)
	return days_of(year, month or 1, day or 1) * DAY
		+ (((hour or 0) * 60 + (minute or 0)) * 60 + (second or 0)) * 1000 + (ms or 0)
end

function Date:getTime()
	return self._ms
end

Date.valueOf = Date.getTime

-- "2026-12-31T23:59:59.000Z"
function Date:toISOString()
	local days = floor(self._ms / DAY)
	local ms = self._ms - days * DAY
	local year, month, day = day_of(days)
	local format = (year >= 0 and year <= 9999) and "%04d" or year < 0 and "-%06d" or "+%06d"
	return (format .. "-%02d-%02dT%02d:%02d:%02d.%03dZ"):format(math.abs(year), month, day,
		floor(ms / 3600000), floor(ms / 60000) % 60, floor(ms / 1000) % 60, ms % 1000)
end

Date.toJSON = Date.toISOString
Date.__tostring = Date.toISOString

function Date.__eq(a, b)
	return a._ms == b._ms
end

function Date.__lt(a, b)
	return a._ms < b._ms
end

function Date.__le(a, b)
	return a._ms <= b._ms
end

-- Milliseconds between two dates.
function Date.__sub(a, b)
	return (type(a) == "table" and a._ms or a) - (type(b) == "table" and b._ms or b)
end

return Date
