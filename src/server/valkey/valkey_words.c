// SPDX-License-Identifier: Apache-2.0
#include "server/valkey/valkey_words.h"

#include <stdio.h>
#include <string.h>

#define NO_RIGHT "this user lacks a right that docs/replicas.md names"
#define CLUSTER "it is a cluster of Valkey or Redis, which cannot be used: name one that is none"

void pt_valkey_words_write(const char *error, char *text, size_t size)
{
    static const struct {
        const char *begin, *words;
    } known[] = {
        {"MOVED ", CLUSTER},
        {"ASK ", CLUSTER},
        {"TRYAGAIN ", CLUSTER},
        {"CROSSSLOT ", CLUSTER},
        {"CLUSTERDOWN ", CLUSTER},
        {"NOAUTH ", "it wants a password (PULLTRACE_SHARE_PASSWORD_FILE)"},
        {"WRONGPASS ", "it takes another user or password (PULLTRACE_SHARE_PASSWORD_FILE)"},
        {"NOPERM ", NO_RIGHT},
        {"ERR The user executing the script ", NO_RIGHT}, // up to Redis 7.0
        {"ERR ACL failure in script", NO_RIGHT},
        {"OOM ", "its memory is full: give it more, or lower PULLTRACE_SHARE_MAX_BYTES"},
        {"READONLY ", "it is a replica, which takes no reports: name the primary"},
        {"MASTERDOWN ", "it is a replica, whose primary is away: name the primary"},
        {"NOREPLICAS ", "it takes nothing, since too few of its replicas can be reached"},
        {"LOADING ", "it still reads its data"},
        {"MISCONF ", "it takes nothing, since it cannot save to its disk"},
        {"WRONGTYPE ", "one of its keys holds what no server writes there: delete that, or choose "
                       "another PULLTRACE_SHARE_PREFIX"},
        {"NOSCRIPT ", "it has forgotten our script, which is loaded again"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strncmp(error, known[i].begin, strlen(known[i].begin)) == 0) {
            (void)snprintf(text, size, "%s: %s", known[i].words, error);
            return;
        }
    }
    (void)snprintf(text, size, "it refuses us: %s", error);
}
