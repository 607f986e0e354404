#ifndef MADPO_CLI_COMPLETION_H
#define MADPO_CLI_COMPLETION_H
/* A text that grows token by token: its characters as they become whole, where a stop string ends
 * it, and how much of it may be shown already. */
#include "base/strbuf.h"
#include "text/tokenizer.h"

/* Texts that end a completion when they come up in it. */
typedef struct madpo_cli_stops {
    const char *const *v; /* [n] borrowed, none empty */
    size_t n;
} madpo_cli_stops;

typedef struct madpo_cli_completion {
    madpo_tokenizer_stream *stream; /* owned */
    madpo_strbuf text;              /* valid UTF-8 */
    size_t end;     /* bytes of text before the stop string; all of them while there is none */
    bool stopped;   /* a stop string came */
    size_t n_shown; /* bytes already shown */
} madpo_cli_completion;

/* Begin an empty one. Special tokens have no text. The tokenizer must outlive it. */
madpo_status madpo__completion_init(madpo_cli_completion *c, const madpo_tokenizer *tok,
                                    madpo_error *err) MADPO_MUST_CHECK;
/* Begin again, keeping the memory. */
void madpo__completion_reset(madpo_cli_completion *c);
void madpo__completion_dispose(madpo_cli_completion *c);
/* Add a token. */
madpo_status madpo__completion_push(madpo_cli_completion *c, const madpo_cli_stops *stops,
                                    int32_t id, madpo_error *err) MADPO_MUST_CHECK;
/* There are no further tokens: what was held back belongs to the text too. */
madpo_status madpo__completion_finish(madpo_cli_completion *c, const madpo_cli_stops *stops,
                                      madpo_error *err) MADPO_MUST_CHECK;
/* Print what is new on a terminal, but nothing that may turn out to begin a stop string unless
 * `all`. Control characters other than newline and tab are not passed on. */
void madpo__completion_show(madpo_cli_completion *c, const madpo_cli_stops *stops, bool all);
#endif
