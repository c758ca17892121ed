# The programs, built from this tree; the other images take them from here.
#
#   docker build --file deploy/docker/programs.Dockerfile --tag sextant-programs .
#
# PRESET=cuda makes the module for GPUs too, on a BASE that has the CUDA toolkit 13.
ARG BASE=docker.io/library/debian:12

FROM ${BASE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
      g++ cmake ninja-build libabsl-dev libyaml-cpp-dev nlohmann-json3-dev libcli11-dev libpcre2-dev \
      libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler prometheus-cpp-dev \
      libgtest-dev libgmock-dev
WORKDIR /source
COPY . .
ARG PRESET=release
RUN programs="router attention_worker expert_worker sextant" && \
    cmake --preset "${PRESET}" && \
    case "${PRESET}" in cuda) module=sextant_cuda ;; *) module= ;; esac && \
    cmake --build --preset "${PRESET}" --target ${programs} ${module} && \
    mkdir /programs && \
    for file in ${programs} ${module:+${module}.so}; do \
      strip --output-file="/programs/${file}" "build/bin/${file}"; done

FROM scratch
COPY --from=build /programs/ /programs/
