#ifndef MADPO_REPORT_REPORT_H
#define MADPO_REPORT_REPORT_H
/* A run told to people who were not there: what its directory holds, gathered once, then written as
 * one HTML page that needs nothing else, or as a page of text. Reads only; of a run that is going
 * on or broke off it tells what is there. Called by madpo report.
 */
#include "madpo/error.h"

typedef struct madpo_report madpo_report;

/* Gather a run. MADPO_ERR_IO if `run_dir` holds none. */
madpo_status madpo_report_read(madpo_report **out, const char *run_dir,
                               madpo_error *err) MADPO_MUST_CHECK;
void madpo_report_free(madpo_report *report); /* accepts NULL */

/* The page, also well-formed as XML: no scripts, no fonts, nothing from elsewhere; every text of
 * the run escaped. *out [n bytes] is owned by the caller, free(). */
madpo_status madpo_report_html(const madpo_report *report, char **out, size_t *n,
                               madpo_error *err) MADPO_MUST_CHECK;
/* The summary in plain lines of at most about 100 columns (owned by the caller, free()). */
madpo_status madpo_report_text(const madpo_report *report, char **out,
                               madpo_error *err) MADPO_MUST_CHECK;
#endif
