#ifndef MADPO_PAIRS_H
#define MADPO_PAIRS_H
/* Preference pairs as text: JSONL with the string fields prompt, chosen, rejected (gz
 * transparently).
 *
 * Optional fields kept when present: id (integer), score_chosen, score_rejected (numbers), source,
 * split ("train" | "eval"). Completions continue the prompt exactly as written (a leading space
 * matters). */
#include "madpo/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct madpo_pair {
    char *prompt, *chosen, *rejected; /* owned by the table, terminated; prompt may be "" */
    size_t n_prompt, n_chosen, n_rejected; /* bytes */
    int64_t id;                       /* field id, else position in the file from 0 */
    double score_chosen, score_rejected; /* true scores where known, NaN if absent */
    bool eval;                        /* held out from training */
} madpo_pair;

typedef struct madpo_pairs madpo_pairs;

/* Read a file. Errors name file and line: no JSON, a missing or non-string field, an empty answer,
 * an empty file. With `skip_bad`, bad lines are counted into *skipped (may be NULL) instead. */
madpo_status madpo_pairs_load(madpo_pairs **out, const char *path, bool skip_bad, size_t *skipped,
                              madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_pairs_new(madpo_pairs **out, madpo_error *err) MADPO_MUST_CHECK;
/* Append a copy of *pair. */
madpo_status madpo_pairs_add(madpo_pairs *pairs, const madpo_pair *pair, madpo_error *err)
    MADPO_MUST_CHECK;
void madpo_pairs_free(madpo_pairs *pairs); /* accepts NULL */

size_t madpo_pairs_count(const madpo_pairs *pairs);
const madpo_pair *madpo_pairs_at(const madpo_pairs *pairs, size_t i); /* borrowed */

#ifdef __cplusplus
}
#endif
#endif
