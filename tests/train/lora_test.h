#ifndef MADPO_TESTS_LORA_TEST_H
#define MADPO_TESTS_LORA_TEST_H
/* What the tests of runs on a given model share: small base models with their tokenizers, made by a
 * run of the stage sft, and settings for runs on them. Failures are cmocka failures. */
#include "tests/train/train_test.h"

enum { LORA_SETTINGS = 16 }; /* at most, the ending NULL included */

typedef struct lora_fixture {
    char *root;         /* a folder for the test's runs */
    char *llama, *gpt2; /* bases: models/sft of a run each */
} lora_fixture;

/* cmocka group fixtures; *state is the lora_fixture. */
int lora_setup(void **state);
int lora_teardown(void **state);
/* A base of some architecture in a folder of its own (owned by the caller, free()). */
char *lora_make_base(const char *root, const char *name, const char *arch, const char *seed);

/* Settings of a LoRA run on `base` with dropout, and then `more` (ended by NULL; may be NULL). The
 * list is valid until the next call. */
const char *const *lora_settings(const char *base, const char *const *more);
/* Run them in root/name and expect success. */
train_result lora_run(const lora_fixture *f, const char *name, const char *base,
                      const char *const *more);
/* root/name, free() */
char *lora_dir(const lora_fixture *f, const char *name);
#endif
