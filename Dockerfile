# One file, two images: `serving` (gateway, control API, lifecycle worker: Node alone) and `training` (CPU and GPU
# workers: Node and the trainers' Python). Both run as uid 1000 and write below /var/lib/perennial only.

FROM node:22.23.2-bookworm-slim AS build
WORKDIR /opt/perennial
ENV ONNXRUNTIME_NODE_INSTALL_CUDA=skip
COPY package.json package-lock.json .npmrc ./
# No package's install script runs: none of ours needs one.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# The build step of set-up alone: servers and Python come from elsewhere here.
RUN node --input-type=module -e "\
      import { cpSync } from 'node:fs'; \
      import { placesFor } from './tools/places.mjs'; \
      import { createRunner } from './tools/run-command.mjs'; \
      import { build, buildFolder } from './tools/steps/build.mjs'; \
      const places = placesFor({ PERENNIAL_TOOLS: '/tmp/perennial' }); \
      const { run } = createRunner({ record: '/tmp/perennial/commands.json', signal: new AbortController().signal }); \
      await build.make({ places, run, say: console.log, detail() {} }); \
      cpSync(buildFolder(places), 'dist', { recursive: true });" \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund


FROM node:22.23.2-bookworm-slim AS serving
WORKDIR /opt/perennial
ENV NODE_ENV=production \
    NODE_OPTIONS=--enable-source-maps \
    PERENNIAL_HOME=/var/lib/perennial \
    PERENNIAL_WORKFLOW_BUNDLE=/opt/perennial/dist/workflow-bundle.js \
    PERENNIAL_TRAINERS=/opt/perennial/trainers
# A named volume takes owner and mode from the folder that it covers.
RUN cd /var/lib \
 && install -d -o node -g node -m 0755 perennial perennial/data perennial/jobs perennial/keys/public \
 && install -d -o node -g node -m 0700 perennial/keys perennial/gateway
# Owned by root: a process that is broken into cannot change its own program.
COPY --from=build /opt/perennial/package.json ./
COPY --from=build /opt/perennial/node_modules ./node_modules
COPY --from=build /opt/perennial/tools ./tools
COPY --from=build /opt/perennial/dist ./dist
# Their digest goes into every run's record; nothing here runs them.
COPY trainers ./trainers
# SageMaker starts a container with the argument "serve": the gateway on the package in /opt/ml/model, on port 8080.
RUN echo "import './dist/workers/sagemaker-gateway.js';" > serve.js
LABEL com.amazonaws.sagemaker.capabilities.multi-models=true \
      com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
USER node
ARG PERENNIAL_CODE_REVISION=unknown
ENV PERENNIAL_CODE_REVISION=$PERENNIAL_CODE_REVISION
ENTRYPOINT ["node"]
CMD ["dist/workers/lifecycle.worker.js"]


FROM python:3.11.15-slim-bookworm AS python-packages
COPY trainers/requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/python \
 && /opt/python/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: -r /tmp/requirements.txt


FROM python:3.11.15-slim-bookworm AS training
# LightGBM's wheel expects the system's OpenMP.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1000 node \
 && useradd --uid 1000 --gid node --create-home node
WORKDIR /opt/perennial
ENV NODE_ENV=production \
    NODE_OPTIONS=--enable-source-maps \
    PYTHONDONTWRITEBYTECODE=1 \
    PERENNIAL_HOME=/var/lib/perennial \
    PERENNIAL_WORKFLOW_BUNDLE=/opt/perennial/dist/workflow-bundle.js \
    PERENNIAL_PYTHON=/opt/python/bin/python \
    PERENNIAL_TRAINERS=/opt/perennial/trainers
COPY --from=serving /usr/local/bin/node /usr/local/bin/node
COPY --from=serving /opt/perennial ./
COPY --from=serving --chown=node:node /var/lib/perennial /var/lib/perennial
COPY --from=python-packages /opt/python /opt/python
USER node
ARG PERENNIAL_CODE_REVISION=unknown
ENV PERENNIAL_CODE_REVISION=$PERENNIAL_CODE_REVISION
ENTRYPOINT ["node"]
CMD ["dist/workers/cpu.worker.js"]
