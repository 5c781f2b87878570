"""Decoders whose past is a state of fixed size, alone or beside attention."""

ROPE = dict(rope_type="default", rope_theta=5000.0)
SMALL = dict(vocab_size=128, hidden_size=32, max_position_embeddings=256)
DELTA = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=16,
             rms_norm_eps=1e-3, linear_key_head_dim=8,
             linear_value_head_dim=8, linear_conv_kernel_dim=3,
             full_attention_interval=2,
             rope_parameters=dict(rope_type="default", rope_theta=5000.0,
                                  partial_rotary_factor=0.5))
EVERY_SECOND = dict(full_attention_interval=2)
EXPERTS = dict(intermediate_size=48, moe_intermediate_size=16,
               shared_expert_intermediate_size=24, num_experts=5,
               num_experts_per_tok=2, norm_topk_prob=True,
               decoder_sparse_step=1, mlp_only_layers=[])
NEMOTRON = dict(
    SMALL, intermediate_size=40, num_attention_heads=4, num_key_value_heads=2,
    head_dim=12, layer_norm_epsilon=1e-3, mamba_num_heads=4, mamba_head_dim=8,
    n_groups=2, ssm_state_size=12, conv_kernel=4, chunk_size=8,
    mamba_hidden_act="silu", tie_word_embeddings=False,
    time_step_min=1e-12)  # a bound that transformers alone has


def letters(pattern):
    """As published: one letter a layer, and experts only where there are."""
    def rewrite(config):
        for key in list(config):
            if key in ("layers_block_type", "layer_types") or (
                    "E" not in pattern and key.startswith((
                        "moe_", "n_routed", "n_shared", "n_group", "topk_",
                        "norm_topk", "num_experts", "routed_"))) \
                    and key != "n_groups":
                del config[key]
        config.update(num_hidden_layers=len(pattern),
                      rms_norm_eps=config["layer_norm_epsilon"],
                      hybrid_override_pattern=pattern)
    return rewrite


GRANITE = dict(num_attention_heads=4, num_key_value_heads=2,
               rms_norm_eps=1e-3, mamba_n_heads=4, mamba_d_head=16,
               mamba_n_groups=1, mamba_d_state=12, mamba_d_conv=4,
               mamba_chunk_size=8, embedding_multiplier=3.0,
               logits_scaling=2.0, residual_multiplier=0.6,
               attention_multiplier=0.2, position_embedding_type="nope",
               tie_word_embeddings=True)
FALCON_H1 = dict(
    SMALL, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-3, rope_parameters=ROPE,
    mamba_d_ssm=48, mamba_n_heads=6, mamba_d_head=8, mamba_n_groups=2,
    mamba_d_state=12, mamba_d_conv=4, mamba_chunk_size=8, mamba_rms_norm=True,
    mamba_norm_before_gate=False, attention_in_multiplier=0.5,
    attention_out_multiplier=2.0, ssm_in_multiplier=4.0,
    ssm_out_multiplier=0.5, mlp_multipliers=[0.5, 2.0], key_multiplier=0.25,
    ssm_multipliers=[0.5, 0.25, 1.0, 2.0, 0.125], lm_head_multiplier=0.5,
    embedding_multiplier=2.0, tie_word_embeddings=False)

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
    "qwen35": dict(model_type="qwen3_5_text", hparams=EVERY_SECOND,
                   architecture="Qwen3_5ForCausalLM", config=dict(
        SMALL, **DELTA, intermediate_size=48, num_hidden_layers=3,
        linear_num_key_heads=2, linear_num_value_heads=6,
        tie_word_embeddings=True)),
    "qwen35moe": dict(model_type="qwen3_5_moe_text", hparams=EVERY_SECOND,
                      architecture="Qwen3_5MoeForCausalLM", config=dict(
        SMALL, **DELTA, **EXPERTS,
        num_hidden_layers=2,
        linear_num_key_heads=2, linear_num_value_heads=4,
        tie_word_embeddings=False)),
    "qwen3next": dict(model_type="qwen3_next", hparams=EVERY_SECOND,
                      config=dict(
        SMALL, **DELTA, **EXPERTS,
        num_hidden_layers=2,
        linear_num_key_heads=2, linear_num_value_heads=4,
        tie_word_embeddings=False)),
    "falcon-h1": dict(model_type="falcon_h1", config=FALCON_H1),
    "falcon-h1-norm": dict(model_type="falcon_h1", config=dict(
        FALCON_H1, mamba_norm_before_gate=True),
        gguf=False),  # llama.cpp has no such norm
    "granite4": dict(model_type="granitemoehybrid", hparams=dict(
        layer_types=["mamba", "attention", "mamba"]), config=dict(
        SMALL, **GRANITE, intermediate_size=40, num_hidden_layers=3,
        num_local_experts=0, shared_intermediate_size=40,
        layer_types=["linear_attention", "full_attention", "linear_attention"])),
    "granite4moe": dict(model_type="granitemoehybrid", hparams=dict(
        layer_types=["mamba", "attention"]), config=dict(
        SMALL, **GRANITE, intermediate_size=16, num_hidden_layers=2,
        num_local_experts=5, num_experts_per_tok=2,
        shared_intermediate_size=24,
        layer_types=["linear_attention", "full_attention"])),
    "nemotron-h": dict(
        model_type="nemotron_h", raw=True, hparams=dict(d_head=8),
        rewrite=letters("M-*M"), config=dict(
            NEMOTRON, hybrid_override_pattern="M-*M")),
    "nemotron-h-moe": dict(
        model_type="nemotron_h", raw=True, hparams=dict(d_head=8),
        rewrite=letters("ME*ME"), config=dict(
            NEMOTRON, hybrid_override_pattern="ME*ME", n_routed_experts=6,
            num_experts_per_tok=2, moe_intermediate_size=16,
            moe_shared_expert_intermediate_size=24,
            moe_latent_size=20, routed_scaling_factor=1.7),
        adjust=lambda model: [
            layer.mixer.gate.e_score_correction_bias.uniform_(-0.5, 0.5)
            for layer in model.model.layers[1::3]]),
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
