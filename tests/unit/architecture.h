// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_ARCHITECTURE_H
#define PT_TESTS_ARCHITECTURE_H

// This machine's, as images name it (GOARCH, https://go.dev/doc/install/source#environment).
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#error "which GOARCH is this machine?"
#endif

#endif
