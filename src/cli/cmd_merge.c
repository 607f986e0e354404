/* madpo merge: adapters folded into a full model. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/model_args.h"
#include "cli/output.h"

typedef struct merge_options {
    madpo_cli_model model;
    const char *out;
    bool force;
} merge_options;

static int merge_run(int argc, char **argv);

static const madpo_cli_option merge_table[] = {
    MADPO_CLI_MODEL_ADAPTER(merge_options),
    {"out", "DIR", MADPO_CLI_TEXT, offsetof(merge_options, out), 0,
     "Folder of the merged model, made if it is not there."},
    {"force", NULL, MADPO_CLI_FLAG, offsetof(merge_options, force), 0,
     "Write into DIR even if there is something in it; files of the same names are replaced."},
    {"storage", "TYPE", MADPO_CLI_TEXT, offsetof(merge_options, model.storage), 0,
     "Type of the matrices of the result: f32, bf16 or f16 (default: the base's)."},
    MADPO_CLI_MODEL_DEVICE(merge_options),
    {0}};

const madpo_cli_command madpo__command_merge = {
    .name = "merge",
    .synopsis = "MODEL --adapter DIR [--adapter DIR]... --out DIR [OPTION...]\n"
                "ADAPTER --out DIR [OPTION...]",
    .summary = "fold LoRA adapters into a full model",
    .description =
        "    Write a Hugging Face directory whose weights are the base's plus those of the\n"
        "    adapters: W + s B A for every adapted matrix, all of them added up. Configuration,\n"
        "    tokenizer and the other files beside the base's weights are copied. The result\n"
        "    needs no adapter library: any program that reads the base reads it.\n"
        "\n" MADPO_CLI_MODEL_HELP,
    .options = merge_table,
    .more = MADPO_CLI_MODEL_EXIT "\n"
                                 "EXAMPLES\n"
                                 "    madpo merge ./base --adapter ./lora --out ./merged\n"
                                 "    madpo merge runs/a --out ./aligned --storage bf16\n",
    .run = merge_run,
};

/* ---- the folder ---- */

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A folder that is there must be empty, or may be written to, but never be one that is read. */
static madpo_status check_out(const madpo_opened *m, const merge_options *o, madpo_error *err)
{
    struct stat out, in;
    DIR *dir;
    const struct dirent *entry;
    bool empty = true;

    if (stat(o->out, &out) != 0)
        return MADPO_OK;
    for (size_t i = 0; i <= m->n_adapters; i++)
        if (stat(i == 0 ? m->dir : m->adapter_dir[i - 1], &in) == 0 && in.st_dev == out.st_dev &&
            in.st_ino == out.st_ino)
            return madpo_error_set(err, MADPO_ERR_USAGE,
                                   "--out %s is the folder that is read; name another", o->out);
    dir = opendir(o->out);
    if (!dir)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot write into %s", o->out);
    while (empty && (entry = readdir(dir)))
        empty = is_dots(entry->d_name);
    closedir(dir);
    if (!empty && !o->force)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "--out %s is not empty; name another folder, or write into it with "
                               "--force",
                               o->out);
    return MADPO_OK;
}

