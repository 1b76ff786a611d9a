"""What the application's database role may do: data here, SQL from it, the same on every start.

Tables belong to the owner role, which only `manage.py setup_database` uses. The application reads and writes rows; of the audit
record it may insert the payload columns and read. With a table-level INSERT it could backdate `at` and forge ids.
"""

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from audit.writer import COLUMNS

AUDIT_TABLE = "audit_event"
WRITTEN_BY_POSTGRES = ("id", "at", "txid")
READ_ONLY = ("django_migrations",)


def grant_to_application(alias: str, role: str) -> None:
    """Give `role` exactly what it needs on every table of ours; run as the owner. Repeatable."""
    connection = connections[alias]
    tables = set(connection.introspection.table_names())
    ordinary = sorted(tables - {AUDIT_TABLE, *READ_ONLY})
    name = sql.Identifier(role)
    statements = [
        sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name),
        sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(name),
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}").format(
            sql.SQL(", ").join(map(sql.Identifier, ordinary)), name
        ),
        sql.SQL("GRANT SELECT ON {}, {} TO {}").format(
            sql.Identifier(AUDIT_TABLE), sql.SQL(", ").join(map(sql.Identifier, READ_ONLY)), name
        ),
        sql.SQL("GRANT INSERT ({}) ON {} TO {}").format(
            sql.SQL(", ").join(map(sql.Identifier, COLUMNS)), sql.Identifier(AUDIT_TABLE), name
        ),
        sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(name),
    ]
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def problems(connection: BaseDatabaseWrapper) -> list[str]:
    """Why the application must not start on this database; empty when all is well."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        version = cursor.fetchone()[0]
        if version < 150000:
            return [f"Postgres 15 or newer is needed; this is {version // 10000}."]
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [AUDIT_TABLE])
        if not cursor.fetchone()[0]:
            return [
                "The database has no tables yet. Run `manage.py setup_database` with AFTERDECK_OWNER_DATABASE_URL set."
            ]
        cursor.execute(
            # MEMBER, not USAGE: who is a member without inheriting is one SET ROLE away from owning the table
            "SELECT has_any_column_privilege(%(t)s, 'UPDATE') OR has_table_privilege(%(t)s, 'DELETE')"
            " OR has_table_privilege(%(t)s, 'TRUNCATE') OR has_table_privilege(%(t)s, 'INSERT')"
            " OR EXISTS (SELECT FROM unnest(%(written)s::text[]) name WHERE has_column_privilege(%(t)s, name, 'INSERT'))"
            " OR pg_has_role(current_user, tableowner::name, 'MEMBER')"
            " FROM pg_tables WHERE tablename = %(t)s",
            {"t": AUDIT_TABLE, "written": list(WRITTEN_BY_POSTGRES)},
        )
        if cursor.fetchone()[0]:
            return [
                "The role in AFTERDECK_DATABASE_URL could rewrite the audit record. Use a role that does not own the tables, and "
                "run `manage.py setup_database`, which grants what is needed."
            ]
    return []


def tables_of_ours() -> list[str]:
    """Every table, for a test that empties them as the owner."""
    return sorted(model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed)
