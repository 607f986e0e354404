/* Optimal string alignment distance (Damerau 1964; dynamic programming over three rows). */
#include "base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t nearest_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool nearest_same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t madpo_edit_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b), width = nb + 1, distance;
    size_t *rows = calloc(width, 3 * sizeof *rows);
    size_t *before, *above, *row;

    if (!rows)
        return SIZE_MAX;
    before = rows;
    above = rows + width;
    row = rows + 2 * width;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *oldest = before;

        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t cost = nearest_same(a[i - 1], b[j - 1]) ? 0 : 1;

            row[j] = nearest_min(nearest_min(above[j], row[j - 1]) + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && nearest_same(a[i - 1], b[j - 2]) &&
                nearest_same(a[i - 2], b[j - 1]))
                row[j] = nearest_min(row[j], before[j - 2] + 1);
        }
    }
    distance = row[nb];
    free(rows);
    return distance;
}

const char *madpo_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX, limit = strlen(word) / 3;

    if (limit < 2)
        limit = 2;
    for (size_t i = 0; i < n; i++) {
        size_t distance = madpo_edit_distance(word, names[i]);

        /* nothing of a short word is left after that many edits */
        if (distance <= limit && distance < best_distance && distance < strlen(names[i])) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}
