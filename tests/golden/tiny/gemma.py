"""Gemma with embeddings for every layer."""

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


MODELS = {
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
