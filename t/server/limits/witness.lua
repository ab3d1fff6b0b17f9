-- witness.lua -- an object beside the ones that misbehave: is it still there, and what does it know?

local Witness = DurableObject:extend "Witness"

function Witness:constructor(ctx, env)
	self:super(ctx, env)
	self.storage = ctx.storage
	self.calls = 0
end

function Witness:add()
	self.calls = self.calls + 1
	local n = (self.storage:get "count" or 0) + 1
	self.storage:put("count", n)
	return { memory = self.calls, stored = n }
end

function Witness:waits(ms)
	console.log("I wait")
	sleep(ms)
	return "waited"
end

return Witness
