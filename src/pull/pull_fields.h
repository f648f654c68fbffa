// SPDX-License-Identifier: Apache-2.0
#ifndef PT_PULL_PULL_FIELDS_H
#define PT_PULL_PULL_FIELDS_H

#include "pull/fields.h"

// The fields of the wire, held by a test against docs/schemas: what an agent reports and what
// readers get. A new field of a pull is a member of its struct, a row here, and a property there.

extern const struct pt_fields pt_report_fields;       // AgentReport, struct pt_report
extern const struct pt_fields pt_pull_fields;         // PullState, struct pt_pull
extern const struct pt_fields pt_layer_fields;        // LayerState, struct pt_layer
extern const struct pt_fields pt_event_fields;        // PullEvent, struct pt_pull_event
extern const struct pt_fields pt_pull_status_fields;  // PullStatus, struct pt_pull_status
extern const struct pt_fields pt_hold_up_fields;      // of it, struct pt_pull_status
extern const struct pt_fields pt_layer_status_fields; // LayerStatus, struct pt_layer_status
extern const struct pt_fields pt_waiting_fields;      // of its pods, struct pt_waiting_container

#endif
