"""One JSON line per log event, with the request and execution ids bound by whoever is working, and credentials taken out."""

from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from audit.redact import redact

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def hide_credentials(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: value if key.startswith("_") else redact(value) for key, value in event.items()}


def configure(level: str) -> dict[str, Any]:
    """Configure structlog and return Django's LOGGING: the standard library's records take the same way out."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    hide_credentials,
                    structlog.processors.JSONRenderer(),
                ],
                "foreign_pre_chain": SHARED,
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["console"], "propagate": False},
            "urllib3": {"level": "ERROR"},
            "kubernetes": {"level": "WARNING"},
        },
    }
