/* nemotron_h.c - Nemotron-H and Nemotron 3: each layer is one of a Mamba-2 mixer, attention
 * without positions, a plain feed-forward, or experts, perhaps of a narrower x, beside a shared
 * one.
 * NVIDIA 2025, arXiv 2504.03624.
 *
 *     x --norm--> h --mamba--> + x                                   where recurs
 *     x --norm--> h --q,k,v--> attend --o--> + x                     where attends
 *     x --norm--> h --up--> relu^2 --down--> + x                     where wide, and not moe
 */
#include "mamba.h"

extern const struct arch pi_arch_mamba2, pi_arch_nemotron_h;

/* kind, of a folder: 0 mamba, 1 attention, 2 feed-forward, 3 experts. In GGUF the sizes say it. */
static const struct key nemotron_h_keys[] = {
    { "kind", "", "layers_block_type|layer_types|hybrid_override_pattern", "0", true },
    { "layers", "block_count", "num_hidden_layers", NULL },
    { "heads", "attention.head_count", "num_attention_heads", NULL },
    { "kv", "attention.head_count_kv", "num_key_value_heads", NULL, true },
    { "hd", "attention.key_length", "head_dim|attention_head_dim", NULL },
    { "ff", "feed_forward_length", "intermediate_size", "0", true },
    { "experts", "expert_count", "n_routed_experts", "0" },
    { "used", "expert_used_count", "num_experts_per_tok", "1" },
    { "eff", "expert_feed_forward_length", "moe_intermediate_size", "0" },
    { "sff", "expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size", "0" },
    { "narrow", "moe_latent_size", "moe_latent_size", "0" },
    { "renorm", "expert_weights_norm", "norm_topk_prob", "1" },
    { "factor_moe", "expert_weights_scale", "routed_scaling_factor", "1" },
    { "groups_moe", "expert_group_count", "n_group", "1" },
    { "groups_used", "expert_group_used_count", "topk_group", "groups_moe" },
    { "attends", "", "", "hf ? kind == 1 : kv > 0" },
    { "wide", "", "", "hf ? kind >= 2 : ff > 0" },
    { "recurs", "", "", "!attends && !wide" },
    { "moe", "", "", "hf ? kind == 3 : wide && experts > 0" },
    { "width", "", "", "narrow ? narrow : dim" },
    { "act", "", "mlp_hidden_act", "relu2" },
    { 0 }
};

#define MIXER(gguf, hf) "blk.%d." gguf ".weight", "layers.%d.mixer." hf ".weight"
#define PLAIN "wide && !moe"

static const struct weight nemotron_h_weights[] = {
    MAMBA2_WEIGHTS("mixer", "recurs", MAMBA2_PLAIN, NULL),
    { "q", MIXER("attn_q", "q_proj"), "heads*hd,dim", .when = "attends" },
    { "k", MIXER("attn_k", "k_proj"), "kv*hd,dim", .when = "attends" },
    { "v", MIXER("attn_v", "v_proj"), "kv*hd,dim", .when = "attends" },
    { "o", MIXER("attn_output", "o_proj"), "dim,heads*hd", .when = "attends" },
    { "up", MIXER("ffn_up", "up_proj"), "ff,dim", .when = PLAIN },
    { "down", MIXER("ffn_down", "down_proj"), "dim,ff", .when = PLAIN },
    { "router", MIXER("ffn_gate_inp", "gate"), "experts,dim", .when = "moe" },
    { "choice", "blk.%d.exp_probs_b.bias", "layers.%d.mixer.gate.e_score_correction_bias",
      "experts", .when = "moe" },
    { "into", MIXER("ffn_latent_down", "fc1_latent_proj"), "narrow,dim", .when = "moe && narrow" },
    { "back", MIXER("ffn_latent_up", "fc2_latent_proj"), "dim,narrow", .when = "moe && narrow" },
    { "ups", "blk.%d.ffn_up_exps.weight",
      "layers.%d.mixer.experts.up_proj|layers.%d.mixer.experts.%e.up_proj.weight",
      "experts,eff,width", .when = "moe" },
    { "downs", "blk.%d.ffn_down_exps.weight",
      "layers.%d.mixer.experts.down_proj|layers.%d.mixer.experts.%e.down_proj.weight",
      "experts,width,eff", .when = "moe" },
    { "s_up", MIXER("ffn_up_shexp", "shared_experts.up_proj"), "sff,dim", .when = "moe" },
    { "s_down", MIXER("ffn_down_shexp", "shared_experts.down_proj"), "dim,sff", .when = "moe" },
    { "mtp", NULL, "mtp.*", .ignore = true }, /* drafts further tokens */
    { 0 }
};

