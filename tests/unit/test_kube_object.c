// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_object.h"

#include "base/clock.h"

#include "check.h"

#include <stdio.h>

// What a pod of the given spec and status lists as waiting: `kind name image word error|turn`.
static void describe(const char *spec, const char *status, char *text, size_t size)
{
    static const char *const kinds[] = {"container", "init", "ephemeral", "volume"};
    static struct pt_kube_pod pod;
    char json[4000];
    snprintf(json, sizeof(json),
             "{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\"},"
             "\"spec\":{\"nodeName\":\"node\",%s},\"status\":{\"phase\":\"Pending\"%s%s}}",
             spec, *status ? "," : "", status);
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    check_int(json, doc != NULL, 1);
    check_int(json, pt_kube_pod_decode(yyjson_doc_get_root(doc), &pod), 0);
    *text = '\0';
    for (size_t i = 0; i < pod.waiting_count; i++) {
        const struct pt_kube_container *waiting = &pod.waiting[i];
        size_t length = strlen(text);
        snprintf(text + length, size - length, "%s %s %s %s%s%s; ", kinds[waiting->kind],
                 waiting->name, waiting->image,
                 waiting->word == PT_KUBELET_WAITING ? "waits" : "fails", waiting->error ? " " : "",
                 waiting->error ? waiting->error : "");
        if (!waiting->is_on_turn)
            strcat(text, "later; ");
    }
    yyjson_doc_free(doc);
}

#define MAIN "\"containers\":[{\"name\":\"c\",\"image\":\"a\"}]"
#define WAITS(name, reason, message)                                                               \
    "{\"name\":\"" name "\",\"state\":{\"waiting\":{\"reason\":\"" reason                          \
    "\",\"message\":\"" message "\"}}}"
// Of two containers the second mounts an image.
#define TWO_WITH_VOLUME                                                                            \
    "\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"m:1\"}}],\"containers\":[{\"name\":"  \
    "\"d\","                                                                                       \
    "\"image\":\"b\"},{\"name\":\"c\",\"image\":\"zz\",\"volumeMounts\":[{\"name\":\"v\"}]}]"
#define RUNS(name) "{\"name\":\"" name "\",\"started\":true,\"state\":{\"running\":{}}}"
#define EXITS(name, code)                                                                          \
    "{\"name\":\"" name "\",\"state\":{\"terminated\":{\"exitCode\":" code "}}}"

#define ENDED(name, second)                                                                        \
    "{\"name\":\"" name "\",\"state\":{\"terminated\":{\"exitCode\":0,\"finishedAt\":"             \
    "\"2026-11-21T03:00:" second "Z\"}}}"
#define STARTED(name, is_started, second)                                                          \
    "{\"name\":\"" name "\",\"started\":" is_started                                               \
    ",\"state\":{\"running\":{\"startedAt\":\"2026-11-21T03:00:" second "Z\"}}}"

// With the image as the status has it, and what comes behind the state.
#define WAITS_FOR(image, reason, message, more)                                                    \
    "\"containerStatuses\":[{\"name\":\"c\",\"image\":\"" image                                    \
    "\",\"state\":{\"waiting\":{\"reason\":\"" reason "\",\"message\":\"" message "\"}}" more "}]"
#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BACK_OFF(image) "Back-off pulling image \\\"" image "\\\""

