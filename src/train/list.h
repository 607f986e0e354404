#ifndef MADPO_TRAIN_LIST_H
#define MADPO_TRAIN_LIST_H
/* Comma-separated settings and options. */
#include "madpo/error.h"

/* Next word of a list (owned by the caller, free()), without spaces around it; NULL at the end.
 * Moves *rest on. */
madpo_status madpo_list_next(char **word, const char **rest, madpo_error *err) MADPO_MUST_CHECK;
#endif
