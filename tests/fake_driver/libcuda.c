/* A fake libcuda.so.1: what cudadoctor asks of one, answered from the scenario. Prototypes as in cuda.h.
 *
 * "Device memory" is host memory, so data really moves and can be verified. Time on a stream is virtual: a copy adds
 * size / rate to the stream's clock, events read that clock, and a synchronisation sleeps for what was queued. The
 * rates come from the scenario, so a test knows what a right measurement gives.
 */
#include "scenario.h"

#include <dlfcn.h>

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct context *CUcontext;
typedef struct stream *CUstream;
typedef struct event *CUevent;
typedef struct module *CUmodule;
typedef struct function *CUfunction;

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    DEVICE_UNAVAILABLE = 46,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    PEER_ACCESS_UNSUPPORTED = 217,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    PEER_ACCESS_ALREADY_ENABLED = 704,
    PEER_ACCESS_NOT_ENABLED = 705,
};

struct context {
    int device, users;
};

struct stream {
    double clock_s, pending_s;
    double pending_h2d_s, pending_d2h_s;
    volatile uint32_t *held_by;
    double held_until_s;
    struct stream *next;
};

struct event {
    double clock_s;
    CUstream stream;
};

struct function {
    char name[64];
    struct function *next;
};

struct module {
    struct function *functions;
};

/* Managed memory is on both sides; registered memory is the program's own. */
enum kind { FREE, DEVICE, PINNED, WRITE_COMBINED, REGISTERED, MANAGED };

struct block {
    enum kind kind;
    char *start;
    size_t size;
    int device;
};

#define MAX_BLOCKS 4096

