"""The spine: from a configuration to a folder with ``pairs.jsonl`` and ``card.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtsweep import data, languages
from mtsweep.config import RunConfig, SynthesisConfig
from mtsweep.data.pairs import Corpus
from mtsweep.errors import UserError
from mtsweep.models.locate import Located
from mtsweep.record import write
from mtsweep.synthesis import texts, tuned
from mtsweep.synthesis.answers import Draft, parse
from mtsweep.synthesis.card import card
from mtsweep.synthesis.drive import Crew
from mtsweep.synthesis.filters import Sieve
from mtsweep.synthesis.ledger import Answer, Ledger
from mtsweep.synthesis.meaning import Meaning
from mtsweep.synthesis.meaning import find as find_embedding
from mtsweep.synthesis.requests import Plan, Request
from mtsweep.synthesis.seedplan import Translating, Writing
from mtsweep.synthesis.teachers import Apertium, Chat, Teacher

_ROOM = 1.05
_BARREN = 4
"""Requests in a row without a pair that is kept, after which no more are asked."""


@dataclass(frozen=True)
class Order:
    """Everything that is known before anybody is asked."""

    config: SynthesisConfig
    corpus: Corpus
    plan: Plan
    teacher: str
    """Who is asked, as the card calls it."""
    folder: Path
    data: dict[str, Any]
    """The data section, for the card."""
    model: tuned.Model | None = None
    """What translates, of a ``translate`` teacher."""
    held_out: tuple[str, ...] = ()
    """Texts that were to be translated, and are of dev or test: they are left alone."""
    embedding: Located | None = None
    """What tells how near texts are in meaning, where that is asked."""


@dataclass(frozen=True)
class Made:
    """What came of it."""

    order: Order
    pairs: int
    card: dict[str, Any]
    stopped: str
    """Why there are fewer pairs than asked for; empty when there are not."""


def order(config: RunConfig) -> Order:
    """Read the data and plan the requests; nobody is asked.

    Raises:
        UserError: if no teacher is chosen, or data or texts are not there.
    """
    wanted = config.synthesis
    if wanted is None:
        raise UserError(
            "synthesis: choose a teacher: synthesis=apertium, groq, openai, translate with "
            "synthesis.run, or local with synthesis.model and synthesis.base_url"
        )
    # A folder that is still to be written may be named already, by the study that will train on it.
    real = config.data.model_copy(
        update={"synthetic_file": None, "synthetic_share": None, "size_counts": "all"}
    )
    config = config.model_copy(update={"data": real})
    corpus = data.load(real)
    if any(pair.languages not in {None, (corpus.source_lang, corpus.target_lang)}
           for pair in corpus.train):  # fmt: skip
        raise UserError(
            "data.mix: pairs of several language pairs; a teacher is asked for one at a time"
        )
    plan, who, model, found = _plan(config, wanted, corpus)
    name = wanted.folder or (
        f"{config.data.name}-{languages.iso(corpus.source_lang)}-{languages.iso(corpus.target_lang)}"
        f"-{wanted.name}-{plan.request(0).hash[:6]}"
    )
    folder = Path(config.output_dir) / "synthetic" / name
    section = config.data.model_dump(mode="json")
    embedding = find_embedding(wanted.filters)
    return Order(wanted, corpus, plan, who, folder, section, model, found, embedding)


def _plan(
    config: RunConfig, wanted: SynthesisConfig, corpus: Corpus
) -> tuple[Plan, str, tuned.Model | None, tuple[str, ...]]:
    """Requests, who answers them, with which model, and texts that are left alone."""
    if wanted.teacher == "chat":
        return Writing(wanted, corpus), str(wanted.model), None, ()
    asked, model = _asked(wanted, corpus), None
    who = "apertium " + "-".join(code.partition("_")[0] for code in asked)
    if wanted.teacher == "translate":
        model = tuned.find(config, asked, corpus)
        who = model.name
    found = texts.find(config.data, wanted, corpus)
    return Translating(wanted, found.texts, who), who, model, found.held_out


def _asked(wanted: SynthesisConfig, corpus: Corpus) -> tuple[str, str]:
    """Languages that a translating teacher goes from and to."""
    forward = wanted.direction == "forward"
    pair = (corpus.source_lang, corpus.target_lang)
    return pair if forward else (pair[1], pair[0])


def teacher(made: Order) -> Teacher:
    """Who is asked.

    Raises:
        UserError: if the key or the program is not there.
    """
    codes = (languages.iso(made.corpus.source_lang), languages.iso(made.corpus.target_lang))
    if made.config.teacher == "chat":
        return Chat(made.config, codes)
    if made.model is not None:
        return tuned.Tuned(made.model)
    return Apertium(*_asked(made.config, made.corpus))


def synthesize(made: Order, say: Callable[[str], None], advance: Callable[[int], None]) -> Made:
    """Ask until there are enough pairs, and write the data set.

    Raises:
        UserError: if the server refuses.
        RunFailedError: if it does not answer any more; answers are kept.
    """
    asked = teacher(made)
    try:
        made.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output_dir: cannot write to {made.folder} ({error.strerror})") from error
    _tell_of_others(made, say)
    waiting = lambda: say("another process works on this data set; waiting for it")  # noqa: E731
    with closing(asked), Ledger(made.folder / "ledger.jsonl", waiting) as ledger:
        _check_known(made, ledger, say)
        crew = Crew(made.config, asked, ledger, lambda: advance(ledger.usage.answered))
        return _rounds(made, ledger, crew)


def _check_known(made: Order, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Say, or refuse where it may cost money, that a ledger's answers are to other requests."""
    if ledger.first is None or made.plan.request(ledger.first) in ledger:
        return
    told = (
        f"{ledger.path} holds {ledger.usage.answered} answers to other requests (another prompt, "
        "model, data, seed or version of mtsweep)"
    )
    if made.config.teacher == "chat" and not made.config.ask_anew:
        raise UserError(
            f"synthesis.folder: {told}; nothing of them would be used and every request would be "
            "paid again. Name another folder, set what the requests are made of as it was (its "
            "card.json has it, under synthesis), or say synthesis.ask_anew=true"
        )
    say(f"{told}; they are kept, and not used")


