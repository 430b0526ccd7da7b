"""Which runs are one setting, in what settings differ, and which may be ranked together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtsweep.config import completed
from mtsweep.record import Record, RunFolder

Found = tuple[RunFolder, Record]

_NEVER = (
    "output_dir", "sweep.", "tracking.", "evaluation.", "seed", "model.license", "data.license",
)  # fmt: skip
_SCORED = ("evaluation.interpolate",)
"""Keys of a section that else says what is scored, which change the model."""
_BATCH = ("trainer.per_device_train_batch_size", "trainer.gradient_accumulation_steps")
_GUARDED = {"prompt": "prompt", "decoding": "decoding", "effective batch": "trainer"}


@dataclass(frozen=True)
class Setting:
    """Runs that differ in the seed alone, or a base row."""

    members: tuple[Found, ...]

    @property
    def record(self) -> Record:
        """Of the first seed."""
        return self.members[0][1]

    @property
    def key(self) -> str:
        """Id of the first run."""
        return self.record.id

    @property
    def base(self) -> bool:
        """Whether it is the untouched model."""
        return self.record.kind == "base"


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys of a configuration with their values, without what cannot change a result."""
    for name, value in config.items():
        key = prefix + name
        if key.startswith(_NEVER) and key not in _SCORED:
            continue
        if isinstance(value, Mapping):
            yield from flat(value, f"{key}.")
        else:
            yield key, value


def configuration(record: Record) -> dict[str, Any]:
    """Of a run, as this version would have written it."""
    return completed(record.config)


def settings(found: Sequence[Found]) -> list[Setting]:
    """Group runs by everything but the seed, in the order they come; base rows stand first."""
    grouped: dict[str, list[Found]] = {}
    for folder, record in found:
        data = record.data
        content = [data.get("fingerprint"), data.get("test_fingerprint"), _precision(record)]
        same = [record.kind, dict(flat(configuration(record))), content]
        name = record.id if record.kind == "base" else json.dumps(same, sort_keys=True, default=str)
        grouped.setdefault(name, []).append((folder, record))
    made = [
        Setting(tuple(sorted(each, key=lambda one: one[1].config.get("seed") or 0)))
        for each in grouped.values()
    ]
    return sorted(made, key=lambda setting: not setting.base)


def axes(runs: Sequence[Setting]) -> dict[str, tuple[str, ...]]:
    """Keys in which runs differ, each with those that change along with it.

    A group's name stands for what its option sets (``lora`` for ``lora=lora,dora``).
    """
    configs = [dict(flat(configuration(run.record))) for run in runs]
    keys = list(dict.fromkeys(key for config in configs for key in config))
    columns = {key: [_text(config.get(key)) for config in configs] for key in keys}
    differ = [key for key in keys if len(set(columns[key])) > 1]
    told: dict[str, tuple[str, ...]] = {}
    for key in sorted(differ, key=lambda key: not key.endswith(".name")):
        twin = next((axis for axis in told if _follows(columns[key], columns[axis])), None)
        if twin is None:
            told[key] = ()
        else:
            told[twin] = (*told[twin], key)
    return told


def _follows(one: Sequence[str], other: Sequence[str]) -> bool:
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


