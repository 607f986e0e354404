#ifndef MADPO_DATA_SYNTH_H
#define MADPO_DATA_SYNTH_H
/* The embedded default data: a seeded grammar of movie-review prose.
 *
 * A review has a true sentiment drawn first and a handful of sentences about aspects (plot, acting,
 * pacing, score, …) whose opinions mostly, not always, agree with it; mixed and hedged sentences,
 * concessions, negation and comparison carry sentiment by more than single adjectives, so that a
 * bag-of-words scorer stays below 99 % held-out accuracy. Review i is a pure function of (seed, i).
 */
#include "data/reviews.h"

/* Append n reviews to `out`. About half are positive. */
madpo_status madpo_synth_reviews(madpo_reviews *out, uint64_t seed, size_t n,
                                 madpo_error *err) MADPO_MUST_CHECK;
#endif
