/* Any bytes as tokenizer.json; a file that is taken must bring every text back, here the file
 * itself. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "text/tokenizer.h"
#include "text/tokenizer_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text = malloc(size + 1), *back;
    madpo_ids ids = {0};
    madpo_tokenizer *tok;
    madpo_status st;
    size_t n;

    FUZZ_CHECK(text != NULL);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    st = madpo__tokenizer_parse(&tok, text, size, "input", &err);
    FUZZ_CHECK((st == MADPO_OK) == (tok != NULL));
    FUZZ_CHECK(st == MADPO_OK ||
               ((st == MADPO_ERR_DATA || st == MADPO_ERR_UNSUPPORTED) && err.message[0]));
    if (!tok)
        return 0;
    FUZZ_CHECK(madpo_tokenizer_encode(tok, (const char *)data, size, true, &ids, &err) == MADPO_OK);
    FUZZ_CHECK(madpo_tokenizer_decode(tok, ids.v, ids.n, false, &back, &n, &err) == MADPO_OK);
    FUZZ_CHECK(n == size && !memcmp(back, data, size));
    free(back);
    madpo_ids_dispose(&ids);
    madpo_tokenizer_free(tok);
    return 0;
}
