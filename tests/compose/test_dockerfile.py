"""The image: what it starts from, what it copies, who it is, and that its packages are those of the product's lock."""

import re

from packaging.requirements import Requirement

from tests.compose.compose_file import ROOT, load

LINES = [
    line
    for line in re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    if line.strip() and not line.startswith("#")
]
COMMON = load()["services"]["airflow-scheduler"]["environment"]


def _of(instruction: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in LINES if line.startswith(f"{instruction} ")]


HERE = {
    "python_version": "3.11",
    "python_full_version": "3.11.9",
    "sys_platform": "linux",
    "platform_system": "Linux",
}


def _lock(name: str) -> dict[str, str]:
    """Package -> version that this lock means for the image's Python and system."""
    lines = [line.removesuffix("\\").strip() for line in (ROOT / name).read_text().splitlines()]
    found = [Requirement(line) for line in lines if re.match(r"[a-z0-9]", line)]
    assert found
    meant = [each for each in found if each.marker is None or each.marker.evaluate(HERE)]
    return {each.name: str(each.specifier).removeprefix("==") for each in meant}


def test_the_base_is_the_locks_airflow_on_python_3_11() -> None:
    version = _lock("requirements-compose.txt")["apache-airflow"]
    assert _of("FROM")[0] == f"apache/airflow:{version}-python3.11 AS engine"


def test_the_lab_is_in_an_image_of_its_own_and_in_no_other() -> None:
    assert _of("FROM")[1:] == ["engine AS lab", "engine"], "without a target the last one is built"
    stage, copies = "", []
    for line in LINES:
        stage = line.split()[-1] if line.startswith("FROM ") else stage
        copies += [stage] if line.startswith("COPY lab/ ") else []
    assert copies == ["lab"]
    assert LINES[-1] == "FROM engine"


def test_every_copied_file_is_in_the_tree_and_reaches_the_builder() -> None:
    sources = {word.rstrip("/") for line in _of("COPY") for word in line.split()[:-1]}
    assert all((ROOT / source).exists() for source in sources)
    first, *rules = (ROOT / ".dockerignore").read_text().splitlines()[1:]
    assert first == "*", "what nobody named stays out: secrets, state, .git"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == sources


def test_what_the_package_needs_to_be_built_is_copied() -> None:
    sources = {word.rstrip("/") for line in _of("COPY") for word in line.split()[:-1]}
    project = (ROOT / "pyproject.toml").read_text()
    for file in ("README.md", "LICENSE", "requirements.in"):
        assert f'"{file}"' in project
        assert file in sources
    assert {"include", "plugins", "dags", "templates", "stack"} <= sources


def test_it_ends_as_the_user_airflow_and_root_owns_the_code() -> None:
    assert _of("USER")[-1] == "airflow"
    user = "root"
    for line in LINES:
        if line.startswith("USER "):
            user = line.split()[1]
        if line.startswith("COPY "):
            assert "--chown" not in line
        if "pip install" in line and "requirements-compose.txt" in line:
            assert user == "airflow"


def test_no_secret_and_no_foreign_address_is_baked_in() -> None:
    text = "\n".join(LINES)
    assert not re.search(r"https?://|ADD |ARG |SECRET|PASSWORD|TOKEN|_KEY|secrets/", text)


def test_the_code_lies_where_the_services_look_for_it() -> None:
    assert _of("WORKDIR") == [COMMON["EMAIL_ENGINE_HOME"]]
    assert "PATH=/opt/venv/bin:" in " ".join(_of("ENV"))


def test_folders_that_volumes_cover_belong_to_the_containers_group() -> None:
    """A new named volume takes owner and mode of the folder that it covers."""
    made = next(line for line in _of("RUN") if line.startswith("install --directory"))
    assert "--group=root --mode=0775" in made
    volumes = [m.split(":")[1] for m in load()["services"]["airflow-worker"]["volumes"] if isinstance(m, str)]
    of_the_base = {"/opt/airflow/logs"}
    assert set(volumes) - of_the_base <= set(made.split())


def test_a_container_runs_the_versions_that_the_tests_run() -> None:
    product, image = _lock("requirements.txt"), _lock("requirements-compose.txt")
    shared = set(product) & set(image)
    assert {name: (product[name], image[name]) for name in shared if product[name] != image[name]} == {}
    assert len(shared) > 100
    assert {name for name in product if name.startswith("apache-airflow")} <= shared


def test_celery_is_one_that_the_provider_can_import() -> None:
    image = _lock("requirements-compose.txt")
    assert (5, 5) <= tuple(int(part) for part in image["celery"].split(".")[:2]) < (5, 7)
    assert {"apache-airflow-providers-celery", "apache-airflow-providers-fab", "redis"} <= set(image)


def test_make_lock_compiles_it_as_the_others() -> None:
    recipe = next(
        line
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.endswith("-o requirements-compose.txt")
    )
    assert "-c requirements.txt requirements-compose.in" in recipe
