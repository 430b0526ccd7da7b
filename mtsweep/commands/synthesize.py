"""``mtsweep synthesize``: pairs from a teacher, as a data set with a card."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mtsweep import terminal
from mtsweep.compose import compose
from mtsweep.errors import UserError
from mtsweep.synthesis.making import Made, Order, order, synthesize

_SHOWN = 2
_EVERY = 15.0
_HELP = """\
usage: python -m mtsweep synthesize data=... synthesis=TEACHER [synthesis.key=value ...]

teachers: groq, openai, local (any OpenAI-compatible server) write new pairs; apertium (a program)
and translate (a finished run: synthesis.run=ID or best; null: the command's model) translate the
training texts, the rest that data.size leaves, or synthesis.text_file, forward or backward
  synthesis.pairs=1000          pairs wanted after filtering
  synthesis.dry_run=true        print the first prompts and the estimate, ask nobody
  synthesis.budget_tokens=N     stop there; also synthesis.budget_usd
  synthesis.folder=NAME         folder under synthetic/

The key comes from the environment alone (synthesis.api_key_env names the variable). Every answer is
kept in the folder's ledger.jsonl: the same command goes on where it was and costs nothing twice."""


def run(arguments: Sequence[str]) -> int:
    """Make the data sets that ``arguments`` (Hydra's) name; 1 if one has fewer pairs than asked."""
    if set(arguments) & {"-h", "--help"}:
        print(_HELP)
        return 0
    jobs = compose(arguments, lambda _: None)
    if not jobs:
        raise UserError("synthesize: works with hydra/launcher=local")
    orders = [order(job.config) for job in jobs]
    missing = 0
    for each in orders:
        if each.config.dry_run:
            _dry(each)
        else:
            made = synthesize(each, print, _progress(each))
            _tell(made)
            missing += bool(made.stopped)
    return 1 if missing else 0


def _dry(made: Order) -> None:
    """The first prompts, and what all of them would take."""
    config, plan = made.config, made.plan
    count = min(plan.limit, -(-config.pairs // plan.per_request))
    for index in range(min(_SHOWN, count)):
        body = plan.request(index).body
        print(f"--- request {index + 1} of {count}")
        for message in body.get("messages", ()):
            print(f"[{message['role']}]\n{message['content']}\n")
        for text in body.get("texts", ())[:5]:
            print(f"  {text}")
    tokens = sum(plan.request(index).tokens for index in range(count))
    limits = [count / config.requests_per_minute] if config.requests_per_minute else []
    limits += [tokens / config.tokens_per_minute] if config.tokens_per_minute else []
    told = f"{count} requests if every pair is kept"
    if config.teacher == "chat":
        told += f", {tokens} tokens at most (guessed from lengths)"
        dearest = max(config.price_input or 0.0, config.price_output or 0.0)
        told += f", {tokens * dearest / 1e6:.2f} US dollars at most" if dearest else ""
    if limits:
        told += f", {terminal.clock(60 * max(limits))} at the limits set"
    print(f"{told}\nwould write to {made.folder}")


def _progress(made: Order) -> Callable[[int], None]:
    last = time.monotonic()

    def advance(answered: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            print(f"{answered} answers in the ledger of {made.folder.name}", flush=True)

    return advance


def _tell(made: Made) -> None:
    card = made.card
    print(f"{made.pairs} of {card['asked_for']} pairs, {card['usage']['requests']} requests")
    for reason, count in sorted(card["dropped"].items(), key=lambda each: -each[1]):
        print(f"  left out {count:>6}  {reason}")
    source = card["diversity"]["source"]
    for name in ("words", "distinct_2", "self_bleu"):
        own, real = source["synthetic"][name], source["real"][name]
        if made.pairs and None not in {own, real}:
            print(f"  {name:<10}  synthetic {own}, real {real} (source side)")
    if made.stopped:
        print(f"fewer than asked for: {made.stopped}")
    print(f"written to {made.order.folder} (pairs.jsonl, card.json, ledger.jsonl)")
