// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_LIMITS_H
#define PT_BASE_LIMITS_H

// Everything that a peer could make grow has its maximum here.

// --- the server's memory ---
#define PT_LIMIT_USUAL_PULL_BYTES 4096                 // kept for a pull, one with another
#define PT_LIMIT_LOWEST_STORE_BYTES (16 * 1024 * 1024) // for few pulls, which may be large
#define PT_LIMIT_LOWEST_NODE_BYTES (4 * 1024 * 1024)   // else a sixteenth of the store's

// --- the log ---
#define PT_LIMIT_LOG_PENDING_BYTES (256 * 1024) // kept for a reader that does not read
#define PT_LIMIT_LOG_EVENTS_PER_S 1000          // lines about pulls

// --- outgoing HTTP ---
#define PT_LIMIT_HEADER_BYTES 8192           // longer answer headers are not looked at
#define PT_LIMIT_IDLE_CONNECTIONS 4          // kept open for reuse by one client
#define PT_LIMIT_HTTP_BUFFER_BYTES 1024      // read at once; of a socket a hundred times in a turn
#define PT_LIMIT_TLS_READ_BYTES (128 * 1024) // read of TLS until the loop's turn is another one
#define PT_LIMIT_HTTP2_BUFFER_BYTES (1024 * 1024)
#define PT_LIMIT_SOCKET_BUFFER_BYTES (64 * 1024) // read at once of what is not HTTP

// --- secrets ---
#define PT_LIMIT_TOKEN_BYTES 4096 // and of a file of several; those of Kubernetes have 1,300
#define PT_LIMIT_TOKENS 8         // in a file of several
#define PT_LIMIT_AUTHORITIES 4
#define PT_LIMIT_CERTIFICATE_NAMES 32
#define PT_LIMIT_SECRET_BYTES (64 * 1024) // of a value in a Secret that is made
#define PT_LIMIT_SECRET_ANSWER_BYTES (512 * 1024)

// --- who agents are ---
#define PT_LIMIT_SIGNATURE_BYTES 1024 // RSA of 8,192 bits
#define PT_LIMIT_TOKEN_MEMBERS 64     // names in an object of a token
#define PT_LIMIT_ISSUER_BYTES 512
#define PT_LIMIT_SERVICE_ACCOUNTS 16 // that may report
#define PT_LIMIT_CLUSTER_KEYS 32     // that sign tokens; further ones are left out
#define PT_LIMIT_CLUSTER_KEYS_BYTES (256 * 1024)
#define PT_LIMIT_TOKENS_PER_NODE 2 // remembered: while one takes the place of another
// Tokens that the API server is asked about: under way, begun in a second, and waiting.
#define PT_LIMIT_TOKEN_REQUESTS 64 // the loop rests 20 ms between two turns: some 2,000 a second
#define PT_LIMIT_TOKEN_REQUESTS_PER_S 1000
#define PT_LIMIT_WAITING_TOKEN_BYTES (8 * 1024 * 1024) // some 6,000
#define PT_LIMIT_WAITING_TOKEN_BYTES_PER_PEER (PT_LIMIT_WAITING_TOKEN_BYTES / 2)
#define PT_LIMIT_REFUSED_TOKENS 2000 // remembered for a minute; then the oldest goes
#define PT_LIMIT_TOKEN_ANSWER_BYTES (512 * 1024)

// --- containerd ---
#define PT_LIMIT_GRPC_CALLS 16 // under way at once; more of them wait
#define PT_LIMIT_GRPC_CONNECT_MS 2000
#define PT_LIMIT_GRPC_CALL_MS 5000
#define PT_LIMIT_GRPC_MESSAGE_BYTES (1024 * 1024)
#define PT_LIMIT_IMAGE_RECORDS_BYTES (4 * 1024 * 1024) // all of a namespace; else none is taken
#define PT_LIMIT_MANIFEST_BYTES (768 * 1024) // manifests, indexes, configs; larger: not read
// Of all of them that a lease may hold, read: their bytes, and the layers and digests that they
// name. Others are left out, and the log says so.
#define PT_LIMIT_LEASE_DOCUMENT_BYTES (4 * PT_LIMIT_MANIFEST_BYTES)
#define PT_LIMIT_LEASE_DOCUMENT_ITEMS 4096
#define PT_LIMIT_CONTAINERD_NAMESPACES 64
#define PT_LIMIT_LEASES_BYTES (4 * 1024 * 1024) // the list of them
#define PT_LIMIT_LEASES 1000          // looked at: pulls, and the newest of those that do not rest
#define PT_LIMIT_RESTING_LEASES 20000 // known to be none, for now; further ones do not rest

// How long the agent waits for a pull that does not move is divided by this, for tests only.
#ifndef PT_PATIENCE_DIVISOR
#define PT_PATIENCE_DIVISOR 1
#endif

#define PT_LIMIT_FINISHED_PULLS 1000 // kept by the agent until the server has them; older ones go

