#!/bin/sh
# Gives the portal an AppRole with the policy of deploy/vault/portal.hcl: it can neither read nor write a value. The token role is what a
# rotation takes a token of, for one step.
set -eu
bao auth list -format=json | grep -q '"approle/"' || bao auth enable approle

bao policy write afterdeck /portal.hcl
bao policy write afterdeck-rotation /rotation.hcl
bao write auth/token/roles/afterdeck-rotation allowed_policies=afterdeck-rotation orphan=false renewable=false token_explicit_max_ttl=5m
bao policy write afterdeck-access /access.hcl
bao policy write access-database /access-database.hcl
bao write auth/token/roles/afterdeck-access allowed_policies_glob='access-*' orphan=true renewable=false token_explicit_max_ttl=8h
bao write auth/approle/role/afterdeck token_policies=afterdeck,afterdeck-access token_ttl=1h token_max_ttl=24h

umask 077
bao read -field=role_id auth/approle/role/afterdeck/role-id >/vault/role_id
bao write -force -field=secret_id auth/approle/role/afterdeck/secret-id >/vault/secret_id
chown 10001 /vault/role_id /vault/secret_id
