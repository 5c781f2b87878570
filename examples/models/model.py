"""A small Llama in PyTorch, and the way in and out of GGUF files.

The layout follows GGUF: rotary pairs are interleaved (2i, 2i+1), so weights
go to and from the file without any permutation.
"""

import os
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants


@dataclass
class Config:
    vocab: int
    dim: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    context: int = 512
    eps: float = 1e-5
    rope_base: float = 10000.0
    tied: bool = True


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)
        return x * self.weight


def rotate(x, cos, sin):
    """Rotate the pairs (2i, 2i+1) of the last dimension."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = (even * cos - odd * sin, even * sin + odd * cos)
    return torch.stack(turned, dim=-1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads = c.heads, c.kv_heads
        self.head_dim = c.dim // c.heads
        kv_dim = self.head_dim * c.kv_heads
        self.q = nn.Linear(c.dim, c.dim, bias=False)
        self.k = nn.Linear(c.dim, kv_dim, bias=False)
        self.v = nn.Linear(c.dim, kv_dim, bias=False)
        self.output = nn.Linear(c.dim, c.dim, bias=False)

    def forward(self, x, cos, sin, past=None, start=0):
        b, t, _ = x.shape
        q = self.q(x).view(b, t, self.heads, -1).transpose(1, 2)
        k = self.k(x).view(b, t, self.kv_heads, -1).transpose(1, 2)
        v = self.v(x).view(b, t, self.kv_heads, -1).transpose(1, 2)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        if past is not None:  # append to the cache and read all of it
            past[0][:, :, start:start + t] = k
            past[1][:, :, start:start + t] = v
            k, v = past[0][:, :, :start + t], past[1][:, :, :start + t]
        if t > 1:  # several positions only ever start at an empty past
            groups = self.heads // self.kv_heads
            k = k.repeat_interleave(groups, dim=1)
            v = v.repeat_interleave(groups, dim=1)
            # On CPUs this is faster than the fused attention of PyTorch.
            q = q / self.head_dim ** 0.5
            ahead = torch.full((t, t), -1e4, dtype=q.dtype).triu(1)
            y = (q @ k.transpose(2, 3) + ahead).softmax(-1).to(v.dtype) @ v
        else:  # one position: heads of a group read the same keys in one go
            q = q.reshape(b, self.kv_heads, -1, self.head_dim)
            scores = q @ k.transpose(2, 3) / self.head_dim ** 0.5
            y = scores.softmax(-1) @ v
            y = y.reshape(b, self.heads, 1, self.head_dim)
        return self.output(y.transpose(1, 2).reshape(b, t, -1))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attn_norm = RMSNorm(c.dim, c.eps)
        self.attn = Attention(c)
        self.ffn_norm = RMSNorm(c.dim, c.eps)
        self.gate = nn.Linear(c.dim, c.ffn, bias=False)
        self.up = nn.Linear(c.dim, c.ffn, bias=False)
        self.down = nn.Linear(c.ffn, c.dim, bias=False)

    def forward(self, x, drop, *attn_args):
        x = x + drop(self.attn(self.attn_norm(x), *attn_args))
        h = self.ffn_norm(x)
        return x + drop(self.down(F.silu(self.gate(h)) * self.up(h)))


class Llama(nn.Module):
    def __init__(self, c, dropout=0.0):
        super().__init__()
        self.config = c
        self.embed = nn.Embedding(c.vocab, c.dim)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = RMSNorm(c.dim, c.eps)
        self.head = nn.Linear(c.dim, c.vocab, bias=False)
        if c.tied:
            self.head.weight = self.embed.weight
        self.drop = nn.Dropout(dropout)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                # Writers into the residual stream start smaller.
                depth = (2 * c.layers) ** 0.5
                inner = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / depth if inner else 0.02)
        size = c.dim // c.heads
        freq = c.rope_base ** (-torch.arange(0, size, 2).float() / size)
        angle = torch.outer(torch.arange(c.context).float(), freq)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def new_cache(self, batch):
        c = self.config
        shape = (batch, c.kv_heads, c.context, c.dim // c.heads)
        return [(torch.zeros(shape), torch.zeros(shape))
                for _ in range(c.layers)]

    def forward(self, ids, cache=None, start=0):
        """Final hidden states of ids at positions start, start + 1, ..."""
        stop = start + ids.shape[1]
        cos, sin = self.cos[start:stop], self.sin[start:stop]
        x = self.drop(self.embed(ids))
        for i, block in enumerate(self.blocks):
            past = cache[i] if cache is not None else None
            x = block(x, self.drop, cos, sin, past, start)
        return self.norm(x)

    def logits(self, ids, cache=None, start=0):
        return self.head(self.forward(ids, cache, start)).float()

    def gguf_tensors(self):
        """(name in the file, parameter) in file order."""
        yield "token_embd.weight", self.embed.weight
        for i, b in enumerate(self.blocks):
            for name, module in (
                    ("attn_norm", b.attn_norm), ("attn_q", b.attn.q),
                    ("attn_k", b.attn.k), ("attn_v", b.attn.v),
                    ("attn_output", b.attn.output), ("ffn_norm", b.ffn_norm),
                    ("ffn_gate", b.gate), ("ffn_up", b.up),
                    ("ffn_down", b.down)):
                yield f"blk.{i}.{name}.weight", module.weight
        yield "output_norm.weight", self.norm.weight
        if not self.config.tied:
            yield "output.weight", self.head.weight


def load_gguf(path):
    """The model of a llama GGUF file, dequantised to float32."""
    reader = GGUFReader(path)
    field = {name: f.contents() for name, f in reader.fields.items()
             if name.startswith("llama.")}
    tensors = {t.name: t for t in reader.tensors}
    config = Config(
        vocab=int(tensors["token_embd.weight"].shape[1]),
        dim=field["llama.embedding_length"],
        layers=field["llama.block_count"],
        heads=field["llama.attention.head_count"],
        kv_heads=field["llama.attention.head_count_kv"],
        ffn=field["llama.feed_forward_length"],
        context=field["llama.context_length"],
        eps=field["llama.attention.layer_norm_rms_epsilon"],
        rope_base=field.get("llama.rope.freq_base", 10000.0),
        tied="output.weight" not in tensors)
    model = Llama(config)
    with torch.no_grad():
        for name, p in model.gguf_tensors():
            t = tensors[name]
            data = quants.dequantize(t.data, t.tensor_type)
            p.copy_(torch.from_numpy(data.astype(np.float32)))
    return model.eval()


def load_vocabulary(path):
    """The pieces of the file's tokenizer, by id."""
    return GGUFReader(path).fields["tokenizer.ggml.tokens"].contents()


