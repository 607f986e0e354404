/* A terminal at the end of a slow link: runs a program on a terminal of its own and carries bytes
 * between that and ours. What the program writes comes MS milliseconds late; of what is typed every
 * byte comes by itself, MS after the one before it.
 * usage: slow_link MS PROGRAM [ARGUMENT...]; its exit code is the program's */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE = 1 << 20 };

typedef struct way {
    unsigned char *bytes;
    double *due; /* seconds */
    size_t from, to;
    double last;
} way;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void way_init(way *w)
{
    w->bytes = malloc(QUEUE);
    w->due = malloc(QUEUE * sizeof *w->due);
    if (!w->bytes || !w->due)
        abort();
    w->from = w->to = 0;
    w->last = 0;
}

/* Bytes that come in at this moment; false at the end. `apart`: not together. */
static int way_read(way *w, int fd, double delay, int apart)
{
    unsigned char text[4096];
    ssize_t n = read(fd, text, sizeof text);
    double t = now();

    for (ssize_t i = 0; i < n && w->to < QUEUE; i++) {
        w->last = apart && w->last > t ? w->last + delay : t + delay;
        w->bytes[w->to] = text[i];
        w->due[w->to++] = w->last;
    }
    return n > 0 || (n < 0 && errno == EINTR);
}

static void way_write(way *w, int fd)
{
    size_t end = w->from;

    while (end < w->to && w->due[end] <= now())
        end++;
    while (w->from < end) {
        ssize_t n = write(fd, w->bytes + w->from, end - w->from);

        if (n <= 0 && errno != EINTR)
            break;
        w->from += n > 0 ? (size_t)n : 0;
    }
    if (w->from == w->to)
        w->from = w->to = 0;
}

static int open_inner(char **command, pid_t *child)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    int fd = posix_openpt(O_RDWR | O_NOCTTY), inner;

    if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0)
        return -1;
    ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
    ioctl(fd, TIOCSWINSZ, &size);
    *child = fork();
    if (*child == 0) {
        setsid();
        inner = open(ptsname(fd), O_RDWR);
        for (int i = 0; i < 3; i++)
            dup2(inner, i);
        close(fd);
        execvp(command[0], command);
        _exit(127);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct termios was, raw;
    double delay = argc > 2 ? strtod(argv[1], NULL) / 1000 : 0;
    pid_t child = -1;
    way in, out;
    int fd, status = 0, open = 1, typed = 1;

    if (argc < 3 || tcgetattr(STDIN_FILENO, &was) != 0 || (fd = open_inner(argv + 2, &child)) < 0)
        return 2;
    raw = was;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= (tcflag_t) ~(ICRNL | IXON);
    raw.c_oflag &= (tcflag_t)~OPOST;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    way_init(&in);
    way_init(&out);
    while (open || out.from < out.to) {
        struct pollfd from[2] = {{.fd = typed ? STDIN_FILENO : -1, .events = POLLIN},
                                 {.fd = open ? fd : -1, .events = POLLIN}};

        poll(from, 2, 5);
        if (from[0].revents)
            typed = way_read(&in, STDIN_FILENO, delay, 1);
        if (from[1].revents)
            open = way_read(&out, fd, delay, 0);
        way_write(&in, fd);
        way_write(&out, STDOUT_FILENO);
    }
    waitpid(child, &status, 0);
    tcsetattr(STDIN_FILENO, TCSANOW, &was);
    free(in.bytes);
    free(in.due);
    free(out.bytes);
    free(out.due);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
