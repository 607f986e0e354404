/* Keys that steer a run, against a run that is played by a socket: what is asked of it, what the
 * dialog and the messages say, and what a run that is silent or gone costs. */
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/support/tmp.h"
#include "tui/view.h"

/* What the run was asked, other than for its status. */
static pthread_mutex_t run_lock = PTHREAD_MUTEX_INITIALIZER;
static madpo_control_request run_asked[16];
static size_t run_n;
static bool run_paused;
static const char *run_refuses;

static json_t *run_answer(void *user, const madpo_control_request *request)
{
    json_t *reply;

    (void)user;
    pthread_mutex_lock(&run_lock);
    if (request->action == MADPO_CONTROL_STATUS) {
        reply = json_pack("{s:b,s:{s:s,s:s,s:i,s:i,s:b,s:f}}", "ok", 1, "status", "stage", "policy",
                          "unit", "step", "done", 17, "total", 400, "paused", run_paused, "next_lr",
                          0.002);
    } else if (run_refuses) {
        reply = json_pack("{s:b,s:s}", "ok", 0, "reason", run_refuses);
    } else {
        assert_true(run_n < 16);
        run_asked[run_n++] = *request;
        reply = json_pack("{s:b,s:s,s:i}", "ok", 1, "stage", "policy", "after", 18);
    }
    pthread_mutex_unlock(&run_lock);
    return reply;
}

typedef struct screen {
    char *dir;
    madpo_feed *feed;
    madpo_view view;
    madpo_grid grid;
    madpo_control_server *server;
    char *text; /* the picture */
} screen;

static void screen_open(screen *s, bool control, bool listen)
{
    madpo_error err = MADPO_ERROR_INIT;

    memset(s, 0, sizeof *s);
    run_n = 0;
    run_paused = false;
    run_refuses = NULL;
    s->dir = tmp_new();
    free(tmp_file(s->dir, "run.json", "{\"v\":1}"));
    free(tmp_file(s->dir, "events.jsonl", ""));
    if (listen)
        assert_int_equal(madpo_control_server_start(&s->server, s->dir, run_answer, NULL, &err),
                         MADPO_OK);
    assert_int_equal(madpo_feed_open(&s->feed, s->dir, 1.0, &err), MADPO_OK);
    madpo_view_init(&s->view, s->feed);
    s->view.control = control;
    s->view.glyphs = MADPO_GLYPHS_ASCII;
}

static void screen_close(screen *s)
{
    madpo_control_server_stop(s->server);
    madpo_view_dispose(&s->view);
    madpo_feed_close(s->feed);
    madpo_grid_dispose(&s->grid);
    free(s->text);
    tmp_free(s->dir);
}

static const char *picture(screen *s, int w, int h)
{
    madpo_error err = MADPO_ERROR_INIT;

    free(s->text);
    assert_int_equal(madpo_view_render(&s->grid, &s->view, w, h, &err), MADPO_OK);
    assert_int_equal(madpo_grid_dump(&s->text, &s->grid, &err), MADPO_OK);
    return s->text;
}

static void type(screen *s, const char *keys)
{
    for (; *keys; keys++) {
        assert_int_equal(madpo_view_key(&s->view, (unsigned char)*keys), MADPO_ACTION_NONE);
        picture(s, 80, 24);
    }
}

#define assert_shows(text, part) assert_non_null(strstr(text, part))

/* Every key, what it asks for, and that it asks nothing before `y`. */
static void test_keys(void **state)
{
    static const struct {
        const char *keys, *title;
        madpo_control_request request;
    } cases[] = {{"p", "pause?", {.action = MADPO_CONTROL_PAUSE}},
                 {"c", "checkpoint?", {.action = MADPO_CONTROL_CHECKPOINT}},
                 {"E", "evaluate?", {.action = MADPO_CONTROL_EVALUATE}},
                 {"-", "0.002 x 0.5 = 0.001", {.action = MADPO_CONTROL_LR, .times = 0.5}},
                 {"*", "0.002 x 2 = 0.004", {.action = MADPO_CONTROL_LR, .times = 2}},
                 {"L3e-4\n", "0.002 becomes 0.0003", {.action = MADPO_CONTROL_LR, .lr = 3e-4}},
                 {"Lx0.3\r", "0.002 x 0.3", {.action = MADPO_CONTROL_LR, .times = 0.3}},
                 {":lr x3\n", "0.002 x 3", {.action = MADPO_CONTROL_LR, .times = 3}},
                 {":resume\n", "resume?", {.action = MADPO_CONTROL_RESUME}},
                 {":stop\n", "end the run", {.action = MADPO_CONTROL_STOP}}};
    screen s;

    (void)state;
    screen_open(&s, true, true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        type(&s, cases[i].keys);
        assert_true(s.view.steer.asking);
        assert_shows(s.text, cases[i].title);
        assert_shows(s.text, "policy has done 17 of 400");
        type(&s, "zxp?:"); /* nothing else is a key now, and nothing goes away */
        assert_true(s.view.steer.asking);
        assert_int_equal(run_n, i);
        type(&s, "y");
        assert_false(s.view.steer.asking);
        assert_shows(s.text, "accepted, at the end of step 18 of policy");
        assert_int_equal(run_n, i + 1);
        assert_int_equal(run_asked[i].action, cases[i].request.action);
        assert_true(run_asked[i].lr == cases[i].request.lr);
        assert_true(run_asked[i].times == cases[i].request.times);
    }
    screen_close(&s);
}

