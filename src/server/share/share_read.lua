-- SPDX-License-Identifier: Apache-2.0
-- Reads what is beside the log, part by part, and where the log ends.
--
-- KEYS  1 log (stream)  2 latest (hash)  3 finished (hash)  4 order (sorted set)
-- ARGV  1 what  2 greatest size of a text  3 of all together  4 from  5 to
-- Returns for 'newest' a list with the log's last entry, or an empty one; for 'latest' what HSCAN
-- does, from the cursor 4, about 5 of them; for 'finished' those between two ranks, the newest first:
-- so none is passed over when old ones go.
-- A text that is larger than any that a server has written is empty, so that the others can be read.
local what, left = ARGV[1], tonumber(ARGV[3])
local answer, texts
if what == 'newest' then
    answer = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
    texts = answer[1] and answer[1][2] or {}
elseif what == 'latest' then
    answer = redis.call('HSCAN', KEYS[2], ARGV[4], 'COUNT', ARGV[5])
    texts = answer[2]
else
    local ids = redis.call('ZREVRANGE', KEYS[4], ARGV[4], ARGV[5])
    answer = #ids > 0 and redis.call('HMGET', KEYS[3], unpack(ids)) or ids
    texts = answer
end
for i = 1, #texts do
    local size = texts[i] and #texts[i]
    if not size or size > tonumber(ARGV[2]) or size > left then
        texts[i], size = '', 0
    end
    left = left - size
end
return answer
