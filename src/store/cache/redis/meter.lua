-- What every step knows. KEYS: 1 reserved (hash: meter -> amount), 2 held (hash: id -> its draws), 3 leases (sorted set: id by the
-- end of its lease), 4 scratch, 5 and on one hash for each meter named: p the latest place, s what is spent in the window, and an
-- amount under the number of each place. Amounts are strings throughout: the server adds in 64 bits, Lua in 53.
local RESERVED, HELD, LEASES, SCRATCH = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local SLOTS = 60
local EXACT = 4503599627370496

local function name(place) return string.format('%.0f', place) end

-- Takes an amount off; the server knows no minus zero.
local function subtract(key, field, amount)
  if amount ~= '0' then redis.call('HINCRBY', key, field, '-' .. amount) end
end

-- Forgets what left the window when a place began. Gives the latest place, which may be later than that, what is spent, and
-- whether the meter holds nothing yet. Where something stays its time to live begins anew.
local function advance(key, kind, place, ttl)
  local stands = redis.call('HMGET', key, 'p', 's')
  local latest, spent = tonumber(stands[1] or place), stands[2] or '0'
  if place <= latest then return latest, spent, not stands[1] end
  if kind == 'c' or place - latest > SLOTS then
    redis.call('DEL', key)
    return place, '0', true
  end
  local gone = {}
  for old = latest - SLOTS, place - SLOTS - 1 do gone[#gone + 1] = name(old) end
  for at, amount in ipairs(redis.call('HMGET', key, unpack(gone))) do
    if amount then
      subtract(key, 's', amount)
      redis.call('HDEL', key, gone[at])
    end
  end
  redis.call('HSET', key, 'p', name(place))
  redis.call('PEXPIRE', key, ttl)
  return place, redis.call('HGET', key, 's') or '0', false
end

local function spend(key, place, ttl, amount, fresh)
  redis.call('HINCRBY', key, 's', amount)
  redis.call('HINCRBY', key, name(place), amount)
  if fresh then
    redis.call('HSET', key, 'p', name(place))
    if ttl ~= '0' then redis.call('PEXPIRE', key, ttl) end
  end
end

-- Whether an amount does not fit. Beyond what Lua counts exactly the server adds it up.
local function over(spent, reserved, amount, limit)
  local sum = tonumber(spent) + tonumber(reserved) + tonumber(amount)
  if sum < EXACT or tonumber(limit) < EXACT then return sum > tonumber(limit) end
  redis.call('SET', SCRATCH, spent)
  redis.call('DECRBY', SCRATCH, limit)
  redis.call('INCRBY', SCRATCH, reserved)
  local left = redis.call('INCRBY', SCRATCH, amount)
  redis.call('DEL', SCRATCH)
  return left > 0
end

-- What stands for a reservation whose lease is over.
local function lapsed(id) return HELD .. ':' .. id end

-- Ends a reservation; whether there was one.
local function unreserve(id)
  local draws = redis.call('HGET', HELD, id)
  redis.call('ZREM', LEASES, id)
  if not draws then return false end
  for key, amount in string.gmatch(draws, '(%S+) (%d+)\n') do
    if redis.call('HINCRBY', RESERVED, key, '-' .. amount) <= 0 then redis.call('HDEL', RESERVED, key) end
  end
  redis.call('HDEL', HELD, id)
  return true
end
