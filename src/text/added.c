/* The tree of added tokens; see added.h. */
#include "text/added.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/pretokenize.h"
#include "text/utf8.h"

/* ---- the tree ---- */

/* Node for `byte` in the list that *head begins, made if need be; -1 without memory. `head` may
 * point into the nodes, which move: it is an index of the parent, -1 for the root. */
static int32_t added_child(madpo_added *set, int32_t parent, uint8_t byte)
{
    int32_t first = parent < 0 ? set->root[byte] : set->node[parent].child, fresh;

    for (int32_t i = first; i >= 0; i = set->node[i].sibling)
        if (set->node[i].byte == byte)
            return i;
    if (set->n == set->capacity) {
        size_t capacity = set->capacity ? 2 * set->capacity : 64;
        madpo_added_node *node =
            capacity > INT32_MAX / 2 ? NULL : realloc(set->node, capacity * sizeof *node);

        if (!node)
            return -1;
        set->node = node;
        set->capacity = capacity;
    }
    fresh = (int32_t)set->n++;
    set->node[fresh] = (madpo_added_node){-1, first, -1, byte};
    if (parent < 0)
        set->root[byte] = fresh;
    else
        set->node[parent].child = fresh;
    return fresh;
}

madpo_status madpo__added_put(madpo_added *set, const char *content, size_t n, int32_t id,
                              madpo_error *err)
{
    int32_t at = -1;

    if (!set->n)
        memset(set->root, 0xFF, sizeof set->root);
    for (size_t i = 0; i < n; i++) {
        at = added_child(set, at, (uint8_t)content[i]);
        if (at < 0)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for the added tokens");
    }
    if (n && set->node[at].id < 0)
        set->node[at].id = id;
    return MADPO_OK;
}

/* Longest content at text[at]; its end in *end. */
static int32_t added_at(const madpo_added *set, const char *text, size_t n, size_t at, size_t *end)
{
    int32_t node = set->root[(uint8_t)text[at]], id = -1;

    while (node >= 0) {
        if (set->node[node].byte != (uint8_t)text[at]) {
            node = set->node[node].sibling;
            continue;
        }
        at++;
        if (set->node[node].id >= 0) {
            id = set->node[node].id;
            *end = at;
        }
        if (at == n)
            break;
        node = set->node[node].child;
    }
    return id;
}

int32_t madpo__added_find(const madpo_added *set, const char *text, size_t n, size_t at,
                          size_t *start, size_t *end)
{
    for (; set->n && at < n; at++) {
        int32_t id = set->root[(uint8_t)text[at]] < 0 ? -1 : added_at(set, text, n, at, end);

        if (id >= 0) {
            *start = at;
            return id;
        }
    }
    return -1;
}

void madpo__added_dispose(madpo_added *set)
{
    free(set->node);
    memset(set, 0, sizeof *set);
}

/* ---- what stands beside a match ---- */

/* Code point that ends just before text[at]; its bytes in *used. */
static int32_t code_point_before(const char *text, size_t at, size_t *used)
{
    int32_t cp = -1;

    for (size_t back = 1; back <= 4 && back <= at; back++)
        if (madpo_utf8_read(text + at - back, back, &cp) == back && cp >= 0) {
            *used = back;
            return cp;
        }
    *used = 1;
    return -1;
}

size_t madpo__space_before(const char *text, size_t from, size_t at)
{
    size_t start = at, used;

    while (start > from && madpo__is_space(code_point_before(text, start, &used)))
        start -= used;
    return at - (start < from ? from : start);
}

size_t madpo__space_behind(const char *text, size_t n, size_t at)
{
    size_t end = at, used;
    int32_t cp;

    while (end < n) {
        used = madpo_utf8_read(text + end, n - end, &cp);
        if (!madpo__is_space(cp))
            break;
        end += used;
    }
    return end - at;
}

bool madpo__word_before(const char *text, size_t at)
{
    size_t used;

    return at > 0 && madpo__is_word(code_point_before(text, at, &used));
}

bool madpo__word_behind(const char *text, size_t n, size_t at)
{
    int32_t cp;

    if (at >= n)
        return false;
    madpo_utf8_read(text + at, n - at, &cp);
    return madpo__is_word(cp);
}
