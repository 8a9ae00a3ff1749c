-- All reserved amounts, and all draws held.
return {redis.call('HGETALL', RESERVED), redis.call('HVALS', HELD)}
