"""Builds the compiled twin: what no table of pyproject.toml can say, since NumPy's headers lie elsewhere everywhere.

All of it is optional: without a C compiler the installation has the pure twin alone, which gives the same answers.
"""

import os
import sys
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

MODULES = cythonize(
    [
        Extension(
            ".".join(path.with_suffix("").parts),
            [path.as_posix()],
            include_dirs=[np.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
            # Symbols for debuggers are most of what compiling takes.
            extra_compile_args=[] if sys.platform == "win32" else ["-g0"],
        )
        for path in sorted(Path("orderbook/compiled").glob("*.pyx"))
    ]
)
for module in MODULES:
    module.optional = True  # said before, it would be lost: these are other objects

setup(ext_modules=MODULES, options={"build_ext": {"parallel": os.cpu_count()}})
