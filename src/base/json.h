#ifndef MADPO_BASE_JSON_H
#define MADPO_BASE_JSON_H
/* JSON through jansson, with this project's errors and number format. json_t references follow
 * jansson's rules: what _load and _parse return is owned by the caller (json_decref), what a getter
 * returns is borrowed. */
#include <jansson.h>

#include "madpo/error.h"

/* Read a file (gz transparently) holding one JSON value, object or array. MADPO_ERR_DATA with
 * file:line:column. */
madpo_status madpo_json_load(json_t **out, const char *path, madpo_error *err) MADPO_MUST_CHECK;
/* Parse text [n bytes], integers beyond 64 bits as reals; `name` and `line` (of the first byte,
 * from 1) say where it came from. */
madpo_status madpo_json_parse(json_t **out, const char *text, size_t n, const char *name, int line,
                              madpo_error *err) MADPO_MUST_CHECK;
/* One compact line without newline, members in the order they were set, doubles with 17 digits so
 * that reading gives the same bits (owned by the caller, free()). */
madpo_status madpo_json_dump(char **out, const json_t *value, madpo_error *err) MADPO_MUST_CHECK;
/* Write a file atomically, indented by 2, with a final newline. */
madpo_status madpo_json_save(const json_t *value, const char *path,
                             madpo_error *err) MADPO_MUST_CHECK;

/* A number, or null for NaN and infinities, which JSON does not know. New reference, NULL without
 * memory. */
json_t *madpo_json_real(double value);
/* A string from any bytes: what is not UTF-8 becomes U+FFFD. New reference, NULL without memory. */
json_t *madpo_json_text(const char *bytes, size_t n);

/* Members of an object. `where` names the object for the message ("run.json", "pairs.jsonl:12"). A
 * missing member or another type is MADPO_ERR_DATA naming key, the type wanted and the type found.
 */
madpo_status madpo_json_get_string(const char **out, const json_t *object, const char *key,
                                   const char *where, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_json_get_int(int64_t *out, const json_t *object, const char *key,
                                const char *where, madpo_error *err) MADPO_MUST_CHECK;
/* An integer or a real. */
madpo_status madpo_json_get_number(double *out, const json_t *object, const char *key,
                                   const char *where, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_json_get_bool(bool *out, const json_t *object, const char *key,
                                 const char *where, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_json_get_array(json_t **out, const json_t *object, const char *key,
                                  const char *where, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_json_get_object(json_t **out, const json_t *object, const char *key,
                                   const char *where, madpo_error *err) MADPO_MUST_CHECK;
/* Is the member there and not null? */
bool madpo_json_has(const json_t *object, const char *key);
#endif
