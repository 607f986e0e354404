/* madpo info: what is in a model's directory. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/model_args.h"
#include "cli/output.h"
#include "model/safetensors.h"
#include "text/chat.h"

enum { KEY_WIDTH = 14 };

typedef struct info_options {
    madpo_cli_model model;
    bool json;
} info_options;

static int info_run(int argc, char **argv);

static const madpo_cli_option info_table[] = {MADPO_CLI_MODEL_ADAPTER(info_options),
                                              {"json", NULL, MADPO_CLI_FLAG,
                                               offsetof(info_options, json), 0,
                                               "Print a JSON object instead of a table."},
                                              {0}};

const madpo_cli_command madpo__command_info = {
    .name = "info",
    .synopsis = "MODEL [--adapter DIR]... [--json]",
    .summary = "say what a model is: architecture, size, tokenizer, adapters",
    .description =
        "    Read a model's files, but not its weights, and print its architecture, sizes,\n"
        "    parameters, tensors and their type, vocabulary, tokenizer, chat layout and\n"
        "    adapters. No device is used. What madpo cannot run is refused here as there.\n"
        "\n" MADPO_CLI_MODEL_HELP,
    .options = info_table,
    .more = MADPO_CLI_MODEL_EXIT "\n"
                                 "EXAMPLES\n"
                                 "    madpo info ./gemma-3-270m\n"
                                 "    madpo info runs/a --json | jq .parameters\n",
    .run = info_run,
};

/* ---- files ---- */

typedef struct weights_info {
    json_int_t tensors, files, bytes;
} weights_info;

static bool is_shard(const char *name)
{
    static const char end[] = ".safetensors";
    size_t n = strlen(name), m = sizeof end - 1;

    return n > m && strcmp(name + n - m, end) == 0 && strncmp(name, "adapter_", 8) != 0;
}

static madpo_status count_shard(weights_info *w, const char *dir, const char *name,
                                madpo_error *err)
{
    madpo_safetensors *file = NULL;
    char *path = NULL;
    madpo_status st = madpo_path_join(&path, dir, name, err);

    if (st == MADPO_OK)
        st = madpo_safetensors_open(&file, path, err);
    for (size_t i = 0; st == MADPO_OK && i < madpo_safetensors_count(file); i++) {
        w->tensors++;
        w->bytes += (json_int_t)madpo_safetensors_at(file, i)->bytes;
    }
    w->files += st == MADPO_OK;
    madpo_safetensors_close(file);
    free(path);
    return st;
}

static madpo_status count_weights(weights_info *w, const char *dir_name, madpo_error *err)
{
    DIR *dir = opendir(dir_name);
    const struct dirent *entry;
    madpo_status st = MADPO_OK;

    if (!dir)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", dir_name);
    while (st == MADPO_OK && (entry = readdir(dir)))
        if (is_shard(entry->d_name))
            st = count_shard(w, dir_name, entry->d_name, err);
    closedir(dir);
    return st;
}

/* How a tokenizer works, from its file; GPT-2's two files are the one form without it. */
static madpo_status tokenizer_family(char *out, size_t size, const char *dir, madpo_error *err)
{
    json_t *file = NULL, *model;
    const char *type;
    char *path = NULL, *pre = NULL;
    madpo_status st = madpo_path_join(&path, dir, "tokenizer.json", err);

    snprintf(out, size, "byte-level BPE");
    if (st == MADPO_OK && madpo_file_exists(path))
        st = madpo_json_load(&file, path, err);
    free(path);
    if (st != MADPO_OK || !file)
        return st;
    model = json_object_get(file, "model");
    type = json_string_value(json_object_get(model, "type"));
    pre = json_dumps(json_object_get(file, "pre_tokenizer"), JSON_ENCODE_ANY);
    if (json_is_true(json_object_get(model, "byte_fallback")))
        snprintf(out, size, "SentencePiece-style %s with byte fallback", type ? type : "BPE");
    else if (pre && strstr(pre, "ByteLevel"))
        snprintf(out, size, "byte-level %s", type ? type : "BPE");
    else
        snprintf(out, size, "%s", type ? type : "BPE");
    free(pre);
    json_decref(file);
    return MADPO_OK;
}

/* ---- the parts of the answer; each returns a new reference, NULL without memory ---- */

static json_t *id_json(int32_t id)
{
    return id < 0 ? json_null() : json_integer(id);
}

static json_t *ends_json(const madpo_model_config *c)
{
    json_t *ends = json_array();

    if (c->eos >= 0)
        json_array_append_new(ends, json_integer(c->eos));
    for (int32_t i = 0; i < c->n_eos_more; i++)
        json_array_append_new(ends, json_integer(c->eos_more[i]));
    return ends;
}

static json_t *adapters_json(const madpo_opened *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_adapters; i++) {
        const madpo_adapter_config *a = &m->adapter[i];

        json_array_append_new(
            list, json_pack("{s:o, s:i, s:f, s:b, s:f, s:b, s:I}", "folder",
                            madpo_json_text(m->adapter_dir[i], strlen(m->adapter_dir[i])), "rank",
                            (int)a->r, "alpha", a->alpha, "rslora", a->rslora, "dropout",
                            a->dropout, "reward_head", a->score, "parameters",
                            (json_int_t)madpo_adapter_parameters(a, &m->config)));
    }
    return list;
}

