/* Any bytes through the CSV reader: it ends, fields lie inside the text, errors carry a line. */
#include <string.h>

#include "data/csv.h"
#include "tests/fuzz/fuzz.h"

static void check_row(const madpo_csv *csv, const char *end)
{
    FUZZ_CHECK(csv->n_fields > 0);
    for (size_t i = 0; i < csv->n_fields; i++) {
        const madpo_csv_field *f = &csv->field[i];

        FUZZ_CHECK(f->text >= csv->text && f->text + f->n <= end);
        FUZZ_CHECK(f->text[f->n] == '\0');
        FUZZ_CHECK(i == 0 || f->text > csv->field[i - 1].text + csv->field[i - 1].n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text = malloc(size + 1);
    madpo_status st = MADPO_OK;
    madpo_csv csv;
    bool more = true;
    int line = 0;

    FUZZ_CHECK(text != NULL);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    madpo_csv_init(&csv, text, size, "input");
    while (st == MADPO_OK && more) {
        st = madpo_csv_next(&csv, &more, &err);
        if (st != MADPO_OK || !more)
            break;
        check_row(&csv, text + size);
        FUZZ_CHECK(csv.line > line);
        line = csv.line;
    }
    FUZZ_CHECK(st == MADPO_OK || (st == MADPO_ERR_DATA && err.line > 0 && err.message[0]));
    madpo_csv_dispose(&csv);
    return 0;
}
