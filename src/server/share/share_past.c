// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_past.h"

#include "base/hash.h"
#include "base/limits.h"
#include "server/valkey/resp.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int pt_share_past_init(struct pt_share_past *past)
{
    *past = (struct pt_share_past){0};
    pt_key_set_init(&past->seen);
    past->wanted = calloc(PT_LIMIT_SHARE_FINISHED, sizeof(*past->wanted));
    return past->wanted ? 0 : -ENOMEM;
}

void pt_share_past_finish(struct pt_share_past *past)
{
    pt_key_set_finish(&past->seen);
    free(past->wanted);
    *past = (struct pt_share_past){0};
}

void pt_share_past_walk(struct pt_share_past *past)
{
    past->rank = past->count = 0;
    past->is_over = false;
}

void pt_share_past_forget(struct pt_share_past *past)
{
    pt_key_set_finish(&past->seen);
}

static uint64_t key_of(const char *id)
{
    uint64_t key = pt_hash_bytes(PT_HASH_EMPTY, id, PT_PULL_ID_LENGTH);
    return key ? key : 1; // 0 is none
}

static bool is_id(const struct pt_resp_value *value)
{
    return value->kind == PT_RESP_TEXT && value->length == PT_PULL_ID_LENGTH &&
           strspn(value->text, "0123456789abcdef") == PT_PULL_ID_LENGTH;
}

int pt_share_past_note(struct pt_share_past *past, const struct pt_resp_value *ids,
                       pt_share_has_end_fn *has_end, void *context)
{
    int invalid = 0;
    if (ids->count > PT_LIMIT_SHARE_FINISHED - past->count)
        return -EMSGSIZE;
    past->rank += ids->count;
    for (size_t i = 0; i < ids->count; i++) {
        const char *id = ids->items[i].text;
        invalid += !is_id(&ids->items[i]);
        if (!is_id(&ids->items[i]) || pt_key_set_find(&past->seen, key_of(id)))
            continue;
        int r = pt_key_set_add(&past->seen, key_of(id), 0, 0);
        if (r < 0)
            return r;
        if (!has_end || !has_end(context, id))
            memcpy(past->wanted[past->count++], id, PT_PULL_ID_SIZE);
    }
    return invalid;
}

void pt_share_past_take(struct pt_share_past *past, size_t count)
{
    past->count -= count < past->count ? count : past->count;
}
