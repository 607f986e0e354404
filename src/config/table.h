#ifndef MADPO_CONFIG_TABLE_H
#define MADPO_CONFIG_TABLE_H
/* The table behind every way to a setting: files, --set, help, validation and the resolved file.
 * Private to src/config. A new option is a field in config/options.h and one row in config/table.c.
 */
#include "config/config.h"

typedef enum madpo__type {
    MADPO__TYPE_INT,    /* int64_t */
    MADPO__TYPE_REAL,   /* double; a file may write it without a fraction */
    MADPO__TYPE_BOOL,   /* bool */
    MADPO__TYPE_STRING, /* char *, never NULL */
    MADPO__TYPE_CHOICE  /* char *, one of `choices` */
} madpo__type;

/* Which ends of a real range do not belong to it. */
typedef enum madpo__open {
    MADPO__CLOSED = 0,
    MADPO__OPEN_LOW = 1,
    MADPO__OPEN_HIGH = 2
} madpo__open;

/* A value on its way in: only the member of its type counts. */
typedef struct madpo__value {
    madpo__type type;
    int64_t i;
    double d;
    bool b;
    const char *s;
} madpo__value;

typedef struct madpo__key {
    const char *name;           /* "section.name" */
    size_t offset;              /* of the field in madpo_options */
    madpo__value initial;       /* default, and the type */
    int64_t int_low, int_high;  /* MADPO__TYPE_INT; INT64_MAX = no upper end */
    double real_low, real_high; /* MADPO__TYPE_REAL; infinite = no end */
    madpo__open open;
    const char *choices; /* MADPO__TYPE_CHOICE: "a, b, c" */
    const char *unit;    /* "" if it has none */
    const char *help;    /* one sentence without full stop */
} madpo__key;

extern const madpo__key madpo__keys[];
extern const size_t madpo__n_keys;

/* Row of a key, NULL if there is none. */
const madpo__key *madpo__key_find(const char *name);
/* Length of the section's name in "section.name". */
size_t madpo__key_section(const madpo__key *key);
/* Is there a section of this name? */
bool madpo__section_exists(const char *name);
/* The refusal of a name that is no key, with the nearest that is. `file` may be NULL. */
madpo_status madpo__key_unknown(const char *name, const char *file, int line, madpo_error *err);
madpo_status madpo__section_unknown(const char *name, const char *file, int line, madpo_error *err);

#endif
