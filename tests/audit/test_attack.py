"""Promise 8: the application's own database role cannot rewrite the record, whatever SQL it sends."""

import pytest
from django.db import DatabaseError, connection, connections, transaction
from psycopg import errors

from audit import queries, writer
from audit.events import SYSTEM, About, Event

pytestmark = pytest.mark.usefixtures("database")

ATTACKS = {
    "update": "UPDATE audit_event SET summary = 'nothing happened'",
    "delete": "DELETE FROM audit_event",
    "truncate": "TRUNCATE audit_event",
    "backdate": "INSERT INTO audit_event (at, verb, actor_kind, actor, action, service, environment, target, summary, correlation, text)"
    " VALUES (now() - interval '1 year', 'vote.cast', 'person', 'mira', '', '', '', '', '', '', '{}')",
    "forge id": "INSERT INTO audit_event (id, verb, actor_kind, actor, action, service, environment, target, summary, correlation, text)"
    " OVERRIDING SYSTEM VALUE VALUES (1, 'vote.cast', 'person', 'mira', '', '', '', '', '', '', '{}')",
    "forge transaction": "INSERT INTO audit_event (txid, verb, actor_kind, actor, action, service, environment, target, summary,"
    " correlation, text) VALUES ('1', 'vote.cast', 'person', 'mira', '', '', '', '', '', '', '{}')",
    "move the sequence": "SELECT setval('audit_event_id_seq', 1)",
    "drop": "DROP TABLE audit_event",
    "drop the trigger": "DROP TRIGGER audit_event_append_only ON audit_event",
    "disable triggers": "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "skip triggers": "SET session_replication_role = replica",
    "take ownership": "ALTER TABLE audit_event OWNER TO CURRENT_USER",
    "rename": "ALTER TABLE audit_event RENAME TO audit_event_old",
    "copy in": "COPY audit_event FROM STDIN",
    "lock others out": "LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE",
    "rule": "CREATE RULE swallow AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "shadow": "CREATE TABLE public.audit_event_shadow (id int)",
    "become the owner": "SET ROLE afterdeck_owner",
}


@pytest.fixture
def one_event() -> None:
    with transaction.atomic():
        writer.record(
            Event("request.submitted", SYSTEM, "restart checkout-api", About(request=1, service="checkout-api"))
        )


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_application_role_cannot_rewrite_the_record(one_event: None, attack: str) -> None:
    before = list(queries.events(queries.Filter()).values())
    with pytest.raises(DatabaseError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ATTACKS[attack])
    assert isinstance(refusal.value.__cause__, errors.InsufficientPrivilege | errors.InvalidParameterValue), (
        refusal.value
    )
    assert list(queries.events(queries.Filter()).values()) == before


def test_a_grant_that_warns_instead_of_failing_grants_nothing(one_event: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("GRANT ALL ON audit_event TO CURRENT_USER WITH GRANT OPTION")
        cursor.execute(
            "SELECT has_table_privilege('audit_event', 'UPDATE'), has_column_privilege('audit_event', 'at', 'INSERT')"
        )
        assert cursor.fetchone() == (False, False)


def test_even_the_owner_trips_over_the_trigger(one_event: None) -> None:
    for statement in (ATTACKS["update"], ATTACKS["delete"]):
        with pytest.raises(DatabaseError, match="append-only"), connections["owner"].cursor() as cursor:
            cursor.execute(statement)


def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(writer.NoTransaction):
        writer.record(Event("request.submitted", SYSTEM, "too early"))


def test_an_event_and_its_change_roll_back_together() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        writer.record(Event("request.submitted", SYSTEM, "never was"))
        raise ZeroDivisionError
    assert queries.count_up_to(queries.Filter(), 10) == 0
