-- KEYS: 1 the value. ARGV: what to do, what must stand there, then the new value and perhaps its time to live, or the time to live.
local stands = redis.call('GET', KEYS[1])
if ARGV[1] == 'swap' then
  if stands ~= ARGV[2] then return 0 end
  if ARGV[4] then
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  else
    redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
  end
elseif ARGV[1] == 'lock' then
  if stands and stands ~= ARGV[2] then return 0 end
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  if stands ~= ARGV[2] then return 0 end
  redis.call('DEL', KEYS[1])
end
return 1
