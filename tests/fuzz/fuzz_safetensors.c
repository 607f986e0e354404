/* Any bytes as a safetensors file: it is refused with a line, or its tensors lie inside it, do not
 * overlap and are found by name. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "model/safetensors.h"
#include "tests/fuzz/fuzz.h"

/* One file, written anew each time; not through base/file.h, which waits for the disk. */
static const char *put(const uint8_t *data, size_t size)
{
    static char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/tmp/madpo-fuzz-%ld.safetensors", (long)getpid());
    f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL);
    FUZZ_CHECK(fwrite(data, 1, size, f) == size);
    FUZZ_CHECK(fclose(f) == 0);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = put(data, size);
    madpo_error err = MADPO_ERROR_INIT;
    const unsigned char *end = NULL;
    madpo_safetensors *st;
    uint64_t bytes = 0;
    unsigned sum = 0;

    if (madpo_safetensors_open(&st, path, &err) != MADPO_OK) {
        FUZZ_CHECK(st == NULL && err.message[0] != '\0');
        FUZZ_CHECK(strncmp(err.message, path, strlen(path)) == 0);
        unlink(path);
        return 0;
    }
    for (size_t i = 0; i < madpo_safetensors_count(st); i++) {
        const madpo_safetensor *t = madpo_safetensors_at(st, i);
        const unsigned char *begin = t->data;

        FUZZ_CHECK(end == NULL || begin == end);
        end = begin + t->bytes;
        bytes += t->bytes;
        for (uint64_t j = 0; j < t->bytes; j++) /* outside the mapping this would end badly */
            sum += begin[j];
        FUZZ_CHECK(madpo_safetensors_find(st, t->name) == t);
    }
    FUZZ_CHECK(bytes < size && sum <= 255 * bytes);
    madpo_safetensors_close(st);
    unlink(path);
    return 0;
}
