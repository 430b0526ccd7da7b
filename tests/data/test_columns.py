import json

import pytest

from mtsweep.config import DataConfig
from mtsweep.data.files import read_files
from mtsweep.data.pairs import Conversation, Message

ASKED, SAID = "How much is two and two?", "Four."
TURNS = (Message("user", ASKED), Message("assistant", SAID))


def read(here, *rows):
    path = here / "chats.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    told = {"name": "chat", "source": "files", "form": "chat", "train_file": str(path)}
    return read_files(DataConfig(**told, source_lang="eng_Latn", target_lang="eng_Latn"))


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]},
        {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]},
        {"instruction": ASKED, "output": SAID},
        {"instruction": ASKED, "input": " ", "response": SAID},
        {"messages": [*[{"role": t.role, "content": t.content} for t in TURNS],
                      {"role": "user", "content": "unanswered"}]},
    ],
    ids=["ShareGPT", "messages", "Alpaca", "WizardLM", "open end"],
)  # fmt: skip
def test_conversations_of_every_form_come_to_the_same_turns(here, row):
    (chat,) = read(here, row).train
    assert isinstance(chat, Conversation)
    assert chat.messages == TURNS
    assert (chat.source, chat.target) == (ASKED, SAID)


def test_a_context_becomes_the_system_message(here):
    (chat,) = read(here, {"system": "Be brief.", "instruction": ASKED, "output": SAID}).train
    assert chat.messages == (Message("system", "Be brief."), *TURNS)


def test_what_nobody_can_train_on_is_left_out_and_counted(here):
    good = {"instruction": ASKED, "output": SAID}
    pool = read(
        here,
        good,
        {"messages": [{"role": "user", "content": ASKED}]},
        {"messages": [{"role": "assistant", "content": SAID}]},
        {"instruction": ASKED, "output": "  "},
    )
    assert len(pool.train) == 1
    assert pool.dropped == {"no answer": 1, "turns do not alternate": 1, "empty": 1}
