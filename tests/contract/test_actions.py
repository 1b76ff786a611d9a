"""Every registered action keeps the contract that a third party's has to keep, on every kind of object it works on."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from actions.registry import all_actions
from actions.testing import ActionContract
from connectors.kubernetes import KubernetesCluster
from sandbox.stack import Endpoints
from tests.cluster import Namespace, made_namespace
from tests.contract.subjects import CASES, Case, OnCluster

THESE = ("test_actions.py", "test_connectors.py", "test_crashes.py")


def test_every_action_has_a_case_for_every_kind_it_works_on() -> None:
    """Here, unless a module beside this one keeps its case: then that says for which kinds."""
    beside = " ".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path.name not in THESE)
    cases = {(case.action, case.kind) for case in CASES}
    tried_here = {action for action, _ in cases}
    here = [action for action in all_actions() if action.id in tried_here or f'"{action.id}"' not in beside]
    wanted = {(action.id, kind) for action in here for kind in action.kinds}
    assert cases == wanted, "Add cases to tests/contract/subjects.py."


@pytest.fixture(scope="module")
def shared_namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def made(case: Case, cluster: KubernetesCluster, shared_namespace: Namespace) -> OnCluster:
    return OnCluster(case, cluster, shared_namespace, f"shop-{secrets.token_hex(3)}")


class TestActions(ActionContract):
    """One workload for all tests of a case, declared anew for each."""

    @pytest.fixture
    def subject(self, db: None, made: OnCluster) -> OnCluster:
        """With a database, because a plan may show what is on record."""
        made.declare()
        made.rest()
        return made
