"""The spine: from a configuration to a folder with ``pairs.jsonl`` and ``card.json``."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtsweep import __version__, data, languages
from mtsweep.config import RunConfig, SynthesisConfig
from mtsweep.data.pairs import Corpus
from mtsweep.errors import UserError
from mtsweep.record import write
from mtsweep.synthesis.answers import Draft, parse
from mtsweep.synthesis.diversity import diversity
from mtsweep.synthesis.drive import Crew
from mtsweep.synthesis.filters import Sieve
from mtsweep.synthesis.ledger import Answer, Ledger
from mtsweep.synthesis.requests import Plan, Request
from mtsweep.synthesis.seedplan import Translating, Writing
from mtsweep.synthesis.teachers import Apertium, Chat, Teacher

_ROOM = 1.05


@dataclass(frozen=True)
class Order:
    """Everything that is known before anybody is asked."""

    config: SynthesisConfig
    corpus: Corpus
    plan: Plan
    folder: Path
    data: dict[str, Any]
    """The data section, for the card."""


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
            "synthesis: choose a teacher: synthesis=apertium, groq, openai, or local with "
            "synthesis.model and synthesis.base_url"
        )
    # A folder that is still to be written may be named already, by the study that will train on it.
    real = config.data.model_copy(
        update={"synthetic_file": None, "synthetic_share": None, "size_counts": "all"}
    )
    config = config.model_copy(update={"data": real})
    corpus = data.load(real)
    plan: Plan
    if wanted.teacher == "chat":
        plan = Writing(wanted, corpus)
    else:
        plan = Translating(
            wanted, _texts(config, wanted, corpus), f"apertium {_mode(wanted, corpus)}"
        )
    name = wanted.folder or (
        f"{config.data.name}-{languages.iso(corpus.source_lang)}-{languages.iso(corpus.target_lang)}"
        f"-{wanted.name}-{plan.request(0).hash[:6]}"
    )
    folder = Path(config.output_dir) / "synthetic" / name
    return Order(wanted, corpus, plan, folder, config.data.model_dump(mode="json"))


def _mode(wanted: SynthesisConfig, corpus: Corpus) -> str:
    return "-".join(code.partition("_")[0] for code in _asked(wanted, corpus))


def _asked(wanted: SynthesisConfig, corpus: Corpus) -> tuple[str, str]:
    """Languages that a translating teacher goes from and to."""
    forward = wanted.direction == "forward"
    pair = (corpus.source_lang, corpus.target_lang)
    return pair if forward else (pair[1], pair[0])


def _texts(config: RunConfig, wanted: SynthesisConfig, corpus: Corpus) -> list[tuple[str, str]]:
    """Texts to translate, each with its origin."""
    if wanted.text_file is not None:
        path = Path(wanted.text_file).expanduser()
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"synthesis.text_file: {path}: {error}") from error
        texts = [(line.strip(), path.stem) for line in lines if line.strip()]
    else:
        pairs = corpus.train
        if wanted.text == "rest":
            whole = data.load(config.data.model_copy(update={"size": None}))
            pairs = whole.train[len(corpus.train) :]
        forward = wanted.direction == "forward"
        texts = [(pair.source if forward else pair.target, pair.origin) for pair in pairs]
    if not texts:
        raise UserError(
            "synthesis.text: no texts are left to translate; text=rest needs a data.size below "
            "the number of training pairs"
        )
    return texts


def teacher(made: Order) -> Teacher:
    """Who is asked.

    Raises:
        UserError: if the key or the program is not there.
    """
    codes = (languages.iso(made.corpus.source_lang), languages.iso(made.corpus.target_lang))
    if made.config.teacher == "chat":
        return Chat(made.config, codes)
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
    with Ledger(made.folder / "ledger.jsonl", waiting) as ledger:
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
    sieve = Sieve(config.filters, made.corpus, real_texts=_on_train(config))
    draft = made.folder / "pairs.jsonl.draft"
    kept = done = 0
    goal = min(plan.limit, -(-config.pairs // plan.per_request))
    topics: Counter[str] = Counter()
    stopped = ""
    with draft.open("w", encoding="utf-8", newline="\n") as lines:
        while not stopped:
            crew.ask(plan, range(done, goal))
            before = kept
            for pair in _kept(made, ledger, sieve, range(done, goal)):
                kept += 1
                topics[pair.topic] += 1
                row = {"source": pair.source, "target": pair.target,
                       "origin": f"synthetic:{config.name}", "topic": pair.topic}  # fmt: skip
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                if kept >= config.pairs:
                    break
            if kept >= config.pairs:
                break
            stopped = _stopped(made, crew, goal, kept - before)
            done, goal = goal, min(plan.limit, _next_goal(config, goal, kept))
        lines.flush()
        os.fsync(lines.fileno())
    draft.replace(made.folder / "pairs.jsonl")
    card = _card(made, ledger, sieve, kept, topics, stopped)
    write(made.folder / "card.json", json.dumps(card, ensure_ascii=False, indent=1) + "\n")
    return Made(made, kept, card, stopped)


def _on_train(config: SynthesisConfig) -> bool:
    """Whether one side is the training pairs' own text."""
    return config.teacher != "chat" and config.text == "train" and config.text_file is None


