# The programs, built from this tree; the other images take them from here.
#
#   docker build --file deploy/docker/programs.Dockerfile --tag sextant-programs .
ARG BASE=docker.io/library/debian:12

FROM ${BASE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
      g++ cmake ninja-build libabsl-dev libyaml-cpp-dev nlohmann-json3-dev libcli11-dev libpcre2-dev \
      libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler prometheus-cpp-dev \
      libgtest-dev libgmock-dev
WORKDIR /source
COPY . .
RUN cmake --preset release && \
    cmake --build --preset release --target router attention_worker expert_worker sextant
RUN mkdir /programs && for program in router attention_worker expert_worker sextant; do \
      strip --output-file="/programs/${program}" "build/bin/${program}"; done

FROM scratch
COPY --from=build /programs/ /programs/
