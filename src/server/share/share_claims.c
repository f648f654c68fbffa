// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_claims.h"

#include "base/limits.h"
#include "base/metric_text.h"
#include "server/share/share_keys.h"
#include "server/valkey/resp.h"
#include "server/valkey/valkey_link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define KEPT_S "3600" // the others' Kubernetes is no later than that

struct made {
    struct pt_share_claims *claims;
    struct pt_share_claim claim;
    size_t size; // of all of it
    LIST_ENTRY(made) link;
    char json[];
};

struct pt_share_claims {
    const char *prefix;
    pt_share_won_fn *on_won;
    void *context;
    LIST_HEAD(, made) under_way;
    size_t bytes; // of these
    uint64_t unclaimed;
};

struct pt_share_claims *pt_share_claims_create(const char *prefix, pt_share_won_fn *on_won,
                                               void *context)
{
    struct pt_share_claims *claims = calloc(1, sizeof(*claims));
    if (!claims)
        return NULL;
    claims->prefix = prefix;
    claims->on_won = on_won;
    claims->context = context;
    LIST_INIT(&claims->under_way);
    return claims;
}

void pt_share_claims_destroy(struct pt_share_claims *claims)
{
    struct made *made;
    if (!claims)
        return;
    while ((made = LIST_FIRST(&claims->under_way))) {
        LIST_REMOVE(made, link);
        free(made);
    }
    free(claims);
}

// OK: it is ours; nil: another one has it. Where nobody knows it counts: rather twice than never.
static bool on_answer(void *context, struct pt_resp_value *reply)
{
    struct made *made = context;
    struct pt_share_claims *claims = made->claims;
    LIST_REMOVE(made, link);
    claims->bytes -= made->size;
    claims->unclaimed += !reply || reply->kind == PT_RESP_ERROR;
    if (!reply || reply->kind != PT_RESP_NIL)
        claims->on_won(claims->context, &made->claim);
    free(made);
    return false;
}

static int send_claim(struct made *made, struct pt_valkey_link *link)
{
    char key[PT_SHARE_CLAIM_KEY_SIZE];
    const struct pt_share_claim *claim = &made->claim;
    pt_share_claim_key_write(made->claims->prefix, claim->id, claim->type, claim->attempt, key);
    const struct pt_valkey_argument set[] = {pt_valkey_text("SET"), pt_valkey_text(key),
                                             pt_valkey_text("1"),   pt_valkey_text("NX"),
                                             pt_valkey_text("EX"),  pt_valkey_text(KEPT_S)};
    return pt_valkey_link_send(link, set, 6, on_answer, made);
}

void pt_share_claims_make(struct pt_share_claims *claims, struct pt_valkey_link *link,
                          const struct pt_share_claim *claim)
{
    size_t length = strlen(claim->json) + 1, size = sizeof(struct made) + length;
    bool has_room = claims->bytes + size <= PT_LIMIT_SHARE_CLAIMS_BYTES;
    struct made *made = has_room ? malloc(size) : NULL;
    if (made) {
        made->claims = claims;
        made->claim = *claim;
        made->size = size;
        made->claim.json = memcpy(made->json, claim->json, length);
        if (send_claim(made, link) == 0) {
            LIST_INSERT_HEAD(&claims->under_way, made, link);
            claims->bytes += size;
            return;
        }
        free(made);
    }
    claims->unclaimed++;
    claims->on_won(claims->context, claim);
}

void pt_share_claims_write_metrics(const struct pt_share_claims *claims, struct pt_buffer *out)
{
    pt_metric_number(out, "pulltrace_share_outcomes_unclaimed_total", "counter",
                     "Outcomes that this server counted though others may have, too: they could "
                     "not be claimed.",
                     claims->unclaimed);
}
