"""The model card of a run (``README.md`` on the hub), written from its records."""

from __future__ import annotations

import re

from mtsweep.card import licences
from mtsweep.card.content import Content, content
from mtsweep.card.metadata import metadata
from mtsweep.card.subject import Format, Subject, subject
from mtsweep.errors import UserError
from mtsweep.report.markdown import escaped, fenced

__all__ = ["Format", "Subject", "SAMPLES", "card", "chosen_format", "subject"]

SAMPLES = 5
"""Test segments that a card shows, where the data are not the publisher's own files."""


def chosen_format(subject: Subject, wanted: Format | None) -> Format:
    """What ships: as asked for, else what has exactly what was scored.

    Raises:
        UserError: if the run cannot be shipped like that.
    """
    if wanted == "peft" and not subject.has_adapter:
        raise UserError(f"--format peft: {subject.folder.id} trained every weight; use merged")
    if wanted == "peft" and subject.base_model is None:
        raise UserError(
            f"--format peft: the base model {subject.base_name} is on no hub, so nobody could put "
            "the adapter on it; use --format merged"
        )
    return wanted or subject.default_format


def card(
    subject: Subject,
    name: str,
    shipped: Format,
    samples: int | None = None,
    licence: str | None = None,
    proof: str = "",
) -> str:
    """The card as Markdown with its YAML head.

    Args:
        subject: The run.
        name: ``owner/name`` on the hub.
        shipped: What stands there.
        samples: Test segments that are shown; ``None`` shows none of the publisher's own files.
        licence: Of what ships; ``None`` takes the base model's, where it is known.
        proof: That what stands there says what was scored, where that was seen.
    """
    if samples is None:
        samples = 0 if subject.own_files else SAMPLES
    told = licence or licences.of_model(subject)
    head = metadata(subject, name, shipped, told)
    body = _rendered(content(subject, name, shipped, samples, told, proof))
    return f"---\n{head}\n---\n\n{body}"


def _rendered(told: Content) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Markdown, where everything out of data is escaped by the filter md.
    made = Environment(  # noqa: S701
        loader=PackageLoader("mtsweep.card"), undefined=StrictUndefined, autoescape=False,
        trim_blocks=False, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters |= {"md": escaped, "fenced": fenced}
    text = made.get_template("card.md.j2").render(card=told)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