static void finds_what_waits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *spec;
        const char *status;
        const char *wanted;
    } cases[] = {
        {"no status yet", MAIN, "", "container c a waits; "},
        {"being created", MAIN, "\"containerStatuses\":[" WAITS("c", "ContainerCreating", "") "]",
         "container c a waits; "},
        {"a state without reason", MAIN,
         "\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{}}}]",
         "container c a waits; "},
        {"failed", MAIN, "\"containerStatuses\":[" WAITS("c", "ErrImagePull", "no such host") "]",
         "container c a fails no such host; "},
        {"crashed", MAIN, "\"containerStatuses\":[" WAITS("c", "CrashLoopBackOff", "") "]", ""},
        {"no config", MAIN,
         "\"containerStatuses\":[" WAITS("c", "CreateContainerConfigError", "") "]", ""},
        {"running", MAIN, "\"containerStatuses\":[" RUNS("c") "]", ""},
        {"one of two",
         "\"containers\":[{\"name\":\"c\",\"image\":\"a\"},{\"name\":\"d\",\"image\":\"b\"}]",
         "\"containerStatuses\":[" RUNS("c") "]", "container d b waits; "},
        {"init container first", "\"initContainers\":[{\"name\":\"i\",\"image\":\"b\"}]," MAIN,
         "\"initContainerStatuses\":[" WAITS("i", "PodInitializing", "") "]",
         "init i b waits; container c a waits; later; "},
        {"init container done", "\"initContainers\":[{\"name\":\"i\",\"image\":\"b\"}]," MAIN,
         "\"initContainerStatuses\":[" EXITS("i", "0") "]", "container c a waits; "},
        {"init container failing", "\"initContainers\":[{\"name\":\"i\",\"image\":\"b\"}]," MAIN,
         "\"initContainerStatuses\":[" EXITS("i", "1") "]", "container c a waits; later; "},
        {"sidecar started",
         "\"initContainers\":[{\"name\":\"s\",\"image\":\"b\",\"restartPolicy\":\"Always\"}]," MAIN,
         "\"initContainerStatuses\":[" RUNS("s") "]", "container c a waits; "},
        {"second init container",
         "\"initContainers\":[{\"name\":\"i\",\"image\":\"b\"},{\"name\":\"j\",\"image\":\"d\"}]",
         "\"initContainerStatuses\":[" RUNS("i") "]", "init j d waits; later; "},
        {"ephemeral", "\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"d\"}]", "",
         "ephemeral e d waits; "},
        {"image volume", "\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"m:1\"}}]," MAIN,
         "", "volume v m:1 waits; container c a waits; "},
        {"image volume there",
         "\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"m:1\"}}],"
         "\"initContainers\":[{\"name\":\"i\",\"image\":\"b\"}]," MAIN,
         "\"initContainerStatuses\":[" EXITS("i", "0") "]", "container c a waits; "},
        {"image volume failed",
         "\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"m:1\"}}],"
         "\"containers\":[{\"name\":\"c\",\"image\":\"zz\"}]",
         "\"containerStatuses\":[" WAITS("c", "ErrImagePull", "m:1: not found") "]",
         "volume v m:1 fails m:1: not found; container c zz waits; later; "},
        {"image volume failed beside an image of its own",
         "\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"m:1\"}}],"
         "\"containers\":[{\"name\":\"c\",\"image\":\"zz\"}]",
         WAITS_FOR("zz", "ImagePullBackOff", BACK_OFF("m:1") ": ErrImagePull: m:1: EOF", ""),
         "volume v m:1 fails m:1: EOF; container c zz waits; later; "},
        {"image volume of the container's own image failed",
         "\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"m:1\"}}],"
         "\"containers\":[{\"name\":\"c\",\"image\":\"docker.io/library/m:1\"}]",
         WAITS_FOR("docker.io/library/m:1", "ErrImagePull", "docker.io/library/m:1: not found", ""),
         "volume v m:1 fails docker.io/library/m:1: not found; container c docker.io/library/m:1 "
         "waits; later; "},
        {"image volume failed, who does not mount it has started", TWO_WITH_VOLUME,
         "\"containerStatuses\":[" RUNS("d") "," WAITS("c", "ImagePullBackOff",
                                                       BACK_OFF("m:1")) "]",
         "volume v m:1 fails; container c zz waits; later; "},
        {"image volume there, who does not mount it has started", TWO_WITH_VOLUME,
         "\"containerStatuses\":[" RUNS("d") "," WAITS("c", "ErrImagePull", "zz: EOF") "]",
         "container c zz fails zz: EOF; "},
        {"image volume or the container's own, it is not said which", TWO_WITH_VOLUME,
         "\"containerStatuses\":[" WAITS("c", "ErrImagePull", "pull QPS exceeded") "]",
         "volume v m:1 waits; container d b waits; container c zz waits; later; "},
        {"image volume or the container's own, and who does not mount it has started",
         TWO_WITH_VOLUME,
         "\"containerStatuses\":[" RUNS("d") "," WAITS("c", "ErrImagePull",
                                                       "pull QPS exceeded") "]",
         "volume v m:1 waits; container c zz waits; later; "},
        {"who mounts no image volume has failed itself", TWO_WITH_VOLUME,
         "\"containerStatuses\":[" WAITS("d", "ErrImagePull", "pull QPS exceeded") "]",
         "volume v m:1 waits; container d b fails pull QPS exceeded; container c zz waits; "},
        {"inspection failed", MAIN,
         WAITS_FOR("a", "ImageInspectError", "Failed to inspect image \\\"\\\": ambiguous", ""),
         "container c a fails ambiguous; "},
        // The pod was given the image `a`; the kubelet still reports of the one before.
        {"failure of the image before, by status", MAIN,
         WAITS_FOR("b:oops", "ErrImagePull", "not found", ""), "container c a waits; "},
        {"failure of the image before, by words", MAIN,
         WAITS_FOR("a", "ImagePullBackOff", BACK_OFF("b:oops"), ""), "container c a waits; "},
        {"name before was invalid", MAIN,
         WAITS_FOR("A", "InvalidImageName", "Failed to apply default image tag \\\"A\\\": bad", ""),
         "container c a waits; "},
        {"another tag by status", "\"containers\":[{\"name\":\"c\",\"image\":\"a:2\"}]",
         WAITS_FOR("a:1", "ErrImagePull", "not found", ""), "container c a:2 waits; "},
        {"the same image otherwise written", MAIN,
         WAITS_FOR("docker.io/library/a:latest", "ErrImagePull", "not found", ""),
         "container c a fails not found; "},
        {"the same digest without tag",
         "\"containers\":[{\"name\":\"c\",\"image\":\"a:1@sha256:" DIGITS "\"}]",
         WAITS_FOR("a@sha256:" DIGITS, "ErrImagePull", "not found", ""),
         "container c a:1@sha256:" DIGITS " fails not found; "},
        {"a name that the runtime knows it by", MAIN,
         WAITS_FOR("sha256:" DIGITS, "ErrImagePull", "not found", ",\"restartCount\":2"),
         "container c a fails not found; "},
        {"the reason is what keeps the kubelet from pulling", MAIN,
         WAITS_FOR("a", "cannot note it: disk full",
                   "Failed to record image pull intent for container image \\\"a\\\": disk full",
                   ""),
         "container c a fails Failed to record image pull intent for container image \"a\": disk "
         "full; "},
        {"other volumes", "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]", "", ""},
        {"a container without image", "\"containers\":[{\"name\":\"c\"}]", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[500];
        describe(cases[i].spec, cases[i].status, text, sizeof(text));
        check_text(cases[i].name, text, cases[i].wanted);
    }
}

