// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"

#include "containerd/snapshotters.h"

// A pull of which nothing changes for minutes may be dead, or in the middle of one large layer. Two
// things may still be seen. An extraction writes into a snapshot that the lease holds, so its usage
// grows; asking for that makes the snapshotter look through its files, so it is asked seldom, and
// only of a pull that would soon be given up. And a snapshotter that fetches layers by itself works
// inside of a call to it, of which nothing is seen until it returns.

// Before the tracker gives a pull up (PATIENCE_NS of track_end.c), usage is asked for three times.
#define STILL_NS (7 * 60 * PT_NS_PER_S / PT_PATIENCE_DIVISOR)
#define ASK_USAGE_EVERY_NS (60 * PT_NS_PER_S / PT_PATIENCE_DIVISOR)

static uint64_t sign_of(const struct pt_seen_lease *seen)
{
    uint64_t sign = seen->fingerprint;
    for (size_t i = 0; i < seen->layer_count; i++)
        sign += (uint64_t)seen->layers[i].offset;
    return sign;
}

// Its manifest is known, nothing of it is being fetched, and a layer is not extracted. One of
// containerd's own shows in the lease at once; until any does, another may be in its first call,
// unless containerd has begun to fetch.
static bool may_be_silent(struct pt_round *round, struct pt_lease *lease)
{
    bool is_done = true, has_fetched = false;
    for (size_t i = 0; i < lease->seen.layer_count; i++) {
        const struct pt_seen_layer *layer = &lease->seen.layers[i];
        if (layer->has_ingest && layer->owns_ingest)
            return false;
        has_fetched |= layer->ingest_started_at != 0;
        is_done &= layer->extracted_at != 0;
    }
    bool is_own = pt_snapshotter_of(pt_round_snapshotter(round, lease))->is_own;
    return lease->seen.layers_known && !is_done &&
           (!is_own || (!lease->snapshotter && !has_fetched));
}

// Nobody asks for the snapshot of a layer that is committed with events.
static void note_snapshotter(struct pt_lease *lease, const struct pt_snapshotter *snapshotter)
{
    lease->seen.copies_layers = lease->snapshotter && snapshotter->copies;
    lease->seen.brings_layers = snapshotter->has_cache || !snapshotter->is_own;
    for (size_t i = 0; snapshotter->has_cache && i < lease->seen.layer_count; i++)
        lease->seen.layers[i].brought = PT_SOURCE_SNAPSHOTTER_CACHE;
}

static void take_usage(struct pt_ask *ask, const void *message)
{
    const Ctrd__UsageResponse *usage = message;
    struct pt_lease *lease = ask->lease;
    if (!usage || pt_lease_size(usage->size) < 0)
        return;
    lease->notes[ask->index].written_bytes = usage->size;
    lease->seen.written_bytes = 0;
    for (size_t i = 0; i < lease->seen.layer_count; i++)
        lease->seen.written_bytes += lease->notes[i].written_bytes;
}

static void ask_usage(struct pt_round *round, struct pt_lease *lease)
{
    lease->usage_asked_ns = round->began_ns;
    for (size_t i = 0; i < lease->seen.layer_count; i++) {
        const struct pt_layer_notes *notes = &lease->notes[i];
        if (notes->extraction == PT_EXTRACTION_HELD && lease->seen.layers[i].extracted_at == 0)
            PT_ASK_OPTIONAL(&round->asks, lease, i, take_usage, pt_containerd_snapshot_usage,
                            lease->seen.namespace, pt_round_snapshotter(round, lease),
                            notes->held_key);
    }
}

void pt_round_ask_usage(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        uint64_t sign = sign_of(&lease->seen);
        if (sign != lease->sign)
            lease->changed_ns = round->began_ns;
        lease->sign = sign;
        note_snapshotter(lease, pt_snapshotter_of(pt_round_snapshotter(round, lease)));
        lease->seen.may_be_silent = lease->is_pull && may_be_silent(round, lease);
        if (lease->is_pull && pt_lease_is_listed(lease) &&
            pt_round_has_passed(round, lease->changed_ns, STILL_NS) &&
            pt_round_has_passed(round, lease->usage_asked_ns, ASK_USAGE_EVERY_NS))
            ask_usage(round, lease);
    }
}
