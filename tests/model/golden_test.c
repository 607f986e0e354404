/* See golden_test.h. */
#include "tests/model/golden_test.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/safetensors.h"

/* cmocka gives a test either its own state or the group's; the names take it. */
static madpo_device *device;

/* ---- folders ---- */

char *golden_path(const char *group, const char *name)
{
    const char *source = getenv("MADPO_TEST_SOURCE_DIR");
    char inside[256], *path;

    assert_non_null(source);
    assert_true(snprintf(inside, sizeof inside, "tests/golden/%s%s%s", group, *name ? "/" : "",
                         name) < (int)sizeof inside);
    MODEL_OK(madpo_path_join(&path, source, inside, err));
    return path;
}

golden_names golden_list(const char *group, size_t fewest)
{
    char *dir = golden_path(group, "");
    struct dirent **entry;
    int n = scandir(dir, &entry, NULL, alphasort);
    golden_names names = {calloc(n > 0 ? (size_t)n : 1, sizeof *names.v), 0};

    assert_non_null(names.v);
    for (int i = 0; i < n; i++) {
        if (entry[i]->d_name[0] != '.')
            names.v[names.n++] = strdup(entry[i]->d_name);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    free(dir);
    if (names.n < fewest)
        fail_msg("only %zu goldens in tests/golden/%s", names.n, group);
    return names;
}

void golden_names_free(golden_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->v[i]);
    free(names->v);
}

static int open_device(void **state)
{
    (void)state;
    device = model_device(0);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    madpo_device_close(device);
    device = NULL;
    return 0;
}

madpo_device *golden_device(void)
{
    return device;
}

int golden_run_one(const char *name, void (*test)(void **state))
{
    char *state = strdup(name);
    struct CMUnitTest one[] = {{.name = name, .test_func = test, .initial_state = state}};
    int failed = cmocka_run_group_tests(one, open_device, close_device);

    free(state);
    return failed;
}

int golden_run(const char *group, size_t fewest, void (*test)(void **state))
{
    golden_names names = golden_list(group, fewest);
    struct CMUnitTest *tests = calloc(names.n, sizeof *tests);
    int failed = 1;

    for (size_t i = 0; tests && i < names.n; i++)
        tests[i] =
            (struct CMUnitTest){.name = names.v[i], .test_func = test, .initial_state = names.v[i]};
    if (tests)
        failed = _cmocka_run_group_tests(group, tests, names.n, open_device, close_device);
    free(tests);
    golden_names_free(&names);
    return failed;
}

/* ---- JSON ---- */

json_t *golden_json(const char *dir, const char *name)
{
    char *path;
    json_t *o;

    MODEL_OK(madpo_path_join(&path, dir, name, err));
    MODEL_OK(madpo_json_load(&o, path, err));
    free(path);
    return o;
}

json_t *golden_get(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);

    if (!v)
        fail_msg("the golden has no %s", key);
    return v;
}

double golden_number(const json_t *o, const char *key)
{
    const json_t *v = golden_get(o, key);

    assert_true(json_is_number(v));
    return json_number_value(v);
}

const char *golden_string(const json_t *o, const char *key)
{
    const json_t *v = golden_get(o, key);

    assert_true(json_is_string(v));
    return json_string_value(v);
}

double golden_at(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);

    assert_true(json_is_number(v));
    return json_number_value(v);
}

/* ---- examples ---- */

static int32_t *append(int32_t *to, const json_t *ids, int32_t *n)
{
    *n = (int32_t)json_array_size(ids);
    for (int32_t i = 0; i < *n; i++)
        *to++ = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
    return to;
}

enum { LONGEST = 1024 }; /* text */

static example_list new_list(size_t n, size_t longest)
{
    example_list list = {.v = calloc(n, sizeof *list.v), .n = n};

    list.ids = calloc(n * longest, sizeof *list.ids);
    assert_true(n > 0 && list.v && list.ids);
    return list;
}

example_list golden_pairs(const json_t *pairs)
{
    example_list list = new_list(json_array_size(pairs), LONGEST);
    int32_t *at = list.ids;

    for (size_t i = 0; i < list.n; i++) {
        const json_t *o = json_array_get(pairs, i);
        madpo_example *e = &list.v[i];

        e->prompt = at;
        at = append(at, golden_get(o, "prompt"), &e->n_prompt);
        e->branch[0] = at;
        at = append(at, golden_get(o, "chosen"), &e->n_branch[0]);
        e->branch[1] = at;
        at = append(at, golden_get(o, "rejected"), &e->n_branch[1]);
        e->n_branches = 2;
        e->id = (int64_t)i;
        assert_true(e->n_prompt > 0 && e->n_branch[0] > 0 && e->n_branch[1] > 0);
        assert_true(e->n_prompt + e->n_branch[0] + e->n_branch[1] <= LONGEST);
    }
    return list;
}

example_list golden_texts(const json_t *texts)
{
    example_list list = new_list(json_array_size(texts), LONGEST);

    for (size_t i = 0; i < list.n; i++) {
        const json_t *o = json_array_get(texts, i);
        int32_t *ids = list.ids + i * LONGEST, n;

        if (json_is_object(o))
            o = golden_get(o, "ids");
        assert_true(json_array_size(o) > 1 && json_array_size(o) <= LONGEST);
        append(ids, o, &n);
        list.v[i] = (madpo_example){.prompt = ids,
                                    .n_prompt = 1,
                                    .branch = {ids + 1},
                                    .n_branch = {n - 1},
                                    .n_branches = 1,
                                    .id = (int64_t)i};
    }
    return list;
}

