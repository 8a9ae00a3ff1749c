-- ARGV: now, how many at most, how long the end of a call is still spent whose lease is over.
local ended = redis.call('ZRANGEBYSCORE', LEASES, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ended) do
  if unreserve(id) then redis.call('SET', lapsed(id), '', 'PX', ARGV[3]) end
end
return ended
