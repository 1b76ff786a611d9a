"""What each worker process does for notices, beside its runs: read on in the record, and send what waits.

The two are apart, so that a mail server that does not answer holds up no inbox.
"""

from .delivering import deliver
from .following import follow

JOBS = ((follow, 1.0), (deliver, 1.0))
"""With the seconds between two times."""