static int initialised;
static int visible[MAX_DEVICES];
static int visible_count;
static struct context contexts[MAX_DEVICES];
static struct stream null_stream; /* and the first in the list of all */
static struct block blocks[MAX_BLOCKS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread CUcontext current;

static CUresult enter(const char *function, int needs_context) {
    int code = misbehave(function);
    if (code) return code;
    if (!initialised) return NOT_INITIALIZED;
    return needs_context && !current ? INVALID_CONTEXT : SUCCESS;
}

#define ENTER(needs_context)                                  \
    do {                                                      \
        trace(__func__, 0);                                   \
        CUresult code_ = enter(__func__, needs_context);      \
        if (code_ != SUCCESS) return code_;                   \
    } while (0)

#define ENTER_WITH(value, needs_context)                      \
    do {                                                      \
        trace(__func__, (unsigned long long)(value));         \
        CUresult code_ = enter(__func__, needs_context);      \
        if (code_ != SUCCESS) return code_;                   \
    } while (0)

/* Errors */

static const struct {
    int code;
    const char *name, *string;
} errors[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {34, "CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"},
    {36, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", "API call is not supported in the installed CUDA driver"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND", "PTX JIT compiler library not found"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {304, "CUDA_ERROR_OPERATING_SYSTEM", "OS call failed or operation not supported on this OS"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {802, "CUDA_ERROR_SYSTEM_NOT_READY", "system not yet initialized"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
    {804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "forward compatibility was attempted on non supported HW"},
    {805, "CUDA_ERROR_MPS_CONNECTION_FAILED", "MPS client failed to connect to the MPS control daemon or the MPS server"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

EXPORT CUresult cuGetErrorName(CUresult code, const char **name) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) {
            *name = errors[i].name;
            return SUCCESS;
        }
    *name = NULL;
    return INVALID_VALUE;
}

EXPORT CUresult cuGetErrorString(CUresult code, const char **string) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) {
            *string = errors[i].string;
            return SUCCESS;
        }
    *string = NULL;
    return INVALID_VALUE;
}

/* Start and devices */

/* As the real driver reads CUDA_VISIBLE_DEVICES: the first entry that names no device ends the list. */
static void choose_visible(void) {
    visible_count = 0;
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    if (!list) {
        for (int i = 0; i < device_total(); i++) visible[visible_count++] = i;
        return;
    }
    while (*list && visible_count < MAX_DEVICES) {
        char item[64];
        size_t length = strcspn(list, ",");
        snprintf(item, sizeof item, "%.*s", (int)length, list);
        char *name = trimmed(item);
        int found = -1;
        if (isdigit((unsigned char)*name)) {
            found = atoi(name);
        } else if (strlen(name) > 4) {
            for (int i = 0; i < device_total(); i++) {
                char uuid[64];
                uuid_text(i, uuid, sizeof uuid);
                if (strncmp(uuid, name, strlen(name)) == 0) found = i;
            }
        }
        if (found < 0 || found >= device_total()) break;
        visible[visible_count++] = found;
        list += length;
        if (*list == ',') list++;
    }
}

EXPORT CUresult cuInit(unsigned flags) {
    trace(__func__, flags);
    int code = misbehave(__func__);
    if (!code) code = outcome("cu_init");
    if (code) return code;
    choose_visible();
    if (visible_count == 0) return NO_DEVICE;
    initialised = 1;
    return SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int *version) {
    trace(__func__, 0);
    int code = misbehave(__func__);
    if (code) return code;
    *version = (int)number("cuda_version", 13000);
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetCount(int *count) {
    ENTER(0);
    *count = visible_count;
    return SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    ENTER(0);
    if (ordinal < 0 || ordinal >= visible_count) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

#define PHYSICAL(device)                                                    \
    do {                                                                    \
        if ((device) < 0 || (device) >= visible_count) return INVALID_DEVICE; \
        (device) = visible[device];                                         \
    } while (0)

EXPORT CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
    ENTER(0);
    PHYSICAL(device);
    snprintf(name, (size_t)size, "%s", device_text("name", device, DEFAULT_NAME));
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetUuid(unsigned char *uuid, CUdevice device) {
    ENTER(0);
    PHYSICAL(device);
    uuid_bytes(device, uuid);
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetUuid_v2(unsigned char *uuid, CUdevice device) {
    ENTER(0);
    PHYSICAL(device);
    uuid_bytes(device, uuid);
    return SUCCESS;
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    ENTER(0);
    PHYSICAL(device);
    *bytes = (size_t)device_number("memory_total_bytes", device, DEFAULT_MEMORY_BYTES);
    return SUCCESS;
}

EXPORT CUresult cuDeviceGetPCIBusId(char *address, int size, CUdevice device) {
    ENTER(0);
    PHYSICAL(device);
    pci_address(device, 4, address, (size_t)size);
    return SUCCESS;
}

/* Attribute numbers of cuda.h with an H100's values; `attribute.<number>` in the scenario goes first. */
static const struct {
    int attribute;
    int value;
} attributes[] = {
    {1, 1024},    {2, 1024},     {3, 1024},     {4, 64},      {5, 2147483647}, {6, 65535},  {7, 65535},  {8, 49152},
    {9, 65536},   {10, 32},      {11, 2147483647}, {12, 65536}, {13, 1980000}, {14, 512},   {15, 1},     {16, 132},
    {17, 0},      {18, 0},       {19, 1},       {31, 1},      {32, 1},         {35, 0},     {36, 2619000}, {37, 5120},
    {38, 52428800}, {39, 2048},  {40, 3},       {41, 1},      {78, 1},         {79, 1},     {80, 1},     {81, 233472},
    {82, 65536},  {83, 1},       {84, 0},       {86, 1},      {87, 2},         {88, 0},     {89, 1},     {90, 1},
    {91, 1},      {95, 1},       {97, 232448},  {99, 1},      {100, 0},        {101, 0},    {106, 32},   {111, 1024},
    {21, 131072}, {22, 131072}, {23, 65536}, {24, 16384}, {25, 16384}, {26, 16384}, {27, 32768}, {28, 32768}, {29, 2048}, {30, 512}, {42, 32768}, {43, 2048},
    {51, 32}, {102, 1}, {107, 1}, {108, 34078720}, {109, 134217728}, {115, 1}, {116, 1}, {120, 1}, {130, 0}, {131, -1}, {133, 0}, {134, 0},
};

EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    ENTER_WITH(attribute, 0);
    PHYSICAL(device);
    char key[64];
    snprintf(key, sizeof key, "attribute.%d", attribute);
    const char *wanted = device_text(key, device, NULL);
    if (wanted) {
        *value = (int)strtol(wanted, NULL, 0);
        return SUCCESS;
    }
    switch (attribute) {
        case 20: *value = (int)device_number("compute_mode", device, 0); return SUCCESS;
        case 33: *value = (int)pci_bus(device); return SUCCESS;
        case 34: *value = (int)device_number("pci_device", device, 0); return SUCCESS;
        case 50: *value = (int)device_number("pci_domain", device, 0); return SUCCESS;
        case 75: *value = (int)device_number("compute_capability_major", device, 9); return SUCCESS;
        case 76: *value = (int)device_number("compute_capability_minor", device, 0); return SUCCESS;
    }
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (attributes[i].attribute == attribute) {
            *value = attributes[i].value;
            return SUCCESS;
        }
    return INVALID_VALUE;
}

/* `peer_access` is 1 where every device reaches every other one; `peer_access.0` is for the memory of device 0. */
EXPORT CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
    ENTER(0);
    PHYSICAL(device);
    PHYSICAL(peer);
    *can = device != peer && device_number("peer_access", peer, 1);
    return SUCCESS;
}

/* Attributes of CUdevice_P2PAttribute: 1 performance rank, 2 access, 3 native atomics, 4 array access. */
EXPORT CUresult cuDeviceGetP2PAttribute(int *value, int attribute, CUdevice device, CUdevice peer) {
    ENTER(0);
    PHYSICAL(device);
    PHYSICAL(peer);
    if (device == peer) return INVALID_DEVICE;
    if (attribute < 1 || attribute > 4) return INVALID_VALUE;
    *value = attribute == 1 ? 0 : (int)device_number("peer_access", peer, 1);
    return SUCCESS;
}

/* Contexts */

/* Compute mode 2 of cuda.h is "prohibited". */
static CUresult take_context(CUcontext *context, int device) {
    if (device_number("compute_mode", device, 0) == 2) return DEVICE_UNAVAILABLE;
    contexts[device].device = device;
    contexts[device].users++;
    *context = &contexts[device];
    return SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    ENTER_WITH(device, 0);
    PHYSICAL(device);
    return take_context(context, device);
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    ENTER_WITH(device, 0);
    PHYSICAL(device);
    if (contexts[device].users == 0) return INVALID_CONTEXT;
    contexts[device].users--;
    return SUCCESS;
}

EXPORT CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device) {
    ENTER_WITH(device, 0);
    (void)flags;
    PHYSICAL(device);
    CUresult code = take_context(context, device);
    if (code == SUCCESS) current = *context;
    return code;
}

EXPORT CUresult cuCtxDestroy_v2(CUcontext context) {
    ENTER(0);
    if (!context || context->users == 0) return INVALID_CONTEXT;
    context->users--;
    if (current == context) current = NULL;
    return SUCCESS;
}

EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
    ENTER(0);
    current = context;
    return SUCCESS;
}

EXPORT CUresult cuCtxGetCurrent(CUcontext *context) {
    ENTER(0);
    *context = current;
    return SUCCESS;
}

/* numba pushes the primary context and pops it again; one place is enough for what it does. */
static __thread CUcontext below;

EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context) {
    ENTER(0);
    below = current;
    current = context;
    return SUCCESS;
}

