/* The sample browser and the text of one pair. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/panels.h"

static const madpo_pen plain = {MADPO_TONE_PLAIN, 0}, dim = {MADPO_TONE_DIM, 0};
static const madpo_pen plus = {MADPO_TONE_SERIES + 1, 0}, minus = {MADPO_TONE_SERIES + 4, 0};

/* ---- table ---- */

/* Blanks and line ends at the beginning say nothing. */
static const char *skip_blank(const char *text)
{
    return text + strspn(text, " \n\t\r");
}

static void number_cell(madpo_grid *grid, int x, int y, const char *fmt, double value)
{
    char text[24];

    if (isnan(value))
        snprintf(text, sizeof text, "%6s", "-");
    else
        snprintf(text, sizeof text, fmt, value);
    madpo_grid_text(grid, x, y, 7, plain, text);
}

enum {
    COLUMN_ID = 1,
    COLUMN_TOKENS = 8, /* t: token values were logged */
    COLUMN_H = 9,
    COLUMN_W = 16,
    COLUMN_M = 22,
    COLUMN_DM = 29,
    COLUMN_SEEN = 36,
    COLUMN_FLAG = 41,
    COLUMN_TEXT = 43,
    SOURCE_WIDTH = 9,
    WIDE_TABLE = 100
};

typedef struct table {
    int source, prompt, chosen, rejected, end; /* columns; source < 0: not shown */
} table;

static table table_of(const madpo_samples *samples, int w)
{
    table t = {.source = -1, .prompt = COLUMN_TEXT, .end = w};

    if (w >= WIDE_TABLE && samples->n_sources > 1) {
        t.source = COLUMN_TEXT;
        t.prompt += SOURCE_WIDTH;
    }
    t.chosen = t.prompt + (w - t.prompt) / 3;
    t.rejected = t.chosen + (w - t.chosen) / 2;
    return t;
}

static void draw_heads(madpo_grid *grid, madpo_rect r, const table *t)
{
    static const struct {
        int x;
        const char *text;
    } heads[] = {{COLUMN_ID, "    id"}, {COLUMN_H, "     h"},  {COLUMN_W, "    w"},
                 {COLUMN_M, "     m"},  {COLUMN_DM, "    dm"}, {COLUMN_SEEN, "seen"},
                 {COLUMN_FLAG, "!"}};

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        madpo_grid_text(grid, r.x + heads[i].x, r.y, r.w - heads[i].x, dim, heads[i].text);
    if (t->source >= 0)
        madpo_grid_text(grid, r.x + t->source, r.y, SOURCE_WIDTH, dim, "src");
    madpo_grid_text(grid, r.x + t->prompt, r.y, t->chosen - t->prompt - 1, dim, "prompt");
    madpo_grid_text(grid, r.x + t->chosen, r.y, t->rejected - t->chosen - 1, plus, "+chosen");
    madpo_grid_text(grid, r.x + t->rejected, r.y, t->end - t->rejected, minus, "-rejected");
}

static void draw_texts(madpo_grid *grid, madpo_rect r, const table *t, const madpo_view *view,
                       const madpo_sample *sample)
{
    madpo_error ignored = {0};
    madpo_pair_text text;

    if (t->prompt + 6 > t->end ||
        madpo_feed_text(&text, view->source, sample, &ignored) != MADPO_OK)
        return;
    madpo_grid_text(grid, r.x + t->prompt, r.y, t->chosen - t->prompt - 1, plain,
                    skip_blank(text.prompt));
    if (text.chosen[0])
        madpo_grid_put(grid, r.x + t->chosen, r.y, '+', plus);
    madpo_grid_text(grid, r.x + t->chosen + 1, r.y, t->rejected - t->chosen - 2, plain,
                    skip_blank(text.chosen));
    if (text.rejected[0])
        madpo_grid_put(grid, r.x + t->rejected, r.y, '-', minus);
    madpo_grid_text(grid, r.x + t->rejected + 1, r.y, t->end - t->rejected - 1, plain,
                    skip_blank(text.rejected));
    madpo_pair_text_dispose(&text);
}

