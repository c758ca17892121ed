# A node of attention and expert workers on CPUs, and `sextant`, which supervises them.
#
#   docker build --file deploy/docker/worker-cpu.Dockerfile --tag sextant-worker-cpu .
#
# Both arguments may be pinned: NAME@sha256:DIGEST.
ARG BASE=docker.io/library/debian:12
ARG PROGRAMS=sextant-programs

FROM ${PROGRAMS} AS programs

FROM ${BASE} AS files
ARG LIBRARIES="libgrpc++1.51 libprotobuf32 libabsl20220623 libpcre2-8-0 libprometheus-cpp-core1.0 libyaml-cpp0.7"
RUN dpkg --status ${LIBRARIES} >/dev/null 2>&1 || \
    { apt-get update && apt-get install --yes --no-install-recommends ${LIBRARIES}; }
COPY --from=programs /programs/ /usr/local/bin/
COPY deploy/docker/collect /usr/local/sbin/
RUN collect /files sextant attention_worker expert_worker

FROM scratch
COPY --from=files /files/ /
COPY models/demo/ /usr/share/sextant/models/demo/
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["sextant", "node"]
