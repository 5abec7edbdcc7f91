"""The runs that look at finished adders: how often they are wrong, how long they remember a carry,
how they do at other lengths and with long carry chains.

As in `lab.training`, whose results they take. Where an adder does not run, as may be with a cell of
one's own, the result has "left_out": in a line, why.
"""

import math
import time

import numpy as np
import torch

import data
import exact
import pt

SEED = 1_000_003  # of all fresh pairs here: far from the seeds that adders are trained with
DIGITLEN = 10  # digits of the numbers whose sums are counted
BATCH = 1000  # pairs that are added at a time: 500 to 5000 take about the same time, 10,000 more


# --- How often.


def count_wrong(training, pairs, progress):
    """How many sums of `pairs` fresh 10-digit pairs of the test range an adder gets wrong.

    The pairs are the same for all adders. Returns {"pairs", "wrong", "pairs_per_second": of adding
    alone}; all are 0 for an adder that does not end at 100%, or does not run.
    """
    nothing = {"pairs": 0, "wrong": 0, "pairs_per_second": 0.0}
    if training["error"] is not None or training["accuracy"][-1:] != [1.0]:
        return nothing
    return look_at(training, nothing, count_wrong_sums, pairs, progress)


def look_at(training, nothing, look, *arguments):
    """The dict `look(model, *arguments)`; `nothing`, "left_out", if the adder does not run."""
    result, failure = exact.attempt(lambda: look(pt.adder_of(**training["adder"]), *arguments))
    if failure is not None:
        return nothing | {"left_out": exact.does_not_run(failure)}
    return result


def count_wrong_sums(model, pairs, progress):
    """`count_wrong` of a model."""
    data.check_at_least("pairs", pairs, 1)
    data.random.seed(SEED)
    wrong = 0
    seconds = 0.0
    for begin in range(0, pairs, BATCH):
        digits_1, digits_2, sums = data.draw_test_pairs(min(BATCH, pairs - begin), DIGITLEN)
        began = time.perf_counter()
        answers = pt.add_digits(model, digits_1, digits_2)
        seconds += time.perf_counter() - began
        wrong += int((answers != sums).any(1).sum())
        progress(min(1.0, (begin + BATCH) / pairs), None)
    return {"pairs": pairs, "wrong": wrong, "pairs_per_second": pairs / seconds}


# --- How long.


def measure_memory(training, most, progress):
    """How an adder's margin falls while it must remember a carry, or that there was none.

    From the zero state it reads one pair of digits that makes a carry (45 pairs) or makes none
    (45), then one of the ten pairs that sum to nine, `most` times in a row. The margin is the right
    digit's logit less the best other's.

    Returns {"margins": {"carry": [most + 1 values], "none": [as many]}, "worst": {"start": [digit,
    digit], "nines": [digit, digit], "at": k, "margin"}, "fails_at": k or None}. The value at k is
    the least margin, over all starts and the ten pairs, after k pairs that sum to nine. `fails_at`
    is the first k with a margin not above zero; `worst` is the least margin there, or of all.
    """
    return look_at(training, {}, measure_margins, most)


@torch.no_grad()
def measure_margins(model, most):
    """`measure_memory` of a model."""
    data.check_at_least("most", most, 1)
    model.eval()
    digits = torch.arange(10)
    starts = torch.cartesian_prod(digits, digits)
    starts = starts[starts.sum(1) != 9]
    nines = torch.stack((digits, 9 - digits), 1)
    margins = read_nines(model, starts, nines, most)
    makes_carry = starts.sum(1) > 9
    worst = margins.amin((0, 1))
    failed = (worst <= 0).nonzero()[:, 0].tolist()
    at = failed[0] if failed else int(worst.argmin())
    start, repeated = divmod(int(margins[..., at].argmin()), len(nines))
    return {
        "margins": {
            "carry": margins[makes_carry].amin((0, 1)).tolist(),
            "none": margins[~makes_carry].amin((0, 1)).tolist(),
        },
        "worst": {
            "start": starts[start].tolist(),
            "nines": nines[repeated].tolist(),
            "at": at,
            "margin": float(worst[at]),
        },
        "fails_at": failed[0] if failed else None,
    }


