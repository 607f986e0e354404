#ifndef MADPO_BASE_FILE_H
#define MADPO_BASE_FILE_H
/* Files, folders and paths. Paths are taken as written, relative ones from the working directory.
 * Errors are MADPO_ERR_IO naming the path and the system's reason, MADPO_ERR_NOMEM, or
 * MADPO_ERR_DATA for a damaged gz.
 */
#include "madpo/error.h"

/* Read a whole file, unpacking it if it is gzip (by its first bytes, not its name). *out [n+1
 * bytes] is owned by the caller, free(); a terminator follows the n bytes. An empty file is not an
 * error here. */
madpo_status madpo_file_read(char **out, size_t *n, const char *path,
                             madpo_error *err) MADPO_MUST_CHECK;
/* Replace a file atomically: after this returns MADPO_OK the new bytes are on the disk, after a
 * failure or a crash the old ones still are. */
madpo_status madpo_file_write(const char *path, const void *bytes, size_t n,
                              madpo_error *err) MADPO_MUST_CHECK;

/* The same in pieces: bytes go to a temporary file beside `path` that _commit renames into place. A
 * target that exists and is no regular file (a pipe, /dev/stdout) is written directly. */
typedef struct madpo_file_writer madpo_file_writer;
madpo_status madpo_file_writer_open(madpo_file_writer **out, const char *path,
                                    madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_file_writer_write(madpo_file_writer *writer, const void *bytes, size_t n,
                                     madpo_error *err) MADPO_MUST_CHECK;
/* Frees the writer in any case. */
madpo_status madpo_file_writer_commit(madpo_file_writer *writer, madpo_error *err) MADPO_MUST_CHECK;
/* Remove the temporary file and free the writer; accepts NULL. */
void madpo_file_writer_abort(madpo_file_writer *writer);

/* Is there something (a file, a folder, …) under this name? Is it a folder? */
bool madpo_file_exists(const char *path);
bool madpo_dir_exists(const char *path);
/* Create a folder and its parents; one that is there already is fine. */
madpo_status madpo_dir_make(const char *path, madpo_error *err) MADPO_MUST_CHECK;
/* Remove a folder and all in it, not following links; one that is not there is fine. */
madpo_status madpo_dir_remove(const char *path, madpo_error *err) MADPO_MUST_CHECK;
/* Ask the disk to keep the entries of a folder (after a rename in it). */
madpo_status madpo_dir_sync(const char *path, madpo_error *err) MADPO_MUST_CHECK;

/* a + "/" + b without doubling the slash; b alone if it is absolute or a is "" (owned by the
 * caller, free()). */
madpo_status madpo_path_join(char **out, const char *a, const char *b,
                             madpo_error *err) MADPO_MUST_CHECK;
/* What comes before the last slash: "." if there is none, "/" for the root (owned by the caller,
 * free()). */
madpo_status madpo_path_parent(char **out, const char *path, madpo_error *err) MADPO_MUST_CHECK;

/* The user's cache folder for this program, $XDG_CACHE_HOME/madpo or $HOME/.cache/madpo, created
 * with mode 0700 (owned by the caller, free()). Without either variable: MADPO_ERR_IO naming both.
 */
madpo_status madpo_cache_dir(char **out, madpo_error *err) MADPO_MUST_CHECK;
#endif
