"""What has no place in anything that is published: paths of a machine, names, keys."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

_PATH = re.compile(
    r"""(?<![\w.:/~-])(?:file://)?(?:~|(?:\.\./)*\.\.)?/(?:[^\s/"'`,;:|)\]}<>]+/)+([^\s/"'`,;:|)\]}<>]*)"""
    r"""|\b[A-Za-z]:\\(?:[^\s\\"'`,;|)\]}]+\\)*([^\s\\"'`,;|)\]}]*)"""
)
_KEYS = (
    ("a Hugging Face token", re.compile(r"\bhf_[A-Za-z0-9]{20,}")),
    ("an API key", re.compile(r"\b(?:sk|gsk|rk)[-_][A-Za-z0-9_-]{20,}")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})")),
    ("an AWS key", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a password in an address", re.compile(r"\b[a-z][a-z+]*://[^\s/:@]+:[^\s/@]+@")),
)
_SECRET_NAMES = re.compile(r"(?:TOKEN|KEY|SECRET|PASSWORD|PASSWD|AUTH)$")
_LEAST = 8
"""Characters of a secret out of the environment; a shorter one would be found everywhere."""
_NOBODY = {"root", "user", "admin", "ubuntu", "runner", "app", "nobody", "jovyan", "home"}
"""Users that say nothing about a person."""


def scrubbed(text: str) -> str:
    """Text with absolute paths, and paths out of the folder, cut down to their last part."""
    return _PATH.sub(lambda found: found[1] or found[2] or "…", text)


Kind = Literal["configuration", "prose", "vocabulary"]


def secrets(text: str, kind: Kind) -> Iterator[str]:
    """What of a machine or a person stands in a text, in words that do not repeat it.

    Args:
        text: Of a file that is to be published.
        kind: A configuration has no business with any absolute path; prose may speak of paths, and
            only those count that this machine has; a vocabulary may hold anything but keys.
    """
    for told, pattern in _KEYS:
        if pattern.search(text):
            yield told
    for name, value in os.environ.items():
        if _SECRET_NAMES.search(name) and len(value) >= _LEAST and value in text:
            yield f"the value of ${name}"
    if kind == "vocabulary":
        return
    for found in _PATH.finditer(text):
        if kind == "configuration" or _is_here(found[0]):
            yield f"a path ({scrubbed(found[0])})"
            break
    user = _user()
    if user and re.search(rf"(?<![\w-]){re.escape(user)}(?![\w-])", text):
        yield "the user's name"


def _is_here(path: str) -> bool:
    """Whether this machine has the folder of a path, two levels deep at least."""
    try:
        folder = Path(path.removeprefix("file://")).expanduser().parent
        return len(folder.parts) > 2 and folder.is_dir()
    except (OSError, RuntimeError, ValueError):
        return False


def _user() -> str:
    """Name of the user, where it says something about a person."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return ""
    return "" if len(name) < 4 or name in _NOBODY else name
