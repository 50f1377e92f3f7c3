/* What both fake libraries share: the scenario file, and how a function hangs, crashes or fails on demand.
 *
 * The file named by FAKE_NVIDIA_SCENARIO holds `key = value` lines; `#` starts a comment line; `\xNN`, `\n` and `\\`
 * are escapes. What is not said is a healthy H100. `key.1 = value` is for device 1 alone.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_ENTRIES 128
#define MAX_DEVICES 16

struct entry {
    char key[64];
    char value[1024];
};

static struct entry entries[MAX_ENTRIES];
static int entry_count;
static pthread_once_t scenario_once = PTHREAD_ONCE_INIT;

static int hex_digit(char character) {
    if (character >= '0' && character <= '9') return character - '0';
    character = (char)tolower((unsigned char)character);
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

static void unescape(char *out, size_t size, const char *in) {
    size_t used = 0;
    while (*in && used + 1 < size) {
        if (in[0] == '\\' && in[1] == 'x' && hex_digit(in[2]) >= 0 && hex_digit(in[3]) >= 0) {
            out[used++] = (char)(hex_digit(in[2]) * 16 + hex_digit(in[3]));
            in += 4;
        } else if (in[0] == '\\' && (in[1] == 'n' || in[1] == '\\')) {
            out[used++] = in[1] == 'n' ? '\n' : '\\';
            in += 2;
        } else {
            out[used++] = *in++;
        }
    }
    out[used] = '\0';
}

static char *trimmed(char *text) {
    while (isspace((unsigned char)*text)) text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
    return text;
}

static void read_scenario(void) {
    const char *path = getenv("FAKE_NVIDIA_SCENARIO");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) {
        fprintf(stderr, "fake driver: no scenario file (FAKE_NVIDIA_SCENARIO)\n");
        abort();
    }
    char line[4096];
    while (fgets(line, sizeof line, file)) {
        char *equals = strchr(line, '=');
        char *key = trimmed(line);
        if (*key == '#' || !equals) continue;
        if (entry_count == MAX_ENTRIES) {
            fprintf(stderr, "fake driver: more than %d scenario lines\n", MAX_ENTRIES);
            abort();
        }
        *equals = '\0';
        struct entry *entry = &entries[entry_count++];
        snprintf(entry->key, sizeof entry->key, "%s", trimmed(key));
        unescape(entry->value, sizeof entry->value, trimmed(equals + 1));
    }
    fclose(file);
}

static const char *text_or_null(const char *key) {
    pthread_once(&scenario_once, read_scenario);
    for (int i = 0; i < entry_count; i++)
        if (strcmp(entries[i].key, key) == 0) return entries[i].value;
    return NULL;
}

static inline const char *text(const char *key, const char *fallback) {
    const char *value = text_or_null(key);
    return value ? value : fallback;
}

static inline long long number(const char *key, long long fallback) {
    const char *value = text_or_null(key);
    return value ? strtoll(value, NULL, 0) : fallback;
}

static inline double real(const char *key, double fallback) {
    const char *value = text_or_null(key);
    return value ? strtod(value, NULL) : fallback;
}

static inline const char *device_text(const char *key, int device, const char *fallback) {
    char own[80];
    snprintf(own, sizeof own, "%s.%d", key, device);
    const char *value = text_or_null(own);
    return value ? value : text(key, fallback);
}

static inline long long device_number(const char *key, int device, long long fallback) {
    const char *value = device_text(key, device, NULL);
    return value ? strtoll(value, NULL, 0) : fallback;
}

/* The part after `name` or after `name:` if the comma-separated list holds it, else NULL. */
static const char *in_list(const char *list, const char *name) {
    size_t length = strlen(name);
    while (list && *list) {
        while (*list == ' ' || *list == ',') list++;
        if (strncmp(list, name, length) == 0 && (list[length] == '\0' || strchr(" ,:", list[length])))
            return list[length] == ':' ? list + length + 1 : list + length;
        list = strchr(list, ',');
    }
    return NULL;
}

static void crash(void) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    abort();
}

