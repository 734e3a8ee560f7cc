"""Proposals to check."""

from storage.proposals import ProposalRow

PAIR = {"pair_id": "0" * 32, "image_a": "a" * 64, "image_b": "b" * 64}


def proposal(question="Is it open or closed?", options=("open", "closed"), **changes):
    """A proposal whose first option holds for image 1, all else good."""
    told = {
        "question": question,
        "option_1": options[0],
        "option_2": options[1],
        "answer_a": options[0],
        "answer_b": options[1],
        "statement_a": "an open door",
        "statement_b": "a closed door",
        "pattern": "State and Condition",
    }
    return ProposalRow(
        mining="m", writer="model:w", number=0, request="r" * 64, **PAIR | told | changes
    )