// When each waiting container of a pod was let, 99: just now. Behind two init containers and a
// sidecar, the first and the last of which have these further fields.
static void describe_turns(const char *of_first, const char *of_sidecar, const char *statuses,
                           char text[static 200])
{
    char json[2000];
    static struct pt_kube_pod pod;
    snprintf(json, sizeof(json),
             "{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\"},"
             "\"spec\":{\"nodeName\":\"node\",\"initContainers\":["
             "{\"name\":\"i\",\"image\":\"x\"%s},{\"name\":\"j\",\"image\":\"x\"},"
             "{\"name\":\"s\",\"image\":\"x\",\"restartPolicy\":\"Always\"%s}]," MAIN "},"
             "\"status\":{\"initContainerStatuses\":[%s]}}",
             of_first, of_sidecar, statuses);
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    check_int(json, pt_kube_pod_decode(yyjson_doc_get_root(doc), &pod), 0);
    for (size_t w = 0, at = 0; w < pod.waiting_count; w++) {
        const struct pt_kube_container *container = &pod.waiting[w];
        bool is_now = container->turn_at == PT_KUBE_JUST_NOW;
        int seconds = is_now ? 99 : (int)(container->turn_at / PT_NS_PER_S % 60);
        at += (size_t)sprintf(text + at, "%s %d%s; ", container->name, seconds,
                              container->is_on_turn ? "" : " later");
    }
    yyjson_doc_free(doc);
}

