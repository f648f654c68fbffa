// SPDX-License-Identifier: Apache-2.0
#include "pull/failure_class.h"

#include "pull/failure_rules.h"
#include "pull/failure_words.h"
#include "pull/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// An error of a pull is a chain: each step that failed, then the cause. The cause `not found` says
// one thing of a registry and another of a snapshot on the node, so the step is looked for first.
// What stands in quotes and brackets is read only when the words outside say nothing.

#define STATUS_REACH 6 // words between `status` and its number

#define BUCKETS 128

// The words of a text by how they begin, so that a phrase is looked for at few places only. Numbers
// of words count from 1; 0: none.
struct index {
    const struct pt_failure_words *words;
    uint16_t first[BUCKETS];
    uint16_t next[sizeof(((struct pt_failure_words *)0)->words) / sizeof(struct pt_failure_word)];
};

static size_t bucket_of(const char *word, size_t length)
{
    if (*word == '#')
        return 0; // all names
    return 1 + ((unsigned char)word[0] + 31U * (unsigned char)(length > 1 ? word[1] : 0)) %
                   (BUCKETS - 1);
}

static void index_words(struct index *index)
{
    const struct pt_failure_words *words = index->words;
    for (size_t i = words->count; i-- > 0;) {
        const struct pt_failure_word *word = &words->words[i];
        const char *text = word->kind == PT_FAILURE_WORD ? words->text + word->at : "#";
        size_t bucket = bucket_of(text, word->length);
        index->next[i] = index->first[bucket];
        index->first[bucket] = (uint16_t)(i + 1);
    }
}

static bool is_word(const struct pt_failure_words *words, size_t i, const char *wanted,
                    size_t length)
{
    const struct pt_failure_word *word = &words->words[i];
    if (*wanted == '#')
        return length == 1 ? word->kind != PT_FAILURE_WORD : word->kind == PT_FAILURE_SOCKET;
    return word->kind == PT_FAILURE_WORD && word->length == length &&
           memcmp(words->text + word->at, wanted, length) == 0;
}

static bool stands_at(const struct pt_failure_words *words, size_t i, const char *phrase)
{
    for (; *phrase; i++) {
        size_t length = strcspn(phrase, " ");
        if (i == words->count || !is_word(words, i, phrase, length))
            return false;
        phrase += length;
        phrase += *phrase == ' ';
    }
    return true;
}

static bool occurs(const struct index *index, const char *phrase)
{
    size_t bucket = bucket_of(phrase, phrase[1] && phrase[1] != ' ' ? 2 : 1);
    for (uint16_t i = index->first[bucket]; i; i = index->next[i - 1]) {
        if (stands_at(index->words, i - 1U, phrase))
            return true;
    }
    return false;
}

// The words that a status number stands behind: `HTTP 404`, `status from HEAD request to #: 520`.
static bool leads_to_status(const struct pt_failure_words *words, size_t i)
{
    static const char *const leads[] = {"code",     "http",   "response",
                                        "returned", "status", "statuscode"};
    for (size_t l = 0; l < sizeof(leads) / sizeof(leads[0]); l++) {
        if (is_word(words, i, leads[l], strlen(leads[l])))
            return true;
    }
    return false;
}

// The first status number of 400 to 599, 0 if there is none.
static int find_status(const struct pt_failure_words *words)
{
    size_t reach = 0;
    for (size_t i = 0; i < words->count; i++) {
        const char *text = words->text + words->words[i].at;
        bool is_number = words->words[i].kind == PT_FAILURE_WORD && words->words[i].length == 3 &&
                         strspn(text, "0123456789") >= 3;
        if (reach > 0 && is_number && (*text == '4' || *text == '5'))
            return (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
        if (leads_to_status(words, i))
            reach = STATUS_REACH + 1;
        else if (is_word(words, i, "desc", 4))
            reach = 0; // the code before it was gRPC's
        reach -= reach > 0;
    }
    return 0;
}

static enum pt_failure_step find_step(const struct index *index)
{
    for (size_t i = 0; i < pt_failure_step_count; i++) {
        if (occurs(index, pt_failure_steps[i].words))
            return pt_failure_steps[i].step;
    }
    return PT_FAILURE_AT_REGISTRY;
}

// The rule that decides, NULL if none does.
static const struct pt_failure_rule *find_rule(const struct pt_failure_words *words)
{
    struct index index = {.words = words};
    index_words(&index);
    enum pt_failure_step step = find_step(&index);
    int status = find_status(words);
    for (size_t i = 0; i < pt_failure_rule_count; i++) {
        const struct pt_failure_rule *rule = &pt_failure_rules[i];
        if (!(rule->steps & step))
            continue;
        if (rule->words ? occurs(&index, rule->words)
                        : status >= rule->status_first && status <= rule->status_last)
            return rule;
    }
    return NULL;
}

enum pt_failure_class pt_failure_class_of(const char *error, const char *image_ref)
{
    struct pt_failure_words words;
    const struct pt_failure_rule *rule = NULL;
    for (int reading = PT_FAILURE_READ_OUTSIDE; error && !rule && reading <= PT_FAILURE_READ_ALL;
         reading++) {
        pt_failure_words_read(error, image_ref, (enum pt_failure_reading)reading, &words);
        rule = find_rule(&words);
    }
    return rule ? rule->failure_class : PT_FAILURE_OTHER;
}

static const char *const class_names[PT_FAILURE_CLASS_COUNT] = {
    [PT_FAILURE_OTHER] = "other",
    [PT_FAILURE_NOT_FOUND] = "not_found",
    [PT_FAILURE_UNAUTHORIZED] = "unauthorized",
    [PT_FAILURE_RATE_LIMITED] = "rate_limited",
    [PT_FAILURE_TIMEOUT] = "timeout",
    [PT_FAILURE_NETWORK] = "network",
    [PT_FAILURE_TLS] = "tls",
    [PT_FAILURE_DISK_FULL] = "disk_full",
    [PT_FAILURE_INVALID_REFERENCE] = "invalid_reference",
    [PT_FAILURE_POLICY] = "policy",
    [PT_FAILURE_PLATFORM] = "platform",
    [PT_FAILURE_CORRUPT] = "corrupt",
    [PT_FAILURE_NOT_UNPACKED] = "not_unpacked",
    [PT_FAILURE_STALE] = "stale",
};

static const char *const stale_reason_names[] = {
    [PT_STALE_SILENT] = "silent",
    [PT_STALE_UNNAMED] = "unnamed",
    [PT_STALE_STUCK] = "stuck",
};

const struct pt_words pt_failure_class_words = {class_names, PT_FAILURE_CLASS_COUNT};
const struct pt_words pt_agent_failure_class_words = {class_names, PT_FAILURE_STALE};
const struct pt_words pt_stale_reason_words = {stale_reason_names, PT_STALE_STUCK + 1};

const char *pt_failure_class_name(enum pt_failure_class failure_class)
{
    return class_names[failure_class];
}
