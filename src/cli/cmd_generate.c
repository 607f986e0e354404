/* madpo generate: texts from a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/model_args.h"
#include "cli/output.h"
#include "cli/prompts.h"
#include "cli/sampling.h"
#include "cli/signals.h"

enum { DEFAULT_BATCH = 8, DEFAULT_NEW = 256, DEFAULT_SEED = 42, PREFILL_TOKENS = 2048 };

typedef struct generate_options {
    madpo_cli_model model;
    const char *prompt, *prompts, *system, *layout;
    bool chat, greedy, json;
    double temperature, top_p;                       /* NaN = not given */
    int64_t top_k, seed, samples, max_tokens, batch; /* -1 = not given */
    madpo_cli_list stop;
} generate_options;

static int generate_run(int argc, char **argv);

static const madpo_cli_option generate_table[] = {
    {"prompt", "TEXT", MADPO_CLI_TEXT, offsetof(generate_options, prompt), 0,
     "Continue TEXT. \"\" begins a text from nothing."},
    {"prompts", "FILE", MADPO_CLI_TEXT, offsetof(generate_options, prompts), 0,
     "Continue every prompt of FILE, gz or not: one a line, or JSON lines (.jsonl) with "
     "\"prompt\", "
     "a text or a list of chat messages. - is standard input."},
    {"chat", NULL, MADPO_CLI_FLAG, offsetof(generate_options, chat), 0,
     "A prompt is what a user says; the answer is the assistant's, in the chat layout of the "
     "model's tokenizer."},
    {"system", "TEXT", MADPO_CLI_TEXT, offsetof(generate_options, system), 0,
     "System message of the chats that have none."},
    {"layout", "NAME", MADPO_CLI_TEXT, offsetof(generate_options, layout), 0,
     "Chat layout instead of the tokenizer's own: gemma, llama3 or chatml."},
    {"greedy", NULL, MADPO_CLI_FLAG, offsetof(generate_options, greedy), 0,
     "Always take the likeliest token."},
    {"temperature", "X", MADPO_CLI_REAL, offsetof(generate_options, temperature), 0,
     "Sample at temperature X; 0 is --greedy."},
    {"top-k", "N", MADPO_CLI_INT, offsetof(generate_options, top_k), 0,
     "Sample among the N likeliest tokens; 0 is all."},
    {"top-p", "X", MADPO_CLI_REAL, offsetof(generate_options, top_p), 0,
     "Sample among the likeliest tokens that make up X of the probability, above 0 to 1."},
    {"seed", "N", MADPO_CLI_INT, offsetof(generate_options, seed), 0,
     "Seed of the sampling (default 42). Every completion has random numbers of its own: it does "
     "not depend on --batch."},
    {"samples", "N", MADPO_CLI_INT, offsetof(generate_options, samples), 1,
     "Completions of every prompt (default 1); several are sampled."},
    {"max-tokens", "N", MADPO_CLI_INT, offsetof(generate_options, max_tokens), 1,
     "New tokens at most (default: the model's max_new_tokens, else 256, as far as its positions "
     "go)."},
    {"stop", "TEXT", MADPO_CLI_LIST, offsetof(generate_options, stop), 0,
     "End a completion before TEXT. May be given several times."},
    {"batch", "N", MADPO_CLI_INT, offsetof(generate_options, batch), 1,
     "Completions written at once (default 8): more is faster and needs more memory."},
    {"json", NULL, MADPO_CLI_FLAG, offsetof(generate_options, json), 0,
     "Print one JSON object a line for every completion."},
    MADPO_CLI_MODEL_ADAPTER(generate_options),
    MADPO_CLI_MODEL_STORAGE(generate_options),
    MADPO_CLI_MODEL_DEVICE(generate_options),
    {0}};

