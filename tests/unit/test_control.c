/* Control requests, control files, and both ends of the socket. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "run/control.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"

/* ---- requests ---- */

static void test_requests(void **state)
{
    static const struct {
        const char *text;
        madpo_control_request want;
    } rows[] = {
        {"{\"action\":\"pause\"}", {MADPO_CONTROL_PAUSE, 0.0, 0.0}},
        {" { \"action\" : \"resume\" } ", {MADPO_CONTROL_RESUME, 0.0, 0.0}},
        {"{\"action\":\"checkpoint\"}", {MADPO_CONTROL_CHECKPOINT, 0.0, 0.0}},
        {"{\"action\":\"evaluate\"}", {MADPO_CONTROL_EVALUATE, 0.0, 0.0}},
        {"{\"action\":\"stop\"}", {MADPO_CONTROL_STOP, 0.0, 0.0}},
        {"{\"action\":\"status\"}", {MADPO_CONTROL_STATUS, 0.0, 0.0}},
        {"{\"action\":\"lr\",\"lr\":2e-4}", {MADPO_CONTROL_LR, 2e-4, 0.0}},
        {"{\"times\":2,\"action\":\"lr\"}", {MADPO_CONTROL_LR, 0.0, 2.0}},
        /* what 15 digits cannot hold is not applied either */
        {"{\"action\":\"lr\",\"lr\":0.10000000000000001234}", {MADPO_CONTROL_LR, 0.1, 0.0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_control_request r;

        EXPECT_OK(madpo_control_parse(&r, rows[i].text, strlen(rows[i].text), &err));
        assert_int_equal(r.action, rows[i].want.action);
        assert_true(r.lr == rows[i].want.lr && r.times == rows[i].want.times);
    }
}

static void test_bad_requests(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "JSON"},
        {"pause", "JSON"},
        {"{\"action\":\"pause\"", "JSON"},
        {"[\"pause\"]", "JSON object"},
        {"{}", "action"},
        {"{\"action\":7}", "action"},
        {"{\"action\":\"puase\"}", "did you mean \"pause\""},
        {"{\"action\":\"\"}", "unknown action"},
        {"{\"action\":\"pause\",\"lr\":1}", "only lr"},
        {"{\"action\":\"pause\",\"who\":\"me\"}", "no member \"who\""},
        {"{\"action\":\"lr\"}", "one of"},
        {"{\"action\":\"lr\",\"lr\":1,\"times\":2}", "one of"},
        {"{\"action\":\"lr\",\"lr\":\"1e-4\"}", "lr"},
        {"{\"action\":\"lr\",\"lr\":null}", "lr"},
        {"{\"action\":\"lr\",\"lr\":0}", "above 0"},
        {"{\"action\":\"lr\",\"times\":-0.5}", "above 0"},
        {"{\"action\":\"lr\",\"lr\":11}", "at most 10"},
        {"{\"action\":\"lr\",\"lr\":1e999}", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_control_request r;

        if (madpo_control_parse(&r, rows[i].text, strlen(rows[i].text), &err) != MADPO_ERR_DATA)
            fail_msg("accepted: %s", rows[i].text);
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].text, err.message, rows[i].says);
    }
}

static void test_words(void **state)
{
    static const struct {
        const char *action, *value;
        madpo_status st;
        double lr, times;
    } rows[] = {
        {"pause", NULL, MADPO_OK, 0.0, 0.0},      {"lr", "2e-4", MADPO_OK, 2e-4, 0.0},
        {"lr", "x0.5", MADPO_OK, 0.0, 0.5},       {"lr", "X2", MADPO_OK, 0.0, 2.0},
        {"lr", NULL, MADPO_ERR_USAGE, 0.0, 0.0},  {"lr", "", MADPO_ERR_USAGE, 0.0, 0.0},
        {"lr", "x", MADPO_ERR_USAGE, 0.0, 0.0},   {"lr", "1e-4 ", MADPO_ERR_USAGE, 0.0, 0.0},
        {"lr", "0", MADPO_ERR_USAGE, 0.0, 0.0},   {"lr", "x0", MADPO_ERR_USAGE, 0.0, 0.0},
        {"lr", "nan", MADPO_ERR_USAGE, 0.0, 0.0}, {"lr", "inf", MADPO_ERR_USAGE, 0.0, 0.0},
        {"stop", "1", MADPO_ERR_USAGE, 0.0, 0.0}, {"stopp", NULL, MADPO_ERR_USAGE, 0.0, 0.0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_control_request r;

        assert_int_equal(madpo_control_request_from_words(&r, rows[i].action, rows[i].value, &err),
                         rows[i].st);
        if (rows[i].st == MADPO_OK)
            assert_true(r.lr == rows[i].lr && r.times == rows[i].times);
        else
            assert_true(err.message[0] != '\0');
    }
}

/* ---- control files ---- */

/* "stage:step:action ..." of a control file's entries (owned by the caller). */
static char *entries(const char *text)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *dir = tmp_new(), *path = tmp_file(dir, "controls", text), *out = calloc(1, 1000);
    madpo_control_list list;

    assert_non_null(out);
    EXPECT_OK(madpo_control_list_read(&list, path, &err));
    for (size_t i = 0; i < list.n; i++)
        snprintf(out + strlen(out), 1000 - strlen(out), "%s%s:%lld:%s", i ? " " : "",
                 list.v[i].stage, (long long)list.v[i].step,
                 madpo_control_action_name(list.v[i].request.action));
    madpo_control_list_dispose(&list);
    free(path);
    tmp_free(dir);
    return out;
}

