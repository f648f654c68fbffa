// SPDX-License-Identifier: Apache-2.0
#include "server/identity/api_question.h"

#include "kube/kube_client.h"
#include "kube/kube_status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define TIMEOUT_MS 5000

struct pt_question {
    struct pt_buffer body;
    struct pt_http_request *request;
    pt_answer_fn *on_answer;
    void *context;
};

static void destroy(struct pt_question *question)
{
    pt_buffer_finish(&question->body);
    free(question);
}

static int on_data(void *context, const char *data, size_t length)
{
    struct pt_question *question = context;
    return pt_buffer_append(&question->body, data, length);
}

static enum pt_answer_sort sort_of(const struct pt_http_result *result, bool is_object)
{
    if (result->error == 0 && (result->status == 403 || result->status == 404))
        return PT_ANSWER_REFUSED;
    return result->error == 0 && result->status / 100 == 2 && is_object ? PT_ANSWER_GOOD
                                                                        : PT_ANSWER_TROUBLE;
}

static void on_done(void *context, const struct pt_http_result *result)
{
    struct pt_question *question = context;
    char words[512];
    struct pt_kube_status status = {0};
    yyjson_doc *document = question->body.length > 0
                               ? yyjson_read(question->body.data, question->body.length, 0)
                               : NULL;
    yyjson_val *object = yyjson_doc_get_root(document);
    struct pt_answer answer = {
        .sort = sort_of(result, yyjson_is_obj(object)),
        .status = result->status,
        .object = object,
        .text = question->body.data,
        .length = question->body.length,
    };
    if (answer.sort != PT_ANSWER_GOOD) {
        pt_kube_status_read(object, &status);
        answer.words = pt_kube_failure_of(&status, result, words, sizeof(words));
        if (!answer.words)
            answer.words = "the answer is no JSON object";
    }
    question->on_answer(question->context, &answer);
    yyjson_doc_free(document);
    destroy(question);
}

int pt_question_start(const struct pt_kube_client *client, const char *path, const char *body,
                      size_t max_bytes, pt_answer_fn *on_answer, void *context,
                      struct pt_question **ret_question, struct pt_error *err)
{
    struct pt_question *question = calloc(1, sizeof(*question));
    if (!question)
        return pt_error_set(err, ENOMEM, "out of memory");
    pt_buffer_init(&question->body, max_bytes);
    question->on_answer = on_answer;
    question->context = context;
    const struct pt_http_options request = {
        .body = body,
        .body_length = body ? strlen(body) : 0,
        .timeout_ms = TIMEOUT_MS,
        .max_response_bytes = max_bytes,
        .on_data = on_data,
        .on_done = on_done,
        .context = question,
    };
    int r = pt_kube_client_start(client, path, request, &question->request, err);
    if (r < 0) {
        destroy(question);
        return r;
    }
    *ret_question = question;
    return 0;
}

void pt_question_cancel(struct pt_question *question)
{
    if (!question)
        return;
    pt_http_request_cancel(question->request);
    destroy(question);
}
