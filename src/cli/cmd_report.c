/* madpo report: a run told to people who were not there. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "report/report.h"

typedef struct report_options {
    const char *html;
} report_options;

static int report_run(int argc, char **argv);

static const madpo_cli_option report_table[] = {
    {"html", "FILE", MADPO_CLI_TEXT, offsetof(report_options, html), 0,
     "Write a page with figures, tables and samples to FILE instead (- = standard output)."},
    {0}};

const madpo_cli_command madpo__command_report = {
    .name = "report",
    .synopsis = "RUN [--html FILE]",
    .summary = "tell what came of a run, as text or as one HTML page with figures",
    .description =
        "    Read the folder of a run and say how it went: its state, stages, results with\n"
        "    their intervals, margins and weights, what was done to it, and the settings that\n"
        "    are not at their default. The HTML page has figures and samples besides, and\n"
        "    needs nothing else: it can be opened from a file, sent, printed. A run that is\n"
        "    still going on, or broke off, is reported as far as it came. Nothing is changed.\n",
    .options = report_table,
    .more = "EXIT STATUS\n"
            "    0  done\n"
            "    1  there is no run, or the page cannot be written\n"
            "    2  a mistake on the command line\n"
            "\n"
            "EXAMPLES\n"
            "    madpo report runs/a\n"
            "    madpo report runs/a --html a.html\n",
    .run = report_run,
};

static int report_text(const madpo_report *report)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf clean = {0};
    char *text = NULL;
    int rc = MADPO_EXIT_DONE;

    if (madpo_report_text(report, &text, &err) != MADPO_OK)
        return madpo__cli_fail(&err);
    madpo__screen_append_clean(&clean, text);
    if (clean.failed)
        rc = madpo__cli_out_of_memory();
    else
        fputs(clean.s ? clean.s : "", stdout);
    madpo_strbuf_dispose(&clean);
    free(text);
    return rc;
}

static int report_html(const madpo_report *report, const char *path)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text = NULL;
    size_t n = 0;
    int rc = MADPO_EXIT_DONE;
    madpo_status st = madpo_report_html(report, &text, &n, &err);

    if (st == MADPO_OK && path[0] == '-' && !path[1])
        fwrite(text, 1, n, stdout);
    else if (st == MADPO_OK)
        st = madpo_file_write(path, text, n, &err);
    if (st != MADPO_OK)
        rc = madpo__cli_fail(&err);
    free(text);
    return rc;
}

static int report_run(int argc, char **argv)
{
    report_options options = {0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_report *report = NULL;
    int n, rc = madpo__cli_parse(&madpo__command_report, argc, argv, &options, &n);

    if (rc >= 0)
        return rc;
    if (n != 1)
        return madpo__cli_usage("report: %s (madpo help report)",
                                n == 0 ? "which run? name its folder" : "one run at a time");
    if (madpo_report_read(&report, argv[0], &err) != MADPO_OK)
        return madpo__cli_fail(&err);
    rc = options.html ? report_html(report, options.html) : report_text(report);
    madpo_report_free(report);
    return rc;
}
