// SPDX-License-Identifier: Apache-2.0
#include "kube/kubelet_message.h"

#include "base/duration.h"

#include <stdlib.h>
#include <string.h>

#define AGGREGATED "(combined from similar events): "
#define PULL_INTENT "Failed to record image pull intent for container image "

// Steps over the prefix; false and no step if it is not there.
static bool skip(const char **at, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(*at, prefix, length) != 0)
        return false;
    *at += length;
    return true;
}

// Reads text in quotes as Go's %q writes it. False and empty if there is none or it is too long.
static bool take_quoted(const char **at, char *text, size_t size)
{
    const char *from = *at;
    size_t length = 0;
    text[0] = '\0';
    if (*from++ != '"')
        return false;
    for (; *from && *from != '"'; from++) {
        if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
            from++;
        if (length + 1 >= size)
            break;
        text[length++] = *from;
    }
    text[*from == '"' ? length : 0] = '\0';
    if (*from != '"')
        return false;
    *at = from + 1;
    return true;
}

static bool take_duration(const char **at, int64_t *ret_ns)
{
    size_t length = strspn(*at, "0123456789.hmnsu\xc2\xb5\xce\xbc");
    // A full stop that ends the sentence is none of the number.
    while (length > 0 && (*at)[length - 1] == '.')
        length--;
    if (length == 0 || pt_duration_parse(*at, length, ret_ns) < 0)
        return false;
    *at += length;
    return true;
}

