/* Figures of an experiment: data and gnuplot scripts under DIR/figures, drawn where gnuplot is
 * installed. Each script can be run again by hand in its folder. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/file.h"
#include "train/experiment_inside.h"

extern char **environ;

static madpo_status write_file(const madpo_experiment *e, const char *name, madpo_strbuf *b,
                               madpo_error *err)
{
    char *path = NULL;
    madpo_status st = madpo_strbuf_check(b, err);

    if (st == MADPO_OK)
        st = madpo__exp_path(&path, e, err, "figures/%s", name);
    if (st == MADPO_OK)
        st = madpo_file_write(path, b->s, b->n, err);
    free(path);
    madpo_strbuf_dispose(b);
    return st;
}

static void point(madpo_strbuf *b, madpo_summary s)
{
    const double values[] = {s.mean, isnan(s.low) ? s.mean : s.low,
                             isnan(s.high) ? s.mean : s.high};

    for (size_t i = 0; i < 3; i++)
        if (isnan(values[i]))
            madpo_strbuf_append(b, " NaN");
        else
            madpo_strbuf_printf(b, " %.9g", values[i]);
}

/* ---- bars by tier and method ---- */

/* gnuplot draws no histogram of a method without a single result. */
static bool is_bar(const madpo_exp_results *r, size_t column)
{
    if (!(r->column[column].roles & MADPO_ROLE_METHOD))
        return false;
    for (size_t t = 0; t < r->n_tiers; t++)
        for (size_t s = 0; s < r->n_seeds; s++)
            if (r->done[madpo_exp_cell_index(r, t, column, s)])
                return true;
    return false;
}

static void bar_data(madpo_strbuf *b, const madpo_exp_results *r, double *mean)
{
    size_t n;

    madpo_strbuf_append(b, "# tier, then mean, low and high of every method\n");
    for (size_t t = 0; t < r->n_tiers; t++) {
        madpo_strbuf_append(b, r->tier[t]);
        for (size_t c = 0; c < r->n_columns; c++)
            if (is_bar(r, c))
                point(b, madpo_exp_summary(r, t, c, mean, &n));
        madpo_strbuf_append_char(b, '\n');
    }
}

/* Both formats, one after the other: the plot command is the macro's. */
static void draw_twice(madpo_strbuf *b, const char *name)
{
    madpo_strbuf_printf(b,
                        "set terminal svg size 900,520 dynamic background rgb 'white'\n"
                        "set output '%s.svg'\n"
                        "@picture\n"
                        "set terminal pngcairo size 900,520\n"
                        "set output '%s.png'\n"
                        "@picture\n"
                        "set output\n",
                        name, name);
}

static void bar_script(madpo_strbuf *b, const madpo_exp_results *r, double reference)
{
    size_t k = 0;

    madpo_strbuf_append(b, "# gnuplot rewards.gp\n"
                           "set style data histograms\n"
                           "set style histogram errorbars gap 2 lw 1\n"
                           "set style fill solid 0.7 border -1\n"
                           "set grid ytics\n"
                           "set key outside right\n"
                           "set xlabel 'quality of the data'\n"
                           "set ylabel 'mean true reward'\n");
    madpo_strbuf_printf(b, "set xrange [-0.6:%zu.6]\npicture = \"plot ", r->n_tiers - 1);
    for (size_t c = 0; c < r->n_columns; c++) {
        if (!is_bar(r, c))
            continue;
        madpo_strbuf_printf(b, "%s'rewards.dat' using %zu:%zu:%zu:xtic(1) title '%s' noenhanced",
                            k ? ", " : "", 3 * k + 2, 3 * k + 3, 3 * k + 4, r->column[c].spec);
        k++;
    }
    if (!isnan(reference))
        madpo_strbuf_printf(b, ", %.9g with lines dashtype 2 lc black title 'reference'",
                            reference);
    madpo_strbuf_append(b, "\"\n");
    draw_twice(b, "rewards");
}

/* ---- a sweep ---- */

static void sweep_data(madpo_strbuf *b, const madpo_exp_results *r, unsigned role, double *mean)
{
    size_t n;

    madpo_strbuf_append(b, "# value, then mean, low and high of every tier\n");
    for (size_t c = 0; c < r->n_columns; c++) {
        if (!(r->column[c].roles & role))
            continue;
        madpo_strbuf_printf(b, "%.9g",
                            role == MADPO_ROLE_SWEEP_C ? r->column[c].c : r->column[c].tau);
        for (size_t t = 0; t < r->n_tiers; t++)
            point(b, madpo_exp_summary(r, t, c, mean, &n));
        madpo_strbuf_append_char(b, '\n');
    }
}

static void sweep_script(madpo_strbuf *b, const madpo_exp_results *r, const char *name,
                         const char *label)
{
    madpo_strbuf_printf(b,
                        "# gnuplot %s.gp\n"
                        "set grid\n"
                        "set key outside right\n"
                        "set offsets graph 0.05, graph 0.05, 0, 0\n"
                        "set xlabel '%s'\n"
                        "set ylabel 'mean true reward'\n"
                        "picture = \"plot ",
                        name, label);
    for (size_t t = 0; t < r->n_tiers; t++)
        madpo_strbuf_printf(b, "%s'%s.dat' using 1:%zu:%zu:%zu with yerrorlines pt 7 title '%s'",
                            t ? ", " : "", name, 3 * t + 2, 3 * t + 3, 3 * t + 4, r->tier[t]);
    madpo_strbuf_append(b, "\"\n");
    draw_twice(b, name);
}

