"""The page of `explore.py`: its tabs, laid out with Gradio."""

import html

from shared_handlers import show_bar
from shared_handwriting import FIELDS
from shared_layout import Layout, within
from shared_models import ALPHABETS

ASKED = 6  # arithmetic models that are asked unless one chooses
QUARTERS = "repeating-linear-gradient(white 0 49px, #bbb 49px 50px)"  # of the paper
TEMPO, TEMPI = 100, (60, 180)  # quarter notes a minute: first, and slowest and fastest
CACHE = (600, 3600)  # seconds: how often old files are deleted, and how old they are
STYLE = """
.line {color: #b00020; margin: -8px 0}
.answers td, .answers th {padding: 4px 14px; text-align: left}
"""


class Page(Layout):
    """The page; see `shared_layout.Layout`."""

    def build(self):
        """Return `gradio.Blocks`."""
        gr = self.gr
        with gr.Blocks(
            title="Explore the models", analytics_enabled=False, fill_width=True, delete_cache=CACHE
        ) as blocks:
            with gr.Tab("Faces and cats") as tab:
                first = self.pictures("pictures", tab, self.photograph)
            with gr.Tab("Arithmetic"):
                self.arithmetic()
                self.handwriting()
            with gr.Tab("Digits"):
                with gr.Tab("Complete"):
                    self.completion()
                with gr.Tab("Ask for a digit") as inner:
                    self.glyphs("digits", inner, ALPHABETS[10])
                with gr.Tab("Move a code") as inner:
                    self.pictures("digit codes", inner, self.drawn_digit)
            with gr.Tab("Letters") as tab:
                self.glyphs("letters", tab, ALPHABETS[26])
            with gr.Tab("Drums") as tab:
                self.drums(tab)
            notes = self.line()
            choosers = [chooser for chooser, _ in self.choosers]
            found = blocks.load(self.found, None, [notes, *choosers], api_visibility="private")
            first.open_at(found.then)
        return blocks

    def found(self):
        """Return the line of what cannot be opened, and the models that each list has, looked for anew."""
        line = html.escape(self.handlers.find())
        return line, *[self.gr.update(choices=self.handlers.labels(*kinds)) for _, kinds in self.choosers]

    def pictures(self, kind, tab, own):
        """Lay out pictures that sliders move, two that are kept, the path between them, and one's own picture."""
        gr, handlers = self.gr, self.handlers

        def layout():
            return [self.picture("picture", height=400, elem_id=f"{kind.split()[0]}_moved")], []

        def show(*values):
            return (handlers.show(kind, *values),)

        def keep(*values):
            label, *moved = part.in_order(*values)
            return (label, handlers.moved(kind, label, *moved)), *show(label, *moved)

        part = self.moved(kind, tab, show, layout)
        with gr.Accordion("Two pictures and the path between them", open=False):
            with gr.Row():
                kept, seen = [], []
                for label in ("first", "second"):
                    with gr.Column(min_width=140, scale=1):
                        state, small = gr.State(None), self.picture(label, height=200)
                        button = gr.Button(f"Keep as the {label}")
                        kept.append(state)
                        seen.append(small)
                    self.on(button.click, keep, part.inputs, [state, small], part.line)
                with gr.Column(min_width=140, scale=1):
                    between = self.picture("between them", height=200)
                    share = gr.Slider(0, 1, 0.5, step=0.01, label="share of the way")
            with gr.Row():
                button = gr.Button("Show the path")
            path = self.picture("path", elem_id=f"path_{kind.split()[0]}")
            inputs = [part.model, *kept]
            self.on(button.click, lambda *values: (handlers.path(kind, *values),), inputs, [path], part.line)
            self.on(
                share.change,
                lambda *values: (handlers.path(kind, *values[:-1], within(values[-1], 0, 1)),),
                [*inputs, share],
                [between],
                part.line,
                quick=True,
            )
            self.empty_with(part.model, [*kept, *seen, between, path])
        own(kind, part, show)
        return part

    def own_picture(self, kind, part, show, given, button, take, name, file=False):
        """Let a picture that is given be taken as the code that is moved, and show it beside what the model makes."""
        pair = self.picture("yours, and what the model makes of it", height=220, elem_id=f"own_pair_{kind.split()[0]}")

        def taken(label, value):
            code, beside = take(kind, label, value)
            return code, *part.still, *show(label, code), beside

        outputs = [part.code, *part.sliders, *part.shown, pair]
        self.on(button.click, taken, [part.model, given], outputs, part.line, name=name, file=file)
        self.empty_with(part.model, [pair])

    def photograph(self, kind, part, show):
        """Lay out where a photograph is taken in."""
        with self.gr.Accordion("Your own photograph", open=False):
            self.gr.Markdown("A face that fills most of the middle square is taken best. The photograph stays here.")
            with self.gr.Row():
                with self.gr.Column():
                    given = self.gr.File(label="photograph", type="filepath", height=150)
                    button = self.gr.Button("Take the photograph")
                with self.gr.Column():
                    self.own_picture(kind, part, show, given, button, self.handlers.photograph, "photograph", file=True)

    def drawn_digit(self, kind, part, show):
        """Lay out where a digit is drawn to be taken in."""
        with self.gr.Accordion("Your own digit", open=False), self.gr.Row():
            with self.gr.Column():
                given = self.sketchpad("a digit", "own_digit")
                button = self.gr.Button("Take the digit")
            with self.gr.Column():
                self.own_picture(kind, part, show, given, button, self.handlers.drawn_digit, "drawn_digit")

    def glyphs(self, kind, tab, letters):
        """Lay out a generator that is told a letter or digit."""
        handlers = self.handlers
        what = "digit" if letters.isdecimal() else "letter"

        def layout():
            letter = self.gr.Radio(list(letters), value=letters[0], label=what)
            shown = [self.picture(what, height=300), self.picture(f"every {what} with the same noise")]
            return shown, [letter]

        part = self.moved(kind, tab, lambda *values: handlers.show_letter(kind, *values), layout)
        self.on(part.settings[0].change, part.move, part.inputs, part.shown, part.line, quick=True)

    def completion(self):
        """Lay out a canvas for the top of a digit, which is completed."""
        gr = self.gr
        model = self.chooser("patches")
        line = self.line()
        with gr.Row():
            with gr.Column():
                drawing = self.sketchpad("the top of a digit, as large as the canvas allows", "top", QUARTERS)
                rows = gr.Radio([("a quarter", 1), ("half", 2), ("three quarters", 3)], value=2, label="is kept")
                button = gr.Button("Complete")
            with gr.Column():
                completed = self.picture("completed, several ways")
        self.on(
            button.click,
            lambda *values: (self.handlers.complete(*values),),
            [model, drawing, rows],
            [completed],
            line,
            name="complete",
        )

    def arithmetic(self):
        """Lay out an expression that is typed, and the answers of all models side by side."""
        gr = self.gr
        gr.Markdown("### Type an expression")
        models = self.chooser("text", "hand", several=ASKED)
        with gr.Row():
            text = gr.Textbox("12+34", label="sum or difference of two whole numbers 0 to 99", max_lines=1, scale=2)
            button = gr.Button("Solve", size="md")
        line = self.line()
        with gr.Row():
            answers = gr.HTML("", elem_id="solved")
            with gr.Column():
                read = self.picture("what models that read pictures were shown", height=120)
        for event, name in ((button.click, "solve"), (text.submit, None)):
            self.on(event, self.handlers.solve, [models, text], [answers, read], line, name=name)

    def handwriting(self):
        """Lay out five canvases for an expression, and its answers."""
        gr = self.gr
        gr.Markdown("### Write an expression by hand\nA number of one place has its tens left blank.")
        models = self.chooser("hand", several=ASKED)
        with gr.Row():
            drawings = []
            for index, name in enumerate(FIELDS):
                with gr.Column(min_width=210):
                    drawings.append(self.sketchpad(name, f"field_{index}"))
        button = gr.Button("Read and solve")
        line = self.line()
        with gr.Row():
            answers = gr.HTML("", elem_id="read")
            with gr.Column():
                read = self.picture("what was read", height=120)
        self.on(button.click, self.handlers.read, [models, *drawings], [answers, read], line, name="read")

    def drums(self, tab):
        """Lay out a drum bar that is looked at, clicked, moved and heard."""
        gr, handlers = self.gr, self.handlers
        hits = gr.State(None)

        def layout():
            gr.Markdown("Click a cell to turn it on or off.")
            grid = gr.Image(show_label=False, interactive=False, format="png", buttons=[], elem_id="grid")
            sound = gr.Audio(
                label="the bar, four times",
                type="filepath",
                interactive=False,
                loop=True,
                buttons=["download"],
                waveform_options=gr.WaveformOptions(show_recording_waveform=False),
                elem_id="sound",
            )
            at_once = gr.Checkbox(False, label="play at every change")
            tempo = gr.Slider(*TEMPI, TEMPO, step=1, label="quarter notes a minute")
            midi = gr.File(label="MIDI", interactive=False, height=90)
            return [hits, grid, sound, midi], [tempo, at_once]

        def seen_and_heard(found, tempo, at_once):
            sound, midi = handlers.play(found, within(tempo, *TEMPI))
            return found, show_bar(found), gr.update(value=sound, autoplay=at_once), midi

        def show(label, code, tempo, at_once, *steps):
            return seen_and_heard(handlers.hits(label, code, *steps), tempo, at_once)

        def replayed(found, *settings):
            return [gr.skip()] * 4 if found is None else seen_and_heard(found, *settings)

        def clicked(found, tempo, at_once, event: gr.SelectData):
            return seen_and_heard(handlers.clicked(found, *event.index), tempo, at_once)

        def rebuilt(label, found, *settings):
            code = handlers.rebuilt(label, found)
            return code, *part.still, *show(label, code, *settings)

        part = self.moved("drums", tab, show, layout)
        self.on(part.shown[1].select, clicked, [hits, *part.settings], part.shown, part.line)
        for setting in part.settings:
            self.on(setting.change, replayed, [hits, *part.settings], part.shown, part.line, quick=True)
        button = gr.Button("Rebuild the bar by the model, and move on from there")
        outputs = [part.code, *part.sliders, *part.shown]
        self.on(button.click, rebuilt, [part.model, hits, *part.settings], outputs, part.line)
