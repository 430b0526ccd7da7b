"""Whether a model is of the kind that is configured, and knows the languages."""

from __future__ import annotations

from mtsweep.config import RunConfig, also
from mtsweep.errors import UserError
from mtsweep.estimate import Estimate
from mtsweep.models import families
from mtsweep.models.locate import Located, has_chat_template


def check_fit(config: RunConfig, located: Located, family: families.Family) -> None:
    """Say whether a model is of the kind that is configured, and knows the languages.

    Raises:
        UserError: naming the key, if not.
    """
    if config.data.is_chat and not has_chat_template(located, config.model.source):
        raise UserError(
            f"model.name: {located.name} has no chat template, which conversations need; use a "
            "model made for chat, such as model=llama3b"
        )
    kind = "causal" if family == "causal" else "seq2seq"
    if kind != config.model.kind:
        raise UserError(
            f"model.kind: {located.name} is a {located.config.get('model_type')} model, which is "
            f"{kind}; set model.kind={kind} (or use model={kind} model.name=…)"
        )
    listed = located.tokenizer_config.get("additional_special_tokens") or []
    sections = (config.data, *also(config).values())
    pairs = dict.fromkeys(pair for section in sections for pair in section.language_pairs)
    for key, flores in dict.fromkeys(
        each for pair in pairs for each in zip(("source_lang", "target_lang"), pair, strict=True)
    ):
        code = families.language_code(family, flores)
        unlisted = family == "nllb" and listed and code not in listed
        if code is None or unlisted:
            known = ", ".join(sorted(str(token) for token in listed)[:8])
            more = f" (it knows {known}, …)" if known else ""
            raise UserError(f"data.{key}: {located.name} does not know {flores}{more}")


def check_trains(config: RunConfig, guess: Estimate) -> None:
    """Say whether anything is left to train, where something is to be.

    Raises:
        UserError: if every part is frozen.
    """
    if guess.trained <= 0 and config.lora.method != "untouched":
        raise UserError(
            f"model.freeze: {', '.join(config.model.freeze or ())} leaves nothing to train of "
            f"{config.model.name}"
        )


def room(config: RunConfig, located: Located) -> int | None:
    """Tokens that prompt and answer may have together."""
    limits = (config.trainer.max_length, located.config.get("max_position_embeddings"))
    return min((each for each in limits if isinstance(each, int)), default=None)
