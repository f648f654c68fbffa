// SPDX-License-Identifier: Apache-2.0
#ifndef PT_CONTAINERD_GRPC_FRAME_H
#define PT_CONTAINERD_GRPC_FRAME_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// gRPC's message framing (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): a flag
// byte, a length of four bytes, the message; and the status that ends a call.

#define PT_GRPC_FRAME_HEADER_BYTES 5

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html; those that somebody here looks at.
enum pt_grpc_code {
    PT_GRPC_OK = 0,
    PT_GRPC_CANCELLED = 1,
    PT_GRPC_UNKNOWN = 2,
    PT_GRPC_DEADLINE_EXCEEDED = 4,
    PT_GRPC_NOT_FOUND = 5,
    PT_GRPC_RESOURCE_EXHAUSTED = 8,
    PT_GRPC_ABORTED = 10,
    PT_GRPC_INTERNAL = 13,
    PT_GRPC_UNAVAILABLE = 14,
    PT_GRPC_MAX_CODE = 16,
    PT_GRPC_TOO_LARGE, // none of gRPC's: the answer is longer than the call takes
};

// Puts messages together from pieces that are torn anywhere.
struct pt_grpc_parser {
    struct pt_buffer pending; // of a message that is not complete yet, with its header
    size_t max_message_bytes;
};

void pt_grpc_parser_init(struct pt_grpc_parser *parser, size_t max_message_bytes);
void pt_grpc_parser_finish(struct pt_grpc_parser *parser);

// Calls on_message for each message that is complete; < 0 from it ends the feeding. -EMSGSIZE for a
// message over the limit, -EPROTO for a compressed one or an unknown flag, -ENOMEM.
PT_MUST_CHECK int
pt_grpc_parser_feed(struct pt_grpc_parser *parser, const void *data, size_t length,
                    int (*on_message)(void *context, const uint8_t *message, size_t length),
                    void *context);

// The answer ended in the middle of a message.
bool pt_grpc_parser_is_torn(const struct pt_grpc_parser *parser);

// Writes the header that goes before a message of this length.
void pt_grpc_frame_header(uint32_t length, uint8_t header[static PT_GRPC_FRAME_HEADER_BYTES]);

// Decodes the percent-encoding of grpc-message into `text`, NUL-terminated and cut to fit; broken
// escapes stay as they are.
void pt_grpc_message_decode(const char *encoded, char *text, size_t text_size);

// Reads the number of a grpc-status header; what is no status is 2 (UNKNOWN).
int pt_grpc_status_parse(const char *text);

#endif