def read_nines(model, starts, nines, most):
    """The margins of each of `starts` (n, 2) and then `nines` (m, 2): (n, m, most + 1).

    A margin that is no number counts as the least.
    """
    size = (len(starts), len(nines))
    first = starts[:, None, None].expand(*size, 1, 2)
    then = nines[None, :, None].expand(*size, most, 2)
    num1, num2 = torch.cat((first, then), 2).flatten(0, 1).unbind(-1)
    total = starts.sum(1)
    after = (9 + total // 10) % 10  # 9, or with a carry 0
    right = torch.cat((total[:, None] % 10, after[:, None].expand(-1, most)), 1)
    right = right.repeat_interleave(len(nines), 0)[..., None]
    logits, _ = model.read(num1, num2)
    best_other = logits.scatter(-1, right, -math.inf).amax(-1)
    margins = logits.gather(-1, right)[..., 0] - best_other
    return margins.nan_to_num(-math.inf).unflatten(0, size)


# --- Other lengths, and long carry chains.


def measure_accuracy(training, lengths, count, progress):
    """The accuracy of an adder on `count` test pairs, the same for all, of each of `lengths`.

    Returns {"lengths", "accuracy": one a length, each None where the adder does not run}.
    """
    nothing = {"lengths": list(lengths), "accuracy": [None] * len(lengths)}
    return look_at(training, nothing, evaluate_at, lengths, count, progress)


def evaluate_at(model, lengths, count, progress):
    """`measure_accuracy` of a model."""
    accuracy = []
    for length in lengths:
        data.random.seed(SEED)
        accuracy.append(pt.evaluate(model, digitlen=length, batch_size=count))
        progress(len(accuracy) / len(lengths), None)
    return {"lengths": list(lengths), "accuracy": accuracy}


def stress(groups, chains, count, progress):
    """The accuracy on `count` pairs, of 1000 digits or more, for each longest carry chain.

    `groups` is {name: [training, ...]}; `chains` are in ascending order. Returns {"chains",
    "pairs": count, "adders": [{"name", "accuracy": one list an adder, one value a chain}]}.
    """
    data.random.seed(0)
    digitlen = max([1000, *chains])
    batches = [data.chain_batch(count, digitlen, chain) for chain in chains]
    digits_1, digits_2, sums = map(np.concatenate, zip(*batches, strict=True))
    measured = []
    left_out = []
    for name, trainings in groups.items():
        accuracy = []
        for training in trainings:
            answers, failure = exact.attempt(add_digits, training, digits_1, digits_2)
            if failure is not None:
                left_out.append(f"{name}: {exact.does_not_run(failure)}")
                continue
            correct = (answers == sums).all(1).reshape(len(chains), count)
            accuracy.append(correct.mean(1).tolist())
        if accuracy:
            measured.append({"name": name, "accuracy": accuracy})
    result = {"chains": list(chains), "pairs": count, "adders": measured}
    if left_out:
        result["left_out"] = "; ".join(dict.fromkeys(left_out))
    return result


def add_digits(training, digits_1, digits_2):
    """`pt.add_digits` of a trained adder."""
    return pt.add_digits(pt.adder_of(**training["adder"]), digits_1, digits_2)


def add_long_numbers(training, counts, progress):
    """How many sums of each length an adder gets correct, and how fast.

    `counts` is {digits: how many long-carry pairs}; 999...9 + 1 is added at each. Returns
    {"trained_at": digits, "tests": [{"digits", "kind", "pairs", "correct", "digits_per_second"}]}.
    """
    data.random.seed(0)
    model = pt.adder_of(**training["adder"])
    tests = []
    for length, count in sorted(counts.items()):
        nines = data.with_sums(np.full((1, length), 9), np.eye(1, length))
        batches = {"long-carry": data.long_carry_batch(count, length), "999...9 + 1": nines}
        for kind, (digits_1, digits_2, sums) in batches.items():
            began = time.perf_counter()
            answer = pt.add_digits(model, digits_1, digits_2)
            speed = answer.size / (time.perf_counter() - began)
            correct = int((answer == sums).all(1).sum())
            tests.append(
                {
                    "digits": length,
                    "kind": kind,
                    "pairs": len(sums),
                    "correct": correct,
                    "digits_per_second": speed,
                }
            )
    return {"trained_at": exact.proof.DIGITLEN, "tests": tests}
