"""Scores triples with unbabel-comet: run as a file, by a Python that need not know mtsweep.

unbabel-comet wants transformers 4, so it lives in an environment of its own. Reads JSON lines
(``src``, ``mt``, ``ref``) and adds to another file a JSON line with the score of each, in the same
order; a part at a time, so that what is done stays done.

    python comet_worker.py MODEL TRIPLES SCORES BATCH_SIZE
"""

import importlib
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PART = 2048


def main(name: str, triples: str, scores: str, batch_size: str) -> None:
    """Score all triples that have no score yet."""
    # Modules beside this file are not meant.
    here = Path(__file__).resolve().parent
    sys.path[:] = [each for each in sys.path if Path(each).resolve() != here]
    comet = importlib.import_module("comet")
    path = name if Path(name).is_file() else comet.download_model(name)
    model = comet.load_from_checkpoint(path)
    wanted = [
        json.loads(line) for line in Path(triples).read_text(encoding="utf-8").split("\n") if line
    ]
    with Path(scores).open("a", encoding="utf-8") as out:
        out.write(json.dumps({"comet": _version()}) + "\n")
        for start in range(0, len(wanted), PART):
            part = wanted[start : start + PART]
            told = model.predict(part, batch_size=int(batch_size), gpus=_gpus(), progress_bar=False)
            out.writelines(json.dumps(float(score)) + "\n" for score in told["scores"])
            out.flush()


def _version() -> str:
    try:
        return version("unbabel-comet")
    except PackageNotFoundError:
        return "unknown"


def _gpus() -> int:
    import torch

    return int(torch.cuda.is_available())


if __name__ == "__main__":
    main(*sys.argv[1:])
