"""Builds easymtl: the only step beyond copying files is compiling the .proto files."""

import re
import sys
from pathlib import Path

from setuptools import Command, find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

# The one place where dependencies and their ranges are named.
INSTALL_REQUIRES = [
    "numpy>=1.26,<3",
    "pandas>=2.2,<4",
    "protobuf>=6.31.1,<8",
    "pyarrow>=17,<27",
    "rich>=13.7,<16",
    "scikit-learn>=1.5,<2",
    "shtab>=1.7.2,<2",
    "tensorboard>=2.20,<3",
    "tensorflow>=2.21,<2.23",
]
DRAWING = ["matplotlib>=3.8,<4"]
SERVING = [
    "grpcio>=1.73,<2",
    "prometheus-client>=0.20,<1",
    "starlette>=0.40,<2",
    "tensorflow-serving-api>=2.21,<2.23",
    "uvicorn>=0.30,<1",
]
ONNX = [
    "onnx>=1.17,<2",
    "onnxruntime>=1.20,<2",
    "tf2onnx>=1.17,<2",
]
OPENVINO = [*ONNX, "openvino>=2025.0,<2027"]
DOCS = [
    "mkdocs>=1.6,<2",
    "mkdocs-material>=9.6,<10",
]
TUNING = [*DRAWING, "optuna>=4.0,<5"]
EXTRAS_REQUIRE = {
    "gpu": ["tensorflow[and-cuda]>=2.21,<2.23"],
    "bench": DRAWING,
    "docs": DOCS,
    "plot": DRAWING,
    "serve": SERVING,
    "onnx": ONNX,
    "openvino": OPENVINO,
    "tune": TUNING,
    "fuzz": ["atheris>=3.0,<4"],
    "dev": [
        *DOCS,
        *SERVING,
        *OPENVINO,
        *TUNING,
        "boto3>=1.34,<2",
        "build>=1.2,<2",
        "grpcio-tools>=1.73,<1.77",
        "httpx>=0.27,<1",
        "hypothesis>=6.100,<7",
        "ipykernel>=6.29,<8",
        "moto[server]>=5,<6",
        "mypy>=1.11",
        "nbclient>=0.10,<1",
        "nbformat>=5.10,<6",
        "playwright>=1.45,<2",
        "polars>=1.20,<2",
        "pre-commit>=3.7",
        "pytest>=8,<10",
        "pytest-xdist>=3.6,<4",
        "PyYAML>=6,<7",
        "ruff>=0.9",
    ],
}


def version() -> str:
    """Returns the version, which the package itself tells."""
    text = (ROOT / "easymtl" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return found[1] if found else sys.exit("setup.py: easymtl/__init__.py has no __version__")


def compile_protos(target: Path) -> None:
    """Writes `easymtl/protos/*_pb2.py` and their type stubs below `target`.

    `-Ieasymtl/protos=protos` maps the flat folder to the import path of the package.

    Raises:
        SystemExit: the protocol buffer compiler refused a file.
    """
    import grpc_tools
    from grpc_tools import protoc

    sources = sorted(str(path) for path in (ROOT / "protos").glob("*.proto"))
    arguments = [
        "protoc",
        f"-Ieasymtl/protos={ROOT / 'protos'}",
        f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        *(f"easymtl/protos/{Path(source).name}" for source in sources),
    ]
    (target / "easymtl" / "protos").mkdir(parents=True, exist_ok=True)
    if protoc.main(arguments) != 0:
        sys.exit("setup.py: protoc could not compile protos/*.proto")


class BuildWithProtos(build_py):
    """Compiles the protos into the build folder, or into the sources for an editable install."""

    def run(self):
        super().run()
        compile_protos(ROOT if self.editable_mode else Path(self.build_lib))


class BuildProtos(Command):
    """`python setup.py build_protos`: compiles the protos into the sources, as `make proto` does."""

    description = "compile protos/*.proto into easymtl/protos"
    user_options: list = []

    def initialize_options(self):
        """Has no options."""

    def finalize_options(self):
        """Has no options."""

    def run(self):
        compile_protos(ROOT)


setup(
    name="easymtl",
    version=version(),
    description="Multi-task ranking models from a text config: train, evaluate, export and score",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the easymtl project",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="multi-task learning, ranking, recommender systems, TensorFlow, EasyRec",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["easymtl", "easymtl.*"]),
    package_data={
        "easymtl": ["py.typed"],
        "easymtl.convert": ["*.tsv"],
        "easymtl.reporting.page": ["style.css"],
        "easymtl.server": ["page.html"],
        "easymtl.ways": ["client.c"],
    },
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={"console_scripts": ["easymtl=easymtl.cli:program"]},
    cmdclass={"build_py": BuildWithProtos, "build_protos": BuildProtos},
)
