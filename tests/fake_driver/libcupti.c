/* A libcupti that records what a pretended program says that it does.
 *
 * Records have the layout of cupti_activity.h; their sizes are those of the version in FAKE_CUPTI_VERSION (18 is CUDA
 * 11.8, 28 is 12.9, 130001 is 13.0). FAKE_CUPTI_ERROR is "function:code" pairs, separated by commas. The program calls
 * fake_launch, fake_copy, fake_sync, fake_alloc and fake_range; host time is really spent, device time is pretended.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <stdio.h>

#define API __attribute__((visibility("default")))
typedef void (*requested_t)(uint8_t **, size_t *, size_t *);
typedef void (*completed_t)(void *, uint32_t, uint8_t *, size_t, size_t);

enum { MEMCPY = 1, DRIVER = 4, KERNEL = 10, MARKER = 12, OVERHEAD = 17, KINDS = 64 };
enum { LAUNCH_ID = 307, COPY_ID = 276, SYNC_ID = 17, ALLOC_ID = 243, VERSION_ID = 2, CURRENT_ID = 304, LOAD_ID = 652 };

static requested_t request;
static completed_t complete;
static uint8_t *buffer;
static size_t room, used, dropped;
static int enabled[KINDS];
static uint32_t correlation = 1, range_id = 1;
static uint64_t device_free[16];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint32_t version(void) {
  const char *text = getenv("FAKE_CUPTI_VERSION");
  return text ? (uint32_t)atoi(text) : 130001;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec + 1000000;  /* a clock of its own, 1 ms ahead */
}

static int error_in(const char *function) {
  const char *text = getenv("FAKE_CUPTI_ERROR");
  size_t length = strlen(function);
  while (text && *text) {
    if (!strncmp(text, function, length) && text[length] == ':') return atoi(text + length + 1);
    text = strchr(text, ',');
    if (text) text++;
  }
  return 0;
}

static size_t size_of(uint32_t kind) {
  int old = version() == 18, newest = version() >= 100000;
  switch (kind) {
    case KERNEL: return old ? 200 : newest ? 216 : 208;
    case MEMCPY: return old ? 88 : 96;
    case DRIVER: return 40;
    case OVERHEAD: return old ? 40 : 56;
    case MARKER: return 56;
  }
  return 0;
}

static void hand_over(void) {
  if (buffer) {
    if (used) memset(buffer + used, 0, room - used);
    complete(NULL, 0, buffer, room, used);
    buffer = NULL;
    used = room = 0;
  }
}

typedef void (*callback_t)(void *, int, uint32_t, const void *);
static callback_t subscriber;
static char watched[1024];

/* CUpti_CallbackData of cupti_callbacks.h */
struct data {
  uint32_t site; const char *name; const void *arguments; void *result; const char *symbol; void *context;
  uint32_t context_id; uint64_t *word; uint32_t correlation;
};

static void call_back(uint32_t id, uint32_t site, uint64_t *word, uint32_t number, const void *arguments) {
  int result = 0;
  struct data data = {site, "call", arguments, &result, NULL, NULL, 1, word, number};
  if (subscriber && watched[id]) subscriber(NULL, 1, id, &data);
}

API int cuptiSubscribe(void **handle, callback_t callback, void *user) {
  *handle = &subscriber;
  int error = error_in("cuptiSubscribe");
  if (!error) subscriber = callback;
  return error;
}
API int cuptiEnableCallback(uint32_t on, void *handle, int domain, uint32_t id) {
  if (id < sizeof watched) watched[id] = on;
  return error_in("cuptiEnableCallback");
}

static uint8_t *record(uint32_t kind) {
  size_t size = size_of(kind), most = 0;
  if (!request || !enabled[kind]) return NULL;
  if (buffer && used + size > room) hand_over();
  if (!buffer) {
    request(&buffer, &room, &most);
    used = 0;
    if (!buffer || !room) { buffer = NULL; dropped++; return NULL; }
  }
  uint8_t *at = buffer + used;
  used += size;
  memset(at, 0, size);
  memcpy(at, &kind, 4);
  return at;
}

static void put4(uint8_t *at, size_t offset, uint32_t value) { memcpy(at + offset, &value, 4); }
static void put8(uint8_t *at, size_t offset, uint64_t value) { memcpy(at + offset, &value, 8); }