const madpo_cli_command madpo__command_generate = {
    .name = "generate",
    .synopsis = "MODEL --prompt TEXT [--chat] [OPTION...]\n"
                "MODEL --prompts FILE [--json] [OPTION...]",
    .summary = "write texts with a model",
    .description =
        "    Continue prompts with a trained model. Only the continuation is printed: as it is\n"
        "    written where there is one prompt and a terminal, else one text after the other, or\n"
        "    as JSON lines.\n"
        "\n" MADPO_CLI_MODEL_HELP "\n"
        "    How tokens are drawn is what generation_config.json beside the model says, read as\n"
        "    Hugging Face's generate() reads it: without it, or without do_sample in it, the\n"
        "    likeliest token. Any of --temperature, --top-k, --top-p and --samples above 1 means\n"
        "    sampling; what is then not given is temperature 1, top-k 50, top-p 1. A completion\n"
        "    ends at an end token of config.json or generation_config.json, at the end of a chat\n"
        "    turn, at a --stop text, or after --max-tokens.\n",
    .options = generate_table,
    .more =
        "OUTPUT\n"
        "    --json prints {\"prompt_ids\", \"ids\", \"text\", \"finish\", \"index\", \"sample\"}: "
        "token ids of\n"
        "    prompt and completion, the completion's text (cut before a --stop text, which ids\n"
        "    still has), finish = \"eos\", \"stop\", \"length\" or \"interrupted\", number of the\n"
        "    prompt from 0 and of its sample from 0; and the prompt's \"id\" if it had one.\n"
        "\n"
        "SIGNALS\n"
        "    INT, TERM, HUP  end the completions being written, print them and exit with 3; a\n"
        "                    second one ends the program at once\n"
        "\n" MADPO_CLI_MODEL_EXIT "    3  interrupted; what was written so far was printed\n"
        "\n"
        "EXAMPLES\n"
        "    madpo generate runs/a --prompt 'The film was'\n"
        "    madpo generate ./gemma-3-270m-it --chat --prompt 'Why is the sky blue?'\n"
        "    madpo generate ./base --adapter ./lora --greedy --max-tokens 64 --json --prompt Hi\n"
        "    madpo generate runs/a/models/sft --prompts p.jsonl --samples 4 --temperature 0.8 \\\n"
        "        --json > completions.jsonl\n",
    .run = generate_run,
};

typedef struct generate {
    const generate_options *o;
    madpo_opened m;
    madpo_cli_prompts prompts;
    madpo_cli_stops stops;
    madpo_ids ends; /* further ids that end a completion */
    madpo_generate_options how;
    size_t samples, slots; /* completions of a prompt, and at once */
    bool live;             /* shown while it is written */

    /* one call of madpo_model_generate, arrays of [slots] */
    madpo_cli_completion *completion;
    const int32_t **prompt;
    int32_t *n_prompt, *out, *out_len;
    bool *ended;
    madpo_error failed; /* inside the callback */

    size_t n_done, n_tokens;
} generate;

/* ---- what the options mean ---- */

static int check_options(const generate_options *o)
{
    if (!o->prompt == !o->prompts)
        return madpo__cli_usage(o->prompt ? "generate: either --prompt or --prompts, not both"
                                          : "generate: give a prompt with --prompt TEXT, or a file "
                                            "of them with --prompts FILE");
    if (o->system && !o->chat && !o->prompts)
        return madpo__cli_usage("generate: --system is a message of a chat; add --chat");
    if (!isnan(o->top_p) && !(o->top_p > 0.0 && o->top_p <= 1.0))
        return madpo__cli_usage("generate: --top-p takes a number above 0 and up to 1, not %g",
                                o->top_p);
    if (o->greedy && (o->samples > 1 || o->temperature > 0.0 || o->top_k >= 0 || !isnan(o->top_p)))
        return madpo__cli_usage(
            "generate: --greedy has one completion and nothing to sample; leave "
            "out --samples, --temperature, --top-k and --top-p");
    if (o->samples > 1 && o->temperature == 0.0)
        return madpo__cli_usage("generate: at --temperature 0 all --samples are the same");
    for (size_t i = 0; i < o->stop.n; i++)
        if (!*o->stop.v[i])
            return madpo__cli_usage("generate: --stop takes a text that is not empty");
    if (o->top_k > INT32_MAX || o->max_tokens > INT32_MAX || o->samples > 1000000 ||
        o->batch > 1000000)
        return madpo__cli_usage(
            "generate: --top-k, --max-tokens, --samples or --batch is too large");
    return -1;
}

