/* Program binaries between runs: <cache folder>/programs/<digest of the key>.
 *
 * An entry is
 *     "madpo program 1\n"                     16 bytes: format and its version
 *     key bytes, binary bytes                 two 64-bit numbers, this machine's byte order
 *     digest of the rest                      32 hexadecimal digits
 *     key                                     program.c: our version, device, driver, options,
 * source binary                                  the driver's The whole key is stored and compared,
 * so neither two keys with one digest nor a file of another machine can be mistaken. Anything that
 * does not fit (cut, damaged, of another format) counts as absent and is replaced after the build.
 * Nothing here fails: a folder that cannot be made or written leaves a note. */
#include "device/internal.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char cache_magic[] = "madpo program 1\n";

#define MAGIC  (sizeof cache_magic - 1)
#define DIGEST (MADPO_DIGEST_HEX - 1)
#define HEADER (MAGIC + 2 * sizeof(uint64_t) + DIGEST)

/* Replace the note by "<message>: programs are built anew in every run". */
static void cache_note(madpo__cache *cache, const char *message)
{
    madpo_strbuf text = {0};
    char *note;

    madpo_strbuf_printf(
        &text, "no cache of compiled kernels: %s; programs are built anew in every run", message);
    if (madpo_strbuf_steal(&text, &note, NULL, NULL) != MADPO_OK)
        return;
    free(cache->note);
    cache->note = note;
}

void madpo__cache_open(madpo__cache *cache, const char *cache_dir)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *own = NULL;
    madpo_status st = MADPO_OK;

    *cache = (madpo__cache){0};
    if (cache_dir && !*cache_dir)
        return; /* asked for none */
    if (!cache_dir)
        st = madpo_cache_dir(&own, &err);
    if (st == MADPO_OK)
        st = madpo_path_join(&cache->folder, cache_dir ? cache_dir : own, "programs", &err);
    if (st == MADPO_OK)
        st = madpo_dir_make(cache->folder, &err);
    if (st == MADPO_OK && access(cache->folder, W_OK | X_OK) != 0)
        st = madpo_error_set(&err, MADPO_ERR_IO, "%s is not writable", cache->folder);
    if (st != MADPO_OK) {
        cache_note(cache, err.message);
        /* what others have stored may still be read */
        if (cache->folder && access(cache->folder, R_OK | X_OK) != 0) {
            free(cache->folder);
            cache->folder = NULL;
        }
    }
    free(own);
}

void madpo__cache_dispose(madpo__cache *cache)
{
    free(cache->folder);
    free(cache->note);
    *cache = (madpo__cache){0};
}

/* Path of the entry of `key` (owned), or NULL. */
static char *cache_path(const madpo__cache *cache, const char *key, size_t n_key)
{
    char hex[MADPO_DIGEST_HEX], *path;

    if (!cache->folder)
        return NULL;
    madpo_digest_bytes(key, n_key, hex);
    return madpo_path_join(&path, cache->folder, hex, NULL) == MADPO_OK ? path : NULL;
}

/* Does `file` [n] hold the whole, undamaged entry of `key`? */
static bool cache_valid(const char *file, size_t n, const char *key, size_t n_key)
{
    uint64_t sizes[2];
    char hex[MADPO_DIGEST_HEX];

    if (n < HEADER || memcmp(file, cache_magic, MAGIC) != 0)
        return false;
    memcpy(sizes, file + MAGIC, sizeof sizes);
    if (sizes[0] != n_key || sizes[0] > n - HEADER || sizes[1] != n - HEADER - sizes[0] ||
        sizes[1] == 0)
        return false;
    madpo_digest_bytes(file + HEADER, n - HEADER, hex);
    return memcmp(hex, file + MAGIC + sizeof sizes, DIGEST) == 0 &&
           memcmp(key, file + HEADER, n_key) == 0;
}

bool madpo__cache_has(const madpo__cache *cache, const char *key, size_t n_key)
{
    char *path = cache_path(cache, key, n_key);
    const bool has = path && madpo_file_exists(path);

    free(path);
    return has;
}

bool madpo__cache_load(const madpo__cache *cache, const char *key, size_t n_key,
                       unsigned char **binary, size_t *n)
{
    char *path = cache_path(cache, key, n_key), *file = NULL;
    size_t n_file = 0;
    bool found = false;

    *binary = NULL;
    *n = 0;
    if (path && madpo_file_exists(path) &&
        madpo_file_read(&file, &n_file, path, NULL) == MADPO_OK &&
        cache_valid(file, n_file, key, n_key)) {
        *n = n_file - HEADER - n_key;
        memmove(file, file + HEADER + n_key, *n);
        *binary = (unsigned char *)file; /* moved to the caller */
        file = NULL;
        found = true;
    }
    free(file);
    free(path);
    return found;
}

void madpo__cache_store(madpo__cache *cache, const char *key, size_t n_key,
                        const unsigned char *binary, size_t n)
{
    const uint64_t sizes[2] = {n_key, n};
    char *path = cache_path(cache, key, n_key);
    char hex[MADPO_DIGEST_HEX];
    madpo_error err = MADPO_ERROR_INIT;
    madpo_digest *digest = NULL;
    madpo_strbuf entry = {0};
    madpo_status st;

    if (!path)
        return;
    st = madpo_digest_new(&digest, &err);
    if (st == MADPO_OK) {
        madpo_digest_update(digest, key, n_key);
        madpo_digest_update(digest, binary, n);
        madpo_digest_hex(digest, hex);
        madpo_strbuf_append_n(&entry, cache_magic, MAGIC);
        madpo_strbuf_append_n(&entry, (const char *)sizes, sizeof sizes);
        madpo_strbuf_append_n(&entry, hex, DIGEST);
        madpo_strbuf_append_n(&entry, key, n_key);
        madpo_strbuf_append_n(&entry, (const char *)binary, n);
        st = madpo_strbuf_check(&entry, &err);
    }
    if (st == MADPO_OK)
        st = madpo_file_write(path, entry.s, entry.n, &err);
    if (st != MADPO_OK && !cache->note)
        cache_note(cache, err.message);
    madpo_digest_free(digest);
    madpo_strbuf_dispose(&entry);
    free(path);
}

char *madpo__cache_log(const madpo__cache *cache, const char *stem, const char *log)
{
    madpo_strbuf name = {0};
    char *path = NULL;

    if (!cache->folder)
        return NULL;
    for (const char *p = stem; *p; p++)
        madpo_strbuf_append_char(&name, *p == '/' ? '-' : *p);
    madpo_strbuf_append(&name, ".log");
    if (name.failed || madpo_path_join(&path, cache->folder, name.s, NULL) != MADPO_OK ||
        madpo_file_write(path, log, strlen(log), NULL) != MADPO_OK) {
        free(path);
        path = NULL;
    }
    madpo_strbuf_dispose(&name);
    return path;
}
