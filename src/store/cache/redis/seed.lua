-- ARGV: kind, place, time to live, amount.
local key, place = KEYS[5], tonumber(ARGV[2])
local latest, _, fresh = advance(key, ARGV[1], place, ARGV[3])
if place < latest and (ARGV[1] ~= 's' or place < latest - SLOTS) then return 0 end
subtract(key, 's', redis.call('HGET', key, name(place)) or '0')
redis.call('HDEL', key, name(place))
spend(key, place, ARGV[3], ARGV[4], fresh)
return 1
