/* kernel.h - THE CONTRACT of every kernel: formula, shapes, alignment, tails, aliasing, error.
 *
 * Kernels do arithmetic on rows and know nothing of models. Each exists as obvious C in
 * scalar/; the other folders overlay what they do faster, and tests/kernel proves them equal.
 * Definitions carry no comment of their own about what is said here.
 *
 * Rules for all: no kernel reads a byte outside the rows it is given (the padding of operand
 * rows excepted) or writes outside its output; inputs are not modified; weights may be
 * misaligned by any byte; float rows are aligned to 4 bytes only; NaN and infinity propagate.
 * Where a bound is stated, eps = 2^-23 and the error is against exact arithmetic.
 *
 * Before: graph/op_linear.c. Next: scalar/dot.c.
 */
#ifndef PI_KERNEL_H
#define PI_KERNEL_H

#include "base/cpu.h"
#include "base/dtype.h"
#include "kernel/attention.h"

/* What a row of activations looks like to a dot product. */
enum operand {
    OPERAND_F32,  /* float x[n] */
    OPERAND_Q8,   /* blocks of 32: value = scale[b] * q[i] */
    OPERAND_Q8K,  /* blocks of 256: value = scale[b] * q[i] */
    OPERAND_COUNT
};

/* Layout of a quantised operand row of n values (n a multiple of the block), every part
 * padded with zeros to 64 bytes, the row aligned to 64:
 *     Q8:   int8 q[n] | float scale[n/32] | int32 sum[n/32]: sum of the block's q
 *     Q8K:  int8 q[n] | float scale[n/256] | int16 sum[n/16]: sum of 16 q
 * Kernels may read whole 64-byte vectors of any part. |q| <= 127. */
#define PI_PAD64(bytes) (((bytes) + 63) & ~(size_t)63)

static inline size_t pi_operand_scales(int64_t n) { return PI_PAD64((size_t)n); }

static inline size_t pi_operand_sums(enum operand kind, int64_t n)
{
    return pi_operand_scales(n) + PI_PAD64((size_t)n / (kind == OPERAND_Q8 ? 32 : 256) * 4);
}

/* Bytes of an operand row of n values. */
static inline size_t pi_operand_bytes(enum operand kind, int64_t n)
{
    if (kind == OPERAND_F32)
        return PI_PAD64((size_t)n * 4);
    return pi_operand_sums(kind, n) +
           PI_PAD64(kind == OPERAND_Q8 ? (size_t)n / 32 * 4 : (size_t)n / 16 * 2);
}

/* The operand that dot[type] takes: F32 for F32, F16 and BF16; otherwise Q8K for formats with
 * blocks of 256 and Q8 for the rest. */
enum operand pi_operand_of(enum dtype type);

/* unpack: y[i] = value of weight i, exactly as the format defines it (in float32 arithmetic, in
 * the format's own order of operations). n is a multiple of the block. */
#define PI_UNPACK(name) void name(float *y, const uint8_t *w, int64_t n)

/* pack: the operand row of x[0..n). Per block: a = max |x|, scale = a / 127, q = x * (127 / a)
 * rounded to nearest even; a < PI_PACK_TINY (127 / a would overflow below it) gives zeros; a block
 * with NaN or infinity has scale NaN and q = 0. Exact: the same in every tier. y aligned to 64. */
#define PI_PACK_TINY 0x1p-100f
#define PI_PACK(name) void name(void *y, const float *x, int64_t n)

/* dot: y[t][r] = sum over i of w[r][i] * x[t][i], for `rows` weight rows and m tokens.
 *   w         rows of `cols` weights, w_stride bytes apart
 *   x         m operand rows of kind pi_operand_of(type), x_stride bytes apart, 64-aligned
 *   y         m rows, y_stride floats apart; y[t][0..rows) is written
 * cols is a positive multiple of the format's block; rows, m >= 0.
 * The result for one (row, token) does not depend on rows, m, or any other row or token.
 * Sums of products of integers inside a block are exact.
 * |error| <= 4 * (blocks of a row + 32) * eps * sum |w*x|, for F32 operands
 * (cols / 4 + 32) * eps * sum |w*x|. Where a weight is scale * q + min, or less a min, |w| stands
 * for |scale * q| + |min|. Products of scales below 2^-126 lose precision: add cols * 2^-110.
 * Streams each weight row once per call when m <= 4. */
#define PI_DOT(name)                                                                        \
    void name(int64_t rows, int64_t cols, const uint8_t *w, int64_t w_stride, int64_t m,    \
              const uint8_t *x, int64_t x_stride, float *y, int64_t y_stride)