EXPORT CUresult cuCtxPopCurrent_v2(CUcontext *context) {
    ENTER(1);
    if (context) *context = current;
    current = below;
    below = NULL;
    return SUCCESS;
}

EXPORT CUresult cuCtxGetDevice(CUdevice *device) {
    ENTER(1);
    for (int i = 0; i < visible_count; i++)
        if (visible[i] == current->device) *device = i;
    return SUCCESS;
}

/* Memory */

static size_t held_bytes(enum kind kind, int device) {
    size_t bytes = 0;
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (blocks[i].kind == kind && (kind != DEVICE || blocks[i].device == device)) bytes += blocks[i].size;
    return bytes;
}

static CUresult take_block(enum kind kind, size_t size, size_t limit, char **start) {
    if (size == 0) return INVALID_VALUE;
    CUresult code = OUT_OF_MEMORY;
    pthread_mutex_lock(&lock);
    if (held_bytes(kind, current->device) + size <= limit)
        for (int i = 0; i < MAX_BLOCKS; i++)
            if (blocks[i].kind == FREE) {
                void *memory = NULL;
                if (posix_memalign(&memory, 4096, size) == 0) {
                    blocks[i] = (struct block){.kind = kind, .start = memory, .size = size, .device = current->device};
                    *start = memory;
                    code = SUCCESS;
                }
                break;
            }
    pthread_mutex_unlock(&lock);
    return code;
}

static CUresult give_block(enum kind kind, const void *start) {
    CUresult code = INVALID_VALUE;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (blocks[i].kind == kind && blocks[i].start == start) {
            free(blocks[i].start);
            blocks[i].kind = FREE;
            code = SUCCESS;
        }
    pthread_mutex_unlock(&lock);
    return code;
}

/* The kind of memory that a range lies in; FREE for the program's own. */
static enum kind kind_of(const void *start, size_t size) {
    enum kind found = FREE;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (blocks[i].kind != FREE && (const char *)start >= blocks[i].start &&
            (const char *)start + size <= blocks[i].start + blocks[i].size)
            found = blocks[i].kind;
    pthread_mutex_unlock(&lock);
    return found;
}

