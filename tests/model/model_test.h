#ifndef MADPO_TESTS_MODEL_TEST_H
#define MADPO_TESTS_MODEL_TEST_H
/* What the tests of the model share: a device, small odd-sized models, examples and batches of
 * random tokens. Failures are cmocka failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "data/pack.h"
#include "model/model.h"

#define MODEL_OK(call)                                                                             \
    do {                                                                                           \
        madpo_error model_err = MADPO_ERROR_INIT;                                                  \
        madpo_error *err = &model_err;                                                             \
        if ((call) != MADPO_OK)                                                                    \
            fail_msg("%s: %s", #call, model_err.message);                                          \
    } while (0)

/* cmocka group fixtures; *state is the madpo_device. MADPO_TEST_DEVICE selects it,
 * MADPO_TEST_WG its work-group width. */
int model_setup(void **state);
int model_teardown(void **state);
madpo_device *model_device(uint64_t memory_limit_bytes);

/* Two layers, grouped heads, odd sizes; Gemma's window is shorter than the texts. */
madpo_model_config model_config(const char *arch, bool tied);
/* Room for a few pairs. */
madpo_model_options model_options(bool train, bool reward, int64_t gen_slots);
madpo_model *model_make(madpo_device *dev, const char *arch, bool tied, bool train, bool reward);
/* Weights large enough for every nonlinearity to matter: matrices normal(0, 1/sqrt(inputs)), norms
 * spread about neutral. */
void model_randomise(madpo_model *m, uint64_t seed);
/* Copy the weights of one model into another of the same shape. */
void model_copy(madpo_model *to, const madpo_model *from);
float *model_read(const madpo_model *m, madpo_tensor t);

/* Examples with random tokens below V; *ids of example i are owned by the list. */
typedef struct example_list {
    madpo_example *v;
    size_t n;
    int32_t *ids;
} example_list;
/* n pairs with prompts of 1.. tokens and branches of 1.. tokens. */
example_list examples_pairs(size_t n, int32_t V, uint64_t seed);
void examples_free(example_list *list);
/* Pack examples first..end; all must fit. */
const madpo_batch *pack(madpo_packer *packer, const example_list *list, size_t first, size_t end);
madpo_packer *packer_new(const madpo_model_options *options);

#endif
