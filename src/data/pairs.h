#ifndef MADPO_DATA_PAIRS_H
#define MADPO_DATA_PAIRS_H
/* Inside view of madpo/pairs.h: text in memory, writing, the digest. */
#include "madpo/pairs.h"

/* As madpo_pairs_load and madpo_pairs_load_with, from text [n bytes] that came from `name`. */
madpo_status madpo_pairs_parse(madpo_pairs **out, const char *text, size_t n, const char *name,
                               bool skip_bad, size_t *skipped, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_pairs_parse_with(madpo_pairs **out, const char *text, size_t n, const char *name,
                                    const madpo_pairs_options *options, madpo_pairs_report *report,
                                    madpo_error *err) MADPO_MUST_CHECK;
/* One pair as one JSON line with newline, every known field (owned by the caller, free()). Bytes
 * that are not UTF-8 become U+FFFD, as JSON demands: sampled text should go through
 * madpo_utf8_sanitize (text/utf8.h) first, so that memory and file agree. */
madpo_status madpo_pair_format(char **out, const madpo_pair *pair,
                               madpo_error *err) MADPO_MUST_CHECK;
/* XXH3 digest over all pairs' ids, texts, margins and kinds of text, as 32 hex digits. */
void madpo_pairs_digest(const madpo_pairs *pairs, char hex[33]);
#endif
