"""Mixtures of experts."""

SMALL = dict(vocab_size=128, max_position_embeddings=256, hidden_size=32,
             intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, rms_norm_eps=1e-3,
             rope_parameters=dict(rope_type="default", rope_theta=5000.0))

MODELS = {
    "mixtral": dict(model_type="mixtral", config=dict(
        SMALL, intermediate_size=32, num_local_experts=5,
        num_experts_per_tok=2, sliding_window=None,
        tie_word_embeddings=False)),
    "qwen3moe": dict(model_type="qwen3_moe", config=dict(
        SMALL, head_dim=16, moe_intermediate_size=24, num_experts=6,
        num_experts_per_tok=3, norm_topk_prob=True, decoder_sparse_step=1,
        mlp_only_layers=[], tie_word_embeddings=False)),
}
