"""What is refused as a credential, and what is not."""

import pytest

from actions.credentials import names_a_credential, refuse_credentials
from actions.protocol import CannotPlan


@pytest.mark.parametrize(
    "name",
    ["DB_PASSWORD", "dbPassword", "API_KEY", "apikey", "GITHUB_TOKEN", "clientSecret", "SECRET", "PGPASSWORD", "tls.key", "DSN"],
)  # fmt: skip
def test_a_name_of_a_credential(name: str) -> None:
    assert names_a_credential(name)


@pytest.mark.parametrize(
    "name", ["LOG_LEVEL", "KEYBOARD", "MONKEYS", "TOKENIZER_THREADS", "passenger", "AUTHOR", "pool"]
)
def test_a_name_of_something_else(name: str) -> None:
    assert not names_a_credential(name)


@pytest.mark.parametrize(
    "text",
    [
        "password: x", "  db_password = x", '{"token": "x"}', "postgresql://a:b@db/x", "hvs.CAESIJcanaryCanaryCanaryCanary00",
        "a: 1\nAPI_KEY='x'",
    ],
)  # fmt: skip
def test_a_text_that_holds_one(text: str) -> None:
    with pytest.raises(CannotPlan, match="looks as if it held a credential"):
        refuse_credentials("settings", text)


@pytest.mark.parametrize("text", ["level: debug", "pool = 4", "https://db.example:5432/x", "", "password:"])
def test_a_text_that_does_not(text: str) -> None:
    refuse_credentials("settings", text)