// ` in 2.786s (10m16s including waiting). Image size: 72950530 bytes.`, each part optional.
static void read_times(const char *at, struct pt_kubelet_message *message)
{
    int64_t pull_ns, whole_ns;
    if (!skip(&at, " in ") || !take_duration(&at, &pull_ns))
        return;
    message->pull_ns = pull_ns;
    if (skip(&at, " (") && take_duration(&at, &whole_ns) && skip(&at, " including waiting)"))
        message->queued_ns = whole_ns > pull_ns ? whole_ns - pull_ns : 0;
    if (!skip(&at, ". Image size: "))
        return;
    char *end;
    long long bytes = strtoll(at, &end, 10);
    if (end != at && bytes >= 0 && strncmp(end, " bytes", 6) == 0)
        message->image_bytes = bytes;
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

// Behind `Back-off pulling image "X"`: nothing, or `: ErrImagePull: <error>`.
static void read_cause(const char *at, struct pt_kubelet_message *message)
{
    if (!skip(&at, ": "))
        return;
    skip(&at, "ErrImagePull: ");
    message->error = or_null(at);
}

// `Failed to inspect image "X": <error>`; newer kubelets leave the name empty.
static enum pt_kubelet_word read_inspection(const char *at, struct pt_kubelet_message *message)
{
    if (!skip(&at, "Failed to inspect image ") ||
        !take_quoted(&at, message->image, sizeof(message->image)))
        return PT_KUBELET_OTHER;
    message->error = skip(&at, ": ") ? or_null(at) : NULL;
    return PT_KUBELET_INSPECT_FAILED;
}

static enum pt_kubelet_word parse_pulled(const char *at, struct pt_kubelet_message *message)
{
    if (skip(&at, "Successfully pulled image ") &&
        take_quoted(&at, message->image, sizeof(message->image))) {
        read_times(at, message);
        return PT_KUBELET_PULLED;
    }
    if (skip(&at, "Container image ") && take_quoted(&at, message->image, sizeof(message->image)) &&
        skip(&at, " already present on machine"))
        return PT_KUBELET_PRESENT;
    return PT_KUBELET_OTHER;
}

static enum pt_kubelet_word parse_failed(const char *at, struct pt_kubelet_message *message)
{
    static const struct {
        const char *name;
        enum pt_kubelet_word word;
    } short_errors[] = {
        {"ErrImagePull", PT_KUBELET_PULL_FAILED},
        {"RegistryUnavailable", PT_KUBELET_PULL_FAILED},
        {"SignatureValidationFailed", PT_KUBELET_PULL_FAILED},
        {"ImagePullBackOff", PT_KUBELET_BACK_OFF},
        {"ErrImageNeverPull", PT_KUBELET_NEVER_PULL},
        {"InvalidImageName", PT_KUBELET_INVALID_NAME},
        {"ImageInspectError", PT_KUBELET_INSPECT_FAILED},
    };
    if (skip(&at, "Failed to pull image ") &&
        take_quoted(&at, message->image, sizeof(message->image))) {
        message->error = skip(&at, ": ") ? or_null(at) : NULL;
        return PT_KUBELET_PULL_FAILED;
    }
    if (!skip(&at, "Error: "))
        return PT_KUBELET_OTHER;
    for (size_t i = 0; i < sizeof(short_errors) / sizeof(short_errors[0]); i++) {
        if (strcmp(at, short_errors[i].name) == 0)
            return short_errors[i].word;
    }
    return PT_KUBELET_OTHER;
}

static enum pt_kubelet_word parse_back_off(const char *at, struct pt_kubelet_message *message)
{
    // The reason BackOff is used for crashing containers as well, with other words.
    if (!skip(&at, "Back-off pulling image ") ||
        !take_quoted(&at, message->image, sizeof(message->image)))
        return PT_KUBELET_OTHER;
    read_cause(at, message);
    return PT_KUBELET_BACK_OFF;
}

static enum pt_kubelet_word parse_pulling(const char *at, struct pt_kubelet_message *message)
{
    bool known =
        skip(&at, "Pulling image ") && take_quoted(&at, message->image, sizeof(message->image));
    return known ? PT_KUBELET_PULLING : PT_KUBELET_OTHER;
}

static enum pt_kubelet_word parse_never_pull(const char *at, struct pt_kubelet_message *message)
{
    message->error = or_null(at);
    if (skip(&at, "Container image "))
        take_quoted(&at, message->image, sizeof(message->image));
    return PT_KUBELET_NEVER_PULL;
}

static enum pt_kubelet_word parse_invalid_name(const char *at, struct pt_kubelet_message *message)
{
    message->error = or_null(at);
    if (skip(&at, "Failed to apply default image tag "))
        take_quoted(&at, message->image, sizeof(message->image));
    return PT_KUBELET_INVALID_NAME;
}

static enum pt_kubelet_word parse_inspect_failed(const char *at, struct pt_kubelet_message *message)
{
    if (strncmp(at, "Failed to apply default image tag ", 34) == 0)
        return parse_invalid_name(at, message);
    return read_inspection(at, message);
}

static enum pt_kubelet_word parse_no_volume(const char *at, struct pt_kubelet_message *message)
{
    (void)at;
    (void)message;
    return PT_KUBELET_NO_VOLUME;
}

static enum pt_kubelet_word parse_no_network(const char *at, struct pt_kubelet_message *message)
{
    (void)at;
    (void)message;
    return PT_KUBELET_NO_SANDBOX;
}

// containerd and cri-dockerd name the sandbox image in quotes, CRI-O by its transport.
static enum pt_kubelet_word parse_no_sandbox(const char *at, struct pt_kubelet_message *message)
{
    static const char *const before_quotes[] = {"failed to get sandbox image ",
                                                "failed pulling image "};
    static const char transport[] = "docker://";
    for (size_t i = 0; i < sizeof(before_quotes) / sizeof(before_quotes[0]); i++) {
        const char *named = strstr(at, before_quotes[i]);
        const char *quoted = named ? named + strlen(before_quotes[i]) : NULL;
        if (!quoted || !take_quoted(&quoted, message->image, sizeof(message->image)))
            continue;
        message->error = named;
        return PT_KUBELET_NO_SANDBOX;
    }
    const char *named = strstr(at, transport);
    const char *reference = named ? named + strlen(transport) : "";
    const char *end = strstr(reference, ": ");
    size_t length = end ? (size_t)(end - reference) : 0;
    if (length > 0 && length < sizeof(message->image)) {
        memcpy(message->image, reference, length);
        message->image[length] = '\0';
        message->error = named;
    }
    return PT_KUBELET_NO_SANDBOX;
}

static enum pt_kubelet_word parse_waiting(const char *at, struct pt_kubelet_message *message)
{
    (void)at;
    (void)message;
    return PT_KUBELET_WAITING;
}

// `image pull failed for X because the registry is unavailable`
static void take_name_before_cause(const char *at, struct pt_kubelet_message *message)
{
    const char *end = strstr(at, " because ");
    size_t length = end ? (size_t)(end - at) : 0;
    if (length < sizeof(message->image)) {
        memcpy(message->image, at, length);
        message->image[length] = '\0';
    }
}

// As a container's waiting state has it: the error alone. Some of them name the image.
static enum pt_kubelet_word parse_pull_error(const char *at, struct pt_kubelet_message *message)
{
    static const char by_containerd[] = "failed to pull and unpack image ";
    const char *named = strstr(at, by_containerd);
    message->error = or_null(at);
    if (skip(&at, "image pull failed for "))
        take_name_before_cause(at, message);
    else if (skip(&at, PULL_INTENT))
        take_quoted(&at, message->image, sizeof(message->image));
    else if (named && (named += strlen(by_containerd)))
        take_quoted(&named, message->image, sizeof(message->image));
    return PT_KUBELET_PULL_FAILED;
}

static enum pt_kubelet_word parse_waiting_inspection(const char *at,
                                                     struct pt_kubelet_message *message)
{
    if (read_inspection(at, message) == PT_KUBELET_OTHER)
        message->error = or_null(at);
    return PT_KUBELET_INSPECT_FAILED;
}

static enum pt_kubelet_word parse_waiting_back_off(const char *at,
                                                   struct pt_kubelet_message *message)
{
    parse_back_off(at, message); // an unknown wording changes nothing of the reason's meaning
    return PT_KUBELET_BACK_OFF;
}

// kubectl puts the container before the words; who pastes them brings it along.
static void skip_container(const char **at)
{
    static const char *const kinds[] = {"spec.containers{", "spec.initContainers{",
                                        "spec.ephemeralContainers{"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *name = *at;
        const char *end = skip(&name, kinds[i]) ? strstr(name, "}: ") : NULL;
        if (end)
            *at = end + 3;
    }
}

void pt_kubelet_message_parse(const char *reason, const char *message,
                              struct pt_kubelet_message *ret_message)
{
    static const struct {
        const char *reason;
        enum pt_kubelet_word (*parse)(const char *at, struct pt_kubelet_message *message);
    } reasons[] = {
        // Events.
        {"Pulling", parse_pulling},
        {"Pulled", parse_pulled},
        {"Failed", parse_failed},
        {"BackOff", parse_back_off},
        {"InspectFailed", parse_inspect_failed},
        {"FailedMount", parse_no_volume},
        {"FailedAttachVolume", parse_no_volume},
        {"FailedMapVolume", parse_no_volume},
        {"FailedCreatePodSandBox", parse_no_sandbox},
        {"NetworkNotReady", parse_no_network},
        {"FailedPrepareDynamicResources", parse_no_network},
        // Events and waiting states.
        {"ErrImageNeverPull", parse_never_pull},
        // Waiting states.
        {"ContainerCreating", parse_waiting},
        {"PodInitializing", parse_waiting},
        {"ErrImagePull", parse_pull_error},
        {"RegistryUnavailable", parse_pull_error},
        {"SignatureValidationFailed", parse_pull_error},
        {"ImagePullBackOff", parse_waiting_back_off},
        {"InvalidImageName", parse_invalid_name},
        {"ImageInspectError", parse_waiting_inspection},
    };
    ret_message->word = PT_KUBELET_OTHER;
    ret_message->image[0] = '\0';
    ret_message->error = NULL;
    ret_message->pull_ns = -1;
    ret_message->queued_ns = -1;
    ret_message->image_bytes = -1;
    const char *at = message ? message : "";
    skip_container(&at);
    ret_message->is_combined = skip(&at, AGGREGATED);
    for (size_t i = 0; reason && i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(reason, reasons[i].reason) == 0) {
            ret_message->word = reasons[i].parse(at, ret_message);
            break;
        }
    }
    if (ret_message->word == PT_KUBELET_OTHER)
        ret_message->image[0] = '\0';
}

void pt_kubelet_state_parse(const char *reason, const char *message,
                            struct pt_kubelet_message *ret_message)
{
    pt_kubelet_message_parse(reason, message, ret_message);
    if (ret_message->word != PT_KUBELET_OTHER || !reason || !message || !strchr(reason, ' '))
        return;
    const char *at = message;
    if (skip(&at, PULL_INTENT))
        take_quoted(&at, ret_message->image, sizeof(ret_message->image));
    else if (strcmp(reason, message) != 0)
        return;
    ret_message->word = PT_KUBELET_INSPECT_FAILED;
    ret_message->error = message;
}

bool pt_kubelet_word_is_failure(enum pt_kubelet_word word)
{
    return word == PT_KUBELET_PULL_FAILED || word == PT_KUBELET_BACK_OFF ||
           word == PT_KUBELET_NEVER_PULL || word == PT_KUBELET_INVALID_NAME ||
           word == PT_KUBELET_INSPECT_FAILED;
}
