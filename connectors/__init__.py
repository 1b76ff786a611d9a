"""The outside world: everything that speaks to a cluster or a vault.

Plain Python that imports none of our other packages. What a vendor calls things stops here: above this package nobody
knows an HTTP status, imports a vendor's library, or catches `Exception`.
"""
