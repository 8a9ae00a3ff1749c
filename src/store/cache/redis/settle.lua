-- ARGV: id; then for each meter: kind, place, time to live, amount.
-- A lease that was over has given its room back; the call's end is spent all the same, once.
if not unreserve(ARGV[1]) and redis.call('DEL', lapsed(ARGV[1])) == 0 then return 0 end
for at = 5, #KEYS do
  local arg = 1 + (at - 5) * 4
  local place, _, fresh = advance(KEYS[at], ARGV[arg + 1], tonumber(ARGV[arg + 2]), ARGV[arg + 3])
  spend(KEYS[at], place, ARGV[arg + 3], ARGV[arg + 4], fresh)
end
return 1