def _stopped(made: Order, crew: Crew, goal: int, new: int) -> str:
    if crew.budget_spent:
        return "the budget is spent; raise synthesis.budget_tokens or budget_usd to go on"
    if goal >= made.plan.limit:
        return (
            "every request of the plan was asked"
            if made.config.teacher == "chat"
            else ("every text was translated")
        )
    return "" if new else "the last requests brought nothing new: the teacher repeats itself"


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
        if made.config.teacher == "chat":
            drafts, malformed = parse(answer.text, codes, request.topics[0])
            if malformed:
                sieve.drop("malformed", answer.text, "", malformed)
        else:
            drafts = _translations(made.config, request, answer)
        for draft in drafts:
            if (pair := sieve.take(draft)) is not None:
                yield pair


def _translations(config: SynthesisConfig, request: Request, answer: Answer) -> list[Draft]:
    rows = zip(request.body["texts"], json.loads(answer.text), request.topics, strict=True)
    if config.direction == "forward":
        return [Draft(text, said, topic) for text, said, topic in rows]
    return [Draft(said, text, topic) for text, said, topic in rows]


def _card(  # noqa: PLR0913
    made: Order, ledger: Ledger, sieve: Sieve, kept: int, topics: Counter[str], stopped: str
) -> dict[str, Any]:
    config, corpus, usage = made.config, made.corpus, ledger.usage
    content = (made.folder / "pairs.jsonl").read_bytes()
    rows = [json.loads(line) for line in content.splitlines()]
    prompt = hashlib.sha256(f"{config.system}\0{config.request}".encode()).hexdigest()
    real = {side: [getattr(pair, side) for pair in corpus.train] for side in ("source", "target")}
    own = {side: [row[side] for row in rows] for side in ("source", "target")}
    return {
        "pairs": kept,
        "asked_for": config.pairs,
        "stopped": stopped,
        "sha256": hashlib.sha256(content).hexdigest(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "mtsweep": __version__,
        "languages": [corpus.source_lang, corpus.target_lang],
        "teacher": config.name,
        "model": config.model if config.teacher == "chat" else "apertium " + _mode(config, corpus),
        "prompt_sha256": prompt if config.teacher == "chat" else None,
        "licence": config.licence,
        "synthesis": config.model_dump(mode="json"),
        "data": made.data,
        "real": {
            "fingerprint": corpus.fingerprint,
            "test_fingerprint": corpus.test_fingerprint,
            "train": len(corpus.train),
        },
        "dropped": dict(sieve.counts),
        "dropped_examples": sieve.examples,
        "diversity": {
            side: {
                "synthetic": diversity(own[side], real[side]),
                "real": diversity(real[side], own[side]),
            }
            for side in ("source", "target")
        },
        "topics": dict(topics.most_common()),
        "usage": {
            "requests": usage.answered,
            "failed_tries": usage.failed,
            "prompt_tokens": usage.prompt_tokens,
            "answer_tokens": usage.answer_tokens,
            "lost_tokens_at_most": usage.lost_tokens,
            "usd": usage.cost(config.price_input, config.price_output),
        },
    }
