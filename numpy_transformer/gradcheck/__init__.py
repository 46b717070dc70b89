"""Gradient checks: every backward against two independent derivative oracles.

    python -m numpy_transformer.gradcheck             a table of every gradient of every layer, the whole model last

oracles.py      complex step and central differences: how to differentiate without a formula, and how accurately
case.py         a layer with one draw of inputs, parameters and upstream gradient
layer_cases.py  one case builder per layer; attention_cases.py and model_cases.py for the larger ones
masks.py        the dropout of a case, the same each time
check.py        compares backward and oracle: what counts as equal, and what a failure prints
examine.py      the same for the command: exceptions and broken rules become results
diagnosis.py    compares a wrong gradient with the right one, and names the mistake
suite.py        the cases that the command runs, in the order of mending; report.py prints what came of them
"""
