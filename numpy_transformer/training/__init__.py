"""A training run: batches in, updates of the parameters out, and everything that is kept. In reading order:

plain_loop.py    a whole run on one screen: batch, forward, loss, backward, Adam
schedule.py      the learning rate
optimizer.py     Adam on the flat buffer
trainer.py       the same loop, made to be watched, stopped and resumed
parallel.py      one step on several threads; gpu_step.py: on a GPU
evaluation.py    validation loss and translations; metrics.py: BLEU, exact matches
run_folder.py    what a run writes, and how nothing is lost
reporting.py     what a run says; diagnostics.py, curves.py, costs.py: what it knows to say
options.py       every option and its defaults; recipes.py: those that suit a corpus; texts.py: the corpus itself
duration.py      when a run ends; interrupt.py: Ctrl-C and SIGTERM
"""
