/* The program: finds the sub-command and hands over. */
#include "cli/commands.h"

int main(int argc, char **argv)
{
    return madpo__cli_main(argc, argv);
}
