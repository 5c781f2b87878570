"""Every kind of scaling of a rotary embedding.

A session of 256 positions takes longrope's long factors where the original
context is shorter, as transformers does for a prompt longer than that.
"""

SMALL = dict(vocab_size=128, max_position_embeddings=256, hidden_size=32,
             intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
             num_key_value_heads=1, rms_norm_eps=1e-3,
             tie_word_embeddings=True)
YARN = dict(rope_type="yarn", rope_theta=500.0, factor=4.0,
            original_max_position_embeddings=64)


def longrope(original):
    return dict(
        SMALL, original_max_position_embeddings=original, pad_token_id=0,
        rope_parameters=dict(
            rope_type="longrope", rope_theta=500.0, partial_rotary_factor=1.0,
            short_factor=[1.0, 1.1, 1.3, 1.7, 2.0, 2.5, 3.0, 4.0],
            long_factor=[1.0, 1.5, 2.2, 3.1, 5.0, 9.0, 17.0, 30.0]))


MODELS = {
    "rope-linear": dict(model_type="llama", config=dict(
        SMALL, rope_parameters=dict(rope_type="linear", rope_theta=500.0,
                                    factor=3.0))),
    "rope-dynamic": dict(model_type="llama", gguf=False, config=dict(
        SMALL, rope_parameters=dict(rope_type="dynamic", rope_theta=500.0,
                                    factor=3.0))),
    "rope-yarn": dict(model_type="qwen2", config=dict(
        SMALL, rope_parameters=YARN)),
    # llama.cpp has no key for these two: bounds that are not rounded, and
    # the two scales of DeepSeek.
    "rope-yarn-exact": dict(model_type="llama", gguf=False, config=dict(
        SMALL, rope_parameters=dict(YARN, truncate=False, beta_fast=16.0,
                                    beta_slow=2.0))),
    "rope-yarn-scales": dict(model_type="llama", gguf=False, config=dict(
        SMALL, rope_parameters=dict(YARN, mscale=1.4, mscale_all_dim=0.6))),
    "rope-yarn-attention": dict(model_type="llama", config=dict(
        SMALL, rope_parameters=dict(YARN, attention_factor=1.25,
                                    beta_fast=16.0))),
    "rope-long": dict(model_type="phi3", config=longrope(4)),
    "rope-short": dict(model_type="phi3", config=longrope(256)),
}
