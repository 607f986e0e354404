#ifndef MADPO_RUN_CHECKPOINTS_H
#define MADPO_RUN_CHECKPOINTS_H
/* Finding and checking the checkpoints of a run directory, without opening the run: for tools that
 * read one. Writing them is in run/run.h. */
#include "madpo/error.h"

typedef struct madpo_checkpoint_entry {
    char *stage; /* owned by the list */
    int64_t step;
    char *dir; /* owned by the list */
} madpo_checkpoint_entry;

typedef struct madpo_checkpoint_list {
    madpo_checkpoint_entry *v; /* [n] owned; by stage name, newest first */
    size_t n;
} madpo_checkpoint_list;

/* List a run's checkpoints, of one stage or (NULL) of all. Finished folders only; their checksums
 * are not looked at. No checkpoint is not an error. */
madpo_status madpo_checkpoint_list_read(madpo_checkpoint_list *out, const char *run_dir,
                                        const char *stage, madpo_error *err) MADPO_MUST_CHECK;
void madpo_checkpoint_list_dispose(madpo_checkpoint_list *list);
/* Compare every file of a checkpoint with its checksum: MADPO_ERR_DATA or _IO naming the first bad
 * one. */
madpo_status madpo_checkpoint_verify(const char *dir, madpo_error *err) MADPO_MUST_CHECK;
#endif
