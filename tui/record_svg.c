/* The animated SVG of a recording; see record.h.
 *
 * A picture is cut into runs: characters beside each other that look alike. A run that stands at
 * the same place in many pictures is written once; runs seen in the same pictures share a group,
 * whose class makes it appear and vanish. Every run says how wide it is, so that it fits whatever
 * font the viewer has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "tui/palette.h"
#include "tui/record.h"
#include "tui/terminal.h"

enum { CELL_W = 8, CELL_H = 15, BASELINE = 12, MARGIN = 8, HOLD_SECONDS = 2 };

typedef struct svg_run {
    int y, x, n;   /* cells */
    int frame;     /* its first, where its cells are */
    uint8_t *seen; /* [n_seen] owned: a bit for every picture */
    size_t n_seen;
} svg_run;

typedef struct svg {
    const madpo_frames *frames;
    svg_run *runs; /* [n_runs] owned */
    size_t n_runs, room, row_begins;
    bool color;
} svg;

static const madpo_cell *svg_row(const svg *s, int frame, int y)
{
    const madpo_frames *f = s->frames;

    return f->cells + ((size_t)frame * (size_t)f->h + (size_t)y) * (size_t)f->w;
}

/* ---- runs ---- */

/* Fonts differ in what they lack: characters of other kinds may come from another font. */
static int glyph_kind(const madpo_cell *cell)
{
    if (cell->glyph < 0x2500)
        return cell->glyph < 0x80 ? 0 : 1;
    return cell->glyph < 0x2580 ? 2 : cell->glyph < 0x25a0 ? 3 : cell->glyph < 0x2800 ? 1 : 4;
}

/* What is behind a tone: a number of the 256 colours, -1 = nothing. */
static int svg_back(int tone, bool light)
{
    return madpo_palette_back((madpo_tone)tone,
                              light ? MADPO_BACKGROUND_LIGHT : MADPO_BACKGROUND_DARK, 256);
}

static bool is_blank(const madpo_cell *cell)
{
    return cell->glyph == ' ' && svg_back(cell->tone, true) < 0 &&
           !(cell->flags & (MADPO_REVERSE | MADPO_WIDE_TAIL));
}

static bool is_alike(const madpo_cell *a, const madpo_cell *b)
{
    int wide = MADPO_WIDE_TAIL;

    return a->tone == b->tone && (a->flags & ~wide) == (b->flags & ~wide) &&
           glyph_kind(a) == glyph_kind(b);
}

/* Cells of the run that begins at x, which is no blank: single blanks are let in. */
static int run_length(const madpo_cell *row, int x, int w)
{
    const madpo_cell *first = &row[x];
    int end = x + 1;

    for (int i = x + 1; i < w; i++) {
        bool tail = row[i].flags & MADPO_WIDE_TAIL;

        if (is_blank(&row[i])) {
            if (i + 1 >= w || is_blank(&row[i + 1]) || !is_alike(first, &row[i + 1]) ||
                (first->flags & MADPO_REVERSE))
                break;
            continue;
        }
        if (!tail && !is_alike(first, &row[i]))
            break;
        end = i + 1;
    }
    return end - x;
}

static bool are_same(const madpo_cell *a, const madpo_cell *b, int n)
{
    for (int i = 0; i < n; i++)
        if (a[i].glyph != b[i].glyph || a[i].tone != b[i].tone || a[i].flags != b[i].flags)
            return false;
    return true;
}

/* The run, if it has been met before in this row. */
static svg_run *run_find(const svg *s, const svg_run *wanted)
{
    const madpo_cell *cells = svg_row(s, wanted->frame, wanted->y) + wanted->x;

    for (size_t i = s->row_begins; i < s->n_runs; i++) {
        svg_run *r = &s->runs[i];

        if (r->x == wanted->x && r->n == wanted->n &&
            are_same(svg_row(s, r->frame, r->y) + r->x, cells, r->n))
            return r;
    }
    return NULL;
}

static madpo_status run_add(svg *s, svg_run wanted, madpo_error *err)
{
    svg_run *run = run_find(s, &wanted);

    if (!run && s->n_runs == s->room) {
        size_t room = s->room ? 2 * s->room : 256;

        run = realloc(s->runs, room * sizeof *run);
        if (!run)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "texts of the recording");
        s->runs = run;
        s->room = room;
        run = NULL;
    }
    if (!run) {
        run = &s->runs[s->n_runs];
        wanted.n_seen = (size_t)s->frames->n / 8 + 1;
        wanted.seen = calloc(wanted.n_seen, 1);
        if (!wanted.seen)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "texts of the recording");
        *run = wanted;
        s->n_runs++;
    }
    run->seen[wanted.frame / 8] |= (uint8_t)(1 << wanted.frame % 8);
    return MADPO_OK;
}

