// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_FILE_LIMIT_H
#define PT_SERVER_FILE_LIMIT_H

#include <stddef.h>

// Raises the limit of open files towards `wanted`, as far as the system allows, and returns what it
// is then.
size_t pt_file_limit_raise(size_t wanted);

#endif
