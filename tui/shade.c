/* Tokens as shades; see shade.h. */
#include "tui/shade.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "tui/plot.h"

static double token_value(const madpo_shade *shade, const madpo_token *token)
{
    return shade->logp ? token->logp : token->ratio;
}

/* ---- scale and levels ---- */

madpo_status madpo_shade_init(madpo_shade *shade, const madpo_token_line *line,
                              madpo_shade_kind kind, bool marks, madpo_error *err)
{
    *shade = (madpo_shade){
        .line = line, .logp = kind == MADPO_SHADE_LOGP || !line->has_ratio, .marks = marks};
    return madpo_token_line_scale(&shade->scale, line, shade->logp, err);
}

int madpo_shade_level(const madpo_shade *shade, double value)
{
    return madpo_token_level(value, shade->scale);
}

void madpo_shade_bytes(const madpo_shade *shade, int answer, int8_t *level, size_t n)
{
    const madpo_token_line *line = shade->line;

    memset(level, 0, n);
    for (size_t i = 0; i < line->n[answer]; i++) {
        const madpo_token *token = &line->v[answer][i];
        int8_t of_token = (int8_t)madpo_shade_level(shade, token_value(shade, token));

        for (size_t at = (size_t)token->at; at < (size_t)token->at + (size_t)token->n && at < n;
             at++)
            level[at] = of_token;
    }
}

/* ---- the tokens furthest out ---- */

typedef struct listed {
    double value;
    int answer;
    const madpo_token *token;
} listed;

/* Keep the furthest ones, furthest first. */
static void list_offer(listed list[MADPO_SHADE_LISTED], size_t *n, listed new, bool up)
{
    size_t at = *n;

    while (at > 0 && (up ? new.value > list[at - 1].value : new.value < list[at - 1].value))
        at--;
    if (at == MADPO_SHADE_LISTED)
        return;
    *n += *n < MADPO_SHADE_LISTED;
    memmove(list + at + 1, list + at, (*n - at - 1) * sizeof *list);
    list[at] = new;
}

/* A token's bytes, its blanks visible and unbreakable. */
static void put_token(madpo_strbuf *b, const madpo_token *token, const char *text, bool ascii)
{
    size_t n = strlen(text), at = (size_t)token->at < n ? (size_t)token->at : n;
    size_t end = (size_t)token->at + (size_t)token->n < n ? at + (size_t)token->n : n;

    if (at == end)
        madpo_strbuf_append(b, "(end)");
    for (; at < end; at++) {
        if (text[at] == ' ')
            madpo_strbuf_append(b, ascii ? "_" : "\xc2\xb7");
        else if (text[at] == '\n' || text[at] == '\r' || text[at] == '\t')
            madpo_strbuf_printf(b, "\\%c", text[at] == '\n' ? 'n' : text[at] == '\r' ? 'r' : 't');
        else
            madpo_strbuf_append_char(b, text[at]);
    }
}

madpo_status madpo_shade_list(char **out, const madpo_shade *shade, bool up,
                              const char *const texts[2], bool ascii, madpo_error *err)
{
    const madpo_token_line *line = shade->line;
    listed list[MADPO_SHADE_LISTED];
    madpo_strbuf b = {0};
    size_t n = 0;
    char number[16];

    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < line->n[k]; i++) {
            double value = token_value(shade, &line->v[k][i]);

            if (shade->logp ? isfinite(value) : up ? value > 0.0 : value < 0.0)
                list_offer(list, &n, (listed){value, k, &line->v[k][i]}, up);
        }
    madpo_strbuf_append(&b, shade->logp ? up ? "likeliest:" : "unlikeliest:"
                            : up        ? "most up:"
                                        : "most down:");
    for (size_t i = 0; i < n; i++) {
        madpo_strbuf_printf(&b, "  %c:", list[i].answer ? 'R' : 'C');
        put_token(&b, list[i].token, texts[list[i].answer], ascii);
        madpo_strbuf_printf(&b, " %s%s", list[i].value > 0.0 ? "+" : "",
                            madpo_short_number(number, list[i].value));
    }
    if (n == 0)
        madpo_strbuf_append(&b, "  none");
    return madpo_strbuf_steal(&b, out, NULL, err);
}

