"""To the hub, through its own client; whatever goes wrong is told in one line with its remedy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mtsweep import __version__
from mtsweep.errors import MtsweepError, UserError
from mtsweep.publish import scan
from mtsweep.publish.folder import Parcel

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

_LOGIN = "`hf auth login`, or set HF_TOKEN to a token with the right to write"
_OUTAGE = 500
_TOO_MANY = 429


def checked_name(name: str) -> str:
    """A repository's name, as the hub takes it.

    Raises:
        UserError: if it does not.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    owner, slash, own = name.partition("/")
    if not (owner and slash and own) or "/" in own:
        raise UserError(f"{name}: a repository is called owner/name, with your user's name before")
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(
            f"{name}: no name for a repository (letters, digits, - _ . and 96 characters at most; "
            "no -- or .. in it, neither - nor . at an end)"
        ) from error
    return name


def welcome(name: str) -> None:
    """See that somebody is logged in who may write there, before anything is made.

    Raises:
        UserError: if not, with the remedy.
        MtsweepError: if the hub cannot be reached.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise UserError(f"{name}: nobody is logged in to the hub: {_LOGIN}")
    with _told(name):
        told = _api().whoami()
    owner = name.partition("/")[0]
    mine = {str(told.get("name")), *(str(org.get("name")) for org in told.get("orgs") or ())}
    if owner not in mine:
        raise UserError(
            f"{name}: the token is of {told.get('name')}, who does not belong to {owner}; "
            f"there are: {', '.join(sorted(mine))}"
        )
    role = ((told.get("auth") or {}).get("accessToken") or {}).get("role")
    if role == "read":
        raise UserError(f"{name}: the token may only read: {_LOGIN}")


def send(parcel: Parcel, name: str, run_id: str, *, private: bool) -> str:
    """Make the repository where it is not there yet, and put the folder there in one commit.

    Files of an earlier push that are not part of this one go in the same commit; others stay.

    Args:
        parcel: What goes out.
        name: ``owner/name``.
        run_id: For the commit's message.
        private: Whether only the owner may see it.

    Returns:
        Address of the repository.

    Raises:
        UserError: if the hub refuses it, or a private one was asked for and it is public.
        MtsweepError: if the hub cannot be reached.
    """
    api = _api()
    with _told(name):
        address = api.create_repo(name, private=private or None, exist_ok=True)
        if private and not api.model_info(name).private:
            raise UserError(
                f"{name}: is there already and is public; make it private on its page first, or "
                "choose another name"
            )
        # Not upload_folder, which may make several commits of a folder: half a model is none.
        api.create_commit(
            name,
            [*_deletions(api.list_repo_files(name), parcel), *_additions(parcel)],
            commit_message=f"Run {run_id} of mtsweep {__version__}",
        )
    return str(address)


def _additions(parcel: Parcel) -> Iterator[CommitOperationAdd]:
    from huggingface_hub import CommitOperationAdd

    for path in parcel.files:
        yield CommitOperationAdd(path_in_repo=path, path_or_fileobj=parcel.folder / path)


def _deletions(there: Iterable[str], parcel: Parcel) -> Iterator[CommitOperationDelete]:
    """Files that a model would be loaded from, and that are not part of this one."""
    from huggingface_hub import CommitOperationDelete

    for path in there:
        if scan.kind(path) is not None and path not in parcel.files:
            yield CommitOperationDelete(path_in_repo=path)


def _api() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(library_name="mtsweep", library_version=__version__)


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Word what the client raises."""
    # Of httpx or of httpx2, by the version of the client.
    from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]

    try:
        yield
    except MtsweepError:
        raise
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        raise _meant(name, error) from error


def _meant(name: str, error: Exception) -> MtsweepError:
    """What an exception of the client comes to, for the user."""
    from huggingface_hub import errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        return UserError(f"{name}: HF_HUB_OFFLINE is set; unset it to push")
    if isinstance(error, errors.LocalTokenNotFoundError):
        return UserError(f"{name}: nobody is logged in to the hub: {_LOGIN}")
    if isinstance(error, errors.HfHubHTTPError):
        return _worded(name, error)
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        return _meant(name, error.__cause__)  # of the upload of a large file
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return UserError(f"{name}: the hub refuses it: {_lines(error)}")
    return MtsweepError(
        f"{name}: the hub cannot be reached ({_lines(error)}); the same command tries again"
    )


def _worded(name: str, error: Exception) -> MtsweepError:
    """What an answer of the hub means."""
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else _OUTAGE
    said = getattr(error, "server_message", None) or _lines(error)
    if status >= _OUTAGE or status == _TOO_MANY:
        return MtsweepError(
            f"{name}: the hub does not answer as it should ({status}: {said}); the same command "
            "tries again"
        )
    if status == 401:
        return UserError(f"{name}: the hub does not know this token (any more): {_LOGIN}")
    if status in {403, 404}:
        return UserError(f"{name}: this token has no right to write there ({said}): {_LOGIN}")
    return UserError(f"{name}: the hub refuses it ({status}: {said})")


def _lines(error: BaseException) -> str:
    """The text of an exception, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
