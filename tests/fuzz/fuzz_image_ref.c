// SPDX-License-Identifier: Apache-2.0
#include "pull/image_ref.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Normalizing twice changes nothing.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[2 * PT_LIMIT_REFERENCE_BYTES];
    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    struct pt_image_ref ref, again;
    char first[PT_IMAGE_REF_SIZE], second[PT_IMAGE_REF_SIZE];
    if (pt_image_ref_parse(text, &ref) < 0)
        return 0;
    pt_image_ref_format(&ref, first);
    int r = pt_image_ref_parse(first, &again);
    assert(r == 0);
    assert(strcmp(pt_image_ref_format(&again, second), first) == 0);
    return 0;
}