static void hang(void) {
    for (;;) pause();
}

/* One line in the file named by `trace` for each call, in order: what a test needs to see frees and sequences. */
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;

static inline void trace(const char *function, unsigned long long value) {
    const char *path = text_or_null("trace");
    if (!path) return;
    pthread_mutex_lock(&trace_lock);
    FILE *file = fopen(path, "a");
    if (file) {
        fprintf(file, "%s %llx\n", function, value);
        fclose(file);
    }
    pthread_mutex_unlock(&trace_lock);
}

/* Hang, crash, or return the error code that the scenario wants of this function; 0 to go on. */
static int misbehave(const char *function) {
    if (in_list(text_or_null("crash_in"), function)) crash();
    if (in_list(text_or_null("hang_in"), function)) hang();
    const char *code = in_list(text_or_null("error_in"), function);
    return code ? (int)strtol(code, NULL, 10) : 0;
}

/* `hang`, `crash` or a return code under one key, for nvml_init and cu_init. */
static inline int outcome(const char *key) {
    const char *value = text(key, "0");
    if (strcmp(value, "crash") == 0) crash();
    if (strcmp(value, "hang") == 0) hang();
    return (int)strtol(value, NULL, 10);
}

static inline int device_total(void) {
    long long count = number("device_count", 1);
    return (int)(count < 0 ? 0 : count > MAX_DEVICES ? MAX_DEVICES : count);
}

static inline double now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* What both libraries must agree on, also where each is in a process of its own. */

/* A link trains up under load and stays up a moment. The file beside the scenario is dated at the end of that. */
#define STAYS_UP_S 0.2

static inline void busy_path(char *out, size_t size) { snprintf(out, size, "%s.busy", getenv("FAKE_NVIDIA_SCENARIO")); }

static inline void mark_busy(double seconds) {
    char path[4096];
    busy_path(path, sizeof path);
    FILE *file = fopen(path, "w");
    if (!file) return;
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    long long end = times[0].tv_sec * 1000000000LL + times[0].tv_nsec + (long long)((seconds + STAYS_UP_S) * 1e9);
    times[1] = (struct timespec){.tv_sec = end / 1000000000LL, .tv_nsec = end % 1000000000LL};
    futimens(fileno(file), times);
    fclose(file);
}

static inline int is_busy(void) {
    char path[4096];
    struct stat file;
    struct timespec now;
    busy_path(path, sizeof path);
    clock_gettime(CLOCK_REALTIME, &now);
    if (stat(path, &file) != 0) return 0;
    return now.tv_sec < file.st_mtim.tv_sec ||
           (now.tv_sec == file.st_mtim.tv_sec && now.tv_nsec < file.st_mtim.tv_nsec);
}

#define DEFAULT_NAME "NVIDIA H100 80GB HBM3"
#define DEFAULT_MEMORY_BYTES 85520809984LL
#define DEFAULT_USED_BYTES 608174080LL

static inline long long pci_bus(int device) { return device_number("pci_bus", device, 4 + 16 * device); }

static inline void pci_address(int device, int domain_digits, char *out, size_t size) {
    snprintf(out, size, "%0*llX:%02llX:%02llX.0", domain_digits, device_number("pci_domain", device, 0),
             pci_bus(device), device_number("pci_device", device, 0));
}

/* The first eight hex digits of the UUID; the rest is the same for all. */
static inline void uuid_bytes(int device, unsigned char out[16]) {
    uint32_t first = (uint32_t)device_number("uuid", device, 0xfa4e0000LL + device);
    static const unsigned char tail[12] = {0x1d, 0x2c, 0x4b, 0x5a, 0x91, 0x07, 0x3e, 0x6f, 0x88, 0x12, 0xa4, 0xd0};
    for (int i = 0; i < 4; i++) out[i] = (unsigned char)(first >> (24 - 8 * i));
    memcpy(out + 4, tail, sizeof tail);
}

static inline void uuid_text(int device, char *out, size_t size) {
    unsigned char u[16];
    uuid_bytes(device, u);
    snprintf(out, size, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
             u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

#endif
