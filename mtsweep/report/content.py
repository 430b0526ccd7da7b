"""What a report says, as plain values that its templates lay out; no figure is worked out here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mtsweep import __version__, languages
from mtsweep.report import pictures
from mtsweep.report.cells import Cell, cell
from mtsweep.report.charts import Picture
from mtsweep.report.entries import Entry, Sweep, flat
from mtsweep.report.judgement import Judged, Mark
from mtsweep.report.parts import PartTable, tables
from mtsweep.scores import LABELS


@dataclass(frozen=True)
class Metric:
    """A column of the table of scores."""

    name: str
    label: str
    direction: str


@dataclass(frozen=True)
class Row:
    """A line of the table of scores."""

    label: str
    kind: str
    reason: str
    state: str
    """Of a row without scores: failed, pruned, or not chosen by a search's dev set."""
    cells: Mapping[str, Cell]
    mark: Mark | None


@dataclass(frozen=True)
class Scale:
    """Of the intervals drawn in the table."""

    low: float
    high: float
    base: float | None


@dataclass(frozen=True)
class Figure:
    """A cell that sorts by its value."""

    text: str
    value: float | str = ""


@dataclass(frozen=True)
class Cost:
    """The table of behaviour and cost."""

    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Figure]]]
    charts: Sequence[Picture]


@dataclass(frozen=True)
class Human:
    """Ratings by people."""

    sentence: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Content:
    """A report."""

    title: str
    question: str
    expectation: str
    command: str
    kicker: str
    judged: Judged
    metrics: Sequence[Metric]
    rows: Sequence[Row]
    scale: Scale
    score_notes: Sequence[str]
    curves: Sequence[Picture]
    cost: Cost
    data: Sequence[Sequence[tuple[str, str]]]
    signatures: Sequence[tuple[str, str]]
    environment: Sequence[tuple[str, str]]
    settings: Sequence[tuple[str, str, str]]
    """Label, run id, and the settings that not every run has."""
    shared: Sequence[tuple[str, str]]
    humans: Sequence[Human] = field(default_factory=list)
    parts: Sequence[PartTable] = field(default_factory=list)
    version: str = __version__

    @property
    def pictures(self) -> list[Picture]:
        """All charts."""
        judged = self.judged
        return [*judged.ablation, *judged.significance, *self.curves, *self.cost.charts]


def content(sweep: Sweep, judged: Judged, humans: Sequence[Human] = ()) -> Content:
    """Everything that the report of a sweep says."""
    metrics = _metrics(sweep, judged.lead)
    lead = metrics[0].name if metrics else judged.lead
    settings, shared = _settings(sweep)
    return Content(
        title=sweep.name,
        question=sweep.told.get("question", ""),
        expectation=sweep.told.get("expectation", ""),
        command=sweep.command,
        kicker=_kicker(sweep),
        judged=judged,
        metrics=metrics,
        rows=[_row(sweep, entry, judged.marks.get(entry.id)) for entry in sweep.entries],
        scale=_scale(sweep, lead),
        score_notes=[_count_note(sweep), *judged.score_notes],
        curves=pictures.curves(sweep),
        cost=_cost(sweep, lead),
        data=_data(sweep),
        signatures=_signatures(sweep),
        environment=_environment(sweep),
        settings=settings,
        shared=shared,
        humans=humans,
        parts=tables(sweep, lead),
    )


def _kicker(sweep: Sweep) -> str:
    configs = [entry.record.config for entry in sweep.finished if entry.record]
    models = _distinct(str(config["model"]["name"]).rpartition("/")[2] for config in configs)
    pairs = _distinct(
        "conversations"
        if config["data"].get("form") == "chat"
        else f"{languages.name(config['data']['source_lang'])} to "
        f"{languages.name(config['data']['target_lang'])}"
        for config in configs
    )
    runs = sum(entry.kind == "run" for entry in sweep.finished)
    failed = f", {len(sweep.failed)} failed" if sweep.failed else ""
    failed += f", {len(sweep.pruned)} pruned" if sweep.pruned else ""
    return f"{', '.join(pairs)} · {', '.join(models)} · {runs} run{'s' * (runs != 1)}{failed}"


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _metrics(sweep: Sweep, lead: str) -> list[Metric]:
    found: dict[str, str] = {}
    for entry in sweep.finished:
        if entry.record:
            found |= {name: score.direction for name, score in entry.record.scores.items()}
    names = sorted(found, key=lambda name: name != lead)
    return [Metric(name, LABELS.get(name, name), found[name]) for name in names]


def _row(sweep: Sweep, entry: Entry, mark: Mark | None) -> Row:
    cells = {}
    if sweep.beside(entry):
        dev = sweep.dev.get(entry.id, "by the dev set")
        return Row(entry.label, entry.kind, dev, "not chosen", cells, None)
    if entry.record:
        for name, score in entry.record.scores.items():
            base = entry.record.base_scores.get(name) if entry.kind == "run" else None
            cells[name] = cell(score, base)
    return Row(entry.label, entry.kind, entry.reason, entry.state, cells, mark)


