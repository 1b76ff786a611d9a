"""Vault or OpenBao: where secrets are and how old they are. Never what they are."""
