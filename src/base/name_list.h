// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_NAME_LIST_H
#define PT_BASE_NAME_LIST_H

#include <stdbool.h>
#include <stddef.h>

// Names with commas between them, as a setting has them: `a,b`; blanks beside a comma do not count.
enum pt_name_kind {
    PT_NAME_KUBERNETES, // a namespace of Kubernetes: a DNS label
    PT_NAME_OBJECT,     // most other objects of Kubernetes: a DNS name in small letters
    PT_NAME_CONTAINERD, // a namespace of containerd: letters and digits, with one of - . _ between
    PT_NAME_HOST,       // a DNS name or an IPv4 address, without a port
};

// The next name of the list, *length its bytes; moves *at behind it. NULL when none is left.
const char *pt_name_list_next(const char **at, size_t *ret_length);

// Whether one of the names is that, to the letter.
bool pt_name_list_has(const char *list, const char *name);

// Whether each part of the list is such a name. An empty list is valid.
bool pt_name_list_is_valid(const char *list, enum pt_name_kind kind);

size_t pt_name_list_count(const char *list);

#endif
