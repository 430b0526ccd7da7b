"""Which pairs are trained on and scored."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from mtsweep.config.section import Language, Part, Section, Text, refusal

Source = Literal["phrasebook", "gettext", "files", "hub", "combined"]
Format = Literal["jsonl", "json", "csv", "tsv", "moses", "tmx", "po", "mo"]
CleaningStep = Literal[
    "mojibake", "control", "strip_markup", "drop_markup", "empty", "control_tokens", "same",
    "duplicates", "one_target", "length", "ratio", "script", "language", "numbers",
]  # fmt: skip
MILD: tuple[CleaningStep, ...] = (
    "mojibake", "control", "empty", "control_tokens", "same", "duplicates", "length", "ratio",
    "script",
)  # fmt: skip
"""``data.clean=mild``: what hardly anybody would want to train on."""
STRICT: tuple[CleaningStep, ...] = (
    "mojibake", "control", "strip_markup", "empty", "control_tokens", "same", "duplicates",
    "one_target", "length", "ratio", "script", "numbers", "language",
)  # fmt: skip
"""``data.clean=strict``: every step, language identification last because it costs most."""
CLEANING = (
    "clean", "min_words", "max_words", "max_characters", "max_ratio", "leaks", "leak_similarity",
)  # fmt: skip
"""Keys of a data section that only cleaning and the search for leaks depend on."""
_SETS: dict[str, tuple[str, ...] | list[str]] = {"none": (), "mild": MILD, "strict": STRICT}


def _steps(value: object) -> object:
    if isinstance(value, str):
        value = _SETS.get(value, [value])
    for step in value if isinstance(value, list | tuple) else ():
        if step not in get_args(CleaningStep):
            raise refusal(
                f"no such step: {step!r}; there are: {', '.join(get_args(CleaningStep))}, "
                f"and the sets {', '.join(_SETS)}"
            )
    return value


class ReadingConfig(Section):
    """Where pairs are read: of a whole data section, or of one source of a mix."""

    train_file: str | None = None
    """``files``: the training pairs (or all of them, where no test file is given). JSONL, JSON,
    CSV, TSV, TMX, PO or MO by suffix, also as .gz, .xz or .zst; two Moses files by one of them or
    their common stem (``corpus`` reads ``corpus.en`` and ``corpus.es``)."""
    dev_file: str | None = None
    """``files``: the dev pairs; null splits them off the training file."""
    test_file: str | None = None
    """``files``: the test pairs; null splits them off the training file."""
    format: Format | None = None
    """``files``: format of the files; null goes by the suffix."""
    form: Literal["pairs", "chat"] = "pairs"
    """``files`` and ``hub``: rows are pairs, or conversations (``messages``, ShareGPT's
    ``conversations``, or Alpaca's ``instruction`` and ``output``)."""
    source_column: str | None = None
    """``files`` and ``hub``: column or key of the source text; null tries ``source``, the
    language's codes and name, and the nested ``translation`` form."""
    target_column: str | None = None
    """``files`` and ``hub``: column or key of the target text; null likewise."""
    id_column: str | None = None
    """``hub``: column by which rows of two configs, one a language, are joined."""
    dataset: str | None = None
    """``hub``: name of the data set, ``owner/name``, or a folder that holds one."""
    config: str | None = None
    """``hub``: the data set's config (subset). With ``data.id_column``, a config a language, by
    its FLORES-200 code."""
    revision: str | None = None
    """``hub``: branch, tag or commit; null takes the version in the hub cache, else the newest."""
    train_split: str = "train"
    """``hub``: split with the training pairs."""
    dev_split: str | None = None
    """``hub``: split with the dev pairs; null takes ``validation`` or ``dev`` where there is one,
    else splits them off the training pairs."""
    test_split: str | None = None
    """``hub``: split with the test pairs; null takes ``test`` where there is one, else splits
    them off the training pairs."""
    own_splits: bool = True
    """``hub``: keep the data set's own dev and test splits where it has them; false splits both
    off the training pairs."""
    package: str | None = None
    """``gettext``: installed Python package, or folder, whose message catalogs are read."""
    domains: tuple[str, ...] | None = None
    """Phrasebook domains to take; null takes all ten."""
    license: Text | None = None
    """The hub's identifier of the licence of the texts, for cards; null goes by the page of a data
    set. Changes no result."""
    sample: PositiveInt | None = None
    """Rows taken of each file or split, chosen by a hash of their content; null takes all, through
    files on disk (in ``MTSWEEP_CACHE``) where memory has no room for them."""


class PartConfig(ReadingConfig):
    """One source of a mix (``data.mix``); what it leaves out is as in the rest of the section."""

    source: Literal["phrasebook", "gettext", "files", "hub"]
    """Reader of the source."""
    name: str | None = None
    """Origin of its rows, for scores by origin; null keeps that of the reader."""
    source_lang: Language | None = None
    """FLORES-200 code of its source language; null is that of the section. Parts of other
    languages make a mix of several language pairs, each told apart, tested and scored."""
    target_lang: Language | None = None
    """The same of its target language."""
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Of the training pairs of the mix; null takes every row, 0 none (the source is tested on).
    Shares sum to 1, and as many rows are taken as the scarcest part allows."""


class DataConfig(ReadingConfig):
    """Which pairs are trained on and scored (``conf/data/``)."""

    name: str
    """What people call the data, in tables and W&B tags."""
    source: Source
    """Reader of the pairs."""
    source_lang: Language
    """FLORES-200 code of the language translated from."""
    target_lang: Language
    """FLORES-200 code of the language translated to."""
    size: PositiveInt | None = None
    """Training pairs; null takes all. Smaller sizes are nested in larger ones."""
    size_counts: Literal["all", "real"] = "all"
    """What ``data.size`` counts beside synthetic pairs: ``all`` fixes the total; ``real`` fixes the
    real pairs, and synthetic ones come beside them (``synthetic_share`` 1: in their place)."""
    test_size: Part | None = 100
    """Held-out test segments: a count, or a share of all pairs; null: a tenth, 2,000 at most."""
    dev_size: Part | None = 50
    """Pairs for the loss during training: a count, or a share of all pairs; null as above."""
    split_seed: NonNegativeInt = 13
    """Seed of the split; apart from ``seed``, so that replicates share one test set."""
    mix: tuple[PartConfig, ...] = ()
    """``combined``: the sources of the mix."""
    synthetic_file: str | None = None
    """Synthetic pairs to train on as well: a JSONL file, or a folder with ``pairs.jsonl``. Dev and
    test stay those of the source."""
    synthetic_share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of the training pairs that is synthetic: beside all real pairs, or of ``data.size``
    where that is given (see ``data.size_counts``); 1 trains on synthetic pairs alone, null takes
    every one of both."""
    strict: bool = False
    """Any malformed row is an error; otherwise they are counted, and more than 1 % is one."""

    clean: Annotated[tuple[CleaningStep, ...], BeforeValidator(_steps)] = MILD
    """Cleaning steps for training pairs, in this order; or ``none``, ``mild``, ``strict``."""
    min_words: PositiveInt = 1
    """``length``: words, split at white space, that a side must have."""
    max_words: PositiveInt = 400
    """``length``: words that a side may have."""
    max_characters: PositiveInt = 4000
    """``length``: characters that a side may have."""
    max_ratio: PositiveFloat = 9.0
    """``ratio``: times that one side may be as long as the other, counted in characters + 10."""
    leaks: Literal["remove", "error", "keep"] = "remove"
    """Training pairs that repeat a dev or test pair: taken out and counted, an error, or kept."""
    leak_similarity: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Jaccard similarity of character 5-grams from which a text repeats another."""

    @model_validator(mode="after")
    def _two_languages(self) -> DataConfig:
        if self.source_lang == self.target_lang and not self.is_chat:
            raise refusal("source_lang and target_lang are the same")
        return self

    @property
    def is_chat(self) -> bool:
        """Whether rows are conversations."""
        return self.form == "chat"

    @property
    def language_pairs(self) -> tuple[tuple[str, str], ...]:
        """Source and target language of what is read, each pair once, in the order of the mix."""
        if self.source != "combined":
            return ((self.source_lang, self.target_lang),)
        told = [
            (part.source_lang or self.source_lang, part.target_lang or self.target_lang)
            for part in self.mix
        ]
        return tuple(dict.fromkeys(told))

    def part(self, part: PartConfig) -> DataConfig:
        """The section that reads one source of the mix."""
        told = part.model_dump(exclude_unset=True, exclude={"name", "share"})
        kept = self.model_dump(exclude={"mix", "synthetic_file", "synthetic_share", "size"})
        given = {key: value for key, value in told.items() if value is not None}
        return DataConfig.model_validate({**kept, **given, "name": part.name or self.name})
