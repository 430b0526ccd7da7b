"""The app as people meet it: ``app.py RUN [--output-dir FOLDER]``.

Starts ``python -m mtsweep app`` in a process of its own, opens its page in a headless Chromium
(page, first token), and then has 20 users ask its endpoint at once, several times over.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

USERS, ROUNDS, APART = 20, 5, 0.02
SAID = [
    "Where does it hurt?", "The train leaves at nine.", "I lost my tray.", "Please close the door.",
    "It will rain tomorrow.", "How much does it cost?", "My phone does not charge.",
    "The lesson starts at eight.", "We need two tickets.", "She lives near the station.",
]  # fmt: skip


@contextmanager
def app(arguments):
    """The process of the app, its address, and the seconds until it says so."""
    command = [sys.executable, "-m", "mtsweep", "app", *arguments, "--port", "0"]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield process.pid, line.split(" at ")[-1].strip(), time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(20)


def resident(pid):
    """Resident memory in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def ask(address, text):
    body = json.dumps({"text": text}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}translate", body, headers)
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)["translations"][0]["text"]


def looked_at(address, wanted):
    """Seconds until the page can be written into, and until first tokens are on it, by text."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    with sync_playwright() as tool:
        page = tool.chromium.launch(executable_path=found, args=["--no-sandbox"]).new_page()
        begun = time.perf_counter()
        page.goto(address)
        page.wait_for_selector("#text textarea")
        opened, first = time.perf_counter() - begun, []
        value = "document.querySelector('#tuned textarea').value"
        page.get_by_text("Settings").click()
        page.get_by_label("Show the untouched model").uncheck()
        for text in SAID:
            page.get_by_role("button", name="Clear").first.click()
            page.wait_for_function(f"{value} === ''")
            page.fill("#text textarea", text)
            begun = time.perf_counter()
            page.click("#translate")
            page.wait_for_function(f"{value} !== ''", polling=20)
            first.append(time.perf_counter() - begun)
            page.wait_for_function(f"whole => {value} === whole", arg=wanted[text])
            page.wait_for_timeout(500)  # until the button can be pressed again
        return opened, first


def crowd(address, wanted):
    """One round of all users: errors, answers out of order, wrong answers, seconds."""
    ended, errors, wrong, lock = [], [], [], threading.Lock()

    def user(number):
        text = SAID[number % len(SAID)]
        try:
            said = ask(address, text)
        except OSError as error:
            with lock:
                errors.append(f"{type(error).__name__}: {error}")
            return
        with lock:
            ended.append(number)
            if said != wanted[text]:
                wrong.append(number)

    users = [threading.Thread(target=user, args=(number,)) for number in range(USERS)]
    begun = time.perf_counter()
    for each in users:
        each.start()
        time.sleep(APART)
    for each in users:
        each.join()
    swapped = sum(a > b for a, b in zip(ended, ended[1:], strict=False))
    return errors, swapped, wrong, time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="*")
    parser.add_argument("--output-dir", default=".")
    given = parser.parse_args()
    with app([*given.run, "--output-dir", given.output_dir]) as (pid, address, started):
        wanted = {text: ask(address, text) for text in SAID}
        opened, first = looked_at(address, wanted)
        print(f"ready after {started:.1f} s; page {opened:.2f} s (2 asked)")
        print(f"first token: {first[0]:.2f} s, then median {statistics.median(first[1:]):.2f} s, "
              f"at most {max(first):.2f} s (1.5 asked)")  # fmt: skip
        for number in range(ROUNDS):
            errors, swapped, wrong, seconds = crowd(address, wanted)
            told = (
                f"round {number + 1}", f"{USERS} users", f"{len(errors)} errors",
                f"{swapped} out of order", f"{len(wrong)} other texts", f"{seconds:.1f} s",
                f"{resident(pid):.0f} MiB",
            )  # fmt: skip
            print(", ".join(told))
            for error in errors[:3]:
                print(f"  {error}")


if __name__ == "__main__":
    main()
