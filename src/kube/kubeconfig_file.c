// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yaml.h>

#define MAX_FILE_BYTES (1024 * 1024)

struct kubeconfig {
    const char *path;
    yaml_document_t document;
};

// --- looking into the document; all of these take and return NULL for what is not there ---

static yaml_node_t *find(struct kubeconfig *file, yaml_node_t *mapping, const char *key)
{
    if (!mapping || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        yaml_node_t *name = yaml_document_get_node(&file->document, pair->key);
        if (name && name->type == YAML_SCALAR_NODE &&
            strcmp((const char *)name->data.scalar.value, key) == 0)
            return yaml_document_get_node(&file->document, pair->value);
    }
    return NULL;
}

static const char *find_text(struct kubeconfig *file, yaml_node_t *mapping, const char *key)
{
    yaml_node_t *node = find(file, mapping, key);
    if (!node || node->type != YAML_SCALAR_NODE || node->data.scalar.length == 0)
        return NULL;
    return (const char *)node->data.scalar.value;
}

// `clusters: [{name: X, cluster: {…}}]`: the inner mapping of the entry with that name.
static yaml_node_t *find_named(struct kubeconfig *file, const char *list_key, const char *name,
                               const char *inner_key)
{
    yaml_node_t *list = find(file, yaml_document_get_root_node(&file->document), list_key);
    if (!list || list->type != YAML_SEQUENCE_NODE)
        return NULL;
    yaml_node_item_t *item = list->data.sequence.items.start;
    for (; item < list->data.sequence.items.top; item++) {
        yaml_node_t *entry = yaml_document_get_node(&file->document, *item);
        const char *entry_name = find_text(file, entry, "name");
        if (entry_name && strcmp(entry_name, name) == 0)
            return find(file, entry, inner_key);
    }
    return NULL;
}

static int refuse_keys(struct kubeconfig *file, yaml_node_t *mapping, const char *const *keys,
                       struct pt_error *err)
{
    for (; *keys; keys++) {
        const char *text = find_text(file, mapping, *keys);
        if (find(file, mapping, *keys) && (!text || strcmp(text, "false") != 0))
            return pt_error_set(err, ENOTSUP,
                                "%s: \"%s\" is not supported; use a token or a client certificate, "
                                "and certificate-authority",
                                file->path, *keys);
    }
    return 0;
}

// --- taking values over ---

static int copy_text(const char *text, char **ret_copy, struct pt_error *err)
{
    *ret_copy = strdup(text);
    if (*ret_copy)
        return 0;
    pt_error_set(err, ENOMEM, "out of memory");
    return -ENOMEM;
}

// A path in the file is relative to the file's own folder.
static int copy_path(struct kubeconfig *file, const char *path, char **ret_path,
                     struct pt_error *err)
{
    if (*path == '/')
        return copy_text(path, ret_path, err);
    char *copy = strdup(file->path);
    int n = copy ? asprintf(ret_path, "%s/%s", dirname(copy), path) : -1;
    free(copy);
    if (n >= 0)
        return 0;
    *ret_path = NULL;
    pt_error_set(err, ENOMEM, "out of memory");
    return -ENOMEM;
}

// Puts bytes where libcurl can read them as a file without their touching a disk.
static int hold_in_memory(struct pt_kube_config *config, const void *bytes, size_t length,
                          char **ret_path, struct pt_error *err)
{
    int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
    if (fd < 0)
        return pt_error_set(err, errno, "memfd_create: %s", strerror(errno));
    config->memory_fds[config->memory_fd_count++] = fd;
    ssize_t n = write(fd, bytes, length);
    if (n < 0 || (size_t)n != length)
        return pt_error_set(err, EIO, "memfd: short write");
    if (asprintf(ret_path, "/proc/self/fd/%d", fd) < 0) {
        *ret_path = NULL;
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    return 0;
}

// Base64 may be broken into lines. Returns the length of what is left.
static size_t copy_packed(const char *text, char *packed)
{
    size_t length = 0;
    for (; *text; text++) {
        if (!strchr(" \t\r\n", *text))
            packed[length++] = *text;
    }
    packed[length] = '\0';
    return length;
}

static int hold_base64(struct kubeconfig *file, struct pt_kube_config *config, const char *key,
                       const char *text, char **ret_path, struct pt_error *err)
{
    size_t size = strlen(text) + 4;
    unsigned char *bytes = malloc(size);
    char *packed = malloc(size);
    if (!bytes || !packed) {
        free(bytes);
        free(packed);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    size_t length = copy_packed(text, packed);
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)packed, (int)length);
    int r;
    if (decoded < 0) {
        r = pt_error_set(err, EINVAL, "%s: %s is not base64", file->path, key);
    } else {
        // EVP_DecodeBlock counts the padding as bytes.
        for (size_t i = length; i > 0 && packed[i - 1] == '=' && decoded > 0; i--)
            decoded--;
        r = hold_in_memory(config, bytes, (size_t)decoded, ret_path, err);
    }
    explicit_bzero(bytes, size);
    explicit_bzero(packed, size);
    free(bytes);
    free(packed);
    return r;
}

