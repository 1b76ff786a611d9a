"""The rooms of one action that is a saga: `catalog/rotate_secret.py` reads top to bottom and finds its steps here."""
