"""Dense decoders with full attention that differ from Llama in a few words."""

SMALL = dict(vocab_size=128, max_position_embeddings=256, hidden_size=32,
             intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2)
ROPE = dict(rope_type="default", rope_theta=5000.0)


def partial(share):
    return dict(ROPE, partial_rotary_factor=share)


# llama.cpp's converters of some families write no base.
PARTIAL = dict(partial(0.5), rope_theta=10000.0)

MODELS = {
    "smollm3": dict(model_type="smollm3", config=dict(
        SMALL, num_hidden_layers=4, hidden_size=24, rms_norm_eps=1e-3,
        num_attention_heads=2, num_key_value_heads=1, rope_parameters=ROPE,
        tie_word_embeddings=True)),
    "gemma": dict(model_type="gemma", config=dict(
        SMALL, num_key_value_heads=1, head_dim=16, rms_norm_eps=1e-3,
        rope_parameters=dict(ROPE, rope_theta=10000.0))),
    "granite": dict(model_type="granite", config=dict(
        SMALL, rms_norm_eps=1e-3, rope_parameters=ROPE,
        embedding_multiplier=12.0, logits_scaling=3.0,
        residual_multiplier=0.22, attention_multiplier=0.5)),
    "hyperclovax": dict(model_type="hyperclovax", gguf=False, config=dict(
        SMALL, rms_norm_eps=1e-3, rope_parameters=ROPE,
        embedding_multiplier=6.0, logits_scaling=0.3,
        residual_multiplier=0.7, attention_multiplier=0.5)),
    "stablelm": dict(model_type="stablelm", config=dict(
        SMALL, layer_norm_eps=1e-3, rope_parameters=PARTIAL,
        use_qkv_bias=True)),
    "stablelm-parallel": dict(model_type="stablelm", config=dict(
        SMALL, layer_norm_eps=1e-3,
        rope_parameters=PARTIAL, use_parallel_residual=True)),
    "stablelm-norm": dict(model_type="stablelm", gguf=False, config=dict(
        SMALL, layer_norm_eps=1e-3, rope_parameters=partial(0.5),
        qk_layernorm=True, use_parallel_residual=True)),
    "cohere": dict(model_type="cohere", config=dict(
        SMALL, layer_norm_eps=1e-3, rope_parameters=ROPE, logit_scale=0.4)),
    "cohere-norm": dict(model_type="cohere", config=dict(
        SMALL, layer_norm_eps=1e-3, rope_parameters=ROPE, logit_scale=1.5,
        use_qk_norm=True)),
    "olmo": dict(model_type="olmo", config=dict(
        SMALL, rope_parameters=ROPE, clip_qkv=0.8)),
    "nemotron": dict(model_type="nemotron", config=dict(
        SMALL, norm_eps=1e-3, rope_parameters=partial(0.5))),
    "jais2": dict(model_type="jais2", config=dict(
        SMALL, layer_norm_eps=1e-3, rope_parameters=ROPE,
        tie_word_embeddings=False)),
    # llama.cpp's converter knows the names of an older configuration here.
    "glm": dict(model_type="glm", hparams=dict(
        seq_length=256, layernorm_epsilon=1e-3), config=dict(
        SMALL, head_dim=8, rms_norm_eps=1e-3, rope_parameters=PARTIAL,
        attention_bias=True)),
    "glm4": dict(model_type="glm4", config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, rope_parameters=partial(0.5),
        attention_bias=True)),
    "phi3": dict(model_type="phi3", config=dict(
        SMALL, rms_norm_eps=1e-3, rope_parameters=partial(0.75),
        num_attention_heads=2, num_key_value_heads=1, sliding_window=None,
        original_max_position_embeddings=256)),
    "seed-oss": dict(model_type="seed_oss", config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, rope_parameters=ROPE,
        attention_bias=True, attention_out_bias=True, mlp_bias=False)),
    "hunyuan": dict(model_type="hunyuan_v1_dense", config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, rope_parameters=ROPE,
        tie_word_embeddings=True)),
    "ernie4-5": dict(model_type="ernie4_5", config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, rope_parameters=ROPE)),
    "olmo2": dict(model_type="olmo2", config=dict(
        SMALL, rms_norm_eps=1e-3, rope_parameters=ROPE)),
}
