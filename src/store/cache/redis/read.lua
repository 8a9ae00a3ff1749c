-- For each meter what is reserved and all that its hash holds.
local readings = {}
for at = 5, #KEYS do
  readings[#readings + 1] = {redis.call('HGET', RESERVED, KEYS[at]) or '0', redis.call('HGETALL', KEYS[at])}
end
return readings
