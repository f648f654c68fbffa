// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "pull/report.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What is accepted can be written, and what was written reads back to the same text.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_report report, again;
    if (pt_report_decode((const char *)data, size, &report, NULL) < 0)
        return 0;
    struct pt_buffer first, second;
    pt_buffer_init(&first, 4 * PT_LIMIT_REPORT_BYTES);
    pt_buffer_init(&second, 4 * PT_LIMIT_REPORT_BYTES);
    int r = pt_report_encode(&report, &first);
    assert(r == 0);
    if (first.length <= PT_LIMIT_REPORT_BYTES) {
        r = pt_report_decode(first.data, first.length, &again, NULL);
        assert(r == 0);
        r = pt_report_encode(&again, &second);
        assert(r == 0 && strcmp(first.data, second.data) == 0);
        pt_report_finish(&again);
    }
    pt_report_finish(&report);
    pt_buffer_finish(&first);
    pt_buffer_finish(&second);
    return 0;
}
