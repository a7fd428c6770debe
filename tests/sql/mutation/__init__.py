"""Differential fuzzing: mutants of valid statements, judged by oracles that share no code with
what they judge.

A *world* is a database with marked restricted values, a policy and a masked user. A *mutator*
makes hostile texts of its statements. The *oracles* look at every mutant that analysis accepts.
"""
