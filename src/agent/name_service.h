// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_NAME_SERVICE_H
#define PT_AGENT_NAME_SERVICE_H

// Loads the modules that nsswitch.conf(5) names for host names, since no code can be loaded once
// the agent is confined. glibc does without one that is missing.
void pt_name_service_load(void);

#endif
