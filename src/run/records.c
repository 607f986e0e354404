/* Record files of a run: whole JSON lines, appended; see run.h. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "run/private.h"

struct madpo_records {
    madpo__lines lines;
};

madpo_status madpo_records_open(madpo_records **out, madpo_run *run, const char *name,
                                int64_t keep_lines, int64_t *n_lines, madpo_error *err)
{
    madpo_status st;
    madpo_records *records = calloc(1, sizeof *records);
    char *path = madpo_run_path(run, "%s", name);

    *out = NULL;
    if (n_lines)
        *n_lines = 0;
    if (records && path)
        st = madpo__lines_open(&records->lines, path, keep_lines, err);
    else
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "records %s", name);
    free(path);
    if (st != MADPO_OK) {
        free(records);
        return st;
    }
    if (n_lines)
        *n_lines = records->lines.n;
    *out = records;
    return MADPO_OK;
}

madpo_status madpo_records_append(madpo_records *records, json_t *record, madpo_error *err)
{
    madpo_strbuf line = {0};
    madpo_status st = MADPO_OK;
    char *text = NULL;

    if (!record)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "record of %s", records->lines.path);
    if (st == MADPO_OK)
        st = madpo_json_dump(&text, record, err);
    if (st == MADPO_OK) {
        madpo_strbuf_append(&line, text);
        madpo_strbuf_append_char(&line, '\n');
        st = madpo_strbuf_check(&line, err);
    }
    if (st == MADPO_OK)
        st = madpo__lines_append(&records->lines, line.s, line.n, err);
    madpo_strbuf_dispose(&line);
    free(text);
    json_decref(record);
    return st;
}

madpo_status madpo_records_append_line(madpo_records *records, const char *line, madpo_error *err)
{
    return madpo__lines_append(&records->lines, line, strlen(line), err);
}

madpo_status madpo_records_sync(madpo_records *records, madpo_error *err)
{
    return madpo__lines_sync(&records->lines, err);
}

madpo_status madpo_records_close(madpo_records *records, madpo_error *err)
{
    madpo_status st;

    if (!records)
        return MADPO_OK;
    st = madpo__lines_sync(&records->lines, err);
    madpo__lines_close(&records->lines);
    free(records);
    return st;
}
