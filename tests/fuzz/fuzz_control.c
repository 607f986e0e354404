/* Any bytes as a control request and as a control file: what is accepted makes sense and comes out
 * again as it went in, what is not says why in one line. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "run/control.h"
#include "tests/fuzz/fuzz.h"

static void check_request(const madpo_control_request *r)
{
    FUZZ_CHECK(madpo_control_action_name(r->action) != NULL);
    if (r->action != MADPO_CONTROL_LR) {
        FUZZ_CHECK(r->lr == 0.0 && r->times == 0.0);
        return;
    }
    FUZZ_CHECK((r->lr > 0.0) != (r->times > 0.0) && isfinite(r->lr) && isfinite(r->times));
}

static void check_error(madpo_status st, const madpo_error *err)
{
    FUZZ_CHECK(st == MADPO_ERR_DATA && err->code == st && err->message[0]);
    FUZZ_CHECK(!strchr(err->message, '\n'));
}

static void one_request(const char *text, size_t n)
{
    madpo_control_request r, again;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_status st = madpo_control_parse(&r, text, n, &err);
    json_t *object;
    char *line;

    if (st != MADPO_OK) {
        check_error(st, &err);
        return;
    }
    check_request(&r);
    object = madpo_control_request_json(&r);
    line = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    FUZZ_CHECK(line != NULL);
    FUZZ_CHECK(madpo_control_parse(&again, line, strlen(line), &err) == MADPO_OK);
    FUZZ_CHECK(again.action == r.action && again.lr == r.lr && again.times == r.times);
    free(line);
    json_decref(object);
}

static void one_file(const char *text, size_t n)
{
    static char path[64];
    madpo_control_list list;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_status st;
    FILE *f;

    snprintf(path, sizeof path, "/tmp/madpo-fuzz-control-%ld", (long)getpid());
    f = fopen(path, "wb");
    FUZZ_CHECK(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
    st = madpo_control_list_read(&list, path, &err);
    unlink(path);
    if (st != MADPO_OK) {
        check_error(st, &err);
        FUZZ_CHECK(list.n == 0 && list.v == NULL);
        return;
    }
    for (size_t i = 0; i < list.n; i++) {
        check_request(&list.v[i].request);
        FUZZ_CHECK(list.v[i].step >= 0 && list.v[i].line > 0);
        FUZZ_CHECK(list.v[i].request.action != MADPO_CONTROL_PAUSE);
        FUZZ_CHECK(memchr(list.v[i].stage, '\0', sizeof list.v[i].stage) != NULL);
        if (i > 0 && strcmp(list.v[i].stage, list.v[i - 1].stage) == 0)
            FUZZ_CHECK(list.v[i].step >= list.v[i - 1].step);
    }
    madpo_control_list_dispose(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    one_request((const char *)data, size);
    /* packed data would be unpacked on the way in; that is base/file.h's own matter */
    if (size < 2 || data[0] != 0x1f || data[1] != 0x8b)
        one_file((const char *)data, size);
    return 0;
}
