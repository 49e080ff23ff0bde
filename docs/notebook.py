# %% [markdown]
# # A dataset version, a trained model and what changed, in a notebook
#
# Opens as a notebook in VS Code and PyCharm, and in Jupyter with jupytext; `tests/test_notebook.py` runs it. The models
# are the pocket models: minutes on a laptop, no download.

# %%
import mpodata
import mpotrain

settings = ["samples=12", "languages=[sw]", "test_share=0.2"]
mpodata.plan("quickstart", settings=settings)

# %%
version = mpodata.build("quickstart", "pocket-refusals", settings=settings)
version

# %% [markdown]
# Prompts and rejected answers of harmful pairs stay hidden: a notebook's file keeps what it shows.
# `pair.target.rejected` is the text.

# %%
pair = next(pair for pair in version.pairs("train") if pair.kind == "harmful")
pair

# %%
mpodata.verify("pocket-refusals")

# %%
mpodata.audit("pocket-refusals")

# %%
mpodata.publish("pocket-refusals", "./registry/pocket-refusals")

# %%
mpodata.diff("./registry/pocket-refusals@v1.0.0", "pocket-refusals")

# %%
mpotrain.train("./registry/pocket-refusals@v1.0.0", "runs/mpo", preset="pocket", max_steps=4, logging_steps=1)

# %%
mpotrain.gap("./registry/pocket-refusals@v1.0.0", model="runs/mpo")

# %%
measured = {"benchmarks": ["pocket"], "languages": ["en", "sw"], "limit": 4, "max_tokens": 24}
mpotrain.evaluate("runs/mpo-eval", run="runs/mpo", **measured)

# %%
mpotrain.report(["runs/mpo-eval"], "report.html")