static json_t *sizes_json(const madpo_opened *m, const weights_info *w)
{
    const madpo_model_config *c = &m->config;

    return json_pack(
        "{s:o, s:s, s:s, s:b, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:s, s:I, s:I, "
        "s:I, s:o}",
        "model", madpo_json_text(m->dir, strlen(m->dir)), "architecture", c->arch->name, "class",
        m->reward ? c->arch->hf_class_reward : c->arch->hf_class, "reward_head", m->reward,
        "parameters", (json_int_t)madpo_model_config_parameters(c, m->reward), "layers", (int)c->L,
        "hidden", (int)c->C, "heads", (int)c->H, "kv_heads", (int)c->K, "head_dim", (int)c->D,
        "ffn", (int)c->F, "positions", (int)c->max_positions, "vocabulary", (int)c->V, "tied",
        c->tied, "storage", madpo_dtype_name(m->storage), "tensors", w->tensors, "files", w->files,
        "bytes", w->bytes, "end_tokens", ends_json(c));
}

static json_t *tokenizer_json(const madpo_opened *m, const char *family, const char *layout)
{
    if (!m->tok)
        return json_pack("{s:n}", "tokenizer");
    return json_pack("{s:o, s:s, s:i, s:o, s:o, s:o, s:s}", "tokenizer",
                     madpo_json_text(m->tokenizer, strlen(m->tokenizer)), "family", family,
                     "tokens", (int)madpo_tokenizer_vocab(m->tok), "bos",
                     id_json(madpo_tokenizer_bos(m->tok)), "eos",
                     id_json(madpo_tokenizer_eos(m->tok)), "pad",
                     id_json(madpo_tokenizer_pad(m->tok)), "chat_layout", layout);
}

static const char *layout_name(const madpo_opened *m)
{
    static const char *const names[] = {[MADPO_CHAT_NONE] = "none",
                                        [MADPO_CHAT_GEMMA] = "gemma",
                                        [MADPO_CHAT_LLAMA3] = "llama3",
                                        [MADPO_CHAT_CHATML] = "chatml"};
    madpo_chat_kind kind = MADPO_CHAT_NONE;

    /* a template that is not recognised is worth a word, not a failure */
    if (m->tok && madpo_chat_of_tokenizer(&kind, m->tok, NULL) != MADPO_OK)
        return "not recognised";
    return names[kind];
}

static madpo_status info_collect(json_t **out, const madpo_opened *m, madpo_error *err)
{
    weights_info w = {0};
    char family[96] = "";
    json_t *tokenizer = NULL, *adapters = NULL;
    madpo_status st = count_weights(&w, m->dir, err);

    *out = NULL;
    if (st == MADPO_OK && m->tokenizer)
        st = tokenizer_family(family, sizeof family, m->tokenizer, err);
    if (st != MADPO_OK)
        return st;
    *out = sizes_json(m, &w);
    tokenizer = tokenizer_json(m, family, layout_name(m));
    adapters = adapters_json(m);
    if (!*out || !tokenizer || !adapters || json_object_update(*out, tokenizer) != 0 ||
        json_object_set(*out, "adapters", adapters) != 0)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "info: out of host memory");
    json_decref(tokenizer);
    json_decref(adapters);
    return st;
}

/* ---- printing ---- */

static void print_value(const json_t *value)
{
    char *text;

    if (json_is_string(value)) {
        fputs(json_string_value(value), stdout);
        return;
    }
    if (json_is_boolean(value)) {
        fputs(json_is_true(value) ? "yes" : "no", stdout);
        return;
    }
    if (json_is_null(value)) {
        putchar('-');
        return;
    }
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputs(text ? text : "", stdout);
    free(text);
}

/* A member's name as words, filled up to `width`. */
static void print_key(const char *key, int width)
{
    int at = 0;

    for (; key[at]; at++)
        putchar(key[at] == '_' ? ' ' : key[at]);
    printf("%*s", at < width ? width - at : 1, "");
}

/* One line "folder: rank 16, alpha 16, …" for each adapter. */
static void print_adapters(json_t *list)
{
    json_t *adapter, *value;
    const char *key;
    size_t i;

    json_array_foreach(list, i, adapter)
    {
        print_key("adapter", KEY_WIDTH);
        print_value(json_object_get(adapter, "folder"));
        json_object_foreach(adapter, key, value)
        {
            if (strcmp(key, "folder") == 0)
                continue;
            fputs(strcmp(key, "rank") == 0 ? ": " : ", ", stdout);
            print_key(key, 0);
            print_value(value);
        }
        putchar('\n');
    }
}

static void info_print(json_t *info)
{
    const char *key;
    json_t *value;

    json_object_foreach(info, key, value)
    {
        if (strcmp(key, "adapters") == 0) {
            print_adapters(value);
            continue;
        }
        print_key(key, KEY_WIDTH);
        print_value(value);
        putchar('\n');
    }
}

static madpo_status info_work(madpo_opened *m, const info_options *o, const char *model,
                              madpo_error *err)
{
    json_t *info = NULL;
    char *line = NULL;
    madpo_status st = madpo__cli_model_files(m, model, &o->model, err);

    if (st == MADPO_OK)
        st = info_collect(&info, m, err);
    if (st == MADPO_OK && o->json)
        st = madpo_json_dump(&line, info, err);
    if (st == MADPO_OK && o->json)
        puts(line);
    else if (st == MADPO_OK)
        info_print(info);
    free(line);
    json_decref(info);
    return st;
}

static int info_run(int argc, char **argv)
{
    info_options o = {0};
    madpo_opened m = {0};
    madpo_error err = MADPO_ERROR_INIT;
    int n, rc = madpo__cli_parse(&madpo__command_info, argc, argv, &o, &n);

    if (rc < 0)
        rc = madpo__cli_model_argument(&madpo__command_info, n, argv);
    if (rc < 0)
        rc = info_work(&m, &o, argv[0], &err) == MADPO_OK ? MADPO_EXIT_DONE : madpo__cli_fail(&err);
    madpo_opened_dispose(&m);
    madpo__cli_list_dispose(&o.model.adapters);
    return rc;
}
