-- ARGV: now, how many at most.
local ended = redis.call('ZRANGEBYSCORE', LEASES, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ended) do unreserve(id) end
return ended