static const struct put nemotron_h_puts[] = {
    { "attention.head_count", "heads" },
    { "attention.head_count_kv", "attends ? kv : 0" },
    { "attention.value_length", "hd" },
    { "feed_forward_length", "moe ? eff : wide ? ff : 0" },
    { 0 }
};

static const struct step nemotron_h_enter[] = {
    { OP_EMBED,    "x", "ids",   "embed" },
    { 0 }
};

static const struct step nemotron_h_block[] = {
    /* op          out  in       weight    parameters   where */
    { OP_NORM,     "h", "x",     "norm1",  "eps,rms" },
    MAMBA2_IN_STEPS("recurs"),
    MAMBA2_SCAN_STEPS("recurs"),
    { OP_LINEAR,   "q", "h",     "q",      NULL,        "attends" },
    { OP_LINEAR,   "k", "h",     "k",      NULL,        "attends" },
    { OP_LINEAR,   "v", "h",     "v",      NULL,        "attends" },
    { OP_ATTEND,   "a", "q k v", NULL,     "heads,kv",  "attends" },
    { OP_LINEAR,   "o", "a",     "o",      NULL,        "attends" },
    { OP_LINEAR,   "u", "h",     "up",     NULL,        PLAIN },
    { OP_ACTIVATE, "u", "u",     NULL,     "act",       PLAIN },
    { OP_LINEAR,   "o", "u",     "down",   NULL,        PLAIN },
    { OP_LINEAR,   "r", "h",     "router", NULL,        "moe" },
    { OP_ROUTE,    "r", "r",     "choice",
      "used,1,renorm,factor_moe,groups_moe,groups_used,2", "moe" },
    { OP_LINEAR,   "u", "h",     "s_up",   NULL,        "moe" },
    { OP_ACTIVATE, "u", "u",     NULL,     "act",       "moe" },
    { OP_LINEAR,   "s", "u",     "s_down", NULL,        "moe" },
    { OP_LINEAR,   "h", "h",     "into",   NULL,        "moe && narrow" },
    { OP_EXPERTS,  "u", "h r",   "ups",    NULL,        "moe" },
    { OP_ACTIVATE, "u", "u",     NULL,     "act",       "moe" },
    { OP_EXPERTS,  "u", "u r",   "downs",  NULL,        "moe" },
    { OP_MIX,      "o", "u r",   NULL,     NULL,        "moe" },
    { OP_LINEAR,   "o", "o",     "back",   NULL,        "moe && narrow" },
    { OP_ADD,      "o", "o s",   NULL,     NULL,        "moe" },
    { OP_ADD,      "x", "x o" },
    { 0 }
};

static const struct step nemotron_h_leave[] = {
    { OP_PICK,     "y", "x" },
    { OP_NORM,     "y", "y",     "norm",   "eps,rms" },
    { OP_LINEAR,   "logits", "y", "head" },
    { 0 }
};

const struct arch pi_arch_nemotron_h = {
    .name = "nemotron_h|nemotron_h_moe", .hf = "nemotron_h", .prefix = "backbone.|model.",
    .like = &pi_arch_mamba2, .keys = nemotron_h_keys, .weights = nemotron_h_weights,
    .parts = { { "decode", nemotron_h_enter, nemotron_h_block, nemotron_h_leave, "layers" } },
    .puts = nemotron_h_puts,
};
