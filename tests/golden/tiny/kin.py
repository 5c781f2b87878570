"""Models that are Llama in other files: transformers computes Llama, then names and layout become
those of the model (InternLM2, Baichuan and Orion have no class of their own there)."""

import json

import safetensors.torch
import torch

SMALL = dict(vocab_size=128, max_position_embeddings=256, hidden_size=32,
             intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, rms_norm_eps=1e-3)
ROPE = dict(rope_type="default", rope_theta=5000.0)


def stored(model_type, architecture, change, drop=(), **more):
    """The folder as if it were another model's; change(name, tensors) gives the new tensors of
    an old name."""
    def finish(folder):
        path = folder / "model.safetensors"
        old, new = safetensors.torch.load_file(path), {}
        for name in old:
            new.update(change(name, old))
        safetensors.torch.save_file({k: v.contiguous() for k, v in new.items()}, path,
                                    {"format": "pt"})
        path = folder / "config.json"
        config = json.loads(path.read_text())
        rope = config.pop("rope_parameters")
        config.update(model_type=model_type, architectures=[architecture],
                      rope_theta=rope["rope_theta"], **more)
        for key in drop:
            del config[key]
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return finish


INTERNLM2 = (("embed_tokens", "tok_embeddings"), ("lm_head", "output"),
             ("input_layernorm", "attention_norm"), ("post_attention_layernorm", "ffn_norm"),
             ("self_attn.o_proj", "attention.wo"), ("mlp.gate_proj", "feed_forward.w1"),
             ("mlp.up_proj", "feed_forward.w3"), ("mlp.down_proj", "feed_forward.w2"))


def internlm2(name, old):
    """For each key head: its query heads, itself, its value head."""
    if "self_attn.q_proj" in name:
        q, k, v = (old[name.replace("q_proj", p)] for p in ("q_proj", "k_proj", "v_proj"))
        tail = q.shape[1:]
        parts = (q.reshape(2, 2, 8, *tail), k.reshape(2, 1, 8, *tail),
                 v.reshape(2, 1, 8, *tail))
        return {name.replace("self_attn.q_proj", "attention.wqkv"):
                torch.cat(parts, 1).reshape(64, *tail)}
    if "self_attn.k_proj" in name or "self_attn.v_proj" in name:
        return {}
    new = name
    for a, b in INTERNLM2:
        new = new.replace(a, b)
    return {new: old[name]}


def baichuan(name, old):
    if "self_attn.q_proj" in name:
        return {name.replace("q_proj", "W_pack"): torch.cat(
            [old[name.replace("q_proj", p)] for p in ("q_proj", "k_proj", "v_proj")])}
    return {} if "k_proj" in name or "v_proj" in name else {name: old[name]}


def same(name, old):
    return {name: old[name]}


def linear_biases(model):
    """Scores grow linearly with the key's position, by slopes of 2^(-8 i / heads); nothing is
    turned. Press et al. 2021."""
    plain = model.forward
    heads = model.config.num_attention_heads
    slopes = torch.tensor([2 ** (-8 * (i + 1) / heads) for i in range(heads)])
    model.model.rotary_emb.inv_freq.zero_()

    def forward(input_ids, **options):
        n = input_ids.shape[1]
        bias = slopes[:, None, None] * torch.arange(n)
        mask = torch.full((n, n), float("-inf")).triu(1)
        return plain(input_ids=input_ids, attention_mask=(bias + mask)[None], **options)

    model.forward = forward


def unit_rows(model):
    """The head of Baichuan 2."""
    with torch.no_grad():
        model.lm_head.weight.copy_(torch.nn.functional.normalize(model.lm_head.weight))


def minicpm(config_of):
    """Granite's numbers as MiniCPM has them."""
    def finish(folder):
        config_of(folder)
        path = folder / "config.json"
        config = json.loads(path.read_text())
        layers, dim = config["num_hidden_layers"], config["hidden_size"]
        config.update(scale_emb=config.pop("embedding_multiplier"), scale_depth=round(
            config.pop("residual_multiplier") * layers ** 0.5, 6),
            dim_model_base=dim / config.pop("logits_scaling"))
        del config["attention_multiplier"]
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return finish


def open_gates(model):
    """Qwen2-MoE whose shared expert always counts in full."""
    for layer in model.model.layers[1:]:
        layer.mlp.shared_expert_gate.forward = lambda x: torch.full((*x.shape[:-1], 1), 1e4)


def deepseek(name, old):
    if "shared_expert_gate" in name:
        return {}
    return {name.replace("shared_expert.", "shared_experts."): old[name]}


MOE = dict(SMALL, intermediate_size=32, num_hidden_layers=3)

