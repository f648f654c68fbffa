-- SPDX-License-Identifier: Apache-2.0
-- Reads what is beside the log, part by part, and where the log ends.
--
-- KEYS  1 log (stream)  2 latest (hash)  3 finished (hash)  4 order (sorted set)
-- ARGV  1 what  2 greatest size of a text  3 of all together  4 what an answer is meant to hold
--       5... as it is asked for
-- Returns for 'newest' a list with the log's last entry, or an empty one; for 'latest', from the
-- cursor 5 of HSCAN on, the next cursor and some texts; for 'ids' those of the finished pulls between
-- the ranks 5 and 6, each with when it ended, the newest first: so none is passed over when old ones
-- go; for 'finished' the texts under the ids 5..., the last ones first, and one at least.
-- A text that is not there any more is empty; one that is larger than any that a server has written
-- is a dash, so that the others can be read.
local what, most, left, meant = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local rest = left - meant

local function take(text)
    if not text then
        return ''
    end
    if #text > most or #text > left then
        return '-'
    end
    left = left - #text
    return text
end

local texts = {}
if what == 'latest' then
    local cursor = ARGV[5]
    repeat
        local part = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', 4)
        cursor = part[1]
        for i = 2, #part[2], 2 do
            texts[#texts + 1] = take(part[2][i])
        end
    until cursor == '0' or left <= rest or #texts >= 4096
    return {cursor, texts}
end
if what == 'finished' then
    for i = #ARGV, 5, -1 do
        texts[#texts + 1] = take(redis.call('HGET', KEYS[3], ARGV[i]))
        if left <= rest then
            break
        end
    end
    return texts
end
local answer
if what == 'ids' then
    answer = redis.call('ZREVRANGE', KEYS[4], ARGV[5], ARGV[6], 'WITHSCORES')
    texts = answer
else
    answer = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
    texts = answer[1] and answer[1][2] or {}
end
for i = 1, #texts do
    texts[i] = take(texts[i])
end
return answer
