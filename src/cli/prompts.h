#ifndef MADPO_CLI_PROMPTS_H
#define MADPO_CLI_PROMPTS_H
/* The prompts of madpo generate: one text from the command line, or a file of them, as ids. */
#include <jansson.h>

#include "text/chat.h"
#include "train/open.h"

typedef struct madpo_cli_prompt {
    madpo_ids ids;
    json_t *id; /* field "id" of its record, owned; NULL if it has none */
    int line;   /* in the file, from 1; 0 = from the command line */
} madpo_cli_prompt;

typedef struct madpo_cli_prompts {
    madpo_cli_prompt *v; /* [n] owned */
    size_t n, capacity;
    const char *name; /* of the file, for messages; "--prompt" (borrowed) */
    size_t longest;   /* tokens */
} madpo_cli_prompts;
void madpo__prompts_dispose(madpo_cli_prompts *prompts);

/* How prompts become ids. */
typedef struct madpo_cli_prompting {
    const madpo_opened *model;
    madpo_chat_kind layout; /* NONE: chat messages are refused */
    bool chat;              /* a plain text is the one message of a user */
    const char *system;     /* first message where there is none of this role; NULL = none */
} madpo_cli_prompting;

/* One text. */
madpo_status madpo__prompts_text(madpo_cli_prompts *out, const madpo_cli_prompting *how,
                                 const char *text, madpo_error *err) MADPO_MUST_CHECK;
/* A file, "-" = standard input: JSON lines if its name says so (.jsonl, .jsonl.gz) or else
 * if it begins with {, with "prompt" (a string or a list of {"role", "content"}) or "messages", and
 * optionally "id"; otherwise one prompt a line. Blank lines are passed over. Errors name file and
 * line. */
madpo_status madpo__prompts_file(madpo_cli_prompts *out, const madpo_cli_prompting *how,
                                 const char *path, madpo_error *err) MADPO_MUST_CHECK;
#endif
