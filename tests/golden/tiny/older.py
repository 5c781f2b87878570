"""The decoders of LayerNorms and plain feed-forwards, 2019 to 2024."""

GPT = dict(vocab_size=128, n_positions=128, n_embd=32, n_layer=2, n_head=4,
           layer_norm_epsilon=1e-3)
NEW = dict(vocab_size=128, max_position_embeddings=128, hidden_size=32,
           intermediate_size=80, num_hidden_layers=2, num_attention_heads=4)
ROPE = dict(rope_type="default", rope_theta=5000.0)

MODELS = {
    "gptneox": dict(model_type="gpt_neox", hparams=dict(rotary_pct=0.25),
                    config=dict(
        NEW, layer_norm_eps=1e-3, hidden_act="gelu",
        rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                             partial_rotary_factor=0.25),
        rotary_pct=0.25, use_parallel_residual=True,
        tie_word_embeddings=False)),
    "gptneox-serial": dict(model_type="gpt_neox",
                           hparams=dict(rotary_pct=0.5), config=dict(
        NEW, layer_norm_eps=1e-3, hidden_act="gelu",
        rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                             partial_rotary_factor=0.5),
        rotary_pct=0.5, use_parallel_residual=False,
        tie_word_embeddings=False)),
    "phi2": dict(model_type="phi", config=dict(
        NEW, intermediate_size=128, layer_norm_eps=1e-3, hidden_act="gelu_new",
        rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                             partial_rotary_factor=0.5),
        num_key_value_heads=4, tie_word_embeddings=False)),
    "starcoder": dict(model_type="gpt_bigcode", config=dict(
        GPT, n_inner=128, multi_query=True,
        activation_function="gelu_pytorch_tanh")),
    "starcoder2": dict(model_type="starcoder2", config=dict(
        NEW, norm_epsilon=1e-3, num_key_value_heads=2, sliding_window=None,
        rope_parameters=ROPE, hidden_act="gelu_pytorch_tanh",
        use_bias=True, tie_word_embeddings=True)),
    "opt": dict(model_type="opt", gguf=False, config=dict(
        vocab_size=128, hidden_size=32, num_hidden_layers=2, ffn_dim=48,
        num_attention_heads=4, max_position_embeddings=128,
        word_embed_proj_dim=32)),
    "gpt-neo": dict(model_type="gpt_neo", gguf=False, config=dict(
        vocab_size=128, hidden_size=32, num_layers=2, num_heads=4,
        max_position_embeddings=128, window_size=6, layer_norm_epsilon=1e-3,
        attention_types=[[["global", "local"], 1]])),
    "persimmon": dict(model_type="persimmon", gguf=False, config=dict(
        NEW, layer_norm_eps=1e-3, rope_parameters=dict(
            ROPE, partial_rotary_factor=0.5))),
    "gptj": dict(model_type="gptj", gguf=False, config=dict(
        GPT, rotary_dim=4, activation_function="gelu_new",
        tie_word_embeddings=False)),
    "codegen": dict(model_type="codegen", gguf=False, config=dict(
        GPT, n_ctx=128, rotary_dim=4, activation_function="gelu_new",
        tie_word_embeddings=False)),
    "falcon": dict(model_type="falcon", hparams=dict(num_kv_heads=1), config=dict(
        vocab_size=128, hidden_size=32, num_hidden_layers=2,
        num_attention_heads=4, layer_norm_epsilon=1e-3,
        max_position_embeddings=128, multi_query=True, parallel_attn=True,
        new_decoder_architecture=False, bias=False, alibi=False)),
    "falcon-40b": dict(model_type="falcon", config=dict(
        vocab_size=128, hidden_size=32, num_hidden_layers=2,
        num_attention_heads=4, num_kv_heads=2, layer_norm_epsilon=1e-3,
        max_position_embeddings=128, new_decoder_architecture=True,
        bias=False, alibi=False)),
    # Eagerly, transformers adds the linear biases twice.
    "falcon-rw": dict(model_type="falcon", gguf=False, attention="sdpa",
                      config=dict(
        vocab_size=128, hidden_size=32, num_hidden_layers=2,
        num_attention_heads=4, layer_norm_epsilon=1e-3,
        max_position_embeddings=128, multi_query=False, parallel_attn=False,
        new_decoder_architecture=False, bias=True, alibi=True)),
    "bloom": dict(model_type="bloom", seed=2, config=dict(
        vocab_size=128, hidden_size=24, n_layer=2, n_head=3, seq_length=128,
        layer_norm_epsilon=1e-3)),
    "mpt": dict(model_type="mpt", architecture="MPTForCausalLM", config=dict(
        vocab_size=128, d_model=24, n_layers=2, n_heads=6, max_seq_len=128,
        attn_config=dict(alibi=True, alibi_bias_max=8, clip_qkv=1.5))),
}
