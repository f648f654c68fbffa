// SPDX-License-Identifier: Apache-2.0
#include "base/name_list.h"

#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define LETTERS LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

// Which letters the ends of a name may be, which besides stand inside it, and how many there are.
static const struct alphabet {
    const char *ends, *inside;
    size_t max_bytes;
    bool is_apart; // what only stands inside does so between two letters that may be ends
} alphabets[] = {
    // https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
    [PT_NAME_KUBERNETES] = {LOWER DIGITS, LOWER DIGITS "-", 63, false},
    // https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
    [PT_NAME_OBJECT] = {LOWER DIGITS, LOWER DIGITS "-.", 253, false},
    // https://github.com/containerd/containerd/blob/main/pkg/identifiers/validate.go
    [PT_NAME_CONTAINERD] = {LETTERS DIGITS, LETTERS DIGITS "-._", 76, true},
    [PT_NAME_HOST] = {LETTERS DIGITS, LETTERS DIGITS "-._", 253, false},
};

// The part up to the next comma, without the blanks at its ends; moves *at behind the comma.
static const char *next_part(const char **at, size_t *ret_length)
{
    const char *part = *at + strspn(*at, " ");
    size_t length = strcspn(part, ",");
    *at = part + length + (part[length] == ',');
    while (length > 0 && part[length - 1] == ' ')
        length--;
    *ret_length = length;
    return part;
}

static bool is_name(const char *name, size_t length, const struct alphabet *alphabet)
{
    if (length == 0 || length > alphabet->max_bytes || !strchr(alphabet->ends, name[0]) ||
        !strchr(alphabet->ends, name[length - 1]))
        return false;
    for (size_t i = 1; alphabet->is_apart && i < length; i++) {
        if (!strchr(alphabet->ends, name[i]) && !strchr(alphabet->ends, name[i - 1]))
            return false;
    }
    return strspn(name, alphabet->inside) >= length;
}

const char *pt_name_list_next(const char **at, size_t *ret_length)
{
    while (**at) {
        const char *part = next_part(at, ret_length);
        if (*ret_length > 0)
            return part;
    }
    return NULL;
}

bool pt_name_list_has(const char *list, const char *name)
{
    size_t wanted = strlen(name), length;
    const char *item;
    bool is_found = false;
    while (!is_found && (item = pt_name_list_next(&list, &length)))
        is_found = length == wanted && memcmp(item, name, length) == 0;
    return is_found;
}

bool pt_name_list_is_valid(const char *list, enum pt_name_kind kind)
{
    const char *at = list;
    bool is_valid = true;
    while (is_valid && *at) {
        size_t length;
        const char *part = next_part(&at, &length);
        is_valid = is_name(part, length, &alphabets[kind]) && (*at || at[-1] != ',');
    }
    return is_valid;
}

size_t pt_name_list_count(const char *list)
{
    size_t count = 0, length;
    while (pt_name_list_next(&list, &length))
        count++;
    return count;
}
