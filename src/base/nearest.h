#ifndef MADPO_BASE_NEAREST_H
#define MADPO_BASE_NEAREST_H
/* "did you mean …?": the name that a mistyped word most likely stands for. */
#include <stddef.h>

/* Edits (insert, delete, replace, swap neighbours; letters' case is free) between two words;
 * SIZE_MAX when memory runs out. */
size_t madpo_edit_distance(const char *a, const char *b);
/* The name with the fewest edits (the first of equals; borrowed from `names`), or NULL if none is
 * close enough to be helpful: more than 2 edits and more than a third of the word. */
const char *madpo_nearest(const char *word, const char *const *names, size_t n);
#endif