MODELS = {
    "cwm": dict(model_type="cwm", gguf=False, config=dict(
        SMALL, sliding_window=6, head_dim=16, bos_token_id=0, eos_token_id=[1],
        layer_types=[
            "full_attention", "sliding_attention"], rope_parameters=dict(
            rope_type="llama3", rope_theta=5000.0, factor=8.0, low_freq_factor=1.0,
            high_freq_factor=4.0, original_max_position_embeddings=64))),
    "internlm3": dict(model_type="internlm3", gguf=False, config=dict(
        SMALL, head_dim=16, attention_bias=True, mlp_bias=True, rope_parameters=ROPE)),
    "helium": dict(model_type="helium", gguf=False, config=dict(
        SMALL, head_dim=8, num_key_value_heads=4, rope_parameters=ROPE)),
    "arcee": dict(model_type="arcee", config=dict(SMALL, rope_parameters=ROPE)),
    "pangu": dict(model_type="llama", architecture="PanguEmbeddedForCausalLM",
        finish=stored("PanguEmbedded", "PanguEmbeddedForCausalLM", same, bias=True, drop=(
            "attention_bias", "head_dim", "mlp_bias", "pretraining_tp")),
        config=dict(SMALL, attention_bias=True, rope_parameters=ROPE)),
    # StableLM whose heads turn as a whole.
    "orion": dict(model_type="stablelm", architecture="OrionForCausalLM",
        finish=stored("orion", "OrionForCausalLM", same, rms_norm_eps=1e-3, drop=(
            "layer_norm_eps", "qk_layernorm", "use_parallel_residual", "use_qkv_bias")),
        config=dict(
            {k: v for k, v in SMALL.items() if k != "rms_norm_eps"}, layer_norm_eps=1e-3,
            rope_parameters=dict(ROPE, rope_theta=10000.0, partial_rotary_factor=1.0))),
    "minicpm": dict(model_type="granite", architecture="MiniCPMForCausalLM",
        finish=minicpm(stored("minicpm", "MiniCPMForCausalLM", same)),
        config=dict(SMALL, rope_parameters=dict(ROPE, rope_theta=10000.0),
                    embedding_multiplier=4.0, attention_multiplier=8 ** -0.5,
                    residual_multiplier=0.5, logits_scaling=2.0)),
    "deepseek": dict(model_type="qwen2_moe", architecture="DeepseekForCausalLM",
        prepare=open_gates, finish=stored("deepseek", "DeepseekForCausalLM", deepseek,
            drop=("num_experts", "shared_expert_intermediate_size", "mlp_only_layers"),
            n_routed_experts=5, n_shared_experts=2, first_k_dense_replace=1),
        config=dict(MOE, qkv_bias=False, num_experts=5, num_experts_per_tok=2,
            norm_topk_prob=False, moe_intermediate_size=12, mlp_only_layers=[0],
            shared_expert_intermediate_size=24, rope_parameters=dict(
                ROPE, rope_theta=10000.0))),
    "phimoe": dict(model_type="phimoe", gguf=False, config=dict(
        SMALL, num_local_experts=6, num_experts_per_tok=2, intermediate_size=24,
        router_jitter_noise=0.25, attention_bias=True, lm_head_bias=True,
        sliding_window=10, original_max_position_embeddings=256,
        rope_parameters=dict(rope_type="longrope", rope_theta=5000.0, short_mscale=1.3,
            long_mscale=1.3, original_max_position_embeddings=256,
            short_factor=[1.0, 1.1, 1.3, 1.6], long_factor=[2.0, 2.0, 3.0, 4.0]))),
    # llama.cpp's converter knows the release's noise alone.
    "phimoe-plain": dict(model_type="phimoe", architecture="PhiMoEForCausalLM",
        hparams=dict(original_max_position_embeddings=256), config=dict(
        SMALL, num_local_experts=4, num_experts_per_tok=2, intermediate_size=24,
        attention_bias=True, lm_head_bias=True, sliding_window=256,
        rope_parameters=ROPE)),
    "hunyuan-moe": dict(model_type="hunyuan_v1_moe", hparams=dict(
        moe_intermediate_size=[32, 32], num_shared_expert=[1, 1]), config=dict(
        MOE, head_dim=8, num_experts=4, num_hidden_layers=2, moe_topk=[2, 2],
        rope_parameters=ROPE)),
    "internlm2": dict(model_type="llama", architecture="InternLM2ForCausalLM",
        finish=stored("internlm2", "InternLM2ForCausalLM", internlm2,
                      rope_scaling=dict(type="dynamic", factor=2.0)),
        config=dict(SMALL, rope_parameters=ROPE)),
    "internlm2-biases": dict(model_type="llama", gguf=False, config=dict(
        SMALL, attention_bias=True, rope_parameters=ROPE),
        finish=stored("internlm2", "InternLM2ForCausalLM", internlm2)),
    "baichuan": dict(model_type="llama", gguf_arch="BAICHUAN",
        finish=stored("baichuan", "BaiChuanForCausalLM", baichuan,
                      drop=("head_dim", "num_key_value_heads")),
        config=dict(SMALL, num_key_value_heads=4, rope_parameters=dict(
            ROPE, rope_theta=10000.0))),
    "baichuan2": dict(model_type="llama", gguf=False, prepare=unit_rows,
        finish=stored("baichuan", "BaichuanForCausalLM", baichuan, z_loss_weight=0,
                      drop=("head_dim", "num_key_value_heads")),
        config=dict(SMALL, num_key_value_heads=4, rope_parameters=dict(
            ROPE, rope_theta=10000.0))),
    "baichuan-13b": dict(model_type="llama", gguf_arch="BAICHUAN", prepare=linear_biases,
        finish=stored("baichuan", "BaichuanForCausalLM", baichuan, model_max_length=256,
                      drop=("head_dim", "num_key_value_heads", "max_position_embeddings")),
        config=dict(SMALL, num_key_value_heads=2, rope_parameters=dict(
            ROPE, rope_theta=10000.0), num_hidden_layers=40, hidden_size=12,
            num_attention_heads=2, intermediate_size=16)),
    "apertus": dict(model_type="apertus", config=dict(
        SMALL, rope_parameters=dict(rope_type="llama3", rope_theta=5000.0, factor=8.0,
            low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=64))),
}
