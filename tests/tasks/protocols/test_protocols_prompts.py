"""Every protocol's prompt is that of its snapshot.

`python -m tests.tasks.protocols.test_protocols_prompts` writes the snapshots anew.
"""

from pathlib import Path

import pytest

from tasks.benchmarks import read_questions
from tasks.protocols import PROTOCOLS

HERE = Path(__file__).parent
FOLDER = HERE / "prompts"
NUMBERS = (1, 63, 161, 201)
"""Plain; blanks before the options and behind them; quotes."""


def shown(name):
    protocol = PROTOCOLS[name]
    questions = read_questions(HERE.parent / "benchmarks" / "mmvp" / "Questions.csv").questions
    said = [
        f"protocol {name}\nimage {protocol.image}\ndecoding {tuple(protocol.decoding)}\n",
        f"key {protocol.key}\npairs {protocol.pair_rule}\n",
    ]
    for number in NUMBERS:
        question = questions[number - 1]
        prompt = protocol.prompt(question)
        said.append(f"\n--- {number} system {prompt.system!r}\n{prompt.user!r}\n")
        if protocol.judge:
            asked = protocol.judge.ask(prompt.user, "(a)", "REPLY")
            said.append(f"judge {protocol.judge.system!r}\n{asked!r}\n")
    return "".join(said)


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_a_prompt_is_that_of_its_snapshot(name):
    assert shown(name) == (FOLDER / f"{name}.txt").read_text()


def test_there_is_no_snapshot_without_a_protocol():
    assert {file.stem for file in FOLDER.glob("*.txt")} == set(PROTOCOLS)


if __name__ == "__main__":
    for each in PROTOCOLS:
        (FOLDER / f"{each}.txt").write_text(shown(each))
