/* Messages, progress and events on standard output; see screen.h. */
#include "cli/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"

static const double plain_every = 10.0; /* seconds between plain progress lines */
static const double plain_worth = 1.0;  /* an activity shorter than this gets no closing line */

static int screen_columns(FILE *out)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    int n = 0;

    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
        n = size.ws_col;
    if (n <= 0 && columns)
        n = (int)strtol(columns, NULL, 10);
    return n > 0 ? n : 80;
}

/* Keep terminal control sequences that may hide in data (samples, file names) off the terminal, and
 * every message on its own lines. */
void madpo__screen_append_clean(madpo_strbuf *b, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        /* U+0080 to U+009F, the other set of controls, as UTF-8 */
        bool high_control =
            c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0;

        if (high_control)
            text++;
        madpo_strbuf_append_char(
            b, (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || high_control ? '?' : (char)c);
    }
}

/* The reader of standard output has gone, or its disk is full. */
static void screen_check(madpo_cli_screen *screen, FILE *out)
{
    int reason;

    errno = 0;
    if (fflush(out) == 0 && !ferror(out))
        return;
    reason = errno;
    clearerr(out);
    if (!screen->lost && out == stdout && reason != EPIPE)
        fprintf(stderr,
                "madpo: cannot write to standard output%s%s; the run goes on, its directory has it "
                "all\n",
                reason ? ": " : "", reason ? strerror(reason) : "");
    screen->lost = true;
}

void madpo__screen_clear(madpo_cli_screen *screen)
{
    if (!screen->drawn)
        return;
    fputs("\r\033[K", screen->out);
    fflush(screen->out);
    screen->drawn = false;
}

static void screen_event(void *user, const char *json_line)
{
    madpo_cli_screen *screen = user;

    if (!screen->json || screen->lost)
        return;
    if (fputs(json_line, stdout) >= 0)
        fputc('\n', stdout);
    screen_check(screen, stdout);
}

static void screen_message(void *user, const char *line)
{
    madpo_cli_screen *screen = user;
    madpo_strbuf text = {0};

    if (!screen->out || (screen->lost && screen->out == stdout))
        return;
    madpo__screen_clear(screen);
    madpo__screen_append_clean(&text, line);
    if (!text.failed) {
        fprintf(screen->out, "%s\n", text.s ? text.s : "");
        screen_check(screen, screen->out);
    }
    madpo_strbuf_dispose(&text);
}

/* "1:02:03", "2:03" */
static void screen_append_time(madpo_strbuf *b, double seconds)
{
    long long s = (long long)(seconds + 0.5);

    if (s >= 3600)
        madpo_strbuf_printf(b, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        madpo_strbuf_printf(b, "%lld:%02lld", s / 60, s % 60);
}

static void screen_append_progress(madpo_strbuf *b, const madpo_progress *p)
{
    madpo_strbuf_printf(b, "%s: %s ", p->stage ? p->stage : "run", p->what ? p->what : "");
    if (p->total > 0)
        madpo_strbuf_printf(b, "%3d%% %lld/%lld", (int)(100.0 * (double)p->done / (double)p->total),
                            (long long)p->done, (long long)p->total);
    else
        madpo_strbuf_printf(b, "%lld", (long long)p->done);
    if (p->unit && *p->unit)
        madpo_strbuf_printf(b, " %s%s", p->unit, p->total == 1 || p->unit[0] == '\0' ? "" : "s");
    if (p->rate > 0)
        madpo_strbuf_printf(b, p->rate < 10 ? ", %.2f/s" : ", %.0f/s", p->rate);
    if (p->eta_seconds >= 0 && p->total > 0 && p->done < p->total) {
        madpo_strbuf_append(b, ", ETA ");
        screen_append_time(b, p->eta_seconds);
    }
    if (p->detail && *p->detail)
        madpo_strbuf_printf(b, ", %s", p->detail);
}

/* Draw over the line that stands there. One column stays free: a full line would wrap on some
 * terminals. */
static void screen_redraw(madpo_cli_screen *screen, const madpo_strbuf *line)
{
    size_t width = (size_t)screen_columns(screen->out) - 1;
    size_t n = line->n < width ? line->n : width;

    while (n > 0 && n < line->n && ((unsigned char)line->s[n] & 0xc0) == 0x80)
        n--; /* never half a character */
    fprintf(screen->out, "\r%.*s\033[K", (int)n, line->s);
    fflush(screen->out);
    screen->drawn = true;
}

/* A plain line every few seconds, at the beginning of a stage, and at the end of what took a while.
 */
static bool screen_plain_due(madpo_cli_screen *screen, const madpo_progress *p, double now)
{
    bool last = p->total > 0 && p->done >= p->total;
    const char *stage = p->stage ? p->stage : "run";

    if (!screen->printed_stage || strcmp(screen->printed_stage, stage) != 0)
        return p->done > 0;
    return now - screen->printed_at >= plain_every ||
           (last && now - screen->began_at >= plain_worth);
}

static void screen_track_activity(madpo_cli_screen *screen, const madpo_progress *p, double now)
{
    madpo_strbuf name = {0};
    madpo_error ignored = MADPO_ERROR_INIT;

    madpo_strbuf_printf(&name, "%s: %s", p->stage ? p->stage : "run", p->what ? p->what : "");
    if (!name.failed && (!screen->activity || strcmp(screen->activity, name.s) != 0)) {
        free(screen->activity);
        if (madpo_strbuf_steal(&name, &screen->activity, NULL, &ignored) != MADPO_OK)
            screen->activity = NULL;
        screen->began_at = now;
    }
    madpo_strbuf_dispose(&name);
}

static void screen_progress(void *user, const madpo_progress *progress)
{
    madpo_cli_screen *screen = user;
    double now = madpo_clock_monotonic();
    madpo_strbuf raw = {0}, line = {0};

    if (!screen->out || (screen->lost && screen->out == stdout))
        return;
    screen_track_activity(screen, progress, now);
    if (!screen->redraw && !screen_plain_due(screen, progress, now))
        return;
    screen_append_progress(&raw, progress);
    if (!raw.failed)
        madpo__screen_append_clean(&line, raw.s);
    if (!raw.failed && !line.failed && line.s) {
        if (screen->redraw) {
            screen_redraw(screen, &line);
        } else {
            fprintf(screen->out, "%s\n", line.s);
            screen->printed_at = now;
            free(screen->printed_stage);
            screen->printed_stage = strdup(progress->stage ? progress->stage : "run");
        }
        screen_check(screen, screen->out);
    }
    madpo_strbuf_dispose(&raw);
    madpo_strbuf_dispose(&line);
}

static bool screen_can_draw(FILE *out)
{
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && term && *term && strcmp(term, "dumb") != 0;
}

void madpo__screen_init(madpo_cli_screen *screen, bool headless, bool json, bool quiet)
{
    *screen = (madpo_cli_screen){.json = json};
    if (!quiet)
        screen->out = !json ? stdout : isatty(fileno(stderr)) ? stderr : NULL;
    screen->redraw = screen->out && !headless && screen_can_draw(screen->out);
    screen->listener = (madpo_listener){.user = screen,
                                        .event = screen_event,
                                        .progress = screen_progress,
                                        .message = screen_message};
}

void madpo__screen_dispose(madpo_cli_screen *screen)
{
    madpo__screen_clear(screen);
    free(screen->activity);
    free(screen->printed_stage);
    screen->activity = screen->printed_stage = NULL;
}
