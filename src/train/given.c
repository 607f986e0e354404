/* The user's own pairs, from the file to what can be trained on. */
#include "train/given.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/chat.h"

/* ---- reading ---- */

static const char *const chat_names[] = {"none", "gemma", "llama3", "chatml"}; /* by kind */

/* What auto stands for in data.chat and data.system. */
typedef struct given_chat {
    const char *kind;
    madpo_tokenizer *tok; /* owned, NULL: the run trains one */
} given_chat;

/* The named tokenizer and the layout of its own template. A template of another kind counts as
 * none: whether there are messages, which need one, only the file tells. */
static madpo_status given_chat_of(given_chat *out, const char *path, madpo_error *err)
{
    madpo_error why = MADPO_ERROR_INIT;
    madpo_chat_kind kind = MADPO_CHAT_NONE;
    madpo_status st = madpo_tokenizer_load(&out->tok, path, err);

    if (st != MADPO_OK)
        return st;
    st = madpo_chat_of_tokenizer(&kind, out->tok, &why);
    out->kind = chat_names[st == MADPO_OK ? kind : MADPO_CHAT_NONE];
    if (st == MADPO_ERR_UNSUPPORTED)
        st = MADPO_OK;
    else if (st != MADPO_OK)
        madpo_error_set(err, st, "%s", why.message);
    return st;
}

madpo_status madpo_given_load(madpo_pairs **out, const madpo_options *o, madpo_pairs_report *report,
                              madpo_error *err)
{
    bool any_kind = !strcmp(o->data.chat, "auto"), any_system = !strcmp(o->data.system, "auto");
    given_chat chat = {"none", NULL};
    madpo_pairs_options options;
    char *tokenizer = NULL;
    madpo_status st = MADPO_OK;

    *out = NULL;
    if (any_kind || any_system)
        st = madpo_base_model_tokenizer(&tokenizer, o, err);
    if (tokenizer)
        st = given_chat_of(&chat, tokenizer, err);
    free(tokenizer);
    madpo_pairs_options_defaults(&options);
    options.fields = o->data.fields;
    options.chat = any_kind ? chat.kind : o->data.chat;
    options.system = any_system ? NULL : o->data.system;
    options.template_of = any_system ? chat.tok : NULL;
    options.label_base = (int)o->data.label_base;
    options.label_seed = (uint64_t)(o->data.label_seed ? o->data.label_seed : o->run.seed);
    options.skip_bad = o->data.skip_bad_lines;
    options.drop_ties = o->data.drop_ties;
    if (st == MADPO_OK)
        st = madpo_pairs_load_with(out, o->data.pairs, &options, report, err);
    madpo_tokenizer_free(chat.tok);
    return st;
}

/* ---- tokens ---- */

madpo_tokenize_options madpo_given_tokenize_options(const madpo_options *o)
{
    const char *truncation = o->data.truncation;
    bool published = *o->model.path != 0; /* then texts begin and read as Hugging Face has it */

    return (madpo_tokenize_options){
        .max_prompt = (int32_t)o->data.max_prompt,
        .max_tokens = (int32_t)o->data.max_tokens,
        .truncation = !strcmp(truncation, "keep_start") ? MADPO_TRUNCATION_KEEP_START
                      : !strcmp(truncation, "keep_end") ? MADPO_TRUNCATION_KEEP_END
                                                        : MADPO_TRUNCATION_ERROR,
        .mode = !strcmp(o->data.tokenize, "joint") ? MADPO_TOKENIZE_JOINT : MADPO_TOKENIZE_SEPARATE,
        .add_eos = o->data.add_eos,
        .truncate_prompt = o->data.truncate_prompt,
        .keep_prompt_start = !strcmp(o->data.prompt_keep, "start"),
        .specials = published,
        .template_bos = published};
}

/* The pairs that the examples were made from. */
static madpo_status given_keep(madpo_source *source, const madpo_examples *examples,
                               madpo_error *err)
{
    madpo_pairs *kept;
    size_t n_train = 0;
    madpo_status st = madpo_pairs_new(&kept, err);

    for (size_t i = 0; i < examples->n && st == MADPO_OK; i++) {
        const madpo_pair *pair = madpo_pairs_at(source->pairs, examples->v[i].position);

        n_train += !pair->eval;
        st = madpo_pairs_add(kept, pair, err);
    }
    if (st != MADPO_OK) {
        madpo_pairs_free(kept);
        return st;
    }
    madpo_pairs_free(source->pairs);
    source->pairs = kept;
    source->n = examples->n;
    source->n_train = n_train;
    return MADPO_OK;
}

madpo_status madpo_given_fit(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    madpo_tokenize_options options = madpo_given_tokenize_options(ctx->options);
    madpo_examples examples;
    char line[600];
    madpo_status st;

    if (source->report.n_records)
        madpo_run_message(ctx->run, "prepare: %s",
                          madpo_pairs_report_format(&source->report, line, sizeof line));
    st = madpo_examples_from_pairs(&examples, source->pairs, source->tok, &options, err);
    if (st != MADPO_OK)
        return st;
    madpo_examples_report_format(&examples.report, line, sizeof line);
    madpo_run_message(ctx->run, "prepare: %s", line);
    if (examples.n < source->n)
        st = given_keep(source, &examples, err);
    madpo_examples_dispose(&examples);
    if (st == MADPO_OK && source->n_train == 0)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "no pair is left to train on (%s); raise data.max_tokens", line);
    return st;
}
