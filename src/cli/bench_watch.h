#ifndef MADPO_CLI_BENCH_WATCH_H
#define MADPO_CLI_BENCH_WATCH_H
/* `madpo bench watch`: what the front end costs, and what being watched costs a run. */
#include "cli/args.h"

extern const madpo_cli_command madpo__command_bench_watch;
/* Run the command; argv[0] is its name. Returns the exit code. */
int madpo__bench_watch(int argc, char **argv);

/* ---- its parts ---- */

/* Write a run of `steps` steps into `dir` with what real runs write with: a step event each, as
 * many numbers as the policy's have, a samples event of 32 pairs every tenth step, and the margins
 * and texts of 8,000 pairs. Ends early when events.jsonl has `bytes` (0 = no limit). */
madpo_status madpo__bench_write_run(const char *dir, int64_t steps, int64_t bytes,
                                    madpo_error *err) MADPO_MUST_CHECK;

/* Training alone and training watched, by turns. */
typedef struct madpo_bench_live {
    int n;                                 /* pairs of runs */
    double alone[32], watched[32];         /* seconds each took */
    double alone_cpu[32], watched_cpu[32]; /* processor seconds of the trainer */
    double watcher_cpu, watcher_seconds;   /* of all watchers */
    int64_t watcher_bytes;                 /* sent to their terminals */
    int64_t watcher_resident;              /* the most memory one had */
    struct {
        char stage[32];
        int64_t steps;
        double share; /* of its seconds, for events, samples, progress and requests */
    } stages[8];      /* of the last watched run */
    int n_stages;
} madpo_bench_live;
/* `settings`: of the demo, as --set takes them. Runs go into the folder `dir`. */
madpo_status madpo__bench_live(madpo_bench_live *out, const char *dir, int n,
                               const madpo_cli_list *settings, madpo_error *err) MADPO_MUST_CHECK;
#endif
