"""Hands the settings to the packages that must not read them: connectors, and the policy that is loaded and checked at start."""

from django.apps import AppConfig
from django.conf import settings

from connectors import registry
from connectors.kubernetes import ClusterConfig
from connectors.vault import VaultConfig


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        configuration = settings.CONFIGURATION
        registry.configure(
            {
                "kubernetes": {
                    name: ClusterConfig(c.kubeconfig, c.context, c.simulated, c.read_only, c.server_for_people)
                    for name, c in configuration.clusters.items()
                },
                "vault": {
                    name: VaultConfig(
                        v.address, v.token_file, v.role_id_file, v.secret_id_file, v.read_only, v.address_for_people
                    )
                    for name, v in configuration.vaults.items()
                },
            }
        )
