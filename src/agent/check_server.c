// SPDX-License-Identifier: Apache-2.0
#include "agent/check_server.h"

#include "agent/check.h"
#include "agent/check_lines.h"
#include "agent/report_post.h"
#include "base/http_client.h"
#include "base/limits.h"
#include "base/secret_file.h"
#include "base/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void judge_failure(struct pt_check_server *server, const struct pt_http_result *result)
{
    const char *advice = "Is it running, and does a network policy or firewall let this node "
                         "reach it?";
    if (result->error == -EHOSTUNREACH || strstr(result->message, "resolve"))
        advice = "The name of PULLTRACE_SERVER_URL is not known here. A pod with hostNetwork needs "
                 "dnsPolicy: ClusterFirstWithHostNet.";
    else if (result->error == -EPERM || strstr(result->message, "certificate"))
        advice = "Set PULLTRACE_CA_FILE to the CA of the server's certificate, which must be for "
                 "the host of PULLTRACE_SERVER_URL.";
    pt_check_fault(server->lines, "reached", result->message, advice);
}

static struct pt_secret *current_token(const struct pt_check_server *server)
{
    const struct pt_check_options *options = server->options;
    return options->identity && !server->sends_shared ? options->identity : options->token;
}

static void judge_refused_token(struct pt_check_server *server)
{
    const char *token = pt_secret_get(server->options->token);
    const char *found = token[0] ? "it is a wrong one" : "none is set";
    const char *advice = "Set PULLTRACE_AGENT_TOKEN_FILE to the token that the server has.";
    pt_check_well(server->lines, "reached", "it takes reports");
    if (server->options->identity) {
        found = token[0] ? "that of Kubernetes and the shared one are wrong"
                         : "that of Kubernetes is refused";
        advice = "Does the server have PULLTRACE_AGENT_IDENTITY=kubernetes, and this agent's "
                 "ServiceAccount and audience? Its /readyz says what it lacks.";
    }
    pt_check_fault(server->lines, "token", found, advice);
}

// The report that was sent is refused for its content type, after its token was looked at.
static void judge_status(struct pt_check_server *server, int status)
{
    const char *token = pt_secret_get(current_token(server));
    char text[64];
    snprintf(text, sizeof(text), "HTTP status %d", status);
    if (status == 503 && strstr(server->answer, "\"report_token_unchecked\"")) {
        pt_check_fault(server->lines, "token", "the server cannot look at it yet",
                       "Try again. If that stays, does the server reach the Kubernetes API?");
    } else if (status == 415) {
        pt_check_well(server->lines, "reached", "it takes reports");
        pt_check_well(server->lines, "token",
                      server->sends_shared
                          ? "the shared one is right, that of Kubernetes is not taken"
                      : token[0] ? "it is the right one"
                                 : "none is needed");
    } else if (status == 401) {
        judge_refused_token(server);
    } else if (status == 503) {
        pt_check_fault(server->lines, "reached", text,
                       "It has too much to do, or is about to end. Try again.");
    } else if (status == 421) {
        pt_check_fault(server->lines, "reached", text,
                       "It takes reports at an address of their own: that of PULLTRACE_AGENT_ADDR, "
                       "by https.");
    } else {
        pt_check_fault(server->lines, "reached", text,
                       "What answers there is no pulltrace-server, or a proxy in front of it.");
    }
}

static int send_to_server(struct pt_check_server *server, const char *token, struct pt_error *err);

static void on_server(void *context, const struct pt_http_result *result)
{
    struct pt_check_server *server = context;
    bool has_other = server->options->identity && pt_secret_get(server->options->token)[0];
    struct pt_error err;
    if (result->status == 401 && has_other && !server->sends_shared) {
        server->sends_shared = true;
        if (send_to_server(server, pt_secret_get(server->options->token), &err) == 0)
            return;
        pt_check_fault(server->lines, "token", err.message,
                       "That of Kubernetes is refused, and the shared one could not be sent.");
    } else if (result->error) {
        judge_failure(server, result);
    } else {
        judge_status(server, result->status);
    }
    server->on_done(server->context);
}

static int on_data(void *context, const char *data, size_t length)
{
    struct pt_check_server *server = context;
    size_t used = strlen(server->answer);
    size_t room = sizeof(server->answer) - 1 - used;
    memcpy(server->answer + used, data, length < room ? length : room);
    return 0;
}

static int send_to_server(struct pt_check_server *server, const char *token, struct pt_error *err)
{
    memset(server->answer, 0, sizeof(server->answer));
    char *url = pt_url_join(server->options->server_url, PT_REPORT_PATH);
    if (!url)
        return pt_error_set(err, ENOMEM, "out of memory");
    const struct pt_report_post post = {
        .http = server->http,
        .url = url,
        .ca_file = server->options->ca_file,
        .token = token,
        .content_type = "text/plain",
        .body = "",
        .max_answer_bytes = PT_LIMIT_HTTP_BUFFER_BYTES,
        .on_data = on_data,
        .on_done = on_server,
        .context = server,
    };
    int r = pt_report_post_start(&post, NULL, err);
    free(url);
    return r;
}

void pt_check_server_ask(struct pt_check_server *server)
{
    struct pt_error err;
    const char *url = server->options->server_url;
    fputs("\nserver (PULLTRACE_SERVER_URL)\n", server->lines->out);
    if (!url[0]) {
        pt_check_line(server->lines, "-", "none is set", "pulls are only logged");
        server->on_done(server->context);
        return;
    }
    const char *token = pt_secret_get(current_token(server));
    pt_check_line(server->lines, "-", "asked", url);
    if (token[0] && pt_url_is_in_clear(url))
        pt_check_line(server->lines, "note", "the token leaves this machine unencrypted",
                      "use https");
    if (send_to_server(server, token, &err) < 0) {
        pt_check_fault(server->lines, "reached", err.message, "Look at PULLTRACE_SERVER_URL.");
        server->on_done(server->context);
    }
}
