/* Runs a fuzz target without libFuzzer: every file of a folder, then mutations of them, the same
 * ones each time. usage: test_fuzz_NAME CORPUS_FOLDER MUTATIONS */
#include <dirent.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_INPUTS = 64, MAX_CHANGES = 6, MAX_STRETCH = 40, GROWTH = MAX_CHANGES * MAX_STRETCH };

typedef struct input {
    char *name, *bytes;
    size_t n;
} input;

/* Bytes that mean something to the parsers under test. */
static const char telling[] = "\"\\{}[]:, \n\r\t0-9aeu\xEF\xC3\xFF";

static int compare_inputs(const void *a, const void *b)
{
    return strcmp(((const input *)a)->name, ((const input *)b)->name);
}

/* The folder's files, by name, whatever order the system lists them in. */
static int read_inputs(const char *folder, input inputs[MAX_INPUTS])
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int n = 0;

    FUZZ_CHECK(dir != NULL);
    while ((entry = readdir(dir))) {
        madpo_error err = MADPO_ERROR_INIT;

        if (entry->d_name[0] == '.')
            continue;
        FUZZ_CHECK(n < MAX_INPUTS);
        FUZZ_CHECK(madpo_path_join(&inputs[n].name, folder, entry->d_name, &err) == MADPO_OK);
        FUZZ_CHECK(madpo_file_read(&inputs[n].bytes, &inputs[n].n, inputs[n].name, &err) ==
                   MADPO_OK);
        n++;
    }
    closedir(dir);
    qsort(inputs, (size_t)n, sizeof *inputs, compare_inputs);
    return n;
}

/* One change at a random place: another byte, a byte gone or new, a stretch gone, doubled, or cut
 * off. Returns the new length, at most n + MAX_STRETCH. */
static size_t change(madpo_rng *rng, uint8_t *bytes, size_t n)
{
    size_t at = n ? madpo_rng_below(rng, n) : 0, kind = madpo_rng_below(rng, 7);
    size_t len = n ? 1 + madpo_rng_below(rng, n - at < MAX_STRETCH ? n - at : MAX_STRETCH) : 0;
    uint8_t byte =
        (uint8_t)(madpo_rng_below(rng, 2) ? telling[madpo_rng_below(rng, sizeof telling - 1)]
                                          : (char)madpo_rng_below(rng, 256));

    if (!n || kind == 0) { /* a new byte */
        memmove(bytes + at + 1, bytes + at, n - at);
        bytes[at] = byte;
        return n + 1;
    }
    if (kind <= 2) {
        bytes[at] = byte;
    } else if (kind == 3) {
        bytes[at] ^= (uint8_t)(1u << madpo_rng_below(rng, 8));
    } else if (kind == 4) {
        memmove(bytes + at, bytes + at + len, n - at - len);
        return n - len;
    } else if (kind == 5) {
        memmove(bytes + at + len, bytes + at, n - at);
        return n + len;
    } else if (madpo_rng_below(rng, 4) == 0) {
        return at;
    }
    return n;
}

/* The target sees a block of exactly n bytes, so that a sanitizer sees it read past them. */
static void feed(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);

    FUZZ_CHECK(copy != NULL);
    if (n)
        memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void mutate(const input *in, uint64_t stream)
{
    uint8_t *bytes = malloc(in->n + GROWTH);
    size_t n = in->n, changes;
    madpo_rng rng;

    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, in->bytes, in->n);
    madpo_rng_init(&rng, 1, stream);
    changes = 1 + madpo_rng_below(&rng, MAX_CHANGES);
    for (size_t i = 0; i < changes; i++)
        n = change(&rng, bytes, n);
    feed(bytes, n);
    free(bytes);
}

int main(int argc, char **argv)
{
    input inputs[MAX_INPUTS];
    int n = argc == 3 ? read_inputs(argv[1], inputs) : 0;
    long mutations = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

    if (n == 0) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER MUTATIONS (the folder must hold files)\n",
                argv[0]);
        return 2;
    }
    for (int i = 0; i < n; i++)
        feed((const uint8_t *)inputs[i].bytes, inputs[i].n);
    for (long k = 0; k < mutations; k++)
        mutate(&inputs[k % n], (uint64_t)k);
    printf("%d inputs, %ld mutations\n", n, mutations);
    for (int i = 0; i < n; i++) {
        free(inputs[i].name);
        free(inputs[i].bytes);
    }
    return 0;
}
