"""Mixtures of experts. The selection bias of a router is a buffer, which
drawing leaves at zero: `bias` makes it large enough to change the choice."""

import json

import torch
from safetensors.torch import load_file, save_file

SMALL = dict(vocab_size=128, max_position_embeddings=256, hidden_size=32,
             intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, rms_norm_eps=1e-3,
             tie_word_embeddings=False,
             rope_parameters=dict(rope_type="default", rope_theta=5000.0))
SIGMOID = dict(moe_intermediate_size=16, n_routed_experts=8,
               num_experts_per_tok=3, n_shared_experts=2, n_group=4,
               topk_group=2, first_k_dense_replace=1, norm_topk_prob=True,
               routed_scaling_factor=1.7)
LATENT = dict(num_key_value_heads=4, kv_lora_rank=12, qk_nope_head_dim=8,
              qk_rope_head_dim=4, v_head_dim=6)
YARN = dict(rope_type="yarn", rope_theta=5000.0, factor=8.0, mscale=0.707,
            mscale_all_dim=0.707, beta_fast=32, beta_slow=1,
            original_max_position_embeddings=32)
GPT_OSS = dict({**SMALL, "intermediate_size": 32}, head_dim=8,
               num_local_experts=4, num_experts_per_tok=2, sliding_window=6, swiglu_limit=7.0)
GPT_OSS["rope_parameters"] = dict(
                   rope_type="yarn", rope_theta=5000.0, factor=8.0,
                   beta_fast=32.0, beta_slow=1.0, truncate=False,
                   original_max_position_embeddings=32)
GRANITE = dict({**SMALL, "intermediate_size": 24}, num_local_experts=5,
               num_experts_per_tok=2, embedding_multiplier=3.0,
               logits_scaling=2.0, residual_multiplier=0.6,
               attention_multiplier=0.2)
SAYS = dict(scoring_func="sigmoid")  # config.json as published does


def bias(model):
    torch.manual_seed(7)
    for name, buffer in model.named_buffers():
        if "correction_bias" in name:
            buffer.copy_(0.3 * torch.randn(buffer.shape))


FP4 = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6])


def to_mxfp4(weight):
    """[experts][inputs][outputs] -> codes [experts][outputs][blocks][32],
    exponents. What they stand for gives the same again."""
    x = weight.float().transpose(1, 2).unflatten(-1, (-1, 32))
    peak = x.abs().amax(-1, keepdim=True).clamp_min(2.0 ** -100)
    exponent = peak.log2().floor() - 2
    q = (x / 2 ** exponent).unsqueeze(-1)
    code = (q.abs() - FP4).abs().argmin(-1)
    return code + 8 * (q.squeeze(-1) < 0), exponent.squeeze(-1)


def round_mxfp4(model):
    for name, weight in model.named_parameters():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            code, exponent = to_mxfp4(weight)
            values = FP4[code % 8] * (1 - 2 * (code // 8))
            values = values * 2 ** exponent.unsqueeze(-1)
            weight.copy_(values.flatten(2).transpose(1, 2))


def pack_mxfp4(folder):
    """As published: two values a byte, neighbours together."""
    tensors = load_file(folder / "model.safetensors")
    for name in list(tensors):
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            code, exponent = to_mxfp4(tensors.pop(name))
            tensors[name + "_blocks"] = (
                code[..., ::2] + 16 * code[..., 1::2]).to(torch.uint8)
            tensors[name + "_scales"] = (exponent + 127).to(torch.uint8)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "mxfp4"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


MODELS = {
    "mixtral": dict(model_type="mixtral", config=dict(
        {**SMALL, "intermediate_size": 24}, num_local_experts=5,
        num_experts_per_tok=2,
        sliding_window=None)),
    "qwen2moe": dict(model_type="qwen2_moe", config=dict(
        SMALL, moe_intermediate_size=24, shared_expert_intermediate_size=40,
        num_experts=5, num_experts_per_tok=2, norm_topk_prob=False)),
    "qwen3moe": dict(model_type="qwen3_moe", config=dict(
        SMALL, head_dim=16, moe_intermediate_size=24, num_experts=5,
        num_experts_per_tok=3, norm_topk_prob=True)),
    # The converter ignores the epsilon of OLMoE.
    "olmoe": dict(model_type="olmoe", config=dict(
        {**SMALL, "rms_norm_eps": 1e-5, "intermediate_size": 24},
        num_experts=6, num_experts_per_tok=3, norm_topk_prob=False)),
    "dots1": dict(model_type="dots1", adjust=bias, config=dict(
        SMALL, **SIGMOID, head_dim=12)),
    "glm4moe": dict(model_type="glm4_moe", adjust=bias, config=dict(
        SMALL, **SIGMOID, head_dim=16, attention_bias=True,
        partial_rotary_factor=0.5, use_qk_norm=True)),
    # What the converter otherwise takes for a half.
    "solar-open": dict(model_type="solar_open", adjust=bias, hparams=dict(
        partial_rotary_factor=1.0), config=dict(
        {k: v for k, v in {**SMALL, **SIGMOID}.items()
         if k not in ("intermediate_size", "first_k_dense_replace")}, head_dim=16)),
    "ernie4_5-moe": dict(model_type="ernie4_5_moe", adjust=bias, config=dict(
        {**SMALL, "intermediate_size": 80}, moe_intermediate_size=20,
        moe_num_experts=6, moe_k=2, moe_num_shared_experts=2,
        moe_layer_start_index=1, moe_layer_end_index=1,
        moe_layer_interval=1)),
    "minimax-m2": dict(model_type="minimax_m2", adjust=bias, config=dict(
        {**SMALL, "intermediate_size": 16}, head_dim=16,
        num_local_experts=6, num_experts_per_tok=3, rotary_dim=8)),
    "deepseek2-lite": dict(model_type="deepseek_v2", config={
        **SMALL, **SIGMOID, **LATENT, "q_lora_rank": None, "n_group": 1,
        "topk_group": 1, "norm_topk_prob": False, "rope_parameters": YARN}),
    "deepseek2": dict(model_type="deepseek_v2", config={
        **SMALL, **SIGMOID, **LATENT, "q_lora_rank": 16,
        "norm_topk_prob": False, "topk_method": "group_limited_greedy"},
        gguf=False),  # llama.cpp has no such groups
    "deepseek3": dict(model_type="deepseek_v3", adjust=bias, hparams=SAYS,
                      config={
        **SMALL, **SIGMOID, **LATENT, "q_lora_rank": 16,
        "rope_parameters": YARN}),
    "glm4-lite": dict(model_type="glm4_moe_lite", adjust=bias,
                      hparams=SAYS, config={
        **SMALL, **SIGMOID, **LATENT, "q_lora_rank": 16}),
    "granitemoe": dict(model_type="granitemoe", config=GRANITE),
    "granitemoe-shared": dict(model_type="granitemoeshared", config=dict(
        GRANITE, shared_intermediate_size=40)),
    "gpt-oss": dict(model_type="gpt_oss", config=GPT_OSS),
    "gpt-oss-mxfp4": dict(model_type="gpt_oss", adjust=round_mxfp4,
                          finish=pack_mxfp4, config=GPT_OSS),
}