static void test_paused(void **state)
{
    screen s;

    (void)state;
    screen_open(&s, true, true);
    run_paused = true;
    type(&s, "p");
    assert_shows(s.text, "resume?");
    assert_shows(s.text, "At once: policy is paused at step 17 of 400");
    type(&s, "y");
    assert_int_equal(run_asked[0].action, MADPO_CONTROL_RESUME);
    screen_close(&s);
}

/* No, in all its ways, and the screen goes on as before. */
static void test_no(void **state)
{
    static const int no[] = {'n', 'N', 'q', MADPO_KEY_ESCAPE, MADPO_KEY_CTRL_C};
    screen s;

    (void)state;
    screen_open(&s, true, true);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        type(&s, "c");
        assert_int_equal(madpo_view_key(&s.view, no[i]), MADPO_ACTION_NONE);
        assert_false(s.view.steer.asking);
        assert_shows(picture(&s, 80, 24), "nothing was asked of the run");
    }
    assert_int_equal(run_n, 0);
    assert_int_equal(madpo_view_key(&s.view, 'q'), MADPO_ACTION_QUIT);
    screen_close(&s);
}

/* Q: a menu that asks nothing by itself; and a run that is over has none. */
static void test_menu(void **state)
{
    screen s;

    (void)state;
    screen_open(&s, true, true);
    type(&s, "Q");
    assert_true(s.view.menu.open);
    assert_shows(s.text, "without saving");
    assert_shows(s.text, "policy has done 17 of 400");
    type(&s, "zxp?:c");
    assert_true(s.view.menu.open);
    assert_shows(picture(&s, 20, 5), "stop? s k d n");
    type(&s, "n");
    assert_shows(s.text, "nothing was asked of the run");
    assert_int_equal(run_n, 0);
    type(&s, "Qs");
    assert_shows(s.text, "stop: accepted, at the end of step 18 of policy");
    assert_int_equal(run_n, 1);
    assert_int_equal(run_asked[0].action, MADPO_CONTROL_STOP);
    type(&s, "Q");
    assert_int_equal(madpo_view_key(&s.view, 'd'), MADPO_ACTION_QUIT);
    screen_close(&s);
    screen_open(&s, true, false);
    type(&s, "Q");
    assert_false(s.view.menu.open);
    assert_shows(s.text, "no run is listening");
    assert_int_equal(madpo_view_key(&s.view, MADPO_KEY_CTRL_C), MADPO_ACTION_QUIT);
    screen_close(&s);
}

/* Ctrl+C: the menu; again: stop. In a prompt it leaves the prompt and does not count. Read-only it
 * leaves. */
static void test_interrupt(void **state)
{
    screen s;

    (void)state;
    screen_open(&s, true, true);
    type(&s, ":");
    type(&s, "\003");
    assert_int_equal(s.view.prompt, MADPO_PROMPT_NONE);
    type(&s, "\003");
    assert_true(s.view.menu.open);
    assert_int_equal(run_n, 0);
    type(&s, "\003");
    assert_false(s.view.menu.open);
    assert_int_equal(run_n, 1);
    assert_int_equal(run_asked[0].action, MADPO_CONTROL_STOP);
    s.view.menu.pressed_at -= madpo_menu_again + 0.1; /* later: from the beginning */
    type(&s, "\003");
    assert_true(s.view.menu.open);
    assert_int_equal(run_n, 1);
    screen_close(&s);
    screen_open(&s, false, true);
    assert_int_equal(madpo_view_key(&s.view, MADPO_KEY_CTRL_C), MADPO_ACTION_QUIT);
    screen_close(&s);
}

/* Without control no key reaches the run, and each says how to come to it. */
static void test_read_only(void **state)
{
    screen s;

    (void)state;
    screen_open(&s, false, true);
    for (const char *key = "pcE-*LQ:"; *key; key++) {
        assert_int_equal(madpo_view_key(&s.view, *key), MADPO_ACTION_NONE);
        assert_false(s.view.steer.asking);
        assert_int_equal(s.view.prompt, MADPO_PROMPT_NONE);
        assert_shows(s.view.message, "read-only");
        assert_shows(s.view.message, "--control");
    }
    assert_int_equal(run_n, 0);
    assert_null(strstr(picture(&s, 80, 24), "p:pause"));
    screen_close(&s);
}

