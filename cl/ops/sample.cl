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
 * -D WG. Local memory: 8 WG + 4 SEGMENTS + 4 bytes. Masses in fp32 by fixed trees (counts are
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

/* Weight (by_mass) or number of the logits in [lo, hi). */
static float sample_between(const sample_row *row, float lo, float hi, int by_mass,
                            __local float *s)
{
    vecf sum = 0.0f;

    for (long i = VEC_FIRST; i < row->V; i += VEC_STEP) {
        const vecf v = sample_load(row, i);
        const veci in = (v >= lo) & (v < hi);
        if (!ANY(in))
            continue;
        const vecf w = by_mass ? sample_weight(row, v) : (vecf)1.0f;
        sum += in ? w : (vecf)0.0f;
    }
    return wg_sum(vec_sum(sum), s);
}

/* The largest threshold, not below `floor_z`, such that the logits from it upwards weigh at least
 * `need`; floor_z if even that does not suffice (rounding). Bisection keeps weight(lo) >= need and
 * weight(hi) < need, and looks only at what lies between. */
static float sample_threshold(const sample_row *row, float floor_z, float need, int by_mass,
                              __local float *s)
{
    uint lo = sample_key(floor_z), hi = sample_key(row->top) + 1u;
    float above = 0.0f;

    while (hi - lo > 1u) {
        const uint mid = lo + (hi - lo) / 2u;
        const float weight = above + sample_between(row, sample_value(mid), sample_value(hi),
                                                    by_mass, s);
        if (weight >= need) {
            lo = mid;
        } else {
            hi = mid;
            above = weight;
        }
    }
    return sample_value(lo);
}

/* Masked weights of one step of a segment. */
static inline vecf sample_kept(const sample_row *row, long i, float floor_z)
{
    const vecf v = sample_load(row, i);
    return v >= floor_z ? sample_weight(row, v) : (vecf)0.0f;
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

/* Inverse CDF in token order over the logits >= floor_z. Only one item writes *id. */
static void sample_draw(const sample_row *row, float floor_z, float u, __local float *part,
                        __local int *id)
{
    const long length = ((row->V + SEGMENTS - 1) / SEGMENTS + VEC - 1) / VEC * VEC;
    float total = 0.0f, before = 0.0f;
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
    float mass = 0.0f;
    for (int g = 0; g < SEGMENTS && mass <= target; g++) {
        if (part[g] > 0.0f) {
            segment = g; /* ends at the first to exceed the target, else at the last of weight */
            before = mass;
        }
        mass += part[g];
    }
    if ((int)get_local_id(0) == segment % WG)
        *id = sample_walk(row, segment * length, min((segment + 1) * length, row->V), floor_z,
                          before, target);
}

/* Lowest id that has the largest logit. */
static void sample_arg_max(const sample_row *row, __local int *part, __local int *id)
{
    const int lid = get_local_id(0);
    int best = INT_MAX;

    for (long i = lid; i < row->V && best == INT_MAX; i += WG) {
        if (i != row->banned && row->z[i] == row->top)
            best = (int)i;
    }
    part[lid] = best;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid == 0) {
        for (int k = 1; k < WG; k++)
            best = min(best, part[k]);
        *id = best;
    }
}

/* Largest logit; NaN if the row has no distribution. */
static float sample_top(const sample_row *row, __local float *s)
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
    ROW_SCRATCH(s);
    __local float part[SEGMENTS];
    __local int part_id[WG];
    __local int id;
    const long b = get_group_id(0);
    sample_row row = {TENSOR_PTR(logits) + b * V, V, banned, 0.0f, temperature};

    row.top = sample_top(&row, s);
    if (isnan(row.top)) {
        if (get_local_id(0) == 0)
            id = -1;
    } else if (temperature == 0.0f) {
        sample_arg_max(&row, part_id, &id);
    } else {
        const uint stream_b = TENSOR_PTR(stream)[b], counter_b = TENSOR_PTR(counter)[b];
        const uint word = philox_block(seed, stream_b, counter_b).s0;
        float floor_z = -INFINITY;
        if (top_k > 0 && top_k < V)
            floor_z = sample_threshold(&row, floor_z, (float)top_k, 0, s);
        if (top_p < 1.0f) {
            const float whole = sample_between(&row, floor_z, INFINITY, 1, s);
            floor_z = sample_threshold(&row, floor_z, top_p * whole, 1, s);
        }
        sample_draw(&row, floor_z, rng_uniform(word), part, &id);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (get_local_id(0) == 0)
        TENSOR_PTR(ids)[b] = id;
}
