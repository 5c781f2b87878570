/* deepseek.c - DeepSeek-V2 and V3, and what is built like them (Kimi K2, GLM-4.7-Flash): keys and
 * values of all heads are made of one latent vector a token, and experts. arXiv 2405.04434 and
 * 2412.19437.
 *
 *     h --q_a--> norm --q_b--> [heads][n,q]; q --rope-->      h --kv_a--> norm --> c, --rope--> k
 *     n --k_b--> n,q attend to c,k and give c --v_b--> o --> + x
 *
 * Scores with a key k_b^T c are those of k_b n with c: only the latent is kept. In GGUF k_b and v_b
 * are tensors of their own; folders and old files have them in one, k_b the other way round.
 */
#include "moe.h"

extern const struct arch pi_arch_llama, pi_arch_deepseek2, pi_arch_deepseek3;

#define ROPE_KEY(key) "rope_parameters." key "|rope_scaling." key

static const struct key deepseek_keys[] = {
    { "kv", "attention.head_count_kv", "num_key_value_heads", "heads", true },
    { "lora", "attention.kv_lora_rank", "kv_lora_rank", NULL },
    { "q_lora", "attention.q_lora_rank", "q_lora_rank", "0" },
    { "rot", "rope.dimension_count", "qk_rope_head_dim", NULL },
    { "key_old", "attention.key_length", "", "0" },
    { "key_new", "attention.key_length_mla", "", "key_old" },
    { "unturned", "", "qk_nope_head_dim", "key_new - rot" },
    { "hd", "", "", "unturned + rot" },
    { "value_old", "attention.value_length", "", "0" },
    { "hdv", "attention.value_length_mla", "v_head_dim", "value_old" },
    { "interleaved", "", "rope_interleave", "1" },
    /* the converter writes a tenth of it, and these models have both scales alike */
    { "log_mul", "rope.scaling.yarn_log_multiplier", "", "0" },
    { "mscale_all", "", ROPE_KEY("mscale_all_dim"), "10*log_mul" },
    { "mscale", "", ROPE_KEY("mscale"), "mscale_all" },
    { "m", "", "", "scaling==yarn && factor>1 ? 1 + 0.1*mscale_all*log(factor) : 1" },
    { "renorm", "expert_weights_norm", "norm_topk_prob", "0" },
    { "gating", "expert_gating_func", "", "vocab==154880 ? 2 : 1" }, /* GLM does not say */
    { 0 }
};

static const struct weight deepseek_weights[] = {
    { "q", "blk.%d.attn_q.weight", "layers.%d.self_attn.q_proj.weight", "heads*hd,dim",
      .when = "!q_lora" },
    { "q_a", "blk.%d.attn_q_a.weight", "layers.%d.self_attn.q_a_proj.weight", "q_lora,dim",
      .when = "q_lora" },
    { "q_a.bias?", NULL, "layers.%d.self_attn.q_a_proj.bias", "q_lora", .when = "q_lora" },
    { "q_norm", "blk.%d.attn_q_a_norm.weight", "layers.%d.self_attn.q_a_layernorm.weight",
      "q_lora", .when = "q_lora" },
    { "q_b", "blk.%d.attn_q_b.weight", "layers.%d.self_attn.q_b_proj.weight", "heads*hd,q_lora",
      .when = "q_lora" },
    { "kv_a", "blk.%d.attn_kv_a_mqa.weight", "layers.%d.self_attn.kv_a_proj_with_mqa.weight",
      "lora+rot,dim" },
    { "kv_a.bias?", NULL, "layers.%d.self_attn.kv_a_proj_with_mqa.bias", "lora+rot" },
    { "kv_norm", "blk.%d.attn_kv_a_norm.weight", "layers.%d.self_attn.kv_a_layernorm.weight",
      "lora" },
    { "k_b", "blk.%d.attn_k_b.weight|blk.%d.attn_kv_b.weight",
      "layers.%d.self_attn.kv_b_proj.weight", "heads,lora,unturned", "0", "unturned+hdv",
      FIX_CUT_TRANSPOSE },
    { "v_b", "blk.%d.attn_v_b.weight|blk.%d.attn_kv_b.weight",
      "layers.%d.self_attn.kv_b_proj.weight", "heads,hdv,lora", "unturned", "unturned+hdv" },
    { "k", NULL, NULL, "1" },
    { "v", NULL, NULL, "1" },
    { "kv_b", "blk.%d.attn_kv_b.weight", NULL, .ignore = true },
    { 0 }
};

