"""The app over HTTP, without a browser."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from mtsweep import cli
from mtsweep.data.pairs import Message
from mtsweep.serve import resolve
from mtsweep.serve.streaming import Sampling
from mtsweep.serve.translator import opened
from tests.report.conftest import browser  # noqa: F401 - a fixture

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


HERE = "http://127.0.0.1"


@pytest.fixture(scope="module")
def desk(output, finished):
    from mtsweep.app.desk import Desk

    return Desk([resolve.choose(record.id, output) for _, record in finished], 200)


@pytest.fixture(scope="module")
def client(desk):
    from fastapi.testclient import TestClient

    from mtsweep.app.server import serving

    with TestClient(serving(desk, None), HERE) as made:
        yield made


def test_the_endpoint_says_what_was_scored_whichever_run_was_asked_before(client, desk, finished):
    for folder, record in [*finished, *finished]:
        rows = folder.predictions("test")
        told = client.post(
            "/translate", json={"text": [row["source"] for row in rows][:4], "run": record.id}
        ).json()
        assert [each["text"] for each in told["translations"]] == [
            " ".join(row["hypothesis"].splitlines()) for row in rows[:4]
        ]


def test_the_untouched_model_stays_untouched_beside_its_adapters(desk, finished):
    name = finished[0][1].id
    with opened(desk.runs[name].config, None) as translator:
        wanted = translator.translate(["Hello."])[0].text
    pair = "eng_Latn", "spa_Latn"
    for _, record in finished:
        said = list(desk.stream_translation(record.id, "Hello.", pair, Sampling(), tuned=False))
        assert said[-1] == " ".join(wanted.splitlines())
        assert len(said) > 1


@pytest.mark.parametrize(
    ("body", "code", "complaint"),
    [
        ({"text": " "}, 400, "nothing in it"),
        ({"text": "a" * 201}, 400, "200 at most"),
        ({"text": "a", "run": "zzz"}, 400, "not served"),
        ({"text": "a", "target_lang": "spanish"}, 400, "did you mean spa_Latn"),
        ({"text": "a", "temperature": 3}, 422, "temperature: "),
        ({"words": "a"}, 422, "text: Field required"),
    ],
)
def test_what_is_wrong_is_told_as_json(client, body, code, complaint):
    answer = client.post("/translate", json=body)
    assert answer.status_code == code
    assert complaint in answer.json()["error"]


def test_the_page_comes_and_names_no_other_place(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert "fonts.googleapis" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "/translate" in client.get("/openapi.json").json()["paths"]


def test_a_conversation_goes_on_and_can_be_broken_off(desk, finished):
    name = finished[0][1].id
    asked = [Message("user", "Hello <|end|>")]
    few = Sampling(max_new_tokens=6)
    first = list(desk.stream_answer(name, asked, few, tuned=True))
    assert list(desk.stream_answer(name, asked, few, tuned=True))[-1] == first[-1]
    going = desk.stream_answer(name, asked, Sampling(max_new_tokens=400), tuned=True)
    next(going)
    going.close()
    again = [*asked, Message("assistant", first[-1] or "-"), Message("user", "And?")]
    assert list(desk.stream_answer(name, again, few, tuned=True))


def test_without_user_and_password_nothing_is_answered(desk):
    from fastapi.testclient import TestClient

    from mtsweep.app.server import serving

    with TestClient(serving(desk, ("ann", "secret")), HERE) as guarded:
        assert guarded.post("/translate", json={"text": "a"}).status_code == 401
        assert guarded.get("/config").status_code == 401
        told = guarded.post("/translate", json={"text": "a"}, auth=("ann", "secret"))
        assert told.status_code == 200


def test_a_page_of_another_place_cannot_ask_under_a_name_of_its_own(client):
    told = client.post("/translate", json={"text": "a"}, headers={"Host": "evil.example:7860"})
    assert told.status_code == 403
    assert client.get("/", headers={"Host": "[::1]:7860"}).status_code == 200


@pytest.mark.parametrize(
    ("given", "complaint"),
    [(["--host", "0.0.0.0"], "give --auth"), (["--auth", "ann"], "USER:PASSWORD")],
)
def test_what_others_could_reach_asks_for_a_password(given, complaint, capsys):
    assert cli.run(["app", *given]) == 2
    assert complaint in capsys.readouterr().err


@pytest.fixture
def shown(desk, browser):  # noqa: F811
    """The page in a browser that reports every request to another place."""
    import uvicorn

    from mtsweep.app.server import serving

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(serving(desk, None), log_level="critical", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.02)
    address, away = f"http://127.0.0.1:{listening.getsockname()[1]}/", []
    page = browser.new_page(viewport={"width": 360, "height": 740})
    inside = (address, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(inside) else away.append(r.url))
    page.goto(address)
    yield page
    page.close()
    server.should_exit = True
    thread.join()
    listening.close()
    assert away == []


def test_a_person_translates_by_keyboard_and_is_told_what_is_wrong(shown, desk):
    shown.wait_for_selector("#text textarea")
    assert shown.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    shown.fill("#text textarea", "Hello.\nThank you!")
    shown.keyboard.press("Shift+Enter")
    run = next(iter(desk.runs))
    pair = "eng_Latn", "spa_Latn"
    wanted = desk.translate(run, ["Hello.\nThank you!"], pair, Sampling())[0].text
    value = "document.querySelector('#tuned textarea').value"
    shown.wait_for_function(f"text => {value} === text", arg=wanted)
    shown.fill("#text textarea", "a" * 201)
    told = shown.get_by_text("this app takes 200 at most")
    for _ in range(20):  # a click while the untouched model still answers is passed over
        shown.click("#translate")
        shown.wait_for_timeout(1000)
        if told.is_visible():
            break
    assert told.is_visible()


def test_sliders_and_another_run_change_what_is_said(shown, desk):
    pair, tuned = ("eng_Latn", "spa_Latn"), "document.querySelector('#tuned textarea').value"
    first, other = desk.runs
    shown.wait_for_selector("#text textarea")
    shown.get_by_text("Settings").click()
    shown.fill("#limit input[type=number]", "3")
    shown.keyboard.press("Tab")
    shown.fill("#text textarea", "Where does it hurt?")
    shown.click("#translate")
    for run in (first, other):
        if run == other:
            shown.click("#run input")
            shown.get_by_role("option", name=other).click()
            shown.click("#translate")
        few = Sampling(max_new_tokens=3)
        wanted = desk.translate(run, ["Where does it hurt?"], pair, few)[0]
        assert wanted.tokens <= 3
        shown.wait_for_function(f"text => {tuned} === text", arg=wanted.text)
    shown.fill("#temperature input[type=number]", "2")
    shown.fill("#top-p input[type=number]", "0.95")
    shown.keyboard.press("Tab")
    said = set()
    for _ in range(4):  # drawn anew each time
        shown.evaluate("document.querySelector('#tuned textarea').dataset.seen = 1")
        shown.get_by_role("button", name="Clear").first.click()
        shown.wait_for_function(f"{tuned} === ''")
        shown.fill("#text textarea", "Where does it hurt?")
        shown.click("#translate")
        shown.wait_for_function(f"{tuned} !== ''")
        said.add(shown.evaluate(tuned))
    assert len(said) > 1


def test_a_person_chats_stops_and_is_told_what_cannot_be_sent(shown, desk):
    shown.wait_for_selector("#run")
    shown.get_by_role("tab", name="Chat").click()
    shown.click("#send")
    shown.get_by_text("there is nothing in it").wait_for()
    said = shown.locator("#chat-tuned [data-testid=user]")
    assert said.count() == 0
    for number, text in enumerate(("Hello <b>you</b>", "And now?"), 1):
        shown.fill("#message textarea", text)
        shown.keyboard.press("Enter")
        shown.locator("#chat-tuned [data-testid=bot]").nth(number - 1).wait_for()
        assert said.nth(number - 1).inner_text().strip() == text
        shown.click("#chat-stop")
        wait_until(lambda: not desk.busy)
    shown.click("#chat-clear")
    said.first.wait_for(state="detached")


def wait_until(true, seconds=20):
    for _ in range(seconds * 20):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")