/* The drawing and its default length. */
static madpo_status settle_sampling(generate *g, int64_t *max_new, madpo_error *err)
{
    const generate_options *o = g->o;
    madpo_cli_sampling s;
    madpo_status st = madpo__sampling_load(&s, g->m.dir, err);

    if (!isnan(o->temperature) || o->top_k >= 0 || !isnan(o->top_p) || o->samples > 1)
        s.sample = true;
    if (!isnan(o->temperature))
        s.temperature = o->temperature;
    if (!isnan(o->top_p))
        s.top_p = o->top_p;
    if (o->top_k >= 0)
        s.top_k = o->top_k;
    if (o->greedy)
        s.sample = false;
    g->how = (madpo_generate_options){.temperature = s.sample ? (float)s.temperature : 0.0f,
                                      .top_k = (int32_t)(s.top_k < g->m.config.V ? s.top_k : 0),
                                      .top_p = (float)s.top_p,
                                      .seed = (uint64_t)(o->seed >= 0 ? o->seed : DEFAULT_SEED)};
    g->samples = o->samples > 0 ? (size_t)o->samples : 1;
    *max_new = s.max_new > 0 ? s.max_new : DEFAULT_NEW;
    return st;
}

/* A prompt that does not fit into the model's positions together with `max_new` tokens. */
static madpo_status refuse_long(const generate *g, const madpo_cli_prompt *p, int64_t max_new,
                                madpo_error *err)
{
    const char *name = g->prompts.name;
    int64_t room = g->m.config.max_positions - (int64_t)p->ids.n;
    char remedy[64] = "shorten the prompt";

    if (room > 0)
        snprintf(remedy, sizeof remedy, "lower --max-tokens to %lld", (long long)room);
    if (p->line == 0)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: %zu tokens and %lld new ones do not fit into the model's %ld "
                               "positions; %s",
                               name, p->ids.n, (long long)max_new, (long)g->m.config.max_positions,
                               remedy);
    return madpo_error_set_at(err, MADPO_ERR_DATA, name, p->line, 0,
                              "%zu tokens and %lld new ones do not fit into the model's %ld "
                              "positions; %s",
                              p->ids.n, (long long)max_new, (long)g->m.config.max_positions,
                              remedy);
}

static madpo_status settle_length(generate *g, int64_t max_new, madpo_error *err)
{
    int64_t room = g->m.config.max_positions - (int64_t)g->prompts.longest;

    if (g->o->max_tokens > 0)
        max_new = g->o->max_tokens;
    else if (max_new > room)
        max_new = room > 0 ? room : 1;
    for (size_t i = 0; i < g->prompts.n; i++)
        if ((int64_t)g->prompts.v[i].ids.n + max_new > g->m.config.max_positions)
            return refuse_long(g, &g->prompts.v[i], max_new, err);
    g->how.max_new = (int32_t)max_new;
    return MADPO_OK;
}

/* ---- prompts and their ends ---- */

/* The chat layout; what cannot be recognised matters only where it is needed. */
static madpo_status find_layout(const generate *g, madpo_chat_kind *layout, madpo_error *err)
{
    madpo_error unknown = MADPO_ERROR_INIT;
    madpo_status st;

    if (g->o->layout) {
        if (madpo_chat_kind_find(layout, g->o->layout))
            return MADPO_OK;
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "--layout takes gemma, llama3, chatml or none, not \"%s\"",
                               g->o->layout);
    }
    st = madpo_chat_of_tokenizer(layout, g->m.tok, &unknown);
    if (st == MADPO_ERR_UNSUPPORTED && !g->o->chat) {
        *layout = MADPO_CHAT_NONE;
        return MADPO_OK;
    }
    return st == MADPO_OK ? st : madpo_error_set(err, st, "%s", unknown.message);
}

