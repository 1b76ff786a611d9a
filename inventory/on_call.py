"""Who is on call for a team, and who says so.

To be on call is to be asked first, and may be what saves somebody from asking. So it counts only while they belong to the team, and
nobody who is not an administrator puts themselves on call.
"""

from datetime import datetime

from django.db.models import F, Q, QuerySet

from .models import Person, Shift, Team


def on_call_now(team: Team | None, at: datetime) -> list[Person]:
    """In the order in which their shifts began."""
    if team is None:
        return []
    shifts = _counting().filter(team=team, starts_at__lte=at, ends_at__gt=at)
    people = {shift.person_id: shift.person for shift in shifts.order_by("starts_at", "pk")}
    return list(people.values())


def _counting() -> QuerySet[Shift]:
    """Shifts of people who are still there, and still of the team."""
    of_team = Q(person__groups=F("team__group")) | Q(person__groups=F("team__approvers"))
    return Shift.objects.filter(of_team, person__is_active=True).select_related("person__same_person_as").distinct()
