#ifndef MADPO_TEXT_REGEX_H
#define MADPO_TEXT_REGEX_H
/* What Replace and Split look for: a string, a pattern with a matcher of its own, or any other
 * pattern through PCRE2.
 *
 * tokenizer.json's patterns are written for Oniguruma. What the two engines read in the same way is
 * passed on, \s and \S are spelled out (PCRE2 counts U+180E as white space, Unicode no longer
 * does), and anything that would mean something else is refused by name. */
#include "madpo/error.h"

typedef enum madpo_pattern_kind {
    MADPO_PATTERN_LITERAL,
    MADPO_PATTERN_REGEX,
    MADPO_PATTERN_GPT2, /* these three cover any text without a gap: pretokenize.h */
    MADPO_PATTERN_LLAMA3,
    MADPO_PATTERN_QWEN
} madpo_pattern_kind;

typedef struct madpo_pattern {
    madpo_pattern_kind kind;
    char *literal; /* owned, [n_literal > 0] */
    size_t n_literal;
    void *code, *match, *stack, *context; /* PCRE2's, owned */
} madpo_pattern;                          /* zero-initialise */

madpo_status madpo__pattern_literal(madpo_pattern *p, const char *text, size_t n,
                                    madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__pattern_regex(madpo_pattern *p, const char *text, size_t n,
                                  madpo_error *err) MADPO_MUST_CHECK;
void madpo__pattern_dispose(madpo_pattern *p);

/* All matches in a text, from left to right, not overlapping; an empty one not right behind
 * another. Set p, text and n, the rest to 0. */
typedef struct madpo_find {
    const madpo_pattern *p;
    const char *text;
    size_t n, at;
    bool matched;      /* there was a match before … */
    size_t last;       /* … which ended here */
    size_t start, end; /* the match */
    bool fenced;       /* PCRE2: the stretch of valid UTF-8 that is searched is known */
    size_t fence, fence_end;
} madpo_find;
/* *found false at the end. MADPO_ERR_DATA if the engine gives up (its limit of steps). */
madpo_status madpo__find_next(madpo_find *f, bool *found, madpo_error *err) MADPO_MUST_CHECK;
#endif
