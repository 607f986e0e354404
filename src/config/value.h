#ifndef MADPO_CONFIG_VALUE_H
#define MADPO_CONFIG_VALUE_H
/* Values of the table's types: check, store, read, print and parse. Private to src/config. Numbers
 * are printed and parsed with a decimal point whatever the locale says. */
#include "base/strbuf.h"
#include "config/table.h"

/* Check the range and store a value of the key's own type. Errors point to file:line (file may be
 * NULL). */
madpo_status madpo__value_store(madpo_options *options, const madpo__key *key,
                                const madpo__value *value, const char *file, int line,
                                madpo_error *err) MADPO_MUST_CHECK;
/* The field's value; a string is borrowed. */
madpo__value madpo__value_read(const madpo_options *options, const madpo__key *key);
/* Parse what --set has behind the "=" into *out (a string is borrowed from `text`). */
madpo_status madpo__value_parse(madpo__value *out, const madpo__key *key, const char *text,
                                madpo_error *err) MADPO_MUST_CHECK;
/* As text; `quoted` as a libconfig file writes it. The shortest digits that read back to the same
 * bits. */
void madpo__value_print(madpo_strbuf *out, const madpo__value *value, bool quoted);
/* "an integer", …; and the range in words: "above 0, at most 1", "one of a, b, c", "" if anything
 * goes. */
const char *madpo__type_name(madpo__type type);
void madpo__range_print(madpo_strbuf *out, const madpo__key *key);
#endif
