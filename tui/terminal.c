/* ncurses; see terminal.h. Names of ncurses stay in this file (and
 * terminfo.c, whose header has macros for every English word). */
#include "tui/terminal.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "tui/palette.h"
#include "tui/view.h"

enum {
    LOST_AFTER = 100,      /* errors in a row: then the terminal is gone */
    PASTE_BEGINS = 0x7000, /* codes of our own for ncurses: what stands around a text pasted */
    PASTE_ENDS,
    LATE_MS = 600 /* the rest of a key may be that late; longer than a bad link takes */
};

/* One terminal, one owner. What the crash handler needs is here, ready to be written. */
static struct {
    bool open;
    int n_colors, errors;
    bool pastes, pasting;       /* the terminal was asked to tell what is pasted; it does so now */
    double pasted_at;           /* when the last of it came */
    double escape_at;           /* when Esc was read as a key, if that was the last one */
    int stderr_was, stderr_now; /* -1 = not redirected */
    madpo_cell *shown;          /* [h,w] what the terminal shows */
    int w, h;
    bool fresh; /* nothing is known of what it shows */
    char reset[256];
    size_t n_reset;
    struct termios modes;
    bool has_modes;
    FILE *file, *no_keys; /* open_file: where the bytes go, and what keys come from */
    SCREEN *file_screen;
    off_t taken; /* bytes of the file handed out */
} term = {.escape_at = -1e9, .stderr_was = -1, .stderr_now = -1};

static volatile sig_atomic_t term_signal, term_resized;

/* ---- signals ---- */

static void on_signal(int number)
{
    term_signal = number;
}

static void on_resize(int number)
{
    (void)number;
    term_resized = 1;
}

/* The process dies of this signal, but the terminal lives on: only write(2) and tcsetattr(3) are
 * safe here, so what resets the screen was put together before. */
