#ifndef MADPO_CLI_MODEL_ARGS_H
#define MADPO_CLI_MODEL_ARGS_H
/* What the commands that use a model have in common: its options, and opening it with a word about
 * its memory. */
#include "cli/args.h"
#include "train/open.h"

typedef struct madpo_cli_model {
    madpo_cli_list adapters;
    const char *storage, *device;
    int64_t memory_mb;
    bool quiet;
} madpo_cli_model;

/* Rows of a command's table, for a member `model` of its options of type T. */
#define MADPO_CLI_MODEL_ADAPTER(T)                                                                 \
    {                                                                                              \
        "adapter", "DIR", MADPO_CLI_LIST, offsetof(T, model.adapters), 0,                          \
            "Add a LoRA adapter: a PEFT folder, or a run whose policy is one. May be given "       \
            "several times; they add up."                                                          \
    }
#define MADPO_CLI_MODEL_STORAGE(T)                                                                 \
    {                                                                                              \
        "storage", "TYPE", MADPO_CLI_TEXT, offsetof(T, model.storage), 0,                          \
            "How the model's matrices lie in device memory: f32, bf16 or f16 (default: as in its " \
            "files). Arithmetic is in 32 bits in any case."                                        \
    }
#define MADPO_CLI_MODEL_DEVICE(T)                                                                  \
    {"device",                                                                                     \
     "S",                                                                                          \
     MADPO_CLI_TEXT,                                                                               \
     offsetof(T, model.device),                                                                    \
     0,                                                                                            \
     "OpenCL device: auto, gpu, cpu, a number of madpo devices, or part of a name."},              \
        {"memory-mb",                                                                              \
         "N",                                                                                      \
         MADPO_CLI_INT,                                                                            \
         offsetof(T, model.memory_mb),                                                             \
         0,                                                                                        \
         "Use at most N million bytes of device memory (default: what the device has)."},          \
    {                                                                                              \
        "quiet", NULL, MADPO_CLI_FLAG, offsetof(T, model.quiet), 0,                                \
            "Say nothing about memory and progress on standard error."                             \
    }

/* The kinds of things a MODEL argument may be, for help pages. */
#define MADPO_CLI_MODEL_HELP                                                                       \
    "    MODEL is a Hugging Face directory (config.json, model.safetensors, tokenizer.json),\n"    \
    "    a PEFT adapter's folder, whose base_model_name_or_path must be a local directory\n"       \
    "    (relative to the folder or to here), or a run directory of madpo train: its\n"            \
    "    models/policy is taken; RUN/models/sft and so on name the others.\n"

#define MADPO_CLI_MODEL_EXIT                                                                       \
    "EXIT STATUS\n"                                                                                \
    "    0  done\n"                                                                                \
    "    1  failed: one line on standard error says what and what to do\n"                         \
    "    2  a mistake on the command line, or an adapter made for another model\n"

/* Check that there is exactly one MODEL among n arguments; -1 to go on, else the exit code. */
int madpo__cli_model_argument(const madpo_cli_command *command, int n, char **argv);
madpo_status madpo__cli_model_files(madpo_opened *out, const char *path,
                                    const madpo_cli_model *options,
                                    madpo_error *err) MADPO_MUST_CHECK;
/* As _files, for commands that cannot do without a tokenizer. */
madpo_status madpo__cli_model_with_text(madpo_opened *out, const char *path,
                                        const madpo_cli_model *options,
                                        madpo_error *err) MADPO_MUST_CHECK;
/* Plan, say so on standard error, load. */
madpo_status madpo__cli_model_load(madpo_opened *m, const madpo_model_options *limits,
                                   const char *remedy, const madpo_cli_model *options,
                                   madpo_error *err) MADPO_MUST_CHECK;
#endif
