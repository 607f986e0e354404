/* Choosing a device by what the user wrote. */
#include "device/internal.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool select_same(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == '\0' && *b == '\0';
}

static bool select_contains(const char *text, const char *part)
{
    const size_t n = strlen(part);

    for (; *text; text++) {
        size_t i = 0;

        while (i < n && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == n)
            return true;
    }
    return n == 0;
}

/* First available device of a kind; n if there is none. */
static size_t select_kind(const madpo_device_info *info, size_t n, madpo_device_kind kind)
{
    for (size_t i = 0; i < n; i++) {
        if (info[i].kind == kind && info[i].available)
            return i;
    }
    return n;
}

static size_t select_auto(const madpo_device_info *info, size_t n)
{
    size_t found = select_kind(info, n, MADPO_DEVICE_GPU);

    if (found == n)
        found = select_kind(info, n, MADPO_DEVICE_CPU);
    if (found == n)
        found = select_kind(info, n, MADPO_DEVICE_OTHER);
    return found;
}

static size_t select_name(const madpo_device_info *info, size_t n, const char *part)
{
    for (size_t i = 0; i < n; i++) {
        if (info[i].available &&
            (select_contains(info[i].name, part) || select_contains(info[i].platform, part)))
            return i;
    }
    return n;
}

static bool select_is_index(const char *select)
{
    return select[strspn(select, "0123456789")] == '\0';
}

static size_t select_index(size_t n, const char *select)
{
    unsigned long long index = strtoull(select, NULL, 10);

    return index < n ? (size_t)index : n;
}

static madpo_status select_failed(const madpo_device_info *info, size_t n, const char *select,
                                  madpo_error *err)
{
    madpo_strbuf list = {0};
    madpo_status st;

    for (size_t i = 0; i < n; i++)
        madpo_strbuf_printf(&list, "%s%d %s (%s%s)", i ? ", " : "", info[i].index, info[i].name,
                            info[i].platform, info[i].available ? "" : ", not available");
    st = madpo_error_set(err, MADPO_ERR_DEVICE, "no device matches '%s'; there are: %s", select,
                         list.s ? list.s : "none");
    madpo_strbuf_dispose(&list);
    return st;
}

madpo_status madpo__select(size_t *out, const madpo_device_info *info, size_t n, const char *select,
                           madpo_error *err)
{
    size_t found;

    *out = 0;
    if (n == 0)
        return madpo_error_set(err, MADPO_ERR_DEVICE,
                               "no OpenCL platform found: install an OpenCL driver (Debian: "
                               "pocl-opencl-icd for CPUs, mesa-opencl-icd, nvidia-opencl-icd or "
                               "intel-opencl-icd)");
    if (!select || !*select || select_same(select, "auto"))
        found = select_auto(info, n);
    else if (select_is_index(select))
        found = select_index(n, select);
    else if (select_same(select, "gpu"))
        found = select_kind(info, n, MADPO_DEVICE_GPU);
    else if (select_same(select, "cpu"))
        found = select_kind(info, n, MADPO_DEVICE_CPU);
    else
        found = select_name(info, n, select);
    if (found == n)
        return select_failed(info, n, select && *select ? select : "auto", err);
    *out = found;
    return MADPO_OK;
}
