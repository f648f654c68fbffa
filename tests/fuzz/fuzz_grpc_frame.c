// SPDX-License-Identifier: Apache-2.0
#include "containerd/containerd.pb-c.h"
#include "containerd/grpc_frame.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_MESSAGE 4096

// Everything that containerd may answer with is unpacked from each message.
static const ProtobufCMessageDescriptor *const answers[] = {
    &ctrd__list_leases_response__descriptor,
    &ctrd__list_resources_response__descriptor,
    &ctrd__list_statuses_response__descriptor,
    &ctrd__content_info_response__descriptor,
    &ctrd__read_content_response__descriptor,
    &ctrd__list_images_response__descriptor,
    &ctrd__stat_snapshot_response__descriptor,
    &ctrd__envelope__descriptor,
    &ctrd__image_event__descriptor,
    &ctrd__snapshot_commit_event__descriptor,
};

static int on_message(void *context, const uint8_t *message, size_t length)
{
    size_t *sum = context;
    assert(length <= MAX_MESSAGE);
    for (size_t i = 0; i < length; i++)
        *sum = *sum * 31 + message[i];
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        ProtobufCMessage *answer = protobuf_c_message_unpack(answers[i], NULL, length, message);
        if (answer)
            protobuf_c_message_free_unpacked(answer, NULL);
    }
    return 0;
}

static int feed(const uint8_t *data, size_t size, size_t piece, size_t *ret_sum)
{
    struct pt_grpc_parser parser;
    int r = 0;
    *ret_sum = 0;
    pt_grpc_parser_init(&parser, MAX_MESSAGE);
    for (size_t at = 0; r == 0 && at < size; at += piece)
        r = pt_grpc_parser_feed(&parser, data + at, size - at < piece ? size - at : piece,
                                on_message, ret_sum);
    pt_grpc_parser_finish(&parser);
    return r;
}

// However the bytes are torn, the messages are the same.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole, torn;
    int r = feed(data, size, size + 1, &whole);
    size_t piece = size > 0 ? 1 + data[0] % 13 : 1;
    assert(feed(data, size, piece, &torn) == r);
    assert(torn == whole);

    char *encoded = malloc(size + 1);
    char decoded[64];
    if (encoded) {
        memcpy(encoded, data, size);
        encoded[size] = '\0';
        pt_grpc_message_decode(encoded, decoded, sizeof(decoded));
        assert(strlen(decoded) < sizeof(decoded));
        int code = pt_grpc_status_parse(encoded);
        assert(code >= 0 && code <= PT_GRPC_MAX_CODE);
    }
    free(encoded);
    return 0;
}