static void test_refusals(void **state)
{
    screen s;

    (void)state;
    screen_open(&s, true, true);
    run_refuses = "the run is stopping";
    type(&s, "cy");
    assert_shows(s.text, "checkpoint refused: the run is stopping");
    type(&s, ":fly\n");
    assert_shows(s.text, "fly");
    assert_false(s.view.steer.asking);
    type(&s, "L-1\n");
    assert_false(s.view.steer.asking);
    assert_true(s.view.message[0] != '\0');
    type(&s, "L1 2\n");
    assert_shows(s.text, "one learning rate at a time");
    type(&s, ":status\n");
    assert_false(s.view.steer.asking);
    type(&s, ":\n");
    assert_string_equal(s.view.message, "");
    screen_close(&s);
}

/* A run that is over, and one that is there but does not answer. */
static void test_gone_and_silent(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    double began;
    screen s;

    (void)state;
    screen_open(&s, true, false);
    type(&s, "p");
    assert_shows(s.text, "no run is listening");
    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/control.sock", s.dir);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    began = madpo_clock_monotonic();
    type(&s, "p");
    assert_false(s.view.steer.asking);
    assert_shows(s.text, "no answer from the run");
    assert_true(madpo_clock_monotonic() - began < 20 * madpo_steer_wait);
    close(fd);
    screen_close(&s);
}

static void event(screen *s, const char *line)
{
    madpo_story *story = madpo_feed_story_mutable(s->feed);
    madpo_error err = MADPO_ERROR_INIT;

    assert_int_equal(madpo_history_line(&story->history, &story->samples, line, strlen(line), &err),
                     MADPO_OK);
}

/* What was done is a tick in the plots, over a checkpoint of the same step, whichever came first.
 */
static void test_tick(void **state)
{
    static const char control[] = "{\"v\":1,\"t\":9,\"ev\":\"control\",\"action\":\"lr\","
                                  "\"stage\":\"policy\",\"step\":4,\"by\":\"socket\"}";
    static const char saved[] =
        "{\"v\":1,\"t\":9,\"ev\":\"checkpoint\",\"stage\":\"policy\",\"step\":4}";
    char line[160];

    (void)state;
    for (int first = 0; first < 2; first++) {
        screen s;

        screen_open(&s, true, false);
        for (int i = 1; i <= 9; i++) {
            snprintf(line, sizeof line,
                     "{\"v\":1,\"t\":%d,\"ev\":\"step\",\"stage\":\"policy\","
                     "\"step\":%d,\"loss\":%d}",
                     i, i, i);
            event(&s, line);
        }
        assert_null(strchr(picture(&s, 80, 24), '^'));
        event(&s, first == 0 ? control : saved);
        event(&s, first == 0 ? saved : control);
        assert_non_null(strchr(picture(&s, 80, 24), '^'));
        screen_close(&s);
    }
}

/* The message about what was accepted stays until its note is there. */
static void test_done(void **state)
{
    static const char events[] =
        "{\"v\":1,\"t\":1,\"ev\":\"eval\",\"stage\":\"policy\",\"step\":17,\"eval_loss\":1}\n";
    static const char control[] = "{\"v\":1,\"t\":2,\"ev\":\"control\",\"action\":\"checkpoint\","
                                  "\"stage\":\"policy\",\"step\":18,\"by\":\"socket\"}\n";
    screen s;

    (void)state;
    screen_open(&s, true, true);
    type(&s, "cy");
    event(&s, events);
    assert_false(madpo_view_tick(&s.view, 0.1));
    assert_shows(picture(&s, 80, 24), "accepted");
    event(&s, control);
    assert_true(madpo_view_tick(&s.view, 0.1));
    assert_shows(picture(&s, 80, 24), "control policy 18: action checkpoint");
    screen_close(&s);
}

/* What is asked is to be seen at any size: no `y` goes to a question that is not there. */
static void test_sizes(void **state)
{
    static const int sizes[][2] = {{20, 2}, {39, 9}, {12, 40}, {40, 10}, {60, 7}, {200, 60}};
    screen s;

    (void)state;
    screen_open(&s, true, true);
    type(&s, "Q");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_shows(picture(&s, sizes[i][0], sizes[i][1]), "stop?");
    type(&s, "n:lr x2");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_shows(picture(&s, sizes[i][0], sizes[i][1]),
                     sizes[i][0] < 70 ? "run: lr x2_" : "stop): lr x2_");
    picture(&s, 1, 1);
    screen_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_paused),
        cmocka_unit_test(test_no),        cmocka_unit_test(test_menu),
        cmocka_unit_test(test_interrupt), cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_gone_and_silent),
        cmocka_unit_test(test_tick),      cmocka_unit_test(test_done),
        cmocka_unit_test(test_sizes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
