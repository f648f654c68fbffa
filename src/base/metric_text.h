// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_METRIC_TEXT_H
#define PT_BASE_METRIC_TEXT_H

#include "base/buffer.h"

#include <stdint.h>

// Metrics in the text format
// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format). What does not
// fit shows as the buffer's failure.

// What comes before the samples of a metric; `type`: counter, gauge or histogram.
void pt_metric_head(struct pt_buffer *out, const char *name, const char *type, const char *help);

// A metric of one sample, without labels.
void pt_metric_number(struct pt_buffer *out, const char *name, const char *type, const char *help,
                      uint64_t value);

// Likewise, of a value that may have a fraction, as of seconds.
void pt_metric_real(struct pt_buffer *out, const char *name, const char *type, const char *help,
                    double value);

#endif
