# The images of docker-compose.yaml: `engine`, and `lab` for its profile of that name. The packages are exactly those of requirements-compose.txt, in an environment of their
# own beside the one that the base image carries: its other providers want other versions.
FROM apache/airflow:3.3.2-python3.11 AS engine

USER root
RUN install --directory --owner=airflow --group=root --mode=0775 /opt/venv /var/lib/email-engine

USER airflow
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:${PATH} PIP_USER=false PYTHONDONTWRITEBYTECODE=1
COPY requirements-compose.txt /tmp/requirements-compose.txt
RUN python3.11 -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install --no-cache-dir --no-deps --requirement /tmp/requirements-compose.txt \
 && /opt/venv/bin/python -m pip check

WORKDIR /opt/email-engine
COPY pyproject.toml requirements.in README.md LICENSE ./
COPY include/ include/
COPY plugins/ plugins/
COPY dags/ dags/
COPY templates/ templates/
COPY stack/ stack/

USER root
RUN PIP_USER=false /opt/venv/bin/python -m pip install --no-cache-dir --no-deps --editable . \
 && /opt/venv/bin/email-engine --help > /dev/null

USER airflow

# The stand-ins, which need nothing that the engine's packages do not bring.
FROM engine AS lab
USER root
RUN install --directory --owner=airflow --group=root --mode=0775 /var/lib/email-engine-lab
COPY lab/ lab/
USER airflow

# What a build that names no target makes: without the lab.
FROM engine
