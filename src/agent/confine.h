// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_CONFINE_H
#define PT_AGENT_CONFINE_H

#include "base/error.h"

// Gives up for good what the agent does not need: no new privileges, no capability, and a seccomp
// filter that leaves the calls it makes, no program or new code to execute, no file to write and no
// other process to reach. The user stays root, because containerd's socket is root's: whoever may
// talk to containerd is root. Without seccomp in a sanitized build.
PT_MUST_CHECK int pt_confine(struct pt_error *err);

#endif
