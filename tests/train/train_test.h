#ifndef MADPO_TESTS_TRAIN_TEST_H
#define MADPO_TESTS_TRAIN_TEST_H
/* What the tests of training share: runs of tests/support/tiny.cfg through the public API, stopped
 * or copied at chosen moments, and what they leave behind. Failures are cmocka failures. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "madpo/trainer.h"

/* When to interfere: at step event number `step` of a stage, or (step 0) at the first progress call
 * of a stage that has done something. */
typedef struct train_moment {
    const char *stage; /* NULL = never */
    int64_t step;
} train_moment;

typedef struct train_case {
    const char *dir;
    const char *const *settings; /* "key=value" …, ended by NULL; NULL = none */
    bool resume;
    const madpo_pairs *pairs;
    train_moment stop;     /* request a stop */
    train_moment save;     /* request a checkpoint */
    train_moment snapshot; /* copy the run as a crash would leave it … */
    const char *snapshot_dir;
} train_case;

typedef struct train_result {
    madpo_status status;
    madpo_error err;
    json_t *events; /* array, without the fields that depend on the clock; owned */
} train_result;

/* Run a case to its end, whatever that is. */
train_result train_run(const train_case *c);
/* The same; fails the test unless it ends well. */
train_result train_run_ok(const train_case *c);
void train_result_free(train_result *result);

/* Event number i (from 0) of kind ev, and of a stage unless NULL; NULL if there is none. */
const json_t *train_event(const train_result *result, const char *ev, const char *stage, size_t i);
size_t train_event_count(const train_result *result, const char *ev, const char *stage);
/* A number of an event; fails the test if there is none. */
double train_number(const json_t *event, const char *key);

/* Whole file of a run; free(). */
char *train_file(const char *dir, const char *name, size_t *n);
bool train_has(const char *dir, const char *name);
void train_assert_same(const char *dir_a, const char *dir_b, const char *name);
/* Models and records, those that at least one of the runs has; at least one. */
void train_assert_same_results(const char *dir_a, const char *dir_b);

#endif
