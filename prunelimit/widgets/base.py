"""What every widget shares on the Python side: its module, its controls, its static figure.

A widget is one ES module, ``<name>.mjs``, beside ``common.mjs``, which all import.
anywidget takes a single module as text, so the files are joined, imported ones first,
and the lines that import them are dropped. Python states the controls (names, ranges,
defaults, presets) once; the module reads them from the model.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, ClassVar

import anywidget
import ipywidgets
import matplotlib
import traitlets
from cycler import cycler
from matplotlib.figure import Figure

from prunelimit.errors import PruneLimitError

_IMPORT = re.compile(r'^(?:import\s[^;]*?|export \*\s+)from\s+"\./(\w+)\.mjs";\n', re.MULTILINE)

DPI = 100
"""Pixels an inch of the static figures."""

LINE_COLOURS = cycler(color=["#0072B2", "#C24A00", "#007A59", "#B86E00"])

Values = dict[str, Any]


@lru_cache
def source(name: str) -> str:
    """Text of a file of this folder.

    Examples
    --------
    >>> "export function createWidget" in source("view.mjs")
    True
    """
    return (resources.files("prunelimit.widgets") / name).read_text(encoding="utf-8")


def bundle(name: str) -> str:
    """One ES module out of ``<name>.mjs`` and the files of this folder that it imports.

    Examples
    --------
    >>> 'from "./' in bundle("sublevel_set")
    False
    """
    texts: dict[str, str] = {}

    def collect(file: str) -> None:
        if file in texts:
            return
        text = source(f"{file}.mjs")
        for needed in _IMPORT.findall(text):
            collect(needed)
        texts[file] = _IMPORT.sub("", text)

    collect(name)
    return "\n".join(texts.values())


def slider(
    label: str,
    default: float,
    low: float,
    high: float,
    step: float,
    *,
    log: bool = False,
    unit: str = "",
    typed: bool = False,
) -> Any:
    """A number with a slider, a whole one if `default` is; `step` is in decades if `log`.

    A share whose `unit` is "%" is shown in percent; a `typed` one has a field for the number
    beside its slider.
    """
    integer = isinstance(default, int)
    control = {
        "kind": "slider",
        "label": label,
        "min": low,
        "max": high,
        "step": step,
        "scale": "log" if log else "linear",
        "integer": integer,
        "percent": unit == "%",
        "unit": "" if unit == "%" else unit,
        "typed": typed,
    }
    trait = traitlets.CInt if integer else traitlets.CFloat
    return trait(default, min=low, max=high).tag(sync=True, control=control)


def choice(
    label: str, default: Any, options: Mapping[Any, str] | Sequence[Any], stepper: bool = False
) -> Any:
    """One of several values, in a menu; `stepper` adds buttons for the next and the last one."""
    names = options if isinstance(options, Mapping) else {value: str(value) for value in options}
    control = {
        "kind": "choice",
        "label": label,
        "stepper": stepper,
        "options": [{"value": value, "label": name} for value, name in names.items()],
    }
    return traitlets.Enum(list(names), default).tag(sync=True, control=control)


def toggle(label: str, default: bool) -> Any:
    """A box to tick."""
    return traitlets.Bool(default).tag(sync=True, control={"kind": "toggle", "label": label})


class BookWidget(anywidget.AnyWidget):
    """A widget of the book.

    Subclasses state `_module` (the file's name), their controls as class attributes made
    by `slider`, `choice` and `toggle`, `_ready_made` presets, `_guided` steps (a sentence
    and the values that it sets, each) and `_folded`, the controls that most readers leave alone;
    they draw their static figure in `_draw`.

    Parameters
    ----------
    title
        Heading above the widget.
    key
        Name in the page's address; give one where a page shows the same widget twice.
    presets
        Name to values, in place of the ready-made ones.
    **values
        Starting values of the controls. Reset goes back to them.

    Raises
    ------
    PruneLimitError
        If a name is no control of the widget, or a value is outside its range.
    """

    _module: ClassVar[str]
    _heading: ClassVar[str]
    _ready_made: ClassVar[Mapping[str, Values]] = {}
    _guided: ClassVar[Sequence[tuple[str, Values]]] = ()
    _folded: ClassVar[frozenset[str]] = frozenset()

    title = traitlets.Unicode().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    _controls: Any = traitlets.List().tag(sync=True)
    _presets: Any = traitlets.List().tag(sync=True)
    _defaults = traitlets.Dict().tag(sync=True)
    _steps: Any = traitlets.List().tag(sync=True)

    def __init__(
        self,
        title: str | None = None,
        key: str | None = None,
        presets: Mapping[str, Values] | None = None,
        data: Values | None = None,
        **values: Any,
    ) -> None:
        self._check_names(values)
        self._esm = bundle(self._module)
        self._css = source("common.css")
        try:
            super().__init__(
                title=title or self._heading,
                key=key or self._module.replace("_", "-"),
                data=data or {},
                **values,
            )
        except traitlets.TraitError as problem:
            raise PruneLimitError(str(problem)) from problem
        self._controls = [
            {
                "key": name,
                "more": name in self._folded,
                **self._offered(name, trait.metadata["control"]),
            }
            for name, trait in self.control_traits()
        ]
        self._defaults = self.values()
        chosen = self._ready_made if presets is None else presets
        for wanted in (*chosen.values(), *(step[1] for step in self._guided)):
            self._check_names(wanted)
        self._presets = [{"name": name, "values": dict(wanted)} for name, wanted in chosen.items()]
        self._steps = [{"text": text, "values": dict(wanted)} for text, wanted in self._guided]

    @classmethod
    def control_traits(cls) -> list[tuple[str, Any]]:
        """Names and traits of the controls, in the order in which the class states them."""
        return [
            (name, trait)
            for ancestor in reversed(cls.__mro__)
            for name, trait in vars(ancestor).items()
            if isinstance(trait, traitlets.TraitType) and "control" in trait.metadata
        ]

    def _offered(self, name: str, control: Values) -> Values:
        """What the page offers for a control: a place to narrow it to the widget's data."""
        return control

    @classmethod
    def _check_names(cls, values: Mapping[str, Any]) -> None:
        known = [name for name, _ in cls.control_traits()]
        for name in values:
            if name not in known and name not in {"layout"}:
                raise PruneLimitError(
                    f"{cls.__name__} has no control {name!r}; it has {', '.join(known)}"
                )

    def values(self) -> Values:
        """The controls' present values."""
        return {name: getattr(self, name) for name, _ in self.control_traits()}

    def with_controls(self) -> ipywidgets.Widget:
        """The widget with ipywidgets' own controls beside it, linked both ways.

        Only for a live notebook: those controls need a kernel, the widget's own do not.
        """
        rows = [_python_control(self, name, trait) for name, trait in self.control_traits()]
        return ipywidgets.VBox([self, ipywidgets.VBox(rows)])

    # ---- the static figure

    def numbers(self) -> dict[str, float]:
        """What the widget's readouts show now, by the package's own formulas."""
        raise NotImplementedError

    def describe(self) -> str:
        """One sentence on what the widget shows now: the static figure's alt text."""
        raise NotImplementedError

    def _draw(self, figure: Figure) -> None:
        """Draw the present state into an empty figure."""
        raise NotImplementedError

    def static_figure(self) -> bytes:
        """The present state as a PNG, for pages without scripts and for print."""
        # As wide as the chapters' figures, and one panel below the other: a phone can show it.
        figure = Figure(figsize=(5, 3.4), dpi=DPI, layout="constrained", facecolor="white")
        # The same picture whatever style the notebook has chosen: no mark on each of 400 points.
        with matplotlib.rc_context({"axes.prop_cycle": LINE_COLOURS}):
            self._draw(figure)
        figure.set_figheight(3.4 * len(figure.axes))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # The picture is for print, and for pages without scripts; the text describes it.
        view: Any = super()._repr_mimebundle_(**kwargs)
        bundle_ = view[0] if isinstance(view, tuple) else view
        return {
            **bundle_,
            "image/png": base64.b64encode(self.static_figure()).decode(),
            "text/plain": f"{self.title}: {self.describe()}",
        }


def _python_control(widget: BookWidget, name: str, trait: Any) -> ipywidgets.Widget:
    """One ipywidgets control linked to a trait of `widget`."""
    control = trait.metadata["control"]
    label = {"description": control["label"], "style": {"description_width": "27em"}}
    made: ipywidgets.Widget
    if control["kind"] == "toggle":
        made = ipywidgets.Checkbox(**label)
    elif control["kind"] == "choice":
        pairs = [(option["label"], option["value"]) for option in control["options"]]
        made = ipywidgets.Dropdown(options=pairs, value=getattr(widget, name), **label)
    elif control["integer"]:
        made = ipywidgets.IntSlider(min=control["min"], max=control["max"], **label)
    elif control["scale"] == "log":
        made = ipywidgets.BoundedFloatText(min=control["min"], max=control["max"], **label)
    else:
        made = ipywidgets.FloatSlider(
            min=control["min"], max=control["max"], step=control["step"], **label
        )
    made.layout = ipywidgets.Layout(width="47em", max_width="100%")
    ipywidgets.link((widget, name), (made, "value"))
    return made
