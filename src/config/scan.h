#ifndef MADPO_CONFIG_SCAN_H
#define MADPO_CONFIG_SCAN_H
/* Private to src/config: what libconfig 1.5 reads wrongly without a word. A plain integer above 32
 * bits is wrapped around (4294967338 becomes 42) unless an L stands behind it, so such integers are
 * looked for in the text and refused with file and line. */
#include "madpo/error.h"

/* Scan a file that libconfig has accepted, and what it includes (names relative to `folder`). */
madpo_status madpo__scan_integers(const char *path, const char *folder,
                                  madpo_error *err) MADPO_MUST_CHECK;
#endif
