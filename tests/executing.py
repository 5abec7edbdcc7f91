"""The runs of one part, executed in this process."""

from lab.runs import list_runs, open_lab, replace_runs


def execute(part, cache):
    """The runs that a part submits under the name "tested", their results in the same nest."""
    with open_lab(cache, 0) as lab:
        nest = part.submit(lab, "tested")
        while not all(run.done() for run in list_runs(nest)):
            lab.wait()
    return replace_runs(nest)


class Group:
    """Finished adders, as parts take them: {(variant, seed): training}."""

    devices = ()

    def __init__(self, trainings):
        self.trainings = trainings

    def submit_trainings(self, lab, name):
        """The trainings; nothing is to be run."""
        return self.trainings
