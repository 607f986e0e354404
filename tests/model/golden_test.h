#ifndef MADPO_TESTS_MODEL_GOLDEN_TEST_H
#define MADPO_TESTS_MODEL_GOLDEN_TEST_H
/* What the tests against goldens share (tests/golden/models, adapters, trajectories, written by the
 * scripts of tests/model/parity): folders, their JSON, models, batches, outputs and gradients. */
#include "base/json.h"
#include "tests/model/model_test.h"

/* tests/golden/GROUP[/NAME], owned by the caller, free(). */
char *golden_path(const char *group, const char *name);
/* Names in tests/golden/GROUP, sorted; at least `fewest`, so that a folder that moved does not look
 * like success. */
typedef struct golden_names {
    char **v;
    size_t n;
} golden_names;
golden_names golden_list(const char *group, size_t fewest);
void golden_names_free(golden_names *names);
/* Run `test` once for each name, which it gets as its state; the cases bear the names. The exit
 * status. */
int golden_run(const char *group, size_t fewest, void (*test)(void **state));
/* Run it once, with `name` as its state. */
int golden_run_one(const char *name, void (*test)(void **state));
/* The device of the run. */
madpo_device *golden_device(void);

/* A JSON file that is there: DIR/NAME. */
json_t *golden_json(const char *dir, const char *name);
/* Members that are there. */
double golden_number(const json_t *o, const char *key);
const char *golden_string(const json_t *o, const char *key);
json_t *golden_get(const json_t *o, const char *key);
/* Element i of a list of numbers. */
double golden_at(const json_t *list, size_t i);

/* Pairs (prompt, chosen, rejected), or texts ("ids" of an object, or a list itself) of which all
 * tokens but the first are the branch. */
example_list golden_pairs(const json_t *pairs);
example_list golden_texts(const json_t *texts);

/* Room for any batch of the goldens. */
madpo_model_options golden_options(bool train, bool reward);
/* The base in a folder. A reward head that a golden names is written over the fresh one. */
madpo_model *golden_model(const char *dir, const madpo_model_options *options);
void golden_score(madpo_model *m, const json_t *score);

/* Forward pass: one number a sequence, summed log-probs or rewards. */
void golden_forward(madpo_model *m, const madpo_batch *b, double *out);
/* And back, from dLoss/dout. */
void golden_backward(madpo_model *m, const madpo_batch *b, const double *dout);

/* Fails with what and the difference unless |got - want| <= atol + rtol |want|. */
void golden_close(double got, double want, double atol, double rtol, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* All gradients (or weights) of the base (adapter < 0) or of an adapter against the tensors of a
 * file: relative L2 distance of each at most `tolerance`. Every tensor of the file must be there;
 * of ours every one unless `some`. */
void golden_tensors(madpo_model *m, int adapter, bool grads, bool some, const char *dir,
                    const char *file, double tolerance);

#endif