/* ---- models ---- */

madpo_model_options golden_options(bool train, bool reward)
{
    return (madpo_model_options){.max_tokens = 256,
                                 .max_rows = 256,
                                 .max_segments = 24,
                                 .max_sequences = 16,
                                 .train = train,
                                 .reward_head = reward};
}

madpo_model *golden_model(const char *dir, const madpo_model_options *options)
{
    madpo_model_config c;
    madpo_model *m;

    MODEL_OK(madpo_model_config_load(&c, dir, err));
    MODEL_OK(madpo_model_new(&m, device, &c, options, err));
    MODEL_OK(madpo_model_load(m, dir, 1, err));
    return m;
}

void golden_score(madpo_model *m, const json_t *score)
{
    for (size_t i = 0; i < madpo_model_tensor_count(m); i++) {
        const madpo_model_tensor *t = madpo_model_tensor_at(m, i);
        float w[64];

        if (strcmp(t->name, "score.weight") != 0)
            continue;
        assert_int_equal(t->n, json_array_size(score));
        assert_true(t->n <= 64);
        for (int64_t j = 0; j < t->n; j++)
            w[j] = (float)golden_at(score, (size_t)j);
        MODEL_OK(madpo_tensor_write(device, t->weight, w, t->n, err));
        madpo_model_weights_changed(m);
        return;
    }
    fail_msg("the model has no score.weight");
}

static bool has_reward(const madpo_model *m)
{
    for (size_t i = 0; i < madpo_model_tensor_count(m); i++)
        if (strcmp(madpo_model_tensor_at(m, i)->name, "score.weight") == 0)
            return true;
    return false;
}

void golden_forward(madpo_model *m, const madpo_batch *b, double *out)
{
    float f[256];

    assert_true(b->R <= 256 && b->n_seq <= 256);
    if (has_reward(m)) {
        MODEL_OK(madpo_model_rewards(m, b, f, err));
        for (int64_t s = 0; s < b->n_seq; s++)
            out[s] = f[s];
        return;
    }
    MODEL_OK(madpo_model_logps(m, b, f, NULL, err));
    for (int64_t s = 0; s < b->n_seq; s++) {
        out[s] = 0;
        for (int64_t r = b->seq_row[s]; r < b->seq_row[s + 1]; r++)
            out[s] += f[r];
    }
}

void golden_backward(madpo_model *m, const madpo_batch *b, const double *dout)
{
    float f[256];

    if (has_reward(m)) {
        for (int64_t s = 0; s < b->n_seq; s++)
            f[s] = (float)dout[s];
        MODEL_OK(madpo_model_backward_rewards(m, b, f, err));
        return;
    }
    for (int64_t r = 0; r < b->R; r++)
        f[r] = (float)dout[b->row_seq[r]];
    MODEL_OK(madpo_model_backward_logps(m, b, f, err));
}

/* ---- comparing ---- */

void golden_close(double got, double want, double atol, double rtol, const char *format, ...)
{
    bool ok = fabs(got - want) <= atol + rtol * fabs(want);
    char what[256];
    va_list args;

    if (ok)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    fail_msg("%s: got %.9g, want %.9g, off by %.2g", what, got, want, fabs(got - want));
}

typedef struct comparison {
    madpo_safetensors *want;
    bool some; /* the file need not have all of ours */
    double tolerance;
    size_t n;
} comparison;

static madpo_status compare(void *user, const madpo_safetensor *got, madpo_error *err)
{
    comparison *c = user;
    const madpo_safetensor *want = madpo_safetensors_find(c->want, got->name);
    double distance = 0, norm = 0;

    (void)err;
    if (!want && c->some)
        return MADPO_OK;
    if (!want)
        fail_msg("%s is not in the golden", got->name);
    c->n++;
    assert_int_equal(got->n_dims, want->n_dims);
    for (int d = 0; d < got->n_dims; d++)
        assert_int_equal(got->shape[d], want->shape[d]);
    assert_string_equal(want->dtype, "F32");
    assert_string_equal(got->dtype, "F32");
    assert_int_equal(got->bytes, want->bytes);
    for (uint64_t i = 0; i < want->bytes / sizeof(float); i++) {
        float a, b;

        memcpy(&a, (const char *)got->data + i * sizeof a, sizeof a);
        memcpy(&b, (const char *)want->data + i * sizeof b, sizeof b);
        distance += ((double)a - b) * ((double)a - b);
        norm += (double)b * b;
    }
    golden_close(sqrt(distance), 0, c->tolerance * sqrt(norm), 0, "%s: L2 distance from norm %.4g",
                 got->name, sqrt(norm));
    return MADPO_OK;
}

void golden_tensors(madpo_model *m, int adapter, bool grads, bool some, const char *dir,
                    const char *file, double tolerance)
{
    comparison c = {.some = some, .tolerance = tolerance};
    char *path;

    MODEL_OK(madpo_path_join(&path, dir, file, err));
    MODEL_OK(madpo_safetensors_open(&c.want, path, err));
    if (adapter < 0)
        MODEL_OK(madpo_model_each(m, grads, compare, &c, err));
    else
        MODEL_OK(madpo_model_adapter_each(m, adapter, grads, compare, &c, err));
    assert_int_equal(c.n, madpo_safetensors_count(c.want));
    madpo_safetensors_close(c.want);
    free(path);
}
