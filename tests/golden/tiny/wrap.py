"""Text models beside a tower that sees, in the names that transformers writes and in those that
released files have."""

import safetensors.torch
import torch

SMALL = dict(vocab_size=128, max_position_embeddings=256, hidden_size=32,
             intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, rms_norm_eps=1e-3, bos_token_id=None,
             eos_token_id=None, pad_token_id=None)
ROPE = dict(rope_type="default", rope_theta=5000.0)
EYES = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1,
            num_attention_heads=2, image_size=8, patch_size=4)
QWEN_EYES = dict(depth=1, hidden_size=8, intermediate_size=8, num_heads=2,
                 patch_size=2, spatial_merge_size=1, temporal_patch_size=1,
                 out_hidden_size=32, num_position_embeddings=4)
NO_IMAGE = dict(image_token_id=127, video_token_id=126)


def renamed(*pairs):
    """Names of tensors as an earlier version wrote them."""
    def finish(folder):
        path = folder / "model.safetensors"
        tensors = {}
        for name, tensor in safetensors.torch.load_file(path).items():
            for old, new in pairs:
                if name.startswith(old):
                    name = new + name[len(old):]
                    break
            tensors[name] = tensor
        safetensors.torch.save_file(tensors, path, {"format": "pt"})
    return finish


# What is released, and written, has the names of before transformers 4.52; some versions wrote
# those of the modules.
SINCE = renamed(("language_model.model.", "model.language_model."),
                ("language_model.lm_head.", "lm_head."),
                ("vision_tower.", "model.vision_tower."),
                ("multi_modal_projector.", "model.multi_modal_projector."))


def fused_experts(folder):
    """As released: the experts of a layer in two tensors."""
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    for name in [n for n in tensors if n.endswith(".experts.0.up_proj.weight")]:
        start = name[:-len("0.up_proj.weight")]
        parts = {p: torch.stack([tensors.pop(f"{start}{i}.{p}.weight")
                                 for i in range(5)])
                 for p in ("gate_proj", "up_proj", "down_proj")}
        tensors[start + "gate_up_proj"] = torch.cat(
            [parts["gate_proj"], parts["up_proj"]], 1)
        tensors[start + "down_proj"] = parts["down_proj"]
    safetensors.torch.save_file(tensors, path, {"format": "pt"})


