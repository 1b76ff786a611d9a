"""What docs/policy.md says is so: its examples load, and its table has every fact that there is."""

import re

from approvals import loader, trials
from approvals.conditions import VARIABLES
from tests.architecture.sources import ROOT

PAGE = (ROOT / "docs/policy.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_load_and_their_tests_pass() -> None:
    first, freeze, more, tests = EXAMPLES
    policy = loader.load_texts({"first.yaml": first, "freeze.yaml": freeze, "more.yaml": more})
    result = trials.try_out(policy, {"example.test.yaml": tests})
    assert (len(result.ran), result.failed) == (2, ())


def test_every_fact_is_in_the_table() -> None:
    table = PAGE[PAGE.index("## Facts") : PAGE.index("## Tests of a policy")]
    named = set(re.findall(r"`([a-z]+\.[a-z_]+|now)`", table.replace("`now.getHours", "")))
    assert set(VARIABLES) <= named, set(VARIABLES) - named
    assert {name for name in named if "." in name} <= set(VARIABLES)
