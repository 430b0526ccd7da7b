"""Token ids of whole sets of texts, kept by content and settings for every later run and process.

The name of an entry holds whatever decides ids: the texts in their order, languages, prompt and
examples, the content of the tokenizer with its chat template, our code, and the versions of the
libraries. ``trainer.max_length`` is not among it: what is too long is left out later.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import mtsweep
from mtsweep import store
from mtsweep.data.pairs import Conversation, Pair, digest
from mtsweep.errors import RunFailedError
from mtsweep.models.chat import ChatCodec, Spoken
from mtsweep.models.codec import Codec
from mtsweep.models.ragged import Pieces, Ragged, Unpacked, Value, array, packed, ragged

if TYPE_CHECKING:
    from mtsweep.models.ragged import Array

_MANY = 5000
"""Rows that are looked for in the store in any case."""
_TRIED = 8
"""Rows that tell how long so many take, where they are fewer; the first as many are a warm-up."""
_IN_MEMORY = 8
"""Sets whose ids a codec remembers."""
_LIBRARIES = ("transformers", "tokenizers", "sentencepiece", "jinja2", "langcodes", "bm25s")
_CODE = (
    "languages.py", "data/prompts.py", "data/shots.py", "models/chat.py", "models/codec.py",
    "models/families.py", "models/ragged.py", "models/tokens.py",
)  # fmt: skip
_LARGE = 1000
_PIECE = 4096
"""Rows of a piece."""
_HELD = 2**15
"""Rows up to which all pieces are in memory."""


@dataclass(frozen=True, eq=False)
class Sides:
    """Ids of pairs: what the model is given, and what it shall say."""

    sources: Ragged
    targets: Ragged
    shown: Array
    """Examples that stand before each source."""


@dataclass(frozen=True, eq=False)
class Talks:
    """Ids of conversations, each in one row or several."""

    ids: Ragged
    answers: Ragged
    """Of each row, start and end of every answer, one behind the other."""
    places: Array
    """Place of the conversation that each row is of."""

    def spoken(self) -> Iterator[tuple[int, Spoken]]:
        """Place of the conversation, and the row."""
        ends = (tuple(zip(row[::2], row[1::2], strict=True)) for row in self.answers.rows())
        rows = map(Spoken, map(tuple, self.ids.rows()), ends)
        return zip(self.places.tolist(), rows, strict=True)


def sides(pairs: Sequence[Pair], codec: Codec) -> Sequence[Sides]:
    """Ids of pairs, some thousand in a piece, each encoded in its own languages."""

    def encode(pair: Pair) -> tuple[list[int], list[int], int]:
        own = codec.of(pair)
        return (own.source_ids(pair.source), own.target_ids(pair.target),
                own.shown.get(pair.source, 0))  # fmt: skip

    def make(_: int, some: Sequence[Pair]) -> Sides:
        rows = [encode(pair) for pair in some]
        sources, targets = ragged([row[0] for row in rows]), ragged([row[1] for row in rows])
        return Sides(sources, targets, array([row[2] for row in rows]))

    def pack(value: Sides) -> bytes:
        return packed(sources=value.sources, targets=value.targets, shown=value.shown)

    def unpack(body: bytes) -> Sides:
        told = Unpacked(body)
        return Sides(told.ragged("sources"), told.ragged("targets"), told.array("shown"))

    kept = _Kept(codec, "pairs", [codec.languages, digest(pairs)], pairs)
    return kept.take(encode, make, pack, unpack)


def talks(conversations: Sequence[Pair], codec: ChatCodec) -> Sequence[Talks]:
    """Ids of conversations, some thousand in a piece; what is none has no rows."""

    def encode(each: Pair) -> list[Spoken]:
        return codec.spoken(each.messages) if isinstance(each, Conversation) else []

    def make(first: int, some: Sequence[Pair]) -> Talks:
        rows = [(place, row) for place, each in enumerate(some, first) for row in encode(each)]
        return Talks(
            ragged([row.ids for _, row in rows]),
            ragged([tuple(chain.from_iterable(row.answers)) for _, row in rows]),
            array([place for place, _ in rows]),
        )

    def pack(value: Talks) -> bytes:
        return packed(ids=value.ids, answers=value.answers, places=value.places)

    def unpack(body: bytes) -> Talks:
        told = Unpacked(body)
        return Talks(told.ragged("ids"), told.ragged("answers"), told.array("places"))

    kept = _Kept(codec, "talks", [digest(conversations)], conversations)
    return kept.take(encode, make, pack, unpack)


def spoken(conversations: Sequence[Pair], codec: ChatCodec) -> Iterator[tuple[int, Spoken]]:
    """The rows of conversations, each with the place of its conversation."""
    return chain.from_iterable(piece.spoken() for piece in talks(conversations, codec))


def learn_prompts(texts: Sequence[str], codec: Codec) -> None:
    """Have a codec know what the model is given for texts, without encoding them where possible."""
    unknown = [text for text in dict.fromkeys(texts) if not codec.knows(text)]
    if not unknown:
        return

    def make(_: int, some: Sequence[str]) -> Sides:
        sources = ragged([codec.source_ids(text) for text in some])
        nothing = Ragged(sources.values[:0], sources.starts * 0)
        return Sides(sources, nothing, array([codec.shown.get(text, 0) for text in some]))

    def pack(value: Sides) -> bytes:
        return packed(sources=value.sources, shown=value.shown)

    def unpack(body: bytes) -> Sides:
        told = Unpacked(body)
        return Sides(told.ragged("sources"), told.ragged("sources"), told.array("shown"))

    said = hashlib.sha256(json.dumps(unknown).encode()).hexdigest()
    kept = _Kept(codec, "prompts", [codec.languages, said], unknown)
    rest = iter(unknown)
    for piece in kept.take(codec.source_ids, make, pack, unpack):
        codec.learn(islice(rest, len(piece.sources)), piece.sources.rows(), piece.shown.tolist())


@dataclass(frozen=True)
class _Kept:
    """Ids of a set of texts: remembered by the codec, and kept on disk where that pays."""

    codec: Codec | ChatCodec
    kind: str
    asked: list[Any]
    """What of the set decides its ids."""
    items: Sequence[Any]

    def take(
        self,
        encode: Callable[[Any], object],
        make: Callable[[int, Sequence[Any]], Value],
        pack: Callable[[Value], bytes],
        unpack: Callable[[bytes], Value],
    ) -> Sequence[Value]:
        """The ids of all items, in pieces that lie on disk where there are many.

        Args:
            encode: Makes the ids of one item.
            make: Of some of them, given the place of the first.
            pack: A piece to bytes.
            unpack: And back.
        """

        def whole() -> Sequence[Value]:
            pieces = (make(first, some) for first, some in self._portions())
            if len(self.items) <= _HELD:
                return list(pieces)
            with store.scratch() as file:
                try:
                    Pieces.write(pieces, file, pack)
                except OSError as error:
                    told = store.no_room(error, "the token ids", "take fewer with data.size")
                    raise RunFailedError(told) from error
                return Pieces(file, file.tell(), unpack)

        def write(made: Sequence[Value], file: IO[bytes]) -> None:
            if isinstance(made, Pieces):
                file.write(made.body)
            else:
                Pieces.write(made, file, pack)

        def read(file: IO[bytes], end: int) -> Sequence[Value]:
            with file:
                pieces = Pieces(file, end, unpack)
            return list(pieces) if len(self.items) <= _HELD else pieces

        known, name = self.codec.sets, json.dumps([self.kind, self.asked])
        if name not in known:
            if self._pays(encode):
                key = hashlib.sha256(f"{name}\0{_print(self.codec)}".encode()).hexdigest()[:32]
                many = len(self.items) > _HELD
                known[name] = store.kept_file("tokens", key, whole, write, read, anew=many)
            else:
                known[name] = whole()
            while len(known) > _IN_MEMORY:
                known.pop(next(iter(known)))
        return known[name]

    def _portions(self) -> Iterator[tuple[int, list[Any]]]:
        """Some items at a time, with the place of the first."""
        rest, first = iter(self.items), 0
        while some := list(islice(rest, _PIECE)):
            yield first, some
            first += len(some)

    def _pays(self, encode: Callable[[Any], object]) -> bool:
        """Whether making them all takes so long that reading them back is worth it."""
        if not store.in_use():
            return False
        if len(self.items) >= _MANY or getattr(self.codec, "shots", None):
            return True  # the first nearest examples alone cost an index of all of them
        for item in self.items[:_TRIED]:
            encode(item)
        tried = self.items[_TRIED : 2 * _TRIED]
        began = time.monotonic()
        for item in tried:
            encode(item)
        took = time.monotonic() - began
        return bool(tried) and took / len(tried) * len(self.items) >= store.WORTH


def _print(codec: Codec | ChatCodec) -> str:
    """Everything that decides ids apart from the texts and their languages."""
    tokenizer = codec.ready_tokenizer()
    told: list[Any] = [codec.family, str(tokenizer.chat_template), _made_by()]
    if isinstance(codec, Codec):
        shown = codec.shots.digest if codec.shots else None
        told += [codec.prompt.identity(), shown, _content(tokenizer, codec.languages)]
    else:
        told.append(_content(tokenizer, None))
    return json.dumps(told, sort_keys=True)


@lru_cache(maxsize=16)
def _content(tokenizer: Any, languages: tuple[str, str] | None) -> str:  # noqa: ANN401, ARG001
    """Digest of a tokenizer: vocabulary, rules, special tokens, settings.

    Some tokenizers hold the languages that they are set to, which is why they are an argument.
    """
    made = hashlib.sha256()
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        made.update(backend.to_str().encode())
    else:
        with tempfile.TemporaryDirectory() as place:
            tokenizer.save_vocabulary(place)
            made.update("".join(store.content(sorted(Path(place).iterdir()))).encode())
    files = {*tokenizer.vocab_files_names, "name_or_path", "tokenizer_file"}
    settings = [
        (name, repr(value))
        for name, value in sorted(tokenizer.init_kwargs.items())
        if name not in files and not (hasattr(value, "__len__") and len(value) > _LARGE)
    ]
    added = [(number, repr(token)) for number, token in tokenizer.added_tokens_decoder.items()]
    special = [(name, str(token)) for name, token in tokenizer.special_tokens_map.items()]
    made.update(repr([type(tokenizer).__name__, settings, sorted(added), special]).encode())
    return made.hexdigest()


@cache
def _made_by() -> list[str]:
    """Digest of the code that encodes, and versions of what it uses."""
    root = Path(mtsweep.__file__).parent
    made = hashlib.sha256("".join(store.content(root / name for name in _CODE)).encode())
    return [made.hexdigest(), *map(_version, _LIBRARIES)]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