static bool has_role(const madpo_exp_results *r, unsigned role)
{
    for (size_t c = 0; c < r->n_columns; c++)
        if (r->column[c].roles & role)
            return true;
    return false;
}

/* ---- gnuplot ---- */

/* Run a script in its folder; what gnuplot says goes to gnuplot.log there. -1: not installed; else
 * its exit status. */
static int spawn_gnuplot(char *change_folder, char *script, const char *log)
{
    char name[] = "gnuplot", run_first[] = "-e";
    char *args[] = {name, run_first, change_folder, script, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child = 0;
    int status = -1, failed = posix_spawn_file_actions_init(&actions);

    if (failed)
        return 1;
    failed =
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0666) ||
        posix_spawn_file_actions_adddup2(&actions, 2, 1);
    failed = failed || posix_spawnp(&child, name, &actions, NULL, args, environ) != 0;
    posix_spawn_file_actions_destroy(&actions);
    if (failed)
        return -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    return status == 127 ? -1 : status; /* where spawning and executing are two steps */
}

static int run_gnuplot(const char *dir, char *script)
{
    madpo_strbuf change = {0};
    char *log = NULL;
    int status = 1;

    madpo_strbuf_append(&change, "cd '");
    for (const char *c = dir; *c; c++)
        madpo_strbuf_append(&change, *c == '\'' ? "''" : (char[]){*c, 0});
    madpo_strbuf_append_char(&change, '\'');
    if (!change.failed && madpo_path_join(&log, dir, "gnuplot.log", NULL) == MADPO_OK)
        status = spawn_gnuplot(change.s, script, log);
    madpo_strbuf_dispose(&change);
    free(log);
    return status;
}

static madpo_status draw(const madpo_experiment *e, const char *const *names, size_t n,
                         madpo_error *err)
{
    char *dir = NULL;
    madpo_status st = madpo__exp_path(&dir, e, err, "figures");

    for (size_t i = 0; i < n && st == MADPO_OK; i++) {
        madpo_strbuf script = {0};
        int status;

        madpo_strbuf_printf(&script, "%s.gp", names[i]);
        st = madpo_strbuf_check(&script, err);
        status = st == MADPO_OK ? run_gnuplot(dir, script.s) : 0;
        madpo_strbuf_dispose(&script);
        if (status > 0)
            madpo__exp_message(e,
                               "experiment: gnuplot could not draw %s/%s.gp; see gnuplot.log there",
                               dir, names[i]);
        if (status < 0) {
            madpo__exp_message(e,
                               "experiment: figures are not drawn: gnuplot is not installed; "
                               "their scripts are in %s",
                               dir);
            break;
        }
    }
    free(dir);
    return st;
}

madpo_status madpo__exp_figures(const madpo_experiment *e, const madpo_exp_results *r,
                                madpo_error *err)
{
    static const struct {
        unsigned role;
        const char *name, *data, *script, *label;
    } sweeps[] = {
        {MADPO_ROLE_SWEEP_C, "sweep-c", "sweep-c.dat", "sweep-c.gp", "c_{max} = 1/c_{min}"},
        {MADPO_ROLE_SWEEP_TAU, "sweep-tau", "sweep-tau.dat", "sweep-tau.gp", "tau"}};
    const char *names[3] = {"rewards"}; /* the sweeps come behind it, or from the first place on */
    double *mean = malloc((r->n_seeds + 1) * sizeof *mean);
    char *dir = NULL;
    madpo_strbuf b = {0};
    size_t n = 0, n_reference;
    bool bars = false;
    madpo_status st = mean ? madpo__exp_path(&dir, e, err, "figures")
                           : madpo_error_set(err, MADPO_ERR_NOMEM, "figures: out of host memory");

    if (st == MADPO_OK)
        st = madpo_dir_make(dir, err);
    free(dir);
    for (size_t c = 0; c < r->n_columns; c++)
        bars = bars || is_bar(r, c);
    if (st == MADPO_OK && bars) {
        bar_data(&b, r, mean);
        st = write_file(e, "rewards.dat", &b, err);
        if (st == MADPO_OK) {
            bar_script(&b, r, madpo_exp_reference(r, mean, &n_reference).mean);
            st = write_file(e, "rewards.gp", &b, err);
        }
        n = 1;
    }
    for (size_t i = 0; i < 2 && st == MADPO_OK; i++) {
        if (!has_role(r, sweeps[i].role))
            continue;
        sweep_data(&b, r, sweeps[i].role, mean);
        st = write_file(e, sweeps[i].data, &b, err);
        if (st == MADPO_OK) {
            sweep_script(&b, r, sweeps[i].name, sweeps[i].label);
            st = write_file(e, sweeps[i].script, &b, err);
        }
        names[n++] = sweeps[i].name;
    }
    free(mean);
    return st == MADPO_OK ? draw(e, names, n, err) : st;
}
