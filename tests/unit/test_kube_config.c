// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_config.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// A folder of its own with files of the test.
struct fixture {
    char folder[64];
};

static const char *fake_host, *fake_port;

static char *fake_getenv(const char *name)
{
    if (strcmp(name, "KUBERNETES_SERVICE_HOST") == 0)
        return (char *)fake_host;
    return strcmp(name, "KUBERNETES_SERVICE_PORT") == 0 ? (char *)fake_port : NULL;
}

static char *write_file(struct fixture *fixture, const char *name, const char *text)
{
    char *path = NULL;
    int n = asprintf(&path, "%s/%s", fixture->folder, name);
    assert_true(n > 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    strcpy(fixture->folder, "/tmp/pt-kube-config-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fake_host = fake_port = NULL;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"token", "ca.crt", "config", "key.pem"};
    struct fixture *fixture = *state;
    char path[128];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", fixture->folder, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(fixture->folder), 0);
    free(fixture);
    return 0;
}

static int load(struct fixture *fixture, struct pt_kube_settings settings,
                struct pt_kube_config *config, struct pt_error *err)
{
    *err = (struct pt_error){0};
    *config = (struct pt_kube_config){0};
    return pt_kube_config_load(&settings, fake_getenv, fixture->folder, config, err);
}

static void is_absent_outside_a_cluster(void **state)
{
    struct pt_kube_config config;
    struct pt_error err;
    assert_int_equal(load(*state, (struct pt_kube_settings){0}, &config, &err), 0);
    assert_null(config.url);
    fake_host = "10.0.0.1";
    fake_port = "443"; // in a pod without a service account's token
    assert_int_equal(load(*state, (struct pt_kube_settings){.url = ""}, &config, &err), 0);
    assert_null(config.url);
}

static void takes_what_the_kubelet_puts_into_a_pod(void **state)
{
    struct fixture *fixture = *state;
    struct pt_kube_config config;
    struct pt_error err;
    char *ca = write_file(fixture, "ca.crt", "PEM");
    free(write_file(fixture, "token", "first\n"));
    fake_host = "fd00::1";
    fake_port = "443";
    assert_int_equal(load(fixture, (struct pt_kube_settings){0}, &config, &err), 0);
    assert_string_equal(config.url, "https://[fd00::1]:443");
    assert_string_equal(config.ca_file, ca);
    assert_string_equal(pt_secret_get(config.token), "first");
    free(write_file(fixture, "token", "second one"));
    assert_string_equal(pt_secret_get(config.token), "second one");
    pt_kube_config_finish(&config);
    free(ca);
}

static void explicit_settings_win(void **state)
{
    struct fixture *fixture = *state;
    struct pt_kube_config config;
    struct pt_error err;
    char *token = write_file(fixture, "token", "t");
    fake_host = "10.0.0.1";
    fake_port = "443";
    assert_int_equal(
        load(fixture,
             (struct pt_kube_settings){.url = "http://127.0.0.1:8001/", .token_file = token},
             &config, &err),
        0);
    assert_string_equal(config.url, "http://127.0.0.1:8001");
    assert_null(config.ca_file);
    assert_string_equal(pt_secret_get(config.token), "t");
    pt_kube_config_finish(&config);
    free(token);
}

static void refuses_settings_that_cannot_work(void **state)
{
    struct fixture *fixture = *state;
    const struct {
        struct pt_kube_settings settings;
        const char *message;
    } cases[] = {
        {{.url = "http://a", .kubeconfig = "b"}, "not both"},
        {{.token_file = "/t"}, "PULLTRACE_KUBE_TOKEN_FILE needs PULLTRACE_KUBE_URL"},
        {{.ca_file = "/t"}, "PULLTRACE_KUBE_CA_FILE needs PULLTRACE_KUBE_URL"},
        {{.url = "http://a", .token_file = "/nonexistent"}, "PULLTRACE_KUBE_TOKEN_FILE: "},
        {{.url = "http://a", .ca_file = "/nonexistent"}, "PULLTRACE_KUBE_CA_FILE: /nonexistent"},
        {{.kubeconfig = "/nonexistent"}, "PULLTRACE_KUBECONFIG: /nonexistent: No such file"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_kube_config config;
        struct pt_error err;
        check_int(cases[i].message, load(fixture, cases[i].settings, &config, &err) < 0, 1);
        if (!strstr(err.message, cases[i].message))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].message, err.message);
    }
}

#define CONTEXT                                                                                    \
    "current-context: here\n"                                                                      \
    "contexts:\n"                                                                                  \
    "- {name: there, context: {cluster: x, user: y}}\n"                                            \
    "- {name: here, context: {cluster: c, user: u}}\n"
#define CLUSTER "clusters:\n- {name: c, cluster: {server: 'https://127.0.0.1:6443'}}\n"

static int load_kubeconfig(struct fixture *fixture, const char *text, struct pt_kube_config *config,
                           struct pt_error *err)
{
    char *path = write_file(fixture, "config", text);
    int r = load(fixture, (struct pt_kube_settings){.kubeconfig = path}, config, err);
    free(path);
    return r;
}

static void reads_a_kubeconfig_with_a_token(void **state)
{
    struct pt_kube_config config;
    struct pt_error err;
    int r = load_kubeconfig(*state, CONTEXT CLUSTER "users:\n- name: u\n  user:\n    token: abc\n",
                            &config, &err);
    check_text("error", err.message, "");
    assert_int_equal(r, 0);
    assert_string_equal(config.url, "https://127.0.0.1:6443");
    assert_string_equal(pt_secret_get(config.token), "abc");
    pt_kube_config_finish(&config);
}

static void read_back(const char *path, char text[static 64])
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, 63, file);
    text[length] = '\0';
    fclose(file);
}

