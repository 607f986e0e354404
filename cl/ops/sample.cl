/* Drawing one token per row from its logits.
 *   w[j] = exp((z[j] - max z) / temperature) over the candidates; top-k keeps z[j] >= the k-th
 *   largest, top-p keeps z[j] >= the largest threshold whose mass reaches p times the mass left by
 *   top-k (ties with the last one stay in both); then the first token in id order whose running
 *   mass exceeds u times the whole, u = 24 bits of Philox(seed, stream[b], counter[b]).
 *   temperature 0: the likeliest, lowest id on ties. `banned` counts as -inf. A row with a NaN,
 *   +inf or nothing but -inf has no distribution: id -1.
 * Shapes: ids, stream, counter [B], logits [B,V], V < 2^24.
 * Mapping: one work-group per row. Nothing is sorted: a threshold is found by bisection over the
 * order-preserving integer image of floats, at most 32 passes over the row.
 * -D WG. Local memory: 4 SEGMENTS bytes (4 WG, or 256). Masses in fp32 by fixed trees (counts are
 * exact). Deterministic, and independent of the other rows.
 */
#include "lib/reduce.clh"
#include "lib/rng.clh"

/* Contiguous parts of a row whose masses are added up first, each by one item. */
#if WG == 1
#define SEGMENTS 64
#define ANY(mask) any(mask)
#else
#define SEGMENTS WG
#define ANY(mask) (mask)
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

/* Weight (by_mass) or number of those of the first n logits that lie in [lo, hi); their number in
 * *count. */
LOCAL_FN float sample_between(const sample_row *row, long n, float lo, float hi, int by_mass,
                              __local float *s, float *count)
{
    vecf sum = 0.0f, ones = 0.0f;

    for (long i = VEC_FIRST; i < n; i += VEC_STEP) {
        const vecf v = sample_load(row, i);
        const veci in = (v >= lo) & (v < hi);
        if (!ANY(in))
            continue;
        const vecf w = by_mass ? sample_weight(row, v) : (vecf)1.0f;
        sum += in ? w : (vecf)0.0f;
        ones += in ? (vecf)1.0f : (vecf)0.0f;
    }
    *count = wg_sum(vec_sum(ones), s);
    return wg_sum(vec_sum(sum), s);
}

/* The largest threshold, not below `floor_z`, such that the logits from it upwards weigh at least
 * `need`; floor_z if even that does not suffice (rounding) or if no threshold is wanted. Bisection
 * keeps weight(lo) >= need and weight(hi) < need, looks only at what lies between, and ends when
 * that is at most one logit (any threshold that keeps it and nothing below will do). */
LOCAL_FN float sample_threshold(const sample_row *row, int wanted, float floor_z, float need,
                                int by_mass, __local float *s)
{
    uint lo = sample_key(floor_z), hi = wanted ? sample_key(row->top) + 1u : lo;
    /* `to` is not the value of hi at first: next above a top of -0 is +0, which equals it, and next
     * above +0 comes a denormal, which a device may take for 0 */
    float above = 0.0f, to = INFINITY;
    float inside = (float)row->V; /* logits in [lo, to), or more */

    while (hi > lo + 1u && inside > 1.0f) {
        const uint mid = lo + (hi - lo) / 2u;
        const float from = sample_value(mid);
        float count;
        const float weight = above + sample_between(row, row->V, from, to, by_mass, s, &count);
        if (weight >= need) {
            lo = mid;
            inside = count;
        } else {
            hi = mid;
            to = from;
            above = weight;
            inside -= count;
        }
    }
    return sample_value(lo);
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

/* Inverse CDF in token order over the logits >= floor_z. The item whose segment holds the target
 * writes *id; where nothing has weight the first item writes -1. */
LOCAL_FN void sample_draw(const sample_row *row, float floor_z, float u, __local float *part,
                          __global int *id)
{
    const long length = ((row->V + SEGMENTS - 1) / SEGMENTS + VEC - 1) / VEC * VEC;
    float total = 0.0f, mass = 0.0f, before = 0.0f;
    int segment = -1;

    for (int g = get_local_id(0); g < SEGMENTS; g += WG) {
        vecf sum = 0.0f;
        for (long i = g * length; i < min((g + 1) * length, row->V); i += VEC)
            sum += sample_kept(row, i, floor_z);
        part[g] = vec_sum(sum);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int g = 0; g < SEGMENTS; g++)
        total += part[g];
    const float target = u * total;
    for (int g = 0; g < SEGMENTS && mass <= target; g++) {
        if (part[g] > 0.0f) {
            segment = g; /* ends at the first to exceed the target, else at the last of weight */
            before = mass;
        }
        mass += part[g];
    }
    if ((int)get_local_id(0) == max(segment, 0) % WG)
        *id = segment < 0 ? -1
                          : sample_walk(row, segment * length, min((segment + 1) * length, row->V),
                                        floor_z, before, target);
}

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
    __local float s[SEGMENTS];
    const long b = get_group_id(0);
    const uint stream_b = TENSOR_PTR(stream)[b], counter_b = TENSOR_PTR(counter)[b];
    const int greedy = temperature == 0.0f;
    sample_row row = {TENSOR_PTR(logits) + b * V, V, banned, 0.0f, greedy ? 1.0f : temperature};

    row.top = sample_top(&row, s);
    const int some = !isnan(row.top);
    const int by_count = some && !greedy && top_k > 0 && top_k < V;
    const int by_mass = some && !greedy && top_p < 1.0f;
    const float kth = sample_threshold(&row, by_count, -INFINITY, (float)top_k, 0, s);
    float count;
    const float whole = sample_between(&row, by_mass ? V : 0, kth, INFINITY, 1, s, &count);
    const float least = sample_threshold(&row, by_mass, kth, top_p * whole, 1, s);
    /* greedy: only the largest stay, and u = 0 points at the first of them */
    const float u = greedy ? 0.0f : rng_uniform(philox_block(seed, stream_b, counter_b).s0);
    sample_draw(&row, greedy ? row.top : least, u, s, TENSOR_PTR(ids) + b);
}
