/* Any bytes as the files of a run (events, margins, pairs, tokens, with 0x1e between): it can be
 * watched at every size and with any keys, and every picture is as large as asked for. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/printable.h"
#include "tui/view.h"

static const char manifest[] =
    "{\"v\":1,\"objective\":\"madpo beta 0.1 c_max 2 c_min 0.5 lambda 1 tau 4\"}";

static char dir[] = "/tmp/madpo-fuzz.XXXXXX";

static void remove_dir(void)
{
    madpo_error err = MADPO_ERROR_INIT;

    if (madpo_dir_remove(dir, &err) != MADPO_OK)
        fprintf(stderr, "%s\n", err.message);
}

static void write_part(const char *name, const uint8_t *data, size_t n)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "wb");
    FUZZ_CHECK(file);
    FUZZ_CHECK(fwrite(data, 1, n, file) == n);
    FUZZ_CHECK(fclose(file) == 0);
}

static void split(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"events.jsonl", "margins.jsonl", "pairs.jsonl",
                                        "tokens.jsonl"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const uint8_t *end = size > 0 ? memchr(data, 0x1e, size) : NULL;
        size_t n = end ? (size_t)(end - data) : size;

        write_part(names[i], data, n);
        data += end ? n + 1 : n;
        size -= end ? n + 1 : n;
    }
}

/* Sizes and keys come from the bytes too. */
static void look(madpo_view *view, madpo_grid *grid, const uint8_t *data, size_t size)
{
    static const int keys[] = {MADPO_KEY_TAB,
                               'z',
                               'i',
                               'o',
                               MADPO_KEY_LEFT,
                               MADPO_KEY_DOWN,
                               'y',
                               'x',
                               's',
                               '[',
                               'b',
                               MADPO_KEY_ENTER,
                               'v',
                               'u',
                               ')',
                               MADPO_KEY_UP,
                               't',
                               'n',
                               'w',
                               ' ',
                               '?',
                               MADPO_KEY_ESCAPE,
                               '.',
                               MADPO_KEY_END,
                               '<',
                               '9',
                               '8',
                               '7',
                               '5',
                               'T',
                               'f',
                               '/',
                               'r',
                               'h',
                               'F',
                               '0',
                               'w',
                               '\\',
                               'Y',
                               'g',
                               MADPO_KEY_PAGE_DOWN,
                               MADPO_KEY_BACKSPACE,
                               MADPO_KEY_HOME};
    madpo_error err = MADPO_ERROR_INIT;

    for (int i = 0; i < 8; i++) {
        size_t at = size > 0 ? (size_t)i * 37 % size : 0;
        uint8_t byte = size > 0 ? data[at] : 0;
        int w = 1 + (byte * 7 + i * 31) % 210, h = 1 + (byte * 3 + i * 17) % 64;

        FUZZ_CHECK(madpo_view_render(grid, view, w, h, &err) == MADPO_OK);
        FUZZ_CHECK(grid->w == w && grid->h == h);
        for (size_t k = 0; k < (size_t)w * (size_t)h; k++)
            FUZZ_CHECK(fuzz_is_printable(grid->cells[k].glyph, grid->glyphs));
        madpo_view_key(view, keys[(byte + i) % (int)(sizeof keys / sizeof *keys)]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_feed *feed;
    madpo_view view;
    madpo_grid grid = {0};

    if (!made) {
        FUZZ_CHECK(mkdtemp(dir));
        atexit(remove_dir);
        write_part("run.json", (const uint8_t *)manifest, sizeof manifest - 1);
        made = true;
    }
    split(data, size);
    FUZZ_CHECK(madpo_feed_open(&feed, dir, 10.0, &err) == MADPO_OK);
    madpo_view_init(&view, feed);
    view.glyphs = (madpo_glyphs)(size % MADPO_GLYPHS_KINDS);
    look(&view, &grid, data, size);
    madpo_grid_dispose(&grid);
    madpo_view_dispose(&view);
    madpo_feed_close(feed);
    return 0;
}
