"""A form from a schema: which fields there are, what a browser sends for them, and what is refused in words."""

from typing import Literal

from pydantic import Field

from actions.protocol import Option, Params
from portal.web import fields


class Sample(Params):
    replicas: int | None = Field(None, ge=0, le=500, title="Replicas", json_schema_extra={"widget": "stepper"})
    pace: Literal["fast", "slow"] = "fast"
    force: bool = Field(False, title="Force", json_schema_extra={"advanced": True})
    name: str = Field(title="Name", description="As in the manifest")


def test_a_field_has_what_its_schema_says() -> None:
    replicas, name = fields.fields_of(Sample, values={"replicas": 3}, now={"replicas": 8})
    assert (replicas.widget, replicas.value, replicas.now, replicas.minimum, replicas.maximum) == (
        "stepper",
        "3",
        "8",
        "0",
        "500",
    )
    assert (name.widget, name.label, name.hint, name.required) == ("text", "Name", "As in the manifest", True)


def test_what_the_action_says_nothing_of_is_left_out_until_somebody_fills_it_in() -> None:
    shown = [field.name for field in fields.fields_of(Sample, values={"pace": "slow", "force": "false"}, now={})]
    assert shown == ["pace", "name"]


def test_a_choice_is_the_one_that_was_chosen() -> None:
    pace = fields.fields_of(Sample, values={"pace": "slow"}, now={})[0]
    assert [(choice.value, choice.chosen) for choice in pace.choices] == [("fast", False), ("slow", True)]


def test_what_there_is_to_choose_from_may_be_known_only_now() -> None:
    options = {"replicas": [Option(5, "Revision 5", "shop:2"), Option(4, "Revision 4")]}
    replicas = fields.fields_of(Sample, values={"replicas": 4}, now={"replicas": 4}, options=options)[0]
    assert [(choice.value, choice.label, choice.meaning, choice.chosen) for choice in replicas.choices] == [
        ("5", "Revision 5", "shop:2", False),
        ("4", "Revision 4", "", True),
    ]


def test_an_optional_field_left_empty_was_not_given_and_an_unticked_box_says_no() -> None:
    assert fields.typed(Sample, {"replicas": "", "name": "", "stranger": "x"}) == {"force": "false", "name": ""}
    assert fields.typed(Sample, {"force": "true", "name": "a"})["force"] == "true"


def test_what_a_validator_says_is_said_as_people_say_it() -> None:
    assert fields.plain("Input should be greater than or equal to 1") == "At least 1."
    assert fields.plain("Input should be less than or equal to 1000") == "At most 1000."
    assert fields.plain("Input should be 'fast' or 'slow'") == "Choose 'fast' or 'slow'."
    assert fields.plain("the minimum is larger than the maximum") == "The minimum is larger than the maximum."
