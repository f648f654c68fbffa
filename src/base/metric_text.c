// SPDX-License-Identifier: Apache-2.0
#include "base/metric_text.h"

void pt_metric_head(struct pt_buffer *out, const char *name, const char *type, const char *help)
{
    (void)pt_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void pt_metric_number(struct pt_buffer *out, const char *name, const char *type, const char *help,
                      uint64_t value)
{
    pt_metric_head(out, name, type, help);
    (void)pt_buffer_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

void pt_metric_real(struct pt_buffer *out, const char *name, const char *type, const char *help,
                    double value)
{
    pt_metric_head(out, name, type, help);
    (void)pt_buffer_printf(out, "%s %.15g\n", name, value);
}
