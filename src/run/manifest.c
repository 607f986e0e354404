/* run.json: what a run is, and whether a resume is still the same run. */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "madpo/version.h"
#include "run/private.h"

/* Lines that must agree, and the settings that make them. */
typedef struct manifest_line {
    const char *key;
    size_t offset; /* of the const char * in madpo_run_manifest */
    const char *settings;
    bool must_agree;
} manifest_line;

static const manifest_line manifest_lines[] = {
    {"objective", offsetof(madpo_run_manifest, objective), "policy.", true},
    {"model", offsetof(madpo_run_manifest, model), "model.,lora.,tokenizer.", true},
    {"data", offsetof(madpo_run_manifest, data), "data.,generate.,tokenizer.", true},
    {"stages", offsetof(madpo_run_manifest, stages), "", false},
    {"device", offsetof(madpo_run_manifest, device), "", false},
    {"driver", offsetof(madpo_run_manifest, driver), "", false},
};
enum { N_MANIFEST_LINES = sizeof manifest_lines / sizeof *manifest_lines };

static const char *manifest_text(const madpo_run_manifest *manifest, size_t offset)
{
    const char *text;

    memcpy(&text, (const char *)manifest + offset, sizeof text);
    return text ? text : "";
}

static json_t *manifest_json(const char *text)
{
    return madpo_json_text(text, strlen(text));
}

madpo_status madpo__manifest_save(const char *dir, const madpo_run_manifest *manifest,
                                  madpo_error *err)
{
    madpo_status st;
    char created[32], id[64], digest[MADPO_DIGEST_HEX];
    struct timespec now;
    struct tm utc;
    const char *config = manifest->config ? manifest->config : "";
    char *path = madpo__strf("%s/run.json", dir);
    json_t *o = json_object();

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    strftime(id, sizeof id, "%Y%m%d-%H%M%S", &utc);
    snprintf(id + strlen(id), sizeof id - strlen(id), "-%04x",
             (unsigned)((unsigned long)now.tv_nsec / 1000 ^ (unsigned long)getpid()) & 0xffffu);
    madpo_digest_bytes(config, strlen(config), digest);

    bool ok = path && o && json_object_set_new(o, "v", json_integer(MADPO_RUN_FORMAT)) == 0 &&
              json_object_set_new(o, "id", json_string(id)) == 0 &&
              json_object_set_new(o, "created", json_string(created)) == 0 &&
              json_object_set_new(o, "madpo", json_string(MADPO_VERSION)) == 0 &&
              json_object_set_new(o, "seed", json_integer(manifest->seed)) == 0 &&
              json_object_set_new(o, "config_xxh3", json_string(digest)) == 0;
    for (size_t i = 0; ok && i < N_MANIFEST_LINES; i++)
        ok = json_object_set_new(
                 o, manifest_lines[i].key,
                 manifest_json(manifest_text(manifest, manifest_lines[i].offset))) == 0;
    st = ok ? madpo_json_save(o, path, err) : madpo_error_set(err, MADPO_ERR_NOMEM, "run manifest");
    json_decref(o);
    free(path);
    return st;
}

/* ---- comparison ---- */

madpo_status madpo__run_json_load(json_t **out, const char *path, madpo_error *err)
{
    madpo_error bad = MADPO_ERROR_INIT;
    char text[MADPO_ERROR_FILE + MADPO_ERROR_MESSAGE];
    madpo_status st = madpo_json_load(out, path, &bad);

    if (st == MADPO_OK || st == MADPO_ERR_NOMEM)
        return st == MADPO_OK ? st : madpo_error_set(err, st, "%s", bad.message);
    return madpo_error_set(err, st, "%s; restore the file, or start a new run with another --run",
                           madpo_error_format(&bad, text, sizeof text));
}

/* *text = *text + separator + addition; addition may be NULL. */
static madpo_status manifest_add(char **text, const char *addition, const char *separator,
                                 madpo_error *err)
{
    char *longer;

    if (!addition)
        return MADPO_OK;
    longer =
        *text ? madpo__strf("%s%s%s", *text, separator, addition) : madpo__strf("%s", addition);
    if (!longer)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "list of differences");
    free(*text);
    *text = longer;
    return MADPO_OK;
}

/* Compare one line. A difference is put in words: by the settings behind it where they differ, else
 * by the line itself. Settings already named for another line are not repeated. */
static madpo_status manifest_compare_line(char **differs, char **notes, const manifest_line *line,
                                          const char *was, const char *now, const char *settings,
                                          madpo_error *err)
{
    madpo_status st;
    char *words;

    if (line->must_agree && settings) {
        if (*differs && strstr(*differs, settings))
            return MADPO_OK;
        return manifest_add(differs, settings, "; ", err);
    }
    words = madpo__strf(line->must_agree ? "%s was \"%s\", now \"%s\""
                                         : "%s was \"%s\" before, now \"%s\"",
                        line->key, was, now);
    if (!words)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "list of differences");
    st = manifest_add(line->must_agree ? differs : notes, words, line->must_agree ? "; " : "\n",
                      err);
    free(words);
    return st;
}