def _text(value: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    return json.dumps(value, sort_keys=True, default=str)


def varied(everything: Sequence[Setting]) -> list[str]:
    """Keys that the question varies.

    Those in which runs differ, and of the prompt also those in which base rows do: nobody has an
    untouched model scored under several prompts without asking about them.
    """
    told = axes([setting for setting in everything if not setting.base])
    keys = {key for axis, twins in told.items() for key in (axis, *twins)}
    prompts = axes([setting for setting in everything if setting.base])
    between = {key for axis, twins in prompts.items() for key in (axis, *twins)}
    return sorted(keys | {key for key in between if key.startswith("prompt.")})


def labels(everything: Sequence[Setting], names: Sequence[str]) -> dict[str, str]:
    """What settings are called, by key.

    Args:
        everything: Settings, base rows among them.
        names: Axes.
    """
    bases = [setting for setting in everything if setting.base]
    called = base_names([configuration(setting.record) for setting in bases])
    prompted = any("prompt=" in name for name in called) and "prompt.name" not in names
    told = {
        setting.key: f"tuned {_label(setting, [*names, 'prompt.name'])}"
        if prompted
        else _label(setting, names)
        for setting in everything
        if not setting.base
    }
    return told | {setting.key: name for setting, name in zip(bases, called, strict=True)}


def base_names(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What untouched models are called: ``base``, and of several what tells them apart.

    Args:
        configs: Of a run of each.
    """
    if len(configs) < 2:
        return ["base"] * len(configs)
    told = [
        {
            "model": config["model"]["name"].rpartition("/")[2],
            "prompt": f"prompt={config['prompt']['name']}",
            "data": config["data"]["name"],
            "languages": "-".join(
                config["data"][side][:3] for side in ("source_lang", "target_lang")
            ),
        }
        for config in configs
    ]
    differ = [key for key in told[0] if len({each[key] for each in told}) > 1] or ["model"]
    bits = ["4-bit" if config["lora"].get("load_in_4bit") else "" for config in configs]
    return [
        " ".join(filter(None, ["base", bit, *(each[key] for key in differ)]))
        for bit, each in zip(bits, told, strict=True)
    ]


def _label(setting: Setting, names: Sequence[str]) -> str:
    """What a run is called: its values of the axes."""
    config = dict(flat(configuration(setting.record)))
    model = str(config.get("model.name", "")).rpartition("/")[2]
    told = [f"{key.removesuffix('.name')}={_short(config.get(key))}" for key in names]
    return " ".join(told) or model or setting.key


def _short(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "[" + ",".join(map(str, value)) + "]"
    return "null" if value is None else str(value).rpartition("/")[2]


def traits(setting: Setting) -> dict[str, str]:
    """What must be equal for two rows to be ranked together, by the words for it."""
    record = setting.record
    config = configuration(record)
    batch = [{**_trainer(config), **record.adjusted}.get(key.partition(".")[2]) for key in _BATCH]
    told = {
        "test set": str(record.data.get("test_fingerprint")),
        "language pair": _text([config["data"]["source_lang"], config["data"]["target_lang"]]),
        "prompt": _text(config["prompt"]),
        "decoding": _text({k: v for k, v in config["decoding"].items() if k != "batch_size"}),
        "metric signature": _text({name: s.signature for name, s in record.scores.items()}),
        "precision": _precision(record),
    }
    known = [each for each in batch if isinstance(each, int)]
    if not setting.base and len(known) == 2:
        told["effective batch"] = str(known[0] * known[1])
    return told


def _precision(record: Record) -> str:
    return str(record.environment.get("precision"))


def _trainer(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config["trainer"]


def excused(swept: Sequence[str]) -> set[str]:
    """Traits that the question itself varies, by the keys that were swept."""
    told = set()
    for trait, section in _GUARDED.items():
        keys = _BATCH if trait == "effective batch" else (f"{section}.",)
        if any(key.startswith(keys) for key in swept):
            told.add(trait)
    if any(key.startswith("model.") for key in swept):
        told |= {"precision"}
    return told


def pools(all_settings: Sequence[Setting], swept: Sequence[str]) -> list[list[Setting]]:
    """Settings that may be ranked together; a base row joins every pool that it fits."""
    free = excused(swept)
    made: dict[str, list[Setting]] = {}
    told = {
        setting.key: {k: v for k, v in traits(setting).items() if k not in free}
        for setting in all_settings
    }
    for setting in all_settings:
        if not setting.base:
            made.setdefault(_text(told[setting.key]), []).append(setting)
    for members in made.values():
        wanted = told[members[0].key]
        fits = [
            setting
            for setting in all_settings
            if setting.base and all(wanted[k] == v for k, v in told[setting.key].items())
        ]
        members[:0] = fits
    return list(made.values()) or [list(all_settings)]
