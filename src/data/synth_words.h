#ifndef MADPO_DATA_SYNTH_WORDS_H
#define MADPO_DATA_SYNTH_WORDS_H
/* The words of the review generator: constant tables, used by data/synth.c only.
 *
 * Texts are templates. {name} is replaced by what the name stands for, [is|are] by the half that
 * agrees in number with the subject named last, "a(n)" by the article that fits the next word:
 *
 *   {A} {B}          subjects of the sentence's two aspects ("the plot"); sets the number
 *   {A+} {A-}        a predicate of the aspect ("keeps you guessing"), with or against the
 * sentence's opinion {Aadj+} {Aadj-}  an adjective of the aspect, likewise
 *   {+rule} {-rule}  an alternative of the rule good.rule or bad.rule, with or against the opinion
 *   {genre} {lead} {Lead} {director} {companion}   bound once for the whole review
 *   {rule}           an alternative of a rule without opinion
 */
typedef const char *const madpo_synth_list; /* NULL-terminated when an array */

/* Something reviews have opinions about. Subjects in the plural begin with '*'. */
typedef struct madpo_synth_aspect {
    madpo_synth_list *subjects, *good, *bad, *good_adj, *bad_adj;
} madpo_synth_aspect;

typedef struct madpo_synth_rule {
    const char *name;
    madpo_synth_list *texts;
} madpo_synth_rule;

extern const madpo_synth_aspect madpo__synth_aspects[];
extern const int madpo__synth_n_aspects;
extern const madpo_synth_rule madpo__synth_rules[];
extern const int madpo__synth_n_rules;
#endif
