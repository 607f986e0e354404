/* The review generator; see synth.h for what it makes and synth_words.h for the templates it reads.
 *
 * A review is an opening, sometimes a sentence of story, one to three sentences of opinion and
 * often a closing word. Each of these is for or against the film; the review's sentiment is drawn
 * first, and the draws of the parts are repeated until their weighted sum agrees with it. */
#include "data/synth.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "data/synth_words.h"

/* Stream of review i is this plus i. "synth" in ASCII. */
#define SYNTH_STREAM 0x73796E7468000000u

enum {
    MIN_WORDS = 25,
    MAX_WORDS = 70,
    MAX_ASPECTS = 32,
    MAX_PARTS = 8,
    MAX_TRIES = 64,
    MAX_USED = 64,
    FRESH_TRIES = 8
};

typedef struct synth_writer {
    madpo_rng rng;
    madpo_strbuf sentence, review;
    bool good;               /* the opinion of the sentence being written */
    bool plural;             /* number of the subject named last */
    int aspect[MAX_ASPECTS]; /* in the order in which they will come up */
    int n_used;
    int slot[2]; /* aspects of this sentence, -1 = not yet needed */
    const char
        *used[MAX_USED]; /* rules' texts of this review: none comes twice if it can be helped */
    int n_texts;
    const char *genre, *companion, *first, *lead, *director;
} synth_writer;

static void synth_expand(synth_writer *w, const char *text);

static bool synth_chance(synth_writer *w, double p)
{
    return madpo_rng_uniform(&w->rng) < p;
}

static const char *synth_pick(synth_writer *w, madpo_synth_list *list)
{
    size_t n = 0;

    while (list[n])
        n++;
    return list[madpo_rng_below(&w->rng, n)];
}

static bool synth_is_used(const synth_writer *w, const char *text)
{
    for (int i = 0; i < w->n_texts; i++)
        if (w->used[i] == text)
            return true;
    return false;
}

/* As synth_pick, a text that this review does not have yet. */
static const char *synth_pick_fresh(synth_writer *w, madpo_synth_list *list)
{
    const char *text = synth_pick(w, list);

    for (int i = 0; i < FRESH_TRIES && synth_is_used(w, text); i++)
        text = synth_pick(w, list);
    if (w->n_texts < MAX_USED)
        w->used[w->n_texts++] = text;
    return text;
}

/* An alternative of the rule named by prefix and name [n bytes]. The tables are ours: a name that
 * is not there is a mistake in them. */
static const char *synth_rule(synth_writer *w, const char *prefix, const char *name, size_t n)
{
    size_t n_prefix = strlen(prefix);

    for (int i = 0; i < madpo__synth_n_rules; i++) {
        const char *have = madpo__synth_rules[i].name;

        if (!strncmp(have, prefix, n_prefix) && !strncmp(have + n_prefix, name, n) &&
            !have[n_prefix + n])
            return synth_pick_fresh(w, madpo__synth_rules[i].texts);
    }
    assert(!"a template names a rule that does not exist");
    return "";
}

/* ---- slots ---- */

/* {A}, {A+}, {A-}, {Aadj+}, {Aadj-} and the same for B. */
static void synth_aspect(synth_writer *w, const char *name, size_t n)
{
    int *slot = &w->slot[name[0] == 'B'];
    bool good = (name[n - 1] == '+') == w->good;
    const madpo_synth_aspect *a;
    const char *subject;

    if (*slot < 0)
        *slot = w->aspect[w->n_used++ % madpo__synth_n_aspects];
    a = &madpo__synth_aspects[*slot];
    if (n > 2) {
        synth_expand(w, synth_pick(w, good ? a->good_adj : a->bad_adj));
    } else if (n == 2) {
        synth_expand(w, synth_pick(w, good ? a->good : a->bad));
    } else {
        subject = synth_pick(w, a->subjects);
        w->plural = *subject == '*';
        synth_expand(w, subject + w->plural);
    }
}

static bool synth_is(const char *name, size_t n, const char *word)
{
    return strlen(word) == n && !strncmp(name, word, n);
}

