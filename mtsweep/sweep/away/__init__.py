"""Groups as jobs of a scheduler: submitit, joblib, Ray.

A job is the engine itself on another machine (``job.py``), with a worker on each of its devices:
what a worker's death costs, retries, timeouts and checkpoints are as on this machine. What it tells
goes into a file of its folder (``folder.py``), which the command that submitted it reads
(``drive.py``).
"""
