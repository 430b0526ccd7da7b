"""What may be said of a launcher, and what is answered to what may not."""

from __future__ import annotations

import pytest

from mtsweep.config.launcher import Joblib, Local, Ray, SubmititLocal, SubmititSlurm, describe
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
