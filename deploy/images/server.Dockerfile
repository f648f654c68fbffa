# syntax=docker/dockerfile:1
# SPDX-License-Identifier: Apache-2.0
# The server's image with a builder, the same content as `make images` makes without one (docs/images.md):
#   docker buildx build -f deploy/images/server.Dockerfile --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .
FROM --platform=linux/amd64 debian:trixie-slim AS root
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates git npm python3
COPY . /pulltrace
RUN git config --global safe.directory '*' && /pulltrace/scripts/images --root /locked

# Debian 13 with the packages of packages.lock and nothing else.
FROM scratch AS build
COPY --from=root /locked /
ARG TARGETARCH
ARG SOURCE_DATE_EPOCH
ENV PATH=/usr/bin:/usr/sbin HOME=/root LC_ALL=C.UTF-8 TZ=UTC
RUN --network=none cd /pulltrace && deploy/images/build "$TARGETARCH" /out && mv "/out/$TARGETARCH" /out/image

FROM scratch
LABEL org.opencontainers.image.title="pulltrace-server" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.vendor="Pulltrace" \
    org.opencontainers.image.source="https://github.com/pulltrace/pulltrace" \
    org.opencontainers.image.description="Real-time monitor of container image pulls"
COPY --from=build /out/image/pulltrace-server/libraries /
COPY --from=build /out/image/pulltrace-server/program /
ENV PATH=/usr/bin
WORKDIR /
USER 65534:65534
EXPOSE 8080/tcp 9090/tcp
ENTRYPOINT ["/usr/bin/pulltrace-server"]