static void draw_row(madpo_grid *grid, madpo_rect r, const table *t, const madpo_view *view,
                     const madpo_sample *sample, bool cursor)
{
    const madpo_samples *samples = madpo_view_samples(view);
    double step = madpo_view_policy_step(view);
    char flag = madpo_samples_flag(samples, sample, step);

    madpo_grid_put(grid, r.x, r.y,
                   cursor           ? '>'
                   : sample->marked ? '*'
                                    : ' ',
                   (madpo_pen){MADPO_TONE_KEY, MADPO_BOLD});
    madpo_grid_print(grid, r.x + COLUMN_ID, r.y, 7,
                     sample->marked ? (madpo_pen){MADPO_TONE_KEY, 0} : plain, "%6lld%c",
                     (long long)sample->id, sample->held_out ? 'e' : ' ');
    if (sample->n_tokens > 0)
        madpo_grid_put(grid, r.x + COLUMN_TOKENS, r.y, 't', dim);
    number_cell(grid, r.x + COLUMN_H, r.y, "%+6.2f", (double)sample->h);
    number_cell(grid, r.x + COLUMN_W - 1, r.y, "%6.3f", (double)sample->w);
    number_cell(grid, r.x + COLUMN_M, r.y, "%+6.2f", madpo_samples_m(samples, sample, step));
    number_cell(grid, r.x + COLUMN_DM, r.y, "%+6.2f", madpo_samples_change(samples, sample, step));
    madpo_grid_print(grid, r.x + COLUMN_SEEN, r.y, 4, plain, "%4u",
                     madpo_samples_seen(samples, sample, step));
    madpo_grid_put(grid, r.x + COLUMN_FLAG, r.y, (uint32_t)flag,
                   (madpo_pen){flag == ' '   ? MADPO_TONE_PLAIN /* the cursor turns it around */
                               : flag == '-' ? MADPO_TONE_DIM
                                             : MADPO_TONE_ALERT,
                               0});
    if (t->source >= 0)
        madpo_grid_text(grid, r.x + t->source, r.y, SOURCE_WIDTH - 1, plain,
                        sample->source < samples->n_sources ? samples->sources[sample->source]
                                                            : "");
    draw_texts(grid, r, t, view, sample);
    if (cursor)
        madpo_grid_mark(grid, r,
                        view->wish.focus == MADPO_PANEL_SAMPLES ? MADPO_REVERSE : MADPO_BOLD);
}

/* The cursor stays on the screen. */
static void scroll_to_cursor(madpo_view *view, size_t rows)
{
    if (view->cursor < view->top)
        view->top = view->cursor;
    if (rows > 0 && view->cursor >= view->top + rows)
        view->top = view->cursor - rows + 1;
    if (view->top + rows > view->n_list)
        view->top = view->n_list > rows ? view->n_list - rows : 0;
}

void madpo_panel_samples(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    const madpo_samples *samples = madpo_view_samples(view);
    madpo_rect r = madpo_rect_inside(rect);
    size_t rows = r.h > 1 ? (size_t)r.h - 1 : 0;
    char title[256], bin[48] = "";
    table t = table_of(samples, r.w);

    if (!isnan(view->bin_low))
        snprintf(bin, sizeof bin, "  bin h %.2f..%.2f", view->bin_low, view->bin_high);
    snprintf(title, sizeof title, "samples  sort: %s%s%s%s%s  %zu/%zu",
             madpo_sort_names[view->sort], view->descending ? " down" : "",
             view->filter_text[0] ? "  filter: " : "", view->filter_text, bin, view->n_list,
             samples->n);
    madpo_panel_frame(grid, rect, view, MADPO_PANEL_SAMPLES, title);
    draw_heads(grid, r, &t);
    scroll_to_cursor(view, rows);
    for (size_t i = 0; i < rows && view->top + i < view->n_list; i++)
        draw_row(grid, (madpo_rect){r.x, r.y + 1 + (int)i, r.w, 1}, &t, view,
                 &samples->v[view->list[view->top + i]], view->top + i == view->cursor);
    if (view->n_list == 0 && r.h > 1)
        madpo_grid_text(grid, r.x + 1, r.y + 1, r.w - 1, dim,
                        samples->n == 0 ? "no pairs yet"
                                        : "no pair passes; \\ takes filter and bin away");
}

/* ---- one pair ---- */

/* Wrapped text with a mark in its margin, shaded by the levels of its bytes if there are any; *row
 * counts lines, also those scrolled away. */
typedef struct wrapped {
    madpo_grid *grid;
    madpo_rect r;
    int scroll, row;
    const madpo_shade *shade; /* NULL = none */
} wrapped;

