/* What an experiment leaves for those who watch it: its lock, and the list of its parts. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "train/experiment_inside.h"

/* ---- the lock ---- */

/* A reader that looks whether the experiment is at work holds it for an instant, so a few tries. */
static int try_lock(int fd)
{
    const struct timespec pause = {0, 20000000};
    int rc = flock(fd, LOCK_EX | LOCK_NB);

    for (int i = 0; rc != 0 && errno == EWOULDBLOCK && i < 10; i++) {
        nanosleep(&pause, NULL);
        rc = flock(fd, LOCK_EX | LOCK_NB);
    }
    return rc;
}

/* One process at a time: a second one would take the first one's runs, which are locked, for
 * failures. The lock is the kernel's, so it cannot outlive its owner. */
madpo_status madpo__exp_lock(int *lock, const madpo_experiment *e, madpo_error *err)
{
    char *path = NULL, owner[32];
    madpo_status st = madpo_dir_make(e->dir, err);

    *lock = -1;
    if (st == MADPO_OK)
        st = madpo__exp_path(&path, e, err, "experiment.lock");
    if (st != MADPO_OK)
        return st;
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*lock < 0) {
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "%s", path);
    } else if (try_lock(*lock) == 0) {
        int n = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());

        /* for readers only: without it the lock still holds */
        if (ftruncate(*lock, 0) == 0 && pwrite(*lock, owner, (size_t)n, 0) < 0)
            owner[0] = '\0';
    } else if (errno == EWOULDBLOCK) {
        st = madpo_error_set(err, MADPO_ERR_IO,
                             "%s is being worked on by another madpo experiment; wait for it, or "
                             "choose another --out",
                             e->dir);
    }
    free(path);
    return st;
}

/* ---- the parts ---- */

/* Where a run is, as seen from the experiment's folder. Moves dir. */
static json_t *inside(const madpo_experiment *e, char *dir)
{
    size_t n = strlen(e->dir);
    const char *rest = dir;

    if (strncmp(dir, e->dir, n) == 0)
        rest += n;
    while (*rest == '/')
        rest++;
    return madpo_json_text(rest, strlen(rest));
}

static madpo_status add_tiers(json_t *parts, const madpo_experiment *e, madpo_error *err)
{
    size_t n_seeds = e->o->experiment.reseed_data ? e->plan.n_seeds : 1;
    madpo_status st = MADPO_OK;

    for (size_t tier = 0; tier < e->plan.n_tiers; tier++)
        for (size_t seed = 0; seed < n_seeds && st == MADPO_OK; seed++) {
            char *dir = NULL;

            st = madpo__exp_tier_dir(&dir, e, tier, seed, err);
            if (st == MADPO_OK)
                json_array_append_new(parts, json_pack("{s:o,s:s}", "dir", inside(e, dir), "tier",
                                                       e->plan.tier[tier]));
            free(dir);
        }
    return st;
}

static void add_cells(json_t *parts, const madpo_experiment *e)
{
    for (size_t i = 0; i < e->plan.n_cells; i++) {
        const madpo__exp_cell *cell = &e->plan.cell[i];
        const char *spec = e->plan.method[cell->method].spec;
        bool chosen = !e->only || fnmatch(e->only, cell->name, 0) == 0;
        char dir[512];

        snprintf(dir, sizeof dir, "cells/%s", cell->name);
        json_array_append_new(parts, json_pack("{s:o,s:o,s:s,s:o,s:s,s:b}", "dir",
                                               madpo_json_text(dir, strlen(dir)), "cell",
                                               madpo_json_text(cell->name, strlen(cell->name)),
                                               "tier", e->plan.tier[cell->tier], "method",
                                               madpo_json_text(spec, strlen(spec)), "seed",
                                               e->plan.seed[cell->seed], "chosen", (int)chosen));
    }
}

/* Write experiment.json; see experiment.h. */
madpo_status madpo__exp_write_parts(const madpo_experiment *e, madpo_error *err)
{
    json_t *parts = json_array(), *record = json_pack("{s:i}", "v", 1);
    size_t n_tiers = e->plan.n_tiers * (e->o->experiment.reseed_data ? e->plan.n_seeds : 1);
    char *path = NULL;
    madpo_status st = madpo__exp_path(&path, e, err, "experiment.json");

    json_array_append_new(parts, json_pack("{s:s}", "dir", "shared/sft"));
    if (st == MADPO_OK)
        st = add_tiers(parts, e, err);
    if (st == MADPO_OK)
        add_cells(parts, e);
    if (st == MADPO_OK && (json_array_size(parts) != 1 + n_tiers + e->plan.n_cells ||
                           json_object_set(record, "parts", parts) != 0))
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "experiment: out of host memory");
    if (st == MADPO_OK)
        st = madpo_json_save(record, path, err);
    json_decref(parts);
    json_decref(record);
    free(path);
    return st;
}
