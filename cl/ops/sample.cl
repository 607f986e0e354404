/* Drawing one token per row from its logits.
 *   w[j] = exp((z[j] - max z) / temperature) over the candidates; top-k keeps z[j] >= the k-th
 *   largest, top-p keeps z[j] >= the largest threshold whose mass reaches p times the mass left by
 *   top-k (ties with the last one stay in both); then the first token in id order whose running
 *   mass exceeds u times the whole, u = 24 bits of Philox(seed, stream[b], counter[b]).
 *   temperature 0: the likeliest, lowest id on ties. `banned` counts as -inf. A row with a NaN,
 *   +inf or nothing but -inf has no distribution: id -1.
 * Shapes: ids, stream, counter [B], logits [B,V], V < 2^24.
 * Mapping: one work-group per row, of ITEMS items where it is given (a long row keeps more of them
 * busy than WG). Nothing is sorted: a threshold is found by cutting up the order-preserving integer
 * image of floats, in two with one item (at most 32 passes over the row), in eight with more (11).
 * -D WG, ITEMS. Local memory: 256 bytes (one item), or 36 an item. Masses in fp32 by fixed trees
 * (counts are exact). Deterministic, and independent of the other rows.
 *
 * offline: -DITEMS=512
 */
#ifdef ITEMS
#undef WG
#define WG ITEMS
#endif
#include "lib/reduce.clh"
#include "lib/rng.clh"

#if WG == 1
#define SCRATCH 64 /* floats of local memory */
#else
#define SCRATCH (9 * WG + 8)
#endif

/* What all passes over a row need. */
typedef struct {
    __global const float *z;
    long V, banned;
    float top, temperature; /* the largest logit */
} sample_row;

/* Logits i .. i+VEC-1, the banned one and those past the end as -inf. */
static inline vecf sample_load(const sample_row *row, long i)
{
    const vecf v = vec_load_or(row->z + i, row->V - i, -INFINITY);
    const long lane = row->banned - i;

    if (lane < 0 || lane >= VEC)
        return v;
#if WG == 1
    float t[16];
    vstore16(v, 0, t);
    t[lane] = -INFINITY;
    return vload16(0, t);
#else
    return -INFINITY;
#endif
}

static inline vecf sample_weight(const sample_row *row, vecf v)
{
    return exp((v - row->top) / row->temperature);
}

/* Floats in their order as unsigned integers, and back. */
static inline uint sample_key(float x)
{
    const uint bits = as_uint(x);
    return bits ^ ((bits >> 31) ? 0xFFFFFFFFu : 0x80000000u);
}

static inline float sample_value(uint key)
{
    return as_float(key ^ ((key >> 31) ? 0x80000000u : 0xFFFFFFFFu));
}

/* Weights of one step of a segment, 0 below floor_z (and everywhere if the row's top is NaN). */
static inline vecf sample_kept(const sample_row *row, long i, float floor_z)
{
    const vecf v = sample_load(row, i);
    return ((v >= floor_z) & (v <= row->top)) ? sample_weight(row, v) : (vecf)0.0f;
}

/* Walk tokens [begin,end) from running mass `mass` to the first one that exceeds `target`; the last
 * of any weight if none does (the segment's sum was rounded in another order). */
static int sample_walk(const sample_row *row, long begin, long end, float floor_z, float mass,
                       float target)
{
    int last = -1;

    for (long i = begin; i < end; i += VEC) {
        const vecf w = sample_kept(row, i, floor_z);
        float t[VEC];
#if WG == 1
        vstore16(w, 0, t);
#else
        t[0] = w;
#endif
        for (int j = 0; j < VEC; j++) {
            mass += t[j];
            if (t[j] > 0.0f)
                last = (int)i + j;
            if (t[j] > 0.0f && mass > target)
                return last;
        }
    }
    return last;
}

#if WG == 1
#include "lib/sample_one.clh"
#else
#include "lib/sample_group.clh"
#endif

/* Largest logit; NaN if the row has no distribution. */
LOCAL_FN float sample_top(const sample_row *row, __local float *s)
{
    vecf top = -INFINITY;
    vecf nan_seen = 0.0f;

    for (long i = VEC_FIRST; i < row->V; i += VEC_STEP) {
        const vecf v = sample_load(row, i);
        top = fmax(top, v);
        nan_seen = v == v ? nan_seen : (vecf)1.0f;
    }
    const float best = wg_max(vec_max(top), s);
    const float bad = wg_max(vec_max(nan_seen), s);
    return bad > 0.0f || isinf(best) ? as_float(0x7FC00000) : best;
}

ROW_KERNEL void sample(TENSOR(int, ids), TENSOR(const float, logits), TENSOR(const int, stream),
                       TENSOR(const int, counter), long V, float temperature, int top_k,
                       float top_p, ulong seed, int banned)
{
    __local float s[SCRATCH];
    const long b = get_group_id(0);
    const uint stream_b = TENSOR_PTR(stream)[b], counter_b = TENSOR_PTR(counter)[b];
    const int greedy = temperature == 0.0f;
    sample_row row = {TENSOR_PTR(logits) + b * V, V, banned, 0.0f, greedy ? 1.0f : temperature};

    row.top = sample_top(&row, s);
    const int some = !isnan(row.top);
    const int by_count = some && !greedy && top_k > 0 && top_k < V;
    const int by_mass = some && !greedy && top_p < 1.0f;
    const float kth = sample_threshold(&row, by_count, -INFINITY, (float)top_k, 0, s);
    const float whole = sample_between(&row, by_mass ? V : 0, kth, INFINITY, 1, s);
    const float least = sample_threshold(&row, by_mass, kth, top_p * whole, 1, s);
    /* greedy: only the largest stay, and u = 0 points at the first of them */
    const float u = greedy ? 0.0f : rng_uniform(philox_block(seed, stream_b, counter_b).s0);
    sample_draw(&row, greedy ? row.top : least, u, s, TENSOR_PTR(ids) + b);
}
