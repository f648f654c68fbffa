// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_SHARED_TEXT_H
#define PT_BASE_SHARED_TEXT_H

#include "base/map.h"

// Texts that most nodes have in common, as the version of their agent: each is kept once in a map
// by itself, for as long as somebody uses it.

// Makes *slot the shared copy of `text`, and gives up the one that was there; either may be NULL.
// -ENOMEM leaves the slot as it was.
PT_MUST_CHECK int pt_shared_text_replace(struct pt_map *texts, const char **slot, const char *text);

// Gives up a text that pt_shared_text_replace has set; NULL is allowed.
void pt_shared_text_release(struct pt_map *texts, const char *text);

#endif