static void knows_since_when_a_container_is_on_turn(void **state)
{
    (void)state;
    static const struct {
        const char *name, *statuses, *wanted;
    } cases[] = {
        {"nothing runs", "", "i 0; j 0 later; s 0 later; c 0 later; "},
        {"the first has ended", ENDED("i", "10"), "j 10; s 10 later; c 10 later; "},
        {"both have", ENDED("i", "10") "," ENDED("j", "20"), "s 20; c 20 later; "},
        {"the sidecar starts",
         ENDED("i", "10") "," ENDED("j", "20") "," STARTED("s", "false", "21"), "c 20 later; "},
        {"it has started", ENDED("i", "10") "," ENDED("j", "20") "," STARTED("s", "true", "21"),
         "c 21; "},
        {"the times are not said", EXITS("i", "0") "," EXITS("j", "0") "," RUNS("s"), "c 0; "},
        {"a sidecar that was started anew before the others ended",
         ENDED("i", "30") "," ENDED("j", "20") "," STARTED("s", "true", "21"), "c 30; "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[200] = "";
        describe_turns("", "", cases[i].statuses, text);
        check_text(cases[i].name, text, cases[i].wanted);
    }
}

// No field says when a startup probe succeeded.
static void a_sidecar_with_a_startup_probe_lets_the_next_ones_just_now(void **state)
{
    (void)state;
    char text[200] = "";
    describe_turns("", ",\"startupProbe\":{}",
                   ENDED("i", "10") "," ENDED("j", "20") "," STARTED("s", "true", "21"), text);
    check_text("it has started", text, "c 99; ");
    describe_turns(",\"restartPolicy\":\"Always\",\"startupProbe\":{}", "",
                   STARTED("i", "true", "10") "," ENDED("j", "20"), text);
    check_text("another one has ended behind it", text, "s 20; c 20 later; ");
}

static int decode_pod(const char *json, struct pt_kube_pod *pod, yyjson_doc **doc)
{
    *doc = yyjson_read(json, strlen(json), 0);
    return pt_kube_pod_decode(yyjson_doc_get_root(*doc), pod);
}

static void knows_pods_that_wait_for_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int result;
        bool is_leaving;
    } cases[] = {
        {"{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\"},\"spec\":{" MAIN "}}", 0,
         false},
        {"{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\","
         "\"deletionTimestamp\":\"2026-11-21T03:00:00Z\"},\"spec\":{\"nodeName\":\"x\"," MAIN "}}",
         0, true},
        {"{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\"},"
         "\"spec\":{\"nodeName\":\"x\"," MAIN "},\"status\":{\"phase\":\"Failed\"}}",
         0, true},
        {"{\"metadata\":{\"uid\":\"u\",\"name\":\"p\"}}", -EINVAL, false},
        {"{\"metadata\":7}", -EINVAL, false},
        {"[]", -EINVAL, false},
    };
    static struct pt_kube_pod pod;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        yyjson_doc *doc;
        check_int(cases[i].json, decode_pod(cases[i].json, &pod, &doc), cases[i].result);
        check_int(cases[i].json, (int64_t)pod.waiting_count, 0);
        check_int(cases[i].json, pod.is_leaving, cases[i].is_leaving);
        yyjson_doc_free(doc);
    }
}

static void names_a_static_pod_as_its_events_do(void **state)
{
    (void)state;
    static const struct {
        const char *annotation, *uid;
    } cases[] = {
        {"0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"},
        {"0123456789abcdef0123456789abcde", "u"},
        {"0123456789ABCDEF0123456789ABCDEF", "u"},
        {"01234567-89ab-cdef-0123-456789abcdef", "u"},
    };
    static struct pt_kube_pod pod;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[300];
        snprintf(json, sizeof(json),
                 "{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\","
                 "\"annotations\":{\"kubernetes.io/config.mirror\":\"%s\"}}}",
                 cases[i].annotation);
        yyjson_doc *doc;
        check_int(json, decode_pod(json, &pod, &doc), 0);
        check_text(json, pod.uid, cases[i].uid);
        yyjson_doc_free(doc);
    }
}

static void knows_since_when_a_pod_waits(void **state)
{
    (void)state;
    static struct pt_kube_pod pod;
    yyjson_doc *doc;
    assert_int_equal(
        decode_pod("{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\","
                   "\"creationTimestamp\":\"1970-01-01T00:00:10Z\"},\"status\":{\"conditions\":["
                   "{\"type\":\"PodScheduled\",\"status\":\"True\","
                   "\"lastTransitionTime\":\"1970-01-01T00:00:15Z\"}]}}",
                   &pod, &doc),
        0);
    assert_int_equal(pod.waiting_since, 15 * PT_NS_PER_S);
    yyjson_doc_free(doc);
}

