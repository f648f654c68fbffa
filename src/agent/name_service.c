// SPDX-License-Identifier: Apache-2.0
#include "agent/name_service.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define CONFIGURATION "/etc/nsswitch.conf"
#define DATABASE "hosts:"

static void load_module(const char *name)
{
    char file[64];
    if (strcmp(name, "files") == 0 || strcmp(name, "dns") == 0) // glibc's own
        return;
    snprintf(file, sizeof(file), "libnss_%s.so.2", name);
    (void)dlopen(file, RTLD_NOW); // it stays loaded, so that glibc finds it
}

// Of `mdns4_minimal [NOTFOUND=return] dns` the words outside the brackets are modules.
static void load_modules(char *line)
{
    char *place = NULL;
    for (char *word = strtok_r(line, " \t\r\n", &place); word;
         word = strtok_r(NULL, " \t\r\n", &place)) {
        if (*word == '#')
            return;
        if (strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(word))
            load_module(word);
    }
}

void pt_name_service_load(void)
{
    char line[1024];
    FILE *file = fopen(CONFIGURATION, "re");
    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        char *start = line + strspn(line, " \t");
        if (strncmp(start, DATABASE, strlen(DATABASE)) == 0)
            load_modules(start + strlen(DATABASE));
    }
    fclose(file);
}
