// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_keys.h"

#include <stdio.h>

void pt_share_key_write(const char *prefix, enum pt_share_key key,
                        char text[static PT_SHARE_KEY_SIZE])
{
    static const char *const names[PT_SHARE_KEY_COUNT] = {
        [PT_SHARE_KEY_LOG] = "log",     [PT_SHARE_KEY_LATEST] = "latest",
        [PT_SHARE_KEY_SEEN] = "seen",   [PT_SHARE_KEY_FINISHED] = "finished",
        [PT_SHARE_KEY_ORDER] = "order", [PT_SHARE_KEY_OFFSET] = "offset",
        [PT_SHARE_KEY_SWEEP] = "sweep", [PT_SHARE_KEY_KEPT] = "kept",
    };
    snprintf(text, PT_SHARE_KEY_SIZE, "{%s}:%s", prefix, names[key]);
}

void pt_share_keys_write(const char *prefix,
                         char texts[static PT_SHARE_KEY_COUNT][PT_SHARE_KEY_SIZE])
{
    for (size_t i = 0; i < PT_SHARE_KEY_COUNT; i++)
        pt_share_key_write(prefix, (enum pt_share_key)i, texts[i]);
}

void pt_share_claim_key_write(const char *prefix, const char *id, enum pt_event_type type,
                              int64_t attempt, char text[static PT_SHARE_CLAIM_KEY_SIZE])
{
    snprintf(text, PT_SHARE_CLAIM_KEY_SIZE, "{%s}:attempt:%s:%d:%lld", prefix, id, (int)type,
             (long long)attempt);
}
