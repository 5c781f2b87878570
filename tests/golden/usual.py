"""What transformers takes for the numbers of a text model where config.json says nothing, by the
names of pith's keys.

    pip install transformers
    python usual.py

writes usual.json: {model_type: {key: number}}.
"""

import json
import pathlib

import transformers

# Keys of pith, and where configurations have them; a family may name a key otherwise.
KEYS = dict(
    ctx="max_position_embeddings", dim="hidden_size",
    blocks="num_hidden_layers", heads="num_attention_heads",
    kv="num_key_value_heads", ff="intermediate_size", vocab="vocab_size",
    eps="rms_norm_eps")
HEAD = dict(hd="head_dim")
WINDOW = dict(window="sliding_window")
HEADS = dict(kv=None)  # as many as heads
QWEN_VL = dict(theta="rope_theta")
FAMILIES = dict(
    llama=HEADS, mistral=WINDOW, ministral3=HEAD, qwen2={}, qwen3=HEAD,
    qwen2_vl_text=QWEN_VL, qwen2_5_vl_text=QWEN_VL,
    qwen3_vl_text=dict(HEAD, **QWEN_VL),
    qwen3_vl_moe_text=dict(HEAD, **QWEN_VL, experts="num_local_experts",
                           used="num_experts_per_tok",
                           eff="moe_intermediate_size"),
    gemma3_text=dict(HEAD, **WINDOW, query_scalar="query_pre_attn_scalar"),
    gemma3n_text=dict(HEAD, **WINDOW, rows="vocab_size_per_layer_input",
                      ple="hidden_size_per_layer_input"),
    gemma4_text=dict(WINDOW, kv=None, kv_local="num_key_value_heads",
                     hd_local="head_dim", ff=None, ff_own="intermediate_size",
                     rows="vocab_size_per_layer_input",
                     ple="hidden_size_per_layer_input"),
    cohere2=dict(HEADS, **WINDOW, eps="layer_norm_eps", logit_scale="logit_scale"),
    lfm2=dict(eps="norm_eps", ff=None, ff_raw="intermediate_size",
              ff_auto="block_auto_adjust_ff_dim", taps="conv_L_cache"),
    granite=dict(HEADS, scale="attention_multiplier"), exaone4=WINDOW,
    llama4_text=dict(HEAD, ff="intermediate_size_mlp", eff="intermediate_size",
                     experts="num_local_experts",
                     used="num_experts_per_tok"),
)


def number(config, place):
    numbers = config.to_dict()
    if isinstance(numbers.get(place), list):  # one a layer, the same for all
        return float(*set(numbers[place]))
    if place == "rope_theta":
        numbers = numbers["rope_parameters"]
    return float(numbers[place])


def main():
    table = {}
    for name, own in FAMILIES.items():
        config = transformers.CONFIG_MAPPING[name]()
        table[name] = {key: number(config, place)
                       for key, place in dict(KEYS, **own).items() if place}
        if name == "gemma4_text":
            table[name]["hd_global"] = float(
                next(iter(
                config.to_dict()["per_layer_config"].values()))["head_dim"])
    path = pathlib.Path(__file__).with_suffix(".json")
    rows = [f'"{name}": {json.dumps(numbers)}' for name, numbers in
            table.items()]
    path.write_text("{\"transformers\": \"" + transformers.__version__ +
                    "\",\n" + ",\n".join(rows) + "}\n")


if __name__ == "__main__":
    main()
