return { fetch = function() return Response.new("ok") end }