static madpo_status manifest_compare_all(char **differs, char **notes, const json_t *was,
                                         const char *config_was, const madpo_run_manifest *now,
                                         madpo_error *err)
{
    madpo_status st = MADPO_OK;
    const char *config_now = now->config ? now->config : "";
    int64_t seed = json_integer_value(json_object_get(was, "seed"));

    if (seed != now->seed) {
        *differs =
            madpo__strf("run.seed was %lld, now %lld", (long long)seed, (long long)now->seed);
        if (!*differs)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "list of differences");
    }
    for (size_t i = 0; st == MADPO_OK && i < N_MANIFEST_LINES; i++) {
        const manifest_line *line = &manifest_lines[i];
        json_t *then = json_object_get(was, line->key);
        json_t *today = manifest_json(manifest_text(now, line->offset));
        char *settings = NULL;

        if (!json_equal(then, today)) {
            if (line->must_agree)
                st = madpo__config_diff(&settings, config_was, config_now, line->settings, err);
            if (st == MADPO_OK)
                st = manifest_compare_line(differs, notes, line,
                                           json_is_string(then) ? json_string_value(then) : "",
                                           manifest_text(now, line->offset), settings, err);
        }
        free(settings);
        json_decref(today);
    }
    return st;
}

static madpo_status manifest_note_settings(char **notes, const json_t *was, const char *config_was,
                                           const madpo_run_manifest *now, madpo_error *err)
{
    char *other = NULL, *words = NULL;
    const char *version = json_string_value(json_object_get(was, "madpo"));
    madpo_status st =
        madpo__config_diff(&other, config_was, now->config ? now->config : "", "", err);

    if (st == MADPO_OK && other) {
        words = madpo__strf("settings changed on resume: %s", other);
        st = words ? manifest_add(notes, words, "\n", err)
                   : madpo_error_set(err, MADPO_ERR_NOMEM, "list of differences");
    }
    free(words);
    words = NULL;
    if (st == MADPO_OK && (!version || strcmp(version, MADPO_VERSION) != 0)) {
        words = madpo__strf("madpo was %s before, now %s", version ? version : "unknown",
                            MADPO_VERSION);
        st = words ? manifest_add(notes, words, "\n", err)
                   : madpo_error_set(err, MADPO_ERR_NOMEM, "list of differences");
    }
    free(words);
    free(other);
    return st;
}

madpo_status madpo__manifest_compare(const char *dir, const madpo_run_manifest *manifest,
                                     char **notes, madpo_error *err)
{
    madpo_status st;
    json_t *was = NULL;
    char *differs = NULL, *config_was = NULL;
    char *path = madpo__strf("%s/run.json", dir), *config_path = madpo__strf("%s/config.cfg", dir);
    size_t n;

    *notes = NULL;
    if (!path || !config_path) {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "file names of %s", dir);
        goto done;
    }
    if (!madpo_file_exists(path)) {
        st = madpo_error_set(err, MADPO_ERR_IO,
                             "%s holds no run to resume; leave out --resume to start one", dir);
        goto done;
    }
    st = madpo__run_json_load(&was, path, err);
    if (st == MADPO_OK && json_integer_value(json_object_get(was, "v")) != MADPO_RUN_FORMAT)
        st = madpo_error_set(
            err, MADPO_ERR_UNSUPPORTED,
            "%s is in format %lld, this madpo reads format %d; use the madpo that wrote it", path,
            (long long)json_integer_value(json_object_get(was, "v")), MADPO_RUN_FORMAT);
    if (st == MADPO_OK && madpo_file_read(&config_was, &n, config_path, NULL) != MADPO_OK)
        config_was = NULL; /* only the wording of a difference suffers */
    if (st == MADPO_OK)
        st =
            manifest_compare_all(&differs, notes, was, config_was ? config_was : "", manifest, err);
    if (st == MADPO_OK && differs)
        st = madpo_error_set(
            err, MADPO_ERR_MISMATCH,
            "cannot resume %s: %s; go on with the configuration in %s/config.cfg, or start a "
            "new run with another --run",
            dir, differs, dir);
    if (st == MADPO_OK && config_was)
        st = manifest_note_settings(notes, was, config_was, manifest, err);
done:
    if (st != MADPO_OK) {
        free(*notes);
        *notes = NULL;
    }
    json_decref(was);
    free(differs);
    free(config_was);
    free(config_path);
    free(path);
    return st;
}