static void reads_a_kubeconfig_with_inline_certificates(void **state)
{
    struct fixture *fixture = *state;
    struct pt_kube_config config;
    struct pt_error err;
    char text[64];
    free(write_file(fixture, "key.pem", "KEY"));
    int r = load_kubeconfig(fixture,
                            CONTEXT "clusters:\n"
                                    "- name: c\n"
                                    "  cluster:\n"
                                    "    server: https://api.example.com:6443/\n"
                                    "    insecure-skip-tls-verify: false\n"
                                    "    certificate-authority-data: |\n"
                                    "      Q0Eg\n"
                                    "      MQ==\n"
                                    "users:\n"
                                    "- name: u\n"
                                    "  user:\n"
                                    "    client-certificate-data: Q0VSVA==\n"
                                    "    client-key: key.pem\n",
                            &config, &err);
    check_text("error", err.message, "");
    assert_int_equal(r, 0);
    assert_string_equal(config.url, "https://api.example.com:6443");
    read_back(config.ca_file, text);
    assert_string_equal(text, "CA 1");
    read_back(config.client_cert_file, text);
    assert_string_equal(text, "CERT");
    read_back(config.client_key_file, text);
    assert_string_equal(text, "KEY");
    assert_string_equal(pt_secret_get(config.token), "");
    pt_kube_config_finish(&config);
}

static void says_what_is_wrong_with_a_kubeconfig(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "no current-context"},
        {"a: [", "line 2"},
        {"current-context: nowhere\n", "no context \"nowhere\""},
        {"current-context: c\ncontexts: [{name: c, context: {user: u}}]\n",
         "context \"c\" names no cluster"},
        {CONTEXT, "has no server URL"},
        {CONTEXT "clusters:\n- {name: c, cluster: {server: 'ftp://a'}}\n", "has no server URL"},
        {CONTEXT CLUSTER, "no user \"u\""},
        {CONTEXT CLUSTER "users:\n- {name: u, user: {exec: {command: aws}}}\n",
         "\"exec\" is not supported"},
        {CONTEXT "clusters:\n- {name: c, cluster: {server: 'https://a', "
                 "insecure-skip-tls-verify: true}}\n",
         "\"insecure-skip-tls-verify\" is not supported"},
        {CONTEXT CLUSTER "users:\n- {name: u, user: {client-certificate-data: '!!'}}\n",
         "client-certificate-data is not base64"},
        {CONTEXT CLUSTER "users:\n- {name: u, user: {client-certificate-data: Q0VSVA==}}\n",
         "needs its key"},
        {CONTEXT CLUSTER "users:\n- {name: u, user: {tokenFile: missing}}\n", "missing: No such"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_kube_config config;
        struct pt_error err;
        check_int(cases[i].message, load_kubeconfig(*state, cases[i].text, &config, &err) < 0, 1);
        if (!strstr(err.message, cases[i].message))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].message, err.message);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(is_absent_outside_a_cluster),
        TEST(takes_what_the_kubelet_puts_into_a_pod),
        TEST(explicit_settings_win),
        TEST(refuses_settings_that_cannot_work),
        TEST(reads_a_kubeconfig_with_a_token),
        TEST(reads_a_kubeconfig_with_inline_certificates),
        TEST(says_what_is_wrong_with_a_kubeconfig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
