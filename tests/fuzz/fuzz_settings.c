// SPDX-License-Identifier: Apache-2.0
#include "base/duration.h"
#include "base/settings.h"
#include "base/timestamp.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The small parsers of text: none reads too far, none gives a value out of its range.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ns;
    if (pt_duration_parse((const char *)data, size, &ns) == 0)
        assert(ns >= 0);
    if (pt_timestamp_parse((const char *)data, size, &ns) == 0)
        assert(ns >= 0);
    char *text = malloc(size + 1);
    char *clean = malloc(size + 1);
    if (text && clean) {
        memcpy(text, data, size);
        text[size] = '\0';
        struct pt_address address;
        if (pt_address_parse(text, &address) == 0)
            assert(address.port > 0 && strlen(address.host) < sizeof(address.host));
        pt_utf8_clean(text, clean, size + 1);
        assert(pt_utf8_is_valid(clean));
    }
    free(text);
    free(clean);
    return 0;
}