static void takes_no_text_that_is_too_long(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *head, *tail; // the long text stands between them
        int length;
        int result;
        size_t waiting;
    } cases[] = {
        {"uid", "{\"metadata\":{\"uid\":\"", "\",\"namespace\":\"n\",\"name\":\"p\"}}",
         PT_LIMIT_KUBE_NAME_BYTES + 1, -EINVAL, 0},
        {"longest name", "{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"",
         "\"},\"spec\":{\"nodeName\":\"x\"," MAIN "}}", PT_LIMIT_KUBE_NAME_BYTES, 0, 1},
        {"image",
         "{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\"},"
         "\"spec\":{\"nodeName\":\"x\",\"containers\":[{\"name\":\"c\",\"image\":\"",
         "\"},{\"name\":\"d\",\"image\":\"a\"}]}}", PT_LIMIT_REFERENCE_BYTES + 1, 0, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        static struct pt_kube_pod pod;
        char text[PT_LIMIT_REFERENCE_BYTES + 2] = "";
        char json[2000];
        memset(text, 'a', (size_t)cases[i].length);
        text[cases[i].length] = '\0';
        snprintf(json, sizeof(json), "%s%s%s", cases[i].head, text, cases[i].tail);
        yyjson_doc *doc;
        check_int(cases[i].name, decode_pod(json, &pod, &doc), cases[i].result);
        check_int(cases[i].name, (int64_t)pod.waiting_count, (int64_t)cases[i].waiting);
        yyjson_doc_free(doc);
    }
}

static void leaves_out_more_containers_than_the_limit(void **state)
{
    (void)state;
    static struct pt_kube_pod pod;
    static char json[20000] = "{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\"},"
                              "\"spec\":{\"nodeName\":\"x\",\"containers\":[";
    for (int i = 0; i < PT_LIMIT_CONTAINERS_PER_POD + 10; i++)
        sprintf(json + strlen(json), "%s{\"name\":\"c%d\",\"image\":\"a\"}", i ? "," : "", i);
    strcat(json, "]}}");
    yyjson_doc *doc;
    assert_int_equal(decode_pod(json, &pod, &doc), 0);
    assert_int_equal(pod.waiting_count, PT_LIMIT_CONTAINERS_PER_POD);
    yyjson_doc_free(doc);
}

#define ABOUT(path)                                                                                \
    "\"metadata\":{\"uid\":\"e\",\"creationTimestamp\":\"1970-01-01T00:00:05Z\"},"                 \
    "\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"n\",\"name\":\"p\",\"uid\":\"u\","       \
    "\"fieldPath\":\"" path "\"},"
#define SAYS "\"reason\":\"Pulling\",\"message\":\"Pulling image \\\"a\\\"\","
#define FROM "\"source\":{\"host\":\"node\"}"

// When an event was written last is not in it: it follows from other times, which anybody may set.
static void times_of_events_stay_in_range(void **state)
{
    (void)state;
    static const struct {
        const char *name, *created, *first, *last;
        int64_t written_at;
    } rows[] = {
        {"usual", "1970-01-01T00:00:05Z", "1970-01-01T00:00:06Z", "1970-01-01T00:00:09Z",
         8 * PT_NS_PER_S},
        {"beyond what can be kept", "2261-01-01T00:00:00Z", "1970-01-01T00:00:06Z",
         "2261-01-01T00:00:00Z", INT64_MAX},
        {"the last before the first", "1970-01-01T00:00:05Z", "2261-01-01T00:00:00Z",
         "1970-01-01T00:00:06Z", 5 * PT_NS_PER_S},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char json[1024];
        struct pt_kube_event event;
        snprintf(json, sizeof(json),
                 "{\"metadata\":{\"uid\":\"e\",\"creationTimestamp\":\"%s\"},"
                 "\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"n\",\"name\":\"p\","
                 "\"uid\":\"u\"}," SAYS FROM ",\"firstTimestamp\":\"%s\",\"lastTimestamp\":\"%s\"}",
                 rows[i].created, rows[i].first, rows[i].last);
        yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
        check_int(rows[i].name, pt_kube_event_decode(yyjson_doc_get_root(doc), &event), 0);
        check_int(rows[i].name, event.written_at, rows[i].written_at);
        yyjson_doc_free(doc);
    }
}

