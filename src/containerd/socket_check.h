// SPDX-License-Identifier: Apache-2.0
#ifndef PT_CONTAINERD_SOCKET_CHECK_H
#define PT_CONTAINERD_SOCKET_CHECK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Who may be containerd: what answers on its socket is believed, so it has to be root's.

// Resolves links and checks that the path lies under one of the comma-separated `directories` and
// is a socket owned by root. 0; -ENOENT: nothing is there yet; -EACCES: not allowed; -ENOTSOCK.
PT_MUST_CHECK int pt_socket_check_path(const char *path, const char *directories,
                                       struct pt_error *err);

// Whether this process may connect to the socket: 0 or -errno (-EACCES, -ECONNREFUSED, …).
PT_MUST_CHECK int pt_socket_check_connect(const char *path);

// The peer of a connected unix socket has to run as root: else -EPERM. *ret_pid is its process, 0
// when that is not visible from this PID namespace.
PT_MUST_CHECK int pt_socket_check_peer(int fd, pid_t *ret_pid, struct pt_error *err);

// Distinguishes one process that serves the socket from the next where its PID is not visible:
// containerd makes the socket's file anew when it starts. Below 0, so that it is no PID; 0: not
// known.
int64_t pt_socket_check_making(const char *path);

#endif