// Inline data wins over a path, as kubectl has it. Neither leaves *ret_path NULL.
static int take_pem(struct kubeconfig *file, struct pt_kube_config *config, yaml_node_t *mapping,
                    const char *key, const char *data_key, char **ret_path, struct pt_error *err)
{
    const char *data = find_text(file, mapping, data_key);
    if (data)
        return hold_base64(file, config, data_key, data, ret_path, err);
    const char *path = find_text(file, mapping, key);
    if (!path)
        return 0;
    int r = copy_path(file, path, ret_path, err);
    if (r == 0 && access(*ret_path, R_OK) < 0)
        r = pt_error_set(err, errno, "%s: %s %s: %s", file->path, key, path, strerror(errno));
    return r;
}

static int take_cluster(struct kubeconfig *file, yaml_node_t *cluster,
                        struct pt_kube_config *config, struct pt_error *err)
{
    static const char *const unsupported[] = {"insecure-skip-tls-verify", "tls-server-name",
                                              "proxy-url", NULL};
    const char *server = find_text(file, cluster, "server");
    if (!server || (strncmp(server, "https://", 8) != 0 && strncmp(server, "http://", 7) != 0))
        return pt_error_set(err, EINVAL, "%s: the cluster of the current context has no server URL",
                            file->path);
    int r = refuse_keys(file, cluster, unsupported, err);
    if (r == 0)
        r = copy_text(server, &config->url, err);
    if (r == 0)
        r = take_pem(file, config, cluster, "certificate-authority", "certificate-authority-data",
                     &config->ca_file, err);
    return r;
}

static int take_user(struct kubeconfig *file, yaml_node_t *user, struct pt_kube_config *config,
                     struct pt_error *err)
{
    static const char *const unsupported[] = {"exec", "auth-provider", "username", "password", "as",
                                              NULL};
    int r = refuse_keys(file, user, unsupported, err);
    if (r == 0)
        r = take_pem(file, config, user, "client-certificate", "client-certificate-data",
                     &config->client_cert_file, err);
    if (r == 0)
        r = take_pem(file, config, user, "client-key", "client-key-data", &config->client_key_file,
                     err);
    if (r == 0 && !config->client_cert_file != !config->client_key_file)
        r = pt_error_set(err, EINVAL,
                         "%s: a client certificate needs its key, and a key its "
                         "certificate",
                         file->path);
    if (r < 0)
        return r;
    char *token_path = NULL;
    const char *token_file = find_text(file, user, "tokenFile");
    if (token_file)
        r = copy_path(file, token_file, &token_path, err);
    if (r == 0)
        r = pt_secret_create(find_text(file, user, "token"), token_path, &config->token, err);
    free(token_path);
    return r;
}

static int take_context(struct kubeconfig *file, struct pt_kube_config *config,
                        struct pt_error *err)
{
    yaml_node_t *root = yaml_document_get_root_node(&file->document);
    const char *context_name = find_text(file, root, "current-context");
    if (!context_name)
        return pt_error_set(err, EINVAL, "%s: no current-context", file->path);
    yaml_node_t *context = find_named(file, "contexts", context_name, "context");
    if (!context)
        return pt_error_set(err, EINVAL, "%s: no context \"%s\", which is the current-context",
                            file->path, context_name);
    const char *cluster_name = find_text(file, context, "cluster");
    const char *user_name = find_text(file, context, "user");
    if (!cluster_name)
        return pt_error_set(err, EINVAL, "%s: context \"%s\" names no cluster", file->path,
                            context_name);
    int r = take_cluster(file, find_named(file, "clusters", cluster_name, "cluster"), config, err);
    if (r < 0)
        return r;
    yaml_node_t *user = user_name ? find_named(file, "users", user_name, "user") : NULL;
    if (user_name && !user)
        return pt_error_set(err, EINVAL, "%s: no user \"%s\", whom context \"%s\" names",
                            file->path, user_name, context_name);
    return take_user(file, user, config, err);
}

static int parse(struct kubeconfig *file, const char *text, size_t length, struct pt_error *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return pt_error_set(err, ENOMEM, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    int r = 0;
    if (!yaml_parser_load(&parser, &file->document))
        r = pt_error_set(err, EINVAL, "%s: line %zu: %s", file->path, parser.problem_mark.line + 1,
                         parser.problem ? parser.problem : "not YAML");
    yaml_parser_delete(&parser);
    return r;
}

// NULL when it cannot be read, with the reason in err.
static char *read_text(const char *path, size_t *ret_length, struct pt_error *err)
{
    FILE *stream = fopen(path, "re");
    if (!stream) {
        pt_error_set(err, errno, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(MAX_FILE_BYTES + 1);
    *ret_length = text ? fread(text, 1, MAX_FILE_BYTES + 1, stream) : 0;
    bool failed = ferror(stream);
    fclose(stream);
    if (text && !failed && *ret_length <= MAX_FILE_BYTES)
        return text;
    if (!text)
        pt_error_set(err, ENOMEM, "out of memory");
    else if (failed)
        pt_error_set(err, EIO, "%s: cannot be read", path);
    else
        pt_error_set(err, EFBIG, "%s: larger than %d bytes", path, MAX_FILE_BYTES);
    free(text);
    return NULL;
}

int pt_kubeconfig_file_read(const char *path, struct pt_kube_config *config, struct pt_error *err)
{
    struct kubeconfig file = {.path = path};
    size_t length;
    char *text = read_text(path, &length, err);
    if (!text)
        return err ? -err->code : -EIO;
    int r = parse(&file, text, length, err);
    if (r == 0) {
        r = take_context(&file, config, err);
        yaml_document_delete(&file.document);
    }
    explicit_bzero(text, length);
    free(text);
    return r;
}