def _scale(sweep: Sweep, lead: str) -> Scale:
    scores = [
        (entry.kind, entry.record.scores[lead])
        for entry in sweep.judged
        if entry.record and lead in entry.record.scores
    ]
    ends = [end for _, score in scores for end in (score.low, score.high, score.value)]
    known = [end for end in ends if end is not None]
    bases = _distinct(f"{score.value}" for kind, score in scores if kind == "base")
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    return Scale(low, high, float(bases[0]) if len(bases) == 1 else None)


def _count_note(sweep: Sweep) -> str:
    counts = sorted(
        {
            score.segments
            for entry in sweep.finished
            if entry.record
            for score in entry.record.scores.values()
        }
    )
    told = " or ".join(map(str, counts))
    return f"±: half of the 95 % bootstrap interval over {told} segments."


def _cost(sweep: Sweep, lead: str) -> Cost:
    heads = (
        "run", "stops by itself", "repeats", "length ratio", "training", "scoring", "peak memory",
        "trained", "of", "stored",
    )  # fmt: skip
    rows = []
    for number, entry in enumerate(sweep.finished):
        if entry.record is None:
            continue
        cost, how, tuned = entry.record.cost, entry.record.degeneration, entry.kind == "run"
        cells = [
            Figure(entry.label, number),
            Figure(f"{how.stopped:.0%}", how.stopped),
            Figure(f"{how.repeated_4grams:.1%}", how.repeated_4grams),
            Figure(f"{how.length_ratio:.2f}", how.length_ratio),
            Figure(_seconds(cost.seconds_train) if tuned else "", cost.seconds_train),
            Figure(_seconds(cost.seconds_evaluate), cost.seconds_evaluate),
            Figure(f"{cost.peak_memory_bytes / 2**30:.1f} GiB", cost.peak_memory_bytes),
            Figure(amount(cost.trainable_parameters) if tuned else "", cost.trainable_parameters),
            Figure(amount(cost.total_parameters), cost.total_parameters),
            Figure(f"{cost.adapter_bytes / 1e6:.1f} MB" if tuned else "", cost.adapter_bytes),
        ]
        rows.append((entry.kind, cells))
    return Cost(heads, rows, pictures.costs(sweep, lead))


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def amount(number: int) -> str:
    """A count of parameters in a few digits."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)


def _data(sweep: Sweep) -> list[list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in sweep.finished:
        if entry.record is None or entry.kind != "run":
            continue
        data, config = entry.record.data, entry.record.config["data"]
        key = str(data.get("fingerprint"))
        if key in found:
            continue
        dropped = data.get("dropped") or {}
        left = ", ".join(f"{count} {why}" for why, count in dropped.items()) or "none"
        facts = [
            ("data", str(config["name"])),
            ("languages", _languages(config)),
            ("conversations" if config.get("form") == "chat" else "pairs", ", ".join(
                f"{data[part]} {part}" for part in ("train", "dev", "test") if part in data
            )),
            ("to choose from", f"{data.get('available', '')} for training"),
            ("left out by the reader", left),
            ("left out as too long", str(data.get("too_long", 0))),
            ("fingerprint", key[:16]),
            ("of the test set", str(data.get("test_fingerprint", ""))[:16]),
        ]  # fmt: skip
        found[key] = [fact for fact in facts if fact[1]]
    return list(found.values())


def _languages(data: Mapping[str, Any]) -> str:
    if data.get("form") == "chat":
        return str(data["source_lang"])
    return f"{data['source_lang']} to {data['target_lang']}"


def _signatures(sweep: Sweep) -> list[tuple[str, str]]:
    told = [
        (LABELS.get(name, name), score.signature)
        for entry in sweep.finished
        if entry.record
        for name, score in entry.record.scores.items()
    ]
    return list(dict.fromkeys(told))


def _environment(sweep: Sweep) -> list[tuple[str, str]]:
    told: dict[str, list[str]] = {}
    for entry in sweep.finished:
        if entry.record:
            for name, value in entry.record.environment.items():
                if name != "tracking" and value is not None:
                    told.setdefault(name, []).append(str(value))
    return [(name, ", ".join(_distinct(values))) for name, values in told.items()]


def _settings(sweep: Sweep) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
    """What tells the runs apart, and what they share."""
    runs = [entry for entry in sweep.finished if entry.kind == "run" and entry.record]
    configs = [dict(flat(_config(entry))) for entry in runs]
    keys = list(dict.fromkeys(key for config in configs for key in config))
    shared = [key for key in keys if len({config.get(key) for config in configs}) == 1]
    rows = [
        (entry.label, entry.id, ", ".join(
            f"{key}={config[key]}" for key in keys if key not in shared and key in config
        ))
        for entry, config in zip(runs, configs, strict=True)
    ]  # fmt: skip
    return rows, [(key, configs[0][key]) for key in shared if configs[0].get(key) != "null"]


def _config(entry: Entry) -> Mapping[str, Any]:
    return entry.record.config if entry.record else {}
