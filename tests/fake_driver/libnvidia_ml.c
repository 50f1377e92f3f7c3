/* A fake libnvidia-ml.so.1: what nvidia-ml-py asks of one, answered from the scenario. Prototypes as in nvml.h. */
#include "scenario.h"

typedef int nvmlReturn_t;
typedef struct device *nvmlDevice_t;

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
};

struct device {
    int index;
};

static struct device devices[MAX_DEVICES];
static int users;

static nvmlReturn_t enter(const char *function) {
    trace(function, 0);
    int code = misbehave(function);
    if (code) return code;
    return users ? SUCCESS : UNINITIALIZED;
}

#define ENTER()                                 \
    do {                                        \
        nvmlReturn_t code_ = enter(__func__);   \
        if (code_ != SUCCESS) return code_;     \
    } while (0)

static nvmlReturn_t put(char *out, unsigned size, const char *value) {
    if (strlen(value) + 1 > size) return INSUFFICIENT_SIZE;
    strcpy(out, value);
    return SUCCESS;
}

/* A value of -1 means that this card does not have it. */
static nvmlReturn_t put_number(unsigned *out, const char *key, nvmlDevice_t device, long long fallback) {
    long long value = device_number(key, device->index, fallback);
    if (value < 0) return NOT_SUPPORTED;
    *out = (unsigned)value;
    return SUCCESS;
}

static nvmlReturn_t initialise(const char *function) {
    trace(function, 0);
    int code = misbehave(function);
    if (!code) code = outcome("nvml_init");
    if (code) return code;
    for (int i = 0; i < MAX_DEVICES; i++) devices[i].index = i;
    users++;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned flags) { (void)flags; return initialise(__func__); }
EXPORT nvmlReturn_t nvmlInit_v2(void) { return initialise(__func__); }
EXPORT nvmlReturn_t nvmlInit(void) { return initialise(__func__); }

EXPORT nvmlReturn_t nvmlShutdown(void) {
    ENTER();
    users--;
    return SUCCESS;
}

EXPORT const char *nvmlErrorString(nvmlReturn_t code) {
    switch (code) {
        case 0: return "Success";
        case 1: return "Uninitialized";
        case 2: return "Invalid Argument";
        case 3: return "Not Supported";
        case 4: return "Insufficient Permissions";
        case 6: return "Not Found";
        case 7: return "Insufficient Size";
        case 8: return "Insufficient External Power";
        case 9: return "Driver Not Loaded";
        case 10: return "Timeout";
        case 11: return "Interrupt Request Issue";
        case 12: return "NVML Shared Library Not Found";
        case 13: return "Function Not Found";
        case 14: return "Corrupted infoROM";
        case 15: return "GPU is lost";
        case 16: return "GPU requires reset";
        case 17: return "GPU access blocked by the operating system";
        case 18: return "Driver/library version mismatch";
        case 20: return "Insufficient Memory";
        default: return "Unknown Error";
    }
}

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *out, unsigned size) {
    ENTER();
    return put(out, size, text("driver_release", "580.159.04"));
}

EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *out, unsigned size) {
    ENTER();
    char value[128];
    snprintf(value, sizeof value, "%lld.%s", number("cuda_version", 13000) / 1000, text("driver_release", "580.159.04"));
    return put(out, size, text("nvml_version", value));
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
    ENTER();
    *version = (int)number("cuda_version", 13000);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) {
    ENTER();
    *version = (int)number("cuda_version", 13000);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count) {
    ENTER();
    *count = (unsigned)device_total();
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    ENTER();
    if (index >= (unsigned)device_total()) return INVALID_ARGUMENT;
    *device = &devices[index];
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    ENTER();
    for (int i = 0; i < device_total(); i++) {
        char own[64];
        uuid_text(i, own, sizeof own);
        if (strcmp(own, uuid) == 0) {
            *device = &devices[i];
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *address, nvmlDevice_t *device) {
    ENTER();
    unsigned domain, bus, slot;
    if (sscanf(address, "%x:%x:%x", &domain, &bus, &slot) != 3) return INVALID_ARGUMENT;
    for (int i = 0; i < device_total(); i++)
        if (device_number("pci_domain", i, 0) == domain && pci_bus(i) == bus && device_number("pci_device", i, 0) == slot) {
            *device = &devices[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *out, unsigned size) {
    ENTER();
    return put(out, size, device_text("name", device->index, DEFAULT_NAME));
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *out, unsigned size) {
    ENTER();
    char value[64];
    uuid_text(device->index, value, sizeof value);
    return put(out, size, value);
}

EXPORT nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned *index) {
    ENTER();
    *index = (unsigned)device->index;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned *minor) {
    ENTER();
    *minor = (unsigned)device_number("minor_number", device->index, device->index);
    return SUCCESS;
}

struct pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, struct pci_info *info) {
    ENTER();
    int i = device->index;
    memset(info, 0, sizeof *info);
    pci_address(i, 4, info->bus_id_legacy, sizeof info->bus_id_legacy);
    pci_address(i, 8, info->bus_id, sizeof info->bus_id);
    info->domain = (unsigned)device_number("pci_domain", i, 0);
    info->bus = (unsigned)pci_bus(i);
    info->device = (unsigned)device_number("pci_device", i, 0);
    info->device_id = (unsigned)device_number("pci_device_id", i, 0x233010de);
    info->subsystem_id = (unsigned)device_number("pci_subsystem_id", i, 0x16c110de);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor) {
    ENTER();
    *major = (int)device_number("compute_capability_major", device->index, 9);
    *minor = (int)device_number("compute_capability_minor", device->index, 0);
    return SUCCESS;
}

struct memory {
    unsigned long long total, free, used;
};

struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, struct memory *memory) {
    ENTER();
    memory->total = (unsigned long long)device_number("memory_total_bytes", device->index, DEFAULT_MEMORY_BYTES);
    memory->used = (unsigned long long)device_number("memory_used_bytes", device->index, DEFAULT_USED_BYTES);
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, struct memory_v2 *memory) {
    ENTER();
    memory->total = (unsigned long long)device_number("memory_total_bytes", device->index, DEFAULT_MEMORY_BYTES);
    memory->reserved = (unsigned long long)device_number("memory_reserved_bytes", device->index, 0);
    memory->used = (unsigned long long)device_number("memory_used_bytes", device->index, DEFAULT_USED_BYTES);
    memory->free = memory->total - memory->reserved - memory->used;
    return SUCCESS;
}

struct bar1_memory {
    unsigned long long total, free, used;
};

EXPORT nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, struct bar1_memory *memory) {
    ENTER();
    memory->total = (unsigned long long)device_number("bar1_total_bytes", device->index, 137438953472LL);
    memory->used = 1048576;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned *generation) {
    ENTER();
    long long loaded = device_number("link_generation", device->index, 5);
    long long idle = device_number("link_generation_idle", device->index, loaded);
    if (loaded < 0) return NOT_SUPPORTED;
    *generation = (unsigned)(is_busy() ? loaded : idle);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned *width) {
    ENTER();
    return put_number(width, "link_width", device, 16);
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned *generation) {
    ENTER();
    return put_number(generation, "link_generation_max", device, 5);
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t device, unsigned *width) {
    ENTER();
    return put_number(width, "link_width_max", device, 16);
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuMaxPcieLinkGeneration(nvmlDevice_t device, unsigned *generation) {
    ENTER();
    return put_number(generation, "gpu_link_generation_max", device, 5);
}

EXPORT nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, unsigned *state) {
    ENTER();
    return put_number(state, "performance_state", device, 0);
}

/* Clock domains of nvml.h: 0 graphics, 1 SM, 2 memory, 3 video. */
EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned domain, unsigned *mhz) {
    ENTER();
    return domain == 2 ? put_number(mhz, "memory_clock_mhz", device, 2619) : put_number(mhz, "sm_clock_mhz", device, 1980);
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned domain, unsigned *mhz) {
    ENTER();
    return domain == 2 ? put_number(mhz, "memory_clock_max_mhz", device, 2619)
                       : put_number(mhz, "sm_clock_max_mhz", device, 1980);
}

