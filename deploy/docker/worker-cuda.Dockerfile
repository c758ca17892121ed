# A node of whole workers on GPUs, and `sextant`, which supervises and is them. The driver comes from
# the machine (NVIDIA's container runtime); of CUDA the image holds nothing but what is linked into
# the module.
#
#   docker build --file deploy/docker/programs.Dockerfile --build-arg PRESET=cuda \
#     --build-arg BASE=IMAGE --tag sextant-programs-cuda .
#   docker build --file deploy/docker/worker-cuda.Dockerfile --tag sextant-worker-cuda .
#
# where IMAGE is Debian 12 with the CUDA toolkit 13. Both arguments may be pinned: NAME@sha256:DIGEST.
ARG BASE=docker.io/library/debian:12
ARG PROGRAMS=sextant-programs-cuda

FROM ${PROGRAMS} AS programs

FROM ${BASE} AS files
ARG LIBRARIES="libgrpc++1.51 libprotobuf32 libabsl20220623 libpcre2-8-0 libprometheus-cpp-core1.0 libyaml-cpp0.7"
RUN dpkg --status ${LIBRARIES} >/dev/null 2>&1 || \
    { apt-get update && apt-get install --yes --no-install-recommends ${LIBRARIES}; }
COPY --from=programs /programs/ /usr/local/bin/
COPY deploy/docker/collect /usr/local/sbin/
# The module is looked for beside the program.
RUN collect /files sextant sextant_cuda.so

FROM scratch
COPY --from=files /files/ /
COPY models/demo/ /usr/share/sextant/models/demo/
ENV PATH=/usr/local/bin
# What the container runtime is to bring along: libcuda.so.1.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute
USER 65532:65532
ENTRYPOINT ["sextant", "node"]
