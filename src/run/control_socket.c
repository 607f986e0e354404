#define _GNU_SOURCE /* struct ucred */
/* Both ends of a run's control socket; see control.h.
 *
 * The server is one thread that sleeps in poll(). It owns the clients; the handler is all it shares
 * with the rest of the program. A pipe wakes it up to end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "run/control.h"
#include "run/lines.h"

enum { MAX_CLIENTS = 16, MAX_LINE = 4096 };
static const char socket_name[] = "control.sock";

typedef struct control_client {
    int fd; /* -1 = free */
    size_t n;
    char line[MAX_LINE]; /* [n] of a request that is not whole yet */
} control_client;

struct madpo_control_server {
    char *path;
    int listener, wake[2];
    pthread_t thread;
    bool running;
    madpo_control_handler handler;
    void *user;
    control_client client[MAX_CLIENTS];
};

/* ---- addresses ---- */

static madpo_status socket_address(struct sockaddr_un *out, char **path, const char *run_dir,
                                   madpo_error *err)
{
    size_t n;

    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    *path = madpo__strf("%s/%s", run_dir, socket_name);
    if (!*path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "control socket");
    n = strlen(*path);
    if (n >= sizeof out->sun_path)
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                               "the path %s is too long for a socket (%zu bytes, at most %zu): "
                               "name the run's folder by a shorter or a relative path",
                               *path, n, sizeof out->sun_path - 1);
    memcpy(out->sun_path, *path, n + 1);
    return MADPO_OK;
}

static madpo_status socket_new(int *out, madpo_error *err)
{
    *out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return *out >= 0 ? MADPO_OK
                     : madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot make a socket");
}

