// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_LEGACY_REPORT_H
#define PT_PULL_LEGACY_REPORT_H

#include "base/error.h"
#include "pull/report.h"

#define PT_MERGED_IMAGE_REF "__pulling__"

// What agents that send only the first fields of the format report of content without a name
// (`layer-sha256:…`, …) becomes one pull, all layers together. It borrows from the report, except
// for the array of layers, which the caller frees. No such entry: *ret_pull has no image_ref.
PT_MUST_CHECK int pt_legacy_merge(const struct pt_report *report, struct pt_pull *ret_pull);

// Whether this entry belongs to the merged pull.
bool pt_legacy_is_merged(const struct pt_pull *reported);

#endif
