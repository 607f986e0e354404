/* Numbers on their way between host and device: element types, checks, pieces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/half.h"
#include "model/io_inside.h"

static const struct {
    const char *file, *torch;
    madpo_dtype dtype;
} types[] = {{"F32", "float32", MADPO_DTYPE_F32},
             {"F16", "float16", MADPO_DTYPE_F16},
             {"BF16", "bfloat16", MADPO_DTYPE_BF16}};

#define N_TYPES (sizeof types / sizeof types[0])

bool madpo__file_dtype(madpo_dtype *out, const char *name)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].file, name) == 0) {
            *out = types[i].dtype;
            return true;
        }
    return false;
}

const char *madpo__file_dtype_name(madpo_dtype dtype)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].dtype == dtype)
            return types[i].file;
    return "F32";
}

const char *madpo__torch_dtype_name(madpo_dtype dtype)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].dtype == dtype)
            return types[i].torch;
    return "float32";
}

void madpo__widen(float *out, const void *bytes, madpo_dtype dtype, size_t n)
{
    if (dtype == MADPO_DTYPE_BF16)
        madpo_f32_from_bf16(out, bytes, n);
    else if (dtype == MADPO_DTYPE_F16)
        madpo_f32_from_f16(out, bytes, n);
    else
        memcpy(out, bytes, n * sizeof *out);
}

void madpo__narrow(void *out, const float *x, madpo_dtype dtype, size_t n)
{
    if (dtype == MADPO_DTYPE_BF16)
        madpo_bf16_from_f32(out, x, n);
    else if (dtype == MADPO_DTYPE_F16)
        madpo_f16_from_f32(out, x, n);
    else
        memcpy(out, x, n * sizeof *x);
}

/* All bits of the exponent set: infinity or NaN. The loops have no exit, so they run wide. */
static bool finite_16(const unsigned char *bytes, uint16_t exponent, size_t n)
{
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint16_t x;

        memcpy(&x, bytes + 2 * i, 2);
        bad |= (x & exponent) == exponent;
    }
    return !bad;
}

static bool finite_32(const unsigned char *bytes, size_t n)
{
    const uint32_t exponent = 0x7F800000u;
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t x;

        memcpy(&x, bytes + 4 * i, 4);
        bad |= (x & exponent) == exponent;
    }
    return !bad;
}

bool madpo__all_finite(const void *bytes, madpo_dtype dtype, size_t n)
{
    if (dtype == MADPO_DTYPE_BF16)
        return finite_16(bytes, 0x7F80u, n);
    if (dtype == MADPO_DTYPE_F16)
        return finite_16(bytes, 0x7C00u, n);
    return finite_32(bytes, n);
}

void madpo__shape_text(char *out, size_t size, int n_dims, const int64_t *shape)
{
    size_t n = (size_t)snprintf(out, size, "[");

    for (int d = 0; d < n_dims && n < size; d++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", d ? "," : "", (long long)shape[d]);
    if (n_dims < 0 && n < size)
        n += (size_t)snprintf(out + n, size - n, "more than %d dimensions", MADPO_SAFETENSORS_DIMS);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

madpo_status madpo__check_tensor(madpo_dtype *dtype, const madpo_safetensor *s, int n_dims,
                                 const int64_t *shape, const char *path, const char *what,
                                 madpo_status code, madpo_error *err)
{
    bool same = s->n_dims == n_dims;
    char want[96], got[96];

    if (!madpo__file_dtype(dtype, s->dtype))
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                               "%s: tensor '%s' is stored as %s, only F32, F16 and BF16 are read; "
                               "convert the model to float32",
                               path, s->name, s->dtype);
    for (int d = 0; d < n_dims; d++)
        same = same && s->shape[d] == shape[d];
    if (same)
        return MADPO_OK;
    madpo__shape_text(want, sizeof want, n_dims, shape);
    madpo__shape_text(got, sizeof got, s->n_dims, s->shape);
    return madpo_error_set(err, code, "%s: tensor '%s' has shape %s, %s asks for %s", path, s->name,
                           got, what, want);
}

madpo_status madpo__tensor_set(madpo_model *m, madpo_tensor t, const float *x, int64_t n,
                               madpo_error *err)
{
    uint16_t *piece;
    madpo_status st = MADPO_OK;

    if (t.dtype == MADPO_DTYPE_F32)
        return madpo_tensor_write(m->dev, t, x, n, err);
    piece = malloc(sizeof *piece * (size_t)(n < MADPO__PIECE ? n + 1 : MADPO__PIECE));
    if (!piece)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory writing weights");
    for (int64_t at = 0; st == MADPO_OK && at < n; at += MADPO__PIECE) {
        int64_t some = n - at < MADPO__PIECE ? n - at : MADPO__PIECE;

        madpo__narrow(piece, x + at, t.dtype, (size_t)some);
        st = madpo_tensor_write(m->dev, madpo_tensor_slice(t, at, some), piece, some, err);
    }
    free(piece);
    return st;
}

madpo_status madpo__tensor_get(madpo_model *m, madpo_tensor t, float *x, int64_t n,
                               madpo_error *err)
{
    uint16_t *piece;
    madpo_status st = MADPO_OK;

    if (t.dtype == MADPO_DTYPE_F32)
        return madpo_tensor_read(m->dev, t, x, n, err);
    piece = malloc(sizeof *piece * (size_t)(n < MADPO__PIECE ? n + 1 : MADPO__PIECE));
    if (!piece)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading weights");
    for (int64_t at = 0; st == MADPO_OK && at < n; at += MADPO__PIECE) {
        int64_t some = n - at < MADPO__PIECE ? n - at : MADPO__PIECE;

        st = madpo_tensor_read(m->dev, madpo_tensor_slice(t, at, some), piece, some, err);
        if (st == MADPO_OK)
            madpo__widen(x + at, piece, t.dtype, (size_t)some);
    }
    free(piece);
    return st;
}
