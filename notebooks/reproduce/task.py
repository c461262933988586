# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One task: trained, predicted, measured, compared
#
# This notebook is the report of one experiment. `prunelimit batch` runs it once for every job, with
# the parameters below replaced; run by hand it shows a task at a twentieth of its length, in about a minute.
# All results go to `run_dir`, and a run that was stopped goes on from there.

# %% tags=["parameters"]
task = "digits-mlp"  # a name that `prunelimit tasks` lists
l1 = None  # λ; None is the task's own
seed = 0  # of split, initial weights, training and probes
epochs = None  # None is the task's own
examples = None  # at most so many in each part of the data; None is all
scale = 0.05  # below 1 everything is shorter; `prunelimit batch` passes 1 unless told otherwise
measurement = {}  # fields of prunelimit.lab.experiment.ExperimentConfig, e.g. {"epsilon": 0.05}
device = "auto"  # auto, cpu, cuda or mps
data_root = None  # where data sets lie
run_dir = None  # where everything is kept; None is a temporary folder

# %%
from prunelimit.lab.batch.parameters import announce, command, configure

print(announce(globals()))

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from prunelimit import plots
from prunelimit.lab import experiment, training
from prunelimit.lab.store.locks import owned

plots.use_style()
given = dict(task=task, l1=l1, seed=seed, epochs=epochs, examples=examples)
given |= dict(scale=scale, measurement=measurement)
chosen, config = configure(**given)
folder = Path(run_dir or tempfile.mkdtemp(prefix="prunelimit-"))

# %% [markdown]
# ## What is trained

# %%
pd.Series(chosen.describe() | {"seed": str(chosen.seed)}, name="").to_frame()

# %% [markdown]
# ## The run
#
# Each stage writes its result before the next one begins. If the kernel of a killed worker is still
# about, we wait until it is gone.

# %% tags=["within-5%"]
how = dict(device=device, data_root=data_root, progress=False)
typed = command({**given, "device": device})
with owned(folder, wait=120):
    result = experiment.run_task(chosen, folder, config, **how, command=typed)

pd.Series(vars(result.dense), name="the trained network").to_frame()

# %%
history = pd.DataFrame(training.read_history(folder / "training"))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
losses = ["train_loss", "validation_loss"]
history.plot(x="epoch", y=losses, logy=True, ax=left, ylabel="loss (nats)")
history.plot(x="epoch", y="l1_norm", ax=right, ylabel=r"$\|w\|_1$", legend=False)
plt.show()

# %% [markdown]
# ## Spectrum and limits
#
# The effective dimension $N_\mathrm{eff}(\rho)=\sum_i \lambda_i/(\lambda_i+\rho)$ of the curvature, with its bracket,
# and each predicted limit with what the bracket makes of it.

# %%
report = result.prediction
trace = report.spectrum.trace()
ridges = np.geomspace(1e-8, 1, 60) * max(trace.value, 1e-12)
brackets = [report.spectrum.effective_dimension(ridge) for ridge in ridges]
figure, ax = plt.subplots()
ax.fill_between(ridges, [b.lower for b in brackets], [b.upper for b in brackets], alpha=0.3)
ax.plot(ridges, [b.value for b in brackets], marker="")
ax.set(xscale="log", xlabel=r"ridge $\rho$", ylabel=r"$N_\mathrm{eff}(\rho)$")
ax.set_title(f"trace {trace.value:.4g} ± {trace.stderr:.2g}, {report.products:.0f} products")
plt.show()

# %% tags=["within-5%"]
print(report.summary())

# %% [markdown]
# ## The four curves

# %%
plots.four_curves_of_result(result)
plt.show()

# %%
plots.accuracy_of_result(result)
plt.show()

# %% [markdown]
# ## Prediction against experiment

# %% tags=["within-5%"]
pd.DataFrame(result.comparison()).round(4)

# %% [markdown]
# ## Where the numbers come from
#
# Each stage is signed by the processes that computed it, and by nobody who only read it.

# %% tags=["nbval-ignore-output"]
# Not compared: times, memory and the folder are those of the machine.
print(f"result: {folder.absolute() / 'result.json'}")
costs = {name: vars(made.cost) for name, made in result.stages.items()}
pd.DataFrame(costs).T.rename_axis("stage").round(1)

# %% tags=["nbval-ignore-output"]
# Not compared: versions, date and machine differ from run to run.
signed = {(name, i): p for name, made in result.stages.items() for i, p in enumerate(made.made_by)}
rows = {key: vars(p) | vars(p.machine) | dict(p.packages) for key, p in signed.items()}
pd.DataFrame(rows).drop(index=["machine", "packages"])