/* The device on which a range begins, -1 elsewhere. */
static int device_of(const void *start) {
    int device = -1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (blocks[i].kind == DEVICE && (const char *)start >= blocks[i].start &&
            (const char *)start < blocks[i].start + blocks[i].size)
            device = blocks[i].device;
    pthread_mutex_unlock(&lock);
    return device;
}

static int inside(enum kind kind, const void *start, size_t size) { return kind_of(start, size) == kind; }

static int on_device(const void *start, size_t size) {
    enum kind kind = kind_of(start, size);
    return kind == DEVICE || kind == MANAGED;
}

static int page_locked(enum kind kind) { return kind == PINNED || kind == WRITE_COMBINED || kind == REGISTERED; }

static const char *host_kind(const void *host, size_t size) {
    switch (kind_of(host, size)) {
        case PINNED: return "pinned";
        case WRITE_COMBINED: return "write_combined";
        case REGISTERED: return "registered";
        case MANAGED: return "managed";
        default: return "pageable";
    }
}

static size_t free_bytes(int device) {
    return (size_t)(device_number("memory_total_bytes", device, DEFAULT_MEMORY_BYTES) -
                    device_number("memory_used_bytes", device, DEFAULT_USED_BYTES));
}

EXPORT CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
    ENTER(1);
    *total = (size_t)device_number("memory_total_bytes", current->device, DEFAULT_MEMORY_BYTES);
    *available = free_bytes(current->device) - held_bytes(DEVICE, current->device);
    return SUCCESS;
}

/* `memory_allocatable_bytes` and `host_pinnable_bytes` are the most that can be had, whatever is said to be free. */
EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t size) {
    CUresult code = enter(__func__, 1);
    char *start = NULL;
    size_t limit = (size_t)device_number("memory_allocatable_bytes", current ? current->device : 0, 1LL << 62);
    if (!code && current && free_bytes(current->device) < limit) limit = free_bytes(current->device);
    if (!code) code = take_block(DEVICE, size, limit, &start);
    if (!code) *pointer = (CUdeviceptr)(uintptr_t)start;
    trace(__func__, code ? 0 : (unsigned long long)(uintptr_t)start);
    return code;
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr pointer) {
    ENTER_WITH(pointer, 1);
    return give_block(inside(MANAGED, (void *)(uintptr_t)pointer, 1) ? MANAGED : DEVICE, (void *)(uintptr_t)pointer);
}

/* Flag 4 is CU_MEMHOSTALLOC_WRITECOMBINED. */
EXPORT CUresult cuMemHostAlloc(void **pointer, size_t size, unsigned flags) {
    enum kind kind = flags & 4 ? WRITE_COMBINED : PINNED;
    CUresult code = enter(__func__, 1);
    char *start = NULL;
    if (!code) code = take_block(kind, size, (size_t)number("host_pinnable_bytes", 1LL << 62), &start);
    if (!code) *pointer = start;
    trace(__func__, code ? 0 : (unsigned long long)(uintptr_t)start);
    return code;
}

EXPORT CUresult cuMemFreeHost(void *pointer) {
    ENTER_WITH((uintptr_t)pointer, 1);
    return give_block(inside(WRITE_COMBINED, pointer, 1) ? WRITE_COMBINED : PINNED, pointer);
}

EXPORT CUresult cuMemHostRegister_v2(void *pointer, size_t size, unsigned flags) {
    (void)flags;
    CUresult code = enter(__func__, 1);
    if (!code && (!size || kind_of(pointer, size) != FREE)) code = INVALID_VALUE;
    if (!code) {
        code = OUT_OF_MEMORY;
        pthread_mutex_lock(&lock);
        for (int i = 0; code && i < MAX_BLOCKS; i++)
            if (blocks[i].kind == FREE) {
                blocks[i] = (struct block){.kind = REGISTERED, .start = pointer, .size = size, .device = current->device};
                code = SUCCESS;
            }
        pthread_mutex_unlock(&lock);
    }
    trace(__func__, code ? 0 : (unsigned long long)(uintptr_t)pointer);
    return code;
}

EXPORT CUresult cuMemHostUnregister(void *pointer) {
    ENTER_WITH((uintptr_t)pointer, 1);
    CUresult code = INVALID_VALUE;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (blocks[i].kind == REGISTERED && blocks[i].start == pointer) {
            blocks[i].kind = FREE;
            code = SUCCESS;
        }
    pthread_mutex_unlock(&lock);
    return code;
}

EXPORT CUresult cuMemAllocManaged(CUdeviceptr *pointer, size_t size, unsigned flags) {
    CUresult code = enter(__func__, 1);
    char *start = NULL;
    if (!code && flags != 1 && flags != 2) code = INVALID_VALUE;
    if (!code) code = take_block(MANAGED, size, (size_t)1 << 62, &start);
    if (!code) *pointer = (CUdeviceptr)(uintptr_t)start;
    trace(__func__, code ? 0 : (unsigned long long)(uintptr_t)start);
    return code;
}

