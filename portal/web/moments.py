"""Moments that people type, in the time zone that their pages speak in: what `<input type="datetime-local">` sends."""

from datetime import datetime

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from actions.errors import BadParams

LIKE = "%Y-%m-%dT%H:%M"
_FIELD = forms.DateTimeField(input_formats=[LIKE])


def read_moment(name: str, typed: str) -> datetime:
    """Raises `BadParams` for `name`, also for an hour that a change of the clocks leaves out or has twice."""
    try:
        moment: datetime = _FIELD.clean(typed.strip())
    except ValidationError as wrong:
        raise BadParams(
            {name: ["Give a date and a time, like 2026-12-24T18:00, that exist in your time zone."]}
        ) from wrong
    return moment


def as_typed(at: datetime) -> str:
    """What such a field shows."""
    return f"{timezone.localtime(at):{LIKE}}"
