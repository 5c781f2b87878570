"""Gemma with embeddings for every layer."""

import json

import safetensors.torch
import torch

ROPE = dict(
    full_attention=dict(rope_type="proportional", rope_theta=50000.0,
                        partial_rotary_factor=0.25),
    sliding_attention=dict(rope_type="default", rope_theta=10000.0))
KINDS = ["sliding_attention", "full_attention"]
TEXT = dict(vocab_size=128, max_position_embeddings=256, hidden_size=24,
            intermediate_size=32, num_attention_heads=2,
            num_key_value_heads=1, head_dim=12, rms_norm_eps=1e-3,
            sliding_window=6)


def louder(model):
    """What the branches add outweighs the embedding, or every token would
    follow itself."""
    for name, parameter in model.named_parameters():
        if name.endswith(("post_attention_layernorm.weight",
                          "post_feedforward_layernorm.weight")):
            parameter.add_(4)
    for name, buffer in model.named_buffers():
        if name.endswith("layer_scalar"):
            buffer.fill_(0.75)


def as_released(config):
    """Heads of global layers as the released models say them, which the
    current transformers reads but does not write."""
    own = next(iter(config.pop("per_layer_config").values()))
    config["global_head_dim"] = own["head_dim"]
    config["num_global_key_value_heads"] = own.get("num_key_value_heads")


def with_towers(folder):
    """As released: text model, towers (of which transformers cannot make small ones without
    further packages; their names alone matter) and their projections."""
    path = folder / "model.safetensors"
    tensors = {"model.language_model." + name[len("model."):]: tensor
               for name, tensor in safetensors.torch.load_file(path).items()
               if name != "lm_head.weight"}
    for name in ("vision_tower.timm_model.conv_stem.conv.weight",
                 "audio_tower.subsample_conv_projection.conv_0.conv.weight",
                 "embed_vision.embedding.weight", "embed_vision.embedding_projection.weight",
                 "embed_audio.hard_embedding_norm.weight"):
        tensors["model." + name] = torch.ones(2, 2)
    safetensors.torch.save_file(tensors, path, {"format": "pt"})
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key in ("rms_norm_eps", "rope_parameters", "altup_num_inputs",
                "altup_active_idx", "altup_correct_scale", "final_logit_softcapping"):
        del config[key]
    path.write_text(json.dumps(dict(model_type="gemma3n", text_config=config,
                                    vision_config={}, audio_config={}), indent=2) + "\n")


def steady(model):
    louder(model)
    for name, parameter in model.named_parameters():
        if name.endswith("altup.correct_output_scale"):
            parameter.add_(1)


KINDS_3N = dict(TEXT, num_hidden_layers=4, layer_types=KINDS * 2, num_kv_shared_layers=2,
                hidden_size_per_layer_input=8, altup_num_inputs=4)

MODELS = {
    "gemma3n": dict(model_type="gemma3n_text", adjust=steady, architecture="Gemma3nForCausalLM",
        config=dict(KINDS_3N, vocab_size_per_layer_input=128,
            intermediate_size=[32, 40, 32, 40], pad_token_id=0, final_logit_softcapping=3.0,
            activation_sparsity_pattern=[0.6, 0.0, 0.8, 0.0], rope_parameters=dict(
                full_attention=dict(rope_type="default", rope_theta=50000.0),
                sliding_attention=dict(rope_type="default", rope_theta=100.0)))),
    "gemma3n-vision": dict(model_type="gemma3n_text", adjust=steady, gguf=False,
        finish=with_towers, config=dict(KINDS_3N, rms_norm_eps=1e-6, laurel_rank=6,
            vocab_size_per_layer_input=120, pad_token_id=0, num_hidden_layers=2,
            layer_types=KINDS, num_kv_shared_layers=0,
            activation_sparsity_pattern=[0.95, 0.0])),
    "gemma4": dict(model_type="gemma4_text", adjust=louder,
        rewrite=as_released, architecture="Gemma4ForCausalLM",
        hparams=dict(global_head_dim=16), config=dict(
            TEXT, num_hidden_layers=4, layer_types=KINDS * 2,
            global_head_dim=16, num_kv_shared_layers=2,
            use_double_wide_mlp=True, hidden_size_per_layer_input=8,
            vocab_size_per_layer_input=128, final_logit_softcapping=3.0,
            rope_parameters=ROPE)),
    "gemma4-plain": dict(model_type="gemma4_text", adjust=louder,
        rewrite=as_released, architecture="Gemma4ForCausalLM", hparams=dict(
            global_head_dim=16, num_global_key_value_heads=2), config=dict(
            TEXT, num_hidden_layers=3, layer_types=["sliding_attention"] * 2 +
            ["full_attention"], global_head_dim=16,
            num_global_key_value_heads=2, attention_k_eq_v=True,
            hidden_size_per_layer_input=0, rope_parameters=ROPE)),
    "gemma4-moe": dict(model_type="gemma4_text", adjust=louder,
        rewrite=as_released, architecture="Gemma4ForCausalLM", hparams=dict(
            global_head_dim=16, num_global_key_value_heads=2), config=dict(
            TEXT, num_hidden_layers=2, layer_types=KINDS,
            global_head_dim=16, num_global_key_value_heads=2,
            attention_k_eq_v=True, enable_moe_block=True, num_experts=5,
            top_k_experts=2, moe_intermediate_size=16,
            hidden_size_per_layer_input=0, rope_parameters=ROPE)),
}