static void call_record(int kind, uint32_t id, uint64_t start, uint64_t end, uint32_t number) {
  uint8_t *at = record(kind);
  if (!at) return;
  put4(at, 4, id); put8(at, 8, start); put8(at, 16, end);
  put4(at, 24, getpid()); put4(at, 28, (uint32_t)syscall(SYS_gettid)); put4(at, 32, number);
}

static void spin(uint64_t until) { while (now() < until) { } }

/* With `runtime`, the launch is one of the runtime API that loads its kernel first: both calls share a number. */
API void fake_launch(const char *name, uint64_t host_ns, uint64_t device_ns, uint32_t stream, uint32_t blocks, int runtime) {
  uint64_t word = 0, arguments = 1;
  pthread_mutex_lock(&lock);
  uint32_t number = correlation++;
  pthread_mutex_unlock(&lock);
  if (runtime) {
    call_back(LOAD_ID, 0, &word, number, &arguments);
    spin(now() + host_ns / 10);
    call_back(LOAD_ID, 1, &word, number, &arguments);
    call_back(CURRENT_ID, 0, &word, number, &arguments);
    call_back(CURRENT_ID, 1, &word, number, &arguments);
  }
  uint64_t start = now();
  call_back(LAUNCH_ID, 0, &word, number, &arguments);
  spin(now() + host_ns);
  uint64_t end = now();
  call_back(LAUNCH_ID, 1, &word, number, &arguments);
  pthread_mutex_lock(&lock);
  call_record(DRIVER, LAUNCH_ID, start, end, number);
  uint64_t begin = end > device_free[stream % 16] ? end : device_free[stream % 16];
  device_free[stream % 16] = begin + device_ns;
  uint8_t *at = record(KERNEL);
  if (at) {
    put8(at, 16, begin); put8(at, 24, begin + device_ns); put4(at, 44, 1); put4(at, 48, stream);
    put4(at, 52, blocks); put4(at, 56, 1); put4(at, 60, 1); put4(at, 64, 128); put4(at, 68, 1); put4(at, 72, 1);
    put4(at, 92, number); put8(at, 104, (uint64_t)(uintptr_t)name);
  }
  pthread_mutex_unlock(&lock);
}

/* kind 1: to the device, 2: to the host; memory 1: pageable, 2: pinned */
API void fake_copy(int kind, uint64_t bytes, int memory, uint64_t device_ns) {
  uint64_t start = now(), begin = start > device_free[0] ? start : device_free[0], word = 0, arguments = 2;
  device_free[0] = begin + device_ns;
  pthread_mutex_lock(&lock);
  uint32_t number = correlation++;
  pthread_mutex_unlock(&lock);
  call_back(COPY_ID, 0, &word, number, &arguments);
  spin(device_free[0]);
  call_back(COPY_ID, 1, &word, number, &arguments);
  pthread_mutex_lock(&lock);
  uint8_t *at = record(MEMCPY);
  if (at) {
    at[4] = kind; at[5] = kind == 1 ? memory : 3; at[6] = kind == 1 ? 3 : memory;
    put8(at, 8, bytes); put8(at, 16, begin); put8(at, 24, begin + device_ns); put4(at, 36, 1); put4(at, 44, number);
  }
  call_record(DRIVER, COPY_ID, start, now(), number);
  pthread_mutex_unlock(&lock);
}

API void fake_sync(void) {
  uint64_t start = now(), end = start, word = 0;
  for (int i = 0; i < 16; i++) if (device_free[i] > end) end = device_free[i];
  pthread_mutex_lock(&lock);
  uint32_t number = correlation++;
  pthread_mutex_unlock(&lock);
  call_back(SYNC_ID, 0, &word, number, NULL);
  spin(end);
  call_back(SYNC_ID, 1, &word, number, NULL);
  pthread_mutex_lock(&lock);
  call_record(DRIVER, SYNC_ID, start, now(), number);
  pthread_mutex_unlock(&lock);
}

API void fake_alloc(uint64_t host_ns) {
  uint64_t start = now(), word = 0, arguments = 3;
  pthread_mutex_lock(&lock);
  uint32_t number = correlation++;
  pthread_mutex_unlock(&lock);
  call_back(ALLOC_ID, 0, &word, number, &arguments);
  spin(start + host_ns);
  call_back(ALLOC_ID, 1, &word, number, &arguments);
  pthread_mutex_lock(&lock);
  call_record(DRIVER, ALLOC_ID, start, now(), number);
  pthread_mutex_unlock(&lock);
}

