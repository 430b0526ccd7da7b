"""The run that somebody means, found without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mtsweep import languages
from mtsweep.compare.gather import gather, searches
from mtsweep.compose import compose
from mtsweep.config import RunConfig, validate
from mtsweep.data.shots import Shots, from_json
from mtsweep.errors import UserError
from mtsweep.record import EXAMPLES, Record, RunFolder
from mtsweep.scores import direction

BEST = "best"


@dataclass(frozen=True)
class Chosen:
    """What is needed to use a run's model, or the untouched default one."""

    name: str
    config: RunConfig
    trained: Path | None
    """What was trained; ``None`` is the untouched model."""
    known: tuple[tuple[str, str], ...] = ()
    """Sources and references of its test set."""
    shots: Shots | None = None
    """What its prompt shows as examples."""
    strange: bool = False
    """Whether it was tuned, and not on the language pair that was asked for."""


def choose(
    name: str | None, output: Path, languages: tuple[str | None, str | None] | None = None
) -> Chosen:
    """A run by what people call it (:func:`find`); ``None`` is the untouched default model.

    Args:
        name: Of the run.
        output: Folder with ``runs/`` and ``sweeps/``.
        languages: Source and target language asked for, ``None`` where the run's will do; without
            it the languages of the run's data section are taken, whatever its pairs are.

    Raises:
        UserError: if there is no such run, or the languages leave several of its pairs.
    """
    if name is None:
        config, _ = spoken(untouched(), *(languages or (None, None)))
        return Chosen("untouched", config, None)
    folder, record = find(name, output)
    config, strange = configuration(folder), False
    shots = examples(folder, config)
    if languages is not None and not config.data.is_chat:
        config, strange = spoken(config, *languages)
    rows = [] if strange else _rows(folder, config)
    known = tuple((row["source"], row["reference"]) for row in rows if "source" in row)
    trained = weights(folder, record)
    return Chosen(folder.id, config, trained, known, shots, strange and trained is not None)


def find(name: str, output: Path) -> tuple[RunFolder, Record]:
    """A finished run by what people call it.

    Args:
        name: An id or its beginning, a run folder, ``best`` (of the newest sweep), or a sweep by
            name or folder, whose best run is taken.
        output: Folder with ``runs/`` and ``sweeps/``.

    Raises:
        UserError: if that is no run, more than one, or one that has not finished.
    """
    if name == BEST:
        return _best([], output)
    if any((place / "sweep.yaml").is_file() for place in (output / "sweeps" / name, Path(name))):
        return _best([name], output)
    folder = locate(name, output)
    record = folder.record()
    if record is None:
        raise UserError(
            f"{folder.path}: this run has not finished (no record.json); "
            "start its command again to go on with it"
        )
    return folder, record


def locate(name: str, output: Path) -> RunFolder:
    """A run's folder, finished or not, by the run's id, the id's beginning, or itself."""
    if (Path(name) / "config.yaml").is_file():
        return RunFolder(Path(name).resolve())
    known = sorted(path.parent for path in (output / "runs").glob("*/config.yaml"))
    found = [path for path in known if path.name == name] or [
        path for path in known if path.name.startswith(name)
    ]
    if len(found) == 1:
        return RunFolder(found[0].resolve())
    if found:
        several = ", ".join(path.name for path in found[:8])
        raise UserError(f"{name}: {len(found)} runs begin so ({several}); give more of the id")
    raise UserError(
        f"{name}: no run, run folder or sweep in {output.absolute()}; "
        "`python -m mtsweep runs` lists runs, --output-dir names another folder"
    )