/* What is bound for the whole review, or NULL. */
static const char *synth_bound(const synth_writer *w, const char *name, size_t n)
{
    if (synth_is(name, n, "genre"))
        return w->genre;
    if (synth_is(name, n, "companion"))
        return w->companion;
    if (synth_is(name, n, "director"))
        return w->director;
    return synth_is(name, n, "Lead") ? w->lead : NULL;
}

static void synth_slot(synth_writer *w, const char *name, size_t n)
{
    const char *bound = synth_bound(w, name, n);

    if (bound)
        madpo_strbuf_append(&w->sentence, bound);
    else if (synth_is(name, n, "lead"))
        madpo_strbuf_printf(&w->sentence, "%s %s", w->first, w->lead);
    else if (name[0] == '+' || name[0] == '-')
        synth_expand(
            w, synth_rule(w, (name[0] == '+') == w->good ? "good." : "bad.", name + 1, n - 1));
    else if (name[0] == 'A' || name[0] == 'B')
        synth_aspect(w, name, n);
    else
        synth_expand(w, synth_rule(w, "", name, n));
}

/* Append a template with everything replaced but "a(n)". */
static void synth_expand(synth_writer *w, const char *text)
{
    while (*text) {
        size_t plain = strcspn(text, "{[");
        const char *end, *bar;

        madpo_strbuf_append_n(&w->sentence, text, plain);
        text += plain;
        if (!*text)
            return;
        end = strchr(text, *text == '{' ? '}' : ']');
        assert(end);
        if (*text == '{') {
            synth_slot(w, text + 1, (size_t)(end - text) - 1);
        } else {
            bar = strchr(text, '|');
            assert(bar && bar < end);
            if (w->plural)
                madpo_strbuf_append_n(&w->sentence, bar + 1, (size_t)(end - bar) - 1);
            else
                madpo_strbuf_append_n(&w->sentence, text + 1, (size_t)(bar - text) - 1);
        }
        text = end + 1;
    }
}

/* ---- sentences ---- */

/* Move the sentence to the review: capital, articles, full stop. */
static void synth_end_sentence(synth_writer *w)
{
    const char *s = w->sentence.s ? w->sentence.s : "";

    if (w->review.n)
        madpo_strbuf_append_char(&w->review, ' ');
    for (size_t i = 0; s[i]; i++) {
        if (!strncmp(s + i, "a(n) ",
                     5)) { /* the tables hold no vowel that sounds otherwise but "honest" */
            bool vowel =
                s[i + 5] && (strchr("aeiou", s[i + 5]) || !strncmp(s + i + 5, "honest", 6));

            madpo_strbuf_append(&w->review, vowel ? "an" : "a");
            i += 3;
        } else {
            madpo_strbuf_append_char(&w->review, i ? s[i] : (char)toupper((unsigned char)s[i]));
        }
    }
    if (w->sentence.n && s[w->sentence.n - 1] != '?')
        madpo_strbuf_append_char(&w->review, '.');
    w->review.failed |= w->sentence.failed; /* a reset forgets it */
    madpo_strbuf_reset(&w->sentence);
}

static void synth_begin_sentence(synth_writer *w, bool good)
{
    w->good = good;
    w->slot[0] = w->slot[1] = -1;
}

static void synth_sentence(synth_writer *w, const char *template, bool good)
{
    synth_begin_sentence(w, good);
    synth_expand(w, template);
    synth_end_sentence(w);
}

/* ---- reviews ---- */

/* A part that has an opinion: its template and what it weighs in the whole. */
typedef struct synth_part {
    const char *template;
    double weight;
    bool good;
} synth_part;

/* The opinion that hangs on the opening, the body's sentences, the last word. */
static int synth_plan(synth_writer *w, synth_part parts[MAX_PARTS], bool *opening_has_one)
{
    static const synth_part aspect = {"{sentence}", 1, true}, whole = {"{whole}", 1.5, true},
                            line = {"{+line}", 1, true}, close = {"{+close}", 1.5, true};
    int n_body = 1 + (int)madpo_rng_below(&w->rng, 3), n = 0;

    *opening_has_one = synth_chance(w, 0.5);
    if (*opening_has_one)
        parts[n++] = (synth_part){"", 1, true};
    for (int i = 0; i < n_body; i++) {
        double u = madpo_rng_uniform(&w->rng);

        parts[n++] = u < 0.64 ? aspect : u < 0.80 ? whole : line;
    }
    if (synth_chance(w, 0.65))
        parts[n++] = close;
    return n;
}

