"""Incidents, as told by whoever keeps them: known here by their reference there, so that the same message twice is one incident.

An open one can be what lets somebody act without asking first, so only who has the permission opens one, and each is on the record.
"""

from datetime import datetime

from django.db.models import Q

from .models import Incident, Service


def open_incident(service: Service | None, at: datetime, reference: str = "") -> Incident | None:
    """The latest that was open for the service at that time; with a reference only that one."""
    if service is None:
        return None
    rows = Incident.objects.filter(Q(closed_at=None) | Q(closed_at__gt=at), services=service, opened_at__lte=at)
    if reference:
        rows = rows.filter(reference=reference)
    return rows.first()
