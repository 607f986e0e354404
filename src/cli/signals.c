/* Signal handlers of a training command; see signals.h. */
#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Handlers reach nothing but globals. */
static madpo_trainer *volatile signals_trainer;
static volatile sig_atomic_t signals_stop, signals_checkpoint, signals_say;

static void signals_on_stop(int number)
{
    static const char text[] = "\nmadpo: stopping after this step; once more to stop at once\n";
    madpo_trainer *trainer = signals_trainer;
    int saved = errno;

    if (signals_stop) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    signals_stop = 1;
    if (trainer)
        madpo_trainer_request(trainer, MADPO_REQUEST_STOP);
    if (signals_say && write(STDERR_FILENO, text, sizeof text - 1) < 0)
        signals_say = 0;
    errno = saved;
}

static void signals_on_checkpoint(int number)
{
    madpo_trainer *trainer = signals_trainer;

    (void)number;
    signals_checkpoint = 1;
    if (trainer)
        madpo_trainer_request(trainer, MADPO_REQUEST_CHECKPOINT);
}

static void signals_set(int number, void (*handler)(int))
{
    struct sigaction now, wanted;

    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
        return;
    memset(&wanted, 0, sizeof wanted);
    wanted.sa_handler = handler;
    wanted.sa_flags = SA_RESTART;
    sigemptyset(&wanted.sa_mask);
    sigaction(number, &wanted, NULL);
}

void madpo__signals_catch(bool say)
{
    signals_say = say;
    signals_set(SIGINT, signals_on_stop);
    signals_set(SIGTERM, signals_on_stop);
    signals_set(SIGHUP, signals_on_stop);
    signals_set(SIGUSR1, signals_on_checkpoint);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

void madpo__signals_serve(madpo_trainer *trainer)
{
    signals_trainer = trainer;
    if (trainer && signals_stop)
        madpo_trainer_request(trainer, MADPO_REQUEST_STOP);
    if (trainer && signals_checkpoint)
        madpo_trainer_request(trainer, MADPO_REQUEST_CHECKPOINT);
}
