/* A stand-in for NVIDIA's driver: libnvidia-ml.so.1 with the functions that the probe calls.
 *
 * What there is, it reads anew at each nvmlInitWithFlags from the file that FAKE_NVML names, one item a line:
 *   card UUID BYTES NAME...   a card
 *   mig UUID BYTES NAME...    an instance of the last card, which is thereby divided
 *   hole                      a place of the last card where no instance is
 *   user PID                  a process on the last card or instance
 *   lost CODE                 the last card answers with this error
 *   init CODE                 the driver itself answers with this error
 *   hang                      it answers never
 *
 * Each time, it adds a byte to the file of that name with ".reads" behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INVALID_ARGUMENT 2
#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define INSUFFICIENT_SIZE 7

struct unit { char uuid[96], name[96]; unsigned long long memory; int users[8], count, error, empty, first, places; };
struct process { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; };
struct memory { unsigned long long total, free, used; };

static struct unit units[64], *cards[16];
static unsigned used, found;

int nvmlInitWithFlags(unsigned flags) {
    char line[256];
    int error = 0;
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    memset(units, 0, sizeof units);
    used = found = 0;
    while (file && fgets(line, sizeof line, file)) {
        struct unit *unit = &units[used];
        if (sscanf(line, "card %95s %llu %95[^\n]", unit->uuid, &unit->memory, unit->name) == 3) {
            unit->first = ++used;
            cards[found++] = unit;
        } else if (!strncmp(line, "hole", 4) || sscanf(line, "mig %95s %llu %95[^\n]", unit->uuid, &unit->memory, unit->name) == 3) {
            unit->empty = !strncmp(line, "hole", 4);
            used++;
            cards[found - 1]->places++;
        } else if (sscanf(line, "user %d", &unit[-1].users[used ? unit[-1].count : 0]) == 1) unit[-1].count++;
        else if (sscanf(line, "lost %d", &unit[-1].error) == 1) continue;
        else if (!strncmp(line, "hang", 4)) while (1) sleep(1000);
        else sscanf(line, "init %d", &error);
    }
    if (file) fclose(file);
    snprintf(line, sizeof line, "%s.reads", getenv("FAKE_NVML"));
    if ((file = fopen(line, "a"))) fputc('.', file), fclose(file);
    return error;
}

int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : code == 9 ? "Driver Not Loaded" : "Some error"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = found; return 0; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct unit **unit) {
    if (index >= found) return INVALID_ARGUMENT;
    *unit = cards[index];
    return 0;
}

int nvmlDeviceGetUUID(struct unit *unit, char *uuid, unsigned size) { snprintf(uuid, size, "%s", unit->uuid); return 0; }
int nvmlDeviceGetName(struct unit *unit, char *name, unsigned size) { snprintf(name, size, "%s", unit->name); return unit->error; }

int nvmlDeviceGetMemoryInfo(struct unit *unit, struct memory *memory) {
    *memory = (struct memory){unit->memory, unit->memory, 0};
    return unit->error;
}

int nvmlDeviceGetMigMode(struct unit *unit, unsigned *current, unsigned *pending) {
    *current = *pending = unit->places > 0;
    return strstr(unit->name, "RTX") ? NOT_SUPPORTED : 0;
}

int nvmlDeviceGetMaxMigDeviceCount(struct unit *unit, unsigned *count) { *count = unit->places; return 0; }

int nvmlDeviceGetMigDeviceHandleByIndex(struct unit *unit, unsigned index, struct unit **instance) {
    *instance = &units[unit->first + index];
    return (*instance)->empty ? NOT_FOUND : 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(struct unit *unit, unsigned *count, struct process *processes) {
    unsigned room = *count;
    *count = unit->count;
    if (room < *count) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < *count; i++) processes[i] = (struct process){unit->users[i], 1 << 20, 0xFFFFFFFF, 0xFFFFFFFF};
    return 0;
}
