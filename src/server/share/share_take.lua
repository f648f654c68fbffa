-- SPDX-License-Identifier: Apache-2.0
-- Appends a report to the log that several servers share, all or nothing.
--
-- KEYS  1 log (stream)  2 latest (hash)  3 seen (hash)  4 finished (hash)  5 order (sorted set)
--       6 offset  7 sweep  8 kept (bytes of 4)
-- ARGV  1 node; empty: a pull that ended at 3 (ms), which counts if there is none that weighs more
--       2 agent's run; empty: 3 is its time in ms  3 sequence  4 received, ms  5 greatest age, ms
--       6 kept, ms  7 greatest size of the log  8 most finished pulls  9 how long they stay, ms
--       10 taker  11 number  12 row ids  13 report  14 greatest size of the finished pulls
--       15... id and text of each pull that ends
-- Returns the entry's id, 'old' or 'late'; behind the id how many finished pulls had to go early.
--
-- Others may have written what the keys hold. Nothing there stops a report for good: what cannot be
-- read counts for nothing, and a time that is far away goes. Only a key of another type does, until
-- somebody deletes it: then the script fails, and what it has done so far stays.
local FAR = 3600000 -- ms ahead of the clock: no report came then
local STANDS = 60000 -- ms: an agent sends something more often
local SAME = 15000 -- ms: within so long all servers have seen the same end
local COMPLETED = 2 ^ 32 -- an end that weighs as much is the last one
local EACH = 200 -- bytes of a finished pull besides its text
local OFFSET_LIMIT = 2 ^ 52 -- what is counted in a double
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local node, run, sequence = ARGV[1], ARGV[2], tonumber(ARGV[3])
local ended, before = now, ''
if now - tonumber(ARGV[4]) > tonumber(ARGV[5]) then
    return 'late'
end

-- What an agent has reported weighs more than what Kubernetes alone has said (share_waited.c), and
-- of that a further attempt more than those before, or what failed well behind them, and who knows
-- how long it was queued more than who does not.
local function weight(text)
    return tonumber(string.match(text, '^%S* {"rank":(%d+)') or '') or math.huge
end

local waited = '' -- what Kubernetes has said
if node == '' then
    ended = sequence
    waited = string.match(ARGV[16], '^%S* ([^\n]*)') or ''
    local known = redis.call('HGET', KEYS[4], ARGV[15])
    local heavier = known and weight(known) or -1
    local is_later = heavier < COMPLETED and known
        and ended - (tonumber(string.match(known, '^%d+')) or 0) > SAME
    if known and weight(ARGV[16]) <= heavier and not is_later then
        return 'old'
    end
end

-- A report of the same run of the agent counts only if it is newer, and one of the run before that
-- not any more: a server that was stopped may hold one. An agent that names no run has its own time
-- for it, which may jump. After a while without a newer one each is believed again, so that nobody
-- silences a node by one report with a number or a run that its agent does not have.
if node ~= '' then
    local seen = redis.call('HGET', KEYS[3], node) or ''
    local last_run, last, at, run_before = string.match(seen, '^(%S*) (%d+) (%d+) ?(%S*)$')
    if last_run then
        local age = now - tonumber(at)
        local stands = age >= 0 and age < (run == '' and tonumber(ARGV[5]) or STANDS)
        if stands and last_run == run and sequence <= tonumber(last) then
            return 'old'
        end
        if stands and run ~= '' and run == run_before then
            return 'late'
        end
        before = last_run == run and run_before or last_run
    end
end

-- Each entry says where it begins, counted in bytes from the log's begin: a reader sees gaps by it.
local size = #ARGV[12] + #ARGV[13] + #waited
local total = redis.pcall('INCRBY', KEYS[6], size)
if type(total) ~= 'number' or total <= size or total > OFFSET_LIMIT then
    total = now * 1000 + size -- a log that begins anew does so elsewhere
    redis.call('SET', KEYS[6], string.format('%.0f', total))
end
local entry = {'*', 'v', '1', 'o', string.format('%.0f', total - size), 's', size, 't', ARGV[10],
    'n', ARGV[11], 'i', ARGV[12], 'r', ARGV[13], 'e', node == '' and ARGV[3] or '', 'w', waited}