API uint32_t fake_range_push(const char *name) {
  pthread_mutex_lock(&lock);
  uint32_t id = range_id++;
  uint8_t *at = record(MARKER);
  if (at) { put4(at, 4, 2); put8(at, 8, now()); put4(at, 16, id); put4(at, 28, (uint32_t)syscall(SYS_gettid)); put8(at, 40, (uint64_t)(uintptr_t)name); }
  pthread_mutex_unlock(&lock);
  return id;
}

API void fake_range_pop(uint32_t id) {
  pthread_mutex_lock(&lock);
  uint8_t *at = record(MARKER);
  if (at) { put4(at, 4, 4); put8(at, 8, now()); put4(at, 16, id); put4(at, 28, (uint32_t)syscall(SYS_gettid)); }
  pthread_mutex_unlock(&lock);
}

/* What the fake libcuda cannot tell us: that the driver was called. */
API void fake_version_call(void) {
  pthread_mutex_lock(&lock);
  uint64_t start = now();
  uint64_t word = 0;
  uint32_t number = correlation++;
  call_back(VERSION_ID, 0, &word, number, &word);
  call_back(VERSION_ID, 1, &word, number, &word);
  call_record(DRIVER, VERSION_ID, start, now(), number);
  pthread_mutex_unlock(&lock);
}

/* As torch.profiler does: the records go to somebody else from now on. */
static void keep_nothing(uint8_t **b, size_t *s, size_t *m) { static uint8_t other[1 << 16]; *b = other; *s = sizeof other; *m = 0; }
static void forget(void *c, uint32_t i, uint8_t *b, size_t s, size_t v) { }
API void fake_take_over(void) {
  pthread_mutex_lock(&lock);
  buffer = NULL; used = room = 0;
  request = keep_nothing; complete = forget;
  pthread_mutex_unlock(&lock);
}

API int cuptiGetVersion(uint32_t *v) { *v = version(); return error_in("cuptiGetVersion"); }
API int cuptiGetTimestamp(uint64_t *t) { *t = now(); return error_in("cuptiGetTimestamp"); }
API int cuptiSetThreadIdType(int type) { return error_in("cuptiSetThreadIdType"); }
API int cuptiActivityRegisterCallbacks(requested_t r, completed_t c) {
  request = r; complete = c;
  return error_in("cuptiActivityRegisterCallbacks");
}
API int cuptiActivityEnable(int kind) {
  int error = error_in("cuptiActivityEnable");
  if (!error && kind >= KINDS) error = 21;
  if (!error && kind == 52 && version() == 18) error = 21;
  if (!error) enabled[kind] = 1;
  return error;
}
API int cuptiActivityFlushAll(uint32_t flag) {
  pthread_mutex_lock(&lock);
  hand_over();
  pthread_mutex_unlock(&lock);
  return error_in("cuptiActivityFlushAll");
}
API int cuptiActivityGetNumDroppedRecords(void *context, uint32_t stream, size_t *count) { *count = dropped; return 0; }
API int cuptiActivityGetNextRecord(uint8_t *b, size_t valid, uint8_t **at) {
  uint32_t kind;
  uint8_t *next = b;
  if (*at) { memcpy(&kind, *at, 4); next = *at + size_of(kind); }
  if (next >= b + valid) return 12;
  *at = next;
  return 0;
}
API int cuptiGetCallbackName(int domain, uint32_t id, const char **name) {
  *name = NULL;
  if (domain == 1) *name = id == LAUNCH_ID ? "cuLaunchKernel" : id == COPY_ID ? "cuMemcpyHtoD_v2" : id == SYNC_ID ? "cuCtxSynchronize" : id == ALLOC_ID ? "cuMemAlloc_v2" : id == VERSION_ID ? "cuDriverGetVersion" : id == CURRENT_ID ? "cuCtxGetCurrent" : id == LOAD_ID ? "cuLibraryLoadData" : NULL;
  return *name ? 0 : 1;
}
API int cuptiGetResultString(int code, const char **text) {
  *text = code == 39 ? "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED" : code == 21 ? "CUPTI_ERROR_INVALID_KIND" : "CUPTI_ERROR_UNKNOWN";
  return 0;
}
