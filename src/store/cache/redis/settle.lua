-- ARGV: id; then for each meter: kind, place, time to live, amount.
if not unreserve(ARGV[1]) then return 0 end
for at = 5, #KEYS do
  local arg = 1 + (at - 5) * 4
  local place, _, fresh = advance(KEYS[at], ARGV[arg + 1], tonumber(ARGV[arg + 2]), ARGV[arg + 3])
  spend(KEYS[at], place, ARGV[arg + 3], ARGV[arg + 4], fresh)
end
return 1
