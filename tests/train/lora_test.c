/* Bases and settings for runs on a given model. */
#include "tests/train/lora_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

char *lora_make_base(const char *root, const char *name, const char *arch, const char *seed)
{
    char *dir = tmp_path(root, name), setting[64], of[64];
    const char *settings[] = {"run.stages=sft", setting, of, NULL};
    train_result r;
    char *base;

    snprintf(setting, sizeof setting, "model.arch=%s", arch);
    snprintf(of, sizeof of, "run.seed=%s", seed);
    r = train_run_ok(&(train_case){.dir = dir, .settings = settings});
    train_result_free(&r);
    base = tmp_path(dir, "models/sft");
    free(dir);
    return base;
}

int lora_setup(void **state)
{
    lora_fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    f->root = tmp_new();
    f->llama = lora_make_base(f->root, "base-llama", "llama", "7");
    f->gpt2 = lora_make_base(f->root, "base-gpt2", "gpt2", "7");
    *state = f;
    return 0;
}

int lora_teardown(void **state)
{
    lora_fixture *f = *state;

    free(f->llama);
    free(f->gpt2);
    tmp_free(f->root);
    free(f);
    return 0;
}

const char *const *lora_settings(const char *base, const char *const *more)
{
    static char path[1024];
    static const char *list[LORA_SETTINGS];
    static const char *const fixed[] = {"lora.rank=4", "lora.alpha=8", "lora.dropout=0.1",
                                        "lora.targets=all-linear"};
    size_t n = 0;

    snprintf(path, sizeof path, "model.path=%s", base);
    list[n++] = path;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        list[n++] = fixed[i];
    for (; more && *more; more++) {
        assert_true(n + 1 < LORA_SETTINGS);
        list[n++] = *more;
    }
    list[n] = NULL;
    return list;
}

char *lora_dir(const lora_fixture *f, const char *name)
{
    return tmp_path(f->root, name);
}

train_result lora_run(const lora_fixture *f, const char *name, const char *base,
                      const char *const *more)
{
    char *dir = lora_dir(f, name);
    train_result r = train_run_ok(&(train_case){.dir = dir, .settings = lora_settings(base, more)});

    free(dir);
    return r;
}
