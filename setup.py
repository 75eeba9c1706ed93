"""The data that the product reads (policies, the example fleet, templates) go into a wheel as `email_engine/data`; in the
tree they stay where people look for them. All the rest of the build is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DATA = {"config": "include/config", "templates": "templates"}


class BuildWithData(build_py):
    """Copies the data folders beside the modules; an editable install reads them from the tree."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name, source in DATA.items():
                target = Path(self.build_lib, "email_engine", "data", name)
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target)


setup(cmdclass={"build_py": BuildWithData})