static madpo_status find_ends(generate *g, madpo_chat_kind layout, madpo_error *err)
{
    const char *turn = madpo_chat_end_of_turn(layout);
    int32_t id = *turn ? madpo_tokenizer_id(g->m.tok, turn) : -1;
    int32_t eos = g->m.config.eos < 0 ? madpo_tokenizer_eos(g->m.tok) : -1;
    madpo_status st = MADPO_OK;

    if (id >= 0)
        st = madpo_ids_push(&g->ends, id, err);
    if (eos >= 0 && st == MADPO_OK)
        st = madpo_ids_push(&g->ends, eos, err);
    g->how.stop = g->ends.v;
    g->how.n_stop = (int)g->ends.n;
    return st;
}

static madpo_status read_prompts(generate *g, madpo_error *err)
{
    madpo_cli_prompting how = {.model = &g->m, .chat = g->o->chat, .system = g->o->system};
    madpo_status st = find_layout(g, &how.layout, err);

    if (st == MADPO_OK)
        st = g->o->prompt ? madpo__prompts_text(&g->prompts, &how, g->o->prompt, err)
                          : madpo__prompts_file(&g->prompts, &how, g->o->prompts, err);
    return st == MADPO_OK ? find_ends(g, how.layout, err) : st;
}

/* ---- the model ---- */

/* Called for every token: its text, and whether to go on. */
static bool generate_token(void *user, size_t sequence, int32_t id)
{
    generate *g = user;
    madpo_cli_completion *c = &g->completion[sequence];

    if (g->failed.code != MADPO_OK ||
        madpo__completion_push(c, &g->stops, id, &g->failed) != MADPO_OK)
        return false;
    if (g->live)
        madpo__completion_show(c, &g->stops, false);
    return !c->stopped && !madpo__signals_stopped() && !ferror(stdout);
}

static madpo_status generate_alloc(generate *g, madpo_error *err)
{
    size_t n = g->slots;

    g->completion = calloc(n, sizeof *g->completion);
    g->prompt = malloc(n * sizeof *g->prompt);
    g->n_prompt = malloc(n * sizeof *g->n_prompt);
    g->out = malloc(n * (size_t)g->how.max_new * sizeof *g->out);
    g->out_len = malloc(n * sizeof *g->out_len);
    g->ended = malloc(n * sizeof *g->ended);
    if (!g->completion || !g->prompt || !g->n_prompt || !g->out || !g->out_len || !g->ended)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "generate: out of host memory");
    for (size_t s = 0; s < n; s++)
        if (madpo__completion_init(&g->completion[s], g->m.tok, err) != MADPO_OK)
            return MADPO_ERR_NOMEM;
    return MADPO_OK;
}

static madpo_status generate_load(generate *g, madpo_error *err)
{
    size_t all = g->prompts.n * g->samples;
    madpo_model_options limits = {.gen_len = (int64_t)g->prompts.longest + g->how.max_new};
    int64_t longest = (int64_t)g->prompts.longest;
    madpo_status st;

    g->slots = g->o->batch > 0 ? (size_t)g->o->batch : DEFAULT_BATCH;
    if (g->slots > all)
        g->slots = all;
    limits.gen_slots = limits.max_rows = limits.max_segments = (int64_t)g->slots;
    limits.max_sequences = (int64_t)g->slots;
    /* prompts are read in pieces of this many tokens, but none in two */
    limits.max_tokens = (int64_t)g->slots * longest;
    if (limits.max_tokens > PREFILL_TOKENS)
        limits.max_tokens = PREFILL_TOKENS;
    if (limits.max_tokens < longest)
        limits.max_tokens = longest;
    if (limits.max_tokens < (int64_t)g->slots)
        limits.max_tokens = (int64_t)g->slots;
    g->how.token = generate_token;
    g->how.user = g;
    st = generate_alloc(g, err);
    return st == MADPO_OK
               ? madpo__cli_model_load(&g->m, &limits,
                                       "lower --batch or --max-tokens, or give --storage "
                                       "bf16",
                                       &g->o->model, err)
               : st;
}

