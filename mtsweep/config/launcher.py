"""Where runs are done: on this machine, or as jobs of a scheduler (``hydra/launcher=``).

Options have the names that the schedulers' own Hydra launchers gave them. Defaults of your own are
``conf/hydra/launcher/NAME.yaml``, with ``defaults: [submitit_slurm, _self_]`` and what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from mtsweep.config.section import Section
from mtsweep.errors import Problem


class Local(Section):
    """Worker processes of this machine (``hydra/launcher=local``)."""

    kind: Literal["local"] = "local"


class _Jobs(Section):
    """What all schedulers have in common."""

    runs_per_job: PositiveInt | None = None
    """Runs that travel as one job, at most, and share a base model in memory. Null: on one machine
    as many as give every place a job, elsewhere all that share a base model."""


class _Submitit(_Jobs):
    """What submitit is told; null leaves a value to the scheduler."""

    timeout_min: PositiveInt = 1440
    """Minutes that a job may take; a run that is not through by then goes on in the next job."""
    cpus_per_task: PositiveInt | None = None
    gpus_per_node: NonNegativeInt | None = None
    """GPUs of a job; each gets a worker of its own."""
    mem_gb: PositiveFloat | None = None
    name: str = "mtsweep"
    """Of the jobs, for people who look at the queue."""
    array_parallelism: PositiveInt = 256
    """Jobs that are submitted and not through, at most."""
    signal_delay_s: PositiveInt = 120
    """Seconds between the warning before a job's end, which makes runs write a checkpoint, and the
    end."""
    max_num_timeout: NonNegativeInt = 20
    """How often a job that ran out of time is queued again to go on."""
    setup: tuple[str, ...] | None = None
    """Shell commands before the job starts (``module load …``)."""


class SubmititLocal(_Submitit):
    """Jobs of submitit on this machine: a rehearsal of what a cluster would do."""

    kind: Literal["submitit_local"] = "submitit_local"
    array_parallelism: PositiveInt = 1
    """Jobs at once; cores and GPUs are shared out among them."""


class SubmititSlurm(_Submitit):
    """Jobs of Slurm; ``output_dir`` must be on a file system that the nodes share."""

    kind: Literal["submitit_slurm"] = "submitit_slurm"
    cpus_per_task: PositiveInt | None = 4
    gpus_per_node: NonNegativeInt | None = 1
    """GPUs of a job, each with a worker of its own; 0 where the cluster has none."""
    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    nodelist: str | None = None
    gres: str | None = None
    mem_per_gpu: str | None = None
    mem_per_cpu: str | None = None
    comment: str | None = None
    additional_parameters: dict[str, Any] = {}
    """Any other option of ``sbatch``."""


class Joblib(_Jobs):
    """Jobs of joblib."""

    kind: Literal["joblib"] = "joblib"
    n_jobs: PositiveInt = 2
    """Jobs at once; cores are shared out among them, and each gets a GPU of its own where there
    are GPUs."""
    backend: str | None = None
    """Null is joblib's own: processes on this machine."""


class RayInit(Section):
    """How Ray is reached (``ray.init``)."""

    address: str | None = None
    """Of a cluster (``auto``, ``ray://…``); null starts Ray on this machine for the sweep alone."""
    num_cpus: PositiveInt | None = None
    num_gpus: NonNegativeInt | None = None
    include_dashboard: bool = False
    namespace: str | None = None
    runtime_env: dict[str, Any] | None = None
    temp_dir: str | None = Field(default=None, alias="_temp_dir")


class RayRemote(Section):
    """What a job takes of Ray's resources (``ray.remote``)."""

    num_cpus: PositiveFloat = 1
    num_gpus: NonNegativeInt | None = None
    """Null is one where the cluster has any."""
    memory: PositiveInt | None = None
    """Bytes."""
    resources: dict[str, float] | None = None


class RaySection(Section):
    """``ray.init`` and ``ray.remote``."""

    init: RayInit = RayInit()
    remote: RayRemote = RayRemote()


class Ray(_Jobs):
    """Tasks of Ray; on several machines ``output_dir`` must be on a file system that they share."""

    kind: Literal["ray"] = "ray"
    ray: RaySection = RaySection()


Scheduled = SubmititLocal | SubmititSlurm | Joblib | Ray
Launcher = Local | Scheduled

_KINDS: TypeAdapter[Launcher] = TypeAdapter(Annotated[Launcher, Field(discriminator="kind")])


def defaults() -> dict[str, dict[str, Any]]:
    """Launcher to its options, as Hydra gets them."""
    made = [kind() for kind in get_args(Scheduled)]
    return {each.kind: each.model_dump(mode="json", by_alias=True) for each in made}


def describe(launcher: Launcher) -> str:
    """One phrase for the banner."""
    match launcher:
        case SubmititSlurm():
            partition = f", partition {launcher.partition}" if launcher.partition else ""
            gpus = launcher.gpus_per_node or 0
            each = f", {gpus} GPU{'s' * (gpus > 1)} a job" if gpus else ", no GPU"
            return f"jobs of Slurm{partition}{each}"
        case SubmititLocal():
            return f"jobs of submitit on this machine, {launcher.array_parallelism} at once"
        case Joblib():
            return f"jobs of joblib, {launcher.n_jobs} at once"
        case Ray():
            return f"tasks of Ray, {launcher.ray.init.address or 'on this machine'}"
        case Local():
            return ""


_OPEN = ("additional_parameters", "ray.init.runtime_env", "ray.remote.resources")
"""Options with names of the user's own below them."""


def launcher_keys() -> list[str]:
    """Every dotted key of a launcher."""
    found: list[str] = []
    for kind in get_args(Scheduled):
        for name, field in kind.model_fields.items():
            if field.annotation is not RaySection:
                found.append(f"hydra.launcher.{name}")
    for name, section in (("init", RayInit), ("remote", RayRemote)):
        found += [
            f"hydra.launcher.ray.{name}.{field.alias or key}"
            for key, field in section.model_fields.items()
        ]
    return list(dict.fromkeys(found))


def is_launcher_key(key: str) -> bool:
    """Whether a dotted key is an option of some launcher, or one below an open one."""
    return key in launcher_keys() or any(
        key.startswith(f"hydra.launcher.{name}.") for name in _OPEN
    )


def launcher(values: Mapping[str, Any]) -> Launcher | list[Problem]:
    """The typed options of a launcher, or everything that is wrong with them.

    Args:
        values: Of ``hydra.launcher``; what begins with an underscore is Hydra's own.
    """
    kept = {key: value for key, value in values.items() if not key.startswith("_")}
    try:
        return _KINDS.validate_python({"kind": "local", **kept})
    except ValidationError as error:
        kind = str(kept.get("kind", "local"))
        return [_problem(detail, kind) for detail in error.errors()]


def _problem(detail: ErrorDetails, kind: str) -> Problem:
    key = ".".join(["hydra.launcher", *map(str, detail["loc"][1:])])
    if detail["type"] == "extra_forbidden":
        return Problem(key, f"no option of hydra/launcher={kind}")
    said = detail["msg"].removeprefix("Input should be ")
    return Problem(key, f"should be {said}, not {detail['input']!r}")