EXPORT CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *pointer, unsigned flags) {
    ENTER(1);
    if (flags || !page_locked(kind_of(pointer, 1))) return INVALID_VALUE;
    *device = (CUdeviceptr)(uintptr_t)pointer;
    return SUCCESS;
}

/* Streams, events and time */

/* The latest time on any stream that was waited for: what is queued on a stream that rests begins then. */
static double shared_clock_s;

static void begin(CUstream stream) {
    if (stream->pending_s == 0 && stream->clock_s < shared_clock_s) stream->clock_s = shared_clock_s;
}

/* Whether the first device's context reaches the second's memory. */
static int peer_access[MAX_DEVICES][MAX_DEVICES];

EXPORT CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
    ENTER_WITH((uintptr_t)peer, 1);
    if (flags || !peer) return INVALID_VALUE;
    if (peer == current || !device_number("peer_access", peer->device, 1)) return PEER_ACCESS_UNSUPPORTED;
    if (peer_access[current->device][peer->device]) return PEER_ACCESS_ALREADY_ENABLED;
    peer_access[current->device][peer->device] = 1;
    return SUCCESS;
}

EXPORT CUresult cuCtxDisablePeerAccess(CUcontext peer) {
    ENTER_WITH((uintptr_t)peer, 1);
    if (!peer_access[current->device][peer->device]) return PEER_ACCESS_NOT_ENABLED;
    peer_access[current->device][peer->device] = 0;
    return SUCCESS;
}

static void queue(CUstream stream, double seconds) {
    if (!stream) stream = &null_stream;
    begin(stream);
    stream->clock_s += seconds;
    stream->pending_s += seconds;
    mark_busy(stream->pending_s);
}

static void wait_for(CUstream stream) {
    if (!stream) stream = &null_stream;
    if (stream->held_by) {
        while (!*stream->held_by && now_s() < stream->held_until_s) usleep(50);
        stream->held_by = NULL;
    }
    if (stream->pending_s == 0) return;
    double end = now_s() + stream->pending_s;
    for (double left; (left = end - now_s()) > 0;)
        if (left > 1e-3) usleep((useconds_t)((left - 5e-4) * 1e6));
    stream->pending_s = stream->pending_h2d_s = stream->pending_d2h_s = 0;
    if (shared_clock_s < stream->clock_s) shared_clock_s = stream->clock_s;
}

EXPORT CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    (void)flags;
    CUresult code = enter(__func__, 1);
    if (!code) {
        *stream = calloc(1, sizeof **stream);
        (*stream)->next = null_stream.next;
        null_stream.next = *stream;
    }
    trace(__func__, code ? 0 : (unsigned long long)(uintptr_t)*stream);
    return code;
}

EXPORT CUresult cuStreamDestroy_v2(CUstream stream) {
    ENTER_WITH((uintptr_t)stream, 1);
    wait_for(stream);
    for (CUstream s = &null_stream; s; s = s->next)
        if (s->next == stream) s->next = stream->next;
    free(stream);
    return SUCCESS;
}

EXPORT CUresult cuStreamSynchronize(CUstream stream) {
    ENTER(1);
    wait_for(stream);
    return SUCCESS;
}

EXPORT CUresult cuCtxSynchronize(void) {
    ENTER(1);
    for (CUstream s = &null_stream; s; s = s->next) wait_for(s);
    return SUCCESS;
}

EXPORT CUresult cuEventCreate(CUevent *event, unsigned flags) {
    (void)flags;
    CUresult code = enter(__func__, 1);
    if (!code) *event = calloc(1, sizeof **event);
    trace(__func__, code ? 0 : (unsigned long long)(uintptr_t)*event);
    return code;
}

EXPORT CUresult cuEventDestroy_v2(CUevent event) {
    ENTER_WITH((uintptr_t)event, 1);
    free(event);
    return SUCCESS;
}

EXPORT CUresult cuEventRecord(CUevent event, CUstream stream) {
    ENTER(1);
    event->stream = stream ? stream : &null_stream;
    begin(event->stream);
    event->clock_s = event->stream->clock_s;
    return SUCCESS;
}

EXPORT CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
    (void)flags;
    ENTER(1);
    if (!stream) stream = &null_stream;
    if (stream->clock_s < event->clock_s) stream->clock_s = event->clock_s;
    return SUCCESS;
}

