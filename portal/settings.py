"""Django's settings, derived from `configuration`. Nothing here is read from anywhere else."""

import logging
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from csp.constants import NONE, SELF
from pydantic import PostgresDsn

from portal import configuration, logs

BASE_DIR = Path(__file__).resolve().parent.parent
CONFIGURATION = configuration.load()
VERSION = version("afterdeck")
_https = CONFIGURATION.base_url.scheme == "https"

SECRET_KEY = CONFIGURATION.secret_key.get_secret_value()
DEBUG = CONFIGURATION.debug
ALLOWED_HOSTS = CONFIGURATION.allowed_hosts
CSRF_TRUSTED_ORIGINS = [str(CONFIGURATION.base_url).rstrip("/")]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
AUTH_USER_MODEL = "inventory.Person"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "guardian",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "django_structlog",
    "audit",
    "inventory",
    "approvals",
    "actions",
    "portal",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "portal.middleware.PortalMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.web.shell.shell",
            ],
            "builtins": ["django.templatetags.static", "portal.templatetags.afterdeck"],
        },
    }
]


def _database(url: str) -> dict[str, object]:
    dsn = PostgresDsn(url)
    host = dsn.hosts()[0]
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": (dsn.path or "/")[1:],
        "USER": host["username"],
        "PASSWORD": host["password"],
        "HOST": host["host"],
        "PORT": str(host["port"] or 5432),
        "CONN_MAX_AGE": 600,  # reconnecting per request costs the click 2.3 times as much
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"application_name": "afterdeck", "connect_timeout": 5},
    }


DATABASES = {"default": _database(str(CONFIGURATION.database_url))}
if CONFIGURATION.owner_database_url:
    DATABASES["owner"] = _database(str(CONFIGURATION.owner_database_url))
APP_DATABASE_ROLE = str(DATABASES["default"]["USER"])

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ANONYMOUS_USER_NAME = None
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=5)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "portal.attempts.name_to_keep"
SILENCED_SYSTEM_CHECKS = ["axes.W002"]  # its middleware would replace the answer of `portal.web.signin`

SESSION_COOKIE_NAME = "__Host-afterdeck" if _https else "afterdeck"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
CSRF_COOKIE_NAME = "__Host-csrf" if _https else "afterdeck_csrf"  # __Host-: a sibling subdomain cannot set it
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = False  # the proxy's work
SECURE_HSTS_SECONDS = 31536000 if _https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "portal.web.errors.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.api.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["portal.api.permissions.SignedInWithScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.parsers.StrictJSONParser"],
    "EXCEPTION_HANDLER": "portal.api.errors.problem_details",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "portal.api.schema.OperationSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Afterdeck",
    "DESCRIPTION": "Everything the pages do, through the same gate.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",  # whose schemas are JSON Schema, as those of the actions are
    "SCHEMA_PATH_PREFIX": "/api",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "RequestState": "actions.states.RequestState",
        "RunState": "actions.states.ExecutionState",
        "RoundState": "approvals.models.Round.State",
        "OfferState": "portal.api.serializers.plans.OFFER_STATES",
        "Effect": "approvals.rulings.Effect",
        "Scope": "portal.models.Scope",
        "NoticeKind": "portal.notices.models.Kind",
    },
}

CELERY_BROKER_URL = str(CONFIGURATION.valkey_url)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_POOL = "threads"  # the process that has the runs in hand keeps their leases; in prefork its parent would
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a broker that is away for a day is still only latency
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 2,  # publishing to a frozen broker would block the click for more than 30 s
    "socket_connect_timeout": 2,
    "max_retries": 0,  # else kombu tries to connect again for 4 s more, although the task says retry=False
    "visibility_timeout": 600,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
}
CELERY_BEAT_SCHEDULE = {
    "discover": {
        "task": "inventory.tasks.discover",
        "schedule": CONFIGURATION.discovery_seconds,
        "options": {"expires": CONFIGURATION.discovery_seconds},  # else a worker that was away looks again and again
    },
    "forget": {"task": "inventory.tasks.forget", "schedule": timedelta(hours=1)},
    "forget-attempts": {"task": "portal.tasks.forget", "schedule": timedelta(hours=1)},
}

DJANGO_STRUCTLOG_REQUEST_CANCELLED_LOG_LEVEL = logging.INFO  # a browser that leaves a live page is no problem
LOGGING = logs.configure(CONFIGURATION.log_level)
LOGGING_CONFIG = "logging.config.dictConfig"
