#ifndef TESTS_SUPPORT_FAIL_ALLOC_H
#define TESTS_SUPPORT_FAIL_ALLOC_H
/* Make the n-th allocation fail. Link the test with FAIL_ALLOC_LINK (tests/unit/CMakeLists.txt):
 * the linker then sends malloc, calloc, realloc, strdup and strndup of our own objects through
 * here; shared libraries keep the system's, except jansson, which is told to take ours. */
#include <stdbool.h>
#include <stddef.h>

/* Count from now on and let the n-th allocation (from 1) fail, and only that; 0 = none. */
void fail_alloc_arm(size_t n);
/* Stop; was the allocation reached? */
bool fail_alloc_disarm(void);
/* Route jansson's allocations through here, too. */
void fail_alloc_jansson(void);
#endif
