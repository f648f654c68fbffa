// SPDX-License-Identifier: Apache-2.0
#include "server/cluster/kube_rows.h"

static bool hold_back(void *context, const char *node_name, const char *key,
                      const struct pt_pull *reported, bool is_older)
{
    return pt_correlate_hold_back(context, node_name, key, reported, is_older);
}

static void take_over_row(void *context, const char *node_name, const struct pt_pull *reported,
                          struct pt_row_taken *ret_taken)
{
    pt_correlate_take_over_row(context, node_name, reported, ret_taken);
}

static void on_named(void *context, const char *node_name, const char *key,
                     const struct pt_pull *pull)
{
    pt_correlate_pull(context, node_name, key, pull);
}

static void on_gone(void *context, const char *node_name, const char *key)
{
    pt_correlate_pull_gone(context, node_name, key);
}

void pt_kube_rows_attach(struct pt_pull_store *store, struct pt_correlate *correlate)
{
    const struct pt_store_hooks hooks = {.hold_back = hold_back,
                                         .take_over_row = take_over_row,
                                         .on_named = on_named,
                                         .on_gone = on_gone,
                                         .context = correlate};
    pt_store_set_hooks(store, &hooks);
}