EXPORT CUresult cuEventSynchronize(CUevent event) {
    ENTER(1);
    if (event->stream) wait_for(event->stream);
    return SUCCESS;
}

EXPORT CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
    ENTER(1);
    if (!start->stream || !end->stream) return INVALID_HANDLE;
    *milliseconds = (float)((end->clock_s - start->clock_s) * 1e3);
    return SUCCESS;
}

/* Copies. `corrupt_copies` lists directions (h2d, d2h, d2d) or kinds (h2d_pinned, d2h_pageable) that flip a byte. */

static double rate(const char *key, double fallback) { return real(key, fallback) * 1e9; }

/* Seconds of one copy: each kind of host memory has its rate, and two directions at once are slower. */
static double copy_seconds(const char *direction, const void *host, size_t size, double pinned, double pageable,
                           double both) {
    const char *kind = host_kind(host, size);
    int opposite = 0;
    for (CUstream s = &null_stream; s; s = s->next)
        if ((strcmp(direction, "h2d") == 0 ? s->pending_d2h_s : s->pending_h2d_s) > 0) opposite = 1;
    char key[64];
    snprintf(key, sizeof key, "%s_%s_gb_per_s", direction, opposite ? "bidirectional" : kind);
    return (double)size / rate(key, opposite ? both : strcmp(kind, "pageable") == 0 ? pageable : pinned);
}

static double h2d_seconds(const void *host, size_t size) {
    return copy_seconds("h2d", host, size, 55.0, 8.4, 45.9);
}

static double d2h_seconds(const void *host, size_t size) {
    return copy_seconds("d2h", host, size, 55.2, 15.9, 51.4);
}

/* What each queued copy between host and device costs besides its bytes. */
static double copy_overhead_s(void) { return real("copy_overhead_s", 0); }

static double d2d_seconds(size_t size) { return (double)size / rate("d2d_gb_per_s", 1490.0); }

static CUresult move(const char *direction, char *target, const char *origin, size_t size, const void *host) {
    int host_to_device = strcmp(direction, "h2d") == 0, device_to_host = strcmp(direction, "d2h") == 0;
    if (!device_to_host && !on_device(target, size)) return INVALID_VALUE;
    if (!host_to_device && !on_device(origin, size)) return INVALID_VALUE;
    memcpy(target, origin, size);
    char kind[32];
    snprintf(kind, sizeof kind, "%s_%s", direction, host ? host_kind(host, size) : "local");
    const char *corrupt = text_or_null("corrupt_copies");
    /* Each direction flips another bit, so that two faults on one way do not undo each other. */
    char bit = host_to_device ? 0x10 : device_to_host ? 0x20 : 0x40;
    if (in_list(corrupt, direction) || in_list(corrupt, kind)) target[size / 3] ^= bit;
    return SUCCESS;
}

#define POINTER(address) ((char *)(uintptr_t)(address))

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void *origin, size_t size, CUstream stream) {
    ENTER_WITH(size, 1);
    CUresult code = move("h2d", POINTER(target), origin, size, origin);
    double seconds = copy_overhead_s() + h2d_seconds(origin, size);
    if (!code) queue(stream, seconds);
    if (!code && stream) stream->pending_h2d_s += seconds;
    return code;
}

EXPORT CUresult cuMemcpyDtoHAsync_v2(void *target, CUdeviceptr origin, size_t size, CUstream stream) {
    ENTER_WITH(size, 1);
    CUresult code = move("d2h", target, POINTER(origin), size, target);
    double seconds = copy_overhead_s() + d2h_seconds(target, size);
    if (!code) queue(stream, seconds);
    if (!code && stream) stream->pending_d2h_s += seconds;
    return code;
}

EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr origin, size_t size, CUstream stream) {
    ENTER_WITH(size, 1);
    CUresult code = move("d2d", POINTER(target), POINTER(origin), size, NULL);
    if (!code) queue(stream, d2d_seconds(size));
    return code;
}

/* With peer access `p2p_read_gb_per_s` or `p2p_write_gb_per_s`, else `p2p_staged_gb_per_s`. */
EXPORT CUresult cuMemcpyPeerAsync(CUdeviceptr target, CUcontext target_context, CUdeviceptr origin,
                                  CUcontext origin_context, size_t size, CUstream stream) {
    ENTER_WITH(size, 1);
    if (!target_context || !origin_context) return INVALID_CONTEXT;
    if (device_of(POINTER(target)) != target_context->device) return INVALID_VALUE;
    if (device_of(POINTER(origin)) != origin_context->device) return INVALID_VALUE;
    int reads = current == target_context;
    CUcontext other = reads ? origin_context : target_context;
    CUresult code = move("p2p", POINTER(target), POINTER(origin), size, NULL);
    if (code) return code;
    if (!peer_access[current->device][other->device])
        queue(stream, (double)size / rate("p2p_staged_gb_per_s", 20.0));
    else
        queue(stream, (double)size / (reads ? rate("p2p_read_gb_per_s", 390.0) : rate("p2p_write_gb_per_s", 400.0)));
    return SUCCESS;
}

