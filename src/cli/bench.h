#ifndef MADPO_CLI_BENCH_H
#define MADPO_CLI_BENCH_H
/* `madpo bench matmul`: how fast the matrix products are, and against what the device can do; and
 * `madpo bench watch` (bench_watch.h). */

/* Run the command; argv[0] is its name. Returns the exit code. */
int madpo_cli_bench(int argc, char **argv);
#endif
