/* Any bytes through the reader of pairs; what was read is written and read again as the same. */
#include <string.h>

#include "base/strbuf.h"
#include "data/pairs.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const madpo_pairs *pairs)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf text = {0};
    madpo_pairs *again;
    char before[33], after[33];

    for (size_t i = 0; i < madpo_pairs_count(pairs); i++) {
        char *line;

        FUZZ_CHECK(madpo_pairs_at(pairs, i)->n_chosen && madpo_pairs_at(pairs, i)->n_rejected);
        FUZZ_CHECK(madpo_pair_format(&line, madpo_pairs_at(pairs, i), &err) == MADPO_OK);
        madpo_strbuf_append(&text, line);
        free(line);
    }
    FUZZ_CHECK(madpo_pairs_parse(&again, text.s, text.n, "again", false, NULL, &err) == MADPO_OK);
    madpo_pairs_digest(pairs, before);
    madpo_pairs_digest(again, after);
    FUZZ_CHECK(!strcmp(before, after));
    madpo_pairs_free(again);
    madpo_strbuf_dispose(&text);
}

/* Chat layouts and the user's own field names, with which other lines are good. */
static void check_with(const uint8_t *data, size_t size, const char *chat, const char *fields)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs_options o;
    madpo_pairs_report report;
    madpo_pairs *pairs;
    madpo_status st;

    madpo_pairs_options_defaults(&o);
    o.skip_bad = true;
    o.chat = chat;
    o.fields = fields;
    st = madpo_pairs_parse_with(&pairs, (const char *)data, size, "input", &o, &report, &err);
    FUZZ_CHECK(st == MADPO_OK ? pairs != NULL : st == MADPO_ERR_DATA && err.message[0]);
    if (!pairs)
        return;
    FUZZ_CHECK(madpo_pairs_count(pairs) + report.n_bad + report.n_ties == report.n_records);
    FUZZ_CHECK(report.n_plain + report.n_implicit + report.n_transcript + report.n_messages ==
               madpo_pairs_count(pairs));
    check_again(pairs);
    madpo_pairs_free(pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    madpo_error strict = MADPO_ERROR_INIT, lenient = MADPO_ERROR_INIT;
    madpo_pairs *pairs;
    size_t skipped;
    madpo_status st;

    st = madpo_pairs_parse(&pairs, (const char *)data, size, "input", false, &skipped, &strict);
    FUZZ_CHECK(st == MADPO_OK ? pairs != NULL : st == MADPO_ERR_DATA && strict.message[0]);
    if (pairs)
        check_again(pairs);
    madpo_pairs_free(pairs);
    st = madpo_pairs_parse(&pairs, (const char *)data, size, "input", true, &skipped, &lenient);
    FUZZ_CHECK(st == MADPO_OK || st == MADPO_ERR_DATA);
    if (pairs)
        check_again(pairs);
    /* strict fails exactly where lenient skips or finds nothing */
    FUZZ_CHECK((strict.code == MADPO_OK) == (st == MADPO_OK && skipped == 0));
    madpo_pairs_free(pairs);
    check_with(data, size, "chatml", "");
    check_with(data, size, "gemma", "prompt=q.text,first=a,second=b,label=best");
    return 0;
}
