/* Any bytes as a config.json: refused with a line, or a configuration that passes its own check. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/config.h"
#include "tests/fuzz/fuzz.h"

static char dir[64];

static void end(void)
{
    char path[96];

    snprintf(path, sizeof path, "%s/config.json", dir);
    unlink(path);
    rmdir(dir);
}

static void put(const uint8_t *data, size_t size)
{
    char path[96];
    FILE *f;

    if (!dir[0]) {
        strcpy(dir, "/tmp/madpo-fuzz-XXXXXX");
        FUZZ_CHECK(mkdtemp(dir) != NULL);
        atexit(end);
    }
    snprintf(path, sizeof path, "%s/config.json", dir);
    unlink(path); /* a file cut to nothing and written again is flushed to the disk */
    f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL);
    FUZZ_CHECK(fwrite(data, 1, size, f) == size);
    FUZZ_CHECK(fclose(f) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_model_config c;

    put(data, size);
    if (madpo_model_config_load(&c, dir, &err) != MADPO_OK) {
        FUZZ_CHECK(c.arch == NULL && err.message[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(madpo_model_config_check(&c, NULL) == MADPO_OK);
    FUZZ_CHECK(c.C > 0 && c.L > 0 && c.H > 0 && c.K > 0 && c.H % c.K == 0 && c.D > 0 && c.F > 0);
    FUZZ_CHECK(c.n_eos_more >= 0 && c.n_eos_more <= MADPO_MAX_EOS);
    for (int32_t l = 0; l < c.L; l++)
        FUZZ_CHECK(madpo_model_layer_is_full(&c, l) || c.window > 0);
    return 0;
}
