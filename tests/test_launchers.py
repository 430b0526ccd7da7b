"""What may be said of a launcher, and what is answered to what may not."""

from __future__ import annotations

import importlib.util
import re

import pytest

from mtsweep import device
from mtsweep.config import SweepConfig
from mtsweep.config.launcher import Joblib, Local, Ray, SubmititLocal, SubmititSlurm, describe
from mtsweep.errors import MissingExtraError
from mtsweep.sweep.away.choose import scheduler
from mtsweep.sweep.away.schedulers import seats_here
from tests.overrides import composed, refused

TINY = ["model=tiny_causal", "trainer=smoke"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("local", Local),
        ("submitit_local", SubmititLocal),
        ("submitit_slurm", SubmititSlurm),
        ("joblib", Joblib),
        ("ray", Ray),
    ],
)
def test_a_launcher_is_chosen_by_the_name_that_hydra_users_know(name, kind):
    jobs = composed("-m", "lora.r=2,4", *TINY, f"hydra/launcher={name}")
    assert [type(job.launcher) for job in jobs] == [kind, kind]
    assert [job.config.lora.r for job in jobs] == [2, 4]


def test_a_single_run_is_sent_away_too():
    (job,) = composed(*TINY, "hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu")
    assert isinstance(job.launcher, SubmititSlurm)
    assert job.launcher.partition == "gpu"


def test_defaults_are_safe():
    slurm, here, joblib = SubmititSlurm(), SubmititLocal(), Joblib()
    assert slurm.gpus_per_node == 1
    assert slurm.timeout_min == 24 * 60
    assert slurm.max_num_timeout > 0
    assert here.array_parallelism == 1
    assert joblib.n_jobs == 2


def test_any_option_of_sbatch_can_be_given():
    (job,) = composed(
        *TINY, "hydra/launcher=submitit_slurm", "hydra.launcher.setup=[module load cuda]",
        "hydra.launcher.additional_parameters.reservation=mine",
    )  # fmt: skip
    assert isinstance(job.launcher, SubmititSlurm)
    assert job.launcher.setup == ("module load cuda",)
    assert job.launcher.additional_parameters == {"reservation": "mine"}


def test_ones_own_launcher_adds_to_a_shipped_one(here):
    folder = here / "conf" / "hydra" / "launcher"
    folder.mkdir(parents=True)
    told = "defaults: [submitit_slurm, _self_]\npartition: big\ngpus_per_node: 4\n"
    (folder / "ours.yaml").write_text(told)
    (job,) = composed(*TINY, "hydra/launcher=ours", "hydra.launcher.account=me")
    assert isinstance(job.launcher, SubmititSlurm)
    assert (job.launcher.partition, job.launcher.account) == ("big", "me")
    assert describe(job.launcher) == "jobs of Slurm, partition big, 4 GPUs a job"


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        (SubmititSlurm(), "submitit"),
        (SubmititLocal(), "submitit"),
        (Joblib(), "joblib"),
        (Ray(), "ray"),
    ],
)
def test_a_library_that_is_not_installed_is_told_with_its_extra(options, extra, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=re.escape(f"pip install 'mtsweep[{extra}]'")):
        scheduler(options, SweepConfig())


def test_jobs_on_one_machine_share_out_its_cores_or_its_gpus(monkeypatch):
    monkeypatch.setattr(device, "gpus", tuple)
    monkeypatch.setattr(device, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [seat.environment["OMP_NUM_THREADS"] for seat in seats_here(SweepConfig(), 4)] == 4 * [
        "2"
    ]
    two = tuple(device.Gpu(str(n), "H100", 1 << 36, 1 << 36) for n in range(2))
    monkeypatch.setattr(device, "gpus", lambda: two)
    shared = [seat.environment["CUDA_VISIBLE_DEVICES"] for seat in seats_here(SweepConfig(), 4)]
    assert shared == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "key", "complaint"),
    [
        (
            ["hydra/launcher=submitit_slurm", "hydra.launcher.partitionn=x"],
            "hydra.launcher.partitionn",
            "no such key; did you mean hydra.launcher.partition?",
        ),
        (
            ["hydra/launcher=joblib", "hydra.launcher.partition=x"],
            "hydra.launcher.partition",
            "no option of hydra/launcher=joblib",
        ),
        (
            ["hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=soon"],
            "hydra.launcher.timeout_min",
            "should be a valid integer",
        ),
        (
            ["hydra/launcher=ray", "hydra.launcher.ray.init.num_cpus=0"],
            "hydra.launcher.ray.init.num_cpus",
            "should be greater than 0",
        ),
        (["hydra/launcher=slurm"], "hydra/launcher", "joblib, local, ray"),
    ],
)
def test_what_cannot_be_is_told_with_key_and_remedy(arguments, key, complaint):
    for multirun in ([], ["-m"]):
        (problem,) = refused(*multirun, *TINY, *arguments).problems
        assert problem.key == key
        assert complaint in problem.complaint
