"""Who a run is: it is named by its content.

The ``id`` hashes every value that can change a run's result, the data's fingerprint and the model's
revision. Names, paths, tracking and logging never count.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mtsweep import data
from mtsweep.compose import Job
from mtsweep.config import DataConfig, PromptConfig, RunConfig, also
from mtsweep.data.pairs import Corpus
from mtsweep.data.shots import Shots, shots
from mtsweep.errors import UserError
from mtsweep.estimate import estimate
from mtsweep.models import families
from mtsweep.models.locate import locate
from mtsweep.plan import content
from mtsweep.plan.match import check_fit, check_trains, room
from mtsweep.record import RunFolder
from mtsweep.standing import Run


def identify(job: Job) -> Run:
    """Give a run its ids; where it stands is looked up later.

    Raises:
        UserError: if its data or model are not there, or do not fit each other.
    """
    config = job.config
    corpus = data.load(config.data)
    located = locate(config.model)
    family = families.recognise(located.config, located.tokenizer_config)
    check_fit(config, located, family)
    guess = estimate(config, located.config, corpus)
    check_trains(config, guess)
    shown = _shots(config.data, config.prompt, room(config, located))  # pyright: ignore[reportArgumentType] - frozen
    model = content.weights(config.model, located)
    prompt = content.prompting(config, family, shown)
    training = content.training(config, corpus, model, prompt)
    further = _also(config)
    scoring = content.scoring(config, corpus, family, further)
    base_id = digest(content.base(config, corpus, model, prompt, shown) | scoring)
    # A run that trains nothing is its base row.
    untouched = config.lora.method == "untouched"
    run_id = base_id if untouched else digest(training | scoring | content.mixing(config))
    runs = Path(config.output_dir) / "runs"
    return Run(
        config=config,
        overrides=job.overrides,
        corpus=corpus,
        located=located,
        family=family,
        id=run_id,
        train_id=base_id if untouched else digest(training),
        base_id=base_id,
        folder=RunFolder(runs / run_id),
        base_folder=RunFolder(runs / base_id),
        guess=guess,
        also=further,
        shots=shown,
    )


def digest(value: object) -> str:
    """First 12 hex digits of SHA-256 over what JSON can say."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


@lru_cache(maxsize=16)
def _shots(section: DataConfig, prompt: PromptConfig, limit: int | None) -> Shots | None:
    """What prompts may show: the same object for all runs that show the same."""
    return shots(data.load(section), prompt, limit)


@lru_cache(maxsize=16)
def _held_out(section: DataConfig) -> Corpus:
    """A corpus that nothing is trained on."""
    return replace(data.load(section), train=(), dev=())


def _also(config: RunConfig) -> dict[str, Corpus]:
    """The further test sets; their training pairs stay behind."""
    found = {}
    for name, section in also(config).items():
        try:
            found[name] = _held_out(section)  # pyright: ignore[reportArgumentType] - frozen
        except UserError as error:
            key, _, complaint = str(error).removeprefix("data.").partition(": ")
            raise UserError(f"evaluation.also.{name}.{key}: {complaint}") from error
    return found
