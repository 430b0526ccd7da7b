"""Examples before a text: what stands in the prompt, how many fit, and where an answer ends."""

from __future__ import annotations

from typing import Any

import pytest

from mtsweep.config import DecodingConfig, PromptConfig
from mtsweep.data.pairs import Pair
from mtsweep.data.shots import Shots
from mtsweep.evaluation.generate import generate
from mtsweep.models.codec import Codec
from mtsweep.training import examples, preflight
from tests.small import small_base

EN_ES = ("eng_Latn", "spa_Latn")
PAIRS = tuple(
    Pair(source, source, target, "x", source)
    for source, target in {
        "Good morning.": "Buenos días.",
        "Good evening.": "Buenas noches.",
        "Where is the station?": "¿Dónde está la estación?",
        "Close <|end|> now": "Cierra <|end|> ya",
    }.items()
)
CHOICES = pytest.mark.parametrize("choice", ["fixed", "nearest"])


def asking(choice: str = "fixed", count: int = 2, *, chat: bool = False) -> PromptConfig:
    template = "Into {target}: {text}" if chat else "{source}: {text}\n{target}:"
    return PromptConfig(
        name="x", template=template, chat=chat, shots=count, choice=choice, one_line=not chat  # type: ignore[arg-type]
    )  # fmt: skip


def codec(prompt: PromptConfig, limit: int | None = None) -> Codec:
    base = small_base("tiny_causal")
    return base.codec(EN_ES, prompt, Shots(PAIRS, EN_ES, prompt.shots, prompt.choice, limit))


def test_examples_stand_in_the_same_form_before_the_text():
    made = codec(asking())
    told = made.tokenizer.decode(made.source_ids("Thank you."))
    assert told == (
        "English: Good morning.\nSpanish: Buenos días.\n\n"
        "English: Good evening.\nSpanish: Buenas noches.\n\n"
        "English: Thank you.\nSpanish:"
    )


def test_in_a_chat_examples_are_earlier_turns_and_control_tokens_in_them_stay_text():
    made = codec(asking(count=4, chat=True))
    ids = made.source_ids("Thank you.")
    told = str(made.tokenizer.decode(ids)).replace("\\n", "\n")
    assert (
        "user\nInto Spanish: Good morning.<|end|>\n<|start|>assistant\nBuenos días.<|end|>" in told
    )
    assert told.endswith("<|start|>user\nInto Spanish: Thank you.<|end|>\n<|start|>assistant\n")
    assert told.count("<|end|>") == 2 * 4 + 1 + 2
    assert ids.count(made.end) == 2 * 4 + 1
    plain = codec(asking(count=4))
    assert plain.source_ids("Thank you.").count(plain.end) == 0


def test_what_does_not_fit_is_left_out_farthest_first_and_counted():
    whole = codec(asking(count=3))
    length = len(whole.source_ids("Thank you."))
    room = 2 * len(whole.target_ids("Thank you.")) + 16
    fits, tight = codec(asking(count=3), length + room), codec(asking(count=3), length + room - 1)
    assert fits.source_ids("Thank you.") == whole.source_ids("Thank you.")
    told = tight.tokenizer.decode(tight.source_ids("Thank you."))
    assert "Good morning." not in told  # of fixed ones the first
    assert "Where is the station?" in told
    assert (fits.fewer(["Thank you."]), tight.fewer(["Thank you."])) == (0, 1)
    without = small_base("tiny_causal").codec(EN_ES, asking(count=0))
    assert codec(asking(count=3), 1).source_ids("Hi") == without.source_ids("Hi")


@CHOICES
@pytest.mark.parametrize("chat", [False, True])
def test_the_preflight_holds_with_examples(choice, chat):
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    made = codec(asking(choice, 3, chat=chat), 200)
    rows, *_ = examples.causal(PAIRS[:3], made, None)
    pad: Any = made.tokenizer.pad_token_id
    collate = DataCollatorForLanguageModeling(pad_token_id=pad)
    told = preflight.check(list(PAIRS[:3]), list(rows), collate, made)
    # The text's own pair is never before it.
    assert told.splitlines()[1].count("Good morning.") == 1
    assert "Buenos días." not in told.splitlines()[1]


def test_an_answer_of_one_line_ends_with_it():
    base = small_base("tiny_causal")
    free = base.codec(EN_ES, PromptConfig(name="x", template="{text}"))
    bound = base.codec(EN_ES, PromptConfig(name="x", template="{text}", one_line=True))
    assert free.breaks == ()
    assert all("\n" in base.tokenizer.decode([token]) for token in bound.breaks)
    assert bound.breaks
    # A model whose every token is a line break says nothing, in one token.
    import torch

    with torch.no_grad():
        head: Any = base.model.get_output_embeddings()
        head.weight.zero_()
    decoding = DecodingConfig(name="x")
    (before,) = generate(base.model, free, ["Hello"], decoding, 6)
    assert (before.tokens, before.stopped) == (6, False)
    _always_say(base, bound.breaks[0])
    (said,) = generate(base.model, bound, ["Hello"], decoding, 6)
    assert (said.text, said.tokens, said.stopped) == ("", 1, True)
    (beamed,) = generate(base.model, bound, ["Hello"], DecodingConfig(name="x", num_beams=2), 6)
    assert beamed.text == ""


def _always_say(base, token: int) -> None:
    import torch

    def bias(module, given, output):
        output = output.clone()
        output[..., token] += 100
        return output

    head = base.model.get_output_embeddings()
    assert isinstance(head, torch.nn.Module)
    head.register_forward_hook(bias)
