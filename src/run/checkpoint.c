/* Checkpoints: written into a temporary folder, sealed by checksums, renamed into place.
 *
 *   checkpoints/.tmp-<stage>-step-<N>/    while it is written
 *   checkpoints/<stage>-step-<N>/         whole, with checksums.json:
 *       {"v":1, "stage":S, "step":N, "files":{"model.safetensors":{"bytes":B, "xxh3":X}, ...}}
 *
 * A folder without checksums.json, or whose files differ from it, is damaged and passed over. Only
 * the owner of the run's lock writes here, so a temporary folder found on resume is a leftover.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "run/checkpoints.h"
#include "run/private.h"

static const char checkpoint_temporary[] = ".tmp-";
static const char checkpoint_seal[] = "checksums.json";

struct madpo_checkpoint {
    madpo_run *run; /* borrowed */
    char *stage;
    int64_t step;
    char *temporary, *final;
};

static void checkpoint_free(madpo_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    free(checkpoint->stage);
    free(checkpoint->temporary);
    free(checkpoint->final);
    free(checkpoint);
}

/* ---- listing ---- */

/* "<stage>-step-<N>" -> stage length and N. */
static bool checkpoint_parse(const char *name, size_t *n_stage, int64_t *step)
{
    const char *mark = strstr(name, "-step-");
    const char *digits = mark ? mark + 6 : "";
    char *end;

    if (!mark || mark == name || name[0] == '.' || !*digits || strspn(digits, "0123456789") > 18)
        return false;
    *n_stage = (size_t)(mark - name);
    *step = strtoll(digits, &end, 10);
    return *end == '\0' && digits[0] >= '0' && digits[0] <= '9';
}

static int checkpoint_newest_first(const void *a, const void *b)
{
    const madpo_checkpoint_entry *x = a, *y = b;
    int by_stage = strcmp(x->stage, y->stage);

    return by_stage ? by_stage : (x->step < y->step) - (x->step > y->step);
}

void madpo_checkpoint_list_dispose(madpo_checkpoint_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->v[i].stage);
        free(list->v[i].dir);
    }
    free(list->v);
    *list = (madpo_checkpoint_list){0};
}

static madpo_status checkpoint_list_add(madpo_checkpoint_list *list, const char *parent,
                                        const char *name, size_t n_stage, int64_t step,
                                        madpo_error *err)
{
    madpo_checkpoint_entry *grown = realloc(list->v, (list->n + 1) * sizeof *grown);
    madpo_checkpoint_entry *entry;

    if (!grown)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "list of checkpoints");
    list->v = grown;
    entry = &grown[list->n];
    entry->stage = madpo__strf("%.*s", (int)n_stage, name);
    entry->dir = madpo__strf("%s/%s", parent, name);
    entry->step = step;
    list->n++; /* dispose frees what there is of it */
    return entry->stage && entry->dir
               ? MADPO_OK
               : madpo_error_set(err, MADPO_ERR_NOMEM, "list of checkpoints");
}

madpo_status madpo_checkpoint_list_read(madpo_checkpoint_list *out, const char *run_dir,
                                        const char *stage, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *parent = madpo__strf("%s/checkpoints", run_dir);
    DIR *folder = NULL;

    *out = (madpo_checkpoint_list){0};
    if (!parent)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "list of checkpoints");
    folder = opendir(parent);
    if (!folder && errno != ENOENT)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", parent);
    while (folder && st == MADPO_OK) {
        const struct dirent *entry = readdir(folder);
        size_t n_stage;
        int64_t step;

        if (!entry)
            break;
        if (!checkpoint_parse(entry->d_name, &n_stage, &step) ||
            (stage && (strlen(stage) != n_stage || strncmp(stage, entry->d_name, n_stage) != 0)))
            continue;
        st = checkpoint_list_add(out, parent, entry->d_name, n_stage, step, err);
    }
    if (folder)
        closedir(folder);
    free(parent);
    if (st == MADPO_OK && out->n > 1)
        qsort(out->v, out->n, sizeof *out->v, checkpoint_newest_first);
    if (st != MADPO_OK)
        madpo_checkpoint_list_dispose(out);
    return st;
}

/* ---- sealing ---- */

/* Put every regular file under dir/prefix into `files` and on the disk. */
static madpo_status checkpoint_seal_tree(json_t *files, const char *dir, const char *prefix,
                                         madpo_error *err);

static madpo_status checkpoint_sync_file(const char *path, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot open %s", path);
    if (fsync(fd) != 0)
        st = madpo__write_error(err, errno, path);
    close(fd);
    return st;
}