local id = redis.pcall('XADD', KEYS[1], unpack(entry))
local clock = type(id) == 'string' and tonumber(string.match(id, '^%d+')) -- never goes back
if not clock or clock > now + FAR then
    redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
    redis.call('XSETID', KEYS[1], string.format('%.0f-0', now))
    id = redis.call('XADD', KEYS[1], unpack(entry))
    clock = now
end
redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', clock - tonumber(ARGV[6])))
if node ~= '' then
    redis.call('HSET', KEYS[3], node, string.format('%s %s %.0f %s', run, ARGV[3], now, before))
    redis.call('HSET', KEYS[2], node, id .. '\n' .. ARGV[12] .. '\n' .. ARGV[13])
end

-- Now and then: is the log too large? Then its older half goes; the newest entry always stays.
local step = tonumber(ARGV[7]) / 16
if math.floor(total / step) ~= math.floor((total - size) / step) then
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    if total - (tonumber(oldest[2][4]) or 0) > tonumber(ARGV[7]) then
        local left = math.max(1, math.floor(redis.call('XLEN', KEYS[1]) / 2))
        redis.call('XTRIM', KEYS[1], 'MAXLEN', left)
    end
end

-- Nodes that are gone: a few are looked at with every 16th report.
if node ~= '' and sequence % 16 == 0 then
    local part = redis.pcall('HSCAN', KEYS[2], redis.call('GET', KEYS[7]) or '0', 'COUNT', 16)
    part = part.err and {'0', {}} or part
    redis.call('SET', KEYS[7], part[1])
    for i = 1, #part[2], 2 do
        local age = clock - (tonumber(string.match(part[2][i + 1], '^%d+')) or 0)
        if age > tonumber(ARGV[9]) or age < -FAR then
            redis.call('HDEL', KEYS[2], part[2][i])
            redis.call('HDEL', KEYS[3], part[2][i])
        end
    end
end

-- Finished pulls go when they are too old, too many or too large together, the oldest first, and a
-- bounded number at once.
local function size_of(id)
    local length = redis.call('HSTRLEN', KEYS[4], id)
    return length > 0 and length + EACH or 0
end

local function count(bytes)
    local kept = redis.pcall('INCRBY', KEYS[8], string.format('%.0f', bytes))
    if type(kept) ~= 'number' or kept < 0 or kept > OFFSET_LIMIT then -- begins anew
        kept = math.max(bytes, 0)
        redis.call('SET', KEYS[8], string.format('%.0f', kept))
    end
    return kept
end

local function let_go(ids)
    local bytes = 0
    for i = 1, #ids do
        bytes = bytes + size_of(ids[i])
    end
    if #ids > 0 then
        redis.call('HDEL', KEYS[4], unpack(ids))
        redis.call('ZREM', KEYS[5], unpack(ids))
    end
    return count(0 - bytes) -- of 0, -bytes would be "-0"
end

-- A pull that ends once more, since it had failed before, has ended now.
local early = 0
for i = 15, #ARGV, 2 do
    count(#ARGV[i + 1] + EACH - size_of(ARGV[i]))
    redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[5], ended, ARGV[i])
end
if #ARGV >= 15 then
    local gone = redis.call('ZRANGEBYSCORE', KEYS[5], now + FAR, '+inf', 'LIMIT', 0, 100)
    if #gone == 0 then
        gone = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now - tonumber(ARGV[9]), 'LIMIT', 0, 100)
        local surplus = redis.call('ZCARD', KEYS[5]) - #gone - tonumber(ARGV[8])
        if surplus > 0 then
            gone = redis.call('ZRANGE', KEYS[5], 0, #gone + math.min(surplus, 100) - 1)
        end
    end
    local kept = let_go(gone)
    while kept > tonumber(ARGV[14]) and early < 100 do
        local oldest = redis.call('ZRANGE', KEYS[5], 0, 0)
        if #oldest == 0 then
            redis.call('SET', KEYS[8], '0')
            break
        end
        kept = let_go(oldest)
        early = early + 1
    end
end
return early > 0 and id .. ' ' .. early or id