#define START(stage)  "{\"ev\":\"stage\",\"stage\":\"" stage "\",\"status\":\"start\"}\n"
#define CHECKPOINT(n) "{\"ev\":\"checkpoint\",\"stage\":\"sft\",\"step\":" n "}\n"
#define RESUME        "{\"ev\":\"resume\"}\n"
#define CONTROL(n, a)                                                                              \
    "{\"ev\":\"control\",\"stage\":\"sft\",\"step\":" n ",\"by\":\"socket\"," a "}\n"
#define LR       "\"action\":\"lr\",\"times\":0.5,\"was\":1,\"now\":0.5"
#define EVALUATE "\"action\":\"evaluate\""
#define STOP     "\"action\":\"stop\""
#define SAVE     "\"action\":\"checkpoint\""

static void test_files(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"\n  \n", ""},
        {"{\"stage\":\"sft\",\"step\":0,\"action\":\"lr\",\"lr\":0.1}\n"
         "{\"stage\":\"sft\",\"step\":3,\"action\":\"pause\"}\n\r\n"
         "{\"stage\":\"sft\",\"step\":3,\"action\":\"stop\"}",
         "sft:0:lr sft:3:stop"},
        {START("sft") CONTROL("2", LR) CONTROL("4", STOP), "sft:2:lr sft:4:stop"},
        /* stopped and resumed: the stop was not the end */
        {START("sft") CONTROL("2", LR) CONTROL("4", STOP) CHECKPOINT("4")
             RESUME CONTROL("6", EVALUATE),
         "sft:2:lr sft:6:evaluate"},
        /* killed: what came after the checkpoint is lost */
        {START("sft") CONTROL("2", LR) CHECKPOINT("4") CONTROL("4", LR) CONTROL("9", LR)
             RESUME CONTROL("5", EVALUATE),
         "sft:2:lr sft:5:evaluate"},
        /* killed before the first checkpoint */
        {START("sft") CONTROL("2", LR) RESUME START("sft") CONTROL("1", EVALUATE),
         "sft:1:evaluate"},
        /* went on from an older checkpoint than the last, which was damaged */
        {START("sft") CONTROL("2", LR) CONTROL("6", LR) CHECKPOINT("6")
             RESUME CONTROL("4", EVALUATE),
         "sft:2:lr sft:4:evaluate"},
        /* refused, without a step, damaged */
        {START("sft")
             CONTROL("2", LR ",\"refused\":\"no\"") "{\"ev\":\"control\",\"stage\":\"generate\","
                                                    "\"done\":3,\"action\":\"stop\"}\n"
                                                    "{\"ev\":\"control\",\"st\n" CONTROL(
                                                        "3", SAVE) "{\"ev\":\"contr",
         "sft:3:checkpoint"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = entries(rows[i].text);

        assert_string_equal(got, rows[i].want);
        free(got);
    }
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"{\"stage\":\"sft\",\"step\":1,\"action\":\"stop\"}\nstop\n", ":2:"},
        {"[]\n", "object"},
        {"{\"step\":1,\"action\":\"stop\"}", "stage"},
        {"{\"stage\":\"sft\",\"action\":\"stop\"}", "step"},
        {"{\"stage\":\"sft\",\"step\":-1,\"action\":\"stop\"}", "no step -1"},
        {"{\"stage\":\"sft\",\"step\":1.5,\"action\":\"stop\"}", "step"},
        {"{\"stage\":\"a stage of a name that is longer than all names of stages and "
         "models\",\"step\":1,\"action\":\"stop\"}",
         "no stage"},
        {"{\"stage\":\"sft\",\"step\":1,\"action\":\"status\"}", "question"},
        {"{\"stage\":\"sft\",\"step\":1,\"action\":\"stop\",\"when\":2}", "\"when\""},
        {"{\"stage\":\"sft\",\"step\":1,\"action\":\"lr\"}", "one of"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        char *dir = tmp_new(), *path = tmp_file(dir, "controls", rows[i].text), line[1000];
        madpo_control_list list;

        if (madpo_control_list_read(&list, path, &err) != MADPO_ERR_DATA)
            fail_msg("accepted: %s", rows[i].text);
        madpo_error_format(&err, line, sizeof line);
        if (!strstr(line, rows[i].says) || err.line < 1)
            fail_msg("\"%s\" does not say \"%s\"", line, rows[i].says);
        free(path);
        tmp_free(dir);
    }
}