/* The forms that find out themselves on which side each address is. */
EXPORT CUresult cuMemcpyAsync(CUdeviceptr target, CUdeviceptr origin, size_t size, CUstream stream) {
    if (!on_device(POINTER(origin), size)) return cuMemcpyHtoDAsync_v2(target, POINTER(origin), size, stream);
    if (!on_device(POINTER(target), size)) return cuMemcpyDtoHAsync_v2(POINTER(target), origin, size, stream);
    return cuMemcpyDtoDAsync_v2(target, origin, size, stream);
}

EXPORT CUresult cuMemcpy(CUdeviceptr target, CUdeviceptr origin, size_t size) {
    ENTER_WITH(size, 1);
    if (!on_device(POINTER(origin), size) && !on_device(POINTER(target), size)) {
        memcpy(POINTER(target), POINTER(origin), size);
        return SUCCESS;
    }
    CUresult code = cuMemcpyAsync(target, origin, size, NULL);
    wait_for(NULL);
    return code;
}

EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr target, const void *origin, size_t size) {
    ENTER_WITH(size, 1);
    double start = now_s();
    CUresult code = move("h2d", POINTER(target), origin, size, origin);
    double left = h2d_seconds(origin, size) - (now_s() - start);
    if (!code && left > 0) queue(NULL, left);
    wait_for(NULL);
    return code;
}

EXPORT CUresult cuMemcpyDtoH_v2(void *target, CUdeviceptr origin, size_t size) {
    ENTER_WITH(size, 1);
    double start = now_s();
    CUresult code = move("d2h", target, POINTER(origin), size, target);
    double left = d2h_seconds(target, size) - (now_s() - start);
    if (!code && left > 0) queue(NULL, left);
    wait_for(NULL);
    return code;
}

EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr target, CUdeviceptr origin, size_t size) {
    ENTER_WITH(size, 1);
    CUresult code = move("d2d", POINTER(target), POINTER(origin), size, NULL);
    if (!code) queue(NULL, d2d_seconds(size));
    wait_for(NULL);
    return code;
}

/* Moves no data, since managed memory has one place here; `managed` in `corrupt_copies` flips a byte of it. */
EXPORT CUresult cuMemPrefetchAsync(CUdeviceptr pointer, size_t size, CUdevice device, CUstream stream) {
    ENTER_WITH(size, 1);
    if (!inside(MANAGED, POINTER(pointer), size)) return INVALID_VALUE;
    const char *direction = device < 0 ? "d2h" : "h2d";
    char kind[32], key[64];
    snprintf(kind, sizeof kind, "%s_managed", direction);
    snprintf(key, sizeof key, "%s_gb_per_s", kind);
    if (in_list(text_or_null("corrupt_copies"), kind)) POINTER(pointer)[size / 3] += 1;
    queue(stream, (double)size / rate(key, 40.0));
    return SUCCESS;
}

static CUresult fill(CUdeviceptr target, const void *unit, size_t unit_size, size_t count, CUstream stream) {
    if (!on_device(POINTER(target), unit_size * count)) return INVALID_VALUE;
    for (size_t i = 0; i < count; i++) memcpy(POINTER(target) + i * unit_size, unit, unit_size);
    queue(stream, d2d_seconds(unit_size * count));
    return SUCCESS;
}

EXPORT CUresult cuMemsetD8_v2(CUdeviceptr target, unsigned char value, size_t count) {
    ENTER_WITH(count, 1);
    return fill(target, &value, 1, count, NULL);
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t count, CUstream stream) {
    ENTER_WITH(count, 1);
    return fill(target, &value, 1, count, stream);
}

EXPORT CUresult cuMemsetD32_v2(CUdeviceptr target, unsigned value, size_t count) {
    ENTER_WITH(count, 1);
    return fill(target, &value, 4, count, NULL);
}

EXPORT CUresult cuMemsetD32Async(CUdeviceptr target, unsigned value, size_t count, CUstream stream) {
    ENTER_WITH(count, 1);
    return fill(target, &value, 4, count, stream);
}

/* Modules. What the kernels of the measurement do, they do here at the launch; `hold_stream(flag, bound_ns)` holds its
 * stream until the flag is set or the bound passed. Any other kernel does nothing.
 */

