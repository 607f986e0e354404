#ifndef MADPO_PAIRS_H
#define MADPO_PAIRS_H
/* Preference pairs as text, from JSON lines, a JSON array or CSV (gz transparently). The file's
 * name (.csv) or else its first character tells which.
 *
 * A record gives prompt, chosen and rejected in one of these forms:
 *
 *   prompt, chosen, rejected       strings; the answers continue the prompt exactly as written (a
 *                                  leading space matters)
 *   chosen, rejected               whole texts: the prompt is what they begin with in common, less
 *                                  a space at its end; of texts that begin with "\n\nHuman:" all up
 *                                  to the last common "\n\nAssistant:"
 *   the same with chat messages    lists of {"role", "content"}, rendered by a chat layout
 *   first_response, second_response   with preference or choice (0 = the first is better), or with
 *                                  scores "[s1, s2]", from which the label is drawn
 *   input, output_1, output_2, label  label = number of the better one; see the options for others
 *
 * Optional fields kept when present: id (integer), score_chosen, score_rejected, margin (numbers),
 * source, split ("train" | "eval"). */
#include "madpo/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct madpo_pair {
    char *prompt, *chosen, *rejected;      /* owned by the table, terminated; prompt may be "" */
    size_t n_prompt, n_chosen, n_rejected; /* bytes */
    int64_t id;                            /* field id, else number in the table from 0 */
    double score_chosen, score_rejected;   /* true scores where known, NaN if absent */
    double margin;                         /* reward margin from outside, NaN if absent */
    const char *source;                    /* owned by the table; NULL if absent */
    bool eval;                             /* held out from training */
    bool specials; /* rendered by a chat layout: special tokens in the texts count as such */
} madpo_pair;

typedef struct madpo_pairs madpo_pairs;

typedef struct madpo_pairs_options {
    const char *fields;  /* own names, "prompt=question,chosen=good,rejected=bad" or
                            "prompt=q,first=a,second=b,label=better"; dots lead into objects; "" or
                            NULL = the known names. Also scores, score_first, score_second,
                            score_chosen, score_rejected, id, source, split, margin */
    const char *chat;    /* layout of chat messages: "gemma", "llama3", "chatml"; "none" or NULL =
                            messages are refused */
    const char *system;  /* put in front of conversations that have no system message, as some
                            models' templates do; "" or NULL = nothing */
    const struct madpo_tokenizer *template_of; /* a tokenizer (of the library's own) whose chat
                            template also says what its system turns hold; NULL = none */
    int label_base;      /* what label names the first answer, 0 or 1; -1 = told from all labels of
                            the file, an error if each of them is 1 */
    uint64_t label_seed; /* of the labels drawn from scores: P(first is better) = sigmoid(s1-s2) */
    bool skip_bad;       /* count bad records instead of stopping at the first */
    bool drop_ties; /* leave out pairs of two identical answers or with the label "tie", and count
                       them */
} madpo_pairs_options;
/* Known names, messages refused, base from the file, seed 42, stop at bad records, drop ties. */
void madpo_pairs_options_defaults(madpo_pairs_options *options);

/* What reading came upon; each record kept counts in one of the forms. */
typedef struct madpo_pairs_report {
    size_t n_records, n_bad, n_ties;
    size_t n_plain, n_implicit, n_transcript, n_messages; /* forms of the text */
    size_t n_labelled, n_drawn; /* of these: put in order by a label given, or drawn from scores */
    char first_bad[256];        /* "file:line: why" of the first bad record passed over */
} madpo_pairs_report;
/* One line such as "3188 pairs, 3188 with a prompt, 1 ties left out". Returns `line`. */
const char *madpo_pairs_report_format(const madpo_pairs_report *report, char *line, size_t size);

/* Read a file. Errors name file and line: no JSON, a missing field or one of another kind, an empty
 * answer, an empty file, labels that could mean either answer. MADPO_ERR_CONFIG for options that
 * make no sense. report may be NULL. */
madpo_status madpo_pairs_load_with(madpo_pairs **out, const char *path,
                                   const madpo_pairs_options *options, madpo_pairs_report *report,
                                   madpo_error *err) MADPO_MUST_CHECK;
/* The same with the known names, without chat messages, keeping ties. With `skip_bad`, bad records
 * are counted into *skipped (may be NULL) instead. */
madpo_status madpo_pairs_load(madpo_pairs **out, const char *path, bool skip_bad, size_t *skipped,
                              madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_pairs_new(madpo_pairs **out, madpo_error *err) MADPO_MUST_CHECK;
/* Append a copy of *pair. */
madpo_status madpo_pairs_add(madpo_pairs *pairs, const madpo_pair *pair,
                             madpo_error *err) MADPO_MUST_CHECK;
void madpo_pairs_free(madpo_pairs *pairs); /* accepts NULL */

size_t madpo_pairs_count(const madpo_pairs *pairs);
const madpo_pair *madpo_pairs_at(const madpo_pairs *pairs, size_t i); /* borrowed */

#ifdef __cplusplus
}
#endif
#endif