static void reads_events(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int result;
        enum pt_kube_container_kind kind;
        const char *container;
        int64_t first_s, last_s, count;
    } cases[] = {
        {"{" ABOUT("spec.containers{c}") SAYS FROM
         ",\"firstTimestamp\":\"1970-01-01T00:00:06Z\",\"lastTimestamp\":\"1970-01-01T00:00:09Z\","
         "\"count\":4}",
         0, PT_KUBE_CONTAINER, "c", 6, 9, 4},
        {"{" ABOUT("spec.initContainers{i}") SAYS FROM "}", 0, PT_KUBE_INIT_CONTAINER, "i", 5, 5,
         1},
        {"{" ABOUT("spec.ephemeralContainers{x}") SAYS FROM
         ",\"eventTime\":\"1970-01-01T00:00:07.5Z\",\"firstTimestamp\":null,\"count\":0,"
         "\"series\":{\"count\":3,\"lastObservedTime\":\"1970-01-01T00:00:08Z\"}}",
         0, PT_KUBE_EPHEMERAL_CONTAINER, "x", 7, 8, 3},
        {"{" ABOUT("") SAYS FROM "}", 0, PT_KUBE_IMAGE_VOLUME, "", 5, 5, 1},
        {"{" ABOUT("spec.containers{broken") SAYS FROM "}", 0, PT_KUBE_IMAGE_VOLUME, "", 5, 5, 1},
        {"{" ABOUT("spec.containers{c}") SAYS "\"reportingInstance\":\"node\"}", 0,
         PT_KUBE_CONTAINER, "c", 5, 5, 1},
        {"{" ABOUT("spec.containers{c}") SAYS "\"source\":{\"host\":\"no\\u0000de\"}}", -EINVAL, 0,
         NULL, 0, 0, 0},
        {"{" ABOUT("spec.containers{c}") SAYS FROM ",\"count\":9223372036854775807}", 0,
         PT_KUBE_CONTAINER, "c", 5, 5, PT_LIMIT_EVENT_COUNT},
        // About something else.
        {"{" ABOUT("spec.containers{c}") "\"reason\":\"Created\"," FROM "}", 0, 0, NULL, 0, 0, 0},
        {"{\"metadata\":{\"uid\":\"e\"},\"involvedObject\":{\"kind\":\"Node\",\"namespace\":\"n\","
         "\"name\":\"p\",\"uid\":\"u\"}," SAYS FROM "}",
         0, 0, NULL, 0, 0, 0},
        {"[]", 0, 0, NULL, 0, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_kube_event event;
        const char *row = cases[i].json;
        yyjson_doc *doc = yyjson_read(row, strlen(row), 0);
        int r = pt_kube_event_decode(yyjson_doc_get_root(doc), &event);
        check_int(row, r, cases[i].result);
        if (r == 0)
            check_int(row, event.message.word,
                      cases[i].container ? PT_KUBELET_PULLING : PT_KUBELET_OTHER);
        if (r == 0 && cases[i].container) {
            check_text(row, event.node, "node");
            check_text(row, event.container, cases[i].container);
            check_int(row, event.kind, cases[i].kind);
            check_int(row, event.first_at / PT_NS_PER_S, cases[i].first_s);
            check_int(row, event.last_at / PT_NS_PER_S, cases[i].last_s);
            check_int(row, event.count, cases[i].count);
            check_text(row, event.message.image, "a");
        }
        yyjson_doc_free(doc);
    }
}

// Virtual nodes name none, and what attaches volumes runs on none.
static void an_event_may_lack_its_node(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{" ABOUT("spec.containers{c}") SAYS "\"source\":{}}",
        "{" ABOUT("spec.containers{c}") SAYS "\"reportingInstance\":\"\"}",
        "{" ABOUT("spec.containers{c}") SAYS "\"source\":{\"host\":\"\",\"component\":\"n/pods\"}}",
    };
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        struct pt_kube_event event;
        yyjson_doc *doc = yyjson_read(events[i], strlen(events[i]), 0);
        check_int(events[i], pt_kube_event_decode(yyjson_doc_get_root(doc), &event), 0);
        check_text(events[i], event.node, "");
        yyjson_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_waits),
        cmocka_unit_test(knows_since_when_a_container_is_on_turn),
        cmocka_unit_test(a_sidecar_with_a_startup_probe_lets_the_next_ones_just_now),
        cmocka_unit_test(knows_pods_that_wait_for_nothing),
        cmocka_unit_test(names_a_static_pod_as_its_events_do),
        cmocka_unit_test(knows_since_when_a_pod_waits),
        cmocka_unit_test(takes_no_text_that_is_too_long),
        cmocka_unit_test(leaves_out_more_containers_than_the_limit),
        cmocka_unit_test(times_of_events_stay_in_range),
        cmocka_unit_test(reads_events),
        cmocka_unit_test(an_event_may_lack_its_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
