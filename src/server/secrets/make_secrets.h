// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SECRETS_MAKE_SECRETS_H
#define PT_SERVER_SECRETS_MAKE_SECRETS_H

#include "base/error.h"
#include "base/settings.h"
#include "kube/kube_config.h"

#include <stddef.h>

// `pulltrace-server --make-secrets`: makes and renews certificate, CAs and token in Secrets, as
// secret_plan.h says, and ends.

// Its settings, for pt_settings_load and --help.
extern const struct pt_setting pt_make_secrets_settings[];
extern const size_t pt_make_secrets_setting_count;

// Tries for half a minute. Two that run at once are of one mind at the end. Logs what it writes,
// and never a secret. -EINVAL for settings that make no sense.
PT_MUST_CHECK int pt_make_secrets(const struct pt_kube_settings *kube, struct pt_error *err);

#endif