static nvmlReturn_t reasons_of(nvmlDevice_t device, unsigned long long *reasons) {
    *reasons = (unsigned long long)device_number("clock_event_reasons", device->index, 0);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons) {
    ENTER();
    return reasons_of(device, reasons);
}

EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons) {
    ENTER();
    return reasons_of(device, reasons);
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *degrees) {
    ENTER();
    (void)sensor;
    return put_number(degrees, "temperature_c", device, 34);
}

/* As an H100 answered: slowdown and highest at work, and no target for its fan. */
EXPORT nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned threshold, unsigned *degrees) {
    ENTER();
    if (threshold == 1) return put_number(degrees, "slowdown_temperature_c", device, 89);
    if (threshold == 3) return put_number(degrees, "maximum_temperature_c", device, 87);
    return NOT_SUPPORTED;
}

struct temperature {
    unsigned version, sensor;
    int degrees;
};

EXPORT nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, struct temperature *temperature) {
    ENTER();
    temperature->degrees = (int)device_number("temperature_c", device->index, 34);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts) {
    ENTER();
    return put_number(milliwatts, "power_draw_mw", device, 71250);
}

EXPORT nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned *milliwatts) {
    ENTER();
    return put_number(milliwatts, "power_limit_mw", device, 700000);
}

EXPORT nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, unsigned *mode) {
    ENTER();
    return put_number(mode, "persistence_mode", device, 1);
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, unsigned *mode) {
    ENTER();
    return put_number(mode, "compute_mode", device, 0);
}

EXPORT nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, unsigned *current, unsigned *pending) {
    ENTER();
    nvmlReturn_t code = put_number(current, "ecc_mode", device, 1);
    return code ? code : put_number(pending, "ecc_mode", device, 1);
}

EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending) {
    ENTER();
    nvmlReturn_t code = put_number(current, "mig_mode", device, 0);
    return code ? code : put_number(pending, "mig_mode", device, 0);
}

struct process {
    unsigned pid;
    unsigned long long used_bytes;
    unsigned gpu_instance, compute_instance;
};

/* As many processes as `compute_processes` says, with pids from 4001 on. */
EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count, struct process *out) {
    ENTER();
    unsigned running = (unsigned)device_number("compute_processes", device->index, 0);
    unsigned room = *count;
    *count = running;
    if (running > room || (running && !out)) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < running; i++)
        out[i] = (struct process){.pid = 4001 + i, .used_bytes = 536870912, .gpu_instance = ~0u, .compute_instance = ~0u};
    return SUCCESS;
}

/* `pcie_replays_under_load` are added once copies have run. */
EXPORT nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned *count) {
    ENTER();
    nvmlReturn_t code = put_number(count, "pcie_replays", device, 0);
    if (!code && is_busy()) *count += (unsigned)device_number("pcie_replays_under_load", device->index, 0);
    return code;
}

EXPORT nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned *count, struct process *out) {
    ENTER();
    (void)device, (void)out;
    *count = 0;
    return SUCCESS;
}

/* Error type 1 is uncorrected; counter 0 is since the driver was loaded, 1 of the card's life. */
EXPORT nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, int type, int counter, unsigned long long *count) {
    ENTER();
    const char *key = type != 1 ? "ecc_corrected" : counter ? "ecc_uncorrectable_aggregate" : "ecc_uncorrectable";
    long long value = device_number(key, device->index, 0);
    if (value < 0) return NOT_SUPPORTED;
    *count = (unsigned long long)value;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned *correctable, unsigned *uncorrectable,
                                              unsigned *pending, unsigned *failure) {
    ENTER();
    *uncorrectable = (unsigned)device_number("remapped_rows_uncorrectable", device->index, 0);
    *pending = (unsigned)device_number("remap_pending", device->index, 0);
    *failure = (unsigned)device_number("remap_failed", device->index, 0);
    return put_number(correctable, "remapped_rows_correctable", device, 0);
}

EXPORT nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, unsigned *mode) {
    ENTER();
    return put_number(mode, "virtualization_mode", device, 0);
}

