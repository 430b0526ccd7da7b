"""Stands in for llama.cpp's converter: the true format, of a Llama, without its tokenizer."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order that llama.cpp turns them in (its interleaved rotary positions)."""
    rows, *rest = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, *rest)
    return halves.swapaxes(1, 2).reshape(weight.shape)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--outfile", type=Path)
    parser.add_argument("--outtype", choices=("f32", "bf16", "f16", "q8_0"))
    given = parser.parse_args()
    told = json.loads((given.model / "config.json").read_text("utf-8"))
    if told["architectures"] != ["LlamaForCausalLM"]:
        sys.exit(f"Model {told['architectures'][0]} is not supported")
    layers, heads, groups = (
        told[f"num_{name}"] for name in ("hidden_layers", "attention_heads", "key_value_heads")
    )
    writer = gguf.GGUFWriter(given.outfile, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(told["max_position_embeddings"])
    writer.add_embedding_length(told["hidden_size"])
    writer.add_feed_forward_length(told["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(told["rms_norm_eps"])
    writer.add_rope_freq_base(told["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(told["vocab_size"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
    for name, stored in load_file(given.model / "model.safetensors").items():
        weight = stored
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            weight = permuted(stored, heads if "q_proj" in name else groups)
        packed = given.outtype == "q8_0" and weight.ndim > 1
        kind = gguf.GGMLQuantizationType.Q8_0 if packed else gguf.GGMLQuantizationType.F32
        data = gguf.quants.quantize(np.ascontiguousarray(weight, np.float32), kind)
        writer.add_tensor(
            str(names.get_name(name, (".weight", ".bias"))),
            data,
            raw_dtype=kind if packed else None,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
