// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FILL_FIELDS_H
#define PT_TESTS_FILL_FIELDS_H

#include "pull/fields.h"

#include <stdio.h>

// Sets each field of an object to a value of its own; `texts` are the texts, which borrow.
static inline void fill_fields(const struct pt_fields *fields, void *object, char texts[][24])
{
    for (size_t i = 0; i < fields->count; i++) {
        void *place = (char *)object + fields->rows[i].offset;
        switch (fields->rows[i].kind) {
        case PT_FIELD_TEXT:
            snprintf(texts[i], sizeof(texts[i]), "host/text-%zu", i);
            *(const char **)place = texts[i];
            break;
        case PT_FIELD_INTEGER:
        case PT_FIELD_COUNT:
            *(int64_t *)place = (int64_t)i + 1;
            break;
        case PT_FIELD_TIME:
            *(int64_t *)place = (int64_t)(i + 1) * 1000000000;
            break;
        case PT_FIELD_NUMBER:
        case PT_FIELD_SPEED:
            *(double *)place = (double)i + 1;
            break;
        case PT_FIELD_BOOL:
            *(bool *)place = true;
            break;
        case PT_FIELD_WORD:
            *(unsigned *)place = (unsigned)fields->rows[i].words->count - 1;
            while (!fields->rows[i].words->words[*(unsigned *)place])
                --*(unsigned *)place;
            break;
        case PT_FIELD_HOST:
        case PT_FIELD_OBJECT:
        case PT_FIELD_LIST:
            break;
        }
    }
}

#endif
