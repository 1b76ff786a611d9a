"""How the inventory says no to a person: in a sentence, with the field it belongs to. Entrances choose how to show it."""


class Unfit(ValueError):
    """A value is wrong. Nothing was changed."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class NotYours(Exception):
    """Not theirs to change; that they tried is on record."""
