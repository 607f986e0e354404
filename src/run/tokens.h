#ifndef MADPO_RUN_TOKENS_H
#define MADPO_RUN_TOKENS_H
/* Lines of tokens.jsonl: what the policy makes of every token of some pairs' answers, one line per
 * pair and evaluation:
 *
 *     {"id":7,"step":40,"split":"eval",
 *      "chosen":{"at":[0,4],"n":[4,2],"logp":[-1.25,-0.5],"ratio":[0.75,-0.125]},
 *      "rejected":{...}}
 *
 *   at, n   where the token lies in the answer's text of pairs.jsonl: first byte, bytes. 0 bytes:
 *           it stands for none of them (end of text). A character may lie in several tokens.
 *   logp    log-prob of the policy
 *   ratio   logp minus the reference's; absent where the objective has no reference
 *
 * Numbers have 9 digits: those of a float. A run that goes on from a checkpoint says so first:
 *
 *     {"from":30}
 *
 * which makes every line before it of a later step void. A line makes those before it of the same
 * pair and step void. The file only grows, so that it may be followed.
 */
#include <stddef.h>
#include <stdint.h>

#include "madpo/error.h"

typedef struct madpo_token {
    int32_t at, n;
    double logp, ratio; /* NaN where there is none */
} madpo_token;

typedef struct madpo_token_line {
    int64_t id, step;
    bool held_out, has_ratio;
    madpo_token *v[2]; /* [n[i]] chosen, rejected; by place */
    size_t n[2];
} madpo_token_line;

/* The line, with its newline (owned by the caller, free()). */
madpo_status madpo_token_line_format(char **out, const madpo_token_line *line,
                                     madpo_error *err) MADPO_MUST_CHECK;
/* Read a line [n bytes] of a pair; `where` names it. MADPO_ERR_DATA saying what is wrong with it.
 * Dispose with _dispose in any case. */
madpo_status madpo_token_line_parse(madpo_token_line *out, const char *text, size_t n,
                                    const char *where, madpo_error *err) MADPO_MUST_CHECK;
void madpo_token_line_dispose(madpo_token_line *line);
/* Sum of an answer's log-ratios (0), or log-probs (1), those that are numbers. */
double madpo_token_line_sum(const madpo_token_line *line, int answer, bool logp);

/* How to show the values: the size that all but a twentieth of the tokens of both answers stay
 * within, so that one odd token does not take the colour from all others; 0 if all are 0. */
madpo_status madpo_token_line_scale(double *out, const madpo_token_line *line, bool logp,
                                    madpo_error *err) MADPO_MUST_CHECK;
/* Quarters of that scale which a value fills: -3 to 3 for the display, 0 for the weakest ones. */
enum { MADPO_TOKEN_LEVELS = 3 };
int madpo_token_level(double value, double scale);
#endif
