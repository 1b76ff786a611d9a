# What the portal needs for *Get access* in Vault or OpenBao, beside portal.hcl. Leave it out where nobody is to be given access.
#
# A grant is an orphan token of the role `afterdeck-access`, which you make with a limit of your own:
#   bao write auth/token/roles/afterdeck-access orphan=true renewable=false allowed_policies_glob='access-*' token_explicit_max_ttl=8h
# What can be given are the policies whose names begin with `access-`, and for a secret only those that its own metadata names:
#   bao kv metadata put -custom-metadata=access=access-checkout-read secret/payments/checkout-api/session
# The portal keeps the accessor of such a token, which can end it and cannot use it.

path "auth/token/roles/afterdeck-access" {
  capabilities = ["read"]
}

path "auth/token/create/afterdeck-access" {
  capabilities = ["create", "update"]
}

path "auth/token/lookup-accessor" {
  capabilities = ["create", "update"]
}

path "auth/token/revoke-accessor" {
  capabilities = ["create", "update"]
}

# Shown before anybody agrees, and what the vault itself says about it afterwards.
path "sys/policies/acl/access-*" {
  capabilities = ["read"]
}

path "sys/capabilities-accessor" {
  capabilities = ["create", "update"]
}

# The logins of databases, to end them and to see that they are gone.
path "sys/leases/lookup" {
  capabilities = ["create", "update"]
}

path "sys/leases/revoke/database/creds/*" {
  capabilities = ["create", "update"]
}

# A credential leaves wrapped, for the first who unwraps it.
path "sys/wrapping/wrap" {
  capabilities = ["create", "update"]
}