/* The second engine of a tier, for many tokens: operands are bfloat16, or for quantised formats
 * what pack makes of them; see pi_many_operand. A tier brings a pack_many and every dot_many that
 * takes it together, since the layout between them is its own, and says in many_tokens from how
 * many tokens on they are faster than dot.
 *
 * pack_many: tokens [first, last) of m, rows of n floats from x on, x_stride floats apart, rounded
 * to nearest even bfloat16 or as pack does, into the operand of all m: pi_many_bytes(m, n) bytes
 * at y, aligned to 64. first is a multiple of PI_MANY_GROUP, last likewise or m; calls for
 * different tokens may run at once. */
enum { PI_MANY_GROUP = 32 };

static inline size_t pi_many_bytes(int64_t m, int64_t n)
{
    return ((size_t)m + 31) / 32 * 32 * (((size_t)n + 31) / 32 * 32) * 2;
}

#define PI_PACK_MANY(name)                                                                \
    void name(uint8_t *y, int64_t first, int64_t last, int64_t m, int64_t n, const float *x, \
              int64_t x_stride)

/* dot_many: as dot, with the operand of pack_many; where that is bfloat16, with what unpack gives
 * rounded to nearest even bfloat16 (below 2^-126 perhaps to zero) in place of the weights. Needs
 * scratch of pi_many_scratch(rows, m) bytes, aligned to 64. Wants all rows of a worker at once: it
 * blocks them itself. The result for one (row, token) does not depend on rows, m, or any other row
 * or token. bfloat16: |error| <= (cols / 4 + 32) * eps * sum |w*x| of the rounded operands, plus
 * cols * 2^-110; otherwise as dot, blocks being those of 16 columns. */
enum { PI_MANY_PARTIAL = 2 << 20, PI_MANY_PANELS = 96 << 10 };

static inline size_t pi_many_scratch(int64_t rows, int64_t m)
{
    size_t partial = (((size_t)rows + 31) / 32 * 32) * (((size_t)m + 31) / 32 * 32) * 4;

    return PI_MANY_PANELS + (partial < PI_MANY_PARTIAL ? partial : PI_MANY_PARTIAL);
}

#define PI_MANY_ARGUMENTS                                                                   \
    int64_t rows, int64_t cols, const uint8_t *w, int64_t w_stride, int64_t m,              \
        const uint8_t *x, float *y, int64_t y_stride, uint8_t *scratch
#define PI_DOT_MANY(name) void name(PI_MANY_ARGUMENTS)

/* The third engine, for m between dot and dot_many, at most 32, and formats with blocks: it
 * unpacks weights to int8 once for all tokens.
 *
 * pack_some: columns [first, last), multiples of 32, of m rows x of n floats, x_stride apart: what
 * pack[OPERAND_Q8] makes of them, whatever the format, in the tier's own layout; the operand takes
 * at most pi_many_bytes(m, n) at y, aligned to 64. Calls for different columns may run at once.
 * dot_some: as dot_many with that operand; |error| as dot with OPERAND_Q8, blocks being those of
 * 16 columns. */
#define PI_PACK_SOME(name)                                                                \
    void name(uint8_t *y, int64_t first, int64_t last, int64_t m, int64_t n, const float *x, \
              int64_t x_stride)

/* rms_norm: y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i]; w may be NULL (all ones). y == x is
 * allowed. Error 16 eps relative. */
#define PI_RMS_NORM(name) void name(float *y, const float *x, const float *w, int64_t n, float eps)

/* layer_norm: y[i] = (x[i] - mean) / sqrt(var + eps) * w[i] + b[i], population variance; w and b
 * may be NULL. y == x is allowed. Error 64 eps * (|x - mean| / sqrt(var + eps) * |w| + |b|), plus
 * the cancellation 16 eps * max|x| / sqrt(var + eps) * |w|. */
#define PI_LAYER_NORM(name) \
    void name(float *y, const float *x, const float *w, const float *b, int64_t n, float eps)

/* add: y[i] = a[i] + b[i]. Exact. y may equal a or b. */
#define PI_ADD(name) void name(float *y, const float *a, const float *b, int64_t n)

/* Activations. Error 16 eps * max(|x|, |y|, 1).
 *   SILU       x / (1 + exp(-x))
 *   GELU       x/2 * (1 + erf(x / sqrt(2)))
 *   GELU_TANH  x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
 *   RELU       max(x, 0), NaN kept
 *   RELU2      max(x, 0)^2, NaN kept
 *   GELU_QUICK x / (1 + exp(-1.702 x))
 *   SIGMOID    1 / (1 + exp(-x))
 *   TANH       tanh(x)
 *   SOFTPLUS   log(1 + exp(x))
 *   EXP        exp(x)
 * -infinity gives NaN where the formula does: SILU and the GELUs. */
enum activation {
    ACT_SILU, ACT_GELU, ACT_GELU_TANH, ACT_RELU, ACT_RELU2, ACT_GELU_QUICK, ACT_SIGMOID,
    ACT_TANH, ACT_SOFTPLUS, ACT_EXP, ACT_COUNT
};

