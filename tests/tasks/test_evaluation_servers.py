"""Models on servers: what their names stand for, and what is sent in which way."""

import dataclasses

import pytest

from tasks.evaluation.asking import NO_IMAGE, Asked
from tasks.evaluation.candidates import EvaluateConfig, others
from tasks.evaluation.servers import ROOM_TO_THINK, Server
from tasks.evaluation.ways import CONTROLS, about, way_named

ASKED = Asked("q", "image", (), "Open?", ("open", "closed"), "Be short.")
KINDS = ["openai:m", "openai:m@http://localhost:1/v1", "anthropic:m", "gemini:m"]


@pytest.mark.parametrize("own", ["", "~own"])
@pytest.mark.parametrize("control", ["", *(f"+{name}" for name in CONTROLS)])
@pytest.mark.parametrize("repeat", ["", "#2", "#17"])
def test_a_way_is_called_what_it_was_named(own, control, repeat):
    name = f"letter{own}{control}{repeat}"

    assert way_named(name).name == name
    assert about(name).startswith(about("letter"))


@pytest.mark.parametrize(
    "name", ["", "letter+", "letter#0", "letter~", "letter~mine", "+text-only"]
)
def test_what_is_no_way_is_refused(name):
    with pytest.raises(ValueError, match=r"is no way to ask|no protocol"):
        way_named(name)


@pytest.mark.parametrize("spec", KINDS)
def test_a_server_is_called_what_it_was_named(spec):
    assert Server.parse(spec).label == spec


@pytest.mark.parametrize(
    "spec", ["openai:", "anthropic:m@http://localhost", "openai:m@localhost:1"]
)
def test_a_name_that_names_no_server_says_what_it_should_be(spec):
    with pytest.raises(ValueError, match=r"expected openai:NAME|only openai: takes an address"):
        Server.parse(spec)


def test_folders_and_hub_names_are_no_servers():
    assert Server.parse("./openai") is None
    assert Server.parse("org/openai:main") is None


@pytest.mark.parametrize("spec", KINDS)
def test_a_protocols_decoding_is_sent_or_the_servers_own_is_left_alone(spec):
    server = Server.parse(spec)
    greedy = server.request(way_named("letter"), ASKED).decoding
    own = server.request(way_named("letter~own"), ASKED).decoding

    assert (greedy.temperature, greedy.seed) == (0.0, None)
    assert (own.temperature, own.seed, own.max_new_tokens) == (None, None, ROOM_TO_THINK)


def test_lots_are_drawn_by_seed_where_a_server_knows_seeds():
    seeds = [
        Server.parse(spec).request(way_named("paper-2024#3"), ASKED).decoding.seed for spec in KINDS
    ]

    assert seeds == [2, 2, None, 2]


def test_a_question_without_an_image_sends_none():
    shown, bare = (
        Server.parse("openai:m").request(way_named("letter"), asked).messages[-1].parts
        for asked in (ASKED, ASKED._replace(image=NO_IMAGE))
    )

    assert len(shown) == 2
    assert len(bare) == 1


@pytest.mark.parametrize("way", ["option-logprob", "internvl"])
def test_what_no_server_gives_is_said_before_it_is_asked(way):
    with pytest.raises(ValueError, match=f"cannot be asked by '{way}'"):
        Server.parse("openai:m").request(way_named(way), ASKED)


def test_own_decoding_is_for_servers_and_in_the_name_of_their_scores(tmp_path):
    config = EvaluateConfig(models=("openai:m",), own_decoding=True, repeats=2)

    found = others(config, tmp_path / "hashes", published=True)

    assert [one.way for one in found] == ["letter~own", "letter~own#2"]
    assert dataclasses.asdict(way_named("letter").protocol) == dataclasses.asdict(
        way_named("letter~own").protocol
    )
