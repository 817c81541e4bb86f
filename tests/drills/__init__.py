"""Fault drills: one fault each, and what must hold after it.

A drill survives where the run, given the same command again, ends with the
losses, parameters and results of the run that nothing happened to, bit for
bit; or where it stops with one line that says why, and having mended that,
the same command ends so.

python -m tests.drills              all of them, and a table by kind
python -m tests.drills --fast       those that are part of every test run
python -m tests.drills --only=disk,grid  those whose kind or name holds a word
"""
