/* Bad configuration files: one folder a case under tests/golden/config, with input.cfg and the line
 * a user sees in expected.txt. Each is loaded from inside its folder, then checked across keys.
 * usage: test_golden_config FOLDER_OF_CASES */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/config.h"

#define FEWEST_CASES 15 /* a folder that was moved must not look like success */

/* The line the case gives, "" if it gives none. */
static void case_run(char *line, size_t size)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_config *config;
    madpo_status st = madpo_config_new(&config, &err);

    line[0] = '\0';
    if (st == MADPO_OK)
        st = madpo_config_load(config, "input.cfg", &err);
    if (st == MADPO_OK)
        st = madpo_config_check(config, &err);
    if (st != MADPO_OK)
        madpo_error_format(&err, line, size);
    if (st != err.code)
        snprintf(line, size, "status %s, record %s", madpo_status_name(st),
                 madpo_status_name(err.code));
    madpo_config_free(config);
}

/* 0 if it is as expected. */
static int case_check(const char *name)
{
    char line[2048], *want;
    size_t n;
    int bad;

    if (madpo_file_read(&want, &n, "expected.txt", NULL) != MADPO_OK) {
        printf("%s: no expected.txt\n", name);
        return 1;
    }
    want[strcspn(want, "\n")] = '\0';
    case_run(line, sizeof line);
    bad = want[0] == '\0' || strcmp(line, want) != 0;
    if (bad)
        printf("%s:\n  wanted %s\n  got    %s\n", name, want, line);
    free(want);
    return bad;
}

int main(int argc, char **argv)
{
    struct dirent **list;
    int n, cases = 0, bad = 0;

    if (argc != 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: test_golden_config FOLDER_OF_CASES\n");
        return 2;
    }
    n = scandir(".", &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (list[i]->d_name[0] != '.' && chdir(list[i]->d_name) == 0) {
            cases++;
            bad += case_check(list[i]->d_name);
            bad += chdir("..") != 0;
        }
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    printf("%d cases, %d wrong\n", cases, bad);
    return bad > 0 || cases < FEWEST_CASES;
}
