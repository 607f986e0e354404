/* See runs.h. */
#include "tui/runs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/strbuf.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool holds_run(const char *path)
{
    madpo_error ignored = {0};
    char *manifest;
    bool holds;

    if (madpo_path_join(&manifest, path, "run.json", &ignored) != MADPO_OK)
        return false;
    holds = madpo_file_exists(manifest);
    free(manifest);
    return holds;
}

static bool is_same_folder(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int madpo_runs_beside(const char *dir, char **paths, int max)
{
    madpo_error ignored = {0};
    const struct dirent *entry;
    char *parent;
    DIR *folder;
    int n = 0;

    if (madpo_path_parent(&parent, dir, &ignored) != MADPO_OK)
        return 0;
    folder = opendir(parent);
    while (folder && n < max && (entry = readdir(folder)) != NULL) {
        char *path;

        if (entry->d_name[0] == '.' ||
            madpo_path_join(&path, parent, entry->d_name, &ignored) != MADPO_OK)
            continue;
        if (holds_run(path) && !is_same_folder(path, dir))
            paths[n++] = path;
        else
            free(path);
    }
    if (folder)
        closedir(folder);
    free(parent);
    if (n > 0)
        qsort(paths, (size_t)n, sizeof *paths, by_name);
    return n;
}

madpo_status madpo_runs_export(const madpo_samples *samples, const char *path, size_t *n,
                               madpo_error *err)
{
    madpo_strbuf text = {0};
    madpo_status st;

    *n = 0;
    for (size_t i = 0; i < samples->n; i++)
        if (samples->v[i].marked) {
            madpo_strbuf_printf(&text, "%lld\n", (long long)samples->v[i].id);
            ++*n;
        }
    st = madpo_strbuf_check(&text, err);
    if (st == MADPO_OK && *n > 0)
        st = madpo_file_write(path, text.s, text.n, err);
    madpo_strbuf_dispose(&text);
    return st;
}

void madpo_runs_free_name(char *path, size_t size)
{
    char stem[300], end[32];
    const char *dot = strrchr(path, '.');

    if (!dot || strlen(dot) >= sizeof end)
        dot = path + strlen(path);
    snprintf(end, sizeof end, "%s", dot);
    snprintf(stem, sizeof stem, "%.*s", (int)(dot - path), path);
    for (int i = 2; i < 10000 && madpo_file_exists(path); i++)
        snprintf(path, size, "%s-%d%s", stem, i, end);
}
