"""Ratings by people, beside a sweep: blind sheets to fill in, and results for the report.

``sweeps/<name>/human/<ratings>/`` holds ``sheet.csv`` and ``sheet.html`` for raters, ``key.json``
which tells what they must not know, and ``result.json``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from mtsweep.errors import UserError
from mtsweep.evaluation import human
from mtsweep.evaluation.human import Key, Kind, Output, Result
from mtsweep.record import write
from mtsweep.report.content import Human
from mtsweep.report.entries import Entry, Sweep
from mtsweep.report.page import embedded, environment, policy, template
from mtsweep.report.samples import Predictions, read


def chosen(sweep: Sweep, names: Sequence[str]) -> list[Entry]:
    """Runs by label or beginning of their id; all runs, without base rows, if none is named.

    Raises:
        UserError: naming what is not there, and what is.
    """
    if not names:
        return [entry for entry in sweep.finished if entry.kind == "run"]
    found = []
    for name in names:
        fits = [e for e in sweep.finished if e.label == name or e.id.startswith(name)]
        if len(fits) != 1:
            listed = "; ".join(f"{entry.id} ({entry.label})" for entry in sweep.finished)
            raise UserError(f"--runs: {name!r} is {len(fits)} of this sweep's runs: {listed}")
        found.extend(fits)
    return list({entry.id: entry for entry in found}.values())


def export(  # noqa: PLR0913
    sweep: Sweep, runs: Sequence[Entry], name: str, *, kind: Kind, segments: int, seed: int
) -> list[Path]:
    """Write blind sheets over runs; returns them.

    Raises:
        UserError: if there are ratings of that name, or the runs translated different texts.
    """
    place = sweep.folder / "human" / name
    if (place / "key.json").exists():
        raise UserError(f"{place}: there are such sheets already; choose another --name")
    told = [(entry, _predictions(entry)) for entry in runs]
    if len({(each.ids, each.sources, each.references) for _, each in told}) != 1:
        raise UserError("--runs: these runs translated different test sets; rate them apart")
    count = len(told[0][1].ids)
    picked = sorted(random.Random(seed).sample(range(count), min(segments, count)))
    outputs = {entry.id: [_output(each, index) for index in picked] for entry, each in told}
    labels = {entry.id: entry.label for entry in runs}
    lines, key = human.sheet(outputs, labels, kind, seed)
    place.mkdir(parents=True, exist_ok=True)
    write(place / "key.json", key.model_dump_json(indent=1) + "\n")
    write(place / "sheet.csv", human.as_csv(lines, kind))
    data = runs[0].record.config["data"] if runs[0].record else {}
    write(place / "sheet.html", _page(lines, kind, f"{sweep.name}-{name}", data))
    return [place / "sheet.csv", place / "sheet.html"]


def _predictions(entry: Entry) -> Predictions:
    found = read(entry.folder) if entry.folder else None
    if found is None or not found.ids:
        raise UserError(f"{entry.label}: its predictions are gone; there is nothing to rate")
    return found


def _output(told: Predictions, index: int) -> Output:
    return Output(
        told.run, told.ids[index], told.sources[index], told.references[index],
        told.hypotheses[index],
    )  # fmt: skip


def _page(lines: Sequence[dict[str, str]], kind: Kind, name: str, data: dict[str, str]) -> str:
    from markupsafe import Markup

    app = template("rate.js")
    languages = [str(data.get(key, "")).replace("_", "-") for key in ("source_lang", "target_lang")]
    sheet = {"kind": kind, "name": name, "lines": list(lines), "languages": languages}
    return environment().get_template("rate.html.j2").render(
        kind=kind,
        policy=policy([app]),
        css=Markup(template("rate.css")),  # noqa: S704
        app=Markup(app),  # noqa: S704
        data=Markup(embedded(sheet)),  # noqa: S704
    )  # fmt: skip


def evaluate(sweep: Sweep, name: str, files: Sequence[Path]) -> Result:
    """Read filled-in sheets, one a rater, and keep what they come to.

    Raises:
        UserError: naming file and line of what is no rating.
    """
    place = sweep.folder / "human" / name
    try:
        key = Key.model_validate_json((place / "key.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(f"{place}: no key of such sheets; `rate export` makes them") from error
    ratings: dict[str, dict[str, dict[str, str]]] = {}
    for file in files:
        rater = file.stem
        if rater in ratings:
            raise UserError(f"{file}: two files are called {rater}; a rater is named by the file")
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"{file}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{file}: is no UTF-8 text ({error})") from error
        ratings[rater] = human.read(text, key, str(file))
    result = human.evaluate(key, ratings)
    write(place / "result.json", result.model_dump_json(indent=1) + "\n")
    return result


def results(sweep: Sweep) -> list[Human]:
    """Every result beside a sweep, for its report."""
    labels = {entry.id: entry.label for entry in sweep.finished}
    return [
        told(Result.model_validate_json(path.read_bytes()), labels)
        for path in sorted(sweep.folder.glob("human/*/result.json"))
    ]


def told(result: Result, labels: dict[str, str]) -> Human:
    """A result in words and rows."""
    agreement = ", ".join(
        f"{scale} {value:.2f}" for scale, value in result.alpha.items() if value is not None
    )
    raters = f"{len(result.raters)} rater{'s' * (len(result.raters) != 1)}"
    agreed = f"; Krippendorff's alpha: {agreement}" if agreement else ""
    sentence = f"{raters}, {result.segments} segments{agreed}."
    preference = result.preference
    if preference is None:
        rows = [
            (labels.get(mean.run, mean.run), mean.scale, f"{mean.value:.2f}",
             f"{mean.low:.2f} to {mean.high:.2f}", str(mean.ratings))
            for mean in result.means
        ]  # fmt: skip
        return Human(sentence, ("run", "scale", "mean", "95 % interval", "ratings"), rows)
    first, second = (labels.get(r, r) for r in (preference.first, preference.second))
    rows = [
        (f"{first} preferred", str(preference.first_better)),
        (f"{second} preferred", str(preference.second_better)),
        ("neither", str(preference.equal)),
        ("p of the sign test", f"{preference.p:.3g}"),
    ]
    return Human(sentence, ("preference", "segments"), rows)
