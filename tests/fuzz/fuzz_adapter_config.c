/* Any bytes as an adapter_config.json: refused with a line, or a shape of ranks above 0 at modules
 * that the model has. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/adapter.h"
#include "tests/fuzz/fuzz.h"

static char dir[64];

static void end(void)
{
    char path[96];

    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
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
    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    unlink(path); /* a file cut to nothing and written again is flushed to the disk */
    f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL);
    FUZZ_CHECK(fwrite(data, 1, size, f) == size);
    FUZZ_CHECK(fclose(f) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_model_config m;
    madpo_adapter_config a;
    int64_t n = 0;

    madpo_model_config_defaults(&m, madpo_arch_find("llama"));
    m.L = 2;
    put(data, size);
    if (madpo_adapter_config_load(&a, "x", dir, &m, &err) != MADPO_OK) {
        FUZZ_CHECK(a.at == NULL && err.message[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(a.L == 2 && a.r > 0 && a.alpha > 0 && a.dropout >= 0 && a.dropout < 1);
    for (int32_t l = 0; l < 2; l++)
        for (int s = 0; s < MADPO_N_SITES; s++) {
            madpo_adapter_at at = madpo_adapter_get(&a, l, (madpo_site)s);

            FUZZ_CHECK(at.r >= 0 && (at.r == 0 || (m.arch->site[s] && at.alpha > 0)));
            n += at.r > 0;
        }
    FUZZ_CHECK(n > 0 && madpo_adapter_parameters(&a, &m) > 0);
    madpo_adapter_config_dispose(&a);
    return 0;
}