/* Not for the compilers that OpenCL drivers start. */
static void keep_private(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* ---- answering ---- */

/* One line to a client; false if it does not take it at once. A reply is far smaller than a
 * socket's buffer: one who does not read them is let go. */
static bool client_send(const control_client *client, json_t *reply)
{
    char *text = reply ? json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    char *line = text ? madpo__strf("%s\n", text) : NULL;
    size_t n = line ? strlen(line) : 0;
    bool sent = line && send(client->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;

    free(line);
    free(text);
    json_decref(reply);
    return sent;
}

static json_t *refusal(const char *reason)
{
    return json_pack("{s:b,s:s}", "ok", 0, "reason", reason);
}

static bool client_request(madpo_control_server *s, const control_client *client, size_t n)
{
    madpo_control_request request;
    madpo_error err = MADPO_ERROR_INIT;

    if (madpo_control_parse(&request, client->line, n, &err) != MADPO_OK)
        return client_send(client, refusal(err.message));
    return client_send(client, s->handler(s->user, &request));
}

static void client_close(control_client *client)
{
    close(client->fd);
    client->fd = -1;
}

/* Read what is there and answer every whole line. */
static void client_serve(madpo_control_server *s, control_client *client)
{
    ssize_t got = recv(client->fd, client->line + client->n, MAX_LINE - client->n, MSG_DONTWAIT);
    char *newline;
    bool good = got > 0;

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (good)
        client->n += (size_t)got;
    while (good && (newline = memchr(client->line, '\n', client->n)) != NULL) {
        size_t n = (size_t)(newline - client->line);

        good = client_request(s, client, n);
        client->n -= n + 1;
        memmove(client->line, newline + 1, client->n);
    }
    if (good && client->n == MAX_LINE) {
        client_send(client, refusal("the request is too long"));
        good = false;
    }
    if (!good)
        client_close(client);
}

/* ---- the thread ---- */

static void server_accept(madpo_control_server *s)
{
    int fd = accept(s->listener, NULL, NULL);
    control_client full;

    if (fd < 0)
        return;
    keep_private(fd);
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        if (s->client[i].fd < 0) {
            s->client[i].fd = fd;
            s->client[i].n = 0;
            return;
        }
    }
    full.fd = fd;
    client_send(&full, refusal("too many are connected to this run"));
    client_close(&full);
}

static void *server_run(void *user)
{
    madpo_control_server *s = user;
    struct pollfd polls[MAX_CLIENTS + 2];

    for (;;) {
        polls[0] = (struct pollfd){.fd = s->wake[0], .events = POLLIN};
        polls[1] = (struct pollfd){.fd = s->listener, .events = POLLIN};
        for (size_t i = 0; i < MAX_CLIENTS; i++)
            polls[i + 2] = (struct pollfd){.fd = s->client[i].fd, .events = POLLIN};
        if (poll(polls, MAX_CLIENTS + 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (polls[0].revents)
            return NULL;
        for (size_t i = 0; i < MAX_CLIENTS; i++)
            if (polls[i + 2].revents)
                client_serve(s, &s->client[i]);
        if (polls[1].revents)
            server_accept(s);
    }
}

/* ---- starting and stopping ---- */

/* Bind, for the owner only. The mode is set before there is a name, so there is no moment at which
 * others could connect; where a system ignores that, the chmod after it counts. */
static madpo_status server_bind(madpo_control_server *s, const struct sockaddr_un *address,
                                madpo_error *err)
{
    struct stat there;
    int rc;

    if (lstat(s->path, &there) == 0) {
        if (!S_ISSOCK(there.st_mode))
            return madpo_error_set(err, MADPO_ERR_IO, "%s is in the way of the control socket",
                                   s->path);
        unlink(s->path);
    }
    rc = fchmod(s->listener, 0600);
    if (bind(s->listener, (const struct sockaddr *)address, sizeof *address) != 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot listen at %s", s->path);
    if ((chmod(s->path, 0600) != 0 && rc != 0) || listen(s->listener, MAX_CLIENTS) != 0) {
        rc = errno;
        unlink(s->path);
        return madpo_error_errno(err, MADPO_ERR_IO, rc, "cannot listen at %s", s->path);
    }
    return MADPO_OK;
}

/* Signals are the program's affair: none is taken by this thread. */
static madpo_status server_start_thread(madpo_control_server *s, madpo_error *err)
{
    sigset_t all, before;
    int rc;

    if (pipe(s->wake) != 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "control socket");
    keep_private(s->wake[0]);
    keep_private(s->wake[1]);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = pthread_create(&s->thread, NULL, server_run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return madpo_error_errno(err, MADPO_ERR_IO, rc, "no thread for the control socket");
    s->running = true;
    return MADPO_OK;
}

madpo_status madpo_control_server_start(madpo_control_server **out, const char *run_dir,
                                        madpo_control_handler handler, void *user, madpo_error *err)
{
    madpo_control_server *s = calloc(1, sizeof *s);
    struct sockaddr_un address;
    madpo_status st;

    *out = NULL;
    if (!s)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "control socket");
    s->listener = s->wake[0] = s->wake[1] = -1;
    s->handler = handler;
    s->user = user;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        s->client[i].fd = -1;
    st = socket_address(&address, &s->path, run_dir, err);
    if (st == MADPO_OK)
        st = socket_new(&s->listener, err);
    if (st == MADPO_OK)
        st = server_bind(s, &address, err);
    if (st == MADPO_OK)
        fcntl(s->listener, F_SETFL, O_NONBLOCK);
    if (st == MADPO_OK)
        st = server_start_thread(s, err);
    if (st == MADPO_OK)
        *out = s;
    else
        madpo_control_server_stop(s);
    return st;
}

void madpo_control_server_stop(madpo_control_server *server)
{
    if (!server)
        return;
    if (server->running) {
        while (write(server->wake[1], "", 1) < 0 && errno == EINTR)
            ;
        pthread_join(server->thread, NULL);
        unlink(server->path);
    }
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        if (server->client[i].fd >= 0)
            close(server->client[i].fd);
    for (size_t i = 0; i < 2; i++)
        if (server->wake[i] >= 0)
            close(server->wake[i]);
    if (server->listener >= 0)
        close(server->listener);
    free(server->path);
    free(server);
}

/* ---- asking ---- */

static madpo_status ask_connect(int fd, const struct sockaddr_un *address, const char *run_dir,
                                madpo_error *err)
{
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return MADPO_OK;
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
        return madpo_error_set(err, MADPO_ERR_IO,
                               "no run is listening in %s: it is over, or has not begun yet",
                               run_dir);
    return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot reach the run in %s", run_dir);
}

static madpo_status ask_send(int fd, const madpo_control_request *request, const char *run_dir,
                             madpo_error *err)
{
    json_t *object = madpo_control_request_json(request);
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    char *line = text ? madpo__strf("%s\n", text) : NULL;
    size_t n = line ? strlen(line) : 0;
    madpo_status st = MADPO_OK;

    if (!line)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "control request");
    else if (send(fd, line, n, MSG_NOSIGNAL) != (ssize_t)n)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot reach the run in %s", run_dir);
    free(line);
    free(text);
    json_decref(object);
    return st;
}

static madpo_status ask_receive(json_t **reply, int fd, const char *run_dir, madpo_error *err)
{
    char line[MAX_LINE];
    size_t n = 0;
    ssize_t got = 1;

    while (n < sizeof line && !memchr(line, '\n', n) && got > 0) {
        do
            got = recv(fd, line + n, sizeof line - n, 0);
        while (got < 0 && errno == EINTR);
        n += got > 0 ? (size_t)got : 0;
    }
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "no answer from the run in %s", run_dir);
    *reply = got > 0 ? json_loadb(line, n, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (json_is_object(*reply))
        return MADPO_OK;
    json_decref(*reply);
    *reply = NULL;
    return madpo_error_set(err, MADPO_ERR_IO, "no answer from the run in %s%s", run_dir,
                           got == 0 ? ": it has just ended" : "");
}

madpo_status madpo_control_ask(json_t **reply, const char *run_dir,
                               const madpo_control_request *request, double seconds,
                               madpo_error *err)
{
    struct timeval limit = {.tv_sec = (time_t)seconds,
                            .tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
    struct sockaddr_un address;
    char *path = NULL;
    int fd = -1;
    madpo_status st = socket_address(&address, &path, run_dir, err);

    *reply = NULL;
    if (st == MADPO_OK)
        st = socket_new(&fd, err);
    if (st == MADPO_OK) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        st = ask_connect(fd, &address, run_dir, err);
    }
    if (st == MADPO_OK)
        st = ask_send(fd, request, run_dir, err);
    if (st == MADPO_OK)
        st = ask_receive(reply, fd, run_dir, err);
    if (fd >= 0)
        close(fd);
    free(path);
    return st;
}

madpo_status madpo_control_peer(long *pid, const char *run_dir, madpo_error *err)
{
    struct sockaddr_un address;
    struct ucred peer = {0};
    socklen_t n = sizeof peer;
    char *path = NULL;
    int fd = -1;
    madpo_status st = socket_address(&address, &path, run_dir, err);

    *pid = 0;
    if (st == MADPO_OK)
        st = socket_new(&fd, err);
    if (st == MADPO_OK)
        st = ask_connect(fd, &address, run_dir, err);
    if (st == MADPO_OK && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "whose the run in %s is", run_dir);
    if (st == MADPO_OK)
        *pid = (long)peer.pid;
    if (fd >= 0)
        close(fd);
    free(path);
    return st;
}
