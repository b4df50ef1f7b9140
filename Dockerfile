# The functions, as docs/how-to/deploy.md describes their deployment. Built in the root of the repository.
FROM node:22-slim AS libraries
WORKDIR /engine
COPY package.json package-lock.json ./
COPY scripts/console-assets scripts/console-assets
RUN npm ci --ignore-scripts --omit=dev && scripts/console-assets

FROM python:3.12-slim

# In bubblewrap run fixes of type bash, which may use jq.
RUN apt-get update && \
    apt-get install --yes --no-install-recommends bubblewrap jq && \
    rm -rf /var/lib/apt/lists/*

WORKDIR /engine
COPY pyproject.toml README.md ./
COPY shared shared
COPY functions functions
COPY --from=libraries /engine/shared/pattern_engine/console/assets/vendor \
    shared/pattern_engine/console/assets/vendor
# The extra `fixes` is what fixes of type typescript and bash are read and run with, `notify` what notifications are sent with.
RUN pip install --no-cache-dir ".[fixes,notify]"

RUN useradd --create-home engine
USER engine

CMD ["gunicorn", "--config", "python:pattern_engine.serving.gunicorn_settings"]
