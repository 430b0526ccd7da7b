"""Synthetic pairs from a teacher: planned, paid for once, filtered, counted, and described.

A seed plan makes requests, a teacher answers them, an append-only ledger keeps every answer, and
filters take the answers to a data set with a card. What a folder holds follows from its ledger and
the configuration alone, so a killed command goes on where it was, and a finished one costs nothing.
"""