static madpo_status checkpoint_seal_entry(json_t *files, const char *dir, const char *name,
                                          madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char digest[MADPO_DIGEST_HEX];
    struct stat info;
    char *path = madpo__strf("%s/%s", dir, name);

    if (!path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "checksums of %s", dir);
    if (lstat(path, &info) != 0) {
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", path);
    } else if (S_ISDIR(info.st_mode)) {
        st = checkpoint_seal_tree(files, dir, name, err);
    } else if (S_ISREG(info.st_mode)) {
        st = checkpoint_sync_file(path, err);
        if (st == MADPO_OK)
            st = madpo_digest_file(path, digest, err);
        if (st == MADPO_OK &&
            json_object_set_new(
                files, name,
                json_pack("{s:I, s:s}", "bytes", (json_int_t)info.st_size, "xxh3", digest)) != 0)
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "checksums of %s", dir);
    }
    free(path);
    return st;
}

static madpo_status checkpoint_seal_tree(json_t *files, const char *dir, const char *prefix,
                                         madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *path = madpo__strf("%s%s%s", dir, *prefix ? "/" : "", prefix);
    DIR *folder = path ? opendir(path) : NULL;

    if (!folder)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", path ? path : dir);
    while (st == MADPO_OK) {
        const struct dirent *entry = readdir(folder);
        char *name;

        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        name = madpo__strf("%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
        st = name ? checkpoint_seal_entry(files, dir, name, err)
                  : madpo_error_set(err, MADPO_ERR_NOMEM, "checksums of %s", dir);
        free(name);
    }
    if (folder)
        closedir(folder);
    if (st == MADPO_OK)
        st = madpo_dir_sync(path, err);
    free(path);
    return st;
}

static madpo_status checkpoint_write_seal(const madpo_checkpoint *checkpoint, madpo_error *err)
{
    madpo_status st;
    json_t *files = json_object();
    json_t *seal =
        json_pack("{s:i, s:s, s:I, s:O}", "v", MADPO_RUN_FORMAT, "stage", checkpoint->stage, "step",
                  (json_int_t)checkpoint->step, "files", files);
    char *path = madpo__strf("%s/%s", checkpoint->temporary, checkpoint_seal);

    if (files && seal && path) {
        st = checkpoint_seal_tree(files, checkpoint->temporary, "", err);
        if (st == MADPO_OK)
            st = madpo_json_save(seal, path, err);
    } else {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "checksums of %s", checkpoint->temporary);
    }
    free(path);
    json_decref(seal);
    json_decref(files);
    return st;
}

madpo_status madpo_checkpoint_verify(const char *dir, madpo_error *err)
{
    madpo_status st;
    const char *name;
    json_t *seal = NULL, *file;
    char *path = madpo__strf("%s/%s", dir, checkpoint_seal);

    if (!path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "checksums of %s", dir);
    st = madpo_json_load(&seal, path, err);
    if (st == MADPO_OK && !json_is_object(json_object_get(seal, "files")))
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s is damaged: no \"files\"", path);
    json_object_foreach(json_object_get(seal, "files"), name, file)
    {
        char digest[MADPO_DIGEST_HEX];
        const char *wanted = json_string_value(json_object_get(file, "xxh3"));

        if (st != MADPO_OK)
            break;
        free(path);
        path = madpo__strf("%s/%s", dir, name);
        if (!path)
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "checksums of %s", dir);
        else
            st = madpo_digest_file(path, digest, err);
        if (st == MADPO_OK && (!wanted || strcmp(digest, wanted) != 0))
            st = madpo_error_set(err, MADPO_ERR_DATA, "%s is damaged: its checksum differs", path);
    }
    json_decref(seal);
    free(path);
    return st;
}

/* ---- writing ---- */

madpo_status madpo_checkpoint_begin(madpo_checkpoint **out, madpo_run *run, const char *stage,
                                    int64_t step, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    madpo_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);

    *out = NULL;
    if (checkpoint) {
        checkpoint->run = run;
        checkpoint->step = step;
        checkpoint->stage = madpo__strf("%s", stage);
        checkpoint->temporary = madpo_run_path(run, "checkpoints/%s%s-step-%lld",
                                               checkpoint_temporary, stage, (long long)step);
        checkpoint->final = madpo_run_path(run, "checkpoints/%s-step-%lld", stage, (long long)step);
    }
    if (!checkpoint || !checkpoint->stage || !checkpoint->temporary || !checkpoint->final)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "checkpoint of %s", stage);
    if (st == MADPO_OK)
        st = madpo_dir_remove(checkpoint->temporary, err);
    if (st == MADPO_OK)
        st = madpo_dir_make(checkpoint->temporary, err);
    if (st != MADPO_OK) {
        checkpoint_free(checkpoint);
        return st;
    }
    *out = checkpoint;
    return MADPO_OK;
}

