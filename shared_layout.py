"""What the tabs of the page of `explore.py` are laid out from: events that tell errors in a line, and sliders."""

import html
import traceback
from collections import defaultdict
from functools import wraps
from threading import Lock
from types import SimpleNamespace

from shared_directions import DIRECTIONS, NAMED
from shared_files import InputError

FIRST = "models/VAEGAN_filter128_latent128"  # on the first screen
VARIETY = 0.7  # of the first picture: factor of the noise, as truncation for BigGAN (Brock et al., 2019)
WIDEST = 1.5  # the same, at most
REACH = 3.0  # standard deviations that a slider goes to either side
CANVAS, PEN = 280, 24  # pixels, of which ten are one of a digit's
SHOWN = 200  # pixels that a canvas takes in the page, across and down
SKETCHPAD = f"""
<div>${{caption}}</div>
<canvas width="{CANVAS}" height="{CANVAS}" style="width: {SHOWN}px; height: {SHOWN}px; background: ${{paper}};
    border: 1px solid #888; touch-action: none; cursor: crosshair"></canvas><br>
<button style="padding: 2px 12px; border: 1px solid #888; border-radius: 4px">Clear</button>
"""
DRAW = f"""
const canvas = element.querySelector("canvas"), pen = canvas.getContext("2d");
let last = null;
const place = event => {{
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    return [scale * (event.clientX - box.left), scale * (event.clientY - box.top)];
}};
const draw = event => {{
    if (!last) return;
    const next = place(event);
    pen.lineWidth = {PEN}; pen.lineCap = "round";
    pen.beginPath(); pen.moveTo(...last); pen.lineTo(...next); pen.stroke();
    last = next;
}};
canvas.addEventListener("pointerdown", event => {{
    canvas.setPointerCapture(event.pointerId); last = place(event); draw(event);
}});
canvas.addEventListener("pointermove", draw);
const end = () => {{ last = null; props.value = canvas.toDataURL(); }};
canvas.addEventListener("pointerup", end);
canvas.addEventListener("pointercancel", end);
element.querySelector("button").addEventListener("click", () => {{
    pen.clearRect(0, 0, canvas.width, canvas.height); props.value = "";
}});
"""


