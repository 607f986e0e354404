#ifndef MADPO_TUI_RECORD_H
#define MADPO_TUI_RECORD_H
/* Recordings of a replay: the pictures of moments that follow each other, drawn without a terminal,
 * as an asciicast or an animated SVG; inside tui only. The same run and options give the same
 * bytes.
 */
#include "base/strbuf.h"
#include "tui/session.h"

enum { MADPO_RECORD_MOST = 3000 /* pictures */ };

typedef struct madpo_frames {
    int w, h, n;
    double fps;
    madpo_cell *cells; /* [n,h,w] owned */
} madpo_frames;

/* The moments between two that are shown one after the other: each stage between them gets a share
 * of the pictures as large as the part of it that lies between. */
typedef struct madpo_timeline {
    struct {
        int phase;
        double low, high; /* steps */
        double weight;    /* share of the way, not normalised */
    } parts[MADPO_HISTORY_STAGES];
    int n;
} madpo_timeline;

/* `from` and `to` as in --at; NULL: the beginning and the end of the policy, or of the stage the
 * plots show. MADPO_ERR_USAGE if they are the wrong way round, MADPO_ERR_DATA if the run has no
 * steps. */
madpo_status madpo_timeline_init(madpo_timeline *timeline, const madpo_session *session,
                                 const char *from, const char *to,
                                 madpo_error *err) MADPO_MUST_CHECK;
/* Share 0 to 1 of the way: a stage and a whole step of it. */
void madpo_timeline_at(const madpo_timeline *timeline, double share, int *phase, double *step);

/* Draw n pictures. `keys` (NULL = none) are typed on the way, evenly; a <q> ends it early, with
 * frames->n less than was asked for. Free with _dispose, also after a failure. */
madpo_status madpo_frames_draw(madpo_frames *frames, madpo_session *session,
                               const madpo_timeline *timeline, const char *keys,
                               madpo_error *err) MADPO_MUST_CHECK;
void madpo_frames_dispose(madpo_frames *frames);

/* Append an asciicast, version 2: what the terminal module sends for each picture. */
madpo_status madpo_record_cast(madpo_strbuf *out, const madpo_frames *frames, const char *title,
                               const char *color, const char *background,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Append an SVG whose texts appear and vanish with CSS; the first picture is what a viewer without
 * animation shows, the last one stays for two seconds. `color`: "never" or anything else;
 * `background`: "dark", "light", or anything else for what the viewer prefers. */
madpo_status madpo_record_svg(madpo_strbuf *out, const madpo_frames *frames, const char *title,
                              const char *color, const char *background,
                              madpo_error *err) MADPO_MUST_CHECK;
#endif