static void draw_wrapped(wrapped *out, madpo_pen pen, char mark, const char *text,
                         const int8_t *level)
{
    madpo_rect r = out->r;
    bool marks = level && out->shade->marks;

    while (*text && out->row - out->scroll < r.h) {
        size_t skip, n = madpo_text_break(text, r.w > 2 ? r.w - 2 : 1, &skip);
        int y = r.y + out->row - out->scroll;

        if (out->row >= out->scroll) {
            char *line = level ? NULL : strndup(text, n);

            madpo_grid_put(out->grid, r.x, y, (uint32_t)mark, pen);
            if (level)
                madpo_shade_draw(out->grid, r.x + 2, y, r.w - 2, out->shade, text, level, n,
                                 y + 1 < r.y + r.h);
            else if (line)
                madpo_grid_text(out->grid, r.x + 2, y, r.w - 2, plain, line);
            free(line);
        }
        out->row += 1 + marks;
        text += n + skip;
        level += level ? n + skip : 0;
    }
}

/* The policy's margin whenever the pair was seen: "m: 0 0.0  33 -1.2 ..." and a curve. */
static void draw_past(madpo_grid *grid, madpo_rect r, const madpo_view *view,
                      const madpo_sample *sample)
{
    const madpo_samples *samples = madpo_view_samples(view);
    const madpo_sight *sight = madpo_samples_last(samples, sample, madpo_view_policy_step(view));
    const madpo_sight *past[64];
    madpo_series series = {0};
    madpo_error ignored = {0};
    int n = 0, x = r.x, from = 0, width = 0;
    char text[16];

    for (; sight && n < 64; sight = madpo_samples_before(samples, sight))
        past[n++] = sight;
    x += madpo_grid_text(grid, x, r.y, r.w, dim,
                         n > 0 ? "m by step "
                               : "not among the pairs logged with the policy's margin yet");
    for (int i = n - 1; i >= 0; i--)
        if (madpo_series_add(&series, past[i]->step, (double)past[i]->m, &ignored) != MADPO_OK)
            break;
    if (n > 1) {
        madpo_curve curve = {
            .series = &series, .until = INFINITY, .pen = {{MADPO_TONE_SERIES, MADPO_BOLD}, '*'}};
        int w = r.w / 4 < 24 ? r.w / 4 : 24;

        madpo_plot_spark(grid, (madpo_rect){x, r.y, w, 1}, &curve);
        x += w + 1;
    }
    for (; from < n; from++) { /* as many of the newest as there is room for */
        width += 4 + snprintf(NULL, 0, "%d%s", past[from]->step,
                              madpo_short_number(text, (double)past[from]->m));
        if (x + width - 2 > r.x + r.w)
            break;
    }
    for (int i = from - 1; i >= 0; i--)
        x += madpo_grid_print(grid, x, r.y, r.x + r.w - x, plain, "%d: %s  ", past[i]->step,
                              madpo_short_number(text, (double)past[i]->m));
    madpo_series_dispose(&series);
}

/* What a pair's flag says, in so many columns if it can be. */
static const char *flag_words(char flag, int columns)
{
    static const struct {
        char flag;
        const char *words, *brief;
    } flags[] = {
        {'!', "  ! the reward model and the policy turn against this label", "  ! h and m < 0"},
        {'x', "  x the true scores contradict this label", "  x true scores contradict it"},
        {'-', "  - the reward model prefers the rejected answer", "  - h against the label"}};

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].flag == flag)
            return columns >= (int)strlen(flags[i].words) ? flags[i].words : flags[i].brief;
    return "";
}

/* Why a pair has no shades. */
static void draw_no_tokens(madpo_grid *grid, madpo_rect r, const madpo_view *view,
                           const madpo_sample *sample, double step)
{
    const madpo_samples *samples = madpo_view_samples(view);

    if (sample->n_tokens > 0)
        madpo_grid_print(grid, r.x, r.y, r.w, dim, "no token values yet at step %.0f", step);
    else if (samples->n_with_tokens > 0)
        madpo_grid_print(grid, r.x, r.y, r.w, dim,
                         "no token values: logged for %zu pairs (filter tok>0; run.log_tokens)",
                         samples->n_with_tokens);
    else
        madpo_grid_text(grid, r.x, r.y, r.w, dim,
                        "no token values: none logged yet, or run.log_tokens is 0");
}

