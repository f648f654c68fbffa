// SPDX-License-Identifier: Apache-2.0
#include "containerd/grpc_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>

void pt_grpc_parser_init(struct pt_grpc_parser *parser, size_t max_message_bytes)
{
    parser->max_message_bytes = max_message_bytes;
    pt_buffer_init(&parser->pending, max_message_bytes + PT_GRPC_FRAME_HEADER_BYTES);
}

void pt_grpc_parser_finish(struct pt_grpc_parser *parser)
{
    pt_buffer_finish(&parser->pending);
}

bool pt_grpc_parser_is_torn(const struct pt_grpc_parser *parser)
{
    return parser->pending.length > 0;
}

void pt_grpc_frame_header(uint32_t length, uint8_t header[static PT_GRPC_FRAME_HEADER_BYTES])
{
    header[0] = 0; // not compressed
    header[1] = (uint8_t)(length >> 24);
    header[2] = (uint8_t)(length >> 16);
    header[3] = (uint8_t)(length >> 8);
    header[4] = (uint8_t)length;
}

static int check_header(const struct pt_grpc_parser *parser, const uint8_t *header,
                        size_t *ret_length)
{
    if (header[0] != 0)
        return -EPROTO;
    size_t length = (size_t)header[1] << 24 | (size_t)header[2] << 16 | (size_t)header[3] << 8 |
                    (size_t)header[4];
    if (length > parser->max_message_bytes)
        return -EMSGSIZE;
    *ret_length = length;
    return 0;
}

// Takes from data what the pending message still misses. Returns how much that was, or -errno.
static ssize_t fill_pending(struct pt_grpc_parser *parser, const uint8_t *data, size_t length,
                            size_t wanted)
{
    size_t missing = wanted - parser->pending.length;
    size_t taken = missing < length ? missing : length;
    int r = pt_buffer_append(&parser->pending, data, taken);
    return r < 0 ? r : (ssize_t)taken;
}

int pt_grpc_parser_feed(struct pt_grpc_parser *parser, const void *data, size_t length,
                        int (*on_message)(void *context, const uint8_t *message, size_t length),
                        void *context)
{
    const uint8_t *bytes = data;
    while (length > 0 || parser->pending.length >= PT_GRPC_FRAME_HEADER_BYTES) {
        const uint8_t *frame = bytes;
        size_t available = length;
        if (parser->pending.length > 0) {
            frame = (const uint8_t *)parser->pending.data;
            available = parser->pending.length;
        }
        size_t message_length = 0;
        size_t wanted = PT_GRPC_FRAME_HEADER_BYTES;
        if (available >= PT_GRPC_FRAME_HEADER_BYTES) {
            int r = check_header(parser, frame, &message_length);
            if (r < 0)
                return r;
            wanted += message_length;
        }
        if (available >= wanted && available >= PT_GRPC_FRAME_HEADER_BYTES) {
            int r = on_message(context, frame + PT_GRPC_FRAME_HEADER_BYTES, message_length);
            if (r < 0)
                return r;
            if (frame == bytes) {
                bytes += wanted;
                length -= wanted;
            } else {
                pt_buffer_clear(&parser->pending);
            }
            continue;
        }
        if (length == 0)
            return 0;
        ssize_t taken = fill_pending(parser, bytes, length, wanted);
        if (taken < 0)
            return (int)taken;
        bytes += taken;
        length -= (size_t)taken;
    }
    return 0;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

void pt_grpc_message_decode(const char *encoded, char *text, size_t text_size)
{
    size_t length = 0;
    while (*encoded && length + 1 < text_size) {
        int high = *encoded == '%' ? hex_value(encoded[1]) : -1;
        int low = high >= 0 ? hex_value(encoded[2]) : -1;
        if (low >= 0 && (high | low) != 0) {
            text[length++] = (char)(high << 4 | low);
            encoded += 3;
        } else {
            text[length++] = *encoded++;
        }
    }
    text[length] = '\0';
}

int pt_grpc_status_parse(const char *text)
{
    char *end;
    errno = 0;
    long code = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno || code < 0 || code > PT_GRPC_MAX_CODE)
        return PT_GRPC_UNKNOWN;
    return (int)code;
}
