"""Dense decoders some of whose layers see a window only."""

SMALL = dict(vocab_size=128, max_position_embeddings=256, hidden_size=32,
             intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2)
ROPE = dict(rope_type="default", rope_theta=5000.0)
NARROW = dict(SMALL, num_hidden_layers=4, hidden_size=24, num_attention_heads=2,
              num_key_value_heads=1)
BOTH = dict(full_attention=dict(ROPE),
            sliding_attention=dict(ROPE, rope_theta=100.0))


def louder(model):
    """What the branches add outweighs the embedding, or every token would
    follow itself."""
    for name, parameter in model.named_parameters():
        if name.endswith(("post_attention_layernorm.weight",
                          "post_feedforward_layernorm.weight")):
            parameter.add_(4)


def louder_branches(model):
    """The same where no norm is behind them."""
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            parameter.mul_(4)


MODELS = {
    "gemma2": dict(model_type="gemma2", adjust=louder, config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, sliding_window=7,
        query_pre_attn_scalar=16, attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
        rope_parameters=dict(ROPE, rope_theta=10000.0))),
    # GGUF has no key for the scale of the scores.
    "gemma2-scalar": dict(model_type="gemma2", gguf=False, adjust=louder, config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, sliding_window=5,
        query_pre_attn_scalar=5, attn_logit_softcapping=None,
        final_logit_softcapping=None, rope_parameters=ROPE)),
    "vaultgemma": dict(model_type="vaultgemma", gguf=False, adjust=louder_branches, config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, sliding_window=7,
        query_pre_attn_scalar=16, attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0, rope_parameters=ROPE)),
    "gemma3": dict(model_type="gemma3_text", adjust=louder,
        architecture="Gemma3ForCausalLM", config=dict(
            NARROW, num_hidden_layers=7, head_dim=12, rms_norm_eps=1e-3,
            sliding_window=6, query_pre_attn_scalar=12, rope_parameters=dict(
                full_attention=dict(rope_type="linear", factor=8.0,
                                    rope_theta=50000.0),
                sliding_attention=dict(rope_type="default",
                                       rope_theta=10000.0)))),
    "cohere2": dict(model_type="cohere2", hparams=dict(rotary_pct=1.0),
        config=dict(NARROW, layer_norm_eps=1e-3, rope_parameters=ROPE,
                    sliding_window=6, logit_scale=0.4)),
    "olmo3": dict(model_type="olmo3", config=dict(
        NARROW, rms_norm_eps=1e-3, sliding_window=6, rope_parameters=dict(
            full_attention=dict(
                rope_type="yarn", rope_theta=5000.0, factor=4.0,
                original_max_position_embeddings=64, beta_fast=32.0,
                beta_slow=1.0, attention_factor=1.2),
            sliding_attention=dict(ROPE)))),
    "exaone4": dict(model_type="exaone4", config=dict(
        NARROW, rms_norm_eps=1e-3, rope_parameters=ROPE, sliding_window=6)),
    "exaone4-global": dict(model_type="exaone4", config=dict(
        SMALL, rms_norm_eps=1e-3, sliding_window=None,
        layer_types=["full_attention"] * 2, rope_parameters=dict(
            rope_type="llama3", rope_theta=5000.0, factor=8.0,
            low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=64))),
    # transformers has no EXAONE 3, which is a Llama by another name.
    "exaone": dict(model_type="llama", architecture="ExaoneForCausalLM",
        hparams=dict(layer_norm_epsilon=1e-3, activation_function="silu"),
        config=dict(SMALL, rms_norm_eps=1e-3, rope_parameters=ROPE)),
    "ministral": dict(model_type="ministral", gguf=False, config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, rope_parameters=ROPE,
        sliding_window=6, layer_types=["sliding_attention",
                                       "full_attention"])),
    "ministral3": dict(model_type="ministral3",
        architecture="Mistral3ForConditionalGeneration",
        inner="Ministral3Model", config=dict(
            SMALL, head_dim=16, rms_norm_eps=1e-3, rope_parameters=dict(
                rope_type="yarn", rope_theta=5000.0, factor=16.0,
                original_max_position_embeddings=16, beta_fast=32.0,
                beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0,
                llama_4_scaling_beta=0.5))),
    "phi3-window": dict(model_type="phi3", config=dict(
        SMALL, rms_norm_eps=1e-3, rope_parameters=ROPE, sliding_window=6,
        original_max_position_embeddings=256)),
    "phi3-longrope": dict(model_type="phi3", config=dict(
        SMALL, rms_norm_eps=1e-3, sliding_window=None,
        original_max_position_embeddings=4, rope_parameters=dict(
            rope_type="longrope", rope_theta=5000.0,
            original_max_position_embeddings=4,
            short_factor=[1.0, 1.1, 1.3, 1.5],
            long_factor=[1.0, 1.5, 3.0, 8.0]))),
    "phi3-shortrope": dict(model_type="phi3", config=dict(
        SMALL, rms_norm_eps=1e-3, sliding_window=None,
        original_max_position_embeddings=256, rope_parameters=dict(
            rope_type="longrope", rope_theta=5000.0,
            original_max_position_embeddings=256,
            short_factor=[1.0, 1.1, 1.3, 1.5],
            long_factor=[1.0, 1.5, 3.0, 8.0]))),
}
