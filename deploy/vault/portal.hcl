# What the portal may do in Vault or OpenBao by itself, and nothing else.
#
# It can see that secrets exist, how old they are, and which keys they have. It can neither read nor write a value: there is no
# secret/data here, and none of the paths that hand out database passwords. What a rotation needs it does with a token of
# its own (rotation.hcl).

path "secret/metadata/*" {
  capabilities = ["read", "list"]
}

# The names of the keys, without their values.
path "secret/subkeys/*" {
  capabilities = ["read"]
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

# Where a database is. The vault leaves the password out.
path "database/config/*" {
  capabilities = ["read"]
}

# How many users a dynamic role has out there. Listing leases is `sudo`; with what is listed nobody can log in.
path "sys/leases/lookup/database/creds/*" {
  capabilities = ["list", "sudo"]
}

path "auth/token/roles/afterdeck-rotation" {
  capabilities = ["read"]
}

path "auth/token/create/afterdeck-rotation" {
  capabilities = ["create", "update"]
}
