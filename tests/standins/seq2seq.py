"""Stand-ins of encoder-decoder models: NLLB, M2M100, Marian, mBART-50 and T5."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers.models import BPE
from transformers import NllbTokenizer, T5Tokenizer
from transformers.convert_slow_tokenizer import SentencePieceExtractor
from transformers.models.m2m_100.tokenization_m2m_100 import (
    FAIRSEQ_LANGUAGE_CODES as M2M100_CODES,
)
from transformers.models.mbart50.tokenization_mbart50 import (
    FAIRSEQ_LANGUAGE_CODES as MBART50_CODES,
)
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES

from .files import FROM_CONFIG, Json, pieces_of, train_sentencepiece, write_json

FAIRSEQ_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
"""The first four ids of every model that comes from fairseq; sentencepiece has its own three."""

MARIAN_TARGETS = ("afr", "deu", "fra", "hin", "ita", "por", "spa", "tam")


def nllb(folder: Path, texts: Sequence[str]) -> None:
    """NLLB-200: the language code opens source and target; 202 codes behind the pieces."""
    model_file = folder / "sentencepiece.bpe.model"
    model_file.write_bytes(train_sentencepiece(texts, "bpe", 600).serialized_model_proto())
    parts: Any = SentencePieceExtractor(str(model_file)).extract(BPE)  # its annotation is wrong
    pieces = [piece for piece in parts["vocab"] if piece not in FAIRSEQ_SPECIALS]
    rows = [*FAIRSEQ_SPECIALS, *pieces, *NLLB_CODES, "<mask>"]
    tokenizer = NllbTokenizer(
        vocab={piece: index for index, piece in enumerate(rows)},
        merges=parts["merges"],
        _spm_precompiled_charsmap=parts["_spm_precompiled_charsmap"],
    )
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    settings = _fairseq_settings("NllbTokenizer") | {"mask_token": "<mask>"}
    settings |= {"additional_special_tokens": list(NLLB_CODES), "model_max_length": 1024}
    write_json(folder / "tokenizer_config.json", settings)
    search = {"max_length": 200}
    config = _m2m100_config(len(rows) + 2, layerdrop=0.0) | search
    config |= {"tokenizer_class": "NllbTokenizer", "torch_dtype": "float32"}
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", FROM_CONFIG | _fairseq_ids() | search)


def m2m100(folder: Path, texts: Sequence[str]) -> None:
    """M2M100: codes such as ``__en__`` that stand in no vocabulary file, then eight empty rows."""
    processor = train_sentencepiece(texts, "bpe", 600)
    (folder / "sentencepiece.bpe.model").write_bytes(processor.serialized_model_proto())
    pieces = [piece for piece in pieces_of(processor) if piece not in FAIRSEQ_SPECIALS]
    rows = [*FAIRSEQ_SPECIALS, *pieces]
    write_json(folder / "vocab.json", {piece: index for index, piece in enumerate(rows)})
    codes = [f"__{code}__" for code in M2M100_CODES["m2m100"]]
    settings = _fairseq_settings("M2M100Tokenizer")
    settings |= {"additional_special_tokens": codes, "num_madeup_words": 8}
    write_json(folder / "tokenizer_config.json", settings)
    search = {"early_stopping": True, "max_length": 200, "num_beams": 5}
    config = _m2m100_config(len(rows) + len(codes) + 8, layerdrop=0.05)
    write_json(folder / "config.json", config | search)
    write_json(folder / "generation_config.json", FROM_CONFIG | _fairseq_ids() | search)


def marian_single(folder: Path, texts: Sequence[str]) -> None:
    """Marian with one target language, hence no code before the source."""
    _marian(folder, texts, {"source_lang": "en", "target_lang": "de"}, codes=())


def marian_multiple(folder: Path, texts: Sequence[str]) -> None:
    """Marian with several target languages: the source begins with a code such as >>spa<<."""
    codes = [f">>{target}<<" for target in MARIAN_TARGETS]
    _marian(folder, texts, {"source_lang": "eng", "target_lang": "mul"}, codes)


def mbart50(folder: Path, texts: Sequence[str]) -> None:
    """MBART-50: only a sentencepiece model on the hub; the class adds codes and the mask."""
    processor = train_sentencepiece(texts, "unigram", 600)
    (folder / "sentencepiece.bpe.model").write_bytes(processor.serialized_model_proto())
    settings = _fairseq_settings("MBart50Tokenizer") | {"mask_token": "<mask>"}
    settings |= {"additional_special_tokens": list(MBART50_CODES), "model_max_length": 1024}
    write_json(folder / "tokenizer_config.json", settings)
    search = {"early_stopping": True, "forced_eos_token_id": 2, "max_length": 200, "num_beams": 5}
    config = {
        "architectures": ["MBartForConditionalGeneration"],
        "model_type": "mbart",
        "activation_function": "relu",
        "add_final_layer_norm": True,
        "max_position_embeddings": 1024,
        "normalize_before": True,
        "scale_embedding": True,
        "static_position_embeddings": False,
        "tokenizer_class": "MBart50Tokenizer",
        "vocab_size": processor.get_piece_size() + 1 + len(MBART50_CODES) + 1,
        **_fairseq_ids(),
        **_layers(),
        **search,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", FROM_CONFIG | _fairseq_ids() | search)


def t5(folder: Path, texts: Sequence[str]) -> None:
    """T5: told what to do by a prefix in words; a hundred sentinels behind the pieces."""
    processor = train_sentencepiece(texts, "unigram", 600, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.model").write_bytes(processor.serialized_model_proto())
    sentinels = [f"<extra_id_{index}>" for index in range(100)]
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "model_max_length": 512}
    settings |= {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    settings |= {"additional_special_tokens": sentinels}
    write_json(folder / "tokenizer_config.json", settings)
    tokenizer = T5Tokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    ids = {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
    tasks = {"en_to_de": "German", "en_to_fr": "French"}
    config = {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "d_ff": 128,
        "d_kv": 16,
        "d_model": 64,
        "is_encoder_decoder": True,
        "n_positions": 512,
        "num_heads": 4,
        "num_layers": 2,
        "task_specific_params": {
            f"translation_{task}": {
                "early_stopping": True,
                "max_length": 300,
                "num_beams": 4,
                "prefix": f"translate English to {language}: ",
            }
            for task, language in tasks.items()
        },
        "vocab_size": len(tokenizer) + 28,
        **ids,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", FROM_CONFIG | ids)


def _marian(folder: Path, texts: Sequence[str], settings: Json, codes: Sequence[str]) -> None:
    """Write a Marian repository: two sentencepiece models over one vocabulary, padding last."""
    rows = ["</s>", "<unk>"]
    for side, size in (("source", 500), ("target", 600)):
        processor = train_sentencepiece(texts, "unigram", size, eos_id=0, unk_id=1, bos_id=-1)
        (folder / f"{side}.spm").write_bytes(processor.serialized_model_proto())
        rows += pieces_of(processor)
    rows = [*dict.fromkeys(rows), *codes, "<pad>"]
    write_json(folder / "vocab.json", {piece: index for index, piece in enumerate(rows)})
    write_json(folder / "tokenizer_config.json", settings)
    pad = len(rows) - 1
    search = {
        "bad_words_ids": [[pad]],
        "bos_token_id": 0,
        "decoder_start_token_id": pad,
        "eos_token_id": 0,
        "forced_eos_token_id": 0,
        "max_length": 512,
        "num_beams": 6,
        "pad_token_id": pad,
    }
    config = {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "activation_function": "swish",
        "add_final_layer_norm": False,
        "decoder_vocab_size": len(rows),
        "max_position_embeddings": 512,
        "normalize_before": False,
        "normalize_embedding": False,
        "scale_embedding": True,
        "share_encoder_decoder_embeddings": True,
        "static_position_embeddings": True,
        "vocab_size": len(rows),
        **_layers(),
        **search,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", search | {"renormalize_logits": True})


def _layers() -> Json:
    """Return the size shared by the models in BART's shape."""
    return {
        "d_model": 64,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 128,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "encoder_layers": 2,
        "is_encoder_decoder": True,
        "num_hidden_layers": 2,
    }


def _m2m100_config(rows: int, layerdrop: float) -> Json:
    """Return a small M2M100, the architecture of NLLB's dense models too."""
    return {
        "architectures": ["M2M100ForConditionalGeneration"],
        "model_type": "m2m_100",
        "activation_function": "relu",
        "decoder_layerdrop": layerdrop,
        "encoder_layerdrop": layerdrop,
        "max_position_embeddings": 1024,
        "scale_embedding": True,
        "vocab_size": rows,
        **_fairseq_ids(),
        **_layers(),
    }


def _fairseq_ids() -> Json:
    """Return the ids of fairseq's special tokens; decoding starts from the EOS."""
    return {"bos_token_id": 0, "decoder_start_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}


def _fairseq_settings(tokenizer_class: str) -> Json:
    """Return what the tokenizer configurations of fairseq's models have in common."""
    return {
        "tokenizer_class": tokenizer_class,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "sp_model_kwargs": {},
        "src_lang": None,
        "tgt_lang": None,
    }
