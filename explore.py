"""A web page, for this machine alone, on which trained models are moved, asked, drawn for, seen and heard.

    pip install -r requirements_explore.txt
    python explore.py                        # models/ and every run in runs/, at http://127.0.0.1:7860
    python explore.py elsewhere/my_run       # and this folder
    python explore.py --measure              # prints how fast the sliders are

Faces and cats along named directions, arithmetic typed or written by hand, digits, letters and drums. Nothing is sent
anywhere, and what the page writes goes when it ends.
"""

import shared_start  # noqa: F401, first: TensorFlow without its noise

import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

import shared_layout
import shared_page
import shared_run
from shared_command_line import OneLineParser, positive, run_script
from shared_directions import DIRECTIONS
from shared_files import InputError, find_folder, print_table
from shared_handlers import Handlers

MODELS_DIR = Path(__file__).resolve().parent / "models"
PORT = 7860
CHANGES = 60  # of a slider, that are measured
SETTINGS = {"pictures": [], "digit codes": [], "digits": ["3"], "letters": ["A"], "drums": [shared_page.TEMPO, False]}


def open_gradio(scratch):
    """Return the module `gradio`, which tells nobody that it is used and keeps its files in `scratch`.

    Raises:
        InputError: it is not installed.
    """
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",  # else pandas sums all events up after each of them
        "HF_HUB_OFFLINE": "1",
        "GRADIO_TEMP_DIR": str(scratch),
        **{name: f"{os.environ.get(name, '')},127.0.0.1".lstrip(",") for name in ("no_proxy", "NO_PROXY")},
    }
    try:
        import gradio
    except ImportError as error:
        raise InputError(f"The page needs Gradio ({error}): pip install -r requirements_explore.txt") from error
    return gradio


def launch(gr, handlers, port):
    """Start the page in a thread of its own; return `gradio.Blocks` and its address.

    Args:
        gr: the module `gradio`.
        handlers: `shared_handlers.Handlers`.
        port: to be bound on this machine; None takes any that is free.

    Raises:
        InputError: the port is not free.
    """
    blocks = shared_page.Page(gr, handlers).build()
    try:
        _, address, _ = blocks.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            max_file_size="30mb",
            theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            css=shared_page.STYLE,
            footer_links=[],
        )
    except (OSError, OverflowError) as error:  # the latter above 65535
        raise InputError(f"Port {port} is not free: take another by --port.") from error
    return blocks, address


def call(page, name, values):
    """Call an event of the page with such values, and fetch its pictures.

    The client for Python that comes with Gradio would add a tenth of a second of its own.

    Args:
        page: `httpx.Client` of the page.
        name: of the event.
        values: of its inputs; None for one that the page keeps to itself.

    Raises:
        InputError: the page answers with an error, its first output.
        httpx.HTTPStatusError: it does not answer.
    """
    answer = page.post(f"gradio_api/run/{name}", json={"data": values, "session_hash": "measured"}).raise_for_status()
    error, *shown = answer.json()["data"]
    if error:
        raise InputError(f"{name}: {error}")
    for value in shown:
        if isinstance(value, dict) and "url" in value:
            page.get(value["url"]).raise_for_status()


def measure(handlers, address):
    """Return rows of how long it takes, in milliseconds, until a changed slider's picture has come over HTTP."""
    import httpx  # comes with Gradio

    rows = []
    with httpx.Client(base_url=address, timeout=60) as page:
        for kind, settings in SETTINGS.items():
            name, named = shared_layout.event_name(kind), shared_layout.named_sliders(kind)
            label = shared_layout.shown_first(handlers.labels(kind))
            call(page, f"random_{name}", [label, 1, *settings])
            handlers.measured(kind, label)
            times = []
            for place in np.linspace(-2, 2, CHANGES + 1):
                steps = np.zeros(named + DIRECTIONS)
                steps[named] = place
                start = time.perf_counter()
                call(page, f"move_{name}", [label, None, *settings, *steps.tolist()])
                times.append(1_000 * (time.perf_counter() - start))
            median, late = np.quantile(times[1:], [0.5, 0.95])  # the first may compile
            rows.append({"model": label, "median, ms": float(median), "95th percentile, ms": float(late)})
    return rows


def folders_to_show(named):
    """Return {name: folder} of `models/`, of `runs/`, and of those that are named, {name: folder}, each folder once."""
    folders = {MODELS_DIR.name: MODELS_DIR}
    with suppress(OSError):  # of a repository that cannot be written
        shared_run.RUNS_DIR.mkdir(exist_ok=True)  # to be looked at again later, when a run has begun
        folders[shared_run.RUNS_DIR.name] = shared_run.RUNS_DIR
    for name, folder in named.items():
        if folder not in folders.values():
            folders[str(folder) if name in folders else name] = folder
    return folders


def main(argv=None):
    """Show the page until Ctrl-C, or print how fast it is.

    Raises:
        InputError: Gradio is missing, the port is taken, or a folder that is named has no models.
    """
    parser = OneLineParser(description=__doc__)
    parser.add_argument("folders", nargs="*", help="folders of runs, or of their parts, to show as well")
    parser.add_argument("--port", type=positive, default=PORT, help="of the page on this machine (%(default)s)")
    parser.add_argument("--measure", action="store_true", help="measure the sliders of a model of each kind, and end")
    args = parser.parse_args(argv)
    if args.measure and args.folders:
        parser.error("--measure: takes the models that come with the repository, and no folders")
    begun = time.perf_counter()
    named = {str(path): path.resolve() for path in map(find_folder, args.folders)}
    folders = {MODELS_DIR.name: MODELS_DIR} if args.measure else folders_to_show(named)
    for end in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):  # Windows has no SIGHUP
        if signal.getsignal(end) != signal.SIG_IGN:  # as it is under nohup
            signal.signal(end, signal.default_int_handler)  # so that the files below go
    with tempfile.TemporaryDirectory(prefix="explore_") as scratch:
        gr = open_gradio(scratch)
        handlers = Handlers(folders, Path(scratch))
        for name, folder in named.items():
            if not any(path.is_relative_to(folder) for models in handlers.found.values() for path in models.values()):
                raise InputError(" ".join([f"{name}: holds no models that the page can show.", *handlers.notes]))
        blocks, address = launch(gr, handlers, None if args.measure else args.port)
        try:
            if args.measure:
                print_table(measure(handlers, address))
                return
            print(
                f"Open {address} (on this machine alone; ready in {time.perf_counter() - begun:.0f} s; Ctrl-C ends it)."
            )
            blocks.block_thread()
        finally:
            blocks.close(verbose=False)


if __name__ == "__main__":
    run_script(main, resumable=False)
