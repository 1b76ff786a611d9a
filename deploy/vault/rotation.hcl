# What a token of the role `afterdeck-rotation` may do. The portal takes one for each step of a run that has to touch a value, and
# gives it back with the step; its name and metadata carry the run and the person into your audit log.
#
# Narrow the paths to what you want rotated. Without this policy and its token role the portal still shows secrets, and rotates none.

# The old value is read once when a rotation is taken back, a written one when a crash left open whose it is, and a login when it is tried.
path "secret/data/*" {
  capabilities = ["read", "create", "update", "patch"]
}

# Notes what a run is about to write. Nothing else of the metadata can be set with it.
path "secret/metadata/*" {
  capabilities = ["patch"]
  allowed_parameters = {
    "custom_metadata" = []
  }
}

path "secret/destroy/*" {
  capabilities = ["create", "update"]
}

path "database/rotate-role/*" {
  capabilities = ["update"]
}

path "database/static-creds/*" {
  capabilities = ["read"]
}

# A user to look around with, that ends with the step.
path "database/creds/*" {
  capabilities = ["read"]
}

path "sys/leases/revoke/database/creds/*" {
  capabilities = ["update"]
}