def load_tokenizer(path):
    """The file's vocabulary as a SentencePiece processor."""
    from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

    fields = GGUFReader(path).fields
    proto = sentencepiece_model_pb2.ModelProto()
    for piece, score, kind in zip(
            *(fields["tokenizer.ggml." + name].contents()
              for name in ("tokens", "scores", "token_type"))):
        proto.pieces.add(piece=piece, score=score, type=kind)
    proto.trainer_spec.model_type = proto.trainer_spec.BPE
    proto.trainer_spec.byte_fallback = True
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = True
    proto.normalizer_spec.remove_extra_whitespaces = False
    proto.normalizer_spec.escape_whitespaces = True
    return SentencePieceProcessor(model_proto=proto.SerializeToString())


def save_gguf(path, model, sp, name, description):
    """Write the model (Q8_0, norms F32) with its SentencePiece vocabulary."""
    c = model.config
    w = GGUFWriter(path + ".tmp", "llama")
    w.add_name(name)
    w.add_description(description)
    w.add_license("MIT")
    w.add_file_type(7)  # mostly Q8_0
    w.add_quantization_version(2)
    w.add_context_length(c.context)
    w.add_embedding_length(c.dim)
    w.add_block_count(c.layers)
    w.add_feed_forward_length(c.ffn)
    w.add_head_count(c.heads)
    w.add_head_count_kv(c.kv_heads)
    w.add_layer_norm_rms_eps(c.eps)
    w.add_rope_dimension_count(c.dim // c.heads)
    w.add_rope_freq_base(c.rope_base)
    w.add_vocab_size(c.vocab)

    types = []
    for i in range(c.vocab):
        if sp.IsUnknown(i):
            types.append(2)
        elif sp.IsControl(i):
            types.append(3)
        elif sp.IsByte(i):
            types.append(6)
        else:
            types.append(1)
    w.add_tokenizer_model("llama")
    w.add_token_list([sp.IdToPiece(i) for i in range(c.vocab)])
    w.add_token_scores([sp.GetScore(i) for i in range(c.vocab)])
    w.add_token_types(types)
    w.add_bos_token_id(sp.bos_id())
    w.add_eos_token_id(sp.eos_id())
    w.add_unk_token_id(sp.unk_id())
    w.add_add_bos_token(True)
    w.add_add_eos_token(False)
    w.add_add_space_prefix(True)

    for name, p in model.gguf_tensors():
        data = p.detach().float().numpy()
        if data.ndim == 1:
            w.add_tensor(name, data)
        else:
            q8 = GGMLQuantizationType.Q8_0
            w.add_tensor(name, quants.quantize(data, q8), raw_dtype=q8)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    os.replace(path + ".tmp", path)  # readers never see half a file
