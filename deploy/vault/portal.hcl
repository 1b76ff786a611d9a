# What the portal may do in Vault or OpenBao, and nothing else.
#
# It can see that secrets exist and write a new version of one. It cannot read a value: there is no "read" on secret/data,
# and none on the paths that hand out database passwords.

path "secret/metadata/*" {
  capabilities = ["read", "list"]
}

# Without "read" a write still needs the check-and-set number, which the metadata gives.
path "secret/data/*" {
  capabilities = ["create", "update"]
}

path "database/static-roles" {
  capabilities = ["list"]
}

path "database/static-roles/*" {
  capabilities = ["read"]
}

path "database/roles" {
  capabilities = ["list"]
}

path "database/roles/*" {
  capabilities = ["read"]
}

# Asks the database for a new password; the answer does not contain it.
path "database/rotate-role/*" {
  capabilities = ["update"]
}
