"""Packaging of Nightrounds; exact versions are pinned in constraints.txt."""

from setuptools import find_packages, setup

setup(
    name="nightrounds",
    version="0.1.0",
    description="Batch machine learning on a hospital's FHIR and DICOM data",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["pipelines*", "transforms*", "model_defs*"]),
    package_data={"pipelines": ["*.j2"]},
    install_requires=[
        "apache-beam>=2.77,<2.78",
        "beautifulsoup4>=4.13,<5",
        "duckdb>=2.0,<3",
        "fhir.resources>=8.3,<9",
        "jinja2>=3.1,<4",
        "meds>=0.4,<0.5",
        "msgspec>=0.22,<0.23",
        "orjson>=3.11,<4",
        "pillow>=12,<13",
        "polars>=2.1,<3",
        "pyarrow>=25,<26",
        "pydantic>=2.14,<3",
        "pydicom>=3.0.2,<4",
        "pyiceberg[sql-sqlite]>=0.12,<0.13",
        "pylibjpeg-openjpeg>=2.6,<3",
        "python-gdcm>=3.2,<4",
        "rich>=15,<16",
        "striprtf>=0.0.35,<0.1",
        "tensorflow>=2.21,<2.22",
        "tensorflow-transform>=1.21,<1.22",
        "tf_keras>=2.21,<2.22",
        "tfx-bsl>=1.21,<1.22",
        "xxhash>=4.1,<5",
        "ydf>=0.16,<0.17",
    ],
    extras_require={
        "dev": [
            "hypothesis>=6.170,<7",
            "mypy>=2.4,<3",
            "pytest>=9.2,<10",
            "pytest-xdist>=3.8,<4",
            "ruff>=0.17,<0.18",
        ],
    },
    entry_points={"console_scripts": ["nightrounds = pipelines.cli:main"]},
)
