"""Decoders whose past is a state of fixed size, alone or beside attention."""

ROPE = dict(rope_type="default", rope_theta=5000.0)
SMALL = dict(vocab_size=128, hidden_size=32, max_position_embeddings=256)

MODELS = {
    "lfm2": dict(model_type="lfm2", config=dict(
        SMALL, intermediate_size=60, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, norm_eps=1e-3,
        rope_parameters=ROPE, conv_L_cache=3, block_multiple_of=8,
        block_ffn_dim_multiplier=1.5, block_auto_adjust_ff_dim=True,
        layer_types=["conv", "full_attention", "conv"])),
    "mamba": dict(model_type="mamba", config=dict(
        vocab_size=128, hidden_size=40, state_size=12, num_hidden_layers=2,
        layer_norm_epsilon=1e-3, expand=2, conv_kernel=4, time_step_rank=6,
        tie_word_embeddings=True)),
    "falcon-mamba": dict(model_type="falcon_mamba", config=dict(
        vocab_size=128, hidden_size=32, state_size=16, num_hidden_layers=2,
        layer_norm_epsilon=1e-3, mixer_rms_eps=1e-3, expand=2, conv_kernel=3,
        time_step_rank=5, tie_word_embeddings=False)),
    "mamba2": dict(model_type="mamba2", config=dict(
        vocab_size=96, hidden_size=32, state_size=12, num_hidden_layers=2,
        num_heads=4, head_dim=16, n_groups=2, expand=2, conv_kernel=4,
        layer_norm_epsilon=1e-3, chunk_size=8, tie_word_embeddings=False)),
    "lfm2moe": dict(model_type="lfm2_moe", config=dict(
        SMALL, intermediate_size=48, moe_intermediate_size=24,
        num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        norm_eps=1e-3, rope_parameters=ROPE, conv_L_cache=4,
        num_dense_layers=1, num_experts=5, num_experts_per_tok=2,
        use_expert_bias=True, norm_topk_prob=True, routed_scaling_factor=1.0,
        layer_types=["conv", "full_attention", "conv"]),
        adjust=lambda model: [
            layer.feed_forward.expert_bias.uniform_(-0.5, 0.5)
            for layer in model.model.layers[1:]]),
}
