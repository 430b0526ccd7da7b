"""One file of a repository of the Hugging Face hub, or one clear line on why it cannot be had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mtsweep.errors import UserError


class NoSuchFileError(UserError):
    """The hub has the repository, but not this file of it."""


@dataclass(frozen=True)
class _Words:
    """How a kind of repository is spoken of."""

    section: str
    key: str
    noun: str
    like: str
    without: str


_WORDS = {
    "model": _Words("model", "model.name", "model", "a hub id", "model=smollm2"),
    "dataset": _Words("data", "data.dataset", "data set", "a name", "data=phrasebook"),
}


def fetched(name: str, file: str, revision: str | None, kind: Literal["model", "dataset"]) -> Path:
    """A file of a repository, out of the hub cache or from the hub.

    Raises:
        NoSuchFileError: if the repository lacks it.
        UserError: with the remedy, if the repository is missing, gated, or out of reach.
    """
    from huggingface_hub import errors, hf_hub_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # it tells each of its retries
    words = _WORDS[kind]
    where = f"{words.key}: {name}"
    try:
        return Path(hf_hub_download(name, file, revision=revision, repo_type=kind))
    except errors.GatedRepoError as error:
        raise UserError(
            f"{where} is gated: accept its terms on its hub page, then `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"{where} is no {words.noun} on the hub (or a private one: `hf auth login`), nor a "
            "folder here"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{words.section}.revision: {name} has no revision {revision!r}") from error
    except errors.HFValidationError as error:
        raise UserError(f"{where} is neither a folder nor {words.like} like owner/name") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise UserError(
            f"{where} is not in the hub cache, and the hub cannot be reached; connect once, or set "
            f"HF_HUB_CACHE to a folder that holds it ({words.without} needs no hub)"
        ) from error
    except errors.EntryNotFoundError as error:
        raise NoSuchFileError(f"{where} holds no {file}") from error
    except OSError as error:
        raise UserError(f"{where} cannot be fetched from the hub: {error}") from error
