"""The families that everything else is a variation of."""

SMALL = dict(vocab_size=128, max_position_embeddings=256, hidden_size=32,
             intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2)
ROPE = dict(rope_type="default", rope_theta=5000.0)



def before_rope_parameters(config):
    """As versions before 5 wrote it."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    if rope["rope_type"] != "default":
        config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    config.pop("head_dim", None)


def before_rope_type(config):
    before_rope_parameters(config)
    config["rope_scaling"]["type"] = config["rope_scaling"].pop("rope_type")


MODELS = {
    "llama": dict(model_type="llama", config=dict(
        SMALL, head_dim=8, rms_norm_eps=1e-3, rope_parameters=ROPE,
        attention_bias=False, tie_word_embeddings=False)),
    "llama3": dict(model_type="llama", config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, tie_word_embeddings=True,
        rope_parameters=dict(
            rope_type="llama3", rope_theta=5000.0, factor=8.0,
            low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=64))),
    "llama-before-5": dict(
        model_type="llama", rewrite=before_rope_parameters, config=dict(
            SMALL, rms_norm_eps=1e-3, tie_word_embeddings=True,
            rope_parameters=dict(
                rope_type="llama3", rope_theta=5000.0, factor=8.0,
                low_freq_factor=1.0, high_freq_factor=4.0,
                original_max_position_embeddings=64))),
    "llama-linear": dict(
        model_type="llama", rewrite=before_rope_type, config=dict(
            SMALL, rms_norm_eps=1e-3, tie_word_embeddings=True,
            rope_parameters=dict(rope_type="linear", rope_theta=5000.0,
                                 factor=4.0))),
    "mistral": dict(model_type="mistral", config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, rope_parameters=ROPE,
        sliding_window=None, tie_word_embeddings=False)),
    "qwen2": dict(model_type="qwen2", config=dict(
        SMALL, rms_norm_eps=1e-3, rope_parameters=ROPE,
        tie_word_embeddings=True)),
    "qwen3": dict(model_type="qwen3", config=dict(
        SMALL, head_dim=16, rms_norm_eps=1e-3, rope_parameters=ROPE,
        tie_word_embeddings=False)),
    "gpt2": dict(model_type="gpt2", hparams=dict(n_ctx=128), config=dict(
        vocab_size=128, n_positions=128, n_embd=32, n_layer=2, n_head=4,
        n_inner=None, layer_norm_epsilon=1e-3)),
}
