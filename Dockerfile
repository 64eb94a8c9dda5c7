# Serves Pico, or what TINA_MODEL and TINA_ADAPTER name, over HTTP:
#
#   docker build --build-arg TINA_COMMIT=$(git rev-parse HEAD) -t tina .
#   docker run -p 8000:8000 -e TINA_API_KEY=secret -v ~/models:/models:ro -e TINA_MODEL=/models/NAME tina
#   docker run --rm tina run "What is 2 + 3?"

FROM swift:6.2-bookworm AS build
WORKDIR /tina
COPY . .
ARG TINA_COMMIT
RUN scripts/install /opt/tina

FROM debian:12-slim
# libcurl and the certificates are for names on the hub.
RUN apt-get update && apt-get install -y --no-install-recommends libcurl4 ca-certificates \
  && rm -rf /var/lib/apt/lists/* && useradd --uid 10001 --create-home tina
COPY --from=build /opt/tina /usr/local
USER tina
WORKDIR /home/tina
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["tina"]
CMD ["serve", "--host", "0.0.0.0"]