def _tell_of_others(made: Order, say: Callable[[str], None]) -> None:
    """Say which folders hold paid answers to requests that differ from those that go out now."""
    if made.config.teacher != "chat" or (made.folder / "ledger.jsonl").exists():
        return
    beginning = made.folder.name.rpartition("-")[0]
    for path in sorted(made.folder.parent.glob(f"{beginning}-??????/ledger.jsonl")):
        with path.open("rb") as lines:
            count = sum(b'"event": "answered"' in line for line in lines)
        say(
            f"{path.parent} holds {count} answers of this teacher to other requests (another "
            "prompt, data, seed or version of mtsweep); this command pays for new ones"
        )


def _rounds(made: Order, ledger: Ledger, crew: Crew) -> Made:
    """Ask for what is missing, filter, ask for more: what is kept follows from answers alone."""
    config, plan = made.config, made.plan
    meaning = Meaning(made.embedding, made.corpus) if made.embedding else None
    sieve = Sieve(config.filters, made.corpus, real_texts=_on_train(config), meaning=meaning)
    for text in made.held_out:
        sieve.drop("of dev or test, not translated", text, "")
    draft = made.folder / "pairs.jsonl.draft"
    kept = done = barren = 0
    goal = min(plan.limit, -(-config.pairs // plan.per_request))
    stopped = ""
    with draft.open("w", encoding="utf-8", newline="\n") as lines:
        while not stopped:
            crew.ask(plan, range(done, goal))
            before = kept
            for pair in _kept(made, ledger, sieve, range(done, goal)):
                kept += 1
                row = {"source": pair.source, "target": pair.target,
                       "origin": f"synthetic:{config.name}", "topic": pair.topic}  # fmt: skip
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                if kept >= config.pairs:
                    break
            if kept >= config.pairs:
                break
            barren = barren + goal - done if kept == before else 0
            stopped = _stopped(made, crew, goal, barren)
            done, goal = goal, min(plan.limit, _next_goal(config, goal, kept))
        lines.flush()
        os.fsync(lines.fileno())
    draft.replace(made.folder / "pairs.jsonl")
    told = card(config, made.corpus, made.folder / "pairs.jsonl", sieve, ledger.usage)
    told |= {"model": made.teacher, "stopped": stopped, "data": made.data}
    if made.model is not None:
        told["teacher_model"] = dict(made.model.about)
    if made.embedding is not None:
        told["embedding"] = {"model": made.embedding.name, "revision": made.embedding.revision}
    write(made.folder / "card.json", json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    return Made(made, kept, told, stopped)


def _on_train(config: SynthesisConfig) -> bool:
    """Whether one side is the training pairs' own text."""
    return config.teacher != "chat" and config.text == "train" and config.text_file is None


def _stopped(made: Order, crew: Crew, goal: int, barren: int) -> str:
    if crew.budget_spent:
        return "the budget is spent; raise synthesis.budget_tokens or budget_usd to go on"
    if goal >= made.plan.limit:
        return (
            "every request of the plan was asked"
            if made.config.teacher == "chat"
            else ("every text was translated")
        )
    if barren < _BARREN:
        return ""
    return (
        f"the last {barren} requests brought nothing that is kept: the teacher repeats itself, or "
        "see what was left out"
    )


def _next_goal(config: SynthesisConfig, goal: int, kept: int) -> int:
    share = kept / goal if kept else 1
    return min(max(goal + 1, round(config.pairs / share * _ROOM)), 4 * goal)


def _kept(made: Order, ledger: Ledger, sieve: Sieve, indices: range) -> Iterator[Draft]:
    codes = (languages.iso(made.corpus.source_lang), languages.iso(made.corpus.target_lang))
    for index in indices:
        request = made.plan.request(index)
        answer = ledger.answer(request)
        if answer is None:
            continue
        drafts: Iterable[Draft]
        if made.config.teacher == "chat":
            drafts, malformed = parse(answer.text, codes, request.topics[0])
            if malformed:
                sieve.drop("malformed", answer.text, "", malformed)
        else:
            drafts = _translations(made.config, request, answer, sieve)
        drafts = list(drafts)
        sieve.look_at(drafts)
        for draft in drafts:
            if (pair := sieve.take(draft)) is not None:
                yield pair


def _translations(
    config: SynthesisConfig, request: Request, answer: Answer, sieve: Sieve
) -> Iterator[Draft]:
    """Pairs of the texts of a request and of what was said to them, where that is whole."""
    rows = zip(request.body["texts"], json.loads(answer.text), request.topics, strict=True)
    for text, said, topic in rows:
        if isinstance(said, dict):
            [(reason, beginning)] = said.items()
            sieve.drop(reason.replace("_", " "), text, beginning)
        elif config.direction == "forward":
            yield Draft(text, said, topic)
        else:
            yield Draft(said, text, topic)