def _best(sweeps: list[str], output: Path) -> tuple[RunFolder, Record]:
    """The run of a sweep with the best chrF; or by its first metric, where it has no chrF.

    Of a search it is what the dev set chose: of several seeds the best by the dev set too.
    """
    found, _ = gather(sweeps, output)
    runs = [(folder, record) for folder, record in found if record.kind == "run"]
    runs = runs or found  # a sweep of untouched models alone
    if not runs:
        raise UserError(f"{' '.join(sweeps) or BEST}: no run of this sweep has finished")
    judges = {search.metric for search in searches(sweeps, output)}
    if len(judges) == 1 and all(record.chosen.get("metric") in judges for _, record in runs):
        sign = -1 if direction(judges.pop()) == "lower" else 1
        return max(runs, key=lambda each: sign * float(each[1].chosen["value"]))
    shared = set.intersection(*(set(record.scores) for _, record in runs))
    if not shared:
        raise UserError(f"{' '.join(sweeps) or BEST}: its runs share no metric; name a run")
    metric = "chrf" if "chrf" in shared else min(shared)
    sign = runs[0][1].scores[metric].sign
    return max(runs, key=lambda each: sign * each[1].scores[metric].value)


def configuration(folder: RunFolder) -> RunConfig:
    """The configuration that a run was started with (its ``config.yaml``)."""
    path = folder.path / "config.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: no configuration of a run")
    config = validate(values)
    if isinstance(config, list):
        told = "; ".join(f"{problem.key}: {problem.complaint}" for problem in config)
        raise UserError(f"{path}: not as this version writes it ({told})")
    return config


def examples(folder: RunFolder, config: RunConfig) -> Shots | None:
    """What a run's prompt shows as examples, as the run kept it.

    Raises:
        UserError: if it shows some, and they are gone.
    """
    if not config.prompt.shots:
        return None
    path = folder.path / EXAMPLES
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: the examples of the run's prompt are gone ({error})") from error


def spoken(config: RunConfig, source: str | None, target: str | None) -> tuple[RunConfig, bool]:
    """A run's configuration for one language pair.

    Args:
        config: Of the run.
        source: Language asked for (``eng_Latn``, or ``en``); ``None`` takes the run's.
        target: Likewise.

    Returns:
        The configuration, and whether the run knows the pair not from training.

    Raises:
        UserError: if that is no language, or leaves several pairs.
    """
    wanted = [_language(option, text) for option, text in (("--from", source), ("--into", target))]
    pairs = config.data.language_pairs
    fit = [pair for pair in pairs if all(w in (None, p) for w, p in zip(wanted, pair, strict=True))]
    if len(fit) > 1:
        listed = ", ".join(f"{one} to {other}" for one, other in fit)
        raise UserError(f"it translates {listed}: choose with --from and --into")
    own = (config.data.source_lang, config.data.target_lang)
    pair = fit[0] if fit else tuple(w or p for w, p in zip(wanted, own, strict=True))
    if pair[0] == pair[1]:
        raise UserError(f"--from and --into are both {pair[0]}")
    changed = {"source_lang": pair[0], "target_lang": pair[1]}
    return config.model_copy(update={"data": config.data.model_copy(update=changed)}), not fit


def _language(option: str, text: str | None) -> str | None:
    try:
        return None if text is None else languages.code(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from error


def _rows(folder: RunFolder, config: RunConfig) -> list[dict[str, Any]]:
    """The predictions of a run on its main test set, of the configuration's language pair."""
    pair = [config.data.source_lang, config.data.target_lang]
    return [row for row in folder.predictions("test") if row.get("languages", pair) == pair]


def untouched() -> RunConfig:
    """The configuration of a command without overrides, whose model nobody has tuned."""
    return compose([], lambda _: None)[0].config


def weights(folder: RunFolder, record: Record) -> Path | None:
    """What a run trained, in its folder or in that of a run trained the same way.

    Returns:
        ``None`` for a base row, which trained nothing.

    Raises:
        UserError: if the weights are gone.
    """
    if record.kind == "base":
        return None
    for path in (folder.path, *sorted(folder.path.parent.glob("*"))):
        each = RunFolder(path)
        told = each.training()
        if told and told.train_id == record.train_id and each.trained:
            return each.trained
    raise UserError(
        f"{folder.path}: its weights were removed, only its record is left; remove the run "
        f"(`python -m mtsweep runs remove {folder.id}`) and start its command again"
    )
