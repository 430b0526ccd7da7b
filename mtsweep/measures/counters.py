"""A metric as sums: what is counted of a segment, so that sums over segments make its score.

``mtsweep.evaluation.formulas`` goes from sums to scores. What a metric needs is checked before any
model is loaded (:func:`refusal`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from mtsweep import languages
from mtsweep.measures import wordnet
from mtsweep.measures.tokens import AUTO, bleu_tokenizer, tokenizer_refusal, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sacrebleu.metrics.base import Metric as SacreMetric

    Array = NDArray[np.float64]

_EXTRA = "metrics"
_NO_SPACES = ("zho", "yue", "jpn")
"""Languages whose characters TER counts one by one."""


class Counter(Protocol):
    """Counts one metric."""

    signature: str
    """What must be equal for two scores to be comparable."""

    def statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Array:
        """What sums are taken of, segments x statistics."""
        ...


def counter(name: str, target_lang: str, tokenizer: str = AUTO) -> Counter:
    """The counter of a metric.

    Args:
        name: Of the metric; not ``comet``, which is scored in a process of its own.
        target_lang: FLORES-200 code.
        tokenizer: Of BLEU, by sacreBLEU's name.
    """
    if name == "rouge":
        return _Rouge()
    if name == "meteor":
        return _Meteor()
    return _Sacre(sacre_metric(name, target_lang, tokenizer))


def refusal(name: str, target_lang: str, tokenizer: str = AUTO) -> str | None:
    """Why a metric cannot be counted here, with the remedy; ``None`` if it can."""
    if name == "bleu":
        return tokenizer_refusal(target_lang, tokenizer)
    if name == "rouge" and find_spec("rouge_score") is None:
        return f"ROUGE-L needs the package rouge-score: pip install 'mtsweep[{_EXTRA}]'"
    if name == "meteor":
        return _meteor_refusal(target_lang)
    return None


def comet_refusal(python: str | None, key: str = "evaluation.comet_python") -> str | None:
    """Why COMET cannot be scored here, with the remedy; ``None`` if it can.

    Args:
        python: One that has unbabel-comet; ``None`` for this one.
        key: What names it.
    """
    if python is not None:
        there = shutil.which(python) is not None
        return None if there else f"{key}: no Python at {python}"
    if find_spec("comet") is None:
        return (
            "COMET needs unbabel-comet, which wants transformers 4 and so an environment of its "
            "own: python3 -m venv comet-env && comet-env/bin/pip install unbabel-comet, then "
            f"{key}=comet-env/bin/python"
        )
    return None


def _meteor_refusal(target_lang: str) -> str | None:
    if target_lang != "eng_Latn":
        return (
            "METEOR matches stems and synonyms of English alone, and this target is "
            f"{languages.name(target_lang)}; leave meteor out"
        )
    if find_spec("nltk") is None:
        return f"METEOR needs the package nltk: pip install 'mtsweep[{_EXTRA}]'"
    if wordnet.folder() is None:
        return (
            "METEOR needs the WordNet data, which are neither in an nltk_data folder (python -m "
            "nltk.downloader wordnet), nor in $WNSEARCHDIR, nor in /usr/share/wordnet (the Debian "
            "package wordnet-base)"
        )
    return None


def sacre_metric(name: str, target_lang: str, tokenizer: str = AUTO) -> SacreMetric:
    """SacreBLEU's metric, cutting texts as the target language asks."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    if name in ("chrf", "chrf++"):
        return CHRF(word_order=2 if name == "chrf++" else 0)
    if name == "ter":
        asian = target_lang.startswith(_NO_SPACES)
        return TER(normalized=asian, asian_support=asian)
    return BLEU(tokenize=bleu_tokenizer(target_lang, tokenizer))


class _Sacre:
    """One of sacreBLEU's metrics."""

    def __init__(self, metric: SacreMetric) -> None:
        self._metric = metric
        metric.num_refs = 1
        self.signature = str(metric.get_signature())

    def statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Array:
        """SacreBLEU's own: n-gram matches and totals and lengths, or edits and length."""
        import numpy as np

        counted = self._metric._extract_corpus_statistics(list(hypotheses), [list(references)])  # noqa: SLF001
        return np.array(counted, dtype=np.float64)


class _Rouge:
    """ROUGE-L: F1 of the longest common subsequence of words, in the mean over segments."""

    def __init__(self) -> None:
        self.signature = (
            f"nrefs:1|case:lc|tok:unicode-words|stem:no|score:f1|rouge-score:"
            f"{version('rouge-score')}"
        )

    def statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Array:
        """Score and 1 of each segment."""
        from rouge_score.rouge_scorer import RougeScorer

        # The default tokenizer keeps a to z alone: identical Tamil texts would score 0.
        scorer = RougeScorer(["rougeL"], use_stemmer=False, tokenizer=_Words())
        return _means(
            lambda said, wanted: scorer.score(wanted, said)["rougeL"].fmeasure,
            hypotheses,
            references,
        )


class _Words:
    def tokenize(self, text: str) -> list[str]:
        """As ``rouge_score.tokenizers.Tokenizer`` does."""
        return words(text)


class _Meteor:
    """METEOR (Banerjee and Lavie 2005) as NLTK has it, in the mean over segments."""

    def __init__(self) -> None:
        self.signature = (
            f"nrefs:1|case:lc|tok:nltk|wordnet:{wordnet.release()}|nltk:{version('nltk')}"
        )

    def statistics(self, hypotheses: Sequence[str], references: Sequence[str]) -> Array:
        """Score and 1 of each segment."""
        from nltk.tokenize import NLTKWordTokenizer
        from nltk.translate.meteor_score import single_meteor_score

        cut, reader = NLTKWordTokenizer().tokenize, wordnet.reader()
        return _means(
            lambda said, wanted: single_meteor_score(cut(wanted), cut(said), wordnet=reader),
            hypotheses,
            references,
        )


def _means(
    one: Callable[[str, str], float], hypotheses: Sequence[str], references: Sequence[str]
) -> Array:
    import numpy as np

    pairs = zip(hypotheses, references, strict=True)
    return np.array([[one(said, wanted), 1.0] for said, wanted in pairs], dtype=np.float64)
