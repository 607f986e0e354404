#ifndef MADPO_OBJECTIVE_LIST_H
#define MADPO_OBJECTIVE_LIST_H
/* The names of the objectives and of their choices, once: the table, the configuration's choices
 * and the help are made from these lists. A new objective is a line here and a file that defines
 * madpo__objective_<id>. No functions, so that src/config can include it without the objectives. */

/* X(id, name) */
#define MADPO_OBJECTIVE_LIST(X)                                                                    \
    X(madpo, "madpo")                                                                              \
    X(dpo, "dpo")                                                                                  \
    X(ipo, "ipo")                                                                                  \
    X(beta_dpo, "beta-dpo")                                                                        \
    X(soft_madpo, "soft-madpo")                                                                    \
    X(soft_dpo, "soft-dpo")                                                                        \
    X(cdpo, "cdpo")                                                                                \
    X(robust, "robust")                                                                            \
    X(odpo, "odpo")                                                                                \
    X(distill, "distill")                                                                          \
    X(amapo, "amapo")                                                                              \
    X(alpha_dpo, "alpha-dpo")                                                                      \
    X(gamma_po, "gamma-po")                                                                        \
    X(simpo, "simpo")                                                                              \
    X(hinge, "hinge")                                                                              \
    X(sppo, "sppo")                                                                                \
    X(apo_zero, "apo-zero")                                                                        \
    X(apo_down, "apo-down")                                                                        \
    X(nca, "nca")                                                                                  \
    X(exo, "exo")                                                                                  \
    X(sft, "sft")

/* Which part of MADPO's weight is used (policy.variant). */
#define MADPO_WEIGHT_VARIANT_LIST(X)                                                               \
    X(FULL, "full")                                                                                \
    X(AMPLIFY, "amplify")                                                                          \
    X(REGULARISE, "regularise")                                                                    \
    X(UNCAPPED, "uncapped")                                                                        \
    X(NEGATIVE, "negative")

/* The two published forms of beta-DPO (policy.beta_mode). */
#define MADPO_BETA_MODE_LIST(X)                                                                    \
    X(AUTHORS, "authors")                                                                          \
    X(NOTEBOOK, "notebook")

#define MADPO__WEIGHT_VARIANT(id, name) MADPO_WEIGHT_##id,
typedef enum madpo_weight_variant {
    MADPO_WEIGHT_VARIANT_LIST(MADPO__WEIGHT_VARIANT)
} madpo_weight_variant;

#define MADPO__BETA_MODE(id, name) MADPO_BETA_##id,
typedef enum madpo_beta_mode { MADPO_BETA_MODE_LIST(MADPO__BETA_MODE) } madpo_beta_mode;

/* "a, b, c" of a list, as a constant expression. */
#define MADPO__LIST_WORD(id, name) ", " name
#define MADPO__LIST_WORDS(list)    (&(list(MADPO__LIST_WORD))[2])
#define MADPO_OBJECTIVE_CHOICES    MADPO__LIST_WORDS(MADPO_OBJECTIVE_LIST)
#define MADPO_WEIGHT_VARIANTS      MADPO__LIST_WORDS(MADPO_WEIGHT_VARIANT_LIST)
#define MADPO_BETA_MODES           MADPO__LIST_WORDS(MADPO_BETA_MODE_LIST)

#endif
