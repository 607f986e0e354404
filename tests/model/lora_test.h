#ifndef MADPO_TESTS_LORA_TEST_H
#define MADPO_TESTS_LORA_TEST_H
/* What the tests of adapters share: random models with random adapters, a loss, its passes. */
#include "tests/model/model_test.h"

enum { N_PAIRS = 4, MAX_ROWS = 130, N_MODELS = 6 };

typedef struct lora_arch {
    const char *arch;
    bool tied;
} lora_arch;
extern const lora_arch models[N_MODELS];

void close_to(double got, double want, double atol, double rtol, const char *what);

typedef struct setting {
    int n; /* adapters; the last one is trained */
    const char *targets;
    int32_t from_layer; /* of the trained one */
    double dropout;
    bool train, reward, recompute;
    madpo_dtype storage;
} setting;

madpo_adapter_config adapter_shape(const madpo_model_config *c, int i, const setting *s);
/* A random base (architecture k of `models`) with random adapters, B not zero. */
madpo_model *lora_model(madpo_device *dev, size_t k, const setting *s);

typedef struct pass_case {
    const madpo_batch *b;
    bool reward;
    double out[MAX_ROWS], dout[MAX_ROWS];
} pass_case;

/* A smooth function of the outputs, and its gradient into dout. */
double loss_of(pass_case *c);
/* Outputs of the device into c->out (and f). */
void device_forward(madpo_model *m, pass_case *c, float *f);
/* Forward, loss, backward. */
void device_pass(madpo_model *m, pass_case *c);

#endif
