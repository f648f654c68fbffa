// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CLUSTER_KUBE_ROWS_H
#define PT_SERVER_CLUSTER_KUBE_ROWS_H

#include "server/correlate/correlate.h"
#include "server/store/pull_store.h"

// Brings store and correlate together: what agents tell goes to correlate, what it concludes
// goes to the store's rows.

// Tells correlate of the store's pulls from now on. Both must outlive the other's use.
void pt_kube_rows_attach(struct pt_pull_store *store, struct pt_correlate *correlate);

// What correlate tells; a row that the store has no room for is left out.
void pt_kube_rows_on_join(struct pt_pull_store *store, const char *node_name, const char *key,
                          const struct pt_join *join);
void pt_kube_rows_on_row(struct pt_pull_store *store, const struct pt_image_row *row);

#endif