static madpo_status svg_collect(svg *s, madpo_error *err)
{
    const madpo_frames *f = s->frames;
    madpo_status st = MADPO_OK;

    for (int y = 0; y < f->h; y++) {
        s->row_begins = s->n_runs;
        for (int i = 0; i < f->n; i++) {
            const madpo_cell *row = svg_row(s, i, y);

            for (int x = 0, n = 1; x < f->w && st == MADPO_OK; x += n) {
                n = is_blank(&row[x]) ? 1 : run_length(row, x, f->w);
                if (!is_blank(&row[x]))
                    st = run_add(s, (svg_run){.y = y, .x = x, .n = n, .frame = i}, err);
            }
        }
    }
    return st;
}

/* By the pictures they are seen in, then from the top and from the left. */
static int run_compare(const void *a, const void *b)
{
    const svg_run *r = a, *q = b;
    int order = memcmp(q->seen, r->seen, r->n_seen);

    if (order == 0)
        order = r->y - q->y;
    return order ? order : r->x - q->x;
}

/* ---- writing ---- */

static unsigned color_rgb(int number)
{
    static const unsigned steps[6] = {0, 95, 135, 175, 215, 255};

    if (number >= 232) {
        unsigned grey = 8 + 10 * (unsigned)(number - 232);

        return grey << 16 | grey << 8 | grey;
    }
    number -= 16;
    return steps[number / 36] << 16 | steps[number / 6 % 6] << 8 | steps[number % 6];
}

/* Paper and ink, and the tones that have a colour of their own. */
static void svg_palette(const svg *s, madpo_strbuf *out, bool light)
{
    madpo_strbuf_append(out, light ? "text,rect{fill:#1f2328}.p,.v{fill:#ffffff}"
                                   : "text,rect{fill:#e6edf3}.p,.v{fill:#0d1117}");
    for (int tone = 0; s->color && tone < MADPO_TONES; tone++) {
        const int background = svg_back(tone, light);
        const int number = madpo_palette_color(
            (madpo_tone)tone, light ? MADPO_BACKGROUND_LIGHT : MADPO_BACKGROUND_DARK, 256);

        if (number >= 0)
            madpo_strbuf_printf(out, ".t%d{fill:#%06x}", tone, color_rgb(number));
        if (background >= 0)
            madpo_strbuf_printf(out, "rect.t%d{fill:#%06x}", tone, color_rgb(background));
    }
}

static bool seen_in(const svg_run *run, int frame)
{
    return run->seen[frame / 8] >> frame % 8 & 1;
}

/* When the texts of a group are there, in hundredths of the whole. */
static void svg_keyframes(const svg *s, madpo_strbuf *out, const svg_run *run, int number)
{
    const madpo_frames *f = s->frames;
    double all = f->n + HOLD_SECONDS * f->fps;
    bool was = !seen_in(run, 0);

    madpo_strbuf_printf(out, "@keyframes k%d{", number);
    for (int i = 0; i < f->n; i++) {
        if (seen_in(run, i) == was)
            continue;
        was = !was;
        madpo_strbuf_printf(out, "%.6g%%{visibility:%s}", 100 * i / all,
                            was ? "visible" : "hidden");
    }
    madpo_strbuf_printf(out, "}.k%d{animation-name:k%d%s}\n", number, number,
                        seen_in(run, 0) ? "" : ";visibility:hidden");
}

static void svg_glyph(madpo_strbuf *out, uint32_t glyph)
{
    utf8proc_uint8_t bytes[4];

    if (glyph == '&' || glyph == '<' || glyph == '>')
        madpo_strbuf_append(out, glyph == '&' ? "&amp;" : glyph == '<' ? "&lt;" : "&gt;");
    else if (glyph == 0xfffe || glyph == 0xffff) /* no characters of XML */
        madpo_strbuf_append(out, "\xef\xbf\xbd");
    else
        madpo_strbuf_append_n(out, (const char *)bytes,
                              (size_t)utf8proc_encode_char((utf8proc_int32_t)glyph, bytes));
}

static bool is_space(const madpo_cell *cell)
{
    return cell->glyph == ' ' && !(cell->flags & MADPO_WIDE_TAIL);
}

/* Cells first to end - 1 of a run, which neither begin nor end with a blank. */
static void svg_text(const svg *s, madpo_strbuf *out, const svg_run *run, int first, int end)
{
    const madpo_cell *cells = svg_row(s, run->frame, run->y) + run->x;
    bool reverse = cells->flags & MADPO_REVERSE, bold = cells->flags & MADPO_BOLD;

    madpo_strbuf_printf(out, "<text x=\"%d\" y=\"%d\" textLength=\"%d\"", (run->x + first) * CELL_W,
                        run->y * CELL_H + BASELINE, (end - first) * CELL_W);
    if (reverse)
        madpo_strbuf_append(out, bold ? " class=\"v b\">" : " class=\"v\">");
    else if (cells->tone == MADPO_TONE_PLAIN)
        madpo_strbuf_append(out, bold ? " class=\"b\">" : ">");
    else
        madpo_strbuf_printf(out, bold ? " class=\"t%d b\">" : " class=\"t%d\">", cells->tone);
    for (int i = first; i < end; i++)
        if (!(cells[i].flags & MADPO_WIDE_TAIL))
            svg_glyph(out, cells[i].glyph);
    madpo_strbuf_append(out, "</text>\n");
}

