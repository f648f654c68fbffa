// SPDX-License-Identifier: Apache-2.0
#include "kube/kubelet_message.h"

#include "base/clock.h"

#include "check.h"

#define X "registry.example.com:5000/team/app:v1"
#define MS PT_NS_PER_MS

static void knows_the_kubelets_words(void **state)
{
    (void)state;
    static const struct {
        const char *reason;
        const char *message;
        enum pt_kubelet_word word;
        const char *image;
        const char *error;
        int64_t pull_ms, queued_ms, bytes;
    } cases[] = {
        // Events.
        {"Pulling", "Pulling image \"" X "\"", PT_KUBELET_PULLING, X, NULL, -1, -1, -1},
        {"Pulled", "Successfully pulled image \"" X "\"", PT_KUBELET_PULLED, X, NULL, -1, -1, -1},
        {"Pulled", "Successfully pulled image \"" X "\" in 5.2s", PT_KUBELET_PULLED, X, NULL, 5200,
         -1, -1},
        {"Pulled", "Successfully pulled image \"" X "\" in 2.786s (10m16s including waiting)",
         PT_KUBELET_PULLED, X, NULL, 2786, 616000 - 2786, -1},
        {"Pulled",
         "Successfully pulled image \"" X
         "\" in 1m22.032s (1m22.1s including waiting). Image size: 72950530 bytes.",
         PT_KUBELET_PULLED, X, NULL, 82032, 68, 72950530},
        {"Pulled", "Successfully pulled image \"" X "\" in 812ms (812ms including waiting).",
         PT_KUBELET_PULLED, X, NULL, 812, 0, -1},
        {"Pulled", "Successfully pulled image \"" X "\" in a while", PT_KUBELET_PULLED, X, NULL, -1,
         -1, -1},
        {"Pulled", "Container image \"" X "\" already present on machine", PT_KUBELET_PRESENT, X,
         NULL, -1, -1, -1},
        {"Pulled",
         "Container image \"" X "\" already present on machine and can be accessed by the pod",
         PT_KUBELET_PRESENT, X, NULL, -1, -1, -1},
        {"Failed", "Failed to pull image \"" X "\": rpc error: code = NotFound desc = not found",
         PT_KUBELET_PULL_FAILED, X, "rpc error: code = NotFound desc = not found", -1, -1, -1},
        {"Failed", "Failed to pull image \"" X "\"", PT_KUBELET_PULL_FAILED, X, NULL, -1, -1, -1},
        {"Failed", "(combined from similar events): Failed to pull image \"" X "\": EOF",
         PT_KUBELET_PULL_FAILED, X, "EOF", -1, -1, -1},
        {"Failed", "Error: ErrImagePull", PT_KUBELET_PULL_FAILED, "", NULL, -1, -1, -1},
        {"Failed", "Error: RegistryUnavailable", PT_KUBELET_PULL_FAILED, "", NULL, -1, -1, -1},
        {"Failed", "Error: ImagePullBackOff", PT_KUBELET_BACK_OFF, "", NULL, -1, -1, -1},
        {"Failed", "Error: ErrImageNeverPull", PT_KUBELET_NEVER_PULL, "", NULL, -1, -1, -1},
        {"Failed", "Error: InvalidImageName", PT_KUBELET_INVALID_NAME, "", NULL, -1, -1, -1},
        {"BackOff", "Back-off pulling image \"" X "\"", PT_KUBELET_BACK_OFF, X, NULL, -1, -1, -1},
        {"BackOff", "Back-off pulling image \"" X "\": ErrImagePull: no such host",
         PT_KUBELET_BACK_OFF, X, "no such host", -1, -1, -1},
        {"ErrImageNeverPull", "Container image \"" X "\" is not present with pull policy of Never",
         PT_KUBELET_NEVER_PULL, X,
         "Container image \"" X "\" is not present with pull policy of Never", -1, -1, -1},
        {"InspectFailed",
         "Failed to apply default image tag \"A:B:C\": couldn't parse image name \"A:B:C\": "
         "invalid reference format",
         PT_KUBELET_INVALID_NAME, "A:B:C",
         "Failed to apply default image tag \"A:B:C\": couldn't parse image name \"A:B:C\": "
         "invalid reference format",
         -1, -1, -1},
        {"InspectFailed", "Failed to inspect image \"" X "\": busy", PT_KUBELET_INSPECT_FAILED, X,
         "busy", -1, -1, -1},
        {"InspectFailed",
         "Failed to inspect image \"\": rpc error: code = Unknown desc = short-name",
         PT_KUBELET_INSPECT_FAILED, "", "rpc error: code = Unknown desc = short-name", -1, -1, -1},
        {"Failed", "Error: ImageInspectError", PT_KUBELET_INSPECT_FAILED, "", NULL, -1, -1, -1},
        {"Failed", "Error: SignatureValidationFailed", PT_KUBELET_PULL_FAILED, "", NULL, -1, -1,
         -1},
        // What a pod waits for before its images.
        {"NetworkNotReady", "network is not ready: container runtime network not ready",
         PT_KUBELET_NO_SANDBOX, "", NULL, -1, -1, -1},
        {"FailedPrepareDynamicResources", "Failed to prepare dynamic resources: no claim",
         PT_KUBELET_NO_SANDBOX, "", NULL, -1, -1, -1},
        {"FailedMapVolume", "MapVolume.SetUpDevice failed for volume \"d\"", PT_KUBELET_NO_VOLUME,
         "", NULL, -1, -1, -1},
        // As kubectl shows it.
        {"Failed", "spec.containers{app}: Failed to pull image \"" X "\": EOF",
         PT_KUBELET_PULL_FAILED, X, "EOF", -1, -1, -1},
        {"Pulling", "spec.initContainers{i}: Pulling image \"" X "\"", PT_KUBELET_PULLING, X, NULL,
         -1, -1, -1},
        {"Failed",
         "spec.ephemeralContainers{e}: (combined from similar events): Failed to pull image \"" X
         "\": EOF",
         PT_KUBELET_PULL_FAILED, X, "EOF", -1, -1, -1},
        // Waiting states.
        {"ContainerCreating", NULL, PT_KUBELET_WAITING, "", NULL, -1, -1, -1},
        {"PodInitializing", "", PT_KUBELET_WAITING, "", NULL, -1, -1, -1},
        {"ErrImagePull", "rpc error: code = Unknown", PT_KUBELET_PULL_FAILED, "",
         "rpc error: code = Unknown", -1, -1, -1},
        {"RegistryUnavailable", "image pull failed for X because the registry is unavailable",
         PT_KUBELET_PULL_FAILED, "X", "image pull failed for X because the registry is unavailable",
         -1, -1, -1},
        {"ImagePullBackOff", "Back-off pulling image \"" X "\"", PT_KUBELET_BACK_OFF, X, NULL, -1,
         -1, -1},
        {"ImagePullBackOff", "Back-off pulling image \"" X "\": ErrImagePull: i/o timeout",
         PT_KUBELET_BACK_OFF, X, "i/o timeout", -1, -1, -1},
        {"SignatureValidationFailed",
         "image pull failed for " X " because the signature validation failed: no key",
         PT_KUBELET_PULL_FAILED, X,
         "image pull failed for " X " because the signature validation failed: no key", -1, -1, -1},
        {"ErrImagePull", "failed to pull and unpack image \"" X "\": EOF", PT_KUBELET_PULL_FAILED,
         X, "failed to pull and unpack image \"" X "\": EOF", -1, -1, -1},
        {"ErrImagePull", "Failed to record image pull intent for container image \"" X "\": busy",
         PT_KUBELET_PULL_FAILED, X,
         "Failed to record image pull intent for container image \"" X "\": busy", -1, -1, -1},
        {"ErrImagePull", "pull QPS exceeded", PT_KUBELET_PULL_FAILED, "", "pull QPS exceeded", -1,
         -1, -1},
        {"ImageInspectError", "Failed to inspect image \"\": ambiguous", PT_KUBELET_INSPECT_FAILED,
         "", "ambiguous", -1, -1, -1},
        {"ImageInspectError", "Failed to inspect image \"" X "\": ambiguous",
         PT_KUBELET_INSPECT_FAILED, X, "ambiguous", -1, -1, -1},
        {"ImageInspectError", "in words of another release", PT_KUBELET_INSPECT_FAILED, "",
         "in words of another release", -1, -1, -1},
        {"ImagePullBackOff", "Back-off pulling image \"" X, PT_KUBELET_BACK_OFF, "", NULL, -1, -1,
         -1},
        {"ImagePullBackOff", "in words of another release", PT_KUBELET_BACK_OFF, "", NULL, -1, -1,
         -1},
        {"InvalidImageName", "Failed to apply default image tag \"A\": bad",
         PT_KUBELET_INVALID_NAME, "A", "Failed to apply default image tag \"A\": bad", -1, -1, -1},
        // Not about images, or not known: skipped.
        {"Failed", "Error: cannot find volume \"data\" to mount", PT_KUBELET_OTHER, "", NULL, -1,
         -1, -1},
        {"Failed", "Failed to pull image without quotes", PT_KUBELET_OTHER, "", NULL, -1, -1, -1},
        {"BackOff", "Back-off restarting failed container app in pod p", PT_KUBELET_OTHER, "", NULL,
         -1, -1, -1},
        {"CrashLoopBackOff", "back-off 5m0s restarting failed container", PT_KUBELET_OTHER, "",
         NULL, -1, -1, -1},
        {"Pulling", "Pulling \"" X "\"", PT_KUBELET_OTHER, "", NULL, -1, -1, -1},
        {"Pulling", "Pulling image \"" X, PT_KUBELET_OTHER, "", NULL, -1, -1, -1},
        {"Pulled", "Container image \"" X "\" was conjured up", PT_KUBELET_OTHER, "", NULL, -1, -1,
         -1},
        {"Scheduled", "Successfully assigned a/b to c", PT_KUBELET_OTHER, "", NULL, -1, -1, -1},
        {NULL, NULL, PT_KUBELET_OTHER, "", NULL, -1, -1, -1},
        {"Pulling", NULL, PT_KUBELET_OTHER, "", NULL, -1, -1, -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *row = cases[i].message ? cases[i].message : "no message";
        struct pt_kubelet_message got;
        pt_kubelet_message_parse(cases[i].reason, cases[i].message, &got);
        check_int(row, got.word, cases[i].word);
        check_text(row, got.image, cases[i].image);
        check_text(row, got.error, cases[i].error);
        check_int(row, got.pull_ns, cases[i].pull_ms < 0 ? -1 : cases[i].pull_ms * MS);
        check_int(row, got.queued_ns, cases[i].queued_ms < 0 ? -1 : cases[i].queued_ms * MS);
        check_int(row, got.image_bytes, cases[i].bytes);
    }
}

// As with a full disk, where it cannot write down that it pulls, or with credentials that are none.
static void a_reason_may_be_the_error_itself(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *message;
        enum pt_kubelet_word word;
        const char *image, *error;
    } cases[] = {
        {"failed to record image pull intent: no space left on device",
         "Failed to record image pull intent for container image \"" X
         "\": no space left on device",
         PT_KUBELET_INSPECT_FAILED, X,
         "Failed to record image pull intent for container image \"" X
         "\": no space left on device"},
        {"unexpected end of JSON input", "unexpected end of JSON input", PT_KUBELET_INSPECT_FAILED,
         "", "unexpected end of JSON input"},
        {"Container is being created", "by a virtual kubelet", PT_KUBELET_OTHER, "", NULL},
        {"Starting", "Starting", PT_KUBELET_OTHER, "", NULL},
        {"in words without a message", NULL, PT_KUBELET_OTHER, "", NULL},
        {NULL, "words without a reason", PT_KUBELET_OTHER, "", NULL},
        {"CrashLoopBackOff", "back-off 5m0s restarting failed container", PT_KUBELET_OTHER, "",
         NULL},
        {"ErrImagePull", "i/o timeout", PT_KUBELET_PULL_FAILED, "", "i/o timeout"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *row = cases[i].reason ? cases[i].reason : cases[i].message;
        struct pt_kubelet_message got;
        pt_kubelet_state_parse(cases[i].reason, cases[i].message, &got);
        check_int(row, got.word, cases[i].word);
        check_text(row, got.image, cases[i].image);
        check_text(row, got.error, cases[i].error);
    }
}

static void unquotes_as_go_quotes(void **state)
{
    (void)state;
    struct pt_kubelet_message got;
    pt_kubelet_message_parse("Pulling", "Pulling image \"a\\\"b\\\\c\"", &got);
    assert_string_equal(got.image, "a\"b\\c");
}

static void skips_an_image_that_is_too_long(void **state)
{
    (void)state;
    char message[PT_LIMIT_REFERENCE_BYTES + 100] = "Pulling image \"";
    memset(message + strlen(message), 'a', PT_LIMIT_REFERENCE_BYTES + 1);
    strcat(message, "\"");
    struct pt_kubelet_message got;
    pt_kubelet_message_parse("Pulling", message, &got);
    assert_int_equal(got.word, PT_KUBELET_OTHER);
    assert_string_equal(got.image, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_kubelets_words),
        cmocka_unit_test(a_reason_may_be_the_error_itself),
        cmocka_unit_test(unquotes_as_go_quotes),
        cmocka_unit_test(skips_an_image_that_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