/* activate: y[i] = act(x[i]); gate: y[i] = act(g[i]) * u[i]. Any overlap of equal pointers. */
#define PI_ACTIVATE(name) void name(float *y, const float *x, int64_t n, enum activation act)
#define PI_GATE(name) \
    void name(float *y, const float *g, const float *u, int64_t n, enum activation act)

/* rope: rotates pairs of each head in place. For pair i < pairs, (a, b) becomes
 * (a cos - b sin, a sin + b cos) with cos = rot[2i], sin = rot[2i + 1]; a, b are elements
 * 2i, 2i+1 of the head if interleaved, else i, i+pairs. The rest of the head (width c >= 2 pairs)
 * stays. x [heads][c], heads contiguous. Error 4 eps * (|a| + |b|). */
#define PI_ROPE(name)                                                                \
    void name(float *x, const float *rot, int64_t heads, int64_t c, int64_t pairs, \
              bool interleaved)

/* to_f16: y[i] = x[i] rounded to nearest even half; overflow gives infinity. Exact. */
#define PI_TO_F16(name) void name(uint16_t *y, const float *x, int64_t n)

/* exp_sum: sum over i of exp(x[i] - max), in double. Error 16 eps relative. */
#define PI_EXP_SUM(name) double name(const float *x, int64_t n, float max)

/* peak: a loop of the tier's widest multiply-add on registers; returns operations executed
 * (a multiply-add counts two). For measuring the machine, not for computing.
 * stream: reads `bytes` (a multiple of 4096) sequentially and returns a value that depends
 * on all of them, as fast as the tier can. */
#define PI_PEAK(name) double name(int64_t rounds)
#define PI_STREAM(name) uint64_t name(const void *data, size_t bytes)

typedef PI_UNPACK(unpack_fn);
typedef PI_PACK(pack_fn);
typedef PI_DOT(dot_fn);
typedef PI_PACK_MANY(pack_many_fn);
typedef PI_DOT_MANY(dot_many_fn);
typedef PI_PACK_SOME(pack_some_fn);
typedef PI_RMS_NORM(rms_norm_fn);
typedef PI_LAYER_NORM(layer_norm_fn);
typedef PI_ADD(add_fn);
typedef PI_ACTIVATE(activate_fn);
typedef PI_GATE(gate_fn);
typedef PI_ROPE(rope_fn);
typedef PI_KV_KEEP(kv_keep_fn);
typedef PI_ATTEND(attend_fn);
typedef PI_ATTEND_FOLD(attend_fold_fn);
typedef PI_RECALL(recall_fn);
typedef PI_TO_F16(to_f16_fn);
typedef PI_EXP_SUM(exp_sum_fn);
typedef PI_PEAK(peak_fn);
typedef PI_STREAM(stream_fn);

struct kernels {
    const char *tier;               /* name of the highest tier overlaid */
    unpack_fn *unpack[DTYPE_COUNT]; /* NULL: format not supported */
    dot_fn *dot[DTYPE_COUNT];       /* NULL: format not supported */
    pack_fn *pack[OPERAND_COUNT];   /* [OPERAND_F32] is NULL: floats are used where they lie */
    pack_many_fn *pack_many[OPERAND_COUNT]; /* [OPERAND_F32]: bfloat16; see pi_many_operand */
    dot_many_fn *dot_many[DTYPE_COUNT]; /* NULL: dot is faster */
    int64_t many_tokens;            /* dot_many is worth it from this many on; 0: never */
    pack_some_fn *pack_some;
    dot_many_fn *dot_some[DTYPE_COUNT]; /* NULL for float formats */
    int64_t some_tokens;            /* likewise, up to many_tokens */
    rms_norm_fn *rms_norm;
    layer_norm_fn *layer_norm;
    add_fn *add;
    activate_fn *activate;
    gate_fn *gate;
    rope_fn *rope;
    kv_keep_fn *kv_keep[KV_COUNT];
    attend_fn *attend[KV_COUNT];
    attend_fold_fn *attend_fold;
    recall_fn *recall;
    to_f16_fn *to_f16;
    exp_sum_fn *exp_sum;
    peak_fn *peak;
    stream_fn *stream;
};

/* What dot_many[type] takes; OPERAND_F32 stands for bfloat16. */
static inline enum operand pi_many_operand(const struct kernels *k, enum dtype type)
{
    return k->pack_many[pi_operand_of(type)] ? pi_operand_of(type) : OPERAND_F32;
}

/* Fills the table for a set of tiers (see cpu.h); the caller has checked that the processor
 * supports them. Scalar is always there. */
void pi_kernels_pick(struct kernels *k, uint32_t tiers);

#endif