// --- the server ---
#define PT_LIMIT_REQUEST_HEADER_BYTES (16 * 1024)
#define PT_LIMIT_HEADS_BYTES (64 * 1024 * 1024)  // being read, in all; who reads longest is cut
#define PT_LIMIT_BODIES_BYTES (64 * 1024 * 1024) // being read, in all; then 503
#define PT_LIMIT_AHEAD_BYTES (16 * 1024 * 1024)  // pipelined, in all; who has more is cut
#define PT_LIMIT_SPARE_CONNECTIONS 1000          // besides one for each node and each stream
#define PT_LIMIT_METRICS_CONNECTIONS 64
#define PT_LIMIT_LISTS_BYTES (64 * 1024 * 1024) // of lists of pulls that are being sent; then 503
#define PT_LIMIT_STREAM_FILTERS 1000 // wishes of event streams; each is written for itself
// Hosts of which /api/v1/registries says what comes from them; the last one is all further ones.
#define PT_LIMIT_REGISTRIES 50
#define PT_LIMIT_REGISTRIES_LEFT_OUT 200 // of these, the most that are counted
#define PT_LIMIT_LONG_ANSWERS 64         // sent in parts, at once; then 503
#define PT_LIMIT_PULLS_PER_NODE 4000 // kept; an agent has some 1,000 leases and 1,000 finished ones

// --- the log that several servers share ---
#define PT_LIMIT_SHARE_PENDING_BYTES (16 * 1024 * 1024) // that wait to be appended; then 503
#define PT_LIMIT_SHARE_COMMANDS 65536                   // that wait for their answer; then 503
// Outcomes that are being claimed; then each server counts them.
#define PT_LIMIT_SHARE_CLAIMS_BYTES (16 * 1024 * 1024)
#define PT_LIMIT_SHARE_WORD_BYTES (64 * 1024)       // of an answer that is a word or two
#define PT_LIMIT_SHARE_ANSWER_VALUES (32 * 1024)    // of an answer; an entry of the log has 21
#define PT_LIMIT_SHARE_ENDS_BYTES (2 * 1024 * 1024) // of what one report ends; then less is kept
#define PT_LIMIT_SHARE_MOST_ENTRIES 1024            // read at once, while they are small
#define PT_LIMIT_SHARE_ENTRIES 16                   // read at once
#define PT_LIMIT_SHARE_BATCH_BYTES                                                                 \
    (PT_LIMIT_SHARE_ENTRIES * (PT_LIMIT_REPORT_BYTES + PT_LIMIT_SHARE_WORD_BYTES))
#define PT_LIMIT_SHARE_LATEST 200000 // nodes of which the latest report is read by who starts
#define PT_LIMIT_SHARE_PIECE_BYTES (4 * 1024 * 1024) // that one answer is meant to hold
#define PT_LIMIT_SHARE_FINISHED 1024                 // pulls that have ended, read at once
#define PT_LIMIT_SHARE_END_BYTES (136 * 1024) // of one; a larger one is kept without its layers

// --- reports, both ways ---
#define PT_LIMIT_REPORT_BYTES (1024 * 1024)
#define PT_LIMIT_REPORT_DEPTH 16
#define PT_LIMIT_REPORT_VALUES 131072 // values and keys; our agent's 1 MB have some 75,000
#define PT_LIMIT_REPORT_ANSWER_BYTES (64 * 1024) // a proxy's page may be long; a server's is not
#define PT_LIMIT_PULLS_PER_REPORT 2000
#define PT_LIMIT_LAYERS_PER_PULL 512
#define PT_LIMIT_SIZE_BYTES (1LL << 44)       // of a layer; those of a pull still add up to 2^53
#define PT_LIMIT_INTERVAL_MS (60 * 60 * 1000) // what an agent says between two of its reports
// More is not believed; of all nodes together it fits 64 bits.
#define PT_LIMIT_BYTES_PER_SECOND 1000000000000
#define PT_LIMIT_NODE_NAME_BYTES 253
#define PT_LIMIT_RUN_BYTES 16     // hexadecimal digits that name a process of an agent
#define PT_LIMIT_DIGEST_BYTES 160 // `attestation-sha512:` and its 128 digits are 147
#define PT_LIMIT_REFERENCE_BYTES 1024
#define PT_LIMIT_ERROR_BYTES 2048
#define PT_LIMIT_NAME_BYTES 255 // ids, versions, media types, namespaces

#define PT_LIMIT_SETTING_NAME_BYTES 128 // of a name that is a setting, as the cluster's

// --- Kubernetes ---
#define PT_LIMIT_KUBE_OBJECT_BYTES (1024 * 1024) // a larger one is skipped
#define PT_LIMIT_KUBE_BAD_OBJECTS 4000           // skipped of one answer; with more it is given up
#define PT_LIMIT_KUBE_NAME_BYTES 253             // of namespaces, pods, containers, uids
#define PT_LIMIT_KUBE_LIST_BYTES (64 * 1024)     // of a list, all but its items
#define PT_LIMIT_KUBE_URL_BYTES (16 * 1024)      // a list's continue token is part of it
#define PT_LIMIT_EVENT_COUNT 1000000             // what an event says of how often it occurred
#define PT_LIMIT_WATCHED_NAMESPACES 100
#define PT_LIMIT_WAITING_PODS 100000
// Pods that no longer wait and are kept for readers; the oldest go first, by either limit.
#define PT_LIMIT_GONE_PODS 100000
#define PT_LIMIT_GONE_POD_BYTES (32 * 1024 * 1024)
#define PT_LIMIT_CONTAINERS_PER_POD 64    // with init, ephemeral ones and image volumes
#define PT_LIMIT_CONTAINERS_PER_NODE 2000 // that wait
// Pulls times containers that are compared when a node is looked at. Of a node with more of both,
// each pull is compared with its share of the containers: each of 256 pulls with as many as a node
// may have, each of 4,000 with 128.
#define PT_LIMIT_COMPARED_PER_NODE (256 * PT_LIMIT_CONTAINERS_PER_NODE)
#define PT_LIMIT_FAILED_PULLS_PER_IMAGE 64 // of a node, in whose rows the next attempt goes on

#endif
