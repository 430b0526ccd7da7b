"""The page: translation and conversation, tuned and untouched side by side."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import Any

import gradio as gr

from mtsweep import languages
from mtsweep.app.desk import TOKENS, Desk
from mtsweep.data.pairs import Message
from mtsweep.errors import MtsweepError
from mtsweep.serve.streaming import Sampling

_EXAMPLES = 5
_RIGHT_TO_LEFT = ("Arab", "Hebr")
_ONE = {
    "concurrency_limit": 1, "concurrency_id": "model", "api_visibility": "private",
    "trigger_mode": "always_last",
}  # fmt: skip
"""Of what asks the model: one at a time, and who asks while an answer grows is answered next."""
_Turns = list[dict[str, Any]]


def page(desk: Desk) -> gr.Blocks:
    """The page of a desk: what it shows follows from what its runs are."""
    first = next(iter(desk.runs.values()))
    with gr.Blocks(title="mtsweep", analytics_enabled=False) as blocks:
        gr.Markdown(f"# {first.config.model.name}")
        run = gr.Dropdown(list(desk.runs), value=first.name, label="Run", elem_id="run")
        with gr.Accordion("Settings", open=False):
            heat = gr.Slider(0, 2, 0, step=0.05, label="Temperature", elem_id="temperature")
            top = gr.Slider(0.05, 1, 1, step=0.05, label="Top-p", elem_id="top-p")
            limit = gr.Slider(1, TOKENS, TOKENS, step=1, label="Max new tokens", elem_id="limit")
            both = gr.Checkbox(value=True, label="Show the untouched model as well")
        settings = [run, heat, top, limit, both]
        with gr.Tabs():
            if not first.config.data.is_chat:
                with gr.Tab("Translate"):
                    _translation(desk, settings)
            if desk.chats:
                with gr.Tab("Chat"):
                    _chat(desk, settings)
    return blocks.queue(max_size=64)


def _named(codes: Iterable[str]) -> list[tuple[str, str]]:
    return [(f"{languages.name(code)} ({code})", code) for code in codes]


def _translation(desk: Desk, settings: list[Any]) -> None:
    first = next(iter(desk.runs.values()))
    own = first.config.data.source_lang, first.config.data.target_lang
    sources, targets = desk.languages(first.name)
    with gr.Row():
        source = gr.Dropdown(_named(sources), value=own[0], label="From", elem_id="from")
        target = gr.Dropdown(_named(targets), value=own[1], label="To", elem_id="to")
    text = gr.Textbox(label="Text", lines=4, autofocus=True, elem_id="text", rtl=_leftward(own[0]))
    with gr.Row():
        go = gr.Button("Translate", variant="primary", elem_id="translate")
        stop = gr.Button("Stop", variant="stop", elem_id="stop")
        clear = gr.Button("Clear")
    with gr.Row():
        tuned = gr.Textbox(label="Tuned", lines=4, elem_id="tuned", rtl=_leftward(own[1]))
        plain = gr.Textbox(label="Untouched", lines=4, elem_id="untouched", rtl=_leftward(own[1]))
    gr.Examples([[each] for each, _ in first.known[:_EXAMPLES]], [text])

    def translate(*given: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - values of boxes
        run, heat, top, limit, both, a, b, said = given
        drawn, result = Sampling(heat, top, int(limit)), ""
        with _told():
            for result in desk.stream_translation(run, said, (a, b), drawn, tuned=True):
                yield result, ""
            if both:
                for other in desk.stream_translation(run, said, (a, b), drawn, tuned=False):
                    yield result, other

    begun = gr.on(
        [go.click, text.submit],
        translate,
        [*settings, source, target, text],
        [tuned, plain],
        **_ONE,
    )
    stop.click(None, cancels=[begun])
    clear.click(lambda: ("", "", ""), None, [text, tuned, plain], cancels=[begun],
                api_visibility="private")  # fmt: skip
    for box, shown in ((source, text), (target, tuned), (target, plain)):
        box.change(_directed, [box], [shown], api_visibility="private")


def _directed(code: str) -> Any:  # noqa: ANN401 - an update of a box
    return gr.update(rtl=_leftward(code))


def _chat(desk: Desk, settings: list[Any]) -> None:
    # Plain text: a picture in an answer would be fetched from anywhere.
    plain: dict[str, Any] = {"render_markdown": False, "height": 360, "buttons": ["copy"]}
    with gr.Row():
        tuned = gr.Chatbot(label="Tuned", elem_id="chat-tuned", **plain)
        untouched = gr.Chatbot(label="Untouched", elem_id="chat-untouched", **plain)
    said = gr.Textbox(label="Message", elem_id="message")
    with gr.Row():
        send = gr.Button("Send", variant="primary", elem_id="send")
        stop = gr.Button("Stop", variant="stop", elem_id="chat-stop")
        clear = gr.Button("Clear", elem_id="chat-clear")

    def answer(*given: Any) -> Iterator[tuple[str, _Turns, _Turns]]:  # noqa: ANN401 - of boxes
        run, heat, top, limit, both, text, a, b = given
        drawn, asked = Sampling(heat, top, int(limit)), _turn("user", text)
        with _told():
            desk.check(run, text)
            a, b = [*a, asked], [*b, asked]
            grown = a
            yield "", a, b
            for result in desk.stream_answer(run, _messages(a), drawn, tuned=True):
                grown = [*a, _turn("assistant", result)]
                yield "", grown, b
            if both:
                for result in desk.stream_answer(run, _messages(b), drawn, tuned=False):
                    yield "", grown, [*b, _turn("assistant", result)]

    begun = gr.on(
        [send.click, said.submit], answer, [*settings, said, tuned, untouched],
        [said, tuned, untouched], **_ONE
    )  # fmt: skip
    stop.click(None, cancels=[begun])
    clear.click(lambda: ([], []), None, [tuned, untouched], cancels=[begun],
                api_visibility="private")  # fmt: skip


def _turn(role: str, text: str) -> dict[str, Any]:
    # Even without markdown, tags in a turn would become elements of the page.
    return {"role": role, "content": html.escape(text, quote=False)}


def _messages(turns: _Turns) -> list[Message]:
    found = []
    for turn in turns:
        content = turn["content"]
        if not isinstance(content, str):  # Gradio hands out a list of parts
            content = "".join(str(part.get("text", "")) for part in content)
        role = "user" if turn["role"] == "user" else "assistant"
        found.append(Message(role, html.unescape(content)))
    return found


def _leftward(code: str) -> bool:
    return code.endswith(_RIGHT_TO_LEFT)


class _told:  # noqa: N801 - used like a function
    """What is wrong is shown on the page, in words."""

    def __enter__(self) -> None:
        """Nothing is opened."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MtsweepError):
            raise gr.Error(str(error), print_exception=False) from error
