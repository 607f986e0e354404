/* `madpo watch` and nothing else: what a tree with sanitizers builds in place of the whole program,
 * so that the scripts of tests/tui can run against it. usage: watch_only watch [RUN] [OPTION...] */
#include <string.h>

#include "cli/commands.h"
#include "cli/output.h"

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "watch") != 0)
        return madpo__cli_usage("only watch is in this program");
    return madpo__command_watch.run(argc - 1, argv + 1);
}
