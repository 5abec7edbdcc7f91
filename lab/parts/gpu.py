"""How much faster is a GPU?"""

import statistics
from dataclasses import dataclass

import numpy as np

from lab.book import Part
from lab.report import rules
from lab.report.said import GPU
from lab.settings import check_numbers
from lab.style import COLOURS, WIDTH, label_log_axis
from lab.training import time_step
from lab.words import escape, join, list_claims, spread, table

NO_GPU = "not measured: there was no GPU"


@dataclass(frozen=True)
class Gpu(Part):
    """The time of a training step at each length, on the CPU and on another device."""

    lengths: tuple  # digits
    device: str  # the other device, or "cpu" where there is none

    def __post_init__(self):
        """Check the lengths."""
        check_numbers("lengths", self.lengths, 1)

    @property
    def devices(self):
        """The device beside the CPU."""
        return {self.device}

    def submit(self, lab, name):
        """Submit the times, the longest first: {"kinds", "times": {device: {digits: run}}}."""
        kinds = {}
        times = {}
        for device in dict.fromkeys(["cpu", self.device]):
            kinds[device] = lab.machine(device)["device"]
            times[device] = {}
            for digits in sorted(self.lengths, reverse=True):
                times[device][digits] = lab.submit(
                    time_step,
                    digits,
                    device,
                    title=f"{name}, {digits} digits on {device}",
                    seconds=1.8e-3 * digits,
                    device=device,
                    say=say_times,
                )
        return {"kinds": kinds, "times": times}

    def result(self, name, done):
        """The times and the report's claims on them, judged: see `describe`."""
        ms = {
            device: {digits: of_length["ms"] for digits, of_length in sorted(of_device.items())}
            for device, of_device in done["times"].items()
        }
        return describe(ms, done["kinds"])

    def draw(self, figure, result):
        """The milliseconds of a training step against the length, on each device."""
        figure.set_size_inches(WIDTH, 2.7)
        axes = figure.subplots()
        last = []
        for device, colour in zip(result["devices"], COLOURS, strict=False):
            medians = {digits: statistics.median(ms) for digits, ms in device["ms"]}
            label = f"here, {device['kind']}"
            axes.plot(list(medians), list(medians.values()), "o-", color=colour, label=label)
            longest = max(medians)
            last.append(f"{medians[longest]:.0f} ms on {device['device']}")
        style = {"color": "grey", "label": "the original code, another CPU"}
        axes.plot(*np.transpose(result["original_ms"]), "D--", **style)
        figure.suptitle(f"A training step at {longest} digits, batch size 100: {', '.join(last)}")
        axes.set(xscale="log", xlabel="digits of each number")
        axes.set(yscale="log", ylabel="ms a training step")
        label_log_axis(axes.xaxis)
        label_log_axis(axes.yaxis)
        axes.legend()

    def page(self, result):
        """The claims, and a row for each length."""
        header = [
            "digits",
            *(escape(device["kind"]) for device in result["devices"]),
            "the original code, measured once on another machine, evaluations included",
        ]
        original = dict(result["original_ms"])
        columns = [dict(device["ms"]) for device in result["devices"]]
        rows = [
            [digits, *(spread(column[digits]) for column in columns), original.get(digits, "")]
            for digits in columns[0]
        ]
        return join(
            f"**The report says, section {result['section']}:** {escape(result['says'])}.",
            f"**Verdict:** {escape(result['verdict'])}.",
            list_claims(result["claims"], "measurements"),
            "A training step of task-1's adder at its default sizes, batch size 100, one torch "
            "thread, in ms, beside the other runs of the script:",
            table(header, rows),
        )


def say_times(times):
    """The median of some times, as "12.3 ms a training step"."""
    return f"{statistics.median(times['ms']):.1f} ms a training step"


def describe(ms, kinds):
    """The entry, judged: `ms` is {device: {digits: [ms a step]}}, `kinds` {device: its kind}."""
    devices = [
        {"device": device, "kind": kind, "ms": list(ms[device].items())}
        for device, kind in kinds.items()
    ]
    others = [device for device in kinds if device != "cpu"]
    claims = [judge(claim, ms["cpu"], ms[device]) for device in others for claim in GPU["claims"]]
    return GPU | {"claims": claims, "verdict": rules.tally(claims) or NO_GPU, "devices": devices}


def judge(claim, on_cpu, on_gpu):
    """A claim, judged by an answer each time: was it so much faster at each length?"""
    speedups = {
        digits: [cpu / gpu for cpu, gpu in zip(on_cpu[digits], times, strict=True)]
        for digits, times in on_gpu.items()
    }
    each_time = zip(*speedups.values(), strict=True)
    answers = [min(at_each_length) >= claim["at_least"] for at_each_length in each_time]
    medians = ", ".join(f"{statistics.median(times):.3g}" for times in speedups.values())
    note = f"{medians} times as fast at {rules.in_words(speedups)} digits"
    reading = {"asked": claim["asked"], "answers": answers, "note": ""}
    return rules.judge_claim(claim, [reading], note)
