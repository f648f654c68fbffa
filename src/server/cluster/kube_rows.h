// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CLUSTER_KUBE_ROWS_H
#define PT_SERVER_CLUSTER_KUBE_ROWS_H

#include "server/correlate/correlate.h"
#include "server/store/pull_store.h"

// Brings store and correlate together: what agents report goes to correlate, what it concludes
// goes to the store's rows.

// From now on correlate learns of the store's pulls. Both must outlive the other's use.
void pt_kube_rows_attach(struct pt_pull_store *store, struct pt_correlate *correlate);

#endif
