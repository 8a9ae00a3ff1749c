-- ARGV: id, end of the lease, the draws to hold; then for each meter: kind, place, time to live, whether it is spent at once,
-- amount, limit.
local id, until_ms, draws = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HEXISTS', HELD, id) == 1 then return {'held'} end
local reserved = #KEYS > 4 and redis.call('HMGET', RESERVED, unpack(KEYS, 5)) or {}
local places, fresh, asked, rooms, refused = {}, {}, {}, {}, {}
for at = 5, #KEYS do
  local key, arg = KEYS[at], 3 + (at - 5) * 6
  local place, spent, new = advance(key, ARGV[arg + 1], tonumber(ARGV[arg + 2]), ARGV[arg + 3])
  local held, earlier = reserved[at - 4] or '0', asked[key] or 0
  local sum = earlier + tonumber(ARGV[arg + 5])
  places[at], fresh[at] = place, new
  if over(spent, held, name(sum), ARGV[arg + 6]) then
    refused[#refused + 1] = {at - 5, held, name(earlier), redis.call('HGETALL', key)}
  elseif #refused == 0 then
    asked[key] = sum
    rooms[#rooms + 1] = {spent, held, name(sum), name(place)}
  end
end
if #refused > 0 then return {'refused', refused} end
for at = 5, #KEYS do
  local key, arg = KEYS[at], 3 + (at - 5) * 6
  local amount = ARGV[arg + 5]
  if ARGV[arg + 4] == '1' then
    spend(key, places[at], ARGV[arg + 3], amount, fresh[at])
  elseif amount ~= '0' then
    redis.call('HINCRBY', RESERVED, key, amount)
  end
end
redis.call('HSET', HELD, id, draws)
redis.call('ZADD', LEASES, until_ms, id)
return {'admitted', rooms}
