"""Run notebooks and save them as they came out, after a change of what they show.

.venv/bin/python .ci/run_notebooks.py notebooks/0*.ipynb
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

for path in map(Path, sys.argv[1:]):
    notebook = nbformat.read(path, as_version=4)
    began = time.time()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    for cell in notebook.cells:
        # What TensorFlow says of the machine belongs to no notebook.
        if "outputs" in cell:
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    nbformat.write(notebook, path)
    sys.stdout.write(f"{path}: {time.time() - began:.0f} s\n")