def turned_experts(folder):
    """As released; of models that it has drawn itself, transformers writes them otherwise."""
    path = folder / "model.safetensors"
    tensors = {name: tensor.transpose(-1, -2).contiguous()
               if ".experts." in name else tensor for name, tensor in
               safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file(tensors, path, {"format": "pt"})


def sparse(*keys):
    """text_config without what its class takes anyway."""
    def rewrite(config):
        for key in keys:
            del config["text_config"][key]
    return rewrite


def flat(config):
    """As Qwen2-VL wrote it: the numbers of the text model beside the tower's."""
    text = config.pop("text_config")
    text.pop("model_type")
    rope = text.pop("rope_parameters")
    config.update(text, rope_theta=rope["rope_theta"], rope_scaling=dict(
        type="mrope", mrope_section=rope["mrope_section"]))


def louder(model):
    for name, parameter in model.named_parameters():
        if name.endswith(("post_attention_layernorm.weight",
                          "post_feedforward_layernorm.weight")):
            parameter.add_(4)


def far_from_ties(model):
    """Nobody is the one expert by a hair."""
    for name, parameter in model.named_parameters():
        if name.endswith("router.weight"):
            parameter.mul_(3)


LLAMA4 = dict(SMALL, head_dim=8, num_hidden_layers=4,
              hidden_size=24, num_attention_heads=2, num_key_value_heads=1,
              intermediate_size=16, intermediate_size_mlp=32, num_local_experts=4)
KINDS = ["sliding_attention", "full_attention"]


def as_released(config):
    """As google wrote them; the usual is left out."""
    text = config["text_config"]
    own = next(iter(text.pop("per_layer_config").values()))
    text["global_head_dim"] = own["head_dim"]
    for key in ("rms_norm_eps", "rope_parameters"):
        del text[key]


GEMMA3 = dict(SMALL, hidden_size=24, num_attention_heads=2,
              num_key_value_heads=1, head_dim=12, sliding_window=6,
              query_pre_attn_scalar=12, num_hidden_layers=7)

MODELS = {
    "llava": dict(model_type="llava", gguf=False,
        model="LlavaForConditionalGeneration", config=dict(
            text_config=dict(SMALL, model_type="llama", num_key_value_heads=4,
                rms_norm_eps=1e-6, rope_parameters=dict(
                    ROPE, rope_theta=10000.0)),
            vision_config=dict(EYES, model_type="clip_vision_model"),
            image_token_index=127),
        rewrite=sparse("rms_norm_eps", "num_key_value_heads", "hidden_act",
                       "rope_parameters")),
    "gemma3-vision": dict(model_type="gemma3", gguf=False, adjust=louder,
        model="Gemma3ForConditionalGeneration", config=dict(
            text_config=dict(GEMMA3, rms_norm_eps=1e-6),
            vision_config=EYES, mm_tokens_per_image=4, image_token_index=127),
        rewrite=sparse("rms_norm_eps", "layer_types", "rope_parameters")),
    "gemma3-modules": dict(model_type="gemma3", gguf=False, adjust=louder,
        model="Gemma3ForConditionalGeneration", finish=SINCE, config=dict(
            text_config=dict(GEMMA3, num_hidden_layers=2, rope_parameters=dict(
                full_attention=dict(ROPE), sliding_attention=dict(
                    ROPE, rope_theta=100.0))),
            vision_config=EYES, mm_tokens_per_image=4, image_token_index=127)),
    "mistral3": dict(model_type="mistral3", gguf=False,
        model="Mistral3ForConditionalGeneration", config=dict(
            text_config=dict(SMALL, model_type="mistral", head_dim=16,
                sliding_window=None, rope_parameters=ROPE),
            vision_config=dict(EYES, model_type="pixtral"),
            image_token_index=127, spatial_merge_size=1)),
    "idefics3": dict(model_type="idefics3", gguf=False,
        model="Idefics3ForConditionalGeneration", config=dict(
            text_config=dict(SMALL, model_type="llama", rope_parameters=ROPE),
            vision_config=EYES, image_token_id=127)),
    "qwen2vl": dict(model_type="qwen2_vl", rewrite=flat,
        finish=renamed(("model.visual.", "visual."),
                       ("model.language_model.", "model.")),
        model="Qwen2VLForConditionalGeneration", config=dict(
            text_config=dict(SMALL, rope_parameters=dict(
                ROPE, mrope_section=[1, 1, 2])),
            vision_config=dict(depth=1, embed_dim=8, hidden_size=32,
                num_heads=2, patch_size=2, spatial_merge_size=1,
                temporal_patch_size=1, mlp_ratio=1), **NO_IMAGE)),
    "qwen3vl": dict(model_type="qwen3_vl",
        model="Qwen3VLForConditionalGeneration", config=dict(
            text_config=dict(SMALL, head_dim=16, rope_parameters=dict(
                ROPE, mrope_section=[2, 3, 3])),
            vision_config=dict(QWEN_EYES, deepstack_visual_indexes=[0]),
            **NO_IMAGE)),
    "qwen3vlmoe": dict(model_type="qwen3_vl_moe",
        finish=turned_experts,
        model="Qwen3VLMoeForConditionalGeneration", config=dict(
            text_config=dict(SMALL, head_dim=16, num_experts=5,
                num_experts_per_tok=2, moe_intermediate_size=24,
                rope_parameters=dict(ROPE, mrope_section=[2, 3, 3])),
            vision_config=dict(QWEN_EYES, deepstack_visual_indexes=[0]),
            **NO_IMAGE)),
    "qwen3vlmoe-saved": dict(model_type="qwen3_vl_moe", gguf=False,
        model="Qwen3VLMoeForConditionalGeneration", config=dict(
            text_config=dict(SMALL, head_dim=16, num_experts=3,
                num_experts_per_tok=2, moe_intermediate_size=24,
                rope_parameters=dict(ROPE, mrope_section=[2, 3, 3])),
            vision_config=dict(QWEN_EYES, deepstack_visual_indexes=[0]),
            **NO_IMAGE)),
    "qwen35-vision": dict(model_type="qwen3_5", gguf=False,
        model="Qwen3_5ForConditionalGeneration", config=dict(
            text_config=dict(SMALL, head_dim=16, linear_num_key_heads=2,
                linear_num_value_heads=4, linear_key_head_dim=8,
                linear_value_head_dim=8, linear_conv_kernel_dim=3,
                layer_types=["linear_attention", "full_attention"],
                rope_parameters=dict(ROPE, partial_rotary_factor=0.5,
                                     mrope_section=[1, 1, 2])),
            vision_config=QWEN_EYES, **NO_IMAGE)),
    "qwen35moe-vision": dict(model_type="qwen3_5_moe", gguf=False,
        finish=fused_experts,
        model="Qwen3_5MoeForConditionalGeneration", config=dict(
            text_config=dict(SMALL, head_dim=16, linear_num_key_heads=2,
                linear_num_value_heads=4, linear_key_head_dim=8,
                linear_value_head_dim=8, linear_conv_kernel_dim=3,
                num_experts=5, num_experts_per_tok=2,
                moe_intermediate_size=16, shared_expert_intermediate_size=24,
                layer_types=["linear_attention", "full_attention"],
                rope_parameters=dict(ROPE, partial_rotary_factor=0.5,
                                     mrope_section=[1, 1, 2])),
            vision_config=QWEN_EYES, **NO_IMAGE)),
    "gemma4-vision": dict(model_type="gemma4", gguf=False, adjust=louder,
        model="Gemma4ForConditionalGeneration", rewrite=as_released,
        config=dict(
            text_config=dict(SMALL, hidden_size=24, num_attention_heads=2,
                num_key_value_heads=1, head_dim=12, sliding_window=6,
                pad_token_id=0, num_hidden_layers=4, layer_types=KINDS * 2,
                global_head_dim=16, num_kv_shared_layers=2,
                hidden_size_per_layer_input=8, rms_norm_eps=1e-6,
                vocab_size_per_layer_input=128),
            vision_config=dict(EYES, num_key_value_heads=2, head_dim=4,
                               position_embedding_size=8),
            audio_config=dict(hidden_size=8, num_hidden_layers=1,
                num_attention_heads=2, subsampling_conv_channels=[4, 4],
                output_proj_dims=8), **NO_IMAGE, audio_token_id=125)),
    "llama4": dict(model_type="llama4_text", architecture="Llama4ForCausalLM",
        adjust=far_from_ties,
        config=dict(LLAMA4, num_experts_per_tok=2, interleave_moe_layer_step=2,
            rope_parameters=ROPE)),
    "llama4-vision": dict(model_type="llama4", gguf=False,
        model="Llama4ForConditionalGeneration", adjust=far_from_ties,
        config=dict(
            text_config=dict(LLAMA4, num_experts_per_tok=1, attention_chunk_size=7,
                floor_scale=5, attn_scale=0.4, use_qk_norm=False, num_hidden_layers=3,
                no_rope_layers=[0, 1, 1], rope_parameters=dict(
                    rope_type="llama3", rope_theta=5000.0, factor=8.0,
                    low_freq_factor=1.0, high_freq_factor=1.0,
                    original_max_position_embeddings=64)),
            vision_config=dict(hidden_size=8, intermediate_size=32,
                num_hidden_layers=1, num_attention_heads=2, image_size=8,
                patch_size=4, vision_output_dim=8, projector_input_dim=8,
                projector_output_dim=8), image_token_index=127)),
    "mistral-window": dict(model_type="mistral", gguf=False, config=dict(
        SMALL, sliding_window=6, rope_parameters=ROPE)),
}
