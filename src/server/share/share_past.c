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

// Returns whether no walk has seen that end; -ENOMEM.
static int see(struct pt_share_past *past, const char *id, const struct pt_resp_value *ended)
{
    int64_t ended_ms = ended->kind == PT_RESP_TEXT ? strtoll(ended->text, NULL, 10) : 0;
    struct pt_key_slot *slot = pt_key_set_find(&past->seen, key_of(id));
    if (!slot) {
        int r = pt_key_set_add(&past->seen, key_of(id), ended_ms, 0);
        return r < 0 ? r : 1;
    }
    bool is_new = slot->since != ended_ms;
    slot->since = ended_ms;
    return is_new;
}

int pt_share_past_note(struct pt_share_past *past, const struct pt_resp_value *ends,
                       pt_share_has_end_fn *has_end, void *context)
{
    int invalid = 0;
    size_t count = ends->count / 2;
    if (count > PT_LIMIT_SHARE_FINISHED - past->count)
        return -EMSGSIZE;
    past->rank += count;
    for (size_t i = 0; i < count; i++) {
        const struct pt_resp_value *id = &ends->items[2 * i];
        int r = is_id(id) ? see(past, id->text, id + 1) : 0;
        if (r < 0)
            return r;
        invalid += !is_id(id);
        if (r > 0 && (!has_end || !has_end(context, id->text)))
            memcpy(past->wanted[past->count++], id->text, PT_PULL_ID_SIZE);
    }
    return invalid;
}

void pt_share_past_take(struct pt_share_past *past, size_t count)
{
    past->count -= count < past->count ? count : past->count;
}
