"""What a card says, as plain values that its template lays out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mtsweep import __version__, languages
from mtsweep.card import facts, limits, tables, usage
from mtsweep.card import samples as shown
from mtsweep.card.privacy import scrubbed
from mtsweep.card.subject import Format, Subject
from mtsweep.scores import LABELS, Score, rounded


@dataclass(frozen=True)
class Content:
    """A card."""

    name: str
    title: str
    lead: Sequence[str]
    units: str
    """What the test set is counted in."""
    code: str
    usage_notes: Sequence[str]
    results: Sequence[tables.Result]
    further: tables.Table | None
    parts: tables.Table | None
    signatures: Sequence[facts.Line]
    behaviour: tables.Table
    samples: Sequence[shown.Sample]
    samples_note: str
    data: Sequence[facts.Line]
    licences: Sequence[facts.Line]
    tuning: Sequence[facts.Line]
    cost: Sequence[facts.Line]
    limits: Sequence[limits.Section]
    reproduce: str
    reproduce_note: str
    version: str = __version__


def content(
    subject: Subject, name: str, shipped: Format, samples: int, licence: str, proof: str = ""
) -> Content:
    """Everything that a card says.

    Args:
        subject: The run.
        name: ``owner/name`` on the hub.
        shipped: What stands there.
        samples: Test segments that are shown; 0 publishes no text of data.
        licence: Of what ships.
        proof: That it says what was scored, where that was seen.
    """
    return Content(
        name=name,
        title=_title(subject),
        lead=[*_lead(subject, shipped), *([proof] if proof else [])],
        units="conversations" if subject.is_chat else "segments",
        code=usage.code(subject, name, shipped, with_texts=samples > 0),
        usage_notes=list(_usage_notes(subject, shipped, with_texts=samples > 0)),
        results=[tables.result(each, subject) for each in subject.judged],
        further=tables.scores_of("test set", subject.record.also, subject.record.base_also),
        parts=tables.parts(subject),
        signatures=[
            (LABELS[metric], score.signature) for metric, score in subject.record.scores.items()
        ],
        behaviour=tables.behaviour(subject),
        samples=list(shown.samples(subject, samples)),
        samples_note=shown.note(subject, samples),
        data=list(facts.data(subject)),
        licences=list(facts.rights(subject, licence)),
        tuning=list(facts.training(subject)),
        cost=list(facts.cost(subject)),
        limits=limits.sections(subject),
        reproduce=facts.command(subject),
        reproduce_note=facts.reproduction(subject),
    )


def _title(subject: Subject) -> str:
    if subject.is_chat:
        return f"{subject.base_name}, tuned on conversations ({subject.config.data.name})"
    return f"{subject.base_name}, tuned to translate {_directions(subject)}"


def _directions(subject: Subject) -> str:
    told = [f"{languages.name(a)} to {languages.name(b)}" for a, b in subject.pairs]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def _lead(subject: Subject, shipped: Format) -> Iterator[str]:
    record, name = subject.record, scrubbed(subject.config.data.name)
    unit = "conversations" if subject.is_chat else "sentence pairs"
    count = int(record.data.get("train") or 0)
    what = {
        "peft": "an adapter, which is put on the base model when it is loaded",
        "merged": "a whole model, with what was trained in its weights",
    }[shipped]
    how = facts.method(subject)
    yield f"Tuned ({how}) on {count:,} {unit} of the data set {name}. This is {what}."
    told = []
    for metric in subject.judged[0].comparison.metrics:
        if metric in record.scores:
            told.append(_against(metric, record.scores[metric], record.base_scores.get(metric)))
    count = next(iter(record.scores.values())).segments
    unit = "conversations" if subject.is_chat else "segments"
    yield f"On {count:,} held-out {unit}: {'; '.join(told)}."


def _against(metric: str, score: Score, base: Score | None) -> str:
    before = f", the untouched model {rounded(metric, base.value)}" if base else ""
    return f"{LABELS[metric]} {tables.estimate(metric, score.value, score.low, score.high)}{before}"


def _usage_notes(subject: Subject, shipped: Format, *, with_texts: bool) -> Iterator[str]:
    config = subject.config
    packages = "transformers and peft" if shipped == "peft" else "transformers"
    versions = subject.record.environment
    tested = ", ".join(
        f"{name} {versions[name]}" for name in ("torch", "transformers", "peft") if name in versions
    )
    yield (
        f"Needs {packages} (the run had {tested}), and nothing of mtsweep. generation_config.json "
        "holds the end token and the search of the scoring; its max_new_tokens cuts longer "
        f"{'answers' if subject.is_chat else 'translations'} off, so raise it for longer texts."
    )
    if len(subject.pairs) > 1 and not subject.is_chat:
        others = ", ".join(
            f"{languages.name(a)} to {languages.name(b)}" for a, b in subject.pairs[1:]
        )
        how = {
            "causal": "put the names of the languages into the prompt",
            "marian": "put the other target's code before the text",
            "t5": "put the names of the languages before the text",
        }.get(subject.family, "give the tokenizer the codes of the other pair, and its target's "
                              "code as forced first token")  # fmt: skip
        yield f"The lines ask for {_first_pair(subject)}; for {others} {how}."
    if any(row.get("context") for row in subject.rows):
        yield (
            "Conversations of the test set that begin with a system message were given it as the "
            'first turn: {"role": "system", "content": …} before the user\'s.'
        )
    if subject.shots is not None:
        yield _shown(subject, with_texts=with_texts)
    if shipped == "peft" and not subject.exact_base:
        yield (
            f"The adapter was trained and scored on weights of {subject.base_name} that had been "
            "stored in 4 bits (Q4_1) and made float32 again; on the hub's own weights it says "
            "other things here and there, and those were not scored. The merged form has exactly "
            "what was scored."
        )
    if shipped == "merged" and config.lora.load_in_4bit:
        yield (
            "It was trained and scored on a base model in 4 bits; the merged weights are not "
            "quantised, so their outputs differ here and there from those that were scored."
        )


def _first_pair(subject: Subject) -> str:
    return " to ".join(languages.name(code) for code in subject.pairs[0])


def _shown(subject: Subject, *, with_texts: bool) -> str:
    prompt = subject.config.prompt
    if prompt.choice == "nearest":
        return (
            f"It was trained and scored with the {prompt.shots} training pairs that are nearest to "
            "each text (BM25 over character 3-grams) before it; the lines above ask without any, "
            "and such outputs were not scored."
        )
    if not with_texts:
        return (
            f"It was trained and scored with {prompt.shots} training pairs before each text, which "
            "are not published; the lines above ask without them, and such outputs were not scored."
        )
    return f"The {prompt.shots} training pairs in the prompt are part of what was scored."
