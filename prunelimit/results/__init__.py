"""What experiments found, as objects: figures, tables, widgets and chapters read these.

The files under ``book/results`` are read by each class's `load`; nobody else knows the names in
them. `table` makes a table of rows. Names are loaded on first use: each is of one chapter.
"""

from prunelimit.on_use import loaded_on_use

_PUBLIC = {
    "CalibrationTable": "calibrated",
    "SearchedNetwork": "calibrated",
    "Choices": "choices",
    "LimitsOverDistance": "choices",
    "Verdict": "choices",
    "WeightDistances": "choices",
    "ExistenceStudy": "existence",
    "Expansions": "existence",
    "LimitStudy": "methods",
    "LimitsOfGems": "methods",
    "LimitsOverRounds": "methods",
    "MethodsCompared": "methods",
    "Overview": "overview",
    "ExperimentConfig": "parts",
    "FinalMeasurements": "parts",
    "Provenance": "parts",
    "Result": "result",
    "provenance_of": "saved",
    "table": "saved",
}

__all__ = sorted(_PUBLIC)

__getattr__, __dir__ = loaded_on_use(__name__, _PUBLIC)