static CUresult load(CUmodule *module, const void *image) {
    if (!image) return INVALID_VALUE;
    *module = calloc(1, sizeof **module);
    return SUCCESS;
}

EXPORT CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, int *options, void **values) {
    (void)count, (void)options, (void)values;
    ENTER(1);
    return load(module, image);
}

EXPORT CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    ENTER(1);
    return load(module, image);
}

EXPORT CUresult cuModuleUnload(CUmodule module) {
    ENTER(1);
    for (struct function *next, *f = module->functions; f; f = next) {
        next = f->next;
        free(f);
    }
    free(module);
    return SUCCESS;
}

EXPORT CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    ENTER(1);
    struct function *f = calloc(1, sizeof *f);
    snprintf(f->name, sizeof f->name, "%s", name);
    f->next = module->functions;
    module->functions = f;
    *function = f;
    return SUCCESS;
}

/* copy_16(target, origin, count): `mapped` in `corrupt_copies` is for those that reach the host. */
static CUresult copy_by_kernel(void **parameters, CUstream stream) {
    char *target = POINTER(*(CUdeviceptr *)parameters[0]), *origin = POINTER(*(CUdeviceptr *)parameters[1]);
    size_t size = (size_t)(*(uint64_t *)parameters[2] * 16);
    int from_host = page_locked(kind_of(origin, size)), to_host = page_locked(kind_of(target, size));
    if (!from_host && !on_device(origin, size)) return ILLEGAL_ADDRESS;
    if (!to_host && !on_device(target, size)) return ILLEGAL_ADDRESS;
    memcpy(target, origin, size);
    const char *kind = from_host ? "h2d_mapped" : to_host ? "d2h_mapped" : "d2d_kernel";
    char key[64];
    snprintf(key, sizeof key, "%s_gb_per_s", kind);
    if (in_list(text_or_null("corrupt_copies"), kind)) target[size / 3] ^= 1;
    queue(stream, (double)size / rate(key, from_host ? 51.2 : to_host ? 52.4 : 1300.0));
    return SUCCESS;
}

/* chase(first, count, result): follows the pointers, and takes `host_latency_s` for each; `broken_chase` ends early. */
static CUresult chase(void **parameters, CUstream stream) {
    char *at = POINTER(*(CUdeviceptr *)parameters[0]), *result = POINTER(*(CUdeviceptr *)parameters[2]);
    uint64_t count = *(uint64_t *)parameters[1];
    for (uint64_t i = number("broken_chase", 0); i < count; i++) {
        if (!page_locked(kind_of(at, 8)) && !on_device(at, 8)) return ILLEGAL_ADDRESS;
        at = POINTER(*(CUdeviceptr *)at);
    }
    *(CUdeviceptr *)result = (CUdeviceptr)(uintptr_t)at;
    queue(stream, (double)count * real("host_latency_s", 1.2e-6));
    return SUCCESS;
}

EXPORT CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                               unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void **parameters,
                               void **extra) {
    ENTER(1);
    (void)shared, (void)extra;
    if (!grid_x || !grid_y || !grid_z || !block_x || !block_y || !block_z) return INVALID_VALUE;
    if (strcmp(function->name, "hold_stream") == 0) {
        if (!stream) stream = &null_stream;
        CUdeviceptr flag = *(CUdeviceptr *)parameters[0];
        uint64_t bound_ns = *(uint64_t *)parameters[1];
        if (!inside(PINNED, POINTER(flag), 4)) return INVALID_VALUE;
        stream->held_by = (volatile uint32_t *)POINTER(flag);
        stream->held_until_s = now_s() + (double)bound_ns * 1e-9;
    }
    if (strcmp(function->name, "copy_16") == 0) return copy_by_kernel(parameters, stream);
    if (strcmp(function->name, "chase") == 0) return chase(parameters, stream);
    return SUCCESS;
}

/* What cuda-bindings uses to find everything else; a newer form of a function goes before the plain name. */
EXPORT CUresult cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, int *status) {
    (void)version, (void)flags;
    int code = misbehave(__func__);
    if (code) return code;
    Dl_info self;
    void *library = dladdr((void *)&cuGetProcAddress_v2, &self) ? dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    char newer[256];
    snprintf(newer, sizeof newer, "%s_v2", symbol);
    *function = library ? dlsym(library, newer) : NULL;
    if (library && !*function) *function = dlsym(library, symbol);
    if (library) dlclose(library);
    if (status) *status = *function ? 0 : 1;
    return *function ? SUCCESS : NOT_FOUND;
}
