"""Experiments side by side, as values and as JSON.

columns     many: what is asked for, and a column for each parameter and metric
difference  two: parameters, spec and code, as unified text
unified     the difference of two texts, found in bounded time
"""
