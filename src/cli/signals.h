#ifndef MADPO_CLI_SIGNALS_H
#define MADPO_CLI_SIGNALS_H
/* Signals of a command that works for long. Training: INT and TERM ask the trainer to stop at the
 * next step boundary, a second one ends the program as if nobody had caught it; USR1 asks for a
 * checkpoint; HUP changes nothing, a run outlives its terminal. Elsewhere HUP is as INT. PIPE and
 * XFSZ are ignored: their causes show as write errors. What was ignored when the program began
 * (nohup, a background job of a script) stays ignored.
 *
 * A thread of its own waits for them, and they are blocked everywhere else: OpenCL drivers bring
 * compilers along that install handlers of their own, which swallow USR1 and delete the files they
 * are writing.
 */
#include <stdbool.h>

#include "madpo/trainer.h"

/* Begin, before any driver is loaded. With `say`, the first stop is acknowledged on standard error.
 */
void madpo__signals_catch(bool say);
/* Requests go to `trainer` from now on, those that came earlier included; NULL = nobody. */
void madpo__signals_serve(madpo_trainer *trainer);

/* HUP is to be ignored from now on. */
void madpo__signals_outlive_terminal(void);

/* For commands without a trainer: while `at_once`, a stop ends the program as if nobody had caught
 * it; else it is kept for _stopped, and a second one ends the program. */
void madpo__signals_at_once(bool at_once);
bool madpo__signals_stopped(void);
#endif
