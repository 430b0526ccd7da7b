"""Limits and ethics of a run, from its languages, its data and its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mtsweep import languages
from mtsweep.card import traits
from mtsweep.card.privacy import scrubbed
from mtsweep.card.subject import Subject
from mtsweep.record import Degeneration
from mtsweep.scores import LABELS, rounded

Section = tuple[str, list[str]]

_BEHAVIOUR: tuple[tuple[str, str], ...] = (
    ("text_after", "go on behind the answer"),
    ("copied", "repeat the source"),
    ("wrong_language", "are in another language"),
)
_NOTICEABLE = 0.01
_SMALL = 2_000
_FEW_SEGMENTS = 500


def sections(subject: Subject) -> list[Section]:
    """Headings and what is to be said below each."""
    told = (
        ("How far it can be trusted", trust(subject)),
        ("What it was not tested on", untested(subject)),
        ("Bias", bias(subject)),
        ("Culture and language", culture(subject)),
        ("Privacy", privacy(subject)),
        ("Misuse", misuse(subject)),
    )
    return [(heading, found) for heading, each in told if (found := list(each))]


def trust(subject: Subject) -> Iterator[str]:
    """How far its scores reach, and how its outputs fail."""
    record = subject.record
    score = next(iter(_leading(subject)), None)
    if score is not None:
        name, value, low, high, count = score
        known = "" if low is None or high is None else f", {rounded(name, high - low)} wide"
        few = ": few, so that small differences do not show" if count < _FEW_SEGMENTS else ""
        yield (
            f"The scores are of {count:,} {_units(subject)}{few} (95 % interval of {LABELS[name]}"
            f"{known}). They are automatic: "
            + (
                "they say how likely the model finds given answers, not whether its own are true."
                if subject.is_chat
                else "they count what a translation shares with one reference, not whether it is "
                "right."
            )
        )
    yield from _standing(subject)
    yield from _failures(record.degeneration, subject)
    fluent = "an answer" if subject.is_chat else "a translation"
    yield (
        f"It gives no sign of doubt: {fluent} that reads well may be wrong in a number, a name "
        "or a “not”. Read it with somebody who knows "
        + (
            "the subject."
            if subject.is_chat
            else f"{_listed(languages.name(code) for code in _all_codes(subject))}."
        )
    )


def _leading(
    subject: Subject,
) -> Iterator[tuple[str, float, float | None, float | None, int]]:
    comparison = subject.judged[0].comparison
    for name in comparison.metrics:
        if name in subject.record.scores:
            score = subject.record.scores[name]
            yield name, score.value, score.low, score.high, score.segments


def _standing(subject: Subject) -> Iterator[str]:
    """Whether it is shown to be better than the untouched model, and than its siblings."""
    comparison = subject.judged[0].comparison
    lead = comparison.metrics[0]
    for verdict in comparison.verdicts:
        mine = next(
            (k for k in verdict.members if subject.record.id in comparison.row(k).ids), None
        )
        if verdict.metric != lead or mine is None:
            continue
        kinds = {key: comparison.row(key).kind for key in verdict.members}
        for pair in verdict.pairs:
            ends = {pair.first, pair.second}
            if mine in ends and "base" in {kinds[key] for key in ends} and not pair.real:
                yield (
                    f"It is not shown to be better than the untouched model by {LABELS[lead]}: "
                    "this test set cannot tell the two apart."
                )
        if mine not in verdict.tied:
            best = comparison.row(verdict.best).label
            yield f"Of the models that were trained beside it, {best} is shown to be better."


def _failures(told: Degeneration, subject: Subject) -> Iterator[str]:
    outputs = "answers" if subject.is_chat else "outputs on the test set"
    found = []
    if told.stopped < 1 - _NOTICEABLE:
        found.append(f"{1 - told.stopped:.0%} did not end by themselves and were cut off")
    for field, words in _BEHAVIOUR:
        value = getattr(told, field)
        if value is not None and value >= _NOTICEABLE:
            found.append(f"{value:.0%} {words}")
    if found:
        yield f"Of its {outputs}, {_listed(found)}."
    if told.repeated_4grams >= _NOTICEABLE:
        yield f"{told.repeated_4grams:.0%} of the 4-grams of words in them are repetitions."


def untested(subject: Subject) -> Iterator[str]:
    """What lies outside of the test sets."""
    data, pairs = subject.config.data, subject.pairs
    origins = _origins(subject)
    further = [name for name in subject.record.also if name not in subject.record.parts]
    beside = f" It was also scored on {_listed(further)}." if further else ""
    within = f" ({_listed(origins)})" if 1 < len(origins) <= 12 else ""
    yield (
        f"Test {_units(subject)} are of the same kind as what it was trained on{within}; texts of "
        "other kinds, and other subjects, were not tested, and scores there are likely to be "
        f"lower.{beside}"
    )
    longest = max((len(str(row.get("source", ""))) for row in subject.rows), default=0)
    if longest:
        yield (
            f"The longest {'question' if subject.is_chat else 'source text'} of the test set has "
            f"{longest:,} characters; longer ones were not tested."
        )
    if subject.is_chat:
        yield (
            f"Conversations are in {languages.name(data.source_lang)} as far as the configuration "
            "says; other languages were not tested. Answers to first turns alone were looked at."
        )
        return
    other = [(b, a) for a, b in pairs if (b, a) not in pairs]
    if other:
        yield f"It was neither trained nor tested from {_listed(map(_directed, other))}."
    for code in _all_codes(subject):
        script = code.rpartition("_")[2]
        if script != "Latn":
            yield f"{languages.name(code)} was tested in its own script, and not in Latin letters."


def bias(subject: Subject) -> Iterator[str]:
    """What it takes from its data and its base."""
    for source, target in () if subject.is_chat else subject.pairs:
        if told := traits.gender(source, target):
            yield told
    count, synthetic = _count(subject), int(subject.record.data.get("synthetic") or 0)
    if count and count < _SMALL:
        seen = _passes(subject)
        often = f", each seen about {seen:.0f} times" if seen and seen >= 1.5 else ""
        yield (
            f"{count:,} training {_units(subject, trained=True)}{often}: few enough that their "
            "turns of phrase, names and choices of words come back where they do not belong."
        )
    if synthetic and count:
        yield (
            f"{synthetic / count:.0%} of the training pairs ({synthetic:,} of {count:,}) were "
            "written or translated by a machine: its errors and habits were trained as if they "
            "were right."
        )
    yield (
        f"What the base model {subject.base_name} learnt from its own texts stays underneath, with "
        "whatever slant they have; nothing was done against it."
    )


def culture(subject: Subject) -> Iterator[str]:
    """Varieties, address, script, and how much of the language models have seen."""
    codes = _all_codes(subject)
    for source, target in () if subject.is_chat else subject.pairs:
        if told := traits.politeness(source, target):
            yield told
    targets = dict.fromkeys(target for _, target in subject.pairs)
    for code in targets:
        if told := traits.variety(code):
            yield f"The data do not say whether they are {told}; the model mixes what it has seen."
        if not subject.is_chat and languages.rich(code):
            yield (
                f"Words of {languages.name(code)} take many forms: a wrong ending changes who does "
                "what, and looks like a small error."
            )
        if languages.direction(code) == "rtl":
            yield (
                f"{languages.name(code)} is written from right to left: set the direction of the "
                "text where it is shown, or numbers and Latin names in it change places."
            )
    if rare := traits.less_resourced(tuple(codes)):
        be = "is" if len(rare) == 1 else "are"
        yield (
            f"{_listed(rare)} {be} not among the seven languages with most data (Joshi et al. "
            "2020): expect the base model to know less of it, and fewer people to notice errors."
        )
    for told in subject.record.advice:
        if "bytes" in told or "spell" in told:
            yield f"Told before training: {scrubbed(told)}."


def privacy(subject: Subject) -> Iterator[str]:
    """Whose words the training pairs are."""
    data = subject.config.data
    sources = dict.fromkeys(part.source for part in data.mix) or {data.source: None}
    if "phrasebook" in sources:
        yield (
            "The phrasebook's sentences were made up for mtsweep; no person's words or data are in "
            "them."
        )
    if "gettext" in sources:
        yield (
            "The message catalogs are texts of published software, with their translators' choices "
            "of words; who translated what was not read."
        )
    if "hub" in sources:
        names = _listed(dict.fromkeys(
            str(part.dataset).rstrip("/").rpartition("/")[2]
            for part in (*data.mix, data)
            if part.dataset
        ))  # fmt: skip
        yield (
            f"{names}: public data, in which nobody looked for personal data on the way here; see "
            "the data's own page."
        )
    if subject.own_files:
        count, seen = _count(subject), _passes(subject)
        often = f", each seen about {seen:.0f} times" if seen and seen >= 1.5 else ""
        yield (
            f"The training texts are the publisher's own files ({count:,}{often}), in which "
            "mtsweep looked for no personal data. A tuned model can give training texts back word "
            "for word: publish it only where they themselves could be published."
        )
    yield "Texts that are given to it stay where it runs; it stores none of them."


def misuse(subject: Subject) -> Iterator[str]:
    """What it must not be used for."""
    if subject.is_chat:
        yield (
            "It answers whatever it is asked, was not trained to refuse, and its answers were not "
            "checked for being true: no advice on health, law, money or safety, and no speaking to "
            "people who do not know that it is a machine."
        )
        return
    targets = list(dict.fromkeys(target for _, target in subject.pairs))
    names = _listed(languages.name(code) for code in targets)
    yield (
        "Not for what somebody acts on without a person who knows both languages in between: "
        "patients, courts, contracts, warnings. The questions of a dental patient under "
        "“Samples” show what it makes of such text."
        if subject.probes
        else "Not for what somebody acts on without a person who knows both languages in between: "
        "patients, courts, contracts, warnings."
    )
    if traits.less_resourced(tuple(targets)):
        yield (
            f"Text in {names} that it makes should not be put on the web unmarked: where there is "
            "little text, machine-made text soon becomes what the next models learn from."
        )
    else:
        yield f"Mark text in {names} that it makes as machine-made where others will read it."


def _units(subject: Subject, *, trained: bool = False) -> str:
    if subject.is_chat:
        return "conversations"
    return "pairs" if trained else "segments"


def _count(subject: Subject) -> int:
    return int(subject.record.data.get("train") or 0)


def _passes(subject: Subject) -> float | None:
    """How often each training pair was seen, about."""
    trainer, count = subject.config.trainer, _count(subject)
    if not count:
        return None
    steps = subject.training.steps if subject.training else trainer.max_steps
    if steps is None:
        return trainer.num_train_epochs
    return steps * trainer.batch / count


def _origins(subject: Subject) -> list[str]:
    told = dict.fromkeys(str(row.get("origin", "")) for row in subject.rows)
    return sorted(scrubbed(each) for each in told if each)


def _all_codes(subject: Subject) -> list[str]:
    return list(dict.fromkeys(code for pair in subject.pairs for code in pair))


def _directed(pair: tuple[str, str]) -> str:
    return f"{languages.name(pair[0])} to {languages.name(pair[1])}"


def _listed(names: object) -> str:
    told: Sequence[str] = [str(each) for each in names]  # type: ignore[attr-defined]
    if len(told) < 2:
        return "".join(told)
    return f"{', '.join(told[:-1])} and {told[-1]}"