/* Weights in any form, or what lists them: the merged ones take their place. */
static bool is_weights(const char *name)
{
    static const char *const ends[] = {".safetensors", ".bin",  ".pt",      ".pth",       ".gguf",
                                       ".h5",          ".onnx", ".msgpack", ".index.json"};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n >= strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

static madpo_status copy_file(const char *from, const char *to, madpo_error *err)
{
    madpo_file_writer *writer = NULL;
    FILE *in = fopen(from, "rb");
    char part[16384];
    size_t n;
    madpo_status st;

    if (!in)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", from);
    st = madpo_file_writer_open(&writer, to, err);
    while (st == MADPO_OK && (n = fread(part, 1, sizeof part, in)) > 0)
        st = madpo_file_writer_write(writer, part, n, err);
    if (st == MADPO_OK && ferror(in))
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", from);
    fclose(in);
    if (st == MADPO_OK)
        return madpo_file_writer_commit(writer, err);
    madpo_file_writer_abort(writer);
    return st;
}

/* Copy one entry of the base's folder, unless it is no file, weights, or written already. */
static madpo_status copy_entry(const char *base, const char *out, const char *name,
                               madpo_error *err)
{
    struct stat info;
    char *from = NULL, *to = NULL;
    madpo_status st = madpo_path_join(&from, base, name, err);

    if (st == MADPO_OK)
        st = madpo_path_join(&to, out, name, err);
    if (st == MADPO_OK && stat(from, &info) == 0 && S_ISREG(info.st_mode) && !is_weights(name) &&
        strcmp(name, "config.json") != 0)
        st = copy_file(from, to, err);
    free(from);
    free(to);
    return st;
}

static madpo_status copy_beside(const char *base, const char *out, madpo_error *err)
{
    DIR *dir = opendir(base);
    const struct dirent *entry;
    madpo_status st = MADPO_OK;

    if (!dir)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", base);
    while (st == MADPO_OK && (entry = readdir(dir)))
        if (!is_dots(entry->d_name))
            st = copy_entry(base, out, entry->d_name, err);
    closedir(dir);
    return st;
}

/* ---- the work ---- */

static madpo_status merge_write(madpo_opened *m, const char *out, madpo_error *err)
{
    madpo_status st = madpo_model_merge(m->model, err);

    if (st == MADPO_OK)
        st = madpo_dir_make(out, err);
    if (st == MADPO_OK)
        st = copy_beside(m->dir, out, err);
    if (st == MADPO_OK && m->tok && strcmp(m->tokenizer, m->dir) != 0) /* an adapter's own */
        st = madpo_tokenizer_save(m->tok, out, err);
    return st == MADPO_OK ? madpo_model_save(m->model, out, err) : st;
}

static madpo_status merge_work(madpo_opened *m, const merge_options *o, const char *model,
                               madpo_error *err)
{
    const madpo_model_options least = {
        .max_tokens = 1, .max_rows = 1, .max_segments = 1, .max_sequences = 1};
    madpo_status st = madpo__cli_model_files(m, model, &o->model, err);

    if (st == MADPO_OK && m->n_adapters == 0)
        st = madpo_error_set(err, MADPO_ERR_USAGE,
                             "%s has no adapter to fold in; name one with --adapter DIR", model);
    if (st == MADPO_OK)
        st = check_out(m, o, err);
    if (st == MADPO_OK)
        st = madpo__cli_model_load(m, &least, "give --storage bf16, or a device with more memory",
                                   &o->model, err);
    if (st == MADPO_OK)
        st = merge_write(m, o->out, err);
    if (st == MADPO_OK && !o->model.quiet)
        fprintf(stderr, "%zu adapter%s folded into %s\n", m->n_adapters,
                m->n_adapters == 1 ? "" : "s", o->out);
    return st;
}

static int merge_run(int argc, char **argv)
{
    merge_options o = {0};
    madpo_opened m = {0};
    madpo_error err = MADPO_ERROR_INIT;
    int n, rc = madpo__cli_parse(&madpo__command_merge, argc, argv, &o, &n);

    if (rc < 0)
        rc = madpo__cli_model_argument(&madpo__command_merge, n, argv);
    if (rc < 0 && (!o.out || !*o.out))
        rc = madpo__cli_usage("merge: say where the merged model goes with --out DIR");
    if (rc < 0)
        rc =
            merge_work(&m, &o, argv[0], &err) == MADPO_OK ? MADPO_EXIT_DONE : madpo__cli_fail(&err);
    madpo_opened_dispose(&m);
    madpo__cli_list_dispose(&o.model.adapters);
    return rc;
}
