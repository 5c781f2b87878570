"""RWKV 6 and 7, which transformers lacks: float32 implementations of their
own, written from the papers (arXiv 2404.05892 and 2503.14456), with tensors
named as published: "RWKV/v6-Finch-*-HF", and flash-linear-attention's RWKV7.
llama.cpp (whose rwkv7 wants heads of 32 at least: hidden_size 64, head_dim
32, norm_eps 2e-5) computes the same logits from the GGUF files, within 3e-6
of the largest."""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import (AutoConfig, AutoModelForCausalLM, PreTrainedConfig,
                          PreTrainedModel)
from transformers.modeling_outputs import CausalLMOutput


def before(x):
    return F.pad(x, (0, 0, 1, 0))[:, :-1]


def zeros(*shape):
    return nn.Parameter(torch.zeros(*shape))


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


def heads_of(x, size):
    return x.unflatten(-1, (-1, size))


class Rwkv6Config(PreTrainedConfig):
    model_type = "rwkv6"


class TimeMix6(nn.Module):
    """S[i][j]: what was written under key channel i for value channel j."""

    def __init__(self, config):
        super().__init__()
        d, self.size = config.hidden_size, config.head_size
        for name in "xwkvrg":
            setattr(self, "time_maa_" + name, zeros(1, 1, d))
        self.time_maa_w1, self.time_maa_w2 = zeros(d, 160), zeros(5, 32, d)
        self.time_decay = zeros(1, 1, d)
        self.time_decay_w1, self.time_decay_w2 = zeros(d, 64), zeros(64, d)
        self.time_faaaa = zeros(d // self.size, self.size)
        for name in ("receptance", "key", "value", "gate", "output"):
            setattr(self, name, linear(d, d))
        self.ln_x = nn.GroupNorm(d // self.size, d,
                                 eps=1e-5 * config.head_size_divisor ** 2)

    def forward(self, x):
        delta = before(x) - x
        mixed = torch.tanh((x + delta * self.time_maa_x) @ self.time_maa_w1)
        mixed = mixed.unflatten(-1, (5, -1))
        inputs = [x + delta * (getattr(self, "time_maa_" + name)
                               + mixed[:, :, i] @ self.time_maa_w2[i])
                  for i, name in enumerate("wkvrg")]
        w = self.time_decay + \
            torch.tanh(inputs[0] @ self.time_decay_w1) @ self.time_decay_w2
        w = heads_of(torch.exp(-torch.exp(w)), self.size)
        k, v, r = (heads_of(f(y), self.size) for f, y in zip(
            (self.key, self.value, self.receptance), inputs[1:4]))
        state, rows = torch.zeros(*k[:, 0].shape, self.size), []
        for t in range(x.shape[1]):
            kv = k[:, t, :, :, None] * v[:, t, :, None, :]
            now = state + self.time_faaaa[..., None] * kv
            rows.append((r[:, t, :, None, :] @ now).flatten(1))
            state = w[:, t, :, :, None] * state + kv
        y = self.ln_x(torch.cat(rows)).unflatten(0, (len(x), -1))
        return self.output(y * F.silu(self.gate(inputs[4])))


class ChannelMix6(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, f = config.hidden_size, config.intermediate_size
        self.time_maa_k, self.time_maa_r = zeros(1, 1, d), zeros(1, 1, d)
        self.key, self.value = linear(d, f), linear(f, d)
        self.receptance = linear(d, d)

    def forward(self, x):
        delta = before(x) - x
        k = self.key(x + delta * self.time_maa_k).relu() ** 2
        return self.value(k) * torch.sigmoid(
            self.receptance(x + delta * self.time_maa_r))


class Rwkv6ForCausalLM(PreTrainedModel):
    config_class = Rwkv6Config
    base_model_prefix = "rwkv"

    def __init__(self, config):
        super().__init__(config)

        def norm():
            return nn.LayerNorm(config.hidden_size,
                                eps=config.layer_norm_epsilon)

        self.rwkv = nn.Module()
        self.rwkv.embeddings = nn.Embedding(config.vocab_size,
                                            config.hidden_size)
        self.rwkv.blocks = nn.ModuleList()
        for i in range(config.num_hidden_layers):
            block = nn.Module()
            if i == 0:
                block.pre_ln = norm()
            block.ln1, block.ln2 = norm(), norm()
            block.attention = TimeMix6(config)
            block.feed_forward = ChannelMix6(config)
            self.rwkv.blocks.append(block)
        self.rwkv.ln_out = norm()
        self.head = linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(self, input_ids, **kwargs):
        every = self.config.rescale_every
        x = self.rwkv.blocks[0].pre_ln(self.rwkv.embeddings(input_ids))
        for i, block in enumerate(self.rwkv.blocks):
            shrink = 2.0 ** -(i // every)
            x = x + block.attention(block.ln1(x)) * shrink
            x = x + block.feed_forward(block.ln2(x)) * shrink
            if (i + 1) % every == 0:
                x = x / 2
        return CausalLMOutput(logits=self.head(self.rwkv.ln_out(x)))


class Rwkv7Config(PreTrainedConfig):
    model_type = "rwkv7"


class Low(nn.Module):
    def __init__(self, d, rank, act, bias=True):
        super().__init__()
        self.lora = nn.Sequential(linear(d, rank), act,
                                  nn.Linear(rank, d, bias=bias))

    def forward(self, x):
        return self.lora(x)


class TimeMix7(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        d, self.size, self.layer = config.hidden_size, config.head_dim, layer
        for name in "rwkvag":
            setattr(self, "x_" + name, zeros(1, 1, d))
        self.k_k, self.k_a = zeros(d), zeros(d)
        self.r_k = zeros(d // self.size, self.size)
        for name in "rkvo":
            setattr(self, name + "_proj", linear(d, d))
        self.w_lora = Low(d, config.decay_low_rank_dim, nn.Tanh())
        self.a_lora = Low(d, config.a_low_rank_dim, nn.Identity())
        if layer:
            self.v_lora = Low(d, config.v_low_rank_dim, nn.Identity())
        self.g_lora = Low(d, config.gate_low_rank_dim, nn.Sigmoid(), False)
        self.g_norm = nn.GroupNorm(d // self.size, d,
                                   eps=self.size * config.norm_eps)

    def forward(self, x, first):
        delta = before(x) - x
        r, w, k, v, a, g = (x + delta * getattr(self, "x_" + name)
                            for name in "rwkvag")
        r, k = self.r_proj(r), self.k_proj(k)
        w = torch.exp(-torch.exp(torch.tensor(-0.5))
                      * torch.sigmoid(self.w_lora(w)))
        blend = torch.sigmoid(self.v_lora(v)) if self.layer else None
        v = self.v_proj(v)
        v = v + (first - v) * blend if self.layer else v
        first = first if self.layer else v
        a, g = torch.sigmoid(self.a_lora(a)), self.g_lora(g)
        kk = F.normalize(heads_of(k * self.k_k, self.size), dim=-1)
        k = k * (1 + (a - 1) * self.k_a)
        r, w, k, u, a = (heads_of(y, self.size) for y in (r, w, k, v, a))
        state, rows = torch.zeros(*k[:, 0].shape, self.size), []
        for t in range(x.shape[1]):
            found = kk[:, t, :, None, :] @ state
            state = w[:, t, :, :, None] * state \
                - (kk * a)[:, t, :, :, None] * found \
                + k[:, t, :, :, None] * u[:, t, :, None, :]
            rows.append((r[:, t, :, None, :] @ state).flatten(1))
        y = self.g_norm(torch.cat(rows)).unflatten(0, (len(x), -1))
        y = y + ((r * k * self.r_k).sum(-1, keepdim=True) * u).flatten(2)
        return self.o_proj(y * g), first


class ChannelMix7(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, f = config.hidden_size, config.intermediate_size
        self.x_k, self.key, self.value = zeros(d), linear(d, f), linear(f, d)

    def forward(self, x):
        return self.value(
            self.key(x + (before(x) - x) * self.x_k).relu() ** 2)


class RWKV7ForCausalLM(PreTrainedModel):
    config_class = Rwkv7Config
    base_model_prefix = "model"

    def __init__(self, config):
        super().__init__(config)

        def norm():
            return nn.LayerNorm(config.hidden_size, eps=config.norm_eps)

        self.model = nn.Module()
        self.model.embeddings = nn.Embedding(config.vocab_size,
                                             config.hidden_size)
        self.model.layers = nn.ModuleList()
        for i in range(config.num_hidden_layers):
            layer = nn.Module()
            if i == 0:
                layer.pre_norm = norm()
            layer.attn_norm, layer.ffn_norm = norm(), norm()
            layer.attn, layer.ffn = TimeMix7(config, i), ChannelMix7(config)
            self.model.layers.append(layer)
        self.model.norm = norm()
        self.lm_head = linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(self, input_ids, **kwargs):
        x, first = self.model.embeddings(input_ids), None
        x = self.model.layers[0].pre_norm(x)
        for layer in self.model.layers:
            y, first = layer.attn(layer.attn_norm(x), first)
            x = x + y
            x = x + layer.ffn(layer.ffn_norm(x))
        return CausalLMOutput(logits=self.lm_head(self.model.norm(x)))


for config, model in ((Rwkv6Config, Rwkv6ForCausalLM),
                      (Rwkv7Config, RWKV7ForCausalLM)):
    AutoConfig.register(config.model_type, config)
    AutoModelForCausalLM.register(config, model)


def spread(model):
    """Shares from 0 to 1, and what decays from slow to fast."""
    torch.manual_seed(3)
    for name, p in model.named_parameters():
        last = name.rsplit(".", 1)[-1]
        if last.startswith(("x_", "time_maa_")) and "w1" not in name \
                and "w2" not in name:
            p.uniform_(0, 1)
        elif last == "time_decay":
            p.uniform_(-5, 0.5)
        elif last in ("time_faaaa", "r_k", "k_a"):
            p.normal_(0.5, 0.5)
        elif last == "k_k" or "v_lora.lora.2.bias" in name:
            p.normal_(0.7, 0.3)


SMALL = dict(vocab_size=96, hidden_size=32, tie_word_embeddings=False)

MODELS = {
    "rwkv6": dict(model_type="rwkv6", adjust=spread, config=dict(
        SMALL, num_hidden_layers=2,
        head_size=16, head_size_divisor=8, intermediate_size=48,
        attention_hidden_size=32, layer_norm_epsilon=1e-3,
        context_length=4096, rescale_every=1)),
    # A head's norm has epsilon 16 * norm_eps here and 64e-5 in GGUF.
    "rwkv7": dict(model_type="rwkv7", adjust=spread, config=dict(
        SMALL, num_hidden_layers=3,
        head_dim=16, intermediate_size=48, norm_eps=4e-5, norm_first=True,
        norm_bias=True, hidden_act="sqrelu", hidden_ratio=4.0,
        decay_low_rank_dim=8, gate_low_rank_dim=12, a_low_rank_dim=6,
        v_low_rank_dim=4, attn=None, max_position_embeddings=2048)),
}