/* Opinions that mostly agree with the sentiment; the sum must. */
static void synth_opinions(synth_writer *w, synth_part *parts, int n, bool positive)
{
    double agree = synth_chance(w, 0.7) ? 0.95 : 0.7;
    double sum;

    do {
        sum = 0;
        for (int i = 0; i < n; i++) {
            parts[i].good = synth_chance(w, agree) == positive;
            sum += parts[i].good == positive ? parts[i].weight : -parts[i].weight;
        }
    } while (sum <= 0);
}

static void synth_opening(synth_writer *w, bool has_opinion, bool good)
{
    bool personal = synth_chance(w, 0.7);

    synth_begin_sentence(w, good);
    synth_expand(w, personal ? "{opening}" : "{fact}");
    if (has_opinion && personal && synth_chance(w, 0.45))
        synth_expand(w, ", and {+reaction}");
    else if (has_opinion)
        synth_expand(w, ", and {lead-in}{A} {A+}");
    synth_end_sentence(w);
}

static size_t synth_count_words(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == ' ';
    return n;
}

/* One try; the caller looks at the length. */
static void synth_draft(synth_writer *w, bool positive)
{
    synth_part parts[MAX_PARTS];
    bool opening_has_one;
    int n = synth_plan(w, parts, &opening_has_one);

    madpo_strbuf_reset(&w->review);
    madpo_strbuf_reset(&w->sentence);
    w->n_used = w->n_texts = 0;
    synth_opinions(w, parts, n, positive);
    synth_opening(w, opening_has_one, parts[0].good);
    if (synth_chance(w, 0.4))
        synth_sentence(w, "{story}", true);
    for (int i = opening_has_one; i < n; i++)
        synth_sentence(w, parts[i].template, parts[i].good);
}

static void synth_bind(synth_writer *w)
{
    w->genre = synth_rule(w, "", "genre", 5);
    w->companion = synth_rule(w, "", "companion", 9);
    w->first = synth_rule(w, "", "first", 5);
    w->lead = synth_rule(w, "", "last", 4);
    do
        w->director = synth_rule(w, "", "last", 4);
    while (w->director == w->lead);
    for (int i = 0; i < madpo__synth_n_aspects; i++) { /* a shuffle, inside out */
        int j = (int)madpo_rng_below(&w->rng, (uint64_t)i + 1);

        w->aspect[i] = w->aspect[j];
        w->aspect[j] = i;
    }
}

static madpo_status synth_review(synth_writer *w, madpo_reviews *out, uint64_t seed, uint64_t i,
                                 madpo_error *err)
{
    bool positive;
    size_t words;
    int tries = 0;

    madpo_rng_init(&w->rng, seed, SYNTH_STREAM + i);
    positive = synth_chance(w, 0.5);
    w->n_texts = 0;
    synth_bind(w);
    do {
        synth_draft(w, positive);
        if (madpo_strbuf_check(&w->review, err) != MADPO_OK)
            return MADPO_ERR_NOMEM;
        words = synth_count_words(w->review.s);
    } while ((words < MIN_WORDS || words > MAX_WORDS) && ++tries < MAX_TRIES);
    return madpo_reviews_add(out, w->review.s, w->review.n, positive, err);
}

madpo_status madpo_synth_reviews(madpo_reviews *out, uint64_t seed, size_t n, madpo_error *err)
{
    synth_writer w = {0};
    madpo_status st = MADPO_OK;

    assert(madpo__synth_n_aspects <= MAX_ASPECTS);
    for (size_t i = 0; i < n && st == MADPO_OK; i++)
        st = synth_review(&w, out, seed, i, err);
    madpo_strbuf_dispose(&w.sentence);
    madpo_strbuf_dispose(&w.review);
    return st;
}
