-- KEYS: next. ARGV: first, next, topic, partition, time to live (ms), then items:
--   R offset row-key ref-key head window n name value ... (n names and values)
--   D offset ref-key
local stored = redis.call('GET', KEYS[1])
local from = -1
if stored then
  from = tonumber(stored)
  if from < tonumber(ARGV[1]) then
    return redis.error_reply('GAP ' .. stored)
  end
  if from >= tonumber(ARGV[2]) then
    return stored
  end
end
local topic, partition, ttl = ARGV[3], ARGV[4], tonumber(ARGV[5])

-- older says whether a key holds a row of this topic partition with a smaller offset.
local function older(key, offset)
  local was = redis.call('HMGET', key, 'topic', 'partition', 'offset')
  return was[1] == topic and was[2] == partition and tonumber(was[3]) < offset
end

local function drop(ref, key)
  redis.call('DEL', key)
  redis.call('SREM', ref, key)
end

local i = 6
while i <= #ARGV do
  local kind, offset = ARGV[i], tonumber(ARGV[i + 1])
  if kind == 'D' then
    local ref = ARGV[i + 2]
    if offset >= from then
      for _, key in ipairs(redis.call('SMEMBERS', ref)) do
        if redis.call('EXISTS', key) == 0 then
          redis.call('SREM', ref, key)
        elseif older(key, offset) then
          drop(ref, key)
        end
      end
    end
    i = i + 3
  else
    local key, ref, head, window, n = ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], tonumber(ARGV[i + 6])
    local was = redis.call('HMGET', key, 'topic', 'partition', 'offset')
    local newer = was[1] == topic and was[2] == partition and tonumber(was[3]) > offset
    if offset >= from and not newer then
      redis.call('DEL', key)
      redis.call('HSET', key, unpack(ARGV, i + 7, i + 6 + 2 * n))
      redis.call('SADD', ref, key)
      if ttl > 0 then
        redis.call('PEXPIRE', key, ttl)
        redis.call('PEXPIRE', ref, ttl)
      end
      if window == '0' then
        for _, other in ipairs(redis.call('SMEMBERS', ref)) do
          if other ~= key and redis.call('HGET', other, 'head') == head and older(other, offset) then
            drop(ref, other)
          end
        end
      end
    end
    i = i + 7 + 2 * n
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