static const struct put deepseek_puts[] = {
    { "attention.head_count_kv", "1" }, /* the latent */
    { "attention.key_length", "lora+rot" },
    { "attention.value_length", "lora" },
    { "attention.key_length_mla", "hd" },
    { "attention.value_length_mla", "hdv" },
    { "rope.scaling.yarn_log_multiplier", "0.1*mscale_all", "mscale_all" },
    { 0 }
};

static const struct step deepseek_enter[] = {
    { OP_EMBED,  "x",      "ids",      "embed" },
    { OP_ANGLES, "angles", "pos",      "divisors?",
      "rot,theta,scaling,factor,original,beta_fast,beta_slow,attn_scale,low,high,!truncate,"
      "magnitude" },
    { 0 }
};

/* The norms of the latents have an epsilon of their own. */
static const struct step deepseek_block[] = {
    /* op         out  in           weight     parameters          when */
    { OP_NORM,    "h", "x",         "norm1",   "eps,rms" },
    { OP_LINEAR,  "q", "h",         "q",       NULL,               "!q_lora" },
    { OP_LINEAR,  "q", "h",         "q_a",     NULL,               "q_lora" },
    { OP_NORM,    "q", "q",         "q_norm",  "0.000001,rms",     "q_lora" },
    { OP_LINEAR,  "q", "q",         "q_b",     NULL,               "q_lora" },
    { OP_SLICE,   "n", "q",         NULL,      "0,unturned,hd" },
    { OP_SLICE,   "q", "q",         NULL,      "unturned,rot,hd" },
    { OP_ROPE,    "q", "q angles",  NULL,      "rot,interleaved" },
    { OP_EACH,    "n", "n",         "k_b" },
    { OP_JOIN,    "q", "n q",       NULL,      "heads" },
    { OP_LINEAR,  "c", "h",         "kv_a" },
    { OP_SLICE,   "k", "c",         NULL,      "lora,rot" },
    { OP_SLICE,   "c", "c",         NULL,      "0,lora" },
    { OP_NORM,    "c", "c",         "kv_norm", "0.000001,rms" },
    { OP_ROPE,    "k", "k angles",  NULL,      "rot,interleaved" },
    { OP_JOIN,    "k", "c k" },
    { OP_ATTEND,  "a", "q k c",     NULL,      "heads,1,m*m/sqrt(hd)" },
    { OP_EACH,    "a", "a",         "v_b" },
    { OP_LINEAR,  "o", "a",         "o" },
    { OP_ADD,     "x", "x o" },
    { OP_NORM,    "h", "x",         "norm2",   "eps,rms" },
    MOE_STEPS,
    { OP_ADD,     "x", "x f" },
    { 0 }
};

static const struct step deepseek_leave[] = {
    { OP_PICK,    "y", "x" },
    { OP_NORM,    "y", "y",         "norm",    "eps,rms" },
    { OP_LINEAR,  "logits", "y",    "head" },
    { 0 }
};

/* In GGUF all have one name; the router says which it is. */
const struct arch pi_arch_deepseek2 = {
    .name = "deepseek2", .hf = "deepseek_v2", .like = &pi_arch_llama, .keys = deepseek_keys,
    .weights = deepseek_weights,
    .parts = { { "decode", deepseek_enter, deepseek_block, deepseek_leave, "layers" } },
    .puts = deepseek_puts,
};

static const struct key deepseek3_keys[] = {
    { "gating", "expert_gating_func", "", "2" },
    { "renorm", "expert_weights_norm", "norm_topk_prob", "1" },
    { 0 }
};

const struct arch pi_arch_deepseek3 = {
    .name = "deepseek3", .hf = "deepseek_v3|kimi_k2|glm4_moe_lite", .like = &pi_arch_deepseek2,
    .keys = deepseek3_keys, .gguf = "deepseek2",
};