const char *madpo_checkpoint_dir(const madpo_checkpoint *checkpoint)
{
    return checkpoint->temporary;
}

/* Rename into place. A checkpoint of the same step is there only if the step was reached again
 * after a resume from an older one; the new one takes its place. */
static madpo_status checkpoint_place(const madpo_checkpoint *checkpoint, madpo_error *err)
{
    char *parent = madpo_run_path(checkpoint->run, "checkpoints");
    madpo_status st = MADPO_OK;

    if (!parent)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "checkpoint of %s", checkpoint->stage);
    if (madpo_file_exists(checkpoint->final))
        st = madpo_dir_remove(checkpoint->final, err);
    if (st == MADPO_OK && rename(checkpoint->temporary, checkpoint->final) != 0)
        st = madpo__write_error(err, errno, checkpoint->final);
    if (st == MADPO_OK)
        st = madpo_dir_sync(parent, err);
    free(parent);
    return st;
}

static madpo_status checkpoint_prune(const madpo_checkpoint *checkpoint, int64_t keep,
                                     madpo_error *err)
{
    madpo_checkpoint_list list;
    madpo_status st =
        madpo_checkpoint_list_read(&list, checkpoint->run->dir, checkpoint->stage, err);

    for (size_t i = keep > 1 ? (size_t)keep : 1; st == MADPO_OK && i < list.n; i++)
        st = madpo_dir_remove(list.v[i].dir, err);
    madpo_checkpoint_list_dispose(&list);
    return st;
}

madpo_status madpo_checkpoint_commit(madpo_checkpoint *checkpoint, int64_t keep, madpo_error *err)
{
    madpo_run *run = checkpoint->run;
    madpo_status st = madpo__lines_sync(&run->events, err);

    if (st == MADPO_OK)
        st = checkpoint_write_seal(checkpoint, err);
    if (st == MADPO_OK)
        st = checkpoint_place(checkpoint, err);
    if (st != MADPO_OK) {
        madpo_checkpoint_abort(checkpoint);
        return st;
    }
    st = madpo__run_note_checkpoint(run, checkpoint->stage, checkpoint->step, err);
    if (st == MADPO_OK)
        st = checkpoint_prune(checkpoint, keep, err);
    checkpoint_free(checkpoint);
    return st;
}

void madpo_checkpoint_abort(madpo_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    if (madpo_dir_remove(checkpoint->temporary, NULL) != MADPO_OK)
        madpo_run_message(checkpoint->run, "could not remove %s", checkpoint->temporary);
    checkpoint_free(checkpoint);
}

void madpo__checkpoint_sweep(madpo_run *run)
{
    char *parent = madpo_run_path(run, "checkpoints");
    DIR *folder = parent ? opendir(parent) : NULL;
    const struct dirent *entry;

    while (folder && (entry = readdir(folder)) != NULL) {
        char *path;

        if (strncmp(entry->d_name, checkpoint_temporary, strlen(checkpoint_temporary)) != 0)
            continue;
        path = madpo__strf("%s/%s", parent, entry->d_name);
        if (path && madpo_dir_remove(path, NULL) != MADPO_OK)
            madpo_run_message(run, "could not remove the unfinished checkpoint %s", path);
        free(path);
    }
    if (folder)
        closedir(folder);
    free(parent);
}

madpo_status madpo_checkpoint_latest(char **dir, int64_t *step, madpo_run *run, const char *stage,
                                     madpo_error *err)
{
    madpo_checkpoint_list list;
    madpo_status st = madpo_checkpoint_list_read(&list, run->dir, stage, err);

    *dir = NULL;
    *step = 0;
    for (size_t i = 0; st == MADPO_OK && i < list.n; i++) {
        madpo_error damage = MADPO_ERROR_INIT;
        char text[MADPO_ERROR_MESSAGE + MADPO_ERROR_FILE];

        if (madpo_checkpoint_verify(list.v[i].dir, &damage) == MADPO_OK) {
            *dir = list.v[i].dir;
            *step = list.v[i].step;
            list.v[i].dir = NULL; /* moved to the caller */
            break;
        }
        if (damage.code == MADPO_ERR_NOMEM) {
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "%s", damage.message);
            break;
        }
        madpo_run_message(run, "passing over checkpoint %s: %s", list.v[i].dir,
                          madpo_error_format(&damage, text, sizeof text));
    }
    madpo_checkpoint_list_dispose(&list);
    return st;
}