/* ---- output ---- */

static json_t *ids_json(const int32_t *ids, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n && array; i++)
        if (json_array_append_new(array, json_integer(ids[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

static const char *finish_of(const generate *g, size_t slot)
{
    if (g->completion[slot].stopped)
        return "stop";
    if (g->ended[slot])
        return "eos";
    return g->out_len[slot] < g->how.max_new ? "interrupted" : "length";
}

static madpo_status print_json(const generate *g, size_t slot, size_t index, size_t sample,
                               madpo_error *err)
{
    const madpo_cli_prompt *p = &g->prompts.v[index];
    const madpo_cli_completion *c = &g->completion[slot];
    json_t *line =
        json_pack("{s:o, s:o, s:o, s:s, s:I, s:I}", "prompt_ids", ids_json(p->ids.v, p->ids.n),
                  "ids", ids_json(g->out + slot * (size_t)g->how.max_new, (size_t)g->out_len[slot]),
                  "text", madpo_json_text(c->end > 0 ? c->text.s : "", c->end), "finish",
                  finish_of(g, slot), "index", (json_int_t)index, "sample", (json_int_t)sample);
    char *text = NULL;
    madpo_status st = MADPO_OK;

    if (!line || (p->id && json_object_set(line, "id", p->id) != 0))
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "generate: out of host memory");
    if (st == MADPO_OK)
        st = madpo_json_dump(&text, line, err);
    if (st == MADPO_OK)
        puts(text);
    free(text);
    json_decref(line);
    return st;
}

static madpo_status print_slot(generate *g, size_t slot, size_t index, size_t sample,
                               madpo_error *err)
{
    madpo_cli_completion *c = &g->completion[slot];
    madpo_status st = madpo__completion_finish(c, &g->stops, err);

    if (st != MADPO_OK)
        return st;
    g->n_done++;
    g->n_tokens += (size_t)g->out_len[slot];
    if (g->o->json)
        return print_json(g, slot, index, sample, err);
    if (g->live)
        madpo__completion_show(c, &g->stops, true);
    else
        fwrite(c->end > 0 ? c->text.s : "", 1, c->end, stdout);
    putchar('\n');
    return MADPO_OK;
}

/* ---- the work ---- */

/* Samples [from, from + n_samples) of prompts [first, first + n). */
static madpo_status generate_chunk(generate *g, size_t first, size_t n, size_t from,
                                   size_t n_samples, madpo_error *err)
{
    madpo_status st;

    for (size_t i = 0; i < n; i++) {
        g->prompt[i] = g->prompts.v[first + i].ids.v;
        g->n_prompt[i] = (int32_t)g->prompts.v[first + i].ids.n;
    }
    for (size_t s = 0; s < n * n_samples; s++)
        madpo__completion_reset(&g->completion[s]);
    g->how.samples_per_prompt = (int32_t)n_samples;
    g->how.stream_base = (uint32_t)(first * g->samples + from);
    st = madpo_model_generate(g->m.model, g->prompt, g->n_prompt, n, &g->how, g->out, g->out_len,
                              g->ended, err);
    if (st == MADPO_OK && g->failed.code != MADPO_OK)
        st = madpo_error_set(err, g->failed.code, "%s", g->failed.message);
    for (size_t s = 0; s < n * n_samples && st == MADPO_OK; s++)
        st = print_slot(g, s, first + s / n_samples, from + s % n_samples, err);
    fflush(stdout);
    return st;
}

static bool go_on(madpo_status st)
{
    return st == MADPO_OK && !madpo__signals_stopped() && !ferror(stdout);
}

static madpo_status generate_all(generate *g, madpo_error *err)
{
    size_t at_once = g->slots / g->samples; /* whole prompts */
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < g->prompts.n && go_on(st);) {
        size_t n = at_once > 0 ? at_once : 1;

        n = n < g->prompts.n - i ? n : g->prompts.n - i;
        if (at_once > 0)
            st = generate_chunk(g, i, n, 0, g->samples, err);
        for (size_t s = 0; at_once == 0 && s < g->samples && go_on(st); s += g->slots) {
            size_t left = g->samples - s;

            st = generate_chunk(g, i, 1, s, left < g->slots ? left : g->slots, err);
        }
        i += n;
    }
    return st;
}

static madpo_status generate_work(generate *g, const char *model, madpo_error *err)
{
    int64_t max_new = 0;
    double began;
    madpo_status st = madpo__cli_model_with_text(&g->m, model, &g->o->model, err);

    if (st == MADPO_OK && g->m.reward)
        st = madpo_error_set(err, MADPO_ERR_USAGE,
                             "%s is a reward model, it gives scores and no text; use madpo score",
                             model);
    if (st == MADPO_OK)
        st = settle_sampling(g, &max_new, err);
    if (st == MADPO_OK)
        st = read_prompts(g, err);
    if (st == MADPO_OK)
        st = settle_length(g, max_new, err);
    if (st == MADPO_OK)
        st = generate_load(g, err);
    if (st != MADPO_OK)
        return st;
    g->live = !g->o->json && g->prompts.n * g->samples == 1 && isatty(STDOUT_FILENO);
    began = madpo_clock_monotonic();
    madpo__signals_at_once(false);
    st = generate_all(g, err);
    madpo__signals_at_once(true);
    if (st == MADPO_OK && !g->o->model.quiet && !ferror(stdout))
        fprintf(stderr, "%zu completion%s, %zu tokens, %.1f tokens/s\n", g->n_done,
                g->n_done == 1 ? "" : "s", g->n_tokens,
                (double)g->n_tokens / fmax(madpo_clock_monotonic() - began, 1e-9));
    return st;
}

static void generate_dispose(generate *g)
{
    for (size_t s = 0; s < g->slots && g->completion; s++)
        madpo__completion_dispose(&g->completion[s]);
    free(g->completion);
    free(g->prompt);
    free(g->n_prompt);
    free(g->out);
    free(g->out_len);
    free(g->ended);
    madpo_ids_dispose(&g->ends);
    madpo__prompts_dispose(&g->prompts);
    madpo_opened_dispose(&g->m);
}

static int generate_with(const generate_options *o, const char *model)
{
    madpo_error err = MADPO_ERROR_INIT;
    generate g = {.o = o, .stops = {o->stop.v, o->stop.n}};
    int rc = MADPO_EXIT_DONE;

    madpo__signals_at_once(true);
    madpo__signals_catch(false);
    if (generate_work(&g, model, &err) != MADPO_OK)
        rc = madpo__cli_fail(&err);
    else if (madpo__signals_stopped())
        rc = MADPO_EXIT_STOPPED;
    generate_dispose(&g);
    return rc;
}

static int generate_run(int argc, char **argv)
{
    generate_options o = {.temperature = NAN,
                          .top_p = NAN,
                          .top_k = -1,
                          .seed = -1,
                          .samples = -1,
                          .max_tokens = -1,
                          .batch = -1};
    int n, rc = madpo__cli_parse(&madpo__command_generate, argc, argv, &o, &n);

    if (rc < 0)
        rc = madpo__cli_model_argument(&madpo__command_generate, n, argv);
    if (rc < 0)
        rc = check_options(&o);
    if (rc < 0)
        rc = generate_with(&o, argv[0]);
    madpo__cli_list_dispose(&o.model.adapters);
    madpo__cli_list_dispose(&o.stop);
    return rc;
}
