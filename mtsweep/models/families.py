"""How a model family is told its languages; recognised from the model's own configuration."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Literal, get_args

from mtsweep import languages

Family = Literal["causal", "nllb", "m2m100", "mbart50", "marian", "t5", "seq2seq"]

_SEQ2SEQ = {"m2m_100", "mbart", "marian", "t5", "mt5", "umt5", "bart", "pegasus", "bigbird_pegasus"}
_T5 = {"t5", "mt5", "umt5"}

_MBART50 = {
    "arb_Arab": "ar_AR", "ces_Latn": "cs_CZ", "deu_Latn": "de_DE", "eng_Latn": "en_XX",
    "spa_Latn": "es_XX", "est_Latn": "et_EE", "fin_Latn": "fi_FI", "fra_Latn": "fr_XX",
    "guj_Gujr": "gu_IN", "hin_Deva": "hi_IN", "ita_Latn": "it_IT", "jpn_Jpan": "ja_XX",
    "kaz_Cyrl": "kk_KZ", "kor_Hang": "ko_KR", "lit_Latn": "lt_LT", "lvs_Latn": "lv_LV",
    "mya_Mymr": "my_MM", "npi_Deva": "ne_NP", "nld_Latn": "nl_XX", "ron_Latn": "ro_RO",
    "rus_Cyrl": "ru_RU", "sin_Sinh": "si_LK", "tur_Latn": "tr_TR", "vie_Latn": "vi_VN",
    "zho_Hans": "zh_CN", "afr_Latn": "af_ZA", "azj_Latn": "az_AZ", "ben_Beng": "bn_IN",
    "pes_Arab": "fa_IR", "heb_Hebr": "he_IL", "hrv_Latn": "hr_HR", "ind_Latn": "id_ID",
    "kat_Geor": "ka_GE", "khm_Khmr": "km_KH", "mkd_Cyrl": "mk_MK", "mal_Mlym": "ml_IN",
    "khk_Cyrl": "mn_MN", "mar_Deva": "mr_IN", "pol_Latn": "pl_PL", "pbt_Arab": "ps_AF",
    "por_Latn": "pt_XX", "swe_Latn": "sv_SE", "swh_Latn": "sw_KE", "tam_Taml": "ta_IN",
    "tel_Telu": "te_IN", "tha_Thai": "th_TH", "tgl_Latn": "tl_XX", "ukr_Cyrl": "uk_UA",
    "urd_Arab": "ur_PK", "xho_Latn": "xh_ZA", "glg_Latn": "gl_ES", "slv_Latn": "sl_SI",
}  # fmt: skip
"""The 52 codes of mBART-50 (Tang et al. 2020)."""

_M2M100 = frozenset(
    """
    af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu
    ha he hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr
    ms my ne nl no ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk
    ur uz vi wo xh yi yo zh zu
    """.split()  # noqa: SIM905 - a list of 100 quoted codes reads worse
)
"""The 100 codes of M2M100 (Fan et al. 2020)."""

_M2M100_OWN = {"nob_Latn": "no", "nso_Latn": "ns", "tgl_Latn": "tl"}
"""Where M2M100's code is not today's ISO 639-1."""


def recognise(config: dict[str, Any], tokenizer_config: dict[str, Any]) -> Family:
    """The family of a model, from its ``config.json`` and ``tokenizer_config.json``."""
    kind = str(config.get("model_type", ""))
    tokenizer = str(tokenizer_config.get("tokenizer_class", ""))
    if kind == "m2m_100":
        return "m2m100" if tokenizer.startswith("M2M100") else "nllb"
    if kind == "mbart":
        return "mbart50" if tokenizer.startswith("MBart50") else "seq2seq"
    if kind == "marian":
        return "marian"
    if kind in _T5:
        return "t5"
    return "seq2seq" if kind in _SEQ2SEQ or config.get("is_encoder_decoder") else "causal"


def language_code(family: Family, code: str) -> str | None:
    """A FLORES-200 code as the family writes it; ``None`` where the family does not know it.

    M2M100 writes ISO 639-1 (``es``), mBART-50 a locale (``es_XX``), Marian an ISO 639-3 code
    (``spa``), T5 the English name; the others take FLORES-200 codes as they are.
    """
    match family:
        case "m2m100":
            own = _M2M100_OWN.get(code, languages.iso(code))
            return own if own in _M2M100 else None
        case "mbart50":
            return _MBART50.get(code)
        case "marian":
            return code.partition("_")[0]
        case "t5":
            return languages.name(code)
        case _:
            return code


def known(
    family: Family, vocabulary: Container[str], own: tuple[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Source and target languages that a model can be told, those of its own pair first.

    A Marian model says by its ``>>deu<<`` tokens what it translates into, and nowhere what from, so
    its own source language is the only one. What is asked in words, or in bare text, may be any.

    Args:
        family: Of the model.
        vocabulary: Tokens of its tokenizer.
        own: FLORES-200 codes that it was tuned on.
    """
    others = sorted(languages.FLORES_200 - set(own))
    match family:
        case "causal" | "t5":
            there = others
        case "marian":
            there = [each for each in others if f">>{language_code(family, each)}<<" in vocabulary]
            return own[:1], (own[1], *there)
        case "nllb" | "m2m100" | "mbart50":
            written = "__{}__" if family == "m2m100" else "{}"
            there = [each for each in others
                     if written.format(language_code(family, each)) in vocabulary]  # fmt: skip
        case _:
            return own[:1], own[1:]
    return (own[0], own[1], *there), (own[1], own[0], *there)


def describe(family: Family, source: str, target: str) -> str:
    """One phrase for the banner: how the model is told what to translate into what."""
    a, b = language_code(family, source), language_code(family, target)
    match family:
        case "causal":
            return "asked in words"
        case "nllb" | "m2m100" | "mbart50":
            return f"source token {a}, forced first target token {b}"
        case "marian":
            return f"one language pair, or >>{b}<< before the text where the model has several"
        case "t5":
            return f"prefix 'translate {a} to {b}: '"
        case _:
            return "bare text"


FAMILIES: tuple[str, ...] = get_args(Family)
