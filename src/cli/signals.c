/* The thread that takes the signals of a long command; see signals.h. */
#include "cli/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

/* Shared between the waiting thread and the main one, under `signals_lock`. */
static pthread_mutex_t signals_lock = PTHREAD_MUTEX_INITIALIZER;
static madpo_trainer *signals_trainer;
static bool signals_stop, signals_checkpoint, signals_say, signals_now, signals_hangup;

static sigset_t signals_set; /* written before the thread begins */

/* Let the signal do what it does when nobody catches it. */
static void signals_give_up(int number)
{
    sigset_t only;

    signal(number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
}

static void signals_take(int number)
{
    bool again;

    pthread_mutex_lock(&signals_lock);
    if (number == SIGHUP && signals_hangup) { /* the terminal has gone, the run goes on */
        pthread_mutex_unlock(&signals_lock);
        return;
    }
    again = number != SIGUSR1 && (signals_stop || signals_now);
    if (number == SIGUSR1)
        signals_checkpoint = true;
    else
        signals_stop = true;
    if (signals_trainer && !again)
        madpo_trainer_request(signals_trainer,
                              number == SIGUSR1 ? MADPO_REQUEST_CHECKPOINT : MADPO_REQUEST_STOP);
    pthread_mutex_unlock(&signals_lock);
    if (again)
        signals_give_up(number);
    else if (number != SIGUSR1 && signals_say)
        fputs("\nmadpo: stopping after this step; once more to stop at once\n", stderr);
}

static void *signals_wait(void *unused)
{
    int number;

    (void)unused;
    while (sigwait(&signals_set, &number) == 0)
        signals_take(number);
    return NULL;
}

void madpo__signals_catch(bool say)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    struct sigaction now;
    pthread_t thread;

    signals_say = say;
    sigemptyset(&signals_set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&signals_set, numbers[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    /* every thread from here on, the drivers' too, inherits the mask */
    pthread_sigmask(SIG_BLOCK, &signals_set, NULL);
    if (pthread_create(&thread, NULL, signals_wait, NULL) == 0)
        pthread_detach(thread);
    else /* no thread to spare: then a signal ends the program, and --resume goes on */
        pthread_sigmask(SIG_UNBLOCK, &signals_set, NULL);
}

void madpo__signals_serve(madpo_trainer *trainer)
{
    pthread_mutex_lock(&signals_lock);
    signals_trainer = trainer;
    if (trainer && signals_stop)
        madpo_trainer_request(trainer, MADPO_REQUEST_STOP);
    if (trainer && signals_checkpoint)
        madpo_trainer_request(trainer, MADPO_REQUEST_CHECKPOINT);
    pthread_mutex_unlock(&signals_lock);
}

void madpo__signals_outlive_terminal(void)
{
    pthread_mutex_lock(&signals_lock);
    signals_hangup = true;
    pthread_mutex_unlock(&signals_lock);
}

void madpo__signals_at_once(bool at_once)
{
    pthread_mutex_lock(&signals_lock);
    signals_now = at_once;
    pthread_mutex_unlock(&signals_lock);
}

bool madpo__signals_stopped(void)
{
    bool stopped;

    pthread_mutex_lock(&signals_lock);
    stopped = signals_stop;
    pthread_mutex_unlock(&signals_lock);
    return stopped;
}
