"""What Celery can be told about the portal itself: tidy up."""

from celery import shared_task

from . import attempts
from .notices import services as notices


@shared_task(name="portal.tasks.forget", ignore_result=True)
def forget() -> None:
    """Let go of sign-in attempts and of notices that are too old."""
    attempts.forget_old()
    notices.forget_old()
