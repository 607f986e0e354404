/* The front end over a run of our own; see attach.h. */
#include "cli/attach.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "run/reader.h"
#include "tui/tui.h"

enum { SUMMARY_LINES = 10 };

/* A job in the background may not take the terminal. */
bool madpo__attach_possible(void)
{
    const char *why = NULL;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp())
        return false;
    if (madpo_tui_has_terminal(&why))
        return true;
    fprintf(stderr, "madpo: %s: lines instead of pictures\n", why);
    return false;
}

/* ---- at the end ---- */

/* Behind the time that every line of log.txt begins with. */
static const char *attach_words(const char *line)
{
    const char *blank = strchr(line, ' ');

    return blank && blank - line == 20 && line[10] == 'T' ? blank + 1 : line;
}

/* The last lines of log.txt. */
static void attach_print_log(const char *run_dir)
{
    madpo_strbuf clean = {0};
    char *path = NULL, *text = NULL, *at, *rest = NULL;
    size_t n = 0;
    int lines = 0;

    if (madpo_path_join(&path, run_dir, "log.txt", NULL) == MADPO_OK &&
        madpo_file_read(&text, &n, path, NULL) == MADPO_OK && n > 0) {
        for (at = text + n - 1; at > text && lines < SUMMARY_LINES; at--)
            lines += at[-1] == '\n';
        for (at = strtok_r(at, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
            madpo__screen_append_clean(&clean, attach_words(at));
            madpo_strbuf_printf(&clean, "\n");
        }
    }
    if (clean.s && !clean.failed)
        fputs(clean.s, stdout);
    madpo_strbuf_dispose(&clean);
    free(text);
    free(path);
}

/* A process that has let go of its run is about to end: wait for its exit code a little. */
static int attach_code(madpo_detached *run)
{
    const struct timespec pause = {0, 20000000};

    for (int i = 0; i < 250 && madpo__detached_code(run) < 0 && !madpo__detached_is_live(run); i++)
        nanosleep(&pause, NULL);
    return madpo__detached_code(run);
}

static void attach_say_back(const madpo_detached *run)
{
    if (run->experiment)
        printf("The experiment goes on, as process %ld.\n"
               "    back to it:  madpo watch %s --control\n"
               "    to stop it:  kill %ld   (it finishes the step; the same command goes on)\n",
               run->pid, run->dir, run->pid);
    else
        printf("The run goes on, as process %ld.\n"
               "    back to it:  madpo watch %s --control\n"
               "    to stop it:  madpo ctl %s stop\n",
               run->pid, run->dir, run->dir);
}

/* The results of an experiment, whole or with cells that failed. */
static void attach_print_results(const char *dir)
{
    char *path = NULL, *text = NULL;
    size_t n = 0;

    if (madpo_path_join(&path, dir, "results.md", NULL) == MADPO_OK && madpo_file_exists(path) &&
        madpo_file_read(&text, &n, path, NULL) == MADPO_OK)
        fputs(text, stdout);
    free(text);
    free(path);
}

int madpo__attach(madpo_detached *run)
{
    const madpo_tui_options options = {
        .run = run->dir, .mouse = true, .control = true, .attached = true};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_status st;
    int code;

    setlocale(LC_CTYPE, ""); /* not LC_NUMERIC: numbers keep their point */
    st = madpo_tui_watch(&options, &err);
    if (st != MADPO_OK)
        madpo__cli_fail(&err); /* of the screen, not of the run */
    code = attach_code(run);
    if (code < 0) {
        attach_say_back(run);
        return MADPO_EXIT_DONE;
    }
    if (!run->experiment)
        attach_print_log(run->dir);
    else if (code == MADPO_EXIT_DONE)
        attach_print_results(run->dir);
    fflush(stdout);
    if (code == MADPO_EXIT_DONE)
        printf("done; everything is in %s\n", run->dir);
    else
        madpo__detached_say_why(run);
    return code;
}