class Layout:
    """Parts of the page, every event of which calls a function of `shared_handlers`.

    Args:
        gr: the module `gradio`.
        handlers: `shared_handlers.Handlers`.
    """

    def __init__(self, gr, handlers):
        self.gr, self.handlers = gr, handlers
        self.turns = defaultdict(Lock)
        self.choosers = []  # pairs of a list of models and their kinds

    def on(self, event, handler, inputs, outputs, line, *, name=None, turn="models", quick=False, file=False):
        """Call `handler`, which returns a tuple, at an event; its errors go to `line`, mistakes to the terminal, too.

        Args:
            event: method of a component, such as `button.click`, or `then` of another event.
            handler: function from the values of `inputs` to those of `outputs`.
            inputs: list of components.
            outputs: list of components.
            line: component of the line.
            name: by which it is called over HTTP; None hides it there.
            turn: events that take one turn wait for each other.
            quick: whether only the last of many events counts, and nothing shows that it is waited for.
            file: whether there is a file among the inputs. Gradio checks all values then, and of a number that is out
                of bounds, as it may be while one types it, makes an error of its own; see `within`.
        """

        @wraps(handler)  # Gradio looks at the signature for the data of an event
        def told(*values):
            try:
                with self.turns[turn]:
                    return "", *handler(*values)
            except Exception as error:
                text = str(error)
                if not isinstance(error, InputError | OSError):
                    traceback.print_exc()
                    text = f"A mistake in the program ({type(error).__name__}: {error}); the terminal shows where."
                return html.escape(" ".join(text.split())), *[self.gr.skip()] * len(outputs)

        return event(
            told,
            inputs,
            [line, *outputs],
            api_name=name,
            api_visibility="public" if name else "private",
            trigger_mode="always_last" if quick else None,
            show_progress="hidden" if quick else "minimal",
            preprocess=file,
            queue=False,  # that of Gradio takes longer than most models
        )

    def line(self):
        """Return the line for what went wrong."""
        return self.gr.HTML("", elem_classes="line", padding=False)

    def empty_with(self, chooser, components):
        """Empty components when another model is chosen, since what they hold is the last one's."""
        chooser.input(lambda: dict.fromkeys(components), None, components, api_visibility="private")

    def chooser(self, *kinds, several=None):
        """Return the list of models of some kinds; some of them are chosen, or one unless `several`."""
        labels = self.handlers.labels(*kinds)
        chosen = shown_first(labels)
        if several:
            chosen = [label for label in labels if label.startswith("models/")][:several] or labels[:several]
        chooser = self.gr.Dropdown(labels, value=chosen, multiselect=bool(several), label="model")
        self.choosers.append((chooser, kinds))
        return chooser

    def sliders(self, count):
        """Return sliders in standard deviations, which are not seen before they have a name."""
        return [self.gr.Slider(-REACH, REACH, 0, step=0.05, label=f"{index}", visible=False) for index in range(count)]

    def picture(self, label, **options):
        """Return a picture below its label that the page shows and lets one download; JPEG comes quickest."""
        self.gr.Markdown(label)
        buttons = ["download", "fullscreen"]
        return self.gr.Image(show_label=False, interactive=False, format="jpeg", buttons=buttons, **options)

    def sketchpad(self, label, name, paper="white"):
        """Return a canvas on which one draws with mouse, pen or finger; its value is a PNG as a data URL, or "".

        The one of Gradio, `Sketchpad`, wants its pen to be chosen before each drawing.

        Args:
            label: what to draw.
            name: id in the page.
            paper: its background in CSS, which is not part of the drawing.
        """
        return self.gr.HTML("", html_template=SKETCHPAD, js_on_load=DRAW, caption=label, paper=paper, elem_id=name)

    def moved(self, kind, tab, show, layout):
        """Lay out a model with a code that sliders move.

        Args:
            kind: of the models.
            tab: `gradio.Tab` that opens the first of them when it is chosen.
            show: function (label, code, *values of the settings, *steps) -> values of what is shown; steps are those of
                the directions that came with the model, and then of those that are measured.
            layout: function that lays out what is shown and the settings, and returns two lists.

        Returns:
            A namespace: `model`, `line`, `code`, `sliders`, `shown` and `settings` are its components; `inputs` are
            those that give, through `in_order`, what `show` takes, and `move` shows it; `still` sets all sliders to 0;
            `open_at(event)` opens the model at an event.
        """
        gr, name, named = self.gr, event_name(kind), named_sliders(kind)
        code, current = gr.State(None), gr.State({})
        with gr.Row():
            with gr.Column(scale=2):
                model = self.chooser(kind)
            with gr.Column(scale=2):
                variety = gr.Slider(0, WIDEST, VARIETY, step=0.05, label="variety of Random (the model's own is 1)")
            with gr.Column():
                random, reset = gr.Button("Random", size="md"), gr.Button("Reset the sliders", size="md")
        line = self.line()
        with gr.Row():
            with gr.Column(scale=4):
                shown, settings = layout()
            with gr.Column(scale=3):
                hint = gr.Markdown("")
                measured_sliders = self.sliders(DIRECTIONS)
            with gr.Column(scale=3, visible=bool(named)):
                sliders = self.sliders(named) + measured_sliders
        still = [gr.update(value=0)] * len(sliders)

        def in_order(label, code, *values):
            """Leave out the sliders of named directions that this model does not have."""
            steps = [within(step, -REACH, REACH) for step in values[len(settings) :]]
            own = len(self.handlers.named(kind, label))
            return label, code, *values[: len(settings)], *steps[:own], *steps[named:]

        def move(*values):
            return show(*in_order(*values))

        def start(label, spread, *values):
            drawn = self.handlers.draw(kind, label, within(spread, 0, WIDEST))
            return drawn, *still, *show(label, drawn, *values)

        def opened(current, label, *values):
            drawn, *others = start(label, *values)
            current["label"] = label
            names = self.handlers.named(kind, label)
            updates = [gr.update(value=0, label=each, visible=True) for each in names]
            updates += [gr.update(value=0, visible=False)] * (len(sliders) - len(names))
            return drawn, *updates, *others[len(sliders) :], "Measuring what each direction does ..."

        def opened_once(drawn, *values):
            return opened(*values) if drawn is None else [gr.skip()] * (len(outputs) + 1)

        def measured(current):
            label, names = None, []
            while label != current.get("label"):  # another may be opened meanwhile
                label = current["label"]
                names = self.handlers.measured(kind, label)
            updates = [gr.update(label=each, visible=True) for each in names[:DIRECTIONS]]
            return *updates, *[gr.update(visible=False)] * (DIRECTIONS - len(updates))

        inputs, outputs = [model, code, *settings, *sliders], [code, *sliders, *shown]

        def open_at(event, once=False):
            given = [current, model, variety, *settings]
            first = [opened_once, [code, *given]] if once else [opened, given]
            done = self.on(event, *first, [*outputs, hint], line)
            self.on(done.then, measured, [current], measured_sliders, hint, turn="measuring", quick=True)

        open_at(model.input)
        open_at(tab.select, once=True)
        self.on(random.click, start, [model, variety, *settings], outputs, line, name=f"random_{name}")
        reset.click(lambda: still, None, sliders, api_visibility="private")
        for index, slider in enumerate(sliders):
            self.on(slider.change, move, inputs, shown, line, name=None if index else f"move_{name}", quick=True)
        return SimpleNamespace(
            model=model,
            line=line,
            code=code,
            sliders=sliders,
            shown=shown,
            settings=settings,
            inputs=inputs,
            in_order=in_order,
            move=move,
            still=still,
            open_at=open_at,
        )


def event_name(kind):
    """Return a kind of models as it is named in events over HTTP."""
    return kind.replace(" ", "_")


def named_sliders(kind):
    """Return how many sliders a kind of models has for directions that came with them, before the measured ones."""
    return NAMED if kind == "pictures" else 0


def within(number, low, high):
    """Return the number of a field within bounds; it is None while the field is empty, and counts as 0."""
    return min(max(number or 0, low), high)


def shown_first(labels):
    """Return the model that a list begins with: FIRST if it is there, None if the list is empty."""
    return FIRST if FIRST in labels else next(iter(labels), None)
