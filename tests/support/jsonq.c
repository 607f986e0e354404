/* jsonq: looks into JSON lines for the test scripts.
 *
 *   jsonq [KEY...] < lines    print these members of every object, separated by tabs ("-" if
 * absent); an array's elements count as lines; without KEY only check jsonq --strip < lines print
 * every object without the members whose value depends on the clock, and no "system" event;
 * jsonq --where KEY=VALUE [KEY...]   only objects whose member reads VALUE
 *
 * Exits with 1 at the first line that is no JSON object or array, and when there is no line at all.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct query {
    bool strip;
    const char *where; /* KEY=VALUE or NULL */
    char **keys;
    int n_keys;
    long n_objects;
} query;

static bool is_clock(const char *key)
{
    static const char suffix[] = "_per_second";
    size_t n = strlen(key), m = sizeof suffix - 1;

    return strcmp(key, "t") == 0 || strcmp(key, "seconds") == 0 ||
           strcmp(key, "eta_seconds") == 0 || (n >= m && strcmp(key + n - m, suffix) == 0);
}

/* Text of a value: a string as it is, else JSON. Owned by the caller. */
static char *value_text(const json_t *value)
{
    return !value ? strdup("-")
           : json_is_string(value)
               ? strdup(json_string_value(value))
               : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

static bool matches(const query *q, const json_t *object)
{
    const char *equals = q->where ? strchr(q->where, '=') : NULL;
    char *key, *text;
    bool same;

    if (!equals)
        return true;
    key = strndup(q->where, (size_t)(equals - q->where));
    text = value_text(json_object_get(object, key));
    same = text && strcmp(text, equals + 1) == 0;
    free(key);
    free(text);
    return same;
}

static void show(query *q, json_t *object)
{
    q->n_objects++;
    if (!matches(q, object))
        return;
    if (q->strip) {
        const json_t *ev = json_object_get(object, "ev");
        const char *key;
        json_t *value;
        void *next;
        char *text;

        if (ev && strcmp(json_string_value(ev) ? json_string_value(ev) : "", "system") == 0)
            return;
        json_object_foreach_safe(object, next, key, value)
        {
            (void)value;
            if (is_clock(key))
                json_object_del(object, key);
        }
        text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
        puts(text ? text : "");
        free(text);
        return;
    }
    for (int i = 0; i < q->n_keys; i++) {
        char *text = value_text(json_object_get(object, q->keys[i]));

        printf("%s%s", i ? "\t" : "", text ? text : "");
        free(text);
    }
    if (q->n_keys > 0)
        putchar('\n');
}

static bool read_line(query *q, const char *line, size_t n, long number)
{
    json_error_t bad;
    json_t *value = json_loadb(line, n, JSON_ALLOW_NUL, &bad), *element;
    bool ok = json_is_object(value) || json_is_array(value);
    size_t i;

    if (!ok)
        fprintf(stderr, "jsonq: line %ld: %s\n", number, value ? "no object" : bad.text);
    if (json_is_object(value))
        show(q, value);
    json_array_foreach(value, i, element)
    {
        if (json_is_object(element))
            show(q, element);
    }
    json_decref(value);
    return ok;
}

int main(int argc, char **argv)
{
    query q = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    bool ok = true;
    long number = 0;
    int i = 1;

    if (i < argc && strcmp(argv[i], "--strip") == 0) {
        q.strip = true;
        i++;
    }
    if (i + 1 < argc && strcmp(argv[i], "--where") == 0) {
        q.where = argv[i + 1];
        i += 2;
    }
    q.keys = argv + i;
    q.n_keys = argc - i;
    while (ok && (n = getline(&line, &capacity, stdin)) > 0)
        ok = read_line(&q, line, (size_t)n, ++number);
    free(line);
    return ok && number > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
