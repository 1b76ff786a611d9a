# The policy `access-database`: what the token has that a database login of *Get access* hangs below. Nobody is ever given this token; it
# is there so that the login ends with it, on time, whatever becomes of the portal. Narrow it to the roles that people may have.

path "database/creds/*" {
  capabilities = ["read"]
}

path "sys/leases/renew/database/creds/*" {
  capabilities = ["create", "update"]
}