struct licensable_feature {
    unsigned code, state;
    char licence[128], product[128];
    unsigned enabled;
    struct {
        unsigned year;
        unsigned short month, day, hour, minute, second;
        unsigned char status;
    } expiry;
};

struct licensable_features {
    int supported;
    unsigned count;
    struct licensable_feature features[3];
};

/* `vgpu_licensed` is 1 or 0 on a virtual GPU; other cards need no licence. */
EXPORT nvmlReturn_t nvmlDeviceGetGridLicensableFeatures_v4(nvmlDevice_t device, struct licensable_features *out) {
    ENTER();
    long long licensed = device_number("vgpu_licensed", device->index, -1);
    memset(out, 0, sizeof *out);
    if (licensed < 0) return SUCCESS;
    out->supported = 1;
    out->count = 1;
    out->features[0].enabled = 1;
    out->features[0].state = (unsigned)licensed;
    return SUCCESS;
}

struct conf_compute_state {
    unsigned environment, feature, dev_tools;
};

EXPORT nvmlReturn_t nvmlSystemGetConfComputeState(struct conf_compute_state *state) {
    ENTER();
    memset(state, 0, sizeof *state);
    state->feature = (unsigned)number("confidential_compute", 0);
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlSystemGetConfComputeGpusReadyState(unsigned *ready) {
    ENTER();
    *ready = (unsigned)number("confidential_compute_ready", 1);
    return SUCCESS;
}

struct field_value {
    unsigned id, scope;
    long long timestamp, latency;
    int type, code;
    union {
        double as_double;
        unsigned as_unsigned;
        unsigned long long as_long;
    } value;
};

/* Field 230 is the recovery action; others are not supported. */
EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, struct field_value *values) {
    ENTER();
    for (int i = 0; i < count; i++) {
        long long action = device_number("recovery_action", device->index, 0);
        int known = values[i].id == 230 && action >= 0;
        values[i].code = known ? SUCCESS : NOT_SUPPORTED;
        values[i].type = 1;
        values[i].value.as_unsigned = known ? (unsigned)action : 0;
    }
    return SUCCESS;
}

/* A card in MIG mode has `mig_instances` instances. */
EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *count) {
    ENTER();
    (void)device;
    *count = 7;
    return SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index, nvmlDevice_t *instance) {
    ENTER();
    if (index >= (unsigned)device_number("mig_instances", device->index, 0)) return NOT_FOUND;
    *instance = device;
    return SUCCESS;
}

/* What `cudadoctor devices` asks for besides. */

EXPORT nvmlReturn_t nvmlDeviceGetMemoryBusWidth(nvmlDevice_t device, unsigned *bits) {
    ENTER();
    return put_number(bits, "memory_bus_width", device, 5120);
}

EXPORT nvmlReturn_t nvmlDeviceGetNumGpuCores(nvmlDevice_t device, unsigned *cores) {
    ENTER();
    return put_number(cores, "cores", device, 16896);
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned *milliwatts) {
    ENTER();
    return put_number(milliwatts, "power_limit_mw", device, 700000);
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device, unsigned *milliwatts) {
    ENTER();
    return put_number(milliwatts, "power_limit_default_mw", device, 700000);
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned *low, unsigned *high) {
    ENTER();
    *low = (unsigned)device_number("power_limit_min_mw", device->index, 200000);
    return put_number(high, "power_limit_max_mw", device, 700000);
}

EXPORT nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *out, unsigned size) {
    ENTER();
    return put(out, size, device_text("vbios", device->index, "96.00.89.00.01"));
}

EXPORT nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *out) {
    ENTER();
    (void)device;
    return put(out, 64, text("driver_release", "580.159.04"));
}

EXPORT nvmlReturn_t nvmlDeviceGetDisplayActive(nvmlDevice_t device, unsigned *active) {
    ENTER();
    return put_number(active, "display_active", device, 0);
}

EXPORT nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count, struct process *out) {
    ENTER();
    (void)device, (void)out;
    *count = 0;
    return SUCCESS;
}
