"""Text to token ids and back, the same at training and at generation.

A codec owns every token that is not the user's text: prompt, language codes, end token. Control
tokens written out in a text (``<|im_end|>``) stay text: they are split like any other characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from mtsweep.config import PromptConfig
from mtsweep.data.pairs import Pair
from mtsweep.data.prompts import render
from mtsweep.data.shots import Shots
from mtsweep.errors import UserError
from mtsweep.models.chat import templated
from mtsweep.models.families import Family, language_code

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ANSWER, _SPARE = 2, 16
"""Room that examples leave for an answer: times the tokens of the text, and some more."""
FEWER = (
    "have fewer examples before them than prompt.shots: more do not fit into trainer.max_length "
    "(or the model's context) with the text and an answer"
)
"""What is said of texts, behind their number."""
_TOKENS = 1_000_000
"""Tokens that a codec remembers of each side; each takes up to 40 bytes."""
_MANY_TO_MANY = {"nllb", "m2m100", "mbart50"}
"""Families that are told source and target language by a token each."""


class _Remembered:
    """Ids of texts, the newest ones up to a number of tokens."""

    def __init__(self) -> None:
        self.ids: dict[str, list[int]] = {}
        self._tokens = 0

    def put(self, text: str, ids: list[int]) -> list[int]:
        """Remember the ids of a text, and give them back."""
        self._tokens += len(ids) - len(self.ids.pop(text, ()))
        self.ids[text] = ids
        while self._tokens > _TOKENS:
            self._tokens -= len(self.ids.pop(next(iter(self.ids))))
        return ids


class Codec:
    """Encodes sources and targets for one model, language pair and prompt; remembers the newest."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        family: Family,
        languages: tuple[str, str],
        prompt: PromptConfig,
        shots: Shots | None = None,
        others: dict[tuple[str, str], Codec] | None = None,
    ) -> None:
        self._others = {} if others is None else others
        self._others[languages] = self
        self.tokenizer = tokenizer
        self.family: Family = family
        self.languages = languages
        self.prompt = prompt
        self.shots = shots if family == "causal" else None
        self.shown: dict[str, int] = {}
        """Text to the examples that stand before it, of those encoded so far."""
        self.forced_bos: int | None = None
        """Token that the decoder must begin with: the target language of a many-to-many model."""
        self.sets: dict[str, Any] = {}
        """Ids of whole sets of texts (``models/tokens.py``)."""
        self._prefix = ""
        self._sources, self._targets = _Remembered(), _Remembered()
        if prompt.chat and family == "causal" and not tokenizer.chat_template:
            raise UserError(
                "prompt: this model's tokenizer has no chat template; use prompt=translate"
            )
        self._set_languages()

    def of(self, pair: Pair) -> Codec:
        """The codec of a pair's own languages: this one, or another of its model and prompt."""
        return self if pair.languages is None else self.between(pair.languages)

    def between(self, languages: tuple[str, str]) -> Codec:
        """The codec of a language pair, of the same model and prompt."""
        if languages not in self._others:
            made = Codec(
                self.tokenizer, self.family, languages, self.prompt, self.shots, self._others
            )
            self._others[languages] = made
        return self._others[languages]

    def _set_languages(self) -> None:
        source, target = (language_code(self.family, code) for code in self.languages)
        if self.family in _MANY_TO_MANY:
            token = f"__{target}__" if self.family == "m2m100" else str(target)
            self.forced_bos = self._known(token, "data.target_lang")
            self._known(
                f"__{source}__" if self.family == "m2m100" else str(source), "data.source_lang"
            )
        elif self.family == "marian":
            codes = [code for code in self.tokenizer.get_vocab() if _is_marian_code(code)]
            if codes:
                self._prefix = f">>{target}<< "
                if f">>{target}<<" not in codes:
                    self._refuse("data.target_lang", codes)
        elif self.family == "t5":
            self._prefix = f"translate {source} to {target}: "

    def _known(self, token: str, key: str) -> int:
        number = self.tokenizer.convert_tokens_to_ids(token)
        if not isinstance(number, int) or number == self.tokenizer.unk_token_id:
            special = [str(each) for each in self.tokenizer.all_special_tokens]
            self._refuse(key, [each for each in special if _is_language(each, self.family)])
        return int(number)  # type: ignore[arg-type]

    def _refuse(self, key: str, codes: list[str]) -> None:
        code = self.languages[key == "data.target_lang"]
        raise UserError(
            f"{key}: the model does not know {code}; it knows {', '.join(sorted(codes)[:12])}, …"
        )

    def source_ids(self, text: str) -> list[int]:
        """What the model is given for a text: prompt or encoder input, special tokens included."""
        ids = self._sources.ids.get(text)
        return self._sources.put(text, self._encode_source(text)) if ids is None else ids

    def knows(self, text: str) -> bool:
        """Whether the ids of a source text were made already."""
        return text in self._sources.ids

    def learn(self, texts: Iterable[str], ids: Iterable[list[int]], shown: Iterable[int]) -> None:
        """Take over what another process was given for source texts.

        Args:
            texts: The texts.
            ids: What :meth:`source_ids` returns for each.
            shown: Examples that stand before each.
        """
        for text, made, count in zip(texts, ids, shown, strict=True):
            self._sources.put(text, made)
            if self.shots is not None:
                self.shown[text] = count

    def target_ids(self, text: str) -> list[int]:
        """What the model shall produce for a target text, end token included."""
        ids = self._targets.ids.get(text)
        return self._targets.put(text, self._encode_target(text)) if ids is None else ids

    def _encode_source(self, text: str) -> list[int]:
        if self.family != "causal":
            # Tokenizers of these families add language codes and the end token themselves.
            said = self._prefix + self._harmless(text)
            return list(self.ready_tokenizer()(said, split_special_tokens=True)["input_ids"])
        if self.shots is None:
            return self._request(text, ())
        examples = self.shots.of(text, self.languages)
        ids, limit = self._request(text, examples), self.shots.limit
        if limit is not None:
            room = limit - _ANSWER * len(self._encode_target(text)) - _SPARE
            while examples and len(ids) > room:
                examples = examples[1:]  # the farthest stands first
                ids = self._request(text, examples)
        self.shown[text] = len(examples)
        return ids

    def _request(self, text: str, examples: Sequence[Pair]) -> list[int]:
        """The prompt for a text, with examples before it in the same form."""
        asked = [render(self.prompt, *self.languages, pair.source) for pair in examples]
        answers = [pair.target for pair in examples]
        asked.append(render(self.prompt, *self.languages, text))
        if self.prompt.chat:
            turns = [{"role": "user", "content": asked[0]}]
            for answer, request in zip(answers, asked[1:], strict=True):
                turns.append({"role": "assistant", "content": answer})
                turns.append({"role": "user", "content": request})
            return templated(self.tokenizer, turns, opened=True)
        before = "".join(
            f"{request} {answer}\n\n" for request, answer in zip(asked, answers, strict=False)
        )
        ids = list(self.tokenizer(before + asked[-1], split_special_tokens=True)["input_ids"])
        return ids[:-1] if ids[-1] == self.end else ids

    def fewer(self, texts: Sequence[str]) -> int:
        """How many of some texts have fewer examples before them than were asked for."""
        if self.shots is None:
            return 0
        for text in texts:
            self.source_ids(text)
        return sum(self.shown[text] < self.shots.count for text in texts)

    @cached_property
    def breaks(self) -> tuple[int, ...]:
        """Tokens with a line break in them, where an answer ends with its first line."""
        if self.family != "causal" or not self.prompt.one_line:
            return ()
        return _with_line_breaks(self.tokenizer)

    def _encode_target(self, text: str) -> list[int]:
        if self.family != "causal":
            said = self._harmless(text)
            return list(
                self.ready_tokenizer()(text_target=said, split_special_tokens=True)["input_ids"]
            )
        # After a plain request the answer follows a space; a chat template ends with its own.
        spaced = text if self.prompt.chat else f" {text}"
        encoded = self.tokenizer(spaced, add_special_tokens=False, split_special_tokens=True)
        return [*encoded["input_ids"], self.end]

    def ready_tokenizer(self) -> Any:  # noqa: ANN401 - languages are attributes of some tokenizers only
        """The tokenizer, set to this codec's languages; codecs of other pairs share it."""
        tokenizer: Any = self.tokenizer
        if self.family in _MANY_TO_MANY:
            source, target = (language_code(self.family, code) for code in self.languages)
            if (tokenizer.src_lang, tokenizer.tgt_lang) != (source, target):
                tokenizer.src_lang, tokenizer.tgt_lang = source, target
        return tokenizer

    def _harmless(self, text: str) -> str:
        """The text with control tokens broken up, for tokenizers that would not split them."""
        if self.family == "marian":
            return text.replace(">>", "> >", 1) if text.startswith(">>") else text
        if self.family in {"t5", "mbart50", "seq2seq"}:
            for token in self.tokenizer.all_special_tokens:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    @property
    def end(self) -> int:
        """The token that a translation ends with."""
        end = self.tokenizer.eos_token_id
        if not isinstance(end, int):
            raise UserError(
                f"model.name: the tokenizer of {self.tokenizer.name_or_path} has no end-of-"
                "sequence token, so a model could not learn to stop"
            )
        return end

    def decode(self, ids: list[int], *, strip: bool = True) -> str:
        """Generated ids (up to the end token) to text, without white space around it."""
        text = str(self.tokenizer.decode(ids, skip_special_tokens=True))
        return text.strip() if strip else text


@lru_cache(maxsize=4)
def _with_line_breaks(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    return tuple(token for token, text in enumerate(texts) if "\n" in text)


def _is_marian_code(token: str) -> bool:
    return token.startswith(">>") and token.endswith("<<")


def _is_language(token: str, family: Family) -> bool:
    if family == "m2m100":
        return token.startswith("__") and token.endswith("__")
    left, _, right = token.partition("_")
    return bool(right) and left.islower() and left.isalpha() and right.isalpha()