/* Reversed: a bar of the tone's colour, and on it texts of the paper's; shaded: a bar of what is
 * behind the tone. Texts are cut at wide gaps. */
static void svg_run_write(const svg *s, madpo_strbuf *out, const svg_run *run)
{
    const madpo_cell *cells = svg_row(s, run->frame, run->y) + run->x;
    int first = 0;

    if ((cells->flags & MADPO_REVERSE) || (s->color && svg_back(cells->tone, true) >= 0))
        madpo_strbuf_printf(
            out, "<rect class=\"t%d\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
            cells->tone, run->x * CELL_W, run->y * CELL_H, run->n * CELL_W, (int)CELL_H);
    while (first < run->n) {
        int end = first, last = first;

        while (end < run->n &&
               !(is_space(&cells[end]) && (end + 1 == run->n || is_space(&cells[end + 1]))))
            last = ++end;
        if (last > first && !is_space(&cells[first]))
            svg_text(s, out, run, first, last);
        else if (last > first + 1)
            svg_text(s, out, run, first + 1, last);
        first = end + 1;
    }
}

static void svg_head(const svg *s, madpo_strbuf *out, const char *title, bool dark, bool light)
{
    const madpo_frames *f = s->frames;
    int w = f->w * CELL_W + 2 * MARGIN, h = f->h * CELL_H + 2 * MARGIN;

    madpo_strbuf_printf(out,
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                        "viewBox=\"0 0 %d %d\">\n<title>",
                        w, h, w, h);
    for (const char *at = title; *at;) {
        uint32_t glyph;
        int width;

        at += madpo_text_next(at, &glyph, &width);
        svg_glyph(out, glyph);
    }
    madpo_strbuf_append(out, "</title>\n<style>\n");
    svg_palette(s, out, light);
    if (light && dark) {
        madpo_strbuf_append(out, "\n@media (prefers-color-scheme:dark){");
        svg_palette(s, out, false);
        madpo_strbuf_append_char(out, '}');
    }
    madpo_strbuf_printf(out,
                        "\ntext{font:13.3px 'DejaVu Sans Mono',Menlo,Consolas,'Liberation Mono',"
                        "monospace}.b{font-weight:bold}\n"
                        "g{animation:%.6gs step-end infinite}\n",
                        f->n / f->fps + HOLD_SECONDS);
}

static void svg_write(const svg *s, madpo_strbuf *out)
{
    int number = 0;

    for (size_t i = 0; i < s->n_runs; i++)
        if (i == 0 || memcmp(s->runs[i].seen, s->runs[i - 1].seen, s->runs[i].n_seen) != 0)
            svg_keyframes(s, out, &s->runs[i], number++);
    madpo_strbuf_printf(out,
                        "@media (prefers-reduced-motion:reduce){g{animation:none}}\n</style>\n"
                        "<rect class=\"p\" width=\"100%%\" height=\"100%%\"/>\n"
                        "<svg x=\"%d\" y=\"%d\">\n",
                        (int)MARGIN, (int)MARGIN);
    number = 0;
    for (size_t i = 0; i < s->n_runs; i++) {
        const svg_run *run = &s->runs[i];

        if (i == 0 || memcmp(run->seen, s->runs[i - 1].seen, run->n_seen) != 0)
            madpo_strbuf_printf(out, "%s<g class=\"k%d\">\n", i ? "</g>\n" : "", number++);
        svg_run_write(s, out, run);
    }
    madpo_strbuf_append(out, s->n_runs ? "</g>\n</svg>\n</svg>\n" : "</svg>\n</svg>\n");
}

madpo_status madpo_record_svg(madpo_strbuf *out, const madpo_frames *frames, const char *title,
                              const char *color, const char *background, madpo_error *err)
{
    bool dark = !background || strcmp(background, "light") != 0;
    bool light = !background || strcmp(background, "dark") != 0;
    svg s = {.frames = frames, .color = !color || strcmp(color, "never") != 0};
    madpo_status st = svg_collect(&s, err);

    if (st == MADPO_OK && s.n_runs > 0)
        qsort(s.runs, s.n_runs, sizeof *s.runs, run_compare);
    if (st == MADPO_OK) {
        svg_head(&s, out, title, dark, light);
        svg_write(&s, out);
        st = madpo_strbuf_check(out, err);
    }
    for (size_t i = 0; i < s.n_runs; i++)
        free(s.runs[i].seen);
    free(s.runs);
    return st;
}
