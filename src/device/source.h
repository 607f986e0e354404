#ifndef MADPO_DEVICE_SOURCE_H
#define MADPO_DEVICE_SOURCE_H
/* The kernel sources embedded at build time (cl/embed.cmake), by path below cl/: "ops/rope.cl". */
#include <stddef.h>

typedef struct madpo_embedded_file {
    const char *name;  /* path below cl/ */
    const char *bytes; /* terminated */
    size_t n;          /* bytes without the terminator */
} madpo_embedded_file;

extern const madpo_embedded_file madpo_embedded_files[];
extern const size_t madpo_n_embedded_files;

#endif
