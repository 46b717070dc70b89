"""Write the layers yourself: each function of the road as an exercise, with a checker that names the mistake.

exercise.py     what an exercise is, and how results are compared
catalogue.py    all exercises in the order of the road; their calls stand in calls_*.py
references.py   the small functions that no layer file has in this form
english.toml    every word that a learner reads: statements, hints, names of terms, messages
solution.py     the learner's file, read with care
contract.py     was an argument changed, a gradient added instead of assigned, a shape or dtype wrong?
diagnosis.py    which mistake gives exactly these numbers?
checker.py      from a solution to a verdict, in a process with a time limit
workbook.py     the learner's folder: start, progress
practice.py     the real trainer with the learner's layers
classroom.py    points, reports and folders for teachers
"""