/* One answer, shaded if it can be. */
static void draw_answer(wrapped *out, madpo_pen pen, char mark, const char *text, int answer)
{
    size_t n = strlen(text);
    int8_t *level = out->shade ? malloc(n + 1) : NULL;

    if (level)
        madpo_shade_bytes(out->shade, answer, level, n);
    draw_wrapped(out, pen, mark, text, level);
    free(level);
}

static void draw_lists(wrapped *out, const madpo_pair_text *text)
{
    const char *const texts[2] = {text->chosen, text->rejected};
    bool ascii = out->grid->glyphs == MADPO_GLYPHS_ASCII;
    madpo_error ignored = {0};

    for (int up = 1; up >= 0; up--) {
        char *list;

        if (madpo_shade_list(&list, out->shade, up, texts, ascii, &ignored) == MADPO_OK)
            draw_wrapped(out, dim, ' ', list, NULL);
        free(list);
    }
}

/* Legend or the reason why there is none, then the texts. */
static void draw_pair(madpo_grid *grid, madpo_rect r, madpo_view *view, const madpo_sample *sample,
                      const madpo_pair_text *text)
{
    double step = view->replay ? madpo_view_policy_step(view) : INFINITY;
    wrapped out = {.grid = grid, .r = r, .scroll = view->pair_scroll};
    madpo_token_line line = {0};
    madpo_shade shade;
    madpo_error err = MADPO_ERROR_INIT;
    bool there = false;

    if (view->shade != MADPO_SHADE_OFF && r.h > 1) {
        madpo_status st = madpo_feed_tokens(&line, &there, view->source, sample, step, &err);

        if (st == MADPO_OK && there)
            st = madpo_shade_init(&shade, &line, view->shade,
                                  view->mono || grid->glyphs == MADPO_GLYPHS_ASCII, &err);
        if (st != MADPO_OK)
            madpo_grid_text(grid, r.x, r.y, r.w, dim, err.message);
        else if (there)
            madpo_shade_legend(grid, r, &shade);
        else
            draw_no_tokens(grid, r, view, sample, step);
        out.shade = st == MADPO_OK && there ? &shade : NULL;
        out.r.y++;
        out.r.h--;
    }
    draw_wrapped(&out, dim, ' ', text->prompt, NULL);
    draw_answer(&out, plus, '+', text->chosen, 0);
    draw_answer(&out, minus, '-', text->rejected, 1);
    if (out.shade)
        draw_lists(&out, text);
    view->pair_end = out.row > out.r.h ? out.row - out.r.h : 0;
    madpo_token_line_dispose(&line);
}

void madpo_panel_pair(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    const madpo_samples *samples = madpo_view_samples(view);
    const madpo_sample *sample = madpo_view_sample(view);
    madpo_rect r = madpo_rect_inside(rect);
    madpo_error ignored = {0};
    madpo_pair_text text;
    double step = madpo_view_policy_step(view);

    view->pair_end = 0;
    if (!sample) {
        madpo_panel_frame(grid, rect, view, MADPO_PANEL_PAIR, "pair");
        madpo_grid_text(grid, r.x, r.y, r.w, dim, "no pair chosen");
        return;
    }
    {
        char title[160], h[16], w[16], c[16], m[16];
        int n;

        n = snprintf(
            title, sizeof title, "pair %lld%s  h %s  w %s  c %s  m %s%s", (long long)sample->id,
            sample->held_out ? " (held out)" : "", madpo_short_number(h, (double)sample->h),
            madpo_short_number(w, (double)sample->w), madpo_short_number(c, (double)sample->c),
            madpo_short_number(m, madpo_samples_m(samples, sample, step)),
            sample->marked ? "  marked" : "");
        /* beside the frame's corners, the panel's number and a margin */
        snprintf(title + n, sizeof title - (size_t)n, "%s",
                 flag_words(madpo_samples_flag(samples, sample, step), rect.w - 4 - n));
        madpo_panel_frame(grid, rect, view, MADPO_PANEL_PAIR, title);
    }
    if (r.h < 1 || r.w < 4)
        return;
    draw_past(grid, (madpo_rect){r.x, r.y, r.w, 1}, view, sample);
    r.y++;
    r.h--;
    if (madpo_feed_text(&text, view->source, sample, &ignored) != MADPO_OK) {
        madpo_grid_text(grid, r.x, r.y, r.w, (madpo_pen){MADPO_TONE_ALERT, 0}, ignored.message);
        return;
    }
    draw_pair(grid, r, view, sample, &text);
    madpo_pair_text_dispose(&text);
}