static void on_crash(int number)
{
    ssize_t n = write(STDOUT_FILENO, term.reset, term.n_reset);

    (void)n;
    if (term.has_modes)
        tcsetattr(STDIN_FILENO, TCSANOW, &term.modes);
    if (term.stderr_was >= 0)
        dup2(term.stderr_was, STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

static void reset_append(const char *name)
{
    const char *text = tigetstr(name);
    size_t n = text && text != (const char *)-1 ? strlen(text) : 0;

    if (n > 0 && term.n_reset + n < sizeof term.reset) {
        memcpy(term.reset + term.n_reset, text, n);
        term.n_reset += n;
    }
}

static void prepare_crash(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    static char stack[1 << 16]; /* for when the stack itself is what ran out */
    static const char mouse_off[] = "\033[?2004l\033[?1000l\033[?1002l\033[?1006l";
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action;

    term.n_reset = 0;
    if (tigetstr("kmous") && tigetstr("kmous") != (char *)-1) {
        memcpy(term.reset, mouse_off, sizeof mouse_off - 1);
        term.n_reset = sizeof mouse_off - 1;
    }
    reset_append("sgr0");
    reset_append("cnorm");
    reset_append("rmkx");
    reset_append("rmcup");
    sigaltstack(&alternate, NULL);
    memset(&action, 0, sizeof action);
    action.sa_handler = on_crash;
    action.sa_flags = SA_ONSTACK | (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        sigaction(crashes[i], &action, NULL);
}

/* Ours are there before ncurses looks: its own would end the process without a word. */
static void prepare_signals(void)
{
    static const int ends[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};
    struct sigaction action;

    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_signal;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &action, NULL);
    action.sa_handler = on_resize;
    sigaction(SIGWINCH, &action, NULL);
}

/* ---- standard error ---- */

static void hide_stderr(void)
{
    FILE *file = tmpfile();

    if (!file)
        return;
    fflush(stderr);
    term.stderr_now = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
    fclose(file);
    term.stderr_was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (term.stderr_now >= 0 && term.stderr_was >= 0)
        dup2(term.stderr_now, STDERR_FILENO);
}

static void show_stderr(void)
{
    char text[4096];
    ssize_t n;

    if (term.stderr_was < 0 || term.stderr_now < 0)
        return;
    fflush(stderr);
    dup2(term.stderr_was, STDERR_FILENO);
    lseek(term.stderr_now, 0, SEEK_SET);
    while ((n = read(term.stderr_now, text, sizeof text)) > 0)
        if (write(STDERR_FILENO, text, (size_t)n) < n)
            break;
    close(term.stderr_was);
    close(term.stderr_now);
    term.stderr_was = term.stderr_now = -1;
}

/* ---- colours ---- */

static bool is_shade(int tone)
{
    return tone >= MADPO_TONE_DOWN && tone < MADPO_TONE_UP + 3;
}

/* Some terminals say "foreground;background" in COLORFGBG; 7 and 15 are light. */
static bool is_light(const char *wish)
{
    const char *said = getenv("COLORFGBG"), *background = said ? strrchr(said, ';') : NULL;

    if (wish && strcmp(wish, "auto") != 0)
        return strcmp(wish, "light") == 0;
    return background && (strcmp(background, ";7") == 0 || strcmp(background, ";15") == 0);
}

static void prepare_colors(const char *wish, bool light)
{
    const char *no_color = getenv("NO_COLOR");
    bool automatic = !wish || strcmp(wish, "auto") == 0;

    term.n_colors = 0;
    if ((wish && strcmp(wish, "never") == 0) || (automatic && no_color && *no_color) ||
        !has_colors() || start_color() == ERR)
        return;
    term.n_colors = COLORS >= 256 && (automatic || strcmp(wish, "256") == 0) ? 256 : 16;
    use_default_colors();
    for (int tone = 0; tone < MADPO_TONES; tone++) {
        madpo_background around = light ? MADPO_BACKGROUND_LIGHT : MADPO_BACKGROUND_DARK;
        short color = madpo_palette_color((madpo_tone)tone, around, term.n_colors);
        short back = madpo_palette_back((madpo_tone)tone, around, term.n_colors);

        if (init_pair((short)(tone + 1), color, back) == ERR)
            init_pair((short)(tone + 1), color >= 0 ? color : COLOR_WHITE,
                      back >= 0 ? back : COLOR_BLACK);
    }
}

/* ---- life ---- */

static void tell_pastes(bool on)
{
    const char *text = on ? "\033[?2004h" : "\033[?2004l";
    ssize_t n = term.pastes ? write(STDOUT_FILENO, text, strlen(text)) : 0;

    (void)n;
}

/* Terminals with a mouse know "bracketed paste" or pass over it: a text that is pasted comes
 * between two marks, and is not taken for keys. */
static void prepare_pastes(void)
{
    const char *mouse = tigetstr("kmous");

    term.pasting = false;
    term.pastes = mouse && mouse != (const char *)-1;
    define_key("\033[200~", PASTE_BEGINS);
    define_key("\033[201~", PASTE_ENDS);
    tell_pastes(true);
}

static void prepare_screen(const madpo_terminal_options *options)
{
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    curs_set(0);
    prepare_colors(options->color, is_light(options->background));
    madpo_terminal_mouse(options->mouse);
    term.open = term.fresh = true;
}

/* Milliseconds that Esc waits for the rest of a key; newterm, unlike initscr, does not look. */
static int escape_delay(void)
{
    const char *said = getenv("ESCDELAY");
    long ms = said ? strtol(said, NULL, 10) : 0;

    return ms > 0 && ms <= 10000 ? (int)ms : 25;
}

madpo_status madpo_terminal_open(const madpo_terminal_options *options, madpo_error *err)
{
    SCREEN *screen;

    unsetenv("LINES"); /* they would freeze the size */
    unsetenv("COLUMNS");
    term.has_modes = tcgetattr(STDIN_FILENO, &term.modes) == 0;
    term_signal = term_resized = 0;
    prepare_signals();
    set_escdelay(escape_delay());
    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return madpo_error_set(err, MADPO_ERR_IO, "cannot draw on a terminal of type %s",
                               getenv("TERM"));
    set_term(screen);
    prepare_crash();
    hide_stderr();
    prepare_screen(options);
    prepare_pastes();
    return MADPO_OK;
}

static void file_close(void)
{
    if (term.file_screen)
        delscreen(term.file_screen);
    if (term.file)
        fclose(term.file);
    if (term.no_keys)
        fclose(term.no_keys);
    term.file_screen = NULL;
    term.file = term.no_keys = NULL;
}

madpo_status madpo_terminal_open_file(const madpo_terminal_options *options, int w, int h,
                                      madpo_error *err)
{
    char size[24];

    term.has_modes = term.pastes = false;
    term.taken = 0;
    term.file = tmpfile();
    term.no_keys = fopen("/dev/null", "r");
    if (!term.file || !term.no_keys) {
        file_close();
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot open a file to draw into");
    }
    snprintf(size, sizeof size, "%d", h); /* a file has no size of its own */
    setenv("LINES", size, 1);
    snprintf(size, sizeof size, "%d", w);
    setenv("COLUMNS", size, 1);
    term.file_screen = newterm(MADPO_TERMINAL_FILE_TERM, term.file, term.no_keys);
    unsetenv("LINES");
    unsetenv("COLUMNS");
    if (!term.file_screen) {
        file_close();
        return madpo_error_set(err, MADPO_ERR_IO,
                               "nothing is known of terminals of type " MADPO_TERMINAL_FILE_TERM
                               " (package ncurses-base)");
    }
    set_term(term.file_screen);
    prepare_screen(options);
    return MADPO_OK;
}

madpo_status madpo_terminal_take(madpo_strbuf *out, madpo_error *err)
{
    char bytes[4096];
    ssize_t n;

    while ((n = pread(fileno(term.file), bytes, sizeof bytes, term.taken)) > 0) {
        madpo_strbuf_append_n(out, bytes, (size_t)n);
        term.taken += n;
    }
    if (n < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read what was drawn");
    return madpo_strbuf_check(out, err);
}

void madpo_terminal_close(void)
{
    if (!term.open)
        return;
    term.open = false;
    madpo_terminal_mouse(false);
    tell_pastes(false);
    endwin();
    if (term.file)
        file_close();
    else
        show_stderr();
    free(term.shown);
    term.shown = NULL;
    term.w = term.h = 0;
}

void madpo_terminal_mouse(bool on)
{
    mousemask(on ? BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
    mouseinterval(0);
}

void madpo_terminal_size(int *w, int *h)
{
    getmaxyx(stdscr, *h, *w);
}

bool madpo_terminal_has_colors(void)
{
    return term.n_colors > 0;
}

int madpo_terminal_signal(void)
{
    return term_signal;
}

/* ---- out ---- */

void madpo_terminal_repaint(void)
{
    term.fresh = true;
}

static attr_t cell_attributes(const madpo_cell *cell, short *pair)
{
    attr_t attributes = A_NORMAL;

    *pair = term.n_colors ? (short)(cell->tone + 1) : 0;
    if (cell->flags & MADPO_BOLD)
        attributes |= A_BOLD;
    if (cell->flags & MADPO_REVERSE)
        attributes |= A_REVERSE;
    if (cell->tone == MADPO_TONE_ALERT && term.n_colors == 0)
        attributes |= A_BOLD;
    if (term.n_colors < 256 && is_shade(cell->tone)) { /* the two stronger steps */
        int step = (cell->tone - MADPO_TONE_DOWN) % 3;

        if (term.n_colors > 0)
            attributes |= step == 1 ? A_BOLD : A_NORMAL;
        else if (step > 0)
            attributes |= cell->tone >= MADPO_TONE_UP ? A_BOLD : A_UNDERLINE;
    }
    if (term.n_colors < 256 && (cell->tone == MADPO_TONE_DIM || cell->tone == MADPO_TONE_FRAME))
        attributes |= A_DIM;
    return attributes;
}

static void put_cell(int x, int y, const madpo_cell *cell)
{
    wchar_t text[2] = {(wchar_t)cell->glyph, L'\0'};
    attr_t attributes;
    short pair;
    cchar_t c;

    attributes = cell_attributes(cell, &pair);
    if (setcchar(&c, text, attributes, pair, NULL) == OK)
        mvadd_wch(y, x, &c); /* ERR in the last corner, where it is drawn all the same */
}

static bool keep_copy(const madpo_grid *grid)
{
    size_t n = (size_t)grid->w * (size_t)grid->h;

    if (grid->w != term.w || grid->h != term.h || !term.shown) {
        madpo_cell *shown = realloc(term.shown, (n + 1) * sizeof *shown);

        if (!shown)
            return false;
        term.shown = shown;
        term.w = grid->w;
        term.h = grid->h;
        term.fresh = true;
    }
    return true;
}

void madpo_terminal_show(const madpo_grid *grid)
{
    bool all = !keep_copy(grid) || term.fresh;

    if (all) {
        erase();
        redrawwin(stdscr);
    }
    for (int y = 0; y < grid->h; y++)
        for (int x = 0; x < grid->w; x++) {
            size_t i = (size_t)y * (size_t)grid->w + (size_t)x;
            const madpo_cell *cell = &grid->cells[i];

            if (!all && memcmp(cell, &term.shown[i], sizeof *cell) == 0)
                continue;
            if (!(cell->flags & MADPO_WIDE_TAIL))
                put_cell(x, y, cell);
        }
    if (term.shown && term.w == grid->w && term.h == grid->h)
        memcpy(term.shown, grid->cells, (size_t)grid->w * (size_t)grid->h * sizeof *grid->cells);
    term.fresh = false;
    wnoutrefresh(stdscr);
    doupdate();
}

/* ---- in ---- */

static int key_of(wint_t key)
{
    static const struct {
        int from, to;
    } keys[] = {{KEY_UP, MADPO_KEY_UP},         {KEY_DOWN, MADPO_KEY_DOWN},
                {KEY_LEFT, MADPO_KEY_LEFT},     {KEY_RIGHT, MADPO_KEY_RIGHT},
                {KEY_PPAGE, MADPO_KEY_PAGE_UP}, {KEY_NPAGE, MADPO_KEY_PAGE_DOWN},
                {KEY_HOME, MADPO_KEY_HOME},     {KEY_END, MADPO_KEY_END},
                {KEY_BTAB, MADPO_KEY_BACK_TAB}, {KEY_BACKSPACE, MADPO_KEY_BACKSPACE},
                {KEY_ENTER, MADPO_KEY_ENTER},   {KEY_F(1), MADPO_KEY_F1}};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if ((wint_t)keys[i].from == key)
            return keys[i].to;
    return -1;
}

/* Over a slow link the bytes of a key may come apart, and Esc has been taken for a key by itself
 * when the rest arrives: "[A" would be two commands. A '[' or 'O' that follows Esc is held until it
 * is clear what it is the beginning of. Returns a key, 0 for a key that means nothing here, -1 when
 * it was typed after all; what was read too far is given back to be read again. */
static int late_key(wint_t first)
{
    static const struct {
        char end;
        int key;
    } keys[] = {{'A', MADPO_KEY_UP},      {'B', MADPO_KEY_DOWN}, {'C', MADPO_KEY_RIGHT},
                {'D', MADPO_KEY_LEFT},    {'H', MADPO_KEY_HOME}, {'F', MADPO_KEY_END},
                {'Z', MADPO_KEY_BACK_TAB}};
    static const int numbered[] = {0,
                                   MADPO_KEY_HOME,
                                   0,
                                   0,
                                   MADPO_KEY_END,
                                   MADPO_KEY_PAGE_UP,
                                   MADPO_KEY_PAGE_DOWN,
                                   MADPO_KEY_HOME,
                                   MADPO_KEY_END};
    unsigned number = 0;
    wint_t key;

    timeout(LATE_MS);
    for (int n = 0; n < 24 && get_wch(&key) == OK; n++) {
        if (first == '[' && key >= '0' && key <= '9')
            number = number * 10 % 1000 + (unsigned)(key - '0');
        else if (first == '[' && (key == ';' || key == '<' || key == '?'))
            number = 0; /* of modifiers, or of a mouse: their numbers mean nothing here */
        else if (first == '[' && key == '~' && (number == 200 || number == 201)) {
            term.pasting = number == 200;
            term.pasted_at = madpo_clock_monotonic();
            return 0;
        } else if (first == '[' && key == '~')
            return number < sizeof numbered / sizeof *numbered ? numbered[number] : 0;
        else if (first == '[' && n > 0 && (key == 'M' || key == 'm'))
            return 0;
        else if (first == 'O' && (key == 'P' || key == 'M'))
            return key == 'P' ? MADPO_KEY_F1 : MADPO_KEY_ENTER;
        else if (first == 'O' &&
                 (key == 'Q' || (key >= 'R' && key <= 'S') || (key >= 'j' && key <= 'y')))
            return 0;
        else {
            for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
                if ((wint_t)keys[i].end == key)
                    return keys[i].key;
            unget_wch((wchar_t)key);
            return n == 0 ? -1 : 0;
        }
    }
    return number > 0 ? 0 : -1;
}

/* A key that was read: itself, unless it is the rest of one whose Esc came before. */
static madpo_terminal_event key_event(wint_t key)
{
    madpo_terminal_event event = {.kind = MADPO_EVENT_KEY, .key = (int)key};
    double now = madpo_clock_monotonic();

    if ((key == '[' || key == 'O') && now - term.escape_at < LATE_MS / 1000.0) {
        int late = late_key(key);

        if (late >= 0)
            event.key = late;
        if (late == 0)
            event.kind = MADPO_EVENT_IGNORED;
    }
    term.escape_at = key == MADPO_KEY_ESCAPE ? madpo_clock_monotonic() : -1e9;
    return event;
}

static madpo_terminal_event mouse_event(void)
{
    madpo_terminal_event event = {.kind = MADPO_EVENT_NONE};
    MEVENT mouse;

    if (getmouse(&mouse) != OK)
        return event;
    event.kind = MADPO_EVENT_MOUSE;
    event.x = mouse.x;
    event.y = mouse.y;
    event.wheel = mouse.bstate & BUTTON4_PRESSED ? -1 : mouse.bstate & BUTTON5_PRESSED ? 1 : 0;
    return event;
}

/* Stop this process, not the run, and come back to a whole picture. */
static void suspend(void)
{
    def_prog_mode();
    tell_pastes(false);
    endwin();
    raise(SIGTSTP);
    reset_prog_mode();
    tell_pastes(true);
    term.fresh = true;
    term_resized = 1;
}

static madpo_terminal_event resize_event(void)
{
    madpo_terminal_event event = {.kind = MADPO_EVENT_RESIZE};

    term_resized = 0;
    endwin(); /* the next refresh asks the terminal for its size */
    refresh();
    term.fresh = true;
    return event;
}

static bool terminal_waits(int ms)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int n = poll(&input, 1, ms);

    if (n > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL)))
        term.errors = LOST_AFTER;
    return n > 0;
}

/* Does a text that is pasted go on? One whose end was lost is over when nothing comes of it. */
static bool pasting(void)
{
    double now = madpo_clock_monotonic();

    if (now - term.pasted_at > LATE_MS / 1000.0)
        term.pasting = false;
    term.pasted_at = now;
    return term.pasting;
}

static madpo_terminal_event pasted_event(int rc, wint_t key)
{
    madpo_terminal_event event = {.kind = MADPO_EVENT_IGNORED, .pasted = true};

    if (rc == KEY_CODE_YES && (key == PASTE_BEGINS || key == PASTE_ENDS)) {
        term.pasting = key == PASTE_BEGINS;
        term.pasted_at = madpo_clock_monotonic();
    } else if (rc == OK) {
        event.kind = MADPO_EVENT_KEY;
        event.key = (int)key;
    }
    term.escape_at = -1e9;
    return event;
}

madpo_terminal_event madpo_terminal_wait(int ms)
{
    madpo_terminal_event event = {.kind = MADPO_EVENT_NONE};
    wint_t key;
    int rc;

    timeout(0);
    rc = get_wch(&key);
    if (rc == ERR && !term_signal && !term_resized && terminal_waits(ms)) {
        timeout(20); /* there is something: let a key come in as a whole */
        rc = get_wch(&key);
        term.errors = rc == ERR ? term.errors + 1 : 0;
    }
    if (term_signal || term.errors >= LOST_AFTER)
        event.kind = MADPO_EVENT_END;
    else if (term_resized)
        return resize_event();
    else if (rc == KEY_CODE_YES && key == KEY_RESIZE)
        return resize_event();
    else if ((rc == KEY_CODE_YES && (key == PASTE_BEGINS || key == PASTE_ENDS)) ||
             (rc != ERR && pasting()))
        return pasted_event(rc, key);
    else if (rc == KEY_CODE_YES && key == KEY_MOUSE)
        return mouse_event();
    else if (rc == OK && key == 0x1a) /* Ctrl+Z */
        suspend();
    else if (rc == OK)
        return key_event(key);
    else if (rc == KEY_CODE_YES) {
        event.kind = MADPO_EVENT_KEY;
        event.key = key_of(key);
        term.escape_at = -1e9;
    }
    return event;
}
