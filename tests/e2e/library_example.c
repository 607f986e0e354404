/* Align a model with MADPO on preference pairs of your own, from C.
 *
 *   cc library_example.c $(pkg-config --cflags --libs madpo) -o align
 *   ./align pairs.jsonl run-folder model-folder [key=value...]
 */
#include <madpo/madpo.h>

#include <stdio.h>

static void print_line(void *user, const char *line)
{
    (void)user;
    puts(line);
}

/* Defaults, what suits a set of given pairs, and the user's own settings. */
static madpo_status configure(madpo_config **config, int n, char **settings, madpo_error *err)
{
    madpo_status st = madpo_config_new(config, err);

    if (st == MADPO_OK)
        st = madpo_config_set(*config, "run.stages=sft,reward,margins,policy", err);
    for (int i = 0; st == MADPO_OK && i < n; i++)
        st = madpo_config_set(*config, settings[i], err);
    return st;
}

int main(int argc, char **argv)
{
    const madpo_listener listener = {.message = print_line};
    madpo_trainer_options options = {.listener = &listener};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_config *config = NULL;
    madpo_pairs *pairs = NULL;
    madpo_trainer *trainer = NULL;
    madpo_status st;

    if (argc < 4) {
        fprintf(stderr, "usage: %s pairs.jsonl run-folder model-folder [key=value...]\n", argv[0]);
        return 2;
    }
    options.run_dir = argv[2];
    st = madpo_pairs_load(&pairs, argv[1], false, NULL, &err);
    if (st == MADPO_OK)
        st = configure(&config, argc - 4, argv + 4, &err);
    if (st == MADPO_OK)
        st = madpo_trainer_new(&trainer, config, &options, &err);
    if (st == MADPO_OK)
        st = madpo_trainer_set_pairs(trainer, pairs, &err);
    if (st == MADPO_OK)
        st = madpo_trainer_run(trainer, &err);
    if (st == MADPO_OK)
        st = madpo_trainer_export(trainer, "policy", argv[3], &err);
    if (st != MADPO_OK)
        fprintf(stderr, "%s: %s\n", argv[0], err.message);
    madpo_trainer_free(trainer);
    madpo_config_free(config);
    madpo_pairs_free(pairs);
    return st == MADPO_OK ? 0 : 1;
}
