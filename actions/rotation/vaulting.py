"""How the steps of a rotation reach the secret that it is about: where it is, and the vault as the person by whom the run is."""

from contextlib import AbstractContextManager

from connectors.vault.rotation import Rotation

from ..protocol import Plan, World


def place(plan: Plan) -> tuple[str, str]:
    """Mount and path."""
    return plan.target.ref.namespace, plan.target.ref.name


def rotating(world: World) -> AbstractContextManager[Rotation]:
    """Raises `LookupError` while planning."""
    return world.vault.rotating(as_=world.person.user, execution=world.current_run.id)
