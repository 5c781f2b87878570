/* overlays.h - the files of kernels, by tier: each exports one function, which puts what it has
 * into the table. A new file is one word here.
 */
#ifndef PI_KERNEL_OVERLAYS_H
#define PI_KERNEL_OVERLAYS_H

#include "kernel.h"

/* clang-format off */
#define PI_SCALAR_FILES(X) \
    X(dot) X(unpack) X(pack) X(norm) X(act) X(rope) X(attend) X(recall) X(probe)
#define PI_AVX2_FILES(X) \
    X(dot) X(dot_f) X(unpack) X(pack) X(norm) X(act) X(rope) X(attend) X(recall) X(probe)
#define PI_AVX512_FILES(X) \
    X(dot) X(dot_f32) X(dot_q8) X(dot_q8k) X(dot_nvfp4) X(unpack) X(pack) X(norm) X(act) X(rope) \
    X(attend) X(recall) X(probe)
#define PI_BF16_FILES(X) X(attend) X(many)
#define PI_AMX_FILES(X) X(some) X(many) X(probe)
#define PI_NEON_FILES(X) X(dot) X(unpack) X(pack) X(norm) X(act) X(rope) X(attend) X(probe)
#define PI_DOTPROD_FILES(X) X(dot) X(probe)
#define PI_I8MM_FILES(X) X(dot) X(probe)
/* clang-format on */

typedef void overlay_fn(struct kernels *k);

#define PI_DECLARE(file) overlay_fn pi_##file##_scalar;
PI_SCALAR_FILES(PI_DECLARE)
#undef PI_DECLARE
#define PI_DECLARE(file) overlay_fn pi_##file##_avx2;
PI_AVX2_FILES(PI_DECLARE)
#undef PI_DECLARE
#define PI_DECLARE(file) overlay_fn pi_##file##_avx512;
PI_AVX512_FILES(PI_DECLARE)
#undef PI_DECLARE
#define PI_DECLARE(file) overlay_fn pi_##file##_bf16;
PI_BF16_FILES(PI_DECLARE)
#undef PI_DECLARE
#define PI_DECLARE(file) overlay_fn pi_##file##_amx;
PI_AMX_FILES(PI_DECLARE)
#undef PI_DECLARE
#define PI_DECLARE(file) overlay_fn pi_##file##_neon;
PI_NEON_FILES(PI_DECLARE)
#undef PI_DECLARE
#define PI_DECLARE(file) overlay_fn pi_##file##_dotprod;
PI_DOTPROD_FILES(PI_DECLARE)
#undef PI_DECLARE
#define PI_DECLARE(file) overlay_fn pi_##file##_i8mm;
PI_I8MM_FILES(PI_DECLARE)
#undef PI_DECLARE

#endif
