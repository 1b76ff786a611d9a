"""Every way in: pages, JSON API, commands; settings and logs. Celery finds its application here (`celery -A portal`)."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
