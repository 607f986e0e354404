#ifndef MADPO_TEXT_ADDED_H
#define MADPO_TEXT_ADDED_H
/* Added tokens: contents that are looked for in the text itself, the longest at the leftmost place,
 * before anything else sees it. */
#include "madpo/error.h"

typedef struct madpo_added_node {
    int32_t child, sibling; /* -1 none */
    int32_t id;             /* -1: no token ends here */
    uint8_t byte;
} madpo_added_node;

/* A set of contents as a tree of bytes. */
typedef struct madpo_added {
    madpo_added_node *node;
    size_t n, capacity;
    int32_t root[256]; /* first node for each byte, -1 none; valid once n > 0 */
} madpo_added;         /* zero-initialise */

/* Of a content given twice the first id stays. Empty contents are no tokens. */
madpo_status madpo__added_put(madpo_added *set, const char *content, size_t n, int32_t id,
                              madpo_error *err) MADPO_MUST_CHECK;
/* Leftmost and then longest content at or behind `at`: its id (-1 none), *start and *end. */
int32_t madpo__added_find(const madpo_added *set, const char *text, size_t n, size_t at,
                          size_t *start, size_t *end);
void madpo__added_dispose(madpo_added *set);

/* Bytes of white space just before text[at] but not before `from`, and just behind text[at]. */
size_t madpo__space_before(const char *text, size_t from, size_t at);
size_t madpo__space_behind(const char *text, size_t n, size_t at);
/* Is there a word character just before, just behind text[at]? */
bool madpo__word_before(const char *text, size_t at);
bool madpo__word_behind(const char *text, size_t n, size_t at);
#endif
