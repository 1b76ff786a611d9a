# The portal as one image: web, worker and beat differ in their command. Nothing is downloaded when it runs.

# The full Node.js image, since it has the Python that drives the build.
FROM node:24-bookworm AS frontend
WORKDIR /src
COPY portal/frontend portal/frontend
RUN python3 -m portal.frontend.build

FROM python:3.12-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_PROJECT_ENVIRONMENT=/opt/afterdeck UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /src
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-default-groups --no-install-project
COPY . .
COPY --from=frontend /src/portal/static/portal/vendor portal/static/portal/vendor
RUN uv sync --frozen --no-default-groups --no-editable
# The settings refuse to load without these; collecting static files connects to nothing.
RUN AFTERDECK_SECRET_KEY=for-the-build-only-for-the-build-only \
    AFTERDECK_DATABASE_URL=postgresql://nobody@localhost:1/nothing \
    AFTERDECK_VALKEY_URL=redis://localhost:1/0 \
    /opt/afterdeck/bin/afterdeck collectstatic --noinput

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin afterdeck
COPY --from=build /opt/afterdeck /opt/afterdeck
ENV PATH=/opt/afterdeck/bin:$PATH PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=portal.settings
WORKDIR /tmp
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["uvicorn", "portal.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--no-server-header"]
