/* Pairs to a recipe. */
#include "tests/train/pairs_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

static const char *const good[] = {" was warm and well made.", " kept me smiling to the end.",
                                   " is a quiet little gem."};
static const char *const bad[] = {" bored me from the start.", " was a waste of an evening."};

static void fill(madpo_pair *pair, const pairs_recipe *r, int i)
{
    int prompt = i % r->n_prompts;
    bool wrong = r->wrong_every > 0 && i % r->wrong_every == r->wrong_every - 1;
    bool turned = wrong != (prompt == r->swap_prompt);
    const char *a = good[i % 3], *b = bad[i % 2];

    /* copied by the list of pairs, not written to */
    pair->chosen = (char *)(turned ? b : a);
    pair->rejected = (char *)(turned ? a : b);
    pair->n_prompt = strlen(pair->prompt);
    pair->n_chosen = strlen(pair->chosen);
    pair->n_rejected = strlen(pair->rejected);
    pair->id = 100 + i;
    pair->score_chosen = 0.5 + r->h;
    pair->score_rejected = isnan(r->h) ? NAN : 0.5;
    pair->margin = r->margin + i / 8.0;
    pair->eval = r->held_out_every > 0 && prompt % r->held_out_every == 0;
}

madpo_pairs *pairs_make(const pairs_recipe *r)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs;
    madpo_status st = madpo_pairs_new(&pairs, &err);

    for (int i = 0; i < r->n && st == MADPO_OK; i++) {
        char prompt[32];
        madpo_pair pair = {.prompt = prompt};

        snprintf(prompt, sizeof prompt, "Film %d", i % r->n_prompts);
        fill(&pair, r, i);
        st = madpo_pairs_add(pairs, &pair, &err);
    }
    if (st != MADPO_OK)
        fail_msg("%s", err.message);
    return pairs;
}

void pairs_make_start(char *setting, const char *root, const madpo_pairs *pairs)
{
    static const char *const settings[] = {"run.stages=sft", NULL};
    char *dir = tmp_path(root, "start");
    train_result r = train_run_ok(&(train_case){.dir = dir, .settings = settings, .pairs = pairs});

    snprintf(setting, 1024, "model.path=%s/models/sft", dir);
    train_result_free(&r);
    free(dir);
}

void pairs_column(double *out, size_t n, const char *dir, const char *file, const char *key)
{
    size_t size;
    char *text = train_file(dir, file, &size), *end;

    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
    for (char *line = text; *line; line = end + 1) {
        json_t *record;
        json_int_t pair;

        end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        record = json_loads(line, 0, NULL);
        pair = json_integer_value(json_object_get(record, "pair"));
        assert_true(pair >= 0 && (size_t)pair < n);
        if (json_is_number(json_object_get(record, key)))
            out[pair] = json_number_value(json_object_get(record, key));
        json_decref(record);
    }
    free(text);
}
