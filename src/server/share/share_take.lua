-- SPDX-License-Identifier: Apache-2.0
-- Appends a report to the log that several servers share, all or nothing.
--
-- KEYS  1 log (stream)  2 latest (hash)  3 seen (hash)  4 finished (hash)  5 order (sorted set)
--       6 offset
-- ARGV  1 node  2 agent's run  3 sequence  4 received, ms  5 greatest age, ms  6 kept, ms
--       7 greatest size of the log  8 most finished pulls  9 how long they stay, ms
--       10 taker  11 number  12 row ids  13 report  14... id and text of each pull that ends
-- Returns the entry's id, or 'old'.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(ARGV[4]) > tonumber(ARGV[5]) then
    return 'old'
end

-- A report of the same run of the agent counts only if it is newer.
local seen = redis.call('HGET', KEYS[3], ARGV[1])
if seen and ARGV[2] ~= '' then
    local run, sequence = string.match(seen, '^(%S+) (%d+)$')
    if run == ARGV[2] and tonumber(ARGV[3]) <= tonumber(sequence) then
        return 'old'
    end
end
if ARGV[2] ~= '' then
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
end

-- Each entry says where it begins, counted in bytes from the log's begin: a reader sees gaps by it.
local size = #ARGV[12] + #ARGV[13]
local total = redis.call('INCRBY', KEYS[6], size)
local id = redis.call('XADD', KEYS[1], 'MINID', '~', now - tonumber(ARGV[6]), '*',
    'v', '1', 'o', string.format('%.0f', total - size), 's', size,
    't', ARGV[10], 'n', ARGV[11], 'i', ARGV[12], 'r', ARGV[13])
redis.call('HSET', KEYS[2], ARGV[1], id .. '\n' .. ARGV[12] .. '\n' .. ARGV[13])

-- Now and then: is the log too large? Then its older half goes; the newest entry always stays.
local step = tonumber(ARGV[7]) / 16
if math.floor(total / step) ~= math.floor((total - size) / step) then
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    if total - tonumber(oldest[2][4]) > tonumber(ARGV[7]) then
        local left = math.max(1, math.floor(redis.call('XLEN', KEYS[1]) / 2))
        redis.call('XTRIM', KEYS[1], 'MAXLEN', left)
    end
end

for i = 14, #ARGV, 2 do
    redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[5], now, ARGV[i])
end
if #ARGV >= 14 then
    local gone = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now - tonumber(ARGV[9]), 'LIMIT', 0, 100)
    local surplus = redis.call('ZCARD', KEYS[5]) - #gone - tonumber(ARGV[8])
    if surplus > 0 then
        gone = redis.call('ZRANGE', KEYS[5], 0, #gone + math.min(surplus, 100) - 1)
    end
    if #gone > 0 then
        redis.call('HDEL', KEYS[4], unpack(gone))
        redis.call('ZREM', KEYS[5], unpack(gone))
    end
end
return id
