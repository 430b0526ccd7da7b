"""What every section is made of: frozen values, refusals in words, types with bounds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mtsweep import languages


class Section(BaseModel):
    """A frozen group of values; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


def refusal(complaint: str) -> PydanticCustomError:
    """What a validator raises; the complaint is shown as it stands."""
    return PydanticCustomError("refused", "{complaint}", {"complaint": complaint})


def _language(value: object) -> object:
    if complaint := languages.complaint(value):
        raise refusal(complaint)
    return value


def _part(value: object) -> object:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if not (0 < number < 1 or (number >= 1 and number == int(number))):
        raise refusal(f"should be a count from 1 up, or a share between 0 and 1, not {value!r}")
    return value


Language = Annotated[str, BeforeValidator(_language)]
Part = Annotated[float, BeforeValidator(_part)]
Text = Annotated[str, Field(coerce_numbers_to_str=True)]
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
