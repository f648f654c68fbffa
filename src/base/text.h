// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_TEXT_H
#define PT_BASE_TEXT_H

#include "base/error.h"

#include <stdbool.h>

// Makes *slot, which owns its text, a copy of `text` unless it is that already; NULL empties it.
// Sets *changed (which may be NULL) only if it was another one. -ENOMEM leaves *slot as it was.
PT_MUST_CHECK int pt_text_replace(const char **slot, const char *text, bool *changed);

#endif