/* ---- the socket ---- */

static json_t *answer(void *user, const madpo_control_request *request)
{
    int *n = user;

    ++*n;
    return json_pack("{s:b,s:s,s:f}", "ok", 1, "action", madpo_control_action_name(request->action),
                     "lr", request->lr);
}

static int connect_to(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Everything the server says until it has said `lines` lines or closed. */
static void read_lines(int fd, char *out, size_t size, int lines)
{
    size_t n = 0;
    ssize_t got;

    while (lines > 0 && (got = recv(fd, out + n, size - 1 - n, 0)) > 0)
        for (size_t end = n + (size_t)got; n < end; n++)
            lines -= out[n] == '\n';
    out[n] = '\0';
}

static void test_socket(void **state)
{
    const madpo_control_request lr = {.action = MADPO_CONTROL_LR, .lr = 0.25};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_control_server *server;
    char *dir = tmp_new(), *path = tmp_path(dir, "control.sock");
    struct stat there;
    json_t *reply;
    int n = 0;

    (void)state;
    assert_int_equal(madpo_control_ask(&reply, dir, &lr, 5.0, &err), MADPO_ERR_IO);
    assert_non_null(strstr(err.message, "no run is listening"));
    madpo_error_clear(&err);
    EXPECT_OK(madpo_control_server_start(&server, dir, answer, &n, &err));
    assert_int_equal(stat(path, &there), 0);
    assert_true(S_ISSOCK(there.st_mode) && (there.st_mode & 0777) == 0600);
    EXPECT_OK(madpo_control_ask(&reply, dir, &lr, 5.0, &err));
    assert_string_equal(json_string_value(json_object_get(reply, "action")), "lr");
    assert_true(json_number_value(json_object_get(reply, "lr")) == 0.25);
    json_decref(reply);
    assert_int_equal(n, 1);
    madpo_control_server_stop(server);
    assert_false(madpo_file_exists(path));
    free(path);
    tmp_free(dir);
}

/* A client that sends pieces, many lines at once, rubbish, too much, and one that only connects. */
static void test_clients(void **state)
{
    static const char two[] = "us\"}\n{\"action\":\"pause\"}\nrubbish\n{\"act";
    madpo_error err = MADPO_ERROR_INIT;
    madpo_control_server *server;
    char *dir = tmp_new(), text[2000], *much = malloc(5000);
    int n = 0, fd, idle;

    (void)state;
    assert_non_null(much);
    EXPECT_OK(madpo_control_server_start(&server, dir, answer, &n, &err));
    idle = connect_to(dir);
    fd = connect_to(dir);
    assert_true(send(fd, "{\"action\":\"stat", 15, 0) == 15);
    assert_true(send(fd, two, sizeof two - 1, 0) == (ssize_t)sizeof two - 1);
    read_lines(fd, text, sizeof text, 3);
    assert_non_null(strstr(text, "\"action\":\"status\""));
    assert_non_null(strstr(text, "\"action\":\"pause\""));
    assert_non_null(strstr(text, "\"ok\":false"));
    assert_int_equal(n, 2);
    memset(much, ' ', 5000);
    assert_true(send(fd, much, 5000, MSG_NOSIGNAL) > 0);
    read_lines(fd, text, sizeof text, 1);
    assert_non_null(strstr(text, "too long"));
    close(fd);
    for (int i = 0; i < 40; i++) { /* more than there is room for, one after another */
        fd = connect_to(dir);
        assert_true(send(fd, "{\"action\":\"status\"}\n", 20, MSG_NOSIGNAL) == 20);
        read_lines(fd, text, sizeof text, 1);
        assert_non_null(strstr(text, "status"));
        close(fd);
    }
    madpo_control_server_stop(server);
    close(idle);
    free(much);
    tmp_free(dir);
}

static void test_stale_and_long(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_control_server *server;
    char *dir = tmp_new(), *path = tmp_path(dir, "control.sock"), *in_the_way, deep[300];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = 0, fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* as a process leaves it that was killed */
    EXPECT_OK(madpo_control_server_start(&server, dir, answer, &n, &err));
    madpo_control_server_stop(server);
    in_the_way = tmp_file(dir, "control.sock", "a file");
    assert_int_equal(madpo_control_server_start(&server, dir, answer, &n, &err), MADPO_ERR_IO);
    assert_null(server);
    assert_true(madpo_file_exists(in_the_way));
    madpo_error_clear(&err);
    snprintf(deep, sizeof deep, "%s/%0120d", dir, 0);
    assert_int_equal(madpo_control_server_start(&server, deep, answer, &n, &err),
                     MADPO_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "too long for a socket"));
    free(in_the_way);
    free(path);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),  cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_words),     cmocka_unit_test(test_files),
        cmocka_unit_test(test_bad_files), cmocka_unit_test(test_socket),
        cmocka_unit_test(test_clients),   cmocka_unit_test(test_stale_and_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