/* ---- drawing ---- */

madpo_pen madpo_shade_pen(int level)
{
    if (level == 0)
        return (madpo_pen){MADPO_TONE_PLAIN, 0};
    return (madpo_pen){level < 0 ? (madpo_tone)(MADPO_TONE_DOWN - level - 1)
                                 : (madpo_tone)(MADPO_TONE_UP + level - 1),
                       0};
}

/* Up is high in the line and points up; down is low and points down. */
char madpo_shade_mark(int level)
{
    static const char marks[] = "v-_ '+^";

    return marks[level + MADPO_TOKEN_LEVELS];
}

void madpo_shade_legend(madpo_grid *grid, madpo_rect rect, const madpo_shade *shade)
{
    static const madpo_pen dim = {MADPO_TONE_DIM, 0};
    int x = rect.x, end = rect.x + rect.w, each = rect.w >= 60 ? 2 : 1;
    char number[16];

    madpo_short_number(number, shade->scale);
    x += madpo_grid_print(grid, x, rect.y, end - x, dim, "token %s -%s ",
                          shade->logp ? "log-prob" : "log-ratio", number);
    for (int level = -MADPO_TOKEN_LEVELS; level <= (shade->logp ? 0 : MADPO_TOKEN_LEVELS); level++)
        for (int i = 0; i < each; i++) {
            if (x < end)
                madpo_grid_put(grid, x, rect.y,
                               level ? (uint32_t)(unsigned char)madpo_shade_mark(level) : '0',
                               level ? madpo_shade_pen(level) : dim);
            x++;
            if (level == 0)
                break;
        }
    if (!shade->logp)
        x += madpo_grid_print(grid, x, rect.y, end - x, dim, " +%s", number);
    x += madpo_grid_print(grid, x, rect.y, end - x, dim, "  step %lld",
                          (long long)shade->line->step);
    if (!shade->line->has_ratio)
        x += madpo_grid_text(grid, x, rect.y, end - x, dim, ", no reference");
    madpo_grid_text(grid, x, rect.y, end - x, dim, "  T changes it");
}

/* The next character and its level: of the tokens that its bytes lie in the one that moved most. */
static size_t next_level(const char *text, const int8_t *level, size_t n, int *of)
{
    uint32_t glyph;
    int width;
    size_t bytes = madpo_text_next(text, &glyph, &width);

    *of = 0;
    for (size_t i = 0; i < bytes && i < n; i++)
        if (abs(level[i]) > abs(*of))
            *of = level[i];
    return bytes < n ? bytes : n;
}

void madpo_shade_draw(madpo_grid *grid, int x, int y, int room, const madpo_shade *shade,
                      const char *text, const int8_t *level, size_t n, bool marks_fit)
{
    int used = 0;

    for (size_t i = 0, end; i < n; i = end) {
        int of, next;
        char *run;
        int columns;

        end = i + next_level(text + i, level + i, n - i, &of);
        while (end < n) {
            size_t bytes = next_level(text + end, level + end, n - end, &next);

            if (next != of || bytes == 0)
                break;
            end += bytes;
        }
        run = strndup(text + i, end - i);
        if (!run || end == i) {
            free(run);
            return;
        }
        columns = madpo_grid_text(grid, x + used, y, room - used, madpo_shade_pen(of), run);
        free(run);
        for (int c = 0; c < columns && of != 0 && shade->marks && marks_fit; c++)
            madpo_grid_put(grid, x + used + c, y + 1, (uint32_t)(unsigned char)madpo_shade_mark(of),
                           madpo_shade_pen(of));
        used += columns;
    }
}
